import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { entered, key, startAnyApi } from '../../../test/fakes/any-api.ts'
import { toolContext } from '../../../test/fakes/context.ts'
import { type Stub, timesSent } from '../../../test/fakes/stub.ts'
import http from './index.ts'

const tool = http.tools.http_request
if (tool === undefined) throw new Error('no tool')
const places = ['bearer', 'header', 'query'] as const
const stubs = new Map<string, Stub>()
beforeAll(async () => {
  for (const place of places) stubs.set(place, await startAnyApi(place))
})
afterAll(() => Promise.all([...stubs.values()].map((it) => it.close())))
beforeEach(() => {
  for (const it of stubs.values()) it.reset()
})

const stubOf = (place: string): Stub => stubs.get(place) as Stub
const contextOf = (place: (typeof places)[number], config: object = {}, credentials: Record<string, string> = entered[place]) =>
  toolContext(http, { credentials, service: place, config: { base_url: stubOf(place).url, ...config } })
const request = (input: object, ctx = contextOf('bearer')) => tool.run(ctx, tool.input.parse(input) as never)
const reply = (status: number, body: unknown, headers = {}) => stubOf('bearer').next({ kind: 'reply', reply: { status, body, headers } })
const refuses = (input: object) => expect(tool.input.safeParse(input).success).toBe(false)

describe('an answer', () => {
  it('is status, headers and body', async () => {
    expect(await request({ method: 'GET', path: '/v1/items', query: { limit: 2 } })).toMatchObject({ status: 200, body: { limit: '2' } })
    expect(await request({ method: 'POST', path: '/v1/items', body: { name: 'x' } })).toMatchObject({
      status: 201,
      body: { id: 'i1', name: 'x' },
    })
    expect(await request({ method: 'HEAD', path: '/v1/items' })).toMatchObject({ status: 200, body: null })
  })

  it.each([
    ['text', 'plain', { 'content-type': 'text/plain' }, 'plain'],
    ['a number in text', '1.0', { 'content-type': 'text/plain' }, '1.0'],
    ['a page', '<html></html>', { 'content-type': 'text/html' }, '<html></html>'],
    ['broken JSON', '{"a":', { 'content-type': 'application/json' }, '{"a":'],
    ['nothing', undefined, {}, null],
  ])('%s comes as it is', async (_, body, headers, seen) => {
    reply(200, body, headers)
    expect(await request({ method: 'GET', path: '/v1/items' })).toMatchObject({ status: 200, body: seen })
  })

  it('other bytes come in base64', async () => {
    const ctx = contextOf('bearer')
    const bytes = new Uint8Array([0xff, 0x00])
    expect(await request({ method: 'GET', path: '/x' }, { ...ctx, fetch: async () => new Response(bytes) })).toMatchObject({
      body: { base64: '/wA=' },
    })
  })

  it('[http.answers-clean] shows no cookie and no header that carries a credential', async () => {
    stubOf('bearer').next({ kind: 'echo', status: 200 })
    const { headers } = (await request({ method: 'GET', path: '/v1/items' })) as { headers: Record<string, string> }
    expect(headers).not.toHaveProperty('authorization')
    const { headers: others } = (await request({ method: 'GET', path: '/v1/items' })) as { headers: Record<string, string> }
    expect(others).not.toHaveProperty('set-cookie')
    expect(others).toHaveProperty('x-request-cost', '1')
  })

  it.each([400, 403, 404, 409, 422, 500])('%i is an answer for the workflow to look at', async (status) => {
    reply(status, { error: 'no' })
    expect(await request({ method: 'GET', path: '/v1/items' })).toMatchObject({ status, body: { error: 'no' } })
  })

  it('401 fails: the credential is refused', async () => {
    const ctx = contextOf('bearer', {}, { api_key: 'old' })
    await expect(request({ method: 'GET', path: '/v1/items' }, ctx)).rejects.toMatchObject({
      code: 'CREDENTIAL_REJECTED',
      message: 'The service rejected the credential (401): No such key',
    })
  })

  it('a read is tried again, a write is not', async () => {
    reply(503, {})
    const ctx = contextOf('bearer')
    expect(await request({ method: 'GET', path: '/v1/items' }, ctx)).toMatchObject({ status: 200 })
    expect(ctx.waits).toEqual([300])
    reply(503, {})
    expect(await request({ method: 'POST', path: '/v1/items', body: {} }, ctx)).toMatchObject({ status: 503 })
    expect(stubOf('bearer').requests).toHaveLength(3)
  })

  it('only reading may be repeated', () => {
    const repeatable = tool.repeatable as (input: { method: string }) => boolean
    expect(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].map((method) => repeatable({ method }))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ])
  })
})

