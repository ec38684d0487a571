/**
 * What a driver error means to the caller. Codes: https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html,
 * https://mariadb.com/kb/en/mariadb-error-codes/
 */
import { Fault, type FaultCode } from '../../base/errors.ts'
import { cutText, withoutValues } from './caps.ts'
import { TlsFailure } from './mysql-connect.ts'

export interface Circumstances {
  /** The statement may change data: then an unknown end must be said. */
  write: boolean
  /** Was the statement sent? Before that nothing can have happened. */
  sent: boolean
  args: readonly unknown[]
  /** Values that may stand in no message: the password, the whole DSN. */
  secrets: readonly string[]
}

interface ServerError {
  code?: string
  errno?: number
  sqlState?: string
  sqlMessage?: string
  message?: string
}

const MAX_MESSAGE = 1000

const codes = (code: FaultCode, ...numbers: number[]): [number, FaultCode][] => numbers.map((number) => [number, code])

const MEANINGS = new Map<number, FaultCode>([
  // Access denied (with or without a password), expired, blocked, account locked, old hash.
  ...codes('CREDENTIAL_REJECTED', 1045, 1698, 1820, 1862, 1251, 1275, 3118, 3955, 4151),
  // Denied: a database, a table, a column, a routine, a command that needs more.
  ...codes('SCOPE_MISSING', 1044, 1142, 1143, 1227, 1370, 1410, 1419, 1130, 3530, 4061),
  ...codes('UPSTREAM_NOT_FOUND', 1008, 1049, 1051, 1109, 1146, 1305, 4091),
  // Duplicate key, foreign keys, deadlock, lock wait, changed meanwhile, exists already.
  ...codes('UPSTREAM_CONFLICT', 1007, 1022, 1050, 1062, 1169, 1205, 1213, 1216, 1217, 1451, 1452, 1586, 1020, 3572),
  // Too many connections, of all or of one user; resources of the user used up; host blocked.
  ...codes('UPSTREAM_RATE_LIMITED', 1040, 1203, 1226, 1129),
  // The time was up, for all statements (MariaDB) or for SELECT (MySQL); somebody killed it.
  ...codes('STEP_TIMED_OUT', 1969, 3024, 1317),
  // A write where only reading is allowed.
  ...codes('TOOL_REFUSED', 1792),
  // The server goes down, is out of memory or disk, or was told to take no writes.
  ...codes('UPSTREAM_ERROR', 1053, 1037, 1038, 1021, 1026, 1041, 1836, 1927, 1158, 1159, 1160, 1161, 3169, 4031),
])

/** The server ended the session: whether the statement was carried out is not known. */
const CUT = new Set([1053, 1927, 1158, 1159, 1160, 1161, 3169, 4031])

const HINTS: Partial<Record<FaultCode, string>> = {
  SCOPE_MISSING: 'Grant the user this privilege, or use another user.',
  UPSTREAM_NOT_FOUND: 'mysql_list_tables tells which tables there are. Names may be case-sensitive.',
  UPSTREAM_RATE_LIMITED: 'The server has too many sessions now. Try again later.',
  TOOL_REFUSED: 'Use mysql_execute_sql to change data.',
}

export function mysqlFault(error: unknown, at: Circumstances): Fault {
  if (error instanceof Fault) return error
  if (error instanceof TlsFailure) return noTls(error.reason)
  const { code = '', errno, sqlState, sqlMessage, message = '' } = (typeof error === 'object' && error !== null ? error : {}) as ServerError
  if (!answered(error)) return withoutNumber(code, message, at)
  const number = errno as number
  const meaning = MEANINGS.get(number) ?? 'UPSTREAM_INVALID'
  const details = { errno: number, ...(sqlState ? { sqlstate: sqlState } : {}) }
  if (meaning === 'CREDENTIAL_REJECTED') return rejected(details)
  if (meaning === 'STEP_TIMED_OUT') return timedOut(false, details)
  const hint = HINTS[meaning]
  return new Fault(meaning, `the database says: ${clean(sqlMessage ?? message, at)} (${number})`, {
    details,
    maybeDone: at.write && at.sent && CUT.has(number),
    ...(hint ? { hint } : {}),
  })
}

/** An error that the server itself said, after which the session goes on. */
export const answered = (error: unknown): boolean => {
  const { errno, sqlState } = (typeof error === 'object' && error !== null ? error : {}) as ServerError
  return typeof errno === 'number' && errno >= 1000 && errno < 10_000 && typeof sqlState === 'string'
}

const rejected = (details?: Record<string, unknown>) =>
  new Fault('CREDENTIAL_REJECTED', 'the database refuses this user or password', {
    ...(details ? { details } : {}),
    hint: 'Check user and password, and from which hosts the user may connect; then connect again.',
  })

export const timedOut = (maybeDone: boolean, details?: Record<string, unknown>): Fault =>
  new Fault('STEP_TIMED_OUT', 'the statement was cancelled because its time was up', {
    ...(details ? { details } : {}),
    maybeDone,
    hint: 'Ask for less, add an index, or raise request_timeout_sec.',
  })

const noTls = (reason: string) =>
  new Fault('UPSTREAM_INVALID', `the TLS certificate of the database server cannot be verified (${reason})`, {
    hint: 'Give its authority as ca_certificate in the config, or say ssl-mode=REQUIRED to encrypt without verifying who answers.',
  })

function withoutNumber(code: string, message: string, at: Circumstances): Fault {
  if (code === 'HANDSHAKE_NO_SSL_SUPPORT') {
    return new Fault('UPSTREAM_INVALID', 'the database server does not offer TLS', {
      hint: 'Turn TLS on at the server, or say ssl-mode=DISABLED if the network between is your own.',
    })
  }
  if (code === 'PUBLIC_KEY_ASKED') {
    return new Fault('UPSTREAM_INVALID', 'the database server wants the password encrypted with a key that it sends itself', {
      hint: 'Use TLS (ssl-mode=REQUIRED or better), or say get-server-public-key=true if the network between is your own.',
    })
  }
  if (code === 'AUTH_SWITCH_PLUGIN_ERROR' || /mysql_clear_password|plugin/i.test(message)) {
    return new Fault('UPSTREAM_INVALID', 'the database server asks for a way to sign in that is not supported here', {
      hint: 'Supported: mysql_native_password, caching_sha2_password, sha256_password.',
    })
  }
  // One sentence for refused, unreachable and cut: nobody can probe ports with it.
  return new Fault('UPSTREAM_ERROR', at.sent ? 'the connection to the database was lost' : 'the database server cannot be reached', {
    cause: code || undefined,
    maybeDone: at.write && at.sent,
  })
}

/** The server's words without the credential, parameter values, or the value of a row that stands in them. */
function clean(message: string, at: Circumstances): string {
  let text = message
    .replace(/(Duplicate entry )'.*'( for key)/s, '$1«value»$2')
    .replace(/((?:Incorrect|Truncated incorrect|Wrong) .{0,60}? value: )'.*?'(?= for|$)/s, '$1«value»')
    .replace(/(value is out of range in )'.*'/s, '$1«value»')
  for (const secret of at.secrets) if (secret) text = text.replaceAll(secret, '«secret»')
  return cutText(withoutValues(text, at.args), MAX_MESSAGE)
}
