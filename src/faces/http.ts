/** HTTP over the operations: routing, reading the request, writing the answer. No logic of its own. */
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { compress } from 'hono/compress'
import type { Access } from '../access/index.ts'
import { FAULTS, Fault, fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { parseJson } from '../base/json.ts'
import type { Logger } from '../base/log.ts'
import type { AnyOperation, Elsewhere, Ingress, Invoke, SignIn } from '../operations/index.ts'
import { createCallers } from './callers.ts'
import { clientAddress } from './client-address.ts'
import { openApi } from './openapi.ts'
import { docsPage } from './docs.ts'
import { type Clean, lookedOver, type Redact } from './last-look.ts'
import { hooks } from './hooks.ts'
import { instanceMcp } from './instance-mcp.ts'
import { jsonLines } from './lines.ts'
import { serveMcp } from './mcp.ts'
import { platformMcp } from './platform-mcp.ts'
import type { Readiness } from './readiness.ts'
import { consolePages } from './static.ts'
import { signInPages } from './sign-in-pages.ts'
import { serveStream } from './stream.ts'

/** The largest body we take: graphs are capped at 1 MiB too. */
export const MAX_BODY = 1_048_576

/** Long answers that are the same for everybody. Others are not compressed: what somebody sends could be guessed at by the length of what comes back. */
const LARGE = ['/openapi.json', '/v1/mcp/platform-catalog', '/v1/connections/templates']

/** RFC 6797: for a year. Not for other hosts of the domain, which are not ours to speak for. */
const TLS_ONLY = 'max-age=31536000'

type Env = { Bindings: HttpBindings; Variables: { requestId: string; clean: Clean } }

export function createHttp(deps: {
  operations: readonly AnyOperation[]
  invoke: Invoke
  access: Pick<Access, 'authenticate' | 'authenticateSession'>
  signIn: SignIn
  elsewhere: Pick<Elsewhere, 'arrive'>
  ingress: Ingress
  /** Whether people reach us over TLS, so that cookies may say so. */
  secure: boolean
  /** Addresses of proxies in front, which are believed about their clients. */
  trustedProxies: readonly string[]
  /** What answers are searched with, as a last net. */
  redact: Redact
  /** As people reach us. */
  publicUrl: () => string
  readiness: () => Promise<Readiness>
  /** False while the runtime is still starting: nothing is done before everything is there. */
  up: () => boolean
  log: Logger
  now: () => number
  version: string
  /** Where the Console lies, built. Without it there is the API alone. */
  consoleDir?: string
}) {
  const app = new Hono<Env>()
  const description = openApi(deps.operations, deps.version)
  const callers = createCallers<Env>(deps)
  const ipOf = (c: Context<Env>) => clientAddress(c.env, c.req.raw.headers, deps.trustedProxies)

  app.use(async (c, next) => {
    const requestId = newId('req', deps.now())
    c.set('requestId', requestId)
    c.set('clean', deps.redact.all)
    const began = performance.now()
    await next()
    const headers = c.res.headers
    headers.set('x-request-id', requestId)
    if (!headers.has('cache-control')) headers.set('cache-control', 'no-store')
    headers.set('x-content-type-options', 'nosniff')
    if (deps.secure) headers.set('strict-transport-security', TLS_ONLY)
    // The path without its query: a query may hold what a caller pasted by mistake.
    deps.log.info(
      { request_id: requestId, method: c.req.method, path: c.req.path, status: c.res.status, ms: Math.round(performance.now() - began) },
      'request',
    )
  })

  for (const path of LARGE) app.use(path, compress())
  app.get('/healthz', (c) => c.json({ ok: true, version: deps.version }))
  app.get('/readyz', async (c) => {
    const readiness = await deps.readiness()
    return c.json(readiness, readiness.ready ? 200 : 503)
  })
  app.get('/openapi.json', (c) => c.json(description as never))
  app.get('/docs', (c) => {
    const page = docsPage(description)
    c.header('content-security-policy', page.policy)
    return c.html(page.html)
  })

  signInPages(app, deps.signIn, { ...deps, requestIdOf: (c) => c.get('requestId') })

  // A provider sends the browser back by a link. Whatever came of it, a page of the Console says it.
  app.get('/v1/auth/callback', async (c) => {
    mustBeUp()
    const it = await deps.elsewhere.arrive(new URL(c.req.url).searchParams, callers.browser(c, ipOf(c), c.get('requestId')))
    return c.redirect('to' in it ? it.to : `/login?problem=${it.problem}`, 303)
  })

  // Pages of the Console and endpoints of programs share addresses: who asks for HTML gets the page.
  if (deps.consoleDir !== undefined) consolePages(app, deps.consoleDir)
  const looked = lookedOver(deps.invoke, deps.redact)
  serveMcp(app, [platformMcp(deps.operations, looked), instanceMcp(deps.operations, looked)], {
    ...deps,
    callerOf: callers.byToken,
    ipOf,
    readBody,
    requestIdOf: (c) => c.get('requestId'),
  })

  serveStream(app, { ...deps, callerOf: callers.byEither, ipOf, requestIdOf: (c) => c.get('requestId') })
  hooks(app, deps.ingress, {
    mustBeUp,
    mayRead: refuseUnread,
    read: readCapped,
    requestIdOf: (c) => c.get('requestId'),
    addressOf: ipOf,
  })

  for (const op of deps.operations) {
    const [method, path] = op.http.split(' ') as [string, string]
    const route = path.replaceAll(/\{(\w+)\}/g, ':$1')
    const pathNames = [...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1] as string)
    const arrayFields = new Set(
      Object.entries(op.input.shape)
        .filter(([, s]) => isArray(s))
        .map(([k]) => k),
    )
    app.on(method, route, async (c) => {
      const requestId = c.get('requestId')
      mustBeUp()
      const ip = ipOf(c)
      const browser = callers.browser(c, ip, requestId)
      const caller = await callers.callerOf(op, c.req.raw, ip)
      if (caller.kind !== 'anyone') c.set('clean', deps.redact.of(caller.workspace))
      const input = method === 'GET' || method === 'DELETE' ? readQuery(new URL(c.req.url), arrayFields) : await readBody(c.req.raw)
      for (const name of pathNames) {
        if (Object.hasOwn(input, name)) fail('INVALID_INPUT', `${name} is part of the path and may not be sent again`)
        input[name] = c.req.param(name)
      }
      // What is about signing in ends sessions by itself; everything else has a scope.
      const watch = op.scope ? callers.watch(c.req.raw, ip) : null
      const signal = watch ? AbortSignal.any([c.req.raw.signal, watch.signal]) : c.req.raw.signal
      const asked = {
        requestId,
        signal,
        browser,
        seen: {
          host: c.req.header('host') ?? null,
          forwardedHost: c.req.header('x-forwarded-host') ?? null,
          forwardedProto: c.req.header('x-forwarded-proto') ?? null,
        },
        progress: (state: object) => deps.log.info({ request_id: requestId, operation: op.name, ...state }, 'progress'),
        idempotencyKey: c.req.header('idempotency-key'),
      }
      if (op.lines) {
        const ask = (cursor: string | null) => {
          signal.throwIfAborted()
          return deps.invoke(op, caller, cursor === null ? input : { ...input, cursor }, asked)
        }
        return jsonLines(ask, { written: c.get('clean').written, over: () => watch?.over() }).catch((error: unknown) => {
          watch?.over()
          throw error
        })
      }
      const answer = await deps.invoke(op, caller, input, asked).finally(() => {
        watch?.over()
        // Whatever came of it is not for somebody who may no longer ask.
        watch?.signal.throwIfAborted()
      })
      return c.body(c.get('clean').written(answer), op.status ?? 200, { 'content-type': 'application/json' })
    })
  }

  app.notFound((c) => {
    const known = deps.operations.filter((op) => routeMatches(op.http.split(' ')[1] as string, c.req.path))
    if (known.length > 0) {
      const answer = show(new Fault('METHOD_NOT_ALLOWED', `${c.req.method} is not answered at ${c.req.path}`), c)
      answer.headers.set('allow', known.map((op) => op.http.split(' ')[0]).join(', '))
      return answer
    }
    return show(
      new Fault('NOT_FOUND', `there is no route ${c.req.method} ${c.req.path}`, { hint: 'GET /openapi.json lists the routes.' }),
      c,
    )
  })
  app.onError((error, c) => {
    const requestId = c.get('requestId')
    if (error instanceof Fault) {
      if (FAULTS[error.code].http >= 500) deps.log.warn({ request_id: requestId, code: error.code, problem: error.message }, 'failed')
      return show(error, c)
    }
    deps.log.error({ request_id: requestId, err: { name: error.name, message: error.message, stack: error.stack } }, 'unexpected')
    return show(new Fault('INTERNAL', 'something went wrong here', { hint: 'The log line with this request id says more.' }), c)
  })

  function mustBeUp(): void {
    if (!deps.up())
      fail('DEPENDENCY_UNAVAILABLE', 'the runtime is still starting', { hint: 'Try again in a moment; GET /readyz says when.' })
  }

  return app
}

