/**
 * What Google's stubs have in common: tokens, scopes, and the two forms of its error bodies. Written from the vendor's own texts, apart
 * from the connectors:
 * - [gmail], [calendar] "Resolve errors" of each API: bodies of 400, 401, 403, 404, 409, 410, 412, 429
 * - [rpc] google.rpc.ErrorInfo and RetryInfo, as APIs on Google's newer front end send them
 * - [seen] in answers that users of these APIs quote: insufficientPermissions beside ACCESS_TOKEN_SCOPE_INSUFFICIENT, accessNotConfigured
 *   beside SERVICE_DISABLED, "Retry after <time>" in Gmail's sentence, "Unknown name … Cannot find field.", the page of an unknown path
 * Not known, so chosen: the order of Google's checks, and that unknown query parameters are always refused.
 */
import { type Credential, type Recorded, type Reply, type Route, type Stub, startStub, type Vendor } from './stub.ts'

const at = (name: string) => (name.startsWith('https:') ? name : `https://www.googleapis.com/auth/${name}`)

/** Made up, in the form that Google's access tokens have. */
const made = (word: string) => `ya29.${word.padEnd(10, '0').repeat(6)}`

/** `valid` has every scope that the four services ask for, `narrow` none of them. */
export const tokens = { valid: made('Valid'), expired: made('Expired'), revoked: made('Revoked'), narrow: made('Narrow') }

const IDENTITY = ['openid', at('userinfo.email'), at('userinfo.profile')]
const ALL = [
  ...['gmail.send', 'gmail.readonly', 'drive', 'spreadsheets', 'drive.metadata.readonly'],
  ...['calendar.events', 'calendar.freebusy', 'calendar.calendarlist'],
]
const credential = (names: readonly string[], state: Credential['state'] = 'valid'): Credential => ({
  state,
  kind: 'access token',
  scopes: [...IDENTITY, ...names.map(at)],
})
const credentials: Record<string, Credential> = {
  [tokens.valid]: credential(ALL),
  [tokens.expired]: credential(ALL, 'expired'),
  [tokens.revoked]: credential(ALL, 'revoked'),
  [tokens.narrow]: credential([]),
}

/** A token with just these scopes, by the end of their names or in full. */
export function granted(...names: string[]): string {
  const token = made(`Only${Object.keys(credentials).length}`)
  credentials[token] = credential(names)
  return token
}

export interface Told {
  /** Makes it a body of the older form, with `errors`. */
  reason?: string
  domain?: string
  location?: string
  locationType?: string
  /** The gRPC name of the status, which the newer front end sends. */
  status?: string
  details?: readonly object[]
}

/** An error in Google's words. */
export function error(code: number, message: string, told: Told = {}): Reply {
  const { status, details, reason, domain = 'global', location, locationType } = told
  const where = location === undefined ? {} : { locationType: locationType ?? 'parameter', location }
  return {
    status: code,
    body: {
      error: {
        ...(reason === undefined ? {} : { errors: [{ domain, reason, message, ...where }] }),
        code,
        message,
        ...(status === undefined ? {} : { status }),
        ...(details === undefined ? {} : { details }),
      },
    },
  }
}

const errorInfo = (reason: string, metadata: object) => ({
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason,
  domain: 'googleapis.com',
  metadata,
})

const CONSOLE = 'https://console.developers.google.com/apis/api/calendar-json.googleapis.com/overview?project=1234'

