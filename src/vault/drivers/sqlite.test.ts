import { link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Fault } from '../../base/errors.ts'
import { createSqlite, type SqliteDriver, type SqliteLimits } from './sqlite.ts'

let home: string
let root: string
let driver: SqliteDriver

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'sqlite-test-'))
  root = join(home, 'mine')
  for (const folder of ['mine', 'mine/sub', 'theirs']) await mkdir(join(home, folder))
  make(
    join(root, 'shop.db'),
    `
    create table item (id integer primary key, name text not null unique, price real, tag, big integer, raw blob);
    insert into item (name, price, big, raw) values ('tea', 1.5, 9007199254740993, x'6869'), ('cup', 2, 7, null);
    create table log (entry text);
    create virtual table note using fts5 (body);
    insert into note values ('green tea');`,
  )
  make(join(root, 'sub/other.db'), `create table x (y); insert into x values (42)`)
  make(join(home, 'theirs/secret.db'), `create table secret (word); insert into secret values ('theirs')`)
  await symlink(join(home, 'theirs/secret.db'), join(root, 'link.db'))
  await symlink(join(home, 'theirs'), join(root, 'folder'))
  await link(join(home, 'theirs/secret.db'), join(root, 'hard.db'))
  await writeFile(join(root, 'plain.txt'), 'this is a text and not a database at all, as anybody can see. '.repeat(20))
  driver = createSqlite({ processes: 2 })
})
afterAll(async () => {
  await driver.close()
  await rm(home, { recursive: true })
})

function make(path: string, sql: string) {
  const db = new DatabaseSync(path)
  db.exec(sql)
  db.close()
}

const never = new AbortController().signal
const LIMITS: SqliteLimits = { rows: 100, timeoutMs: 10_000 }
const session = (over: Record<string, unknown> = {}, signal: AbortSignal = never) =>
  driver.session({ root, config: { database_path: 'shop.db', ...over } }, signal)
const at = (database: string): SqliteLimits => ({ ...LIMITS, database })
const fault = async (call: Promise<unknown>): Promise<Fault> => {
  const error = await call.then(
    (value) => new Error('was answered: ' + JSON.stringify(value)),
    (e: unknown) => e,
  )
  if (error instanceof Fault) return error
  throw error
}
/** The start of the real thing: fills memory or time without end. */
const ENDLESS = 'with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t'

describe('answers', () => {
  it('come as plain JSON, with nothing lost', async () => {
    const { columns, rows } = await session().read('select *, 1 dup, 2 dup, ? arg, ? flag from item order by id', [3, true], LIMITS)
    expect(columns.slice(0, 3)).toEqual([
      { name: 'id', type: 'INTEGER' },
      { name: 'name', type: 'TEXT' },
      { name: 'price', type: 'REAL' },
    ])
    expect(rows[0]).toEqual({
      id: 1,
      name: 'tea',
      price: 1.5,
      tag: null,
      big: '9007199254740993',
      raw: 'aGk=',
      dup: 1,
      dup_2: 2,
      arg: 3,
      flag: 1,
    })
  })

  it('to what reads', async () => {
    const db = session()
    for (const sql of [
      'with recursive t(n) as (select 1 union all select n + 1 from t limit 5) select * from t',
      'values (1), (2); -- and no more',
      'pragma table_info(item)',
      "select * from pragma_index_list('item')",
      'pragma user_version',
      'explain query plan select * from item',
      "select * from note where note match 'tea'",
      "select json_extract('{\"a\":1}', '$.a'), group_concat(name) over (order by id) from item",
    ]) {
      expect((await db.read(sql, [], LIMITS)).row_count, sql).toBeGreaterThan(0)
    }
    expect((await db.read('select y from x', [], at('sub/other.db'))).rows).toEqual([{ y: 42 }])
  })
})

