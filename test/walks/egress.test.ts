/**
 * Everything through the operator's proxy: a tool's request, a token request of OAuth, a session of PostgreSQL. The ports that are named
 * here have nobody behind them on this machine; only the proxy knows where they lead.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Provider, startProvider } from '../fakes/provider.ts'
import { APP_PASSWORD, APP_USER, DATABASE, startTestPostgres, type TestPostgres } from '../fakes/postgres-server.ts'
import { startBolt } from '../fakes/bolt-server.ts'
import { startFirestore } from '../fakes/firestore-server.ts'
import { keyFile } from '../fakes/firestore-google.ts'
import { startTestMongo } from '../fakes/mongo-server.ts'
import { MARIADBD, startTestMariadb } from '../fakes/mariadb-server.ts'
import { there } from '../fakes/part.ts'
import { REDIS_SERVER, startTestRedis } from '../fakes/redis-server.ts'
import { startProxy, type TestProxy } from '../fakes/proxy.ts'
import { type Recorded, startStub, type Stub } from '../fakes/stub.ts'
import { failedStart, runtime, type TestRuntime, until } from '../harness.ts'
import { call, connected, ended, published, start } from './acts.ts'
import { hits } from './canary.ts'
import { owner, person } from './person.ts'
import { setUpApp, signIn } from './sign-in.ts'

const CREDENTIALS = 'out:the-proxy-pass:word/9'
/** Nobody listens there. */
const API = 11
const TOKENS = 12
const SHOP = 13

let api: Stub
let provider: Provider
let shop: TestPostgres
let place: string
let credentialsFile: string
const portOf = (url: string) => Number(new URL(url).port)

beforeAll(async () => {
  api = await startStub({
    routes: [{ call: 'GET /thing', scopes: [], answer: () => ({ status: 200, body: { thing: 'from afar' } }) }],
    credentials: { 'a-key-for-the-api': { state: 'valid', scopes: null } },
    credentialOf: (req: Recorded) => /^Bearer (.+)$/.exec(String(req.headers.authorization))?.[1] ?? null,
    demand: () => null,
    unauthorized: () => ({ status: 401, body: {} }),
    unknownRoute: () => ({ status: 404, body: {} }),
    unknownField: () => ({ status: 400, body: {} }),
    scopeMissing: () => ({ status: 403, body: {} }),
    always: () => ({}),
  } as never)
  provider = await startProvider({})
  shop = await startTestPostgres()
  await shop.admin(
    'create table public.item (name text); insert into public.item values ($$a lamp$$); alter table public.item owner to app',
  )
  place = mkdtempSync(join(tmpdir(), 'agentruntime-proxy-'))
  credentialsFile = join(place, 'proxy')
  writeFileSync(credentialsFile, `${CREDENTIALS}\n`, { mode: 0o600 })
})
afterAll(async () => {
  await api?.close()
  await provider?.[Symbol.asyncDispose]()
  await shop?.stop()
  rmSync(place, { recursive: true, force: true })
})

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function behindProxy(kind: 'http' | 'socks5', shopPort = shop.port): Promise<{ rt: TestRuntime; proxy: TestProxy }> {
  const leads = { [`127.0.0.1:${API}`]: portOf(api.url), [`127.0.0.1:${TOKENS}`]: portOf(provider.url), [`127.0.0.1:${SHOP}`]: shopPort }
  const proxy = await startProxy({ kind, credentials: CREDENTIALS, leads })
  cleanups.push(() => proxy.close())
  const allowPrivate = [API, TOKENS, SHOP].map((port) => `127.0.0.1:${port}`)
  const flags = ['--egress-proxy', proxy.url, '--egress-proxy-credentials-file', credentialsFile]
  const rt = await runtime({ allowPrivate, flags })
  cleanups.push(() => rt[Symbol.asyncDispose]())
  api.reset()
  return { rt, proxy }
}

