/** The server as a process: who holds a cluster, how it is told to stop, and what its last words mean. */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from './errors.ts'
import { OWN_DATABASE_HINT } from './postgres-binaries.ts'
import type { Account } from './postgres-place.ts'

/** On the command line of every server we start, so that it is known again after we were killed. */
export const MARK = 'cluster_name=agentruntime'
/** A fast shutdown writes one checkpoint: at most max_wal_size of dirty pages, seconds even on a slow disk. */
export const FAST_STOP_MS = 20_000
/** SIGQUIT writes nothing; what does not obey within this is stuck in the kernel or stopped. */
export const HARD_STOP_MS = 5_000
/** How often a process that is not our child is looked at; it has no exit event for us. */
const LOOK_MS = 20
/** Enough of the last output to find the one line that says why. */
const TAIL_LINES = 40

/** What every child gets: nothing of our own environment (secrets, PG* variables), one language, one clock. */
export const childOptions = (cwd: string, account: Account | undefined): SpawnOptions => ({
  cwd,
  ...(account ? { uid: account.uid, gid: account.gid } : {}),
  env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
})

/** Hands complete lines of a child's output to `log` and keeps the last ones. */
export function collect(child: ChildProcess, log?: (line: string) => void): { text(): string } {
  const tail: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ''
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines.filter(Boolean)) {
        log?.(line)
        if (tail.push(line) > TAIL_LINES) tail.shift()
      }
    })
  }
  return { text: () => tail.join('\n') }
}

/** Resolves with how the child ended, once its output has been read too. Never rejects: a child that cannot start is told as text. */
export const ended = (child: ChildProcess): Promise<{ code: number | null; why: string }> =>
  new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => resolve({ code: null, why: `spawn ${error.code}` }))
    child.once('close', (code, signal) => resolve({ code, why: signal ? `ended by ${signal}` : `ended with exit code ${code}` }))
  })

/** The process that postmaster.pid names: `none` is alive, a server `on` this cluster (ours or not), or some `other` program. */
export type Holder = { pid: number; is: 'none' | 'ours' | 'foreign' | 'other' }

export function holderOf(cluster: string): Holder {
  const file = join(cluster, 'postmaster.pid')
  const pid = existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : 0
  if (!(pid > 0)) return { pid: 0, is: 'none' }
  const command = commandOf(pid)
  if (command === undefined) return { pid, is: 'none' }
  const here = workingDirectoryOf(pid) === realpathSync(cluster) || command.includes(cluster)
  if (!here || basename(command[0] ?? '') !== 'postgres') return { pid, is: 'other' }
  return { pid, is: command.includes(MARK) ? 'ours' : 'foreign' }
}

/** The words of a process's command line; none for a zombie; undefined when there is no such process. */
function commandOf(pid: number): string[] | undefined {
  if (existsSync('/proc/self/cmdline')) {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
    } catch {
      return undefined
    }
  }
  const ps = spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } })
  if (ps.status !== 0) return undefined
  // ps joins with spaces; a path with spaces stays recognisable because the words before and after it are ours.
  const [program, directory] = /^(.*?postgres) -D (.*?) -c /.exec(ps.stdout)?.slice(1) ?? []
  return program && directory ? [program, directory, ...ps.stdout.trim().split(' ')] : ps.stdout.trim().split(' ')
}

