/** Backups and restores as a person makes them: `agentruntime backup` and `agentruntime restore`, on places of a test's own. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { emptyDatabase } from './database.ts'
import { failedStart, launch, type TestRuntime } from './harness.ts'

export interface NewPlace extends AsyncDisposable {
  home: string
  dataDir: string
  databaseUrl: string
  connection: pg.ClientConfig
}
/** An empty directory and database, with a copy of the root key of `of` in it. */
export async function newPlace(of?: Pick<TestRuntime, 'dataDir'>): Promise<NewPlace> {
  const home = mkdtempSync(join(tmpdir(), 'agentruntime-restored-'))
  const { connection, url, drop } = await emptyDatabase()
  const dataDir = join(home, 'data')
  mkdirSync(dataDir)
  if (of) copyFileSync(join(of.dataDir, 'root.key'), join(dataDir, 'root.key'))
  return {
    home,
    dataDir,
    databaseUrl: url,
    connection,
    async [Symbol.asyncDispose]() {
      rmSync(home, { recursive: true, force: true })
      await drop()
    },
  }
}

const flags = (at: { dataDir: string; databaseUrl: string | null }) => [
  '--data-dir',
  at.dataDir,
  ...(at.databaseUrl === null ? [] : ['--database-url', at.databaseUrl]),
]
type At = { dataDir: string; databaseUrl: string | null }
type Said = Awaited<ReturnType<typeof failedStart>>

export const backup = (at: At, file: string): Promise<Said> => failedStart(['backup', '--to', file, ...flags(at), '--json'])
export const verify = (at: At, file: string): Promise<Said> => failedStart(['backup', 'verify', '--file', file, ...flags(at), '--json'])
export const restore = (at: At, file: string): Promise<Said> => failedStart(['restore', '--from', file, ...flags(at), '--json'])
export const start = (at: At): Promise<Said> => failedStart(['start', '--port', '0', '--json', ...flags(at)])

const WITH_FAULTS = new URL('faults/keep-with-faults.ts', import.meta.url).pathname
/** Killed at a named point. */
export async function killed(what: 'backup' | 'restore', at: At, file: string, point: string): Promise<NodeJS.Signals | null> {
  const child = launch([what, file, point, at.dataDir, at.databaseUrl ?? ''], { main: WITH_FAULTS })
  return (await child.exited).signal
}
