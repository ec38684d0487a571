import { toLoopback } from '../../../test/fakes/loopback.ts'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { databaseContext } from '../../../test/fakes/context.ts'
import { there } from '../../../test/fakes/part.ts'
import { REDIS_SERVER, startTestRedis, type TestRedis } from '../../../test/fakes/redis-server.ts'
import type { Fault } from '../../base/errors.ts'
import { createRedis, type RedisDriver } from '../../vault/drivers/redis.ts'
import type { ToolContext } from '../contract.ts'
import { faultsOf } from '../load.ts'
import redis from './index.ts'

describe('the connector', () => {
  it('has every tool of the catalogue, and nothing wrong with it', () => {
    expect(faultsOf('redis', redis)).toEqual([])
    const shapes = Object.entries(redis.tools).map(([name, { effect, repeatable }]) => [name, effect, repeatable])
    expect(shapes.sort()).toEqual([
      ['redis_decr', 'write', false],
      ['redis_del', 'destroy', true],
      ['redis_exists', 'read', true],
      ['redis_expire', 'write', true],
      ['redis_get', 'read', true],
      ['redis_incr', 'write', false],
      ['redis_run_command', 'destroy', false],
      ['redis_set', 'destroy', true],
      ['redis_ttl', 'read', true],
    ])
  })
})

