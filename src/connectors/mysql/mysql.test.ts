import { toLoopback } from '../../../test/fakes/loopback.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseContext } from '../../../test/fakes/context.ts'
import { MARIADBD, startTestMariadb, type TestMariadb } from '../../../test/fakes/mariadb-server.ts'
import { there } from '../../../test/fakes/part.ts'
import type { Fault } from '../../base/errors.ts'
import { createMysql, type MysqlDriver } from '../../vault/drivers/mysql.ts'
import type { ToolContext } from '../contract.ts'
import { faultsOf } from '../load.ts'
import mysql from './index.ts'

const TOOLS = [
  'mysql_execute_sql',
  'mysql_get_query_plan',
  'mysql_list_active_queries',
  'mysql_list_table_fragmentation',
  'mysql_list_table_stats',
  'mysql_list_tables',
  'mysql_list_tables_missing_unique_indexes',
]

describe('the connector', () => {
  it('has every tool of the catalogue, and nothing wrong with it', () => {
    expect(faultsOf('mysql', mysql)).toEqual([])
    expect(Object.keys(mysql.tools).sort()).toEqual(TOOLS)
    for (const [name, { effect }] of Object.entries(mysql.tools))
      expect(effect, name).toBe(name === 'mysql_execute_sql' ? 'destroy' : 'read')
  })

  it.each([
    ['select 1', true],
    ['  (SELECT 1)', true],
    ['show tables', true],
    ['with a as (select 1) select * from a', true],
    ['with a as (select 1) delete from b', false],
    ['selected', false],
    ['insert into a select 1', false],
    ['/* x */ select 1', false],
    ['call p()', false],
  ])('knows what may be done twice: %s', (sql, reads) => {
    const tool = mysql.tools.mysql_execute_sql!
    const input = tool.input.parse({ sql }) as never
    expect(tool.reads?.(input)).toBe(reads)
    expect((tool.repeatable as (input: never) => boolean)(input)).toBe(reads)
  })

  it.each([
    ['mysql://app:x@db.example.com/shop', true],
    ['mariadb://app:x@db.example.com:3307/shop?ssl-mode=REQUIRED', true],
    ['postgres://app:x@db.example.com/shop', false],
    ['mysql://app:x y@h/shop', false],
  ])('asks for a connection string of the right kind: %s', (dsn, fits) => {
    const field = mysql.auth.kind === 'dsn' ? mysql.auth.fields[0] : undefined
    expect(field?.format?.pattern.test(dsn)).toBe(fits)
  })
})

let server: TestMariadb
let driver: MysqlDriver

