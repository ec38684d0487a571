/** MCP clients of both eras at the platform's endpoint and at those of instances, and what is refused at the door. */
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newToken } from '../../src/access/index.ts'
import { operations } from '../../src/operations/index.ts'
import type { Provider } from '../fakes/provider.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { call, connected } from './acts.ts'
import { hits } from './canary.ts'
import { connect, ERAS, heard, message, send, verdict } from './mcp-client.ts'
import { type Belongings, belongings, rowsOf, secondTenant, startGoogle, type Tenant } from './tenants.ts'

const KEY = 'a-key-that-the-upstream-says-again-4711'
let google: Provider
let rt: TestRuntime
let other: Tenant
let mine: Belongings
let theirs: Belongings
/** The demo's instance: SQLite. */
let shop: string
/** An instance at an upstream that never answers `/hang` and repeats its key everywhere else. */
let slow: string
let upstream: Server
const hanging: ServerResponse[] = []
/** Requests to `/hang` whose caller has gone. */
let gone = 0

beforeAll(async () => {
  upstream = createServer((request, response) => {
    if (request.url?.startsWith('/hang')) {
      hanging.push(response)
      response.on('close', () => gone++)
    } else response.setHeader('content-type', 'application/json').end(JSON.stringify({ sent: request.headers.authorization }))
  }).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const base = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  google = await startGoogle()
  rt = await runtime({ demo: true, allowPrivate: [google.url, base] })
  shop = (await rt.ok('GET', '/v1/mcp/instances')).items[0].id
  other = await secondTenant(rt, 'other')
  mine = await belongings(rt, google, 'ada')
  theirs = await belongings(other.as, google, 'bo')
  slow = (await connected(rt, { name: 'Slow', provider: 'http', credentials: { api_key: KEY }, config: { base_url: base } })).instance
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await google?.close()
  upstream?.closeAllConnections()
  upstream?.close()
})

const token = async (...scopes: string[]): Promise<{ id: string; token: string }> => rt.mint({ display_name: scopes.join(' '), scopes })
const at = (instance: string) => `/mcp/instances/${instance}`
const HANG = { name: 'http_request', arguments: { method: 'GET', path: '/hang' } }

