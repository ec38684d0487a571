/**
 * One session with a PostgreSQL server: to the address that the egress guard gave, with the TLS that the connection string asks
 * for, and a way to cancel what it does. https://www.postgresql.org/docs/18/protocol-flow.html
 */
import type { Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import pg from 'pg'
import { Fault } from '../../base/errors.ts'
import type { PostgresDsn } from './dsn.ts'
import { type SslMode, tlsName } from './dsn-options.ts'

/** A connected socket to a host that was judged, or beside another one of the same host; throws EGRESS_BLOCKED and UPSTREAM_ERROR. */
export type Connect = (host: string, port: number, options: { signal: AbortSignal; beside?: Socket }) => Promise<Socket>

/** A server that has not taken a connection by then is tried no longer. */
const CONNECT_TIMEOUT_MS = 10_000
/** A cancel request is one packet; a server that does not take it is left by cutting the session. */
const CANCEL_TIMEOUT_MS = 1000
/** One answer on the wire, before any of it is looked at: more than a result may hold, so that a giant cell cannot fill the memory. */
const MAX_WIRE_BYTES = 16 * 1024 * 1024

/** Magic numbers of the protocol: "CancelRequest" and "SSLRequest" packets. */
const CANCEL_REQUEST = 80877102
const SSL_REQUEST = 80877103

export interface Backend {
  client: pg.Client
  /** Asks the server to stop what this session does. Best effort, never throws. */
  cancel(): Promise<void>
  /** Cuts the session now. */
  destroy(): void
  /** Says goodbye; for idle sessions. */
  end(): Promise<void>
  readonly alive: boolean
  /** Starts counting the bytes of an answer; past the cap the session is cut. The function stops the count and says if that happened. */
  meter(): () => boolean
}

export interface BackendOptions {
  /** Every transaction of the session is read-only unless it says otherwise. */
  readOnly: boolean
  /** PEM of the authority that signed the server's certificate; instead of the public ones. */
  ca: string | undefined
  signal: AbortSignal
}

/** What pg has inside and its types do not tell. */
interface Inside {
  connection: { stream: Socket; prependListener(event: string, listener: (m: { mechanisms?: string[] }) => void): void }
  processID: number | null
  secretKey: number | null
  getStartupConf: () => Record<string, string | undefined>
}

/** Tries the hosts in order. Rejects with pg's own error of the last host, or with a Fault. */
export async function connectBackend(dsn: PostgresDsn, connect: Connect, options: BackendOptions): Promise<Backend> {
  let failure: unknown
  for (const { host, port } of dsn.hosts) {
    options.signal.throwIfAborted()
    try {
      const backend = await open(dsn, host, port, connect, options)
      if (!dsn.primary || !(await inRecovery(backend))) return backend
      await backend.end()
      failure = new Fault('UPSTREAM_ERROR', 'no server of the connection string takes writes now')
    } catch (error) {
      failure = error
      // A server that answered with a refusal of the credential would be answered the same by its twins; a forbidden host hides no other.
      if (/^(28|3D|EGRESS_BLOCKED)/.test((error as { code?: string }).code ?? '') || options.signal.aborted) throw error
    }
  }
  throw failure
}

async function inRecovery(backend: Backend): Promise<boolean> {
  const { rows } = await backend.client.query<{ standby: boolean }>('select pg_catalog.pg_is_in_recovery() as standby')
  return rows[0]?.standby === true
}

async function open(dsn: PostgresDsn, host: string, port: number, connect: Connect, options: BackendOptions): Promise<Backend> {
  try {
    return await start(dsn, host, port, connect, options, true)
  } catch (error) {
    // Connection poolers (PgBouncer) take only a few settings at the start. The transaction itself is read-only anyway.
    if (!/unsupported startup parameter/.test((error as Error).message)) throw error
    return start(dsn, host, port, connect, options, false)
  }
}

async function start(
  dsn: PostgresDsn,
  host: string,
  port: number,
  connect: Connect,
  options: BackendOptions,
  guarded: boolean,
): Promise<Backend> {
  const tls = tlsOptions(dsn.sslmode, host, options.ca)
  const timeoutMs = Math.min(dsn.connectTimeoutMs ?? CONNECT_TIMEOUT_MS, CONNECT_TIMEOUT_MS)
  const limit = AbortSignal.timeout(timeoutMs)
  const plain = await connect(host, port, { signal: AbortSignal.any([options.signal, limit]) }).catch((error: unknown) => {
    throw limit.aborted && !options.signal.aborted ? new Error('timeout expired') : error
  })
  const client = new pg.Client({
    stream: () => connected(plain),
    // For the name that TLS asks for.
    host,
    port,
    user: dsn.user,
    database: dsn.database,
    // A function: otherwise an empty password would be looked up in the environment and in ~/.pgpass.
    password: () => dsn.password ?? '',
    ssl: tls,
    sslnegotiation: 'postgres',
    enableChannelBinding: dsn.channelBinding,
    connectionTimeoutMillis: timeoutMs,
    keepAlive: true,
  } as pg.ClientConfig)
  const inside = client as unknown as Inside
  // pg would mix settings of the process environment (PGOPTIONS, PGREPLICATION, …) into the startup packet.
  inside.getStartupConf = () => ({
    user: dsn.user,
    database: dsn.database,
    // The server must read the bytes and quotes of a statement as the parser did that judged it.
    client_encoding: 'UTF8',
    standard_conforming_strings: 'on',
    DateStyle: 'ISO',
    ...dsn.settings,
    ...(guarded && options.readOnly ? { default_transaction_read_only: 'on' } : {}),
  })
  let alive = true
  client.on('error', () => {
    alive = false
  })
  client.on('end', () => {
    alive = false
  })
  if (dsn.channelBinding) demandChannelBinding(inside)
  const destroy = () => {
    alive = false
    inside.connection.stream.destroy()
  }
  options.signal.addEventListener('abort', destroy, { once: true })
  try {
    await client.connect()
  } catch (error) {
    destroy()
    throw options.signal.aborted ? options.signal.reason : error
  } finally {
    options.signal.removeEventListener('abort', destroy)
  }
  return {
    client,
    cancel: () => cancel((signal) => connect(host, port, { signal, beside: plain }), tls, inside.processID ?? 0, inside.secretKey ?? 0),
    destroy,
    async end() {
      alive = false
      const cut = setTimeout(destroy, CANCEL_TIMEOUT_MS)
      await client.end().catch(() => undefined)
      clearTimeout(cut)
    },
    get alive() {
      return alive
    },
    meter() {
      const { stream } = inside.connection
      let bytes = 0
      let over = false
      const count = (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes <= MAX_WIRE_BYTES || over) return
        over = true
        destroy()
      }
      stream.on('data', count)
      return () => {
        stream.off('data', count)
        return over
      }
    },
  }
}

