import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judge, type Judgement, type RefusalRow, scopesIn, type TokenAnswer } from './judge.ts'

const answer = (body: unknown, status = 200, more: Partial<TokenAnswer> = {}): TokenAnswer => ({
  status,
  type: 'application/json',
  body: typeof body === 'string' ? body : JSON.stringify(body),
  retryAfterS: null,
  ...more,
})
const refusal = (error: string, status = 400, more: object = {}) => answer({ error, ...more }, status)
const short = (j: Judgement): string =>
  j.ok ? 'ok' : 'reason' in j ? `${j.why} ${j.reason}` : j.why === 'transient' ? `transient${j.maybeSpent ? ' maybe spent' : ''}` : j.why
const html = '<!doctype html><html><body>502 Bad Gateway</body></html>'
const good = { access_token: 'at-1', token_type: 'Bearer', expires_in: 3600 }

describe('a refusal', () => {
  it.each<[string, TokenAnswer, string]>([
    [
      'a revoked grant',
      refusal('invalid_grant', 400, { error_description: 'Token has been expired or revoked.' }),
      'permanent user_revoked',
    ],
    ['a grant past its date', refusal('invalid_grant', 400, { error_description: 'The refresh token has expired' }), 'permanent expired'],
    [
      'a rule of the organisation',
      refusal('invalid_grant', 400, { error_description: 'blocked by admin policy' }),
      'permanent admin_policy',
    ],
    ['a grant, without a word', refusal('invalid_grant'), 'permanent user_revoked'],
    ['a grant, with 401', refusal('invalid_grant', 401), 'permanent user_revoked'],
    ['a grant, with 200 (some do)', refusal('invalid_grant', 200), 'permanent user_revoked'],
    ['a person is wanted', refusal('interaction_required'), 'permanent consent_required'],
    ['our client', refusal('invalid_client', 401), 'misconfigured client_refused'],
    ['our client, with 400', refusal('invalid_client'), 'misconfigured client_refused'],
    ['what our client may do', refusal('unauthorized_client'), 'misconfigured client_not_allowed'],
    ['the grant type', refusal('unsupported_grant_type'), 'misconfigured grant_not_supported'],
    ['a scope', refusal('invalid_scope'), 'misconfigured scope_not_known'],
    ['too little scope', refusal('insufficient_scope', 403), 'needs_scopes'],
    ['busy', refusal('temporarily_unavailable', 503), 'transient maybe spent'],
    ['its own trouble', refusal('server_error', 500), 'transient maybe spent'],
    ['slow down', refusal('slow_down'), 'transient'],
    ['429 with an unknown word', refusal('too_many', 429), 'transient'],
    ['500 with an unknown word', refusal('oops', 500), 'transient maybe spent'],
    ['an unknown word', refusal('invalid_request'), 'unknown'],
    ['an error that is nested, as Meta does', answer({ error: { code: 100, message: 'This code has been used.' } }, 400), 'unknown'],
    ['its own trouble, nested', answer({ error: { code: 2, message: 'Service' } }, 500), 'transient maybe spent'],
    [
      'form-encoded, as some do',
      answer('error=invalid_grant', 200, { type: 'application/x-www-form-urlencoded' }),
      'permanent user_revoked',
    ],
  ])('[renew.judged] %s', (_, heard, says) => {
    const j = judge(heard)
    expect(short(j)).toBe(says)
    expect(j.ok).toBe(false)
  })

  it.each<[string, TokenAnswer, string]>([
    ['a page with 200', answer(html, 200, { type: 'text/html' }), 'transient maybe spent'],
    ['a page with 400', answer(html, 400, { type: 'text/html' }), 'transient'],
    ['a page with 401', answer(html, 401, { type: 'text/html' }), 'transient'],
    ['a page with 502', answer(html, 502, { type: 'text/html' }), 'transient maybe spent'],
    ['cut JSON with 200', answer('{"access_token":"at-1","refr'), 'transient maybe spent'],
    ['nothing with 200', answer(''), 'transient maybe spent'],
    ['a list', answer([good]), 'transient maybe spent'],
    ['no token with 200', answer({ ok: true }), 'transient maybe spent'],
    ['an empty token', answer({ ...good, access_token: '' }), 'transient maybe spent'],
    ['a token that no header carries', answer({ ...good, access_token: 'a\nb' }), 'transient maybe spent'],
    ['a kind of token that we do not speak', answer({ ...good, token_type: 'DPoP' }), 'transient maybe spent'],
    ['a redirect', answer('', 302), 'transient'],
    ['429 without a word', answer('', 429), 'transient'],
    ['503 without a word', answer('', 503), 'transient maybe spent'],
    ['4xx JSON that is not OAuth', answer({ message: 'no' }, 404), 'unknown'],
  ])('[renew.outage-is-no-verdict] %s condemns nothing', (_, heard, says) => {
    expect(short(judge(heard))).toBe(says)
  })

  it('passes on how long to wait', () => {
    expect(judge(answer('', 429, { retryAfterS: 17 }))).toMatchObject({ why: 'transient', retryAfterS: 17 })
  })

  it("asks a provider's own rows first", () => {
    const rows: RefusalRow[] = [
      { error: 'invalid_grant', subtype: 'invalid_rapt', means: { class: 'permanent', reason: 'admin_policy' } },
      { error: 'invalid_request', description: /refresh token/i, status: 400, means: { class: 'permanent', reason: 'expired' } },
    ]
    expect(short(judge(refusal('invalid_grant', 400, { error_subtype: 'invalid_rapt' }), rows))).toBe('permanent admin_policy')
    expect(short(judge(refusal('invalid_grant'), rows))).toBe('permanent user_revoked')
    expect(short(judge(refusal('invalid_request', 400, { error_description: 'The refresh token is expired' }), rows))).toBe(
      'permanent expired',
    )
    expect(short(judge(refusal('invalid_request', 400, { error_description: 'no client_id' }), rows))).toBe('unknown')
  })

  it('never repeats what was sent in its code', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (error) => {
        const j = judge(refusal(error))
        if (!j.ok) expect(j.code).toMatch(/^[a-z0-9_.-]{1,64}$/i)
      }),
    )
  })
})

