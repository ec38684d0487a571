import { toLoopback } from '../../../test/fakes/loopback.ts'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { APP_PASSWORD, startTestPostgres, type TestPostgres } from '../../../test/fakes/postgres-server.ts'
import { Fault } from '../../base/errors.ts'
import { createPostgres, type PostgresDriver, type PostgresOptions } from './postgres.ts'

let server: TestPostgres
let driver: PostgresDriver
let asked: string[] = []

const loopback = async (host: string, port: number) => {
  asked.push(`${host}:${port}`)
  if (host === 'blocked.test') throw new Fault('EGRESS_BLOCKED', 'this host may not be reached')
  return toLoopback(host, port)
}

beforeAll(async () => {
  server = await startTestPostgres()
  driver = createPostgres({ connect: loopback, now: Date.now })
  await server.admin(`
    create table public.item (id serial primary key, name text not null unique, price numeric(12,2));
    insert into public.item (name, price) select 'item ' || i, i * 1.5 from generate_series(1, 500) i;
    alter table public.item owner to app;
    create function public.leave_open() returns void language plpgsql as
      $$ begin perform set_config('default_transaction_read_only', 'off', false); perform pg_advisory_lock(42); end $$`)
}, 60_000)
afterAll(async () => {
  await driver.close()
  await server.stop()
})

const OPTIONS: PostgresOptions = { maxConnections: 1, idleConnections: 1, timeoutMs: 10_000 }
const LIMITS = { rows: 100, timeoutMs: 10_000 }
const never = new AbortController().signal
const session = (owner: string, over: Partial<PostgresOptions & { dsn: string; signal: AbortSignal; version: number }> = {}) =>
  driver.session({ owner, version: over.version ?? 1 }, over.dsn ?? server.dsn(), { ...OPTIONS, ...over }, over.signal ?? never)

const fault = async (call: Promise<unknown>): Promise<Fault> => {
  const error = await call.then(
    (value) => new Error('was answered: ' + JSON.stringify(value)),
    (e: unknown) => e,
  )
  if (error instanceof Fault) return error
  throw error
}
const count = async () => Number((await server.admin('select count(*) from public.item'))[0]?.count)
const backends = async (owner: string) =>
  (await server.admin('select pid from pg_stat_activity where application_name = $1', [owner])).map((row) => Number(row.pid))
const named = (owner: string, user?: string, password?: string) => `${server.dsn(user, password)}?application_name=${owner}`
async function until(what: string, holds: () => Promise<boolean>, withinMs = 2000) {
  for (const end = Date.now() + withinMs; Date.now() < end; ) if (await holds()) return
  throw new Error(`not within ${withinMs} ms: ${what}`)
}