describe('[sqlite.read-only-holds] reading', () => {
  it.each([
    ["insert into log values ('x')", 'TOOL_REFUSED'],
    ['delete from item', 'TOOL_REFUSED'],
    ['create temp table x (y)', 'TOOL_REFUSED'],
    ['drop table item', 'TOOL_REFUSED'],
    ["with t as (select 1) insert into log select 'x'", 'TOOL_REFUSED'],
    ["explain insert into log values ('x')", 'TOOL_REFUSED'],
    ["attach '../theirs/secret.db' as s", 'TOOL_REFUSED'],
    ['detach main', 'TOOL_REFUSED'],
    ["vacuum into 'copy.db'", 'TOOL_REFUSED'],
    ['vacuum', 'TOOL_REFUSED'],
    ['begin', 'TOOL_REFUSED'],
    ['savepoint a', 'TOOL_REFUSED'],
    ['pragma query_only = off', 'TOOL_REFUSED'],
    ['pragma journal_mode = delete', 'TOOL_REFUSED'],
    ['pragma writable_schema = on', 'TOOL_REFUSED'],
    ['pragma user_version = 7', 'TOOL_REFUSED'],
    ['pragma database_list', 'TOOL_REFUSED'],
    ['select * from pragma_database_list', 'TOOL_REFUSED'],
    ["select load_extension('x')", 'TOOL_REFUSED'],
    ["select fts3_tokenizer('x')", 'TOOL_REFUSED'],
    ["select writefile('x', 'y')", 'UPSTREAM_INVALID'],
    ["select readfile('/etc/passwd')", 'UPSTREAM_INVALID'],
    ["select edit('x')", 'UPSTREAM_INVALID'],
    ["select 1; insert into log values ('x')", 'TOOL_REFUSED'],
    ['select 1 /* */; select 2', 'TOOL_REFUSED'],
    ['', 'UPSTREAM_INVALID'],
    ["select 1\0; insert into log values ('x')", 'INVALID_INPUT'],
  ])('cannot: %s', async (sql, code) => {
    const before = await readdir(root)
    const refused = await fault(session({ allow_write: true }).read(sql, [], LIMITS))
    expect(refused.code).toBe(code)
    expect(refused.message + refused.hint).not.toContain(home)
    expect((await session().read('select count(*) n from log', [], LIMITS)).rows).toEqual([{ n: 0 }])
    expect(await readdir(root)).toEqual(before)
  })
})

describe('[sqlite.confined] files', () => {
  it.each([
    '../theirs/secret.db',
    'sub/../../theirs/secret.db',
    '/etc/passwd',
    'file:shop.db?mode=rwc',
    'file:///etc/passwd',
    ':memory:',
    '',
    '.',
    'sub//other.db',
    'link.db',
    'folder/secret.db',
    'hard.db',
    'sub',
    'shop.db\0.txt',
    '~/x.db',
    'a\\b',
    '%2e%2e/x',
  ])('outside the root cannot be named: %j', async (database) => {
    const db = session({ allow_write: true })
    for (const call of [() => db.read('select 1', [], at(database)), () => db.write('create table t (a)', [], at(database))]) {
      const refused = await fault(call())
      expect(refused.code).toBe('TOOL_REFUSED')
      expect(refused.message + refused.hint).not.toContain(home)
    }
  })

  it('outside the root cannot be reached by a journal beside the database', async () => {
    make(join(root, 'trap.db'), 'create table t (a)')
    await symlink(join(home, 'theirs/secret.db'), join(root, 'trap.db-journal'))
    expect((await fault(session({ allow_write: true }).write('insert into t values (1)', [], at('trap.db')))).code).toBe('TOOL_REFUSED')
    expect((await readFile(join(home, 'theirs/secret.db'))).includes('theirs')).toBe(true)
  })

  it('that are missing or no database say so', async () => {
    expect((await fault(session().read('select 1', [], at('nothing.db')))).code).toBe('UPSTREAM_NOT_FOUND')
    expect((await fault(session().read('select * from x', [], at('plain.txt')))).code).toBe('UPSTREAM_INVALID')
    expect((await fault(session({ database_path: undefined }).read('select 1', [], LIMITS))).code).toBe('INVALID_INPUT')
  })
})

describe('writing', () => {
  it('[sqlite.write-needs-config] is refused unless the profile allows it', async () => {
    expect((await fault(session().write("insert into log values ('x')", [], LIMITS))).code).toBe('SCOPE_MISSING')
  })

  it('is one statement that commits by itself, and may start a new database', async () => {
    const db = session({ allow_write: true })
    expect(await db.write('create table t (id integer primary key, v text)', [], at('new.db'))).toMatchObject({ command: 'CREATE' })
    expect(await db.write('insert into t (v) values (?), (?) returning id', ['a', 'b'], at('new.db'))).toMatchObject({
      command: 'INSERT',
      row_count: 2,
      rows: [{ id: 1 }, { id: 2 }],
    })
    expect(await db.write("update t set v = 'c'", [], at('new.db'))).toMatchObject({ row_count: 2, rows: [] })
    expect(await db.write('create virtual table f using fts5 (body)', [], at('new.db'))).toMatchObject({ command: 'CREATE' })
    expect((await db.read('select v from t', [], at('new.db'))).rows).toEqual([{ v: 'c' }, { v: 'c' }])
  })

  it.each([
    "attach '../theirs/secret.db' as s",
    "vacuum into 'copy.db'",
    'begin',
    'commit',
    'savepoint a',
    'pragma writable_schema = on',
    'pragma journal_mode = off',
    "select load_extension('x')",
    'create virtual table x using dbstat',
    "insert into log values ('a'); insert into log values ('b')",
  ])('[sqlite.confined] may not: %s', async (sql) => {
    expect((await fault(session({ allow_write: true }).write(sql, [], LIMITS))).code).toBe('TOOL_REFUSED')
  })

  it('waits for a lock, but not for ever', async () => {
    const other = new DatabaseSync(join(root, 'shop.db'))
    other.exec('begin immediate')
    const locked = await fault(session({ allow_write: true }).write("insert into log values ('x')", [], { ...LIMITS, timeoutMs: 300 }))
    other.exec('rollback')
    other.close()
    expect(['UPSTREAM_ERROR', 'STEP_TIMED_OUT']).toContain(locked.code)
  })
})

