import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { MONGO_DATABASE, MONGO_PASSWORD, MONGO_USER, startTestMongo, type TestMongo } from '../../../test/fakes/mongo-server.ts'
import { Fault } from '../../base/errors.ts'
import type { Driver, Use } from './driver.ts'
import { createMongodb } from './mongodb.ts'
import type { MongoSession } from './mongodb-session.ts'

let server: TestMongo
let driver: Driver<MongoSession>
let asked: string[] = []

const deps = {
  address: async (host: string, port: number) => {
    asked.push(`${host}:${port}`)
    if (host.startsWith('blocked') || host === '10.0.0.5') throw new Fault('EGRESS_BLOCKED', 'this host may not be reached')
    return { address: '127.0.0.1', port, family: 4 } as const
  },
  srv: () => Promise.reject(new Fault('UPSTREAM_ERROR', 'no names here')),
  now: Date.now,
}

beforeAll(async () => {
  server = await startTestMongo()
  driver = createMongodb(deps)
})
afterEach(async () => {
  server.reset()
  asked = []
})
afterAll(async () => {
  await driver.close()
  await server.stop()
})

const LIMITS = { rows: 100, timeoutMs: 10_000 }
const session = (
  owner: string,
  over: { uri?: string; config?: Use['config']; signal?: AbortSignal; version?: number; database?: string } = {},
) =>
  driver.session({
    owner,
    version: over.version ?? 1,
    credential: { secret: { uri: over.uri ?? server.uri() }, entered: { database: over.database ?? MONGO_DATABASE } },
    config: over.config ?? {},
    signal: over.signal ?? new AbortController().signal,
  })
