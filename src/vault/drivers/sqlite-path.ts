/** Where a SQLite file may lie: below the root that the runtime gave the project, reached by no symbolic link. */
import { lstatSync, mkdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { Fault, fail } from '../../base/errors.ts'

/** Files that SQLite opens beside a database. */
const COMPANIONS = ['-journal', '-wal', '-shm']

const refused = (why: string) =>
  new Fault('TOOL_REFUSED', `this database_path is not allowed: ${why}`, {
    hint: 'Give a path relative to the data directory, such as demo/shop.db.',
  })

/**
 * The real path of `database` below `root`. `create`: the file (and the root) may be missing. Faults: TOOL_REFUSED (leaves the root, not
 * a plain file), UPSTREAM_NOT_FOUND. No message names the root.
 */
export function confine(root: string, database: string, create: boolean): string {
  if (database === '' || database.length > 512 || /[\0-\x1f\x7f]/.test(database) || !database.isWellFormed())
    throw refused('it is empty or not text')
  // `file:` would be a URI to SQLite, `:memory:` no file, a backslash a separator to some.
  if (/^[/~]|[:\\?#%]/.test(database)) throw refused('it is not a plain relative path')
  if (database.split('/').some((part) => part === '' || part === '.' || part === '..')) throw refused('it has an empty part, . or ..')
  if (create) mkdirSync(root, { recursive: true, mode: 0o700 })
  const home = real(root) ?? fail('UPSTREAM_NOT_FOUND', 'this project has no database yet')
  const path = join(home, database)
  if (!path.startsWith(home + sep)) throw refused('it leaves the data directory')
  if (real(dirname(path)) !== dirname(path)) throw missingOr(dirname(path), database)
  const file = kind(path)
  if (file === 'missing' && !create) throw missing(database)
  if (file === 'other') throw refused('it is not a plain file')
  for (const suffix of COMPANIONS) if (kind(path + suffix) === 'other') throw refused('a file beside it is not a plain file')
  return path
}

/** The real path, or null if there is nothing. */
function real(path: string): string | null {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}

function kind(path: string): 'file' | 'missing' | 'other' {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (!found) return 'missing'
  // A second name for a file elsewhere would reach out of the root as a symbolic link does.
  return found.isFile() && found.nlink === 1 ? 'file' : 'other'
}

const missingOr = (folder: string, database: string) =>
  real(folder) === null ? missing(database) : refused('it goes through a symbolic link')

const missing = (database: string) =>
  new Fault('UPSTREAM_NOT_FOUND', `there is no database ${basename(database)} at this database_path`, {
    hint: 'Paths are relative to the data directory.',
  })
