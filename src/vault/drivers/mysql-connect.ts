/**
 * One session with a MySQL or MariaDB server: to the address that the egress guard gave, with the TLS that the connection string asks
 * for, and a way to stop what it does. https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html
 */
import type { Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import mysql, { type Connection } from 'mysql2'
import type { DriverDeps } from './driver.ts'
import { tlsName } from './dsn-options.ts'
import type { MysqlDsn } from './mysql-dsn.ts'
import type { SslMode } from './mysql-options.ts'

/** A server that has not taken a connection by then is tried no longer. */
const CONNECT_TIMEOUT_MS = 10_000
/** A KILL needs a session of its own; a server that does not give one by then is left by cutting the first. */
const CANCEL_TIMEOUT_MS = 1500
const END_TIMEOUT_MS = 1000
/** One answer on the wire, before any of it is looked at: more than a result may hold, so that a giant cell cannot fill the memory. */
const MAX_WIRE_BYTES = 16 * 1024 * 1024

/** A connected socket to a host that was judged, or beside another one of the same host. */
export type Connect = DriverDeps['connect']

export type Flavour = 'mysql' | 'mariadb'

export interface Backend {
  connection: Connection
  flavour: Flavour
  /** Modes of the session that change how values are taken, and not how text is read. */
  sqlMode: string
  /** Runs a constant statement of ours. */
  query(sql: string): Promise<unknown[][]>
  /** Empties the session: variables, temporary tables, locks, prepared statements (COM_RESET_CONNECTION). */
  reset(): Promise<void>
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
  /** PEM of the authority that signed the server's certificate; instead of the public ones. */
  ca: string | undefined
  signal: AbortSignal
}

/** What mysql2 has inside and its types do not tell. */
interface Inside {
  stream: Socket
  threadId: number | null
  packetParser: { execute(chunk: Buffer): void }
  startTLS: (onSecure: (error?: Error) => void) => void
  _handleNetworkError(error: Error): void
}

/** Says that TLS itself failed, with the reason that mysql2 would write over. */
export class TlsFailure extends Error {
  readonly reason: string
  constructor(reason: string) {
    super('TLS failed')
    this.reason = reason
  }
}

/**
 * Modes that only decide how values are checked and counted. Those that change how text is read (ANSI_QUOTES, NO_BACKSLASH_ESCAPES,
 * IGNORE_SPACE, ORACLE and the other dialects) are left out of every session, whatever the server prefers: the fence has read the
 * statement the usual way.
 */
const KEPT_MODES = new Set(
  (
    'ONLY_FULL_GROUP_BY STRICT_TRANS_TABLES STRICT_ALL_TABLES NO_ZERO_IN_DATE NO_ZERO_DATE ERROR_FOR_DIVISION_BY_ZERO ' +
    'NO_ENGINE_SUBSTITUTION NO_AUTO_VALUE_ON_ZERO NO_UNSIGNED_SUBTRACTION ALLOW_INVALID_DATES PAD_CHAR_TO_FULL_LENGTH ' +
    'TIME_TRUNCATE_FRACTIONAL TIME_ROUND_FRACTIONAL PIPES_AS_CONCAT'
  ).split(' '),
)

/** Rejects with mysql2's own error, a TlsFailure, or the signal's reason. */
export async function connectBackend(dsn: MysqlDsn, connect: Connect, options: BackendOptions): Promise<Backend> {
  options.signal.throwIfAborted()
  const { connection, inside, state, socket } = await signIn(dsn, connect, options)
  const query = (sql: string) =>
    new Promise<unknown[][]>((resolve, reject) => {
      connection.query(sql, (error, rows) => (error ? reject(error) : resolve(rows as unknown as unknown[][])))
    })
  const destroy = () => {
    state.alive = false
    inside.stream.destroy()
  }
  let facts: unknown[]
  try {
    facts = (await query('select version(), @@sql_mode'))[0] ?? []
  } catch (error) {
    destroy()
    throw error
  }
  const modes = String(facts[1] ?? '').split(',')
  return {
    connection,
    flavour: /mariadb/i.test(String(facts[0])) ? 'mariadb' : 'mysql',
    sqlMode: modes.filter((mode) => KEPT_MODES.has(mode)).join(','),
    query,
    reset: () => new Promise((resolve, reject) => resetOf(connection)((error) => (error ? reject(error) : resolve()))),
    cancel: () => kill(dsn, (host, port, at) => connect(host, port, { ...at, beside: socket }), options.ca, inside.threadId ?? 0),
    destroy,
    async end() {
      state.alive = false
      const cut = setTimeout(destroy, END_TIMEOUT_MS)
      await new Promise<void>((resolve) => connection.end(() => resolve()))
      clearTimeout(cut)
      inside.stream.destroy()
    },
    get alive() {
      return state.alive
    },
    meter: () => meter(inside.stream, destroy),
  }
}

const resetOf = (connection: Connection) =>
  (connection as unknown as { reset(done: (error: Error | null) => void): void }).reset.bind(connection)

async function signIn(dsn: MysqlDsn, connect: Connect, { ca, signal }: BackendOptions) {
  const tls = tlsOptions(dsn.sslMode, dsn.host, ca)
  const connectTimeout = Math.min(dsn.connectTimeoutMs ?? CONNECT_TIMEOUT_MS, CONNECT_TIMEOUT_MS)
  const limit = AbortSignal.timeout(connectTimeout)
  const socket = await connect(dsn.host, dsn.port, { signal: AbortSignal.any([signal, limit]) }).catch((error: unknown) => {
    throw limit.aborted && !signal.aborted ? Object.assign(new Error('connect ETIMEDOUT'), { code: 'ETIMEDOUT' }) : error
  })
  socket.setKeepAlive(true).setNoDelay(true)
  let keyAsked = false
  const connection = mysql.createConnection({
    // For nothing but names: the socket is made already.
    host: dsn.host,
    port: dsn.port,
    stream: () => socket,
    user: dsn.user,
    password: dsn.password,
    ...(dsn.database === null ? {} : { database: dsn.database }),
    // How TLS is done is said below; here, that the session must not go on without it.
    ...(tls === false ? {} : { ssl: {} }),
    connectTimeout,
    connectAttributes: { program_name: dsn.programName },
    charset: 'utf8mb4',
    multipleStatements: false,
    // A server may ask for a file at any time: it is told neither that we give any, nor given one.
    flags: ['-LOCAL_FILES', '-IGNORE_SPACE', '-ODBC'],
    infileStreamFactory: () => {
      throw new Error('no file of this host is sent')
    },
    ...(tls === false && !dsn.publicKeyRetrieval
      ? {
          authPlugins: Object.fromEntries(
            (['caching_sha2_password', 'sha256_password'] as const).map((name) => [
              name,
              mysql.authPlugins[name]({
                onServerPublicKey() {
                  keyAsked = true
                  throw new Error('the key of an unknown server is not used')
                },
              }),
            ]),
          ),
        }
      : {}),
    // No code is made from the names of columns.
    disableEval: true,
    // Two columns may have one name.
    rowsAsArray: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    jsonStrings: true,
  } as mysql.ConnectionOptions)
  const inside = connection as unknown as Inside
  const state = { alive: true }
  const dead = () => {
    state.alive = false
  }
  connection.on('error', dead)
  connection.on('end', dead)
  let tlsFailure: TlsFailure | undefined
  if (tls !== false) {
    inside.startTLS = (onSecure) =>
      secure(inside, tls, (error) => {
        if (error) tlsFailure = new TlsFailure((error as { code?: string }).code ?? 'ERR_TLS')
        onSecure(error)
      })
  }
  const destroy = () => {
    dead()
    inside.stream.destroy()
    socket.destroy()
  }
  signal.addEventListener('abort', destroy, { once: true })
  try {
    await new Promise<void>((resolve, reject) => connection.connect((error) => (error ? reject(error) : resolve())))
  } catch (error) {
    destroy()
    if (keyAsked) throw Object.assign(new Error('public key'), { code: 'PUBLIC_KEY_ASKED' })
    throw signal.aborted ? signal.reason : (tlsFailure ?? error)
  } finally {
    signal.removeEventListener('abort', destroy)
  }
  return { connection, inside, state, socket }
}

/** mysql2 would check the name of a host, but never that of an address, and would resume sessions of other credentials. */
function secure(inside: Inside, tls: ConnectionOptions, done: (error?: Error) => void) {
  const plain = inside.stream
  plain.removeAllListeners('data')
  let established = false
  let socket: Socket
  try {
    socket = connectTls({ ...tls, socket: plain }, () => {
      established = true
      done()
    })
  } catch (error) {
    // The authority's certificate is none.
    return done(error as Error)
  }
  socket.on('error', (error) => (established ? inside._handleNetworkError(error) : done(error)))
  socket.on('data', (chunk: Buffer) => inside.packetParser.execute(chunk))
  inside.stream = socket
}

function tlsOptions(mode: SslMode, host: string, ca: string | undefined): false | ConnectionOptions {
  if (mode === 'DISABLED') return false
  const servername = tlsName(host)
  return {
    minVersion: 'TLSv1.2',
    // What the certificate must be for. An address cannot be a server name.
    host,
    ...(servername ? { servername } : {}),
    ...(ca ? { ca: [ca] } : {}),
    rejectUnauthorized: mode !== 'REQUIRED',
    ...(mode === 'VERIFY_CA' ? { checkServerIdentity: () => undefined } : {}),
  }
}

/** A second session to the address that was checked for the first, for one KILL. */
async function kill(dsn: MysqlDsn, connect: Connect, ca: string | undefined, thread: number): Promise<void> {
  if (!Number.isSafeInteger(thread) || thread <= 0) return
  try {
    const { connection, inside } = await signIn(dsn, connect, { ca, signal: AbortSignal.timeout(CANCEL_TIMEOUT_MS) })
    const cut = setTimeout(() => inside.stream.destroy(), CANCEL_TIMEOUT_MS)
    await new Promise<void>((resolve) => {
      connection.on('error', () => resolve())
      connection.query(`kill query ${thread}`, () => resolve())
    })
    clearTimeout(cut)
    connection.end(() => inside.stream.destroy())
  } catch {
    // The session is cut then, and the server's own limit of time ends what runs.
  }
}

function meter(stream: Socket, cut: () => void): () => boolean {
  let bytes = 0
  let over = false
  const count = (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= MAX_WIRE_BYTES || over) return
    over = true
    cut()
  }
  stream.on('data', count)
  return () => {
    stream.off('data', count)
    return over
  }
}
