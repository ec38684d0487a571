/**
 * A real PostgreSQL of one's own: a private cluster from the embedded binaries, on a free loopback port, gone after the test.
 * It speaks TLS with a throw-away certificate besides plain text, and wants SCRAM from everybody.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { copyBinaries, findBinaries } from '../../src/base/postgres-binaries.ts'
import { blockedAt, chooseAccount, SHELTER } from '../../src/base/postgres-place.ts'
import { freePort, runAs } from './part.ts'

const run = promisify(execFile)

/** Every character that a URL or a key=value string could trip over. */
export const APP_PASSWORD = `p@ss/w:rd?#%41&=é 'x\\"`
export const SUPER_PASSWORD = 'super/secret@word'
export const APP_USER = 'app'
export const DATABASE = 'shop'

export interface TestPostgres {
  port: number
  /** An ordinary role that owns the database `shop`. Other roles are the test's to make. */
  dsn(user?: string, password?: string): string
  superDsn: string
  /** Runs statements as the superuser, besides all the code under test. */
  admin(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** The certificate that the server shows to TLS clients (localhost, db.test, 127.0.0.1). */
  certificate: string
  stop(): Promise<void>
}

/** The folder of the binaries, or of a copy where the clone lies below a directory that the server's user cannot pass through. */
export function reachableBinaries(): string {
  const found = findBinaries()
  const account = process.getuid?.() === 0 ? chooseAccount(readFileSync('/etc/passwd', 'utf8')) : undefined
  return join((account && blockedAt(found.dir, account) ? copyBinaries(found, SHELTER) : found).dir, 'bin')
}

export async function startTestPostgres(): Promise<TestPostgres> {
  const bin = reachableBinaries()
  const user = await runAs('postgres')
  const home = await mkdtemp(join(tmpdir(), 'test-postgres-'))
  const data = join(home, 'data')
  const passwordFile = join(home, 'password')
  const owned = async (path: string) => user && (await chown(path, user.uid, user.gid))
  await writeFile(passwordFile, SUPER_PASSWORD)
  for (const path of [home, passwordFile]) await owned(path)
  await run(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8', '--locale=C', '--no-sync'],
    {
      ...user,
      cwd: home,
    },
  )
  for (const [name, text] of Object.entries({ 'server.key': KEY, 'server.crt': CERTIFICATE })) {
    await writeFile(join(data, name), text, { mode: 0o600 })
    await owned(join(data, name))
  }
  const port = await freePort()
  const settings = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off', ssl: 'on', max_connections: 60 }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const server = spawn(join(bin, 'postgres'), ['-D', data, ...flags], { ...user, cwd: home, stdio: ['ignore', 'ignore', 'pipe'] })
  const gone = once(server, 'exit')
  let log = ''
  await new Promise<void>((resolve, reject) => {
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-20_000)
      if (log.includes('ready to accept connections')) resolve()
    })
    gone.then(() => reject(new Error('PostgreSQL did not start: ' + log)), reject)
  })

  const dsn = (name: string, password: string, database: string) =>
    `postgres://${encodeURIComponent(name)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`
  const superClient = async (database: string) => {
    const client = new pg.Client({ connectionString: dsn('postgres', SUPER_PASSWORD, database) })
    client.on('error', () => undefined)
    await client.connect()
    return client
  }
  const first = await superClient('postgres')
  await first.query(`create role ${APP_USER} login password ${pg.escapeLiteral(APP_PASSWORD)}`)
  await first.query(`create database ${DATABASE} owner ${APP_USER}`)
  await first.end()
  const admin = await superClient(DATABASE)

  return {
    port,
    dsn: (name = APP_USER, password = APP_PASSWORD) => dsn(name, password, DATABASE),
    superDsn: dsn('postgres', SUPER_PASSWORD, DATABASE),
    admin: async (sql, values) => (await admin.query(sql, values)).rows as Record<string, unknown>[],
    certificate: CERTIFICATE,
    async stop() {
      await admin.end()
      // SIGINT: PostgreSQL's "fast" shutdown, which ends sessions instead of waiting for them.
      server.kill('SIGINT')
      await gone
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** Made for this test and trusted by nothing else. */
export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgKIWjGw9vvCpQUKcv
SbaFG9NTY5dH9FKDG4Ay8czwGcChRANCAARZOzhdcgVZ3jU9OREJn2y7MNYkRgb2
MbUmMbxnGTBE2TJezKeX9UV2tInQQlhNeodg9z/2rf9cIBcZinxMny+q
-----END PRIVATE KEY-----
`
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
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
