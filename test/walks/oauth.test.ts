/** Connect once, and be kept connected: against a real OAuth server with strict rotation, over HTTP alone. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Provider, startProvider } from '../fakes/provider.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { behindTheScenes } from './acts.ts'
import { atProvider, httpInstance, setUpApp, signIn, things, Visitor } from './sign-in.ts'
import { asking, secondTenant } from './tenants.ts'

let provider: Provider
let rt: TestRuntime
const SCOPES = ['things.read', 'things.write']

beforeAll(async () => {
  provider = await startProvider({ scopes: SCOPES })
  rt = await runtime({ allowPrivate: [provider.url] })
  provider.allowRedirect(`${rt.url}/v1/oauth/callback`)
  await setUpApp(rt, provider)
})
afterAll(async () => {
  await rt[Symbol.asyncDispose]()
  await provider.close()
})
beforeEach(() => {
  provider.reset()
  provider.revocation.reset()
})

const connection = (id: string) => rt.ok('GET', `/v1/connections/${id}`)
const events = async (id: string): Promise<string[]> =>
  (await rt.ok('GET', `/v1/connections/${id}/events`)).items.map((e: { event_type: string }) => e.event_type).reverse()
const count = async (what: string): Promise<number> => {
  await using db = await behindTheScenes(rt)
  return Number((await db.rows(`select count(*)::int as n from ${what}`))[0]?.n)
}
/** As if the token had ended: known in the whole process within a second. */
async function end(id: string): Promise<void> {
  await using db = await behindTheScenes(rt)
  await db.rows(
    "update grants set access_obtained_at = now() - interval '2 h', access_expires_at = now() - interval '1 h', due_at = now() + interval '1 h' where connection_id = $1",
    [id],
  )
  await new Promise((resolve) => setTimeout(resolve, 1_050)) // the promise is a time: within a second
}
const start = async (more: Record<string, unknown> = {}) =>
  rt.ok('POST', '/v1/connections/oauth/acme/authorize', { scopes: SCOPES, ...more })

describe('connecting', () => {
  it('[oauth.connect] a person agrees at the provider, and a tool is called with the token', async () => {
    const { status, page, attempt, connection: id } = await signIn(rt, provider, { scopes: SCOPES, display_name: 'Acme of Ada' })
    expect(status, page).toBe(200)
    expect(page).toContain('is connected')
    expect(attempt).toMatchObject({ status: 'done', kind: 'connected' })
    expect(await connection(id)).toMatchObject({
      name: 'Acme of Ada',
      provider: 'oauth2',
      status: 'active',
      account: { id: 'ada', label: 'ada@example.com' },
      warnings: [],
      oauth: { app: 'acme', renewable: true, kind: 'authorization_code' },
    })
    expect(await events(id)).toEqual(['created'])
    const instance = await httpInstance(rt, provider, id)
    const answer = await things(rt, instance)
    expect(answer.status, answer.text).toBe(200)
    expect(answer.body.result).toMatchObject({ status: 200, body: { things: [{ id: 'thing-1' }] } })
    expect(await rt.ok('POST', `/v1/connections/${id}/validate`)).toMatchObject({ ok: true, account: { id: 'ada' } })
  })

  it('[oauth.invitation] our page says who asks for what, before anything is stored', async () => {
    const before = await count('connections')
    const link = await start()
    const page = await new Visitor().get(link.authorization_url)
    const html = await page.text()
    expect(page.status).toBe(200)
    for (const said of ['Connect acme', 'Default workspace', 'things.read', 'If you do not know why']) expect(html).toContain(said)
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect([await count('connections'), await count('oauth_attempts where finished_at is null')]).toEqual([before, 0])
    expect(await rt.ok('GET', `/v1/oauth/attempts/${link.attempt_id}`)).toMatchObject({ status: 'pending' })
  })

  it('[oauth.partial] less than was asked for is a success that says what will not work', async () => {
    const { page, connection: id } = await signIn(rt, provider, {
      scopes: SCOPES,
      account: 'bo',
      narrowTo: ['openid', 'offline_access', 'things.read'],
    })
    expect(page).toContain('things.write')
    const facts = await connection(id)
    expect(facts.status).toBe('active')
    expect(facts.granted_scopes).toContain('things.read')
    expect(facts.granted_scopes).not.toContain('things.write')
    expect(facts.warnings.join(' ')).toContain('Not granted')
  })

  it('[oauth.no-refresh-token] an answer without a refresh token says so at once, with the remedy', async () => {
    provider.next('no_refresh')
    const { page, connection: id } = await signIn(rt, provider, { account: 'cy', scopes: SCOPES })
    expect(page).toMatch(/refresh token/i)
    expect(await connection(id)).toMatchObject({ status: 'active', oauth: { renewable: false } })
    await end(id)
    const instance = await httpInstance(rt, provider, id)
    expect((await things(rt, instance)).body.code).toBe('CONNECTION_RECONNECT_REQUIRED')
    expect(await connection(id)).toMatchObject({ status: 'reconnect', status_reason: 'expired' })
  })

  it('a person who declines has connected nothing', async () => {
    const before = await count('connections')
    const link = await start()
    const visitor = new Visitor()
    const location = (await visitor.goOn(link.authorization_url)).headers.get('location') as string
    const page = await visitor.get(await provider.signIn({ authorizationUrl: location, account: 'di', deny: true }))
    expect(await page.text()).toContain('Nothing was connected')
    expect(await count('connections')).toBe(before)
    expect(await rt.ok('GET', `/v1/oauth/attempts/${link.attempt_id}`)).toMatchObject({ status: 'failed', kind: 'declined' })
  })
})

