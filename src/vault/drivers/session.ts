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

/** Bytes that are no text are `{ base64 }`, an error inside a list is `{ error }`, whole numbers too large for JSON are strings. */
export type RedisValue = string | number | boolean | null | { base64: string } | { error: string } | RedisValue[]

export interface RedisReply {
  value: RedisValue
  /** True when elements, bytes or a text were cut off at a cap. */
  truncated: boolean
}

export interface RedisLimits {
  /** Most values that come back, inner ones included. */
  elements: number
  timeoutMs: number
}

/** Who the credential is at a Redis server, and what it can do beyond working with data. */
export interface RedisStanding {
  user: string
  version: string | null
  mode: string | null
  /** Commands by which it could change the server: empty is as it should be. */
  powers: string[]
  /** The user's rules (`+@read`, `~app:*`), where it may see them. */
  rules: string[] | null
  /** Anybody is let in without a password. null: the user may not see that. */
  open: boolean | null
  encrypted: boolean
}

/** A command and its arguments travel apart. Errors come as Faults whose text holds no argument and no password. */
export interface RedisSession {
  /** Only commands that read: by a list, and by what the server tells of them. */
  read(command: string, args: readonly string[], limits: RedisLimits): Promise<RedisReply>
  /** Commands that work on data; none that change the server or the session, run programs, or block. */
  write(command: string, args: readonly string[], limits: RedisLimits): Promise<RedisReply>
  standing(limits: { timeoutMs: number }): Promise<RedisStanding>
}

export interface GraphResult {
  columns: string[]
  /** Nodes are `{ element_id, labels, properties }`, relationships `{ element_id, type, start, end, properties }`, bytes `{ base64 }`. */
  records: Record<string, unknown>[]
  truncated: boolean
  /** What was changed: `{ nodes_created: 1 }`; only what is not 0. */
  counters: Record<string, number>
}

export interface GraphLimits {
  records: number
  timeoutMs: number
}

export interface GraphStanding {
  user: string
  /** null: the server does not tell (there are roles in some editions only). */
  roles: string[] | null
  version: string | null
  edition: string | null
  powers: string[]
  encrypted: boolean
}

type Parameters = Readonly<Record<string, unknown>>

/** Values travel as parameters only. Errors come as Faults whose text holds no parameter and no password. */
export interface GraphSession {
  /** A statement by somebody else: judged here, judged by the server, and run where it cannot write. */
  read(cypher: string, parameters: Parameters, limits: GraphLimits): Promise<GraphResult>
  /** A connector's own constant statement: same place, but its text is not judged. */
  ask(cypher: string, parameters: Parameters, limits: GraphLimits): Promise<GraphResult>
  /** One statement that may change data, in a transaction of its own. */
  write(cypher: string, parameters: Parameters, limits: GraphLimits): Promise<GraphResult>
  standing(limits: { timeoutMs: number }): Promise<GraphStanding>
}

/** What a connector gets of each wire. */
export interface Sessions {
  neo4j: GraphSession
  postgres: SqlSession
  mysql: SqlSession
  redis: RedisSession
  sqlite: SqlSession
  firestore: FirestoreSession
  mongodb: MongoSession
}
