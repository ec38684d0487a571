/** Asks the server: every call is one of its operations, with that operation's types. */
import type { Api } from '../../src/operations/index.ts'
import routes from 'virtual:routes'

export type { Api }
export type Input<N extends keyof Api> = Api[N]['input']
export type Answer<N extends keyof Api> = Api[N]['output']

/** What the server answered instead, in its own words. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly hint: string | null
  readonly details: Record<string, unknown>
  readonly requestId: string | null
  constructor(status: number, body: Record<string, unknown>) {
    super(typeof body.error === 'string' ? body.error : `HTTP ${status}`)
    this.status = status
    this.code = typeof body.code === 'string' ? body.code : 'UNREADABLE'
    this.hint = typeof body.hint === 'string' ? body.hint : null
    this.details = (body.details as Record<string, unknown> | undefined) ?? {}
    this.requestId = typeof body.request_id === 'string' ? body.request_id : null
  }
  /** Field → what is wrong with it. */
  get fields(): Map<string, string> {
    const issues = Array.isArray(this.details.issues) ? (this.details.issues as { path?: unknown; message?: unknown }[]) : []
    return new Map(issues.map((i) => [String(i.path), String(i.message)]))
  }
}
/** No answer came at all. */
export class Unreachable extends Error {}

let project: { workspace: string; project: string } | null = null
/** Where the person works: workspace by its slug, project by its id. */
export function workIn(place: typeof project): void {
  project = place
}

export const headersOfPlace = (): Record<string, string> =>
  project ? { 'x-tenant-id': project.workspace, 'x-project-id': project.project } : {}

/** What the page itself has asked for, before this program was there, by address. Each counts once. */
const early = (globalThis as { early?: Record<string, Promise<Response>> }).early ?? {}
function takeEarly(path: string): Promise<Response> | undefined {
  const it = early[path]
  delete early[path]
  return it
}

async function ask(
  method: string,
  path: string,
  init: { body?: unknown; key?: string | undefined; signal?: AbortSignal | undefined },
): Promise<unknown> {
  let response: Response
  try {
    response = await ((method === 'GET' ? takeEarly(path) : undefined) ??
      fetch(path, {
        method,
        signal: init.signal ?? null,
        headers: {
          accept: 'application/json',
          ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
          ...headersOfPlace(),
          ...(init.key ? { 'idempotency-key': init.key } : {}),
        },
        ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
      }))
  } catch (cause) {
    if (init.signal?.aborted) throw cause
    throw new Unreachable('the server does not answer', { cause })
  }
  const text = await response.text()
  let body: unknown
  try {
    body = text === '' ? {} : JSON.parse(text)
  } catch {
    body = {}
  }
  if (!response.ok) throw new Refusal(response.status, body as Record<string, unknown>)
  return body
}

/** Public routes of signing in, which are no operations. */
export const post = (path: string, body: unknown): Promise<unknown> => ask('POST', path, { body })
export const get = (path: string): Promise<unknown> => ask('GET', path, {})

export interface Ready {
  ready: boolean
  version: string
  checks: Record<string, { ok: boolean; problem?: string; key_id?: string } | undefined>
}
/** How the server is: a 503 is an answer here too. */
export async function readiness(): Promise<Ready> {
  const read = async (path: string): Promise<object> => (await fetch(path)).json() as Promise<object>
  const [ready, health] = await Promise.all([read('/readyz'), read('/healthz')])
  return { ...health, ...ready } as Ready
}

/** `key` makes a repeated request the same request. */
export function call<N extends keyof Api>(
  name: N,
  input: Input<N>,
  options: { signal?: AbortSignal; key?: string } = {},
): Promise<Answer<N>> {
  const [method = '', route = ''] = (routes[name] ?? '').split(' ')
  const rest: Record<string, unknown> = { ...(input as Record<string, unknown>) }
  const path = route.replaceAll(/\{(\w+)\}/g, (_, part: string) => {
    const value = rest[part]
    delete rest[part]
    return encodeURIComponent(String(value))
  })
  if (method !== 'GET' && method !== 'DELETE') return ask(method, path, { body: rest, ...options }) as Promise<Answer<N>>
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(rest))
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined && one !== null) query.append(key, String(one))
  return ask(method, query.size > 0 ? `${path}?${query}` : path, options) as Promise<Answer<N>>
}
