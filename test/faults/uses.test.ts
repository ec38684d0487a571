/** Uses of secrets in the whole runtime: a storm of them, kill -9 in the middle of one, and a disk that takes no more. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { call, connected, published, start, summary } from '../walks/acts.ts'
import { auditVerifies, query } from './kit.ts'
import { startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
beforeEach(() => {
  upstream.calls.length = 0
  upstream.pace = () => 2
})

const outfit = (rt: TestRuntime) =>
  connected(rt, {
    provider: 'http',
    service: 'bearer',
    credentials: { api_key: 'key-of-the-counting-api' },
    config: { base_url: upstream.url },
  })
const get = (path: string) => ({ method: 'GET', path })
/** As many at once as keep one process busy. */
const WIDTH = 24
async function atOnce(count: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: WIDTH }, async () => {
      while (next < count) await work(next++)
    }),
  )
}
const figures = async (rt: TestRuntime) => {
  const [row] = await query(
    rt.connection!,
    `select (select count(*)::int from secret_uses) as rows, (select coalesce(sum(uses), 0)::int from secret_uses) as uses,
       (select count(*)::int from audit_entries where action = 'secrets.used') as entries, pg_total_relation_size('secret_uses')::int as bytes`,
  )
  return row as { rows: number; uses: number; entries: number; bytes: number }
}
const flushed = (rt: TestRuntime, connection: string) => rt.ok('GET', `/v1/connections/${connection}/uses?limit=1`)

it('[audit.uses-batched] three thousand calls by hand and six hundred steps of runs: every one is counted, and the chain stays small', async () => {
  await using rt = await runtime({ allowPrivate: [upstream.url] })
  const { connection, instance } = await outfit(rt)
  await call(rt, instance, 'http_request', get('/warm'))
  const began = performance.now()
  await atOnce(3_000, async (i) => expect((await call(rt, instance, 'http_request', get(`/hand/${i}`))).status).toBe(200))
  const tookByHand = performance.now() - began
  await flushed(rt, connection)
  const byHand = await figures(rt)
  expect(byHand.uses).toBe(3_001)
  expect(upstream.calls.length).toBe(3_001)
  // One row for each batch, since caller, tool, host and version are the same.
  expect(byHand.rows).toBe(byHand.entries)
  expect(byHand.entries).toBeLessThanOrEqual(Math.ceil(tookByHand / 5_000) + 2)

  const step = (id: string) => ({ id, instance_id: instance, tool_name: 'http_request', tool_args: get(`/{{input.n}}/${id}`) })
  const workflow = await published(rt, 'Three steps', [step('a'), step('b'), step('c')])
  const runs: string[] = []
  await atOnce(200, async (n) => runs.push((await start(rt, workflow, { trigger_payload: { n } })).run_id))
  for (const run of runs)
    await until(async () => (await summary(rt, workflow, run)).status === 'completed', `the run ${run} to end`, 60_000)
  await flushed(rt, connection)
  const both = await figures(rt)
  const inRuns = { rows: both.rows - byHand.rows, uses: both.uses - byHand.uses, entries: both.entries - byHand.entries }
  expect(inRuns).toMatchObject({ rows: 600, uses: 600 })
  expect(inRuns.entries).toBeLessThan(20)
  const [one] = (await rt.ok('GET', `/v1/connections/${connection}/uses?run_id=${runs[7]}&limit=5`)).items
  expect(one).toMatchObject({ run_id: runs[7], tool: 'http_request', uses: 1 })
  await auditVerifies(rt)
  console.info(`by hand: ${JSON.stringify(byHand)} in ${Math.round(tookByHand)} ms; in runs: ${JSON.stringify(inRuns)}`)
}, 180_000)

it('[audit.uses-kept] kill -9 in the middle of calls: every request that reached the service is on record, none twice', async () => {
  const seed = Math.floor(Math.random() * 1_000)
  console.info(`killed after ${seed} ms more`)
  const first = await runtime({ allowPrivate: [upstream.url] })
  let rt = first
  try {
    const { connection, instance } = await outfit(rt)
    for (let round = 0; round < 3; round++) {
      const dying = atOnce(5_000, (i) => call(rt, instance, 'http_request', get(`/${round}/${i}`)).catch(() => null)).catch(() => null)
      const before = upstream.calls.length
      await until(() => upstream.calls.length >= before + 150, 'calls to be in flight')
      await new Promise((done) => setTimeout(done, seed))
      await rt.kill()
      await dying
      rt = await rt.again()
    }
    await flushed(rt, connection)
    const { uses } = await figures(rt)
    // What was noted and then killed before it was sent counts as a use: it could have been one.
    expect(uses).toBeGreaterThanOrEqual(upstream.calls.length)
    expect(uses).toBeLessThanOrEqual(upstream.calls.length + 3 * WIDTH)
    await auditVerifies(rt)
  } finally {
    if (rt !== first) await rt[Symbol.asyncDispose]()
    await first[Symbol.asyncDispose]()
  }
}, 120_000)

it('[audit.before-use] while uses cannot be kept no request leaves, readiness says why, and it ends with the trouble', async () => {
  await using rt = await runtime({ allowPrivate: [upstream.url] })
  const { connection, instance } = await outfit(rt)
  expect((await call(rt, instance, 'http_request', get('/before'))).status).toBe(200)
  await flushed(rt, connection) // the next use begins a new file
  const dir = join(rt.dataDir, 'uses')
  renameSync(dir, `${dir}-away`)
  writeFileSync(dir, 'in the way')
  expect(await call(rt, instance, 'http_request', get('/refused'))).toMatchObject({
    status: 503,
    body: { code: 'DEPENDENCY_UNAVAILABLE', error: expect.stringContaining('no secret is used') },
  })
  expect(upstream.of('/refused')).toEqual([])
  expect(await rt.api('GET', '/readyz')).toMatchObject({ status: 503, body: { checks: { audit: { ok: false } } } })
  rmSync(dir)
  expect((await rt.api('GET', '/readyz')).status).toBe(200)
  expect((await call(rt, instance, 'http_request', get('/after'))).status).toBe(200)
  await flushed(rt, connection)
  expect(await figures(rt)).toMatchObject({ uses: 2 })
  await auditVerifies(rt)
})
