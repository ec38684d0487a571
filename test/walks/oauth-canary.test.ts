/** Codes, states, verifiers, tokens and client secrets go through every flow of a sign-in, and then every byte that was written is searched. */
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Provider, startProvider } from '../fakes/provider.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { behindTheScenes } from './acts.ts'
import { type Canaries, filesBelow, hits, missing, type Place, processPlaces } from './canary.ts'
import { MANNERS, type Mirror, startMirror } from './mirror.ts'
import { atProvider, httpInstance, setUpApp, things, Visitor } from './sign-in.ts'

const SCOPES = ['things.read', 'things.write']
const canaries: Record<string, string> = {}
const pages: Place[] = []
let provider: Provider
let mirror: Mirror
let rt: TestRuntime

beforeAll(async () => {
  provider = await startProvider({ scopes: SCOPES })
  mirror = await startMirror()
  rt = await runtime({ database: 'own', flags: ['--log-level', 'trace'], allowPrivate: [provider.url, mirror.url] })
  provider.allowRedirect(`${rt.url}/v1/oauth/callback`)
  canaries['client secret'] = provider.client.secret
  await setUpApp(rt, provider, { api_hosts: [provider.url, mirror.url].map((u) => new URL(u).host) })
}, 60_000)
afterAll(async () => {
  await rt[Symbol.asyncDispose]()
  await Promise.all([mirror.close(), provider.close()])
})

/** The next answer of the token endpoint, whose tokens become canaries. */
const watch = (name: string) =>
  provider.next({
    kind: 'rewrite',
    by: (answer) => {
      for (const field of ['access_token', 'refresh_token', 'id_token'])
        if (typeof answer[field] === 'string') canaries[`${field} ${name}`] = answer[field]
      return answer
    },
  })

async function walk(
  name: string,
  more: { connection?: string; tamper?: (url: URL) => void; account?: string } = {},
): Promise<string | null> {
  const link = more.connection
    ? await rt.ok('POST', `/v1/connections/${more.connection}/reconnect`, {})
    : await rt.ok('POST', '/v1/connections/oauth/acme/authorize', { scopes: SCOPES })
  const visitor = new Visitor()
  const url = new URL(await atProvider(provider, link.authorization_url, more.account ?? 'ada', visitor))
  canaries[`state ${name}`] = url.searchParams.get('state') as string
  canaries[`code ${name}`] = url.searchParams.get('code') as string
  canaries[`browser ${name}`] = (visitor.cookie as string).split('=')[1] as string
  more.tamper?.(url)
  if (!more.tamper) watch(name)
  const page = await visitor.get(url.href)
  pages.push([`page of ${name}`, Buffer.from(`${JSON.stringify([...page.headers])}${await page.text()}`)])
  return (await rt.ok('GET', `/v1/oauth/attempts/${link.attempt_id}`)).connection_id
}

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
    ...filesBelow(rt.dataDir, ['root.key', 'runtime.lock']),
    ...processPlaces(rt.pid),
    ...rt.answers.map(
      (a, i): Place => [`answer ${i} to ${a.method} ${a.path.split('?')[0]}`, Buffer.from(`${JSON.stringify([...a.headers])}${a.text}`)],
    ),
    ['what it said', Buffer.from(rt.said.stdout + rt.said.stderr)],
    ...pages,
  ]
}