describe.each(ERAS)('a client of %s', (era) => {
  it('[mcp.tools] sees every operation that is not kept from models, and gets what HTTP answers', async () => {
    await using client = await connect(rt, '/mcp', era)
    expect(client.getNegotiatedProtocolVersion()).toBe(era)
    const { tools } = await client.listTools()
    const expected = operations.filter((op) => !op.hideFrom?.mcp)
    expect(tools.map((t) => t.name).sort()).toEqual(expected.map((op) => op.name.replaceAll('.', '_')).sort())
    const nouns = tools.map((t) => t.title?.split(':')[0])
    expect(new Set(nouns).size).toBe(nouns.filter((noun, i) => noun !== nouns[i - 1]).length) // each noun in one piece
    for (const op of expected) {
      const tool = tools.find((t) => t.name === op.name.replaceAll('.', '_'))
      expect(tool, op.name).toMatchObject({
        description: op.about,
        inputSchema: { type: 'object', additionalProperties: false },
        annotations: { readOnlyHint: op.effect === 'read', destructiveHint: op.effect === 'destroy' },
      })
      expect(Object.keys(tool?.inputSchema.properties ?? {}).sort(), op.name).toEqual(Object.keys(op.input.shape).sort())
    }
    const me = await client.callTool({ name: 'me_get', arguments: {} })
    expect(me.structuredContent).toEqual(await rt.ok('GET', '/v1/me'))
    expect(JSON.parse((me.content as { text: string }[])[0]?.text ?? '')).toEqual(me.structuredContent)
    const listed = await client.callTool({ name: 'connections_list', arguments: { limit: 1 } })
    expect(listed.structuredContent).toEqual(await rt.ok('GET', '/v1/connections?limit=1'))
  })

  it('[mcp.scopes] a narrow token sees what it may, and anything else is refused with the scope and leaves no trace but the audit', async () => {
    const narrow = await token('connection:read')
    await using client = await connect(rt, '/mcp', era, narrow.token)
    const names = (await client.listTools()).tools.map((t) => t.name)
    expect(names).toContain('connections_list')
    expect(names.filter((n) => /create|delete|workflow|pats/.test(n))).toEqual([])
    const before = await rowsOf(rt, (await rt.ok('GET', '/v1/me')).workspace.id)
    const refused = await client.callTool({ name: 'workflows_create', arguments: { name: 'x' } }).catch((e: unknown) => e)
    expect(refused).toMatchObject({ name: 'InsufficientScopeError', requiredScope: 'workflow:write' })
    const after = await rowsOf(rt, (await rt.ok('GET', '/v1/me')).workspace.id)
    expect({ ...after, audit_entries: [], audit_heads: [] }).toEqual({ ...before, audit_entries: [], audit_heads: [] })
    const [entry] = (await rt.ok('GET', `/v1/audit?limit=1&actor=pat:${narrow.id}`)).items
    expect(entry).toMatchObject({ action: 'workflows.create', entry: { outcome: 'refused', details: { code: 'FORBIDDEN', via: 'mcp' } } })
  })

  it('[mcp.audited] a write goes through the same operation as over HTTP, and the entry says which way it came', async () => {
    await using client = await connect(rt, '/mcp', era)
    const made = await client.callTool({ name: 'workflows_create', arguments: { name: `By ${era}`, graph: { steps: [] } } })
    expect(verdict(made)).toBe('ok')
    const { id } = made.structuredContent as { id: string }
    expect(await rt.ok('GET', `/v1/workflows/${id}`)).toEqual(made.structuredContent)
    const [entry] = (await rt.ok('GET', `/v1/audit?limit=1&target=${id}`)).items
    expect(entry).toMatchObject({ action: 'workflow.created', actor: /^pat:/, entry: { details: { via: 'mcp' } } })
  })

  it('[mcp.errors] failures are sentences that a model can act on, and unknown or hidden tools are none', async () => {
    await using client = await connect(rt, '/mcp', era)
    const unknown = await client.callTool({ name: 'workflows_get', arguments: { id: 'wf_nobody' } })
    expect(unknown).toMatchObject({ isError: true, content: [{ text: 'NOT_FOUND: there is no workflow wf_nobody' }, {}] })
    expect(unknown.structuredContent).toBeUndefined()
    const wrong = await client.callTool({ name: 'workflows_get', arguments: { id: 'wf_nobody', also: 1 } })
    expect((wrong.content as { text: string }[])[0]?.text).toMatch(/^INVALID_INPUT: .*also/)
    for (const name of ['pats_create', 'connections_create', 'oauth_apps_put', 'vault_rotate', 'tools_call', 'no_such_tool'])
      await expect(client.callTool({ name, arguments: {} })).rejects.toMatchObject({ code: -32602, message: /no such tool/ })
  })

  it('[mcp.instance] the tools of an instance, on the path of HTTP', async () => {
    await using client = await connect(rt, at(shop), era, (await token('mcp:execute')).token)
    expect(client.getServerVersion()).toMatchObject({ name: 'sqlite', title: 'Demo shop' })
    const { tools } = await client.listTools()
    const listed = (await rt.ok('GET', `/v1/mcp/instances/${shop}/tools`)).items
    expect(tools.map((t) => t.name)).toEqual(listed.map((t: { name: string }) => t.name))
    expect(tools.find((t) => t.name === 'sqlite_query')).toMatchObject({ annotations: { readOnlyHint: true } })
    expect(tools.find((t) => t.name === 'sqlite_execute')).toMatchObject({ annotations: { readOnlyHint: false, destructiveHint: true } })
    const args = { sql: 'select count(*) as n from orders' }
    const read = await client.callTool({ name: 'sqlite_query', arguments: args })
    expect(read.structuredContent).toMatchObject({ rows: [{ n: 400 }] })
    expect(read.structuredContent).toEqual((await call(rt, shop, 'sqlite_query', args)).body.result)
    const write = await client.callTool({ name: 'sqlite_execute', arguments: { sql: 'delete from orders' } })
    expect(verdict(write)).toBe((await call(rt, shop, 'sqlite_execute', { sql: 'delete from orders' })).body.code)
    expect((await client.callTool({ name: 'sqlite_query', arguments: args })).structuredContent).toMatchObject({ rows: [{ n: 400 }] })
    expect(verdict(await client.callTool({ name: 'nothing', arguments: {} }))).toBe('TOOL_REFUSED')
  })

  it('[mcp.unavailable] a tool that the account does not allow is not listed; calling it says why and gives the link', async () => {
    const { id } = await rt.ok('POST', '/v1/mcp/instances', { slug: 'google-drive', name: `Drive ${era}`, connection_id: mine.account })
    await using client = await connect(rt, at(id), era)
    expect((await client.listTools()).tools).toEqual([])
    const refused = await client.callTool({ name: 'list_files', arguments: {} })
    expect(verdict(refused)).toBe('SCOPE_MISSING')
    const [said, facts] = refused.content as { text: string }[]
    const link = /A person can allow it here: (\S+)$/.exec(said?.text ?? '')?.[1] ?? ''
    expect(link).toContain(`${rt.url}/v1/oauth/start?ticket=`)
    expect(await (await fetch(link)).text()).toContain('Google')
    expect(JSON.parse(facts?.text ?? '')).toMatchObject({
      details: { grant_url: link, missing_scopes: [expect.stringContaining('drive')] },
    })
    // Who may not connect gets no link.
    await using narrow = await connect(rt, at(id), era, (await token('mcp:execute')).token)
    expect(JSON.stringify(await narrow.callTool({ name: 'list_files', arguments: {} }))).not.toContain('ticket=')
  })

  it('[mcp.cancel] a call that its caller gives up ends at the tool', async () => {
    await using client = await connect(rt, at(slow), era)
    const before = { held: hanging.length, gone }
    const up = new AbortController()
    const calling = client.callTool(HANG, { signal: up.signal }).catch((e: unknown) => e)
    await until(() => hanging.length > before.held, 'the call to reach the upstream')
    up.abort()
    await calling
    await until(() => gone > before.gone, 'the upstream to be let go', 3_000)
  })

  it('[mcp.cancel] a stream that is closed ends its call too', async () => {
    const before = { held: hanging.length, gone }
    const up = new AbortController()
    const headers = { authorization: `Bearer ${rt.pat}` }
    const sent = message(era, 'tools/call', HANG)
    const calling = fetch(rt.url + at(slow), {
      method: 'POST',
      headers: { ...sent.headers, ...headers },
      body: sent.body,
      signal: up.signal,
    })
      .then((it) => it.text())
      .catch((e: unknown) => e)
    await until(() => hanging.length > before.held, 'the call to reach the upstream')
    up.abort()
    expect(await calling).toMatchObject({ name: 'AbortError' })
    await until(() => gone > before.gone, 'the upstream to be let go', 3_000)
  })

  it('[mcp.revoked] a token that is revoked in the middle ends the call within a second, and opens nothing afterwards', async () => {
    const pat = await token('mcp:execute')
    await using client = await connect(rt, at(slow), era, pat.token)
    const before = { held: hanging.length, gone }
    const calling = client.callTool(HANG)
    await until(() => hanging.length > before.held, 'the call to reach the upstream')
    const began = performance.now()
    await rt.ok('DELETE', `/v1/pats/${pat.id}`)
    expect(verdict(await calling)).toBe('UNAUTHENTICATED')
    expect(performance.now() - began).toBeLessThan(1_000)
    await until(() => gone > before.gone, 'the upstream to be let go', 3_000)
    await expect(client.listTools()).rejects.toThrow()
    expect((await send(rt, at(slow), { ...message(era, 'tools/list'), token: pat.token })).status).toBe(401)
  })

  it('[mcp.other-tenant] an instance of another tenant is as good as none', async () => {
    const ask = (id: string, method: string, params = {}) => send(rt, at(id), message(era, method, params))
    const bare = (it: Awaited<ReturnType<typeof ask>>, id: string) => ({
      status: it.status,
      text: it.text.replaceAll(id, 'X').replaceAll(/req_\w+/g, 'R'),
      headers: Object.keys(it.headers),
    })
    const before = await rowsOf(rt, other.workspace)
    for (const [method, params] of [
      ['tools/list', {}],
      ['tools/call', { name: 'http_request', arguments: { method: 'GET', path: '/x' } }],
    ] as const) {
      const foreign = await ask(theirs.instance, method, params)
      expect(foreign.status).toBe(404)
      expect(bare(foreign, theirs.instance)).toEqual(bare(await ask('inst_nobody', method, params), 'inst_nobody'))
    }
    expect(await rowsOf(rt, other.workspace)).toEqual(before)
    expect((await send(rt, at(theirs.instance), { ...message(era, 'tools/list'), token: other.pat })).status).toBe(200)
  })
})

