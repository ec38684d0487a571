import { describe, expect, it } from 'vitest'
import { createEgress } from '../../base/egress.ts'
import { Fault } from '../../base/errors.ts'
import { inDomain, resolveMongoUri } from './mongodb-srv.ts'
import { describeMongoUri, parseMongoUri, secretPartsOf } from './mongodb-uri.ts'

const refusal = (uri: string): Fault => {
  try {
    parseMongoUri(uri)
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  throw new Error('was accepted: ' + uri)
}
const uri = (query: string) => `mongodb://u:hidden-pass@h.test/?${query}`

describe('a connection string', () => {
  it.each([
    ['mongodb://h.test', [{ host: 'h.test', port: 27017 }], 'admin'],
    ['mongodb://u:p@h.test:1/shop', [{ host: 'h.test', port: 1 }], 'shop'],
    ['mongodb://u:p@h.test/shop?authSource=users', [{ host: 'h.test', port: 27017 }], 'users'],
    [
      'mongodb://u:p@a.test,[2001:db8::1]:5,10.0.0.1:6/?replicaSet=rs',
      [
        { host: 'a.test', port: 27017 },
        { host: '2001:db8::1', port: 5 },
        { host: '10.0.0.1', port: 6 },
      ],
      'admin',
    ],
    ['mongodb+srv://u:p@cluster.example.net/?retryWrites=true&w=majority', [{ host: 'cluster.example.net', port: 27017 }], 'admin'],
    ['mongodb://u:p@h.test?tls=true', [{ host: 'h.test', port: 27017 }], 'admin'],
  ])('%s', (text, hosts, authSource) => expect(parseMongoUri(text)).toMatchObject({ hosts, authSource }))

  it('tells facts without the password, and the password in both spellings', () => {
    const text = 'mongodb+srv://app:p%40ss%2Fw@c.example.net/shop'
    expect(parseMongoUri(text)).toMatchObject({ user: 'app', password: 'p@ss/w' })
    expect(describeMongoUri(text)).toEqual({ host: 'c.example.net', port: null, user: 'app', tls: true, srv: true })
    expect(secretPartsOf(text)).toEqual(['p%40ss%2Fw', 'p@ss/w'])
    expect(secretPartsOf('mongodb://h.test')).toEqual([])
    expect(secretPartsOf('not a uri')).toEqual(['not a uri'])
  })

  it('asks for TLS, except of this machine or where it says so', () => {
    expect(parseMongoUri('mongodb://h.test').options.tls).toBe(true)
    expect(parseMongoUri('mongodb://localhost,127.0.0.1').options.tls).toBe(false)
    expect(parseMongoUri('mongodb://localhost,h.test').options.tls).toBe(true)
    expect(parseMongoUri(uri('tls=false')).options.tls).toBe(false)
    expect(parseMongoUri(uri('ssl=false')).options.tls).toBe(false)
    expect(parseMongoUri('mongodb+srv://c.example.net').options.tls).toBe(true)
  })

  it('says how to work, in every documented word', () => {
    const said =
      'replicaSet=rs&authSource=a&authMechanism=SCRAM-SHA-256&appName=x&connectTimeoutMS=1&serverSelectionTimeoutMS=2&socketTimeoutMS=3' +
      '&timeoutMS=4&maxIdleTimeMS=5&waitQueueTimeoutMS=6&heartbeatFrequencyMS=700&localThresholdMS=8&maxPoolSize=9&retryWrites=false' +
      '&retryReads=false&w=majority&journal=true&wtimeoutMS=10&readConcernLevel=majority&readPreference=secondary' +
      '&readPreferenceTags=dc:ny,rack:1&readPreferenceTags=&maxStalenessSeconds=120&compressors=zstd&uuidRepresentation=standard'
    expect(parseMongoUri(uri(said)).options).toEqual({
      ...{ replicaSet: 'rs', authSource: 'a', authMechanism: 'SCRAM-SHA-256', appName: 'x', connectTimeoutMS: 1, tls: true },
      ...{ serverSelectionTimeoutMS: 2, socketTimeoutMS: 3, timeoutMS: 4, maxIdleTimeMS: 5, waitQueueTimeoutMS: 6 },
      ...{ heartbeatFrequencyMS: 700, localThresholdMS: 8, maxPoolSize: 9, retryWrites: false, retryReads: false, w: 'majority' },
      ...{ journal: true, wtimeoutMS: 10, readConcernLevel: 'majority', readPreference: 'secondary', maxStalenessSeconds: 120 },
      readPreferenceTags: [{ dc: 'ny', rack: '1' }, {}],
    })
  })
})

describe('[db.no-file-options] options that read files, load code, weaken TLS or go elsewhere are refused by name', () => {
  it.each([
    ['tlsCAFile=/etc/passwd', 'tlsCAFile'],
    ['tlsCRLFile=/etc/passwd', 'tlsCRLFile'],
    ['tlsCertificateKeyFile=/etc/passwd', 'tlsCertificateKeyFile'],
    ['tlsCertificateKeyFilePassword=x', 'tlsCertificateKeyFilePassword'],
    ['tlsCertificateFile=/etc/passwd', 'tlsCertificateFile'],
    ['sslCA=/etc/passwd', 'sslCA'],
    ['sslKey=/etc/passwd', 'sslKey'],
    ['mongodbLogPath=/tmp/x', 'mongodbLogPath'],
    ['tlsInsecure=true', 'tlsInsecure'],
    ['tlsAllowInvalidCertificates=true', 'tlsAllowInvalidCertificates'],
    ['TLSALLOWINVALIDHOSTNAMES=true', 'TLSALLOWINVALIDHOSTNAMES'],
    ['tlsDisableOCSPEndpointCheck=true', 'tlsDisableOCSPEndpointCheck'],
    ['tlsDisableCertificateRevocationCheck=true', 'tlsDisableCertificateRevocationCheck'],
    ['loadBalanced=true', 'loadBalanced'],
    ['autoEncryption=true', 'autoEncryption'],
    ['proxyHost=10.0.0.1', 'proxyHost'],
    ['proxyPort=1', 'proxyPort'],
    ['proxyUsername=x', 'proxyUsername'],
    ['proxyPassword=x', 'proxyPassword'],
    ['authMechanismProperties=ENVIRONMENT:azure', 'authMechanismProperties'],
    ['gssapiServiceName=x', 'gssapiServiceName'],
    ['authMechanism=MONGODB-X509', 'authMechanism'],
    ['authMechanism=MONGODB-AWS', 'authMechanism'],
    ['authMechanism=MONGODB-OIDC', 'authMechanism'],
    ['authMechanism=GSSAPI', 'authMechanism'],
    ['authSource=$external', '$external'],
    ['servername=other.test', 'servername'],
    ['lookup=x', 'lookup'],
    ['srvAllowedHostsSuffix=test', 'srvAllowedHostsSuffix'],
    ['srvHostValidator=x', 'srvHostValidator'],
    ['srvMaxHosts=2', 'srvMaxHosts'],
    ['srvServiceName=other', 'srvServiceName'],
    ['w=0', 'w'],
    ['somethingNew=1', 'somethingNew'],
    ['auto.Encryption=1', 'not known'],
    ['__proto__=1', 'not known'],
    ['constructor=1', 'constructor that is not known'],
    ['readPreference=secondary&readPreference=primary', 'readPreference'],
    ['tls=true&ssl=false', 'ssl twice'],
    ['authMechanism=PLAIN', 'authMechanism'],
    ['tls=perhaps', 'tls'],
    ['maxPoolSize=-1', 'maxPoolSize'],
    ['readConcernLevel=strong', 'readConcernLevel'],
    ['directConnection=perhaps', 'directConnection'],
    ['maxStalenessSeconds=120', 'maxStalenessSeconds'],
    ['readPreference=secondary&maxStalenessSeconds=5', 'maxStalenessSeconds'],
    ['readPreferenceTags=dc:ny', 'readPreferenceTags'],
    ['tls', 'without a value'],
    ['w=majority;tls=false', 'semicolon'],
  ])('%s', (query, named) => {
    const said = refusal(uri(query))
    expect(said.code).toBe('CREDENTIAL_MALFORMED')
    expect(said.message).toContain(named)
    expect(said.message + said.hint).not.toMatch(/hidden-pass|\/etc|\/tmp/)
  })

  it.each(['tlsInsecure=false', 'tlsAllowInvalidCertificates=false', 'loadBalanced=false', 'directConnection=false', 'srvMaxHosts=0'])(
    '%s changes nothing',
    (query) => expect(parseMongoUri(uri(query)).options).toEqual({ tls: true, appName: 'agentruntime' }),
  )
})

describe('what is not well-formed', () => {
  it.each([
    ['', 'empty'],
    ['postgres://u:p@h/d', 'mongodb://'],
    ['MONGODB://h.test', 'mongodb://'],
    ['mongodb://', 'host'],
    ['mongodb://u:p@/d', 'host'],
    ['mongodb://u@h.test', 'password'],
    ['mongodb://:p@h.test', 'user name'],
    ['mongodb://u:p@ss@h.test', 'percent-encoded'],
    ['mongodb://u:p:q@h.test', 'percent-encoded'],
    ['mongodb://u:p/ss@h.test', 'percent-encoded'],
    ['mongodb://u:p%zz@h.test', '%'],
    ['mongodb://u:p%00@h.test', 'NUL'],
    ['mongodb://u:p#@h.test', '#'],
    ['mongodb://u:p@h.test:0', 'port'],
    ['mongodb://u:p@h.test:99999', 'port'],
    ['mongodb://u:p@h.test:x', 'port'],
    ['mongodb://u:p@a.test,,b.test', 'host'],
    ['mongodb://u:p@%2Ftmp%2Fmongodb-27017.sock', 'socket'],
    ['mongodb://u:p@x.sock', 'socket'],
    ['mongodb://u:p@h.test\n.evil.test', 'line break'],
    ['mongodb://u:p@h test', 'space'],
    ['mongodb://u:p@h.test/a.b', 'database'],
    ['mongodb://u:p@a.test,b.test/?directConnection=true', 'directConnection'],
    ['mongodb+srv://u:p@a.example.net:27017', 'port'],
    ['mongodb+srv://u:p@a.example.net,b.example.net', 'several'],
    ['mongodb+srv://u:p@localhost', 'full name'],
    ['mongodb+srv://u:p@10.0.0.1', 'full name'],
    ['mongodb+srv://u:p@a.example.net/?directConnection=true', 'directConnection'],
    ['mongodb://h.test/?authSource=admin', 'no user'],
    [`mongodb://h.test/${'x'.repeat(9000)}`, 'longer'],
  ])('%s', (text, named) => {
    expect(refusal(text).code).toBe('CREDENTIAL_MALFORMED')
    expect(refusal(text).message).toContain(named)
  })
})

describe('[db.mongodb-hosts-judged] hosts that DNS names', () => {
  const dns = (hosts: { name: string; port: number }[], txt: string[][] = [], lookup = async (_host: string) => ['93.184.216.34']) => {
    const asked: string[] = []
    const egress = createEgress({
      allowPrivate: [],
      lookup,
      records: {
        srv: async (name) => {
          asked.push(name)
          return hosts
        },
        txt: async () => txt,
      },
    })
    return { resolve: (text: string) => resolveMongoUri(text, egress), asked }
  }
  const SRV = 'mongodb+srv://u:p@Cluster.example.net'
  const two = [
    { name: 'a.example.net', port: 27017 },
    { name: 'B.EXAMPLE.NET.', port: 27018 },
  ]

  it('are those of the service, with the options of its TXT record behind those of the string', async () => {
    const { resolve, asked } = dns(two, [['authSource=users&', 'replicaSet=rs']])
    expect(await resolve(SRV)).toMatchObject({
      hosts: [
        { host: 'a.example.net', port: 27017 },
        { host: 'b.example.net', port: 27018 },
      ],
      authSource: 'users',
      options: { replicaSet: 'rs', tls: true },
    })
    expect(await resolve(`${SRV}/?authSource=mine&srvServiceName=other`)).toMatchObject({
      authSource: 'mine',
      options: { replicaSet: 'rs' },
    })
    expect(asked).toEqual(['_mongodb._tcp.cluster.example.net', '_other._tcp.cluster.example.net'])
  })

  it.each([
    ['another domain', 'a.example.org'],
    ['a name that only ends alike', 'a.badexample.net'],
    ['the domain itself', 'example.net'],
    ['an address', '10.0.0.1'],
    ['a domain below another', 'example.net.evil.test'],
  ])('must lie in the domain of the string: not %s', async (_, name) => {
    const said = await dns([...two, { name, port: 27017 }])
      .resolve(SRV)
      .catch((error: Fault) => error)
    expect(said).toMatchObject({ code: 'EGRESS_BLOCKED', details: { rule: 'srv-domain' } })
  })

  it('of a short name lie below itself', () => {
    expect(inDomain('a.example.net', 'example.net')).toBe(true)
    expect(inDomain('b.net', 'example.net')).toBe(false)
    expect(inDomain('example.net', 'example.net')).toBe(false)
  })

  it('are judged, each of them', async () => {
    const inside = dns(two, [], async (host) => [host === 'b.example.net' ? '10.0.0.7' : '93.184.216.34'])
    await expect(inside.resolve(SRV)).rejects.toMatchObject({ code: 'EGRESS_BLOCKED', details: { rule: 'private' } })
    const metadata = dns(two, [], async () => ['169.254.169.254'])
    await expect(metadata.resolve(SRV)).rejects.toMatchObject({ code: 'EGRESS_BLOCKED', details: { rule: 'metadata' } })
  })

  it.each([
    ['an option of its own', [['tls=false']]],
    ['a file', [['tlsCAFile=/etc/passwd']]],
    ['two records', [['authSource=a'], ['replicaSet=b']]],
    ['nothing', [['']]],
  ])('bring no more than a cluster may say: %s', async (_, txt) => {
    await expect(dns(two, txt).resolve(SRV)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
  })

  it('behind a load balancer are not supported, and said so', async () => {
    await expect(dns(two, [['loadBalanced=true']]).resolve(SRV)).rejects.toMatchObject({
      code: 'CREDENTIAL_MALFORMED',
      message: expect.stringContaining('loadBalanced'),
    })
  })

  it('that are not there', async () => {
    await expect(dns([]).resolve(SRV)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', details: { reason: 'ENODATA' } })
  })
})
