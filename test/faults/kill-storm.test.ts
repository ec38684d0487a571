/** kill -9 twenty times at random moments while fifty runs are in flight. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type RuntimeOptions, runtime, type TestRuntime } from '../harness.ts'
import { auditVerifies, books, checkBooks, publish, resolveAll, type Step, start, withFaults } from './kit.ts'
import { startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())

/** mulberry32: the same seed gives the same storm. */
function dice(seed: number): () => number {
  let a = seed
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** The server that this runtime brought along, and no other. */
function killPostgres(dataDir: string): void {
  const pid = Number(readFileSync(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8').split('\n')[0])
  if (pid > 1) process.kill(pid, 'SIGKILL')
}

/** Runs that were in flight at many kills are held back for seconds and not for a minute. */
const TIMES = { suspectMs: 300 }
const PATIENCE_MS = 60_000
const SHAPES: Step[][] = [
  [
    { id: 'read', method: 'GET' },
    { id: 'write', method: 'POST', after: ['read'] },
    { id: 'look', method: 'GET', after: ['write'] },
  ],
  [
    { id: 'left', method: 'GET' },
    { id: 'right', method: 'POST' },
    { id: 'join', method: 'POST', after: ['left', 'right'] },
  ],
  [
    { id: 'one', method: 'GET' },
    { id: 'two', method: 'GET' },
    { id: 'three', method: 'POST' },
  ],
]

/** `kills` times: let the runtime live for a random while, kill it, start it again on the same data. Then let everything end. */
async function storm(options: RuntimeOptions, runs: number, kills: number, seed: number, kill: (ar: TestRuntime) => Promise<void>) {
  console.info(`kill storm with seed ${seed}`)
  const random = dice(seed)
  upstream.calls.length = 0
  upstream.pace = () => 30 + random() * 700
  const first = await runtime(options)
  let ar = first
  try {
    const workflows: string[] = []
    for (const shape of SHAPES) workflows.push(await publish(ar, upstream, shape))
    const names = Array.from({ length: runs }, (_, i) => String(i))
    const workflowOf = (n: string) => workflows[Number(n) % workflows.length] as string
    const told = new Set<string>()
    for (let i = 0; i < kills; i++) {
      // Half of them at once, and some more in each life, so that there is always something in flight.
      const next = names.slice(0, Math.ceil(((i + kills) * runs) / (2 * kills - 1))).filter((n) => !told.has(n))
      const starting = Promise.all(
        next.map((n) =>
          start(ar, workflowOf(n), n).then(
            (a) => a.status === 202 && told.add(n),
            () => false,
          ),
        ),
      )
      await new Promise((resolve) => setTimeout(resolve, 200 + random() * 1_500))
      await kill(ar)
      await starting
      ar = await ar.again()
    }
    for (const n of names) expect((await start(ar, workflowOf(n), n)).status).toBe(202)
    let asked = 0
    for (const [i, workflow] of workflows.entries()) {
      const mine = names.filter((n) => Number(n) % workflows.length === i)
      asked += (await resolveAll(ar, workflow, mine, () => 'done', PATIENCE_MS)).length
    }
    await auditVerifies(ar)
    return { first, ar, asked, shapeOf: (n: string) => SHAPES[Number(n) % SHAPES.length] as Step[] }
  } catch (error) {
    await ar.kill()
    await first[Symbol.asyncDispose]()
    throw error
  }
}

it('[runs.crash-safe] [runs.no-repeat] [runs.outcome-unknown] [runs.same-key] 20 kills, 50 runs: all end, nothing is done twice', async () => {
  const seed = Number(process.env.STORM_SEED ?? Date.now() % 1_000_000)
  const { first, ar, asked, shapeOf } = await storm(withFaults(upstream, [], TIMES), 50, 20, seed, (it) => it.kill())
  try {
    const all = await books(first.connection!)
    expect(all.runs).toHaveLength(50)
    for (const run of all.runs) expect(run, `seed ${seed}`).toMatchObject({ status: 'completed' })
    for (const run of all.runs) checkBooks({ ...all, runs: [run] }, upstream, shapeOf(run.id.slice(4)))
    const writes = upstream.calls.filter((c) => c.method === 'POST').length
    console.info(
      `seed ${seed}: ${upstream.calls.length} calls, ${writes} writes, ${asked} of unknown outcome, one run was taken up ${Math.max(...all.runs.map((r) => r.fence))} times`,
    )
    expect(asked, 'the storm was no storm').toBeGreaterThan(0)
  } finally {
    await ar.stop()
    await first[Symbol.asyncDispose]()
  }
}, 240_000)

it('[runs.crash-safe] the same with a PostgreSQL of our own, which is killed too', async () => {
  const seed = Number(process.env.STORM_SEED ?? Date.now() % 1_000_000)
  const { first, ar, shapeOf } = await storm(withFaults(upstream, [], TIMES, { database: 'own' }), 20, 4, seed, async (it) => {
    killPostgres(it.dataDir)
    // Long enough for some to be started again beside a living runtime, short enough for others not to be.
    await new Promise((resolve) => setTimeout(resolve, 600))
    await it.kill()
  })
  try {
    for (let i = 0; i < 20; i++) {
      const found = await ar.ok('GET', `/v1/runs?limit=100`)
      expect(found.items).toHaveLength(20)
      const mine = found.items.find((r: { run_id: string }) => r.run_id === `run-${i}`)
      expect(mine, `seed ${seed}`).toMatchObject({ status: 'completed' })
      for (const step of shapeOf(String(i)))
        expect(upstream.of(`/${i}/${step.id}`).length).toBeLessThanOrEqual(step.method === 'POST' ? 1 : 5)
    }
  } finally {
    await ar.stop()
    await first[Symbol.asyncDispose]()
  }
}, 240_000)
