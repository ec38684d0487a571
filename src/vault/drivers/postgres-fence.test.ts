import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestPostgres, type TestPostgres } from '../../../test/fakes/postgres-server.ts'
import { functionRefused } from './postgres-functions.ts'
import { createParser } from './postgres-parser.ts'

const parser = createParser()
afterAll(() => parser.close())

const code = (sql: string, mode: 'read' | 'write') =>
  parser.check(sql, mode).then(
    () => 'runs',
    (fault) => fault.code,
  )

describe('a read', () => {
  it.each([
    'select 1',
    'SELECT a.*, count(*) OVER () FROM a JOIN b USING (id) WHERE a.x = ANY ($1) ORDER BY 1 LIMIT 5;',
    'with recursive t(n) as (values (1) union all select n + 1 from t where n < 9) select * from t',
    'values (1), (2)',
    'table a',
    'show server_version',
    'explain (format json, verbose) select * from a',
    'select generate_series(1, 3), now(), random(), gen_random_uuid(), clock_timestamp()',
    'select \'; drop table a\', $$ commit $$, "update" from a -- delete',
    "select jsonb_path_query(x, '$.a') from a tablesample system (1)",
    'select nextval from a',
  ])('may be: %s', async (sql) => expect(await code(sql, 'read')).toBe('runs'))

  it.each([
    'insert into a values (1)',
    'with x as (delete from a returning *) select * from x',
    'select * into b from a',
    'create table b as select 1',
    'select * from a for update',
    'select * from (select * from a for share) x',
    'select 1; select 2',
    'commit; insert into a values (1)',
    'commit',
    'rollback',
    'set transaction read write',
    'begin',
    "copy a to program 'id'",
    "copy a to '/tmp/x'",
    'explain analyze select 1',
    'explain (analyze) delete from a',
    'explain delete from a',
    'explain (serialize text) select 1',
    'explain create table b as select 1',
    'do $$ begin end $$',
    'call p()',
    'listen x',
    "notify x, 'y'",
    "load 'x'",
    'reindex table a',
    'vacuum',
    'lock table a',
    'prepare x as select 1',
    'execute x',
    'declare c cursor for select 1',
    'set role postgres',
    'reset all',
    'discard all',
    'checkpoint',
    'alter system set x = 1',
    "select set_config('default_transaction_read_only', 'off', false)",
    "select pg_catalog.set_config('a.b', 'c', true)",
    'select "pg_catalog"."pg_read_file"(\'x\')',
    "select PG_Read_File('x')",
    "select ('/etc/passwd'::text).pg_read_file",
    "select (x.y).pg_ls_dir from (select 'a'::text as y) x",
    "select * from pg_ls_dir('/')",
    "select * from rows from (pg_ls_dir('/'), generate_series(1, 2)) x",
    "select lo_import('/etc/passwd')",
    'select lo_create(0)',
    "select dblink_exec('host=x', 'insert')",
    'select pg_terminate_backend(1)',
    'select pg_cancel_backend(1)',
    "select pg_notify('a', 'b')",
    'select pg_advisory_lock(1)',
    'select pg_try_advisory_xact_lock(1)',
    "select pg_logical_emit_message(true, 'a', 'b')",
    "select nextval('s')",
    "select setval('s', 1)",
    'select pg_sleep(1)',
    'select 1 order by pg_sleep_for($1)',
    "select query_to_xml('delete from a', true, true, '')",
    "select database_to_xml(true, true, '')",
    "select ts_stat('select 1')",
    "select * from crosstab('delete from a returning 1') as t(a int)",
    'select pg_reload_conf()',
    'select pg_switch_wal()',
    "select cron.schedule('* * * * *', 'delete from a')",
    "select * from http_get('http://169.254.169.254/')",
    'select 1 where exists (select from a where pg_sleep(1) is null)',
    'select case when true then pg_sleep(1) end',
    'select array(select pg_sleep(1))',
    'select count(*) filter (where pg_sleep(1) is null) from a',
    'select U&"pg\\005fsleep"(1)',
    ';',
  ])('[db.read-only-holds] may not be: %s', async (sql) => expect(await code(sql, 'read')).toBe('TOOL_REFUSED'))

  it('says what is not SQL, and what cannot be sent as text', async () => {
    expect(await code('selec 1', 'read')).toBe('UPSTREAM_INVALID')
    expect(await code('', 'read')).toBe('UPSTREAM_INVALID')
    expect(await code('select 1\0; drop table a', 'read')).toBe('INVALID_INPUT')
    expect(await code("select '\ud800', pg_sleep(1) --'", 'read')).toBe('INVALID_INPUT')
    expect(await code('select 1' + ' '.repeat(100_000), 'read')).toBe('INVALID_INPUT')
  })
})