const fault = async (call: Promise<unknown>): Promise<Fault> => {
  const error = await call.then(
    (value) => new Error('was answered: ' + JSON.stringify(value)),
    (e: unknown) => e,
  )
  if (error instanceof Fault) return error
  throw error
}
async function until(what: string, holds: () => boolean, withinMs = 2000) {
  for (const end = Date.now() + withinMs; Date.now() < end; ) {
    if (holds()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error(`not within ${withinMs} ms: ${what}`)
}

describe('documents', () => {
  it('go in and come out as Extended JSON', async () => {
    const db = session('types')
    const { inserted_id } = await db.insertOne(
      'item',
      `{"_id": {"$oid": "650000000000000000000001"}, "n": 1, "big": {"$numberLong": "9007199254740993"}, "price": {"$numberDecimal": "1.10"},
        "at": {"$date": "2024-02-29T10:00:00Z"}, "bytes": {"$binary": {"base64": "aGk=", "subType": "00"}}, "f": 1.5, "none": null,
        "list": [1, {"a": true}], "id": {"$uuid": "c0de0000-0000-4000-8000-000000000001"}}`,
      LIMITS,
    )
    expect(inserted_id).toEqual({ $oid: '650000000000000000000001' })
    const { documents, truncated } = await db.find('item', { filter: '{"_id": {"$oid": "650000000000000000000001"}}' }, LIMITS)
    expect(truncated).toBe(false)
    expect(documents).toEqual([
      {
        _id: { $oid: '650000000000000000000001' },
        n: 1,
        big: { $numberLong: '9007199254740993' },
        price: { $numberDecimal: '1.10' },
        at: { $date: '2024-02-29T10:00:00Z' },
        bytes: { $binary: { base64: 'aGk=', subType: '00' } },
        f: 1.5,
        none: null,
        list: [1, { a: true }],
        id: { $binary: { base64: 'wN4AAAAAQACAAAAAAAAAAQ==', subType: '04' } },
      },
    ])
  })

  it('are found, counted, changed and deleted', async () => {
    const db = session('crud')
    for (const n of [1, 2, 3, 4, 5]) await db.insertOne('item', JSON.stringify({ n, kind: n % 2 ? 'odd' : 'even' }), LIMITS)
    expect(await db.find('item', { filter: '{"kind":"odd"}', sort: '{"n":-1}', skip: 1, projection: '{"_id":0,"n":1}' }, LIMITS)).toEqual({
      documents: [{ n: 3 }, { n: 1 }],
      truncated: false,
    })
    expect((await db.findOne('item', { filter: '{"n":{"$gt":4}}' }, LIMITS)).document).toMatchObject({ n: 5 })
    expect(await db.findOne('item', { filter: '{"n":9}' }, LIMITS)).toEqual({ document: null, truncated: false })
    expect(await db.count('item', '{"kind":"even"}', LIMITS)).toEqual({ count: 2 })
    expect(await db.count('item', undefined, LIMITS)).toEqual({ count: 5 })
    expect(await db.count('nothing', undefined, LIMITS)).toEqual({ count: 0 })
    const pipeline = '[{"$group":{"_id":"$kind","sum":{"$sum":"$n"}}},{"$sort":{"_id":1}}]'
    expect((await db.aggregate('item', pipeline, LIMITS)).documents).toEqual([
      { _id: 'even', sum: 6 },
      { _id: 'odd', sum: 9 },
    ])
    expect(await db.updateOne('item', '{"n":1}', '{"$set":{"kind":"one"}}', false, LIMITS)).toEqual({
      matched_count: 1,
      modified_count: 1,
      upserted_id: null,
    })
    expect(await db.updateMany('item', '{"kind":"even"}', '[{"$set":{"kind":"EVEN"}}]', false, LIMITS)).toMatchObject({ modified_count: 2 })
    expect(await db.updateOne('item', '{"n":7}', '{"$set":{"kind":"new"}}', true, LIMITS)).toMatchObject({
      matched_count: 0,
      upserted_id: { $oid: expect.stringMatching(/^[0-9a-f]{24}$/) },
    })
    expect(await db.deleteOne('item', '{"kind":"EVEN"}', LIMITS)).toEqual({ deleted_count: 1 })
    expect(await db.deleteMany('item', '{"kind":{"$in":["odd","EVEN"]}}', LIMITS)).toEqual({ deleted_count: 3 })
    expect(server.documents('item').map((one) => one.kind)).toEqual(['one', 'new'])
  })
})

describe('signing in', () => {
  it('is refused with a wrong password, and the failure shows none of it', async () => {
    for (const uri of [server.uri(MONGO_USER, 'wrong-canary'), server.uri('nobody', 'wrong-canary'), `${server.uri()}?authSource=shop`]) {
      const said = await fault(session('auth', { uri }).find('item', {}, LIMITS))
      expect(said).toMatchObject({ code: 'CREDENTIAL_REJECTED', details: { code: 18 }, maybeDone: false })
      expect(said.message + said.hint).not.toMatch(/canary|p@ss/)
    }
    expect(server.commands).toEqual([])
  })

  it('lacks a role: what is missing is said, without the values of the command', async () => {
    server.user('reader', 'reader', [{ role: 'read', db: MONGO_DATABASE }])
    const db = session('reader', { uri: server.uri('reader', 'reader') })
    expect((await db.find('item', {}, LIMITS)).documents).toEqual([])
    const said = await fault(db.insertOne('item', '{"name":"canary-value"}', LIMITS))
    expect(said).toMatchObject({ code: 'SCOPE_MISSING', details: { code: 13, name: 'Unauthorized' } })
    expect(said.message).toContain('not authorized on shop to execute command')
    expect(said.message).not.toContain('canary')
    expect(server.documents('item')).toEqual([])
  })
})

it('every option that is taken is taken by the client, too, and none makes it print', async () => {
  vi.stubEnv('MONGODB_LOG_ALL', 'trace')
  const printed = [vi.spyOn(process.stderr, 'write'), vi.spyOn(process.stdout, 'write')]
  const options =
    'authSource=admin&authMechanism=SCRAM-SHA-256&appName=x&connectTimeoutMS=1000&serverSelectionTimeoutMS=2000&socketTimeoutMS=3000' +
    '&timeoutMS=4000&maxIdleTimeMS=5000&waitQueueTimeoutMS=6000&heartbeatFrequencyMS=700&localThresholdMS=8&maxPoolSize=9&retryWrites=true' +
    '&retryReads=false&w=majority&journal=true&wtimeoutMS=10&readConcernLevel=majority&readPreference=secondaryPreferred' +
    '&readPreferenceTags=dc:ny,rack:1&readPreferenceTags=&maxStalenessSeconds=120&tls=false&directConnection=true'
  try {
    const db = session('options', { uri: `${server.uri()}?${options}` })
    await db.find('item', {}, LIMITS)
    await db.insertOne('item', '{"n":1}', LIMITS)
    expect(printed.map((spy) => spy.mock.calls)).toEqual([[], []])
  } finally {
    vi.unstubAllEnvs()
    for (const spy of printed) spy.mockRestore()
  }
  expect(server.commands.find((one) => one.find)?.readConcern).toEqual({ level: 'majority' })
  expect(server.commands.find((one) => one.insert)?.writeConcern).toEqual({ w: 'majority', j: true, wtimeout: 10 })
})

describe('what a user is', () => {
  it('roles, grants and powers are told', async () => {
    expect(await session('who').whoami(LIMITS)).toEqual({
      user: 'app',
      database: 'shop',
      roles: ['readWrite@shop'],
      grants: ['find', 'insert', 'update', 'remove'],
      powers: [],
      everywhere: [],
      tls: false,
      loopback: true,
    })
    server.user('half', 'half', [
      { role: 'looker', db: 'shop', collection: 'item', actions: ['find'] },
      { role: 'readWriteAnyDatabase', db: 'admin' },
    ])
    expect(await session('who', { uri: server.uri('half', 'half') }).whoami(LIMITS)).toMatchObject({
      roles: ['looker@shop', 'readWriteAnyDatabase@admin'],
      everywhere: ['readWriteAnyDatabase'],
      powers: [],
    })
    server.user('looker', 'looker', [{ role: 'looker', db: 'shop', collection: 'item', actions: ['find'] }])
    expect(await session('who', { uri: server.uri('looker', 'looker') }).whoami(LIMITS)).toMatchObject({ grants: ['find'], powers: [] })
  })

  it.each([
    [[{ role: 'root', db: 'admin' }], 'root on admin'],
    [[{ role: '__system', db: 'admin' }], '__system on admin'],
    [[{ role: 'dbAdmin', db: 'shop' }], 'dbAdmin on shop'],
    [[{ role: 'dbOwner', db: 'shop' }], 'dbOwner on shop'],
    [
      [
        { role: 'read', db: 'shop' },
        { role: 'userAdmin', db: 'other' },
      ],
      'userAdmin on other',
    ],
    [[{ role: 'custom', db: 'shop', actions: ['find', 'createUser'] }], 'able to createUser'],
    [[{ role: 'custom', db: 'shop', actions: ['find', 'dropDatabase'] }], 'able to dropDatabase'],
  ])('[db.superuser-refused] %j runs nothing until somebody accepts that', async (roles, power) => {
    const name = `power-${power.replaceAll(' ', '-')}`
    server.user(name, 'pw', roles)
    server.documents('item').push({ _id: 1 })
    const uri = server.uri(name, 'pw')
    for (const call of [
      (db: MongoSession) => db.find('item', {}, LIMITS),
      (db: MongoSession) => db.aggregate('item', '[]', LIMITS),
      (db: MongoSession) => db.deleteMany('item', '{}', LIMITS),
    ]) {
      const said = await fault(call(session(name, { uri })))
      expect(said).toMatchObject({ code: 'TOOL_REFUSED', details: { powers: [power] } })
    }
    expect(server.commands.map((one) => Object.keys(one)[0])).toEqual(['connectionStatus'])
    expect(await session(name, { uri }).whoami(LIMITS)).toMatchObject({ powers: [power] })
    if (power.startsWith('root')) {
      expect((await session(name, { uri, config: { accept_superuser: true } }).find('item', {}, LIMITS)).documents).toEqual([{ _id: 1 }])
    }
  })

  it('[db.superuser-refused] a server that asks nobody to sign in is no better', async () => {
    const open = await startTestMongo({ auth: false })
    try {
      const uri = `mongodb://127.0.0.1:${open.port}`
      expect(await fault(session('open', { uri }).find('item', {}, LIMITS))).toMatchObject({ code: 'TOOL_REFUSED' })
      expect(await session('open', { uri }).whoami(LIMITS)).toMatchObject({ user: null, grants: null })
      expect((await session('open', { uri, config: { accept_superuser: true } }).find('item', {}, LIMITS)).documents).toEqual([])
      await driver.drain('open')
    } finally {
      await open.stop()
    }
  })
})

describe('[db.caps] how much comes back', () => {
  const fill = (count: number, body = '') => {
    for (let n = 0; n < count; n++) server.documents('item').push({ _id: n, body })
  }

  it('ends at the rows, in batches, and leaves no cursor at the server', async () => {
    fill(350)
    const answer = await session('caps').find('item', {}, { ...LIMITS, rows: 250 })
    expect([answer.documents.length, answer.truncated]).toEqual([250, true])
    expect(server.commands.filter((one) => one.getMore !== undefined).length).toBe(2)
    expect(await session('caps').find('item', {}, { ...LIMITS, rows: 350 })).toMatchObject({ truncated: false })
    const grouped = await session('caps').aggregate('item', '[{"$match":{"_id":{"$lt":120}}}]', { ...LIMITS, rows: 110 })
    expect([grouped.documents.length, grouped.truncated]).toEqual([110, true])
    await until('no cursor is open', () => server.openCursors() === 0)
  })

  it('ends at the bytes, and kills the cursor', async () => {
    fill(300, 'x'.repeat(100_000))
    const { documents, truncated } = await session('caps').find('item', {}, { ...LIMITS, rows: 250 })
    expect(truncated).toBe(true)
    expect(documents.length).toBe(41)
    await until('no cursor is open', () => server.openCursors() === 0)
    expect(server.commands.some((one) => one.killCursors === 'item')).toBe(true)
  })

  it('cuts a long value, and says of one document that it is too large', async () => {
    server.documents('item').push({ _id: 1, body: 'x'.repeat(300_000) })
    const { documents, truncated } = await session('caps').find('item', {}, LIMITS)
    expect([(documents[0]!.body as string).length, truncated]).toEqual([256 * 1024, true])
    const parts = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`f${n}`, 'x'.repeat(250_000)]))
    server.documents('large').push({ _id: 1, ...parts })
    expect((await fault(session('caps').findOne('large', {}, LIMITS))).code).toBe('UPSTREAM_INVALID')
    expect((await session('caps').findOne('large', { projection: '{"f1":1}' }, LIMITS)).document).toMatchObject({ _id: 1 })
  })

  it('bounds the connections to the server, and hands each command its time', async () => {
    const own = await startTestMongo()
    try {
      const db = session('many', { uri: own.uri(), config: { max_open_conns: 2 } })
      await db.find('item', {}, LIMITS)
      for (let n = 0; n < 2; n++) own.next('find', { kind: 'hold' })
      const waiting = Array.from({ length: 6 }, () => db.find('item', {}, { rows: 1, timeoutMs: 150 }).catch((e: Fault) => e.code))
      await until('two commands run', () => own.running() === 2)
      // Two of the pool, and the one that watches the server.
      expect(own.connections()).toBeLessThanOrEqual(3)
      expect((await Promise.all(waiting)).filter((one) => one === 'STEP_TIMED_OUT').length).toBe(2)
      const timed = own.commands.filter((one) => one.find === 'item').slice(1)
      expect(timed.map((one) => one.maxTimeMS)).toEqual(timed.map(() => 150))
      await driver.drain('many')
    } finally {
      await own.stop()
    }
  })
})

