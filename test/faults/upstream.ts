/** An API that counts: every call by its path and its idempotency key, and it can be told to keep calls waiting. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Call {
  method: string
  path: string
  key: string | null
  at: number
}

export interface Upstream {
  url: string
  calls: Call[]
  of(path: string): Call[]
  /** From now on calls of these paths wait for `release`. They count all the same: they have arrived. */
  hold(paths: RegExp): void
  release(): void
  /** Milliseconds that an answer takes. */
  pace: (call: Call) => number
  close(): Promise<void>
}

export async function startUpstream(): Promise<Upstream> {
  const calls: Call[] = []
  let held: RegExp | undefined
  let waiting: (() => void)[] = []
  const server = createServer((request, response) => {
    request.resume()
    const call = {
      method: request.method ?? '',
      path: request.url ?? '',
      key: (request.headers['idempotency-key'] as string) ?? null,
      at: Date.now(),
    }
    calls.push(call)
    const answer = () => send(response, call)
    if (held?.test(call.path)) waiting.push(answer)
    else setTimeout(answer, upstream.pace(call))
  })
  server.keepAliveTimeout = 1_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const upstream: Upstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    of: (path) => calls.filter((c) => c.path === path),
    hold(paths) {
      held = paths
    },
    release() {
      held = undefined
      for (const answer of waiting) answer()
      waiting = []
    },
    pace: () => 5,
    async close() {
      upstream.release()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return upstream
}

function send(response: ServerResponse, call: Call): void {
  if (response.destroyed) return
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ path: call.path }))
}
