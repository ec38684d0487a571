/** Attempts to do more than a read may, or a command of data: by a user of the server who may do everything, so that only the fence holds. */
import { toLoopback } from '../../../test/fakes/loopback.ts'
import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { there } from '../../../test/fakes/part.ts'
import { REDIS_SERVER, startTestRedis, type TestRedis } from '../../../test/fakes/redis-server.ts'
import type { Fault } from '../../base/errors.ts'
import { createRedis, type RedisDriver } from './redis.ts'
import { judgeCommand, judgeTold, type Mode, NEVER, READS, WRITES } from './redis-commands.ts'

const LIMITS = { elements: 100, timeoutMs: 5000 }

/** Neither reading nor a command of data. */
const FORBIDDEN: [string, string[]][] = [
  ['FLUSHALL', []],
  ['flushdb', []],
  ['FlushAll', ['ASYNC']],
  ['SWAPDB', ['0', '1']],
  ['MOVE', ['k', '1']],
  ['KEYS', ['*']],
  ['EVAL', ["return redis.call('set', 'k', 'evil')", '0']],
  ['EVAL_RO', ["return redis.call('get', 'k')", '0']],
  ['EVALSHA', ['0'.repeat(40), '0']],
  ['FCALL', ['f', '0']],
  ['FUNCTION', ['LOAD', "#!lua name=x\nredis.register_function('f', function() end)"]],
  ['SCRIPT', ['LOAD', 'return 1']],
  ['SCRIPT', ['FLUSH']],
  ['CONFIG', ['SET', 'dir', '/tmp']],
  ['CONFIG', ['SET', 'requirepass', '']],
  ['CONFIG', ['GET', '*']],
  ['CONFIG', ['REWRITE']],
  ['ACL', ['SETUSER', 'evil', 'on', 'nopass', '+@all']],
  ['ACL', ['WHOAMI']],
  ['MODULE', ['LOAD', '/tmp/x.so']],
  ['DEBUG', ['SLEEP', '10']],
  ['DEBUG', ['JMAP']],
  ['SAVE', []],
  ['BGSAVE', []],
  ['BGREWRITEAOF', []],
  ['SHUTDOWN', ['NOSAVE']],
  ['REPLICAOF', ['evil.test', '6379']],
  ['SLAVEOF', ['NO', 'ONE']],
  ['MIGRATE', ['evil.test', '6379', 'k', '0', '100']],
  ['RESTORE', ['k2', '0', 'x']],
  ['FAILOVER', []],
  ['CLUSTER', ['MEET', '127.0.0.1', '1']],
  ['PSYNC', ['?', '-1']],
  ['SYNC', []],
  ['REPLCONF', ['listening-port', '1']],
  ['MONITOR', []],
  ['SUBSCRIBE', ['c']],
  ['PSUBSCRIBE', ['*']],
  ['SSUBSCRIBE', ['c']],
  ['PUBLISH', ['c', 'm']],
  ['BLPOP', ['none', '0']],
  ['BRPOPLPUSH', ['none', 'k', '0']],
  ['BLMOVE', ['none', 'x', 'LEFT', 'LEFT', '0']],
  ['BZPOPMIN', ['none', '0']],
  ['XREAD', ['BLOCK', '0', 'STREAMS', 's', '$']],
  ['XREADGROUP', ['GROUP', 'g', 'c', 'BLOCK', '0', 'STREAMS', 's', '>']],
  ['WAIT', ['1', '0']],
  ['CLIENT', ['KILL', 'TYPE', 'normal']],
  ['CLIENT', ['PAUSE', '60000']],
  ['CLIENT', ['REPLY', 'OFF']],
  ['CLIENT', ['TRACKING', 'ON']],
  ['CLIENT', ['SETNAME', 'evil']],
  ['CLIENT', ['NO-EVICT', 'ON']],
  ['SELECT', ['1']],
  ['AUTH', ['app', 'x']],
  ['HELLO', ['3']],
  ['RESET', []],
  ['QUIT', []],
  ['READONLY', []],
  ['ASKING', []],
  ['MULTI', []],
  ['EXEC', []],
  ['WATCH', ['k']],
  ['SORT', ['list', 'BY', 'nosort', 'STORE', 'k']],
  ['INFO', []],
  ['SLOWLOG', ['RESET']],
  ['LATENCY', ['RESET']],
  ['COMMAND', ['LIST']],
  ['PFDEBUG', ['GETREG', 'k']],
  ['COPY', ['k', 'k2', 'DB', '1']],
  ['copy', ['k', 'k2', 'REPLACE', 'db', '1']],
]
/** No command by its form: a second one behind it, other words, other letters. */
const ILL_FORMED = [
  'GET k\r\nFLUSHALL',
  'CONFIG SET',
  ' FLUSHALL',
  'FLUSHALL ',
  'config|set',
  'GET\0',
  '',
  '$4',
  '*1',
  'ＦLUSHALL',
  'FLUſHALL',
  'GET\n',
  '__proto__',
]
/** Changes data, so that it is no read. */
const CHANGES: [string, string[]][] = [
  ['SET', ['k', 'evil']],
  ['set', ['k', 'evil', 'GET']],
  ['DEL', ['k']],
  ['UNLINK', ['k']],
  ['GETSET', ['k', 'evil']],
  ['GETDEL', ['k']],
  ['GETEX', ['k', 'EX', '1']],
  ['EXPIRE', ['k', '1']],
  ['PERSIST', ['k']],
  ['RENAME', ['k', 'x']],
  ['COPY', ['k', 'x']],
  ['INCR', ['n']],
  ['APPEND', ['k', 'evil']],
  ['BITFIELD', ['k', 'SET', 'u8', '0', '1']],
  ['BITOP', ['NOT', 'x', 'k']],
  ['LPOP', ['list']],
  ['SPOP', ['set']],
  ['SDIFFSTORE', ['x', 'set']],
  ['SUNIONSTORE', ['x', 'set']],
  ['ZRANGESTORE', ['x', 'z', '0', '-1']],
  ['GEORADIUS', ['g', '0', '0', '1', 'km', 'STORE', 'x']],
  ['GEOSEARCHSTORE', ['x', 'g', 'FROMLONLAT', '0', '0', 'BYRADIUS', '1', 'km']],
  ['PFADD', ['hll', 'x']],
  ['PFCOUNT', ['hll']],
  ['TOUCH', ['k']],
  ['XADD', ['s', '*', 'a', 'b']],
  ['XGROUP', ['CREATE', 's', 'evil', '0']],
  ['XACK', ['s', 'g', '0-1']],
  ['XAUTOCLAIM', ['s', 'g', 'c', '0', '0']],
  ['MEMORY', ['PURGE']],
  ['MEMORY', []],
  ['OBJECT', ['HELP']],
  ['XINFO', ['HELP']],
]