async function httpThing(rt: TestRuntime, base_url = `http://127.0.0.1:${API}`) {
  const entered = { display_name: `API ${base_url}`, provider: 'http', credentials: { api_key: 'a-key-for-the-api' } }
  const { id } = await rt.ok('POST', '/v1/connections', entered)
  const instance = await rt.ok('POST', '/v1/mcp/instances', { slug: 'http', name: base_url, connection_id: id, config: { base_url } })
  const call = (args: object) => rt.api('POST', `/v1/mcp/instances/${instance.id}/tools/http_request/call`, { args })
  return {
    instance: instance.id as string,
    get: () => call({ method: 'GET', path: '/thing' }),
    post: () => call({ method: 'POST', path: '/thing' }),
  }
}

const dsn = (host: string, sslmode: string) =>
  `postgres://${APP_USER}:${encodeURIComponent(APP_PASSWORD)}@${host}/${DATABASE}?sslmode=${sslmode}`
async function database(rt: TestRuntime, sslmode = 'require') {
  const entered = { display_name: 'Shop', provider: 'postgres', credentials: { dsn: dsn(`127.0.0.1:${SHOP}`, sslmode) } }
  const { id } = await rt.ok('POST', '/v1/connections', entered)
  const config = sslmode === 'verify-full' ? { config: { ca_certificate: shop.certificate } } : {}
  const named = { slug: 'postgres', name: `Shop ${sslmode}`, connection_id: id, ...config }
  const instance = await rt.ok('POST', '/v1/mcp/instances', named)
  const path = (tool: string) => `/v1/mcp/instances/${instance.id}/tools/${tool}/call`
  return { path, query: (sql: string) => rt.api('POST', path('postgres_query'), { args: { sql } }) }
}

/** Entries of the guard in the audit log, newest first. */
const entries = async (rt: TestRuntime) =>
  (await rt.ok('GET', '/v1/audit?action=egress.refused')).items.map((it: { entry: object }) => it.entry)