describe('[db.cancel-reaches-server] giving up', () => {
  it.each(['find', 'aggregate', 'insert', 'update', 'delete'] as const)('ends a %s at the server', async (command) => {
    const abort = new AbortController()
    const db = session('cancel', { signal: abort.signal })
    await db.count('item', undefined, LIMITS)
    server.next(command, { kind: 'hold' })
    const arrived = server.arrived()
    const calls: Record<typeof command, () => Promise<unknown>> = {
      find: () => db.find('item', {}, LIMITS),
      aggregate: () => db.aggregate('item', '[]', LIMITS),
      insert: () => db.insertOne('item', '{"n":1}', LIMITS),
      update: () => db.updateMany('item', '{}', '{"$set":{"n":1}}', false, LIMITS),
      delete: () => db.deleteMany('item', '{}', LIMITS),
    }
    const work = fault(calls[command]())
    await arrived
    expect(server.running()).toBe(1)
    abort.abort()
    const writes = !['find', 'aggregate'].includes(command)
    expect(await work).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: writes })
    await until('the server has stopped', () => server.running() === 0)
    // The next caller finds a client in order.
    expect(await session('cancel').count('item', undefined, LIMITS)).toEqual({ count: 0 })
  })

  it('ends while a cursor is read', async () => {
    for (let n = 0; n < 300; n++) server.documents('item').push({ _id: n })
    const abort = new AbortController()
    server.next('getMore', { kind: 'hold' })
    const arrived = server.arrived()
    const work = fault(session('cancel', { signal: abort.signal }).find('item', {}, { ...LIMITS, rows: 250 }))
    await arrived
    abort.abort()
    expect(await work).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: false })
    await until('the server has stopped', () => server.running() === 0)
  })

  it('every command has its time', async () => {
    const db = session('timed')
    await db.find('item', {}, LIMITS)
    await db.count('item', undefined, LIMITS)
    await db.aggregate('item', '[]', LIMITS)
    await db.insertOne('item', '{"n":1}', LIMITS)
    await db.updateOne('item', '{}', '{"$set":{"n":2}}', false, LIMITS)
    await db.deleteOne('item', '{}', LIMITS)
    expect(server.commands.map((one) => [Object.keys(one)[0], one.maxTimeMS])).toEqual(
      ['connectionStatus', 'find', 'aggregate', 'aggregate', 'insert', 'update', 'delete'].map((name) => [name, 10_000]),
    )
    server.commands.length = 0
    await session('timed', { uri: `${server.uri()}?timeoutMS=700` }).find('item', {}, LIMITS)
    expect(server.commands.map((one) => one.maxTimeMS)).toEqual([700, 700])
  })

  it('the time of the server is up first', async () => {
    server.next('find', { kind: 'hold' })
    expect(await fault(session('slow').find('item', {}, { rows: 1, timeoutMs: 60 }))).toMatchObject({
      code: 'STEP_TIMED_OUT',
      details: { code: 50 },
      maybeDone: false,
    })
    server.next('update', { kind: 'hold' })
    const write = session('slow').updateMany('item', '{}', '{"$set":{"n":1}}', false, { rows: 1, timeoutMs: 60 })
    expect(await fault(write)).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: true })
  })
})

