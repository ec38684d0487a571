import { toLoopback } from '../../../test/fakes/loopback.ts'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { APP_PASSWORD, MARIADBD, startTestMariadb, type TestMariadb } from '../../../test/fakes/mariadb-server.ts'
import { there } from '../../../test/fakes/part.ts'
import { Fault } from '../../base/errors.ts'
import { createMysql, type MysqlDriver, type MysqlOptions } from './mysql.ts'
import { connectBackend, type Connect } from './mysql-connect.ts'
import { parseMysqlDsn } from './mysql-dsn.ts'
import { runStatement } from './mysql-statement.ts'

let server: TestMariadb
let driver: MysqlDriver
let asked: string[] = []

const loopback: Connect = async (host, port, options) => {
  asked.push(`${host}:${port}`)
  if (host === 'blocked.test') throw new Fault('EGRESS_BLOCKED', 'this host may not be reached')
  return toLoopback(host, port, options)
}

const OPTIONS: MysqlOptions = { maxConnections: 1, idleConnections: 1, timeoutMs: 10_000 }
const LIMITS = { rows: 100, timeoutMs: 10_000 }
const never = new AbortController().signal
const session = (owner: string, over: Partial<MysqlOptions & { dsn: string; signal: AbortSignal; version: number }> = {}) =>
  driver.session({ owner, version: over.version ?? 1 }, over.dsn ?? server.dsn(), { ...OPTIONS, ...over }, over.signal ?? never)

const fault = async (call: Promise<unknown>): Promise<Fault> => {
  const error = await call.then(
    (value) => new Error('was answered: ' + JSON.stringify(value)),
    (e: unknown) => e,
  )
  if (error instanceof Fault) return error
  throw error
}
/** A user of the test's own, by whose name its sessions are found at the server. */
async function user(name: string): Promise<string> {
  await server.admin(`create or replace user ${name} identified by 'pw'; grant all on shop.* to ${name}`)
  return server.dsn(name, 'pw')
}
const threads = async (name: string, where = '') =>
  (await server.admin(`select id from information_schema.processlist where user = ? ${where}`, [name])).map((row) => Number(row.id))
async function until(what: string, holds: () => Promise<boolean>, withinMs = 2000) {
  for (const end = Date.now() + withinMs; Date.now() < end; ) if (await holds()) return
  throw new Error(`not within ${withinMs} ms: ${what}`)
}
/** Runs for hours, without a function that the fence knows. */
const LONG = 'select count(*) from seq_1_to_1000000000 a join seq_1_to_1000000000 b on a.seq <> b.seq'

