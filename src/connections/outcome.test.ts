import { describe, expect, it } from 'vitest'
import type { OAuthProvider } from '../connectors/contract.ts'
import { conceal } from '../vault/index.ts'
import type { GrantRow } from './grant-rows.ts'
import { datesOf, type Heard, outcomeOf, withAliases } from './outcome.ts'
import type { ConnectionRow } from './rows.ts'
import { dueAt, isOver, margin, nextTry, nextUnknownTry } from './schedule.ts'

const NOW = Date.UTC(2026, 10, 1)
const DAY = 86_400_000
const S = 1000
const provider = {
  slug: 'acme',
  rotates: 'always',
  accessLifetimeS: 3600,
  grantLifetimeS: null,
  testGrantLifetimeS: null,
  idleLimitS: null,
  scopeAliases: {},
} as unknown as OAuthProvider
const grant = (over: Partial<GrantRow> = {}): GrantRow =>
  ({
    connection_id: 'conn_1',
    kind: 'authorization_code',
    failures: 0,
    unknown_failures: 0,
    unknown_since: null,
    maybe_spent: false,
    ends_at: null,
    consented_at: new Date(NOW - 10 * DAY),
    ...over,
  }) as GrantRow
const connection = (over: Partial<ConnectionRow> = {}): ConnectionRow =>
  ({ id: 'conn_1', status: 'active', status_reason: null, credential_version: 4, last_used_at: new Date(NOW), ...over }) as ConnectionRow
const outcome = (
  heard: Heard,
  was: { grant?: Partial<GrantRow>; connection?: Partial<ConnectionRow> } = {},
  more: { forced?: boolean; provider?: Partial<OAuthProvider> } = {},
) =>
  outcomeOf(
    heard,
    { grant: grant(was.grant), connection: connection(was.connection) },
    { ...provider, ...more.provider },
    {
      now: NOW,
      random: 0.5,
      forced: more.forced ?? false,
      test: false,
    },
  )
const good = (facts: object = {}): Heard => ({
  ok: true,
  fields: { access_token: conceal('x') },
  facts: { expiresInS: 3600, scopes: null, refreshExpiresInS: null, refreshable: false, ...facts },
  idToken: null,
})
const refused = (reason = 'user_revoked'): Heard => ({ ok: false, why: 'permanent', reason, code: 'invalid_grant' })
const passing = (maybeSpent = false, retryAfterS: number | null = null): Heard => ({
  ok: false,
  why: 'transient',
  code: 'http_503',
  retryAfterS,
  maybeSpent,
})
const at = (ms: number) => new Date(NOW + ms)

describe('a renewal that worked', () => {
  it('[renew.states] makes the next version, settles the books and tells nobody', () => {
    const o = outcome(good(), { grant: { failures: 3, maybe_spent: true, intent_version: 4 } })
    expect(o.connection).toMatchObject({ credential_version: 5, expires_at: null })
    expect(o.connection).not.toHaveProperty('status')
    expect(o.grant).toMatchObject({
      failures: 0,
      maybe_spent: false,
      intent_version: null,
      next_try_at: null,
      access_expires_at: at(3600 * S),
    })
    expect(o.tell).toBeNull()
  })
  it('[renew.states] brings a degraded or misconfigured connection back, and says so once', () => {
    for (const status of ['degraded', 'misconfigured'] as const) {
      const o = outcome(good(), { connection: { status, status_reason: 'provider_unavailable' } })
      expect(o.connection).toMatchObject({ status: 'active', status_reason: null })
      expect(o.tell).toBe('connection.recovered')
    }
    expect(outcome(good(), { connection: { status: 'unverified' } })).toMatchObject({ connection: { status: 'active' }, tell: null })
    expect(outcome(good(), { connection: { status: 'needs_scopes' } }).connection).not.toHaveProperty('status')
  })
  it('takes scopes from the answer, with their other names, and keeps them where it is silent', () => {
    const aliases = { email: 'https://x/userinfo.email' }
    expect(outcome(good({ scopes: ['email', 'b'] }), {}, { provider: { scopeAliases: aliases } }).connection.granted_scopes).toEqual([
      'b',
      'email',
      'https://x/userinfo.email',
    ])
    expect(outcome(good()).connection).not.toHaveProperty('granted_scopes')
    expect(withAliases(['https://x/userinfo.email'], aliases)).toContain('email')
  })
  it('remembers that a 401 forced it', () => {
    expect(outcome(good(), {}, { forced: true }).grant.forced_version).toBe(5)
    expect(outcome(good()).grant.forced_version).toBeNull()
  })
})

