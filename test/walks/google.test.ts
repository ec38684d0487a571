/** Granted scopes decide which tools work: one Google account, its services switched on one by one, and accounts that are entered by hand. */
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startDrive } from '../fakes/drive.ts'
import { startGmail } from '../fakes/gmail.ts'
import { granted, tokens } from '../fakes/google.ts'
import { ME, startLinkedin, tokens as linkedinTokens } from '../fakes/linkedin.ts'
import { type Provider, startProvider } from '../fakes/provider.ts'
import type { Stub } from '../fakes/stub.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { behindTheScenes, graphOf } from './acts.ts'
import { atProvider, setUpApp, signIn, Visitor } from './sign-in.ts'

const at = (name: string) => `https://www.googleapis.com/auth/${name}`
const MAIL = [at('gmail.send'), at('gmail.readonly')]
const DRIVE = [at('drive')]

let provider: Provider
let gmail: Stub
let drive: Stub
let linkedin: Stub
let rt: TestRuntime

beforeAll(async () => {
  provider = await startProvider({ scopes: [...MAIL, ...DRIVE, 'w_member_social'], rotate: 'never' })
  gmail = await startGmail()
  drive = await startDrive()
  linkedin = await startLinkedin()
  rt = await runtime({ allowPrivate: [provider.url, gmail.url, drive.url, linkedin.url] })
  provider.allowRedirect(`${rt.url}/v1/oauth/callback`)
  const hosts = [gmail, drive].map((s) => new URL(s.url).host)
  await setUpApp(rt, provider, { provider: 'google', scopes: [], params: {}, api_hosts: hosts, rotates: 'never' }, 'google')
})
afterAll(async () => {
  await rt[Symbol.asyncDispose]()
  await Promise.all([gmail, drive, linkedin, provider].map((it) => it.close()))
})
beforeEach(() => {
  for (const it of [gmail, drive, linkedin, provider]) it.reset()
})

/** The next answer of the token endpoint brings a token that the stubs of Google's APIs know, with these scopes. */
const nextToken = (...names: string[]) =>
  provider.next({ kind: 'rewrite', by: (answer) => ({ ...answer, access_token: granted(...names) }) })
const instanceOf = async (slug: string, connection: string, url: string): Promise<string> =>
  (await rt.ok('POST', '/v1/mcp/instances', { slug, connection_id: connection, config: { api_base: url } })).id
const toolsOf = async (instance: string) =>
  Object.fromEntries((await rt.ok('GET', `/v1/mcp/instances/${instance}/tools`)).items.map((t: { name: string }) => [t.name, t]))
const call = (instance: string, tool: string, args: object) => rt.api('POST', `/v1/mcp/instances/${instance}/tools/${tool}/call`, { args })
const MESSAGE = { to: 'bo@example.com', subject: 'Hello', body: 'From a test.' }

