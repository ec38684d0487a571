/**
 * The child's side of sqlite.ts: one message is one statement on a freshly opened file. The process has an empty environment, no
 * secret and no network to speak of; when a statement takes too long it is killed, which no thread would survive as cleanly.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { Fault, type FaultCode } from '../../base/errors.ts'
import { collectRows, cutText, MAX_CELL_BYTES, MAX_RESULT_BYTES, MAX_SQL_LENGTH, type Rows, withoutValues } from './caps.ts'
import type { SqlResult } from './session.ts'
import { authorizer, type Mode, nothingMore } from './sqlite-fence.ts'
import { confine } from './sqlite-path.ts'

export interface Job {
  root: string
  database: string
  mode: Mode
  sql: string
  args: readonly unknown[]
  rows: number
  /** How long to wait for somebody else's lock, milliseconds. */
  busyMs: number
}

export type Outcome = { ok: true; result: SqlResult & { command: string } } | { ok: false; code: FaultCode; message: string; hint?: string }

/** Longest value SQLite handles at all. */
const VALUE_BYTES = 4 * MAX_RESULT_BYTES
/** How large a tool may make a database. */
const MAX_DATABASE_BYTES = 1024 * 1024 * 1024
const PAGE_BYTES = 4096

const watch = new Worker(new URL(import.meta.url.endsWith('.ts') ? './sqlite-watch.ts' : './sqlite-watch.js', import.meta.url))
watch.unref()
process.on('message', (job: Job) => process.send!(carryOut(job)))
process.on('disconnect', () => process.exit(0))

function carryOut(job: Job): Outcome {
  let db: DatabaseSync | undefined
  const fence = authorizer(job.mode)
  try {
    db = open(job)
    db.setAuthorizer(fence.decide)
    return { ok: true, result: runOne(db, job) }
  } catch (error) {
    return failed(error, job, fence.refused())
  } finally {
    db?.close()
  }
}

function open({ root, database, mode, busyMs }: Job): DatabaseSync {
  const db = new DatabaseSync(confine(root, database, mode === 'write'), {
    readOnly: mode === 'read',
    timeout: busyMs,
    allowExtension: false,
    defensive: true,
    enableForeignKeyConstraints: true,
    enableDoubleQuotedStringLiterals: false,
    limits: { length: VALUE_BYTES, sqlLength: 4 * MAX_SQL_LENGTH, attach: 0, exprDepth: 500, variableNumber: 1000 },
  })
  // What the file's own schema says (views, triggers, defaults) may call nothing that is not harmless. Sorting and temporary
  // tables stay in memory, which sqlite-watch.ts bounds.
  db.exec('pragma trusted_schema = off; pragma temp_store = memory')
  if (mode === 'read') db.exec('pragma query_only = on')
  else db.exec(`pragma max_page_count = ${MAX_DATABASE_BYTES / PAGE_BYTES}`)
  return db
}

function runOne(db: DatabaseSync, job: Job): SqlResult & { command: string } {
  const { sql, args } = job
  if (sql.length > MAX_SQL_LENGTH) throw new Fault('INVALID_INPUT', `the statement is longer than ${MAX_SQL_LENGTH} characters`)
  if (sql.includes('\0') || !sql.isWellFormed()) throw new Fault('INVALID_INPUT', 'the statement holds characters that are not text')
  const statement = db.prepare(sql)
  const own = statement.sourceSQL
  if (!sql.startsWith(own) || !nothingMore(sql.slice(own.length))) {
    throw new Fault('TOOL_REFUSED', 'the SQL holds more than one statement', { hint: 'Send them one by one.' })
  }
  const columns = statement.columns()
  const rows = collectRows(
    columns.map(({ name, type }) => ({ name, type })),
    job.rows,
  )
  const values = args.map(toSqlite)
  let touched = 0
  if (columns.length === 0) touched = Number(statement.run(...values).changes)
  else {
    fill(rows, statement, values)
    if (job.mode === 'write') touched = Number(db.prepare('select changes() as n').get()?.n ?? 0)
  }
  const result = rows.result()
  return { ...result, row_count: touched || result.row_count, command: keyword(own) }
}

