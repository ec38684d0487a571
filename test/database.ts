/** A fresh, migrated database for one test file, used as the role that row-level security holds for. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { createDb, type Db, openPool } from '../src/base/db.ts'
import { migrate } from '../src/base/migrate.ts'

export interface TestDatabase {
  db: Db
  pool: pg.Pool
  /** As the owner of the tables, past row-level security where a test looks behind the scenes. */
  connection: pg.ClientConfig
  drop(): Promise<void>
}

export async function emptyDatabase(): Promise<{ connection: pg.ClientConfig; url: string; drop(): Promise<void> }> {
  const server = inject('postgres')
  const name = `t_${randomBytes(8).toString('hex')}`
  const admin = new pg.Client(server)
  await admin.connect()
  await admin.query(`create database ${name}`)
  await admin.end()
  const connection = { ...server, database: name }
  const auth = `${encodeURIComponent(server.user)}:${encodeURIComponent(server.password)}`
  const url = server.host.startsWith('/')
    ? `postgres://${auth}@/${name}?host=${encodeURIComponent(server.host)}&port=${server.port}`
    : `postgres://${auth}@${server.host}:${server.port}/${name}`
  return {
    connection,
    url,
    async drop() {
      const again = new pg.Client(server)
      await again.connect()
      await again.query(`drop database if exists ${name} with (force)`)
      await again.end()
    },
  }
}

export async function testDatabase(): Promise<TestDatabase> {
  const { connection, drop } = await emptyDatabase()
  const { role } = await migrate(connection, new URL('../migrations/', import.meta.url), () => undefined)
  const pool = openPool(connection, role, 10)
  return {
    db: createDb(pool),
    pool,
    connection,
    async drop() {
      await pool.end()
      await drop()
    },
  }
}