describe.each(['http', 'socks5'] as const)('through a proxy (%s)', (kind) => {
  it('[egress.proxy] [egress.proxy-secret] go tools, tokens and databases, to judged addresses, and nobody reads the password', async () => {
    const { rt, proxy } = await behindProxy(kind)
    const asked = () => proxy.asked.map((it) => it.target)

    const thing = await httpThing(rt)
    expect((await thing.get()).body).toMatchObject({ result: { status: 200, body: { thing: 'from afar' } } })
    expect(asked()).toEqual([`127.0.0.1:${API}`])

    provider.allowRedirect(`${rt.url}/v1/oauth/callback`)
    const endpoints = {
      issuer: undefined,
      authorization_endpoint: `${provider.url}/authorize`,
      token_endpoint: `http://127.0.0.1:${TOKENS}/token`,
      scopes: ['offline_access'],
    }
    await setUpApp(rt, provider, endpoints)
    const before = provider.tokenRequests.length
    const { attempt, page, connection } = await signIn(rt, provider)
    expect(attempt, page).toMatchObject({ kind: 'connected' })
    expect(provider.tokenRequests.length).toBe(before + 1)
    expect(asked()).toContain(`127.0.0.1:${TOKENS}`)

    for (const sslmode of ['disable', 'require', 'verify-full']) {
      const { query } = await database(rt, sslmode)
      expect((await query('select name from item')).body, sslmode).toMatchObject({ result: { rows: [{ name: 'a lamp' }] } })
    }
    expect(asked().filter((it) => it === `127.0.0.1:${SHOP}`).length).toBeGreaterThanOrEqual(3)

    // Asked for what was opened and nothing else, and by us each time.
    expect([...new Set(asked())].sort()).toEqual([API, TOKENS, SHOP].map((port) => `127.0.0.1:${port}`))
    expect(proxy.asked.every((it) => it.credentials === CREDENTIALS)).toBe(true)

    expect(await rt.ok('GET', '/v1/egress')).toEqual({
      mode: 'proxy',
      addresses: [],
      source: 'unknown',
      about: 'Not known: those by which the network of the proxy reaches the internet. The operator can say them (--egress-address).',
      proxy: { origin: `${kind}://127.0.0.1:${proxy.port}`, resolves_names: false },
      private_targets: [API, TOKENS, SHOP].map((port) => `127.0.0.1:${port}`),
      refused: [],
    })
    // What the vault refuses is told like what the guard refuses.
    const config = { base_url: 'https://elsewhere.example' }
    const elsewhere = await rt.ok('POST', '/v1/mcp/instances', { slug: 'http', name: 'Elsewhere', connection_id: connection, config })
    const abroad = await call(rt, elsewhere.id, 'http_request', { method: 'GET', path: '/' })
    expect(abroad.body).toMatchObject({ code: 'EGRESS_BLOCKED', details: { rule: 'credential-hosts' } })
    const [told] = await until(async () => ((await entries(rt)).length > 0 ? entries(rt) : null), 'the entry')
    expect(told).toMatchObject({ target: 'elsewhere.example:443', details: { rule: 'credential-hosts', tool: 'http_request' } })

    const said = rt.answers.map((it): [string, Buffer] => [`${it.method} ${it.path}`, Buffer.from(it.text)])
    const log: [string, Buffer][] = [
      ['log', readFileSync(rt.logFile)],
      ['output', Buffer.from(rt.said.stdout + rt.said.stderr)],
    ]
    expect(hits({ proxy: CREDENTIALS.slice(CREDENTIALS.indexOf(':') + 1) }, [...said, ...log])).toEqual([])
  })

  it('[egress.proxy-trouble] that is down is named as what it is, and nothing was sent; a statement is cancelled through it', async () => {
    const { rt, proxy } = await behindProxy(kind)
    const { path, query } = await database(rt)
    const gone = new AbortController()
    const slow = fetch(rt.url + path('postgres_exec'), {
      method: 'POST',
      headers: { authorization: `Bearer ${rt.pat}`, 'content-type': 'application/json' },
      body: JSON.stringify({ args: { sql: 'select pg_sleep(20)' } }),
      signal: gone.signal,
    }).catch((error: Error) => error.name)
    const running = () => shop.admin("select 1 from pg_stat_activity where query = 'select pg_sleep(20)' and wait_event = 'PgSleep'")
    await until(async () => (await running()).length > 0, 'the statement to run')
    const asked = proxy.asked.length
    gone.abort()
    expect(await slow).toBe('AbortError')
    await until(async () => (await running()).length === 0, 'the statement to be cancelled', 5_000)
    expect(proxy.asked.slice(asked).map((it) => it.target)).toEqual([`127.0.0.1:${SHOP}`])

    const thing = await httpThing(rt)
    await proxy.close()
    const failed = await thing.post()
    expect(failed).toMatchObject({
      status: 502,
      body: { code: 'UPSTREAM_ERROR', error: 'the egress proxy cannot be reached', details: { reason: 'ECONNREFUSED' } },
    })
    expect(failed.body.maybe_done ?? false).toBe(false)
    const fault = (await query('select 1')).body
    expect(fault).toMatchObject({ code: 'UPSTREAM_ERROR', error: 'the egress proxy cannot be reached' })
    expect(api.requests).toEqual([])
  })
})

