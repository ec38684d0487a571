/** One HTTP exchange on a connection pool: what goes in, how long and how much may come out, and what a failure means. */
import type { Transform } from 'node:stream'
import { constants, createBrotliDecompress, createGunzip } from 'node:zlib'
import type { Dispatcher } from 'undici'
import { Fault } from './errors.ts'

/** Like `RequestInit`; redirects are never followed, whatever `redirect` says. */
export interface ExchangeInit extends Omit<RequestInit, 'signal'> {
  signal?: AbortSignal | null | undefined
  /** Milliseconds until the last byte of the answer has come. Default TOTAL_MS. */
  timeoutMs?: number
  /** Milliseconds until the head of the answer has come. Default FIRST_BYTE_MS, never more than timeoutMs. */
  firstByteMs?: number
  /** Bytes of the answer's body after decompression. Default MAX_BYTES. */
  maxBytes?: number
}

/** Half a minute without a head is a hung server for all but generated answers, and those say so with `firstByteMs`. */
export const FIRST_BYTE_MS = 30_000
/** One call; streams that live longer say so with `timeoutMs`. */
export const TOTAL_MS = 60_000
/** Ten MiB of JSON is far past what a step can use, and a run's memory stays small. */
export const MAX_BYTES = 10 * 1024 * 1024
/** An answer this small leaves its connection even if nobody reads it. */
const READ_AHEAD = 64 * 1024

/** They belong to the connection or decide where it goes (`host` would even change the TLS name): the caller's are dropped. */
const OURS = new Set(
  'accept-encoding connection content-length expect host keep-alive proxy-authorization proxy-connection te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
)
const ENCODINGS = 'gzip, br'
const NO_BODY = new Set([204, 205, 304])
const NO_METHOD = new Set(['CONNECT', 'TRACE', 'TRACK'])

type Body = NonNullable<Dispatcher.DispatchOptions['body']>

/** A body with its content type, as fetch would send it: streams as they are, forms and blobs put together in memory. */
async function packed(given: Exclude<ExchangeInit['body'], string | null | undefined>): Promise<{ body: Body; type: string | null }> {
  if (Symbol.asyncIterator in given) return { body: given as unknown as Body, type: null }
  const built = new Response(given)
  return { body: Buffer.from(await built.arrayBuffer()), type: built.headers.get('content-type') }
}

/** Flat `[name, value, …]`, which undici takes as it is. */
function headerList(given: ExchangeInit['headers'], type: string | null): string[] {
  const list: string[] = []
  let typed = type === null
  let agent = false
  let accept = false
  const add = (name: string, value: string) => {
    const lower = name.toLowerCase()
    if (OURS.has(lower)) return
    if (lower === 'content-type') typed = true
    else if (lower === 'user-agent') agent = true
    else if (lower === 'accept') accept = true
    list.push(name, value)
  }
  if (given && typeof (given as Iterable<unknown>)[Symbol.iterator] === 'function') {
    for (const [name, value] of given as Iterable<readonly [string, string]>) add(name, value)
  } else if (given) {
    for (const name of Object.keys(given)) {
      const value = (given as Record<string, string | undefined>)[name]
      if (value !== undefined) add(name, value)
    }
  }
  list.push('accept-encoding', ENCODINGS)
  if (!typed) list.push('content-type', type!)
  if (!agent) list.push('user-agent', 'agentruntime')
  if (!accept) list.push('accept', '*/*')
  return list
}

// Whatever has come so far is handed on, as fetch does: event streams are compressed too, and framing already tells a cut from an end.
const gunzip = () => createGunzip({ flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH })
const unbrotli = () => createBrotliDecompress({ flush: constants.BROTLI_OPERATION_FLUSH, finishFlush: constants.BROTLI_OPERATION_FLUSH })

/**
 * Sends one request and answers with a standard Response as soon as its head is there; the body streams.
 * Faults, also while the body is read: UPSTREAM_ERROR, UPSTREAM_INVALID (too large, unreadable), STEP_TIMED_OUT, RUN_STOPPED,
 * INVALID_INPUT, SHUTTING_DOWN. `maybeDone` is exact: it is true from the moment the request is written to a connection.
 */
export async function exchange(pool: Dispatcher, url: URL, init: ExchangeInit): Promise<Response> {
  const method = (init.method ?? 'GET').toUpperCase()
  if (NO_METHOD.has(method)) throw new Fault('INVALID_INPUT', `the runtime sends no ${method} requests`)
  const given = init.body
  if (given == null) return send(pool, url, method, headerList(init.headers, null), null, init)
  if (typeof given === 'string') return send(pool, url, method, headerList(init.headers, 'text/plain;charset=UTF-8'), given, init)
  if (given instanceof Uint8Array) return send(pool, url, method, headerList(init.headers, null), given, init)
  const { body, type } = await packed(given)
  return send(pool, url, method, headerList(init.headers, type), body, init)
}