describe('a write', () => {
  it.each([
    'insert into a values ($1) returning id',
    'update a set x = 1',
    'with x as (delete from a returning *) insert into b select * from x',
    'create table b (id int)',
    'create index concurrently i on a (x)',
    "select nextval('s')",
    'vacuum a',
    'drop table a',
    'call p($1)',
    'explain analyze delete from a',
  ])('may be: %s', async (sql) => expect(await code(sql, 'write')).toBe('runs'))

  it.each([
    'insert into a values (1); delete from a',
    "copy a from program 'id'",
    "copy a to '/tmp/x'",
    'commit',
    'begin',
    'do $$ begin end $$',
    'set search_path = x',
    'reset all',
    'set role postgres',
    'listen x',
    "load 'x'",
    'alter system set x = 1',
    "create role r password 'x'",
    'create extension dblink',
    "create server s foreign data wrapper f options (host '10.0.0.1')",
    "create subscription s connection 'host=x' publication p",
    'create database d',
    "insert into a values (pg_read_file('/etc/passwd'))",
    "update a set x = set_config('a.b', 'c', false)",
    "insert into a select * from dblink('host=x', 'select 1') as t(i int)",
  ])('[db.write-one-statement] may not be: %s', async (sql) => expect(await code(sql, 'write')).toBe('TOOL_REFUSED'))
})

describe('the parser', () => {
  it('[db.parser-survives] refuses what overflows its stack and answers the next caller as before', async () => {
    const nested = `select ${'(select '.repeat(2700)}1${')'.repeat(2700)}`
    const chain = `select ${'a||'.repeat(33_000)}a`
    for (const sql of [nested, chain]) {
      const [first, beside] = await Promise.all([code(sql, 'read'), code('select pg_sleep(1)', 'read')])
      expect(first).toMatch(/TOOL_REFUSED|UPSTREAM_INVALID|runs/)
      expect(beside).toBe('TOOL_REFUSED')
      expect(await code('select 1', 'read')).toBe('runs')
    }
  })
})

describe('every volatile function of the server', () => {
  let server: TestPostgres
  beforeAll(async () => {
    server = await startTestPostgres()
  }, 60_000)
  afterAll(() => server.stop())

  /** Read or answer something, and change nothing that outlives the transaction. */
  const HARMLESS =
    /^(array_sample|array_shuffle|clock_timestamp|current_query|currval|lastval|gen_random_uuid|uuidv[47]|random(_normal)?|timeofday|txid_status|am(validate)|pg_(blocking_pids|safe_snapshot_blocking_pids|collation_actual_version|database_collation_actual_version|database_size|table_size|relation_size|total_relation_size|indexes_size|tablespace_size|current_wal_(flush_|insert_)?lsn|last_wal_\w+_lsn|last_xact_replay_timestamp|last_committed_xact|get_multixact_members|get_sequence_data|sequence_last_value|get_wait_events|is_in_recovery|is_wal_replay_paused|jit_available|lock_status|notification_queue_usage|partition_ancestors|partition_tree|prepared_xact|show_replication_origin_status|stat_get_\w+|stat_have_stats|xact_commit_timestamp(_origin)?|xact_status))$/

  it('[db.read-only-holds] is refused to a read, or named here as harmless', async () => {
    const rows = await server.admin(`
      select distinct proname::text as name from pg_proc
       where pronamespace = 'pg_catalog'::regnamespace and provolatile = 'v' and prokind = 'f'
         and prorettype not in ('trigger'::regtype, 'event_trigger'::regtype, 'tsm_handler'::regtype, 'index_am_handler'::regtype,
                                'table_am_handler'::regtype, 'language_handler'::regtype)
         and not ('internal'::regtype = any (proargtypes)) and proname !~ '_(validator|inline_handler)$'`)
    const names = rows.map((row) => String(row.name))
    expect(names.length).toBeGreaterThan(150)
    expect(names.filter((name) => !functionRefused([name], 'read') && !HARMLESS.test(name))).toEqual([])
    expect(names.filter((name) => functionRefused([name], 'read') && HARMLESS.test(name))).toEqual([])
  })
})