describe('answers', () => {
  it('come as plain JSON, with nothing lost', async () => {
    const { columns, rows, truncated } = await session('types').read(
      `select 9007199254740993::int8 big, 1.10::numeric num, 'NaN'::float8 nan, 1.5::float8 f, true b, null n, '{"a":[1]}'::jsonb j,
              timestamptz '2024-02-29 10:00:00.123456+05:30' at time zone 'UTC' t, timestamptz '2024-02-29 10:00:00+00' tz,
              date '2024-02-29' d, '\\x6869'::bytea bytes, array['a"b', null, 'NULL'] texts, array[[1,2],[3,4]] grid, $1::int8 arg,
              1 dup, 2 dup, 3 as "__proto__"`,
      [7],
      LIMITS,
    )
    expect(truncated).toBe(false)
    expect(columns.slice(0, 2)).toEqual([
      { name: 'big', type: 'int8' },
      { name: 'num', type: 'numeric' },
    ])
    const row = rows[0]!
    expect(row).toMatchObject({ big: '9007199254740993', num: '1.10', nan: 'NaN', f: 1.5, b: true, n: null, j: { a: [1] }, arg: '7' })
    expect(row).toMatchObject({ t: '2024-02-29T04:30:00.123456', d: '2024-02-29', bytes: 'aGk=', texts: ['a"b', null, 'NULL'] })
    expect(new Date(String(row.tz)).toISOString()).toBe('2024-02-29T10:00:00.000Z')
    expect(row).toMatchObject({
      grid: [
        [1, 2],
        [3, 4],
      ],
      dup: 1,
      dup_2: 2,
    })
    expect(Object.getOwnPropertyDescriptor(row, '__proto__')?.value).toBe(3)
  })

  it('to SHOW, EXPLAIN and an empty result', async () => {
    const db = session('types')
    expect((await db.read('show standard_conforming_strings', [], LIMITS)).rows).toEqual([{ standard_conforming_strings: 'on' }])
    expect((await db.read('explain (format json) select * from item where id = $1', [1], LIMITS)).rows[0]).toHaveProperty('QUERY PLAN')
    expect(await db.read('select id from item where false', [], LIMITS)).toMatchObject({
      rows: [],
      row_count: 0,
      columns: [{ name: 'id' }],
    })
  })

  it('take lists, objects and odd strings as parameters', async () => {
    const { rows } = await session('types').read(
      'select $1::text[] l, $2::jsonb o, $3::text s',
      [['a', 'b"\\', null], { a: 1 }, `'; drop`],
      LIMITS,
    )
    expect(rows).toEqual([{ l: ['a', 'b"\\', null], o: { a: 1 }, s: "'; drop" }])
  })
})

describe('[db.read-only-holds] reading', () => {
  it.each([
    "insert into item (name) values ('x')",
    "commit; insert into item (name) values ('x')",
    "rollback; begin read write; insert into item (name) values ('x')",
    "set transaction read write; insert into item (name) values ('x')",
    "with x as (insert into item (name) values ('x') returning 1) select * from x",
    "copy (select 1) to program 'touch /tmp/x'",
  ])('cannot: %s', async (sql) => {
    const before = await count()
    expect((await fault(session('attack').read(sql, [], LIMITS))).code).toBe('TOOL_REFUSED')
    expect(await count()).toBe(before)
  })

  it('holds without the parser too: one statement by the protocol, read-only by the server', async () => {
    const db = session('attack')
    const before = await count()
    const stacked = await fault(db.ask("commit; insert into item (name) values ('x')", [], LIMITS))
    expect(stacked.details).toEqual({ sqlstate: '42601' })
    for (const sql of ["insert into item (name) values ('x')", 'select * from item for update', "select nextval('item_id_seq')"]) {
      expect((await fault(db.ask(sql, [], LIMITS))).details).toEqual({ sqlstate: '25006' })
    }
    expect(await count()).toBe(before)
  })

  it('reads quotes as the parser does, whatever the role prefers', async () => {
    await server.admin(`create role odd login password 'odd'; alter role odd set standard_conforming_strings = off`)
    // With backslash escapes the first string would end later, and the rest would be a call.
    const sql = "select '\\', ' || pg_sleep(1) -- '"
    const { rows } = await session('odd', { dsn: server.dsn('odd', 'odd') }).read(sql, [], LIMITS)
    expect(Object.values(rows[0]!)).toEqual(['\\', ' || pg_sleep(1) -- '])
  })
})

