/** The SQLite driver: statements run in child processes that can be killed, on files below a root that the runtime chose. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Fault } from '../../base/errors.ts'
import { MAX_ARGS, MAX_ROWS, MAX_TIMEOUT_MS } from './caps.ts'
import type { SqlLimits, SqlResult, SqlSession } from './session.ts'
import type { Mode } from './sqlite-fence.ts'
import type { Job, Outcome } from './sqlite-process.ts'

export interface SqliteDeps {
  /** Most processes, thus most statements at a time. */
  processes?: number
  /** Milliseconds until an idle process ends. */
  idleMs?: number
}

export interface SqliteOptions {
  /** Absolute path of the project's data directory: the runtime's choice, never a tenant's. It is made by the first write. */
  root: string
  /**
   * The profile's config: `database_path` (relative to the root; used where a call names no other), `allow_write`,
   * `max_rows` (most rows that come back, whatever a call asks for), `query_timeout_seconds` (where a call has no limit of its own).
   */
  config: Readonly<Record<string, unknown>>
}

/** A call may name another file below the root. */
export interface SqliteLimits extends SqlLimits {
  database?: string | undefined
}

export interface SqliteDriver {
  session(options: SqliteOptions, signal: AbortSignal): SqlSession
  close(): Promise<void>
}

/** A statement keeps one core busy: more would only wait for each other. */
const PROCESSES = 4
const IDLE_MS = 60_000
const DEFAULT_ROWS = 1000
const DEFAULT_SECONDS = 30
/** Waiting for the lock of another writer, at most. */
const BUSY_MS = 5000
/** What sqlite-watch.ts ends its process with. */
const TOO_MUCH_MEMORY = 'SIGTERM'
/** JavaScript memory of a process, in MiB; SQLite's own is capped inside. */
const HEAP_MB = 256

