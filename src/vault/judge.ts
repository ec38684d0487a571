/**
 * The half that judges: what a token endpoint's answer means. Pure, so that odd providers are rows of a table test. The other half,
 * `oauth.ts`, asks.
 */

/** An answer as it came off the wire, whole. */
export interface TokenAnswer {
  status: number
  /** The media type, without parameters. */
  type: string
  body: string
  /** Seconds, from Retry-After. */
  retryAfterS: number | null
}

/** What a provider's refusal means. */
export type Refusal =
  | { class: 'permanent'; reason: string }
  | { class: 'misconfigured'; reason: string }
  | { class: 'transient' }
  | { class: 'needs_scopes' }

/** A row matches when each property that it has fits the answer. `description` is looked for inside of error_description. */
export interface RefusalRow {
  error?: string
  /** Google says `error_subtype`. */
  subtype?: string
  description?: RegExp
  status?: number
  means: Refusal
}

export interface Tokens {
  access: string
  /** null: the answer has none, so an earlier one stays (RFC 6749 §6). */
  refresh: string | null
  idToken: string | null
  /** null: the answer does not say. */
  expiresInS: number | null
  /** null: as asked for (RFC 6749 §5.1). */
  scopes: string[] | null
  /** Seconds until only a person helps, where the answer says so (`refresh_token_expires_in`, `refresh_expires_in`). */
  refreshExpiresInS: number | null
}

/**
 * `permanent`: only a person's consent helps. `misconfigured`: our own client is refused, which is the operator's. `transient`: nobody
 * can say yet; `maybeSpent` when the refresh token may have been used up all the same. `unknown`: an error code that is in no table.
 */
export type Judgement =
  | { ok: true; tokens: Tokens }
  | { ok: false; why: 'permanent'; reason: string; code: string }
  | { ok: false; why: 'misconfigured'; reason: string; code: string }
  | { ok: false; why: 'needs_scopes'; code: string }
  | { ok: false; why: 'transient'; code: string; retryAfterS: number | null; maybeSpent: boolean }
  | { ok: false; why: 'unknown'; code: string }

const permanent = (reason: string): Refusal => ({ class: 'permanent', reason })
const misconfigured = (reason: string): Refusal => ({ class: 'misconfigured', reason })
const transient: Refusal = { class: 'transient' }

/** RFC 6749 §5.2, RFC 8628 §3.5, RFC 8707 §2, OpenID Connect Core §3.1.2.6; the order matters, the first that fits decides. */
export const STANDARD: readonly RefusalRow[] = [
  { error: 'invalid_grant', description: /\bexpired\b(?!.*\brevoked\b)/i, means: permanent('expired') },
  { error: 'invalid_grant', description: /admin|policy|organi[sz]ation/i, means: permanent('admin_policy') },
  { error: 'invalid_grant', means: permanent('user_revoked') },
  { error: 'access_denied', means: permanent('user_revoked') },
  { error: 'interaction_required', means: permanent('consent_required') },
  { error: 'consent_required', means: permanent('consent_required') },
  { error: 'login_required', means: permanent('consent_required') },
  { error: 'invalid_client', means: misconfigured('client_refused') },
  { error: 'unauthorized_client', means: misconfigured('client_not_allowed') },
  { error: 'unsupported_grant_type', means: misconfigured('grant_not_supported') },
  { error: 'invalid_scope', means: misconfigured('scope_not_known') },
  { error: 'invalid_target', means: misconfigured('resource_not_known') },
  { error: 'redirect_uri_mismatch', means: misconfigured('redirect_not_registered') },
  { error: 'insufficient_scope', means: { class: 'needs_scopes' } },
  { error: 'temporarily_unavailable', means: transient },
  { error: 'server_error', means: transient },
  { error: 'slow_down', means: transient },
]

/** Ten years: beyond it a lifetime is a mistake or "for ever", and dates begin to overflow. */
const LONGEST_S = 315_360_000
/** Longer than any token seen; ten of them fit the cap of an answer. */
const LONGEST_TOKEN = 32_768

