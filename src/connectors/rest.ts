/** One HTTP call of a connector: encoded path, few and honest repeats, an answer read once, and its meaning. */
import { Fault, fail } from '../base/errors.ts'
import type { Searched } from '../vault/index.ts'
import { type Judge, standardJudge, type Verdict } from './judge.ts'

/** Three tries: the second meets a restarted server, the third a slow one; more only adds load to a service in trouble. */
const TRIES = 3
/** Pauses before the second and the third try where the vendor names none. Together they cost a step a second and a half. */
const PAUSES_MS = [300, 1200] as const
/** The longest wait inside one call. Longer ones go back to the run, which can park without holding a request open. */
const LONGEST_WAIT_MS = 20_000
/** Methods that ask and change nothing (RFC 9110 §9.2.1). */
const SAFE = new Set(['GET', 'HEAD'])
/** Statuses of a passing trouble, besides being rate limited. */
const PASSING = new Set([502, 503, 504])
/** Many vendors refuse requests without one. */
const USER_AGENT = 'AgentRuntime'

/** What a call needs of a tool's context. */
interface Carrier {
  fetch: (pathOrUrl: string, init?: RequestInit) => Promise<Searched>
  signal: AbortSignal
  wait: (ms: number) => Promise<void>
}

export interface RestCall {
  /** GET when left out. */
  method?: string
  /** From `fill`, or a constant. */
  path: string
  /** undefined and null are left out. */
  query?: Readonly<Record<string, string | number | boolean | null | undefined>>
  /** A string is sent as it is; anything else as JSON. undefined: no body. */
  body?: unknown
  headers?: Readonly<Record<string, string>>
  /** Making the very same call twice does no harm: it may be tried again although it writes. */
  idempotent?: boolean
  /** It only asks, although its method does not say so (a search by POST): what a read survives, it survives. */
  asks?: true
  /** The name for sentences. */
  vendor?: string
  /** Asked before the standard judge. */
  judge?: Judge
  /** `json` (default): anything else in a 2xx is a failure. `any`: whatever comes is an answer. */
  accept?: 'json' | 'any'
}

export interface Answer {
  status: number
  headers: Headers
  /** JSON where it is JSON, text where it is UTF-8, bytes where it is neither, null where there is none. */
  body: unknown
  /** What is wrong, or null. */
  verdict: Verdict | null
}

/**
 * Fills `{name}` in a path with one encoded segment, and `{+name}` with several (slashes stay). Empty, `.` and `..` segments are
 * refused with INVALID_INPUT: they would lead to another resource than the one that was named. An empty `{+name}` at the end is left out.
 */
export function fill(template: string, values: Readonly<Record<string, unknown>>): string {
  const path = template.replace(/\{(\+?)([a-z_]+)\}/g, (_, many: string, name: string) => {
    const value = String(values[name] ?? '')
    if (many === '') return segment(name, value)
    const inner = value.replace(/^\/+|\/+$/g, '')
    const parts = inner === '' ? [] : inner.split('/')
    return parts.map((part) => segment(name, part)).join('/')
  })
  return path.endsWith('/') ? path.slice(0, -1) : path
}

function segment(name: string, value: string): string {
  if (value === '' || value === '.' || value === '..') fail('INVALID_INPUT', `"${name}" must not have an empty, "." or ".." part.`)
  if (!value.isWellFormed()) fail('INVALID_INPUT', `"${name}" is not well-formed Unicode.`)
  return encodeURIComponent(value)
}

/**
 * Makes the call and returns its JSON answer. A verdict becomes a Fault with its code and `details.status`; `maybeDone` where a write may
 * have been carried out all the same.
 */
export async function rest(ctx: Carrier, call: RestCall): Promise<Answer> {
  const answer = await exchange(ctx, call)
  const { status, verdict } = answer
  if (verdict === null) return answer
  // 501 and 503 say that nothing was done; other 5xx, and a 2xx that cannot be read, leave it open.
  const open = status < 300 || (status >= 500 && status !== 501 && status !== 503)
  const { code, message, details, ...more } = verdict
  throw new Fault(code, message, { ...more, details: { status, ...details }, maybeDone: open && !SAFE.has(call.method ?? 'GET') })
}

