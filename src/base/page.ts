/** Lists page by id, newest first. The cursor is opaque to callers. */
import { fail } from './errors.ts'

export const DEFAULT_LIMIT = 50
/** Large enough to read everything in few calls, small enough that one answer stays light. */
export const MAX_LIMIT = 200

export interface Page<T> {
  items: T[]
  next_cursor: string | null
}

/** Ask for one row more than the limit; the extra one says that there is a next page. */
export function pageOf<R, T>(rows: readonly R[], limit: number, keyOf: (row: R) => string, show: (row: R) => T): Page<T> {
  const last = rows.length > limit ? rows[limit - 1] : undefined
  return { items: rows.slice(0, limit).map(show), next_cursor: last ? Buffer.from(keyOf(last)).toString('base64url') : null }
}

export function readCursor(cursor: string | undefined): string | null {
  if (cursor === undefined) return null
  const key = Buffer.from(cursor, 'base64url').toString()
  if (!/^[\w-]{1,80}$/.test(key)) fail('INVALID_INPUT', 'cursor is not one that a list gave out')
  return key
}

/** For lists that page by a number. */
export function readNumberCursor(cursor: string | undefined): number | null {
  const key = readCursor(cursor)
  if (key !== null && !/^\d{1,9}$/.test(key)) fail('INVALID_INPUT', 'cursor is not one that a list gave out')
  return key === null ? null : Number(key)
}
