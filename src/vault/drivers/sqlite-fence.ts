/**
 * What SQL may do inside SQLite, decided by SQLite's own authorizer while a statement is compiled. A read-only handle alone still
 * attaches other files and writes new ones with VACUUM INTO (measured). https://www.sqlite.org/c3ref/c_alter_table.html
 */
import { constants } from 'node:sqlite'

export type Mode = 'read' | 'write'

/** Pragmas that only tell. `data_version` is what full-text search asks of its own tables. */
const TELLING = new Set(['table_info', 'table_xinfo', 'index_list', 'index_info', 'index_xinfo', 'foreign_key_list'])
const NUMBERS = new Set([
  'user_version',
  'application_id',
  'page_count',
  'page_size',
  'schema_version',
  'data_version',
  'freelist_count',
  'encoding',
])
/** Numbers that a writer may set. */
const SETTABLE = new Set(['user_version', 'application_id'])

/** Functions that load code, or touch files where a build has them. */
const FUNCTIONS = new Set(['load_extension', 'fts3_tokenizer', 'readfile', 'writefile', 'edit', 'lsdir', 'fsdir', 'zipfile', 'sqlite_log'])

/** Kinds of virtual tables that keep their data in the same file. */
const MODULES = new Set(['fts3', 'fts4', 'fts5', 'fts5vocab', 'fts4aux', 'rtree', 'rtree_i32', 'geopoly'])

const READING = new Set([constants.SQLITE_SELECT, constants.SQLITE_READ, constants.SQLITE_RECURSIVE])

/** Other files, and transactions that would outlive the one statement. */
const NEVER = new Set([constants.SQLITE_ATTACH, constants.SQLITE_DETACH, constants.SQLITE_TRANSACTION, constants.SQLITE_SAVEPOINT])

const NAMES = new Map<number, string>(
  Object.entries(constants)
    .filter(([name, code]) => code > 0 && /^SQLITE_(?!CHANGESET|DENY|IGNORE)/.test(name))
    .map(([name, code]) => [code, name.slice('SQLITE_'.length).replaceAll('_', ' ')]),
)

/** `refused` tells what the last refusal was about, for people: `ATTACH`, `PRAGMA journal_mode`, `the function load_extension`. */
export function authorizer(mode: Mode): {
  decide: (action: number, first: string | null, second: string | null) => number
  refused: () => string
} {
  let last = ''
  const allowed = (action: number, first: string | null, second: string | null): boolean => {
    if (action === constants.SQLITE_FUNCTION) return !FUNCTIONS.has((second ?? '').toLowerCase())
    if (action === constants.SQLITE_PRAGMA) {
      const name = (first ?? '').toLowerCase()
      return TELLING.has(name) || (NUMBERS.has(name) && (second === null || (mode === 'write' && SETTABLE.has(name))))
    }
    if (mode === 'read') return READING.has(action)
    if (action === constants.SQLITE_CREATE_VTABLE) return MODULES.has((second ?? '').toLowerCase())
    return !NEVER.has(action)
  }
  return {
    decide(action, first, second) {
      if (allowed(action, first, second)) return constants.SQLITE_OK
      const subject = action === constants.SQLITE_FUNCTION ? second : action === constants.SQLITE_PRAGMA ? first : null
      last =
        action === constants.SQLITE_FUNCTION ? `the function ${subject}` : `${NAMES.get(action) ?? 'this'}${subject ? ` ${subject}` : ''}`
      return constants.SQLITE_DENY
    },
    refused: () => last,
  }
}

/** Whether nothing but blanks, comments and semicolons follows the first statement. */
export const nothingMore = (rest: string): boolean => /^(?:[\s;]|--[^\n]*(?:\n|$)|\/\*(?:[^*]|\*(?!\/))*(?:\*\/|$))*$/.test(rest)
