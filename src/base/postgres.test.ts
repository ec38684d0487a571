import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresOptions, type RunningPostgres, startPostgres } from './postgres.ts'
import { reachableBinaries } from '../../test/fakes/postgres-server.ts'
import { findPlace } from './postgres-place.ts'
import { childOptions, holderOf, MARK } from './postgres-process.ts'

/** Real servers on two busy cores: each start takes a tenth of a second to a second, and may be made to wait. */
const PATIENCE_MS = 60_000
const isRoot = process.getuid?.() === 0
const root = mkdtempSync(join(tmpdir(), 'pg-'))
chmodSync(root, 0o755)
const data = join(root, 'data')
const place = join(data, 'postgres')
const cluster = join(place, 'cluster')
const lines: string[] = []
const open: RunningPostgres[] = []
const children: ChildProcess[] = []

async function start(options: Partial<PostgresOptions> = {}): Promise<RunningPostgres> {
  const db = await startPostgres({ dataDir: data, log: (line) => lines.push(line), shelter: join(root, 'shelter'), ...options })
  open.push(db)
  return db
}

async function ask(db: RunningPostgres, sql: string, as: Partial<pg.ClientConfig> = {}): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ ...db.connection, ...as })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

/** Another process that starts the database and stays; `until` is what it has to say before we go on. */
async function parent(dataDir: string) {
  const code = `import { startPostgres } from ${JSON.stringify(new URL('./postgres.ts', import.meta.url).href)}
    startPostgres({ dataDir: process.argv[1], log: () => undefined }).then((db) => console.log(db.pid), (e) => console.log(e.message))
    process.stdin.resume()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, dataDir], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  return { child, said: once(child.stdout, 'data').then(([chunk]) => String(chunk).trim()) }
}

/** Looks again after each turn of the event loop: no fixed wait, and vitest's own limit ends what never comes. */
const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
/** Whether it still runs; one that has ended and waits for its parent to notice does not. */
const alive = (pid: number) => {
  try {
    return existsSync('/proc/self') ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '' : process.kill(pid, 0)
  } catch {
    return false
  }
}
const kill9 = async (child: ChildProcess) => {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

beforeAll(async () => {
  const db = await start()
  await ask(db, 'create table kept (n int)')
  await db.stop()
}, PATIENCE_MS)

afterEach(async () => {
  for (const db of open.splice(0)) await db.stop()
  for (const child of children.splice(0)) child.kill('SIGKILL')
})
afterAll(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))

describe('our own PostgreSQL', { timeout: PATIENCE_MS }, () => {
  it('[database.private] is reached through a private socket or loopback, by password, as no superuser', async () => {
    const db = await start()
    expect(db.connection.host).toBe(join(place, 'socket'))
    expect(statSync(db.connection.host).mode & 0o777).toBe(0o700)
    expect(statSync(join(place, 'passwords.json')).mode & 0o777).toBe(0o600)
    expect(statSync(cluster).mode & 0o777).toBe(0o700)
    expect(readdirSync(place).filter((name) => name.startsWith('making-'))).toEqual([])
    await expect(ask(db, 'select 1', { password: 'wrong' })).rejects.toThrow('password authentication failed')
    const [role] = await ask(db, 'select rolsuper, rolbypassrls, rolcreatedb, rolcreaterole from pg_roles where rolname = current_user')
    expect(role).toEqual({ rolsuper: false, rolbypassrls: false, rolcreatedb: false, rolcreaterole: true })
    const [settings] = await ask(
      db,
      `select current_setting('fsync') f, current_setting('synchronous_commit') s, current_setting('listen_addresses') l,
        current_setting('data_checksums') c, current_setting('server_encoding') e, current_setting('max_connections') m`,
    )
    expect(settings).toEqual({ f: 'on', s: 'on', l: '', c: 'on', e: 'UTF8', m: '60' })
    const { superuser } = JSON.parse(readFileSync(join(place, 'passwords.json'), 'utf8'))
    const command = existsSync('/proc/self') ? readFileSync(`/proc/${db.pid}/cmdline`, 'utf8') : ''
    for (const secret of [superuser, db.connection.password]) expect(lines.join('\n') + command).not.toContain(secret)
    expect(await ask(db, 'select 1 as one', { user: 'postgres', password: superuser })).toEqual([{ one: 1 }])
    await ask(db, 'create role r1 nologin; grant r1 to current_user; set role r1; reset role; drop role r1')
  })

  it('keeps what was stored over a restart, and says so in one line', async () => {
    const first = await start()
    await ask(first, 'insert into kept values (1)')
    await first.stop()
    await first.stop()
    expect(alive(first.pid)).toBe(false)
    const second = await start()
    expect(await ask(second, 'select n from kept where n = 1')).toEqual([{ n: 1 }])
    expect(lines.at(-1)).toMatch(/^database ready in \d+ ms \(process \d+\)$/)
    expect(second.connection).toEqual(first.connection)
  })

  it('[database.log-private] tells failing statements to the client and not to the log', async () => {
    const db = await start()
    await expect(ask(db, "select 'tell-nobody'::int")).rejects.toThrow('tell-nobody')
    await db.stop()
    expect(lines.join('\n')).not.toContain('tell-nobody')
  })

  it('[database.crash-safe] tells of a killed server, loses nothing, and starts again in the same process', async () => {
    const db = await start()
    const why = new Promise<string>((resolve) => db.onExit(resolve))
    await ask(db, 'insert into kept values (2)')
    process.kill(db.pid, 'SIGKILL')
    expect(await why).toBe('ended by SIGKILL')
    const again = await start()
    expect(await ask(again, 'select n from kept where n = 2')).toEqual([{ n: 2 }])
    let late: string | undefined
    again.onExit((reason) => (late = reason))
    await again.stop()
    expect(late).toBe(undefined)
  })

  it('[data-dir.one-process] refuses a data directory that another process uses, in one sentence', async () => {
    const db = await start()
    const other = await parent(data)
    expect(await other.said).toBe(`data directory ${data} is in use by process ${process.pid}`)
    await expect(start()).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await ask(db, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('[database.crash-safe] ends with a parent that was killed, and comes back with everything', async () => {
    const { child, said } = await parent(data)
    const pid = Number(await said)
    expect(alive(pid)).toBe(true)
    await kill9(child)
    const db = await start() // while the old one may still be ending
    expect(db.pid).not.toBe(pid)
    await until(() => !alive(pid))
    expect(await ask(db, 'select count(*)::int as n from kept')).toEqual([{ n: 2 }])
    await db.stop()
    const next = await parent(data)
    const orphan = Number(await next.said)
    await kill9(next.child)
    await until(() => !alive(orphan)) // nobody started anything: the watch ended it
  })

  /** A server on our cluster whose parent and watch are both gone, or one that somebody started by hand. */
  async function bareServer(extra: string[]) {
    const { account } = findPlace(data, () => undefined)
    const args = ['-D', cluster, '-c', 'listen_addresses=', '-c', `unix_socket_directories=${join(place, 'socket')}`, ...extra]
    const child = spawn(join(reachableBinaries(), 'postgres'), args, {
      ...childOptions(cluster, account),
      stdio: 'ignore',
      detached: true,
    })
    await until(() => existsSync(join(cluster, 'postmaster.pid')) && /^ready/m.test(readFileSync(join(cluster, 'postmaster.pid'), 'utf8')))
    return child
  }

  it('stops an orphan of ours and starts anew', async () => {
    const orphan = await bareServer(['-c', MARK])
    const ended = once(orphan, 'exit')
    const db = await start()
    await ended
    expect(db.pid).not.toBe(orphan.pid)
    expect(lines.join('\n')).toContain(`stopping the database server of an earlier run (process ${orphan.pid})`)
  })

  it('leaves a server alone that it did not start', async () => {
    const foreign = await bareServer([])
    await expect(start()).rejects.toThrow(`a PostgreSQL that was not started by this runtime (process ${foreign.pid}) serves ${cluster}`)
    expect(alive(foreign.pid!)).toBe(true)
    foreign.kill('SIGINT')
    await once(foreign, 'exit')
  })

  it('is not fooled by a lock file whose process number belongs to another program now', async () => {
    const db = await start()
    const file = join(cluster, 'postmaster.pid')
    const left = readFileSync(file, 'utf8')
    await db.stop()
    // Of the server's own user, so that PostgreSQL itself would take it for a live server.
    const other = spawn('/bin/sh', ['-c', 'read -r _'], { ...childOptions('/', findPlace(data, () => undefined).account), stdio: 'pipe' })
    children.push(other)
    writeFileSync(file, left.replace(/^\d+/, String(other.pid)))
    writeFileSync(join(place, 'socket', '.s.PGSQL.5432.lock'), left.replace(/^\d+/, String(other.pid)))
    expect(holderOf(cluster)).toEqual({ pid: other.pid, is: 'other' })
    const again = await start()
    expect(await ask(again, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(alive(other.pid!)).toBe(true)
  })

  it('[database.whole-or-none] makes a database again whose making was killed, and never touches a finished one', async () => {
    const dir = join(root, 'half')
    const first = await parent(dir)
    await until(() => existsSync(join(dir, 'postgres')) && readdirSync(join(dir, 'postgres')).some((name) => name.startsWith('making-')))
    await kill9(first.child)
    expect(existsSync(join(dir, 'postgres', 'cluster'))).toBe(false)
    const db = await start({ dataDir: dir })
    expect(await ask(db, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(lines.at(-1)).toContain('newly made')
    await db.stop()
    await (await start({ dataDir: dir })).stop()
    expect(lines.join('\n')).toContain('removing a half-made database')
    expect(lines.filter((line) => line.startsWith('database ready')).at(-1)).not.toContain('newly made')
    expect(readdirSync(join(dir, 'postgres')).filter((name) => name.startsWith('making-'))).toEqual([])
  })

  it('uses a loopback port where the path of a socket would be too long', async () => {
    const db = await start({ dataDir: join(root, 'long'.repeat(25)) })
    expect(db.connection.host).toBe('127.0.0.1')
    expect(await ask(db, 'select 1 as one')).toEqual([{ one: 1 }])
    await expect(ask(db, 'select 1', { password: 'wrong' })).rejects.toThrow('password authentication failed')
  })

  it.runIf(isRoot)('runs as root with a data directory that only root can enter', async () => {
    const closed = join(root, 'closed')
    mkdirSync(closed, { mode: 0o700 })
    const db = await start({ dataDir: join(closed, 'data') })
    expect(db.connection.host.startsWith(join(root, 'shelter'))).toBe(true)
    expect(await ask(db, 'select 1 as one')).toEqual([{ one: 1 }])
    if (existsSync('/proc/self')) expect(statSync(`/proc/${db.pid}`).uid).not.toBe(0)
  })

  it('tells of another major version, a lost and a wrong password file, each in one sentence', async () => {
    const rewritten = async (file: string, text: string, expected: string) => {
      const before = readFileSync(file)
      writeFileSync(file, text)
      await expect(start()).rejects.toThrow(expected)
      writeFileSync(file, before)
    }
    await rewritten(join(cluster, 'PG_VERSION'), '16\n', `the database in ${cluster} was made by PostgreSQL 16; this is 18`)
    await rewritten(join(place, 'passwords.json'), 'x', 'password file')
    await rewritten(join(place, 'passwords.json'), '{"runtime":"wrong"}', 'the database started and refused us')
    expect(holderOf(cluster).is).toBe('none')
    expect(await ask(await start(), 'select 1 as one')).toEqual([{ one: 1 }])
  })
})
