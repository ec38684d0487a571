/** Attempts to write, read files, run programs or poison a session by a tool that only reads; by a user who may do everything. */
import { toLoopback } from '../../../test/fakes/loopback.ts'
import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MARIADBD, startTestMariadb, type TestMariadb } from '../../../test/fakes/mariadb-server.ts'
import { there } from '../../../test/fakes/part.ts'
import { Fault } from '../../base/errors.ts'
import { createMysql, type MysqlDriver } from './mysql.ts'
import type { SqlSession } from './session.ts'

const LIMITS = { rows: 100, timeoutMs: 4000 }

const here = there(MARIADBD, 'mariadb-server', 'that reading from MySQL and MariaDB cannot write')
describe.skipIf(!here)('[db.mysql-read-only-holds] reading, with every privilege there is,', () => {
  let server: TestMariadb
  let driver: MysqlDriver
  let db: SqlSession
  let before: unknown

  beforeAll(async () => {
    server = await startTestMariadb()
    driver = createMysql({ connect: toLoopback, now: Date.now })
    const options = { maxConnections: 1, idleConnections: 1, timeoutMs: 4000, acceptSuperuser: true }
    db = driver.session({ owner: 'attack', version: 1 }, server.adminDsn, options, new AbortController().signal)
    await server.admin(`
      create table item (id int primary key, name varchar(20)); insert into item values (1, 'one'), (2, 'two');
      create table plain (id int) engine=MyISAM; insert into plain values (1);
      create sequence counter;
      create function adds() returns int begin insert into item values (99, 'x'); return 1; end;
      create function adds_plain() returns int begin insert into plain values (99); return 1; end;
      create function counts() returns int return nextval(counter);
      create function leaves() returns int begin set @left = 5; do get_lock('left', 0); set sql_mode = 'ANSI_QUOTES'; return 1; end;
      create procedure drops() drop table item;
      create view adding as select adds() as one`)
    before = await look()
  }, 60_000)
  afterAll(async () => {
    await driver?.close()
    await server?.stop()
  })

  /** All that an attempt could have changed, by another connection. */
  async function look() {
    const one = async (sql: string) => server.admin(sql)
    return {
      item: await one('select * from item order by id'),
      plain: await one('select * from plain'),
      tables: await one(
        "select table_schema s, table_name t, create_time c from information_schema.tables where table_schema not in ('information_schema', 'performance_schema') and table_type <> 'TEMPORARY' order by 1, 2",
      ),
      columns: await one("select count(*) n from information_schema.columns where table_schema = 'shop'"),
      indexes: await one("select count(*) n from information_schema.statistics where table_schema = 'shop'"),
      routines: await one("select routine_name n from information_schema.routines where routine_schema = 'shop' order by 1"),
      databases: await one('select schema_name n from information_schema.schemata order by 1'),
      accounts: await one('select user, host, priv from mysql.global_priv order by 1, 2'),
      plugins: await one("select count(*) n from information_schema.all_plugins where plugin_status = 'ACTIVE'"),
      globals: await one(
        'select @@global.max_connections a, @@global.local_infile b, @@global.sql_mode c, @@global.general_log d, @@global.read_only e',
      ),
      counter: await one('select next_not_cached_value v from counter'),
      locks: await one("select is_used_lock('left') a, is_used_lock('a') b"),
      files: readdirSync(server.home).sort(),
      data: readdirSync(`${server.home}/data/shop`).sort(),
    }
  }
  const session = () =>
    db.ask(
      `select @a as a, @left as mine, @@sql_mode as mode, @@autocommit as ac, @@in_transaction as tx, @@tx_read_only as ro, database() as d,
              @@max_statement_time as t, @@character_set_client as cs, is_used_lock('a') as l, is_used_lock('left') as l2`,
      [],
      LIMITS,
    )

  const out = () => `${server.home}/out.txt`
  it.each<[string, string | (() => string)]>([
    ['INSERT', "insert into item values (3, 'x')"],
    ['UPDATE', 'update item set name = "x"'],
    ['DELETE', 'delete from item'],
    ['REPLACE', "replace into item values (1, 'x')"],
    ['TRUNCATE, which READ ONLY lets through', 'truncate item'],
    ['DROP TABLE, which READ ONLY lets through', 'drop table plain'],
    ['ALTER, which READ ONLY lets through', 'alter table item add x int'],
    ['CREATE VIEW, which READ ONLY lets through', 'create view v as select 1'],
    ['CREATE INDEX', 'create index i on item (name)'],
    ['CREATE DATABASE', 'create database evil'],
    ['CREATE USER', 'create user evil'],
    ['GRANT', 'grant all on *.* to app'],
    ['in capitals, lower case and comments', 'DrOp/**/TaBlE -- x\n plain'],
    ['in a comment that runs', '/*! drop table plain */'],
    ['in a comment that runs by version', 'select 1 /*!50000 into outfile "/tmp/never" */'],
    ["in MariaDB's comment that runs", '/*M! drop table plain */'],
    ['a lock in a comment that runs', "select 1 /*!, get_lock('a', 0) */"],
    ["a lock in MariaDB's comment that runs", "select 1 /*M!100000, get_lock('a', 0) */"],
    ['in a nested comment that runs', 'select /* /*! */ 1 /*! into @a */'],
    ['behind a comment that both begin', '/* select */ drop table plain'],
    ['stacked', 'select 1; drop table plain'],
    ['stacked behind a line comment', 'select 1 -- x\n; drop table plain'],
    ['stacked behind a carriage return', 'select 1 -- x\r; drop table plain\n; drop table plain'],
    ['stacked behind a string that seems to go on', "select '\\'; drop table plain -- '; drop table plain"],
    ['stacked behind a name', 'select 1 as `a``; `; drop table plain'],
    ['COMMIT first', 'commit; drop table plain'],
    ['COMMIT alone', 'commit'],
    ['START TRANSACTION READ WRITE', 'start transaction read write'],
    ['SET', 'set @a = 1, global general_log = 1'],
    ['SET STATEMENT', "set statement sql_mode = '' for insert into item values (4, 'x')"],
    ['WITH before DELETE', 'with x as (select 1) delete from item'],
    ['EXPLAIN of a write', 'explain delete from item'],
    ['ANALYZE of a write', 'analyze delete from item'],
    ['DO', "do get_lock('a', 0)"],
    ['HANDLER', 'handler item open'],
    ['LOCK TABLES', 'lock tables item write'],
    ['CALL', 'call drops()'],
    ['a compound statement', 'begin not atomic drop table plain; end'],
    ['EXECUTE IMMEDIATE', "execute immediate 'drop table plain'"],
    ['PREPARE', "prepare s from 'drop table plain'"],
    ['INTO OUTFILE, which READ ONLY lets through', () => `select * from item into outfile '${out()}'`],
    ['INTO DUMPFILE', () => `select 1 into dumpfile '${out()}'`],
    ['INTO OUTFILE behind a number', () => `select 1.into outfile '${out()}'`],
    ['INTO OUTFILE in a subquery', () => `select * from (select 1 into outfile '${out()}') x`],
    ['INTO OUTFILE in a UNION', () => `(select 1) union (select 2) into outfile '${out()}'`],
    ['INTO a variable', 'select 1 into @a'],
    ['INTO a variable behind a number', 'select 1.into @a'],
    [':=', 'select @a := 1'],
    ['LOAD_FILE, which READ ONLY lets through', "select load_file('/etc/passwd')"],
    ['LOAD_FILE in backticks', "select `load_file`('/etc/passwd')"],
    ['LOAD_FILE behind a comment', "select load_file /* x */ ('/etc/passwd')"],
    ['LOAD DATA', "load data infile '/etc/passwd' into table item"],
    ['LOAD DATA LOCAL', "load data local infile '/etc/passwd' into table item"],
    ['GET_LOCK, which READ ONLY lets through', "select get_lock('a', 0)"],
    ['GET_LOCK in an EXPLAIN', "explain select * from item where get_lock('a', 0)"],
    ['SLEEP', 'select sleep(30)'],
    ['SLEEP in backticks', 'select `sleep`(30)'],
    ['SLEEP by schema', 'select mariadb_schema.sleep(30)'],
    ['BENCHMARK', "select benchmark(1000000000, sha2('x', 512))"],
    ['NEXTVAL', 'select nextval(counter)'],
    ['NEXT VALUE FOR', 'select next value for counter'],
    ['SETVAL', 'select setval(counter, 100)'],
    ['FOR UPDATE', 'select * from item for update'],
    ['LOCK IN SHARE MODE', 'select * from item lock in share mode'],
    ['a stored function that writes', 'select adds()'],
    ['a stored function that writes where there are no transactions', 'select adds_plain()'],
    ['a stored function that counts up', 'select counts()'],
    ['a view that calls one that writes', 'select * from adding'],
    ['KILL', 'kill 5'],
    ['INSTALL SONAME', "install soname 'ha_blackhole'"],
    ['SHUTDOWN', 'shutdown'],
    ['FLUSH', 'flush tables with read lock'],
    ['SHOW GRANTS, which prints a hash', 'show grants'],
    ['SHOW CREATE USER, which prints a hash', 'show create user app'],
    ['PROCEDURE ANALYSE', 'select * from item procedure analyse()'],
    ['a name of other letters', 'select ſleep(30)'],
    ['half a character', "select '\ud800' into @a"],
    ['a NUL', 'select 1\0into @a'],
  ])('cannot: %s', async (_what, attempt) => {
    const sql = typeof attempt === 'string' ? attempt : attempt()
    const started = Date.now()
    const refused = await db.read(sql, [], LIMITS).then(
      (value) => expect.fail('was answered: ' + JSON.stringify(value)),
      (error: Fault) => error,
    )
    expect(refused, sql).toBeInstanceOf(Fault)
    expect(['TOOL_REFUSED', 'UPSTREAM_INVALID']).toContain(refused.code)
    expect(refused.message + refused.hint).not.toMatch(/root:|\*[0-9A-F]{40}/)
    expect(Date.now() - started).toBeLessThan(3000)
    expect(await look()).toEqual(before)
    expect((await session()).rows[0]).toMatchObject({
      a: null,
      mine: null,
      ac: '1',
      tx: '1',
      ro: '0',
      d: 'shop',
      t: 4,
      cs: 'utf8mb4',
      l: null,
      l2: null,
    })
    expect(await db.read('select count(*) as n from item', [], LIMITS)).toMatchObject({ rows: [{ n: '2' }] })
  })

  it('leaves nothing behind of a stored function that sets, locks and changes how text is read', async () => {
    const clean = (await session()).rows[0]
    expect(await db.read('select leaves() as one', [], LIMITS)).toMatchObject({ rows: [{ one: 1 }] })
    expect((await session()).rows[0]).toEqual(clean)
    expect(await look()).toEqual(before)
  })
})
