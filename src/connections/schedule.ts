/** When a token is renewed, and when a failed renewal is tried again. Pure. */
import type { OAuthProvider } from '../connectors/contract.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** A renewal begins this long before the end: long enough for a provider that is away for a minute, and a tenth of long lifetimes. */
const MARGIN_MS = MINUTE_MS
const MARGIN_PART = 0.1
/** Tokens that were given together are not renewed together: each a little earlier, by up to this part of its lifetime. */
const JITTER_PART = 0.1
/** A connection that nobody uses is still looked after: a sixth of what the provider allows, and at least once a week. */
const IDLE_PART = 1 / 6
const IDLE_LOOK_MS = 7 * DAY_MS
/** Used within this time counts as in use: its token is kept fresh ahead of every expiry. */
const IN_USE_MS = DAY_MS
/** A token that ends within this time is not sent any more: it would end on its way. */
const ON_THE_WAY_MS = 5_000

/** Waits after failures: the first soon, for a provider that restarts; the longest short enough that nobody is kept from working. */
const FIRST_WAIT_MS = 2_000
const LONGEST_WAIT_MS = 15 * MINUTE_MS
/** An error code that nobody knows may well be final: it is asked rarely, and given up after five tries in at least a day. */
const UNKNOWN_FIRST_MS = 5 * MINUTE_MS
const UNKNOWN_LONGEST_MS = 6 * 60 * MINUTE_MS
export const UNKNOWN_TRIES = 5
export const UNKNOWN_FOR_MS = DAY_MS
/** What a provider asks us to wait is believed up to this. */
const RETRY_AFTER_CAP_MS = 60 * MINUTE_MS
/** A client that was refused is tried again this often: its secret may have been mended at the provider's side. */
export const PROBE_EVERY_MS = 15 * MINUTE_MS
/** People are told this many days before the end. */
export const WARN_DAYS = [30, 7, 1] as const

export const margin = (lifetimeMs: number): number => Math.min(Math.max(MARGIN_MS, lifetimeMs * MARGIN_PART), lifetimeMs / 2)

/** Too late to use. */
export const isOver = (expiresAt: Date | null, lifetimeMs: number, now: number): boolean =>
  expiresAt !== null && now >= expiresAt.getTime() - Math.min(ON_THE_WAY_MS, lifetimeMs / 10)

/**
 * When to renew without being asked. `idle` limits come from the provider's facts: where they are not known, a token is always renewed
 * before it expires, because its refresh token may not live longer.
 */
export function dueAt(
  facts: Pick<OAuthProvider, 'idleLimitS'>,
  token: { obtainedAt: number; expiresAt: number; refreshEndsAt: number | null },
  lastUsedAt: number | null,
  random: number,
): number {
  const lifetime = Math.max(0, token.expiresAt - token.obtainedAt)
  const ahead = token.expiresAt - margin(lifetime) - random * JITTER_PART * lifetime
  const inUse = token.obtainedAt - (lastUsedAt ?? token.obtainedAt) < IN_USE_MS
  const look = facts.idleLimitS === null ? null : Math.min(facts.idleLimitS * 1000 * IDLE_PART, IDLE_LOOK_MS)
  const idle = inUse || look === null ? ahead : Math.max(ahead, token.obtainedAt + look * (1 - random * JITTER_PART))
  // A refresh token that slides (each renewal lengthens it) is used at half of its life at the latest.
  const sliding = token.refreshEndsAt === null ? Number.POSITIVE_INFINITY : token.obtainedAt + (token.refreshEndsAt - token.obtainedAt) / 2
  return Math.round(Math.max(token.obtainedAt, Math.min(idle, sliding)))
}

/** Full jitter (0 to the wait), so that those who failed together do not come back together; never before the provider wants it. */
export function nextTry(failures: number, retryAfterS: number | null, random: number): number {
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures, 20))
  return Math.max(Math.min(RETRY_AFTER_CAP_MS, (retryAfterS ?? 0) * 1000), Math.round(wait * random))
}
export const nextUnknownTry = (failures: number, random: number): number =>
  Math.round(Math.min(UNKNOWN_LONGEST_MS, UNKNOWN_FIRST_MS * 4 ** Math.min(failures, 10)) * (0.5 + random / 2))
