import dns from 'node:dns'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type BoltOptions, type BoltServer, type Canned, startBolt } from '../../../test/fakes/bolt-server.ts'
import { TEST_CERTIFICATE } from '../../../test/fakes/certificate.ts'
import { Float, Structure } from '../../../test/fakes/packstream.ts'
import { Fault } from '../../base/errors.ts'
import { createNeo4j, type Neo4jDriver } from './neo4j.ts'
import { parseNeo4j } from './neo4j-uri.ts'
import type { GraphSession } from './session.ts'
import { wirings } from './wires.ts'

const LIMITS = { records: 100, timeoutMs: 10_000 }
const never = new AbortController().signal

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
    await new Promise((go) => setImmediate(go))
  }
  throw new Error(`not within ${withinMs} ms: ${what}`)
}

const node = (id: number, label: string, properties: object) => new Structure(0x4e, [id, [label], properties, `4:x:${id}`])
const STATEMENTS: Record<string, Canned> = {
  'RETURN 1 AS one': { kind: 'r', fields: ['one'], records: [[1]] },
  'MATCH (n) RETURN n.id AS id': { kind: 'r', fields: ['id'], records: Array.from({ length: 1000 }, (_, i) => [i]) },
  'MATCH (n) RETURN n AS big': { kind: 'r', fields: ['big'], records: [[Buffer.alloc(30_000_000)]] },
  'MATCH (n) RETURN n.text AS text': { kind: 'r', fields: ['text'], records: [['é'.repeat(200_000)], ['short']] },
  'RETURN $a AS a, $b AS b': { kind: 'r', fields: ['a', 'b'], records: [[1, 2]], needs: ['a', 'b'] },
  'MATCH (n) RETURN hidden(n)': { kind: 'rw', fields: [] },
  'MATCH (n) RETURN hanging': { kind: 'r', hangs: true },
  'MERGE (n) RETURN n': {
    kind: 'rw',
    fields: ['n'],
    records: [[node(1, 'L', {})]],
    stats: { 'nodes-created': 1, 'properties-set': 0, 'labels-added': 1 },
  },
  'CREATE (n)': { kind: 'w', stats: { 'nodes-created': 1 } },
  'CREATE (n) RETURN many': {
    kind: 'rw',
    fields: ['many'],
    records: Array.from({ length: 700 }, (_, i) => [i]),
    stats: { 'nodes-created': 700 },
  },
}
const failing = (code: string, message: string): Canned => ({ kind: 'w', fails: { code, message } })

let driver: Neo4jDriver
let asked: string[] = []
const address = async (host: string, port: number) => {
  asked.push(`${host}:${port}`)
  if (host === 'blocked.test') throw new Fault('EGRESS_BLOCKED', 'this host may not be reached')
  return { address: '127.0.0.1', port, family: 4 } as const
}
const running: BoltServer[] = []
async function bolt(options: Partial<BoltOptions> = {}): Promise<BoltServer> {
  const server = await startBolt({ ...options, statements: { ...STATEMENTS, ...options.statements } })
  running.push(server)
  return server
}
interface Over {
  owner?: string
  version?: number
  config?: Record<string, unknown>
  signal?: AbortSignal
  entered?: Record<string, unknown>
  password?: string
}
function open(
  uri: string,
  { owner = uri, version = 1, config = {}, signal = never, entered = {}, password = 'secret' }: Over = {},
): GraphSession {
  const credential = { secret: { password }, entered: { uri, username: 'neo4j', ...entered } }
  return driver.session({ owner, version, credential, config, signal })
}
const names = (server: BoltServer) => server.messages.map(({ name }) => name)
const runs = (server: BoltServer) => server.messages.filter(({ name }) => name === 'RUN').map(({ fields }) => fields[0])

beforeAll(() => {
  driver = createNeo4j({ address, now: Date.now })
})
beforeEach(() => {
  asked = []
})
afterAll(async () => {
  await driver.close()
  for (const server of running) await server.stop()
  expect((await readdir(tmpdir())).filter((name) => name.startsWith(`neo4j-ca-${process.pid}-`))).toEqual([])
})

