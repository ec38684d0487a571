/**
 * One request with a credential in it. The order is the point: is this host allowed, and only then open, place, send, scrub.
 * A mistake further up never decrypts, because the host is refused before the ciphertext is read.
 */
import { Fault, fail, reworded } from '../base/errors.ts'
import type { Egress } from '../base/egress.ts'
import type { User } from '../base/secret-use.ts'
import type { Opened } from './opened.ts'
import type { Put } from './recipe.ts'
import type { InUse, Redactor } from './redact.ts'
import type { Scrubber } from './scrub.ts'
import type { Owned } from './sealed.ts'

export interface Recipe {
  put: Put
  /** Hosts (with port, where it is not 443) that this credential may go to. */
  hosts: readonly string[]
  /** What was entered beside the secret and is none: a header's name. */
  publicFields: Readonly<Record<string, unknown>>
  /** It is sent to be ended. */
  ends?: true
}
export interface Outgoing {
  url: string
  init?: RequestInit | undefined
}

/** Redirects on the same host that a reading request follows (RFC 9110 §15.4). To another host nothing is ever followed. */
const MAX_REDIRECTS = 3

export function createSend(deps: {
  opened: Pick<Opened, 'read'>
  egress: Pick<Egress, 'fetch'>
  redactor: Pick<Redactor, 'inUse'>
  fault?: ((point: string) => void | Promise<void>) | undefined
}) {
  /** `told` gets the scrubber of the credential that goes out, for what a connector makes of the answer: it may decode what hid it. */
  return async function send(
    ref: Owned,
    recipe: Recipe,
    request: Outgoing,
    user: User,
    told?: (clean: InUse['answer']) => void,
  ): Promise<Searched> {
    const purpose = recipe.ends ? 'revocation' : user.check ? 'check' : 'request'
    let url = URL.parse(request.url) ?? fail('INVALID_INPUT', 'that is not a URL')
    refuseHost(url, recipe.hosts)
    const values = await deps.opened.read(ref, { purpose, host: url.host, user })
    const scrub = deps.redactor.inUse(ref.workspace, ref)
    // A run keeps its results, and need not keep each twice: they leave from the database, later.
    told?.(user.runId === undefined ? scrub.answer : scrub.json)
    const method = (request.init?.method ?? 'GET').toUpperCase()
    for (let hops = 0; ; hops++) {
      const headers = new Headers(request.init?.headers)
      const target = place(recipe, values, url, headers)
      let response: Response
      try {
        response = await deps.egress.fetch(target.href, { ...request.init, ...bodyOf(recipe, values), method, headers, redirect: 'manual' })
      } catch (error) {
        throw scrubFault(error, scrub)
      }
      const next = redirectOf(response, url)
      if (
        next === null ||
        hops >= MAX_REDIRECTS ||
        (method !== 'GET' && method !== 'HEAD') ||
        !recipe.hosts.includes(next.host) ||
        next.protocol !== url.protocol
      )
        return scrubbed(response, scrub)
      await response.body?.cancel()
      if (next.host !== url.host) await deps.opened.read(ref, { purpose, host: next.host, user })
      url = next
    }
  }
}
export type Send = ReturnType<typeof createSend>

function refuseHost(url: URL, hosts: readonly string[]): void {
  if (hosts.includes(url.host)) return
  throw new Fault('EGRESS_BLOCKED', `this credential may not go to ${url.host}`, {
    hint: `It may go to ${hosts.join(', ') || 'no host at all'}.`,
    details: { host: url.host, rule: 'credential-hosts' },
  })
}

