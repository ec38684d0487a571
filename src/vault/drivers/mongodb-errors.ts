/** What an error of the client or the server means to the caller. Codes: https://www.mongodb.com/docs/manual/reference/error-codes/ */
import {
  MongoCompatibilityError,
  MongoError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  MongoWriteConcernError,
  type TopologyDescription,
} from 'mongodb'
import { Fault, type FaultCode } from '../../base/errors.ts'
import { cutText, withoutValues } from './caps.ts'

export interface Circumstances {
  /** The command may change data: then an unknown end must be said. */
  write: boolean
  /** Has a command that changes data left? Before that nothing can have happened. */
  sent: boolean
  /** What was said, for taking its values out of messages. */
  said: readonly unknown[]
  /** Values that may stand in no message: the password, the whole connection string. */
  secrets: readonly string[]
}

const MAX_MESSAGE = 1000
const TLS_ERROR = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/

const CODES: Record<number, FaultCode> = {
  18: 'CREDENTIAL_REJECTED', // AuthenticationFailed
  13: 'SCOPE_MISSING', // Unauthorized
  26: 'UPSTREAM_NOT_FOUND', // NamespaceNotFound
  11000: 'UPSTREAM_CONFLICT', // DuplicateKey
  112: 'UPSTREAM_CONFLICT', // WriteConflict
  50: 'STEP_TIMED_OUT', // MaxTimeMSExpired
}
/** Passing trouble of the server: away, stepping down, shutting down, busy. Another try makes sense. */
const PASSING = new Set([
  1, 6, 7, 8, 24, 64, 89, 91, 133, 134, 189, 202, 262, 317, 358, 9001, 10107, 11600, 11601, 11602, 13388, 13435, 13436,
])

export function mongoFault(error: unknown, at: Circumstances): Fault {
  const fault = faultOf(error, at)
  // The server's own answer is the end of it; any other failure may be that of a second try.
  if (fault.maybeDone || !at.write || !at.sent || error instanceof MongoServerError) return fault
  const { code, message, hint, details, cause } = fault
  return new Fault(code, message, { ...(hint ? { hint } : {}), ...(details ? { details } : {}), cause, maybeDone: true })
}

function faultOf(error: unknown, at: Circumstances): Fault {
  const cause = within(error)
  if (cause.fault) return cause.fault
  if (cause.tls) return untrusted(cause.tls)
  if (cause.version)
    return new Fault('UPSTREAM_INVALID', 'the server is of a version that is not supported', { hint: 'MongoDB 4.4 or later is needed.' })
  // A server whose sign-in fails is a server that answered: the client may wrap it.
  if (error instanceof MongoServerError) return fromServer(error, at)
  if (error instanceof MongoServerSelectionError) return unreachable()
  if (error instanceof MongoNetworkError) return lost()
  if (error instanceof MongoError) {
    if (/^Mongo(WaitQueueTimeout|PoolCleared|TopologyClosed|ClientClosed|NotConnected)/.test(error.name)) return unreachable()
    if (error.name === 'MongoOperationTimeoutError') return timedOut(at.write && at.sent)
    return new Fault('UPSTREAM_INVALID', clean(error.message, at), { details: { name: error.name } })
  }
  if (/^BSON/.test((error as Error | undefined)?.name ?? '')) return new Fault('INVALID_INPUT', clean((error as Error).message, at))
  return lost()
}

function fromServer(error: MongoServerError, at: Circumstances): Fault {
  const code = typeof error.code === 'number' ? error.code : 0
  const details = { code, ...(error.codeName === undefined ? {} : { name: String(error.codeName).slice(0, 80) }) }
  const said = `MongoDB says: ${clean(error.message, at)} (${code})`
  // Done at one server, and not known to be at as many as were asked for.
  if (error instanceof MongoWriteConcernError) return new Fault('UPSTREAM_ERROR', said, { details, maybeDone: true })
  const badAuth = code === 8000 && /bad auth|authentication failed/i.test(error.message)
  const known = badAuth ? 'CREDENTIAL_REJECTED' : CODES[code]
  if (known === 'CREDENTIAL_REJECTED')
    return new Fault(known, 'the database refuses this user or password', {
      details,
      hint: 'Check user, password and authSource, then connect again.',
    })
  if (known === 'SCOPE_MISSING')
    return new Fault(known, said, { details, hint: 'Grant the user read or readWrite on the database, or use another user.' })
  if (known === 'STEP_TIMED_OUT') return timedOut(at.write, details)
  if (known !== undefined) return new Fault(known, said, { details })
  const passing = PASSING.has(code) || error.hasErrorLabel('RetryableWriteError') || error.hasErrorLabel('TransientTransactionError')
  if (passing) {
    // The server answered, but a server that was going away may have begun.
    return new Fault('UPSTREAM_ERROR', said, { details, maybeDone: at.write && at.sent && !error.hasErrorLabel('NoWritesPerformed') })
  }
  return new Fault('UPSTREAM_INVALID', said, { details })
}

/** Each server's own trouble lies inside the one error that says that none could be chosen. */
function within(error: unknown): { fault: Fault | undefined; tls: string | undefined; version: boolean } {
  let tls: string | undefined
  let version = false
  const seen = new Set<unknown>()
  const look = (one: unknown): Fault | undefined => {
    if (typeof one !== 'object' || one === null || seen.has(one)) return undefined
    seen.add(one)
    if (one instanceof Fault) return one
    if (one instanceof MongoCompatibilityError) version = true
    const { cause, reason, code } = one as { cause?: unknown; reason?: unknown; code?: unknown }
    if (typeof code === 'string' && TLS_ERROR.test(code)) tls ??= code
    const servers = (reason as TopologyDescription | undefined)?.servers
    const inside = servers instanceof Map ? [...servers.values()].map((server) => server.error) : []
    for (const inner of [cause, ...inside]) {
      const fault = look(inner)
      if (fault !== undefined) return fault
    }
    return undefined
  }
  const fault = look(error)
  return { fault, tls, version }
}

const untrusted = (code: string) =>
  new Fault('UPSTREAM_INVALID', `the TLS certificate of the database server cannot be verified (${code})`, {
    hint: 'Give its authority as ca_certificate in the config, or say tls=false if the server offers no TLS and the network between is your own.',
  })
const unreachable = () =>
  new Fault('UPSTREAM_ERROR', 'the database server cannot be reached', {
    hint: 'Is its address list open for this runtime, and does it take TLS?',
  })
// One sentence for refused, unreachable and cut: nobody can probe ports with it.
const lost = () => new Fault('UPSTREAM_ERROR', 'the connection to the database was lost')

export const timedOut = (maybeDone: boolean, details?: Record<string, unknown>): Fault =>
  new Fault('STEP_TIMED_OUT', 'the command was stopped because its time was up', {
    ...(details ? { details } : {}),
    maybeDone,
    hint: 'Ask for less, add an index, or raise request_timeout_sec.',
  })

/** The server's words without the credential or any value of a document. */
function clean(message: string, at: Circumstances): string {
  // What stands behind these words is a document's content.
  let text = message.replace(/ ?(dup key|duplicate key value|original value|value in document|Failing row|document):? [{[].*$/is, '')
  text = text.replace(/\{.*\}/s, '{…}')
  // What a conversion choked on is a value of a document.
  if (/pars|conver|coerc/i.test(text)) text = text.replace(/'[^']*'|"[^"]*"/g, '«value»')
  for (const secret of at.secrets) if (secret) text = text.replaceAll(secret, '«secret»')
  return cutText(withoutValues(text, at.said), MAX_MESSAGE)
}
