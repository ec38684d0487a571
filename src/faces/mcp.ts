/**
 * MCP over HTTP, for whoever offers tools: the gate, the token, the body, and one server object for one request. Both eras of the
 * protocol are served without sessions: each request brings its token, so there is nothing to take over and nothing to outlive it.
 */
import { randomBytes } from 'node:crypto'
import type { HttpBindings } from '@hono/node-server'
import { type CallToolResult, createMcpHandler, ProtocolError, ProtocolErrorCode, Server, type Tool } from '@modelcontextprotocol/server'
import type { Context, Env, Hono } from 'hono'
import type { Caller } from '../access/index.ts'
import { FAULTS, Fault, fail } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Asked, Invoke } from '../operations/index.ts'
import { challenge, metadata, refuseStrangers } from './mcp-gate.ts'

/**
 * How often a token is looked at again while a call that it began is under way, and how old a look may be that another call had
 * of it: together less than the second that a revocation may take.
 */
const STANDING_MS = 400
/** Bytes of a legacy session's name: nobody guesses one, although it opens nothing. */
const SESSION_BYTES = 24

/** What one caller is offered at one endpoint. */
export interface Offer {
  name: string
  title: string
  instructions: string
  tools(): Promise<Tool[]>
  /** Throws what `call` would throw for a token that may not make this call at all. Nothing for any other call. */
  admit?(tool: string, args: Record<string, unknown>): Promise<void>
  /** Null: there is no such tool. */
  call(tool: string, args: Record<string, unknown>, signal: AbortSignal): Promise<unknown> | null
}

/** An endpoint: its route, and what it offers to whom. `open` throws where there is nothing for this caller. */
export interface Served {
  route: string
  title: string
  /** For the first challenge: what makes the endpoint useful without letting it change anything. */
  scopes: readonly string[]
  supported: readonly string[]
  open(caller: Caller, params: Record<string, string>, asked: Omit<Asked, 'signal'>): Promise<Offer>
}

export interface McpDeps<E extends Env> {
  invoke: Invoke
  /** `believeMs`: how old a look at the token may be. */
  callerOf: (request: Request, ip: string | null, believeMs?: number) => Promise<Caller>
  ipOf: (c: Context<E>) => string | null
  readBody: (request: Request) => Promise<Record<string, unknown>>
  requestIdOf: (c: Context<E>) => string
  publicUrl: () => string
  up: () => boolean
  log: Logger
  version: string
}