describe('other databases', () => {
  it('[egress.proxy-doors] whose clients open their own sockets go through as well: MongoDB, Neo4j and Firestore', async () => {
    const [mongo, graph, firestore] = await Promise.all([
      startTestMongo(),
      startBolt({
        users: { reader: 'graph-secret-of-nobody' },
        statements: { 'RETURN 1 AS one': { kind: 'r', fields: ['one'], records: [[1]] } },
      }),
      startFirestore(),
    ])
    cleanups.push(() => Promise.all([mongo.stop(), graph.stop(), firestore.close()]))
    const to = `127.0.0.1:${SHOP}`
    const checks = async (port: number, slug: string, credentials: object, config: object = {}) => {
      const { rt, proxy } = await behindProxy('socks5', port)
      const entered = { display_name: slug, provider: slug, credentials }
      const { id } = await rt.ok('POST', '/v1/connections', entered)
      const { id: instance } = await rt.ok('POST', '/v1/mcp/instances', { slug, name: slug, connection_id: id, config })
      const answer = await rt.ok('POST', `/v1/mcp/instances/${instance}/validate`)
      expect(answer.checks.filter((it: { ok: boolean }) => !it.ok)).toEqual([])
      expect([slug, ...new Set(proxy.asked.map((it) => it.target))]).toEqual([slug, to])
      return { rt, proxy, instance }
    }
    const inMongo = await checks(mongo.port, 'mongodb', { uri: mongo.uri().replace(`:${mongo.port}`, `:${SHOP}`), database: 'shop' })
    const counted = () => call(inMongo.rt, inMongo.instance, 'mongodb_count_documents', { collection: 'notes' })
    expect(await counted()).toMatchObject({ status: 200 })
    // A proxy that goes away under a connection that is kept: the next call opens another.
    inMongo.proxy.cut()
    await until(async () => (await counted()).status === 200, 'another way to the database')
    await checks(graph.port, 'neo4j', { uri: `bolt://${to}`, username: 'reader', password: 'graph-secret-of-nobody' })
    firestore.pretend(`http://${to}`)
    const file = { service_account_json: keyFile('writer') }
    const inStore = await checks(portOf(firestore.url), 'firestore', file, { api_base: `http://${to}` })
    const read = await call(inStore.rt, inStore.instance, 'firestore_query_collection', { collection_path: 'cities' })
    expect(read).toMatchObject({ status: 200 })
  })

  it.skipIf(!there(MARIADBD, 'mariadb-server', 'MySQL through a proxy'))('[egress.proxy] MySQL goes through', async () => {
    const maria = await startTestMariadb()
    cleanups.push(() => maria.stop())
    const { rt, proxy } = await behindProxy('http', maria.port)
    const at = maria.dsn().replace(`:${maria.port}/`, `:${SHOP}/`)
    const made = await connected(rt, { name: 'Maria', provider: 'mysql', credentials: { dsn: at } })
    expect((await call(rt, made.instance, 'mysql_execute_sql', { sql: 'select 1 as one' })).body).toMatchObject({
      result: { rows: [{ one: 1 }] },
    })
    expect(new Set(proxy.asked.map((it) => it.target))).toEqual(new Set([`127.0.0.1:${SHOP}`]))
  })

  it.skipIf(!there(REDIS_SERVER, 'redis-server', 'Redis through a proxy'))(
    '[egress.proxy] Redis goes through, over TLS and without',
    async () => {
      const redis = await startTestRedis()
      cleanups.push(() => redis.stop())
      const { rt, proxy } = await behindProxy('socks5', redis.tlsPort)
      const at = redis.dsn().replace('redis://', 'rediss://').replace(`:${redis.port}`, `:${SHOP}`)
      const config = { ca_certificate: redis.certificate }
      const made = await connected(rt, { name: 'Redis', provider: 'redis', credentials: { dsn: at }, config })
      expect((await call(rt, made.instance, 'redis_get', { key: 'none' })).body).toHaveProperty('result')
      expect(new Set(proxy.asked.map((it) => it.target))).toEqual(new Set([`127.0.0.1:${SHOP}`]))
      const { rt: other, proxy: second } = await behindProxy('http', redis.port)
      const plain = { dsn: redis.dsn().replace(`:${redis.port}`, `:${SHOP}`) }
      const open = await connected(other, { name: 'Redis', provider: 'redis', credentials: plain })
      expect((await call(other, open.instance, 'redis_get', { key: 'none' })).body).toHaveProperty('result')
      expect(new Set(second.asked.map((it) => it.target))).toEqual(new Set([`127.0.0.1:${SHOP}`]))
    },
  )
})