/** Ready-made refusals, for `stub.next({ kind: 'reply', reply })`. */
export const replies = {
  /** [gmail], [calendar] 403, of the given kind: rateLimitExceeded, userRateLimitExceeded, dailyLimitExceeded, quotaExceeded. */
  limited: (reason: string, message = 'Rate Limit Exceeded') => error(403, message, { domain: 'usageLimits', reason }),
  tooMany: (retryAfter?: number): Reply => ({
    ...error(429, 'Too many concurrent requests for user', { domain: 'usageLimits', reason: 'rateLimitExceeded' }),
    headers: retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) },
  }),
  /** [seen] Gmail's own limits, with the time in the sentence; `now` is the answer's Date. */
  userLimit: (now: Date, seconds: number): Reply => ({
    ...error(429, `User-rate limit exceeded.  Retry after ${new Date(now.getTime() + seconds * 1000).toISOString()}`, {
      domain: 'usageLimits',
      reason: 'userRateLimitExceeded',
    }),
    headers: { date: now.toUTCString() },
  }),
  /** [rpc] */
  exhausted: (retryDelay: string) =>
    error(429, "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user'.", {
      status: 'RESOURCE_EXHAUSTED',
      details: [
        errorInfo('RATE_LIMIT_EXCEEDED', { quota_limit: 'ReadRequestsPerMinutePerUser' }),
        { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay },
      ],
    }),
  /** [seen] */
  apiDisabled: () =>
    error(403, `Google Calendar API has not been used in project 1234 before or it is disabled. Enable it by visiting ${CONSOLE}`, {
      domain: 'usageLimits',
      reason: 'accessNotConfigured',
      status: 'PERMISSION_DENIED',
      details: [errorInfo('SERVICE_DISABLED', { service: 'calendar-json.googleapis.com', consumer: 'projects/1234' })],
    }),
  /** [gmail] */
  domainPolicy: () => error(403, 'The domain administrators have disabled Gmail apps.', { reason: 'domainPolicy' }),
  denied: (reason: string, message: string) => error(403, message, { domain: 'calendar', reason }),
  /** [seen] An account without a mailbox. */
  noMailbox: () => error(400, 'Mail service not enabled', { reason: 'failedPrecondition', status: 'FAILED_PRECONDITION' }),
}

/** [seen] `message` and `reason` of the older form beside `status` and `details` of the newer, and the challenge of RFC 6750. */
function scopeMissing(_: Credential, scopes: readonly string[]): Reply {
  const refused = error(403, 'Request had insufficient authentication scopes.', {
    reason: 'insufficientPermissions',
    status: 'PERMISSION_DENIED',
    details: [errorInfo('ACCESS_TOKEN_SCOPE_INSUFFICIENT', { service: 'googleapis.com' })],
  })
  const challenge = `Bearer realm="https://accounts.google.com/", error="insufficient_scope", scope="${scopes.join(' ')}"`
  return { ...refused, headers: { 'www-authenticate': challenge } }
}

const PAGE = '<!DOCTYPE html>\n<html lang=en><title>Error 404 (Not Found)!!1</title><p><b>404.</b> <ins>That’s an error.</ins>'

/** A stub of one of Google's APIs. `more` changes what that API does otherwise. */
export const google = (routes: readonly Route[], more: Partial<Vendor> = {}): Promise<Stub> =>
  startStub({
    routes,
    credentials,
    credentialOf: (req: Recorded) => /^Bearer (\S+)$/.exec(req.headers.authorization ?? '')?.[1] ?? null,
    demand: () => null,
    unauthorized: () => ({
      ...error(401, 'Invalid Credentials', {
        reason: 'authError',
        location: 'Authorization',
        locationType: 'header',
        status: 'UNAUTHENTICATED',
      }),
      headers: { 'www-authenticate': 'Bearer realm="https://accounts.google.com/", error="invalid_token"' },
    }),
    unknownRoute: () => ({ status: 404, headers: { 'content-type': 'text/html; charset=UTF-8' }, body: PAGE }),
    unknownField: (name) =>
      error(
        400,
        `Invalid JSON payload received. Unknown name "${name}": Cannot bind query parameter. Field '${name}' could not be found in request message.`,
        {
          reason: 'badRequest',
          status: 'INVALID_ARGUMENT',
        },
      ),
    scopeMissing,
    always: () => ({}),
    ...more,
  })
