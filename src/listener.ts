/** The port: taken before anything else is made, answering 503 until everything is there, and let go gently. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Fault } from './base/errors.ts'

/** A client that sends its headers slower than this is not waited for. */
const HEADERS_MS = 15_000
const REQUEST_MS = 60_000
/** On the way down, requests under way get this long. */
const LAST_REQUESTS_MS = 5_000
/** A connection that is done with its request, and is kept for a next one, ends this soon. */
const LAST_LOOKS_MS = 50

export const shownHost = (host: string): string => (host.includes(':') ? `[${host}]` : host)

export function createListener() {
  let handle: RequestListener = (_request, response) => void response.writeHead(503, { 'retry-after': '1' }).end()
  const server = createServer({ headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS }, (request, response) => handle(request, response))
  return {
    /** Resolves to the port, which is another than the one asked for when that is 0. */
    listen: ({ host, port }: { host: string; port: number }): Promise<number> =>
      new Promise((resolve, reject) => {
        server.once('error', (error: NodeJS.ErrnoException) => {
          const why = error.code === 'EADDRINUSE' ? `port ${port} on ${host} is in use` : `cannot listen on ${host}:${port} (${error.code})`
          reject(new Fault('CONFLICT', why, { hint: '--port 0 picks a free one.' }))
        })
        server.listen(port, host, () => resolve((server.address() as AddressInfo).port))
      }),
    answerWith: (answer: RequestListener): void => {
      handle = answer
    },
    /** Requests under way may end; whoever keeps a connection open for longer is cut. */
    close: (): Promise<void> =>
      new Promise((resolve) => {
        if (!server.listening) return resolve()
        const sweeping = setInterval(() => server.closeIdleConnections(), LAST_LOOKS_MS).unref()
        server.close(() => {
          clearInterval(sweeping)
          resolve()
        })
        setTimeout(() => server.closeAllConnections(), LAST_REQUESTS_MS).unref()
      }),
  }
}
