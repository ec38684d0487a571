/** What follows for a connection from the answer to a renewal. Pure: a table of what is written, and what is told. */
import { Fault } from '../base/errors.ts'
import type { OAuthProvider } from '../connectors/contract.ts'
import type { Obtained } from '../vault/index.ts'
import type { GrantRow } from './grant-rows.ts'
import type { ConnectionRow, Status } from './rows.ts'
import { dueAt, nextTry, nextUnknownTry, PROBE_EVERY_MS, UNKNOWN_FOR_MS, UNKNOWN_TRIES } from './schedule.ts'

/** An answer, or that none came. */
export type Heard = Obtained | { ok: false; why: 'unreachable'; code: string; maybeSpent: boolean; retryAfterS: number | null }

export interface Outcome {
  grant: Partial<GrantRow>
  connection: Partial<ConnectionRow>
  /** For the connection's own story. */
  event: { type: string; data: Record<string, unknown> }
  /** For the outside, when the state has changed. */
  tell: 'connection.recovered' | 'connection.degraded' | 'connection.reconnect_required' | 'connection.needs_scopes' | null
  /** The provider refuses the client: that of every connection that lives by it. */
  clientRefused: string | null
}

/** A state that an outage may turn into `degraded`, or that a renewal proves wrong. */
const UNPROVEN: readonly Status[] = ['unverified', 'degraded', 'misconfigured']

export const withAliases = (scopes: readonly string[], aliases: Readonly<Record<string, string>>): string[] => {
  const out = new Set(scopes)
  for (const [name, other] of Object.entries(aliases)) {
    if (out.has(name)) out.add(other)
    if (out.has(other)) out.add(name)
  }
  return [...out].sort()
}

/** Dates of a token that has just come. */
export function datesOf(
  provider: OAuthProvider,
  facts: { expiresInS: number | null; refreshExpiresInS: number | null },
  at: { now: number; consentedAt: number; lastUsedAt: number | null; test: boolean; random: number; renewable: boolean },
): Pick<GrantRow, 'access_obtained_at' | 'access_expires_at' | 'ends_at' | 'due_at'> {
  const expiresAt = at.now + (facts.expiresInS ?? provider.accessLifetimeS) * 1000
  const fixedS = at.test ? (provider.testGrantLifetimeS ?? provider.grantLifetimeS) : provider.grantLifetimeS
  const fixed = fixedS === null ? null : at.consentedAt + fixedS * 1000
  const told = facts.refreshExpiresInS === null ? null : at.now + facts.refreshExpiresInS * 1000
  // Where a renewal replaces the refresh token its end moves along: that is no end for people.
  const slides = provider.rotates !== 'never'
  const hard = !at.renewable ? expiresAt : slides ? fixed : (told ?? fixed)
  const due = dueAt(provider, { obtainedAt: at.now, expiresAt, refreshEndsAt: slides ? told : null }, at.lastUsedAt, at.random)
  return {
    access_obtained_at: new Date(at.now),
    access_expires_at: new Date(expiresAt),
    ends_at: hard === null ? null : new Date(hard),
    due_at: at.renewable ? new Date(due) : null,
  }
}

/** RFC 6749 §5.1: an answer that is silent grants what was asked for, as far as nothing was known before. */
function grantedBy(
  said: string[] | null,
  grant: GrantRow,
  was: ConnectionRow,
  provider: OAuthProvider,
): Pick<ConnectionRow, 'granted_scopes'> | object {
  const asked = was.granted_scopes === null && grant.asked_scopes?.length > 0 ? grant.asked_scopes : null
  const scopes = said ?? asked
  return scopes === null ? {} : { granted_scopes: withAliases(scopes, provider.scopeAliases) }
}

const SETTLED = { intent_version: null, intent_at: null } as const