describe('[db.pool-not-poisoned] a pooled session', () => {
  const state = 'select current_setting($1) as ro, pg_backend_pid() as pid, (select count(*) from pg_locks where locktype = $2) as locks'
  const look = async (owner: string) => (await session(owner).ask(state, ['default_transaction_read_only', 'advisory'], LIMITS)).rows[0]!

  it.each([
    ['a lone COMMIT', 'commit'],
    ['SET TRANSACTION READ WRITE', 'set transaction read write'],
    ['set_config', "select set_config('default_transaction_read_only', 'off', false)"],
    ['set_config inside a function of the database', 'select leave_open()'],
    ['an error', 'select 1 / 0'],
  ])('is as new after %s through ask', async (_what, sql) => {
    const before = await look('poison')
    await session('poison')
      .ask(sql, [], LIMITS)
      .catch(() => undefined)
    const after = await look('poison')
    expect(after).toEqual(before)
    expect(after).toMatchObject({ ro: 'on', locks: '0' })
    expect((await fault(session('poison').ask("insert into item (name) values ('x')", [], LIMITS))).details).toEqual({ sqlstate: '25006' })
  })

  it('is as new after a write that left state behind, and no reader ever gets a writing session', async () => {
    const db = session('poison')
    await db.write('select leave_open()', [], LIMITS)
    await db.write('create temporary table item (id int)', [], LIMITS)
    expect(await look('poison')).toMatchObject({ ro: 'on', locks: '0' })
    expect((await db.read('select count(*) c from item', [], LIMITS)).rows).not.toEqual([{ c: '0' }])
    expect((await fault(db.write('commit', [], LIMITS))).code).toBe('TOOL_REFUSED')
  })
})

describe('[db.caps] results are bounded', () => {
  it('in rows', async () => {
    const db = session('caps')
    expect(await db.read('select id from item', [], { ...LIMITS, rows: 5 })).toMatchObject({ row_count: 5, truncated: true })
    expect(await db.read('select id from item limit 5', [], { ...LIMITS, rows: 5 })).toMatchObject({ row_count: 5, truncated: false })
    expect(await db.read('select generate_series(1, 50000)', [], { ...LIMITS, rows: 1e9 })).toMatchObject({
      row_count: 10_000,
      truncated: true,
    })
  })

  it('in bytes of a cell, of a result, and on the wire', async () => {
    const db = session('caps')
    const cell = await db.read("select repeat('é', 300000) x, 1 y", [], LIMITS)
    expect(cell.truncated).toBe(true)
    expect(String(cell.rows[0]!.x)).toHaveLength(262_144)
    const wide = await db.read("select repeat('x', 100000) from generate_series(1, 1000)", [], { ...LIMITS, rows: 1000 })
    expect(wide.truncated).toBe(true)
    expect(JSON.stringify(wide).length).toBeLessThan(4.5 * 1024 * 1024)
    const giant = await fault(db.read("select repeat('x', 100000000)", [], LIMITS))
    expect(giant.code).toBe('UPSTREAM_INVALID')
    expect(await db.read('select 1 one', [], LIMITS)).toMatchObject({ rows: [{ one: 1 }] })
  })

  it('in connections: more callers than connections wait their turn', async () => {
    const db = session('few', { dsn: named('few'), maxConnections: 2 })
    let most = 0
    const watching = setInterval(() => void backends('few').then((pids) => (most = Math.max(most, pids.length))), 5)
    const calls = Array.from({ length: 12 }, (_, i) =>
      i % 3 ? db.read('select $1::int n', [i], LIMITS) : db.write('select $1::int n', [i], LIMITS),
    )
    const answers = await Promise.all(calls)
    clearInterval(watching)
    expect(answers.map((a) => a.rows[0]!.n)).toEqual(Array.from({ length: 12 }, (_, i) => i))
    expect(most).toBeLessThanOrEqual(2)
  })
})

