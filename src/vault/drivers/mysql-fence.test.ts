import mysql from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MARIADBD, startTestMariadb, type TestMariadb } from '../../../test/fakes/mariadb-server.ts'
import { there } from '../../../test/fakes/part.ts'
import { Fault } from '../../base/errors.ts'
import { judge, type Mode } from './mysql-fence.ts'
import { functionRefused } from './mysql-functions.ts'
import { lex } from './mysql-lexer.ts'

const code = (sql: string, mode: Mode, args: unknown[] = []): string => {
  try {
    judge(sql, args, mode)
    return 'runs'
  } catch (error) {
    if (error instanceof Fault) return error.code
    throw error
  }
}

/** mulberry32: the same seed throws the same pieces. */
function dice(seed: number): () => number {
  let a = seed
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

describe('a read', () => {
  it.each([
    'select 1',
    'SELECT a.*, count(*) OVER () FROM a JOIN b USING (id) WHERE a.x IN (1, 2.5, .5, 1e3, 0x1F, 0b01) ORDER BY 1 LIMIT 5;',
    'with recursive t(n) as (select 1 union all select n + 1 from t where n < 9) select * from t',
    'with a as (select 1) (select * from a)',
    '(select 1) union (select 2)',
    'values (1), (2)',
    'table a',
    'show tables',
    'SHOW FULL COLUMNS FROM a WHERE Field = "x"',
    'show create table `a`',
    'show create procedure p',
    'show procedure status',
    'show global variables like "max%"',
    'show engine innodb status',
    'show count(*) warnings',
    'describe a',
    'desc shop.a b',
    "desc a 'b%'",
    'explain select * from a',
    'explain format=json select * from a',
    'explain analyze select * from a',
    'select \'; drop table a\', "into outfile", `update` from a -- delete\n',
    'select 5--1 # into @x',
    "select 'it''s', 'it\\'s', \"a\"\"b\", `a``b`",
    'select replace(a, 1, 2), insert(a, 1, 2, 3), truncate(a, 1), left(a, 1), if(a, 1, 2), now()',
    'select @a, @@version, @@global.port, @`x y`',
    'select a->"$.b", a->>\'$.c\' from t',
    "select \\N, _utf8mb4'x', n'x', x'41', {d '2020-01-01'}",
    'select 1 /* a comment */ from a',
    'select naïve, 名前 from `テーブル`',
    'select substring(a from 1 for 2) from a use index for join (i)',
  ])('may be: %s', (sql) => expect(code(sql, 'read')).toBe('runs'))

  it.each([
    // writes
    'insert into a values (1)',
    'update a set x = 1',
    'delete from a',
    'replace into a values (1)',
    'truncate a',
    'create table b as select 1',
    'drop table a',
    'alter table a add b int',
    'rename table a to b',
    'with x as (select 1) update a set y = 1',
    'with x as (select 1) delete from a',
    'with x as (select 1) insert into a select * from x',
    '(with x as (select 1) delete from a)',
    'call p()',
    'do sleep(1)',
    'handler a open',
    'load data infile "/etc/passwd" into table a',
    'optimize table a',
    'analyze table a',
    'analyze update a set x = 1',
    'grant all on *.* to x',
    'set global max_connections = 1',
    'set statement max_statement_time = 0 for select 1',
    'begin',
    'commit',
    'rollback',
    'start transaction read write',
    'begin not atomic drop table a; end',
    'execute immediate "drop table a"',
    'prepare s from "drop table a"',
    'lock tables a write',
    'flush tables',
    'kill 1',
    'install soname "x"',
    'shutdown',
    'use mysql',
    'xa start "x"',
    'help "x"',
    'select 1; select 2',
    'select 1; drop table a',
    ';',
    '-- nothing',
    // files and variables
    "select 1 into outfile '/tmp/x'",
    "select 1 into dumpfile '/tmp/x'",
    'select 1 into @x',
    'select 1.into @x',
    'select 1e5into @x',
    'select 0x1into @x',
    'select .5into @x',
    "select * from a InTo/**/OutFile '/tmp/x'",
    'select @a := 1',
    'select @a:=1',
    "select load_file('/etc/passwd')",
    "select LOAD_FILE/**/('/etc/passwd')",
    "select `load_file`('/etc/passwd')",
    "select mysql.load_file ('/etc/passwd')",
    'select 1 procedure analyse()',
    // locks and waits
    'select * from a for update',
    'select * from a for share',
    'select * from a lock in share mode',
    'select * from (select * from a for update) x',
    'select sleep(1)',
    'select SLEEP\n(1)',
    'select `sleep`(1)',
    'select mariadb_schema.sleep(1)',
    'select sleep -- x\n(1)',
    'select slèep(1)',
    'select ＳＬＥＥＰ(1)',
    "select get_lock('a', 1)",
    'select release_all_locks()',
    'select benchmark(1000000000, md5(1))',
    'select master_pos_wait("a", 1)',
    'select last_insert_id(5)',
    'select nextval(s)',
    'select next value for s',
    'select previous value for s',
    'select setval(s, 1)',
    'select 1 order by sleep(1)',
    'select case when true then sleep(1) end',
    'show tables where sleep(1)',
    'explain select sleep(1)',
    'select {fn sleep(1)}',
    "select sys_exec('id')",
    "select http_get('http://169.254.169.254/')",
    "select spider_direct_sql('x', 'y', 'z')",
    // comments that run, hints, and what two lexers read differently
    'select 1 /*! into outfile "/tmp/x" */',
    'select /*!50000 sleep(1) */',
    'select /*M! sleep(1) */',
    'select /*m!100100 sleep(1) */',
    '/*! drop table a */',
    'select /*+ SET_VAR(sql_mode="ANSI_QUOTES") */ 1',
    'select /*+ MAX_EXECUTION_TIME(0) */ 1',
    'select 1 --\u00a0\n, 2',
    'select 1 --\u000b into @x',
    'select 1 \0; drop table a',
    'select 1\u001f',
    'select "\ud800", sleep(1)',
    'select 1\\; drop table a',
    'select 1abc from a',
    'select 5--sleep(1)',
    'select 5 --`sleep`(1)',
    "select $$ ' $$, sleep(1), $$ ' $$",
    "select $a$ ' $a$, sleep(1)",
    "select gen_dictionary_load('/etc/passwd', 'x')",
    "select lambda_sync('arn', '{}')",
    "select mysql.ml_embedding('m', 'x')",
    // what SHOW and EXPLAIN would tell or run
    'show grants',
    'show grants for root@localhost',
    'show create user root@localhost',
    'show binlog events',
    'show master status',
    'explain delete from a',
    'explain update a set x = 1',
    'explain insert into a values (1)',
    'explain replace a values (1)',
    'explain format=json delete from a',
    'explain analyze delete from a',
    'explain for connection 5',
    'explain into @x select 1',
    'describe select 1 into @x',
    'explain format=xml select 1',
    'desc',
  ])('[db.mysql-read-only-holds] may not be: %j', (sql) => expect(code(sql, 'read')).toBe('TOOL_REFUSED'))

  it('says what is not SQL, what is too long, and when values and placeholders differ', () => {
    for (const sql of ["select 'abc", 'select "abc', 'select `abc', 'select 1 /* x', "select 'a\\'"])
      expect(code(sql, 'read'), sql).toBe('UPSTREAM_INVALID')
    expect(code('select 1' + ' '.repeat(100_000), 'read')).toBe('INVALID_INPUT')
    expect(code('select ?, "?", `?`, ? -- ?', 'read', [1, 2])).toBe('runs')
    expect(code('select ?', 'read')).toBe('INVALID_INPUT')
    expect(code('select 1', 'read', [1])).toBe('INVALID_INPUT')
  })

  it('takes long texts and deep nesting without falling over', () => {
    for (const sql of [
      `select '${'x'.repeat(99_000)}'`,
      `select '${"''".repeat(49_000)}`,
      `select '${'\\'.repeat(99_000)}`,
      `select ${'('.repeat(49_000)}1${')'.repeat(49_000)}`,
      `select ${'a,'.repeat(49_000)}a`,
      `select ${'/**/'.repeat(24_000)}1`,
      `select ${'- '.repeat(49_000)}1`,
    ]) {
      const start = performance.now()
      expect(['runs', 'UPSTREAM_INVALID']).toContain(code(sql, 'read'))
      expect(performance.now() - start).toBeLessThan(20_000) // what grows with the square of its text takes minutes
    }
  })
})

describe('a write', () => {
  it.each([
    ['insert into a (engine, directory) values (?, ?)', 'INSERT'],
    ['update a set x = 1, engine = "x"', 'UPDATE'],
    ['delete a from a join b using (id)', 'DELETE'],
    ['replace into a values (?, ?)', 'REPLACE'],
    ['with x as (select 1) update a set y = (select * from x)', 'UPDATE'],
    ['create table b (id int primary key) engine=InnoDB', 'CREATE TABLE'],
    ['create temporary table if not exists b like a', 'CREATE TABLE'],
    ['create or replace algorithm=merge sql security invoker view v as select 1', 'CREATE VIEW'],
    ['create unique index i on a (x)', 'CREATE INDEX'],
    ['create database d', 'CREATE DATABASE'],
    ['alter table a add column b int', 'ALTER TABLE'],
    ['drop table a', 'DROP TABLE'],
    ['truncate table a', 'TRUNCATE'],
    ['rename table a to b', 'RENAME'],
    ['call p(?)', 'CALL'],
    ['optimize table a', 'OPTIMIZE'],
    ['select sleep(1)', 'SELECT'],
    ['insert into a select * from b on duplicate key update x = values(x)', 'INSERT'],
  ])('may be: %s', (sql, command) => expect(judge(sql, Array.from(sql.matchAll(/\?/g)), 'write')).toBe(command))

  it.each([
    'insert into a values (1); delete from a',
    "insert into a values (load_file('/etc/passwd'))",
    "select * from a into outfile '/tmp/x'",
    "load data infile '/etc/passwd' into table a",
    "load data local infile '/etc/passwd' into table a",
    "create table a (x int) data directory = '/tmp'",
    "create table a (x int) engine=federated connection='mysql://10.0.0.1/x'",
    "create table a (x int) engine = 'CONNECT'",
    'create table a (x int) engine `spider`',
    "alter table a connection = 'mysql://10.0.0.1/x'",
    'call sys.execute_prepared_stmt("drop user x")',
    'call `sys` . ps_trace_thread(1)',
    'call execute_prepared_stmt("drop user x")',
    'call mysql.rds_set_configuration("x", 1)',
    'alter table a engine=csv',
    'create table a (x int) /*! engine=federated */',
    "create function f returns string soname 'x.so'",
    'create function f() returns int return 1',
    'create procedure p() select 1',
    'create trigger t before insert on a for each row set @x = 1',
    'create event e on schedule every 1 day do select 1',
    "create user x identified by 'y'",
    'create definer=root@localhost view v as select 1',
    'create server s foreign data wrapper mysql options (host "10.0.0.1")',
    'create tablespace t add datafile "x"',
    'alter user x identified by "y"',
    'alter instance rotate innodb master key',
    'alter table a discard tablespace',
    'drop user x',
    'rename user a to b',
    'grant all on *.* to x',
    'set global local_infile = 1',
    'set password = "x"',
    'flush privileges',
    'install plugin x soname "y"',
    'change master to master_host="10.0.0.1"',
    'begin',
    'commit',
    'lock tables a write',
    'kill 1',
    'use mysql',
    'shutdown',
    'execute immediate "drop user x"',
    'show grants',
  ])('[db.mysql-write-one-statement] may not be: %j', (sql) => expect(code(sql, 'write')).toBe('TOOL_REFUSED'))
})

const here = there(MARIADBD, 'mariadb-server', 'the MySQL fence against the functions and words of a real MariaDB')
describe.skipIf(!here)('the server itself', () => {
  let server: TestMariadb
  beforeAll(async () => {
    server = await startTestMariadb()
    await server.admin('create table kept (a int)')
  }, 60_000)
  afterAll(() => server?.stop())

  /** Of its own list, those that wait, lock, read files or leave something behind. Every other one only computes. */
  const REFUSED = [
    'BENCHMARK',
    'GET_LOCK',
    'LAST_INSERT_ID',
    'LOAD_FILE',
    'MASTER_GTID_WAIT',
    'MASTER_POS_WAIT',
    'RELEASE_ALL_LOCKS',
    'RELEASE_LOCK',
    'SLEEP',
    'WSREP_SYNC_WAIT_UPTO_GTID',
  ]

  it('[db.mysql-read-only-holds] has no function that is neither refused to a read nor known to be harmless', async () => {
    const names = (await server.admin('select function as name from information_schema.sql_functions')).map((row) => String(row.name))
    expect(names.length).toBeGreaterThan(200)
    expect(names.filter((name) => functionRefused(name, 'read')).sort()).toEqual(REFUSED)
  })

  it('[db.mysql-read-only-holds] runs nothing of what the fence let through, however its pieces were thrown together', async () => {
    const seed = Number(process.env.FENCE_SEED ?? Date.now() % 1_000_000)
    console.info(`fence with seed ${seed}`)
    const random = dice(seed)
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
    const connection = await mysql.createConnection({ uri: server.adminDsn, charset: 'utf8mb4' })
    // Each of these would be seen afterwards.
    const HOSTILE = [
      "get_lock('fz', 0)",
      '@fz := 1',
      '1 into @fz',
      'into @fz',
      '; create table fz (a int)',
      '; set @fz = 1',
      'drop table kept',
    ]
    const QUOTES = [
      "'",
      '"',
      '`',
      "''",
      '""',
      '``',
      "\\'",
      '\\"',
      '\\\\',
      '/*',
      '*/',
      '/*!',
      '/*M!',
      '/*!50000',
      '-- ',
      '--',
      '#',
      '\n',
      '\r',
      '\n',
      "_utf8'",
      "n'",
      "x'",
    ]
    const PLAIN = [
      '1',
      '1.',
      '.5',
      '1e',
      '1e5',
      '0x',
      '0b1',
      'a',
      'é',
      '\u00a0',
      ',',
      ',',
      ' ',
      ' ',
      '(',
      ')',
      '+',
      '-',
      '*',
      '/',
      '.',
      '@',
      '@@',
      '$',
      '?',
      '\\N',
      '{',
      'as',
      'union select',
    ]
    const tally = { passed: 0, ran: 0, refused: 0 }
    for (let i = 0; i < 6000; i++) {
      // Half of them are well-formed around one hostile piece, so that much of it runs.
      const [q1, q2] = [pick(QUOTES), pick(QUOTES)]
      const pieces = Array.from({ length: Math.floor(random() * 5) }, () => pick(random() < 0.5 ? QUOTES : PLAIN))
      const sql =
        i % 2
          ? `select 1${pick([', ', '', ' + '])}${q1}${pick(['', ' '])}${pick(HOSTILE)}${pick(['', ' '])}${q2}${pick(['', '\n', ' 1', q1, ', 2'])}`
          : `select ${pick(PLAIN)}${pieces.join('')}${pick(HOSTILE)}${pick(QUOTES)}${pick(PLAIN)}`
      if (code(sql, 'read') !== 'runs') {
        tally.refused++
        continue
      }
      tally.passed++
      await connection.query(sql).then(
        () => tally.ran++,
        () => undefined,
      )
      const [[left]] = (await connection.query("select @fz as v, is_used_lock('fz') as l")) as unknown as [[{ v: unknown; l: unknown }]]
      expect(left, `seed ${seed}: ${JSON.stringify(sql)}`).toEqual({ v: null, l: null })
    }
    connection.destroy()
    expect(await server.admin("select table_name as t from information_schema.tables where table_schema = 'shop'")).toEqual([{ t: 'kept' }])
    console.info(JSON.stringify(tally))
    expect(tally.ran).toBeGreaterThan(100)
    expect(tally.refused).toBeGreaterThan(1000)
  }, 60_000)

  it('reads words as the lexer does: what the lexer says is one string, name or comment, is one to the server', async () => {
    for (const text of ["'a''b'", "'a\\'b'", '"a""b"', '"a\\"b"', "'-- x'", "'/* x'", "'\\\\'", "'#'", "'`'", "'é\\'名'"]) {
      const sql = `select ${text} as ${'`a``b`'}, 1 -- tail\n# tail\n/* tail ' */`
      const lexed = lex(sql)
      expect(lexed.ok && lexed.tokens.map((token) => token.kind), sql).toEqual(['word', 'text', 'word', 'name', 'mark', 'number'])
      const [row] = await server.admin(sql)
      expect(Object.keys(row ?? {}), sql).toEqual(['1', 'a`b'])
    }
  })
})
