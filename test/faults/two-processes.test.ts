/** Two processes on one database: whoever dies or freezes loses its runs to the other, and cannot write into them any more. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, onTestFailed } from 'vitest'
import { emptyDatabase } from '../database.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { auditVerifies, books, checkBooks, publish, query, resolveAll, type Step, settled, start, summary, withFaults } from './kit.ts'
import { startUpstream, type Upstream } from './upstream.ts'

/** A tenth of what the product takes. */
const TIMES = { leaseMs: 1_500, renewMs: 300, reconcileMs: 700, startingMs: 700, commandsMs: 200 }
const STEPS: Step[] = [
  { id: 'read', method: 'GET' },
  { id: 'write', method: 'POST' },
  { id: 'next', method: 'GET', after: ['read'] },
  { id: 'last', method: 'POST', after: ['next', 'write'] },
]
const RUNS = Array.from({ length: 10 }, (_, i) => String(i))

let upstream: Upstream
let one: TestRuntime
let two: TestRuntime
let workflow: string

beforeEach(async () => {
  upstream = await startUpstream()
  one = await runtime(withFaults(upstream, [], TIMES))
  two = await runtime(
    withFaults(upstream, [], TIMES, { database: { url: one.databaseUrl! }, flags: ['--root-key-file', join(one.dataDir, 'root.key')] }),
  )
  workflow = await publish(one, upstream, STEPS)
})
afterEach(async () => {
  upstream.release()
  await two[Symbol.asyncDispose]()
  await one[Symbol.asyncDispose]()
  await upstream.close()
})

const inFlight = (paths: RegExp) =>
  until(() => RUNS.every((n) => upstream.calls.some((c) => c.path.startsWith(`/${n}/`) && paths.test(c.path))), 'calls to be in flight')
const allCompleted = async (ar: TestRuntime, expected: Record<string, number>) => {
  for (const s of await settled(ar, workflow, RUNS)) expect(s, JSON.stringify(s)).toMatchObject({ status: 'completed' })
  for (const n of RUNS)
    for (const step of STEPS) expect(upstream.of(`/${n}/${step.id}`).length, `/${n}/${step.id}`).toBe(expected[step.id] ?? 1)
  checkBooks(await books(one.connection!), upstream, STEPS)
  await auditVerifies(ar)
}

it('[runs.handed-over] one is killed: its runs go on in the other within the lease, and only what was in flight is asked about or repeated', async () => {
  upstream.hold(/\/(read|write)$/)
  for (const n of RUNS) expect((await start(one, workflow, n)).status).toBe(202)
  await inFlight(/read$/)
  await inFlight(/write$/)
  const killed = performance.now()
  await one.kill()
  upstream.release()
  await until(
    async () => (await summary(two, workflow, '0')).steps.find((s) => s.step_id === 'next')?.state === 'completed',
    'the other one to go on',
  )
  expect(performance.now() - killed).toBeLessThan(10_000)
  const asked = await resolveAll(two, workflow, RUNS, () => 'done')
  expect(asked.sort()).toEqual(RUNS.map((n) => `${n}/write`))
  await allCompleted(two, { read: 2 })
})

it('[runs.handed-over] [runs.drains] one is stopped: it writes down what is in flight, and the other goes on without a repeat', async () => {
  upstream.hold(/\/(read|write)$/)
  for (const n of RUNS) await start(one, workflow, n)
  await inFlight(/read$/)
  await inFlight(/write$/)
  const stopping = one.stop()
  await until(async () => (await fetch(`${one.url}/readyz`).catch(() => null))?.status !== 200, 'the first one to go down', 5_000).catch(
    () => undefined,
  )
  upstream.release()
  expect(await stopping).toMatchObject({ code: 0 })
  await allCompleted(two, {})
})

