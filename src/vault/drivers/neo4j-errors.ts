/** What an error of Neo4j means to the caller. Codes: https://neo4j.com/docs/status-codes/current/errors/all-errors/ */
import { Fault } from '../../base/errors.ts'
import { cutText, withoutValues } from './caps.ts'

export interface Circumstances {
  /** COMMIT of a change was sent: then an unknown end must be said. Before that the server takes everything back. */
  committing: boolean
  parameters: readonly unknown[]
  secrets: readonly string[]
}

const MAX_MESSAGE = 1000
const UNREACHED = /^(ServiceUnavailable|SessionExpired|ProtocolError|N\/A)$/

export function neo4jFault(error: unknown, at: Circumstances): Fault {
  if (error instanceof Fault) return error
  const { code = '', message = '' } = (typeof error === 'object' && error !== null ? error : {}) as { code?: string; message?: string }
  if (!code.startsWith('Neo.')) return withoutCode(code, message, at)
  const said = `Neo4j says: ${clean(message, at)} (${code})`
  const details = { code }
  if (/\.Security\.(Unauthorized|CredentialsExpired|TokenExpired|AuthenticationFailed)$/.test(code)) {
    return new Fault('CREDENTIAL_REJECTED', 'the database refuses this user or password', {
      details,
      hint: code.endsWith('CredentialsExpired')
        ? 'The password must be changed first.'
        : 'Check user name and password, then connect again.',
    })
  }
  if (/\.Security\.AuthenticationRateLimit$/.test(code)) return new Fault('UPSTREAM_RATE_LIMITED', said, { details })
  if (/\.Security\./.test(code)) return new Fault('SCOPE_MISSING', said, { details, hint: 'Grant the user a role that may do this.' })
  if (/\.Statement\.AccessMode$/.test(code)) return new Fault('TOOL_REFUSED', said, { details, hint: 'Use neo4j_execute_write.' })
  if (/\.(TransactionTimedOut\w*|LockAcquisitionTimeout)$/.test(code)) return timedOut(false, details)
  if (/ConstraintValidationFailed$|DeadlockDetected$|ConstraintViolation$/.test(code))
    return new Fault('UPSTREAM_CONFLICT', withoutRows(said), { details })
  if (/\.(DatabaseNotFound|EntityNotFound|ProcedureNotFound)$/.test(code)) return new Fault('UPSTREAM_NOT_FOUND', said, { details })
  if (/^Neo\.(TransientError|DatabaseError)|\.(NotALeader|ForbiddenOnReadOnlyDatabase|DatabaseUnavailable)$/.test(code))
    return new Fault('UPSTREAM_ERROR', said, { details, maybeDone: at.committing })
  return new Fault('UPSTREAM_INVALID', said, { details })
}

export const timedOut = (maybeDone: boolean, details?: Record<string, unknown>): Fault =>
  new Fault('STEP_TIMED_OUT', 'the statement was given up because its time was up', {
    ...(details ? { details } : {}),
    maybeDone,
    hint: 'Ask for less, add an index, or raise request_timeout_sec.',
  })

function withoutCode(code: string, message: string, at: Circumstances): Fault {
  const tls = /certificate is not trusted|(CERT_|SELF_SIGNED|UNABLE_TO_|ALTNAME|ERR_TLS|ERR_SSL|EPROTO)[A-Z_]*|altnames|self.signed/i.exec(
    message,
  )
  if (tls) {
    return new Fault('UPSTREAM_INVALID', 'the TLS certificate of the database server cannot be verified', {
      hint: 'Give its authority as ca_certificate in the config, and name the host as the certificate does. Does the server offer TLS?',
    })
  }
  if (UNREACHED.test(code) || code === '' || /^E[A-Z]+$/.test(code)) {
    // One sentence for refused, unreachable and cut: nobody can probe ports with it.
    return new Fault('UPSTREAM_ERROR', 'the database server cannot be reached, or the connection was lost', {
      cause: code || undefined,
      maybeDone: at.committing,
      hint: 'Check the address. A scheme with +s is for a server that offers TLS, one without for a server that does not.',
    })
  }
  return new Fault('UPSTREAM_INVALID', `the client of Neo4j says: ${clean(message, at)}`, { details: { code: cutText(code, 100) } })
}

/** A broken constraint is told with the value that broke it. */
const withoutRows = (text: string) => text.replace(/(property `[^`]*` = ).*?( \(Neo\.|$)/s, '$1«value»$2')

function clean(message: string, at: Circumstances): string {
  let text = message
  for (const secret of at.secrets) if (secret) text = text.replaceAll(secret, '«secret»')
  return cutText(withoutValues(text, at.parameters), MAX_MESSAGE)
}