describe('one Google account', () => {
  it('[scopes.decide] one service is switched on, a second one asks for exactly its scopes, and the binding survives', async () => {
    nextToken('gmail.send', 'gmail.readonly')
    const { connection: id, page } = await signIn(rt, provider, { slug: 'google', services: ['gmail'] })
    expect(page).toContain('Google is connected')
    const facts = await rt.ok('GET', `/v1/connections/${id}`)
    expect(facts).toMatchObject({ provider: 'google', account: { id: 'ada' }, oauth: { services: ['gmail'], app: 'google' } })
    expect(facts.granted_scopes).toEqual(expect.arrayContaining([...MAIL, 'email', at('userinfo.email')]))

    const mail = await instanceOf('gmail', id, gmail.url)
    const files = await instanceOf('google-drive', id, drive.url)
    expect(Object.values(await toolsOf(mail)).map((t) => (t as { available: boolean }).available)).toEqual([true, true, true, true])
    const sent = await call(mail, 'send_email', MESSAGE)
    expect(sent.status, sent.text).toBe(200)
    expect(gmail.requests).toHaveLength(1)

    // Drive was not asked for: its tools say so, and refuse before anything is sent.
    const list = (await toolsOf(files)).list_files
    expect(list).toMatchObject({ available: false, reason: expect.stringContaining('needs') })
    expect(list.missing_scopes.length).toBeGreaterThan(0)
    expect(await call(files, 'list_files', {})).toMatchObject({ status: 422, body: { code: 'SCOPE_MISSING' } })
    expect(drive.requests).toEqual([])

    // A graph says so at its step, with the link; publishing is refused.
    const steps = [{ id: 'look', instance_id: files, tool_name: 'list_files', tool_args: {} }]
    const workflow = await rt.ok('POST', '/v1/workflows', { name: 'Look', graph: graphOf(steps) })
    const dry = await rt.ok('POST', `/v1/workflows/${workflow.id}/validate`, {})
    expect(dry).toMatchObject({
      valid: false,
      issues: [{ step_id: 'look', code: 'scope_missing', missing_scopes: list.missing_scopes, connection_id: id }],
    })
    expect(dry.issues[0].grant_url).toContain('/v1/oauth/start')
    expect(await rt.api('POST', `/v1/workflows/${workflow.id}/versions`, {})).toMatchObject({
      status: 422,
      body: { code: 'GRAPH_INVALID' },
    })

    // PATCH …/services needs a new consent, and gives its link.
    const more = await rt.ok('PATCH', `/v1/connections/google/accounts/${id}/services`, { services: ['google-drive'] })
    provider.next({ kind: 'rewrite', by: (answer) => ({ ...answer, access_token: tokens.valid }) })
    const visitor = new Visitor()
    const done = await visitor.get(await atProvider(provider, more.authorization_url, 'ada', visitor))
    expect(await done.text()).toContain('connected again')
    const after = await rt.ok('GET', `/v1/connections/${id}`)
    expect(after).toMatchObject({ status: 'active', oauth: { services: ['gmail', 'google-drive'] } })
    expect(after.granted_scopes).toEqual(expect.arrayContaining([...MAIL, ...DRIVE]))
    expect((await toolsOf(files)).list_files.available).toBe(true)
    const listed = await call(files, 'list_files', {})
    expect(listed.status, listed.text).toBe(200)
    expect((await rt.ok('POST', `/v1/workflows/${workflow.id}/validate`, {})).valid).toBe(true)
    // On already: no link, and nothing is asked.
    expect(await rt.ok('PATCH', `/v1/connections/google/accounts/${id}/services`, { services: ['gmail'] })).toMatchObject({
      authorization_url: null,
    })
  })

  it('[scopes.grant-url] the link of a tool asks for what the account has and exactly what is missing', async () => {
    nextToken('gmail.readonly')
    const { connection: id, page } = await signIn(rt, provider, {
      slug: 'google',
      services: ['gmail'],
      account: 'bo',
      narrowTo: ['openid', 'email', 'profile', at('gmail.readonly')],
    })
    expect(page).toContain('send_email')
    const mail = await instanceOf('gmail', id, gmail.url)
    const { send_email, search_emails } = await toolsOf(mail)
    expect(search_emails).toMatchObject({ available: true, missing_scopes: [], grant_url: null })
    expect(send_email).toMatchObject({ available: false, missing_scopes: [at('gmail.send')] })
    const location = (await new Visitor().goOn(send_email.grant_url)).headers.get('location') as string
    const asked = new URL(location).searchParams.get('scope')?.split(' ')
    expect(asked).toEqual(expect.arrayContaining([at('gmail.send'), at('gmail.readonly'), 'openid']))
    expect(asked).not.toContain(at('drive'))
  })

  it('[scopes.learnt] an insufficient-scope answer of Google changes the facts, and says the same', async () => {
    nextToken('gmail.send')
    const { connection: id } = await signIn(rt, provider, { slug: 'google', services: ['gmail'], account: 'cy' })
    const mail = await instanceOf('gmail', id, gmail.url)
    expect((await call(mail, 'search_emails', { query: 'hello' })).body).toMatchObject({ code: 'SCOPE_MISSING' })
    expect(gmail.requests).toHaveLength(1)
    expect(await rt.ok('GET', `/v1/connections/${id}`)).toMatchObject({ status: 'needs_scopes', status_reason: 'scopes' })
    expect((await toolsOf(mail)).search_emails.available).toBe(false)
    expect((await call(mail, 'search_emails', { query: 'hello' })).body).toMatchObject({
      code: 'SCOPE_MISSING',
      details: { missing_scopes: [at('gmail.readonly')] },
    })
    expect(gmail.requests).toHaveLength(1)
    expect((await call(mail, 'send_email', MESSAGE)).status).toBe(200)
  })

  it('[oauth.token-hosts] its tokens go to no host that its app does not name, whoever writes the config', async () => {
    nextToken('gmail.send')
    const { connection: id } = await signIn(rt, provider, { slug: 'google', services: ['gmail'], account: 'di' })
    for (const [slug, config] of [
      ['gmail', { api_base: linkedin.url }],
      ['http', { base_url: linkedin.url }],
    ] as const) {
      const instance = (await rt.ok('POST', '/v1/mcp/instances', { slug, connection_id: id, config })).id
      const answer =
        slug === 'gmail' ? await call(instance, 'send_email', MESSAGE) : await call(instance, 'http_request', { method: 'GET', path: '/x' })
      expect(answer.body).toMatchObject({ code: 'EGRESS_BLOCKED', details: { rule: 'credential-hosts' } })
    }
    expect(linkedin.requests).toEqual([])
  })

  it('[oauth.revoke-shared] deleting one of two connections of an account does not take access from the other', async () => {
    nextToken('gmail.send')
    const one = await signIn(rt, provider, { slug: 'google', services: ['gmail'], account: 'eve' })
    nextToken('gmail.send')
    const two = await signIn(rt, provider, { slug: 'google', services: ['gmail'], account: 'eve' })
    expect(await rt.ok('DELETE', `/v1/connections/${one.connection}`)).toMatchObject({
      revoked_at_provider: 'shared',
      shared_with: [two.connection],
    })
    expect(provider.revocation.requests).toEqual([])
    expect(await rt.ok('DELETE', `/v1/connections/${two.connection}`)).toMatchObject({ revoked_at_provider: 'revoked' })
  })

  it('[scopes.decide] the routes by name say the same', async () => {
    expect(await rt.ok('GET', '/v1/connections/google/config')).toMatchObject({
      configured: true,
      redirect_uri: `${rt.url}/v1/oauth/callback`,
    })
    const link = await rt.ok('POST', '/v1/connections/google/oauth-url', { services: ['gmail'] })
    expect((await rt.api('POST', '/v1/connections/google/complete', { attempt_id: link.attempt_id })).body.code).toBe('CONFLICT')
    const visitor = new Visitor()
    nextToken('gmail.send')
    await visitor.get(await atProvider(provider, link.authorization_url, 'fay', visitor))
    const made = await rt.ok('POST', '/v1/connections/google/complete', { attempt_id: link.attempt_id })
    expect(await rt.ok('GET', `/v1/connections/google/accounts/${made.id}`)).toMatchObject({
      account: { id: 'fay' },
      oauth: { services: ['gmail'] },
    })
  })
})

