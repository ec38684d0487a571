/** How much of a database's answer comes back, whatever the driver. */
import type { SqlColumn, SqlResult } from './session.ts'

/** Rows of one result, whatever the tool asks for: more is a job for an export, not for a tool call. */
export const MAX_ROWS = 10_000
/** Bytes of one result. A tool's answer travels through logs, models and run records. */
export const MAX_RESULT_BYTES = 4 * 1024 * 1024
/** Bytes of one cell; the rest is cut and the result flagged. */
export const MAX_CELL_BYTES = 256 * 1024
/** Longest statement. The parser's work grows with it. */
export const MAX_SQL_LENGTH = 100_000
/** Most bind parameters of a statement. */
export const MAX_ARGS = 1000
/** Longest a statement may take, whatever a profile says. */
export const MAX_TIMEOUT_MS = 600_000

export interface Rows {
  /** Takes one row's cells (already plain JSON values). False: this row did not fit, and nothing more will. */
  add(cells: readonly unknown[], bytes: number): boolean
  /** A cell was cut. */
  cut(): void
  readonly full: boolean
  result(): SqlResult
}

export function collectRows(columns: readonly SqlColumn[], limit: number): Rows {
  const named = uniqueNames(columns)
  const rows: Record<string, unknown>[] = []
  const most = Math.min(limit, MAX_ROWS)
  let bytes = 0
  let truncated = false
  let full = false
  return {
    add(cells, size) {
      if (full || rows.length >= most || bytes + size > MAX_RESULT_BYTES) {
        full = true
        truncated = true
        return false
      }
      bytes += size
      // fromEntries defines own properties, so that a column called __proto__ is only a column.
      rows.push(Object.fromEntries(named.map((column, i) => [column.name, cells[i] ?? null])))
      return true
    },
    cut() {
      truncated = true
    },
    get full() {
      return full
    },
    result: () => ({ columns: named, rows, row_count: rows.length, truncated }),
  }
}

/** `select 1 as a, 2 as a` must not lose a value: the second becomes `a_2`. */
function uniqueNames(columns: readonly SqlColumn[]): SqlColumn[] {
  const taken = new Set<string>()
  return columns.map(({ name, type }) => {
    let free = name
    for (let n = 2; taken.has(free); n++) free = `${name}_${n}`
    taken.add(free)
    return { name: free, type }
  })
}

/** The beginning of a text that is too long, never half a character. */
export function cutText(text: string, most: number): string {
  const end = text.charCodeAt(most - 1)
  return text.slice(0, end >= 0xd800 && end <= 0xdbff ? most - 1 : most)
}

/** Parameter values (and what lies in arrays and objects) out of a message: each whole occurrence becomes «value». */
export function withoutValues(message: string, args: readonly unknown[]): string {
  let text = message
  const values = [...new Set(args.flatMap(leaves))].filter((value) => value !== '').sort((a, b) => b.length - a.length)
  for (const value of values) {
    const escaped = value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    // A short value ("1", "id") is only a value where it stands alone; a long one is wherever it is.
    const pattern = value.length >= WHEREVER ? escaped : `(?<![\\p{L}\\p{N}_])${escaped}(?![\\p{L}\\p{N}_])`
    text = text.replace(new RegExp(pattern, 'gu'), '«value»')
  }
  return text
}

const WHEREVER = 8

function leaves(arg: unknown): string[] {
  if (arg === null || arg === undefined || typeof arg === 'boolean') return []
  if (typeof arg !== 'object') return [String(arg)]
  return [JSON.stringify(arg), ...Object.values(arg).flatMap(leaves)]
}