describe('a renewal that did not', () => {
  it.each<[string, Heard, Partial<GrantRow>, Partial<OAuthProvider>, string]>([
    ['taken back', refused(), {}, {}, 'user_revoked'],
    ['past its date', refused('expired'), {}, {}, 'expired'],
    ['refused after its end', refused(), { ends_at: at(-1) }, {}, 'expired'],
    ['cut off before', refused(), { maybe_spent: true }, {}, 'rotation_lost'],
    ['cut off before, where nothing rotates', refused(), { maybe_spent: true }, { rotates: 'never' }, 'user_revoked'],
    ['a policy, though cut off before', refused('admin_policy'), { maybe_spent: true }, {}, 'admin_policy'],
    ['a key of a machine', refused(), { kind: 'jwt_bearer' }, {}, 'key_rejected'],
    ['a client of a machine', refused(), { kind: 'client_credentials' }, {}, 'key_rejected'],
  ])('[renew.reasons] %s ends in reconnect, is never asked again, and is told', (_, heard, g, p, reason) => {
    const o = outcome(heard, { grant: g }, { provider: p })
    expect(o.connection).toMatchObject({ status: 'reconnect', status_reason: reason })
    expect(o.grant).toMatchObject({ due_at: null, next_try_at: null, intent_version: null })
    expect(o.tell).toBe('connection.reconnect_required')
  })

  it('[renew.outage-is-no-verdict] degrades for a passing reason, backs off, and is told once', () => {
    const o = outcome(passing())
    expect(o.connection).toMatchObject({ status: 'degraded', status_reason: 'provider_unavailable' })
    expect(o.grant).toMatchObject({ failures: 1, due_at: at(1000), next_try_at: at(1000) })
    expect(o.tell).toBe('connection.degraded')
    const again = outcome(passing(), { connection: { status: 'degraded', status_reason: 'provider_unavailable' }, grant: { failures: 3 } })
    expect(again.connection).toEqual({})
    expect(again.tell).toBeNull()
    expect(again.grant.next_try_at).toEqual(at(8000))
  })
  it('[renew.retry-after] waits as long as it is told', () => {
    expect(outcome(passing(false, 120)).grant.next_try_at).toEqual(at(120_000))
    expect(outcome(passing(false, 1e9)).grant.next_try_at).toEqual(at(3_600_000))
  })
  it('remembers that the refresh token may be spent, except where none is', () => {
    expect(outcome(passing(true)).grant.maybe_spent).toBe(true)
    expect(outcome(passing(false), { grant: { maybe_spent: true } }).grant.maybe_spent).toBe(true)
    expect(outcome(passing(false)).grant.maybe_spent).toBe(false)
    expect(outcome(passing(true), { grant: { kind: 'jwt_bearer' } }).grant.maybe_spent).toBe(false)
  })
  it("[renew.client-refused] a refused client is the operator's, and no user is told to connect again", () => {
    const o = outcome({ ok: false, why: 'misconfigured', reason: 'client_refused', code: 'invalid_client' })
    expect(o).toMatchObject({ clientRefused: 'client_refused', tell: null, connection: { status: 'misconfigured' } })
    expect(o.grant.due_at).toEqual(at(900_000))
  })
  it('[renew.unknown-code] an unknown code is given up after five tries in a day, not before', () => {
    const unknown: Heard = { ok: false, why: 'unknown', code: 'odd' }
    expect(outcome(unknown)).toMatchObject({ connection: { status: 'degraded' }, grant: { unknown_failures: 1, unknown_since: at(0) } })
    expect(outcome(unknown, { grant: { unknown_failures: 9, unknown_since: at(-DAY + 1) } }).connection).toMatchObject({
      status: 'degraded',
    })
    expect(outcome(unknown, { grant: { unknown_failures: 3, unknown_since: at(-2 * DAY) } }).connection).toMatchObject({
      status: 'degraded',
    })
    expect(outcome(unknown, { grant: { unknown_failures: 4, unknown_since: at(-DAY) } }).connection).toMatchObject({
      status: 'reconnect',
      status_reason: 'unknown',
    })
  })
  it('too little scope is no dead grant', () => {
    expect(outcome({ ok: false, why: 'needs_scopes', code: 'insufficient_scope' })).toMatchObject({
      connection: { status: 'needs_scopes' },
      tell: 'connection.needs_scopes',
    })
  })
})