describe('two tenants at once', () => {
  it('[mcp.apart] 100 callers of two tenants get their own answers only', async () => {
    const own = { [rt.pat]: (await rt.ok('GET', '/v1/me')).user.id, [other.pat]: other.user }
    expect(new Set(Object.values(own)).size).toBe(2)
    const asked = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const pat = i % 2 ? rt.pat : other.pat
        const era = ERAS[(i >> 1) % 2] as (typeof ERAS)[number]
        // The same request id from everybody: nothing may be matched by it.
        const [me, list] = await Promise.all([
          send(rt, '/mcp', { ...message(era, 'tools/call', { name: 'me_get', arguments: {} }), token: pat }),
          send(rt, '/mcp', { ...message(era, 'tools/call', { name: 'workflows_list', arguments: {} }), token: pat }),
        ])
        expect(me.body.result.structuredContent.user.id).toBe(own[pat])
        return { pat, ids: list.body.result.structuredContent.items.map((w: { id: string }) => w.id) as string[] }
      }),
    )
    expect(asked.filter((it) => it.ids.includes(theirs.workflow)).every((it) => it.pat === other.pat)).toBe(true)
    expect(asked.filter((it) => it.ids.includes(mine.workflow)).every((it) => it.pat === rt.pat)).toBe(true)
    expect(asked.filter((it) => it.ids.includes(theirs.workflow))).toHaveLength(50)
  })

  it('[mcp.apart] the name of a session opens nothing, and a stranger who knows it cancels nothing', async () => {
    const init = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } }
    const begun = await send(rt, '/mcp', message('2025-11-25', 'initialize', init))
    const session = { 'mcp-session-id': begun.headers['mcp-session-id'] as string }
    expect(session['mcp-session-id']).toMatch(/^[\w-]{32}$/)
    const alone = await send(rt, '/mcp', { ...message('2025-11-25', 'tools/list', {}, session), token: null })
    expect(alone.status).toBe(401)
    const before = { held: hanging.length, gone }
    const calling = send(rt, at(slow), message('2025-11-25', 'tools/call', HANG, session))
    await until(() => hanging.length > before.held, 'the call to reach the upstream')
    const { body } = message('2025-11-25', 'notifications/cancelled', { requestId: 7 })
    const cancel = { headers: message('2025-11-25', 'x', {}, session).headers, body: body.replace('"id":7,', '') }
    const same = await token('mcp:execute')
    for (const pat of [other.pat, same.token])
      expect((await send(rt, at(slow), { ...cancel, token: pat })).status).toBe(pat === other.pat ? 404 : 202)
    // By the time that the same way has been gone there and back, a cancelled call would be over.
    expect((await call(rt, slow, 'http_request', { method: 'GET', path: '/say' })).status).toBe(200)
    expect(gone).toBe(before.gone)
    expect((await send(rt, at(slow), cancel)).status).toBe(202)
    await calling
    await until(() => gone > before.gone, 'the upstream to be let go', 3_000)
  })
})

