import { describe, expect, it } from 'vitest'
import { Fault } from '../../base/errors.ts'
import { describeMysqlDsn, mysqlSecretParts, parseMysqlDsn } from './mysql-dsn.ts'

const fault = (dsn: string): Fault => {
  try {
    parseMysqlDsn(dsn)
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  return expect.fail('was taken: ' + dsn)
}
const at = (query: string, host = 'db.example.com') => parseMysqlDsn(`mysql://u:p@${host}/shop${query}`)

describe('a connection string', () => {
  it('is read as it is written', () => {
    expect(parseMysqlDsn('mysql://app:p%40ss%2Fw%3Ard@DB.example.com:3307/shop')).toMatchObject({
      host: 'db.example.com',
      port: 3307,
      user: 'app',
      password: 'p@ss/w:rd',
      database: 'shop',
      sslMode: 'VERIFY_IDENTITY',
    })
    expect(parseMysqlDsn(' mariadb://a%40b@[::1] \n'.trim())).toMatchObject({
      host: '::1',
      port: 3306,
      user: 'a@b',
      password: '',
      database: null,
    })
    expect(parseMysqlDsn('jdbc:mysql://u:a:b@10.0.0.5/x')).toMatchObject({ host: '10.0.0.5', password: 'a:b' })
    expect(describeMysqlDsn('mysql://app:secret@h/shop')).toEqual({
      host: 'h',
      port: 3306,
      database: 'shop',
      user: 'app',
      ssl_mode: 'VERIFY_IDENTITY',
    })
  })

  it('encrypts by default except to this host itself', () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]']) expect(at('', host).sslMode).toBe('DISABLED')
    for (const host of ['db', '10.0.0.1', 'localhost.example.com', '128.0.0.1']) expect(at('', host).sslMode).toBe('VERIFY_IDENTITY')
  })

  it.each([
    ['?ssl-mode=DISABLED', { sslMode: 'DISABLED' }],
    ['?sslMode=preferred', { sslMode: 'REQUIRED' }],
    ['?ssl_mode=REQUIRED', { sslMode: 'REQUIRED' }],
    ['?sslMode=verify-ca', { sslMode: 'VERIFY_CA' }],
    ['?ssl-mode=VERIFY_IDENTITY', { sslMode: 'VERIFY_IDENTITY' }],
    ['?sslMode=trust', { sslMode: 'REQUIRED' }],
    ['?useSSL=false', { sslMode: 'DISABLED' }],
    ['?ssl=true', { sslMode: 'VERIFY_IDENTITY' }],
    ['?tls=skip-verify', { sslMode: 'REQUIRED' }],
    ['?connect-timeout=5000', { connectTimeoutMs: 5000 }],
    ['?connectTimeout=5', { connectTimeoutMs: 5000 }],
    ['?charset=utf8mb4&collation=utf8mb4_bin', { collation: 'utf8mb4_bin' }],
    ['?timezone=%2B02:00', { timeZone: '+02:00' }],
    ['?timezone=+02:00', { timeZone: '+02:00' }],
    ['?timezone=-5:30', { timeZone: '-05:30' }],
    ['?serverTimezone=Europe/Amsterdam', { timeZone: 'Europe/Amsterdam' }],
    ['?timezone=Z', { timeZone: '+00:00' }],
    ['?timezone=local', { timeZone: null }],
    ['?get-server-public-key=true', { publicKeyRetrieval: true }],
    ['?parseTime=true&loc=Local&zeroDateTimeBehavior=convertToNull', {}],
    ['?tls-versions=[TLSv1.2,TLSv1.3]', {}],
  ])('takes %s', (query, expected) => expect(at(query)).toMatchObject(expected))

  it.each([
    'ssl-ca=/etc/ca.pem',
    'ssl-capath=/etc',
    'ssl-cert=x',
    'ssl-key=x',
    'ssl-crl=x',
    'ssl-crlpath=x',
    'serverSslCert=x',
    'server-public-key-path=x',
    'trustCertificateKeyStoreUrl=file:/x',
    'local-infile=1',
    'allowLoadLocalInfile=true',
    'allowUrlInLocalInfile=true',
    'load-data-local-dir=/',
    'multipleStatements=true',
    'allowMultiQueries=true',
    'autoDeserialize=true',
    'queryInterceptors=x',
    'authPlugins=x',
    'auth-method=MYSQL41',
    'enableCleartextPlugin=true',
    'plugin-dir=/x',
    'socketPath=/x',
    'unix_socket=/x',
    'ssh=user@host',
    'dns-srv=true',
    'initsql=drop',
    'sessionVariables=sql_mode=ANSI',
    'sql_mode=ANSI_QUOTES',
    'compression=REQUIRED',
    'login-path=x',
    'defaults-file=x',
    'oci-config-file=x',
    'flags=LOCAL_FILES',
    'ssl-cipher=x',
    'tls-versions=[TLSv1.3]',
    'charset=latin1',
    'collation=latin1_bin',
    'timezone=%27;drop',
    'ssl-mode=maybe',
    'nonsense=1',
    '__proto__=1',
    'constructor=1',
    'password=x',
    'ssl-mode=REQUIRED&sslMode=DISABLED',
  ])('[db.no-file-options] does not take %s, and names the option', (option) => {
    const refused = fault(`mysql://u:hunter2@h/shop?${option.replaceAll('@', '%40')}`)
    expect(refused.code).toBe('CREDENTIAL_MALFORMED')
    expect(refused.message + refused.hint).not.toContain('hunter2')
    const name = option.split('=')[0]!
    if (/^[a-z]/i.test(name)) expect(refused.message.toLowerCase().replace(/[-_]/g, '')).toContain(name.toLowerCase().replace(/[-_]/g, ''))
  })

  it.each([
    '',
    'postgres://u:p@h/d',
    'mysqlx://u:p@h/d',
    'mysql://u:p@/d',
    'mysql://h/d',
    'mysql://u:p@h:0/d',
    'mysql://u:p@h:99999/d',
    'mysql://u:p@h:x/d',
    'mysql://u:p@a,b/d',
    'mysql://u:p@%2Ftmp%2Fmysql.sock/d',
    'mysql://u:p@(/tmp/mysql.sock)/d',
    'mysql://u:p@ss@h/d',
    'mysql://u:p/ss@h/d',
    'mysql://u:p@h/d#x',
    'mysql://u:%zz@h/d',
    'mysql://u:p%00@h/d',
    'mysql://u:p@h/a/b',
    'mysql://u:p@h/d?ssl-mode',
    'mysql://u:p@h/d\nx',
    'mysql://u:p@[1.2.3.4]/d',
    'mysql://u:p@ho st/d',
    `mysql://u:p@h/${'d'.repeat(9000)}`,
  ])('is refused: %j', (dsn) => expect(fault(dsn).code).toBe('CREDENTIAL_MALFORMED'))

  it('has its password in both forms as secret parts, or is secret as a whole', () => {
    expect(mysqlSecretParts('mysql://u:p%40ss@h/d')).toEqual(['p%40ss', 'p@ss'])
    expect(mysqlSecretParts('mysql://u@h/d')).toEqual([])
    expect(mysqlSecretParts('nonsense')).toEqual(['nonsense'])
    expect(mysqlSecretParts('mysql://u:a%zz@h/d')).toEqual(['mysql://u:a%zz@h/d'])
  })
})
