/**
 * Lines to Firestore: gRPC channels of the official client. Each leads to one literal address that the egress guard has judged, so the
 * channel has no name to resolve; TLS verifies the name all the same. Proxies, service accounts and certificates of this machine are not
 * asked. The client's own stub is called, so that nothing is repeated behind our back and every call can be cancelled.
 */
import { createSecureContext } from 'node:tls'
import firestore from '@google-cloud/firestore'
import { type CallOptions, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import type { DriverDeps } from './driver.ts'
import { stopped } from './firestore-errors.ts'
import type { WhereTo } from './firestore-key.ts'

/** Names are resolved and judged anew this often: Google's addresses move. */
const LINE_MS = 300_000
/** A line that nobody uses closes its socket. */
const IDLE_MS = 60_000
/** A document has at most 1 MiB, and comes alone in its message. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024
/** Lines of other credentials are closed, the longest unused first, beyond this many. */
const MAX_LINES = 200
/** Calls that one connection has under way; more wait. Beyond it one caller would drown the others. */
const MAX_AT_ONCE = 20

interface Cancellable {
  cancel(): void
}
type Streaming = Cancellable & AsyncIterable<unknown> & { on(event: 'error', heard: () => void): unknown }
type Unary = (
  request: object,
  metadata: Metadata,
  options: CallOptions,
  done: (error: ServiceError | null, answer: unknown) => void,
) => Cancellable
type Stub = Readonly<Record<string, unknown>> & { close(): void }

export interface Call {
  token: string
  /** What the request is about, for Google's routing: `database` or `parent`, and its full name. */
  routing: [name: string, value: string]
  deadline: number
  signal: AbortSignal
}

export interface Line {
  unary(method: 'commit' | 'listCollectionIds', request: object, call: Call): Promise<unknown>
  /** Until `take` says that it has enough; then the server is told to stop. */
  stream(method: 'batchGetDocuments' | 'runQuery', request: object, call: Call, take: (message: unknown) => boolean): Promise<void>
}

interface Entry {
  owner: string
  version: number
  line: Promise<{ line: Line; close: () => void }>
  openedAt: number
  usedAt: number
  busy: number
  leaving: boolean
  waiting: (() => void)[]
}

export function createLines(deps: Pick<DriverDeps, 'address' | 'now'>) {
  const entries = new Map<string, Entry>()

  function entryOf(owner: string, version: number, to: WhereTo['data']): Entry {
    const key = JSON.stringify([owner, version, to])
    let entry = entries.get(key)
    if (entry && deps.now() - entry.openedAt > LINE_MS) {
      leave(key, entry)
      entry = undefined
    }
    if (!entry) {
      const line = open(to)
      entry = { owner, version, line, openedAt: deps.now(), usedAt: 0, busy: 0, leaving: false, waiting: [] }
      entries.set(key, entry)
      const made = entry
      line.catch(() => entries.get(key) === made && entries.delete(key))
      if (entries.size > MAX_LINES) forgetOldest(key)
    }
    entry.usedAt = deps.now()
    return entry
  }

  async function open(to: WhereTo['data']): Promise<{ line: Line; close: () => void }> {
    const { address, family, port } = await deps.address(to.host, to.port)
    const client = new firestore.v1.FirestoreClient({
      servicePath: family === 6 ? `[${address}]` : address,
      port,
      // A context of its own: gRPC's usual one takes authorities and ciphers from the environment.
      sslCreds: to.tls ? credentials.createFromSecureContext(createSecureContext()) : credentials.createInsecure(),
      // Said here, so that neither the environment nor a metadata server is asked.
      auth: NOBODY,
      cert: 'none',
      key: 'none',
      fallback: false,
      'grpc.ssl_target_name_override': to.host,
      'grpc.default_authority': to.host,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.client_idle_timeout_ms': IDLE_MS,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    } as unknown as ConstructorParameters<typeof firestore.v1.FirestoreClient>[0])
    const stub = (await client.initialize()) as Stub
    return { line: lineOf(stub), close: () => stub.close() }
  }

  function leave(key: string, entry: Entry): void {
    if (entries.get(key) === entry) entries.delete(key)
    entry.leaving = true
    if (entry.busy === 0) close(entry)
  }
  const close = (entry: Entry): void =>
    void entry.line.then(
      (opened) => opened.close(),
      () => undefined,
    )

  function forgetOldest(newest: string): void {
    let oldest: [string, Entry] | undefined
    for (const item of entries) if (item[0] !== newest && (!oldest || item[1].usedAt < oldest[1].usedAt)) oldest = item
    if (oldest) leave(...oldest)
  }

  async function turn(entry: Entry, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw stopped(signal, false)
    if (entry.busy < MAX_AT_ONCE) {
      entry.busy++
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = () => {
      entry.waiting = entry.waiting.filter((it) => it !== resolve)
      reject(stopped(signal, false))
    }
    entry.waiting.push(resolve) // whoever ends hands its place on
    signal.addEventListener('abort', onAbort, { once: true })
    await promise.finally(() => signal.removeEventListener('abort', onAbort))
  }
  function done(entry: Entry): void {
    const next = entry.waiting.shift()
    if (next) {
      next()
      return
    }
    entry.busy--
    if (entry.busy === 0 && entry.leaving) close(entry)
  }

  return {
    async use<T>(owner: string, version: number, to: WhereTo['data'], signal: AbortSignal, work: (line: Line) => Promise<T>): Promise<T> {
      const entry = entryOf(owner, version, to)
      await turn(entry, signal)
      try {
        return await work((await entry.line).line)
      } catch (error) {
        // A line that was cut, or on which nothing came back: the next call finds another one, at an address judged anew.
        if ([UNAVAILABLE, DEADLINE_EXCEEDED].includes((error as { code?: unknown }).code as number))
          leave(JSON.stringify([owner, version, to]), entry)
        throw error
      } finally {
        done(entry)
      }
    },
    drop(which: (of: { owner: string; version: number }) => boolean): void {
      for (const [key, entry] of entries) if (which(entry)) leave(key, entry)
    },
  }
}

/** gRPC's numbers of them. */
export const UNAVAILABLE = 14
const DEADLINE_EXCEEDED = 4

/** The client wants somebody who authenticates. Tokens travel with each call instead, and nobody stands here. */
const NOBODY = { getUniverseDomain: async () => 'googleapis.com' }

function lineOf(stub: Stub): Line {
  const metadataOf = ({ token, routing: [name, value] }: Call): Metadata => {
    const metadata = new Metadata()
    metadata.set('authorization', `Bearer ${token}`)
    metadata.set('x-goog-request-params', `${name}=${encodeURIComponent(value)}`)
    return metadata
  }
  return {
    async unary(method, request, call) {
      if (call.signal.aborted) throw stopped(call.signal, false)
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      const made = (stub[method] as Unary).call(stub, request, metadataOf(call), { deadline: call.deadline }, (error, answer) =>
        error ? reject(error) : resolve(answer),
      )
      const cancel = () => made.cancel()
      call.signal.addEventListener('abort', cancel, { once: true })
      return await promise.finally(() => call.signal.removeEventListener('abort', cancel))
    },
    async stream(method, request, call, take) {
      if (call.signal.aborted) throw stopped(call.signal, false)
      const open = stub[method] as (request: object, metadata: Metadata, options: CallOptions) => Streaming
      const made = open.call(stub, request, metadataOf(call), { deadline: call.deadline })
      // It is heard of below; what comes after the last message that was wanted is nobody's concern.
      made.on('error', () => undefined)
      const cancel = () => made.cancel()
      call.signal.addEventListener('abort', cancel, { once: true })
      try {
        for await (const message of made) if (!take(message)) break
      } finally {
        call.signal.removeEventListener('abort', cancel)
        made.cancel()
      }
    },
  }
}
