/**
 * A token endpoint for tests of scale, and for nothing else: refreshes and no pages, clients or keys, so that ten thousand refresh tokens
 * cost little. What it knows of OAuth is that a refresh token is good once: one that comes again ends its grant (RFC 9700 §4.14.2). Any
 * client may come. Whether the product speaks OAuth well is shown against `provider.ts`.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface BulkOptions {
  /** How long each answer takes. 0 unless said. */
  latencyMs?: number
  /** More requests than this at one time are told 429 before their token is looked at. No limit unless said. */
  limit?: number
  /** What is said with 429. */
  retryAfterS?: number
  accessTtlS?: number
}

export interface BulkGrant {
  readonly id: number
  /** The one refresh token that is good. null: the grant was ended. */
  refreshToken: string | null
  renewals: number
}

export interface TokenEndpoint extends AsyncDisposable {
  /** The token endpoint. */
  readonly url: string
  /** So many new grants. */
  grants(count: number): BulkGrant[]
  /** How often each refresh token was sent and looked at: 1 for all of them, if nobody spends one twice. */
  readonly uses: ReadonlyMap<string, number>
  /** Grants that a replay has ended. */
  readonly ended: readonly BulkGrant[]
  readonly requests: number
  readonly limited: number
  /** The most requests at one time, those that were told 429 left out. */
  readonly maxConcurrent: number
  close(): Promise<void>
}

export async function startTokenEndpoint(options: BulkOptions = {}): Promise<TokenEndpoint> {
  const { latencyMs = 0, limit = Number.POSITIVE_INFINITY, retryAfterS = 1, accessTtlS = 3600 } = options
  const byToken = new Map<string, BulkGrant>()
  const uses = new Map<string, number>()
  const ended: BulkGrant[] = []
  let [grants, requests, limited, underway, maxConcurrent] = [0, 0, 0, 0, 0]

  const issue = (grant: BulkGrant): string => {
    const token = `bulk-${grant.id}-${grant.renewals}-${randomBytes(16).toString('base64url')}`
    byToken.set(token, grant)
    grant.refreshToken = token
    return token
  }
  const refused = (error: string) => ({ status: 400, body: { error } })
  function renew(form: URLSearchParams): { status: number; body: object } {
    if (form.get('grant_type') !== 'refresh_token') return refused('unsupported_grant_type')
    const token = form.get('refresh_token') ?? ''
    const grant = byToken.get(token)
    if (!grant) return refused('invalid_grant')
    uses.set(token, (uses.get(token) ?? 0) + 1)
    if (grant.refreshToken !== token) {
      if (grant.refreshToken !== null) ended.push(grant)
      grant.refreshToken = null
      return refused('invalid_grant')
    }
    grant.renewals++
    const refresh_token = issue(grant)
    return {
      status: 200,
      body: { access_token: randomBytes(24).toString('base64url'), token_type: 'Bearer', expires_in: accessTtlS, refresh_token },
    }
  }

  const server = createServer((req, res) => {
    const answer = (status: number, body: object, headers: Record<string, string> = {}) => {
      res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    }
    requests++
    if (underway >= limit) {
      limited++
      req.resume()
      answer(429, { error: 'temporarily_unavailable' }, { 'retry-after': String(retryAfterS) })
      return
    }
    maxConcurrent = Math.max(maxConcurrent, ++underway)
    res.once('close', () => underway--)
    void textOf(req).then((body) => {
      const { status, body: said } = renew(new URLSearchParams(body))
      if (latencyMs === 0) answer(status, said)
      else setTimeout(answer, latencyMs, status, said)
    }, noop) // the client has gone
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const endpoint: TokenEndpoint = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    grants: (count) =>
      Array.from({ length: count }, () => {
        const grant: BulkGrant = { id: ++grants, refreshToken: null, renewals: 0 }
        issue(grant)
        return grant
      }),
    uses,
    ended,
    get requests() {
      return requests
    },
    get limited() {
      return limited
    },
    get maxConcurrent() {
      return maxConcurrent
    },
    close: async () => {
      server.closeAllConnections()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
    [Symbol.asyncDispose]: () => endpoint.close(),
  }
  return endpoint
}

const noop = () => undefined

async function textOf(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
