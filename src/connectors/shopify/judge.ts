/** What Shopify's answers mean: its REST statuses, and the errors that its GraphQL says in a 200. */
import { type Judge, said, standardJudge, type Verdict } from '../contract.ts'

/** REST refills two calls a second on the smallest plan (REST rate limits); a wait that is not named is that of one call. */
const SHORT_WAIT_S = 1

/** The meaning of a REST answer, and of what stands in front of both APIs. */
export const judge: Judge = (heard) => {
  const { status, headers } = heard
  if (status < 300) return null
  const reason = reasonOf(heard.body)
  switch (status) {
    case 402:
      return denied('this shop is frozen until its owner pays the outstanding balance', status, reason)
    case 423:
      return denied('this shop is locked; Shopify support knows why', status, reason)
    case 403:
      return forbidden(reason)
    case 422:
      return /has already been taken/i.test(reason)
        ? { code: 'UPSTREAM_CONFLICT', message: `Shopify has this already (422): ${reason}` }
        : { code: 'UPSTREAM_INVALID', message: `Shopify did not accept the request (422)${tail(reason)}` }
    case 429:
      return { code: 'UPSTREAM_RATE_LIMITED', message: `Shopify asks us to slow down (429)${tail(reason)}`, retryAfter: waitOf(headers) }
    default:
      return standardJudge({ ...heard, body: { message: reason } }, 'Shopify')
  }
}

/** Seconds of `Retry-After`, which Shopify writes with a decimal point ("2.0"). */
function waitOf(headers: Headers): number {
  const seconds = Number.parseFloat(headers.get('retry-after') ?? '')
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : SHORT_WAIT_S
}

function forbidden(reason: string): Verdict {
  const scope = /merchant approval for (\w+) scope/.exec(reason)?.[1]
  if (scope !== undefined) return lacking([scope], `Shopify: the token lacks the scope ${scope} (403): ${reason}`)
  // The app itself has to be approved for people's data, whatever scopes its token has.
  if (/protected customer data/i.test(reason)) return denied('the app is not approved for protected customer data', 403, reason)
  return {
    code: 'SCOPE_MISSING',
    message: `Shopify does not allow this to the app (403)${tail(reason)}`,
    hint: 'Shopify answers so mostly when a scope is missing: give the app the scope that this needs, and install it again.',
    details: { reason: 'permission' },
  }
}

const lacking = (scopes: readonly string[], message: string): Verdict => ({
  code: 'SCOPE_MISSING',
  message,
  hint: `Give the app the scope ${scopes.join(', ')} in its configuration, and install the new version in the shop.`,
  details: { reason: 'permission', required_scopes: [...scopes] },
})

const denied = (why: string, status: number, reason: string): Verdict => ({
  code: 'SCOPE_MISSING',
  message: `Shopify: ${why} (${status})${tail(reason)}`,
  hint: 'The token is fine, and no scope helps here: somebody has to look at the shop or at the app in the Dev Dashboard.',
  details: { reason: 'denied' },
})

/** `errors` is a string, a list, or lists by field; OAuth has `error` and `error_description`. */
export function reasonOf(body: unknown): string {
  const errors = (body as { errors?: unknown } | null)?.errors
  if (errors === undefined || errors === null) return said(body)
  if (typeof errors === 'string') return said(errors)
  const of = (it: unknown): string[] => [it].flat().map((one) => (typeof one === 'string' ? one : said(one)))
  const parts = Array.isArray(errors)
    ? of(errors)
    : Object.entries(errors).flatMap(([field, it]) => of(it).map((one) => (field === 'base' ? one : `${field} ${one}`)))
  return said(parts.slice(0, 5).join('; '))
}