describe('[db.cancel-reaches-server] giving up', () => {
  const LONG = 'select count(*) from generate_series(1, 1000000000) a'

  it.each(['disable', 'require'])('ends the statement and its session on the server within two seconds (sslmode=%s)', async (sslmode) => {
    const owner = `cancel-${sslmode}`
    const caller = new AbortController()
    const db = session(owner, { dsn: `${named(owner)}&sslmode=${sslmode}`, signal: caller.signal })
    const call = fault(db.read(LONG, [], LIMITS))
    await until('the query runs', async () => {
      const rows = await server.admin(`select 1 from pg_stat_activity where application_name = $1 and query = $2 and state = 'active'`, [
        owner,
        LONG,
      ])
      return rows.length === 1
    })
    const start = Date.now()
    caller.abort()
    expect(await call).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: false })
    await until('the backend is gone', async () => (await backends(owner)).length === 0)
    expect(Date.now() - start).toBeLessThan(2000)
  })

  it('comes from the server itself when its time is up', async () => {
    expect(await fault(session('slow').read(LONG, [], { rows: 1, timeoutMs: 100 }))).toMatchObject({ code: 'STEP_TIMED_OUT' })
    expect(await fault(session('slow').write('select pg_sleep(20)', [], { rows: 1, timeoutMs: 100 }))).toMatchObject({ maybeDone: false })
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
})

describe('writing', () => {
  it('is one statement that commits by itself, and tells what it did', async () => {
    const db = session('write')
    expect(await db.write('insert into item (name) values ($1) returning name', ['new'], LIMITS)).toMatchObject({
      command: 'INSERT',
      row_count: 1,
      rows: [{ name: 'new' }],
    })
    expect(await db.write('delete from item where name = $1', ['new'], LIMITS)).toMatchObject({ command: 'DELETE', row_count: 1, rows: [] })
    expect(await db.write('update item set price = price returning id', [], { ...LIMITS, rows: 3 })).toMatchObject({
      row_count: 500,
      truncated: true,
    })
    expect(await db.write('create index concurrently item_price on item (price)', [], LIMITS)).toMatchObject({ command: 'CREATE INDEX' })
  })

  it('hears of a constraint that is only checked at the end', async () => {
    await server.admin('create table public.pair (a int unique deferrable initially deferred); alter table public.pair owner to app')
    expect(await fault(session('write').write('insert into pair values (1), (1)', [], LIMITS))).toMatchObject({
      details: { sqlstate: '23505' },
    })
    expect(await server.admin('select * from public.pair')).toEqual([])
  })
})

describe('failures', () => {
  it.each([
    ['select * from nowhere', 'UPSTREAM_INVALID', '42P01'],
    ['select nothing from item', 'UPSTREAM_INVALID', '42703'],
    ['select * from pg_authid', 'SCOPE_MISSING', '42501'],
    ['select 1 / 0', 'UPSTREAM_INVALID', '22012'],
  ])('%s → %s', async (sql, code, sqlstate) => {
    expect(await fault(session('fail').read(sql, [], LIMITS))).toMatchObject({ code, details: { sqlstate }, maybeDone: false })
  })

  it('of the credential say so, for a wrong password and an unknown role alike', async () => {
    for (const dsn of [server.dsn('app', 'not-the-password'), server.dsn('nobody', 'x'), `postgres://app@127.0.0.1:${server.port}/shop`]) {
      const refused = await fault(session('fail', { dsn }).read('select 1', [], LIMITS))
      expect(refused.code).toBe('CREDENTIAL_REJECTED')
      expect(refused.message + refused.hint).not.toContain('not-the-password')
    }
    expect((await fault(session('fail', { dsn: server.dsn().replace('/shop', '/none') }).read('select 1', [], LIMITS))).details).toEqual({
      sqlstate: '3D000',
    })
  })

  it('[db.errors-say-no-values] hold no parameter, no row value and no password', async () => {
    const db = session('fail')
    await server.admin(`create function public.tell(t text) returns void language plpgsql as $$ begin raise exception 'heard %', t; end $$`)
    const secret = 'canary-7f3a'
    for (const [sql, args] of [
      ['select $1::int', [secret]],
      ['select $1::int4', ['99999999999999']],
      ['insert into item (name) values ($1)', ['item 1']],
      ['select tell($1)', [secret]],
      ['select tell($1::jsonb::text)', [{ key: secret }]],
      ['select tell($1)', [APP_PASSWORD]],
    ] as const) {
      const said = await fault(db.write(sql, args, LIMITS))
      expect(said.message + said.hint + JSON.stringify(said.details)).not.toMatch(/canary|999999|item 1/)
      expect(said.message).not.toContain(APP_PASSWORD)
    }
  })

  it('name a host that may not be reached, and the guard is asked for every host', async () => {
    asked = []
    const dsn = `postgres://app:x@127.0.0.1:1,blocked.test:5432/shop?sslmode=disable`
    expect((await fault(session('guard', { dsn }).read('select 1', [], LIMITS))).code).toBe('EGRESS_BLOCKED')
    expect(asked).toEqual(['127.0.0.1:1', 'blocked.test:5432'])
    const shut = await fault(session('guard', { dsn: 'postgres://app:x@127.0.0.1:1/shop' }).read('select 1', [], LIMITS))
    expect(shut).toMatchObject({ code: 'UPSTREAM_ERROR', message: 'the database server cannot be reached' })
  })
})