export function createSqlite(deps: SqliteDeps = {}): SqliteDriver {
  const most = deps.processes ?? PROCESSES
  const idle: { child: ChildProcess; timer: NodeJS.Timeout }[] = []
  const all = new Set<ChildProcess>()
  const waiting: (() => void)[] = []

  function start(): ChildProcess {
    const file = import.meta.url.endsWith('.ts') ? './sqlite-process.ts' : './sqlite-process.js'
    const child = fork(fileURLToPath(new URL(file, import.meta.url)), [], {
      // Nothing of ours: no environment, no working directory, no way to start programs or native add-ons.
      env: {},
      cwd: '/',
      execArgv: [
        '--disable-warning=ExperimentalWarning',
        `--max-old-space-size=${HEAP_MB}`,
        '--permission',
        '--allow-fs-read=*',
        '--allow-fs-write=*',
        '--allow-worker',
      ],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    all.add(child)
    child.on('error', () => child.kill('SIGKILL'))
    child.on('exit', () => {
      all.delete(child)
      const at = idle.findIndex((entry) => entry.child === child)
      if (at >= 0) clearTimeout(idle.splice(at, 1)[0]!.timer)
      waiting.shift()?.()
    })
    return child
  }

  async function take(stop: AbortSignal): Promise<ChildProcess> {
    for (;;) {
      stop.throwIfAborted()
      const warm = idle.pop()
      if (warm) {
        clearTimeout(warm.timer)
        hold(warm.child, true)
        if (warm.child.connected) return warm.child
      } else if (all.size < most) return start()
      else await turn(stop)
    }
  }

  function turn(stop: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = () => {
        stop.removeEventListener('abort', gone)
        resolve()
      }
      const gone = () => {
        waiting.splice(waiting.indexOf(go), 1)
        reject(stop.reason)
      }
      waiting.push(go)
      stop.addEventListener('abort', gone, { once: true })
    })
  }

  function give(child: ChildProcess) {
    if (!child.connected) return
    const timer = setTimeout(() => child.kill('SIGKILL'), deps.idleMs ?? IDLE_MS)
    timer.unref()
    hold(child, false)
    idle.push({ child, timer })
    waiting.shift()?.()
  }

  /** Resolves with the signal that ended the process when it ended without an answer. */
  function send(child: ChildProcess, job: Job, stop: AbortSignal): Promise<Outcome | NodeJS.Signals | null> {
    return new Promise((resolve) => {
      const kill = () => child.kill('SIGKILL')
      const end = (outcome: Outcome | NodeJS.Signals | null) => {
        stop.removeEventListener('abort', kill)
        child.off('message', end).off('exit', lost)
        resolve(outcome)
      }
      const lost = (_code: number | null, by: NodeJS.Signals | null) => end(by)
      child.on('message', end).on('exit', lost)
      stop.addEventListener('abort', kill, { once: true })
      if (stop.aborted) kill()
      child.send(job, (error) => error && kill())
    })
  }

  async function run(
    { root, config }: SqliteOptions,
    signal: AbortSignal,
    mode: Mode,
    sql: string,
    args: readonly unknown[],
    limits: SqliteLimits,
  ) {
    if (args.length > MAX_ARGS) throw new Fault('INVALID_INPUT', `a statement takes at most ${MAX_ARGS} parameters`)
    const database = limits.database ?? config.database_path
    if (typeof database !== 'string')
      throw new Fault('INVALID_INPUT', 'no database_path is given', { hint: 'Set database_path in the call or in the config.' })
    const ms = Math.max(1, Math.min(limits.timeoutMs || number(config.query_timeout_seconds, DEFAULT_SECONDS) * 1000, MAX_TIMEOUT_MS))
    const stop = AbortSignal.any([signal, AbortSignal.timeout(ms)])
    const rows = Math.max(0, Math.min(limits.rows, MAX_ROWS))
    let sent = false
    let killedBy: NodeJS.Signals | null = null
    try {
      const child = await take(stop)
      sent = true
      const job: Job = { root, database, mode, sql, args, rows, busyMs: Math.min(ms, BUSY_MS) }
      const outcome = await send(child, job, stop)
      if (typeof outcome === 'object' && outcome !== null) {
        give(child)
        if (outcome.ok) return outcome.result
        throw new Fault(outcome.code, outcome.message, outcome.hint ? { hint: outcome.hint } : {})
      }
      killedBy = outcome
    } catch (error) {
      if (error instanceof Fault || !stop.aborted) throw error
    }
    // A killed writer may have been through: SQLite keeps the file whole either way.
    const maybeDone = mode === 'write' && sent
    if (killedBy === TOO_MUCH_MEMORY) {
      throw new Fault('UPSTREAM_INVALID', 'the statement needs more memory than it may have', {
        maybeDone,
        hint: 'Sort or group fewer rows.',
      })
    }
    if (!stop.aborted) throw new Fault('UPSTREAM_ERROR', 'the SQLite process ended before it answered', { maybeDone })
    const reason: unknown = signal.aborted ? signal.reason : undefined
    if (reason instanceof Fault) throw new Fault(reason.code, reason.message, { ...(reason.hint ? { hint: reason.hint } : {}), maybeDone })
    throw new Fault('STEP_TIMED_OUT', 'the statement was ended because its time was up', {
      maybeDone,
      hint: 'Ask for less, add an index, or raise query_timeout_seconds.',
    })
  }

  return {
    session: (options, signal) => {
      const mostRows = (limits: SqliteLimits) => ({ ...limits, rows: Math.min(limits.rows, number(options.config.max_rows, DEFAULT_ROWS)) })
      const look = async (sql: string, args: readonly unknown[], limits: SqliteLimits): Promise<SqlResult> => {
        const { columns, rows, row_count, truncated } = await run(options, signal, 'read', sql, args, limits)
        return { columns, rows, row_count, truncated }
      }
      return {
        read: (sql, args, limits) => look(sql, args, mostRows(limits)),
        // The authorizer lets a connector's own introspection through as it is; the profile's row limit is about data.
        ask: look,
        async write(sql, args, limits: SqliteLimits) {
          if (options.config.allow_write !== true) {
            throw new Fault('SCOPE_MISSING', 'this profile may only read', {
              hint: 'Set allow_write in the config to let tools change the database.',
            })
          }
          return await run(options, signal, 'write', sql, args, mostRows(limits))
        },
      }
    },
    async close() {
      const gone = [...all].map((child) => new Promise<void>((resolve) => child.once('exit', () => resolve())))
      for (const child of all) child.kill('SIGKILL')
      await Promise.all(gone)
    },
  }
}

const number = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise)

/** An idle process does not keep ours from ending. */
function hold(child: ChildProcess, wanted: boolean) {
  if (wanted) {
    child.ref()
    child.channel?.ref()
  } else {
    child.unref()
    child.channel?.unref()
  }
}