it('templates and catalogue say what can be connected, and how', async () => {
  const { items } = await rt.ok('GET', '/v1/connections/templates')
  const of = (provider: string) => items.find((t: { provider: string }) => t.provider === provider)
  expect(of('google').sign_in.services.map((s: { slug: string }) => s.slug)).toEqual([
    'gmail',
    'google-drive',
    'google-sheets',
    'google-calendar',
  ])
  expect(of('google').services.map((s: { slug: string }) => s.slug)).toEqual(['service_account'])
  expect(of('linkedin').services.map((s: { slug: string }) => s.slug)).toEqual(['refresh_token', 'access_token'])
  expect(of('github')).toMatchObject({ auth_kind: 'api_key', sign_in: null })
  expect(of('gmail')).toBeUndefined()
  const catalog = (await rt.ok('GET', '/v1/mcp/platform-catalog')).items as { slug: string; provider: string | null; tools: unknown[] }[]
  expect(Object.fromEntries(catalog.filter((c) => c.provider).map((c) => [c.slug, c.tools.length]))).toEqual({
    gmail: 4,
    'google-calendar': 9,
    'google-drive': 15,
    'google-sheets': 20,
    linkedin: 9,
  })
})

describe('by hand', () => {
  it('[renew.service-account] a service account signs for itself, as whom it should, and is minted again by itself', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const service_account_json = JSON.stringify({
      type: 'service_account',
      client_email: 'robot@project.example',
      private_key_id: 'key-1',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      token_uri: 'https://evil.example/token',
    })
    const mint = () =>
      provider.next({ kind: 'reply', status: 200, body: { access_token: granted('drive'), token_type: 'Bearer', expires_in: 3600 } })
    mint()
    const made = await rt.ok('POST', '/v1/connections', {
      display_name: 'Robot',
      provider: 'google',
      service: 'service_account',
      services: ['google-drive'],
      credentials: { service_account_json, subject: 'ada@example.com' },
    })
    expect(made, JSON.stringify(made)).toMatchObject({ status: 'active', oauth: { kind: 'jwt_bearer', services: ['google-drive'] } })
    const [request] = provider.tokenRequests
    expect(request!.form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const [head = '', body = '', signature = ''] = (request!.form.get('assertion') ?? '').split('.')
    const pem = createPublicKey(publicKey.export({ type: 'spki', format: 'pem' }))
    expect(verify('sha256', Buffer.from(`${head}.${body}`), pem, Buffer.from(signature, 'base64url'))).toBe(true)
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
    expect(claims).toMatchObject({ iss: 'robot@project.example', sub: 'ada@example.com', scope: at('drive'), aud: `${provider.url}/token` })
    expect(claims.exp - claims.iat).toBe(3600)
    // The key file is a secret as a whole, and so is the key in it.
    const leak = {
      name: 'Leak',
      graph: {
        steps: [
          { id: 'a', type: 'mcp_call', instance_id: 'x', tool_name: 'y', tool_args: { k: JSON.parse(service_account_json).private_key } },
        ],
      },
    }
    expect((await rt.api('POST', '/v1/workflows', leak)).body.code).toBe('SECRET_IN_GRAPH')
    // A token that has ended is minted again by the call that needs it.
    await using db = await behindTheScenes(rt)
    await db.rows(
      "update grants set access_obtained_at = now() - interval '2 h', access_expires_at = now() - interval '1 h' where connection_id = $1",
      [made.id],
    )
    mint()
    expect(await rt.ok('POST', `/v1/connections/${made.id}/validate`)).toHaveProperty('ok')
    expect(provider.tokenRequests.length).toBeGreaterThanOrEqual(2)
  })

  it('[renew.by-hand] LinkedIn takes a client and a refresh token under both names, renews it, and knows its end', async () => {
    await setUpApp(
      rt,
      provider,
      { provider: 'linkedin', scopes: [], params: {}, api_hosts: [new URL(linkedin.url).host], rotates: 'never' },
      'linkedin',
    )
    const { refresh_token } = await provider.mint({ account: 'li', scopes: ['openid', 'w_member_social'] })
    provider.next({
      kind: 'rewrite',
      by: (answer) => ({ ...answer, access_token: linkedinTokens.member, refresh_token_expires_in: 300 * 86_400 }),
    })
    const made = await rt.ok('POST', '/v1/connections', {
      display_name: 'Li',
      provider: 'linkedin',
      service: 'refresh_token',
      credentials: { ClientID: provider.client.id, ClientSecret: provider.client.secret, RefreshToken: refresh_token },
    })
    expect(made).toMatchObject({ status: 'active', oauth: { kind: 'refresh_token', renewable: true } })
    expect(Math.round((Date.parse(made.oauth.ends_at) - Date.now()) / 86_400_000)).toBe(300)
    expect(made.credential_keys).toEqual(expect.arrayContaining(['access_token', 'client_secret', 'refresh_token']))
    expect(ME).toContain('urn:li:person')
  })

  it('an access token alone is a connection that ends with it, and is replaced by entering another', async () => {
    const made = await rt.ok('POST', '/v1/connections', {
      display_name: 'Short',
      provider: 'linkedin',
      service: 'access_token',
      credentials: { AccessToken: linkedinTokens.member },
    })
    expect(made).toMatchObject({ oauth: { kind: 'access_token', renewable: false }, status: 'unverified' })
    expect(made.expires_at).not.toBeNull()
    expect((await rt.api('POST', `/v1/connections/${made.id}/reconnect`, {})).body.code).toBe('INVALID_INPUT')
    expect(await rt.ok('PATCH', `/v1/connections/${made.id}`, { credentials: { access_token: linkedinTokens.all } })).toMatchObject({
      credential_version: 2,
    })
  })

  it('[renew.no-detour] a client that was entered is not sent elsewhere by somebody who does not know it', async () => {
    const made = await rt.ok('POST', '/v1/connections', {
      display_name: 'Machine',
      provider: 'oauth2',
      service: 'client_credentials',
      credentials: {
        token_endpoint: `${provider.url}/token`,
        client_id: provider.client.id,
        client_secret: provider.client.secret,
        api_hosts: new URL(provider.url).host,
        scope: at('drive'),
      },
    })
    expect(made).toMatchObject({ status: 'active', oauth: { kind: 'client_credentials' } })
    for (const credentials of [{ token_endpoint: `${linkedin.url}/token` }, { api_hosts: new URL(linkedin.url).host }])
      expect((await rt.api('PATCH', `/v1/connections/${made.id}`, { credentials })).body).toMatchObject({
        code: 'INVALID_INPUT',
        details: { fields: ['client_secret'] },
      })
    expect(linkedin.requests).toEqual([])
  })

  it('what is wrong with an entry is said in one sentence, and nothing is left behind', async () => {
    const wrong: [object, string][] = [
      [{ provider: 'google', credentials: {} }, 'CREDENTIAL_MALFORMED'],
      [
        { provider: 'google', service: 'service_account', services: ['google-drive'], credentials: { service_account_json: '{"a": 1}' } },
        'CREDENTIAL_MALFORMED',
      ],
      [
        {
          provider: 'google',
          service: 'service_account',
          credentials: { service_account_json: '{"client_email": "a", "private_key": "b"}' },
        },
        'INVALID_INPUT',
      ],
      [{ provider: 'google', service: 'password', credentials: {} }, 'INVALID_INPUT'],
      [{ provider: 'gmail', credentials: {} }, 'INVALID_INPUT'],
      [{ provider: 'linkedin', service: 'refresh_token', credentials: { RefreshToken: 'x'.repeat(40) } }, 'CREDENTIAL_MALFORMED'],
    ]
    await using db = await behindTheScenes(rt)
    const count = async () =>
      (await db.rows('select (select count(*) from connections)::int + (select count(*) from grants)::int as n'))[0]?.n
    const before = await count()
    for (const [body, code] of wrong) {
      const answer = await rt.api('POST', '/v1/connections', { display_name: 'Wrong', ...body })
      expect(answer.body.code, answer.text).toBe(code)
    }
    expect(await count()).toBe(before)
  })
})