export function serveMcp<E extends Env>(app: Hono<E>, endpoints: readonly Served[], deps: McpDeps<E>): void {
  /** Calls of clients of 2025 under way, by caller, session and request: their way to cancel is a request of its own. */
  const underWay = new Map<string, AbortController>()

  for (const endpoint of endpoints) {
    app.get(`/.well-known/oauth-protected-resource${endpoint.route}`, (c) => {
      const path = new URL(c.req.url).pathname.replace('/.well-known/oauth-protected-resource', '')
      return c.json(metadata(`${deps.publicUrl()}${path}`, endpoint.title, endpoint.supported))
    })
    app.all(endpoint.route, async (c) => {
      const requestId = deps.requestIdOf(c)
      const own = `${deps.publicUrl()}${new URL(c.req.url).pathname}`
      const sentToken = c.req.header('authorization') !== undefined
      try {
        return await exchange(c, endpoint, requestId)
      } catch (error) {
        const fault = shown(error, requestId)
        const answer = refusal(fault, requestId)
        const way = challenge(fault, own, endpoint.scopes, sentToken)
        if (way) answer.headers.set('www-authenticate', way)
        return answer
      }
    })
  }

  async function exchange(c: Context<E>, endpoint: Served, requestId: string): Promise<Response> {
    if (!deps.up())
      fail('DEPENDENCY_UNAVAILABLE', 'the runtime is still starting', { hint: 'Try again in a moment; GET /readyz says when.' })
    const request = c.req.raw
    const socket = (c.env as HttpBindings | undefined)?.incoming?.socket
    refuseStrangers(request.headers, { publicUrl: deps.publicUrl(), localAddress: socket?.localAddress, localPort: socket?.localPort })
    // A cookie never opens this door: it would let a page of another act for whoever is signed in.
    if (!request.headers.has('authorization'))
      fail('UNAUTHENTICATED', 'send a personal access token', { hint: 'Authorization: Bearer ar_pat_…' })
    const ip = deps.ipOf(c)
    const caller = await deps.callerOf(request, ip)
    // RFC 9110 §15.5.6. There are no sessions to read from or to end.
    if (request.method !== 'POST') fail('METHOD_NOT_ALLOWED', `${request.method} is not answered here: MCP calls are POST`)
    const asked = {
      requestId,
      via: 'mcp',
      seen: {
        host: c.req.header('host') ?? null,
        forwardedHost: c.req.header('x-forwarded-host') ?? null,
        forwardedProto: c.req.header('x-forwarded-proto') ?? null,
      },
      progress: (state: object) => deps.log.info({ request_id: requestId, ...state }, 'progress'),
    } as const
    const offer = await endpoint.open(caller, c.req.param() as Record<string, string>, asked)
    const body = await deps.readBody(request)
    const params = (isRecord(body.params) ? body.params : {}) as { name?: unknown; arguments?: unknown; requestId?: unknown }
    const session = request.headers.get('mcp-session-id')
    const keyOf = (id: unknown) => (session === null ? null : JSON.stringify([caller.actor, endpoint.route, session, id]))

    // Before the stream begins: once it has, there is no status left to refuse with.
    if (body.method === 'tools/call' && typeof params.name === 'string') await offer.admit?.(params.name, argumentsOf(params.arguments))
    if (body.method === 'notifications/cancelled') underWay.get(keyOf(params.requestId) ?? '')?.abort(new Error('cancelled'))

    const call = (tool: string, args: Record<string, unknown>, signal: AbortSignal) => {
      const key = keyOf(body.id)
      const ending = new AbortController()
      if (key) underWay.set(key, ending)
      const looking = setInterval(() => {
        deps.callerOf(request, ip, STANDING_MS).catch((error: unknown) => {
          // A database that is away says nothing about the token.
          if (error instanceof Fault && FAULTS[error.code].http === 401) ending.abort(error)
        })
      }, STANDING_MS).unref()
      const over = () => {
        clearInterval(looking)
        if (key && underWay.get(key) === ending) underWay.delete(key)
      }
      return answered(offer.call(tool, args, AbortSignal.any([signal, ending.signal])), ending.signal, requestId).finally(over)
    }
    const serving = createMcpHandler(() => serverOf(offer, call, requestId), {
      onerror: (error) => deps.log.debug({ request_id: requestId, problem: error.message }, 'mcp'),
    })
    const response = await serving.fetch(withoutCredentials(request), { parsedBody: body })
    // It tells one client's request numbers from another's and opens nothing, so nothing is kept of it.
    if (body.method === 'initialize' && response.ok)
      response.headers.set('mcp-session-id', randomBytes(SESSION_BYTES).toString('base64url'))
    return response
  }

  /** One for each request: what is known of one caller is not there when the next one asks. */
  function serverOf(
    offer: Offer,
    call: (tool: string, args: Record<string, unknown>, signal: AbortSignal) => Promise<CallToolResult>,
    requestId: string,
  ): Server {
    const mine = { ttlMs: 0, cacheScope: 'private' } as const
    const server = new Server(
      { name: offer.name, title: offer.title, version: deps.version },
      { capabilities: { tools: {} }, instructions: offer.instructions, cacheHints: { 'tools/list': mine, 'server/discover': mine } },
    )
    server.setRequestHandler('tools/list', async ({ params }) => {
      if (params?.cursor !== undefined)
        throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'the list has one page, so no cursor was given')
      try {
        return { tools: await offer.tools() }
      } catch (error) {
        throw new ProtocolError(ProtocolErrorCode.InternalError, shown(error, requestId).message)
      }
    })
    server.setRequestHandler('tools/call', ({ params }, ctx) => call(params.name, params.arguments ?? {}, ctx.mcpReq.signal))
    return server
  }

  /** The answer of a tool, for a program and for a model. A failure is an answer too: a model can read it and do better. */
  async function answered(work: Promise<unknown> | null, ending: AbortSignal, requestId: string): Promise<CallToolResult> {
    if (work === null)
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'there is no such tool; tools/list has those that this token may use')
    try {
      const output = await work
      if (ending.reason instanceof Fault) throw ending.reason
      const structuredContent = isRecord(output) ? output : { result: output }
      return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent }
    } catch (error) {
      const fault = shown(ending.reason instanceof Fault ? ending.reason : error, requestId)
      const facts = { code: fault.code, error: fault.message, hint: fault.hint, details: fault.details ?? {}, request_id: requestId }
      // No structuredContent: clients of 2025 hold it to the tool's output schema even where it tells of a failure.
      return {
        isError: true,
        content: [
          { type: 'text', text: `${fault.code}: ${fault.message}${fault.hint ? `\n${fault.hint}` : ''}` },
          { type: 'text', text: JSON.stringify(facts) },
        ],
      }
    }
  }

  /** What may be said of a failure. Anything that is no Fault stays in the log. */
  function shown(error: unknown, requestId: string): Fault {
    if (error instanceof Fault) {
      if (FAULTS[error.code].http >= 500) deps.log.warn({ request_id: requestId, code: error.code, problem: error.message }, 'failed')
      return error
    }
    const { name, message, stack } = error as Error
    deps.log.error({ request_id: requestId, err: { name, message, stack } }, 'unexpected')
    return new Fault('INTERNAL', 'something went wrong here', { hint: 'The log line with this request id says more.' })
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => value !== null && typeof value === 'object' && !Array.isArray(value)
const argumentsOf = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : {})

/** The library gets the request without what the caller proved itself with; the body was read and is handed over beside it. */
function withoutCredentials(request: Request): Request {
  const headers = new Headers(request.headers)
  for (const name of ['authorization', 'cookie', 'content-length']) headers.delete(name)
  return new Request(request.url, { method: 'POST', headers, signal: request.signal })
}

/** A refusal of the whole request, in the language of the endpoint. */
function refusal(fault: Fault, requestId: string): Response {
  const status = FAULTS[fault.code].http
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (fault.code === 'METHOD_NOT_ALLOWED') headers.allow = 'POST'
  if (FAULTS[fault.code].retry) headers['retry-after'] = String(Math.max(1, Math.ceil(fault.retryAfter ?? 1)))
  // The rest of the body was not read, so the connection ends with this answer.
  if (fault.code === 'TOO_LARGE') headers.connection = 'close'
  const code =
    fault.code === 'BAD_REQUEST'
      ? ProtocolErrorCode.ParseError
      : status >= 500
        ? ProtocolErrorCode.InternalError
        : ProtocolErrorCode.InvalidRequest
  const data = { code: fault.code, hint: fault.hint, details: fault.details ?? {}, request_id: requestId }
  return new Response(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code, message: fault.message, data } }), { status, headers })
}