function workingDirectoryOf(pid: number): string | undefined {
  try {
    return realpathSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}

/**
 * Ends a server that outlived the process which started it. The caller holds our lock, so nobody of ours is using it.
 * A lock file whose process is a zombie or some other program (the number was given away again) would make PostgreSQL refuse.
 * @throws Fault DEPENDENCY_UNAVAILABLE when a server that we did not start runs on this cluster, or ours cannot be ended
 */
export async function endOrphan(cluster: string, log: (line: string) => void): Promise<void> {
  const { pid, is } = holderOf(cluster)
  if (is === 'none') return
  if (is === 'other') return disown(cluster)
  if (is === 'foreign')
    throw new Fault('DEPENDENCY_UNAVAILABLE', `a PostgreSQL that was not started by this runtime (process ${pid}) serves ${cluster}`, {
      hint: `Stop it first. ${OWN_DATABASE_HINT}`,
    })
  log(`stopping the database server of an earlier run (process ${pid})`)
  const gone = () => {
    const now = holderOf(cluster)
    return now.pid !== pid || now.is !== 'ours'
  }
  for (const [signal, wait] of STOPS) {
    signalTo(pid, signal)
    for (let waited = 0; waited < wait; waited += LOOK_MS) {
      if (gone()) return disown(cluster)
      await sleep(LOOK_MS)
    }
  }
  throw new Fault('DEPENDENCY_UNAVAILABLE', `the database server of an earlier run (process ${pid}) does not end`, {
    hint: 'End it by hand and start again.',
  })
}

/**
 * Puts our own number into a lock file whose process serves nothing. PostgreSQL takes its parent's number as stale; the rest of the
 * file stays, so that it still finds children of the dead server that hold the shared memory, and waits for them.
 */
function disown(cluster: string): void {
  const file = join(cluster, 'postmaster.pid')
  if (holderOf(cluster).is === 'other') writeFileSync(file, readFileSync(file, 'utf8').replace(/^\d+/, String(process.pid)))
}

/** Fast shutdown, then without a checkpoint, then the kernel's word. Each is safe: the log is replayed at the next start. */
const STOPS: readonly [NodeJS.Signals, number][] = [
  ['SIGINT', FAST_STOP_MS],
  ['SIGQUIT', HARD_STOP_MS],
  ['SIGKILL', HARD_STOP_MS],
]

export async function stopChild(pid: number, exit: Promise<unknown>): Promise<void> {
  for (const [signal, wait] of STOPS) {
    signalTo(pid, signal)
    const timer = new AbortController()
    const late = sleep(wait, 'late', { signal: timer.signal }).catch(() => undefined)
    if ((await Promise.race([exit, late])) !== 'late') return timer.abort()
  }
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // it is gone already
  }
}

/**
 * A shell that does nothing but wait for us to be gone: its standard input is a pipe that we hold and never write to. When we die,
 * even by SIGKILL, the kernel closes the pipe and the shell asks the server for a fast shutdown. Without a shell the next start does it.
 */
export function watchOver(pid: number, account: Account | undefined): { end(): void } {
  const shell = spawn('/bin/sh', ['-c', 'read -r _; kill -INT "$1"', 'agentruntime-postgres-watch', String(pid)], {
    ...childOptions('/', account),
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  shell.on('error', () => undefined)
  shell.stdin?.on('error', () => undefined)
  shell.unref()
  ;(shell.stdin as { unref?(): void } | null)?.unref?.()
  return { end: () => void shell.kill('SIGKILL') }
}

/** One sentence for what a PostgreSQL program said before it gave up. */
export function explain(doing: string, why: string, output: string, where: string): Fault {
  const say = (message: string, hint: string) => new Fault('DEPENDENCY_UNAVAILABLE', message, { hint })
  if (/shared memory.*(No space left|Cannot allocate)/.test(output))
    return say(`${doing}: not enough shared memory`, `Give the container or machine more memory. ${OWN_DATABASE_HINT}`)
  if (/No space left on device|Disk quota exceeded/.test(output))
    return say(`${doing}: the disk that holds ${where} is full`, 'Free some space there and start again.')
  if (/Read-only file system/.test(output))
    return say(`${doing}: ${where} is on a read-only file system`, `Choose another --data-dir. ${OWN_DATABASE_HINT}`)
  if (/spawn ENOENT/.test(why) || /error while loading shared libraries|GLIBC|symbol not found/.test(output))
    return say(`${doing}: the bundled PostgreSQL does not run on this system (it needs glibc and its own libraries)`, OWN_DATABASE_HINT)
  if (/spawn EPERM/.test(why))
    return say(
      `${doing}: PostgreSQL does not run as root, and this process may not switch users`,
      `Run as an ordinary user. ${OWN_DATABASE_HINT}`,
    )
  if (/spawn EACCES/.test(why))
    return say(`${doing}: the bundled PostgreSQL may not be executed (a noexec file system, say)`, OWN_DATABASE_HINT)
  if (/Permission denied/.test(output))
    return say(`${doing}: files in ${where} belong to another user`, 'Start as the user that made the data directory, or as root.')
  const lines = output.split('\n')
  const said = lines.findLast((line) => /(FATAL|PANIC|error):/i.test(line)) ?? lines.at(-1)
  return say(
    `${doing}: ${said?.replace(/^.*?(FATAL|PANIC|error): */i, '') || why}`,
    `The lines before this one say more. ${OWN_DATABASE_HINT}`,
  )
}
