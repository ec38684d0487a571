/**
 * Unique secrets go in, upstreams give them back in every way, and then every byte that the runtime wrote or answered is searched.
 * The upstreams' own recordings are the only place where a secret may be, and there exactly where it belongs.
 */
import { randomBytes } from 'node:crypto'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestPostgres, type TestPostgres } from '../fakes/postgres-server.ts'
import { SENDERS, type Sender } from '../fakes/senders.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { behindTheScenes, call, connected, published, ran, start } from './acts.ts'
import { type Canaries, filesBelow, forms, hits, KINDS, missing, type Place, processPlaces } from './canary.ts'
import { delivery, hooked, knock } from './knocks.ts'
import { MANNERS, type Mirror, startMirror } from './mirror.ts'

const random = () => randomBytes(9).toString('hex')
const secret = {
  github: `ghp_${(random() + random()).slice(0, 36)}`,
  header: `hk/${random()}+=&"<'%41\\`,
  query: `qk+${random()}/=&?#%41"`,
  basic: `pw:${random()} é/+&"\\`,
  bearer: `bk-${random()}~/+=`,
  postgres: `pg@${random()}/:?#%41&="é`,
  replaced: `old-${random()}/+<&`,
  webhook: `wh ${random()}/+=&"'\\`,
  events: `whsec_${randomBytes(32).toString('base64')}`,
}
/** Credentials of one connection, whose place another takes. */
const turning = {
  'rotated out': `ro-${random()}~/+=`,
  'rotated in': `ri/${random()}+=&"<'`,
  'rotated back': `rb-${random()}~/+=`,
  'called off': `co-${random()}/+=&`,
}

let rt: TestRuntime
let shop: TestPostgres
let mirror: Mirror
let elsewhere: Mirror
/** Gets events about connections. */
let receiver: Mirror
let dsn: string
const instances: Record<string, string> = {}
const connections: Record<string, string> = {}
/** Signing secrets that the runtime has made: they are in the one answer that shows them, which is not kept here. */
const shownOnce: string[] = []

const outside = mkdtempSync(join(tmpdir(), 'agentruntime-canary-'))
function eventsFile(): string {
  const file = join(outside, 'events.secret')
  writeFileSync(file, `${secret.events}\n`, { mode: 0o600 })
  return file
}

beforeAll(async () => {
  ;[shop, mirror, elsewhere, receiver] = await Promise.all([startTestPostgres(), startMirror(), startMirror(), startMirror()])
  mirror.elsewhere = elsewhere.url
  await shop.admin(`create role canary login password ${pg.escapeLiteral(secret.postgres)}`)
  await shop.admin('create table leaks (id int primary key, value text)')
  await shop.admin('grant select, insert on leaks to canary')
  dsn = shop.dsn('canary', secret.postgres)
  const kept = [secret.postgres, dsn, encodeURIComponent(secret.postgres), Buffer.from(secret.postgres).toString('hex')]
  for (const lead of ['', 'x', 'xy']) kept.push(Buffer.from(`${lead}${secret.postgres}!`).toString('base64'))
  for (const [id, value] of kept.entries()) await shop.admin('insert into leaks values ($1, $2)', [id, value])
  await shop.admin(
    `create function complain() returns int language plpgsql as $$ begin raise exception 'it is %', (select string_agg(value, ' | ') from leaks) using detail = (select value from leaks where id = 0), hint = (select value from leaks where id = 1); end $$`,
  )

  // Its own PostgreSQL, so that the database's files and logs are searched too.
  rt = await runtime({
    database: 'own',
    flags: ['--log-level', 'trace', '--events-url', `${receiver.url}/events`, '--events-secret-file', eventsFile()],
    allowPrivate: [mirror.url, elsewhere.url, receiver.url, `127.0.0.1:${shop.port}`],
  })
  const config = { base_url: `${mirror.url}/base` }
  const make = async (name: string, given: Omit<Parameters<typeof connected>[1], 'name'>) => {
    const made = await connected(rt, { name, ...given })
    instances[name] = made.instance
    connections[name] = made.connection
  }
  await make('github', { provider: 'github', credentials: { api_key: secret.github }, config: { api_base: mirror.url } })
  await make('header', {
    provider: 'http',
    service: 'header',
    credentials: { header_name: 'X-Canary-Key', api_key: secret.header },
    config,
  })
  await make('query', { provider: 'http', service: 'query', credentials: { query_name: 'key', api_key: secret.query }, config })
  await make('basic', { provider: 'http', service: 'basic', credentials: { username: 'ada', password: secret.basic }, config })
  await make('bearer', { provider: 'http', credentials: { api_key: secret.replaced }, config })
  await make('postgres', { provider: 'postgres', credentials: { dsn } })
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await Promise.all([shop?.stop(), mirror?.close(), elsewhere?.close(), receiver?.close()])
  rmSync(outside, { recursive: true, force: true })
})