describe('the wire', () => {
  it('tells the host and public facts', () => {
    const entered = { uri: 'neo4j+s://abc.databases.neo4j.io', username: 'neo4j' }
    expect(wirings.neo4j.read({ secret: { password: 'x' }, entered })).toEqual({
      facts: { host: 'abc.databases.neo4j.io', port: 7687, tls: true },
      hosts: [{ host: 'abc.databases.neo4j.io', port: 7687 }],
    })
  })
  it.each([
    ['bolt://LOCALHOST', { routing: false, tls: false, host: 'localhost', port: 7687 }],
    ['neo4j+s://[fd12::1]:7000/', { routing: true, tls: true, host: 'fd12::1', port: 7000 }],
  ])('reads %s', (uri, expected) => expect(parseNeo4j(uri)).toEqual(expected))
  it.each([
    '',
    'localhost:7687',
    'https://graph.example.com:7474',
    'bolt+ssc://h',
    'neo4j+ssc://h',
    'bolt+unix:///x',
    'bolt://',
    'bolt://user:password@h',
    'bolt://h:0',
    'bolt://h:99999',
    'bolt://a,b',
    'neo4j://h?policy=x',
    'bolt://h/db',
    'bolt://h#x',
    'bolt://h x',
    'bolt://-h',
  ])('[db.tls-verified] refuses %j', (uri) => {
    expect(() => parseNeo4j(uri)).toThrow(expect.objectContaining({ code: 'CREDENTIAL_MALFORMED' }))
  })
})

describe('answers', () => {
  it('are plain JSON with nothing lost', async () => {
    const [ada, bob] = [node(1, 'Person', { name: 'Ada', born: 1815 }), node(2, 'Person', {})]
    const values = {
      big: 9007199254740993n,
      small: 7,
      float: new Float(2),
      nan: new Float(Number.NaN),
      truth: true,
      none: null,
      list: [1, 'a', [null]],
      map: { a: { b: 1 }, __proto: 1 },
      bytes: Buffer.from([0, 255]),
      node: ada,
      relationship: new Structure(0x52, [5, 1, 2, 'KNOWS', { since: 1840 }, '5:x:5', '4:x:1', '4:x:2']),
      path: new Structure(0x50, [[ada, bob], [new Structure(0x72, [5, 'KNOWS', {}, '5:x:5'])], [1, 1]]),
      date: new Structure(0x44, [19_782]),
      local: new Structure(0x64, [1_709_200_800, 123_456_789]),
      zoned: new Structure(0x49, [1_709_200_800, 0, 19_800]),
      duration: new Structure(0x45, [14, 3, 60, 0]),
      point: new Structure(0x58, [4326, new Float(4.5), new Float(52)]),
      high: new Structure(0x59, [9157, 1.5, 2.5, 3.5]),
    }
    const server = await bolt({
      statements: { 'RETURN all': { kind: 'r', fields: Object.keys(values), records: [Object.values(values)] } },
    })
    const { columns, records } = await open(`bolt://127.0.0.1:${server.port}`).read('RETURN all', {}, LIMITS)
    expect(columns).toEqual(Object.keys(values))
    const person = { element_id: '4:x:1', labels: ['Person'], properties: { name: 'Ada', born: 1815 } }
    const other = { element_id: '4:x:2', labels: ['Person'], properties: {} }
    expect(JSON.parse(JSON.stringify(records[0]))).toEqual({
      big: '9007199254740993',
      small: 7,
      float: 2,
      nan: 'NaN',
      truth: true,
      none: null,
      list: [1, 'a', [null]],
      map: { a: { b: 1 }, __proto: 1 },
      bytes: { base64: 'AP8=' },
      node: person,
      relationship: { element_id: '5:x:5', type: 'KNOWS', start: '4:x:1', end: '4:x:2', properties: { since: 1840 } },
      path: {
        nodes: [person, other],
        relationships: [{ element_id: '5:x:5', type: 'KNOWS', start: '4:x:1', end: '4:x:2', properties: {} }],
      },
      date: '2024-02-29',
      local: '2024-02-29T10:00:00.123456789',
      zoned: '2024-02-29T15:30:00+05:30',
      duration: 'P1Y2M3DT1M',
      point: { srid: 4326, x: 4.5, y: 52 },
      high: { srid: 9157, x: 1.5, y: 2.5, z: 3.5 },
    })
  })

  it('parameters are values: whole numbers are whole, and what looks like something else is a map', async () => {
    const server = await bolt()
    const s = open(`bolt://127.0.0.1:${server.port}`)
    await s.read('RETURN $a AS a, $b AS b', { a: 5, b: { x: 1.5, low: 1, high: 2, list: ['1', null, -3] } }, LIMITS)
    const sent = server.messages
      .filter(({ name, fields }) => name === 'RUN' && String(fields[0]).includes('$a'))
      .map(({ fields }) => fields[1])
    const expected = { a: 5n, b: { x: 1.5, low: 1n, high: 2n, list: ['1', null, -3n] } }
    // Once for EXPLAIN, once for the statement itself.
    expect(sent).toEqual([expected, expected])
    let deep: unknown = 1
    for (let i = 0; i < 40; i++) deep = [deep]
    expect((await fault(s.read('RETURN $a AS a, $b AS b', { a: deep, b: 1 }, LIMITS))).code).toBe('INVALID_INPUT')
    expect((await fault(s.read('RETURN $a AS a, $b AS b', { a: 1 }, LIMITS))).code).toBe('UPSTREAM_INVALID')
  })

  it('[db.caps] are cut at records and texts, and say so; the rest is not fetched', async () => {
    const server = await bolt()
    const s = open(`bolt://127.0.0.1:${server.port}`)
    const few = await s.read('MATCH (n) RETURN n.id AS id', {}, { ...LIMITS, records: 3 })
    expect(few).toMatchObject({ records: [{ id: 0 }, { id: 1 }, { id: 2 }], truncated: true })
    expect(names(server).filter((name) => name === 'DISCARD').length).toBeGreaterThan(0)
    expect((await s.read('MATCH (n) RETURN n.id AS id', {}, { ...LIMITS, records: 1000 })).truncated).toBe(false)
    const long = await s.read('MATCH (n) RETURN n.text AS text', {}, LIMITS)
    expect([long.records[0]?.text, long.records[1]?.text, long.truncated]).toEqual(['é'.repeat(128 * 1024), 'short', true])
    const many = await s.write('CREATE (n) RETURN many', {}, { ...LIMITS, records: 5 })
    expect([many.records.length, many.truncated, many.counters]).toEqual([5, true, { nodes_created: 700 }])
    expect(server.committed).toEqual(['CREATE (n) RETURN many'])
  })

  it('[db.caps] that would fill the memory are cut off, and the next call is fine', async () => {
    const server = await bolt()
    const s = open(`bolt://127.0.0.1:${server.port}`)
    expect(await fault(s.read('MATCH (n) RETURN n AS big', {}, LIMITS))).toMatchObject({
      code: 'UPSTREAM_INVALID',
      message: expect.stringContaining('too large'),
    })
    expect((await s.read('RETURN 1 AS one', {}, LIMITS)).records).toEqual([{ one: 1 }])
  })
})

