/**
 * One session with a Redis server: to the address that the egress guard gave, with TLS that is for the name in the connection string.
 * The client never connects again by itself, and follows no server's word to another one.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { isIP, type Socket } from 'node:net'
import { createClient, ErrorReply } from 'redis'
import { Fault } from '../../base/errors.ts'
import type { DriverDeps } from './driver.ts'
import type { RedisDsn } from './redis-dsn.ts'
import { TYPES } from './redis-values.ts'

/** A server that has not taken a connection by then is not there, or does not speak TLS: it waits for the rest of a greeting. */
const CONNECT_TIMEOUT_MS = 5_000
/** One answer on the wire, before any of it is looked at: more than a result may hold, so that a giant one cannot fill the memory. */
const MAX_WIRE_BYTES = 16 * 1024 * 1024
/** How often the bytes of an answer that is under way are counted: a fast network brings some megabytes in between. */
const COUNT_MS = 10
/** How long saying goodbye may take. */
const END_MS = 1000

export interface RedisBackend {
  /** Rejects with the client's own error; with a Fault where the answer grew too large. */
  send(words: readonly string[]): Promise<unknown>
  readonly alive: boolean
  destroy(): void
  end(): Promise<void>
}

export interface RedisBackendOptions {
  /** PEM of the authority that signed the server's certificate; instead of the public ones. */
  ca: string | undefined
  /** A password may go over the network without TLS: somebody said so. */
  allowPlain: boolean
  signal: AbortSignal
}

export async function connectRedis(
  dsn: RedisDsn,
  { address, connect }: Pick<DriverDeps, 'address' | 'connect'>,
  options: RedisBackendOptions,
): Promise<RedisBackend> {
  if (!dsn.tls && !dsn.local && !options.allowPlain) {
    throw new Fault('TOOL_REFUSED', 'redis:// would send the password and all data in plain text over the network', {
      hint: 'Use rediss://. Where the network between is your own, set allow_plain in the config.',
    })
  }
  const { signal } = options
  signal.throwIfAborted()
  // For TLS the client takes a socket that is open already; plain ones it opens itself.
  let raw: Socket | undefined = dsn.tls ? await connect(dsn.host, dsn.port, { signal }) : undefined
  raw?.setKeepAlive(true).setNoDelay(true)
  const to = dsn.tls ? { address: dsn.host, port: dsn.port } : await address(dsn.host, dsn.port)
  signal.throwIfAborted()
  const servername = isIP(dsn.host) === 0 ? dsn.host : undefined
  const tls = { tls: true as const, socket: raw, minVersion: 'TLSv1.2' as const, rejectUnauthorized: true }
  const client = createClient({
    // Version 2 of the protocol: every server speaks it, and none pushes anything by it that was not asked for.
    RESP: 2,
    ...(dsn.user === null ? {} : { username: dsn.user }),
    ...(dsn.password === null ? {} : { password: dsn.password }),
    ...(dsn.database === 0 ? {} : { database: dsn.database }),
    disableClientInfo: true,
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
    socket: {
      host: to.address,
      port: to.port,
      connectTimeout: CONNECT_TIMEOUT_MS,
      reconnectStrategy: false,
      ...(dsn.tls ? { ...tls, ...(servername ? { servername } : {}), ...(options.ca ? { ca: [options.ca] } : {}) } : {}),
    },
  })
  let alive = true
  client.on('error', () => {
    alive = false
  })
  const destroy = () => {
    alive = false
    client.destroy()
    raw?.destroy()
  }
  const catchSocket = (message: unknown) => {
    raw ??= (message as { socket: Socket }).socket
  }
  const gone = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  gone.catch(() => undefined)
  try {
    // The client shows its socket to nobody, and answers must be counted. It is made before connect() returns, so that this one is ours.
    subscribe('net.client.socket', catchSocket)
    const connecting = client.connect()
    unsubscribe('net.client.socket', catchSocket)
    await Promise.race([connecting, gone])
    // Best effort: a user may not be allowed to.
    await Promise.race([client.sendCommand(['CLIENT', 'SETNAME', dsn.clientName]), gone]).catch(onlyRefusals)
  } catch (error) {
    destroy()
    throw error
  }

  return {
    async send(words) {
      const from = raw?.bytesRead ?? 0
      const tooLarge = () => (raw?.bytesRead ?? 0) - from > MAX_WIRE_BYTES
      const count = setInterval(() => tooLarge() && destroy(), COUNT_MS)
      let answer: unknown
      try {
        answer = await client.sendCommand([...words], { typeMapping: TYPES })
      } catch (error) {
        if (!tooLarge()) throw error
      } finally {
        clearInterval(count)
      }
      if (!tooLarge()) return answer
      destroy()
      throw new Fault('UPSTREAM_INVALID', 'the answer is too large to be taken in', {
        hint: 'Ask for a part: GETRANGE, LRANGE with an end, HSCAN, SSCAN, ZRANGE with LIMIT.',
      })
    },
    get alive() {
      return alive && client.isReady
    },
    destroy,
    async end() {
      alive = false
      const cut = setTimeout(destroy, END_MS)
      await client.close().catch(() => undefined)
      clearTimeout(cut)
      destroy()
    },
  }
}

/** For what may be refused without harm. */
export const onlyRefusals = (error: unknown) => {
  if (!(error instanceof ErrorReply)) throw error
}
