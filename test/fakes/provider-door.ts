/**
 * One endpoint of the fake provider, watched: each request is written down as it arrives, and the next ones can be made to meet trouble
 * before the provider has seen them or after it has answered.
 */
import { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { Context } from 'koa'
import type { Recorded } from './stub.ts'

export interface Seen extends Recorded {
  /** When it arrived, in ms. */
  at: number
  /** Of the answer. null: none was sent, or not yet. */
  status: number | null
}

type Json = Record<string, unknown>

/** An answer in the provider's place: it does not see the request, so no token is spent. */
type Instead =
  | 'html' // 200 and a web page
  | 'empty' // 200 and nothing
  | 'truncated' // 200 and JSON that breaks off
  | 'huge' // 200 and 10 MB
  | 'hang' // nothing until `release()`, then 503
  | 'cut' // the connection is reset
/** The provider handles the request, maybe after the client has given up: a refresh token that rotates is spent. */
type Handled =
  | 'none' // a good answer; for a place in the queue
  | 'delay_before' // the provider sees the request at `release()`
  | 'held' // answered at `release()`
  | 'lost' // the connection is reset before the first byte of the answer
  | 'half' // the connection is reset in the middle of the answer
  | 'drip' // blanks, one byte at a time, until `release()`, then the answer
  | 'no_refresh'
  | 'no_expires'
  | 'no_scope'
  | 'expires_string' // expires_in: "3600"
type Word = Instead | Handled

export type Trouble =
  | Word
  | { kind: Word }
  /** In the provider's place. A string is sent as it is, anything else as JSON. */
  | { kind: 'reply'; status: number; headers?: Record<string, string>; body?: unknown; contentType?: string }
  /** The provider's own answer, changed. */
  | { kind: 'rewrite'; by: (answer: Json) => Json }

const HUGE_BYTES = 10 * 1024 * 1024
/** Slow enough that no reader calls it progress. Nothing waits for it to pass. */
const DRIP_MS = 25
const PAGE = '<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><p>Please accept the terms of this network.</p></body></html>'

const HOLDING = new Set<string>(['hang', 'delay_before', 'held', 'drip'])
const kindOf = (trouble: Trouble) => (typeof trouble === 'string' ? trouble : trouble.kind)

const INSTEAD: Record<Exclude<Instead, 'hang' | 'cut'>, { type: string; body: () => string }> = {
  html: { type: 'text/html; charset=utf-8', body: () => PAGE },
  empty: { type: 'application/json', body: () => '' },
  truncated: { type: 'application/json', body: () => '{"access_token":"broken-off","expires_in":36' },
  huge: { type: 'application/json', body: () => `{"padding":"${'x'.repeat(HUGE_BYTES)}"}` },
}
const without =
  (name: string) =>
  ({ [name]: _, ...rest }: Json): Json =>
    rest
const REWRITES: Partial<Record<Word, (answer: Json) => Json>> = {
  no_refresh: without('refresh_token'),
  no_expires: without('expires_in'),
  no_scope: without('scope'),
  expires_string: (answer) => ({ ...answer, expires_in: String(answer.expires_in) }),
}

export class Door<R extends Seen = Seen> {
  readonly requests: R[] = []
  /** The most requests that were underway at one time. */
  maxConcurrent = 0
  private readonly describe: (seen: Seen) => R
  private underway = 0
  private handledSoFar = 0
  private troubles: Trouble[] = []
  private held: (() => void)[] = []
  private waiting: { ready: () => boolean; go: () => void }[] = []

  constructor(describe: (seen: Seen) => R) {
    this.describe = describe
  }

  /** Queues troubles, one for each of the next requests. */
  readonly next = (...troubles: Trouble[]): void => void this.troubles.push(...troubles)
  /** Lets everything go that is kept back now. What comes later is kept back again. */
  readonly release = (): void => {
    for (const go of this.held.splice(0)) go()
  }
  /** When the next request has arrived, or `total` of them since the last reset. */
  readonly arrived = (total = this.requests.length + 1): Promise<void> => this.when(() => this.requests.length >= total)
  /** When the provider has dealt with the next request, whether or not its answer got out, or with `total` since the last reset. */
  readonly handled = (total = this.handledSoFar + 1): Promise<void> => this.when(() => this.handledSoFar >= total)
  /** Forgets requests and troubles, and lets everything go. */
  readonly reset = (): void => {
    this.requests.length = 0
    this.troubles = []
    this.waiting = []
    this.handledSoFar = 0
    this.maxConcurrent = this.underway
    this.release()
  }

  private async when(ready: () => boolean): Promise<void> {
    if (!ready()) await new Promise<void>((go) => this.waiting.push({ ready, go }))
  }
  private wake(): void {
    const due = this.waiting.filter((it) => it.ready())
    this.waiting = this.waiting.filter((it) => !due.includes(it))
    for (const { go } of due) go()
  }

  async pass(ctx: Context, handle: (request: R) => Promise<void>): Promise<void> {
    const request = this.describe(await seen(ctx))
    const gone = new Promise<void>((go) => ctx.res.once('close', go))
    void gone.then(() => this.underway--)
    this.maxConcurrent = Math.max(this.maxConcurrent, ++this.underway)
    const trouble = this.troubles.shift() ?? 'none'
    // Before anybody hears of the arrival: whoever releases then means this one too.
    const released = HOLDING.has(kindOf(trouble)) ? new Promise<void>((go) => this.held.push(go)) : Promise.resolve()
    this.requests.push(request)
    this.wake()
    try {
      await this.meet(ctx, () => handle(request), trouble, released, gone)
    } finally {
      if (ctx.respond !== false) request.status = ctx.status
    }
  }

  private async meet(
    ctx: Context,
    handle: () => Promise<void>,
    trouble: Trouble,
    released: Promise<void>,
    gone: Promise<void>,
  ): Promise<void> {
    const kind = kindOf(trouble)
    if (typeof trouble === 'object' && trouble.kind === 'reply') {
      ctx.set(trouble.headers ?? {})
      return say(ctx, trouble.status, trouble.contentType ?? 'application/json', trouble.body ?? '')
    }
    if (kind === 'cut') return reset(ctx)
    if (kind === 'hang') {
      await Promise.race([released, gone])
      return say(ctx, 503, 'application/json', '')
    }
    const instead = kind in INSTEAD ? INSTEAD[kind as keyof typeof INSTEAD] : null
    if (instead) return say(ctx, 200, instead.type, instead.body())
    // The client may be gone by then: a request that was long on its way is carried out all the same.
    if (kind === 'delay_before') await released
    await handle()
    this.handledSoFar++
    this.wake()
    const rewrite = typeof trouble === 'object' && 'by' in trouble ? trouble.by : REWRITES[kind as Word]
    if (rewrite) ctx.body = rewrite(ctx.body as Json)
    if (kind === 'lost') return reset(ctx)
    if (kind === 'half') return halve(ctx)
    if (kind === 'held') await Promise.race([released, gone])
    if (kind === 'drip') drip(ctx, released)
  }
}

/** Reads the request, and puts a copy in its place for the provider to read. */
async function seen(ctx: Context): Promise<Seen> {
  const { req } = ctx
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks)
  const copy = new IncomingMessage(req.socket)
  const { method, url, headers, rawHeaders, httpVersion, httpVersionMajor, httpVersionMinor } = req
  // Complete, or Node takes the end of the copy for the end of the connection.
  Object.assign(copy, { method, url, headers, rawHeaders, httpVersion, httpVersionMajor, httpVersionMinor, complete: true })
  copy.push(body)
  copy.push(null)
  ctx.req = ctx.request.req = ctx.response.req = copy
  const lines = rawHeaders.flatMap((it, i, all) => (i % 2 === 0 ? [`${it}: ${all[i + 1]}`] : []))
  return {
    at: Date.now(),
    method: ctx.method,
    path: ctx.path,
    query: new URLSearchParams(ctx.querystring),
    headers,
    body: body.toString(),
    bytes: [`${ctx.method} ${ctx.url}`, ...lines, '', body.toString()].join('\r\n'),
    status: null,
  }
}

function say(ctx: Context, status: number, type: string, body: unknown): void {
  ctx.status = status
  ctx.body = typeof body === 'string' ? body : JSON.stringify(body)
  ctx.set('content-type', type)
}

function reset(ctx: Context): void {
  ctx.respond = false
  ctx.req.socket.resetAndDestroy()
}

function halve(ctx: Context): void {
  ctx.respond = false
  const text = JSON.stringify(ctx.body)
  ctx.res.writeHead(ctx.status, { 'content-type': 'application/json', 'content-length': text.length })
  ctx.res.write(text.slice(0, text.length / 2), () => ctx.req.socket.destroy())
}

/** Blanks before JSON are JSON. */
function drip(ctx: Context, released: Promise<void>): void {
  const answer = JSON.stringify(ctx.body)
  let over = false
  void released.then(() => {
    over = true
  })
  async function* bytes() {
    while (!over) {
      yield ' '
      await Promise.race([released, new Promise((go) => setTimeout(go, DRIP_MS).unref())])
    }
    yield answer
  }
  ctx.body = Readable.from(bytes(), { objectMode: false })
  ctx.set('content-type', 'application/json')
}
