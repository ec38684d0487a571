/** WhatsApp by Meta's embedded signup and by hand: from a code to a message, with nothing in plain text on the way. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { NewCode } from '../../src/connectors/whatsapp/sign-up.stub.ts'
import { type Meta, PHONE, people, SECOND_PHONE, startMeta, tokens, WABA } from '../../src/connectors/whatsapp/vendor.stub.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { behindTheScenes, call } from './acts.ts'
import { type Canaries, filesBelow, hits, type Place } from './canary.ts'

const CONFIG_ID = '1122334455667788'
const BOTH = ['whatsapp_business_management', 'whatsapp_business_messaging']
const TO = '+15550123456'
const canaries: Record<string, string> = {}
let meta: Meta
let rt: TestRuntime

beforeAll(async () => {
  meta = await startMeta()
  rt = await runtime({ allowPrivate: [meta.url] })
  canaries['app secret'] = meta.signUps.app.secret
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await meta?.close()
})
beforeEach(() => meta.reset())

const setUp = (more: object = {}) =>
  rt.ok('PUT', '/v1/oauth-apps/whatsapp', {
    client_id: meta.signUps.app.id,
    client_secret: meta.signUps.app.secret,
    token_endpoint: `${meta.url}/v25.0/oauth/access_token`,
    params: { config_id: CONFIG_ID },
    ...more,
  })
/** A customer goes through Meta's pages: what our page then has in its hands. */
function signedUp(more: Partial<NewCode> = {}) {
  const { code, token } = meta.signUps.code({ account: WABA, ...more })
  canaries[`code ${code.at(-1)}`] = code
  canaries[`token ${code.at(-1)}`] = token
  return { body: { code, waba_id: WABA, phone_number_id: PHONE }, token }
}
const complete = (body: object) => rt.api('POST', '/v1/connections/whatsapp/complete', body)
const connections = async () => (await rt.ok('GET', '/v1/connections?provider=whatsapp')).items as { id: string }[]
const instanceOf = async (connection: string): Promise<string> =>
  (await rt.ok('POST', '/v1/mcp/instances', { slug: 'whatsapp', connection_id: connection, config: { api_base: meta.url } })).id
const sentWith = () => meta.requests.at(-1)?.headers.authorization

describe('what the page needs', () => {
  it('[whatsapp.config] says what is missing until an administrator has set the app up', async () => {
    const config = () => rt.ok('GET', '/v1/connections/whatsapp/config')
    const told = { graph_version: 'v25.0', sign_up_version: 'v4', scopes: BOTH }
    expect(await config()).toEqual({ configured: false, app_id: null, config_id: null, ...told })
    expect(await complete({ code: 'AQDnever', waba_id: WABA })).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
    await setUp({ params: {} })
    expect(await config()).toMatchObject({ configured: false, app_id: meta.signUps.app.id, config_id: null })
    await setUp()
    expect(await config()).toEqual({ configured: true, app_id: meta.signUps.app.id, config_id: CONFIG_ID, ...told })
  })
})