describe('what a caller may not do', () => {
  it.each([
    'Authorization',
    'cookie',
    'HOST',
    'Proxy-Authorization',
    'proxy-connection',
    'Content-Length',
    'transfer-encoding',
    'X-Forwarded-For',
    'bad name',
  ])('[http.headers-refused] set the header %s', (name) => refuses({ method: 'GET', path: '/', headers: { [name]: 'x' } }))

  it.each(['header', 'query'] as const)('[http.credential-is-ours] replace the credential in the %s', async (place) => {
    const own = place === 'header' ? { headers: { 'x-API-key': 'mine' } } : { query: { apikey: 'mine' } }
    expect(await request({ method: 'GET', path: '/v1/items', ...own }, contextOf(place))).toMatchObject({ status: 200 })
    const [req] = stubOf(place).requests
    expect(req?.bytes).not.toContain('mine')
    expect(req && timesSent(req, key)).toBe(1)
  })

  it.each([
    'v1',
    '',
    '//evil.example/x',
    'https://evil.example',
    '/a/../b',
    '/..',
    '/a/%2e%2E/b',
    '/..%2fb',
    '/a\\..\\b',
    '/a%5c..',
    '/a b',
    '/a#b',
    '/%zz',
  ])('[connectors.path-stays] leave base_url by the path %s', (path) => refuses({ method: 'GET', path }))

  it('send a body with GET', () => refuses({ method: 'GET', path: '/', body: {} }))

  it.each([
    ['header', 'header_name', ['Host', 'content-length', 'Cookie', 'x y', '']],
    ['query', 'query_name', ['a b', '', 'a&b']],
  ])('name a bad place in %s', (service, field, names) => {
    const { services } = http.auth as Extract<typeof http.auth, { kind: 'api_key' }>
    const format = services[service]?.fields.find((it) => it.name === field)?.format
    expect(names.filter((name) => format?.pattern.test(name))).toEqual([])
    expect(format?.pattern.test(service === 'header' ? 'X-Api-Key' : 'api_key')).toBe(true)
  })
})

describe('the account of an OAuth provider', () => {
  const account = (access_token: string, config: object = {}) =>
    toolContext(http, { credentials: { access_token }, service: 'oauth', config: { base_url: stubOf('bearer').url, ...config } })

  it('is taken beside keys, and its token is sent as a bearer token', async () => {
    expect(http.auth).toMatchObject({ kind: 'api_key', oauth: true })
    expect(await request({ method: 'GET', path: '/v1/items' }, account(key))).toMatchObject({ status: 200 })
    const [req] = stubOf('bearer').requests
    expect(req?.headers.authorization).toBe(`Bearer ${key}`)
    expect(req && timesSent(req, key)).toBe(1)
  })

  it('is rejected by a 401, in a call and in the check', async () => {
    const again = { code: 'CREDENTIAL_REJECTED', hint: expect.stringContaining('connect the account again') }
    await expect(request({ method: 'GET', path: '/v1/items' }, account('old'))).rejects.toMatchObject(again)
    await expect(http.auth.check(account('old', { check_path: '/v1/me' }))).rejects.toMatchObject(again)
  })

  it('[connectors.unknown-scopes] is not doubted by a check that says nothing of whose it is', async () => {
    const checked = await http.auth.check(account(key, { check_path: '/v1/me' }))
    expect(checked).toEqual({ account: null, granted_scopes: null, warnings: [] })
  })
})

describe('the check', () => {
  it('proves the credential where check_path is set', async () => {
    const config = { check_path: '/v1/me' }
    expect(await http.auth.check(contextOf('bearer', config))).toEqual({ account: null, granted_scopes: null, warnings: [] })
    await expect(http.auth.check(contextOf('bearer', config, { api_key: 'old' }))).rejects.toMatchObject({ code: 'CREDENTIAL_REJECTED' })
    await expect(http.auth.check(contextOf('bearer', { check_path: '/v2/me' }))).rejects.toMatchObject({
      code: 'UPSTREAM_NOT_FOUND',
      hint: expect.stringContaining('check_path'),
    })
  })

  it('says that it proves nothing where it is not, but believes a 401', async () => {
    expect((await http.auth.check(contextOf('bearer'))).warnings).toEqual([expect.stringContaining('No check_path')])
    await expect(http.auth.check(contextOf('bearer', {}, { api_key: 'old' }))).rejects.toMatchObject({ code: 'CREDENTIAL_REJECTED' })
  })

  it.each([
    {},
    { base_url: 'ftp://x.example' },
    { base_url: 'https://x.example', token: 'x' },
    { base_url: 'https://x.example', check_path: '//e.example' },
  ])('config %j is refused', (config) => expect(http.config.safeParse(config).success).toBe(false))
})
