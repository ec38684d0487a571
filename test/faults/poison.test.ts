/** A run that breaks its leg, or the whole process, each time that it is taken up: it is given up, and its neighbours end. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { MAX_PICKUPS } from '../../src/runs/journal.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { auditVerifies, query, publish, type Step, settled, start, withFaults } from './kit.ts'
import { startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
beforeEach(() => {
  upstream.calls.length = 0
  upstream.pace = () => 5
})

const STEPS: Step[] = [
  { id: 'read', method: 'GET' },
  { id: 'again', method: 'GET', after: ['read'] },
  { id: 'last', method: 'GET', after: ['again'] },
]
const GIVEN_UP = { status: 'failed', failure: { code: 'INTERNAL', reason: 'PICKED_UP_IN_VAIN' } }
const TIMES = { reconcileMs: 150, startingMs: 50, suspectMs: 5 }
const point = 'runs.step.before_call'

it('[runs.poison] a leg that breaks each time holds nobody up, and its run fails with a reason', async () => {
  await using ar = await runtime(withFaults(upstream, [{ point, pass: 'every', act: 'throw', run: 'run-bad' }], TIMES))
  const workflow = await publish(ar, upstream, STEPS)
  await start(ar, workflow, 'bad')
  const good = Array.from({ length: 20 }, (_, i) => String(i))
  for (const n of good) await start(ar, workflow, n)
  for (const s of await settled(ar, workflow, good, 10_000)) expect(s, JSON.stringify(s)).toMatchObject({ status: 'completed' })
  expect(await settled(ar, workflow, ['bad'], 20_000)).toMatchObject([GIVEN_UP])
  expect(upstream.of('/bad/read')).toHaveLength(0)
  // The step was in flight as far as anybody can know: a person says so, and the run can be tried again.
  const at = `/v1/workflows/${workflow}/runs/run-bad`
  expect((await ar.api('POST', `${at}/retry`, {})).status).toBe(409)
  expect((await ar.api('POST', `${at}/steps/read/resolve`, { outcome: 'retry' })).status).toBe(200)
  expect((await ar.api('POST', `${at}/retry`, {})).status).toBe(202)
  expect(await settled(ar, workflow, ['bad'], 20_000)).toMatchObject([GIVEN_UP])
  await auditVerifies(ar)
})

it('[runs.poison] a run that kills the process each time is given up, and its innocent neighbours end', async () => {
  const options = withFaults(upstream, [{ point, pass: 'every', act: 'kill', run: 'run-bad' }], { ...TIMES, suspectMs: 40 })
  await using first = await runtime(options)
  const workflow = await publish(first, upstream, STEPS)
  const good = Array.from({ length: 10 }, (_, i) => String(i))
  upstream.pace = () => 150
  await Promise.all(good.map((n) => start(first, workflow, n)))
  await start(first, workflow, 'bad').catch(() => undefined)
  await first.exited

  let last: TestRuntime | undefined
  let lives = 1
  // One more life for each time that it is taken up, and then it lives.
  for (; lives < MAX_PICKUPS + 6; lives++) {
    last = await first.again(options).catch(() => undefined) // it may die before it has said that it is ready
    if (!last) continue
    const ended = settled(last, workflow, ['bad', ...good]).catch(() => null)
    if (await Promise.race([last.exited.then(() => false), ended.then((it) => it !== null)])) break
  }
  if (!last) throw new Error('it never came up')
  try {
    expect(await settled(last, workflow, ['bad'])).toMatchObject([GIVEN_UP])
    for (const s of await settled(last, workflow, good)) expect(s, JSON.stringify(s)).toMatchObject({ status: 'completed' })
    expect(lives).toBeGreaterThan(MAX_PICKUPS - 1)
    expect(upstream.of('/bad/read')).toHaveLength(0)
    const story = await query<{ event_type: string }>(
      first.connection!,
      "select event_type from run_events where run_id = 'run-bad' order by seq",
    )
    expect(story.slice(-2).map((e) => e.event_type)).toEqual(['step_waiting', 'state_changed'])
    await auditVerifies(last)
  } finally {
    await last.stop()
  }
}, 120_000)
