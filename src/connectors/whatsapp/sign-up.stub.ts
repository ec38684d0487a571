/**
 * Meta's side of the embedded signup, beside the Cloud API: codes, the token endpoint, and what a token is. From the vendor's own texts:
 * - [exchange] "Onboarding business customers as a Tech Provider", step 1: client_id, client_secret and code, and no redirect_uri. It shows
 *   a GET; clients in wide use (passport-oauth2) send the form by POST, as RFC 6749 §3.2 has it, which keeps the secret out of addresses
 * - [debug] Graph API, "Debug-Token"; "Permissions" of the WhatsApp platform: data with scopes and granular_scopes, `app_id|app_secret`
 * - [seen] sentences with code and subcode that users quote: used (36009), expired (36007), redirect_uri (36008), client secret (1)
 * Not known, so chosen: the sentence for a wrong app token, and that a wrong secret does not spend the code.
 */
import type { Credential, Recorded, Reply } from '../../../test/fakes/stub.ts'

export interface NewCode {
  /** The business account that the customer has shared with the app. */
  account: string
  scopes?: readonly string[]
  /** Seconds that the token lives; left out: without end, as business tokens do. */
  expiresInS?: number
  /** The token is another app's, which Meta would not do. */
  app?: string
  state?: 'fresh' | 'expired'
  /** Meta is in trouble when it is asked what the token is. */
  silent?: true
}

export interface SignUps {
  app: { id: string; secret: string }
  /** A customer goes through the sign-up: the code that the page gets, and the token that is behind it. */
  code: (it: NewCode) => { code: string; token: string }
  /** The requests to the token endpoint. */
  exchanges: () => readonly Recorded[]
  /** null: none of ours. */
  handle: (req: Recorded) => Reply | null
}

const refused = (status: number, code: number, message: string, subcode?: number): Reply => ({
  status,
  body: {
    error: { message, type: 'OAuthException', code, ...(subcode === undefined ? {} : { error_subcode: subcode }), fbtrace_id: 'AbCdEf' },
  },
})
const SCOPES = ['whatsapp_business_management', 'whatsapp_business_messaging']

export function startSignUps(credentials: Record<string, Credential>): SignUps {
  const app = { id: '634974688087057', secret: `${'5ecre7'.repeat(5)}ab` }
  const codes = new Map<string, NewCode & { token: string; used: boolean }>()
  const seen: Recorded[] = []

  /** [exchange] */
  function exchange(req: Recorded): Reply {
    seen.push(req)
    const form = req.method === 'POST' ? new URLSearchParams(req.body) : req.query
    if (req.method === 'POST' && !/^application\/x-www-form-urlencoded\b/.test(req.headers['content-type'] ?? ''))
      return refused(400, 1, 'An unknown error occurred')
    if (req.headers.authorization !== undefined) return refused(400, 190, 'Invalid OAuth access token - Cannot parse access token')
    if (form.get('client_id') === null) return refused(400, 101, 'Missing client_id parameter.')
    if (form.get('client_id') !== app.id) return refused(400, 101, 'Error validating application. Invalid application ID.')
    if (form.get('client_secret') !== app.secret) return refused(400, 1, 'Error validating client secret.')
    if (form.has('redirect_uri'))
      return refused(
        400,
        100,
        'Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the OAuth dialog request',
        36008,
      )
    const found = codes.get(form.get('code') ?? '')
    if (found === undefined) return refused(400, 100, 'Invalid verification code format.')
    if (found.state === 'expired') return refused(400, 100, 'This authorization code has expired.', 36007)
    if (found.used) return refused(400, 100, 'This authorization code has been used.', 36009)
    found.used = true
    credentials[found.token] = { state: 'valid', kind: 'business', scopes: found.scopes ?? SCOPES }
    return {
      status: 200,
      body: {
        access_token: found.token,
        token_type: 'bearer',
        ...(found.expiresInS === undefined ? {} : { expires_in: found.expiresInS }),
      },
    }
  }

  /** [debug] */
  function debug(req: Recorded): Reply {
    if (req.headers.authorization !== `Bearer ${app.id}|${app.secret}`) return refused(400, 190, 'Invalid OAuth access token signature.')
    if ([...codes.values()].some((one) => one.silent && one.token === req.query.get('input_token'))) return refused(500, 2, 'Service')
    const it = [...codes.values()].find((one) => one.token === req.query.get('input_token') && one.used)
    if (it === undefined) return { status: 200, body: { data: { is_valid: false, scopes: [], error: { code: 190, message: 'Invalid.' } } } }
    const now = Math.floor(Date.now() / 1000)
    const scopes = it.scopes ?? SCOPES
    return {
      status: 200,
      body: {
        data: {
          app_id: it.app ?? app.id,
          type: 'SYSTEM_USER',
          application: 'Lucky Agents',
          data_access_expires_at: 0,
          expires_at: it.expiresInS === undefined ? 0 : now + it.expiresInS,
          is_valid: true,
          issued_at: now,
          scopes,
          granular_scopes: scopes.map((scope) => ({ scope, target_ids: [it.account] })),
          user_id: '122097850000000001',
        },
      },
    }
  }

  return {
    app,
    code(it) {
      const n = codes.size + 1
      const code = `AQD${'c0de'.repeat(10)}${n}`
      const token = `EAAGBusiness${'Qw8Er5'.repeat(8)}${n}`
      codes.set(code, { ...it, token, used: false })
      return { code, token }
    },
    exchanges: () => seen,
    handle: (req) => (/\/oauth\/access_token$/.test(req.path) ? exchange(req) : /\/debug_token$/.test(req.path) ? debug(req) : null),
  }
}
