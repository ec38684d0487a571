/**
 * A real MariaDB of one's own, for what is common to it and MySQL: a private data folder, a free loopback port, TLS with a throw-away
 * certificate besides plain text; gone after the test.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import mysql from 'mysql2/promise'
import { freePort, runAs } from './part.ts'

const run = promisify(execFile)

export const MARIADBD = '/usr/sbin/mariadbd'
const INSTALL = '/usr/bin/mariadb-install-db'

/** Every character that a URL could trip over. */
export const APP_PASSWORD = `p@ss/w:rd?#%41&=é 'x\\"`
export const ADMIN_USER = 'boss'
export const ADMIN_PASSWORD = 'super/secret@word'
export const APP_USER = 'app'
export const DATABASE = 'shop'

/** Nobody gets in without a password: whom the installation let in is gone before the server listens. */
const FIRST = [
  `create or replace user ${ADMIN_USER}@'127.0.0.1' identified by '${ADMIN_PASSWORD}'`,
  `grant all on *.* to ${ADMIN_USER}@'127.0.0.1' with grant option`,
  `delete from mysql.global_priv where user in ('', 'root')`,
  'flush privileges',
]

export interface TestMariadb {
  port: number
  /** The folder of the server, where a test may look for files that should not be there. */
  home: string
  /** An ordinary user with all privileges in the database `shop`. Other users are the test's to make. */
  dsn(user?: string, password?: string, query?: string): string
  adminDsn: string
  /** Runs statements as the administrator, besides all the code under test. Several are allowed here. */
  admin(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** The certificate that the server shows to TLS clients (localhost, db.test, 127.0.0.1). */
  certificate: string
  stop(): Promise<void>
}

export async function startTestMariadb(): Promise<TestMariadb> {
  const user = await runAs('mysql')
  const as = user ? { uid: user.uid, gid: user.gid } : {}
  const home = await mkdtemp(join(tmpdir(), 'test-mariadb-'))
  const data = join(home, 'data')
  const owned = async (path: string) => user && (await chown(path, user.uid, user.gid))
  await owned(home)
  const how = ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db']
  await run(INSTALL, how, { ...as, cwd: home })
  for (const [name, text] of Object.entries({ 'server.key': KEY, 'server.crt': CERTIFICATE })) {
    await writeFile(join(home, name), text, { mode: 0o600 })
    await owned(join(home, name))
  }
  const first = join(home, 'first.sql')
  await writeFile(first, FIRST.join(';\n') + ';\n', { mode: 0o600 })
  await owned(first)
  const port = await freePort()
  const settings = {
    datadir: data,
    port,
    'bind-address': '127.0.0.1',
    socket: join(home, 's.sock'),
    'pid-file': join(home, 'pid'),
    'init-file': first,
    'ssl-cert': join(home, 'server.crt'),
    'ssl-key': join(home, 'server.key'),
    'innodb-buffer-pool-size': '16M',
    'innodb-log-file-size': '8M',
    'innodb-flush-log-at-trx-commit': 0,
    'max-connections': 60,
    // As lax as servers are found: no folder for files is set, and files of clients are asked for.
    'local-infile': 1,
    'performance-schema': 'ON',
    'lc-messages-dir': '/usr/share/mysql',
  }
  const flags = Object.entries(settings).map(([name, value]) => `--${name}=${value}`)
  const server = spawn(MARIADBD, ['--no-defaults', ...flags, '--skip-name-resolve'], {
    ...as,
    cwd: home,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const gone = once(server, 'exit')
  // Nothing of it is kept, so it need not write anything down.
  const kill = () => server.kill('SIGKILL')
  const end = async () => {
    process.off('exit', kill)
    kill()
    await gone
    await rm(home, { recursive: true, force: true })
  }
  process.once('exit', kill)
  let log = ''
  await new Promise<void>((resolve, reject) => {
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-20_000)
      if (log.includes('ready for connections')) resolve()
    })
    gone.then(() => reject(new Error('MariaDB did not start: ' + log)), reject)
  })
  const dsn = (name: string, password: string, query = '') =>
    `mysql://${encodeURIComponent(name)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${DATABASE}${query}`
  const admin = await adminOf(port).catch(async (error: unknown) => {
    await end()
    throw error
  })
  return {
    port,
    home,
    dsn: (name = APP_USER, password = APP_PASSWORD, query = '') => dsn(name, password, query),
    adminDsn: dsn(ADMIN_USER, ADMIN_PASSWORD),
    admin: async (sql, values) => {
      const [rows] = await admin.query(sql, values)
      return rows as Record<string, unknown>[]
    },
    certificate: CERTIFICATE,
    async stop() {
      admin.destroy()
      await end()
    },
  }
}

/** A session of the administrator, in the database of the tests. */
async function adminOf(port: number) {
  const account = { host: '127.0.0.1', port, user: ADMIN_USER, password: ADMIN_PASSWORD }
  const admin = await mysql.createConnection({ ...account, multipleStatements: true, dateStrings: true })
  admin.on('error', () => undefined)
  await admin.query(
    `create database ${DATABASE}; use ${DATABASE}; create user ${APP_USER} identified by ?; grant all on ${DATABASE}.* to ${APP_USER}`,
    [APP_PASSWORD],
  )
  return admin
}

/** Made for this test and trusted by nothing else. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgKIWjGw9vvCpQUKcv
SbaFG9NTY5dH9FKDG4Ay8czwGcChRANCAARZOzhdcgVZ3jU9OREJn2y7MNYkRgb2
MbUmMbxnGTBE2TJezKeX9UV2tInQQlhNeodg9z/2rf9cIBcZinxMny+q
-----END PRIVATE KEY-----
`
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBrTCCAVKgAwIBAgIURmsqjcrVWK5LR6WHyUVqFF089AIwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNdGVzdCBwb3N0Z3JlczAgFw0yNjExMjIxNzQ1MDlaGA8yMTI2
MTAyOTE3NDUwOVowGDEWMBQGA1UEAwwNdGVzdCBwb3N0Z3JlczBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABFk7OF1yBVneNT05EQmfbLsw1iRGBvYxtSYxvGcZMETZ
Ml7Mp5f1RXa0idBCWE16h2D3P/at/1wgFxmKfEyfL6qjeDB2MB0GA1UdDgQWBBRh
kWQzYGNmk6UOkscTZfDoJv2OLDAfBgNVHSMEGDAWgBRhkWQzYGNmk6UOkscTZfDo
Jv2OLDAPBgNVHRMBAf8EBTADAQH/MCMGA1UdEQQcMBqCCWxvY2FsaG9zdIIHZGIu
dGVzdIcEfwAAATAKBggqhkjOPQQDAgNJADBGAiEAhIRA2tEryF/LMPKQOIHAkKPh
PD71HlNdGTdmkm0rGecCIQCOw6kaeL5NF0x9KGD+kT0byEUYxHj/OTv/7jNanlff
3g==
-----END CERTIFICATE-----
`