/** Puts the credential where the recipe says, replacing whatever the caller has put there. Returns the URL to call. */
function place(recipe: Recipe, values: Record<string, string>, url: URL, headers: Headers): URL {
  const { put } = recipe
  const value = (field: string): string =>
    values[field] ?? fail('CREDENTIAL_MALFORMED', `the connection has no ${field}`, { hint: 'Replace its credential.' })
  const name = (n: string | { field: string }): string =>
    typeof n === 'string'
      ? n
      : typeof recipe.publicFields[n.field] === 'string'
        ? (recipe.publicFields[n.field] as string)
        : fail('CREDENTIAL_MALFORMED', `the connection does not say ${n.field}`)
  if (put.in === 'list') return url
  if (put.in === 'query') {
    const out = new URL(url)
    out.searchParams.set(name(put.name), value(put.field))
    return out
  }
  if (put.in === 'basic') {
    const user = values[put.user] ?? recipe.publicFields[put.user] ?? ''
    headers.set('authorization', `Basic ${Buffer.from(`${user}:${value(put.password)}`).toString('base64')}`)
    return url
  }
  const header = put.prefix + value(put.field)
  if (/[^\x20-\x7e\x80-\xff]/.test(header)) fail('CREDENTIAL_MALFORMED', `the stored ${put.field} has characters that no header can carry`)
  headers.set(name(put.name), header)
  return url
}

function bodyOf({ put }: Recipe, values: Record<string, string>): { body: string } | object {
  if (put.in !== 'list') return {}
  const value = values[put.field] ?? fail('CREDENTIAL_MALFORMED', `the connection has no ${put.field}`, { hint: 'Replace its credential.' })
  return { body: JSON.stringify({ [put.name]: [value] }) }
}

function redirectOf(response: Response, from: URL): URL | null {
  if (response.status < 300 || response.status >= 400) return null
  const location = response.headers.get('location')
  return location === null ? null : URL.parse(location, from.href)
}

/** What comes back, with the credential taken out of body and headers. */
async function scrubbed(response: Response, scrub: Scrubber): Promise<Searched> {
  try {
    const { status } = response
    const { headers, statusText } = headOf(response, scrub)
    const bytes = response.body === null ? NOTHING : scrub.body(Buffer.from(await response.arrayBuffer()))
    return searched(BODILESS.has(status) ? NOTHING : bytes, { status, statusText, headers })
  } catch (error) {
    throw scrubFault(error, scrub)
  }
}
const NOTHING = Buffer.alloc(0)
/** RFC 9110 §15: their answers have no content, whatever came. */
const BODILESS = new Set([204, 205, 304])

function headOf({ headers, statusText }: Response, scrub: Scrubber): Pick<Response, 'headers' | 'statusText'> {
  // As the bytes that came: whoever reads headers takes each for one character.
  const plain = (text: string) => {
    const bytes = Buffer.from(text, 'latin1')
    const clean = scrub.bytes(bytes)
    return clean === bytes ? text : clean.toString('latin1')
  }
  headers.delete('content-length')
  // All at once, because most hold nothing.
  const all = [statusText, ...headers.values()].join('\n')
  if (plain(all) === all) return { headers, statusText }
  const clean = new Headers()
  for (const [name, value] of headers) clean.append(name, plain(value))
  return { headers: clean, statusText: plain(statusText) }
}

export const scrubFault = (error: unknown, scrub: Scrubber): unknown =>
  error instanceof Fault ? reworded(error, (it) => scrub.json(it)) : error

/** What is read of an answer. It has come as a whole, so that reading it makes no copies: of large ones they would cost more than the call. */
export type Searched = Pick<Response, 'ok' | 'status' | 'statusText' | 'headers' | 'arrayBuffer' | 'text' | 'json'>

function searched(bytes: Buffer, { status, statusText, headers }: Pick<Response, 'status' | 'statusText' | 'headers'>): Searched {
  const text = () => new TextDecoder().decode(bytes)
  return {
    ok: status >= 200 && status < 300,
    status,
    statusText,
    headers,
    async arrayBuffer() {
      const { buffer, byteOffset, byteLength } = bytes
      return (byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)) as ArrayBuffer
    },
    text: async () => text(),
    json: async () => JSON.parse(text()),
  }
}
