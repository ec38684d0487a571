/** Files that are part of an installation: the projects' own databases, and answers of token endpoints that are nowhere else. */
import { createReadStream, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { mkdir, open, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, normalize, relative, sep } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { Fault } from '../base/errors.ts'

/** Nothing else of the data directory: keys, locks and logs are the operator's, the database goes row by row. */
const PARTS = ['files', 'answers']
const SQLITE = Buffer.from('SQLite format 3\0')
/** Written beside a database while it is in use; a copy that SQLite makes is whole without them. */
const BESIDE = /-(wal|shm|journal)$/

export const filesIn = (dataDir: string): string[] =>
  PARTS.filter((part) => existsSync(join(dataDir, part)))
    .flatMap((part) =>
      readdirSync(join(dataDir, part), { recursive: true, withFileTypes: true })
        .filter((e) => e.isFile() && !BESIDE.test(e.name))
        .map((e) => relative(dataDir, join(e.parentPath, e.name))),
    )
    .sort()

async function isSqlite(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SQLITE.length), 0, SQLITE.length, 0)
    return bytesRead === SQLITE.length && buffer.equals(SQLITE)
  } finally {
    await file.close()
  }
}

/** The bytes of a file as they are at one moment, a database's too. */
export async function* bytesOf(dataDir: string, path: string): AsyncGenerator<Buffer> {
  const whole = join(dataDir, path)
  if (!(await isSqlite(whole))) {
    yield* createReadStream(whole) as AsyncIterable<Buffer>
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'agentruntime-backup-'))
  const source = new DatabaseSync(whole, { readOnly: true })
  try {
    const copy = join(folder, 'copy')
    await backup(source, copy)
    yield* createReadStream(copy) as AsyncIterable<Buffer>
  } finally {
    source.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
export const existed = (dataDir: string, path: string): Promise<boolean> =>
  stat(join(dataDir, path)).then(
    () => true,
    () => false,
  )

/** Where a file of a backup goes. Faults: REFUSED for one that would lie elsewhere. */
export async function create(dataDir: string, path: string) {
  const clean = normalize(path)
  if (clean !== path || !PARTS.includes(clean.split(sep)[0] as string))
    throw new Fault('REFUSED', 'this is no backup of ours: it names a file elsewhere')
  const whole = join(dataDir, clean)
  await mkdir(dirname(whole), { recursive: true, mode: 0o700 })
  return open(whole, 'w', 0o600)
}
export function dropFiles(dataDir: string): void {
  for (const part of PARTS) rmSync(join(dataDir, part), { recursive: true, force: true })
}
