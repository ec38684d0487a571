import { databaseContext } from '../../../test/fakes/context.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestPostgres, type TestPostgres } from '../../../test/fakes/postgres-server.ts'
import { createEgress } from '../../base/egress.ts'
import type { Fault } from '../../base/errors.ts'
import { createPostgres, type PostgresDriver } from '../../vault/drivers/postgres.ts'
import type { ToolContext } from '../contract.ts'
import { faultsOf } from '../load.ts'
import postgres from './index.ts'

let server: TestPostgres
let driver: PostgresDriver

beforeAll(async () => {
  server = await startTestPostgres()
  const egress = createEgress({ allowPrivate: [{ host: '127.0.0.1', port: server.port }] })
  driver = createPostgres({ connect: egress.connect, now: Date.now })
  await server.admin(`
    create schema sales authorization app;
    set role app;
    create table sales.customer (id int primary key, name text not null);
    create table sales."Order Line" (
      id serial, uid bigint generated always as identity, customer int not null references sales.customer on delete cascade,
      qty int default 1 check (qty > 0), price numeric(12,2), total numeric generated always as (qty * price) stored,
      note text collate "C", "when" timestamptz default now(), tags text[] default '{}'::text[],
      primary key (id), unique (customer, note));
    create index line_price on sales."Order Line" (price desc) where qty > 1;
    comment on table sales."Order Line" is 'what was ordered';
    comment on column sales."Order Line".note is 'it''s free text';
    create view sales.big as select * from sales."Order Line" where qty > 100;
    create table sales.event (day date not null, body jsonb) partition by range (day);
    create table public.thing (id int);
    insert into sales.customer select i, 'c' || i from generate_series(1, 150) i;
    reset role;
    create role watcher login password 'watcher' bypassrls`)
}, 60_000)
afterAll(async () => {
  await driver.close()
  await server.stop()
})

function context(config: Record<string, unknown> = {}, dsn = server.dsn()): ToolContext {
  const parsed = postgres.config.parse(config) as Record<string, unknown>
  const signal = new AbortController().signal
  const options = { maxConnections: 2, idleConnections: 2, timeoutMs: 10_000, acceptSuperuser: parsed.accept_superuser === true }
  const db = driver.session({ owner: dsn, version: 1 }, dsn, options, signal)
  return databaseContext(db, parsed)
}
/** As a caller does it: input checked before, output checked after. */
// biome-ignore lint/suspicious/noExplicitAny: answers are JSON, and each test says what it expects of them
async function call(name: string, args: Record<string, unknown> = {}, ctx = context()): Promise<Record<string, any>> {
  const tool = postgres.tools[name]!
  const answer = await tool.run(ctx, tool.input.parse(args) as never)
  return JSON.parse(JSON.stringify(tool.output.parse(answer)))
}
const fault = (made: Promise<unknown>) =>
  made.then(
    (value) => expect.fail('was answered: ' + JSON.stringify(value)),
    (error: Fault) => error,
  )
const check = (ctx: ToolContext) => postgres.auth.check(ctx)

describe('the connector', () => {
  it('has every tool of the catalogue, and nothing wrong with it', () => {
    expect(faultsOf('postgres', postgres)).toEqual([])
    expect(new Set(Object.keys(postgres.tools))).toEqual(
      new Set([
        'postgres_describe_table',
        'postgres_exec',
        'postgres_explain_query',
        'postgres_get_table_ddl',
        'postgres_health',
        'postgres_list_indexes',
        'postgres_list_schemas',
        'postgres_list_tables',
        'postgres_query',
      ]),
    )
    for (const [name, { effect, repeatable }] of Object.entries(postgres.tools)) {
      expect([effect, repeatable], name).toEqual(name === 'postgres_exec' ? ['destroy', false] : ['read', true])
    }
  })
})

