/** One PostgreSQL for the whole test run, from the binaries that the runtime brings along. Each test file takes a database of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
  const server = await startPostgres({
    dataDir: join(dataDir, 'postgres'),
    log: () => undefined,
    // Tests care for what is written, not for surviving a power cut.
    settings: { fsync: 'off', max_connections: '200' },
  })
  project.provide('postgres', server.connection)
  return async () => {
    await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}
