import { databaseContext } from '../../../test/fakes/context.ts'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Fault } from '../../base/errors.ts'
import { createSqlite, type SqliteDriver } from '../../vault/drivers/sqlite.ts'
import type { ToolContext } from '../contract.ts'
import { faultsOf } from '../load.ts'
import sqlite from './index.ts'

let root: string
let driver: SqliteDriver

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sqlite-connector-'))
  const db = new DatabaseSync(join(root, 'shop.db'))
  db.exec(`
    pragma user_version = 3;
    create table customer (id integer primary key, name text not null);
    create table "Order ""Line""" (id integer primary key, customer integer references customer(id) on delete cascade, qty integer not null default 1,
      double integer generated always as (qty * 2) virtual, note text unique);
    create index by_qty on "Order ""Line""" (qty, customer);
    create view big as select * from "Order ""Line""" where qty > 10;`)
  db.exec(`insert into customer (name) values ('Ada'), ('Bo'), ('Cy'); insert into "Order ""Line""" (customer, qty) values (1, 5), (2, 50)`)
  db.close()
  driver = createSqlite({ processes: 1 })
})
afterAll(async () => {
  await driver.close()
  await rm(root, { recursive: true })
})

function context(config: Record<string, unknown> = { database_path: 'shop.db' }): ToolContext {
  const parsed = sqlite.config.parse(config) as Record<string, unknown>
  const signal = new AbortController().signal
  const db = driver.session({ root, config: parsed }, signal)
  return databaseContext(db, parsed)
}
// biome-ignore lint/suspicious/noExplicitAny: answers are JSON, and each test says what it expects of them
async function call(name: string, args: Record<string, unknown> = {}, ctx = context()): Promise<Record<string, any>> {
  const tool = sqlite.tools[name]!
  const answer = await tool.run(ctx, tool.input.parse(args) as never)
  return JSON.parse(JSON.stringify(tool.output.parse(answer)))
}
const fault = (made: Promise<unknown>) =>
  made.then(
    (value) => expect.fail('was answered: ' + JSON.stringify(value)),
    (error: Fault) => error,
  )
const LINE = 'Order "Line"'