describe('at the door', () => {
  const METADATA = '/.well-known/oauth-protected-resource'
  const list = message('2026-07-28', 'tools/list')

  it('[mcp.challenge] without a good token the answer leads to the metadata of that very endpoint', async () => {
    for (const [path, scopes] of [
      ['/mcp', 'audit:read connection:read workflow:read'],
      [at(mine.instance), 'mcp:execute'],
    ] as const) {
      const none = await send(rt, path, { ...list, token: null })
      expect(none.status).toBe(401)
      expect(none.headers['www-authenticate']).toBe(`Bearer scope="${scopes}", resource_metadata="${rt.url}${METADATA}${path}"`)
      for (const bad of ['ar_pat_wrong', newToken()]) {
        const answer = await send(rt, path, { ...list, token: bad })
        expect(answer.headers['www-authenticate']).toMatch(/^Bearer error="invalid_token", error_description="[^"]+", scope="/)
        expect(answer).toMatchObject({ status: 401, body: { error: { data: { code: 'UNAUTHENTICATED' } } } })
      }
      const facts = await rt.ok('GET', METADATA + path, undefined, { authorization: '' })
      expect(facts).toMatchObject({ resource: rt.url + path, bearer_methods_supported: ['header'] })
      expect(facts.scopes_supported).toContain('mcp:execute')
      expect(facts).not.toHaveProperty('authorization_servers')
    }
    for (const name of ['token', 'access_token']) {
      const inQuery = await send(rt, `/mcp?${name}=${rt.pat}`, { ...list, token: null })
      expect(inQuery.status).toBe(401)
    }
    expect((await send(rt, '/mcp', { ...list, token: null, headers: { ...list.headers, cookie: `session=${rt.pat}` } })).status).toBe(401)
    const elsewhere = await send(rt, '/mcp', { ...list, headers: { ...list.headers, 'x-tenant-id': 'other' } })
    expect(elsewhere.status).toBe(403)
    expect(elsewhere.headers['www-authenticate']).toBeUndefined()
  })

  it('[mcp.scopes] a scope that is missing is named in a challenge, at both endpoints', async () => {
    const narrow = (await token('connection:read')).token
    const write = message('2025-11-25', 'tools/call', { name: 'connections_delete', arguments: { id: mine.connection } })
    for (const [path, sent, scope] of [
      ['/mcp', write, 'connection:write'],
      [at(shop), list, 'mcp:execute'],
    ] as const) {
      const answer = await send(rt, path, { ...sent, token: narrow })
      expect(answer.status).toBe(403)
      const said = answer.headers['www-authenticate'] as string
      expect(said).toMatch(
        new RegExp(`^Bearer error="insufficient_scope", scope="${scope}", error_description="[^"]+", resource_metadata="`),
      )
    }
    expect((await rt.ok('GET', `/v1/connections/${mine.connection}`)).id).toBe(mine.connection)
  })

  it('[mcp.door] a page of another origin and a Host that is not ours are refused before a body is read', async () => {
    const port = new URL(rt.url).port
    for (const origin of [
      'https://evil.example',
      'null',
      `http://127.0.0.1.evil.example:${port}`,
      `https://127.0.0.1:${port}`,
      'http://127.0.0.1:1',
    ])
      expect(await send(rt, '/mcp', { headers: { ...list.headers, origin }, hold: true }), origin).toMatchObject({ status: 403 })
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1:1', `127.0.0.1.evil.example:${port}`])
      expect(await send(rt, '/mcp', { headers: { ...list.headers, host }, hold: true }), host).toMatchObject({ status: 403 })
    const refused = await send(rt, '/mcp', { headers: { ...list.headers, origin: 'https://evil.example' }, hold: true, token: null })
    expect(refused.body.error.data.code).toBe('FORBIDDEN') // before the token is looked at, too
    expect(Object.keys(refused.headers).filter((it) => it.startsWith('access-control'))).toEqual([])
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, `LOCALHOST:${port}`])
      expect(
        (await send(rt, '/mcp', { ...list, headers: { ...list.headers, host, origin: `http://localhost:${port}` } })).status,
        host,
      ).toBe(200)
  })

  it('[mcp.door] behind a proxy the public address is the one that counts', async () => {
    await using public_ = await runtime({ flags: ['--public-url', 'https://agents.example.com'] })
    const from = (host: string, origin?: string) =>
      send(public_, '/mcp', { ...list, headers: { ...list.headers, host, ...(origin ? { origin } : {}) } })
    for (const host of ['agents.example.com', 'agents.example.com:443', new URL(public_.url).host])
      expect((await from(host, 'https://agents.example.com')).status, host).toBe(200)
    for (const host of ['agents.example.com:80', 'www.agents.example.com']) expect((await from(host)).status, host).toBe(403)
    expect((await from('agents.example.com', 'http://agents.example.com')).status).toBe(403)
    const none = await send(public_, '/mcp', { ...list, token: null })
    expect(none.headers['www-authenticate']).toContain(
      'resource_metadata="https://agents.example.com/.well-known/oauth-protected-resource/mcp"',
    )
  })

  it('[mcp.headers-match] headers that say something else than the body are refused', async () => {
    const params = { name: 'workflows_list', arguments: {} }
    for (const wrong of [
      { 'mcp-method': 'tools/list' },
      { 'mcp-method': undefined },
      { 'mcp-name': 'me_get' },
      { 'mcp-name': undefined },
      { 'mcp-protocol-version': '2025-11-25' },
      { 'mcp-protocol-version': undefined },
    ]) {
      const answer = await send(rt, '/mcp', message('2026-07-28', 'tools/call', params, wrong))
      expect(answer, JSON.stringify(wrong)).toMatchObject({ status: 400, body: { error: { code: -32_020 } } })
    }
    expect((await send(rt, '/mcp', message('2026-07-28', 'tools/call', params))).status).toBe(200)
    // What the header says never decides what a token may do.
    const narrow = (await token('connection:read')).token
    const asked = { name: 'workflows_create', arguments: { name: 'by the body' } }
    const answer = await send(rt, '/mcp', {
      ...message('2026-07-28', 'tools/call', asked, { 'mcp-name': 'connections_list' }),
      token: narrow,
    })
    expect(answer.status).toBe(403)
    const future = message('2026-07-28', 'tools/list')
    const unknown = {
      headers: { ...future.headers, 'mcp-protocol-version': '2099-01-01' },
      body: future.body.replaceAll('2026-07-28', '2099-01-01'),
    }
    expect(await send(rt, '/mcp', unknown)).toMatchObject({ status: 400, body: { error: { code: -32_022 } } })
    expect(await send(rt, '/mcp', message('2026-07-28', 'no/such'))).toMatchObject({ status: 404, body: { error: { code: -32_601 } } })
  })

  it('[mcp.body] bodies are held to the rules of HTTP', async () => {
    const body = (text: string, more: Record<string, string> = {}) =>
      send(rt, '/mcp', { headers: { ...list.headers, ...more }, body: text })
    expect((await body(JSON.stringify({ ...JSON.parse(list.body), fill: 'x'.repeat(1_048_576) }))).status).toBe(413)
    for (const text of ['{', '[]', `[${list.body}]`, list.body.replace('{', '{"id":8,'), list.body.replace('{', '{"__proto__":{},')])
      expect((await body(text)).status, text.slice(0, 40)).toBe(400)
    expect((await body(list.body, { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await body(list.body, { 'content-encoding': 'gzip' })).status).toBe(415)
    for (const method of ['GET', 'DELETE', 'PUT'])
      expect(await send(rt, '/mcp', { method, headers: list.headers }), method).toMatchObject({ status: 405, headers: { allow: 'POST' } })
    const cursor = await send(rt, '/mcp', message('2026-07-28', 'tools/list', { cursor: 'abc' }))
    expect(cursor.body.error.code).toBe(-32_602)
  })

  it('[mcp.private] what depends on the caller is marked so', async () => {
    for (const method of ['tools/list', 'server/discover'])
      expect((await send(rt, '/mcp', message('2026-07-28', method))).body.result).toMatchObject({ cacheScope: 'private', ttlMs: 0 })
    expect((await send(rt, '/mcp', list)).headers['cache-control']).toContain('no-store')
  })
})