export function judge(answer: TokenAnswer, rows: readonly RefusalRow[] = []): Judgement {
  const { status } = answer
  const passing = (code: string, maybeSpent: boolean): Judgement => ({
    ok: false,
    why: 'transient',
    code,
    retryAfterS: answer.retryAfterS,
    maybeSpent,
  })
  const said = flattened(read(answer))
  const error = typeof said?.error === 'string' ? said.error : null
  if (said !== null && error !== null) {
    const { error_description: told, error_subtype: subtype } = said
    const description = typeof told === 'string' ? told : ''
    const fits = (row: RefusalRow) =>
      (row.error === undefined || row.error === error) &&
      (row.subtype === undefined || row.subtype === subtype) &&
      (row.status === undefined || row.status === status) &&
      (row.description === undefined || row.description.test(description))
    const found = [...rows, ...STANDARD].find(fits)?.means
    const code = codeOf(error)
    if (found?.class === 'permanent') return { ok: false, why: 'permanent', reason: found.reason, code }
    if (found?.class === 'misconfigured') return { ok: false, why: 'misconfigured', reason: found.reason, code }
    if (found?.class === 'needs_scopes') return { ok: false, why: 'needs_scopes', code }
    if (found !== undefined || status >= 500 || status === 429 || status === 408) return passing(code, status >= 500)
    return { ok: false, why: 'unknown', code }
  }
  if (status === 429 || status === 408) return passing(`http_${status}`, false)
  if (status >= 200 && status < 300) {
    const tokens = said === null ? null : tokensOf(said)
    // A refresh token may have been exchanged for what we cannot read.
    return tokens === null ? passing(said === null ? 'not_json' : 'no_token', true) : { ok: true, tokens }
  }
  // Pages of proxies, redirects, servers in trouble: they condemn nothing.
  if (said === null || status >= 500 || status < 400) return passing(`http_${status}`, status >= 500)
  return { ok: false, why: 'unknown', code: `http_${status}` }
}

/** Meta nests its errors (Graph API, "Handle errors"): code, subcode and message take the places of the standard's three. */
function flattened(said: Record<string, unknown> | null): Record<string, unknown> | null {
  const error = said?.error as { code?: unknown; error_subcode?: unknown; message?: unknown } | string | null | undefined
  if (typeof error !== 'object' || error === null || typeof error.code !== 'number') return said
  const subcode = error.error_subcode === undefined ? {} : { error_subtype: String(error.error_subcode) }
  return { error: String(error.code), ...subcode, error_description: error.message }
}

/** Error codes go to logs and events: short and plain, whatever was sent. */
const codeOf = (error: string): string => (/^[a-z0-9_.-]{1,64}$/i.test(error) ? error : 'unreadable_code')

function read({ type, body }: TokenAnswer): Record<string, unknown> | null {
  if (type === 'application/x-www-form-urlencoded' && !body.trimStart().startsWith('{'))
    return Object.fromEntries(new URLSearchParams(body))
  try {
    const parsed: unknown = JSON.parse(body)
    return parsed !== null && typeof parsed === 'object' && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : null
  } catch {
    // Shopify says its errors in a page: "Oauth error app_not_installed: The application is not installed on this shop."
    const [, error, error_description] = /\bOauth error ([a-z_]{1,64})\b(?::\s*([^<]{1,300}))?/.exec(body) ?? []
    return error === undefined ? null : { error, error_description }
  }
}

function tokensOf(said: Record<string, unknown>): Tokens | null {
  const access = token(said.access_token)
  if (access === null) return null
  // RFC 6750 is all that we speak; some providers leave the type out.
  if (typeof said.token_type === 'string' && said.token_type.toLowerCase() !== 'bearer') return null
  return {
    access,
    refresh: token(said.refresh_token),
    idToken: token(said.id_token),
    expiresInS: seconds(said.expires_in),
    scopes: typeof said.scope === 'string' && said.scope.trim() !== '' ? scopesIn(said.scope) : null,
    refreshExpiresInS: seconds(said.refresh_token_expires_in) ?? seconds(said.refresh_expires_in),
  }
}

/** RFC 6749 Appendix A.12: visible ASCII; anything else could not be put into a header. */
const token = (value: unknown): string | null =>
  typeof value === 'string' && value.length <= LONGEST_TOKEN && /^[\x21-\x7e]+$/.test(value) ? value : null

/** RFC 6749 §3.3 separates by spaces; LinkedIn by commas. */
export const scopesIn = (text: string): string[] => [...new Set(text.split(/[\s,]+/).filter((s) => s !== ''))]

function seconds(value: unknown): number | null {
  const n = typeof value === 'string' && /^\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : value
  return typeof n === 'number' && Number.isFinite(n) && n > 0 ? Math.min(Math.floor(n), LONGEST_S) : null
}

export interface Account {
  id: string
  label: string
}

/** OpenID Connect Core §5.1: `sub` is what stays the same; the rest is for people. */
export function accountOf(claims: Record<string, unknown> | null): Account | null {
  if (claims === null || (typeof claims.sub !== 'string' && typeof claims.sub !== 'number')) return null
  const label = [claims.email, claims.name, claims.preferred_username].find((it) => typeof it === 'string' && it !== '')
  return { id: String(claims.sub), label: typeof label === 'string' ? label.slice(0, 200) : String(claims.sub) }
}
