/** The fake provider itself: what other tests take for granted of it. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { browserOrSkip } from './browser.ts'
import { Jar, NOWHERE, type Provider, type SignIn, signInWith, startProvider, type Tokens, type Trouble } from './provider.ts'
import { startTokenEndpoint } from './provider-bulk.ts'
import { timesSent } from './stub.ts'

const ALL = ['openid', 'email', 'profile', 'offline_access', 'things.read', 'things.write']
const THINGS = ['things.read', 'things.write']

let provider: Provider
const printed = [vi.spyOn(console, 'info'), vi.spyOn(console, 'warn'), vi.spyOn(console, 'error')]
beforeAll(async () => {
  provider = await startProvider({
    clients: [
      { id: 'posts', secret: 'post-secret', auth: 'post' },
      { id: 'public', auth: 'none' },
    ],
  })
})
beforeEach(() => {
  provider.reset()
  for (const door of [provider.api, provider.revocation, provider.userinfo, provider.metadata]) door.reset()
})
afterAll(async () => {
  await provider.close()
  // oidc-provider says so when it falls back to a default of its own.
  expect(printed.flatMap((it) => it.mock.calls)).toEqual([])
})

interface Said {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: answers are asserted on, field by field
  body: any
}
const said = async (answer: Response): Promise<Said> => {
  const text = await answer.text()
  return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text }
}
const basic = (id: string, secret: string) => ({ authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` })
const post = (
  path: string,
  form: Record<string, string>,
  at = provider,
  headers: Record<string, string> = basic(at.client.id, at.client.secret),
) => fetch(at.url + path, { method: 'POST', headers, body: new URLSearchParams(form) })
const ask = async (form: Record<string, string>, at = provider, headers?: Record<string, string>) =>
  said(await post('/token', form, at, headers))
const refresh = (refresh_token: string, at = provider) => ask({ grant_type: 'refresh_token', refresh_token }, at)
const redeem = (callback: string, at = provider, headers?: Record<string, string>, more: Record<string, string> = {}) =>
  ask(
    {
      grant_type: 'authorization_code',
      code: back(callback).code as string,
      redirect_uri: callback.split('?')[0] as string,
      code_verifier: at.codeVerifier,
      ...more,
    },
    at,
    headers,
  )
const back = (callback: string): Record<string, string> => Object.fromEntries(new URL(callback).searchParams)
const connect = async (by: SignIn, at = provider): Promise<Tokens> => (await redeem(await at.signIn(by), at)).body
const api = async (token: string, path: string, init: RequestInit = {}, at = provider) =>
  fetch(at.url + path, { ...init, headers: { authorization: `Bearer ${token}` } })
const claims = (idToken: string) => JSON.parse(Buffer.from(idToken.split('.')[1] as string, 'base64url').toString())

describe('the flow', () => {
  it('is found by either discovery path', async () => {
    for (const name of ['openid-configuration', 'oauth-authorization-server']) {
      const { body } = await said(await fetch(`${provider.issuer}/.well-known/${name}`))
      expect(body).toMatchObject({
        issuer: provider.url,
        authorization_response_iss_parameter_supported: true,
        code_challenge_methods_supported: ['S256'],
        revocation_endpoint: `${provider.url}/revoke`,
        userinfo_endpoint: `${provider.url}/userinfo`,
        scopes_supported: expect.arrayContaining(ALL),
        token_endpoint_auth_methods_supported: expect.arrayContaining(['client_secret_basic', 'client_secret_post', 'none']),
      })
    }
    expect(provider.metadata.requests.map((it) => it.status)).toEqual([200, 200])
  })

  it('comes back with code, state and iss; the code is good once, with its verifier', async () => {
    const callback = await provider.signIn({ account: 'ada', scopes: ALL, params: { state: 'of mine' } })
    expect(callback.split('?')[0]).toBe(NOWHERE)
    expect(back(callback)).toEqual({ code: expect.any(String), state: 'of mine', iss: provider.issuer })
    const { status, body } = await redeem(callback)
    expect(status).toBe(200)
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 3600, scope: ALL.join(' '), refresh_token: expect.any(String) })
    expect(claims(body.id_token)).toMatchObject({ iss: provider.issuer, aud: provider.client.id, sub: 'ada' })
    const who = await said(await api(body.access_token, '/userinfo'))
    expect(who.body).toEqual({ sub: 'ada', name: 'ada', email: 'ada@example.com', email_verified: true })
    expect((await redeem(callback)).body.error).toBe('invalid_grant')
    expect(provider.alive(body.refresh_token), 'a code that comes twice ends the grant').toBe(false)
    const other = await redeem(await provider.signIn({ account: 'ada' }), provider, undefined, { code_verifier: 'x'.repeat(43) })
    expect(other.body.error).toBe('invalid_grant')
    expect(provider.tokenRequests.map((it) => [it.grantType, it.clientId, it.auth, it.status])).toEqual([
      ['authorization_code', 'the-app', 'basic', 200],
      ['authorization_code', 'the-app', 'basic', 400],
      ['authorization_code', 'the-app', 'basic', 400],
    ])
  })

  it('demands PKCE, a registered redirect URI, and the right secret', async () => {
    const without = `${provider.url}/authorize?client_id=the-app&response_type=code&scope=openid&state=x&redirect_uri=${NOWHERE}`
    const refused = await provider.signIn({ account: 'ada', authorizationUrl: without })
    expect(back(refused)).toMatchObject({ error: 'invalid_request', iss: provider.issuer, state: 'x' })
    const elsewhere = 'http://127.0.0.1:9/other'
    await expect(provider.signIn({ account: 'ada', redirectUri: elsewhere })).rejects.toThrow(/redirect_uri/)
    provider.allowRedirect(elsewhere)
    expect(await provider.signIn({ account: 'ada', redirectUri: elsewhere })).toContain(`${elsewhere}?code=`)
    const form = { grant_type: 'client_credentials' }
    expect(await ask(form, provider, basic('the-app', 'wrong'))).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
  })

  it('takes the secret in the header and in the form, and none from a public client', async () => {
    const posted = await provider.signIn({ account: 'ada', clientId: 'posts' })
    expect((await redeem(posted, provider, {}, { client_id: 'posts', client_secret: 'post-secret' })).status).toBe(200)
    const open = await provider.signIn({ account: 'ada', clientId: 'public' })
    expect((await redeem(open, provider, {}, { client_id: 'public' })).status).toBe(200)
    expect(provider.tokenRequests.map((it) => [it.clientId, it.auth])).toEqual([
      ['posts', 'post'],
      ['public', 'none'],
    ])
  })

  it('changes a secret', async () => {
    const own = await startProvider()
    onTestFinished(() => own.close())
    const { refresh_token } = await own.mint({ account: 'ada', scopes: THINGS })
    own.changeSecret('another')
    expect((await refresh(refresh_token, own)).status).toBe(401)
    const answer = await ask({ grant_type: 'refresh_token', refresh_token }, own, basic(own.client.id, 'another'))
    expect(answer.status, 'nothing was spent by the refusal').toBe(200)
  })

  it('issues no refresh token without offline_access or without consent', async () => {
    expect(await connect({ account: 'ada', scopes: ['openid', 'things.read'] })).not.toHaveProperty('refresh_token')
    const quiet = await connect({ account: 'ada', scopes: ALL, params: { prompt: 'login' } })
    expect(quiet).not.toHaveProperty('refresh_token')
    expect(quiet.scope).not.toContain('offline_access')
  })

  it('gives an app a token of its own', async () => {
    const { body } = await ask({ grant_type: 'client_credentials', scope: 'things.read' })
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 3600, scope: 'things.read' })
    expect(await said(await api(body.access_token, '/api/me'))).toEqual({ status: 200, body: { client_id: 'the-app' } })
  })
})

describe('people', () => {
  it('narrow what they grant, or say no', async () => {
    const tokens = await connect({ account: 'bob', scopes: ALL, narrowTo: ['things.read'] })
    expect(tokens.scope).toBe('openid offline_access things.read')
    expect((await api(tokens.access_token, '/api/things', { method: 'POST', body: '{}' })).status).toBe(403)
    expect((await refresh(tokens.refresh_token)).body.scope).toBe('openid offline_access things.read')
    const no = back(await provider.signIn({ account: 'bob', deny: true }))
    expect(no).toMatchObject({ error: 'access_denied', iss: provider.issuer, state: expect.any(String) })
  })

  it('sign in one after the other in the same browser, and keep what each has granted', async () => {
    const jar = new Jar()
    const first = await connect({ account: 'carl', jar })
    const second = await connect({ account: 'dora', jar })
    const hinted = await connect({ account: 'carl', jar, params: { login_hint: 'carl@example.com' } })
    const chosen = await connect({ account: 'dora', jar, params: { prompt: 'select_account consent' } })
    const subs = await Promise.all(
      [first, second, hinted, chosen].map(async (it) => (await said(await api(it.access_token, '/api/me'))).body.sub),
    )
    expect(subs).toEqual(['carl', 'dora', 'carl', 'dora'])
    expect([first, second, hinted, chosen].map((it) => provider.alive(it.refresh_token))).toEqual([true, true, true, true])
  })

  it('stay signed in at one provider while they sign in at another', async () => {
    const other = await startProvider()
    onTestFinished(() => other.close())
    const jar = new Jar()
    await provider.signIn({ account: 'carl', jar })
    await other.signIn({ account: 'dora', jar })
    const params = { prompt: 'none' }
    const scopes = ['openid', 'things.read']
    expect(back(await provider.signIn({ account: 'carl', jar, scopes, params }))).toHaveProperty('code')
    expect(back(await provider.signIn({ account: 'carl', scopes, params })).error).toBe('login_required')
    const hint = { ...params, login_hint: 'dora@example.com' }
    expect(back(await provider.signIn({ account: 'dora', jar, scopes, params: hint })).error).toBe('login_required')
  })

  it('throw every app out', async () => {
    const gone = await connect({ account: 'eve' })
    const more = await provider.mint({ account: 'eve', scopes: THINGS })
    const kept = await provider.mint({ account: 'fay', scopes: THINGS })
    expect(provider.liveRefreshTokens('eve')).toBe(2)
    provider.revokeAll('eve')
    expect(provider.liveRefreshTokens('eve')).toBe(0)
    expect([gone.access_token, more.refresh_token, kept.refresh_token].map(provider.alive)).toEqual([false, false, true])
    expect((await refresh(more.refresh_token)).body.error).toBe('invalid_grant')
    expect((await api(gone.access_token, '/api/me')).status).toBe(401)
    expect((await refresh(kept.refresh_token)).status).toBe(200)
  })
})

describe('refresh tokens', () => {
  it('rotate, and one that comes again ends its grant and no other', async () => {
    const first = await connect({ account: 'gus' })
    const other = await provider.mint({ account: 'gus', scopes: THINGS })
    const second = (await refresh(first.refresh_token)).body
    expect(second.refresh_token).not.toBe(first.refresh_token)
    expect([first.refresh_token, second.refresh_token].map(provider.alive)).toEqual([false, true])
    expect(await refresh(first.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect([second.refresh_token, second.access_token, first.access_token].map(provider.alive)).toEqual([false, false, false])
    expect((await refresh(second.refresh_token)).body.error).toBe('invalid_grant')
    expect(provider.alive(other.refresh_token)).toBe(true)
    expect(provider.tokenRequests.slice(1).map((it) => [it.refreshToken, it.status])).toEqual([
      [first.refresh_token, 200],
      [first.refresh_token, 400],
      [second.refresh_token, 400],
    ])
  })

  it('are good once when three processes send one at the same time', async () => {
    const { refresh_token } = await provider.mint({ account: 'hal', scopes: THINGS })
    provider.next('delay_before', 'delay_before', 'delay_before')
    const script = `const [url, authorization, refresh_token] = process.argv.slice(1)
      const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token })
      const answer = await fetch(url, { method: 'POST', headers: { authorization }, body })
      process.stdout.write(String(answer.status))`
    const argv = ['--input-type=module', '-e', script, `${provider.url}/token`]
    const args = [...argv, basic(provider.client.id, provider.client.secret).authorization, refresh_token]
    const processes = [1, 2, 3].map(() => promisify(execFile)(process.execPath, args))
    await provider.arrived(3)
    provider.release()
    expect((await Promise.all(processes)).map((it) => it.stdout).sort()).toEqual(['200', '400', '400'])
    expect(provider.maxConcurrent).toBe(3)
    expect(provider.liveRefreshTokens('hal')).toBe(0)
  })

  it('live on in the shape of Google, and come with a consent only', async () => {
    const google = await startProvider({ rotate: 'never', scopes: THINGS })
    onTestFinished(() => google.close())
    const jar = new Jar()
    const { body } = await redeem(await google.signIn({ account: 'ida', jar, scopes: ['openid', 'email', 'things.read'] }), google)
    expect(claims(body.id_token)).toMatchObject({ sub: 'ida', email: 'ida@example.com' })
    for (const _ of [1, 2]) {
      const renewed = await refresh(body.refresh_token, google)
      expect(renewed).toMatchObject({ status: 200, body: { access_token: expect.any(String), scope: 'openid email things.read' } })
      expect(renewed.body).not.toHaveProperty('refresh_token')
    }
    const again = await connect({ account: 'ida', jar, scopes: ['openid', 'things.read'], params: { prompt: 'login' } }, google)
    expect(again).not.toHaveProperty('refresh_token')
    expect(google.alive(body.refresh_token)).toBe(true)
  })

  it('end when a test says so, or when their time is over', async () => {
    const tokens = await provider.mint({ account: 'jo', scopes: THINGS })
    provider.expire(tokens.access_token)
    expect((await api(tokens.access_token, '/api/me')).status).toBe(401)
    expect((await api(tokens.access_token, '/userinfo')).status).toBe(401)
    provider.expire(tokens.refresh_token)
    expect(await refresh(tokens.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    const short = await startProvider({ accessTtlS: 7, refreshTtlS: 11 })
    onTestFinished(() => short.close())
    const brief = await connect({ account: 'jo' }, short)
    expect(brief.expires_in).toBe(7)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 8_000 })
    onTestFinished(() => void vi.useRealTimers())
    expect([brief.access_token, brief.refresh_token].map(short.alive)).toEqual([false, true])
    vi.setSystemTime(Date.now() + 4_000)
    expect((await refresh(brief.refresh_token, short)).body.error).toBe('invalid_grant')
  })

  it('are revoked by the app', async () => {
    const { access_token, refresh_token } = await provider.mint({ account: 'kim', scopes: THINGS })
    expect((await post('/revoke', { token: refresh_token, token_type_hint: 'refresh_token' })).status).toBe(200)
    expect([access_token, refresh_token].map(provider.alive)).toEqual([false, false])
    expect((await post('/revoke', { token: 'never issued' })).status).toBe(200)
    const more = await provider.mint({ account: 'kim', scopes: THINGS })
    expect((await post('/revoke', { token: more.access_token })).status).toBe(200)
    expect(provider.alive(more.refresh_token), 'oidc-provider takes all that was issued under the grant').toBe(false)
    expect(provider.revocation.requests.map((it) => it.status)).toEqual([200, 200, 200])
  })

  it('are many: each provider has its own, by the thousand', async () => {
    const [one, two] = await Promise.all([startProvider(), startProvider()])
    onTestFinished(async () => void (await Promise.all([one.close(), two.close()])))
    const minted = await Promise.all(Array.from({ length: 3000 }, () => one.mint({ account: 'lou', scopes: THINGS })))
    expect(one.liveRefreshTokens('lou')).toBe(3000)
    expect(two.liveRefreshTokens('lou')).toBe(0)
    const [first, last] = [minted[0]?.refresh_token as string, minted.at(-1)?.refresh_token as string]
    expect((await refresh(first, two)).body.error).toBe('invalid_grant')
    expect((await Promise.all([refresh(first, one), refresh(last, one)])).map((it) => it.status)).toEqual([200, 200])
  })
})

describe('the API', () => {
  it('opens to scopes, and refuses as RFC 6750 says', async () => {
    const reader = (await provider.mint({ account: 'may', scopes: ['things.read'] })).access_token
    const writer = (await provider.mint({ account: 'may', scopes: THINGS })).access_token
    expect((await api(reader, '/api/things')).status).toBe(200)
    const denied = await api(reader, '/api/things', { method: 'POST', body: '{"name":"A"}' })
    expect([denied.status, denied.headers.get('www-authenticate')]).toEqual([403, expect.stringContaining('error="insufficient_scope"')])
    const made = await said(await api(writer, '/api/things', { method: 'POST', body: '{"name":"A"}' }))
    expect(made).toEqual({ status: 201, body: { id: 'thing-2', name: 'A', by: 'may' } })
    expect(provider.api.things.at(-1)).toEqual(made.body)
    expect((await said(await api(reader, '/api/me'))).body).toEqual({ sub: 'may', email: 'may@example.com', name: 'may' })
    const dead = await api('no-such-token', '/api/me')
    expect([dead.status, dead.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('error="invalid_token"')])
    expect((await fetch(`${provider.url}/api/me`)).status).toBe(401)
    const [first] = provider.api.requests
    expect([first?.authorization, first?.account, first && timesSent(first, reader)]).toEqual([`Bearer ${reader}`, 'may', 1])
    expect(provider.api.requests.map((it) => it.status)).toEqual([200, 403, 201, 200, 401, 401])
  })

  it('has its own troubles', async () => {
    provider.api.next({ kind: 'reply', status: 503 }, 'none')
    const { access_token } = await provider.mint({ account: 'may', scopes: THINGS })
    expect((await api(access_token, '/api/me')).status).toBe(503)
    expect((await api(access_token, '/api/me')).status).toBe(200)
  })
})

describe('troubles', () => {
  /** A renewal that meets `trouble`, and whether its refresh token was spent by it. */
  async function met(trouble: Trouble): Promise<{ answer: Response | Error; text: string; spent: boolean; token: string }> {
    const { refresh_token } = await provider.mint({ account: 'ned', scopes: THINGS })
    provider.next(trouble)
    let text = ''
    const answer = await post('/token', { grant_type: 'refresh_token', refresh_token })
      .then(async (it) => {
        text = await it.text()
        return it
      })
      .catch((error: Error) => error)
    return { answer, text, spent: !provider.alive(refresh_token), token: refresh_token }
  }

  it.each<[Trouble, { status: number; type?: string; text: RegExp }]>([
    ['html', { status: 200, type: 'text/html', text: /^<!DOCTYPE html>/ }],
    ['empty', { status: 200, text: /^$/ }],
    ['truncated', { status: 200, text: /^\{"access_token":"[^}]+$/ }],
    [
      { kind: 'reply', status: 503, headers: { 'retry-after': '7' }, body: { error: 'x' } },
      { status: 503, text: /^\{"error":"x"\}$/ },
    ],
    [
      { kind: 'reply', status: 400, body: 'error=x', contentType: 'application/x-www-form-urlencoded' },
      { status: 400, type: 'application/x-www-form-urlencoded', text: /^error=x$/ },
    ],
  ])('%j stands in the provider’s place: nothing is spent', async (trouble, { status, type = 'application/json', text }) => {
    const got = await met(trouble)
    const answer = got.answer as Response
    expect([answer.status, answer.headers.get('content-type')?.split(';')[0]]).toEqual([status, type])
    expect(got.text).toMatch(text)
    expect(got.spent).toBe(false)
    expect(provider.tokenRequests).toMatchObject([{ refreshToken: got.token, status }])
    expect((await refresh(got.token)).status, 'and the next request is answered').toBe(200)
  })

  it('huge is ten megabytes', async () => {
    const { text, spent } = await met({ kind: 'huge' })
    expect([text.length > 10_000_000, spent]).toEqual([true, false])
  })

  it.each<[Trouble, boolean]>([
    ['cut', false],
    ['lost', true],
    ['half', true],
  ])('%s ends the connection; spent: %s', async (trouble, spent) => {
    const got = await met(trouble)
    expect(got.text).toBe('')
    expect(got.answer).toBeInstanceOf(Error)
    expect(got.spent).toBe(spent)
    expect(provider.tokenRequests.map((it) => it.status)).toEqual([null])
  })

  it.each<[Trouble, (answer: Tokens) => void]>([
    ['no_refresh', (it) => expect(it).not.toHaveProperty('refresh_token')],
    ['no_expires', (it) => expect(it).not.toHaveProperty('expires_in')],
    ['no_scope', (it) => expect(it).not.toHaveProperty('scope')],
    ['expires_string', (it) => expect(it.expires_in).toBe('3600')],
    [{ kind: 'rewrite', by: (it) => ({ ...it, token_type: 'bearer' }) }, (it) => expect(it).toMatchObject({ token_type: 'bearer' })],
  ])('%j changes a good answer', async (trouble, holds) => {
    const got = await met(trouble)
    const answer = JSON.parse(got.text)
    expect(provider.alive(answer.access_token)).toBe(true)
    holds(answer)
    expect(got.spent).toBe(true)
  })

  it('held: the answer is kept back after the token is spent; delay_before: the request, before', async () => {
    for (const [kind, spent] of [
      ['held', true],
      ['delay_before', false],
    ] as const) {
      provider.reset()
      const { refresh_token } = await provider.mint({ account: 'ora', scopes: THINGS })
      provider.next(kind)
      const there = provider.arrived()
      const answer = refresh(refresh_token)
      await there
      if (spent) await provider.handled(1)
      expect(provider.alive(refresh_token)).toBe(!spent)
      expect(provider.tokenRequests).toMatchObject([{ refreshToken: refresh_token, status: null }])
      provider.release()
      expect((await answer).status).toBe(200)
      expect(provider.tokenRequests[0]?.status).toBe(200)
    }
  })

  it('hang: nothing comes until the release, and a client that leaves is let go', async () => {
    const { refresh_token } = await provider.mint({ account: 'pam', scopes: THINGS })
    provider.next('hang', 'hang', 'delay_before')
    const first = refresh(refresh_token)
    await provider.arrived(1)
    provider.release()
    expect((await first).status).toBe(503)
    const leave = new AbortController()
    const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token })
    const send = (signal: AbortSignal) =>
      fetch(`${provider.url}/token`, { method: 'POST', body: form, signal, headers: basic(provider.client.id, provider.client.secret) })
    const second = send(leave.signal)
    await provider.arrived(2)
    leave.abort()
    await expect(second).rejects.toThrow(/abort/)
    expect(provider.alive(refresh_token)).toBe(true)
    // What was long on its way is carried out, though nobody waits for the answer.
    const again = new AbortController()
    const third = send(again.signal)
    await provider.arrived(3)
    again.abort()
    await expect(third).rejects.toThrow(/abort/)
    const done = provider.handled()
    provider.release()
    await done
    expect(provider.alive(refresh_token)).toBe(false)
  })

  it('drip: blanks until the release, then the answer', async () => {
    const { refresh_token } = await provider.mint({ account: 'quin', scopes: THINGS })
    provider.next('drip')
    const answer = await post('/token', { grant_type: 'refresh_token', refresh_token })
    const reader = answer.body?.getReader()
    let text = ''
    const read = async () => {
      const { value, done } = (await reader?.read()) ?? { done: true }
      text += value ? Buffer.from(value).toString() : ''
      return !done
    }
    await read()
    await read()
    expect(text).toMatch(/^ +$/)
    provider.release()
    while (await read());
    expect(JSON.parse(text)).toHaveProperty('access_token')
  })

  it('a failure of the fake itself is not hidden', async () => {
    const own = await startProvider()
    const { refresh_token } = await own.mint({ account: 'ada', scopes: THINGS })
    own.next({
      kind: 'rewrite',
      by: () => {
        throw new Error('a mistake in a test')
      },
    })
    expect((await refresh(refresh_token, own)).status).toBe(500)
    await expect(own.close()).rejects.toThrow('a mistake in a test')
  })
})

