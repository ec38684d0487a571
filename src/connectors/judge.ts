/** What an HTTP answer means: pure functions over status, headers and body, so that odd vendors become rows of a table test. */
import type { FaultCode } from '../base/errors.ts'

/** An answer as it is judged. `body` is parsed JSON, text, or null when there is none. */
export interface Heard {
  status: number
  headers: Headers
  body: unknown
}

export interface Verdict {
  code: FaultCode
  /** One sentence for people. */
  message: string
  hint?: string
  /** Seconds to wait before another try, where the vendor says so. */
  retryAfter?: number
  details?: Record<string, unknown>
}

/** null: nothing to object to (2xx), or no opinion (then the standard judge has one). */
export type Judge = (heard: Heard) => Verdict | null

/** The longest part of a vendor's own sentence that is passed on: enough for any reason, too little for a dump. */
const SENTENCE = 300

/** The vendor's own sentence in an error body, on one line and cut to 300 characters; '' when there is none. */
export function said(body: unknown): string {
  return sentence(body)
    .replace(/[\s\u0000-\u001f\u007f]+/g, ' ')
    .trim()
    .slice(0, SENTENCE)
}

function sentence(body: unknown): string {
  if (typeof body === 'string') return body
  if (typeof body !== 'object' || body === null) return ''
  const it = body as Record<string, unknown>
  for (const key of ['message', 'error_description', 'detail', 'error', 'title']) {
    const found = typeof it[key] === 'object' ? sentence(it[key]) : it[key]
    if (typeof found === 'string' && found !== '') return found
  }
  return Array.isArray(it.errors) ? sentence(it.errors[0]) : ''
}

/** `sentence: reason`, without the tail when the vendor said nothing. */
export const because = (start: string, reason: string): string => (reason === '' ? `${start}.` : `${start}: ${reason}`)

/**
 * Seconds to wait that the headers ask for. `Retry-After` (RFC 9110 §10.2.3, seconds or a date) comes first, then `reset`, the
 * vendor's header with the epoch second at which its limit starts anew. Dates are read against the answer's own `Date`, so that a
 * clock that is off on our side does no harm. undefined: the headers do not say.
 */
export function waitOf(headers: Headers, reset?: string): number | undefined {
  const now = Date.parse(headers.get('date') ?? '')
  const after = headers.get('retry-after')
  if (after !== null) {
    const seconds = /^\d+$/.test(after.trim()) ? Number(after) : (Date.parse(after) - now) / 1000
    if (Number.isFinite(seconds)) return Math.max(0, Math.ceil(seconds))
  }
  const at = reset === undefined ? null : headers.get(reset)
  if (at === null || !/^\d+$/.test(at.trim()) || !Number.isFinite(now)) return undefined
  return Math.max(0, Math.ceil(Number(at) - now / 1000))
}

/** The number in `page=` of the `rel="next"` link (RFC 8288); null on the last page. */
export function nextPage(headers: Headers): number | null {
  for (const link of (headers.get('link') ?? '').matchAll(/<([^>]*)>([^<]*)/g)) {
    if (!/;\s*rel="?next"?/i.test(link[2] ?? '')) continue
    const page = /[?&]page=(\d+)/.exec(link[1] ?? '')
    return page === null ? null : Number(page[1])
  }
  return null
}

const STANDARD: Readonly<Record<number, [FaultCode, string]>> = {
  401: ['CREDENTIAL_REJECTED', 'rejected the credential'],
  403: ['SCOPE_MISSING', 'does not allow this to the connected account'],
  404: ['UPSTREAM_NOT_FOUND', 'has no such thing'],
  408: ['UPSTREAM_ERROR', 'gave up waiting for the request'],
  409: ['UPSTREAM_CONFLICT', 'reports a conflict'],
  410: ['UPSTREAM_NOT_FOUND', 'no longer has this'],
  412: ['UPSTREAM_CONFLICT', 'reports that this has changed meanwhile'],
  429: ['UPSTREAM_RATE_LIMITED', 'asks us to slow down'],
}

/** The meaning of a status where a vendor has no peculiarity: a table, from 400 to 5xx. A redirect that arrives here was not followed. */
export function standardJudge({ status, headers, body }: Heard, vendor = 'The service'): Verdict | null {
  if (status < 300) return null
  const [code, does]: [FaultCode, string] =
    STANDARD[status] ??
    (status < 400
      ? ['UPSTREAM_ERROR', 'answered with a redirect, which is not followed']
      : status < 500
        ? ['UPSTREAM_INVALID', 'did not accept the request']
        : ['UPSTREAM_ERROR', 'has trouble of its own'])
  const retryAfter = status === 429 || status >= 500 ? waitOf(headers) : undefined
  return { code, message: because(`${vendor} ${does} (${status})`, said(body)), ...(retryAfter === undefined ? {} : { retryAfter }) }
}
