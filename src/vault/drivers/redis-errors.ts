/** What an error of Redis means to the caller. The first word of its text is its kind. */
import { ErrorReply } from 'redis'
import { Fault } from '../../base/errors.ts'
import { cutText, withoutValues } from './caps.ts'

export interface Circumstances {
  /** The command may change data: then an unknown end must be said. */
  write: boolean
  /** Was it sent? Before that nothing can have happened. */
  sent: boolean
  args: readonly string[]
  secrets: readonly string[]
}

const MAX_MESSAGE = 1000
const TLS_ERROR = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/

/** Passing trouble of the server, which did nothing: another try makes sense. */
const PASSING = /^(LOADING|BUSY|MASTERDOWN|TRYAGAIN|CLUSTERDOWN|READONLY|OOM|MISCONF|NOREPLICAS|DENIED|ERR max number of clients)\b/
const REJECTED = /^(WRONGPASS|NOAUTH|ERR invalid password|ERR AUTH )/
const CONFLICT = /^(BUSYKEY|BUSYGROUP)\b/
const MISSING = /^(NOGROUP|ERR no such key)\b/

export function redisFault(error: unknown, at: Circumstances): Fault {
  if (error instanceof Fault) return error
  const { code = '', message = '' } = (typeof error === 'object' && error !== null ? error : {}) as { code?: string; message?: string }
  if (error instanceof ErrorReply) return answered(message, at)
  if (TLS_ERROR.test(code)) {
    return new Fault('UPSTREAM_INVALID', `the TLS certificate of the Redis server cannot be verified (${code})`, {
      hint: 'Give its authority as ca_certificate in the config, and name the host as the certificate does. Is it a TLS port at all?',
    })
  }
  // One sentence for refused, unreachable and cut: nobody can probe ports with it.
  return new Fault('UPSTREAM_ERROR', at.sent ? 'the connection to Redis was lost' : 'the Redis server cannot be reached', {
    cause: code || undefined,
    ...(at.sent ? {} : { hint: 'Check host and port. rediss:// is for a port that speaks TLS, redis:// for one that does not.' }),
    maybeDone: at.write && at.sent,
  })
}

function answered(message: string, at: Circumstances): Fault {
  const said = clean(message, at)
  const sentence = `Redis says: ${said}`
  const details = { error: /^[A-Z]+/.exec(message)?.[0] ?? 'ERR' }
  if (REJECTED.test(message)) {
    return new Fault('CREDENTIAL_REJECTED', 'the Redis server refuses this user or password', {
      details,
      hint: 'Check user and password, then connect again.',
    })
  }
  if (/^NOPERM\b/.test(message))
    return new Fault('SCOPE_MISSING', sentence, {
      details,
      hint: 'Grant the user this command and key pattern (ACL SETUSER), or use another user.',
    })
  if (/^(MOVED|ASK)\b/.test(message)) {
    // Where to is said by the server, and nobody has judged that address.
    return new Fault('UPSTREAM_INVALID', 'the key lies at another server of a cluster, and clusters are not followed', {
      details,
      hint: 'Connect the server that holds the key, or a proxy in front of the cluster.',
    })
  }
  if (PASSING.test(message)) return new Fault('UPSTREAM_ERROR', sentence, { details })
  if (CONFLICT.test(message)) return new Fault('UPSTREAM_CONFLICT', sentence, { details })
  if (MISSING.test(message)) return new Fault('UPSTREAM_NOT_FOUND', sentence, { details })
  return new Fault('UPSTREAM_INVALID', sentence, { details })
}

export const timedOut = (maybeDone: boolean): Fault =>
  new Fault('STEP_TIMED_OUT', 'Redis did not answer in time, and the connection was cut', {
    maybeDone,
    hint: 'Ask for less, or raise request_timeout_sec.',
  })

/** The server's words without the credential and without what was sent: an unknown command is quoted with its arguments. */
function clean(message: string, at: Circumstances): string {
  let text = message.replace(/(, with args beginning with: ).*$/s, '$1…')
  for (const secret of at.secrets) if (secret) text = text.replaceAll(secret, '«secret»')
  return cutText(withoutValues(text, at.args), MAX_MESSAGE)
}