describe.skipIf(!there(REDIS_SERVER, 'redis-server', 'the Redis connector'))('at a real server', () => {
  let server: TestRedis
  let driver: RedisDriver

  beforeAll(async () => {
    server = await startTestRedis()
    driver = createRedis({ address: async (_, port) => ({ address: '127.0.0.1', port, family: 4 }), connect: toLoopback, now: Date.now })
  }, 30_000)
  afterAll(async () => {
    await driver?.close()
    await server?.stop()
  })
  beforeEach(() => server.admin('FLUSHALL'))

  function context(config: Record<string, unknown> = {}, dsn = server.dsn()): ToolContext {
    const parsed = redis.config.parse(config) as Record<string, unknown>
    const signal = new AbortController().signal
    return databaseContext(
      driver.session({ owner: dsn, version: 1, credential: { secret: { dsn }, entered: {} }, config: parsed, signal }),
      parsed,
    )
  }
  /** As a caller does it: input checked before, output checked after. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are JSON, and each test says what it expects of them
  async function call(name: string, args: Record<string, unknown> = {}, ctx = context()): Promise<Record<string, any>> {
    const tool = redis.tools[name]!
    return JSON.parse(JSON.stringify(tool.output.parse(await tool.run(ctx, tool.input.parse(args) as never))))
  }
  const fault = (made: Promise<unknown>) =>
    made.then(
      (value) => expect.fail('was answered: ' + JSON.stringify(value)),
      (error: Fault) => error,
    )

  it('stores, reads, counts, expires and deletes', async () => {
    expect(await call('redis_get', { key: 'a' })).toEqual({ found: false, value: null, base64: false, truncated: false })
    expect(await call('redis_set', { key: 'a', value: 'grüße\n"\0' })).toEqual({ ok: true })
    expect(await call('redis_get', { key: 'a' })).toEqual({ found: true, value: 'grüße\n"\0', base64: false, truncated: false })
    expect(await call('redis_ttl', { key: 'a' })).toEqual({ exists: true, ttl_seconds: null })
    expect(await call('redis_expire', { key: 'a', ttl_seconds: 500 })).toEqual({ set: true })
    expect((await call('redis_ttl', { key: 'a' })).ttl_seconds).toBeGreaterThan(490)
    expect(await call('redis_set', { key: 'a', value: '', ttl_seconds: 60 })).toEqual({ ok: true })
    expect(await call('redis_get', { key: 'a' })).toMatchObject({ found: true, value: '' })
    expect((await call('redis_ttl', { key: 'a' })).ttl_seconds).toBeLessThanOrEqual(60)
    expect(await call('redis_exists', { key: 'a' })).toEqual({ exists: true })
    expect(await call('redis_del', { keys: ['a', 'b', 'a'] })).toEqual({ deleted: 1 })
    expect(await call('redis_exists', { key: 'a' })).toEqual({ exists: false })
    expect(await call('redis_ttl', { key: 'a' })).toEqual({ exists: false, ttl_seconds: null })
    expect(await call('redis_expire', { key: 'a', ttl_seconds: 5 })).toEqual({ set: false })
  })

  it('counts, and loses no digit', async () => {
    expect(await call('redis_incr', { key: 'n' })).toEqual({ value: 1 })
    expect(await call('redis_decr', { key: 'n' })).toEqual({ value: 0 })
    expect(await call('redis_decr', { key: 'n' })).toEqual({ value: -1 })
    await call('redis_set', { key: 'n', value: '9007199254740992' })
    expect(await call('redis_incr', { key: 'n' })).toEqual({ value: '9007199254740993' })
    await call('redis_set', { key: 'n', value: 'word' })
    expect(await fault(call('redis_incr', { key: 'n' }))).toMatchObject({ code: 'UPSTREAM_INVALID', maybeDone: false })
  })

  it('runs any command of data', async () => {
    expect(await call('redis_run_command', { command: 'hset', args: ['h', 'name', 'Ada', 'n', '5'] })).toEqual({
      value: 2,
      truncated: false,
    })
    expect(await call('redis_run_command', { command: 'HGETALL', args: ['h'] })).toEqual({
      value: ['name', 'Ada', 'n', '5'],
      truncated: false,
    })
    expect(await call('redis_run_command', { command: 'SET', args: ['s', '7'] })).toEqual({ value: 'OK', truncated: false })
    const pushed = Array.from({ length: 250 }, (_, i) => `v${i}`)
    expect((await call('redis_run_command', { command: 'RPUSH', args: ['l', ...pushed] })).value).toBe(250)
    const some = await call('redis_run_command', { command: 'LRANGE', args: ['l', '0', '-1'] })
    expect([some.value.length, some.truncated]).toEqual([100, true])
    const all = await call('redis_run_command', { command: 'LRANGE', args: ['l', '0', '-1'], limit: 1000 })
    expect(all).toEqual({ value: pushed, truncated: false })
    expect((await fault(call('redis_run_command', { command: 'KEYS', args: ['*'] }))).code).toBe('TOOL_REFUSED')
    expect((await fault(call('redis_get', { key: 'l' }))).message).toContain('WRONGTYPE')
  })

  it('shows bytes that are no text as base64', async () => {
    await call('redis_run_command', { command: 'SETBIT', args: ['bits', '0', '1'] })
    expect(await call('redis_get', { key: 'bits' })).toEqual({ found: true, value: 'gA==', base64: true, truncated: false })
    expect((await call('redis_run_command', { command: 'MGET', args: ['bits', 'none'] })).value).toEqual([{ base64: 'gA==' }, null])
  })

  it('the check tells who is connected', async () => {
    expect(await redis.auth.check(context())).toEqual({
      account: { id: 'app', label: expect.stringMatching(/^app \(Redis 7\.\d/) },
      granted_scopes: null,
      warnings: [],
    })
    expect((await fault(redis.auth.check(context({}, server.dsn('app', 'wrong'))))).code).toBe('CREDENTIAL_REJECTED')
    expect((await fault(redis.auth.check(context({}, server.dsn('nobody', 'wrong'))))).code).toBe('CREDENTIAL_REJECTED')
  })

  it('[db.superuser-refused] warns loudly of a user that can change the server, and tools refuse it until that is accepted', async () => {
    const { warnings, granted_scopes } = await redis.auth.check(context({}, server.adminDsn))
    expect(warnings?.join()).toMatch(/CHANGE OR STOP THE SERVER.*CONFIG SET.*FLUSHALL/)
    expect(granted_scopes).toContain('+@all')
    for (const [name, args] of [
      ['redis_get', { key: 'a' }],
      ['redis_incr', { key: 'a' }],
    ] as const) {
      expect((await fault(call(name, args, context({}, server.adminDsn)))).code).toBe('TOOL_REFUSED')
    }
    expect(await call('redis_incr', { key: 'a' }, context({ accept_superuser: true }, server.adminDsn))).toEqual({ value: 1 })
    await server.admin('ACL', 'SETUSER', 'half', 'on', '>half', '~*', '+@read', '+config|get')
    expect((await redis.auth.check(context({}, server.dsn('half', 'half')))).warnings?.join()).toContain('CONFIG')
  })

  it('warns of a server that lets anybody in', async () => {
    await server.admin('ACL', 'SETUSER', 'root', 'on', '>root', '~*', '&*', '+@all')
    await server.admin('ACL', 'SETUSER', 'default', 'nopass')
    try {
      const open = `redis://127.0.0.1:${server.port}`
      for (const dsn of [open, server.dsn('root', 'root')])
        expect((await redis.auth.check(context({}, dsn))).warnings?.join()).toContain('NO PASSWORD')
    } finally {
      await server.admin('ACL', 'SETUSER', 'default', 'resetpass', '>admin/secret@word')
    }
    expect((await redis.auth.check(context({}, server.dsn('root', 'root')))).warnings?.join()).not.toContain('NO PASSWORD')
  })
})
