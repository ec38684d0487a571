/**
 * Where uses of secrets are on record before the database has them: a line is with the operating system when `append` returns, so the end of
 * this process, however sudden, loses none. One file is one batch, and goes once that is in the database.
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const ENDING = '.uses'

export function createUsesJournal(dir: string) {
  const files = new Map<string, number>()

  function fileOf(batch: string): number {
    const known = files.get(batch)
    if (known !== undefined) return known
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const file = openSync(join(dir, batch + ENDING), 'a', 0o600)
    files.set(batch, file)
    return file
  }
  function close(batch: string): void {
    const file = files.get(batch)
    files.delete(batch)
    if (file !== undefined) closeSync(file)
  }

  return {
    /** Throws where the disk is full or cannot be written. Half a line is none: whoever wrote it was told no. */
    append(batch: string, line: string): void {
      const bytes = Buffer.from(`${line}\n`)
      if (writeSync(fileOf(batch), bytes) !== bytes.length) throw new Error('the disk took a part of a line only')
    },
    drop(batch: string): void {
      close(batch)
      rmSync(join(dir, batch + ENDING), { force: true })
    },
    /** What an earlier process has left, oldest first. */
    read(): { batch: string; lines: string[] }[] {
      if (!existsSync(dir)) return []
      return readdirSync(dir)
        .filter((name) => name.endsWith(ENDING))
        .sort()
        .map((name) => ({
          batch: name.slice(0, -ENDING.length),
          // What stands behind the last line break was never finished.
          lines: readFileSync(join(dir, name), 'utf8').split('\n').slice(0, -1),
        }))
    },
    close: () => [...files.keys()].forEach(close),
  }
}
export type UsesJournal = ReturnType<typeof createUsesJournal>
