/**
 * Where the MongoDB client opens its sockets, and nowhere else. A replica set tells the client of hosts that nobody entered, as
 * names, as addresses and even as sockets of this machine, and the client's own `lookup` option sees only the names, without their
 * port. So its two doors to the network are replaced: each target is judged, and the socket goes to the address that was judged,
 * while TLS verifies the name. A client that did not come through `guarded` reaches nothing.
 */
import { createRequire } from 'node:module'
import { type LookupFunction, isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import type { Egress } from '../../base/egress.ts'
import { Fault } from '../../base/errors.ts'

interface ConnectOptions {
  hostAddress?: { host?: string | undefined; port?: number | undefined; socketPath?: string | undefined }
  lookup?: LookupFunction
  proxyHost?: string
  existingSocket?: unknown
  servername?: string | undefined
  checkServerIdentity?: (name: string, certificate: PeerCertificate) => Error | undefined
}
type Open = (options: ConnectOptions) => Promise<unknown>

/**
 * Hosts that one client may come to know. A replica set has at most 50 members, and they may move; a server that names more wants
 * somebody to knock at doors for it.
 */
const MAX_HOSTS = 200

const judges = new WeakMap<LookupFunction, Egress['address']>()

/** The option that ties a client to its judge. As a lookup it refuses everything: every target here is an address already. */
export function guarded(address: Egress['address']): { lookup: LookupFunction } {
  const lookup: LookupFunction = (host, _options, done) => done(new Fault('EGRESS_BLOCKED', `nobody judged ${host}`), '')
  const known = new Set<string>()
  judges.set(lookup, async (host, port) => {
    const one = `${host} ${port}`
    if (known.size >= MAX_HOSTS && !known.has(one)) throw new Fault('EGRESS_BLOCKED', 'the database names more hosts than a deployment has')
    known.add(one)
    return address(host, port)
  })
  return { lookup }
}

async function judged(options: ConnectOptions): Promise<ConnectOptions> {
  const address = options.lookup && judges.get(options.lookup)
  if (!address || options.proxyHost !== undefined || options.existingSocket !== undefined)
    throw new Fault('INTERNAL', 'a connection to MongoDB was about to open without a judge')
  const { host, port, socketPath } = options.hostAddress ?? {}
  if (socketPath !== undefined || host === undefined || port === undefined)
    throw new Fault('EGRESS_BLOCKED', 'the database names a socket of this machine as one of its hosts', { details: { rule: 'socket' } })
  const target = await address(host, port)
  return {
    ...options,
    hostAddress: { host: target.address, port: target.port },
    // TLS verifies what was meant, wherever the socket goes; an address is verified as an address, and not sent as a name.
    servername: isIP(host) === 0 ? host : undefined,
    checkServerIdentity: (_name: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),
  }
}

const doors = createRequire(import.meta.url)('mongodb/lib/cmap/connect.js') as Record<'connect' | 'makeSocket', Open>
for (const door of ['connect', 'makeSocket'] as const) {
  const open = doors[door]
  if (typeof open !== 'function') throw new Error(`the MongoDB client has no ${door} that can be guarded`)
  doors[door] = async (options) => open(await judged(options))
}
