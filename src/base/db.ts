/**
 * The way to the database. Queries are built with kysely in the rooms' `rows.ts` files and sent here, always inside a
 * transaction that has said whose rows it may see: PostgreSQL's row-level security does the rest (migrations/0001).
 */
import { createHash } from 'node:crypto'
import type { Writable } from 'node:stream'
import {
  type Compilable,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
  sql,
} from 'kysely'
import pg from 'pg'
import { Fault } from './errors.ts'

/** Whose rows a transaction sees. `*` as project means every project of the workspace. */
export interface Scope {
  readonly workspace: string
  readonly project: string
}

/** A kysely query, or a raw sql`…` text. */
export type Query<O> = Compilable<O> | RawBuilder<O>

/**
 * Queries leave in the order in which they are asked, without waiting for the answers to earlier ones. One whose answer is of no
 * interest need not be awaited: it takes part all the same, and its failure is the transaction's.
 */
export interface Tx {
  all<O>(query: Query<O>): Promise<O[]>
  /** The first row or undefined. */
  first<O>(query: Query<O>): Promise<O | undefined>
  /** How many rows an insert, update or delete touched. */
  run(query: Query<unknown>): Promise<number>
}

export interface Db {
  /** One transaction that sees one tenant's rows. */
  tx<T>(scope: Scope, work: (tx: Tx) => Promise<T>): Promise<T>
  /** The same for work that asks everything at once: the commit leaves in one packet with it. Resolves after the commit. */
  once<T>(scope: Scope, work: (tx: Tx) => Promise<T>): Promise<T>
  /** One transaction that sees every tenant's rows: only for the runtime's own chores. The reason is for the reader. */
  everyTenant<T>(reason: string, work: (tx: Tx) => Promise<T>): Promise<T>
  ping(): Promise<void>
  close(): Promise<void>
}

/** A query builder for one room's tables. It only compiles; sending is `Tx`'s. */
export const tables = <T>(): Kysely<T> =>
  new Kysely<T>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })

const compiler = tables<Record<string, never>>()

/** Statements are prepared once per connection under a short name; past this many the rest go unnamed (lists with many filters). */
const MAX_NAMED_STATEMENTS = 600
const names = new Map<string, string>()
function nameOf(text: string): string | undefined {
  const known = names.get(text)
  if (known || names.size >= MAX_NAMED_STATEMENTS) return known
  const name = 'q' + createHash('sha1').update(text).digest('base64url').slice(0, 16)
  names.set(text, name)
  return name
}

/**
 * The transaction's own workspace and project. Row-level security holds the rows apart without them, but its condition has an "or"
 * for the runtime's chores, and only a plain comparison lets a list use an index that begins with these columns.
 */
export const OWN_WORKSPACE = sql<string>`current_setting('ar.workspace', true)`
export const OWN_PROJECT = sql<string>`current_setting('ar.project', true)`

// int8 counts and sequence numbers of ours stay far below 2^53; jsonb comes back parsed.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

const SET_SCOPE = { name: 'scope', text: "select set_config('ar.workspace', $1, true), set_config('ar.project', $2, true)" }

/** Whoever asks whether the database is there wants to know now, also when its packets vanish without a word. */
const PING_MS = 3_000
/** A peer that vanished is noticed after this and some probes more, and not after the system's two hours. */
export const KEEP_ALIVE_MS = 10_000

/** A process that is frozen in the middle of a transaction holds its locks no longer than this; our transactions never wait for anybody. */
const STALLED_MS = 10_000

/** The database went away or is going (class 08, 25P03, 53, 57P0x; or no code at all), as opposed to: it refused a statement. */
function isAway(error: unknown): boolean {
  const { code, message = '' } = error as { code?: unknown; message?: string }
  if (error instanceof Fault) return false
  if (typeof code === 'string') return /^(08|25P03|53|57P0)/.test(code) || /^E[A-Z]+$/.test(code)
  return /Connection terminated|connection error|not queryable|timeout exceeded/i.test(message)
}

/** What PostgreSQL says of U+0000, which its texts and its jsonb have not. We send nothing but UTF-8, so it can be nothing else. */
const NOT_TEXT = new Set(['22021', '22P05'])

/** in_failed_sql_transaction: says nothing but that an earlier statement failed. */
const ABORTED = '25P02'

/** What is sent until the event loop turns leaves in one write: a system call costs as much as a short statement. */
export function gather(client: pg.ClientBase): void {
  const { stream } = (client as unknown as { connection: { stream: Writable } }).connection
  stream.cork()
  process.nextTick(() => stream.uncork())
}

