import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { completeBinaries, copyBinaries, findBinaries } from './postgres-binaries.ts'
import { blockedAt, chooseAccount, findPlace, NOTE } from './postgres-place.ts'
import { explain } from './postgres-process.ts'
import { serverArguments } from './postgres-settings.ts'

const isRoot = process.getuid?.() === 0
const root = mkdtempSync(join(tmpdir(), 'place-'))
chmodSync(root, 0o755)
afterAll(() => rmSync(root, { recursive: true, force: true }))
const nobody = { uid: 65534, gid: 65534 }

describe('the bundled programs', () => {
  it('are found for this machine', () => {
    const { dir, major, version } = findBinaries()
    expect(existsSync(join(dir, 'bin', 'postgres'))).toBe(true)
    expect(major).toBe(18)
    expect(version).toMatch(/^18\./)
  })

  it('that do not exist are told in one sentence that names DATABASE_URL', () => {
    expect(() => findBinaries('sunos', 'x64')).toThrow('there is no bundled PostgreSQL for sunos-x64')
    for (const platform of ['sunos', 'win32']) {
      try {
        findBinaries(platform, 'x64')
        expect.unreachable()
      } catch (error) {
        expect(error).toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE', hint: expect.stringContaining('DATABASE_URL') })
      }
    }
  })

  it('that are incomplete are told', () => {
    const broken = join(root, 'broken')
    mkdirSync(join(broken, 'dist'), { recursive: true })
    writeFileSync(join(broken, 'package.json'), '{"version":"18.4.0"}')
    expect(() => findBinaries('linux', 'x64', () => join(broken, 'dist', 'index.js'))).toThrow('bin/initdb is missing')
  })

  it('work without the install script: library links are made, execute bits given back, copies readable whatever the umask', () => {
    const found = findBinaries()
    const links = JSON.parse(readFileSync(join(found.dir, 'pg-symlinks.json'), 'utf8')) as { target: string }[]
    const bare = join(root, 'bare', 'native')
    cpSync(found.dir, bare, { recursive: true, filter: (path) => !lstatSync(path).isSymbolicLink() })
    chmodSync(join(bare, 'bin', 'postgres'), 0o644)
    expect(completeBinaries(bare)).toBe(links.length)
    expect(completeBinaries(bare)).toBe(0)
    const before = process.umask(0o077)
    const copy = copyBinaries({ ...found, dir: bare }, root)
    process.umask(before)
    expect(copyBinaries({ ...found, dir: bare }, root)).toEqual(copy)
    const program = join(copy.dir, 'bin', 'postgres')
    const version = spawnSync(program, ['--version'], { cwd: root, encoding: 'utf8', env: {}, ...(isRoot ? nobody : {}) })
    expect(version.stdout).toContain('PostgreSQL) 18')
    if (isRoot) expect(blockedAt(join(copy.dir, 'share', 'postgresql', 'extension'), nobody)).toBe(undefined)
  })
})