describe('TLS', () => {
  const at = (query: string, host = 'db.test') => server.dsn().replace('127.0.0.1', host) + query
  const ask = (query: string, over: Partial<PostgresOptions> = {}, host?: string) =>
    session('tls', { dsn: at(query, host), ...over }).ask('select ssl from pg_stat_ssl where pid = pg_backend_pid()', [], LIMITS)

  it('[db.tls-verified] is verified by default, and with the right authority', async () => {
    expect((await fault(ask(''))).message).toContain('certificate')
    expect((await ask('', { caCertificate: server.certificate })).rows).toEqual([{ ssl: true }])
    expect((await fault(ask('', { caCertificate: server.certificate }, 'other.test'))).code).toBe('UPSTREAM_INVALID')
    expect((await ask('?sslmode=verify-ca', { caCertificate: server.certificate }, 'other.test')).rows).toEqual([{ ssl: true }])
    expect((await ask('?sslmode=verify-full', { caCertificate: server.certificate }, '127.0.0.1')).rows).toEqual([{ ssl: true }])
    expect((await ask('?sslmode=require')).rows).toEqual([{ ssl: true }])
    expect((await ask('?sslmode=require&channel_binding=require')).rows).toEqual([{ ssl: true }])
    expect((await ask('?sslmode=disable')).rows).toEqual([{ ssl: false }])
  })
})

describe('a powerful role', () => {
  it('[db.superuser-refused] neither reads nor writes until somebody accepts it', async () => {
    const db = session('super', { dsn: server.superDsn })
    expect(await fault(db.read('select 1', [], LIMITS))).toMatchObject({ code: 'TOOL_REFUSED', details: { powers: ['a superuser'] } })
    expect((await fault(db.write('select 1', [], LIMITS))).code).toBe('TOOL_REFUSED')
    expect((await db.ask('select 1 one', [], LIMITS)).rows).toEqual([{ one: 1 }])
    const accepted = session('super-ok', { dsn: server.superDsn, acceptSuperuser: true })
    expect((await accepted.read('select 1 one', [], LIMITS)).rows).toEqual([{ one: 1 }])
    for (const sql of ["select pg_read_file('/etc/passwd')", "copy (select 1) to program 'id'", "select lo_import('/etc/passwd')"]) {
      expect((await fault(accepted.read(sql, [], LIMITS))).code).toBe('TOOL_REFUSED')
      expect((await fault(accepted.write(sql, [], LIMITS))).code).toBe('TOOL_REFUSED')
    }
    await server.admin(`create role filer login password 'filer' in role pg_read_server_files`)
    const filer = await fault(session('filer', { dsn: server.dsn('filer', 'filer') }).read('select 1', [], LIMITS))
    expect(filer.details).toEqual({ powers: ['a member of pg_read_server_files'] })
  })
})

