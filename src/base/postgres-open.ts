/** The database that the runtime works on: somebody else's by its URL, or one that is brought along and looked after. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import type { Logger } from './log.ts'
import { startPostgres } from './postgres.ts'

export interface Database {
  connection: pg.ClientConfig
  listeners: { address: string; port: number }[]
  stop: () => Promise<void>
}

/** Your own PostgreSQL where a URL names it, or ours, which is started again when it ends. */
export async function openDatabase(
  config: { databaseUrl: string | null; dataDir: string },
  log: Logger,
  say: (line: string) => void,
): Promise<Database> {
  if (config.databaseUrl !== null)
    return {
      connection: { connectionString: config.databaseUrl, connectionTimeoutMillis: 10_000 },
      listeners: [],
      stop: async () => undefined,
    }
  const options = { dataDir: config.dataDir, log: (line: string) => log.info({ postgres: line }, 'postgres') }
  if (!['postgres', 'postgres.json'].some((name) => existsSync(join(config.dataDir, name))))
    say('setting up PostgreSQL in the data directory')
  let server = await startPostgres(options)
  let stopping = false
  const watch = () =>
    server.onExit((why) => {
      if (stopping) return
      log.error({ why }, 'PostgreSQL ended; starting it again')
      startPostgres(options).then(
        (next) => {
          server = next
          watch()
        },
        (error: Error) => log.fatal({ problem: error.message }, 'PostgreSQL does not start again'),
      )
    })
  watch()
  const { connection } = server
  return {
    connection,
    listeners: connection.host.startsWith('/') ? [] : [{ address: connection.host, port: connection.port }],
    stop: async () => {
      stopping = true
      await server.stop()
    },
  }
}