describe('a callback', () => {
  const refused = async (url: string, visitor: Visitor, says: string | RegExp) => {
    const before = await count('connections')
    const page = await visitor.get(url)
    const html = await page.text()
    expect(page.status).toBeGreaterThanOrEqual(400)
    expect(html).toMatch(says)
    // Every page says what to do now.
    expect(html).toMatch(/Start again|new link|Open a new link|tell whoever/i)
    expect(await count('connections')).toBe(before)
  }
  const back = async (account = 'ada') => {
    const visitor = new Visitor()
    const link = await start()
    return { visitor, link, url: await atProvider(provider, link.authorization_url, account, visitor) }
  }

  it('[oauth.state-once] works once', async () => {
    const { visitor, url } = await back()
    expect((await visitor.get(url)).status).toBe(200)
    await refused(url, visitor, 'not known')
  })

  it('[oauth.browser-bound] is refused in another browser, and is spent by the try', async () => {
    const { visitor, url } = await back()
    await refused(url, new Visitor(), 'another browser')
    await refused(url, visitor, 'not known')
    expect(provider.tokenRequests).toEqual([])
  })

  it('[oauth.browser-bound] of one link is not finished by the browser of another', async () => {
    const [mine, theirs] = [await back('ada'), await back('mallory')]
    await refused(theirs.url, mine.visitor, 'another browser')
    expect(provider.tokenRequests).toEqual([])
  })

  it('[oauth.issuer] must be from the issuer that was asked', async () => {
    for (const change of [(u: URL) => u.searchParams.set('iss', 'https://evil.example'), (u: URL) => u.searchParams.delete('iss')]) {
      const { visitor, url } = await back()
      const changed = new URL(url)
      change(changed)
      await refused(changed.href, visitor, 'somewhere else')
    }
    expect(provider.tokenRequests).toEqual([])
  })

  it('[oauth.tampered] with anything changed or missing is refused', async () => {
    const changes: [string, (u: URL) => void, string | RegExp][] = [
      ['state', (u) => u.searchParams.set('state', `${u.searchParams.get('state')}x`), 'not known'],
      ['no state', (u) => u.searchParams.delete('state'), 'incomplete'],
      ['no code', (u) => u.searchParams.delete('code'), 'incomplete'],
      ['two states', (u) => u.searchParams.append('state', 'again'), 'incomplete'],
      ['code', (u) => u.searchParams.set('code', 'not-a-code'), /did not accept/],
    ]
    for (const [, change, says] of changes) {
      const { visitor, url } = await back()
      const changed = new URL(url)
      change(changed)
      await refused(changed.href, visitor, says)
    }
  })

  it('[oauth.state-once] after its ten minutes is refused, and the attempt says so', async () => {
    const { visitor, url, link } = await back()
    await using db = await behindTheScenes(rt)
    await db.rows("update oauth_attempts set expires_at = now() - interval '1 s' where id = $1", [link.attempt_id])
    expect(await rt.ok('GET', `/v1/oauth/attempts/${link.attempt_id}`)).toMatchObject({ status: 'failed', kind: 'link_expired' })
    await refused(url, visitor, 'expired')
    expect(provider.tokenRequests).toEqual([])
    const [entry] = (await rt.ok('GET', '/v1/audit?action=connection.sign_in_refused&limit=1')).items
    expect(entry.entry).toMatchObject({
      outcome: 'refused',
      details: { kind: 'link_expired', app: 'acme' },
      request_id: expect.stringMatching(/^req_/),
    })
  })

  it('[oauth.link-once] a link that was opened in one browser leads nowhere in another, and a changed one nowhere at all', async () => {
    const link = await start()
    const visitor = new Visitor()
    expect((await visitor.goOn(link.authorization_url)).status).toBe(303)
    expect((await visitor.goOn(link.authorization_url)).status).toBe(303)
    const other = await new Visitor().goOn(link.authorization_url)
    expect(other.status).toBe(400)
    expect(await other.text()).toContain('has been used')
    const changed = new URL(link.authorization_url)
    changed.searchParams.set('ticket', `${changed.searchParams.get('ticket')?.slice(1)}`)
    expect(await (await new Visitor().get(changed.href)).text()).toContain('expired')
  })

  it('[oauth.asker-stands] is refused when the token that asked for it was revoked meanwhile', async () => {
    const { id, token } = await rt.mint({ display_name: 'short', scopes: ['connection:write', 'connection:read'] })
    const short = asking(rt, token as string)
    const link = await short.ok('POST', '/v1/connections/oauth/acme/authorize', { scopes: SCOPES })
    const visitor = new Visitor()
    const url = await atProvider(provider, link.authorization_url, 'ada', visitor)
    await rt.ok('DELETE', `/v1/pats/${id}`)
    await refused(url, visitor, 'does not hold any more')
  })

  it('[oauth.other-tenant] makes a connection where it was asked for, and nowhere else', async () => {
    const other = await secondTenant(rt, 'other')
    expect((await other.as.api('POST', '/v1/connections/oauth/acme/authorize', {})).status).toBe(404)
    await setUpApp(other.as, provider)
    const { connection: id } = await signIn(other.as, provider, { scopes: SCOPES })
    expect((await rt.api('GET', `/v1/connections/${id}`)).status).toBe(404)
    expect((await other.as.api('GET', `/v1/connections/${id}`)).status).toBe(200)
    expect((await other.as.api('POST', `/v1/connections/${(await back()).link.attempt_id}/reconnect`, {})).status).toBe(404)
  })

  it('[oauth.our-page] another site cannot press our button', async () => {
    const link = await start()
    const ticket = new URL(link.authorization_url).searchParams.get('ticket') ?? ''
    const press = (headers: Record<string, string>) =>
      fetch(`${rt.url}/v1/oauth/start`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ ticket }), headers })
    const elsewhere: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]
    for (const headers of elsewhere) {
      const answer = await press(headers)
      expect(answer.status).toBe(403)
      expect(await answer.text()).toContain('another page')
    }
    expect((await press({ origin: rt.url, 'sec-fetch-site': 'same-origin' })).status).toBe(303)
  })

  it('an open redirect is not lent', async () => {
    for (const return_to of ['https://evil.example/', '//evil.example', 'javascript:alert(1)'])
      expect(await rt.api('POST', '/v1/connections/oauth/acme/authorize', { return_to })).toMatchObject({
        status: 400,
        body: { code: 'INVALID_INPUT' },
      })
    expect((await start({ return_to: '/docs' })).authorization_url).toContain('/v1/oauth/start')
  })
})

