/** A backup or a restore that ends as a crash would, at a named point: `<what> <file> <point> <data directory> <database URL>`. */
import { join } from 'node:path'
import { createLog } from '../../src/base/log.ts'
import { restoreBackup, writeBackup } from '../../src/backup/index.ts'

const [what, file = '', point, dataDir = '', databaseUrl = ''] = process.argv.slice(2)
const where = { dataDir, databaseUrl: databaseUrl || null, rootKey: { kind: 'file' as const, path: join(dataDir, 'root.key') } }
const doing = {
  version: '0.0.0',
  now: Date.now,
  log: createLog('error', 2),
  say: () => undefined,
  fault: (at: string) => {
    if (at !== point) return
    process.kill(process.pid, 'SIGKILL')
    return new Promise<void>(() => undefined)
  },
}
if (what === 'backup') await writeBackup(where, file, doing)
else await restoreBackup(where, file, new URL('../../migrations/', import.meta.url), doing)
