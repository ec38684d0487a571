/** Where a request comes from: its socket, or what a proxy that we were told to believe says of its own client. */
import type { HttpBindings } from '@hono/node-server'
import { bytesOf, canonicalHost } from '../base/addresses.ts'

/** In one spelling; undefined for what is no address. */
function spelled(text: string): string | undefined {
  const address = canonicalHost(text.trim().replace(/^::ffff:(?=\d+\.)/i, ''))
  return address !== undefined && bytesOf(address) ? address : undefined
}

/**
 * Proxies append to X-Forwarded-For, so it is read from its end: the first address that is no proxy of ours is the client. What
 * stands before it the client may have written itself.
 */
export function clientAddress(env: object | undefined, headers: Headers, proxies: readonly string[]): string | null {
  const socket = spelled((env as Partial<HttpBindings> | undefined)?.incoming?.socket?.remoteAddress ?? '')
  if (socket === undefined) return null
  if (!proxies.includes(socket)) return socket
  for (const said of (headers.get('x-forwarded-for') ?? '').split(',').reverse()) {
    const address = spelled(said)
    if (address === undefined) break
    if (!proxies.includes(address)) return address
  }
  return socket
}
