/** The way to a PostgreSQL of ours that another process has running: where it listens, and as whom. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import { findPlace } from './postgres-place.ts'

/** null: none is running there. What it writes into postmaster.pid: src/include/utils/pidfile.h of PostgreSQL. */
export function runningPostgres(dataDir: string): pg.ClientConfig | null {
  if (!['postgres', 'postgres.json'].some((name) => existsSync(join(dataDir, name)))) return null
  const { dir } = findPlace(dataDir, () => undefined)
  const file = join(dir, 'cluster', 'postmaster.pid')
  if (!existsSync(file)) return null
  const [, , , port, socket, address, , state] = readFileSync(file, 'utf8').split('\n')
  if (state?.trim() !== 'ready') return null
  const { runtime } = JSON.parse(readFileSync(join(dir, 'passwords.json'), 'utf8')) as { runtime: string }
  return {
    host: socket?.trim() || address?.trim() || '127.0.0.1',
    port: Number(port),
    user: 'agentruntime',
    password: runtime,
    database: 'agentruntime',
  }
}
