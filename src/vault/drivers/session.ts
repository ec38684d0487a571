import type { MongoSession } from './mongodb-session.ts'

/** What a connector with a SQL wire gets: it can ask, and cannot see how the question is carried. */

export interface SqlColumn {
  name: string
  /** The database's own name of the type, where the driver tells. */
  type: string | null
}

export interface SqlResult {
  columns: SqlColumn[]
  rows: Record<string, unknown>[]
  row_count: number
  /** True when rows, bytes or a cell were cut off at a cap. */
  truncated: boolean
}

export interface SqlLimits {
  /** Most rows that come back. */
  rows: number
  /** Milliseconds until the server is told to stop. */
  timeoutMs: number
}

/**
 * Values travel as bind parameters only. Errors come as Faults whose text holds no DSN, password or parameter value.
 */
export interface SqlSession {
  /** A statement by somebody else: parsed, allow-listed to reading, run where it cannot write. */
  read(sql: string, args: readonly unknown[], limits: SqlLimits): Promise<SqlResult>
  /** A connector's own constant statement (introspection): same read-only place, but its text is not judged. */
  ask(sql: string, args: readonly unknown[], limits: SqlLimits): Promise<SqlResult>
  /** One statement that may change data. */
  write(sql: string, args: readonly unknown[], limits: SqlLimits): Promise<SqlResult & { command: string }>
}

/** What a connector gets of each wire. */
export interface Sessions {
  postgres: SqlSession
  sqlite: SqlSession
  mongodb: MongoSession
}