describe('[db.read-only-holds] reading', () => {
  it('is a transaction in read mode, whose statement the server has judged, and that is taken back', async () => {
    const server = await bolt()
    await open(`bolt://127.0.0.1:${server.port}`, { config: { accept_superuser: true } }).read('RETURN 1 AS one', {}, LIMITS)
    expect(names(server)).toEqual(['HELLO', 'LOGON', 'BEGIN', 'RUN', 'PULL', 'RUN', 'PULL', 'ROLLBACK'])
    expect(runs(server)).toEqual(['EXPLAIN RETURN 1 AS one', 'RETURN 1 AS one'])
    expect(server.messages.find(({ name }) => name === 'BEGIN')?.fields[0]).toMatchObject({ mode: 'r', db: 'neo4j', tx_timeout: 10_000n })
  })

  it('of what the server calls more than that is not run', async () => {
    const server = await bolt()
    const s = open(`bolt://127.0.0.1:${server.port}`)
    expect(await fault(s.read('MATCH (n) RETURN hidden(n)', {}, LIMITS))).toMatchObject({
      code: 'TOOL_REFUSED',
      message: expect.stringContaining('more than read'),
    })
    expect(runs(server)).not.toContain('MATCH (n) RETURN hidden(n)')
    // The session is none the worse.
    expect((await s.read('RETURN 1 AS one', {}, LIMITS)).records).toEqual([{ one: 1 }])
  })

  it('holds without the fence, too: the server does not write in a transaction that reads', async () => {
    const server = await bolt()
    const s = open(`bolt://127.0.0.1:${server.port}`)
    for (const cypher of ['CREATE (n)', 'MERGE (n) RETURN n'])
      expect(await fault(s.ask(cypher, {}, LIMITS))).toMatchObject({
        code: 'TOOL_REFUSED',
        details: { code: 'Neo.ClientError.Statement.AccessMode' },
      })
    expect(server.committed).toEqual([])
    expect((await fault(s.read('CREATE (n)', {}, LIMITS))).code).toBe('TOOL_REFUSED')
  })
})

