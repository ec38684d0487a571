import { createHash, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Egress } from '../base/egress.ts'
import { Fault } from '../base/errors.ts'
import { assertion } from './assertion.ts'
import { discover } from './discover.ts'
import { newKeyring } from './keyring.ts'
import { createLink } from './oauth-link.ts'
import { conceal } from './secret.ts'
import { signWebhook } from './sign.ts'

const ring = newKeyring()
let now = 1_000_000
const link = createLink({ room: { ring: () => ring }, now: () => now })

describe('links', () => {
  it('[oauth.link-once] open to whoever brings them whole and in time, and to nobody else', () => {
    const ticket = link.ticket({ a: 1, b: ['x'] }, now + 1000)
    expect(link.open(ticket)).toEqual({ a: 1, b: ['x'] })
    now += 1000
    expect(link.open(ticket)).toBeNull()
    now -= 1000
    const other = createLink({ room: { ring: () => newKeyring() }, now: () => now })
    expect(other.open(ticket)).toBeNull()
    for (const text of ['', '.', 'a.b', ticket.split('.')[0] as string, `${ticket}x`, ticket.slice(1)])
      expect(link.open(text), text).toBeNull()
    fc.assert(
      fc.property(fc.nat({ max: ticket.length - 1 }), fc.constantFrom(...'abcXYZ019-_'), (at, char) => {
        fc.pre(ticket[at] !== char && ticket[at] !== '.')
        const opened = link.open(ticket.slice(0, at) + char + ticket.slice(at + 1))
        // The last character of base64url carries bits that nobody reads.
        if (opened !== null) expect(opened).toEqual({ a: 1, b: ['x'] })
      }),
    )
  })

  it('[oauth.state-once] each page has a state of its own, and PKCE follows from it and from our key alone', () => {
    const ask = {
      at: 'https://id.example/auth?tenant=7',
      clientId: 'c',
      redirectUri: 'https://a.example/cb',
      scopes: ['openid', 'x'],
      params: { prompt: 'consent', state: 'mine' },
      pkce: true,
      nonce: true,
    }
    const [one, two] = [link.redirect(ask), link.redirect(ask)]
    const query = new URL(one.url).searchParams
    const state = query.get('state') as string
    expect(Buffer.from(state, 'base64url')).toHaveLength(32)
    expect(new URL(two.url).searchParams.get('state')).not.toBe(state)
    expect(Object.fromEntries(query)).toMatchObject({
      tenant: '7',
      prompt: 'consent',
      response_type: 'code',
      client_id: 'c',
      scope: 'openid x',
      code_challenge_method: 'S256',
    })
    expect(query.get('code_challenge')).toBe(createHash('sha256').update(link.verifier(state)).digest('base64url'))
    expect(query.get('nonce')).toBe(link.nonce(state))
    expect(link.verifier(state)).not.toBe(link.nonce(state))
    expect(link.stateHash(conceal(state)).equals(one.stateHash)).toBe(true)
    const plain = new URL(link.redirect({ ...ask, pkce: false, nonce: false }).url).searchParams
    expect([plain.has('code_challenge'), plain.has('nonce')]).toEqual([false, false])
  })
})

describe('a service account', () => {
  const claims = { audience: 'https://id.example/token', now: 1_700_000_000_000, subject: null, scope: 'a' }
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
  it.each([
    ['no JSON', '{'],
    ['nothing in it', '{}'],
    ['a list', '[1]'],
    ['no key', '{"client_email":"a@b"}'],
    ['a key that is none', '{"client_email":"a@b","private_key":"-----BEGIN canary"}'],
    ['a key of another kind', JSON.stringify({ client_email: 'a@b', private_key: ec })],
  ])('[renew.service-account] with %s is refused in one sentence that repeats nothing of it', (_, text) => {
    try {
      assertion(text, claims)
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ code: 'CREDENTIAL_MALFORMED' })
      expect((error as Error).message + ((error as Fault).hint ?? '')).not.toMatch(/canary|BEGIN/)
    }
  })
})

describe('discovery', () => {
  const as = (over: object = {}) => ({
    issuer: 'https://id.example',
    authorization_endpoint: 'https://id.example/a',
    token_endpoint: 'https://id.example/t',
    ...over,
  })
  const from = (answers: Record<string, { status?: number; body: unknown }>): Pick<Egress, 'fetch'> => ({
    fetch: async (url) => {
      const found = answers[new URL(String(url)).pathname]
      return new Response(JSON.stringify(found?.body ?? {}), {
        status: found ? (found.status ?? 200) : 404,
        headers: { 'content-type': 'application/json' },
      })
    },
  })
  const OIDC = '/.well-known/openid-configuration'
  const RFC8414 = '/.well-known/oauth-authorization-server'

  it('reads OpenID metadata, and RFC 8414 where there are none', async () => {
    const more = {
      revocation_endpoint: 'https://id.example/r',
      authorization_response_iss_parameter_supported: true,
      id_token_signing_alg_values_supported: ['none', 'ES256'],
    }
    expect(await discover(from({ [OIDC]: { body: as(more) } }), 'https://id.example')).toMatchObject({
      revocation: 'https://id.example/r',
      issInAnswers: true,
      idTokenAlgs: ['ES256'],
    })
    expect(await discover(from({ [RFC8414]: { body: as() } }), 'https://id.example')).toMatchObject({
      token: 'https://id.example/t',
      userinfo: null,
      issInAnswers: false,
    })
  })
  it('[oauth.issuer] refuses metadata of another issuer, and those that name no endpoints', async () => {
    for (const body of [as({ issuer: 'https://evil.example' }), as({ token_endpoint: undefined }), {}, { issuer: 7 }])
      await expect(discover(from({ [OIDC]: { body }, [RFC8414]: { body } }), 'https://id.example')).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
    await expect(discover(from({}), 'https://id.example')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(discover(from({}), 'not a url')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
  it('hears what the egress guard says', async () => {
    const guard = { fetch: () => Promise.reject(new Fault('EGRESS_BLOCKED', 'no')) }
    await expect(discover(guard, 'https://id.example')).rejects.toMatchObject({ code: 'EGRESS_BLOCKED' })
  })
})

it('[events.signed] the signature is that of the vector in the specification of Standard Webhooks', () => {
  const secret = conceal('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
  const signed = signWebhook(secret, { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', at: 1_614_265_330_000, payload: '{"test": 2432232314}' })
  expect(signed).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})