function send(pool: Dispatcher, url: URL, method: string, headers: string[], body: Body | null, init: ExchangeInit): Promise<Response> {
  return new Promise((resolve, reject) => {
    const host = url.hostname
    const { signal, timeoutMs = TOTAL_MS, maxBytes = MAX_BYTES } = init
    const firstByteMs = Math.min(init.firstByteMs ?? FIRST_BYTE_MS, timeoutMs)
    const began = performance.now()
    let over = false
    let sent = false
    let size = 0
    let controller: Dispatcher.DispatchController | undefined
    let out: ReadableStreamDefaultController<Uint8Array> | undefined
    let decoder: Transform | undefined

    const settle = () => {
      over = true
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
    }
    const fail = (fault: Fault) => {
      if (over) return
      settle()
      decoder?.destroy()
      controller?.abort(fault)
      if (out) out.error(fault)
      else reject(fault)
    }
    const stop = () => fail(new Fault('RUN_STOPPED', `the call to ${host} was stopped`, { maybeDone: sent }))
    const late = (what: string, ms: number) => () =>
      fail(new Fault('STEP_TIMED_OUT', `${host} did not ${what} within ${ms} ms`, { maybeDone: sent }))
    const deliver = (chunk: Uint8Array) => {
      if (over || !out) return
      size += chunk.byteLength
      if (size > maxBytes) {
        fail(
          new Fault('UPSTREAM_INVALID', `the answer of ${host} is larger than ${maxBytes} bytes`, {
            maybeDone: true,
            hint: 'Ask for less at a time.',
            details: { limit: maxBytes },
          }),
        )
        return
      }
      out.enqueue(chunk)
      if (out.desiredSize! <= 0) (decoder ?? controller!).pause()
    }
    const end = () => {
      if (over) return
      settle()
      out?.close()
    }
    const open = (coding: string): ReadableStream<Uint8Array> => {
      if (coding) {
        decoder = coding === 'br' ? unbrotli() : gunzip()
        decoder.on('data', deliver)
        decoder.on('end', end)
        decoder.on('drain', () => controller!.resume())
        decoder.on('error', () => fail(new Fault('UPSTREAM_INVALID', `the answer of ${host} cannot be decompressed`, { maybeDone: true })))
      }
      const source = {
        start: (made: ReadableStreamDefaultController<Uint8Array>) => {
          out = made
        },
        pull: () => (decoder ?? controller!).resume() as undefined,
        cancel: () => {
          if (over) return
          settle()
          decoder?.destroy()
          controller!.abort(new Fault('RUN_STOPPED', 'nobody reads the answer any more'))
        },
      }
      return new ReadableStream(source, { highWaterMark: READ_AHEAD, size: (chunk) => chunk.byteLength })
    }

    let timer = setTimeout(late('answer', firstByteMs), firstByteMs)
    if (signal?.aborted) return stop()
    signal?.addEventListener('abort', stop)

    pool.dispatch(
      { origin: url.origin, path: url.pathname + url.search, method, headers, body, headersTimeout: 0, bodyTimeout: 0 },
      {
        onRequestStart(started) {
          controller = started
          if (over) started.abort(new Fault('RUN_STOPPED', 'stopped before it was sent'))
          else sent = true
        },
        onResponseStart(_, status, _headers, statusText) {
          if (over || status < 200) return
          clearTimeout(timer)
          timer = setTimeout(late('finish its answer', timeoutMs), timeoutMs - (performance.now() - began))
          const head = readHead(controller!.rawHeaders as Buffer[])
          try {
            if (head.coding === undefined) throw new TypeError('a coding nobody asked for')
            const bare = method === 'HEAD' || NO_BODY.has(status)
            resolve(
              new Response(bare ? null : open(head.coding), {
                status,
                statusText: /^[\t -~]*$/.test(statusText ?? '') ? statusText : '',
                headers: head.headers,
              }),
            )
          } catch {
            out = undefined
            fail(new Fault('UPSTREAM_INVALID', `the answer of ${host} is not one that HTTP allows`, { maybeDone: true }))
          }
        },
        onResponseData(_, chunk) {
          if (over || !out) return
          if (!decoder) deliver(chunk)
          else if (!decoder.write(chunk)) controller!.pause()
        },
        onResponseEnd() {
          if (decoder) decoder.end()
          else end()
        },
        onResponseError: (_, error) => fail(error instanceof Fault ? error : faultOf(error, host, sent, out !== undefined)),
      },
    )
  })
}

/** Header values are bytes; Latin-1 is the one reading that loses none (RFC 9110 §5.5). What we decoded is not announced any more. */
function readHead(raw: readonly Buffer[]): { headers: [string, string][]; coding: '' | 'gzip' | 'br' | undefined } {
  const headers: [string, string][] = []
  const codings: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toString('latin1')
    const value = raw[i + 1]!.toString('latin1')
    if (name.length === 16 && name.toLowerCase() === 'content-encoding') codings.push(value.trim().toLowerCase())
    else headers.push([name, value])
  }
  const named = codings.join(',')
  if (named === '' || named === 'identity') return { headers, coding: '' }
  const coding = named === 'gzip' || named === 'x-gzip' ? 'gzip' : named === 'br' ? 'br' : undefined
  return { headers: headers.filter(([name]) => name.toLowerCase() !== 'content-length'), coding }
}

/** undici's own words stay out: they can hold bytes of the answer. Its code is enough. */
function faultOf(error: Error, host: string, sent: boolean, answered: boolean): Fault {
  const code = (error as { code?: unknown }).code
  const reason = typeof code === 'string' && /^[A-Z0-9_]+$/.test(code) ? code : 'UNKNOWN'
  if (reason === 'UND_ERR_INVALID_ARG')
    return new Fault('INVALID_INPUT', `a header, the method or the path of the request to ${host} is not one that HTTP allows`)
  if (reason === 'UND_ERR_DESTROYED' || reason === 'UND_ERR_CLOSED')
    return new Fault('SHUTTING_DOWN', 'the runtime is shutting down', { maybeDone: sent })
  const what = answered ? `the answer of ${host} broke off` : sent ? `${host} broke the connection off` : `${host} cannot be reached`
  return new Fault('UPSTREAM_ERROR', what, { maybeDone: sent, details: { reason } })
}
