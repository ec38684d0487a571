/** The main job, as somebody with a token does it: over HTTP alone, with a real PostgreSQL and a GitHub that checks what it is sent. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGithub, tokens } from '../fakes/github.ts'
import { APP_PASSWORD, startTestPostgres, type TestPostgres } from '../fakes/postgres-server.ts'
import type { Stub } from '../fakes/stub.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { behindTheScenes, call, connected, context, ended, events, graphOf, published, ran, start, told } from './acts.ts'

let rt: TestRuntime
let shop: TestPostgres
let github: Stub

beforeAll(async () => {
  ;[shop, github] = await Promise.all([startTestPostgres(), startGithub()])
  await shop.admin('create table cities (id int, name text)')
  await shop.admin("insert into cities values (1, 'Delft'), (2, 'Ghent')")
  await shop.admin('grant select on cities to public')
  rt = await runtime({ allowPrivate: [`127.0.0.1:${shop.port}`, github.url] })
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await Promise.all([shop?.stop(), github?.close()])
})

const query = (sql: string, args: unknown[] = []) => ({ tool_name: 'postgres_query', tool_args: { sql, args } })

describe('PostgreSQL, from the connection string to the result', () => {
  it('[walks.main-job] connects, binds, dry-runs, publishes and runs three steps, two of them side by side', async () => {
    expect(APP_PASSWORD).toMatch(/[@/:?#%&]/) // what a URL could trip over
    const connection = await rt.ok('POST', '/v1/connections', {
      display_name: 'Shop',
      provider: 'postgres',
      credentials: { dsn: shop.dsn() },
    })
    expect(connection).toMatchObject({ status: 'unverified', credential_keys: ['dsn'], credential_version: 1, environment: 'production' })
    const valid = await rt.ok('POST', `/v1/connections/${connection.id}/validate`)
    expect(valid).toMatchObject({ ok: true, problem: null, account: { label: expect.stringContaining('app on shop') } })
    expect((await rt.ok('GET', `/v1/connections/${connection.id}`)).status).toBe('active')

    const instance = await rt.ok('POST', '/v1/mcp/instances', { slug: 'postgres', connection_id: connection.id })
    expect(instance.profiles).toMatchObject([{ name: 'default', environment: 'production', active: true, connection_id: connection.id }])
    const checks = await rt.ok('POST', `/v1/mcp/instances/${instance.id}/validate`, {})
    expect(checks.ok).toBe(true)
    expect(checks.checks.map((c: { check: string }) => c.check)).toEqual([
      'profile_active',
      'connection_bound',
      'credential_live',
      'scopes',
      'smoke_call',
    ])

    const workflow = await rt.ok('POST', '/v1/workflows', {
      name: 'Cities',
      graph: graphOf([
        { id: 'first', instance_id: instance.id, ...query('select id, name from cities where id = $1', ['{{input.id}}']) },
        { id: 'second', instance_id: instance.id, ...query("select 'and ' || name as name from cities where id = 2") },
        {
          id: 'join',
          instance_id: instance.id,
          depends_on: ['first', 'second'],
          ...query('select $1::text || $2::text as both, $3::int + 1 as next', [
            '{{steps.first.result.rows.0.name}} ',
            '{{steps.second.result.rows.0.name}}',
            '{{steps.first.result.rows.0.id}}',
          ]),
        },
      ]),
    })
    expect(workflow.latest_version).toBeNull()
    const dry = await rt.ok('POST', `/v1/workflows/${workflow.id}/validate`, {})
    expect(dry).toMatchObject({ valid: true, issues: [] })
    const version = await rt.ok('POST', `/v1/workflows/${workflow.id}/versions`, { changelog: 'first' })
    expect(version).toMatchObject({ version: 1, workflow_id: workflow.id, changelog: 'first' })

    const started = await start(rt, workflow.id, { trigger_payload: { id: 1 } })
    expect(started).toMatchObject({ workflow_id: workflow.id, status: 'running' })
    const run = await ended(rt, workflow.id, started.run_id)
    expect(run).toMatchObject({ status: 'completed', failure: null, version: 1, trigger: 'api', waiting_on: [] })
    const { steps, input } = await context(rt, workflow.id, started.run_id)
    expect(input).toEqual({ id: 1 })
    expect(steps.first.result.rows).toEqual([{ id: 1, name: 'Delft' }])
    expect(steps.join.input.args).toEqual(['Delft ', 'and Ghent', 1])
    expect(steps.join.result.rows).toEqual([{ both: 'Delft and Ghent', next: 2 }])

    const list = await events(rt, workflow.id, started.run_id)
    const lines = told(list)
    expect(list.map((e) => e.seq)).toEqual(list.map((_, i) => i + 1))
    // The two parallel ones end in any order; everything else has its place.
    expect([...lines.slice(0, 3), ...lines.slice(3, 5).sort(), ...lines.slice(5)]).toEqual([
      'run_started',
      'step_started first',
      'step_started second',
      'step_completed first',
      'step_completed second',
      'step_started join',
      'step_completed join',
      'state_changed running → completed',
    ])
    // Pages of events are the same list.
    const pages: unknown[] = []
    for (let after: string | null = '0'; after !== null; ) {
      const page: { items: unknown[]; next_cursor: string | null } = await rt.ok(
        'GET',
        `/v1/workflows/${workflow.id}/runs/${started.run_id}/events?limit=3&after=${after}`,
      )
      pages.push(...page.items)
      after = page.next_cursor
    }
    expect(pages).toEqual(list)
  })

  it('[bindings.environments] a sandbox profile takes the sandbox connection, and each environment only its own', async () => {
    const { connection, instance } = await connected(rt, { name: 'Two worlds', provider: 'postgres', credentials: { dsn: shop.dsn() } })
    await shop.admin('create role sandy login password $$only-for-sandboxes$$')
    const sandbox = await rt.ok('POST', '/v1/connections', {
      display_name: 'Shop, sandbox',
      provider: 'postgres',
      environment: 'sandbox',
      credentials: { dsn: shop.dsn('sandy', 'only-for-sandboxes') },
    })
    const path = `/v1/mcp/instances/${instance}/config-profiles`
    const wrong = await rt.api('POST', path, { name: 'sandbox', environment: 'sandbox', connection_id: connection })
    expect(wrong).toMatchObject({ status: 422, body: { code: 'REFUSED' } })
    const profile = await rt.ok('POST', path, { name: 'sandbox', environment: 'sandbox', connection_id: sandbox.id })
    const who = query('select current_user::text as who')
    const workflow = await published(rt, 'Who', [{ id: 'who', instance_id: instance, ...who }])
    const tooEarly = await rt.api('POST', `/v1/workflows/${workflow}/command`, { command: 'start', params: { environment: 'sandbox' } })
    expect(tooEarly).toMatchObject({ status: 422, body: { code: 'BINDING_MISSING', details: { environment: 'sandbox' } } })
    await rt.ok('POST', `${path}/${profile.id}/set-active`)
    expect((await ran(rt, workflow, { environment: 'sandbox' })).steps.who.result.rows).toEqual([{ who: 'sandy' }])
    expect((await ran(rt, workflow)).steps.who.result.rows).toEqual([{ who: 'app' }])
  })
})

describe('GitHub, which checks the exact header', () => {
  it('[walks.main-job] connects, validates, binds and runs; each request carries the token exactly once, in its one place', async () => {
    const connection = await rt.ok('POST', '/v1/connections', {
      display_name: 'GitHub',
      provider: 'github',
      credentials: { api_key: tokens.classic },
    })
    const instance = await rt.ok('POST', '/v1/mcp/instances', {
      slug: 'github',
      connection_id: connection.id,
      config: { api_base: github.url },
    })
    const valid = await rt.ok('POST', `/v1/connections/${connection.id}/validate`)
    expect(valid).toMatchObject({ ok: true, account: { label: 'octocat' }, granted_scopes: ['repo', 'read:org'] })
    const repo = { owner: 'octocat', repo: 'hello-world' }
    const workflow = await published(rt, 'Triage', [
      { id: 'repo', instance_id: instance.id, tool_name: 'get_repo', tool_args: repo },
      { id: 'issue', instance_id: instance.id, tool_name: 'get_issue', tool_args: { ...repo, issue_number: 3 } },
      {
        id: 'comment',
        instance_id: instance.id,
        tool_name: 'add_issue_comment',
        depends_on: ['repo', 'issue'],
        tool_args: { ...repo, issue_number: 3, body: '{{steps.issue.result.title}} of {{steps.repo.result.full_name}}' },
      },
    ])
    github.reset()
    const { run, steps, told: lines } = await ran(rt, workflow)
    expect(run.status).toBe('completed')
    expect(steps.comment.result.body).toBe('Issue 3 of octocat/hello-world')
    expect([...lines.slice(3, 5)].sort().concat(lines.slice(5))).toEqual([
      'step_completed issue',
      'step_completed repo',
      'step_started comment',
      'step_completed comment',
      'state_changed running → completed',
    ])
    expect(github.requests.map((r) => `${r.method} ${r.path}`).sort()).toEqual([
      'GET /repos/octocat/hello-world',
      'GET /repos/octocat/hello-world/issues/3',
      'POST /repos/octocat/hello-world/issues/3/comments',
    ])
    for (const request of github.requests) {
      expect(request.headers.authorization).toBe(`Bearer ${tokens.classic}`)
      expect(request.bytes.split(tokens.classic)).toHaveLength(2)
    }
  })

  it('[connections.reconnect] a refused key shows Reconnect, runs that need it say so before they start, and a new key mends it', async () => {
    const { connection, instance } = await connected(rt, {
      name: 'Dying',
      provider: 'github',
      credentials: { api_key: tokens.revoked },
      config: { api_base: github.url },
    })
    const workflow = await published(rt, 'Me', [
      { id: 'me', instance_id: instance, tool_name: 'get_user', tool_args: { username: 'octocat' } },
    ])
    expect(await call(rt, instance, 'get_user', { username: 'octocat' })).toMatchObject({
      status: 422,
      body: { code: 'CREDENTIAL_REJECTED' },
    })
    expect(await rt.ok('GET', `/v1/connections/${connection}`)).toMatchObject({ status: 'reconnect', status_reason: 'key_rejected' })
    const refused = await rt.api('POST', `/v1/workflows/${workflow}/command`, { command: 'start' })
    expect(refused).toMatchObject({
      status: 422,
      body: { code: 'CONNECTION_RECONNECT_REQUIRED', details: { connection_id: connection, step_ids: ['me'] } },
    })
    await rt.ok('PATCH', `/v1/connections/${connection}`, { credentials: { api_key: tokens.classic } })
    expect((await ran(rt, workflow)).run.status).toBe('completed')
    const history = await rt.ok('GET', `/v1/connections/${connection}/events`)
    expect(history.items.map((e: { event_type: string }) => e.event_type)).toEqual([
      'credentials_replaced',
      'reconnect_required',
      'created',
    ])
  })
})

describe('what is stored, and what of it is shown', () => {
  it('[api.lists] lists page by cursor: every item once, newest first', async () => {
    const made: string[] = []
    for (let n = 0; n < 5; n++) {
      const { id } = await rt.ok('POST', '/v1/connections', {
        display_name: `Paged ${n}`,
        provider: 'github',
        credentials: { api_key: tokens.narrow },
      })
      made.unshift(id)
    }
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { items: { id: string }[]; next_cursor: string | null } = await rt.ok('GET', `/v1/connections?q=Paged&limit=2${cursor}`)
      expect(page.items.length).toBeLessThanOrEqual(2)
      seen.push(...page.items.map((c) => c.id))
      cursor = page.next_cursor && `&cursor=${page.next_cursor}`
    }
    expect(seen).toEqual(made)
    expect((await rt.ok('GET', '/v1/connections?q=Paged&provider=postgres')).items).toEqual([])
    for (const id of made) await rt.ok('DELETE', `/v1/connections/${id}`)
  })

  it('[connections.metadata] shows key names, version and fingerprint; last four only of values of 20 characters or more', async () => {
    const facts = async (credentials: Record<string, string>, service: string) => {
      const { id } = await rt.ok('POST', '/v1/connections', { display_name: 'Facts', provider: 'http', service, credentials })
      return (await rt.ok('GET', `/v1/connections/${id}/credentials`)).keys
    }
    const long = await facts({ api_key: 'abcdefghijklmnop7890' }, 'bearer')
    expect(long).toMatchObject([{ name: 'api_key', version: 1, last_four: '7890', state: 'live' }])
    expect(long[0].fingerprint).toMatch(/^[0-9a-f]{12}$/)
    expect(await facts({ api_key: 'abcdefghijklmnop789' }, 'bearer')).toMatchObject([{ last_four: null }])
    expect(await facts({ username: 'ada', password: 'shortish' }, 'basic')).toMatchObject([{ name: 'password', last_four: null }])
  })

  it('[connections.metadata] shows no end of a connection string, which may be the end of a short password', async () => {
    const dsn = `host=127.0.0.1 port=${shop.port} user=app dbname=shop password=tail-9-end`
    const { id } = await rt.ok('POST', '/v1/connections', { display_name: 'Tail', provider: 'postgres', credentials: { dsn } })
    expect((await rt.ok('GET', `/v1/connections/${id}/credentials`)).keys).toMatchObject([{ name: 'dsn', last_four: null }])
  })

  it('[connections.replace] a replaced credential is a new version; the old one leaves the database and its sessions end', async () => {
    await shop.admin('create role rota login password $$first-password$$')
    const { connection, instance } = await connected(rt, {
      name: 'Rotated',
      provider: 'postgres',
      credentials: { dsn: shop.dsn('rota', 'first-password') },
    })
    const pid = query('select pg_backend_pid() as pid')
    const before = await call(rt, instance, pid.tool_name, pid.tool_args)
    expect(before.status).toBe(200)
    await using db = await behindTheScenes(rt)
    const sealed = () => db.rows('select version, encode(bytes, $1) as bytes from sealed where owner_id = $2', ['hex', connection])
    const [old] = await sealed()
    expect(old).toMatchObject({ version: 1 })

    for (const blank of ['', '••••••••', '********']) {
      const kept = await rt.ok('PATCH', `/v1/connections/${connection}`, { display_name: 'Rotated, renamed', credentials: { dsn: blank } })
      expect(kept).toMatchObject({ name: 'Rotated, renamed', credential_version: 1 })
    }
    expect(await sealed()).toEqual([old])
    // Its sessions live on, too. (Which of them serves the next call is the pool's affair.)
    const pids = async () => (await shop.admin("select pid from pg_stat_activity where usename = 'rota'")).map((r) => r.pid)
    expect(await pids()).toContain(before.body.result.rows[0].pid)

    await shop.admin('alter role rota password $$second-password$$')
    const replaced = await rt.ok('PATCH', `/v1/connections/${connection}`, { credentials: { dsn: shop.dsn('rota', 'second-password') } })
    expect(replaced).toMatchObject({ credential_version: 2, status: 'unverified' })
    const now = await sealed()
    expect(now).toHaveLength(1)
    expect(now[0]).toMatchObject({ version: 2 })
    expect(now[0]?.bytes).not.toBe(old?.bytes)
    expect(await pids()).not.toContain(before.body.result.rows[0].pid)
    const after = await call(rt, instance, pid.tool_name, pid.tool_args)
    expect(after.status).toBe(200)
    expect(after.body.result.rows).not.toEqual(before.body.result.rows)
  })

  it('[connections.usage] tells what uses a connection, refuses to delete it while wired, and deletes it after', async () => {
    const { connection, instance } = await connected(rt, {
      name: 'Wired',
      provider: 'github',
      credentials: { api_key: tokens.classic },
      config: { api_base: github.url },
    })
    const workflow = await published(rt, 'Uses it', [
      { id: 'look', instance_id: instance, tool_name: 'get_user', tool_args: { username: 'octocat' } },
    ])
    const { id: run } = await ran(rt, workflow)
    const usage = await rt.ok('GET', `/v1/connections/${connection}/usage`)
    expect(usage).toMatchObject({
      profiles: [{ instance_id: instance, profile_name: 'default', active: true }],
      workflows: [{ workflow_id: workflow, name: 'Uses it', published_version: 1, steps: ['look'] }],
      active_runs: [],
      last_calls: [{ run_id: run, step_id: 'look', tool: 'get_user', outcome: 'ok', credential_version: 1 }],
    })
    const refused = await rt.api('DELETE', `/v1/connections/${connection}`)
    expect(refused).toMatchObject({ status: 409, body: { code: 'CONNECTION_IN_USE', details: { profiles: [{ instance_id: instance }] } } })
    expect(await rt.api('DELETE', `/v1/mcp/instances/${instance}`)).toMatchObject({ status: 409, body: { code: 'INSTANCE_IN_USE' } })
    await rt.ok('DELETE', `/v1/workflows/${workflow}`)
    await rt.ok('DELETE', `/v1/mcp/instances/${instance}`)
    expect(await rt.ok('DELETE', `/v1/connections/${connection}`)).toMatchObject({ deleted: true, secret_destroyed: true })
    expect((await rt.api('GET', `/v1/connections/${connection}`)).status).toBe(404)
    await using db = await behindTheScenes(rt)
    expect(await db.rows('select id from sealed where owner_id = $1', [connection])).toEqual([])
    expect((await rt.ok('GET', `/v1/workflows/${workflow}/runs/${run}/summary`)).status).toBe('completed') // past runs stay readable
  })

  it('[connections.disabled] a disabled connection serves no call and starts no run, and comes back when it is switched on', async () => {
    const { connection, instance } = await connected(rt, {
      name: 'Switch',
      provider: 'github',
      credentials: { api_key: tokens.classic },
      config: { api_base: github.url },
    })
    const workflow = await published(rt, 'Switched', [
      { id: 'a', instance_id: instance, tool_name: 'get_user', tool_args: { username: 'octocat' } },
    ])
    await rt.ok('PATCH', `/v1/connections/${connection}`, { disabled: true })
    github.reset()
    expect(await call(rt, instance, 'get_user', { username: 'octocat' })).toMatchObject({ status: 422, body: { code: 'BINDING_MISSING' } })
    expect((await rt.api('POST', `/v1/workflows/${workflow}/command`, { command: 'start' })).body).toMatchObject({
      code: 'BINDING_MISSING',
      details: { connection_id: connection },
    })
    expect(github.requests).toEqual([])
    await rt.ok('PATCH', `/v1/connections/${connection}`, { disabled: false })
    expect((await ran(rt, workflow)).run.status).toBe('completed')
  })
})

describe('asking twice', () => {
  it('[api.idempotency] the same key and body give the same answer and make one thing; another body is refused', async () => {
    const body = { display_name: 'Once', provider: 'github', credentials: { api_key: tokens.narrow } }
    const key = { 'idempotency-key': 'once-1' }
    const [one, two] = await Promise.all([rt.api('POST', '/v1/connections', body, key), rt.api('POST', '/v1/connections', body, key)])
    expect([one.status, two.status]).toEqual([201, 201])
    expect(two.body).toEqual(one.body)
    expect((await rt.ok('GET', '/v1/connections?q=Once')).items).toHaveLength(1)
    const other = await rt.api('POST', '/v1/connections', { ...body, display_name: 'Twice' }, key)
    expect(other).toMatchObject({ status: 409, body: { code: 'IDEMPOTENCY_CONFLICT' } })
    expect((await rt.ok('GET', '/v1/connections?q=Twice')).items).toEqual([])
  })

  it('[runs.id] a run id of the caller starts one run however often it is sent', async () => {
    const { instance } = await connected(rt, { name: 'Ids', provider: 'postgres', credentials: { dsn: shop.dsn() } })
    const workflow = await published(rt, 'Ids', [{ id: 'a', instance_id: instance, ...query('select 1 as n') }])
    const answers = await Promise.all([1, 2, 3].map(() => start(rt, workflow, { run_id: 'mine-1' })))
    expect(new Set(answers.map((a) => a.run_id))).toEqual(new Set(['mine-1']))
    await ended(rt, workflow, 'mine-1')
    expect((await rt.ok('GET', `/v1/workflows/${workflow}/runs`)).items).toHaveLength(1)
    expect(told(await events(rt, workflow, 'mine-1')).filter((e) => e === 'step_started a')).toHaveLength(1)
    const elsewhere = await published(rt, 'Ids elsewhere', [{ id: 'a', instance_id: instance, ...query('select 1 as n') }])
    const taken = await rt.api('POST', `/v1/workflows/${elsewhere}/command`, { command: 'start', params: { run_id: 'mine-1' } })
    expect(taken).toMatchObject({ status: 409, body: { code: 'CONFLICT' } })
  })
})
