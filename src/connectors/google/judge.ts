import { type Judge, said, standardJudge, type Verdict, waitOf } from '../contract.ts'

/** Google counts per minute ("Usage limits" of each API), and its Service Usage guidance asks for at least 30 s after a 429. */
const MINUTE_QUOTA_WAIT_S = 30
/** Day quotas and sharing limits come back some time within a day; asking once an hour finds out without adding load. */
const DAY_QUOTA_WAIT_S = 3600

/** `reason` of a 403 ("Resolve errors" of Gmail, Drive and Calendar; `google.rpc.ErrorInfo`) that only asks to slow down. */
const SLOW_DOWN: ReadonlyMap<string, number> = new Map([
  ['rateLimitExceeded', MINUTE_QUOTA_WAIT_S],
  ['userRateLimitExceeded', MINUTE_QUOTA_WAIT_S],
  ['RATE_LIMIT_EXCEEDED', MINUTE_QUOTA_WAIT_S],
  ['dailyLimitExceeded', DAY_QUOTA_WAIT_S],
  ['quotaExceeded', DAY_QUOTA_WAIT_S],
  ['sharingRateLimitExceeded', DAY_QUOTA_WAIT_S],
])
const SCOPES = new Set(['insufficientPermissions', 'insufficientScopes', 'ACCESS_TOKEN_SCOPE_INSUFFICIENT'])
const SWITCHED_OFF = new Set(['accessNotConfigured', 'SERVICE_DISABLED'])

/** What helps against a `reason` that is not about scopes. */
const HELPS: ReadonlyMap<string, string> = new Map([
  ['domainPolicy', "The administrators of the account's organization must trust the app: Google Admin console → Security → API controls."],
  [
    'appNotAuthorizedToFile',
    'Under the scope drive.file only files that this app made are seen: connect the account with the scope drive.',
  ],
  ['forbiddenForNonOrganizer', 'Only the organizer of the event may change this: use the calendar that it was made in.'],
  ['storageQuotaExceeded', "The account's storage is full: somebody must make room in it."],
])
const NO_SCOPE_HELPS = 'No scope helps here: look at the rights that the account has in this file, calendar or mailbox.'
/** Gmail's own, without a `reason` of its own: the scope that forbids is stronger than those that would allow. */
const METADATA_HELP = 'Connect the account without gmail.metadata: while a token has it, Gmail shows no content and takes no query.'

/**
 * Google's meaning of an answer. A 403 is many things, told apart by `reason` and not by its sentence: a rate limit, a scope that the
 * token lacks, an API that the Cloud project has not switched on, or something that this account may not do. Only the second is
 * helped by another consent.
 */
export const judge: Judge = (heard) => {
  const { status, headers, body } = heard
  if (status < 300) return null
  const { reasons, state, retryAfter } = errorOf(body)
  const message = said(body)
  const wait = reasons.map((it) => SLOW_DOWN.get(it)).find((it) => it !== undefined)
  if (status === 429 || (status === 403 && wait !== undefined)) {
    return {
      code: 'UPSTREAM_RATE_LIMITED',
      message: sentence('Google asks us to slow down', status, message),
      retryAfter: waitOf(headers) ?? retryAfter ?? until(message, headers) ?? wait ?? MINUTE_QUOTA_WAIT_S,
    }
  }
  if (status === 403) return forbidden(reasons, state, message, headers)
  if (status === 400 && reasons.includes('failedPrecondition')) {
    return {
      code: 'UPSTREAM_INVALID',
      message: sentence('Google cannot do this in the present state of the account', status, message),
      hint: 'Open the service once in a browser with this account: it may be switched off for it, or never used.',
      details: { reason: 'failedPrecondition' },
    }
  }
  return standardJudge(heard, 'Google')
}

function forbidden(reasons: readonly string[], state: string, message: string, headers: Headers): Verdict {
  const has = (set: ReadonlySet<string>) => reasons.some((it) => set.has(it))
  // RFC 6750 §3.1. Google's newer front ends name every scope that would do.
  const challenge = headers.get('www-authenticate') ?? ''
  if (has(SCOPES) || /error="?insufficient_scope/.test(challenge)) {
    const accepted = /scope="([^"]*)"/.exec(challenge)?.[1]?.split(' ')
    return {
      code: 'SCOPE_MISSING',
      message: sentence('Google: the connection was not granted what this needs', 403, message),
      hint: 'Connect the account again and leave every box ticked.',
      details: { reason: 'scope', ...(accepted === undefined ? {} : { accepted_scopes: accepted }) },
    }
  }
  if (has(SWITCHED_OFF)) {
    return {
      code: 'UPSTREAM_INVALID',
      message: sentence('Google: this API is not switched on in the Cloud project of the OAuth app', 403, message),
      hint: 'For the operator: Google Cloud console → APIs & Services → Library, enable the API, and wait a few minutes.',
      details: { reason: 'api_disabled' },
    }
  }
  const denied = sentence('Google does not allow this to the connected account', 403, message)
  const known = reasons[0] ?? state
  if (known === '') return { code: 'SCOPE_MISSING', message: denied, details: { reason: 'denied' } }
  // Not SCOPE_MISSING: that would send a person to a consent page, in vain.
  return {
    code: 'UPSTREAM_INVALID',
    message: denied,
    hint: HELPS.get(known) ?? (message.startsWith('Metadata scope') ? METADATA_HELP : NO_SCOPE_HELPS),
    details: { reason: known },
  }
}

/** `error.errors[].reason` of the older APIs, `error.details[].reason` (google.rpc.ErrorInfo) and `retryDelay` (RetryInfo) of the newer. */
function errorOf(body: unknown): { reasons: string[]; state: string; retryAfter: number | undefined } {
  const error = (body as { error?: { status?: unknown; errors?: unknown; details?: unknown } } | null)?.error
  const parts = [error?.details, error?.errors].flatMap((it): unknown[] => (Array.isArray(it) ? it : []))
  const all = (name: string) => parts.map((it) => (it as Record<string, unknown> | null)?.[name]).filter((it) => typeof it === 'string')
  const delay = /^(\d+(?:\.\d+)?)s$/.exec(all('retryDelay')[0] ?? '')?.[1]
  return {
    reasons: all('reason'),
    state: typeof error?.status === 'string' ? error.status : '',
    retryAfter: delay === undefined ? undefined : Math.ceil(Number(delay)),
  }
}

/** Gmail tells its per-user limits only in the sentence: "Retry after 2026-01-21T12:57:51.196Z". */
function until(message: string, headers: Headers): number | undefined {
  const seconds = (Date.parse(/Retry after (\S+Z)/.exec(message)?.[1] ?? '') - Date.parse(headers.get('date') ?? '')) / 1000
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined
}

const sentence = (start: string, status: number, reason: string): string => `${start} (${status})${reason === '' ? '.' : `: ${reason}`}`