it('[oauth.canary] no code, verifier, state, token or client secret is in any stored or emitted byte', async () => {
  const id = (await walk('connect')) as string
  const instance = await httpInstance(rt, provider, id)
  expect((await things(rt, instance)).body.result.status).toBe(200)
  // Every way of giving a token back.
  const reflecting = (
    await rt.ok('POST', '/v1/mcp/instances', { slug: 'http', connection_id: id, config: { base_url: `${mirror.url}/base` } })
  ).id
  for (const manner of MANNERS)
    await rt.api('POST', `/v1/mcp/instances/${reflecting}/tools/http_request/call`, { args: { method: 'GET', path: `/${manner}` } })
  // A renewal, one that is refused with everything repeated, one that is lost, and a dead grant.
  const end = async () => {
    await using db = await behindTheScenes(rt)
    await db.rows(
      "update grants set access_obtained_at = now() - interval '2 h', access_expires_at = now() - interval '1 h', next_try_at = null",
    )
    await new Promise((resolve) => setTimeout(resolve, 1_050)) // the promise is a time: within a second
  }
  await end()
  watch('renewal')
  await things(rt, instance)
  await end()
  const echo = Object.values(canaries).join(' ')
  provider.next({
    kind: 'reply',
    status: 400,
    body: { error: 'odd', error_description: echo, [echo]: echo },
    headers: { 'x-echo': echo.slice(0, 3000) },
  })
  expect((await things(rt, instance)).body.code).toBe('UPSTREAM_ERROR')
  await end()
  provider.next({ kind: 'reply', status: 200, body: `<html>${echo}</html>`, contentType: 'text/html' })
  expect((await things(rt, instance)).body.code).toBe('UPSTREAM_ERROR')
  await end()
  provider.next('lost')
  await things(rt, instance)
  await end()
  // The try that was lost may still be writing down when the next one is due, and then that is said first.
  await until(
    async () => (await things(rt, instance)).body.code === 'CONNECTION_RECONNECT_REQUIRED',
    'the dead grant to be noticed',
    30_000,
  )
  await walk('reconnect', { connection: id })
  await walk('another account', { connection: id, account: 'mallory' })
  await walk('tampered code', { tamper: (url) => url.searchParams.set('code', `${url.searchParams.get('code')}x`) })
  await walk('wrong issuer', { tamper: (url) => url.searchParams.set('iss', 'https://evil.example') })
  await walk('wrong state', { tamper: (url) => url.searchParams.set('state', `${url.searchParams.get('state')}x`) })
  // By hand: a key file and a refresh token, one of which is refused.
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  canaries['private key'] = pem.split('\n').slice(2, 5).join('')
  await rt.api('POST', '/v1/connections', {
    display_name: 'Robot',
    provider: 'google',
    service: 'service_account',
    services: ['gmail'],
    credentials: { service_account_json: JSON.stringify({ client_email: 'r@example.com', private_key: pem }) },
  })
  await rt.ok('GET', '/v1/oauth/doctor')
  for (const [i, request] of provider.tokenRequests.entries()) {
    const verifier = request.form.get('code_verifier')
    if (verifier) canaries[`verifier ${i}`] = verifier
    if (request.refreshToken) canaries[`refresh token sent ${i}`] = request.refreshToken
  }
  expect(Object.keys(canaries).filter((n) => n.startsWith('verifier')).length).toBeGreaterThan(2)
  expect(Object.keys(canaries).filter((n) => n.startsWith('access_token')).length).toBeGreaterThan(2)
  expect(Object.keys(canaries).length).toBeGreaterThanOrEqual(30)
  expect(missing('oauth', canaries)).toEqual([])

  await rt.ok('GET', '/v1/me')
  await until(() => readFileSync(rt.logFile, 'utf8').includes('"/v1/me"'), 'the log to be written')
  const places = await everything()
  for (const name of [
    'table public.sealed',
    'table public.grants',
    'table public.oauth_attempts',
    'table public.connection_events',
    'table public.audit_entries',
  ])
    expect(places.find(([it]) => it === name)?.[1].length, name).toBeGreaterThan(50)
  expect(hits(canaries as Canaries, places)).toEqual([])
  // The search finds what is there: the same tokens at the provider's, and one that is planted.
  const received: Place[] = provider.tokenRequests.map((r, i) => [`request ${i}`, Buffer.from(r.bytes)])
  expect(
    hits({ it: canaries['client secret'] as string }, received).length + hits({ it: canaries['code connect'] as string }, received).length,
  ).toBeGreaterThan(0)
  writeFileSync(join(rt.dataDir, 'planted.tmp'), canaries['access_token connect'] as string)
  expect(hits(canaries as Canaries, await everything())).toContain('access_token connect as raw in file planted.tmp')
}, 120_000)