describe('the place of the cluster', () => {
  it('is chosen for a user that has an entry in the password file', () => {
    expect(chooseAccount('root:x:0:0::/:/bin/sh\nnobody:x:65534:65533::/:/x\npostgres:x:101:104::/:/x\n')).toEqual({ uid: 101, gid: 104 })
    expect(chooseAccount('root:x:0:0::/:/bin/sh\nnobody:x:65534:65533::/:/x')).toEqual({ uid: 65534, gid: 65533 })
    expect(chooseAccount('root:x:0:0::/:/bin/sh\nnobody:*:-2:-2::/:/x')).toBe(undefined)
  })

  it('is in the data directory for an ordinary user, and for root where the server may pass', () => {
    const dir = join(root, 'plain')
    const place = findPlace(dir, () => expect.unreachable())
    expect(place.dir).toBe(join(dir, 'postgres'))
    expect(place.account === undefined).toBe(!isRoot)
    expect(existsSync(join(dir, NOTE))).toBe(false)
  })

  it.runIf(isRoot)('is elsewhere when root keeps the way closed, and a note says where; a new data directory meets no old database', () => {
    const closed = join(root, 'closed')
    mkdirSync(closed, { mode: 0o700 })
    const [data, shelter] = [join(closed, 'data'), join(root, 'shelter')]
    const lines: string[] = []
    const place = findPlace(data, (line) => lines.push(line), shelter)
    expect(place.dir.startsWith(`${shelter}/`)).toBe(true)
    expect(lines.join()).toContain(`cannot pass ${closed}`)
    expect(JSON.parse(readFileSync(join(data, NOTE), 'utf8'))).toMatchObject({ directory: place.dir })
    expect(findPlace(data, () => expect.unreachable(), shelter)).toEqual(place)
    rmSync(data, { recursive: true })
    const again = findPlace(data, (line) => lines.push(line), shelter)
    expect(again.dir).not.toBe(place.dir)
    expect(lines.join()).toContain(`${place.dir} holds the database of an earlier data directory`)
    rmSync(again.dir, { recursive: true })
    expect(() => findPlace(data, () => undefined, shelter)).toThrow(`was kept in ${again.dir}, which is gone`)
    expect(() => findPlace(join(closed, 'other'), () => undefined, join(closed, 'shelter'))).toThrow(
      /PostgreSQL does not run as root, user \d+ cannot pass .*closed, and .*shelter cannot be used/,
    )
  })

  it.runIf(isRoot)('is never left for an empty one: a cluster that the server can no longer reach is told', () => {
    const top = join(root, 'narrowed')
    mkdirSync(join(top, 'data', 'postgres', 'cluster'), { recursive: true })
    chmodSync(top, 0o700)
    expect(() => findPlace(join(top, 'data'), () => undefined, join(root, 'shelter'))).toThrow(`because of ${top}`)
  })
})

describe('last words', () => {
  const said = (output: string, why = 'ended with exit code 1') => explain('the database does not start', why, output, '/d').message
  it.each([
    ['FATAL:  could not write lock file "postmaster.pid": No space left on device', 'the disk that holds /d is full'],
    ['selecting dynamic shared memory implementation ... posix\ninitdb: error: No space left on device', 'the disk that holds /d is full'],
    ['FATAL:  could not resize shared memory segment "/x": No space left on device', 'not enough shared memory'],
    ['initdb: error: could not create directory "/d": Read-only file system', '/d is on a read-only file system'],
    ['postgres: error while loading shared libraries: libxml2.so.2: cannot open', 'the bundled PostgreSQL does not run on this system'],
    ['initdb: error: could not access directory "/d": Permission denied', 'files in /d belong to another user'],
    ['LOG:  x\nFATAL:  something new\nLOG:  y', 'something new'],
    ['', 'ended with exit code 1'],
  ])('%s', (output, expected) => expect(said(output)).toContain(expected))

  it('of a program that could not be started at all', () => {
    expect(said('', 'spawn ENOENT')).toContain('needs glibc')
    expect(said('', 'spawn EPERM')).toContain('may not switch users')
    expect(said('', 'spawn EACCES')).toContain('may not be executed')
  })
})

describe('server arguments', () => {
  it('let a caller change a setting, and nobody the address', () => {
    const args = serverArguments({ host: '/a, "b"', port: 5432 }, { jit: 'on', port: '1', listen_addresses: '*' })
    expect(args).toContain('jit=on')
    expect(args).not.toContain('jit=off')
    expect(args).toContain('port=5432')
    expect(args).toContain('listen_addresses=')
    expect(args).toContain('unix_socket_directories="/a, ""b"""')
    expect(args).toContain('synchronous_commit=on')
    expect(serverArguments({ host: '127.0.0.1', port: 1 }, {})).toContain('listen_addresses=127.0.0.1')
  })
})
