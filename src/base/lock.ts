/**
 * One directory, one process. The lock is the operating system's own file lock, taken through SQLite: the kernel drops it with
 * the process, however that dies, so there is no stale lock to judge and no process number that could have been given away again.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Fault } from './errors.ts'
import { newId } from './ids.ts'

/** Never read or copied by us: closing any other handle on this file would drop the lock (POSIX record locks). */
const LOCK_FILE = 'runtime.lock'
/** Only for the message that the second process gets; the lock does not depend on it. */
const PID_FILE = 'runtime.pid'
const SQLITE_BUSY = 5
/** A collected handle closes itself and drops its lock: what is held stays referenced, even when the caller forgets what it got. */
const held = new Set<DatabaseSync>()

/**
 * Holds `dir` for this process until `release()` or the end of the process. Makes the directory when it is missing.
 * @param shownAs the directory that the message names, when `dir` is a detail of it
 * @throws Fault CONFLICT when another process (or another part of this one) holds it, DEPENDENCY_UNAVAILABLE when it cannot be locked
 */
export function lockDirectory(dir: string, shownAs: string = dir): { release(): void } {
  let db: DatabaseSync | undefined
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    makePrivate(join(dir, LOCK_FILE))
    db = new DatabaseSync(join(dir, LOCK_FILE), { timeout: 0 })
    db.exec('begin exclusive')
    writeFileSync(join(dir, PID_FILE), `${process.pid}\n`, { mode: 0o600 })
  } catch (cause) {
    db?.close()
    if ((cause as { errcode?: number }).errcode === SQLITE_BUSY) {
      throw new Fault('CONFLICT', `data directory ${shownAs} is in use by ${holder(dir)}`, {
        hint: 'Stop that process first, or choose another directory with --data-dir.',
      })
    }
    throw new Fault('DEPENDENCY_UNAVAILABLE', `data directory ${shownAs} cannot be locked: ${(cause as Error).message}`, {
      cause,
      hint: 'It has to be writable for the user that runs this, on a file system with locks.',
    })
  }
  const mine = db
  held.add(mine)
  return {
    release() {
      if (!held.delete(mine)) return
      rmSync(join(dir, PID_FILE), { force: true })
      mine.close()
    },
  }
}

/** SQLite would make it readable for all, and whoever can read it can hold a lock on it. */
function makePrivate(file: string): void {
  if (existsSync(file)) return
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function holder(dir: string): string {
  try {
    const pid = Number.parseInt(readFileSync(join(dir, PID_FILE), 'utf8'), 10)
    return pid > 0 ? `process ${pid}` : 'another process'
  } catch {
    return 'another process'
  }
}

/** Stable for a data directory: only one process has it at a time, so its runs are its own again after a restart. */
export function executorId(dataDir: string): string {
  const file = join(dataDir, 'executor-id')
  const known = existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
  if (known !== '') return known // an empty file: the process was killed while it wrote
  const id = newId('exec')
  writeFileSync(file, `${id}\n`, { mode: 0o600 })
  return id
}
