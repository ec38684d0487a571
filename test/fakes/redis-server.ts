/**
 * A real Redis of one's own: a private server of the system's package, on free loopback ports, gone after the test. It speaks TLS with a
 * throw-away certificate besides plain text, and nobody gets in without a password.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'
import { TEST_CERTIFICATE, TEST_KEY } from './certificate.ts'
import { freePort } from './part.ts'

export const REDIS_SERVER = '/usr/bin/redis-server'

/** Every character that a URL could trip over. */
export const APP_PASSWORD = `p@ss/w:rd?#%41&=é'x\\"`
const ADMIN_PASSWORD = 'admin/secret@word'

/** An ordinary user: all work with data, nothing of the server. */
const APP_RULES = ['on', `>${APP_PASSWORD}`, '~*', '&*', '+@all', '-@admin', '-@dangerous']

export interface TestRedis {
  port: number
  tlsPort: number
  home: string
  /** Of the user `app`, unless another is named. */
  dsn(user?: string, password?: string, database?: number): string
  adminDsn: string
  /** Sends a command as the administrator, besides all the code under test. */
  admin(...words: string[]): Promise<unknown>
  certificate: string
  stop(): Promise<void>
}

export async function startTestRedis(): Promise<TestRedis> {
  const home = await mkdtemp(join(tmpdir(), 'test-redis-'))
  await writeFile(join(home, 'server.key'), TEST_KEY, { mode: 0o600 })
  await writeFile(join(home, 'server.crt'), TEST_CERTIFICATE)
  const port = await freePort()
  const tlsPort = await freePort()
  const settings = {
    port,
    'tls-port': tlsPort,
    'tls-cert-file': join(home, 'server.crt'),
    'tls-key-file': join(home, 'server.key'),
    'tls-auth-clients': 'no',
    bind: '127.0.0.1',
    dir: home,
    save: '',
    appendonly: 'no',
    daemonize: 'no',
    requirepass: ADMIN_PASSWORD,
  }
  const server = spawn(
    REDIS_SERVER,
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    {
      cwd: home,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const gone = once(server, 'exit')
  let log = ''
  await new Promise<void>((resolve, reject) => {
    const hear = (text: string) => {
      log = (log + text).slice(-20_000)
      if (log.includes('Ready to accept connections')) resolve()
    }
    server.stdout.setEncoding('utf8').on('data', hear)
    server.stderr.setEncoding('utf8').on('data', hear)
    gone.then(() => reject(new Error('Redis did not start: ' + log)), reject)
  })
  const admin = createClient({ RESP: 2, socket: { host: '127.0.0.1', port }, password: ADMIN_PASSWORD })
  admin.on('error', () => undefined)
  await admin.connect()
  await admin.sendCommand(['ACL', 'SETUSER', 'app', ...APP_RULES])
  const dsn = (user: string, password: string, database: number) =>
    `redis://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`
  return {
    port,
    tlsPort,
    home,
    dsn: (user = 'app', password = APP_PASSWORD, database = 0) => dsn(user, password, database),
    adminDsn: dsn('default', ADMIN_PASSWORD, 0),
    admin: (...words) => admin.sendCommand(words),
    certificate: TEST_CERTIFICATE,
    async stop() {
      admin.destroy()
      server.kill('SIGTERM')
      await gone
      await rm(home, { recursive: true, force: true })
    },
  }
}
