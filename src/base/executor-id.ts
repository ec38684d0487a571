/** The name of this process among those that share a database. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newId } from './ids.ts'

/** Stable for a data directory: only one process has it at a time, so its runs are its own again after a restart. */
export function executorId(dataDir: string): string {
  const file = join(dataDir, 'executor-id')
  const known = existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
  if (known !== '') return known // an empty file: the process was killed while it wrote
  const id = newId('exec')
  writeFileSync(file, `${id}\n`, { mode: 0o600 })
  return id
}