describe('the connector', () => {
  it('has every tool of the catalogue, and nothing wrong with it', () => {
    expect(faultsOf('sqlite', sqlite)).toEqual([])
    expect(new Set(Object.keys(sqlite.tools))).toEqual(
      new Set([
        'sqlite_describe_table',
        'sqlite_execute',
        'sqlite_execute_sql',
        'sqlite_get_database_info',
        'sqlite_get_table_schema',
        'sqlite_list_indexes',
        'sqlite_list_tables',
        'sqlite_list_views',
        'sqlite_query',
        'sqlite_sample_table_rows',
      ]),
    )
    for (const [name, { effect, repeatable }] of Object.entries(sqlite.tools)) {
      expect([effect, repeatable], name).toEqual(name.startsWith('sqlite_execute') ? ['destroy', false] : ['read', true])
    }
  })

  it('is checked by opening its database', async () => {
    expect(await sqlite.auth.check(context())).toEqual({
      account: { id: 'shop.db', label: expect.stringMatching(/^shop\.db \(SQLite 3\./) },
      granted_scopes: ['read'],
    })
    expect(await sqlite.auth.check(context({ allow_write: true }))).toMatchObject({ account: null, granted_scopes: ['read', 'write'] })
    expect((await fault(sqlite.auth.check(context({ database_path: 'none.db' })))).code).toBe('UPSTREAM_NOT_FOUND')
  })
})

describe('tools', () => {
  it('query and sample', async () => {
    expect(await call('sqlite_query', { sql: 'select name from customer where id > ? order by id', args: [1] })).toEqual({
      columns: [{ name: 'name', type: 'TEXT' }],
      rows: [{ name: 'Bo' }, { name: 'Cy' }],
      row_count: 2,
      truncated: false,
    })
    expect(await call('sqlite_query', { sql: 'select * from customer', max_rows: 2 })).toMatchObject({ row_count: 2, truncated: true })
    expect(
      await call('sqlite_query', { sql: 'select * from customer', max_rows: 50 }, context({ database_path: 'shop.db', max_rows: 1 })),
    ).toMatchObject({ row_count: 1 })
    expect((await call('sqlite_sample_table_rows', { table: LINE, limit: 1 })).rows).toEqual([
      { id: 1, customer: 1, qty: 5, double: 10, note: null },
    ])
    expect((await fault(call('sqlite_sample_table_rows', { table: 'customer" where 0; --' }))).code).toBe('UPSTREAM_NOT_FOUND')
    expect((await fault(call('sqlite_query', { sql: 'delete from customer' }))).code).toBe('TOOL_REFUSED')
  })

  it('tell what is there', async () => {
    expect(await call('sqlite_get_database_info')).toMatchObject({
      path: 'shop.db',
      user_version: 3,
      sqlite_version: expect.stringMatching(/^3\./),
    })
    // The profile's row limit is about data, not about the list of tables.
    expect((await call('sqlite_list_tables', {}, context({ database_path: 'shop.db', max_rows: 1 }))).tables).toEqual([LINE, 'customer'])
    expect((await call('sqlite_list_views')).views).toEqual([{ name: 'big', sql: expect.stringContaining('qty > 10') }])
    const { columns } = await call('sqlite_describe_table', { table: LINE })
    expect(columns).toContainEqual({ name: 'qty', type: 'INTEGER', nullable: false, default: '1', primary_key: false })
    const { indexes } = await call('sqlite_list_indexes', { table: LINE })
    expect(indexes).toContainEqual({ name: 'by_qty', unique: false, origin: 'c', columns: ['qty', 'customer'] })
    const schema = await call('sqlite_get_table_schema', { table: LINE })
    expect(schema.columns).toContainEqual(expect.objectContaining({ name: 'double', generated: true }))
    expect(schema.foreign_keys).toEqual([
      { column: 'customer', table: 'customer', references: 'id', on_update: 'NO ACTION', on_delete: 'CASCADE' },
    ])
    expect(schema.indexes).toHaveLength(2)
    for (const tool of ['sqlite_describe_table', 'sqlite_get_table_schema', 'sqlite_list_indexes']) {
      expect((await fault(call(tool, { table: 'nothing' }))).code).toBe('UPSTREAM_NOT_FOUND')
    }
  })

  it('[sqlite.write-needs-config] change data only where the profile allows it, in any file of the project', async () => {
    const insert = { sql: 'insert into customer (name) values (?)', args: ['Di'] }
    for (const tool of ['sqlite_execute', 'sqlite_execute_sql']) {
      expect((await fault(call(tool, insert))).code).toBe('SCOPE_MISSING')
      const writer = context({ database_path: 'shop.db', allow_write: true })
      expect(await call(tool, insert, writer)).toMatchObject({ command: 'INSERT', row_count: 1 })
      expect(await call(tool, { sql: 'create table if not exists t (a)', database_path: 'new.db' }, writer)).toMatchObject({
        command: 'CREATE',
      })
    }
    expect((await call('sqlite_list_tables', { database_path: 'new.db' })).tables).toEqual(['t'])
    expect((await call('sqlite_query', { sql: 'select count(*) n from customer' })).rows).toEqual([{ n: 5 }])
  })

  it('[sqlite.confined] reach no file outside the project', async () => {
    for (const database_path of ['../x.db', '/etc/passwd', 'file:shop.db']) {
      expect((await fault(call('sqlite_query', { sql: 'select 1', database_path }))).code).toBe('TOOL_REFUSED')
    }
    expect((await fault(call('sqlite_query', { sql: 'select 1' }, context({})))).code).toBe('INVALID_INPUT')
  })
})
