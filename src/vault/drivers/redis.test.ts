import { toLoopback } from '../../../test/fakes/loopback.ts'
import type { DriverDeps } from './driver.ts'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { there } from '../../../test/fakes/part.ts'
import { APP_PASSWORD, REDIS_SERVER, startTestRedis, type TestRedis } from '../../../test/fakes/redis-server.ts'
import { Fault } from '../../base/errors.ts'
import { createRedis, type RedisDriver } from './redis.ts'
import type { RedisSession } from './session.ts'
import { wirings } from './wires.ts'

const LIMITS = { elements: 100, timeoutMs: 10_000 }
const never = new AbortController().signal

let driver: RedisDriver
let asked: string[] = []
const address = async (host: string, port: number) => {
  asked.push(`${host}:${port}`)
  if (host === 'blocked.test') throw new Fault('EGRESS_BLOCKED', 'this host may not be reached')
  return { address: '127.0.0.1', port, family: 4 } as const
}
const joined: DriverDeps['connect'] = async (host, port, options) => {
  await address(host, port)
  return toLoopback(host, port, options)
}
beforeEach(() => {
  asked = []
})

const fault = async (call: Promise<unknown>): Promise<Fault> => {
  const error = await call.then(
    (value) => new Error('was answered: ' + JSON.stringify(value)),
    (e: unknown) => e,
  )
  if (error instanceof Fault) return error
  throw error
}
async function until(what: string, holds: () => Promise<boolean>, withinMs = 2000) {
  for (const end = Date.now() + withinMs; Date.now() < end; ) if (await holds()) return
  throw new Error(`not within ${withinMs} ms: ${what}`)
}
interface Over {
  owner?: string
  version?: number
  config?: Record<string, unknown>
  signal?: AbortSignal
}
const open = (dsn: string, { owner = dsn, version = 1, config = {}, signal = never }: Over = {}): RedisSession =>
  driver.session({ owner, version, credential: { secret: { dsn }, entered: {} }, config, signal })

describe('the wire', () => {
  it('tells hosts and public facts, and what is secret in a connection string', () => {
    const dsn = 'rediss://app:p%40ss@cache.example.com:6380/2'
    expect(wirings.redis.read({ secret: { dsn }, entered: {} })).toEqual({
      facts: { host: 'cache.example.com', port: 6380, database: 2, user: 'app', tls: true },
      hosts: [{ host: 'cache.example.com', port: 6380 }],
    })
    expect(wirings.redis.parts({ dsn })).toEqual({ dsn: ['p%40ss', 'p@ss'] })
  })
})

