/** What Google's answers mean to the caller. Codes: https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
import { Fault, type FaultCode } from '../../base/errors.ts'
import { cutText, withoutValues } from './caps.ts'

export interface Circumstances {
  write: boolean
  /** Values that the caller sent: they stand in no message. */
  values: readonly unknown[]
  /** Takes the credential out of a text: before it is cut, because half a key is found by nobody. */
  scrub: (text: string) => string
}

const MAX_MESSAGE = 1000

/** By number for gRPC; the same names stand in the errors of the HTTP APIs (google.rpc.Code). */
const NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]
export const statusName = (code: unknown): string => (typeof code === 'number' ? NAMES[code] : undefined) ?? 'UNKNOWN'

const MEANS: Readonly<Record<string, FaultCode>> = {
  UNAUTHENTICATED: 'CREDENTIAL_REJECTED',
  PERMISSION_DENIED: 'SCOPE_MISSING',
  NOT_FOUND: 'UPSTREAM_NOT_FOUND',
  ALREADY_EXISTS: 'UPSTREAM_CONFLICT',
  ABORTED: 'UPSTREAM_CONFLICT',
  FAILED_PRECONDITION: 'UPSTREAM_CONFLICT',
  INVALID_ARGUMENT: 'UPSTREAM_INVALID',
  OUT_OF_RANGE: 'UPSTREAM_INVALID',
  RESOURCE_EXHAUSTED: 'UPSTREAM_RATE_LIMITED',
  DEADLINE_EXCEEDED: 'STEP_TIMED_OUT',
}
/** Ends that leave open whether a write was carried out. */
const OPEN_ENDED = new Set(['CANCELLED', 'UNKNOWN', 'DEADLINE_EXCEEDED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'])

const HINTS: Readonly<Record<string, string>> = {
  UNAUTHENTICATED: 'Create a new key for the service account, and connect again.',
  PERMISSION_DENIED:
    'Grant the service account a role on the project (Cloud Datastore Viewer to read, Cloud Datastore User to write), or enable the API where it says so.',
  ABORTED: 'Somebody else changed the same documents. Read them again, and repeat.',
  RESOURCE_EXHAUSTED: 'The quota of the project is used up for now. Wait, or raise it.',
  DEADLINE_EXCEEDED: 'Ask for less, add an index, or raise request_timeout_sec.',
}

export function firestoreFault(error: unknown, at: Circumstances): Fault {
  if (error instanceof Fault) return error
  const { code, details } = (typeof error === 'object' && error !== null ? error : {}) as { code?: unknown; details?: unknown }
  return googleFault(statusName(code), typeof details === 'string' ? details : '', at)
}

/** `status`: a name of google.rpc.Code. */
export function googleFault(status: string, said: string, at: Circumstances): Fault {
  // The channel's own words: nothing was sent, or what came was more than we take in.
  if (status === 'UNAVAILABLE' && /^(No connection established|Name resolution failed|Failed to connect)/.test(said))
    return new Fault('UPSTREAM_ERROR', 'Firestore cannot be reached', { details: { status } })
  if (status === 'RESOURCE_EXHAUSTED' && /^Received message larger/.test(said))
    return new Fault('UPSTREAM_INVALID', 'the answer is too large to be taken in', { maybeDone: at.write })
  // The way to make a missing index is worth more than the sentence around it.
  const index = /https:\/\/console\.(?:firebase|cloud)\.google\.com\/\S+/.exec(said)?.[0]
  let hint = HINTS[status]
  if (index) hint = `Create the index, and repeat: ${index}`
  return new Fault(MEANS[status] ?? 'UPSTREAM_ERROR', `Firestore says: ${clean(said, at) || 'nothing'} (${status})`, {
    details: { status, ...(index ? { index_url: index } : {}) },
    ...(hint ? { hint } : {}),
    maybeDone: at.write && OPEN_ENDED.has(status),
  })
}

function clean(message: string, at: Circumstances): string {
  return cutText(withoutValues(at.scrub(message), at.values), MAX_MESSAGE)
}

/** The caller went away, or the time is up. */
export function stopped(signal: AbortSignal, maybeDone: boolean): Fault {
  const reason: unknown = signal.reason
  if (reason instanceof Fault) return new Fault(reason.code, reason.message, { ...(reason.hint ? { hint: reason.hint } : {}), maybeDone })
  return new Fault('STEP_TIMED_OUT', 'the call was cancelled because its time was up', {
    maybeDone,
    hint: HINTS.DEADLINE_EXCEEDED as string,
  })
}