describe.skipIf(!there(REDIS_SERVER, 'redis-server', 'what Redis commands are refused'))('[db.read-only-holds] the fence', () => {
  let server: TestRedis
  let driver: RedisDriver
  let before: unknown

  const session = () =>
    driver.session({
      owner: 'matrix',
      version: 1,
      credential: { secret: { dsn: `${server.adminDsn}?client_name=pooled` }, entered: {} },
      config: { accept_superuser: true, max_open_conns: 1, max_idle_conns: 1 },
      signal: new AbortController().signal,
    })
  /** All that an attempt could change: values and how long they live, settings, users, programs, files, and the pooled session itself. */
  async function state() {
    const keys = ((await server.admin('KEYS', '*')) as string[]).sort()
    const values = await Promise.all(keys.map((key) => server.admin('OBJECT', 'ENCODING', key)))
    const config = ((await server.admin('CONFIG', 'GET', '*')) as string[]).join('\n')
    const clients = String(await server.admin('CLIENT', 'LIST'))
    const pooled = clients.split('\n').filter((line) => line.includes('name=pooled'))
    const kept = pooled.map((line) =>
      line.replace(
        / (age|idle|qbuf|qbuf-free|argv-mem|multi-mem|rbs|rbp|obl|oll|omem|tot-mem|events|cmd|addr|laddr|fd|id|tot-net-in|tot-net-out|tot-cmds)=\S*/g,
        '',
      ),
    )
    return {
      keys,
      values,
      texts: await server.admin('MGET', 'k', 'n'),
      hll: await server.admin('STRLEN', 'hll'),
      ttls: await Promise.all(keys.map((key) => server.admin('TTL', key))),
      sizes: [await server.admin('LLEN', 'list'), await server.admin('SCARD', 'set'), await server.admin('XLEN', 's')],
      pending: await server.admin('XPENDING', 's', 'g'),
      keyspace: String(await server.admin('INFO', 'keyspace')).replace(/,avg_ttl=\d+/g, ''),
      users: await server.admin('ACL', 'LIST'),
      functions: await server.admin('FUNCTION', 'LIST'),
      files: (await readdir(server.home)).sort(),
      config,
      kept: [...new Set(kept)],
    }
  }

  beforeAll(async () => {
    server = await startTestRedis()
    driver = createRedis({ address: async (_, port) => ({ address: '127.0.0.1', port, family: 4 }), connect: toLoopback, now: Date.now })
    await server.admin('MSET', 'k', 'value', 'n', '1')
    await server.admin('RPUSH', 'list', '1', '2', '3')
    await server.admin('SADD', 'set', 'a', 'b')
    await server.admin('ZADD', 'z', '1', 'a', '2', 'b')
    await server.admin('GEOADD', 'g', '0', '0', 'here')
    await server.admin('PFADD', 'hll', 'a', 'b', 'c')
    await server.admin('XADD', 's', '1-1', 'a', 'b')
    await server.admin('XGROUP', 'CREATE', 's', 'g', '0')
    await session().read('GET', ['k'], LIMITS)
    before = await state()
  }, 30_000)
  afterAll(async () => {
    await driver?.close()
    await server?.stop()
  })

  async function nothingHappened(attempt: Promise<unknown>, codes: string[]) {
    const error = await attempt.then(
      (value) => expect.fail('was answered: ' + JSON.stringify(value)),
      (e: Fault) => e,
    )
    expect(codes).toContain(error.code)
    expect(await session().read('GET', ['k'], LIMITS)).toEqual({ value: 'value', truncated: false })
    expect(await state()).toEqual(before)
  }

  it.each([...FORBIDDEN, ...CHANGES])('a read cannot be: %s %j', (command, args) =>
    nothingHappened(session().read(command, args, LIMITS), ['TOOL_REFUSED']),
  )
  it.each(FORBIDDEN)('[db.write-one-statement] nor can a command of data: %s %j', (command, args) =>
    nothingHappened(session().write(command, args, LIMITS), ['TOOL_REFUSED']),
  )
  it.each(ILL_FORMED)('what is no command is not sent: %j', async (command) => {
    const codes = ['INVALID_INPUT', 'TOOL_REFUSED']
    await nothingHappened(session().read(command, [], LIMITS), codes)
    await nothingHappened(session().write(command, [], LIMITS), ['INVALID_INPUT'])
  })
  it('arguments are values, whatever they hold', async () => {
    for (const evil of ['x\r\nFLUSHALL\r\n', '*1\r\n$8\r\nFLUSHALL\r\n', '\0', '$-1\r\n'])
      expect(await session().read('GET', [evil], LIMITS)).toEqual({ value: null, truncated: false })
    expect(await state()).toEqual(before)
  })
  it('what is on no list needs the word of the server, and a command that it does not know is said to be unknown', async () => {
    await nothingHappened(session().write('JSON.SET', ['k', '$', '1'], LIMITS), ['UPSTREAM_INVALID'])
    await nothingHappened(session().write('PING', [], LIMITS), ['TOOL_REFUSED'])
    await nothingHappened(session().write('ECHO', ['x'], LIMITS), ['TOOL_REFUSED'])
  })

  it('agrees with the server about each of its commands', async () => {
    const names = (await server.admin('COMMAND', 'LIST')) as string[]
    const infos = (await server.admin('COMMAND', 'INFO', ...names)) as [
      string,
      number,
      string[],
      number,
      number,
      number,
      string[],
      unknown,
      unknown,
      unknown[],
    ][]
    const listed = infos.flatMap((info) => [info, ...(info[9] as typeof infos)])
    const all = [...new Map(listed.map((info) => [info[0], info])).values()]
    expect(all.length).toBeGreaterThan(350)
    const passes = (mode: Mode, [name, , flags, , , , categories]: (typeof all)[number]) => {
      const [command, ...sub] = name.split('|')
      try {
        judgeTold(mode, judgeCommand(mode, command!, sub), [...flags, ...categories])
        return true
      } catch {
        return false
      }
    }
    const upper = (list: typeof all) => list.map(([name]) => name.toUpperCase()).sort()
    const reads = all.filter((info) => passes('read', info))
    const writes = all.filter((info) => passes('write', info))
    for (const [name, , flags, , , , categories] of reads) {
      expect(flags, name).toContain('readonly')
      expect(categories, name).not.toContain('@dangerous')
    }
    for (const [name, , flags, , , , categories] of writes) {
      expect(
        flags.some((flag) => flag === 'readonly' || flag === 'write'),
        name,
      ).toBe(true)
      expect(
        categories.filter((c) => /^@(admin|dangerous|blocking|scripting|pubsub|connection|transaction)$/.test(c)),
        name,
      ).toEqual([])
    }
    // Nothing on the lists is refused by the server's word, and nothing passes that is on no list.
    const known = new Set(all.map(([name]) => name.toUpperCase()))
    expect(upper(reads)).toEqual([...READS].filter((name) => known.has(name)).sort())
    expect(upper(writes)).toEqual([...READS, ...WRITES].filter((name) => known.has(name)).sort())
    expect([...READS, ...WRITES].filter((name) => NEVER.has(name.split('|')[0]!))).toEqual([])
  })

  it('holds by the list alone where the server does not say, and by its word alone against the list', () => {
    const judged = (mode: Mode, name: string, told: readonly string[] | null | undefined) => {
      try {
        judgeTold(mode, judgeCommand(mode, name, ['x']), told)
        return 'runs'
      } catch (fault) {
        return (fault as Fault).code
      }
    }
    expect(judged('read', 'GET', undefined)).toBe('runs')
    expect(judged('write', 'SET', undefined)).toBe('runs')
    expect(judged('write', 'JSON.SET', undefined)).toBe('TOOL_REFUSED')
    expect(judged('write', 'JSON.SET', ['write', '@write'])).toBe('runs')
    expect(judged('read', 'JSON.GET', ['readonly', '@read'])).toBe('TOOL_REFUSED')
    // A server on which another command was renamed to this name.
    expect(judged('read', 'GET', ['write', '@write'])).toBe('TOOL_REFUSED')
    expect(judged('read', 'GET', ['readonly', '@read', '@dangerous'])).toBe('TOOL_REFUSED')
    expect(judged('write', 'SET', ['write', 'blocking'])).toBe('TOOL_REFUSED')
    for (const name of ['EVAL', 'TFCALL', 'RG.PYEXECUTE', 'FT.CONFIG', 'GRAPH.QUERY', 'UNKNOWN.SET']) {
      expect(judged('write', name, ['write']), name).toBe('TOOL_REFUSED')
      expect(judged('write', name, undefined), name).toBe('TOOL_REFUSED')
    }
    for (const name of ['FT.SEARCH', 'TS.ADD', 'VADD']) expect(judged('write', name, ['write']), name).toBe('runs')
  })
})