describe('in a browser', () => {
  it('a person signs in, leaves a scope out and comes back; another one does, and says no', async (ctx) => {
    await using browser = await browserOrSkip(ctx)
    const landed = `${provider.url}/landed`
    provider.allowRedirect(landed)
    const url = (more: Record<string, string> = {}) =>
      `${provider.url}/authorize?${new URLSearchParams({
        client_id: provider.client.id,
        redirect_uri: landed,
        response_type: 'code',
        scope: ALL.join(' '),
        state: 'x',
        prompt: 'consent',
        code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256',
        ...more,
      })}`
    const page = await browser.page()
    await page.goto(url({ login_hint: 'rosa@example.com' }))
    expect(await page.getByLabel('Account').inputValue()).toBe('rosa')
    await signInWith(page, { account: 'rosa', narrowTo: ['things.read'] })
    await page.waitForURL(`${landed}?*`)
    // The verifier of RFC 7636 Appendix B, which belongs to the challenge above.
    const { body } = await redeem(page.url(), provider, undefined, { code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' })
    expect(body.scope).toBe('openid offline_access things.read')
    await page.goto(url())
    await signInWith(page, { account: 'sam' })
    await page.waitForURL(`${landed}?*`)
    expect(back(page.url())).toMatchObject({ code: expect.any(String), state: 'x' })
    const stranger = await browser.stranger()
    await stranger.goto(url())
    await signInWith(stranger, { account: 'tom', deny: true })
    await stranger.waitForURL(`${landed}?*`)
    expect(back(stranger.url())).toMatchObject({ error: 'access_denied' })
  })

  it('gets to loopback and nowhere else, also by a redirect', async (ctx) => {
    await using browser = await browserOrSkip(ctx)
    let reached = 0
    // An address that is there, and not one of the two that the browser may go to.
    const outside = createServer((_req, res) => void res.end(`reached ${++reached} times`)).listen(0, '127.0.0.2')
    await once(outside, 'listening')
    onTestFinished(() => void outside.close().closeAllConnections())
    const address = `http://127.0.0.2:${(outside.address() as AddressInfo).port}/`
    expect(await (await fetch(address)).text()).toBe('reached 1 times')
    const page = await browser.page()
    await expect(page.goto(address)).rejects.toThrow(/ERR_ADDRESS_UNREACHABLE/)
    expect(browser.refused).toEqual([address])
    provider.api.next({ kind: 'reply', status: 302, headers: { location: address } })
    await expect(page.goto(`${provider.url}/api/me`)).rejects.toThrow(/ERR_NAME_NOT_RESOLVED/)
    expect(reached).toBe(1)
  })

  it('without Chromium: skipped aloud, and a failure on CI', async () => {
    const skipped: string[] = []
    const ctx = { task: { name: 'a journey' }, skip: (note: string) => void skipped.push(note) }
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    onTestFinished(() => {
      written.mockRestore()
      vi.unstubAllEnvs()
    })
    vi.stubEnv('CI', undefined)
    await browserOrSkip(ctx as unknown as Parameters<typeof browserOrSkip>[0], '/no/chromium')
    expect(skipped).toEqual([expect.stringContaining('/no/chromium')])
    expect(written.mock.calls.flat().join('')).toContain('NOT TESTED: "a journey"')
    vi.stubEnv('CI', 'true')
    await expect(browserOrSkip(ctx as unknown as Parameters<typeof browserOrSkip>[0], '/no/chromium')).rejects.toThrow(/must run here/)
  })
})

describe('the token endpoint for tests of scale', () => {
  const send = async (url: string, refresh_token: string) =>
    fetch(url, { method: 'POST', body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token }) })

  it('rotates strictly and counts', async () => {
    await using bulk = await startTokenEndpoint({ latencyMs: 1 })
    const grants = bulk.grants(10_000)
    const some = grants.slice(0, 100)
    const firsts = some.map((it) => it.refreshToken as string)
    const answers = await Promise.all(firsts.map(async (token) => (await (await send(bulk.url, token)).json()) as Tokens))
    expect(answers.map((it) => it.refresh_token)).toEqual(some.map((it) => it.refreshToken))
    expect(new Set(bulk.uses.values())).toEqual(new Set([1]))
    expect(bulk.ended).toEqual([])
    expect((await send(bulk.url, firsts[0] as string)).status).toBe(400)
    expect(bulk.ended).toEqual([grants[0]])
    expect((await send(bulk.url, answers[0]?.refresh_token as string)).status).toBe(400)
    expect([bulk.uses.get(firsts[0] as string), bulk.requests, bulk.limited]).toEqual([2, 102, 0])
  })

  it('says 429 above its limit, and looks at no token then', async () => {
    await using bulk = await startTokenEndpoint({ limit: 1, retryAfterS: 3 })
    const [grant] = bulk.grants(1)
    const token = grant?.refreshToken as string
    const slow = request(bulk.url, { method: 'POST', headers: { expect: '100-continue' } })
    const answered = new Promise<number | undefined>((go) => slow.once('response', (it) => go(it.resume().statusCode)))
    slow.flushHeaders()
    await new Promise<void>((go) => slow.once('continue', () => go()))
    const limited = await send(bulk.url, token)
    expect([limited.status, limited.headers.get('retry-after'), bulk.uses.size]).toEqual([429, '3', 0])
    slow.end(new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token }).toString())
    expect(await answered).toBe(200)
    expect([bulk.limited, bulk.maxConcurrent]).toEqual([1, 1])
  })
})