describe('[db.errors-say-no-values] failures', () => {
  it('a duplicate is a conflict and shows the index, not the value', async () => {
    server.documents('customer').push({ _id: 1, email: 'canary@example.com' })
    const said = await fault(session('dup').insertOne('customer', '{"_id":2,"email":"canary@example.com"}', LIMITS))
    expect(said).toMatchObject({ code: 'UPSTREAM_CONFLICT', details: { code: 11000 }, maybeDone: false })
    expect(said.message).toContain('index: email_')
    expect(said.message).not.toContain('canary')
    expect((await fault(session('dup').insertOne('customer', '{"_id":1}', LIMITS))).code).toBe('UPSTREAM_CONFLICT')
  })

  it.each([
    [2, 'BadValue', 'unknown operator: $foo canary-1', 'UPSTREAM_INVALID', false],
    [9, 'FailedToParse', "cannot parse 'canary-1'", 'UPSTREAM_INVALID', false],
    [241, 'ConversionFailure', "Failed to parse number 'row-canary' in $convert with no onError value", 'UPSTREAM_INVALID', false],
    [
      14,
      'TypeMismatch',
      "Cannot apply $inc to a value of non-numeric type. {_id: 'row-canary'} has the field 'n'",
      'UPSTREAM_INVALID',
      false,
    ],
    [121, 'DocumentValidationFailure', 'Document failed validation', 'UPSTREAM_INVALID', false],
    [26, 'NamespaceNotFound', 'ns not found', 'UPSTREAM_NOT_FOUND', false],
    [112, 'WriteConflict', 'Write conflict during plan execution', 'UPSTREAM_CONFLICT', false],
    [8000, 'AtlasError', 'bad auth : authentication failed', 'CREDENTIAL_REJECTED', false],
    [8000, 'AtlasError', 'you are over your space quota', 'UPSTREAM_INVALID', false],
    [91, 'ShutdownInProgress', 'the server is shutting down', 'UPSTREAM_ERROR', true],
    [11602, 'InterruptedDueToReplStateChange', 'operation was interrupted', 'UPSTREAM_ERROR', true],
  ])('%i %s (%s) is %s', async (code, codeName, message, becomes, maybeDone) => {
    server.next('update', { kind: 'error', code, codeName, message })
    const said = await fault(session('codes').updateOne('item', '{"a":"canary-1"}', '{"$set":{"n":1}}', false, LIMITS))
    expect(said).toMatchObject({ code: becomes, maybeDone })
    expect(said.message + said.hint).not.toMatch(/canary|p@ss|p%40ss/)
  })

  it('a connection that is cut: a read is tried once more, a write of many may have been done', async () => {
    server.documents('item').push({ _id: 1 })
    server.next('find', { kind: 'cut', done: false })
    expect((await session('cut').find('item', {}, LIMITS)).documents).toEqual([{ _id: 1 }])
    server.next('update', { kind: 'cut', done: true })
    const said = await fault(session('cut').updateMany('item', '{}', '{"$set":{"n":1}}', false, LIMITS))
    expect(said).toMatchObject({ code: 'UPSTREAM_ERROR', message: 'the connection to the database was lost', maybeDone: true })
  })

  it('a write that too few servers confirm may have been done', async () => {
    server.next('insert', { kind: 'write-concern' })
    const said = await fault(session('wc', { uri: `${server.uri()}?w=majority&wtimeoutMS=50` }).insertOne('item', '{"n":1}', LIMITS))
    expect(said).toMatchObject({ code: 'UPSTREAM_ERROR', details: { code: 64 }, maybeDone: true })
    expect(server.commands.find((one) => one.insert)?.writeConcern).toMatchObject({ w: 'majority', wtimeout: 50 })
  })

  it('a server that is too old is told from one that is away', async () => {
    const own = await startTestMongo()
    own.hello = { maxWireVersion: 6 }
    try {
      const said = await fault(session('old', { uri: `${own.uri()}?serverSelectionTimeoutMS=200` }).find('item', {}, LIMITS))
      expect(said).toMatchObject({ code: 'UPSTREAM_INVALID', message: expect.stringContaining('version') })
      await driver.drain('old')
    } finally {
      await own.stop()
    }
  })

  it('a host where nobody answers is not there, and nothing can have been done', async () => {
    const uri = `mongodb://a:b@127.0.0.1:1/?serverSelectionTimeoutMS=200`
    expect(await fault(session('away', { uri }).insertOne('item', '{}', LIMITS))).toMatchObject({
      code: 'UPSTREAM_ERROR',
      maybeDone: false,
    })
  })
})

