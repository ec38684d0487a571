/** Backups: one file that holds an installation at one moment, encrypted, without the key that opens it. */
import { createWriteStream, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { lockDirectory } from '../base/lock.ts'
import type { Logger } from '../base/log.ts'
import { migrate } from '../base/migrate.ts'
import { runningPostgres } from '../base/postgres-attach.ts'
import { openDatabase } from '../base/postgres-open.ts'
import { sealBackup, type RootKeySource } from '../vault/index.ts'
import { bytesOf, create, dropFiles, existed, filesIn } from './files.ts'
import { dropMarker, readMarker, refuseHalfRestored, writeMarker } from './marker.ts'
import { beginSnapshot, connect, hold, insert, isEmpty, migrationsOf, restoredAs, rowsOf, type Table, tablesOf } from './rows.ts'
import { type Head, type Line, linesOf, MAGIC, readHead, ROW } from './stream.ts'

export { refuseHalfRestored }

export interface Where {
  dataDir: string
  databaseUrl: string | null
  rootKey: RootKeySource
}
export interface Doing {
  version: string
  now: () => number
  log: Logger
  /** One line for whoever watches. */
  say: (line: string) => void
  signal?: AbortSignal
  fault?: ((point: string) => void | Promise<void>) | undefined
}
export interface Held {
  created_at: string
  version: string
  tables: Record<string, number>
  files: number
}

/** Rows of one insert: by their bytes, for a row may be large. */
const INSERT_BYTES = 1_000_000
const INSERT_ROWS = 500
/** A table of this many rows tells how far it has come. */
const TELL_EVERY = 10_000

/** The database of an installation, running or not. */
async function reach({ dataDir, databaseUrl }: Where, { log, say }: Doing) {
  const running = databaseUrl === null ? runningPostgres(dataDir) : null
  if (running) return { connection: running, stop: async () => undefined }
  return openDatabase({ databaseUrl, dataDir }, log, say)
}

/** Writes a backup. Nothing is at `path` before it is whole. Faults: INVALID_INPUT, VAULT_SEALED, DEPENDENCY_UNAVAILABLE. */
export async function writeBackup(where: Where, path: string, doing: Doing): Promise<Held> {
  if (existsSync(path))
    fail('INVALID_INPUT', `${path} exists already`, { hint: 'A backup never takes the place of another: name a new file.' })
  if (!existsSync(where.dataDir)) fail('INVALID_INPUT', `there is no data directory ${where.dataDir}`)
  refuseHalfRestored(where.dataDir)
  const cipher = await sealBackup(where.rootKey)
  const database = await reach(where, doing)
  const part = `${path}.part`
  mkdirSync(dirname(path), { recursive: true })
  try {
    const client = await connect(database.connection)
    try {
      await beginSnapshot(client)
      const created_at = new Date(doing.now()).toISOString()
      const head: Head = { format: 1, version: doing.version, created_at, migrations: await migrationsOf(client), ...cipher.head }
      const bytes = Buffer.from(`${MAGIC}${JSON.stringify(head)}\n`)
      const held: Held = { created_at, version: doing.version, tables: {}, files: 0 }
      await writeFile(part, bytes, { mode: 0o600 })
      // On the disk before it gets its name.
      const out = createWriteStream(part, { flags: 'a', flush: true })
      const signal = doing.signal ? { signal: doing.signal } : {}
      await pipeline(Readable.from(lines(client, where, held, doing)), createGzip(), cipher.frames(bytes), out, signal)
      await doing.fault?.('backup.write.before_rename')
      await rename(part, path)
      return held
    } finally {
      await client.end()
    }
  } catch (error) {
    rmSync(part, { force: true })
    throw error
  } finally {
    await database.stop()
  }
}

async function* lines(client: Awaited<ReturnType<typeof connect>>, { dataDir }: Where, held: Held, { say }: Doing): AsyncGenerator<string> {
  const line = (it: Line) => `${JSON.stringify(it)}\n`
  for (const table of await tablesOf(client)) {
    let n = 0
    yield line({ kind: 'table', table })
    for await (const row of rowsOf(client, table)) {
      yield `${ROW}${row}}\n`
      if (++n % TELL_EVERY === 0) say(`${table.name}: ${n} rows`)
    }
    held.tables[table.name] = n
    if (n > 0) say(`${table.name}: ${n} rows`)
  }
  for (const path of filesIn(dataDir)) {
    if (!(await existed(dataDir, path))) continue // gone meanwhile
    yield line({ kind: 'file', path })
    for await (const bytes of bytesOf(dataDir, path)) yield line({ kind: 'bytes', base64: bytes.toString('base64') })
    held.files++
  }
  if (held.files > 0) say(`${held.files} files`)
  yield line({ kind: 'end', tables: held.tables, files: held.files })
}

/** Reads all of it and keeps nothing. Faults: REFUSED with what is wrong, VAULT_SEALED. */
export async function verifyBackup(rootKey: RootKeySource, path: string, signal?: AbortSignal): Promise<Held> {
  const { head } = await readHead(path)
  const held: Held = { created_at: head.created_at, version: head.version, tables: {}, files: 0 }
  for await (const line of linesOf(path, rootKey, signal))
    if (line.kind === 'end') Object.assign(held, { tables: line.tables, files: line.files })
  return held
}

/** In a directory where somebody has put the root key, and nothing else. */
const isFresh = (dataDir: string): boolean =>
  !existsSync(dataDir) || readdirSync(dataDir).every((name) => name === 'root.key' || name.startsWith('runtime.'))

/**
 * Restores into an empty data directory and an empty database. All of it or nothing: a directory that was left in the middle is not started,
 * and the same restore goes on. Nothing of what is restored goes on by itself before an operator says that the original is no more.
 * Faults: CONFLICT where something is there, REFUSED for a file that is not whole, VAULT_SEALED.
 */
export async function restoreBackup(where: Where, path: string, migrations: URL, doing: Doing): Promise<Held> {
  const { dataDir } = where
  const { head } = await readHead(path)
  const before = readMarker(dataDir)
  if (before === null && !isFresh(dataDir))
    fail('CONFLICT', `${dataDir} is not empty`, { hint: 'Restore into a new directory: --data-dir. The root key may lie in it.' })
  doing.say('checking the backup')
  const held = await verifyBackup(where.rootKey, path, doing.signal)
  mkdirSync(dataDir, { recursive: true, mode: 0o711 })
  const lock = lockDirectory(dataDir)
  const marker = before ?? { id: newId('restore', doing.now()), began: new Date(doing.now()).toISOString() }
  try {
    await writeMarker(dataDir, marker)
    await doing.fault?.('restore.begin.after_marker')
    const database = await openDatabase(where, doing.log, doing.say)
    try {
      const client = await connect(database.connection)
      try {
        // Everything was in the database already when it was cut off.
        if ((await restoredAs(client)) !== marker.id)
          await fill(client, database.connection, where, path, head, marker.id, migrations, doing)
      } finally {
        await client.end()
      }
    } finally {
      await database.stop()
    }
    dropMarker(dataDir)
    return held
  } finally {
    lock.release()
  }
}

async function fill(
  client: Awaited<ReturnType<typeof connect>>,
  connection: Parameters<typeof migrate>[0],
  where: Where,
  path: string,
  head: Head,
  id: string,
  migrations: URL,
  doing: Doing,
): Promise<void> {
  if (!(await isEmpty(client))) fail('CONFLICT', 'the database is not empty', { hint: 'Restore into a new one: --database-url.' })
  // As it was when the backup was made; what is newer is applied by the next start.
  await migrate(connection, migrations, doing.say, head.migrations)
  dropFiles(where.dataDir)
  await doing.fault?.('restore.fill.after_schema')
  await client.query('begin')
  const rows = pending(client)
  let file: Awaited<ReturnType<typeof create>> | null = null
  const endFile = async () => {
    await file?.sync()
    await file?.close()
    file = null
  }
  for await (const line of linesOf(path, where.rootKey, doing.signal)) {
    if (line.kind === 'table') await rows.begin(line.table)
    else if (line.kind === 'row') await rows.add(line.text)
    else if (line.kind === 'file') {
      await rows.flush()
      await endFile()
      file = await create(where.dataDir, line.path)
    } else if (line.kind === 'bytes') await file?.write(Buffer.from(line.base64, 'base64'))
    else await rows.flush()
  }
  await endFile()
  await hold(client, id, `this was restored from the backup of ${head.created_at}`)
  await doing.fault?.('restore.fill.before_commit')
  await client.query('commit')
  await doing.fault?.('restore.fill.after_commit')
}

function pending(client: Awaited<ReturnType<typeof connect>>) {
  let table: Table | null = null
  let held: string[] = []
  let bytes = 0
  async function flush(): Promise<void> {
    if (table && held.length > 0) await insert(client, table, held)
    held = []
    bytes = 0
  }
  return {
    flush,
    async begin(next: Table): Promise<void> {
      await flush()
      table = next
    },
    async add(row: string): Promise<void> {
      held.push(row)
      bytes += row.length
      if (bytes > INSERT_BYTES || held.length >= INSERT_ROWS) await flush()
    },
  }
}
