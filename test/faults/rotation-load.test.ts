/**
 * Ten rotations, one after the other, while runs use the key without a pause in two processes on one database. Each old key is dead at the
 * provider the moment the switch is made. Not one call may fail.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KeyedApi, startKeyedApi } from '../fakes/keyed-api.ts'
import { APP_USER, startTestPostgres, type TestPostgres } from '../fakes/postgres-server.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { auditVerifies, query } from './kit.ts'

/** Runs that each rotation sees at least. A pause of 150 ms between two starts makes 400 a minute, in each process. */
const RUNS_EACH = 20
const PAUSE_MS = 150
const ROTATIONS = 10

let api: KeyedApi
let postgres: TestPostgres
let one: TestRuntime
let two: TestRuntime
beforeAll(async () => {
  api = await startKeyedApi()
  postgres = await startTestPostgres()
  const allowPrivate = [api.url, `127.0.0.1:${postgres.port}`]
  one = await runtime({ allowPrivate })
  two = await runtime({
    allowPrivate,
    database: { url: one.databaseUrl as string },
    flags: ['--root-key-file', join(one.dataDir, 'root.key')],
  })
})
afterAll(async () => {
  await two?.[Symbol.asyncDispose]()
  await one?.[Symbol.asyncDispose]()
  await postgres?.stop()
  await api?.[Symbol.asyncDispose]()
})

async function published(instance: string, tool: string, args: Record<string, unknown>): Promise<string> {
  const step = (id: string, after: string[]) => ({
    id,
    type: 'mcp_call',
    instance_id: instance,
    depends_on: after,
    tool_name: tool,
    tool_args: args,
  })
  const graph = { steps: [step('a', []), step('b', ['a']), step('c', ['a'])] }
  const { id } = await one.ok('POST', '/v1/workflows', { name: `Under way ${Math.random()}`, graph })
  await one.ok('POST', `/v1/workflows/${id}/versions`, {})
  return id
}

/** Starts runs in both processes, again and again, until told to stop. */
function traffic(workflow: string) {
  let going = true
  const begun: string[] = []
  const begin = async (rt: TestRuntime) => {
    while (going) {
      const { run_id } = await rt.ok('POST', `/v1/workflows/${workflow}/command`, { command: 'start', params: {} })
      begun.push(run_id)
      await new Promise((go) => setTimeout(go, PAUSE_MS))
    }
  }
  const both = Promise.all([begin(one), begin(two)])
  both.catch(() => undefined)
  return {
    begun,
    more: (n: number) => {
      const at = begun.length + n
      return until(() => begun.length >= at, `${n} more runs`, 60_000)
    },
    async end() {
      going = false
      await both
      await until(
        async () =>
          (await query(one.connection, 'select 1 from runs where workflow_id = $1 and finished_at is null', [workflow])).length === 0,
        'all runs to end',
        60_000,
      )
    },
  }
}

interface Evidence {
  old: { version: number; last_used_at: string | null; calls: number }
  new: { version: number }
  switched_at: string
  state: string
  fallbacks: number
}

/** What must be true of every call and every use when it is over. */
async function nothingFailed(workflow: string, connection: string, rotations: Evidence[], begun: readonly string[]) {
  const runs = await query<{ status: string; failure: unknown }>(
    one.connection,
    'select status, failure from runs where workflow_id = $1',
    [workflow],
  )
  expect(runs.filter((r) => r.status !== 'completed')).toEqual([])
  expect(runs).toHaveLength(begun.length)
  const calls = await query<{ outcome: string; code: string; attempt: number }>(
    one.connection,
    `select outcome, code, attempt from tool_calls where connection_id = $1 and run_id is not null`,
    [connection],
  )
  expect(calls.filter((c) => c.outcome !== 'ok' || c.attempt !== 1)).toEqual([])
  expect(calls.length).toBe(3 * begun.length)
  expect(rotations.map((r) => r.state)).toEqual(Array(ROTATIONS).fill('finished'))
  const last = await query<{ version: number; last: Date }>(
    one.connection,
    "select version, max(last_at) as last from secret_uses where owner_id = $1 and purpose in ('request', 'session') group by version",
    [connection],
  )
  for (const r of rotations)
    expect(r.old.last_used_at, `version ${r.old.version}`).toBe(last.find((l) => l.version === r.old.version)?.last.toISOString())
  expect((await one.ok('GET', `/v1/connections/${connection}`)).status).toBe('active')
  await auditVerifies(two)
}

/** All uses are in the books of both processes. */
const flushed = async (connection: string) => {
  for (const rt of [one, two]) await rt.ok('GET', `/v1/connections/${connection}/uses?limit=1`)
}