describe('[db.write-one-statement] writing', () => {
  it('is one transaction, committed at its end, and tells what it changed', async () => {
    const server = await bolt()
    const answer = await open(`bolt://127.0.0.1:${server.port}`).write('MERGE (n) RETURN n', {}, LIMITS)
    expect(answer).toEqual({
      columns: ['n'],
      records: [{ n: { element_id: '4:x:1', labels: ['L'], properties: {} } }],
      truncated: false,
      counters: { nodes_created: 1, labels_added: 1 },
    })
    expect(server.committed).toEqual(['MERGE (n) RETURN n'])
    expect(server.messages.filter(({ name }) => name === 'BEGIN').at(-1)?.fields[0]).not.toHaveProperty('mode', 'r')
  })

  it('that fails leaves nothing behind, and the session is fine', async () => {
    const server = await bolt({ statements: { 'CREATE (bad)': failing('Neo.ClientError.Statement.TypeError', 'no') } })
    const s = open(`bolt://127.0.0.1:${server.port}`)
    expect(await fault(s.write('CREATE (bad)', {}, LIMITS))).toMatchObject({ code: 'UPSTREAM_INVALID', maybeDone: false })
    expect(server.committed).toEqual([])
    await s.write('CREATE (n)', {}, LIMITS)
    expect(server.committed).toEqual(['CREATE (n)'])
  })

  it('says that it may be done where the connection was cut at the commit, and only there', async () => {
    const server = await bolt({ cutsAtCommit: true })
    const s = open(`bolt://127.0.0.1:${server.port}`)
    expect(await fault(s.write('CREATE (n)', {}, LIMITS))).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
    const gone = new AbortController()
    const hanging = fault(open(`bolt://127.0.0.1:${server.port}`, { signal: gone.signal }).write('MATCH (n) RETURN hanging', {}, LIMITS))
    await until('it hangs', () => runs(server).at(-1) === 'MATCH (n) RETURN hanging')
    gone.abort(new Fault('STEP_TIMED_OUT', 'gone'))
    expect(await hanging).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: false })
  })
})

