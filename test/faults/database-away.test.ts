/** The database goes away in the middle and comes back: runs wait for it, and nothing is lost or done twice. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { auditVerifies, books, checkBooks, ended, publish, query, type Step, start, summary, withFaults } from './kit.ts'
import { type Relay, startRelay } from './relay.ts'
import { startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
let relay: Relay
let ar: TestRuntime
let workflow: string
const STEPS: Step[] = [
  { id: 'read', method: 'GET' },
  { id: 'beside', method: 'POST' },
  { id: 'write', method: 'POST', after: ['read'] },
  { id: 'last', method: 'GET', after: ['write', 'beside'] },
]
const RUNS = Array.from({ length: 20 }, (_, i) => String(i))
/** What the engine loses is found again soon. */
const QUICK = { reconcileMs: 1_000, startingMs: 1_000 }

beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
beforeEach(async () => {
  upstream.calls.length = 0
  upstream.pace = () => 5
  relay = await startRelay()
  ar = await runtime(withFaults(upstream, [], QUICK, { database: { url: relay.url } }))
  workflow = await publish(ar, upstream, STEPS)
})
afterEach(async () => {
  relay.mend()
  upstream.release()
  await ar[Symbol.asyncDispose]()
  await relay.close()
})

const ready = async () => (await ar.api('GET', '/readyz')).status
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** The process lived all the time, so that it knows how each call ended: once is once. */
async function allEndedOnce(): Promise<void> {
  for (const n of RUNS) {
    const s = await until(async () => [await summary(ar, workflow, n)].find(ended), `run ${n} to end`, 30_000)
    expect(s, JSON.stringify(s)).toMatchObject({ status: 'completed' })
    for (const step of STEPS) expect(upstream.of(`/${n}/${step.id}`).length, `/${n}/${step.id}`).toBe(1)
  }
  checkBooks(await books(relay.connection), upstream, STEPS)
  await auditVerifies(ar)
}

describe('the database is away', { timeout: 90_000 }, () => {
  it('[runs.database-away] for seconds, while twenty runs are in the middle: 503 at /readyz, then all go on', async () => {
    upstream.hold(/\/(read|beside)$/)
    for (const n of RUNS) expect((await start(ar, workflow, n)).status).toBe(202)
    await until(() => upstream.calls.length === 2 * RUNS.length, 'all to be in flight')
    relay.cut()
    upstream.release() // every outcome comes while nothing can be written down
    await until(async () => (await ready()) === 503, 'not to be ready')
    await pause(3_000)
    expect((await ar.api('GET', '/healthz')).status).toBe(200)
    expect(await ar.api('GET', '/v1/me')).toMatchObject({ status: 503, body: { code: 'DEPENDENCY_UNAVAILABLE' } })
    relay.mend()
    await until(async () => (await ready()) === 200, 'to be ready')
    await allEndedOnce()
  })

  it('[runs.database-away] silently: /readyz says so within seconds, and what was sent is not sent again', async () => {
    upstream.hold(/\/read$/)
    for (const n of RUNS) await start(ar, workflow, n)
    await until(() => RUNS.every((n) => upstream.of(`/${n}/read`).length === 1), 'all to be in flight')
    relay.hush()
    upstream.release()
    const asked = performance.now()
    expect(await ready()).toBe(503)
    expect(performance.now() - asked).toBeLessThan(6_000)
    relay.mend()
    await until(async () => (await ready()) === 200, 'to be ready')
    await allEndedOnce()
  })

  it('[runs.database-away] [runs.start-once] again and again, while runs are started: who gets no answer asks again', async () => {
    upstream.pace = () => 30
    const starting = RUNS.map(async (n) => {
      await pause(Number(n) * 150)
      await until(async () => (await start(ar, workflow, n).catch(() => null))?.status === 202, `run ${n} to start`, 40_000)
    })
    for (let i = 0; i < 8; i++) {
      await pause(250)
      relay.cut()
      await pause(i === 4 ? 2_500 : 150)
      relay.mend()
    }
    await Promise.all(starting)
    await allEndedOnce()
  })

  it('[runs.database-away] every session is ended by the server, five times', async () => {
    upstream.pace = () => 40
    await Promise.all(RUNS.map((n) => start(ar, workflow, n)))
    for (let i = 0; i < 5; i++) {
      await query(
        relay.connection,
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'agentruntime%'",
      )
      await pause(60)
    }
    await allEndedOnce()
  })
})

it('[runs.database-away] our own PostgreSQL is killed under a living runtime: it is started again, and the runs go on', async () => {
  await using own = await runtime(withFaults(upstream, [], QUICK, { database: 'own' }))
  const mine = await publish(own, upstream, STEPS)
  upstream.calls.length = 0
  upstream.hold(/\/(read|beside)$/)
  for (const n of RUNS) expect((await start(own, mine, n)).status).toBe(202)
  await until(() => upstream.calls.length === 2 * RUNS.length, 'all to be in flight')
  const pid = Number(readFileSync(join(own.dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8').split('\n')[0])
  process.kill(pid, 'SIGKILL')
  upstream.release()
  for (const n of RUNS) {
    const found = await until(
      async () => {
        const answer = await own.api('GET', `/v1/workflows/${mine}/runs/run-${n}/summary`)
        return answer.status === 200 && ended(answer.body) ? answer.body : null
      },
      `run ${n} to end`,
      30_000,
    )
    expect(found, JSON.stringify(found)).toMatchObject({ status: 'completed' })
    for (const step of STEPS) expect(upstream.of(`/${n}/${step.id}`).length, `/${n}/${step.id}`).toBe(1)
  }
  expect((await own.api('GET', '/readyz')).status).toBe(200)
})
