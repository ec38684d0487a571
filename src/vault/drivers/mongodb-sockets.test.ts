/** Where the client really connects: each socket of the process is watched, whatever opened it. */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Socket } from 'node:net'
import { dirname, join, relative } from 'node:path'
import { MongoClient } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { MONGO_DATABASE, startTestMongo, type TestMongo } from '../../../test/fakes/mongo-server.ts'
import { createEgress } from '../../base/egress.ts'
import { Fault } from '../../base/errors.ts'
import type { Driver, DriverDeps } from './driver.ts'
import { createMongodb } from './mongodb.ts'
import type { MongoSession } from './mongodb-session.ts'
import { guarded } from './mongodb-sockets.ts'

let server: TestMongo
let secure: TestMongo
let driver: Driver<MongoSession>
const asked: string[] = []
/** `host:port` or the path of every socket that was opened. */
const opened: string[] = []

const REFUSED = /^(blocked|10\.0\.0\.5|169\.254|::ffff|fd00)/
const deps: Pick<DriverDeps, 'address' | 'srv' | 'now'> = {
  address: async (host, port) => {
    asked.push(`${host}:${port}`)
    if (REFUSED.test(host)) throw new Fault('EGRESS_BLOCKED', `the runtime may not connect to ${host}`)
    return { address: '127.0.0.1', port, family: 4 }
  },
  srv: () => Promise.reject(new Fault('UPSTREAM_ERROR', 'no names here')),
  now: Date.now,
}

beforeAll(async () => {
  server = await startTestMongo()
  secure = await startTestMongo({ tls: true })
})
beforeEach(() => {
  driver = createMongodb(deps)
  const connect = Socket.prototype.connect
  vi.spyOn(Socket.prototype, 'connect').mockImplementation(function (this: Socket, ...args: unknown[]) {
    const [first] = args.flat() as { host?: string; port?: number; path?: string }[]
    opened.push(first?.path ?? `${first?.host}:${first?.port}`)
    return connect.apply(this, args as never)
  })
})
afterEach(async () => {
  await driver.close()
  vi.restoreAllMocks()
  server.reset()
  secure.reset()
  asked.length = 0
  opened.length = 0
})
afterAll(() => Promise.all([server.stop(), secure.stop()]))

const LIMITS = { rows: 10, timeoutMs: 5_000 }
const session = (uri: string, config: Record<string, unknown> = {}, made = driver) =>
  made.session({
    owner: 'sockets',
    version: 1,
    credential: { secret: { uri }, entered: { database: MONGO_DATABASE } },
    config,
    signal: new AbortController().signal,
  })
const fault = async (call: Promise<unknown>): Promise<Fault> => {
  const error = await call.then(
    (value) => new Error('was answered: ' + JSON.stringify(value)),
    (e: unknown) => e,
  )
  if (error instanceof Fault) return error
  throw error
}
const set = (more: string) => `&replicaSet=rs${more}`
const at = (host: string, query = '', ms = 500) =>
  `${server.uri(undefined, undefined, host)}?tls=false&serverSelectionTimeoutMS=${ms}${query}`
