/**
 * The kernel of all vendor stubs: an HTTP server on loopback that denies by default, records every request, and misbehaves on demand.
 * What a vendor says (statuses, bodies, headers, scopes) comes from its contract file, never from here.
 */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Recorded {
  method: string
  /** Without the query. */
  path: string
  query: URLSearchParams
  headers: IncomingHttpHeaders
  body: string
  /** Request line, header lines and body, as they came. */
  bytes: string
}

export interface Reply {
  status: number
  headers?: Record<string, string>
  /** A string is sent as it is, anything else as JSON, undefined as nothing. */
  body?: unknown
}

export interface Credential {
  state: 'valid' | 'expired' | 'revoked'
  /** As the vendor calls it: `classic`, `fine-grained`, … */
  kind: string
  /** null: this kind has no scopes that are listed. */
  scopes: readonly string[] | null
}

export interface Asked {
  req: Recorded
  credential: Credential
  /** Decoded parameters of the path. */
  at: Record<string, string>
  /** The JSON body; {} when there is none. */
  body: Record<string, unknown>
  /** `http://127.0.0.1:port`. */
  url: string
}

/** `call`: "GET /repos/{owner}/{repo}"; `{+path}` takes several segments. */
export interface Route {
  call: string
  /** One of these is needed. Empty: any live credential does. */
  scopes: readonly string[]
  /** Names that the vendor's description has; others are refused by the vendor's `unknownField`. */
  query?: readonly string[]
  body?: readonly string[]
  answer: (asked: Asked) => Reply
}

export interface Vendor {
  routes: readonly Route[]
  credentials: Readonly<Record<string, Credential>>
  /** Reads the credential from its one place; null when it is not there. */
  credentialOf: (req: Recorded) => string | null
  /** Demands on every request (versions, user agent): null when met. */
  demand: (req: Recorded) => Reply | null
  /** No credential, an unknown one, or one that is not valid any more. */
  unauthorized: (found: Credential | null) => Reply
  unknownRoute: (req: Recorded) => Reply
  unknownField: (name: string) => Reply
  scopeMissing: (credential: Credential, scopes: readonly string[]) => Reply
  /** Headers on every answer to a live credential. */
  always: (credential: Credential, route: Route) => Record<string, string>
}

/** What the next request meets instead of the vendor. `slow` answers after `release()`. */
export type Trouble =
  | { kind: 'reply'; reply: Reply }
  | { kind: 'slow' }
  | { kind: 'cut' }
  | { kind: 'cut-body' }
  | { kind: 'redirect'; to: string }
  | { kind: 'html'; status: number }
  | { kind: 'echo'; status: number }

export interface Stub {
  url: string
  requests: Recorded[]
  /** Queues troubles, one for each of the next requests. */
  next: (...troubles: Trouble[]) => void
  /** Lets slow answers go; resolves `arrived` when the next request is there. */
  release: () => void
  arrived: () => Promise<void>
  /** Forgets requests and troubles. */
  reset: () => void
  close: () => Promise<void>
}

const HTML = '<!DOCTYPE html>\n<html><head><title>Whoa there!</title></head><body><p>Something is down.</p></body></html>'

