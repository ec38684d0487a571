/** One PostgreSQL for the whole test run, from the binaries that the runtime brings along. Each test file takes a database of its own. */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { startPostgres } from '../src/base/postgres.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: { host: string; port: number; user: string; password: string; database: string }
    wycheproof: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'agentruntime-test-'))
  chmodSync(dataDir, 0o711) // as root the server runs as another user, who must get through
  const server = await startPostgres({
    dataDir,
    log: () => undefined,
    // Tests care for what is written, not for surviving a power cut.
    // Nor for tidiness: a vacuum at work would stand in the way of dropping a database.
    settings: { fsync: 'off', max_connections: '200', autovacuum: 'off' },
  })
  const passwords = JSON.parse(readFileSync(join(dataDir, 'postgres', 'passwords.json'), 'utf8')) as { superuser: string }
  const superuser = new pg.Client({ ...server.connection, user: 'postgres', password: passwords.superuser, database: 'postgres' })
  await superuser.connect()
  await superuser.query(`alter role ${server.connection.user} createdb`)
  await superuser.end()
  project.provide('postgres', server.connection)
  return async () => {
    await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}