const here = there(MARIADBD, 'mariadb-server', 'the MySQL driver against a real MariaDB')
describe.skipIf(!here)('the MySQL driver', () => {
  beforeAll(async () => {
    server = await startTestMariadb()
    driver = createMysql({ connect: loopback, now: Date.now })
    await server.admin(`
      create table item (id int primary key auto_increment, name varchar(60) not null unique, price decimal(12,2));
      insert into item (name, price) select concat('item ', seq), seq * 1.5 from seq_1_to_500;
      create table kid (item int not null, foreign key (item) references item (id));
      create procedure leaves_open() begin set autocommit = 0, foreign_key_checks = 0; delete from item; end;
      create procedure two() begin select 1 as one; select 2 as two; end;
      create function tell(t text) returns int begin signal sqlstate '45000' set message_text = t; return 1; end`)
  }, 60_000)
  afterAll(async () => {
    await driver?.close()
    await server?.stop()
  })

  describe('answers', () => {
    it('come as plain JSON, with nothing lost', async () => {
      await session('types').write(
        `create table kinds (big bigint unsigned, num decimal(20,10), f float, d double, b bit(9), flag bool, y year, dt datetime(6),
                             ts timestamp(3) null, da date, ti time(3), e enum('a','b'), s set('x','y'), j json, bl blob, c char(3), n int)`,
        [],
        LIMITS,
      )
      await session('types').write(
        `insert into kinds values (?, ?, 1.1, 0.1, b'100000001', true, 2024, ?, ?, '2024-02-29', '-100:00:00.5', 'b', 'x,y', ?, ?, 'né', null)`,
        ['18446744073709551615', '1234567890.0123456789', '2024-02-29 10:00:00.123456', '2024-02-29 10:00:00.120', { a: [1, 'ü'] }, 'hi'],
        LIMITS,
      )
      const { columns, rows, truncated } = await session('types').read(
        'select kinds.*, ? as arg, 1 as dup, 2 as dup, 3 as `__proto__` from kinds',
        [7],
        LIMITS,
      )
      expect(truncated).toBe(false)
      expect(columns.slice(0, 5).map((c) => c.type)).toEqual(['bigint unsigned', 'decimal', 'float', 'double', 'bit'])
      const row = rows[0]!
      expect(row).toMatchObject({ big: '18446744073709551615', num: '1234567890.0123456789', f: 1.1, d: 0.1, b: 257, flag: 1, y: 2024 })
      expect(row).toMatchObject({ dt: '2024-02-29T10:00:00.123456', ts: '2024-02-29T10:00:00.120', da: '2024-02-29', ti: '-100:00:00.5' })
      expect(row).toMatchObject({ e: 'b', s: 'x,y', j: { a: [1, 'ü'] }, bl: 'aGk=', c: 'né', n: null, arg: '7', dup: 1, dup_2: 2 })
      expect(Object.getOwnPropertyDescriptor(row, '__proto__')?.value).toBe(3)
    })

    it('say the offset of a timestamp where the connection string sets the time zone', async () => {
      const ask = async (zone: string) =>
        (await session('zone', { dsn: server.dsn(undefined, undefined, `?timezone=${zone}`) }).read('select ts, dt from kinds', [], LIMITS))
          .rows[0]
      expect(await ask('Z')).toMatchObject({ ts: expect.stringMatching(/\.120Z$/), dt: '2024-02-29T10:00:00.123456' })
      const [utc, east] = [await ask('Z'), await ask('%2B05:30')]
      expect(new Date(String(east?.ts)).getTime()).toBe(new Date(String(utc?.ts)).getTime())
      expect(String(east?.ts)).toContain('+05:30')
    })

    it('to SHOW, DESCRIBE, EXPLAIN, VALUES and an empty result', async () => {
      const db = session('types')
      expect((await db.read('show tables', [], LIMITS)).rows).toContainEqual({ Tables_in_shop: 'item' })
      expect((await db.read('describe item', [], LIMITS)).rows).toHaveLength(3)
      expect((await db.read('explain format=json select * from item where id = ?', [1], LIMITS)).rows[0]).toHaveProperty('EXPLAIN')
      expect((await db.read('values (1), (2)', [], LIMITS)).row_count).toBe(2)
      expect(await db.read('select id from item where false', [], LIMITS)).toMatchObject({
        rows: [],
        row_count: 0,
        columns: [{ name: 'id' }],
      })
    })

    it('take whole numbers, odd strings, lists and objects as parameters', async () => {
      const { rows } = await session('types').read(
        "select ? s, ? l, json_value(?, '$.a') o, ? n, ? t, ? f from item limit ?",
        [`'; drop`, ['a', 'b"\\'], { a: 'é' }, null, true, 1.5, 1],
        LIMITS,
      )
      expect(rows).toEqual([{ s: "'; drop", l: '["a","b\\"\\\\"]', o: 'é', n: null, t: 1, f: 1.5 }])
    })
  })

  describe('[db.mysql-read-only-holds] reading', () => {
    it('reads quotes as the lexer does, whatever the server prefers', async () => {
      await server.admin(
        `set global sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,ORACLE'; set global character_set_server = 'gbk'`,
      )
      const dsn = await user('odd')
      await server.admin(`set global sql_mode = default; set global character_set_server = default`)
      for (const owner of ['odd', 'odd']) {
        // With NO_BACKSLASH_ESCAPES the first string would end at the second quote, and the rest would be a call.
        const { rows } = await session(owner, { dsn }).read("select '\\', sleep(9), \\'' as a, \"b\" as b", [], LIMITS)
        expect(rows).toEqual([{ a: "', sleep(9), '", b: 'b' }])
      }
    })

    it('[db.mysql-server-agrees] takes only what the server, too, takes for a query', async () => {
      const backend = await connectBackend(parseMysqlDsn(server.adminDsn), loopback, { ca: undefined, signal: never })
      const run = (text: string) => runStatement(backend, { text, args: [], rows: 1, zone: null, query: true })
      for (const sql of [
        `select 1 into outfile '${server.home}/agrees.txt'`,
        'select 1 into @a',
        'drop table kid',
        'set @a = 1',
        'commit',
      ]) {
        expect((await fault(run(sql))).code, sql).toBe('TOOL_REFUSED')
      }
      expect((await run('select count(*) as n, @a as a from kid')).rows).toEqual([{ n: '0', a: null }])
      backend.destroy()
    })
  })

  describe('[db.caps] results are bounded', () => {
    it('in rows', async () => {
      const db = session('caps')
      expect(await db.read('select id from item', [], { ...LIMITS, rows: 5 })).toMatchObject({ row_count: 5, truncated: true })
      expect(await db.read('select id from item limit 5', [], { ...LIMITS, rows: 5 })).toMatchObject({ row_count: 5, truncated: false })
      expect(await db.read('select id from item limit 50', [], { ...LIMITS, rows: 5 })).toMatchObject({ row_count: 5, truncated: true })
      expect(await db.read('select seq from seq_1_to_50000', [], { ...LIMITS, rows: 1e9 })).toMatchObject({
        row_count: 10_000,
        truncated: true,
      })
      // Neither a subquery nor a write is cut by that.
      expect((await db.read('select count(*) n from (select id from item) x', [], { ...LIMITS, rows: 5 })).rows).toEqual([{ n: '500' }])
    })

    it('in bytes of a cell, of a result, and on the wire', async () => {
      const db = session('caps')
      const cell = await db.read("select repeat('é', 300000) x, 1 y", [], LIMITS)
      expect(cell.truncated).toBe(true)
      expect(String(cell.rows[0]!.x)).toHaveLength(262_144)
      const wide = await db.read("select repeat('x', 100000) from seq_1_to_1000", [], { ...LIMITS, rows: 1000 })
      expect(wide.truncated).toBe(true)
      expect(JSON.stringify(wide).length).toBeLessThan(4.5 * 1024 * 1024)
      const giants = "select repeat('x', 15000000) a, repeat('y', 15000000) b"
      await server.admin('set global max_allowed_packet = 1073741824')
      const giant = await fault(session('giant', { dsn: await user('giant') }).read(giants, [], LIMITS))
      expect(giant).toMatchObject({ code: 'UPSTREAM_INVALID', message: 'the answer is too large to be taken in' })
      expect(await db.read('select 1 one', [], LIMITS)).toMatchObject({ rows: [{ one: 1 }] })
    })

    it('in connections: more callers than connections wait their turn', async () => {
      const db = session('few', { dsn: await user('few'), maxConnections: 2 })
      let most = 0
      const watching = setInterval(() => void threads('few').then((ids) => (most = Math.max(most, ids.length))), 5)
      const calls = Array.from({ length: 12 }, (_, i) => (i % 3 ? db.read('select ? n', [i], LIMITS) : db.write('select ? n', [i], LIMITS)))
      const answers = await Promise.all(calls)
      clearInterval(watching)
      expect(answers.map((a) => a.rows[0]!.n)).toEqual(Array.from({ length: 12 }, (_, i) => String(i)))
      expect(most).toBeGreaterThan(0)
      expect(most).toBeLessThanOrEqual(2)
    })
  })

  describe('[db.cancel-reaches-server] giving up', () => {
    it.each(['DISABLED', 'REQUIRED'])('ends the statement and its session on the server within two seconds (ssl-mode=%s)', async (mode) => {
      const name = `cancel_${mode.toLowerCase()}`
      const dsn = `${await user(name)}?ssl-mode=${mode}`
      const caller = new AbortController()
      const call = fault(session(name, { dsn, signal: caller.signal }).read(LONG, [], LIMITS))
      await until('the query runs', async () => (await threads(name, "and info like 'select count%'")).length === 1)
      const start = Date.now()
      caller.abort()
      expect(await call).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: false })
      await until('the session is gone', async () => (await threads(name)).length === 0)
      expect(Date.now() - start).toBeLessThan(2000)
    })

    it('comes from the server itself when its time is up', async () => {
      expect(await fault(session('slow').read(LONG, [], { rows: 1, timeoutMs: 100 }))).toMatchObject({
        code: 'STEP_TIMED_OUT',
        details: { errno: 1969 },
      })
      expect(
        await fault(session('slow').write('update item set price = 1 where sleep(20)', [], { rows: 1, timeoutMs: 100 })),
      ).toMatchObject({
        code: 'STEP_TIMED_OUT',
        maybeDone: false,
      })
    })

    it('while waiting for a connection does not wait on', async () => {
      const first = new AbortController()
      const busy = fault(session('queue', { signal: first.signal }).read(LONG, [], LIMITS))
      const second = new AbortController()
      const waiting = fault(session('queue', { signal: second.signal }).read('select 1', [], LIMITS))
      second.abort(new Fault('RUN_STOPPED', 'the run was stopped'))
      expect(await waiting).toMatchObject({ code: 'RUN_STOPPED' })
      first.abort()
      await busy
    })

    it('leaves nothing running of a result that did not fit', async () => {
      const dsn = await user('full')
      const huge = "select repeat('x', 100000) from seq_1_to_100000000 limit 100000000"
      expect(await session('full', { dsn }).read(huge, [], { ...LIMITS, rows: 10_000 })).toMatchObject({ truncated: true })
      await until('the session is gone', async () => (await threads('full')).length === 0)
    })
  })

  describe('writing', () => {
    it('is one statement that commits by itself, and tells what it did', async () => {
      const db = session('write')
      expect(await db.write('insert into item (name) values (?)', ['new'], LIMITS)).toMatchObject({
        command: 'INSERT',
        row_count: 1,
        rows: [],
      })
      expect(await server.admin("select count(*) n from item where name = 'new'")).toEqual([{ n: 1 }])
      expect(await db.write('delete from item where name = ? returning name', ['new'], LIMITS)).toMatchObject({
        command: 'DELETE',
        rows: [{ name: 'new' }],
      })
      expect(await db.write('update item set price = price', [], { ...LIMITS, rows: 3 })).toMatchObject({
        command: 'UPDATE',
        row_count: 500,
      })
      expect(await db.write('create index item_price on item (price)', [], LIMITS)).toMatchObject({ command: 'CREATE INDEX' })
      expect(await db.write('call two()', [], LIMITS)).toMatchObject({ command: 'CALL', rows: [{ one: 1 }] })
    })

    it('[db.pool-not-poisoned] leaves no state for the next, in a session that is used again', async () => {
      const db = session('poison', { dsn: await user('poison') })
      const look = async (how: 'read' | 'write') =>
        (await db[how]('select (select count(*) from item) n, connection_id() id, @@autocommit ac, @@foreign_key_checks fk', [], LIMITS))
          .rows[0]
      const first = await look('write')
      await db.write('create temporary table item (id int)', [], LIMITS)
      await db.write("select get_lock('poison', 0)", [], LIMITS)
      await db.write('call leaves_open()', [], LIMITS)
      expect(await look('write')).toEqual(first)
      expect(await look('read')).toMatchObject({ n: '500', ac: '1', fk: '1' })
      expect(await server.admin("select is_used_lock('poison') l")).toEqual([{ l: null }])
      expect((await fault(db.ask("insert into item (name) values ('x')", [], LIMITS))).details).toMatchObject({ errno: 1792 })
      expect((await fault(db.write('commit', [], LIMITS))).code).toBe('TOOL_REFUSED')
    })
  })

  describe('failures', () => {
    it.each([
      ['select * from nowhere', 'UPSTREAM_NOT_FOUND', 1146],
      ['select nothing from item', 'UPSTREAM_INVALID', 1054],
      ['select * from mysql.global_priv', 'SCOPE_MISSING', 1142],
      ['select frob(1)', 'UPSTREAM_NOT_FOUND', 1305],
      ['select 1 from', 'UPSTREAM_INVALID', 1064],
    ])('%s → %s', async (sql, code, errno) => {
      expect(await fault(session('fail').read(sql, [], LIMITS))).toMatchObject({ code, details: { errno }, maybeDone: false })
    })

    it.each([
      ["insert into item (name) values ('item 1')", 'UPSTREAM_CONFLICT', 1062],
      ['insert into kid values (99999)', 'UPSTREAM_CONFLICT', 1452],
      ['insert into item (name) values (null)', 'UPSTREAM_INVALID', 1048],
      ["insert into item (name, price) values ('y', 'abc')", 'UPSTREAM_INVALID', 1366],
      ['create table item (id int)', 'UPSTREAM_CONFLICT', 1050],
      ['create database other', 'SCOPE_MISSING', 1044],
    ])('writing: %s → %s', async (sql, code, errno) => {
      expect(await fault(session('fail').write(sql, [], LIMITS))).toMatchObject({ code, details: { errno }, maybeDone: false })
    })

    it('of the credential say so, for a wrong password and an unknown user alike', async () => {
      for (const dsn of [server.dsn('app', 'not-the-password'), server.dsn('nobody', 'x'), `mysql://app@127.0.0.1:${server.port}/shop`]) {
        const refused = await fault(session('fail', { dsn }).read('select 1', [], LIMITS))
        expect(refused.code).toBe('CREDENTIAL_REJECTED')
        expect(refused.message + refused.hint).not.toContain('not-the-password')
      }
      expect((await fault(session('fail', { dsn: server.dsn().replace('/shop', '/none') }).read('select 1', [], LIMITS))).code).toBe(
        'SCOPE_MISSING',
      )
    })

    it('of too many sessions ask to come back later', async () => {
      const dsn = await user('lonely')
      await server.admin('alter user lonely with max_user_connections 1')
      const db = session('lonely', { dsn, maxConnections: 2, idleConnections: 2 })
      const first = db.ask('select sleep(0.5)', [], LIMITS)
      await until('the first runs', async () => (await threads('lonely', "and info like 'select sleep%'")).length === 1)
      expect(await fault(db.read('select 1', [], LIMITS))).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', details: { errno: 1226 } })
      await first
    })

    it('of a lock that somebody holds come before the time is up', async () => {
      const holder = session('holder', { dsn: await user('holder') })
      const holding = holder.write('update item set price = price + 0 where id = 1 and sleep(6) = 0', [], { rows: 1, timeoutMs: 9000 })
      await until('it holds', async () => (await threads('holder', "and info like 'update item%'")).length === 1)
      const started = Date.now()
      expect(await fault(session('fail').write('update item set price = 0 where id = 1', [], { rows: 1, timeoutMs: 2000 }))).toMatchObject({
        code: expect.stringMatching(/UPSTREAM_CONFLICT|STEP_TIMED_OUT/),
        maybeDone: false,
      })
      expect(Date.now() - started).toBeLessThan(3500)
      // A reader does not wait at all.
      expect((await session('reader').read('select count(*) n from item where id = 1', [], LIMITS)).rows).toEqual([{ n: '1' }])
      await holding
    })

    it('[db.errors-say-no-values] hold no parameter, no row value and no password', async () => {
      const db = session('fail')
      const secret = 'canary-7f3a'
      for (const [sql, args] of [
        ['insert into item (name) values (?)', ['item 1']],
        ['insert into item (name, price) values (?, ?)', ['x', secret]],
        ['insert into item (name, price) values (?, ?)', ['x', '99999999999999']],
        ['insert into item (name) select name from item where id = 1', []],
        ['select tell(?)', [secret]],
        ['select tell(?)', [APP_PASSWORD]],
        ['select json_extract(?, concat("$.", ?))', ['{}', `[${secret}`]],
      ] as const) {
        const said = await fault(
          db
            .write(sql, args, LIMITS)
            .then((answer) => (sql.includes('json_extract') ? Promise.reject(new Fault('INTERNAL', 'x')) : answer)),
        )
        expect(said.message + said.hint + JSON.stringify(said.details)).not.toMatch(/canary|999999|item 1/)
        expect(said.message).not.toContain(APP_PASSWORD)
      }
    })

    it('name a host that may not be reached, and the guard is asked at every connect', async () => {
      asked = []
      expect((await fault(session('guard', { dsn: 'mysql://app:x@blocked.test/shop' }).read('select 1', [], LIMITS))).code).toBe(
        'EGRESS_BLOCKED',
      )
      expect(asked).toEqual(['blocked.test:3306'])
      const shut = await fault(session('guard', { dsn: 'mysql://app:x@127.0.0.1:1/shop' }).read('select 1', [], LIMITS))
      expect(shut).toMatchObject({ code: 'UPSTREAM_ERROR', message: 'the database server cannot be reached' })
    })
  })

  describe('TLS', () => {
    const ask = async (query: string, over: Partial<MysqlOptions> = {}, host = 'db.test') => {
      const dsn = server.dsn(undefined, undefined, query).replace('127.0.0.1', host)
      const { rows } = await session('tls', { dsn, ...over }).ask("show status like 'Ssl_version'", [], LIMITS)
      return rows[0]?.Value
    }

    it('[db.tls-verified] is verified by default, and with the right authority, by name and by address', async () => {
      const ca = { caCertificate: server.certificate }
      expect((await fault(ask(''))).message).toContain('certificate')
      expect(await ask('', ca)).toMatch(/^TLSv1\.[23]$/)
      expect((await fault(ask('', ca, 'other.test'))).message).toContain('ERR_TLS_CERT_ALTNAME_INVALID')
      expect(await ask('?ssl-mode=VERIFY_CA', ca, 'other.test')).toMatch(/^TLS/)
      expect(await ask('?ssl-mode=VERIFY_IDENTITY', ca, '127.0.0.1')).toMatch(/^TLS/)
      // The certificate is for localhost, but not for this address of it.
      expect((await fault(ask('?ssl-mode=VERIFY_IDENTITY', ca, '10.0.0.9'))).message).toContain('ERR_TLS_CERT_ALTNAME_INVALID')
      const broken = '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----'
      expect(await fault(ask('', { caCertificate: broken }))).toMatchObject({
        code: 'UPSTREAM_INVALID',
        hint: expect.stringContaining('ca_certificate'),
      })
      expect(await ask('?ssl-mode=REQUIRED')).toMatch(/^TLS/)
      expect(await ask('?ssl-mode=DISABLED')).toBe('')
    })
  })

  describe('a powerful user', () => {
    it('[db.superuser-refused] neither reads nor writes until somebody accepts it', async () => {
      const db = session('super', { dsn: server.adminDsn })
      expect(await fault(db.read('select 1', [], LIMITS))).toMatchObject({
        code: 'TOOL_REFUSED',
        details: { powers: ['ALL PRIVILEGES', 'GRANT OPTION'] },
      })
      expect((await fault(db.write('select 1', [], LIMITS))).code).toBe('TOOL_REFUSED')
      expect((await db.ask('select 1 one', [], LIMITS)).rows).toEqual([{ one: 1 }])
      const accepted = session('super-ok', { dsn: server.adminDsn, acceptSuperuser: true })
      expect((await accepted.read('select 1 one', [], LIMITS)).rows).toEqual([{ one: 1 }])
      for (const [name, grant, power] of [
        ['filer', 'file on *.*', 'FILE'],
        ['maker', 'select, create user on *.*', 'CREATE USER'],
        ['writer', 'insert on mysql.*', 'INSERT on mysql.*'],
        ['former', 'update (priv) on mysql.global_priv', 'UPDATE on mysql.global_priv'],
      ] as const) {
        const dsn = await user(name)
        await server.admin(`grant ${grant} to ${name}`)
        expect((await fault(session(name, { dsn }).read('select 1', [], LIMITS))).details).toEqual({ powers: [power] })
      }
      await server.admin('create role strong; grant super on *.* to strong')
      const dsn = await user('heir')
      await server.admin('grant strong to heir; set default role strong for heir')
      expect((await fault(session('heir', { dsn }).read('select 1', [], LIMITS))).details).toEqual({ powers: ['SUPER'] })
    })
  })

  describe('pools', () => {
    it('[db.drain] let a running statement end, then close the sessions of the replaced credential', async () => {
      const [old, fresh] = [await user('drain_old'), await user('drain_new')]
      const running = session('drain', { dsn: old }).ask('select sleep(0.3), 1 as one', [], LIMITS)
      await until('it runs', async () => (await threads('drain_old', "and info like 'select sleep%'")).length === 1)
      await session('drain', { dsn: fresh, version: 2 }).read('select 1', [], LIMITS)
      const drained = driver.drain('drain', 2)
      expect((await running).rows[0]).toMatchObject({ one: 1 })
      await drained
      await until('the old sessions are gone', async () => (await threads('drain_old')).length === 0)
      expect(await threads('drain_new')).toHaveLength(1)
      await driver.drain('drain')
      await until('all are gone', async () => (await threads('drain_new')).length === 0)
    })

    it('close idle sessions', async () => {
      const brief = createMysql({ connect: loopback, now: Date.now, idleMs: 1 })
      await brief.session({ owner: 'brief', version: 1 }, await user('brief'), OPTIONS, never).read('select 1', [], LIMITS)
      await until('it is gone', async () => (await threads('brief')).length === 0)
      await brief.close()
    })

    it('get over a session that died in them, and say of a write that was cut that it may have been done', async () => {
      const dsn = await user('stale')
      const db = session('stale', { dsn })
      await db.read('select 1', [], LIMITS)
      for (const id of await threads('stale')) await server.admin(`kill ${id}`)
      await until('it is gone', async () => (await threads('stale')).length === 0)
      expect((await db.read('select 1 one', [], LIMITS)).rows).toEqual([{ one: 1 }])
      const relay = createServer((from) =>
        from
          .on('error', () => undefined)
          .pipe(connect(server.port, '127.0.0.1').on('error', () => from.destroy()))
          .pipe(from),
      )
      const cut: (() => void)[] = []
      relay.on('connection', (socket) => cut.push(() => socket.resetAndDestroy()))
      relay.listen(0, '127.0.0.1')
      await once(relay, 'listening')
      const through = dsn.replace(String(server.port), String((relay.address() as { port: number }).port))
      const dying = fault(session('cut', { dsn: through }).write('update item set price = price where sleep(20)', [], LIMITS))
      await until('it runs', async () => (await threads('stale', "and info like 'update item%'")).length === 1)
      for (const one of cut) one()
      expect(await dying).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true, message: 'the connection to the database was lost' })
      relay.close()
    })
  })
})
