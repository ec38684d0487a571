import { describe, expect, it } from 'vitest'
import { APP_PASSWORD } from '../../../test/fakes/postgres-server.ts'
import { Fault } from '../../base/errors.ts'
import { describeDsn, parseDsn, secretPartsOf } from './dsn.ts'

const refusal = (dsn: string): Fault => {
  try {
    parseDsn(dsn)
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  throw new Error('was accepted: ' + dsn)
}

describe('both written forms', () => {
  it('come to one shape', () => {
    const url = `postgresql://app:${encodeURIComponent(APP_PASSWORD)}@db.example.com:5433/shop?sslmode=require&options=-c%20search_path%3Dsales`
    const quoted = APP_PASSWORD.replace(/['\\]/g, '\\$&')
    const pairs = `host=db.example.com port = 5433 user=app dbname=shop password='${quoted}' sslmode=require options='-c search_path=sales'`
    expect(parseDsn(url)).toEqual(parseDsn(pairs))
    expect(parseDsn(url)).toEqual({
      hosts: [{ host: 'db.example.com', port: 5433 }],
      user: 'app',
      password: APP_PASSWORD,
      database: 'shop',
      sslmode: 'require',
      channelBinding: false,
      primary: false,
      connectTimeoutMs: null,
      settings: { application_name: 'agentruntime', search_path: 'sales' },
    })
  })

  it.each([
    ['postgres://u@h', [{ host: 'h', port: 5432 }], 'u'],
    ['postgres://u:p@[2001:db8::1]:6000/d', [{ host: '2001:db8::1', port: 6000 }], 'd'],
    [
      'postgres://u:p@a.example,b.example:6001/d?target_session_attrs=read-write',
      [
        { host: 'a.example', port: 5432 },
        { host: 'b.example', port: 6001 },
      ],
      'd',
    ],
    [
      'host=a,b port=1,2 user=u dbname=d',
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
      'd',
    ],
    ['postgresql:///d?host=h&user=u', [{ host: 'h', port: 5432 }], 'd'],
  ])('%s', (dsn, hosts, database) => {
    expect(parseDsn(dsn)).toMatchObject({ hosts, database, user: 'u' })
  })

  it('tell facts without the password, and the password in both spellings', () => {
    const dsn = 'postgres://app:p%40ss%2Fw@db.example.com/shop'
    expect(describeDsn(dsn)).toEqual({ host: 'db.example.com', port: 5432, database: 'shop', user: 'app', sslmode: 'verify-full' })
    expect(secretPartsOf(dsn)).toEqual(['p%40ss%2Fw', 'p@ss/w'])
    expect(secretPartsOf("host=h user=u password='it\\'s'")).toEqual(["it\\'s", "it's"])
    expect(secretPartsOf('postgres://u@h/d')).toEqual([])
    expect(secretPartsOf('not a dsn')).toEqual(['not a dsn'])
  })
})

describe('sslmode', () => {
  it.each([
    ['postgres://u@db.example.com/d', 'verify-full'],
    ['postgres://u@127.0.0.1/d', 'disable'],
    ['postgres://u@localhost/d?sslmode=prefer', 'disable'],
    ['postgres://u@localhost,db.example.com/d', 'verify-full'],
    ['postgres://u@db.example.com/d?sslmode=prefer', 'require'],
    ['postgres://u@db.example.com/d?sslmode=allow', 'require'],
    ['postgres://u@db.example.com/d?sslmode=require&uselibpqcompat=true', 'require'],
    ['postgres://u@db.example.com/d?sslmode=no-verify', 'require'],
    ['postgres://u@db.example.com/d?sslmode=verify-ca', 'verify-ca'],
    ['postgres://u@db.example.com/d?sslmode=disable', 'disable'],
    ['postgres://u@db.example.com/d?ssl=true', 'verify-full'],
    ['postgres://u@db.example.com/d?sslmode=require&sslrootcert=system', 'verify-full'],
  ])('%s → %s', (dsn, mode) => expect(parseDsn(dsn).sslmode).toBe(mode))
})

describe('[db.no-file-options] options that read files or load code are refused by name', () => {
  const url = (query: string) => `postgres://u:hidden-pass@h/d?${query}`
  it.each<[string, string]>([
    ...[
      'sslkey',
      'sslcert',
      'sslrootcert',
      'sslcrl',
      'sslcrldir',
      'sslkeylogfile',
      'service',
      'servicefile',
      'passfile',
      'requirepeer',
    ].map((name) => [url(`${name}=/etc/passwd`), name] as [string, string]),
    [url('gsslib=x'), 'gsslib'],
    [url('hostaddr=10.0.0.1'), 'hostaddr'],
    [url('replication=database'), 'replication'],
    ['postgres://u:hidden-pass@/d?host=/var/run/postgresql', 'socket'],
    ['postgres://u:hidden-pass@%2Fvar%2Frun/d', 'socket'],
    ['host=/tmp user=u password=hidden-pass', 'socket'],
    ['host=@abstract user=u password=hidden-pass', 'socket'],
    [url('options=-c%20local_preload_libraries%3Dx'), 'local_preload_libraries'],
    [url('options=-c%20default_transaction_read_only%3Doff'), 'default_transaction_read_only'],
    [url('options=-c%20role%3Dpostgres'), 'role'],
    [url('options=-f%20x'), 'options'],
    [url('client_encoding=SJIS'), 'client_encoding'],
    [url('something_new=1'), 'something_new'],
  ])('%s', (dsn, named) => {
    const fault = refusal(dsn)
    expect(fault.code).toBe('CREDENTIAL_MALFORMED')
    expect(fault.message).toContain(named)
    expect(fault.message + fault.hint).not.toMatch(/hidden-pass|\/etc|\/tmp|\/var/)
  })
})

describe('what is not well-formed', () => {
  it.each([
    ['', 'empty'],
    ['mysql://u:p@h/d', 'postgres://'],
    ['just words', 'neither'],
    ['postgres://h/d', 'user name'],
    ['postgres://u:p@/d', 'host'],
    ['postgres://u:p@ss@h/d', 'percent-encoded'],
    ['postgres://u:p/ss@h/d', 'percent-encoded'],
    ['postgres://u:p%ss@h/d', '%'],
    ['postgres://u:p@h:port/d', 'port'],
    ['postgres://u:p@h:99999/d', 'port'],
    ['postgres://u:p@h/d?sslmode=perhaps', 'sslmode'],
    ['postgres://u:p@h/d?host=other', 'twice'],
    ['postgres://u:p@h/d?sslmode=disable&channel_binding=require', 'channel_binding'],
    ['postgres://u:p@h\n/d', 'line break'],
    ['postgres://u:p%00@h/d', 'NUL'],
    ["host=h user=u password='open", 'key=value'],
    ['host=a,b port=1,2,3 user=u', 'ports'],
    ['postgres://u:p@h/d' + 'x'.repeat(9000), 'longer'],
  ])('%s', (dsn, named) => {
    expect(refusal(dsn).code).toBe('CREDENTIAL_MALFORMED')
    expect(refusal(dsn).message).toContain(named)
  })
})
