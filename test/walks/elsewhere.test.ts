/** Signing in by way of an OpenID provider: a real one on loopback, and what somebody might try on the way. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Provider, startProvider } from '../fakes/provider.ts'
import { failedStart, OWNER, runtime, type TestRuntime } from '../harness.ts'
import { behindTheScenes } from './acts.ts'
import { newcomer, owner, type Person } from './person.ts'

let provider: Provider
let rt: TestRuntime
let ada: Person
const dir = mkdtempSync(join(tmpdir(), 'agentruntime-elsewhere-'))
const SECRETS: string[] = []

beforeAll(async () => {
  provider = await startProvider({ rotate: 'never' })
  const file = join(dir, 'sign-in.json')
  const { id: client_id, secret: client_secret } = provider.client
  SECRETS.push(client_secret)
  writeFileSync(file, JSON.stringify({ acme: { title: 'Acme', issuer: provider.issuer, client_id, client_secret } }))
  rt = await runtime({ allowPrivate: [provider.url], flags: ['--sign-in-file', file] })
  provider.allowRedirect(`${rt.url}/v1/auth/callback`)
  ada = await owner(rt)
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await provider?.close()
  rmSync(dir, { recursive: true, force: true })
})

/** A browser as far as this needs one: all of its cookies. */
class Browser {
  readonly cookies = new Map<string, string>()
  constructor(cookie = '') {
    const [name, value] = cookie.split('=')
    if (name && value) this.cookies.set(name, value)
  }
  async ask(method: string, path: string, body?: unknown): Promise<Response> {
    const response = await fetch(path.startsWith('http') ? path : rt.url + path, {
      method,
      redirect: 'manual',
      headers: {
        cookie: [...this.cookies].map((pair) => pair.join('=')).join('; '),
        ...(method === 'GET' ? {} : { origin: rt.url, 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? []
      if (value === '') this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return response
  }
  /** To the provider: the address of the page that it sends the browser back to. */
  async away(how: 'start' | 'link', account: string, body: object = {}): Promise<string> {
    const answer = await this.ask('POST', `/v1/auth/providers/acme/${how}`, body)
    if (answer.status !== 200) throw new Error(await answer.text())
    const { url } = (await answer.json()) as { url: string }
    return provider.signIn({ account, authorizationUrl: url })
  }
  async back(address: string): Promise<string> {
    const answer = await this.ask('GET', address)
    expect(answer.status).toBe(303)
    return answer.headers.get('location') as string
  }
  get session(): string | undefined {
    return this.cookies.get('ar_session')
  }
  me = async () => (await (await this.ask('GET', '/v1/me')).json()) as { user?: { email: string } }
}
const signedIn = (who: Person) => new Browser(who.headers().cookie)

it('[sign-in.subject] lets nobody in who has not linked the account, however well its e-mail fits', async () => {
  expect(await (await new Browser().ask('GET', '/v1/auth/providers')).json()).toEqual({
    items: [{ slug: 'acme', title: 'Acme', issuer: provider.issuer }],
    next_cursor: null,
  })
  const browser = new Browser()
  const address = await browser.away('start', 'owner') // owner@example.com, as the first owner is called here
  expect(await browser.back(address)).toBe('/login?problem=not_linked')
  expect(browser.session).toBe(undefined)
})

it('[sign-in.subject] lets in whoever has linked it, by its subject, and writes down by which way', async () => {
  const mine = signedIn(ada)
  expect(await mine.back(await mine.away('link', 'elsewhere', { return_to: '/settings' }))).toBe('/settings')
  expect(await ada.ok('GET', '/v1/auth/identities')).toMatchObject({
    items: [{ issuer: provider.issuer, email: 'elsewhere@example.com' }],
  })
  const browser = new Browser()
  const before = browser.session
  expect(await browser.back(await browser.away('start', 'elsewhere', { return_to: '/runs?status=failed' }))).toBe('/runs?status=failed')
  expect(browser.session).not.toBe(before)
  expect(await browser.me()).toMatchObject({ kind: 'session', user: { email: OWNER.email } })
  const entries = (await ada.ok('GET', '/v1/audit?limit=5')).items
  expect(entries.map((e: { action: string }) => e.action).slice(0, 2)).toEqual(['session.started', 'identity.linked'])
  expect(entries[0].entry.details).toMatchObject({ by: provider.issuer })
})

it('[sign-in.way-back] what did not begin in this browser ends nowhere: foreign, changed, repeated, too late, of another issuer', async () => {
  const begun = new Browser()
  const address = await begun.away('start', 'elsewhere')
  const kept = begun.cookies.get('ar_way') as string
  const change = (name: string, value: string | null) => {
    const url = new URL(address)
    if (value === null) url.searchParams.delete(name)
    else url.searchParams.set(name, value)
    return url.href
  }
  const state = new URL(address).searchParams.get('state') as string
  const tried: [string, string, string][] = [
    ['another browser', address, ''],
    ['another state', change('state', `${state.slice(0, -1)}${state.endsWith('A') ? 'B' : 'A'}`), kept],
    ['no state', change('state', null), kept],
    ['two states', `${address}&state=${state}`, kept],
    ['another issuer', change('iss', 'https://attacker.example'), kept],
    ['no issuer where one was promised', change('iss', null), kept],
    ['a ticket of somebody’s own making', address, `${Buffer.from('{"slug":"acme","userId":null}').toString('base64url')}.AAAA`],
    ['a ticket that was changed', address, `${kept.slice(0, -2)}AA`],
  ]
  for (const [what, at, ticket] of tried) {
    const browser = new Browser()
    if (ticket) browser.cookies.set('ar_way', ticket)
    expect(`${what} ${await browser.back(at)} ${browser.session}`).toBe(`${what} /login?problem=not_ours undefined`)
  }
  expect(await begun.back(address)).toBe('/')
  expect(begun.cookies.has('ar_way')).toBe(false)
  // The same answer once more: with the ticket that was kept aside the provider refuses the code, which is spent.
  const again = new Browser()
  again.cookies.set('ar_way', kept)
  expect(await again.back(address)).toBe('/login?problem=provider')
  const declined = new Browser()
  await declined.away('start', 'elsewhere')
  declined.cookies.set('ar_way', kept)
  expect(
    await declined.back(`${rt.url}/v1/auth/callback?error=access_denied&state=${state}&iss=${encodeURIComponent(provider.issuer)}`),
  ).toBe('/login?problem=declined')
})

it('[sign-in.way-back] nobody links an account to somebody else, or one that somebody else has', async () => {
  const bo = await newcomer(rt, ada, 'bo', { role: 'admin' })
  // Begun by Ada, brought back in a browser in which Bo is signed in: her account does not become his.
  const hers = signedIn(ada)
  const address = await hers.away('link', 'third')
  const his = signedIn(bo)
  his.cookies.set('ar_way', hers.cookies.get('ar_way') as string)
  expect(await his.back(address)).toBe('/login?problem=signed_out')
  const mine = signedIn(bo)
  expect(await mine.back(await mine.away('link', 'elsewhere'))).toBe('/login?problem=taken')
  expect((await bo.ok('GET', '/v1/auth/identities')).items).toEqual([])
  const stranger = await new Browser().ask('POST', '/v1/auth/providers/acme/link', {})
  expect(stranger.status).toBe(401)
  // Not to a page of somebody else, afterwards.
  for (const return_to of ['//attacker.example', 'https://attacker.example', '/\\attacker.example', 'javascript:alert(1)'])
    expect(await his.back(await his.away('link', 'fourth', { return_to }))).toBe('/')
})

it('[sign-in.subject] ends with the link and with the person', async () => {
  await using scenes = await behindTheScenes(rt)
  const arrive = async () => {
    const browser = new Browser()
    return browser.back(await browser.away('start', 'elsewhere'))
  }
  await scenes.rows('update users set disabled_at = now() where email = $1', [OWNER.email])
  expect(await arrive()).toBe('/login?problem=not_linked')
  await scenes.rows('update users set disabled_at = null where email = $1', [OWNER.email])
  expect(await arrive()).toBe('/')
  await ada.ok('DELETE', '/v1/auth/identities/acme')
  expect(await arrive()).toBe('/login?problem=not_linked')
  expect((await ada.api('DELETE', '/v1/auth/identities/acme')).status).toBe(404)
  expect((await ada.api('DELETE', '/v1/auth/identities/nobody')).status).toBe(404)
  // The client secret went to the provider, and nowhere else.
  const [client] = SECRETS
  for (const answer of rt.answers) expect(answer.text).not.toContain(client as string)
})

it('a file of providers that cannot work is refused at the start', async () => {
  writeFileSync(join(dir, 'bad.json'), '{"acme": {"client_id": "x"}}')
  const ran = await failedStart(['start', '--port', '0', '--data-dir', join(dir, 'data'), '--sign-in-file', join(dir, 'bad.json')])
  expect([ran.code, ran.stderr.split('\n')[0]]).toEqual([2, '--sign-in-file: acme needs an issuer and a client_id'])
})