describe('signing up', () => {
  it('[whatsapp.signed-up] a code becomes a connection that is tried at once, and sends from the number that came with it', async () => {
    const { body, token } = signedUp()
    const made = await complete({ ...body, display_name: 'Lucky Shrub' })
    expect(made.status, made.text).toBe(201)
    expect(made.body).toMatchObject({
      name: 'Lucky Shrub',
      provider: 'whatsapp',
      service: 'embedded_signup',
      status: 'active',
      account: { id: PHONE, label: 'Lucky Shrub (+1 555-078-3880)' },
      granted_scopes: BOTH,
      settings: { business_account_id: WABA, phone_number_id: PHONE },
      credential_keys: ['access_token'],
      warnings: [],
      expires_at: null,
      oauth: { kind: 'access_token', app: 'whatsapp', renewable: false, access_expires_at: null, ends_at: null },
    })
    // Incoming messages are told to the app from now on.
    expect(meta.requests.at(-1)).toMatchObject({ method: 'POST', path: `/v25.0/${WABA}/subscribed_apps` })
    expect(sentWith()).toBe(`Bearer ${token}`)
    const [exchange] = meta.signUps.exchanges().slice(-1)
    expect(exchange?.method).toBe('POST')
    expect(exchange?.path).toBe('/v25.0/oauth/access_token')
    expect(Object.fromEntries(new URLSearchParams(exchange?.body))).toEqual({
      grant_type: 'authorization_code',
      code: body.code,
      client_id: meta.signUps.app.id,
      client_secret: meta.signUps.app.secret,
    })

    const instance = await instanceOf(made.body.id)
    const answer = await call(rt, instance, 'send_message', { to: TO, body: 'Hello' })
    expect(answer.status, answer.text).toBe(200)
    expect(meta.requests.at(-1)?.path).toBe(`/v25.0/${PHONE}/messages`)
    expect(sentWith()).toBe(`Bearer ${token}`)
    await call(rt, instance, 'send_message', { to: TO, body: 'Hello', phone_number_id: SECOND_PHONE })
    expect(meta.requests.at(-1)?.path).toBe(`/v25.0/${SECOND_PHONE}/messages`)
  })

  it('[whatsapp.signed-up] a token that ends has a date, of which people are told, and is renewed by nobody', async () => {
    const { body } = signedUp({ expiresInS: 60 * 86_400 })
    const made = await complete(body)
    expect(made.status, made.text).toBe(201)
    const days = (Date.parse(made.body.expires_at) - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(59.9)
    expect(days).toBeLessThanOrEqual(60)
    expect(made.body.oauth).toMatchObject({ ends_at: made.body.expires_at, renews_at: null, renewable: false })
    // A look at it keeps what only the sign-up could tell.
    await instanceOf(made.body.id)
    expect(await rt.ok('POST', `/v1/connections/${made.body.id}/validate`, {})).toMatchObject({ ok: true, granted_scopes: BOTH })
    expect((await rt.ok('GET', `/v1/connections/${made.body.id}`)).expires_at).toBe(made.body.expires_at)
  })

  it('[whatsapp.signed-up] where Meta does not say what the token is, its answer to the code does, and the look that follows', async () => {
    const before = (await connections()).length
    const made = await complete(signedUp({ silent: true, expiresInS: 3600 }).body)
    expect(made).toMatchObject({ status: 201, body: { status: 'active', account: { id: PHONE }, granted_scopes: null } })
    const minutes = (Date.parse(made.body.expires_at) - Date.now()) / 60_000
    expect(minutes).toBeGreaterThan(59)
    expect(minutes).toBeLessThanOrEqual(60)
    // Meta has no address to give a token back to, which keeps nobody from forgetting it.
    await rt.ok('DELETE', `/v1/connections/${made.body.id}`)
    expect(await connections()).toHaveLength(before)
  })

  it('[whatsapp.scopes] a permission that the customer left out is known before a tool is called', async () => {
    const { body } = signedUp({ scopes: ['whatsapp_business_management'] })
    const made = await complete(body)
    expect(made.body).toMatchObject({ status: 'active', granted_scopes: ['whatsapp_business_management'], warnings: [] })
    const instance = await instanceOf(made.body.id)
    const count = meta.requests.length
    expect(await call(rt, instance, 'send_message', { to: TO, body: 'x' })).toMatchObject({
      status: 422,
      body: { code: 'SCOPE_MISSING', details: { missing_scopes: ['whatsapp_business_messaging'] } },
    })
    expect(meta.requests).toHaveLength(count)
  })
})

describe('a sign-up that comes to nothing', () => {
  const nothingStored = async (work: () => Promise<unknown>) => {
    await using db = await behindTheScenes(rt)
    const count = async () =>
      (await db.rows('select (select count(*) from connections)::int as c, (select count(*) from sealed)::int as s'))[0]
    const before = await count()
    await work()
    expect(await count()).toEqual(before)
  }

  it.each([
    ['was used', () => signedUp(), '100'],
    ['has expired', () => signedUp({ state: 'expired' }), '100'],
    ['is none', () => ({ body: { code: 'AQDmadeUp', waba_id: WABA } }), '100'],
  ])('[whatsapp.code-once] a code that %s is refused, and nothing is stored', async (what, make, code) => {
    const { body } = make()
    if (what === 'was used') expect((await complete(body)).status).toBe(201)
    await nothingStored(async () =>
      expect(await complete(body)).toMatchObject({ status: 422, body: { code: 'REFUSED', details: { code, app: 'whatsapp' } } }),
    )
  })

  it('[whatsapp.app-refused] a wrong app secret is the operator’s to mend, and does not lose the code', async () => {
    const { body } = signedUp()
    await setUp({ client_secret: 'not-the-secret-of-this-app', overlap_minutes: 0 })
    await nothingStored(async () =>
      expect(await complete(body)).toMatchObject({ status: 422, body: { code: 'OAUTH_APP_REFUSED', details: { code: '1' } } }),
    )
    // The one before is tried too while a new one is live.
    await setUp()
    await setUp({ client_secret: 'not-the-secret-of-this-app', overlap_minutes: 10 })
    const made = await complete(body)
    expect(made.status, made.text).toBe(201)
    expect(made.body.granted_scopes).toEqual(BOTH)
    await setUp()
  })

  it.each([
    ['another account than the one that the page names', { account: '999999' }, 'account_mismatch'],
    ['another app', { app: '111' }, 'other_app'],
  ])('[whatsapp.fits] a token for %s is refused', async (_, more, reason) => {
    const { body } = signedUp(more)
    await nothingStored(async () =>
      expect(await complete(body)).toMatchObject({ status: 422, body: { code: 'REFUSED', details: { reason } } }),
    )
  })

  it('[whatsapp.fits] ids are looked at before the code is spent', async () => {
    const { body } = signedUp()
    const count = meta.signUps.exchanges().length
    for (const [wrong, code] of [
      [{ waba_id: '../me' }, 'CREDENTIAL_MALFORMED'],
      [{ waba_id: '***' }, 'CREDENTIAL_MALFORMED'],
      [{ phone_number_id: 'abc' }, 'CREDENTIAL_MALFORMED'],
      [{ waba: WABA }, 'INVALID_INPUT'],
      [{ connection_id: 'conn_none' }, 'NOT_FOUND'],
    ] as const)
      expect((await complete({ ...body, ...wrong })).body.code).toBe(code)
    expect(meta.signUps.exchanges()).toHaveLength(count)
    expect((await complete(body)).status).toBe(201)
  })

  it('[whatsapp.signed-up] a look that fails is said, and the connection stays: the grant is not lost', async () => {
    const { body } = signedUp()
    const made = await complete({ ...body, phone_number_id: '777777' })
    expect(made).toMatchObject({ status: 201, body: { granted_scopes: BOTH, warnings: [expect.stringContaining('no such thing')] } })
  })
})

describe('what is done afterwards', () => {
  it('[whatsapp.afterwards] a step that Meta refuses is said and stays with the connection, until it is signed up for again', async () => {
    const { body } = signedUp({ scopes: ['whatsapp_business_messaging'] })
    const { body: made } = await complete(body)
    const warning = expect.stringMatching(/^Messages that come in will not be told .*\(#10\)/)
    expect(made).toMatchObject({ status: 'needs_scopes', granted_scopes: ['whatsapp_business_messaging'] })
    expect(made.warnings).toEqual([expect.stringContaining('does not allow this'), warning])
    expect((await rt.ok('GET', `/v1/connections/${made.id}`)).warnings).toEqual([warning])
    const again = await complete({ ...signedUp().body, connection_id: made.id })
    expect(again.body).toMatchObject({ status: 'active', warnings: [] })
    expect((await rt.ok('GET', `/v1/connections/${made.id}`)).warnings).toEqual([])
  })
})

describe('again', () => {
  it('[whatsapp.again] the same account keeps its connection, with everything that is bound to it', async () => {
    const first = signedUp()
    const { body: made } = await complete(first.body)
    const instance = await instanceOf(made.id)
    const second = signedUp()
    const again = await complete({ ...second.body, connection_id: made.id })
    expect(again).toMatchObject({ status: 201, body: { id: made.id, credential_version: 2, status: 'active', name: made.name } })
    await call(rt, instance, 'send_message', { to: TO, body: 'x' })
    expect(sentWith()).toBe(`Bearer ${second.token}`)
    await using db = await behindTheScenes(rt)
    expect(await db.rows('select version from sealed where owner_id = $1', [made.id])).toEqual([{ version: 2 }])
    const types = (await rt.ok('GET', `/v1/connections/${made.id}/events`)).items.map((e: { event_type: string }) => e.event_type)
    expect(types).toEqual(expect.arrayContaining(['created', 'reconnected', 'validated']))

    const count = meta.signUps.exchanges().length
    const other = signedUp({ account: '555555' })
    expect(await complete({ ...other.body, waba_id: '555555', connection_id: made.id })).toMatchObject({ status: 409 })
    expect(meta.signUps.exchanges()).toHaveLength(count)
  })

  it('[whatsapp.again] a dead token asks for the sign-up, which is the only way back', async () => {
    const first = signedUp()
    const { body: made } = await complete(first.body)
    const instance = await instanceOf(made.id)
    meta.next({ kind: 'reply', reply: { status: 401, body: { error: { message: 'Session has expired', code: 190, error_subcode: 463 } } } })
    expect(await call(rt, instance, 'list_phone_numbers', {})).toMatchObject({ body: { code: 'CREDENTIAL_REJECTED' } })
    expect(await rt.ok('GET', `/v1/connections/${made.id}`)).toMatchObject({ status: 'reconnect', status_reason: 'key_rejected' })
    for (const [method, path, body] of [
      ['POST', `/v1/connections/${made.id}/reconnect`, {}],
      ['POST', '/v1/connections/oauth/whatsapp/authorize', {}],
      ['PATCH', `/v1/connections/${made.id}`, { credentials: { access_token: tokens.both } }],
      [
        'POST',
        '/v1/connections',
        {
          display_name: 'x',
          provider: 'whatsapp',
          service: 'embedded_signup',
          credentials: { access_token: tokens.both, business_account_id: WABA },
        },
      ],
    ] as const)
      expect(await rt.api(method, path, body), path).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } })
    const second = signedUp()
    expect((await complete({ ...second.body, connection_id: made.id })).body).toMatchObject({ status: 'active', status_reason: null })
    expect((await call(rt, instance, 'list_phone_numbers', {})).status).toBe(200)
    // What lives by an app keeps it; the doctor has nothing to say of redirects and renewals that there are none of.
    expect(await rt.api('DELETE', '/v1/oauth-apps/whatsapp')).toMatchObject({ status: 409 })
    const { apps } = await rt.ok('GET', '/v1/oauth/doctor?provider=whatsapp')
    expect(apps[0].findings.map((f: { check: string }) => f.check)).toEqual(['client', 'token_endpoint', 'clock'])
  })
})

