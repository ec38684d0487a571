/**
 * An OAuth token endpoint (RFC 6749 §6) in a process of its own. Strict: each renewal replaces the refresh token, and one that comes
 * twice is refused and noted. It keeps books of who asked how often, and of how many requests there were at a time.
 */
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** What every access token is, so that the upstream takes it; the client's name and secret; and how long a request takes. */
const [ACCESS = '', CLIENT = '', LATENCY_MS = '0'] = process.argv.slice(2)
const EXPIRES_IN_S = 3600

export interface Books {
  /** How many grants were asked for so many times: `{ 1: 10000 }`. */
  askedTimes: Record<string, number>
  mostAtATime: number
  /** When the first request came and the last answer left, by this machine's clock. */
  firstAt: number
  lastAt: number
  /** What a provider would have been right to end a grant for. */
  odd: string[]
}

/** The refresh tokens that are good now, each with the number of its grant. */
const live = new Map<string, number>()
let asked: number[] = []
let books = { mostAtATime: 0, firstAt: 0, lastAt: 0, odd: [] as string[] }
let inside = 0

function newGrants(count: number): string[] {
  live.clear()
  asked = Array.from({ length: count }, () => 0)
  books = { mostAtATime: 0, firstAt: 0, lastAt: 0, odd: [] }
  return asked.map((_, grant) => newRefreshToken(grant))
}
function newRefreshToken(grant: number): string {
  const token = `rt-${randomBytes(24).toString('base64url')}`
  live.set(token, grant)
  return token
}

const pause = () => new Promise((done) => setTimeout(done, Number(LATENCY_MS)))

function exchange(request: IncomingMessage, form: URLSearchParams): { status: number; body: unknown } {
  const refused = (status: number, error: string, why: string) => {
    books.odd.push(why)
    return { status, body: { error } }
  }
  // RFC 6749 §2.3.1: name and secret are form-encoded before they are put together.
  const basic = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString()
  if (decodeURIComponent(basic) !== CLIENT) return refused(401, 'invalid_client', 'another client')
  const token = { access_token: ACCESS, token_type: 'Bearer', expires_in: EXPIRES_IN_S }
  // What the same request costs without a runtime is measured with this one: it needs no token that would be used up.
  if (form.get('grant_type') === 'client_credentials') return { status: 200, body: { ...token, refresh_token: 'none' } }
  const refresh = form.get('refresh_token') ?? ''
  const grant = live.get(refresh)
  if (grant === undefined) return refused(400, 'invalid_grant', `a refresh token that is not good (any more): ${refresh.slice(0, 11)}…`)
  live.delete(refresh)
  asked[grant]!++
  return { status: 200, body: { ...token, refresh_token: newRefreshToken(grant) } }
}

async function answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
  const body = await text(request)
  if (request.url === '/grants') return { status: 200, body: newGrants(Number(body)) }
  if (request.url === '/books') {
    const askedTimes: Record<string, number> = {}
    for (const times of asked) askedTimes[times] = (askedTimes[times] ?? 0) + 1
    return { status: 200, body: { ...books, askedTimes } satisfies Books }
  }
  books.firstAt ||= Date.now()
  books.mostAtATime = Math.max(books.mostAtATime, ++inside)
  // Carried out when it comes and answered when its time is over, as a provider does whose answer takes long to arrive.
  const out = exchange(request, new URLSearchParams(body))
  await pause()
  inside--
  books.lastAt = Date.now()
  return out
}

function send(response: ServerResponse, { status, body }: { status: number; body: unknown }): void {
  const bytes = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(bytes)) }).end(bytes)
}

const server = createServer((request, response) => {
  answer(request).then(
    (out) => send(response, out),
    () => response.destroy(),
  )
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('disconnect', () => process.exit(0))