describe('[db.drain] a replaced credential', () => {
  it('lets what runs end, then closes its connections', async () => {
    const own = await startTestMongo()
    try {
      own.next('find', { kind: 'hold' })
      const old = session('drained', { uri: own.uri() }).find('item', {}, { rows: 1, timeoutMs: 300 })
      const ended = fault(old)
      await own.arrived()
      let drained = false
      const draining = driver.drain('drained', 2).then(() => (drained = true))
      await new Promise((resolve) => setImmediate(resolve))
      expect([drained, own.running()]).toEqual([false, 1])
      // Its own end, not one that the drain made.
      expect(await ended).toMatchObject({ code: 'STEP_TIMED_OUT', details: { code: 50 } })
      await draining
      await until('nobody is connected', () => own.connections() === 0)
      await session('drained', { uri: own.uri(), version: 2 }).find('item', {}, LIMITS)
      await driver.drain('drained', 2)
      expect(own.connections()).toBeGreaterThan(0)
      await driver.drain('drained')
      await until('nobody is connected', () => own.connections() === 0)
    } finally {
      await own.stop()
    }
  })

  it('an unused client is closed', async () => {
    const own = await startTestMongo()
    const brief = createMongodb({ ...deps, idleMs: 1 })
    try {
      const use = { owner: 'idle', version: 1, credential: { secret: { uri: own.uri() }, entered: { database: 'shop' } }, config: {} }
      await brief.session({ ...use, signal: new AbortController().signal }).find('item', {}, LIMITS)
      await until('nobody is connected', () => own.connections() === 0)
    } finally {
      await brief.close()
      await own.stop()
    }
  })
})

it('the password is known in both spellings to whoever takes it out of answers', async () => {
  const { wirings } = await import('./wires.ts')
  const uri = server.uri()
  expect(wirings.mongodb.parts({ uri })).toEqual({ uri: [encodeURIComponent(MONGO_PASSWORD), MONGO_PASSWORD] })
  expect(wirings.mongodb.read({ secret: { uri }, entered: {} })).toEqual({
    facts: { host: '127.0.0.1', port: server.port, user: 'app', tls: false, srv: false },
    hosts: [{ host: '127.0.0.1', port: server.port }],
  })
})