describe('ten rotations under load', () => {
  it('[rotation.no-failed-call] of a key that is revoked the moment the switch is made: no call fails, and the record tells the last use of each', async () => {
    const keyOf = (n: number) => `key-number-${n}-of-eleven`
    api.accepts.set(keyOf(0), 'acme')
    const { id } = await one.ok('POST', '/v1/connections', {
      display_name: 'Hot',
      provider: 'http',
      service: 'bearer',
      credentials: { api_key: keyOf(0) },
    })
    const instance = (
      await one.ok('POST', '/v1/mcp/instances', { slug: 'http', connection_id: id, config: { base_url: api.url, check_path: '/me' } })
    ).id
    const workflow = await published(instance, 'http_request', { method: 'POST', path: '/work' })
    const at = `/v1/connections/${id}/rotation`
    const load = traffic(workflow)
    const ids: string[] = []
    for (let n = 1; n <= ROTATIONS; n++) {
      await load.more(RUNS_EACH / 2)
      api.accepts.set(keyOf(n), 'acme')
      ids.push((await one.ok('POST', at, { credentials: { api_key: keyOf(n) } })).rotation_id)
      await one.ok('POST', `${at}/validate`, {})
      await one.ok('POST', `${at}/test-run`, { workflow_id: workflow })
      load.begun.push('the test run')
      await until(async () => (await one.ok('GET', at)).state === 'tested', 'the test run to end')
      await one.ok('POST', `${at}/promote`, {})
      api.accepts.delete(keyOf(n - 1))
      await load.more(RUNS_EACH / 2)
      await two.ok('POST', `${at}/finish`, { confirm: true })
    }
    await load.end()
    await flushed(id)
    const { items } = await one.ok('GET', `/v1/connections/${id}/rotations`)
    await nothingFailed(workflow, id, items, load.begun)
    expect(items.map((r: { rotation_id: string }) => r.rotation_id)).toEqual(ids.toReversed())
    // Each request with a key is on record, and each refusal was answered for.
    const sent = (key: string) => api.requests.filter((r) => r.key === key && r.path !== '/me').length
    const recorded = await query<{ version: number; uses: number }>(
      one.connection,
      "select version, sum(uses)::int as uses from secret_uses where owner_id = $1 and purpose = 'request' group by version order by version",
      [id],
    )
    expect(recorded.map((r) => r.uses)).toEqual(Array.from({ length: ROTATIONS + 1 }, (_, n) => sent(keyOf(n))))
    const refused = api.requests.filter((r) => r.status !== 200)
    console.log(`${load.begun.length} runs, ${api.requests.length} requests, ${refused.length} refused and answered for by the newer key`)
    expect(refused.every((r) => r.path === '/work')).toBe(true)
    expect(api.requests.filter((r) => r.path === '/work' && r.status === 200)).toHaveLength(3 * load.begun.length)
  }, 180_000)

  it('[rotation.database-password] of a PostgreSQL password that is changed before the switch can be made: no statement fails', async () => {
    // No session is kept between two calls: one that was open would hide the change.
    const passwordOf = (n: number) => `password number ${n} of eleven`
    await postgres.admin(`alter role ${APP_USER} password '${passwordOf(0)}'`)
    const dsnOf = (n: number) => postgres.dsn(APP_USER, passwordOf(n))
    const { id } = await one.ok('POST', '/v1/connections', { display_name: 'Shop', provider: 'postgres', credentials: { dsn: dsnOf(0) } })
    const instance = (await one.ok('POST', '/v1/mcp/instances', { slug: 'postgres', connection_id: id, config: { max_idle_conns: 0 } })).id
    const workflow = await published(instance, 'postgres_query', { sql: 'select pg_backend_pid() as pid' })
    const at = `/v1/connections/${id}/rotation`
    const load = traffic(workflow)
    for (let n = 1; n <= ROTATIONS; n++) {
      await load.more(RUNS_EACH / 2)
      await one.ok('POST', at, { credentials: { dsn: dsnOf(n) } })
      await postgres.admin(`alter role ${APP_USER} password '${passwordOf(n)}'`)
      await load.more(2)
      const checked = await one.ok('POST', `${at}/validate`, {})
      expect(checked.state, JSON.stringify(checked.results)).toBe('validated')
      await one.ok('POST', `${at}/promote`, {})
      await load.more(RUNS_EACH / 2)
      await one.ok('POST', `${at}/finish`, { confirm: true })
    }
    await load.end()
    await flushed(id)
    const { items } = await one.ok('GET', `/v1/connections/${id}/rotations`)
    await nothingFailed(workflow, id, items, load.begun)
    console.log(
      `${load.begun.length} runs, ${items.reduce((sum: number, r: Evidence) => sum + r.fallbacks, 0)} statements answered for by the staged password`,
    )
  }, 180_000)
})
