/** People at the door: the first owner sets up, signs in and out, and works with a cookie as with a token. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { operations } from '../../src/operations/index.ts'
import { failedStart, OWNER, runtime, type TestRuntime } from '../harness.ts'

let rt: TestRuntime

beforeAll(async () => {
  rt = await runtime()
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
})

const cookieOf = (answer: { headers: Headers }): string => answer.headers.getSetCookie()[0] ?? ''
const NOBODY = { cookie: '' }
/** What a page of ours sends. */
const page = (cookie = ''): Record<string, string> => ({
  cookie: cookie.split(';')[0] ?? '',
  origin: rt.url,
  'sec-fetch-site': 'same-origin',
})

describe('the first owner', () => {
  it('sets up with the link of the start, once, and is signed in', async () => {
    expect((await rt.api('GET', '/v1/setup', undefined, NOBODY)).body).toEqual({ open: true })
    expect(rt.setup).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/setup#t=[\w-]{27}$/)
    // A new one, by whoever may write to the data directory, voids the one before.
    const command = await failedStart(['setup-link', '--data-dir', rt.dataDir])
    expect([command.code, command.stderr]).toEqual([0, ''])
    expect(command.stdout.trim().replace(/#.*/, '')).toBe(`${rt.url}/setup`)
    const before = await rt.api('POST', '/v1/setup', { ...OWNER, token: rt.setup?.split('#t=')[1] }, page())
    expect([before.status, before.body.code]).toEqual([403, 'FORBIDDEN'])
    const token = command.stdout.trim().split('#t=')[1]
    const wrong = await rt.api('POST', '/v1/setup', { ...OWNER, token: `${token}x` }, page())
    expect([wrong.status, wrong.body.code, cookieOf(wrong)]).toEqual([403, 'FORBIDDEN', ''])

    const done = await rt.api('POST', '/v1/setup', { ...OWNER, token, workspace_name: 'Acme' }, page())
    expect([done.status, done.body]).toEqual([200, { ok: true }])
    const me = await rt.api('GET', '/v1/me', undefined, page(cookieOf(done)))
    expect(me.body).toMatchObject({ kind: 'session', user: { email: OWNER.email }, workspace: { name: 'Acme' }, role: 'workspace_owner' })

    expect((await rt.api('GET', '/v1/setup', undefined, NOBODY)).body).toEqual({ open: false })
    const again = await rt.api('POST', '/v1/setup', { ...OWNER, token }, page())
    expect([again.status, again.body.code]).toEqual([409, 'CONFLICT'])
    expect(await failedStart(['setup-link', '--data-dir', rt.dataDir])).toMatchObject({ code: 5, stdout: '' })
  })

  it('signs in, works in the place that the headers say, and signs out', async () => {
    const signedIn = await rt.api('POST', '/v1/auth/sign-in', OWNER, page())
    expect(signedIn.status).toBe(200)
    expect(cookieOf(signedIn)).toMatch(/^ar_session=[\w-]{32,}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Lax$/)
    const mine = page(cookieOf(signedIn))
    const { workspace, project_id } = (await rt.ok('GET', '/v1/me', undefined, mine)) as { workspace: { slug: string }; project_id: string }
    const here = { ...mine, 'x-tenant-id': workspace.slug, 'x-project-id': project_id }
    const made = await rt.api('POST', '/v1/workflows', { name: 'By hand', graph: { steps: [] } }, here)
    expect(made.status).toBe(201)
    const elsewhere = await rt.api('GET', '/v1/workflows', undefined, { ...here, 'x-project-id': 'proj_elsewhere' })
    expect([elsewhere.status, elsewhere.body.code]).toEqual([404, 'NOT_FOUND'])

    const out = await rt.api('POST', '/v1/auth/sign-out', {}, mine)
    expect(cookieOf(out)).toMatch(/^ar_session=; Max-Age=0/)
    const after = await rt.api('GET', '/v1/me', undefined, mine)
    expect([after.status, after.body.code]).toEqual([401, 'UNAUTHENTICATED'])
  })
})

describe('the cookie', () => {
  it('[sign-in.cookie] another one at each sign-in: a session that somebody else has put there is not taken over', async () => {
    const planted = 'A'.repeat(32)
    const one = await rt.api('POST', '/v1/auth/sign-in', OWNER, page(`ar_session=${planted}`))
    const two = await rt.api('POST', '/v1/auth/sign-in', OWNER, page(cookieOf(one)))
    const tokens = [one, two].map((it) => cookieOf(it).split(';')[0])
    expect(new Set([...tokens, `ar_session=${planted}`]).size).toBe(3)
    expect((await rt.api('GET', '/v1/me', undefined, page(`ar_session=${planted}`))).status).toBe(401)
    // Whoever signs in again has signed out of nothing: the other window goes on.
    for (const token of tokens) expect((await rt.api('GET', '/v1/me', undefined, page(token))).status).toBe(200)
  })

  it('[sign-in.cookie] over TLS it is held to this host by its name, and the whole site to TLS', async () => {
    await using tls = await runtime({ flags: ['--public-url', 'https://agents.example.com', '--trusted-proxy', '127.0.0.1'] })
    const headers = { cookie: '', origin: 'https://agents.example.com' }
    const token = tls.setup?.split('#t=')[1]
    expect(tls.setup).toMatch(/^https:\/\/agents\.example\.com\/setup#t=/)
    const done = await tls.api('POST', '/v1/setup', { ...OWNER, token }, { ...headers, 'x-forwarded-for': '203.0.113.7' })
    expect(cookieOf(done)).toMatch(/^__Host-ar_session=[\w-]{32}; Max-Age=604800; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
    expect(done.headers.get('strict-transport-security')).toBe('max-age=31536000')
    expect(done.headers.get('cache-control')).toBe('no-store')
    const mine = { ...headers, cookie: cookieOf(done).split(';')[0] as string }
    const { items } = await tls.ok('GET', '/v1/auth/sessions', undefined, mine)
    expect(items).toMatchObject([{ current: true, ip: '203.0.113.7' }])
    // The plain name, which any page of a sibling host could set, counts for nothing there.
    const plain = mine.cookie.replace('__Host-', '')
    expect((await tls.api('GET', '/v1/me', undefined, { ...headers, cookie: plain })).status).toBe(401)
  })

  it('[sign-in.foreign-pages] a form and a script of another site change nothing, and a program without a page neither', async () => {
    const { cookie } = await rt.session()
    const before = (await rt.ok('GET', '/v1/workflows', undefined, await rt.session())).items.length
    const send = (headers: Record<string, string>, body = '{"name":"Theirs","graph":{"steps":[]}}') =>
      fetch(`${rt.url}/v1/workflows`, { method: 'POST', headers: { cookie: cookie as string, ...headers }, body })
    const json = { 'content-type': 'application/json' }
    const foreign = 'https://attacker.example'
    for (const headers of [
      json,
      { ...json, origin: foreign },
      { ...json, origin: 'null' },
      { ...json, origin: rt.url, 'sec-fetch-site': 'same-site' },
      { ...json, 'sec-fetch-site': 'cross-site' },
      { ...json, origin: rt.url.replace('127.0.0.1', 'localhost') },
      { 'content-type': 'application/x-www-form-urlencoded', origin: foreign },
    ])
      expect(`${JSON.stringify(headers)} ${(await send(headers)).status}`).toBe(`${JSON.stringify(headers)} 403`)
    // From our own page, but as a form would send it.
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])
      expect((await send({ origin: rt.url, 'content-type': type })).status).toBe(415)
    const bare = await fetch(`${rt.url}/v1/auth/sessions`, { method: 'DELETE', headers: { cookie: cookie as string, origin: rt.url } })
    expect(bare.status).toBe(415)
    // Not even signing somebody in as somebody else, or out.
    for (const path of ['sign-in', 'sign-out'])
      expect(
        (await rt.api('POST', `/v1/auth/${path}`, path === 'sign-in' ? OWNER : {}, { cookie: cookie as string, origin: foreign })).status,
      ).toBe(403)
    expect((await rt.ok('GET', '/v1/workflows', undefined, await rt.session())).items).toHaveLength(before)
    // And nothing here is for pages of others to read.
    const preflight = await fetch(`${rt.url}/v1/me`, {
      method: 'OPTIONS',
      headers: { origin: foreign, 'access-control-request-method': 'GET' },
    })
    expect(preflight.headers.get('access-control-allow-origin')).toBe(null)
  })

  it('says where once: of two headers none is believed', async () => {
    const twice = new Headers({ ...(await rt.session()) })
    twice.append('x-tenant-id', 'default')
    twice.append('x-tenant-id', 'other')
    const answer = await fetch(`${rt.url}/v1/me`, { headers: twice })
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([400, 'BAD_REQUEST'])
  })
})

describe('somebody at the door', () => {
  it('[sign-in.no-lists] gets the same bytes for a wrong password and for an unknown e-mail, and for every forgotten password', async () => {
    const bytes = async (path: string, body: object) => {
      const { status, text, headers } = await rt.api('POST', path, body, page())
      const { date: _, 'x-request-id': __, ...rest } = Object.fromEntries(headers)
      return JSON.stringify([status, text.replace(/req_\w+/, 'req'), rest])
    }
    const wrong = { password: 'not the password' }
    expect(await bytes('/v1/auth/sign-in', { email: OWNER.email, ...wrong })).toBe(
      await bytes('/v1/auth/sign-in', { email: 'nobody@example.com', ...wrong }),
    )
    expect(await bytes('/v1/auth/forgot-password', { email: OWNER.email })).toBe(
      await bytes('/v1/auth/forgot-password', { email: 'nobody@example.com' }),
    )
  })

  it('[sign-in.limits] who guesses is told when to come back, for a name that nobody has as for one that somebody has', async () => {
    for (const email of ['victim@example.com', 'nobody-at-all@example.com']) {
      let answer = await rt.api('POST', '/v1/auth/sign-in', { email, password: 'guess' }, page())
      for (let i = 0; i < 10; i++) answer = await rt.api('POST', '/v1/auth/sign-in', { email, password: `guess ${i}` }, page())
      expect([answer.status, answer.body.code]).toEqual([429, 'RATE_LIMITED'])
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(60)
    }
    expect((await rt.api('POST', '/v1/auth/sign-in', OWNER, page())).status).toBe(200) // nobody else is locked out by that
  })

  it('[access.no-token-in-address] a token in an address is refused and never logged', async () => {
    for (const query of [`?token=${rt.pat}`, `?access_token=${rt.pat}&limit=1`]) {
      const answer = await rt.api('GET', `/v1/workflows${query}`)
      expect([answer.status, answer.body.code]).toEqual([400, 'BAD_REQUEST'])
      expect(answer.body.hint).toMatch(/Revoke it/)
    }
    expect(readFileSync(rt.logFile, 'utf8')).not.toContain(rt.pat)
    expect(readFileSync(rt.logFile, 'utf8')).toContain('/v1/workflows')
  })

  it('[access.session-only] a token may not do what is for people alone, and the refusal is on record', async () => {
    for (const op of operations.filter((it) => it.by === 'session')) {
      const [method = '', path = ''] = op.http.split(' ')
      const answer = await rt.api(method, path.replaceAll(/\{\w+\}/g, 'none'), method === 'GET' || method === 'DELETE' ? undefined : {})
      expect(`${op.name} ${answer.status} ${answer.body.details.needed}`).toBe(`${op.name} 403 session`)
      const [entry] = (await rt.ok('GET', '/v1/audit?limit=1')).items
      expect(entry).toMatchObject({ action: op.name, actor: expect.stringMatching(/^pat:/), entry: { outcome: 'refused' } })
    }
  })
})
