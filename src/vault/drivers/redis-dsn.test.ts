import { describe, expect, it } from 'vitest'
import type { Fault } from '../../base/errors.ts'
import { describeRedis, parseRedis, redisSecrets } from './redis-dsn.ts'

const fault = (dsn: string): Fault => {
  try {
    return expect.fail('was taken: ' + JSON.stringify(parseRedis(dsn)))
  } catch (error) {
    return error as Fault
  }
}

describe('connection strings of Redis', () => {
  it.each([
    [
      'rediss://app:secret@cache.example.com:6380/3',
      { tls: true, host: 'cache.example.com', port: 6380, user: 'app', password: 'secret', database: 3, local: false },
    ],
    [
      'redis://:se%40cr%2Fet@127.0.0.1',
      { tls: false, host: '127.0.0.1', port: 6379, user: null, password: 'se@cr/et', database: 0, local: true },
    ],
    ['redis://localhost:6379', { user: null, password: null, local: true }],
    ['redis://[::1]:7000/', { host: '::1', port: 7000, local: true, database: 0 }],
    ['redis://127.0.0.1.example.com', { local: false }],
    [
      '  rediss://Default:x@CACHE.example.com/0?clientName=billing&timeout=5s&decode_responses=true&ssl_cert_reqs=required  ',
      { user: 'Default', host: 'cache.example.com', clientName: 'billing' },
    ],
    ['rediss://app:x@h?db=4', { database: 4 }],
  ])('are read: %s', (dsn, expected) => expect(parseRedis(dsn)).toMatchObject(expected))

  it.each([
    ['', 'is empty'],
    ['cache.example.com:6379', 'is not a redis:// or rediss:// URL'],
    ['http://cache.example.com', 'begins with something else'],
    ['REDIS://cache.example.com', 'begins with something else'],
    ['redis-sentinel://h:26379/mymaster', 'begins with something else'],
    ['unix:///var/run/redis.sock', 'socket file'],
    ['redis+socket:///var/run/redis.sock', 'socket file'],
    ['redis://', 'names no host'],
    ['redis://:6379', 'names no host'],
    ['redis:///0', 'names no host'],
    ['redis://app:secret@', 'names no host'],
    ['redis://app:sec@ret@host', 'stray'],
    ['redis://app:sec/ret@host', 'stray'],
    ['redis://app:sec#ret@host', 'stray'],
    ['redis://app:sec:ret@host', 'second :'],
    ['redis://app:sec%ret@host', 'percent-encoding'],
    ['redis://app:sec%00ret@host', 'NUL'],
    ['redis://app:se cret@host', 'space'],
    ['redis://app:secret\r\nSHUTDOWN@host', 'space'],
    ['redis://app@host', 'no password'],
    ['redis://a,b:6379', 'several hosts'],
    ['redis://-x', 'not a host name'],
    ['redis://h:0', 'port'],
    ['redis://h:70000', 'port'],
    ['redis://h:x', 'well-formed'],
    ['redis://h/x', 'database'],
    ['redis://h/-1', 'database'],
    ['redis://h/1/2', 'database'],
    ['redis://h/1?db=2', 'twice'],
    ['redis://h?db=1&database=1', 'twice'],
    ['redis://h?client_name=a%0d%0aSHUTDOWN', 'client_name'],
    ['redis://h?encoding=latin1', 'encoding'],
    ['redis://h?ssl=true', 'against its own beginning'],
    ['redis://h?flag', 'without a value'],
    ['redis://h?secretword=1', 'an option secretword that is not known'],
    ['redis://h?%00=1', 'NUL'],
  ])('are refused: %s', (dsn, says) => {
    expect(fault(dsn)).toMatchObject({ code: 'CREDENTIAL_MALFORMED', message: expect.stringContaining(says) })
    if (dsn.includes('sec')) expect(fault(dsn).message + fault(dsn).hint).not.toMatch(/sec[^o]?ret@/)
  })

  it.each(['ssl_ca_certs=/etc/ca.pem', 'ssl_certfile=x', 'ssl_keyfile=x', 'ssl_ca_path=x', 'unix_socket_path=/x'])(
    '[db.no-file-options] files are not theirs to name: %s',
    (option) => {
      const name = option.split('=')[0]!
      expect(fault(`rediss://u:p@h?${option}`)).toMatchObject({ code: 'CREDENTIAL_MALFORMED', message: expect.stringContaining(name) })
    },
  )

  it.each([
    'ssl_cert_reqs=none',
    'ssl_cert_reqs=CERT_OPTIONAL',
    'ssl_check_hostname=false',
    'skip_verify=true',
    'insecure=1',
    'verifyPeer=NONE',
    'rejectUnauthorized=false',
  ])('[db.tls-verified] cannot turn verification off: %s', (option) =>
    expect(fault(`rediss://u:p@h?${option}`)).toMatchObject({ message: expect.stringContaining('turns verification off') }),
  )

  it.each(['password=x', 'username=x', 'host=evil.test', 'sentinelMasterId=x', 'master_name=x', 'port=1'])(
    'cannot lead elsewhere: %s',
    (option) => expect(fault(`rediss://u:p@h?${option}`).message).toContain(option.split('=')[0]!.toLowerCase()),
  )

  it('public facts hold no password, and its parts are known as written and as meant', () => {
    const dsn = 'rediss://app:p%40ss@h/2'
    expect(describeRedis(dsn)).toEqual({ host: 'h', port: 6379, database: 2, user: 'app', tls: true })
    expect(redisSecrets(dsn)).toEqual(['p%40ss', 'p@ss'])
    expect(redisSecrets('redis://h')).toEqual([])
    expect(redisSecrets('redis://a:b:c@h')).toEqual(['redis://a:b:c@h'])
  })
})