function show(fault: Fault, c: Context<Env>): Response {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (fault.retryAfter !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(fault.retryAfter)))
  else if (FAULTS[fault.code].http === 429 || fault.code === 'SHUTTING_DOWN') headers['retry-after'] = '1'
  // The rest of the body was not read, so the connection ends with this answer: said, so that no client sends its next request there.
  if (fault.code === 'TOO_LARGE') headers.connection = 'close'
  if (FAULTS[fault.code].http === 401) headers['www-authenticate'] = 'Bearer realm="agentruntime"'
  const body = {
    error: fault.message,
    code: fault.code,
    ...(fault.hint ? { hint: fault.hint } : {}),
    details: fault.details ?? {},
    request_id: c.get('requestId'),
  }
  let text: string
  try {
    text = c.get('clean').written(body)
  } catch {
    // Only what is ours to say.
    text = JSON.stringify({ error: 'this failure cannot be told', code: fault.code, details: {}, request_id: body.request_id })
  }
  return new Response(text, { status: FAULTS[fault.code].http, headers })
}

/** By what the headers say alone. */
function refuseUnread(request: Request): void {
  if (Number(request.headers.get('content-length') ?? 0) > MAX_BODY) tooLarge()
  const encoding = request.headers.get('content-encoding')
  if (encoding && encoding !== 'identity') fail('UNSUPPORTED_MEDIA_TYPE', 'compressed bodies are not taken')
}