describe('[db.caps] results are bounded', () => {
  const numbers = 'with recursive t(n) as (select 1 union all select n + 1 from t limit 20000) select n from t'
  it('in rows, bytes and memory', async () => {
    expect(await session().read(numbers, [], { ...LIMITS, rows: 5 })).toMatchObject({ row_count: 5, truncated: true })
    expect(await session({ max_rows: 7 }).read(numbers, [], LIMITS)).toMatchObject({ row_count: 7, truncated: true })
    const cell = await session().read("select replace(hex(zeroblob(200000)), '00', 'é') x", [], LIMITS)
    expect(cell).toMatchObject({ truncated: false })
    const cut = await session().read('select hex(zeroblob(200000)) x, zeroblob(300000) b', [], LIMITS)
    expect(cut.truncated).toBe(true)
    expect(String(cut.rows[0]!.x)).toHaveLength(262_144)
    const wide = await session({ max_rows: 10_000 }).read(`select hex(zeroblob(50000)) from (${numbers})`, [], { ...LIMITS, rows: 10_000 })
    expect(wide.truncated).toBe(true)
    expect(JSON.stringify(wide).length).toBeLessThan(4.5 * 1024 * 1024)
    expect((await fault(session().read('select zeroblob(900000000)', [], LIMITS))).code).toBe('UPSTREAM_INVALID')
    const sorting = `select count(*) from (select n, randomblob(100000) b from (${numbers}) order by b)`
    expect((await fault(session().read(sorting, [], LIMITS))).code).toBe('UPSTREAM_INVALID')
    expect((await session().read('select 1 one', [], LIMITS)).rows).toEqual([{ one: 1 }])
  })
})

describe('[db.cancel-reaches-server] giving up', () => {
  it('kills a long query within two seconds, and the next one runs', async () => {
    const caller = new AbortController()
    const call = fault(session({}, caller.signal).read(ENDLESS, [], LIMITS))
    await session().read('select 1', [], LIMITS)
    const start = Date.now()
    caller.abort(new Fault('RUN_STOPPED', 'the run was stopped'))
    expect((await call).code).toBe('RUN_STOPPED')
    expect(Date.now() - start).toBeLessThan(2000)
    expect((await session().read('select 1 one', [], LIMITS)).rows).toEqual([{ one: 1 }])
  })

  it('happens by itself when the time is up, also for whoever waits for a process', async () => {
    const brief = { rows: 1, timeoutMs: 200 }
    const calls = [1, 2, 3, 4].map(() => fault(session().read(ENDLESS, [], brief)))
    for (const { code } of await Promise.all(calls)) expect(code).toBe('STEP_TIMED_OUT')
    expect((await session().read('select 1 one', [], LIMITS)).rows).toEqual([{ one: 1 }])
  })

  it('of a write says that it may have been done', async () => {
    const write = session({ allow_write: true }).write(`insert into log ${ENDLESS}`, [], { rows: 1, timeoutMs: 200 })
    expect(await fault(write)).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: true })
    expect((await session().read('select count(*) n from log', [], LIMITS)).rows).toEqual([{ n: 0 }])
  })
})

it('[db.errors-say-no-values] failures hold no value of the call', async () => {
  const db = session({ allow_write: true })
  const said = await fault(db.write('insert into item (name) values (?)', ['tea'], LIMITS))
  expect(said).toMatchObject({ code: 'UPSTREAM_INVALID', message: 'SQLite says: UNIQUE constraint failed: item.name' })
  expect((await fault(db.read('select json(?)', ['canary-1234'], LIMITS))).message).not.toContain('canary')
})
