/** What a driver error means to the caller. Codes: https://www.postgresql.org/docs/18/errcodes-appendix.html */
import { Fault } from '../../base/errors.ts'
import { cutText, withoutValues } from './caps.ts'

/** What pg gives us of an error. `detail`, `where` and `internalQuery` may carry values of rows and parameters: never read. */
interface ServerError {
  code?: string
  message?: string
  hint?: string
}

export interface Circumstances {
  /** The statement may change data: then an unknown end must be said. */
  write: boolean
  /** Was the statement sent? Before that nothing can have happened. */
  sent: boolean
  args: readonly unknown[]
  /** Values that may stand in no message: the password, the whole DSN. */
  secrets: readonly string[]
}

const MAX_MESSAGE = 1000

const TLS_ERROR = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/

/** Passing trouble of the server: another try makes sense. */
const PASSING = /^(08|53|57P0|40|58|55P03|XX)/

export function postgresFault(error: unknown, at: Circumstances): Fault {
  if (error instanceof Fault) return error
  const { code = '', message = '', hint } = (typeof error === 'object' && error !== null ? error : {}) as ServerError
  const said = clean(message, at)
  if (!/^[0-9A-Z]{5}$/.test(code)) return withoutCode(code, message, said, at)
  const sentence = `PostgreSQL says: ${said} (${code})`
  const details = { sqlstate: code }
  const options = { details, ...(hint ? { hint: clean(hint, at) } : {}) }
  if (code === '28P01' || code === '28000') {
    return new Fault('CREDENTIAL_REJECTED', 'the database refuses this user or password', {
      details,
      hint: 'Check user and password, then connect again.',
    })
  }
  if (code === '42501')
    return new Fault('SCOPE_MISSING', sentence, { details, hint: 'Grant the role this privilege, or use another role.' })
  if (code === '57014') return timedOut(false, details)
  if (PASSING.test(code)) {
    // The server answered, so it knows: only a session that was cut or a broken server leaves the end open.
    return new Fault('UPSTREAM_ERROR', sentence, { details, maybeDone: at.write && at.sent && /^(08|57P|58|XX|40003)/.test(code) })
  }
  return new Fault('UPSTREAM_INVALID', sentence, options)
}

export const timedOut = (maybeDone: boolean, details?: Record<string, unknown>): Fault =>
  new Fault('STEP_TIMED_OUT', 'the statement was cancelled because its time was up', {
    ...(details ? { details } : {}),
    maybeDone,
    hint: 'Ask for less, add an index, or raise request_timeout_sec.',
  })

function withoutCode(code: string, message: string, said: string, at: Circumstances): Fault {
  if (/does not support SSL|establishing an SSL connection/.test(message)) {
    return new Fault('UPSTREAM_INVALID', 'the database server does not offer TLS', {
      hint: 'Turn TLS on at the server, or say sslmode=disable if the network between is your own.',
    })
  }
  if (TLS_ERROR.test(code)) {
    return new Fault('UPSTREAM_INVALID', `the TLS certificate of the database server cannot be verified (${code})`, {
      hint: 'Give its authority as ca_certificate in the config, or say sslmode=require to encrypt without verifying who answers.',
    })
  }
  if (/^SASL|password must be/i.test(message)) {
    return new Fault('CREDENTIAL_REJECTED', `the database refuses the sign-in: ${said}`, {
      hint: 'Check user and password, then connect again.',
    })
  }
  // One sentence for refused, unreachable and cut: nobody can probe ports with it.
  return new Fault('UPSTREAM_ERROR', at.sent ? 'the connection to the database was lost' : 'the database server cannot be reached', {
    cause: code || undefined,
    maybeDone: at.write && at.sent,
  })
}

/** The server's words without the credential, parameter values, or the value that a conversion choked on. */
function clean(message: string, at: Circumstances): string {
  let text = message
    .replace(/(invalid input (?:syntax|value) for [^:]*: )".*"/s, '$1«value»')
    .replace(/(value )"[^"]*"( is out of range)/s, '$1«value»$2')
  for (const secret of at.secrets) if (secret) text = text.replaceAll(secret, '«secret»')
  return cutText(withoutValues(text, at.args), MAX_MESSAGE)
}