describe('connections', () => {
  it('[db.neo4j-judged-addresses] go to the judged address of each name, those of a routing table, too', async () => {
    const [reader, writer] = [await bolt(), await bolt()]
    const seed: BoltServer = await bolt({
      routes: () => ({
        routers: [`seed.test:${seed.port}`],
        readers: [`reader.test:${reader.port}`],
        writers: [`writer.test:${writer.port}`],
      }),
    })
    const lookups = vi.spyOn(dns, 'lookup')
    const s = open(`neo4j://seed.test:${seed.port}`, { config: { allow_plain: true } })
    expect((await s.read('RETURN 1 AS one', {}, LIMITS)).records).toEqual([{ one: 1 }])
    await s.write('CREATE (n)', {}, LIMITS)
    // None of these names exists, and the client asks nobody for one.
    expect(lookups.mock.calls).toEqual([])
    lookups.mockRestore()
    expect(new Set(asked)).toEqual(new Set([`seed.test:${seed.port}`, `reader.test:${reader.port}`, `writer.test:${writer.port}`]))
    expect([runs(reader).includes('RETURN 1 AS one'), writer.committed, runs(seed)]).toEqual([true, ['CREATE (n)'], []])
  })

  it('[db.neo4j-judged-addresses] are not made to a host of a routing table that is refused', async () => {
    const reached: string[] = []
    const trap = createServer((socket) => {
      reached.push('connected')
      socket.destroy()
    }).listen(0, '127.0.0.1')
    await once(trap, 'listening')
    const { port } = trap.address() as { port: number }
    const there = [`blocked.test:${port}`]
    const seed: BoltServer = await bolt({ routes: () => ({ routers: [`127.0.0.1:${seed.port}`], readers: there, writers: there }) })
    const s = open(`neo4j://127.0.0.1:${seed.port}`, { config: { allow_plain: true } })
    expect((await fault(s.read('RETURN 1 AS one', {}, LIMITS))).code).toBe('EGRESS_BLOCKED')
    expect((await fault(s.write('CREATE (n)', {}, LIMITS))).code).toBe('EGRESS_BLOCKED')
    expect(asked).toContain(there[0])
    // The trap does count whoever comes.
    await once(connect(port, '127.0.0.1'), 'close')
    expect(reached).toEqual(['connected'])
    trap.close()
  })

  it('[db.neo4j-judged-addresses] to a refused seed are not made, by neither scheme', async () => {
    for (const scheme of ['bolt+s', 'neo4j+s'])
      expect((await fault(open(`${scheme}://blocked.test`).read('RETURN 1', {}, LIMITS))).code).toBe('EGRESS_BLOCKED')
  })

  it('without TLS are for this host only, also where a routing table says so', async () => {
    const member = await bolt()
    const there = [`member.test:${member.port}`]
    const seed: BoltServer = await bolt({ routes: () => ({ routers: there, readers: there, writers: there }) })
    for (const scheme of ['bolt', 'neo4j'])
      expect((await fault(open(`${scheme}://seed.test:${seed.port}`).read('RETURN 1 AS one', {}, LIMITS))).code).toBe('TOOL_REFUSED')
    expect(asked).toEqual([])
    expect((await fault(open(`neo4j://127.0.0.1:${seed.port}`).read('RETURN 1 AS one', {}, LIMITS))).code).toBe('TOOL_REFUSED')
    expect([member.connections, asked]).toEqual([0, [`127.0.0.1:${seed.port}`]])
  })

  it('[db.tls-verified] verify the name that was asked for, at the address that was judged, before a password is sent', async () => {
    const member = await bolt({ tls: true })
    const routed = (name: string) =>
      bolt({ tls: true, routes: () => ({ routers: [`${name}:1`], readers: [`${name}:${member.port}`], writers: [] }) })
    const config = { ca_certificate: TEST_CERTIFICATE }
    const server = await bolt({ tls: true })
    expect((await open(`bolt+s://db.test:${server.port}`, { config }).read('RETURN 1 AS one', {}, LIMITS)).records).toEqual([{ one: 1 }])
    expect((await open(`bolt+s://127.0.0.1:${server.port}`, { config }).read('RETURN 1 AS one', {}, LIMITS)).records).toEqual([{ one: 1 }])
    const seed = await routed('db.test')
    expect((await open(`neo4j+s://db.test:${seed.port}`, { config }).read('RETURN 1 AS one', {}, LIMITS)).records).toEqual([{ one: 1 }])
    expect(runs(member)).toContain('RETURN 1 AS one')

    const untouched = await bolt({ tls: true })
    for (const [uri, over] of [
      [`bolt+s://other.test:${untouched.port}`, { config }],
      [`bolt+s://db.test:${untouched.port}`, {}],
      [`neo4j+s://other.test:${untouched.port}`, { config }],
    ] as const)
      expect((await fault(open(uri, over).read('RETURN 1 AS one', {}, LIMITS))).code).toMatch(/^UPSTREAM_(INVALID|ERROR)$/)
    expect([untouched.connections > 0, untouched.messages]).toEqual([true, []])
    const before = member.messages.length
    const misled = await routed('other.test')
    expect((await fault(open(`neo4j+s://db.test:${misled.port}`, { config }).read('RETURN 1 AS one', {}, LIMITS))).code).toMatch(
      /^UPSTREAM_/,
    )
    expect(member.messages.length).toBe(before)
  })

  it('[db.cancel-reaches-server] end when the caller goes away or the time is up', async () => {
    const server = await bolt()
    const gone = new AbortController()
    const s = open(`bolt://127.0.0.1:${server.port}`, { signal: gone.signal, config: { accept_superuser: true } })
    const reading = fault(s.read('MATCH (n) RETURN hanging', {}, LIMITS))
    await until('it hangs', () => runs(server).length === 2)
    gone.abort(new Fault('STEP_TIMED_OUT', 'the caller went away'))
    expect(await reading).toMatchObject({ code: 'STEP_TIMED_OUT', message: 'the caller went away', maybeDone: false })
    await until('the connection is gone', () => server.open === 0)
    const late = open(`bolt://127.0.0.1:${server.port}`, { owner: 'late' })
    expect((await fault(late.read('MATCH (n) RETURN hanging', {}, { ...LIMITS, timeoutMs: 50 }))).code).toBe('STEP_TIMED_OUT')
    await until('the connection is gone', () => server.open === 0)
  })

  it('[db.caps] are bounded, and one that died is replaced', async () => {
    const server = await bolt()
    const s = open(`bolt://127.0.0.1:${server.port}`, { config: { max_open_conns: 2, max_idle_conns: 2 } })
    await Promise.all(Array.from({ length: 10 }, () => s.write('CREATE (n)', {}, LIMITS)))
    expect([server.committed.length, server.connections]).toEqual([10, 2])
    server.cut()
    await until('they are gone', () => server.open === 0)
    await s.write('CREATE (n)', {}, LIMITS)
    expect(server.committed.length).toBe(11)
  })

  it('[db.drain] of a version that was replaced are closed', async () => {
    const server = await bolt()
    const uri = `bolt://127.0.0.1:${server.port}`
    for (const version of [1, 2]) await open(uri, { owner: 'drain', version }).read('RETURN 1 AS one', {}, LIMITS)
    expect(server.open).toBe(2)
    await driver.drain('drain', 2)
    await until('one is left', () => server.open === 1)
    await driver.drain('drain')
    await until('none is left', () => server.open === 0)
  })
})