const here = there(MARIADBD, 'mariadb-server', 'the MySQL connector against a real MariaDB')
describe.skipIf(!here)('with a database', () => {
  beforeAll(async () => {
    server = await startTestMariadb()
    driver = createMysql({ connect: toLoopback, now: Date.now })
    await server.admin(`
      create table customer (id int primary key auto_increment comment 'the number', name varchar(40) not null, city varchar(40) default 'Delft',
                             unique key by_name (name), key by_city (city, name)) comment = 'who buys';
      insert into customer (name) select concat('c', seq) from seq_1_to_150;
      create table \`Odd Name\` (a int, b text);
      create view big as select * from customer where id > 100;
      create table heap_like (x int) engine=MyISAM;
      insert into heap_like select seq from seq_1_to_200000; delete from heap_like where x % 2;
      create database other; create table other.bare (x int);
      create user watcher identified by 'watcher'; grant process, select on *.* to watcher`)
  }, 60_000)
  afterAll(async () => {
    await driver?.close()
    await server?.stop()
  })

  function context(config: Record<string, unknown> = {}, dsn = server.dsn()): ToolContext {
    const parsed = mysql.config.parse(config) as Record<string, unknown>
    const options = { maxConnections: 2, idleConnections: 2, timeoutMs: 10_000, acceptSuperuser: parsed.accept_superuser === true }
    return databaseContext(driver.session({ owner: dsn, version: 1 }, dsn, options, new AbortController().signal), parsed)
  }
  /** As a caller does it: input checked before, output checked after. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are JSON, and each test says what it expects of them
  async function call(name: string, args: Record<string, unknown> = {}, ctx = context()): Promise<Record<string, any>> {
    const tool = mysql.tools[name]!
    const answer = await tool.run(ctx, tool.input.parse(args) as never)
    return JSON.parse(JSON.stringify(tool.output.parse(answer)))
  }
  const fault = (made: Promise<unknown>) =>
    made.then(
      (value) => expect.fail('was answered: ' + JSON.stringify(value)),
      (error: Fault) => error,
    )

  describe('tools', () => {
    it('execute: reads in a transaction that cannot write, and writes', async () => {
      expect(await call('mysql_execute_sql', { sql: 'select id, name from customer where id = ?', args: [7] })).toEqual({
        columns: [
          { name: 'id', type: 'int' },
          { name: 'name', type: 'varchar' },
        ],
        rows: [{ id: 7, name: 'c7' }],
        row_count: 1,
        truncated: false,
        command: null,
      })
      expect(await call('mysql_execute_sql', { sql: 'select id from customer' })).toMatchObject({ row_count: 100, truncated: true })
      expect(await call('mysql_execute_sql', { sql: 'select id from customer', max_rows: 200 })).toMatchObject({
        row_count: 150,
        truncated: false,
      })
      expect(await call('mysql_execute_sql', { sql: 'insert into `Odd Name` values (?, ?), (2, null)', args: [1, 'x'] })).toMatchObject({
        command: 'INSERT',
        row_count: 2,
      })
      expect(await call('mysql_execute_sql', { sql: '/* a comment */ select count(*) n from `Odd Name`' })).toMatchObject({
        rows: [{ n: '2' }],
        command: 'SELECT',
      })
      expect((await fault(call('mysql_execute_sql', { sql: 'select 1 into @x' }))).code).toBe('TOOL_REFUSED')
      expect((await fault(call('mysql_execute_sql', { sql: 'insert into nowhere values (1)' }))).code).toBe('UPSTREAM_NOT_FOUND')
    })

    it('[db.mysql-read-only-holds] execute: nothing but reading where the config says so', async () => {
      const ctx = context({ read_only: true })
      for (const sql of [
        'delete from customer',
        '/* x */ delete from customer',
        'with a as (select 1) delete from customer',
        'call p()',
        'drop table customer',
      ]) {
        expect((await fault(call('mysql_execute_sql', { sql }, ctx))).code, sql).toBe('TOOL_REFUSED')
      }
      expect(await call('mysql_execute_sql', { sql: '/* x */ select count(*) n from customer' }, ctx)).toMatchObject({
        rows: [{ n: '150' }],
      })
    })

    it('list_tables: simple, detailed, of another schema, and of a table that is not there', async () => {
      const simple = await call('mysql_list_tables')
      expect(simple).toMatchObject({ schema: 'shop', truncated: false })
      expect(simple.tables.map((t: { name: string; type: string }) => [t.name, t.type])).toEqual([
        ['big', 'view'],
        ['customer', 'table'],
        ['heap_like', 'table'],
        ['Odd Name', 'table'],
      ])
      const { tables } = await call('mysql_list_tables', { tables: ['customer'], output_format: 'detailed' })
      expect(tables).toHaveLength(1)
      expect(tables[0]).toMatchObject({ name: 'customer', comment: 'who buys', engine: 'InnoDB' })
      expect(tables[0].columns[0]).toEqual({
        name: 'id',
        type: 'int(11)',
        nullable: false,
        default: null,
        key: 'PRI',
        extra: 'auto_increment',
        comment: 'the number',
      })
      expect(tables[0].columns[2]).toMatchObject({ name: 'city', nullable: true, default: "'Delft'" })
      expect(tables[0].indexes).toEqual([
        { name: 'by_city', unique: false, columns: ['city', 'name'] },
        { name: 'by_name', unique: true, columns: ['name'] },
        { name: 'PRIMARY', unique: true, columns: ['id'] },
      ])
      const missing = await fault(call('mysql_list_tables', { tables: ['customer', "x' or '1'='1"] }))
      expect(missing.code).toBe('UPSTREAM_NOT_FOUND')
      const nowhere = server.dsn('watcher', 'watcher').replace('/shop', '')
      expect((await fault(call('mysql_list_tables', {}, context({}, nowhere)))).code).toBe('INVALID_INPUT')
      expect((await call('mysql_list_tables', { schema: 'other' }, context({}, nowhere))).tables).toMatchObject([{ name: 'bare' }])
    })

    it('list_tables: page by page, every table once', async () => {
      const names: string[] = []
      let cursor: string | undefined
      do {
        const page = await call('mysql_list_tables', { limit: 1, output_format: 'detailed', ...(cursor ? { cursor } : {}) })
        expect(page.tables).toHaveLength(1)
        expect(page.truncated).toBe(page.next_cursor !== null)
        names.push(page.tables[0].name)
        cursor = page.next_cursor ?? undefined
      } while (cursor !== undefined && names.length < 10)
      expect(names).toEqual(['big', 'customer', 'heap_like', 'Odd Name'])
    })

    it('get_query_plan: of queries only, and without running them', async () => {
      const { plan } = await call('mysql_get_query_plan', { sql: 'select * from customer where name = ?', args: ['c1'] })
      expect(JSON.stringify(plan)).toContain('by_name')
      for (const sql of [
        'delete from customer',
        'update customer set name = "x"',
        'select 1; delete from customer',
        'analyze select 1',
        'select sleep(5)',
      ]) {
        expect((await fault(call('mysql_get_query_plan', { sql }))).code, sql).toMatch(/TOOL_REFUSED|UPSTREAM_INVALID/)
      }
      expect(await server.admin('select count(*) n from customer')).toEqual([{ n: 150 }])
    })

    it('list_active_queries: what runs now, longest first', async () => {
      const watcher = context({}, server.dsn('watcher', 'watcher'))
      const running = context().db.ask('select sleep(2), ? as marked', ['x'], { rows: 1, timeoutMs: 5000 })
      let found: { user: string; sql: string; duration_secs: number }[] = []
      for (const end = Date.now() + 2000; found.length === 0 && Date.now() < end; ) {
        found = (await call('mysql_list_active_queries', {}, watcher)).queries
      }
      expect(found[0]).toMatchObject({
        user: 'app',
        database: 'shop',
        sql: expect.stringContaining('select sleep(2)'),
        duration_secs: expect.any(Number),
      })
      expect((await call('mysql_list_active_queries', { min_duration_secs: 3600 }, watcher)).queries).toEqual([])
      await running
    })

    it('list_tables_missing_unique_indexes: with neither, and only those', async () => {
      const names = (answer: Record<string, { schema: string; table: string }[]>) =>
        answer.tables!.map((t) => `${t.schema}.${t.table}`).sort()
      expect(names(await call('mysql_list_tables_missing_unique_indexes', { schema: 'shop' }))).toEqual(['shop.Odd Name', 'shop.heap_like'])
      expect(names(await call('mysql_list_tables_missing_unique_indexes', {}, context({}, server.dsn('watcher', 'watcher'))))).toEqual([
        'other.bare',
        'shop.Odd Name',
        'shop.heap_like',
      ])
      expect(await call('mysql_list_tables_missing_unique_indexes', { schema: 'shop', limit: 1 })).toMatchObject({
        tables: [{ table: 'heap_like', rows_estimate: 100_000 }],
        truncated: true,
      })
    })

    it('list_table_fragmentation: unused space, most first', async () => {
      const { tables } = await call('mysql_list_table_fragmentation', { schema: 'shop', min_free_mb: 0.5 })
      expect(tables).toHaveLength(1)
      expect(tables[0]).toMatchObject({
        table: 'heap_like',
        engine: 'MyISAM',
        free_mb: expect.closeTo(0.67, 1),
        fragmentation_percent: expect.closeTo(50, 0),
      })
      expect((await call('mysql_list_table_fragmentation', { min_free_mb: 1e6 })).tables).toEqual([])
    })

    it('list_table_stats: needs performance_schema, and counts', async () => {
      expect((await fault(call('mysql_list_table_stats'))).code).toBe('SCOPE_MISSING')
      const watcher = context({}, server.dsn('watcher', 'watcher'))
      const { enabled, tables } = await call('mysql_list_table_stats', { schema: 'shop', sort_by: 'writes' }, watcher)
      expect(enabled).toBe(true)
      expect(tables[0]).toMatchObject({ schema: 'shop', table: 'heap_like', writes: expect.any(Number) })
      expect(tables[0].writes).toBeGreaterThanOrEqual(300_000)
      expect(tables[0].total_wait_ms).toBeGreaterThan(0)
    })
  })

  describe('the check', () => {
    const check = (ctx: ToolContext) => mysql.auth.check(ctx)

    it('tells who is connected and what the user may do', async () => {
      const { account, granted_scopes, warnings } = await check(context())
      expect(account).toEqual({
        id: expect.stringMatching(new RegExp(`^app@%@.*:${server.port}/shop$`)),
        label: expect.stringMatching(/^app@% on shop \(MariaDB 10\.11/),
      })
      expect(granted_scopes).toEqual(['connect', 'all privileges'])
      expect(warnings).toEqual([])
      const required = server.dsn().includes('?') ? `${server.dsn()}&ssl-mode=REQUIRED` : `${server.dsn()}?ssl-mode=REQUIRED`
      const blind = { ...context({}, required), entered: { ssl_mode: 'REQUIRED' } }
      expect((await check(blind)).warnings).toEqual([expect.stringContaining('NOBODY CHECKS WHO ANSWERS')])
      await server.admin(
        "create user reader identified by 'r'; grant select, insert (name) on shop.* to reader".replace(' (name) on shop.*', ' on shop.*'),
      )
      await server.admin('grant update (name) on shop.customer to reader; grant delete on other.* to reader')
      expect((await check(context({}, server.dsn('reader', 'r')))).granted_scopes).toEqual(['connect', 'insert', 'select', 'update'])
    })

    it('[db.superuser-refused] warns loudly of what a credential should not be able to do, and tools refuse it until that is accepted', async () => {
      const warned = (await check(context({}, server.adminDsn))).warnings?.join()
      expect(warned).toContain('ALL PRIVILEGES')
      expect((await check(context({ accept_superuser: true }, server.adminDsn))).warnings?.join()).toContain('ALL PRIVILEGES')
      expect((await fault(call('mysql_execute_sql', { sql: 'select 1' }, context({}, server.adminDsn)))).code).toBe('TOOL_REFUSED')
      expect(await call('mysql_execute_sql', { sql: 'select 1 one' }, context({ accept_superuser: true }, server.adminDsn))).toMatchObject({
        rows: [{ one: 1 }],
      })
      await server.admin("create user filer identified by 'f'; grant file, reload on *.* to filer; grant insert on mysql.* to filer")
      const filer = (await check(context({}, server.dsn('filer', 'f').replace('/shop', '')))).warnings?.join() ?? ''
      expect(filer).toContain('FILES OF THE SERVER')
      expect(filer).toContain('INSERT on mysql.*')
      expect((await check(context({}, server.dsn('watcher', 'watcher')))).warnings).toEqual([expect.stringContaining('PROCESS')])
    })

    it('says nothing of the hash that SHOW GRANTS prints', async () => {
      for (const dsn of [server.dsn(), server.adminDsn])
        expect(JSON.stringify(await check(context({}, dsn)))).not.toMatch(/\*[0-9A-F]{40}|IDENTIFIED/)
    })

    it('says that a credential is dead', async () => {
      expect((await fault(check(context({}, server.dsn('app', 'wrong'))))).code).toBe('CREDENTIAL_REJECTED')
    })
  })
})