it('[runs.fenced] one is frozen: the other takes over, and the zombie writes nothing when it wakes up', async () => {
  upstream.hold(/\/(read|write)$/)
  for (const n of RUNS) await start(one, workflow, n)
  await inFlight(/read$/)
  await inFlight(/write$/)
  process.kill(one.pid, 'SIGSTOP')
  onTestFailed(() => void process.kill(one.pid, 'SIGKILL')) // frozen, it would not hear that it is to end
  upstream.release() // the answers lie in the zombie's sockets
  await resolveAll(two, workflow, RUNS, () => 'done')
  await allCompleted(two, { read: 2 })
  const before = await query(one.connection!, 'select * from run_events order by run_id, seq')

  process.kill(one.pid, 'SIGCONT')
  await until(
    () => RUNS.every((n) => new RegExp(`"run_id":"run-${n}".*given up`).test(readFileSync(one.logFile, 'utf8'))),
    'the zombie to notice',
  )
  await until(async () => (await one.api('GET', '/readyz')).status === 200, 'the zombie to be well')
  expect(await query(one.connection!, 'select * from run_events order by run_id, seq')).toEqual(before)
  await allCompleted(two, { read: 2 })
  // And it is a worker like any other again.
  expect((await start(one, workflow, 'late')).status).toBe(202)
  expect(await settled(one, workflow, ['late'])).toMatchObject([{ status: 'completed' }])
})

it('[runs.start-once] fifty equal starts at two processes make one run, by run id and by idempotency key', async () => {
  const ask = (i: number, params: object, headers: Record<string, string>) =>
    (i % 2 === 0 ? one : two).api(
      'POST',
      `/v1/workflows/${workflow}/command`,
      { command: 'start', params: { trigger_payload: { n: 'same' }, ...params } },
      headers,
    )
  const many = (params: object, headers: Record<string, string> = {}) =>
    Promise.all(Array.from({ length: 50 }, (_, i) => ask(i, params, headers)))

  const byId = await many({ run_id: 'run-same' })
  expect(byId.map((a) => a.status)).toEqual(byId.map(() => 202))
  await settled(two, workflow, ['same'])
  expect(upstream.of('/same/read')).toHaveLength(1)
  expect(upstream.of('/same/last')).toHaveLength(1)

  const byKey = await many({}, { 'idempotency-key': 'only-once' })
  expect(byKey.map((a) => a.status)).toEqual(byKey.map(() => 202))
  expect(new Set(byKey.map((a) => a.body.run_id)).size).toBe(1)
  await until(() => upstream.of('/same/last').length === 2, 'the second run to end')
  expect(await query(one.connection!, 'select id from runs')).toHaveLength(2)
  expect(await ask(0, { trigger_payload: { n: 'other' } }, { 'idempotency-key': 'only-once' })).toMatchObject({
    status: 409,
    body: { code: 'IDEMPOTENCY_CONFLICT' },
  })
})

it('[runs.steered-anywhere] a run is paused and resumed by the process that does not work on it', async () => {
  upstream.hold(/\/read$/)
  await start(one, workflow, '0')
  await until(() => upstream.of('/0/read').length === 1, 'the read to be in flight')
  await two.ok('POST', `/v1/workflows/${workflow}/command`, { command: 'pause', params: { run_id: 'run-0' } })
  await new Promise((resolve) => setTimeout(resolve, 3 * TIMES.commandsMs)) // the promise is a time: within one round of listening
  upstream.release()
  await until(async () => (await summary(two, workflow, '0')).status === 'paused', 'the run to be paused')
  expect(upstream.of('/0/next')).toHaveLength(0)
  await two.ok('POST', `/v1/workflows/${workflow}/command`, { command: 'resume', params: { run_id: 'run-0' } })
  expect(await settled(one, workflow, ['0'])).toMatchObject([{ status: 'completed' }])
  expect(upstream.of('/0/read')).toHaveLength(1)
})

it('[house.starts-together] three processes start at once on an empty database', async () => {
  const { url, drop } = await emptyDatabase()
  const options = withFaults(upstream, [], TIMES, { database: { url }, flags: ['--root-key-file', join(one.dataDir, 'root.key')] })
  const started = await Promise.allSettled([runtime(options), runtime(options), runtime(options)])
  try {
    expect(started.map((s) => (s.status === 'fulfilled' ? 'up' : String(s.reason)))).toEqual(['up', 'up', 'up'])
    const up = started.map((s) => (s as PromiseFulfilledResult<TestRuntime>).value)
    const me = await Promise.all(up.map((ar) => ar.ok('GET', '/v1/me')))
    expect(new Set(me.map((m) => m.workspace.id)).size).toBe(1)
    const mine = await publish(up[0]!, upstream, STEPS)
    expect((await start(up[1]!, mine, 'x')).status).toBe(202)
    expect(await settled(up[2]!, mine, ['x'])).toMatchObject([{ status: 'completed' }])
  } finally {
    for (const s of started) if (s.status === 'fulfilled') await s.value[Symbol.asyncDispose]()
    await drop()
  }
})