describe('keeping connected', () => {
  it('[renew.real] an ended token is renewed by the call that needs it, and the spent one is never sent again', async () => {
    const { connection: id } = await signIn(rt, provider, { scopes: SCOPES, account: 'eve' })
    const instance = await httpInstance(rt, provider, id)
    for (let round = 0; round < 3; round++) {
      await end(id)
      const before = provider.tokenRequests.length
      const answers = await Promise.all(Array.from({ length: 20 }, () => things(rt, instance)))
      expect(new Set(answers.map((a) => a.body.result?.status))).toEqual(new Set([200]))
      expect(provider.tokenRequests.length - before).toBe(1)
    }
    const spent = provider.tokenRequests.map((r) => r.refreshToken)
    expect(new Set(spent).size).toBe(spent.length)
    expect(await connection(id)).toMatchObject({ status: 'active', credential_version: 4 })
  })

  it('[oauth.reconnect] taken back at the provider: Reconnect with its reason; connected again in place, the same binding works', async () => {
    const { connection: id } = await signIn(rt, provider, { scopes: SCOPES, account: 'fay', display_name: 'Fay' })
    const instance = await httpInstance(rt, provider, id)
    const graph = {
      steps: [
        { id: 'a', type: 'mcp_call', instance_id: instance, tool_name: 'http_request', tool_args: { method: 'GET', path: '/api/things' } },
      ],
    }
    const workflow = await rt.ok('POST', '/v1/workflows', { name: 'Things', graph })
    await rt.ok('POST', `/v1/workflows/${workflow.id}/versions`, {})
    provider.revokeAll('fay')
    expect((await things(rt, instance)).body).toMatchObject({ code: 'CONNECTION_RECONNECT_REQUIRED' })
    const facts = await connection(id)
    expect(facts).toMatchObject({ status: 'reconnect', status_reason: 'user_revoked' })
    expect(facts.status_text).toContain('Connect the account again')
    expect(await rt.ok('GET', `/v1/connections/${id}/usage`)).toMatchObject({ blocked: true, workflows: [{ workflow_id: workflow.id }] })
    const started = await rt.api('POST', `/v1/workflows/${workflow.id}/command`, { command: 'start', params: {} })
    expect(started).toMatchObject({
      status: 422,
      body: { code: 'CONNECTION_RECONNECT_REQUIRED', details: { connection_id: id, step_ids: ['a'] } },
    })
    expect(started.body.hint).toContain('/reconnect')

    const again = await signIn(rt, provider, { connection_id: id, account: 'fay' })
    expect(again.attempt).toMatchObject({ status: 'done', kind: 'reconnected', connection_id: id })
    expect(await connection(id)).toMatchObject({ id, status: 'active', status_reason: null })
    expect((await things(rt, instance)).body.result.status).toBe(200)
    const run = await rt.ok('POST', `/v1/workflows/${workflow.id}/command`, { command: 'start', params: {} })
    await until(
      async () => (await rt.ok('GET', `/v1/workflows/${workflow.id}/runs/${run.run_id}/summary`)).status === 'completed',
      'the run',
    )
    expect(await events(id)).toEqual(['created', 'reconnect_required', 'reconnected'])
  })

  it('[oauth.pinned] reconnecting as somebody else is refused, or becomes a connection of its own when that was asked for', async () => {
    const { connection: id } = await signIn(rt, provider, { scopes: SCOPES, account: 'gus', display_name: 'Gus' })
    const wrong = await signIn(rt, provider, { connection_id: id, account: 'hal' })
    expect(wrong.page).toContain('hal@example.com')
    expect(wrong.attempt).toMatchObject({ status: 'failed', kind: 'other_account' })
    expect(await connection(id)).toMatchObject({ account: { id: 'gus' }, credential_version: 1 })
    const link = await rt.ok('POST', `/v1/connections/${id}/reconnect`, { other_account: 'new_connection' })
    const visitor = new Visitor()
    await visitor.get(await atProvider(provider, link.authorization_url, 'hal', visitor))
    const attempt = await rt.ok('GET', `/v1/oauth/attempts/${link.attempt_id}`)
    expect(attempt.connection_id).not.toBe(id)
    expect(await connection(attempt.connection_id)).toMatchObject({ account: { id: 'hal' }, name: 'Gus (hal@example.com)' })
    const audit = await rt.ok('GET', `/v1/audit?target=${attempt.connection_id}`)
    expect(audit.items.map((e: { action: string }) => e.action)).toContain('connection.connected_as_other')
  })

  it('[oauth.union] more is asked for beside what was granted, and nothing is narrowed', async () => {
    const { connection: id } = await signIn(rt, provider, { scopes: ['things.read'], account: 'ida' })
    const link = await rt.ok('POST', `/v1/connections/${id}/reconnect`, { scopes: ['things.write'] })
    expect(link.scopes).toEqual(expect.arrayContaining(['openid', 'offline_access', 'things.read', 'things.write']))
  })

  it('[oauth.delete] deleting revokes at the provider, then destroys the secret', async () => {
    const { connection: id } = await signIn(rt, provider, { scopes: SCOPES, account: 'jo' })
    const instance = await httpInstance(rt, provider, id)
    expect((await things(rt, instance)).status).toBe(200)
    const sent = String(provider.api.requests.at(-1)!.headers.authorization)
    expect(await rt.api('DELETE', `/v1/connections/${id}`)).toMatchObject({ status: 409, body: { code: 'CONNECTION_IN_USE' } })
    expect((await connection(id)).status).toBe('active')
    await rt.ok('DELETE', `/v1/mcp/instances/${instance}`)
    expect(await rt.ok('DELETE', `/v1/connections/${id}`)).toMatchObject({
      deleted: true,
      secret_destroyed: true,
      revoked_at_provider: 'revoked',
    })
    expect((await fetch(`${provider.url}/api/me`, { headers: { authorization: sent } })).status).toBe(401)
    expect(await count(`sealed where owner_id = '${id}'`)).toBe(0)
  })

  it('[burn.stops] [usage.app] an account is burned: revoked at its provider, never renewed again, and its app tells who lives by it', async () => {
    const { connection: id } = await signIn(rt, provider, { scopes: SCOPES, account: 'mo' })
    const instance = await httpInstance(rt, provider, id)
    const { oauth } = await connection(id)
    const at = `/v1/oauth-apps/${oauth.app}`
    const users = await rt.ok('GET', `${at}/usage?if=deleted`)
    expect(users.connections.map((c: { id: string }) => c.id)).toContain(id)
    expect(users.profiles.map((p: { instance_id: string }) => p.instance_id)).toContain(instance)
    const refused = await rt.api('DELETE', at)
    expect([refused.status, refused.body.code]).toEqual([409, 'CONFLICT'])
    expect(refused.body.details.profiles.map((p: { instance_id: string }) => p.instance_id)).toContain(instance)
    await things(rt, instance)
    const sent = (await rt.ok('POST', `/v1/connections/${id}/burn`, { reason: 'the laptop was stolen' })).revoked_at_provider
    expect(sent).toBe('revoked')
    expect(await connection(id)).toMatchObject({ status: 'reconnect', status_reason: 'burned' })
    expect((await things(rt, instance)).body.code).toBe('CONNECTION_RECONNECT_REQUIRED')
    expect(await count(`sealed where owner_id = '${id}'`)).toBe(0)
  })

  it('[oauth.delete] a provider that does not revoke does not keep the secret from being destroyed', async () => {
    const { connection: id } = await signIn(rt, provider, { scopes: SCOPES, account: 'lu' })
    provider.revocation.next(...Array.from({ length: 6 }, () => ({ kind: 'reply', status: 503, body: '' }) as const))
    expect(await rt.ok('DELETE', `/v1/connections/${id}`)).toMatchObject({
      deleted: true,
      secret_destroyed: true,
      revoked_at_provider: 'failed',
    })
    expect(provider.revocation.requests.length).toBe(6)
    expect(await count(`sealed where owner_id = '${id}'`)).toBe(0)
  })

  it('[oauth.app-secret] [rotation.client-secret] a client secret is changed with two of them live, and a refused client is mended by a new one', async () => {
    await setUpApp(rt, provider, { client_secret: provider.client.secret }, 'rotating')
    const { connection: id } = await signIn(rt, provider, { slug: 'rotating', scopes: SCOPES, account: 'kim' })
    const instance = await httpInstance(rt, provider, id)
    // The new one is here before the provider knows it: the old one is tried too.
    expect(await setUpApp(rt, provider, { client_secret: 'not-yet-known-to-the-provider' }, 'rotating')).toMatchObject({
      secret_version: 2,
    })
    await new Promise((resolve) => setTimeout(resolve, 1_050))
    await end(id)
    expect((await things(rt, instance)).body.result?.status).toBe(200)
    // The record tells that the old one had to answer.
    const at = '/v1/oauth-apps/rotating/secret'
    const seen = (await rt.ok('GET', at)).rotation
    expect(seen).toMatchObject({ old: { version: 1 }, new: { version: 2 } })
    expect([seen.old.uses, seen.new.uses]).toEqual([1, 1])
    const early = await rt.api('POST', `${at}/finish`, {})
    expect([early.status, early.body.details.old.uses]).toEqual([422, 1])
    expect(await rt.ok('POST', `${at}/rollback`)).toMatchObject({ old: { version: 1 } })
    expect(await rt.ok('GET', '/v1/oauth-apps/rotating')).toMatchObject({ secret_version: 1, previous_secret_until: null })
    await end(id)
    expect((await things(rt, instance)).body.result?.status).toBe(200)
    expect(await setUpApp(rt, provider, { client_secret: 'not-known-either' }, 'rotating')).toMatchObject({ secret_version: 3 })
    expect(await rt.ok('POST', `${at}/finish`, { confirm: true })).toMatchObject({ new: { version: 3, uses: 0 } })
    expect(await rt.ok('GET', at)).toEqual({ rotation: null })
    expect((await rt.api('POST', `${at}/rollback`)).body.code).toBe('CONFLICT')
    // Without overlap the provider refuses: the operator's business, and no user is told to connect again.
    await setUpApp(rt, provider, { client_secret: 'never-known-to-the-provider', overlap_minutes: 0 }, 'rotating')
    await end(id)
    expect((await things(rt, instance)).body.code).toBe('OAUTH_APP_REFUSED')
    expect(await connection(id)).toMatchObject({ status: 'misconfigured', status_reason: 'client_refused' })
    const doctor = await rt.ok('GET', '/v1/oauth/doctor?provider=rotating')
    expect(doctor.ok).toBe(false)
    await setUpApp(rt, provider, { client_secret: provider.client.secret }, 'rotating')
    await new Promise((resolve) => setTimeout(resolve, 1_050))
    expect((await things(rt, instance)).body.result?.status).toBe(200)
    expect(await connection(id)).toMatchObject({ status: 'active' })
  })
})
