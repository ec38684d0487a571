import { type Judge, said, standardJudge, type Verdict, waitOf } from '../contract.ts'

type Told = Omit<Verdict, 'message'> & { says: string }

const NEW_KEY = 'Make a new key (Resend → API keys) and enter it for this connection.'
const denied = (status: number): Told =>
  status === 401
    ? {
        code: 'SCOPE_MISSING',
        says: 'this key may only send',
        hint: 'Give the connection a key with full access (Resend → API keys). For sending alone the present one is right.',
        details: { reason: 'permission' },
      }
    : { code: 'CREDENTIAL_REJECTED', says: 'the key is not active', hint: NEW_KEY }
const quota = (hint: string): Told => ({ code: 'UPSTREAM_INVALID', says: 'the quota is spent', hint, details: { reason: 'quota' } })

/**
 * Resend's name of an error says more than its status: a 401 can come for a living key that may only send, a 403 for a domain that is not
 * verified, a 429 for a quota that nobody should wait for within a run.
 */
const NAMED: Readonly<Record<string, (status: number) => Told>> = {
  invalid_api_key: () => ({ code: 'CREDENTIAL_REJECTED', says: 'rejected the key', hint: NEW_KEY }),
  missing_api_key: () => ({ code: 'CREDENTIAL_REJECTED', says: 'found no key', hint: NEW_KEY }),
  suspended_api_key: () => ({
    code: 'CREDENTIAL_REJECTED',
    says: 'the key is suspended',
    hint: 'Ask Resend why, or enter a key of another team.',
  }),
  restricted_api_key: denied,
  invalid_permission: () => ({
    code: 'SCOPE_MISSING',
    says: 'the key lacks a permission',
    hint: 'Give the connection a key with full access (Resend → API keys).',
    details: { reason: 'permission' },
  }),
  daily_quota_exceeded: () => quota('It starts anew within 24 hours; a larger plan has no daily quota.'),
  monthly_quota_exceeded: () => quota('Somebody has to take a larger plan, or the month has to end.'),
  email_above_quota: () => quota('Somebody has to take a larger plan.'),
  // Not a conflict for a person: the same mail is on its way already, and the next try with this key gets its answer.
  concurrent_idempotent_requests: () => ({
    code: 'UPSTREAM_ERROR',
    says: 'is still at work on this very request',
    details: { reason: 'in_progress' },
  }),
}

/** Resend's meaning of an answer: by name where the name decides, by status where it does not. */
export const judge: Judge = (heard) => {
  const { status, headers, body } = heard
  if (status < 300) return null
  const { name } = (typeof body === 'object' && body !== null ? body : {}) as { name?: unknown }
  const reason = said(body)
  const told =
    typeof name === 'string' ? (Object.hasOwn(NAMED, name) ? NAMED[name]?.(status) : byField(status, name, reason)) : edge(status, reason)
  if (told) {
    const { says, ...verdict } = told
    return { ...verdict, message: `Resend: ${says} (${status})${reason === '' ? '.' : `: ${reason}`}` }
  }
  const verdict = standardJudge(heard, 'Resend')
  return verdict?.code === 'UPSTREAM_RATE_LIMITED' ? { ...verdict, retryAfter: waitOf(headers) ?? resetOf(headers) } : verdict
}

/** `validation_error` is for fields, for senders that are not verified, and for keys that do not exist (as 400, or as 401 when sending). */
function byField(status: number, name: string, reason: string): Told | undefined {
  if (name !== 'validation_error') return undefined
  if (/^API key is invalid/i.test(reason)) return { code: 'CREDENTIAL_REJECTED', says: 'rejected the key', hint: NEW_KEY }
  if (status !== 403) return undefined
  return {
    code: 'UPSTREAM_INVALID',
    says: 'does not send from or to this address',
    hint: 'Send from a domain that is verified (Resend → Domains; list_domains shows them). Without one, mail goes to your own address only.',
    details: { reason: 'sender' },
  }
}

/** What stands before Resend's API answers a 403 in text, such as "error code: 1010": it says nothing of the key. */
const edge = (status: number, reason: string): Told | undefined =>
  status === 403 && /error code: 1\d{3}/i.test(reason)
    ? { code: 'UPSTREAM_ERROR', says: 'the request was stopped before its API' }
    : undefined

/** `ratelimit-reset` is a count of seconds here, not a time. */
function resetOf(headers: Headers): number {
  const seconds = Number(headers.get('ratelimit-reset') ?? '')
  // The window is one second long, so this is the least that helps.
  return Number.isFinite(seconds) && seconds > 0 ? Math.ceil(seconds) : 1
}