describe('[db.errors-say-no-values] failures', () => {
  it.each([
    ['Neo.ClientError.Security.Forbidden', 'Create node with labels is not allowed for user', 'SCOPE_MISSING'],
    [
      'Neo.ClientError.Schema.ConstraintValidationFailed',
      "Node(7) already exists with label `P` and property `mail` = 'hunter22@example.com'",
      'UPSTREAM_CONFLICT',
    ],
    ['Neo.TransientError.Transaction.DeadlockDetected', 'deadlock', 'UPSTREAM_CONFLICT'],
    ['Neo.TransientError.General.MemoryPoolOutOfMemoryError', 'out of memory', 'UPSTREAM_ERROR'],
    ['Neo.ClientError.Statement.EntityNotFound', 'gone', 'UPSTREAM_NOT_FOUND'],
    ['Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration', 'timed out', 'STEP_TIMED_OUT'],
    ['Neo.ClientError.Statement.ArgumentError', "Text 'hunter22' cannot be parsed", 'UPSTREAM_INVALID'],
    ['Neo.ClientError.Security.AuthenticationRateLimit', 'too often', 'UPSTREAM_RATE_LIMITED'],
    ['Neo.ClientError.Security.TokenExpired', 'expired', 'CREDENTIAL_REJECTED'],
  ])('%s', async (said, message, code) => {
    const server = await bolt({ statements: { 'CREATE (bad)': failing(said, message) } })
    const error = await fault(open(`bolt://127.0.0.1:${server.port}`).write('CREATE (bad)', { secret: 'hunter22' }, LIMITS))
    expect(error).toMatchObject({ code, maybeDone: false })
    expect(error.message + error.hint).not.toContain('hunter22')
  })

  it('a password that is refused, a database that is not there, a server of another age, nobody at the port', async () => {
    const server = await bolt()
    const uri = `bolt://127.0.0.1:${server.port}`
    const refused = await fault(open(uri, { password: 'wrong-secret' }).read('RETURN 1 AS one', {}, LIMITS))
    expect([refused.code, refused.message.includes('wrong-secret')]).toEqual(['CREDENTIAL_REJECTED', false])
    expect((await fault(open(uri, { entered: { database: 'nowhere' } }).ask('RETURN 1 AS one', {}, LIMITS))).code).toBe(
      'UPSTREAM_NOT_FOUND',
    )
    const old = await bolt({ version: [1, 0] })
    expect((await fault(open(`bolt://127.0.0.1:${old.port}`).ask('RETURN 1 AS one', {}, LIMITS))).code).toMatch(/^UPSTREAM_/)
    await old.stop()
    running.splice(running.indexOf(old), 1)
    expect(await fault(open(`bolt://127.0.0.1:${old.port}`).write('CREATE (n)', {}, LIMITS))).toMatchObject({
      code: 'UPSTREAM_ERROR',
      maybeDone: false,
    })
  })
})