export async function startStub(vendor: Vendor): Promise<Stub> {
  const requests: Recorded[] = []
  const troubles: Trouble[] = []
  let held: (() => void)[] = []
  let waiting: (() => void)[] = []
  let url = ''
  const server = createServer((msg, res) => {
    void (async () => {
      const req = await record(msg)
      requests.push(req)
      for (const go of waiting.splice(0)) go()
      const trouble = troubles.shift()
      if (trouble?.kind === 'slow') await new Promise<void>((go) => held.push(go))
      if (trouble === undefined || trouble.kind === 'slow') write(res, answer(vendor, req, url))
      else misbehave(res, req, trouble)
    })().catch((error: unknown) => write(res, { status: 599, body: String(error) }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const release = () => {
    for (const go of held) go()
    held = []
  }
  return {
    url,
    requests,
    next: (...more) => void troubles.push(...more),
    release,
    arrived: () => new Promise((go) => waiting.push(go)),
    reset: () => {
      requests.length = 0
      troubles.length = 0
      waiting = []
      release()
    },
    close: async () => {
      release()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** One page of `items` and the Link header to the next, with `page` and `per_page`. */
export function paged({ req, url }: Asked, items: readonly unknown[], sizes: { usual: number; most: number }) {
  const size = Math.min(Number(req.query.get('per_page') ?? sizes.usual), sizes.most)
  const page = Number(req.query.get('page') ?? 1)
  const pages = Math.max(1, Math.ceil(items.length / size))
  const link = (to: number, rel: string) => {
    const query = new URLSearchParams(req.query)
    query.set('page', String(to))
    return `<${url}${req.path}?${query}>; rel="${rel}"`
  }
  const links = [
    ...(page > 1 ? [link(page - 1, 'prev')] : []),
    ...(page < pages ? [link(page + 1, 'next'), link(pages, 'last')] : []),
    ...(page > 1 ? [link(1, 'first')] : []),
  ]
  const headers: Record<string, string> = links.length > 0 ? { link: links.join(', ') } : {}
  return { headers, body: items.slice((page - 1) * size, page * size) }
}

/** How often the credential is in the bytes of a request: as it is, percent-encoded, or in base64 (alone or after a user's name). */
export function timesSent(req: Recorded, secret: string): number {
  const forms = new Set([secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64').replace(/=+$/, '')])
  const plain = [...forms].reduce((sum, form) => sum + req.bytes.split(form).length - 1, 0)
  const pairs = [...req.bytes.matchAll(/Basic ([A-Za-z0-9+/=]+)/gi)].map((it) => Buffer.from(it[1] ?? '', 'base64').toString())
  return plain + pairs.filter((it) => it.includes(secret)).length
}

async function record(msg: IncomingMessage): Promise<Recorded> {
  const chunks: Buffer[] = []
  for await (const chunk of msg) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks).toString()
  const lines = msg.rawHeaders.flatMap((it, i, all) => (i % 2 === 0 ? [`${it}: ${all[i + 1]}`] : []))
  const [path = '', search = ''] = (msg.url ?? '').split(/\?(.*)/s)
  return {
    method: msg.method ?? '',
    path,
    query: new URLSearchParams(search),
    headers: msg.headers,
    body,
    bytes: [`${msg.method} ${msg.url}`, ...lines, '', body].join('\r\n'),
  }
}

function answer(vendor: Vendor, req: Recorded, url: string): Reply {
  const refused = vendor.demand(req)
  if (refused !== null) return refused
  const credential = vendor.credentials[vendor.credentialOf(req) ?? ''] ?? null
  if (credential?.state !== 'valid') return vendor.unauthorized(credential)
  for (const route of vendor.routes) {
    const at = match(route.call, req)
    if (at === null) continue
    const headers = vendor.always(credential, route)
    const reply = served(vendor, route, { req, credential, at, url, body: {} })
    return { ...reply, headers: { ...headers, ...reply.headers } }
  }
  return vendor.unknownRoute(req)
}

function served(vendor: Vendor, route: Route, asked: Asked): Reply {
  const { req, credential } = asked
  const allowed = route.scopes.length === 0 || credential.scopes === null || route.scopes.some((s) => credential.scopes?.includes(s))
  if (!allowed) return vendor.scopeMissing(credential, route.scopes)
  const body = req.body === '' ? {} : (JSON.parse(req.body) as Record<string, unknown>)
  const stranger =
    [...req.query.keys()].find((name) => !route.query?.includes(name)) ?? Object.keys(body).find((name) => !route.body?.includes(name))
  return stranger === undefined ? route.answer({ ...asked, body }) : vendor.unknownField(stranger)
}

function match(call: string, req: Recorded): Record<string, string> | null {
  const [method, template = ''] = call.split(' ')
  if (method !== req.method) return null
  const names: string[] = []
  const source = template.replace(/\{(\+?)(\w+)\}|[.+*]/g, (it, many: string | undefined, name: string | undefined) => {
    if (name === undefined) return `\\${it}`
    names.push(name)
    return many === '+' ? '(.+)' : '([^/]+)'
  })
  const found = new RegExp(`^${source}$`).exec(req.path)
  return found === null ? null : Object.fromEntries(names.map((name, i) => [name, decodeURIComponent(found[i + 1] ?? '')]))
}

function misbehave(res: ServerResponse, req: Recorded, trouble: Exclude<Trouble, { kind: 'slow' }>): void {
  if (trouble.kind === 'cut') {
    res.socket?.destroy()
  } else if (trouble.kind === 'cut-body') {
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
    res.write('{"half":', () => res.socket?.destroy())
  } else {
    write(res, bad(req, trouble))
  }
}

function bad(req: Recorded, trouble: Exclude<Trouble, { kind: 'slow' | 'cut' | 'cut-body' }>): Reply {
  const sent = req.headers.authorization ?? 'nothing'
  switch (trouble.kind) {
    case 'reply':
      return trouble.reply
    case 'redirect':
      return { status: 302, headers: { location: trouble.to } }
    case 'html':
      return { status: trouble.status, headers: { 'content-type': 'text/html; charset=utf-8' }, body: HTML }
    case 'echo':
      return { status: trouble.status, headers: { 'x-echo': sent, authorization: sent }, body: { message: `You sent ${sent}`, sent } }
  }
}

function write(res: ServerResponse, { status, headers, body }: Reply): void {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  res.writeHead(status, { ...(text === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }), ...headers })
  res.end(text)
}