describe('dates', () => {
  const token = (seconds: number, over: object = {}) => ({ obtainedAt: NOW, expiresAt: NOW + seconds * S, refreshEndsAt: null, ...over })
  it('[renew.ahead] renews a minute or a tenth before the end, never later than half, earlier by chance', () => {
    expect(margin(3600 * S)).toBe(360 * S)
    expect(margin(300 * S)).toBe(60 * S)
    expect(margin(10 * S)).toBe(5 * S)
    expect(dueAt({ idleLimitS: null }, token(3600), NOW, 0)).toBe(NOW + 3240 * S)
    expect(dueAt({ idleLimitS: null }, token(3600), NOW, 1)).toBe(NOW + 2880 * S)
    expect(dueAt({ idleLimitS: null }, token(10), NOW, 1)).toBeGreaterThanOrEqual(NOW)
  })
  it('[renew.keep-alive] looks after an unused connection well inside of what the provider allows', () => {
    const idle = (idleLimitS: number | null, used: number) => (dueAt({ idleLimitS }, token(3600), used, 0) - NOW) / DAY
    expect(idle(182 * 86_400, NOW - 2 * DAY)).toBe(7)
    expect(idle(12 * 86_400, NOW - 2 * DAY)).toBe(2)
    expect(idle(182 * 86_400, NOW)).toBeLessThan(0.05)
    expect(idle(null, NOW - 90 * DAY)).toBeLessThan(0.05)
  })
  it('uses a refresh token that slides before it ends', () => {
    expect(dueAt({ idleLimitS: 182 * 86_400 }, token(3600, { refreshEndsAt: NOW + 1800 * S }), NOW - 30 * DAY, 0)).toBe(NOW + 900 * S)
  })
  it('[renew.hard-ends] knows the end that no renewal moves', () => {
    const dates = (p: Partial<OAuthProvider>, facts: object, more: object = {}) =>
      datesOf(
        { ...provider, ...p },
        { expiresInS: 3600, refreshExpiresInS: null, ...facts },
        { now: NOW, consentedAt: NOW - 10 * DAY, lastUsedAt: NOW, test: false, random: 0, renewable: true, ...more },
      ).ends_at
    expect(dates({ rotates: 'never', grantLifetimeS: 365 * 86_400 }, {})).toEqual(at(355 * DAY))
    expect(dates({ rotates: 'never', grantLifetimeS: 365 * 86_400 }, { refreshExpiresInS: 100 })).toEqual(at(100 * S))
    expect(dates({ rotates: 'never', testGrantLifetimeS: 7 * 86_400 }, {}, { test: true, consentedAt: NOW })).toEqual(at(7 * DAY))
    expect(dates({ rotates: 'always' }, { refreshExpiresInS: 1800 })).toBeNull()
    expect(dates({}, {}, { renewable: false })).toEqual(at(3600 * S))
  })
  it('takes the provider’s usual lifetime where the answer is silent', () => {
    expect(outcome(good({ expiresInS: null })).grant.access_expires_at).toEqual(at(3600 * S))
  })
  it('stops using a token just before its end', () => {
    expect(isOver(at(5000), 3600 * S, NOW)).toBe(true)
    expect(isOver(at(5001), 3600 * S, NOW)).toBe(false)
    expect(isOver(at(100), 1 * S, NOW)).toBe(true)
    expect(isOver(null, 0, NOW)).toBe(false)
  })
  it('spreads tries over the whole wait', () => {
    expect(nextTry(0, null, 0)).toBe(0)
    expect(nextTry(0, null, 1)).toBe(2000)
    expect(nextTry(60, null, 1)).toBe(900_000)
    expect(nextUnknownTry(0, 1)).toBe(300_000)
    expect(nextUnknownTry(9, 1)).toBe(6 * 3_600_000)
  })
})
