/** What the start has to do with OAuth: apps of the deployment, the public address, and whether this is the original. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Provider, startProvider } from '../fakes/provider.ts'
import { failedStart, runtime, until } from '../harness.ts'
import { behindTheScenes } from './acts.ts'
import { httpInstance, signIn, things } from './sign-in.ts'
import { secondTenant } from './tenants.ts'

const SCOPES = ['things.read']
let provider: Provider
beforeAll(async () => {
  provider = await startProvider({ scopes: SCOPES })
})
afterAll(() => provider.close())

/** A file with an app of the deployment, as an operator writes it. */
function appsFile(dir: string): string {
  const file = join(dir, 'oauth-apps.json')
  const acme = {
    provider: 'oauth2',
    client_id: provider.client.id,
    client_secret: provider.client.secret,
    authorization_endpoint: `${provider.url}/authorize`,
    token_endpoint: `${provider.url}/token`,
    userinfo_endpoint: `${provider.url}/userinfo`,
    issuer: provider.issuer,
    scopes: ['openid', 'email', 'offline_access', ...SCOPES],
    params: { prompt: 'consent' },
    api_hosts: [new URL(provider.url).host],
    rotates: 'always',
  }
  writeFileSync(file, JSON.stringify({ acme }), { mode: 0o600 })
  return file
}

describe('a deployment', () => {
  it('[oauth.deployment-app] [audit.uses] has an app for every workspace, whose secret nobody sees, and a copy of its database is held until confirmed', async () => {
    await using place = await runtime()
    const flags = ['--oauth-apps-file', appsFile(place.home), '--log-level', 'trace']
    await place.stop()
    const options = { allowPrivate: [provider.url], flags }
    const rt = await place.again(options)
    provider.allowRedirect(`${rt.url}/v1/oauth/callback`)
    expect(await rt.ok('GET', '/v1/oauth-apps')).toMatchObject({
      items: [{ slug: 'acme', source: 'deployment', has_secret: true, redirect_uri: `${rt.url}/v1/oauth/callback` }],
    })
    const { connection: id } = await signIn(rt, provider)
    const instance = await httpInstance(rt, provider, id)
    expect((await things(rt, instance)).body.result.status).toBe(200)
    const used = await rt.ok('GET', '/v1/audit/uses?connection_id=deployment:acme')
    expect(used.items).toMatchObject([{ purpose: 'exchange', host: new URL(provider.url).host, credential_version: 1 }])
    const other = await secondTenant(rt, 'other')
    expect((await other.as.ok('GET', '/v1/audit/uses')).items).toEqual([])
    expect((await signIn(other.as, provider, { account: 'bo' })).attempt).toMatchObject({ kind: 'connected' })
    expect(await rt.ok('GET', '/v1/oauth/doctor?provider=acme')).toMatchObject({ ok: true, apps: [{ slug: 'acme', ok: true }] })
    for (const a of rt.answers) expect(a.text).not.toContain(provider.client.secret)
    expect(readFileSync(rt.logFile, 'utf8')).not.toContain(provider.client.secret)
    await rt.stop()

    // As after a restored backup: the data directory knows of later books than the database.
    const file = join(rt.dataDir, 'epoch.json')
    const noted = JSON.parse(readFileSync(file, 'utf8')) as { beat: number }
    writeFileSync(file, JSON.stringify({ ...noted, beat: noted.beat + 5 }))
    const copy = await place.again(options)
    try {
      expect(copy.said.stderr).toContain('Renewals of rotating tokens are held')
      await using db = await behindTheScenes(copy)
      await db.rows("update grants set access_obtained_at = now() - interval '2 h', access_expires_at = now() - interval '1 h'")
      provider.reset()
      const answer = await things(copy, instance)
      expect(answer).toMatchObject({ status: 503, body: { code: 'DEPENDENCY_UNAVAILABLE', details: { reason: 'renewals_held' } } })
      expect(provider.tokenRequests).toEqual([])
      expect((await copy.ok('GET', '/v1/oauth/doctor')).findings.map((f: { check: string }) => f.check)).toContain('original')
      expect((await copy.api('POST', '/v1/oauth/confirm-original', { confirm: false })).status).toBe(400)
      expect((await copy.ok('POST', '/v1/oauth/confirm-original', { confirm: true })).was_held).toContain('older')
      await until(async () => (await things(copy, instance)).body.result?.status === 200, 'renewals to go on')
      expect(await copy.api('POST', '/v1/oauth/confirm-original', { confirm: true })).toMatchObject({ status: 409 })
    } finally {
      await copy.stop()
    }
  })

  it('[oauth.public-url] sends people to its public address, and says so where a proxy says otherwise', async () => {
    await using rt = await runtime({ flags: ['--public-url', 'https://agents.example.com'] })
    await rt.ok('PUT', '/v1/oauth-apps/google', { client_id: 'x', client_secret: 'a-secret-of-google-0123' })
    const link = await rt.ok('POST', '/v1/connections/oauth/google/authorize', { services: ['gmail'] })
    expect(link.authorization_url).toMatch(/^https:\/\/agents\.example\.com\/v1\/oauth\/start\?ticket=/)
    const ticket = new URL(link.authorization_url).searchParams.get('ticket') ?? ''
    const answer = await fetch(`${rt.url}/v1/oauth/start`, {
      method: 'POST',
      redirect: 'manual',
      // Whatever a request says its host is, the redirect URI is the configured one.
      headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
      body: new URLSearchParams({ ticket }),
    })
    expect(new URL(answer.headers.get('location') as string).searchParams.get('redirect_uri')).toBe(
      'https://agents.example.com/v1/oauth/callback',
    )
    expect(answer.headers.get('set-cookie')).toMatch(/^__Host-ar_sign_in=[\w-]+; .*HttpOnly; Secure; SameSite=Lax/)
    const proxied = await rt.ok('GET', '/v1/oauth/doctor', undefined, { 'x-forwarded-host': 'other.example.com' })
    expect(proxied.findings.find((f: { check: string }) => f.check === 'proxy')).toMatchObject({
      level: 'warning',
      fix: expect.stringContaining('other.example.com'),
    })
    const straight = await rt.ok('GET', '/v1/oauth/doctor', undefined, {
      'x-forwarded-host': 'agents.example.com',
      'x-forwarded-proto': 'https',
    })
    expect(straight.findings.find((f: { check: string }) => f.check === 'proxy')).toMatchObject({ level: 'ok' })
  })

  it('what is wrong with the settings is one sentence, and nothing starts', async () => {
    for (const [flags, says] of [
      [['--public-url', 'agents.example.com'], '--public-url'],
      [['--public-url', 'https://agents.example.com/base'], 'without a path'],
      [['--oauth-apps-file', '/nowhere.json'], 'cannot be read (ENOENT)'],
      [['--events-url', 'https://hooks.example'], '--events-secret-file'],
    ] as const) {
      const { code, stderr } = await failedStart(['start', '--json', ...flags])
      expect(code).toBe(2)
      expect(stderr).toContain(says)
    }
  })
})
