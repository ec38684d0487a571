/**
 * The PostgreSQL driver of the strong room: pools by credential version, and statements that read, ask or write. Reading is
 * fenced three times: the parse tree (postgres-fence.ts), one statement by the protocol (postgres-statement.ts), and a read-only
 * transaction on a session that is read-only by default; afterwards the session is emptied or cut.
 */
import { Fault } from '../../base/errors.ts'
import { MAX_ARGS, MAX_ROWS, MAX_TIMEOUT_MS } from './caps.ts'
import { parseDsn, secretPartsOf } from './dsn.ts'
import { type Connect, type Backend, connectBackend } from './postgres-connect.ts'
import { postgresFault, timedOut } from './postgres-errors.ts'
import { createParser } from './postgres-parser.ts'
import type { Kind } from './pool.ts'
import { createPools, type Entry } from './pools.ts'
import { dangerousPowers, POWERS_TTL_MS } from './postgres-powers.ts'
import { type Answered, runStatement } from './postgres-statement.ts'
import type { SqlLimits, SqlSession } from './session.ts'

export interface PostgresDeps {
  /** Resolves and checks every host before a connect. */
  connect: Connect
  now: () => number
  /** A session died while nobody used it. */
  onPoolError?: (owner: string) => void
  /** Milliseconds until idle sessions close (default: a minute). */
  idleMs?: number
}

export interface PostgresOptions {
  /** Most sessions with the server, reading and writing together. */
  maxConnections: number
  idleConnections: number
  /** Used where a call states no limit of its own. */
  timeoutMs: number
  /** An administrator accepts that the role could read files or run programs of the server. */
  acceptSuperuser?: boolean
  /** PEM of the authority of the server's certificate. */
  caCertificate?: string
}

export interface PostgresDriver {
  /** Faults: CREDENTIAL_MALFORMED, at once. `dsn` is plain text and is kept in closures only. */
  session(key: { owner: string; version: number }, dsn: string, options: PostgresOptions, signal: AbortSignal): SqlSession
  /** Lets statements in flight end, then closes the owner's sessions of every version but this one. */
  drain(owner: string, exceptVersion?: number): Promise<void>
  close(): Promise<void>
}

/** A reader that waits for somebody's lock only stands in the way of others. */
const LOCK_TIMEOUT_MS = 5000
/** Our own clock strikes this much after the server's, so that the server's own word comes first. */
const GRACE_MS = 1000
/** After a cancel request the server has this long to say that it stopped; then the session is cut. */
const CANCEL_WAIT_MS = 500
/** ROLLBACK and DISCARD ALL take microseconds; a session in which they do not is not worth keeping. */
const CLEANSE_MS = 5000
/** A session may have died in the pool: another one is taken while nothing has been sent. */
const TRIES = 3