describe('tokens', () => {
  const tokens = (body: object) => {
    const j = judge(answer(body))
    if (!j.ok) throw new Error(`no tokens: ${j.why}`)
    return j.tokens
  }
  it.each<[unknown, number | null]>([
    [3600, 3600],
    ['3600', 3600],
    [3599.9, 3599],
    [undefined, null],
    [null, null],
    [0, null],
    [-1, null],
    ['soon', null],
    [1e300, 315_360_000],
  ])('[renew.lifetimes] expires_in %s is %s', (expires_in, seconds) => {
    expect(tokens({ ...good, expires_in }).expiresInS).toBe(seconds)
  })

  it('[renew.keeps-refresh-token] an absent, empty or unusable refresh token is none', () => {
    for (const refresh_token of [undefined, null, '', ' ', 7]) expect(tokens({ ...good, refresh_token }).refresh).toBeNull()
    expect(tokens({ ...good, refresh_token: 'rt-2' }).refresh).toBe('rt-2')
  })

  it('reads scopes with spaces or commas, and tells none from not said', () => {
    expect(tokens({ ...good, scope: 'a b,c  a' }).scopes).toEqual(['a', 'b', 'c'])
    expect(tokens(good).scopes).toBeNull()
    expect(tokens({ ...good, scope: '' }).scopes).toBeNull()
    expect(scopesIn(' , ')).toEqual([])
  })

  it('reads the end of the refresh token under both names', () => {
    expect(tokens({ ...good, refresh_token_expires_in: 60 }).refreshExpiresInS).toBe(60)
    expect(tokens({ ...good, refresh_expires_in: '90' }).refreshExpiresInS).toBe(90)
  })

  it('takes JSON under a wrong media type, and no type of token at all', () => {
    expect(judge(answer({ access_token: 'at-1' }, 200, { type: 'text/plain' }))).toMatchObject({ ok: true })
  })

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), fc.oneof(fc.string(), fc.json()), fc.string(), (status, body, type) => {
        expect(typeof judge({ status, body, type, retryAfterS: null }).ok).toBe('boolean')
      }),
    )
  })
})