describe('what is refused', () => {
  it('[egress.refusals] [egress.proxy-after] is in the audit log, with who, run, step and tool, and the proxy is not asked', async () => {
    const { rt, proxy } = await behindProxy('http')
    const inside = await httpThing(rt, 'https://10.1.2.3')
    for (let n = 0; n < 5; n++) expect((await inside.get()).body).toMatchObject({ code: 'EGRESS_BLOCKED', details: { rule: 'private' } })
    expect(
      (
        await rt.api('POST', '/v1/connections', {
          display_name: 'x',
          provider: 'postgres',
          credentials: { dsn: dsn('192.168.7.7', 'disable') },
        })
      ).body,
    ).toMatchObject({ code: 'EGRESS_BLOCKED' })
    const workflow = await published(rt, 'Inside', [
      { id: 'reach', instance_id: inside.instance, tool_name: 'http_request', tool_args: { method: 'GET', path: '/x' } },
    ])
    const run = await start(rt, workflow)
    await ended(rt, workflow, run.run_id)
    const found = await until(async () => ((await entries(rt)).length >= 3 ? entries(rt) : null), 'the entries')
    expect(found.map((e: { target: string }) => e.target)).toEqual(['10.1.2.3:443', '192.168.7.7:5432', '10.1.2.3:443'])
    const [ofRun, ofRequest, ofCall] = found
    expect(ofRun).toMatchObject({
      outcome: 'refused',
      details: { rule: 'private', run_id: run.run_id, step_id: 'reach', tool: 'http_request', instance_id: inside.instance, count: 1 },
    })
    expect(ofRequest.details).toEqual({ host: '192.168.7.7', port: 5432, rule: 'private', count: 1 })
    expect(ofCall).toMatchObject({ actor: expect.stringMatching(/^pat:/), details: { tool: 'http_request', count: 1 } })
    expect(proxy.connections).toBe(0)

    const { refused } = await rt.ok('GET', '/v1/egress')
    expect(refused).toEqual([{ rule: 'private', count: 7 }])
    // Those that came after the first of their kind are told at the end, at the latest.
    await rt.stop()
    const again = await rt.again()
    cleanups.push(() => again.stop())
    const [rest] = await entries(again)
    expect(rest).toMatchObject({ target: '10.1.2.3:443', details: { count: 4, tool: 'http_request' } })
    expect(await again.ok('GET', '/v1/audit/verify')).toMatchObject({ ok: true })
  })
})

describe('GET /v1/egress', () => {
  it('[egress.told] says what the operator has said, and what is inside only to those who may read the audit log', async () => {
    const flags = ['--egress-address', '203.0.113.7', '--egress-address', '2001:DB8:0::/48']
    const rt = await runtime({ allowPrivate: ['db.internal:5432', '[fd12::7]:5432'], flags })
    cleanups.push(() => rt[Symbol.asyncDispose]())
    const told = {
      mode: 'direct',
      addresses: ['203.0.113.7', '2001:db8::/48'],
      source: 'operator',
      about: 'The operator of this runtime says so.',
      proxy: null,
    }
    expect(await rt.ok('GET', '/v1/egress')).toEqual({ ...told, private_targets: ['db.internal:5432', '[fd12::7]:5432'], refused: [] })
    const narrow = await rt.mint({ display_name: 'Narrow', scopes: ['connection:read'] })
    const seen = await rt.ok('GET', '/v1/egress', undefined, { authorization: `Bearer ${narrow.token}` })
    expect(seen).toEqual({ ...told, private_targets: null, refused: null })
    expect((await person(rt).api('GET', '/v1/egress')).status).toBe(401)
    expect((await owner(rt).then((ada) => ada.ok('GET', '/v1/egress'))).private_targets).toHaveLength(2)
  })

  it('[egress.told] says plainly that it does not know', async () => {
    const rt = await runtime({})
    cleanups.push(() => rt[Symbol.asyncDispose]())
    expect(await rt.ok('GET', '/v1/egress')).toMatchObject({
      mode: 'direct',
      addresses: [],
      source: 'unknown',
      about: "Not known: the addresses of this host's network. The operator can say them (--egress-address).",
    })
  })

  it('[egress.proxy-secret] settings that cannot be are refused in one sentence, before anything is made', async () => {
    const refusal = async (flags: string[], sentence: RegExp) => {
      const { code, stderr } = await failedStart(['start', '--port', '0', '--data-dir', join(place, 'never'), ...flags])
      expect(code).toBe(2)
      expect(stderr).toMatch(sentence)
      expect(stderr).not.toMatch(/the-proxy-pass|\n +at /)
    }
    await refusal(['--egress-proxy', 'http://out:the-proxy-pass@127.0.0.1:1'], /may not hold a user or a password/)
    await refusal(['--egress-proxy-credentials-file', credentialsFile], /need --egress-proxy/)
    await refusal(
      ['--egress-proxy', 'http://127.0.0.1:1', '--egress-proxy-credentials-file', join(place, 'none')],
      /cannot be read \(ENOENT\)/,
    )
    await refusal(['--egress-address', 'example.com'], /must be an IP address or a range/)
    await refusal(['--egress-address', '203.0.113.7/33'], /must be an IP address or a range/)
    chmodSync(credentialsFile, 0o600)
  })
})