export function createPostgres(deps: PostgresDeps): PostgresDriver {
  const parser = createParser()
  const pools = createPools<Backend>(deps)

  return {
    session({ owner, version }, dsn, options, signal) {
      const parsed = parseDsn(dsn)
      const secrets = [dsn, ...secretPartsOf(dsn)]
      const { maxConnections: max, idleConnections: idle, caCertificate: ca } = options
      const open = async (kind: Kind, within: AbortSignal) => {
        const backend = await connectBackend(parsed, deps.connect, { readOnly: kind === 'read', ca, signal: within })
        backend.client.on('error', () => deps.onPoolError?.(owner))
        return backend
      }

      async function run(kind: Kind, judged: boolean, sql: string, args: readonly unknown[], limits: SqlLimits): Promise<Answered> {
        if (args.length > MAX_ARGS) throw new Fault('INVALID_INPUT', `a statement takes at most ${MAX_ARGS} parameters`)
        const ms = Math.max(1, Math.min(limits.timeoutMs || options.timeoutMs, MAX_TIMEOUT_MS))
        const stop = AbortSignal.any([signal, AbortSignal.timeout(ms + GRACE_MS)])
        const at = { write: kind === 'write', sent: false, args, secrets }
        const entry = pools.of({ owner, version, settings: [dsn, ca], max, idle, open })
        let backend: Backend | undefined
        let cut: (() => void) | undefined
        let overflow: (() => boolean) | undefined
        let kept = false
        try {
          backend = await ready(entry, kind, judged, ms, stop)
          cut = cancelOn(stop, backend)
          overflow = backend.meter()
          at.sent = true
          const rows = Math.max(0, Math.min(limits.rows, MAX_ROWS))
          const onFull = kind === 'read' ? backend.destroy : undefined
          const answer = await runStatement(backend.client, {
            text: sql,
            args,
            rows,
            stopEarly: kind === 'read',
            ...(onFull ? { onFull } : {}),
          })
          kept = true
          return answer
        } catch (error) {
          const known = typeof (error as { severity?: unknown }).severity === 'string'
          if (stop.aborted) throw stopped(signal, at.write && at.sent && !known)
          if (overflow?.()) throw tooLarge(at.write)
          // A statement that failed leaves a session that can be emptied like any other.
          kept = known
          throw postgresFault(error, at)
        } finally {
          cut?.()
          overflow?.()
          if (backend) void release(entry, backend, kind, kept && !stop.aborted)
        }
      }

      /** A session on which the transaction is open, or the time limit set. */
      async function ready(entry: Entry<Backend>, kind: Kind, judged: boolean, ms: number, stop: AbortSignal): Promise<Backend> {
        for (let tries = 1; ; tries++) {
          const backend = await entry.pool.take(kind, stop)
          const off = cancelOn(stop, backend)
          try {
            if (judged && !options.acceptSuperuser) await refusePowers(entry, backend)
            await backend.client.query(kind === 'read' ? beginReading(ms) : beginWriting(ms))
            return backend
          } catch (error) {
            entry.pool.give(backend, false)
            if (error instanceof Fault || stop.aborted || tries >= TRIES) throw error
          } finally {
            off()
          }
        }
      }

      async function refusePowers(entry: Entry<Backend>, backend: Backend) {
        if (!entry.powers || deps.now() - entry.powers.at > POWERS_TTL_MS) {
          entry.powers = { at: deps.now(), list: await dangerousPowers(backend.client) }
        }
        if (entry.powers.list.length === 0) return
        throw new Fault('TOOL_REFUSED', `this credential can do more than work with data: it is ${entry.powers.list.join(' and ')}`, {
          hint: 'Connect a role with the privileges the work needs, or have an administrator set accept_superuser in the config.',
          details: { powers: entry.powers.list },
        })
      }

      return {
        async read(sql, args, limits) {
          await parser.check(sql, 'read')
          return plain(await run('read', true, sql, args, limits))
        },
        ask: async (sql, args, limits) => plain(await run('read', false, sql, args, limits)),
        async write(sql, args, limits) {
          await parser.check(sql, 'write')
          const answer = await run('write', true, sql, args, limits)
          return { ...plain(answer), row_count: answer.touched || answer.row_count, command: answer.command }
        },
      }
    },
    drain: pools.drain,
    async close() {
      await pools.close()
      await parser.close()
    },
  }
}

/** Settings that decide how text is read and shown are ours for the transaction, whatever the role or the database prefers. */
const SPELLING = `set local standard_conforming_strings = on; set local bytea_output = 'hex'; set local datestyle = 'ISO'`

const beginReading = (ms: number) =>
  `begin transaction read only; set local statement_timeout = ${ms}; set local lock_timeout = ${Math.min(ms, LOCK_TIMEOUT_MS)}; ` +
  `set local idle_in_transaction_session_timeout = ${ms + CLEANSE_MS}; ${SPELLING}`

/** Writing is not wrapped in a transaction (some statements refuse that), so these last until DISCARD ALL. */
const beginWriting = (ms: number) =>
  `set statement_timeout = ${ms}; set lock_timeout = ${Math.min(ms, LOCK_TIMEOUT_MS)}; ${SPELLING.replaceAll('set local', 'set')}`

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
      if (kind === 'read') await backend.client.query('rollback')
      await backend.client.query('discard all')
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
