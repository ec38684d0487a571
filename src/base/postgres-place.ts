/** Where the cluster lies and as whom the server runs: the data directory and we ourselves, unless we are root. */
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Fault, fail } from './errors.ts'
import { OWN_DATABASE_HINT } from './postgres-binaries.ts'

/** A user that PostgreSQL runs as. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

export interface Place {
  /** Holds cluster/, socket/ and passwords.json. */
  readonly dir: string
  /** Set only when we are root: PostgreSQL refuses to run as root. */
  readonly account: Account | undefined
}

/** Where root puts what another user has to reach. Root may write here on every system that follows the hierarchy standard. */
export const SHELTER = '/var/lib/agentruntime'
/** In the data directory, when the cluster is not: says where it is. */
export const NOTE = 'postgres.json'

/**
 * @param dataDir is made when missing
 * @param shelter where a cluster goes that cannot be in the data directory
 */
export function findPlace(dataDir: string, log: (line: string) => void, shelter: string = SHELTER): Place {
  const root = process.getuid?.() === 0
  try {
    makePassable(dataDir, root)
  } catch (cause) {
    throw new Fault('DEPENDENCY_UNAVAILABLE', `data directory ${dataDir} cannot be made: ${(cause as Error).message}`, {
      cause,
      hint: 'Choose another directory with --data-dir.',
    })
  }
  const real = realpathSync(dataDir)
  const note = join(real, NOTE)
  const inside = join(real, 'postgres')
  if (existsSync(note)) {
    const { directory } = JSON.parse(readFileSync(note, 'utf8')) as { directory: string }
    if (!existsSync(directory))
      throw new Fault('DEPENDENCY_UNAVAILABLE', `the database of ${dataDir} was kept in ${directory}, which is gone`, {
        hint: `Restore it from a backup, or delete ${note} to begin with an empty database.`,
      })
    return { dir: directory, account: accountFor(directory, root) }
  }
  const account = accountFor(inside, root)
  const obstacle = account && blockedAt(real, account)
  if (!obstacle) {
    makePassable(inside, root)
    return { dir: inside, account }
  }
  if (existsSync(join(inside, 'cluster')))
    throw new Fault(
      'DEPENDENCY_UNAVAILABLE',
      `the database in ${inside} cannot be reached by user ${account.uid}, because of ${obstacle}`,
      {
        hint: `Run chmod o+x on ${obstacle}, or run this as the user that owns the database.`,
      },
    )
  return { dir: shelterFor(real, obstacle, account, shelter, log), account }
}

/** As root the server's own user has to pass through; the files inside carry stricter modes of their own. Leaves what is there. */
function makePassable(path: string, root: boolean): void {
  if (existsSync(path)) return
  mkdirSync(path, { recursive: true, mode: 0o700 })
  if (root) chmodSync(path, 0o711) // not by mkdir: the umask may forbid it
}

function shelterFor(real: string, obstacle: string, account: Account, shelter: string, log: (line: string) => void): string {
  const hash = createHash('sha256').update(real).digest('hex').slice(0, 16)
  // A data directory that was deleted and made again must not meet the old database: every new one gets a directory of its own.
  const directory = join(shelter, `${hash}-${randomBytes(4).toString('hex')}`)
  try {
    makePassable(shelter, true)
    const stillBlocked = blockedAt(realpathSync(shelter), account)
    if (stillBlocked) throw new Error(`user ${account.uid} cannot pass ${stillBlocked}`)
    for (const old of readdirSync(shelter).filter((name) => name.startsWith(`${hash}-`)))
      log(`${join(shelter, old)} holds the database of an earlier data directory at this path`)
    makePassable(directory, true)
    writeFileSync(join(real, NOTE), `${JSON.stringify({ directory, because: `user ${account.uid} cannot pass ${obstacle}` }, null, 2)}\n`, {
      mode: 0o600,
      flush: true,
    })
  } catch (cause) {
    throw new Fault(
      'DEPENDENCY_UNAVAILABLE',
      `PostgreSQL does not run as root, user ${account.uid} cannot pass ${obstacle}, and ${shelter} cannot be used: ${(cause as Error).message}`,
      { cause, hint: `Run as an ordinary user, or choose a --data-dir that every user can pass through. ${OWN_DATABASE_HINT}` },
    )
  }
  log(`the database is kept in ${directory}, because PostgreSQL does not run as root and user ${account.uid} cannot pass ${obstacle}`)
  return directory
}

/** As root: the owner of the cluster that is there, else a user made for such things. */
function accountFor(dir: string, root: boolean): Account | undefined {
  if (!root) return undefined
  const there = statSync(join(dir, 'cluster'), { throwIfNoEntry: false })
  if (there && there.uid > 0) return { uid: there.uid, gid: there.gid }
  const passwd = existsSync('/etc/passwd') ? readFileSync('/etc/passwd', 'utf8') : ''
  return (
    chooseAccount(passwd) ??
    fail('DEPENDENCY_UNAVAILABLE', 'PostgreSQL does not run as root, and there is no user postgres or nobody to run it as', {
      hint: `Run as an ordinary user. ${OWN_DATABASE_HINT}`,
    })
  )
}

/** initdb looks its user up, so only one with an entry in the password file will do. */
export function chooseAccount(passwd: string): Account | undefined {
  const lines = passwd.split('\n').map((line) => line.split(':'))
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = lines.find((fields) => fields[0] === name) ?? []
    if (Number(uid) > 0 && Number(gid) > 0) return { uid: Number(uid), gid: Number(gid) }
  }
  return undefined
}

/** The first directory on the way to `path` (itself included) that the account may not pass through. */
export function blockedAt(path: string, { uid, gid }: Account): string | undefined {
  const parent = dirname(path)
  const above = parent === path ? undefined : blockedAt(parent, { uid, gid })
  if (above) return above
  const stat = statSync(path)
  const bit = stat.uid === uid ? 0o100 : stat.gid === gid ? 0o010 : 0o001
  return stat.mode & bit ? undefined : path
}