describe.skipIf(!there(REDIS_SERVER, 'redis-server', 'the Redis driver'))('the driver', () => {
  let server: TestRedis
  beforeAll(async () => {
    server = await startTestRedis()
    driver = createRedis({ address, connect: joined, now: Date.now })
  }, 30_000)
  afterAll(async () => {
    await driver?.close()
    await server?.stop()
  })

  const as = (owner: string, over: Over = {}) => open(`${server.dsn()}?client_name=${owner}`, { owner, ...over })
  const clients = async (name: string) =>
    String(await server.admin('CLIENT', 'LIST'))
      .split('\n')
      .filter((line) => line.includes(` name=${name} `))
  const tls = (host: string, config: Record<string, unknown> = { ca_certificate: server.certificate }) =>
    open(`rediss://app:${encodeURIComponent(APP_PASSWORD)}@${host}:${server.tlsPort}/0`, { config })

  describe('answers', () => {
    it('are plain JSON with nothing lost', async () => {
      const s = as('plain')
      await server.admin('SET', 'text', 'grüße 👋')
      await server.admin('SETBIT', 'bytes', '0', '1')
      await server.admin('SET', 'count', '9007199254740993')
      await server.admin('ZADD', 'z', '1.5', 'a')
      await server.admin('XADD', 's', '1-1', 'f', 'v')
      expect(await s.read('GET', ['text'], LIMITS)).toEqual({ value: 'grüße 👋', truncated: false })
      expect(await s.read('GET', ['bytes'], LIMITS)).toEqual({ value: { base64: 'gA==' }, truncated: false })
      expect(await s.read('MGET', ['text', 'none'], LIMITS)).toEqual({ value: ['grüße 👋', null], truncated: false })
      expect((await s.write('INCR', ['count'], LIMITS)).value).toBe('9007199254740994')
      expect((await s.read('ZRANGE', ['z', '0', '-1', 'WITHSCORES'], LIMITS)).value).toEqual(['a', '1.5'])
      expect((await s.read('XRANGE', ['s', '-', '+'], LIMITS)).value).toEqual([['1-1', ['f', 'v']]])
      expect((await s.read('object', ['encoding', 'text'], LIMITS)).value).toBe('embstr')
      expect((await s.read('TTL', ['none'], LIMITS)).value).toBe(-2)
      expect((await s.write('SET', ['text', 'x', 'XX', 'GET'], LIMITS)).value).toBe('grüße 👋')
    })

    it('[db.caps] are cut at values, characters and bytes, and say so', async () => {
      const s = as('caps')
      await server.admin('RPUSH', 'list', ...Array.from({ length: 300 }, (_, i) => String(i)))
      const few = await s.read('LRANGE', ['list', '0', '-1'], { ...LIMITS, elements: 7 })
      expect(few).toEqual({ value: ['0', '1', '2', '3', '4', '5', '6'], truncated: true })
      expect((await s.read('LRANGE', ['list', '0', '-1'], { ...LIMITS, elements: 300 })).truncated).toBe(false)
      // Two bytes each, so that the cut falls into the middle of one.
      await server.admin('SET', 'long', 'x' + 'é'.repeat(200_000))
      const long = await s.read('GET', ['long'], LIMITS)
      expect(long.truncated).toBe(true)
      expect(long.value).toBe('x' + 'é'.repeat((256 * 1024 - 2) / 2))
      await server.admin('SETRANGE', 'zeros', '400000', 'ÿ')
      await server.admin('SETBIT', 'zeros', '0', '1')
      const binary = await s.read('GET', ['zeros'], LIMITS)
      const { base64 } = binary.value as { base64: string }
      expect([binary.truncated, base64.length <= 256 * 1024, Buffer.from(base64, 'base64')[0]]).toEqual([true, true, 128])
      const big = 'y'.repeat(250 * 1024)
      await server.admin('MSET', ...Array.from({ length: 20 }, (_, i) => [`big${i}`, big]).flat())
      const many = await s.read(
        'MGET',
        Array.from({ length: 20 }, (_, i) => `big${i}`),
        LIMITS,
      )
      expect(many.truncated).toBe(true)
      expect(JSON.stringify(many.value).length).toBeLessThan(4.2 * 1024 * 1024)
    })

    it('[db.caps] that would fill the memory are cut off on the wire, with TLS and without, and the next call is fine', async () => {
      await server.admin('SETRANGE', 'huge', '40000000', 'x')
      for (const s of [as('huge'), tls('127.0.0.1')]) {
        expect(await fault(s.read('GET', ['huge'], LIMITS))).toMatchObject({
          code: 'UPSTREAM_INVALID',
          message: expect.stringContaining('too large'),
        })
        expect((await s.read('GETRANGE', ['huge', '40000000', '-1'], LIMITS)).value).toBe('x')
      }
      await server.admin('DEL', 'huge')
    })

    it('[db.caps] what is sent is bounded, too', async () => {
      expect((await fault(as('big').write('SADD', Array(1001).fill('x'), LIMITS))).code).toBe('INVALID_INPUT')
      expect((await fault(as('big').write('SET', ['k', 'x'.repeat(4 * 1024 * 1024)], LIMITS))).code).toBe('INVALID_INPUT')
    })
  })

  describe('[db.tls-verified] TLS', () => {
    it('is for the name of the connection string, at the address that was judged', async () => {
      expect((await tls('db.test').write('SET', ['tls', '1'], LIMITS)).value).toBe('OK')
      expect(asked).toEqual([`db.test:${server.tlsPort}`])
      expect((await tls('127.0.0.1').read('GET', ['tls'], LIMITS)).value).toBe('1')
      expect((await tls('db.test').standing(LIMITS)).encrypted).toBe(true)
    })
    it('is refused for another name, an unknown authority, or no TLS at all', async () => {
      for (const [s, says] of [
        [tls('other.test'), 'ERR_TLS_CERT_ALTNAME_INVALID'],
        [tls('db.test', {}), 'DEPTH_ZERO_SELF_SIGNED_CERT'],
        [tls('db.test', { accept_superuser: true, allow_plain: true }), 'DEPTH_ZERO_SELF_SIGNED_CERT'],
      ] as const)
        expect(await fault(s.read('GET', ['tls'], LIMITS))).toMatchObject({
          code: 'UPSTREAM_INVALID',
          message: expect.stringContaining(says),
        })
      const plain = open(`rediss://app:${encodeURIComponent(APP_PASSWORD)}@db.test:${server.port}`)
      expect(await fault(plain.read('GET', ['tls'], LIMITS))).toMatchObject({
        code: 'UPSTREAM_ERROR',
        hint: expect.stringContaining('TLS'),
      })
    })
    it('is a must for other hosts, unless a profile allows plain text', async () => {
      const dsn = server.dsn().replace('127.0.0.1', 'cache.test')
      const refused = await fault(open(dsn).read('GET', ['k'], LIMITS))
      expect(refused).toMatchObject({ code: 'TOOL_REFUSED', hint: expect.stringContaining('allow_plain') })
      expect(asked).toEqual([])
      const allowed = open(dsn, { config: { allow_plain: true } })
      expect((await allowed.read('TTL', ['none'], LIMITS)).value).toBe(-2)
      expect((await allowed.standing(LIMITS)).encrypted).toBe(false)
      expect((await open(server.dsn()).standing(LIMITS)).encrypted).toBe(true)
    })
  })

  it('a host that is refused is not connected to', async () => {
    expect((await fault(open('rediss://a:b@blocked.test').read('GET', ['k'], LIMITS))).code).toBe('EGRESS_BLOCKED')
  })

  describe('sessions', () => {
    it('[db.cancel-reaches-server] end at the server when the caller goes away, and a write that was sent may be done', async () => {
      await server.admin('CLIENT', 'PAUSE', '60000', 'WRITE')
      const gone = new AbortController()
      const s = as('cancel', { signal: gone.signal })
      await s.read('GET', ['k'], LIMITS)
      const writing = fault(s.write('SET', ['cancelled', '1'], LIMITS))
      await until('the write waits', async () => (await clients('cancel')).some((line) => line.includes('cmd=set')))
      gone.abort(new Fault('STEP_TIMED_OUT', 'the caller went away'))
      expect(await writing).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: true })
      await until('the session is gone', async () => (await clients('cancel')).length === 0)
      expect(await fault(as('late').write('SET', ['cancelled', '1'], { ...LIMITS, timeoutMs: 50 }))).toMatchObject({
        code: 'STEP_TIMED_OUT',
        maybeDone: true,
      })
      await server.admin('CLIENT', 'UNPAUSE')
      expect(await server.admin('EXISTS', 'cancelled')).toBe(0)
    })

    it('[db.caps] are bounded, waiting is in turn, and an idle one that died is replaced', async () => {
      const s = as('pool', { config: { max_open_conns: 2, max_idle_conns: 2 } })
      await Promise.all(Array.from({ length: 20 }, () => s.write('INCR', ['pooled'], LIMITS)))
      expect(await server.admin('GET', 'pooled')).toBe('20')
      expect(await clients('pool')).toHaveLength(2)
      for (const line of await clients('pool')) await server.admin('CLIENT', 'KILL', 'ID', /id=(\d+)/.exec(line)![1]!)
      expect((await s.write('INCR', ['pooled'], LIMITS)).value).toBe(21)
    })

    it('[db.drain] of a version that was replaced are closed', async () => {
      const [old, fresh] = [as('drain'), as('drain', { version: 2 })]
      await old.read('GET', ['k'], LIMITS)
      await fresh.read('GET', ['k'], LIMITS)
      expect(await clients('drain')).toHaveLength(2)
      await driver.drain('drain', 2)
      await until('one is left', async () => (await clients('drain')).length === 1)
      await driver.drain('drain')
      await until('none is left', async () => (await clients('drain')).length === 0)
    })

    it('are of the database in the connection string', async () => {
      const three = open(server.dsn('app', APP_PASSWORD, 3), { config: {} })
      await server.admin('ACL', 'SETUSER', 'app', '+select')
      await three.write('SET', ['only-in-three', '1'], LIMITS)
      expect((await open(server.dsn()).read('EXISTS', ['only-in-three'], LIMITS)).value).toBe(0)
      expect((await three.read('EXISTS', ['only-in-three'], LIMITS)).value).toBe(1)
      expect(await fault(open(server.dsn('app', APP_PASSWORD, 99)).read('GET', ['k'], LIMITS))).toMatchObject({ code: 'UPSTREAM_INVALID' })
    })
  })

  describe('[db.errors-say-no-values] failures', () => {
    it.each([
      ['SET', ['k', 'v', 'EX', 'hunter22'], 'UPSTREAM_INVALID'],
      ['SET', ['k', 'v', 'hunter22'], 'UPSTREAM_INVALID'],
      ['INCRBY', ['k', 'hunter22'], 'UPSTREAM_INVALID'],
      ['NOSUCHCOMMAND', ['hunter22'], 'UPSTREAM_INVALID'],
      ['OBJECT', ['hunter22', 'hunter22'], 'TOOL_REFUSED'],
      ['XGROUP', ['CREATE', 'hunter22', 'g', '0'], 'UPSTREAM_INVALID'],
      ['XACK', ['k'], 'UPSTREAM_INVALID'],
      ['RENAME', ['hunter22', 'x'], 'UPSTREAM_NOT_FOUND'],
      ['XAUTOCLAIM', ['hunter22', 'g', 'c', '0', '0'], 'UPSTREAM_NOT_FOUND'],
    ])('%s %j', async (command, args, code) => {
      const error = await fault(as('errors').write(command, args, LIMITS))
      expect(error).toMatchObject({ code, maybeDone: false })
      expect(`${error.message} ${error.hint} ${JSON.stringify(error.details)}`).not.toContain('hunter22')
    })

    it('a command of the lists that an old server does not know, which quotes the beginning of what was sent', async () => {
      await server.admin('ACL', 'SETUSER', 'silent', 'on', '>silent', '~*', '+@all', '-@dangerous', '-@admin', '-command')
      const sent = ['hunter22'.repeat(40), 'EX', '1', 'FIELDS', '1', 'f']
      const error = await fault(open(server.dsn('silent', 'silent')).write('HGETEX', sent, LIMITS))
      expect(error).toMatchObject({ code: 'UPSTREAM_INVALID', message: expect.stringContaining('unknown command') })
      expect(error.message).not.toContain('hunter22')
    })

    it('a credential that is refused, and one that may not', async () => {
      for (const dsn of [
        server.dsn('app', 'wrong-secret'),
        server.dsn('nobody', 'wrong-secret'),
        `redis://:wrong-secret@127.0.0.1:${server.port}`,
        `redis://127.0.0.1:${server.port}`,
      ]) {
        const error = await fault(open(dsn).read('GET', ['k'], LIMITS))
        expect(error.code).toBe('CREDENTIAL_REJECTED')
        expect(error.message).not.toContain('wrong-secret')
      }
      await server.admin('ACL', 'SETUSER', 'little', 'on', '>little', '~app:*', '+get')
      const little = open(server.dsn('little', 'little'))
      expect((await little.read('GET', ['app:x'], LIMITS)).value).toBe(null)
      expect(await fault(little.read('GET', ['other'], LIMITS))).toMatchObject({ code: 'SCOPE_MISSING', details: { error: 'NOPERM' } })
      expect(await fault(little.write('SET', ['app:x', '1'], LIMITS))).toMatchObject({ code: 'SCOPE_MISSING', maybeDone: false })
      // It may not ask what commands do either, so that only the lists speak for one.
      expect((await fault(little.write('JSON.SET', ['app:x', '1'], LIMITS))).code).toBe('TOOL_REFUSED')
      expect(await little.standing(LIMITS)).toMatchObject({
        user: 'little',
        powers: [],
        rules: null,
        open: null,
        version: expect.any(String),
      })
    })

    it('a group that is there already, a server that is full, and nobody at the port', async () => {
      await server.admin('XGROUP', 'CREATE', 'stream', 'g', '0', 'MKSTREAM')
      expect((await fault(as('errors').write('XGROUP', ['CREATE', 'stream', 'g', '0'], LIMITS))).code).toBe('UPSTREAM_CONFLICT')
      const nobody = createServer().listen(0, '127.0.0.1')
      await once(nobody, 'listening')
      const { port } = nobody.address() as { port: number }
      nobody.close()
      for (const scheme of ['redis', 'rediss']) {
        const error = await fault(open(`${scheme}://a:b@127.0.0.1:${port}`).write('SET', ['k', '1'], LIMITS))
        expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', message: 'the Redis server cannot be reached', maybeDone: false })
      }
      await server.admin('CONFIG', 'SET', 'maxmemory', '1', 'maxmemory-policy', 'noeviction')
      expect(await fault(as('errors').write('SET', ['k', '1'], LIMITS))).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: false })
      await server.admin('CONFIG', 'SET', 'maxmemory', '0')
    })
  })
})