/** Like `rest`, but the verdict is part of the answer. Faults only when no answer came: UPSTREAM_ERROR, STEP_TIMED_OUT, EGRESS_BLOCKED. */
export async function exchange(ctx: Carrier, call: RestCall): Promise<Answer> {
  const reads = call.asks === true || SAFE.has(call.method ?? 'GET')
  const tries = reads || call.idempotent === true ? TRIES : 1
  for (let n = 1; ; n++) {
    let pause = PAUSES_MS[n - 1] ?? 0
    try {
      const answer = await once(ctx, call)
      const { status, verdict } = answer
      if (n >= tries || verdict === null || (verdict.code !== 'UPSTREAM_RATE_LIMITED' && !PASSING.has(status))) return answer
      pause = Math.max(pause, (verdict.retryAfter ?? 0) * 1000)
      if (pause > LONGEST_WAIT_MS) return answer
    } catch (cause) {
      const again = cause instanceof Fault && cause.code === 'UPSTREAM_ERROR' && (reads || !cause.maybeDone)
      if (n >= tries || !again) throw cause
    }
    await ctx.wait(pause)
  }
}

async function once(ctx: Carrier, call: RestCall): Promise<Answer> {
  const { method = 'GET', vendor = 'The service', body } = call
  const headers = new Headers({ accept: 'application/json', 'user-agent': USER_AGENT, ...call.headers })
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  if (text !== undefined && !headers.has('content-type')) {
    headers.set('content-type', typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json')
  }
  const res = await ctx.fetch(withQuery(call.path, call.query), {
    method,
    headers,
    signal: ctx.signal,
    ...(text === undefined ? {} : { body: text }),
  })
  const bytes = await res.arrayBuffer().catch((cause: unknown) => cutOff(ctx, call, cause))
  const heard = { status: res.status, headers: res.headers, ...read(new Uint8Array(bytes), res.headers.get('content-type') ?? '') }
  return { status: heard.status, headers: heard.headers, body: heard.body, verdict: judged(heard, call, vendor) }
}

function judged(heard: { status: number; headers: Headers; body: unknown; kind: Kind }, call: RestCall, vendor: string): Verdict | null {
  const { status, kind } = heard
  // A page comes from a proxy or a wrong address, whatever its status: it must not condemn a credential.
  const page = kind === 'page' && call.accept !== 'any' && status !== 429 && status < 500
  if (page || (status < 300 && call.accept !== 'any' && (kind === 'text' || kind === 'bytes'))) {
    return { code: 'UPSTREAM_ERROR', message: `${vendor} answered with ${page ? 'a web page' : 'something'} that is not JSON (${status}).` }
  }
  const clean = kind === 'page' ? { ...heard, body: null } : heard
  return call.judge?.(clean) ?? standardJudge(clean, vendor)
}

function withQuery(path: string, query: RestCall['query']): string {
  const kept = Object.entries(query ?? {}).flatMap(([k, v]): [string, string][] => (v === undefined || v === null ? [] : [[k, String(v)]]))
  return kept.length === 0 ? path : `${path}${path.includes('?') ? '&' : '?'}${new URLSearchParams(kept)}`
}

type Kind = 'none' | 'json' | 'page' | 'text' | 'bytes'

function read(bytes: Uint8Array, type: string): { kind: Kind; body: unknown } {
  if (bytes.length === 0) return { kind: 'none', body: null }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return { kind: 'bytes', body: bytes }
  }
  // Some vendors mislabel JSON; a bare word or number in a text file is not JSON all the same.
  if (/\bjson\b/i.test(type) || /^\s*[[{]/.test(text)) {
    try {
      return { kind: 'json', body: JSON.parse(text) }
    } catch {}
  }
  return { kind: /\bhtml\b/i.test(type) || /^\s*<(!doctype|html)/i.test(text) ? 'page' : 'text', body: text }
}

function cutOff(ctx: Carrier, call: RestCall, cause: unknown): never {
  if (ctx.signal.reason instanceof Fault) throw ctx.signal.reason
  if (cause instanceof Fault) throw cause
  const maybeDone = !SAFE.has(call.method ?? 'GET')
  if (ctx.signal.aborted) fail('STEP_TIMED_OUT', 'The answer did not come in time.', { cause, maybeDone })
  return fail('UPSTREAM_ERROR', `${call.vendor ?? 'The service'} broke off in the middle of its answer.`, { cause, maybeDone })
}