async function until(what: string, holds: () => boolean, withinMs = 3000) {
  for (const end = Date.now() + withinMs; Date.now() < end; ) {
    if (holds()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error(`not within ${withinMs} ms: ${what}`)
}

describe('[db.mongodb-hosts-judged] every socket goes to an address that was judged', () => {
  it('a name: it is looked up by the guard alone', async () => {
    expect((await session(at('db.test')).find('item', {}, LIMITS)).documents).toEqual([])
    expect(new Set(asked)).toEqual(new Set([`db.test:${server.port}`]))
    expect(new Set(opened)).toEqual(new Set([`127.0.0.1:${server.port}`]))
  })

  it.each(['10.0.0.5', '169.254.169.254', '[::ffff:a00:1]', '[fd00::1]', 'blocked.test'])('an entered %s that is refused', async (host) => {
    const said = await fault(session(at(host)).find('item', {}, LIMITS))
    expect(said.code).toBe('EGRESS_BLOCKED')
    expect(asked).toContain(`${host.replace(/[[\]]/g, '')}:${server.port}`)
    expect(opened).toEqual([])
  })

  it('hosts that a replica set reports: names, addresses, hidden ones, and sockets of this machine', async () => {
    const here = `db.test:${server.port}`
    server.hello = {
      setName: 'rs',
      setVersion: 1,
      hosts: [here, 'blocked.internal:27018', '10.0.0.5:27019', '[fd00::1]:27020', '/var/run/docker.sock'],
      passives: ['blocked.passive:1234'],
      arbiters: ['169.254.169.254:80'],
      primary: here,
      me: here,
    }
    expect((await session(at('db.test', set(''))).find('item', {}, LIMITS)).documents).toEqual([])
    const discovered = ['blocked.internal:27018', '10.0.0.5:27019', 'fd00::1:27020', 'blocked.passive:1234', '169.254.169.254:80']
    await until('all were judged', () => discovered.every((one) => asked.includes(one)))
    expect(new Set(opened)).toEqual(new Set([`127.0.0.1:${server.port}`]))
    expect(asked.some((one) => one.includes('sock'))).toBe(false)
  })

  it('a server that names hosts without end is not followed', async () => {
    const here = `db.test:${server.port}`
    const many = Array.from({ length: 300 }, (_, n) => `blocked-${n}.test:1`)
    server.hello = { setName: 'rs', setVersion: 1, hosts: [here, ...many], primary: here, me: here }
    expect((await session(at('db.test', set(''))).find('item', {}, LIMITS)).documents).toEqual([])
    expect(new Set(asked).size).toBeGreaterThan(100)
    expect(new Set(asked).size).toBeLessThanOrEqual(200)
  })

  it('a set that lies elsewhere: its hosts are asked for, and what was entered is let go', async () => {
    const member = `member.cluster.test:${server.port}`
    server.hello = { setName: 'rs', setVersion: 1, hosts: [member], primary: member, me: member }
    expect((await session(at('db.test', set(''))).find('item', {}, LIMITS)).documents).toEqual([])
    expect(new Set(asked)).toEqual(new Set([`db.test:${server.port}`, member]))
    const inside = `blocked.inside:${server.port}`
    server.hello = { setName: 'rs', setVersion: 1, hosts: [inside], primary: inside, me: inside }
    const other = createMongodb(deps)
    try {
      const said = await fault(session(at('db.test', set('')), {}, other).find('item', {}, LIMITS))
      expect(said).toMatchObject({ code: 'EGRESS_BLOCKED', message: 'the runtime may not connect to blocked.inside' })
    } finally {
      await other.close()
    }
    expect(new Set(opened)).toEqual(new Set([`127.0.0.1:${server.port}`]))
  })

  it('a primary that moves to an address which is refused', async () => {
    const here = `db.test:${server.port}`
    server.hello = { setName: 'rs', setVersion: 1, hosts: [here], primary: here, me: here }
    const db = session(at('db.test', `${set('')}&heartbeatFrequencyMS=500`))
    expect((await db.find('item', {}, LIMITS)).documents).toEqual([])
    server.hello = {
      ...{ setName: 'rs', setVersion: 2, hosts: [here, '10.0.0.5:27017'], primary: '10.0.0.5:27017', me: here },
      ...{ isWritablePrimary: false, ismaster: false, secondary: true },
    }
    await until('the new primary was judged', () => asked.includes('10.0.0.5:27017'))
    expect(await fault(db.insertOne('item', '{}', LIMITS))).toMatchObject({ code: 'EGRESS_BLOCKED' })
    expect(new Set(opened)).toEqual(new Set([`127.0.0.1:${server.port}`]))
  })

  it('hosts that DNS names, by their own names', async () => {
    const names: string[] = []
    const srv: DriverDeps['srv'] = async (service, name) => {
      names.push(`${service} ${name}`)
      return { hosts: [{ host: 'a.cluster.test', port: secure.port }], texts: ['authSource=admin'] }
    }
    const made = createMongodb({ ...deps, srv })
    try {
      const uri = secure
        .uri(undefined, undefined, 'db.cluster.test')
        .replace('mongodb://', 'mongodb+srv://')
        .replace(/:\d+\/$/, '')
      expect((await session(uri, { ca_certificate: secure.certificate }, made).find('item', {}, LIMITS)).documents).toEqual([])
    } finally {
      await made.close()
    }
    expect(names).toEqual(['mongodb db.cluster.test'])
    expect(new Set(asked)).toEqual(new Set([`a.cluster.test:${secure.port}`]))
    expect(new Set(opened)).toEqual(new Set([`127.0.0.1:${secure.port}`]))
  })

  it("with the runtime's own guard: only what an administrator opened", async () => {
    const egress = createEgress({
      allowPrivate: [{ host: 'db.test', port: server.port }],
      lookup: async () => ['127.0.0.1'],
    })
    const made = createMongodb({ address: egress.address, srv: egress.srv, now: Date.now })
    const here = `db.test:${server.port}`
    server.hello = {
      setName: 'rs',
      setVersion: 1,
      hosts: [here, `127.0.0.1:${secure.port}`, '169.254.169.254:80'],
      primary: here,
      me: here,
    }
    try {
      expect((await session(at('db.test', set('')), {}, made).find('item', {}, LIMITS)).documents).toEqual([])
      expect((await fault(session(at('127.0.0.1'), {}, made).find('item', {}, LIMITS))).code).toBe('EGRESS_BLOCKED')
      expect(new Set(opened)).toEqual(new Set([`127.0.0.1:${server.port}`]))
    } finally {
      await made.close()
      await egress.close()
    }
  })

  it('a client that did not come through the guard reaches nothing', async () => {
    for (const options of [{}, guarded(deps.address), { ...guarded(deps.address), proxyHost: '127.0.0.1' }]) {
      const client = new MongoClient(`mongodb://blocked.test:${server.port}`, { ...options, serverSelectionTimeoutMS: 200 })
      await expect(client.connect()).rejects.toThrow()
      await client.close()
    }
    expect(opened).toEqual([])
  })

  it('the client has no other door: what of it opens sockets is known here, file by file', () => {
    const lib = dirname(createRequire(import.meta.url).resolve('mongodb'))
    const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'))
    expect(files.length).toBeGreaterThan(100)
    const text = (file: string) => readFileSync(join(lib, file), 'utf8')
    const reaches = files.filter((file) => /require\("(node:)?(net|tls|dgram|http2?|https|child_process)"\)/.test(text(file)))
    expect(reaches.map((file) => relative('.', file)).sort()).toEqual([
      'client-side-encryption/auto_encrypter.js', // autoEncryption is refused
      'client-side-encryption/state_machine.js',
      'cmap/connect.js', // the two doors
      'utils.js', // http, for signing in with AWS or OIDC, which are refused
    ])
    // Both are called as properties of that module, which is what makes them replaceable.
    for (const file of files.filter((one) => one !== 'cmap/connect.js' && /cmap\/connect"|"\.\/connect"/.test(text(one))))
      expect(text(file), file).not.toMatch(/\{[^}]*\b(connect|makeSocket)\b[^}]*\} = require/)
  })
})

describe('[db.tls-verified] TLS', () => {
  const tls = (host: string, query = '') => `${secure.uri(undefined, undefined, host)}?serverSelectionTimeoutMS=500${query}`
  const trusted = () => ({ ca_certificate: secure.certificate })

  it('is on for hosts that are elsewhere, and their certificate is verified by name', async () => {
    expect((await session(tls('db.test'), trusted()).find('item', {}, LIMITS)).documents).toEqual([])
    expect(await session(tls('db.test'), trusted()).whoami(LIMITS)).toMatchObject({ tls: true, loopback: false })
    expect(asked[0]).toBe(`db.test:${secure.port}`)
    expect(new Set(opened)).toEqual(new Set([`127.0.0.1:${secure.port}`]))
  })

  it('an address is verified as an address', async () => {
    expect((await session(tls('127.0.0.1', '&tls=true'), trusted()).find('item', {}, LIMITS)).documents).toEqual([])
  })

  it('refuses an authority that is not known, and another name', async () => {
    for (const said of [
      await fault(session(tls('db.test')).find('item', {}, LIMITS)),
      await fault(session(tls('other.test'), trusted()).find('item', {}, LIMITS)),
    ]) {
      expect(said).toMatchObject({ code: 'UPSTREAM_INVALID', message: expect.stringContaining('certificate') })
    }
    expect(secure.commands).toEqual([])
  })

  it('a member that the set reports is verified by its own name', async () => {
    const [here, other] = [`a.cluster.test:${secure.port}`, `elsewhere.test:${secure.port}`]
    secure.hello = { setName: 'rs', setVersion: 1, hosts: [here], primary: here, me: here }
    expect((await session(tls('db.test', set('')), trusted()).find('item', {}, LIMITS)).documents).toEqual([])
    secure.hello = { setName: 'rs', setVersion: 1, hosts: [other], primary: other, me: other }
    const made = createMongodb(deps)
    try {
      expect((await fault(session(tls('db.test', set('')), trusted(), made).find('item', {}, LIMITS))).code).toBe('UPSTREAM_INVALID')
    } finally {
      await made.close()
    }
  })

  it('is not given up where the server does not offer it', async () => {
    const uri = `${server.uri(undefined, undefined, 'db.test')}?serverSelectionTimeoutMS=500`
    expect((await fault(session(uri).find('item', {}, LIMITS))).code).toMatch(/UPSTREAM_(ERROR|INVALID)/)
    expect(server.commands).toEqual([])
  })
})

describe('a write whose connection is cut', () => {
  /** A server whose connection was cut is asked again half a second after it was asked last, at the earliest. */
  const PATIENT = 10_000
  const here = () => `db.test:${server.port}`
  const member = () => ({ setName: 'rs', setVersion: 1, hosts: [here()], primary: here(), me: here() })

  it('[db.mongodb-written-once] is tried once more under the same number, and is done once', async () => {
    server.hello = member()
    server.next('insert', { kind: 'cut', done: true })
    await session(at('db.test', set(''), PATIENT)).insertOne('item', '{"n":1}', LIMITS)
    const tries = server.commands.filter((one) => one.insert === 'item')
    expect(tries.length).toBe(2)
    expect(String(tries[1]!.txnNumber)).toBe(String(tries[0]!.txnNumber))
    expect(server.documents('item').length).toBe(1)
    server.next('update', { kind: 'cut', done: true })
    expect(await session(at('db.test', set(''), PATIENT)).updateOne('item', '{"n":1}', '{"$inc":{"n":1}}', false, LIMITS)).toMatchObject({
      modified_count: 1,
    })
    expect(server.documents('item')[0]?.n).toBe(2)
  })

  it('is not tried again with retryWrites=false, nor one that changes many', async () => {
    server.hello = member()
    server.next('insert', { kind: 'cut', done: true })
    const once = await fault(session(at('db.test', `${set('')}&retryWrites=false`, PATIENT)).insertOne('item', '{"n":1}', LIMITS))
    expect(once).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
    server.next('update', { kind: 'cut', done: true })
    const many = await fault(session(at('db.test', set(''), PATIENT)).updateMany('item', '{}', '{"$inc":{"n":1}}', false, LIMITS))
    expect(many).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
    expect(server.documents('item')).toMatchObject([{ n: 2 }])
  })

  it('[db.mongodb-written-once] may have been done although the second try found nobody', async () => {
    server.hello = member()
    const db = session(at('db.test', set('')))
    await db.find('item', {}, LIMITS)
    server.hello = { ...member(), isWritablePrimary: false, ismaster: false, secondary: true, primary: undefined }
    server.next('insert', { kind: 'cut', done: true })
    expect(await fault(db.insertOne('item', '{"n":1}', LIMITS))).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
    expect(server.documents('item').length).toBe(1)
    // Now that it is known that nobody takes writes, nothing is sent.
    expect(await fault(db.insertOne('item', '{"n":2}', LIMITS))).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: false })
    expect(server.documents('item').length).toBe(1)
  })

  it('[db.mongodb-written-once] was not done where it only waited for its turn', async () => {
    const alone = (timeoutMs: number) => session(at('db.test'), { max_open_conns: 1 }).insertOne('item', '{"n":1}', { rows: 1, timeoutMs })
    await session(at('db.test'), { max_open_conns: 1 }).find('item', {}, LIMITS)
    server.next('insert', { kind: 'hold' })
    const first = fault(alone(1_500))
    await server.arrived()
    const second = await fault(alone(50))
    expect(second).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: false })
    expect(server.commands.filter((one) => one.insert).length).toBe(1)
    expect(await first).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: true })
  })
})
