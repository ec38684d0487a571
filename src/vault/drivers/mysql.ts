/**
 * The MySQL and MariaDB driver of the strong room: pools by credential version, and statements that read, ask or write. Reading is
 * fenced by the words of the statement (mysql-fence.ts), one statement by the protocol that the server itself takes for a query
 * (mysql-statement.ts), and a read-only transaction that is always rolled back; afterwards the session is emptied or cut.
 *
 * Proven against MariaDB 10.11 (kin server). What that cannot prove of MySQL 8 and 9, and therefore is only written from their
 * documentation: `max_execution_time` (which bounds SELECT alone: writes are bounded by our own clock and KILL); sign-in by
 * caching_sha2_password and sha256_password against a real server; the JSON column type (an alias of LONGTEXT in MariaDB), and
 * VECTOR; EXPLAIN FORMAT=TREE and EXPLAIN ANALYZE; TABLE as a statement and VALUES ROW(); INTO after FOR UPDATE; dynamic privileges
 * and roles in SHOW GRANTS; `performance_schema` as it is on by default; which statements its prepared protocol leaves out (1295).
 */
import { Fault } from '../../base/errors.ts'
import { MAX_ARGS, MAX_ROWS, MAX_TIMEOUT_MS } from './caps.ts'
import { type Backend, type Connect, connectBackend } from './mysql-connect.ts'
import { type MysqlDsn, mysqlSecretParts, parseMysqlDsn } from './mysql-dsn.ts'
import { answered, mysqlFault, timedOut } from './mysql-errors.ts'
import { judge, QUERIES } from './mysql-fence.ts'
import { dangerousPowers, POWERS_TTL_MS } from './mysql-powers.ts'
import { type Answered, runStatement } from './mysql-statement.ts'
import type { Kind } from './pool.ts'
import { createPools, type Entry } from './pools.ts'
import type { SqlLimits, SqlSession } from './session.ts'

export interface MysqlDeps {
  /** Resolves and checks the host before a connect. */
  connect: Connect
  now: () => number
  /** Milliseconds until idle sessions close (default: a minute). */
  idleMs?: number
}

export interface MysqlOptions {
  /** Most sessions with the server, reading and writing together. */
  maxConnections: number
  idleConnections: number
  /** Used where a call states no limit of its own. */
  timeoutMs: number
  /** An administrator accepts that the user could read files or change accounts of the server. */
  acceptSuperuser?: boolean
  /** PEM of the authority of the server's certificate. */
  caCertificate?: string
}

export interface MysqlDriver {
  /** Faults: CREDENTIAL_MALFORMED, at once. `dsn` is plain text and is kept in closures only. */
  session(key: { owner: string; version: number }, dsn: string, options: MysqlOptions, signal: AbortSignal): SqlSession
  /** Lets statements in flight end, then closes the owner's sessions of every version but this one. */
  drain(owner: string, exceptVersion?: number): Promise<void>
  close(): Promise<void>
}

/** A statement that waits for somebody's lock only stands in the way of others. */
const LOCK_TIMEOUT_MS = 5000
/** Our own clock strikes this much after the server's, so that the server's own word comes first. */
const GRACE_MS = 1000
/** After a KILL the server has this long to say that it stopped; then the session is cut. */
const CANCEL_WAIT_MS = 500
/** ROLLBACK and a reset take microseconds; a session in which they do not is not worth keeping. */
const CLEANSE_MS = 5000
/** A session may have died in the pool: another one is taken while nothing has been sent. */
const TRIES = 3
/** The server does not know a variable by this name. */
const UNKNOWN_VARIABLE = 1193

