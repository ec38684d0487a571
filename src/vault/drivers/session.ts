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

/** A document, its values as plain JSON: firestore-values.ts says how. */
export interface FirestoreDocument {
  /** Relative to the database: `cities/SF`. */
  path: string
  fields: Record<string, unknown>
  create_time: string | null
  update_time: string | null
}

export interface FirestoreQuery {
  collection: string
  /** All must hold. `op` is the protocol's word: EQUAL, IN, … */
  filters: readonly { field: string; op: string; value: unknown }[]
  order_by: readonly { field: string; direction: 'ASCENDING' | 'DESCENDING' }[]
  limit: number
  /** Values of the fields of `order_by`. */
  start_after?: readonly unknown[] | undefined
  /** From the answer before, for the same query. */
  cursor?: string | undefined
  /** Only these fields come back. */
  select?: readonly string[] | undefined
}

/**
 * One database of one project; nothing that is handed in leads out of it. Errors come as Faults without credentials or values.
 */
export interface FirestoreSession {
  /** Mints a token and asks for one collection. */
  check(): Promise<{ account: string; project: string; database: string }>
  get(paths: readonly string[]): Promise<{ documents: FirestoreDocument[]; missing: string[]; left_out: string[]; truncated: boolean }>
  query(query: FirestoreQuery): Promise<{ documents: FirestoreDocument[]; next_cursor: string | null; truncated: boolean }>
  collections(
    document: string | null,
    page: { limit: number; cursor?: string | undefined },
  ): Promise<{ collections: string[]; next_cursor: string | null }>
  /** All or none. Ids come of the key and the content, so that another try of the same call adds nothing. */
  add(
    collection: string,
    documents: readonly Record<string, unknown>[],
    key: string,
  ): Promise<{ documents: { path: string; update_time: string | null }[] }>
  /**
   * `update`: the fields named, of a document that is there. `merge`: the same, map by map, and the document is made where it is not.
   * `replace`: the whole document. A mask names the field paths to write; one without a value is removed.
   */
  update(
    path: string,
    fields: Record<string, unknown>,
    how: { way: 'update' | 'merge' | 'replace'; mask?: readonly string[] | undefined },
  ): Promise<{ path: string; update_time: string | null }>
  /** All or none; one that is not there is no mistake. */
  remove(paths: readonly string[]): Promise<{ deleted: string[] }>
  rules(): Promise<{
    release: string
    ruleset: string
    create_time: string | null
    files: { name: string; content: string }[]
    truncated: boolean
  }>
  validateRules(
    source: string,
  ): Promise<{ valid: boolean; issues: { severity: string; description: string; line: number | null; column: number | null }[] }>
}

/** What a connector gets of each wire. */
export interface Sessions {
  postgres: SqlSession
  mysql: SqlSession
  sqlite: SqlSession
  firestore: FirestoreSession
  mongodb: MongoSession
}