describe('limits', () => {
  it('[whatsapp.recipient] too many messages to one person keep nobody else waiting', async () => {
    const { body } = await complete(signedUp().body)
    const instance = await instanceOf(body.id)
    const began = performance.now()
    expect(await call(rt, instance, 'send_message', { to: people.often, body: 'x' })).toMatchObject({
      status: 502,
      body: { code: 'UPSTREAM_RATE_LIMITED' },
    })
    expect((await call(rt, instance, 'send_message', { to: TO, body: 'x' })).status).toBe(200)
    // The one person has to wait for six seconds.
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})

describe('by hand', () => {
  it('[whatsapp.manual] a token with its two ids is the same as a connection that was entered', async () => {
    canaries['token by hand'] = tokens.both
    const manual = (body: object) => rt.api('POST', '/v1/connections/whatsapp/manual', body)
    const made = await manual({ access_token: tokens.both, business_account_id: WABA, phone_number_id: PHONE, display_name: 'By hand' })
    expect(made).toMatchObject({
      status: 201,
      body: { name: 'By hand', provider: 'whatsapp', service: 'api_key', status: 'unverified', oauth: null },
    })
    expect(await rt.ok('POST', `/v1/mcp/instances/${await instanceOf(made.body.id)}/validate`, {})).toMatchObject({
      checks: expect.arrayContaining([expect.objectContaining({ check: 'credential_live', ok: true })]),
    })
    const wrong = await manual({ access_token: tokens.both, business_account_id: '+1 555 0123', phone_number_id: PHONE })
    expect(wrong).toMatchObject({ status: 422, body: { code: 'CREDENTIAL_MALFORMED', details: { field: 'business_account_id' } } })
    expect(wrong.text).not.toContain('555 0123')
    const services = (await rt.ok('GET', '/v1/connections/templates')).items.find((t: { provider: string }) => t.provider === 'whatsapp')
    expect(services.services.map((s: { slug: string }) => s.slug)).toEqual(['api_key'])
  })
})

describe('afterwards', () => {
  it('[whatsapp.sealed] no byte of a code, a token or the app secret is in a file, a table or an answer', async () => {
    expect(Object.keys(canaries).length).toBeGreaterThan(10)
    expect((await connections()).length).toBeGreaterThan(3)
    await using db = await behindTheScenes(rt)
    const tables = await db.rows("select table_name as name from information_schema.tables where table_schema = 'public'")
    const places: Place[] = [...filesBelow(rt.home, [])]
    for (const { name } of tables) {
      const found = await db.rows(`select * from "${name}"`)
      for (const [n, row] of found.entries())
        for (const [column, value] of Object.entries(row))
          places.push([`${name}.${column} ${n}`, Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value) ?? '')])
    }
    places.push(...rt.answers.map((a): Place => [`${a.method} ${a.path}`, Buffer.from(a.text)]))
    expect(hits(canaries as Canaries, places)).toEqual([])
  })
})