/** pg would connect by itself: it is told that this has been done. */
function connected(socket: Socket): Socket {
  socket.connect = () => {
    queueMicrotask(() => socket.emit('connect'))
    return socket
  }
  return socket
}

function tlsOptions(sslmode: SslMode, host: string, ca: string | undefined): false | ConnectionOptions {
  if (sslmode === 'disable') return false
  const servername = tlsName(host)
  return {
    minVersion: 'TLSv1.2',
    host,
    ...(servername ? { servername } : {}),
    ...(ca ? { ca: [ca] } : {}),
    rejectUnauthorized: sslmode !== 'require',
    ...(sslmode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
  }
}

/** `channel_binding=require`: a sign-in that is not bound to this TLS session is given up before the password is used. */
function demandChannelBinding(inside: Inside) {
  let bound = false
  const unless = (ok: boolean) => {
    if (!ok) inside.connection.stream.destroy(new Error('SASL: the server does not offer channel binding'))
  }
  // Before pg's own listeners, which answer with the password.
  inside.connection.prependListener('authenticationSASL', ({ mechanisms }) => {
    bound = mechanisms?.includes('SCRAM-SHA-256-PLUS') ?? false
    unless(bound)
  })
  for (const event of ['authenticationCleartextPassword', 'authenticationMD5Password']) {
    inside.connection.prependListener(event, () => unless(false))
  }
  inside.connection.prependListener('authenticationOk', () => unless(bound))
}

/** Sends a CancelRequest on a connection of its own, to the address that the session went to. */
async function cancel(
  connect: (signal: AbortSignal) => Promise<Socket>,
  tls: false | ConnectionOptions,
  pid: number,
  key: number,
): Promise<void> {
  const limit = AbortSignal.timeout(CANCEL_TIMEOUT_MS)
  const plain = await connect(limit).catch(() => null)
  if (!plain) return
  await new Promise<void>((resolve) => {
    const sockets: Socket[] = [plain]
    const done = () => {
      limit.removeEventListener('abort', done)
      for (const socket of sockets) socket.destroy()
      resolve()
    }
    limit.addEventListener('abort', done)
    const send = (socket: Socket) => {
      const packet = Buffer.alloc(16)
      for (const [i, word] of [16, CANCEL_REQUEST, pid, key].entries()) packet.writeInt32BE(word | 0, i * 4)
      socket.write(packet)
      // The server hangs up when it has passed the request on.
      socket.on('close', done).resume()
    }
    plain.on('error', done)
    if (tls === false) return send(plain)
    const ask = Buffer.alloc(8)
    ask.writeInt32BE(8, 0)
    ask.writeInt32BE(SSL_REQUEST, 4)
    plain.write(ask)
    plain.once('data', (answer: Buffer) => {
      if (answer.toString('latin1') !== 'S') return done()
      const secure = connectTls({ ...tls, socket: plain }, () => send(secure))
      sockets.unshift(secure)
      secure.on('error', done)
    })
  })
}
