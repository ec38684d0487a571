/**
 * Every failure a caller may meet. One row is one HTTP status, one CLI exit code and one answer to "is trying again sensible".
 * The codes are part of the API: they are pinned as literals by a test.
 */
export const FAULTS = {
  BAD_REQUEST: { http: 400, exit: 2, retry: false },
  INVALID_INPUT: { http: 400, exit: 2, retry: false },
  UNAUTHENTICATED: { http: 401, exit: 3, retry: false },
  TOKEN_EXPIRED: { http: 401, exit: 3, retry: false },
  BAD_SIGNATURE: { http: 401, exit: 3, retry: false },
  STALE_SIGNATURE: { http: 401, exit: 3, retry: false },
  FORBIDDEN: { http: 403, exit: 3, retry: false },
  NOT_FOUND: { http: 404, exit: 4, retry: false },
  METHOD_NOT_ALLOWED: { http: 405, exit: 2, retry: false },
  CONFLICT: { http: 409, exit: 5, retry: false },
  CONNECTION_IN_USE: { http: 409, exit: 5, retry: false },
  INSTANCE_IN_USE: { http: 409, exit: 5, retry: false },
  DRAFT_CHANGED: { http: 409, exit: 5, retry: false },
  IDEMPOTENCY_CONFLICT: { http: 409, exit: 5, retry: false },
  TOO_LARGE: { http: 413, exit: 2, retry: false },
  UNSUPPORTED_MEDIA_TYPE: { http: 415, exit: 2, retry: false },
  REFUSED: { http: 422, exit: 5, retry: false },
  GRAPH_INVALID: { http: 422, exit: 5, retry: false },
  NOT_PUBLISHED: { http: 422, exit: 5, retry: false },
  SECRET_IN_GRAPH: { http: 422, exit: 5, retry: false },
  CREDENTIAL_MALFORMED: { http: 422, exit: 5, retry: false },
  CREDENTIAL_REJECTED: { http: 422, exit: 6, retry: false },
  CONNECTION_RECONNECT_REQUIRED: { http: 422, exit: 6, retry: false },
  BINDING_MISSING: { http: 422, exit: 5, retry: false },
  OAUTH_APP_REFUSED: { http: 422, exit: 6, retry: false },
  SCOPE_MISSING: { http: 422, exit: 6, retry: false },
  EGRESS_BLOCKED: { http: 422, exit: 5, retry: false },
  TEMPLATE_UNRESOLVED: { http: 422, exit: 5, retry: false },
  UNDECRYPTABLE: { http: 422, exit: 6, retry: false },
  TOOL_REFUSED: { http: 422, exit: 5, retry: false },
  UPSTREAM_INVALID: { http: 422, exit: 6, retry: false },
  UPSTREAM_NOT_FOUND: { http: 422, exit: 6, retry: false },
  UPSTREAM_CONFLICT: { http: 422, exit: 6, retry: false },
  RATE_LIMITED: { http: 429, exit: 6, retry: true },
  RUN_STOPPED: { http: 409, exit: 5, retry: false },
  INTERNAL: { http: 500, exit: 1, retry: false },
  MCP_TOOL_FAILED: { http: 502, exit: 6, retry: false },
  UPSTREAM_RATE_LIMITED: { http: 502, exit: 6, retry: true },
  UPSTREAM_ERROR: { http: 502, exit: 6, retry: true },
  DEPENDENCY_UNAVAILABLE: { http: 503, exit: 7, retry: true },
  VAULT_SEALED: { http: 503, exit: 7, retry: true },
  SHUTTING_DOWN: { http: 503, exit: 7, retry: true },
  STEP_TIMED_OUT: { http: 504, exit: 6, retry: true },
} as const

export type FaultCode = keyof typeof FAULTS

export interface FaultOptions {
  /** What the reader should do next, one sentence. */
  hint?: string
  /** Facts for programs. Never a secret: callers put ids, paths, names and counts here. */
  details?: Record<string, unknown>
  cause?: unknown
  /** Seconds to wait before another try, where somebody told us. */
  retryAfter?: number
  /** True when the far side may have carried the call out although we saw it fail (timeouts, cut connections). */
  maybeDone?: boolean
}

/** The one error type that faces show to people. Anything else becomes INTERNAL, and its text stays in the log. */
export class Fault extends Error {
  readonly code: FaultCode
  readonly hint: string | undefined
  readonly details: Record<string, unknown> | undefined
  readonly retryAfter: number | undefined
  readonly maybeDone: boolean

  constructor(code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Fault'
    this.code = code
    this.hint = options.hint
    this.details = options.details
    this.retryAfter = options.retryAfter
    this.maybeDone = options.maybeDone ?? false
  }
}

/** The same failure in other words: `say` gets all that is shown of it. Its cause is left behind, where it might say them again. */
export function reworded(fault: Fault, say: <T>(shown: T) => T): Fault {
  const { code, retryAfter, maybeDone } = fault
  const { message, hint, details } = say({ message: fault.message, hint: fault.hint, details: fault.details })
  return new Fault(code, message, {
    ...(hint ? { hint } : {}),
    ...(details ? { details } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    maybeDone,
  })
}

/** For expressions: `rows[0] ?? fail('NOT_FOUND', '…')`. */
export function fail(code: FaultCode, message: string, options?: FaultOptions): never {
  throw new Fault(code, message, options)
}