describe('tools', () => {
  it('health and query', async () => {
    expect(await call('postgres_health')).toMatchObject({
      ok: true,
      user: 'app',
      database: 'shop',
      server_version: expect.stringMatching(/^\d+/),
    })
    expect(await call('postgres_query', { sql: 'select id, name from sales.customer where id = $1', args: [7] })).toEqual({
      columns: [
        { name: 'id', type: 'int4' },
        { name: 'name', type: 'text' },
      ],
      rows: [{ id: 7, name: 'c7' }],
      row_count: 1,
      truncated: false,
    })
    expect(await call('postgres_query', { sql: 'table sales.customer' })).toMatchObject({ row_count: 100, truncated: true })
    expect((await fault(call('postgres_query', { sql: 'delete from sales.customer' }))).code).toBe('TOOL_REFUSED')
  })

  it('exec', async () => {
    const made = await call('postgres_exec', { sql: 'insert into public.thing values ($1), ($2) returning id', args: [1, 2] })
    expect(made).toMatchObject({ command: 'INSERT', row_count: 2, rows: [{ id: 1 }, { id: 2 }] })
    expect(await call('postgres_exec', { sql: 'delete from thing' })).toMatchObject({ command: 'DELETE', row_count: 2 })
  })

  it('lists', async () => {
    expect((await call('postgres_list_schemas')).schemas).toEqual([
      { name: 'public', owner: 'pg_database_owner' },
      { name: 'sales', owner: 'app' },
    ])
    expect((await call('postgres_list_tables')).tables).toEqual([{ name: 'thing', type: 'table' }])
    const tables = await call('postgres_list_tables', { schema: 'sales', include_views: true })
    expect(tables.tables.map((t: { name: string; type: string }) => `${t.name}:${t.type}`)).toEqual([
      'Order Line:table',
      'big:view',
      'customer:table',
      'event:table',
    ])
    const { indexes } = await call('postgres_list_indexes', { schema: 'sales', table: 'Order Line' })
    expect(indexes).toHaveLength(3)
    expect(indexes).toContainEqual(expect.objectContaining({ name: 'Order Line_pkey', unique: true, primary: true }))
    expect((await call('postgres_list_indexes', { table: 'thing' })).indexes).toEqual([])
  })

  it('describe', async () => {
    const { columns } = await call('postgres_describe_table', { schema: 'sales', table: 'Order Line' })
    expect(columns).toContainEqual({
      name: 'price',
      type: 'numeric(12,2)',
      nullable: true,
      default: null,
      primary_key: false,
      comment: null,
    })
    expect(columns).toContainEqual({
      name: 'note',
      type: 'text',
      nullable: true,
      default: null,
      primary_key: false,
      comment: "it's free text",
    })
    expect(columns[0]).toMatchObject({ name: 'id', nullable: false, primary_key: true })
    for (const tool of ['postgres_describe_table', 'postgres_list_indexes', 'postgres_get_table_ddl']) {
      expect((await fault(call(tool, { table: "x' or true --" }))).code).toBe('UPSTREAM_NOT_FOUND')
    }
  })

  it('write DDL that makes the same table again', async () => {
    for (const table of ['customer', 'Order Line', 'big', 'event']) {
      const { ddl } = await call('postgres_get_table_ddl', { schema: 'sales', table })
      expect(ddl).toMatch(/^CREATE /)
    }
    const tables = ['customer', 'Order Line', 'big', 'event']
    const before = await Promise.all(tables.map((table) => call('postgres_get_table_ddl', { schema: 'sales', table })))
    const described = await call('postgres_describe_table', { schema: 'sales', table: 'Order Line' })
    await server.admin('drop schema sales cascade; create schema sales authorization app')
    for (const { ddl } of before) await server.admin(`set role app; ${ddl}; reset role`)
    const after = await Promise.all(tables.map((table) => call('postgres_get_table_ddl', { schema: 'sales', table })))
    expect(after).toEqual(before.map((one) => ({ ...one, ddl: one.ddl.replace(/^CREATE SEQUENCE.*\n/, '') })))
    expect(await call('postgres_describe_table', { schema: 'sales', table: 'Order Line' })).toEqual(described)
    await server.admin(`insert into sales.customer select i, 'c' || i from generate_series(1, 150) i`)
  })

  it('explain, and really run the query only where that was asked for', async () => {
    const text = await call('postgres_explain_query', { sql: 'select * from sales.customer where id = $1', args: [1] })
    expect(text.plan).toMatch(/Scan.*\n/)
    expect(text.plan).not.toContain('actual')
    const json = await call('postgres_explain_query', { sql: 'select * from sales.customer', format: 'json', analyze: true })
    expect(json.plan[0]).toMatchObject({ Plan: { 'Actual Rows': 150 } })
  })

  it.each([
    'delete from sales.customer',
    'insert into thing values (1)',
    'create table x as select 1',
    'select pg_sleep(1)',
    'analyze select 1',
    '',
    'select 1; delete from thing',
  ])('[db.read-only-holds] explain with analyze cannot run: %s', async (sql) => {
    const tool = postgres.tools.postgres_explain_query!
    for (const format of ['text', 'json']) {
      const refused = await fault(Promise.resolve(tool.run(context(), { sql, args: [], analyze: true, format } as never)))
      expect(['TOOL_REFUSED', 'UPSTREAM_INVALID']).toContain(refused.code)
    }
    expect(await server.admin('select count(*)::int n from sales.customer')).toEqual([{ n: 150 }])
  })
})

describe('the check', () => {
  it('tells who is connected and what the role may do', async () => {
    const { account, granted_scopes, warnings } = await check(context())
    expect(account).toEqual({ id: `app@127.0.0.1:${server.port}/shop`, label: expect.stringMatching(/^app on shop \(PostgreSQL \d/) })
    expect(granted_scopes).toEqual(['connect', 'create', 'temporary', 'select', 'insert', 'update', 'delete'])
    expect(warnings).toEqual([])
  })

  it('[db.superuser-refused] warns loudly of what a credential should not be able to do, and tools refuse it until that is accepted', async () => {
    expect((await check(context({}, server.superDsn))).warnings?.join()).toContain('SUPERUSER')
    expect((await fault(call('postgres_query', { sql: 'select 1' }, context({}, server.superDsn)))).code).toBe('TOOL_REFUSED')
    expect(await call('postgres_health', {}, context({}, server.superDsn))).toMatchObject({ user: 'postgres' })
    expect(await call('postgres_query', { sql: 'select 1 one' }, context({ accept_superuser: true }, server.superDsn))).toMatchObject({
      rows: [{ one: 1 }],
    })
    const watcher = server.dsn('watcher', 'watcher')
    expect((await check(context({}, watcher))).warnings?.join()).toContain('BYPASSRLS')
    await server.admin('grant pg_execute_server_program to watcher')
    expect((await check(context({}, watcher))).warnings?.join()).toContain('pg_execute_server_program')
  })

  it('says that a credential is dead', async () => {
    expect((await fault(check(context({}, server.dsn('app', 'wrong'))))).code).toBe('CREDENTIAL_REJECTED')
  })
})
