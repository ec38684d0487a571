/** What the Console asks for around connecting: a credential that is tried first, what uses it, services that are switched off. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGithub, tokens } from '../fakes/github.ts'
import { APP_PASSWORD, startTestPostgres, type TestPostgres } from '../fakes/postgres-server.ts'
import { type Provider, startProvider } from '../fakes/provider.ts'
import type { Stub } from '../fakes/stub.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { behindTheScenes, graphOf } from './acts.ts'
import { filesBelow, hits } from './canary.ts'
import { setUpApp, signIn } from './sign-in.ts'

const MAIL = ['https://www.googleapis.com/auth/gmail.send', 'https://www.googleapis.com/auth/gmail.readonly']
const SHEETS = ['https://www.googleapis.com/auth/spreadsheets', 'https://www.googleapis.com/auth/drive.metadata.readonly']

let rt: TestRuntime
let shop: TestPostgres
let github: Stub
let provider: Provider

beforeAll(async () => {
  ;[shop, github, provider] = await Promise.all([
    startTestPostgres(),
    startGithub(),
    startProvider({ scopes: [...MAIL, ...SHEETS], rotate: 'never' }),
  ])
  rt = await runtime({ allowPrivate: [`127.0.0.1:${shop.port}`, github.url, provider.url] })
  provider.allowRedirect(`${rt.url}/v1/oauth/callback`)
  await setUpApp(rt, provider, { provider: 'google', scopes: [], params: {}, rotates: 'never' }, 'google')
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await Promise.all([shop?.stop(), github?.close(), provider?.close()])
})

const tryOut = (body: object) => rt.api('POST', '/v1/connections/try', body)
const config = () => ({ api_base: github.url })
const connections = async () => (await rt.ok('GET', '/v1/connections')).items as { id: string; usage: object }[]
const sealedRows = async (): Promise<number> => {
  await using db = await behindTheScenes(rt)
  return (await db.rows('select count(*)::int as n from sealed'))[0]?.n
}

describe('a credential before it is saved', () => {
  it('[connections.try] says what a live call says, and stores nothing', async () => {
    const before = await sealedRows()
    expect((await tryOut({ provider: 'github', credentials: { api_key: tokens.classic }, config: config() })).body).toMatchObject({
      ok: true,
      account: { label: 'octocat' },
      granted_scopes: ['repo', 'read:org'],
      problem: null,
    })
    const refused = await tryOut({ provider: 'github', credentials: { api_key: tokens.revoked }, config: config() })
    expect(refused).toMatchObject({ status: 200, body: { ok: false, problem: { code: 'CREDENTIAL_REJECTED' } } })
    expect(await connections()).toEqual([])
    expect(await sealedRows()).toBe(before)
    expect((await rt.ok('GET', '/v1/audit?limit=2')).items).toMatchObject([
      { action: 'connection.tried', entry: { details: { provider: 'github', ok: false, code: 'CREDENTIAL_REJECTED' } } },
      { action: 'connection.tried', entry: { details: { provider: 'github', ok: true } } },
    ])
  })

  it('[connections.try] opens a database and leaves no session there', async () => {
    expect((await tryOut({ provider: 'postgres', credentials: { dsn: shop.dsn() } })).body).toMatchObject({
      ok: true,
      account: { label: expect.stringContaining('app on shop') },
    })
    const open = async () => (await shop.admin("select count(*)::int as n from pg_stat_activity where usename = 'app'"))[0]?.n
    await expect.poll(open, { timeout: 10_000 }).toBe(0)
    const wrong = shop.dsn().replace(encodeURIComponent(APP_PASSWORD), 'not-the-password-at-all')
    expect(wrong).toContain('not-the-password-at-all')
    expect((await tryOut({ provider: 'postgres', credentials: { dsn: wrong } })).body).toMatchObject({
      ok: false,
      problem: { code: 'CREDENTIAL_REJECTED' },
    })
    expect(await connections()).toEqual([])
  })

  it('[connections.try] leaves no byte of what was entered in logs, files or answers', async () => {
    const canaries = {
      'tried key': tokens.classic,
      'refused key': tokens.revoked,
      'tried password': APP_PASSWORD,
      'wrong password': 'not-the-password-at-all',
    }
    const answers = rt.answers.map((a) => [`${a.method} ${a.path}`, Buffer.from(a.text)] as const)
    expect(hits(canaries, [...filesBelow(rt.home, []), ...answers])).toEqual([])
  })

  it('[connections.try] refuses what has no key, and names what is wrong', async () => {
    expect(await tryOut({ provider: 'sqlite', credentials: {} })).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } })
    expect(
      await tryOut({ provider: 'google', service: 'service_account', credentials: { service_account_json: '{"a":1}' } }),
    ).toMatchObject({
      status: 400,
      body: { hint: expect.stringContaining('saved') },
    })
    expect(await tryOut({ provider: 'github', credentials: {} })).toMatchObject({ status: 422, body: { code: 'CREDENTIAL_MALFORMED' } })
    expect(await tryOut({ provider: 'github', credentials: { api_key: tokens.classic }, config: { api_bse: 'x' } })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('api_bse') },
    })
  })
})

describe('what is used', () => {
  it('[connections.used] counts instances and workflows of each connection, and says what names an instance', async () => {
    const make = (name: string) =>
      rt.ok('POST', '/v1/connections', { display_name: name, provider: 'github', credentials: { api_key: tokens.classic } })
    const [used, idle] = [await make('Used'), await make('Idle')]
    const bound = () => rt.ok('POST', '/v1/mcp/instances', { slug: 'github', connection_id: used.id, config: config() })
    const [a, b] = [await bound(), await bound()]
    const flow = (name: string, ids: string[]) =>
      rt.ok('POST', '/v1/workflows', {
        name,
        graph: graphOf(ids.map((id, n) => ({ id: `s${n}`, instance_id: id, tool_name: 'get_issue', tool_args: {} }))),
      })
    await flow('Both', [a.id, b.id])
    const one = await flow('One', [b.id])
    const list = await connections()
    expect(list.find((c) => c.id === used.id)?.usage).toEqual({ instances: 2, workflows: 2 })
    expect(list.find((c) => c.id === idle.id)?.usage).toEqual({ instances: 0, workflows: 0 })
    expect(await rt.ok('GET', `/v1/mcp/instances/${a.id}/usage`)).toMatchObject({
      workflows: [{ name: 'Both', steps: ['s0'] }],
      active_runs: [],
    })
    await rt.ok('DELETE', `/v1/workflows/${one.id}`)
    expect((await rt.ok('GET', `/v1/mcp/instances/${b.id}/usage`)).workflows).toMatchObject([{ name: 'Both', steps: ['s1'] }])
    // An archived one no longer counts.
    expect((await connections()).find((c) => c.id === used.id)?.usage).toEqual({ instances: 2, workflows: 1 })
    expect((await rt.ok('GET', `/v1/mcp/instances/${a.id}`)).profiles).toMatchObject([
      { connection: { id: used.id, name: 'Used', status: 'unverified' } },
    ])
  })
})

describe('a profile', () => {
  it('[profiles.tried] is tried with its own credential and settings while another one serves', async () => {
    const make = (name: string, api_key: string) =>
      rt.ok('POST', '/v1/connections', { display_name: name, provider: 'github', credentials: { api_key } })
    const [now, next] = [await make('Now', tokens.classic), await make('Next', tokens.narrow)]
    const at = await rt.ok('POST', '/v1/mcp/instances', { slug: 'github', connection_id: now.id, config: config() })
    const profile = await rt.ok('POST', `/v1/mcp/instances/${at.id}/config-profiles`, {
      name: 'next',
      connection_id: next.id,
      config: config(),
    })
    const call = (more: object) =>
      rt.api('POST', `/v1/mcp/instances/${at.id}/tools/search_repositories/call`, { args: { q: 'x' }, ...more })
    const sent = () => github.requests.at(-1)?.headers.authorization
    await call({ profile_id: profile.id })
    expect(sent()).toContain(tokens.narrow)
    await call({})
    expect(sent()).toContain(tokens.classic)

    const checks = (body: object) => rt.ok('POST', `/v1/mcp/instances/${at.id}/validate`, body)
    expect((await checks({ profile_id: profile.id })).checks).toMatchObject([
      { check: 'profile_active', ok: true, skipped: true },
      { check: 'connection_bound', ok: true, message: 'bound to Next' },
      { check: 'credential_live', ok: true },
      { check: 'scopes', ok: false },
      { check: 'smoke_call' },
    ])
    expect(sent()).toContain(tokens.narrow)
    expect((await checks({})).checks).toMatchObject([{ ok: true, skipped: false }, { message: 'bound to Now' }, {}, { ok: true }, {}])
    const usable = async (query: string) =>
      (await rt.ok('GET', `/v1/mcp/instances/${at.id}/tools${query}`)).items.filter((t: { available: boolean }) => t.available)
        .length as number
    expect(await usable(`?profile_id=${profile.id}`)).toBeLessThan(await usable(''))

    // Another instance's profile is none of this one's.
    const other = await rt.ok('POST', '/v1/mcp/instances', { slug: 'github', connection_id: now.id, config: config() })
    const foreign = other.profiles[0].id as string
    const count = github.requests.length
    expect(await call({ profile_id: foreign })).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
    expect(await rt.api('POST', `/v1/mcp/instances/${at.id}/validate`, { profile_id: foreign })).toMatchObject({ status: 404 })
    expect(await rt.api('GET', `/v1/mcp/instances/${at.id}/tools?profile_id=${foreign}`)).toMatchObject({ status: 404 })
    expect(github.requests).toHaveLength(count)
  })
})

describe('services of one account', () => {
  it('[google.switch-off] unbinds the profiles of that service alone, and on again needs no consent', async () => {
    const { connection: id } = await signIn(rt, provider, { slug: 'google', services: ['gmail', 'google-sheets'] })
    const instance = async (slug: string) => (await rt.ok('POST', '/v1/mcp/instances', { slug, connection_id: id })).id as string
    const [mail, sheets] = [await instance('gmail'), await instance('google-sheets')]
    const off = await rt.ok('PATCH', `/v1/connections/google/accounts/${id}/services`, { off: ['gmail'] })
    expect(off).toMatchObject({ services: ['google-sheets'], authorization_url: null, unbound: [{ instance_id: mail }] })
    expect((await rt.ok('GET', `/v1/mcp/instances/${mail}`)).profiles).toMatchObject([{ connection_id: null, connection: null }])
    expect((await rt.ok('GET', `/v1/mcp/instances/${sheets}`)).profiles).toMatchObject([{ connection_id: id }])
    expect((await rt.ok('GET', `/v1/connections/${id}`)).oauth.services).toEqual(['google-sheets'])
    const on = await rt.ok('PATCH', `/v1/connections/google/accounts/${id}/services`, { services: ['gmail'] })
    expect(on).toEqual({ services: ['google-sheets', 'gmail'], authorization_url: null })
    for (const body of [{}, { services: ['gmail'], off: ['gmail'] }])
      expect(await rt.api('PATCH', `/v1/connections/google/accounts/${id}/services`, body)).toMatchObject({
        status: 400,
        body: { code: 'INVALID_INPUT' },
      })
  })

  it('[oauth.hurry] the last page tells its opener to look, under a policy that lets that one script run', async () => {
    const policies: string[] = []
    for (const query of ['', '?state=made-up&code=made-up']) {
      const page = await fetch(`${rt.url}/v1/oauth/callback${query}`)
      const text = await page.text()
      const policy = page.headers.get('content-security-policy') ?? ''
      const nonce = /script-src 'nonce-([^']+)'/.exec(policy)?.[1] as string
      expect(text.match(/<script nonce="([^"]+)">/)?.[1]).toBe(nonce)
      expect(policy).toContain("default-src 'none'")
      expect(text).toContain("postMessage('ended')")
      // There is something to read, so it stays.
      expect(text).not.toContain('close()')
      policies.push(policy)
    }
    expect(new Set(policies).size).toBe(2)
    expect((await signIn(rt, provider, { slug: 'google', services: ['gmail'], account: 'bo' })).page).toContain('close()')
  })
})