function fill(rows: Rows, statement: StatementSync, values: SQLInputValue[]) {
  statement.setReadBigInts(true)
  statement.setReturnArrays(true)
  for (const cells of statement.iterate(...values) as unknown as Iterable<unknown[]>) {
    let bytes = 0
    const row = cells.map((cell) => {
      const { value, cut } = toJson(cell)
      if (cut) rows.cut()
      bytes += typeof value === 'string' ? value.length : 8
      return value
    })
    if (!rows.add(row, bytes)) break
  }
}

/** Whole numbers beyond 2^53 as strings, blobs as base64. */
function toJson(cell: unknown): { value: unknown; cut: boolean } {
  if (typeof cell === 'bigint') return { value: Number.isSafeInteger(Number(cell)) ? Number(cell) : String(cell), cut: false }
  if (typeof cell === 'number') return { value: Number.isFinite(cell) ? cell : String(cell), cut: false }
  if (typeof cell === 'string' && cell.length > MAX_CELL_BYTES) return { value: cutText(cell, MAX_CELL_BYTES), cut: true }
  if (cell instanceof Uint8Array) {
    return { value: Buffer.from(cell.subarray(0, MAX_CELL_BYTES)).toString('base64'), cut: cell.length > MAX_CELL_BYTES }
  }
  return { value: cell, cut: false }
}

/** JSON has one kind of number: whole ones go as integers. Lists and objects go as JSON text. */
function toSqlite(value: unknown): SQLInputValue {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof value === 'boolean') return value ? 1n : 0n
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const keyword = (sql: string) => (/^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*([a-z]+)/i.exec(sql)?.[1] ?? '').toUpperCase()

/** Primary result codes: https://www.sqlite.org/rescode.html */
const CODES: Record<number, { code: FaultCode; says?: string; hint?: string }> = {
  5: { code: 'UPSTREAM_ERROR', says: 'the database is locked by somebody else' },
  6: { code: 'UPSTREAM_ERROR', says: 'the database is locked by somebody else' },
  7: { code: 'UPSTREAM_INVALID', says: 'the statement needs more memory than it may have' },
  8: { code: 'SCOPE_MISSING', says: 'the database may not be written' },
  10: { code: 'UPSTREAM_ERROR', says: 'the file could not be read or written' },
  11: { code: 'UPSTREAM_INVALID', says: 'the database file is damaged' },
  13: { code: 'UPSTREAM_INVALID', says: 'the database is as large as it may become' },
  14: { code: 'UPSTREAM_INVALID', says: 'the database file cannot be opened' },
  18: { code: 'UPSTREAM_INVALID', says: 'a value is longer than it may be', hint: 'Cut long values with substr().' },
  26: { code: 'UPSTREAM_INVALID', says: 'the file is not a SQLite database' },
}

function failed(error: unknown, { mode, args }: Job, refused: string): Outcome {
  const told = (code: FaultCode, message: string, hint?: string): Outcome => ({ ok: false, code, message, ...(hint ? { hint } : {}) })
  if (error instanceof Fault) return told(error.code, error.message, error.hint)
  const { errcode, code, message } = error as { errcode?: number; code?: string; message?: string }
  if (code === 'ERR_INVALID_ARG_VALUE') return told('UPSTREAM_INVALID', 'the statement is empty')
  if (errcode === undefined) return told('INTERNAL', 'the SQLite process failed')
  // What the authorizer denies fails at once, under one code or another.
  if (refused !== '') {
    return told(
      'TOOL_REFUSED',
      `${mode === 'read' ? 'this tool only reads' : 'this tool refuses the statement'}: ${refused} is not allowed here`,
    )
  }
  const known = CODES[errcode & 0xff]
  return told(known?.code ?? 'UPSTREAM_INVALID', `SQLite says: ${known?.says ?? withoutValues(message ?? '', args)}`, known?.hint)
}