/**
 * A database that cannot be reached, or is lost on the way, is Fault DEPENDENCY_UNAVAILABLE. Whether a commit that was lost on the
 * way has happened is not known then.
 */
export function createDb(pool: pg.Pool): Db {
  async function inTransaction<T>(workspace: string, project: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    let client: pg.PoolClient
    try {
      client = await pool.connect()
    } catch (cause) {
      throw new Fault('DEPENDENCY_UNAVAILABLE', 'the database does not answer', {
        cause,
        hint: 'Look at /readyz and at the database itself.',
      })
    }
    let broken: Error | undefined
    // A connection that dies while it is ours tells so in an event of its own besides failing its queries; unheard it would end the process.
    const died = (error: Error) => {
      broken = error
    }
    client.on('error', died)
    const sent: Promise<unknown>[] = []
    /** The first failure is the cause; what comes after it only hears that the transaction is aborted. */
    let failed: unknown
    let over = false
    const send = (query: pg.QueryConfig) => {
      if (over) throw new Error('a query was asked after the end of its transaction')
      gather(client)
      const answer = client.query(query)
      sent.push(answer)
      answer.catch((error: unknown) => {
        failed ??= error
      })
      return answer
    }
    const ask = (query: Query<unknown>) => {
      const { sql, parameters } = query.compile(compiler)
      const name = nameOf(sql)
      return send({ ...(name ? { name } : {}), text: sql, values: parameters as unknown[] })
    }
    const heard = <T>(answer: Promise<T>): Promise<T> => {
      answer.catch(() => undefined) // the transaction fails with it, whether anybody waits for it or not
      return answer
    }
    const tx: Tx = {
      all: (query) => heard(ask(query).then((answer) => answer.rows)),
      first: (query) => heard(ask(query).then((answer) => answer.rows[0])),
      run: (query) => heard(ask(query).then((answer) => answer.rowCount ?? 0)),
    }
    try {
      // The connection is in pipeline mode: begin, scope and the first query leave in one packet.
      void send({ text: 'begin' })
      void send({ ...SET_SCOPE, values: [workspace, project] })
      const result = await work(tx)
      over = true
      gather(client)
      const commit = client.query('commit')
      commit.catch(() => undefined)
      await Promise.all(sent)
      const done = await commit
      if (done.command !== 'COMMIT') throw new Error('the transaction was rolled back by the database')
      return result
    } catch (thrown) {
      over = true
      const error = (thrown as { code?: string }).code === ABORTED ? (failed ?? thrown) : thrown
      await client.query('rollback').catch((e: Error) => {
        broken = e
      })
      if (broken || isAway(error)) throw new Fault('DEPENDENCY_UNAVAILABLE', 'the connection to the database was lost', { cause: error })
      if (NOT_TEXT.has((error as { code?: string }).code ?? ''))
        throw new Fault('INVALID_INPUT', 'a text in the request holds a NUL character, which cannot be stored', { cause: error })
      throw error
    } finally {
      client.removeListener('error', died)
      client.release(broken)
    }
  }

  return {
    tx: ({ workspace, project }, work) => inTransaction(workspace, project, work),
    async once<T>({ workspace, project }: Scope, work: (tx: Tx) => Promise<T>) {
      let answer: Promise<T> | undefined
      await inTransaction(workspace, project, async (tx) => {
        answer = work(tx)
        answer.catch(() => undefined) // the transaction fails with it
      })
      return answer as Promise<T>
    },
    everyTenant: (_reason, work) => inTransaction('*', '*', work),
    async ping() {
      const late = Promise.withResolvers<never>()
      const timer = setTimeout(() => late.reject(new Error(`no answer within ${PING_MS} ms`)), PING_MS)
      await Promise.race([pool.query('select 1'), late.promise]).finally(() => clearTimeout(timer))
    },
    close: () => pool.end(),
  }
}

/** The runtime's own pool: pipelined, and working as the role that row-level security holds for. */
export function openPool(connection: pg.PoolConfig, role: string | null, max: number): pg.Pool {
  const options = role ? { options: `-c role=${role}` } : {}
  const pool = new pg.Pool({
    ...connection,
    ...options,
    max,
    pipeline: true,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    idle_in_transaction_session_timeout: STALLED_MS,
    application_name: 'agentruntime',
  } as pg.PoolConfig)
  // An idle connection that dies is replaced by the pool; whoever uses it next meets a fresh one.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}