interface GraphqlError {
  message?: string
  extensions?: { code?: string; requiredAccess?: string }
}
interface UserError {
  code?: string | null
  field?: readonly string[] | null
  message?: string
}
interface GraphqlBody {
  data?: Record<string, { userErrors?: readonly UserError[] } | null> | null
  errors?: readonly GraphqlError[]
  extensions?: { cost?: Cost }
}
interface Cost {
  requestedQueryCost?: number
  throttleStatus?: { maximumAvailable?: number; currentlyAvailable?: number; restoreRate?: number }
}

/** The meaning of a GraphQL answer: `errors` first, then the `userErrors` of a mutation. */
export const judgeGraphql: Judge = (heard) => {
  if (heard.status >= 300) return judge(heard)
  const body = heard.body as GraphqlBody | null
  const [error] = Array.isArray(body?.errors) ? body.errors : []
  if (error !== undefined) return fault(error, body?.extensions?.cost)
  const wrong = Object.values(body?.data ?? {}).flatMap((it) => it?.userErrors ?? [])
  return wrong.length > 0 ? refused(wrong) : null
}

function fault({ message = '', extensions }: GraphqlError, cost: Cost | undefined): Verdict {
  const code = extensions?.code ?? ''
  switch (code) {
    case 'THROTTLED':
      return { code: 'UPSTREAM_RATE_LIMITED', message: `Shopify asks us to slow down: ${message}`, retryAfter: refillOf(cost) }
    case 'ACCESS_DENIED': {
      const scopes = [...`${extensions?.requiredAccess ?? message}`.matchAll(/`((?:un)?\w*(?:read|write)_\w+)`/g)].map((it) =>
        String(it[1]),
      )
      return scopes.length > 0
        ? lacking(scopes, `Shopify: the token lacks a scope: ${message}`)
        : denied('the app may not do this', 200, message)
    }
    case 'SHOP_INACTIVE':
      return denied('this shop is not active', 200, message)
    case 'INTERNAL_SERVER_ERROR':
    case 'TIMEOUT':
      return { code: 'UPSTREAM_ERROR', message: `Shopify has trouble of its own: ${message}`, details: { open: true } }
    default:
      return { code: 'UPSTREAM_INVALID', message: `Shopify did not accept the request${code === '' ? '' : ` (${code})`}: ${message}` }
  }
}

/** Seconds until the bucket holds what the query costs: points are restored at a steady rate (GraphQL rate limits). */
function refillOf(cost: Cost | undefined): number {
  const { currentlyAvailable = 0, restoreRate = 0 } = cost?.throttleStatus ?? {}
  const missing = (cost?.requestedQueryCost ?? 0) - currentlyAvailable
  return missing > 0 && restoreRate > 0 ? Math.ceil(missing / restoreRate) : SHORT_WAIT_S
}

/** Same key, other content; or a stock that has changed meanwhile. */
const CONFLICTS = new Set(['IDEMPOTENCY_KEY_PARAMETER_MISMATCH', 'CHANGE_FROM_QUANTITY_STALE'])
/** "Please try again": the first try with this key is still on its way, or nothing was tried. */
const PASSING = new Set(['IDEMPOTENCY_CONCURRENT_REQUEST', 'SERVICE_UNAVAILABLE'])

function refused(errors: readonly UserError[]): Verdict {
  const codes = errors.map((it) => it.code ?? '')
  const reason = errors
    .slice(0, 5)
    .map((it) => [it.field?.join('.'), it.message].filter((part) => part !== undefined && part !== '').join(': '))
    .join('; ')
  if (codes.some((it) => CONFLICTS.has(it))) return { code: 'UPSTREAM_CONFLICT', message: `Shopify reports a conflict: ${reason}` }
  if (codes.some((it) => PASSING.has(it))) {
    return { code: 'UPSTREAM_ERROR', message: `Shopify could not do this now: ${reason}`, retryAfter: SHORT_WAIT_S }
  }
  return { code: 'UPSTREAM_INVALID', message: `Shopify did not accept the request: ${reason}` }
}

const tail = (reason: string): string => (reason === '' ? '.' : `: ${reason}`)