export function createMysql(deps: MysqlDeps): MysqlDriver {
  const pools = createPools<Backend>(deps)

  return {
    session({ owner, version }, dsn, options, signal) {
      const parsed = parseMysqlDsn(dsn)
      const secrets = [dsn, ...mysqlSecretParts(dsn)]
      const { maxConnections: max, idleConnections: idle, caCertificate: ca } = options
      const open = (_kind: Kind, within: AbortSignal) => connectBackend(parsed, deps.connect, { ca, signal: within })

      async function run(kind: Kind, command: string | null, sql: string, args: readonly unknown[], limits: SqlLimits): Promise<Answered> {
        if (args.length > MAX_ARGS) throw new Fault('INVALID_INPUT', `a statement takes at most ${MAX_ARGS} parameters`)
        const ms = Math.max(1, Math.min(limits.timeoutMs || options.timeoutMs, MAX_TIMEOUT_MS))
        const rows = Math.max(0, Math.min(limits.rows, MAX_ROWS))
        const stop = AbortSignal.any([signal, AbortSignal.timeout(ms + GRACE_MS)])
        const at = { write: kind === 'write', sent: false, args, secrets }
        const entry = pools.of({ owner, version, settings: [dsn, ca], max, idle, open })
        let backend: Backend | undefined
        let cut: (() => void) | undefined
        let overflow: (() => boolean) | undefined
        let kept = false
        try {
          backend = await ready(entry, kind, command !== null, { ms, rows }, stop)
          cut = cancelOn(stop, backend)
          overflow = backend.meter()
          at.sent = true
          const onFull = kind === 'read' ? hangUp(backend) : undefined
          const query = command !== null && QUERIES.has(command)
          const answer = await runStatement(backend, { text: sql, args, rows, query, zone: parsed.timeZone, ...(onFull ? { onFull } : {}) })
          kept = true
          return answer
        } catch (error) {
          const known = answered(error)
          if (stop.aborted) throw stopped(signal, at.write && at.sent && !known)
          if (overflow?.()) throw tooLarge(at.write)
          // A statement that failed leaves a session that can be emptied like any other.
          kept = known
          throw mysqlFault(error, at)
        } finally {
          cut?.()
          overflow?.()
          if (backend) void release(entry, backend, kind, kept && !stop.aborted)
        }
      }

      /** A session on which the limits are set, and for reading the transaction is open. */
      async function ready(
        entry: Entry<Backend>,
        kind: Kind,
        judged: boolean,
        most: { ms: number; rows: number },
        stop: AbortSignal,
      ): Promise<Backend> {
        for (let tries = 1; ; tries++) {
          const backend = await entry.pool.take(kind, stop)
          const off = cancelOn(stop, backend)
          try {
            if (judged && !options.acceptSuperuser) await refusePowers(entry, backend)
            await prepare(backend, parsed, kind, most)
            return backend
          } catch (error) {
            entry.pool.give(backend, false)
            if (error instanceof Fault || stop.aborted || answered(error) || tries >= TRIES) throw error
          } finally {
            off()
          }
        }
      }

      async function refusePowers(entry: Entry<Backend>, backend: Backend) {
        if (!entry.powers || deps.now() - entry.powers.at > POWERS_TTL_MS) {
          const lines = (await backend.query('show grants')).map((row) => String(row[0]))
          entry.powers = { at: deps.now(), list: dangerousPowers(lines) }
        }
        if (entry.powers.list.length === 0) return
        throw new Fault('TOOL_REFUSED', `this credential can do more than work with data: it has ${entry.powers.list.join(', ')}`, {
          hint: 'Connect a user with the privileges the work needs, or have an administrator set accept_superuser in the config.',
          details: { powers: entry.powers.list },
        })
      }

      return {
        async read(sql, args, limits) {
          const command = judge(sql, args, 'read')
          return plain(await run('read', command, sql, args, limits))
        },
        ask: async (sql, args, limits) => plain(await run('read', null, sql, args, limits)),
        async write(sql, args, limits) {
          const command = judge(sql, args, 'write')
          const answer = await run('write', command, sql, args, limits)
          return { ...plain(answer), row_count: answer.touched || answer.row_count, command }
        },
      }
    },
    drain: pools.drain,
    close: pools.close,
  }
}

/** How text is read and how long things may take is ours, whatever the server or the user prefers. A reset takes all of it back. */
async function prepare(backend: Backend, dsn: MysqlDsn, kind: Kind, { ms, rows }: { ms: number; rows: number }): Promise<void> {
  const lock = Math.ceil(Math.min(ms, LOCK_TIMEOUT_MS) / 1000)
  const settings = [
    `names utf8mb4${dsn.collation ? ` collate ${dsn.collation}` : ''}`,
    `sql_mode = '${backend.sqlMode}'`,
    'autocommit = 1',
    `lock_wait_timeout = ${lock}`,
    `innodb_lock_wait_timeout = ${lock}`,
    // One row more tells that there are more.
    `sql_select_limit = ${kind === 'read' ? rows + 1 : 'default'}`,
    ...(dsn.timeZone ? [`time_zone = '${dsn.timeZone}'`] : []),
  ]
  const limit = backend.flavour === 'mariadb' ? `max_statement_time = ${ms / 1000}` : `max_execution_time = ${ms}`
  try {
    await backend.query(`set ${[...settings, limit].join(', ')}`)
  } catch (error) {
    // Servers older than the limit: our own clock and KILL remain.
    if ((error as { errno?: number }).errno !== UNKNOWN_VARIABLE) throw error
    await backend.query(`set ${settings.join(', ')}`)
  }
  if (kind === 'read') await backend.query('start transaction read only')
}

/** The server is told, too: it may be sorting what nobody will fetch. */
const hangUp = (backend: Backend) => () => {
  void backend.cancel()
  backend.destroy()
}

/** When the time is up: tell the server to stop, and cut the session if it does not answer. Returns the way to call this off. */
function cancelOn(stop: AbortSignal, backend: Backend): () => void {
  let timer: NodeJS.Timeout | undefined
  let over = false
  const onAbort = () => {
    void backend.cancel().then(() => {
      if (!over) timer = setTimeout(backend.destroy, CANCEL_WAIT_MS)
    })
  }
  if (stop.aborted) onAbort()
  else stop.addEventListener('abort', onAbort, { once: true })
  return () => {
    over = true
    clearTimeout(timer)
    stop.removeEventListener('abort', onAbort)
  }
}

/** Gives the session back, emptied: in the background, because the caller has its answer already. Never rejects. */
async function release(entry: Entry<Backend>, backend: Backend, kind: Kind, usable: boolean): Promise<void> {
  let clean = false
  if (usable && backend.alive) {
    const timer = setTimeout(backend.destroy, CLEANSE_MS)
    try {
      if (kind === 'read') await backend.query('rollback')
      await backend.reset()
      clean = true
    } catch {
      // Not clean, so it is cut.
    }
    clearTimeout(timer)
  }
  entry.pool.give(backend, clean)
}

function stopped(signal: AbortSignal, maybeDone: boolean): Fault {
  const reason: unknown = signal.aborted ? signal.reason : undefined
  if (reason instanceof Fault) return new Fault(reason.code, reason.message, { ...(reason.hint ? { hint: reason.hint } : {}), maybeDone })
  return timedOut(maybeDone)
}

const tooLarge = (maybeDone: boolean) =>
  new Fault('UPSTREAM_INVALID', 'the answer is too large to be taken in', {
    maybeDone,
    hint: 'Ask for fewer columns or rows, or cut long values with left().',
  })

const plain = ({ columns, rows, row_count, truncated }: Answered) => ({ columns, rows, row_count, truncated })