const PLACES = ['header', 'query', 'basic', 'bearer'] as const

describe('flows with canaries in them', () => {
  it('[canary.flows] every kind of echo from an HTTP upstream, in single calls and in a run', async () => {
    const echo = (place: (typeof PLACES)[number], method: string, manner: string) =>
      call(rt, instances[place] as string, 'http_request', {
        method,
        path: `/echo/${manner}`,
        ...(method === 'POST' ? { body: { n: 1 } } : {}),
      })
    await Promise.all(
      PLACES.map(async (place) => {
        for (const manner of MANNERS) expect([200, 502]).toContain((await echo(place, 'POST', manner)).status)
        for (const manner of ['json', 'loop', 'away']) expect((await echo(place, 'GET', manner)).status).toBe(200)
      }),
    )
    const workflow = await published(
      rt,
      'Echoes',
      PLACES.flatMap((place) =>
        ['json', 'escaped', 'slashes', 'nested', 'base64', 'headers', 'bytes'].map((manner) => ({
          id: `${place}-${manner}`,
          instance_id: instances[place] as string,
          tool_name: 'http_request',
          tool_args: { method: 'POST', path: `/echo/${manner}`, body: '{{input.note}}' },
        })),
      ),
    )
    expect((await ran(rt, workflow, { note: 'hello' })).run.status).toBe('completed')
    for (const place of PLACES) await rt.ok('POST', `/v1/mcp/instances/${instances[place]}/validate`, {})
  })

  it('[canary.flows] a named connector: results, refusals and failed runs', async () => {
    const instance = instances.github as string
    await rt.ok('POST', `/v1/connections/${connections.github}/validate`)
    await rt.ok('POST', `/v1/mcp/instances/${instance}/validate`, {})
    for (const manner of ['json', 'escaped', '403', '404', '422', '500', 'html', 'split', 'away', 'cut', 'status-text'])
      await call(rt, instance, 'get_repo', { owner: 'echo', repo: manner }) // the stub reads /repos/echo/<manner>
    // A file in base64 with line breaks, which the connector decodes.
    const file = await call(rt, instance, 'get_file_contents', { owner: 'echo', repo: 'file', path: 'notes.txt' })
    expect(JSON.stringify(file.body)).toContain('the token is [redacted].')
    const workflow = await published(rt, 'Fails', [
      { id: 'a', instance_id: instance, tool_name: 'create_issue', tool_args: { owner: 'echo', repo: '422', title: 'x' } },
    ])
    const { run } = await ran(rt, workflow)
    expect(run.failure.message).toContain('[redacted]')
  })

  it('[canary.flows] inbound webhooks: secrets that sign, that are wrong, that are changed, and that come in a body', async () => {
    const workflow = await published(rt, 'Knocked', [
      { id: 'a', instance_id: instances.bearer as string, tool_name: 'http_request', tool_args: { method: 'GET', path: '/echo/json' } },
    ])
    const sender = (name: string) => SENDERS.find((s) => s.scheme === name) as Sender
    const given = await hooked(rt, workflow, { ...sender('github'), secret: secret.webhook })
    expect((await knock(rt, given.path, delivery(given))).status).toBe(202)
    expect((await knock(rt, given.path, delivery(given, { secret: `${secret.webhook}x` }))).status).toBe(401)
    expect((await knock(rt, given.path, delivery(given, { body: JSON.stringify({ note: secret.webhook }) }))).status).toBe(202)
    expect((await knock(rt, given.path, { body: secret.webhook, headers: { 'x-hub-signature-256': secret.webhook } })).status).toBe(401)
    const quietly = async (path: string, body: object) =>
      (await (
        await fetch(rt.url + path, {
          method: 'POST',
          headers: { authorization: `Bearer ${rt.pat}`, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
      ).json()) as Record<string, string>
    const made = await quietly('/v1/inbound-webhooks', { workflow_id: workflow, name: 'Ours', signature: { scheme: 'standard-webhooks' } })
    const hook = { ...given, path: made.ingress_path as string, secret: made.signing_secret as string, sender: sender('standard-webhooks') }
    expect((await knock(rt, hook.path, delivery(hook))).status).toBe(202)
    const { signing_secret } = await quietly(`${hook.path}/rotate-secret`, {})
    expect((await knock(rt, hook.path, delivery(hook, { secret: signing_secret as string }))).status).toBe(202)
    shownOnce.push(hook.secret, signing_secret as string)
    for (const path of [given.path, hook.path]) for (const what of ['', '/deliveries']) await rt.ok('GET', path + what)
  })

  it('[canary.flows] PostgreSQL: rows that hold the password, statements that fail, errors that say it', async () => {
    const instance = instances.postgres as string
    await rt.ok('POST', `/v1/connections/${connections.postgres}/validate`)
    const sql = [
      'select * from leaks order by id',
      'select value::bytea as bytes, array[value, value] as list, json_build_object(value, value) as object, xmlelement(name x, value) as xml from leaks',
      'select value::int from leaks',
      'select value::date from leaks where id = 1',
      `select json_build_object('at', value)::jsonb -> 'at' from leaks`,
      'select complain()',
      'select value from nowhere',
    ]
    for (const text of sql) for (const tool of ['postgres_query', 'postgres_exec']) await call(rt, instance, tool, { sql: text })
    await call(rt, instance, 'postgres_exec', { sql: 'insert into leaks select id, value from leaks returning *' })
    const workflow = await published(rt, 'Reads', [
      { id: 'rows', instance_id: instance, tool_name: 'postgres_query', tool_args: { sql: sql[0] } },
      {
        id: 'bad',
        instance_id: instance,
        depends_on: ['rows'],
        tool_name: 'postgres_query',
        tool_args: { sql: 'select $1::int', args: ['{{steps.rows.result.rows.0.value}}'] },
      },
    ])
    const { run, steps } = await ran(rt, workflow)
    expect(run.status).toBe('failed')
    expect(steps.rows.result.rows[0].value).toBe('[redacted]')
  })

  it('[graph.no-secret] graphs, run setups and run inputs that hold a stored secret are refused by path, never by value', async () => {
    const instance = instances.postgres as string
    const step = { id: 'a', type: 'mcp_call', instance_id: instance, tool_name: 'postgres_query' }
    const clean = await published(rt, 'Clean', [
      { id: 'a', instance_id: instance, tool_name: 'postgres_query', tool_args: { sql: 'select 1' } },
    ])
    for (const value of Object.values(secret).filter((it) => it !== secret.bearer && it !== secret.events)) {
      const graph = { steps: [{ ...step, tool_args: { sql: `select '${value}'` } }] }
      const key = { 'idempotency-key': random() }
      const refused = await rt.api('POST', '/v1/workflows', { name: 'Bad', graph }, key)
      expect(refused).toMatchObject({ status: 422, body: { code: 'SECRET_IN_GRAPH', details: { path: 'graph.steps[0].tool_args.sql' } } })
      const inKey = await rt.api('PATCH', `/v1/workflows/${clean}`, {
        graph: { steps: [{ ...step, tool_args: { sql: 'select 1', [value]: 1 } }] },
      })
      expect(inKey).toMatchObject({ status: 422, body: { code: 'SECRET_IN_GRAPH' } })
      const setup = await rt.api('PATCH', `/v1/workflows/${clean}`, { run_setup: { note: value } })
      expect(setup).toMatchObject({ status: 422, body: { details: { path: 'run_setup.note' } } })
      for (const params of [{ trigger_payload: { deep: [{ token: value }] } }, { deep: [{ token: value }] }]) {
        const input = await rt.api('POST', `/v1/workflows/${clean}/command`, { command: 'start', params }, key)
        expect(input).toMatchObject({ status: 422, body: { code: 'SECRET_IN_GRAPH', details: { path: 'input.deep[0].token' } } })
      }
    }
    expect((await rt.ok('GET', `/v1/workflows/${clean}/runs`)).items).toEqual([])
  })

  it('[canary.flows] mistakes with credentials in them, replacing, revoking, deleting, rotating', async () => {
    const broken = { display_name: 'x', provider: 'postgres', credentials: { dsn: `postgres://a:${secret.postgres}@@:x/` } }
    expect((await rt.api('POST', '/v1/connections', broken)).status).toBe(422)
    await rt.api('POST', '/v1/connections', { display_name: 'x', provider: 'nope', credentials: { api_key: secret.github } })
    await rt.api('POST', '/v1/connections', { display_name: 'x', provider: 'github', credentials: { wrong: secret.github } })
    await rt.api('POST', '/v1/connections', { display_name: 'x', provider: 'github', credentials: secret.github })
    await rt.api('POST', '/v1/connections', { display_name: 'x', provider: 'github', credentials: { api_key: `${secret.github}\n` } })
    await rt.api('POST', '/v1/connections', `{"display_name":"x","credentials":{"api_key":"${secret.github}"`)
    await rt.api('GET', `/v1/connections?cursor=${encodeURIComponent(secret.query)}`)
    await rt.api('GET', '/v1/me', undefined, { authorization: `Bearer ${secret.github}` })
    await rt.api('GET', `/v1/me?token=${encodeURIComponent(secret.github)}`)

    await rt.ok('PATCH', `/v1/connections/${connections.bearer}`, { credentials: { api_key: secret.bearer } })
    await call(rt, instances.bearer as string, 'http_request', { method: 'GET', path: '/echo/json' })
    await rt.ok('POST', '/v1/vault/rotate', {})
    await rt.ok('POST', '/v1/vault/rewrap', {})
    const idempotent = { 'idempotency-key': random() }
    const gone = await rt.ok(
      'POST',
      '/v1/connections',
      { display_name: 'gone', provider: 'github', credentials: { api_key: secret.github } },
      idempotent,
    )
    await rt.ok(
      'POST',
      '/v1/connections',
      { display_name: 'gone', provider: 'github', credentials: { api_key: secret.github } },
      idempotent,
    )
    await rt.ok('DELETE', `/v1/connections/${gone.id}`)
    // Last, because it condemns the connection.
    await call(rt, instances.header as string, 'http_request', { method: 'GET', path: '/echo/401' })
    expect((await rt.ok('GET', `/v1/connections/${connections.header}`)).status).toBe('reconnect')
    const { run_id } = await start(
      rt,
      await published(rt, 'After', [
        { id: 'a', instance_id: instances.query as string, tool_name: 'http_request', tool_args: { method: 'GET', path: '/echo/cut' } },
      ]),
    )
    await until(async () => (await rt.ok('GET', '/v1/runs?limit=1')).items[0].status === 'failed', 'the last run to fail')
    expect(run_id).toBeTruthy()
    await until(() => Promise.resolve(receiver.seen.length > 0), 'an event to be sent')
  })

  it('[canary.flows] a rotation: checked, tried, switched, refused once and helped by the old, rolled back, finished, burned', async () => {
    const { connection, instance } = await connected(rt, {
      name: 'turning',
      provider: 'http',
      credentials: { api_key: turning['rotated out'] },
      config: { base_url: `${mirror.url}/base` },
    })
    const at = `/v1/connections/${connection}/rotation`
    const stage = (api_key: string) => rt.ok('POST', at, { credentials: { api_key }, reason: 'scheduled' })
    const echo = (manner: string) => call(rt, instance, 'http_request', { method: 'GET', path: `/echo/${manner}` })
    const read = { instance_id: instance, tool: 'http_request', args: { method: 'GET', path: '/echo/escaped' } }
    await rt.api('POST', at, { credentials: { api_key: turning['called off'], wrong: turning['called off'] } })
    await stage(turning['called off'])
    await rt.ok('POST', `${at}/rollback`)
    for (const key of ['rotated back', 'rotated in'] as const) {
      await stage(turning[key])
      await rt.ok('POST', `${at}/validate`, {})
      await rt.ok('POST', `${at}/test-run`, read)
      await rt.ok('POST', `${at}/promote`, {})
      for (const manner of ['json', 'headers', 'gzip', 'split', '500', '401']) await echo(manner)
      if (key === 'rotated back') await rt.ok('POST', `${at}/rollback`)
    }
    await rt.ok('GET', at)
    const { rotation_id } = await rt.ok('POST', `${at}/finish`, { confirm: true })
    await rt.ok('GET', `/v1/connections/${connection}/rotations/${rotation_id}/evidence`)
    await rt.ok('GET', `/v1/connections/${connection}/usage?if=revoked`)
    await rt.ok('GET', '/v1/export')
    await rt.ok('POST', `/v1/connections/${connection}/burn`, { reason: 'the walk is over' })
    for (const [name, value] of Object.entries(turning))
      expect(
        mirror.seen.some(({ head }) => head.includes(value)),
        name,
      ).toBe(name !== 'called off')
  })

  it('[redact.last-look] what one connection’s upstream says of another’s credential is not given on either', async () => {
    const { instance } = await connected(rt, {
      name: 'crossing',
      provider: 'http',
      credentials: { api_key: `cr-${random()}` },
      config: { base_url: receiver.url },
    })
    // In two halves, which a step joins: whole it would be refused. Next to each other in JSON they would be side by side on disk (keys are sorted).
    const joins = (manner: string) =>
      published(rt, `Joins ${manner}`, [
        {
          id: 'a',
          instance_id: instance,
          tool_name: 'http_request',
          tool_args: { method: 'GET', path: `/echo/${manner}`, headers: { 'x-other': '{{input.first}}{{input.last}}' } },
        },
      ])
    for (const manner of ['json', 'escaped', 'hex', 'gzip', '500', 'headers']) {
      const workflow = await joins(manner)
      for (const value of [secret.github, secret.bearer]) {
        const half = Math.floor(value.length / 2)
        const all = await ran(rt, workflow, { first: value.slice(0, half), last: value.slice(half) })
        expect(hits({ it: value }, [['the run', Buffer.from(JSON.stringify(all))]])).toEqual([])
        expect(JSON.stringify(all)).toContain('[redacted]')
        const args = { method: 'GET', path: `/echo/${manner}`, headers: { 'x-other': value } }
        const refused = await call(rt, instance, 'http_request', args)
        expect(refused).toMatchObject({ status: 422, body: { code: 'SECRET_IN_GRAPH', details: { path: 'args.headers.x-other' } } })
      }
    }
    expect(receiver.seen.some(({ head }) => head.includes(`x-other: ${secret.github}`))).toBe(true)
  })

  it('[redact.position] values too short to be searched for are in nothing that we write of our own', async () => {
    const short = { basic: 'k~7Q', header: 'h~3X', dsn: 'p~5Z' }
    const config = { base_url: `${mirror.url}/base` }
    const made = await Promise.all([
      connected(rt, {
        name: 'short-basic',
        provider: 'http',
        service: 'basic',
        credentials: { username: 'ada', password: short.basic },
        config,
      }),
      connected(rt, {
        name: 'short-header',
        provider: 'http',
        service: 'header',
        credentials: { header_name: 'X-Canary-Key', api_key: short.header },
        config,
      }),
      connected(rt, { name: 'short-dsn', provider: 'postgres', credentials: { dsn: shop.dsn('canary', short.dsn) } }),
    ])
    for (const [i, { instance, connection }] of made.entries()) {
      for (const what of ['', '/credentials', '/usage', '/events']) await rt.ok('GET', `/v1/connections/${connection}${what}`)
      const [tool, args] = i < 2 ? ['http_request', { method: 'GET', path: '/echo/quiet' }] : ['postgres_query', { sql: 'select 1' }]
      await call(rt, instance, tool as string, args as Record<string, unknown>)
      await rt.api('POST', `/v1/mcp/instances/${instance}/validate`, {})
      await rt.api('POST', `/v1/connections/${connection}/validate`)
    }
    // It went where it belongs.
    expect(mirror.seen.some(({ head }) => head.includes(Buffer.from(`ada:${short.basic}`).toString('base64')))).toBe(true)
    expect(mirror.seen.some(({ head }) => head.includes(short.header))).toBe(true)
    const written = (await everything()).filter(([name]) => /^(table|file agentruntime|standard|answer)/.test(name))
    expect(written.length).toBeGreaterThan(50)
    for (const value of Object.values(short))
      for (const form of [
        value,
        encodeURIComponent(value),
        Buffer.from(`ada:${value}`).toString('base64'),
        Buffer.from(value).toString('hex'),
      ])
        expect(written.filter(([, bytes]) => bytes.includes(form)).map(([name]) => `${value} in ${name}`)).toEqual([])
  })
})

/** All that the runtime has written, said or answered, but the three files that hold a secret on purpose. */
async function everything(): Promise<Place[]> {
  await using db = await behindTheScenes(rt)
  const tables = await db.rows(
    "select table_schema || '.' || quote_ident(table_name) as name from information_schema.tables where table_schema in ('public', 'dbos') and table_type = 'BASE TABLE'",
  )
  const dump: Place[] = []
  for (const { name } of tables)
    dump.push([`table ${name}`, Buffer.from((await db.rows(`select t::text as row from ${name} t`)).map((r) => r.row).join('\n'))])
  return [
    ...dump,
    ...filesBelow(rt.dataDir, ['root.key', 'postgres/passwords.json']),
    ...processPlaces(rt.pid),
    ['standard output', Buffer.from(rt.said.stdout)],
    ['standard error', Buffer.from(rt.said.stderr)],
    ...receiver.seen
      .filter(({ url }) => url === '/events')
      .map(({ head, body }): Place => ['event that was sent', Buffer.from(`${head}\n${body}`)]),
    ...rt.answers.map((a): Place => [`answer to ${a.method} ${a.path.split('?')[0]}`, Buffer.from([...a.headers].join('\n') + a.text)]),
  ]
}

it('[redact.kinds] thirty kinds of secrets have a walk', () => {
  expect(Object.keys(KINDS).length).toBeGreaterThanOrEqual(30)
})

it('[audit.uses] what signs events is in the book of uses, with the host that they go to', async () => {
  const { items } = await rt.ok('GET', '/v1/audit/uses?connection_id=deployment:events&purpose=signature')
  expect(items[0]).toMatchObject({ host: new URL(receiver.url).host, actor: 'system', credential_version: 1 })
})

describe('the search', () => {
  let canaries: Canaries
  let made: string

  beforeAll(async () => {
    const passwords = JSON.parse(readFileSync(join(rt.dataDir, 'postgres', 'passwords.json'), 'utf8'))
    const [, rootText = ''] = readFileSync(join(rt.dataDir, 'root.key'), 'utf8').trim().split(':')
    const root = Buffer.from(rootText, 'base64url')
    expect(root).toHaveLength(32)
    const { token, id } = await rt.mint({ display_name: 'second', scopes: ['connection:read'] })
    made = token
    await rt.ok('GET', '/v1/me', undefined, { authorization: `Bearer ${token}` })
    await rt.ok('DELETE', `/v1/pats/${id}`)
    canaries = {
      ...secret,
      ...turning,
      'encoded password': encodeURIComponent(secret.postgres),
      'connection string': dsn,
      ...Object.fromEntries(shownOnce.map((it, i) => [`signing secret ${i}`, it])),
      'owner token': rt.pat,
      'second token': token,
      'root key': root,
      'database password': passwords.runtime,
      'superuser password': passwords.superuser,
    }
    expect(missing('canary', canaries)).toEqual([])
    // What an export would take along.
    for (const path of [
      '/openapi.json',
      '/docs',
      '/readyz',
      '/v1/vault',
      '/v1/audit/verify',
      '/v1/audit/uses',
      '/v1/audit/export',
      '/v1/pats',
      '/v1/mcp/instances',
      '/v1/mcp/platform-catalog',
    ]) {
      expect((await rt.api('GET', path)).status, path).toBe(200)
    }
    for (const list of ['/v1/audit', '/v1/connections', '/v1/workflows', '/v1/runs']) {
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page: { items: { id?: string; run_id?: string; workflow_id?: string }[]; next_cursor: string | null } = await rt.ok(
          'GET',
          `${list}?limit=200${cursor}`,
        )
        cursor = page.next_cursor && `&cursor=${page.next_cursor}`
        if (list === '/v1/connections')
          for (const { id } of page.items)
            for (const what of ['credentials', 'usage', 'events']) await rt.ok('GET', `${list}/${id}/${what}`)
        if (list !== '/v1/runs') continue
        for (const run of page.items)
          for (const what of ['summary', 'events?limit=200', 'context'])
            await rt.ok('GET', `/v1/workflows/${run.workflow_id}/runs/${run.run_id}/${what}`)
      }
    }
  })

  it('[canary.reached] the upstreams were sent each secret in exactly its place, and nobody else was', () => {
    const where = (value: string) =>
      mirror.seen.filter(
        (it) => !it.url.includes('loop') && [...forms(value).values()].some((form) => (it.head + it.body).includes(form.toString())),
      )
    const basic = Buffer.from(`ada:${secret.basic}`).toString('base64')
    const exact: Record<string, RegExp | string> = {
      github: `authorization: Bearer ${secret.github}`,
      header: `X-Canary-Key: ${secret.header}`,
      query: `key=${new URLSearchParams({ v: secret.query }).toString().slice(2)}`,
      basic: `authorization: Basic ${basic}`,
      bearer: `authorization: Bearer ${secret.bearer}`,
      replaced: `authorization: Bearer ${secret.replaced}`,
    }
    for (const [name, place] of Object.entries(exact)) {
      const seen = where(secret[name as keyof typeof secret])
      expect(seen.length, name).toBeGreaterThan(0)
      for (const { head, body, url } of seen) {
        const text = head.toLowerCase()
        expect(text.split(String(place).toLowerCase()), `${name} at ${url}`).toHaveLength(2)
        expect(
          hits({ [name]: secret[name as keyof typeof secret] }, [
            ['the rest', Buffer.from(text.replace(String(place).toLowerCase(), '') + body)],
          ]),
        ).toEqual([])
      }
    }
    expect(elsewhere.seen).toEqual([])
  })

  it('[canary.silence] no secret is in the database, its files, the logs, the answers or the process table, in any form', async () => {
    await rt.ok('GET', '/v1/me')
    await until(() => readFileSync(rt.logFile, 'utf8').includes('"/v1/me"'), 'the log to be written')
    const places = await everything()
    const names = places.map(([name]) => name)
    // The search would be worth nothing if it looked at nothing.
    for (const name of [
      'table public.sealed',
      'table public.run_events',
      'table public.run_steps',
      'table public.audit_entries',
      'table dbos.workflow_status',
      'file agentruntime.log',
    ])
      expect(places.find(([it]) => it === name)?.[1].length, name).toBeGreaterThan(100)
    expect(names.filter((n) => n.startsWith('file postgres/cluster/pg_wal/')).length).toBeGreaterThan(0)
    expect(names.filter((n) => n.startsWith('cmdline of process child')).length).toBeGreaterThan(0)
    expect(names.filter((n) => n.startsWith('answer')).length).toBeGreaterThan(200)
    const allowed = `second token as raw in answer to POST /v1/pats`
    expect(hits(canaries, places).filter((hit) => hit !== allowed)).toEqual([])
    expect(hits({ 'second token': made }, places)).toEqual([allowed]) // shown once
    expect(readFileSync(rt.patFile, 'utf8').trim()).toBe(rt.pat)
  })

  it('[canary.control] the search finds what is planted: each form, in each kind of place', async () => {
    for (const [name, value] of Object.entries(canaries))
      for (const [form, bytes] of forms(value)) {
        const planted: Place[] = [['here', Buffer.concat([Buffer.from('before '), bytes, Buffer.from(' after')])]]
        expect(hits({ [name]: value }, planted), `${name} as ${form}`).toContain(`${name} as ${form} in here`)
      }
    // In the middle of a longer text that was encoded, wherever it starts.
    for (const lead of ['', 'a', 'ab', 'abc'])
      for (const as of ['base64', 'base64url', 'hex'] as const)
        expect(
          hits({ it: secret.basic }, [['here', Buffer.from(Buffer.from(`${lead}${secret.basic}zz`).toString(as))]]).length,
        ).toBeGreaterThan(0)
    await using db = await behindTheScenes(rt)
    await db.rows("update workflows set description = $1 where name = 'Clean'", [
      `so: ${Buffer.from(`x${secret.github}`).toString('base64')}`,
    ])
    await db.rows("insert into vault_sentinel (root_key_id, sealed) values ('planted', $1)", [Buffer.from(secret.header)])
    appendFileSync(rt.logFile, `{"url":"${encodeURIComponent(secret.query)}"}\n`)
    writeFileSync(join(rt.dataDir, 'left-behind.tmp'), secret.postgres)
    rt.answers.push({ method: 'GET', path: '/planted', status: 200, headers: new Headers({ 'x-it': rt.pat }), text: '', body: null })
    const found = hits(canaries, await everything())
    for (const [canary, place] of [
      ['github as base64+1', 'table public.workflows'],
      ['header as hex', 'table public.vault_sentinel'],
      ['query as percent', 'file agentruntime.log'],
      ['postgres as raw', 'file left-behind.tmp'],
      ['owner token as raw', 'answer to GET /planted'],
    ])
      expect(found).toContain(`${canary} in ${place}`)
    await db.rows("delete from vault_sentinel where root_key_id = 'planted'")
  })
})