async function readBody(request: Request): Promise<Record<string, unknown>> {
  refuseUnread(request)
  const bytes = await readCapped(request)
  if (bytes.length === 0) return {}
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json' && !type?.endsWith('+json')) fail('UNSUPPORTED_MEDIA_TYPE', 'send the body as application/json')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    fail('BAD_REQUEST', 'the body is not UTF-8')
  }
  const body = parseJson(text)
  if (body === null || typeof body !== 'object' || Array.isArray(body)) fail('BAD_REQUEST', 'the body must be a JSON object')
  return body as Record<string, unknown>
}

async function readCapped(request: Request): Promise<Uint8Array> {
  // Before anybody asks for its body as a stream, which would have to be built.
  if (request.headers.has('content-length')) return new Uint8Array(await request.arrayBuffer())
  if (!request.body) return new Uint8Array()
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of request.body) {
    size += part.length
    if (size > MAX_BODY) tooLarge()
    parts.push(part)
  }
  return Buffer.concat(parts)
}
const tooLarge = () => fail('TOO_LARGE', `the body is larger than ${MAX_BODY / 1024} KiB`)

function readQuery(url: URL, arrays: ReadonlySet<string>): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const key of new Set(url.searchParams.keys())) {
    const values = url.searchParams.getAll(key)
    if (arrays.has(key)) out[key] = values
    else if (values.length > 1) fail('BAD_REQUEST', `the query parameter ${key} was sent twice`)
    else out[key] = values[0]
  }
  return out
}

const isArray = (schema: unknown): boolean => {
  let def = (schema as { def?: { type: string; innerType?: unknown } }).def
  while (def?.innerType) def = (def.innerType as { def?: typeof def }).def
  return def?.type === 'array'
}
const routeMatches = (route: string, path: string): boolean => new RegExp(`^${route.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path)
