/**
 * A client of Neo4j with one connection for each server. The client would look names up by itself, also those that a server's routing
 * table brings; here every connection that it opens, whatever it is for, goes to the address that the egress guard gave for its name,
 * while TLS verifies the name. This reaches into the client, so that it refuses to work where the client has changed.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import neo4j, { type Driver as Client } from 'neo4j-driver'
import { Fault } from '../../base/errors.ts'
import type { DriverDeps } from './driver.ts'
import { isLocal, type Neo4jTarget } from './neo4j-uri.ts'

/** A server that has not taken a connection by then is not there. */
const CONNECT_TIMEOUT_MS = 5_000
/** All of opening: a routing table, and the connection to a member of the cluster. */
const ACQUIRE_TIMEOUT_MS = 15_000
/** One answer on the wire: more than a result may hold, so that a giant one cannot fill the memory. */
const MAX_WIRE_BYTES = 16 * 1024 * 1024
const COUNT_MS = 10
const END_MS = 1000

export interface Neo4jBackend {
  client: Client
  readonly alive: boolean
  destroy(): void
  end(): Promise<void>
  /** Why a server was not connected to, where the client only says that there is none. */
  refusal(): Fault | undefined
  /** Starts counting the bytes of an answer; past the cap the connections are cut. The function stops the count and says if that happened. */
  meter(): () => boolean
}

export interface Neo4jBackendOptions {
  username: string
  password: string
  ca: string | undefined
  allowPlain: boolean
}

/** What the client has inside and its types do not tell. */
interface Address {
  host(): string
  port(): number
  resolveWith(ip: string): Address
}
interface Socket {
  readonly remoteAddress?: string
  readonly bytesRead: number
  readonly destroyed: boolean
  destroy(error: Error): void
}
interface Channel {
  _ch: { _conn: Socket }
  close(): Promise<void>
}
interface Provider {
  _createChannelConnection: (address: Address) => Promise<Channel>
  _dnsResolver?: { resolve(address: Address): Promise<Address[]> }
}
interface Inside {
  _createConnectionProvider: (...args: unknown[]) => Provider
}

export async function connectNeo4j(
  target: Neo4jTarget,
  address: DriverDeps['address'],
  options: Neo4jBackendOptions,
): Promise<Neo4jBackend> {
  const authority = options.ca === undefined ? undefined : await fileOf(options.ca)
  const host = target.host.includes(':') ? `[${target.host}]` : target.host
  const client = neo4j.driver(
    `${target.routing ? 'neo4j' : 'bolt'}://${host}:${target.port}`,
    neo4j.auth.basic(options.username, options.password),
    {
      encrypted: target.tls ? 'ENCRYPTION_ON' : 'ENCRYPTION_OFF',
      ...(target.tls && !authority ? { trust: 'TRUST_SYSTEM_CA_SIGNED_CERTIFICATES' as const } : {}),
      ...(target.tls && authority ? { trust: 'TRUST_CUSTOM_CA_SIGNED_CERTIFICATES' as const, trustedCertificates: [authority.path] } : {}),
      maxConnectionPoolSize: 1,
      connectionTimeout: CONNECT_TIMEOUT_MS,
      connectionAcquisitionTimeout: ACQUIRE_TIMEOUT_MS,
      // A connection that died while nobody used it is found out before it is used.
      connectionLivenessCheckTimeout: 0,
      maxTransactionRetryTime: 0,
      telemetryDisabled: true,
      userAgent: 'agentruntime',
    },
  )
  let alive = true
  let refusal: Fault | undefined
  const sockets = new Set<Socket>()

  async function judged(asked: Address): Promise<{ address: string; port: number }> {
    if (!target.tls && !isLocal(asked.host()) && !options.allowPlain) throw plainRefused()
    return address(asked.host(), asked.port())
  }
  async function open(create: Provider['_createChannelConnection'], asked: Address): Promise<Channel> {
    if (!alive) throw new Fault('UPSTREAM_ERROR', 'the connection is closed')
    const { address: ip, port } = await judged(asked).catch((fault: Fault) => {
      refusal = fault
      throw fault
    })
    // Nothing has been said yet but which versions we speak: the password follows.
    const channel = await create(Object.assign(asked.resolveWith(ip), { port: () => port }))
    const socket = channel._ch._conn
    for (const old of sockets) if (old.destroyed) sockets.delete(old)
    sockets.add(socket)
    if (!alive || socket.remoteAddress?.replace(/^::ffff:/, '') !== ip.replace(/^::ffff:/, '')) {
      socket.destroy(new Error('the connection is cut'))
      throw new Fault('UPSTREAM_ERROR', 'the connection is closed')
    }
    return channel
  }

  const inside = client as unknown as Inside
  const makeProvider = inside._createConnectionProvider
  if (typeof makeProvider !== 'function') throw changed()
  inside._createConnectionProvider = (...args) => {
    const provider = makeProvider(...args)
    const create = provider._createChannelConnection
    if (typeof create !== 'function') throw changed()
    provider._createChannelConnection = (asked) => open(create, asked)
    provider._dnsResolver = { resolve: async (asked) => [asked] }
    return provider
  }

  const finish = async () => {
    await client.close().catch(() => undefined)
    await authority?.remove()
  }
  const destroy = () => {
    alive = false
    // By an error: the client does not notice a connection that is merely gone, and would wait for ever.
    for (const socket of sockets) socket.destroy(new Error('the connection is cut'))
    void finish()
  }
  return {
    client,
    get alive() {
      return alive
    },
    destroy,
    async end() {
      alive = false
      const cut = setTimeout(destroy, END_MS)
      await finish()
      clearTimeout(cut)
    },
    refusal: () => refusal,
    meter() {
      const read = () => [...sockets].reduce((bytes, socket) => bytes + socket.bytesRead, 0)
      // A connection that is opened meanwhile counts as a whole, which is little.
      const from = read()
      let over = false
      const count = setInterval(() => {
        if (over || read() - from <= MAX_WIRE_BYTES) return
        over = true
        destroy()
      }, COUNT_MS)
      return () => {
        clearInterval(count)
        return over || read() - from > MAX_WIRE_BYTES
      }
    },
  }
}

const changed = () => new Error('neo4j-driver has changed inside: its connections cannot be led to judged addresses')

const plainRefused = () =>
  new Fault('TOOL_REFUSED', 'without +s the password and all data would cross the network in plain text', {
    hint: 'Use neo4j+s:// or bolt+s://. Where the network between is your own, set allow_plain in the config.',
  })

/** The client takes authorities as files only. A certificate is no secret. */
async function fileOf(pem: string): Promise<{ path: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), `neo4j-ca-${process.pid}-`))
  const path = join(folder, 'authority.pem')
  await writeFile(path, pem, { mode: 0o600 })
  return { path, remove: () => rm(folder, { recursive: true, force: true }) }
}