it('[mcp.canary] no byte of MCP holds a token or a credential, even where the upstream says it again', async () => {
  for (const era of ERAS) {
    await using client = await connect(rt, at(slow), era)
    const said = await client.callTool({ name: 'http_request', arguments: { method: 'GET', path: '/say' } })
    expect(said.structuredContent).toMatchObject({ status: 200 })
    await using platform = await connect(rt, '/mcp', era)
    for (const name of ['pats_list', 'connections_list', 'oauth_apps_list', 'audit_list', 'vault_status', 'doctor_oauth'])
      expect(verdict(await platform.callTool({ name, arguments: {} })), name).toBe('ok')
    const id = (await rt.ok('GET', '/v1/connections?q=Slow')).items[0].id
    expect(verdict(await platform.callTool({ name: 'connections_credentials', arguments: { id } }))).toBe('ok')
  }
  const all: [string, Buffer][] = [['what MCP answered', Buffer.concat(heard)]]
  expect(all[0]?.[1].length).toBeGreaterThan(500_000)
  expect(all[0]?.[1].includes('[redacted]')).toBe(true)
  const secrets = {
    key: KEY,
    pat: rt.pat,
    'pat of the other': other.pat,
    'client secret': google.client.secret,
    mine: 'a-key-of-this-tenant',
  }
  expect(hits(secrets, all)).toEqual([])
})