describe('pools', () => {
  it('[db.drain] let a running statement end, then close the sessions of the replaced credential', async () => {
    const old = session('drain', { dsn: named('drain-old') })
    const running = old.ask('select pg_sleep(0.3), 1 as one', [], LIMITS)
    await until('it runs', async () => (await backends('drain-old')).length === 1)
    await session('drain', { dsn: named('drain-new'), version: 2 }).read('select 1', [], LIMITS)
    const drained = driver.drain('drain', 2)
    expect((await running).rows[0]).toMatchObject({ one: 1 })
    await drained
    await until('the old sessions are gone', async () => (await backends('drain-old')).length === 0)
    expect(await backends('drain-new')).toHaveLength(1)
    await driver.drain('drain')
    await until('all are gone', async () => (await backends('drain-new')).length === 0)
  })

  it('close idle sessions', async () => {
    const brief = createPostgres({ connect: loopback, now: Date.now, idleMs: 1 })
    await brief.session({ owner: 'brief', version: 1 }, named('brief'), OPTIONS, never).read('select 1', [], LIMITS)
    await until('it is gone', async () => (await backends('brief')).length === 0)
    await brief.close()
  })

  it('get over a session that died in them, and over a server that hangs up', async () => {
    const db = session('stale', { dsn: named('stale') })
    await db.read('select 1', [], LIMITS)
    await server.admin('select pg_terminate_backend($1::int)', await backends('stale'))
    await until('it is gone', async () => (await backends('stale')).length === 0)
    expect((await db.read('select 1 one', [], LIMITS)).rows).toEqual([{ one: 1 }])
    const dying = fault(db.write('select pg_sleep(20)', [], LIMITS))
    await until(
      'it runs',
      async () => (await server.admin(`select 1 from pg_stat_activity where query like 'select pg_sleep(20)%'`)).length === 1,
    )
    await server.admin('select pg_terminate_backend($1::int)', await backends('stale'))
    expect(await dying).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
  })

  it('work through a pooler that takes few settings at the start', async () => {
    const { relay, port } = await relayTo(server.port, 'default_transaction_read_only')
    const db = session('pooler', { dsn: server.dsn().replace(String(server.port), String(port)) })
    expect((await db.read('select 1 one', [], LIMITS)).rows).toEqual([{ one: 1 }])
    expect(await fault(db.ask('delete from item', [], LIMITS))).toMatchObject({ details: { sqlstate: '25006' } })
    await driver.drain('pooler')
    relay.close()
  })

  it('say that a write may have been done when the line is cut under it', async () => {
    const { relay, port, cut } = await relayTo(server.port)
    const dsn = server.dsn().replace(String(server.port), String(port))
    const call = fault(session('cut', { dsn }).write("select pg_sleep(20), 'cut'", [], LIMITS))
    await until(
      'it runs',
      async () => (await server.admin(`select 1 from pg_stat_activity where query like '%''cut''' and state = 'active'`)).length === 1,
    )
    cut()
    expect(await call).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
    relay.close()
    await server.admin(`select pg_terminate_backend(pid) from pg_stat_activity where query like '%''cut'''`)
  })
})

/** A line to the server that can be cut; `refuses`: as a pooler does, it turns away sessions that begin with this setting. */
async function relayTo(target: number, refuses?: string): Promise<{ relay: Server; port: number; cut: () => void }> {
  const sockets: Socket[] = []
  const relay = createServer((from) => {
    const to = connect(target, '127.0.0.1')
    sockets.push(from, to)
    for (const socket of [from, to]) socket.on('error', () => undefined)
    from.once('data', (first: Buffer) => {
      to.write(first)
      if (!refuses || !first.includes(refuses)) return from.pipe(to).pipe(from)
      const fields = `SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: ${refuses}\0\0`
      const head = Buffer.from([0x45, 0, 0, 0, 4 + fields.length])
      return from.end(Buffer.concat([head, Buffer.from(fields)]))
    })
  }).listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return { relay, port: (relay.address() as { port: number }).port, cut }
}