export function outcomeOf(
  heard: Heard,
  was: { grant: GrantRow; connection: ConnectionRow },
  provider: OAuthProvider,
  at: { now: number; random: number; forced: boolean; test: boolean },
): Outcome {
  const { grant, connection } = was
  const since = new Date(at.now)
  const becomes = (status: Status, reason: string | null): Partial<ConnectionRow> =>
    status === connection.status && reason === connection.status_reason
      ? {}
      : { status, status_reason: reason, status_since: since, updated_at: since }
  const spent = (maybe: boolean) => grant.maybe_spent || (maybe && grant.kind !== 'client_credentials' && grant.kind !== 'jwt_bearer')
  const nothing = { tell: null, clientRefused: null } as const

  if (heard.ok) {
    const { facts } = heard
    const dates = datesOf(provider, facts, {
      ...at,
      consentedAt: grant.consented_at.getTime(),
      lastUsedAt: connection.last_used_at?.getTime() ?? null,
      renewable: true,
    })
    const version = connection.credential_version + 1
    const recovered = UNPROVEN.includes(connection.status)
    return {
      ...nothing,
      grant: {
        ...SETTLED,
        ...dates,
        failures: 0,
        unknown_failures: 0,
        unknown_since: null,
        next_try_at: null,
        last_problem: null,
        maybe_spent: false,
        forced_version: at.forced ? version : null,
      },
      connection: {
        credential_version: version,
        expires_at: dates.ends_at,
        ...grantedBy(facts.scopes, grant, connection, provider),
        ...(recovered ? becomes('active', null) : {}),
      },
      event: { type: 'refreshed', data: { credential_version: version, ...(at.forced ? { forced: true } : {}) } },
      tell: recovered && connection.status !== 'unverified' ? 'connection.recovered' : null,
    }
  }

  if (heard.why === 'permanent') {
    const machine = grant.kind === 'client_credentials' || grant.kind === 'jwt_bearer'
    const over = grant.ends_at !== null && grant.ends_at.getTime() <= at.now
    const reason = machine
      ? 'key_rejected'
      : heard.reason !== 'user_revoked'
        ? heard.reason
        : grant.maybe_spent && provider.rotates !== 'never'
          ? 'rotation_lost'
          : over
            ? 'expired'
            : 'user_revoked'
    return {
      grant: { ...SETTLED, due_at: null, next_try_at: null, last_problem: heard.code, failures: grant.failures + 1 },
      connection: becomes('reconnect', reason),
      event: { type: 'reconnect_required', data: { reason, code: heard.code } },
      tell: 'connection.reconnect_required',
      clientRefused: null,
    }
  }

  if (heard.why === 'misconfigured') {
    const probe = new Date(at.now + PROBE_EVERY_MS)
    return {
      ...nothing,
      grant: { ...SETTLED, due_at: probe, next_try_at: probe, last_problem: heard.code, failures: grant.failures + 1 },
      connection: becomes('misconfigured', heard.reason),
      event: { type: 'refresh_failed', data: { code: heard.code, reason: heard.reason } },
      clientRefused: heard.reason,
    }
  }

  if (heard.why === 'needs_scopes') {
    return {
      ...nothing,
      grant: { ...SETTLED, due_at: null, last_problem: heard.code },
      connection: becomes('needs_scopes', 'scopes'),
      event: { type: 'refresh_failed', data: { code: heard.code, reason: 'scopes' } },
      tell: connection.status === 'needs_scopes' ? null : 'connection.needs_scopes',
    }
  }

  const unknown = heard.why === 'unknown'
  const unknowns = unknown ? grant.unknown_failures + 1 : 0
  const first = unknown ? (grant.unknown_since?.getTime() ?? at.now) : at.now
  if (unknown && unknowns >= UNKNOWN_TRIES && at.now - first >= UNKNOWN_FOR_MS)
    return {
      grant: { ...SETTLED, due_at: null, next_try_at: null, last_problem: heard.code, failures: grant.failures + 1 },
      connection: becomes('reconnect', 'unknown'),
      event: { type: 'reconnect_required', data: { reason: 'unknown', code: heard.code, tries: unknowns } },
      tell: 'connection.reconnect_required',
      clientRefused: null,
    }
  const wait = unknown
    ? nextUnknownTry(unknowns - 1, at.random)
    : nextTry(grant.failures, 'retryAfterS' in heard ? heard.retryAfterS : null, at.random)
  const next = new Date(at.now + wait)
  const degrades = connection.status !== 'needs_scopes' && connection.status !== 'misconfigured'
  return {
    ...nothing,
    grant: {
      ...SETTLED,
      due_at: next,
      next_try_at: next,
      failures: grant.failures + 1,
      unknown_failures: unknown ? unknowns : grant.unknown_failures,
      unknown_since: unknown ? new Date(first) : grant.unknown_since,
      last_problem: heard.code,
      maybe_spent: spent('maybeSpent' in heard && heard.maybeSpent),
    },
    connection: degrades ? becomes('degraded', unknown ? 'provider_unclear' : 'provider_unavailable') : {},
    event: { type: 'refresh_failed', data: { code: heard.code, next_try_at: next.toISOString(), tries: grant.failures + 1 } },
    tell: degrades && connection.status !== 'degraded' ? 'connection.degraded' : null,
  }
}

/** No answer came. What is sure to have stayed here was not spent. */
export function unheard(error: unknown): Heard {
  if (!(error instanceof Fault)) throw error
  if (error.code === 'VAULT_SEALED') throw error // ours, and it left before anything was sent
  if (error.code === 'EGRESS_BLOCKED') return { ok: false, why: 'misconfigured', reason: 'endpoint_not_allowed', code: 'egress_blocked' }
  if (error.code === 'CREDENTIAL_MALFORMED') return { ok: false, why: 'permanent', reason: 'key_rejected', code: 'credential_malformed' }
  if (error.code === 'UNDECRYPTABLE') return { ok: false, why: 'permanent', reason: 'undecryptable', code: 'undecryptable' }
  const code = error.code === 'STEP_TIMED_OUT' || error.code === 'RUN_STOPPED' ? 'timed_out' : error.code.toLowerCase()
  return { ok: false, why: 'unreachable', code, maybeSpent: error.maybeDone, retryAfterS: null }
}