describe('a server that misleads', () => {
  /** Answers the client's first words as a server does, and each further command with one line. */
  async function misleading(line: string): Promise<{ port: number; stop: () => void }> {
    const sockets = new Set<Socket>()
    const server: Server = createServer((socket) => {
      sockets.add(socket.on('error', () => undefined))
      socket.on('data', (data: Buffer) => {
        for (const words of data.toString('latin1').split(/(?=\*\d+\r\n\$)/)) {
          const first = /^\*\d+\r\n\$\d+\r\n(\w+)/.exec(words)?.[1]?.toUpperCase() ?? ''
          if (/^(CLIENT|PING)$/.test(first)) socket.write('+OK\r\n')
          else if (/^(ACL|CONFIG|COMMAND)$/.test(first)) socket.write('-NOPERM no\r\n')
          else if (line === '') socket.destroy()
          else socket.write(line)
        }
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const stop = () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
    return { port: (server.address() as { port: number }).port, stop }
  }

  it.each(['MOVED 3999', 'ASK 3999'])('[db.redis-no-redirects] is not followed to another one: %s', async (word) => {
    const reached: string[] = []
    const trap = createServer((socket) => {
      reached.push('connected')
      socket.destroy()
    }).listen(0, '127.0.0.1')
    await once(trap, 'listening')
    const { port } = trap.address() as { port: number }
    const server = await misleading(`-${word} 127.0.0.1:${port}\r\n`)
    const own = createRedis({ address, connect: joined, now: Date.now })
    try {
      const s = own.session({
        owner: 'm',
        version: 1,
        credential: { secret: { dsn: `redis://127.0.0.1:${server.port}` }, entered: {} },
        config: {},
        signal: never,
      })
      const error = await fault(s.read('GET', ['k'], LIMITS))
      expect(error).toMatchObject({ code: 'UPSTREAM_INVALID', message: expect.stringContaining('clusters are not followed') })
      expect(error.message).not.toContain(String(port))
      expect(asked).toEqual([`127.0.0.1:${server.port}`])
      // The trap does count whoever comes.
      const probe = connect(port, '127.0.0.1')
      await once(probe, 'close')
      expect(reached).toEqual(['connected'])
    } finally {
      await own.close()
      server.stop()
      trap.close()
    }
  })

  it('that cuts the connection leaves open whether a write was done, and says no more than that', async () => {
    const server = await misleading('')
    const own = createRedis({ address, connect: joined, now: Date.now })
    try {
      const s = own.session({
        owner: 'm',
        version: 1,
        credential: { secret: { dsn: `redis://127.0.0.1:${server.port}` }, entered: {} },
        config: {},
        signal: never,
      })
      expect(await fault(s.write('SET', ['k', '1'], LIMITS))).toMatchObject({
        code: 'UPSTREAM_ERROR',
        message: 'the connection to Redis was lost',
        maybeDone: true,
      })
      expect(await fault(s.read('GET', ['k'], LIMITS))).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: false })
    } finally {
      await own.close()
      server.stop()
    }
  })
})
