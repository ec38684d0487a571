/** The process dies at each named point of a run, and another one on the same data brings every run to its end. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runtime } from '../harness.ts'
import { type Answer, auditVerifies, books, checkBooks, publish, resolveAll, type Step, start, summary, withFaults } from './kit.ts'
import { startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())

/** Two reads beside each other, of different speed, then a write on either of them, then one that needs both. */
const STEPS: Step[] = [
  { id: 'quick', method: 'GET' },
  { id: 'slow', method: 'GET' },
  { id: 'write', method: 'POST', after: ['quick'] },
  { id: 'other', method: 'POST', after: ['slow'] },
  { id: 'last', method: 'GET', after: ['write', 'other'] },
]
const RUNS = ['1', '2', '3', '4', '5', '6']

const POINTS = [
  'runs.journal.before_write',
  'runs.journal.after_write',
  'runs.step.before_call',
  'runs.step.after_call',
  'runs.start.before_engine',
]

describe.each(POINTS)('killed at %s', (point) => {
  // The first pass, and one in the middle of six runs.
  it.each(point === 'runs.start.before_engine' ? [1, 4] : [1, 15])(
    '[runs.crash-safe] [runs.no-repeat] [runs.outcome-unknown] [runs.same-key] on pass %i every run goes on and ends',
    async (pass) => {
      upstream.calls.length = 0
      upstream.pace = (call) => (call.path.endsWith('/slow') ? 40 : 5)
      await using first = await runtime(withFaults(upstream, [{ point, pass, act: 'kill' }]))
      const workflow = await publish(first, upstream, STEPS)
      await Promise.allSettled(RUNS.map((n) => start(first, workflow, n)))
      expect(await first.exited).toMatchObject({ signal: 'SIGKILL' })

      const second = await first.again(withFaults(upstream, []))
      try {
        // Whoever got no answer asks again with the same id; where the run is there already, nothing happens.
        for (const n of RUNS) expect((await start(second, workflow, n)).status).toBe(202)
        const answers: Answer[] = ['done', 'retry']
        const asked = await resolveAll(second, workflow, RUNS, () => answers.shift() ?? 'done')
        for (const at of asked) expect(at).toMatch(/\/(write|other)$/)
        for (const n of RUNS) expect(await summary(second, workflow, n)).toMatchObject({ status: 'completed' })
        checkBooks(await books(first.connection!), upstream, STEPS)
        await auditVerifies(second)
      } finally {
        await second.stop()
      }
    },
  )
})

it('[runs.crash-safe] [runs.no-repeat] a leg that breaks at any of the points is begun again, and the process lives', async () => {
  upstream.calls.length = 0
  const names = POINTS.map((_, i) => String(i))
  const harms = POINTS.flatMap((point, i) =>
    (point.startsWith('runs.start') ? [1] : [1, 4]).map((pass) => ({ point, pass, act: 'throw' as const, run: `run-${i}` })),
  )
  await using ar = await runtime(withFaults(upstream, harms, { reconcileMs: 200, startingMs: 100 }))
  const workflow = await publish(ar, upstream, STEPS)
  for (const n of names) await start(ar, workflow, n)
  const asked = await resolveAll(ar, workflow, names, () => 'retry')
  for (const at of asked) expect(at).toMatch(/\/(write|other)$/)
  for (const n of names) expect(await summary(ar, workflow, n)).toMatchObject({ status: 'completed' })
  checkBooks(await books(ar.connection!), upstream, STEPS)
  await auditVerifies(ar)
})

describe('fault points', () => {
  it('[faults.each-used] every point that the code names is used by a test, and no test names another', () => {
    const read = (folder: string) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((f) => f.endsWith('.ts'))
        .map((f) => readFileSync(join(folder, f), 'utf8'))
        .join('\n')
    const named = (text: string, pattern: RegExp) => new Set([...text.matchAll(pattern)].map((m) => m[1] as string))
    const src = read(join(import.meta.dirname, '../../src'))
    // Behind `fault?.(`, or in the table of those behind a commit.
    const points = named(
      src,
      /(?:fault\?\.\(|: )'((?:backup|burn|connections|restore|rotation|runs|triggers|vault)\.[a-z]+\.[a-z]+_[a-z_]+)'/g,
    )
    const used = named(
      read(import.meta.dirname),
      /'((?:backup|burn|connections|restore|rotation|runs|triggers|vault)\.[a-z]+\.[a-z]+_[a-z_]+)'/g,
    )
    expect(points.size).toBeGreaterThanOrEqual(13)
    expect([...used].sort()).toEqual([...points].sort())
  })
})
