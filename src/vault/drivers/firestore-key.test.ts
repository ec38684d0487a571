/** What may be entered, and what of it is a secret. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { createServer, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyFile, PROJECT } from '../../../test/fakes/firestore-google.ts'
import { startFirestore, type TestFirestore } from '../../../test/fakes/firestore-server.ts'
import { RUNTIME } from '../../base/secret-use.ts'
import type { Fault } from '../../base/errors.ts'
import { createDial } from '../dial.ts'
import { createRedactor } from '../redact.ts'
import { createFirestore } from './firestore.ts'
import { whereTo } from './firestore-key.ts'
import { wirings } from './wires.ts'

const read = (file: string, entered: Record<string, unknown> = {}) =>
  wirings.firestore.read({ secret: { service_account_json: file }, entered })
const code = (file: string, entered: Record<string, unknown> = {}): string => {
  try {
    read(file, entered)
    return 'taken'
  } catch (error) {
    return (error as Fault).code
  }
}

describe('the key file', () => {
  it('tells whose it is and for which database, and names every host', () => {
    expect(read(keyFile('writer'))).toEqual({
      facts: { client_email: `writer@${PROJECT}.iam.gserviceaccount.com`, project_id: PROJECT, database: '(default)' },
      hosts: ['firestore.googleapis.com', 'firebaserules.googleapis.com', 'oauth2.googleapis.com'].map((host) => ({ host, port: 443 })),
    })
    expect(read(keyFile('writer'), { project_id: 'another-one', database: 'second' }).facts).toMatchObject({
      project_id: 'another-one',
      database: 'second',
    })
  })

  it.each<[string, string]>([
    ['a path', '/home/me/key.json'],
    ['a path in JSON', '"/home/me/key.json"'],
    ['ambient credentials', ''],
    ['the metadata server', keyFile('writer', { type: 'compute_metadata' })],
    ["a person's login", keyFile('writer', { type: 'authorized_user' })],
    ['an external account, which may name files, commands and addresses', keyFile('writer', { type: 'external_account' })],
    ['an impersonated account', keyFile('writer', { type: 'impersonated_service_account' })],
    ['a token endpoint elsewhere', keyFile('writer', { token_uri: 'https://oauth2.googleapis.com.evil.example/token' })],
    ['a token endpoint at the metadata server', keyFile('writer', { token_uri: 'http://169.254.169.254/token' })],
    ['no token endpoint', keyFile('writer', { token_uri: undefined })],
    ['another cloud', keyFile('writer', { universe_domain: 'elsewhere.example' })],
    ['no private key', keyFile('writer', { private_key: undefined })],
    ['no e-mail', keyFile('writer', { client_email: 7 })],
    ['a project that leads up', keyFile('writer', { project_id: '../other' })],
    ['no project', keyFile('writer', { project_id: undefined })],
    ['null', 'null'],
  ])('%s is refused', (_, file) => expect(code(file)).toBe('CREDENTIAL_MALFORMED'))

  it.each([
    { project_id: 'a/databases/b' },
    { project_id: 'UPPER-case' },
    { database: '../x' },
    { database: 'a b' },
    { database: '' },
    { project_id: 7 },
  ])('beside it, %o is refused', (entered) => expect(code(keyFile('writer'), entered)).toBe('CREDENTIAL_MALFORMED'))

  it('never says what is in it', () => {
    for (const file of [keyFile('writer', { type: 'hunter2' }), keyFile('writer', { token_uri: 'https://hunter2.example' }), 'hunter2']) {
      expect(code(file)).toBe('CREDENTIAL_MALFORMED')
      try {
        read(file)
      } catch (error) {
        const { message, hint, details } = error as Fault
        expect(JSON.stringify([message, hint, details])).not.toMatch(/hunter2|PRIVATE KEY/)
      }
    }
  })
})

describe('a test endpoint', () => {
  it('takes the place of all three hosts, and nothing that is signed for it is good elsewhere', () => {
    expect(whereTo('http://[::1]:8080/')).toEqual({
      data: { host: '::1', port: 8080, tls: false },
      rules: 'http://[::1]:8080',
      token: 'http://[::1]:8080/token',
    })
    expect(whereTo('https://firestore.test').data).toEqual({ host: 'firestore.test', port: 443, tls: true })
  })
})

describe('over TLS', () => {
  let server: TestFirestore
  const trusted = getCACertificates('default')
  const tls = createServer({ key: KEY(), cert: CERTIFICATE(), ALPNProtocols: ['h2'] }, (socket) => {
    const to = connect(server.grpcPort, '127.0.0.1')
    socket.pipe(to).pipe(socket)
    for (const it of [socket, to]) it.on('error', () => undefined)
  })
  tls.on('tlsClientError', () => undefined)
  beforeAll(async () => {
    server = await startFirestore()
    tls.listen(0, '127.0.0.1')
    await once(tls, 'listening')
  }, 60_000)
  afterAll(async () => {
    setDefaultCACertificates(trusted)
    tls.close()
    await server.close()
  })
  const check = async (host: string): Promise<string> => {
    const origin = `https://${host}:${(tls.address() as AddressInfo).port}`
    server.reset()
    server.pretend(origin)
    const driver = createFirestore({
      address: async (_, port) => ({ address: '127.0.0.1', port, family: 4 }),
      fetch: (_, init) => fetch(`http://127.0.0.1:${server.google.port}/token`, init as RequestInit),
      now: Date.now,
    })
    const secret = { service_account_json: keyFile('writer') }
    const session = driver.session({
      owner: 'con_1',
      version: 1,
      credential: { secret, entered: {} },
      config: { api_base: origin },
      signal: new AbortController().signal,
    })
    try {
      await session.check()
      return 'answered'
    } catch (error) {
      return (error as Fault).code
    } finally {
      await driver.close()
    }
  }

  it('[db.tls-verified] the socket goes to the address, and the certificate must be of the name', async () => {
    expect(await check('firestore.test')).toBe('UPSTREAM_ERROR') // nobody known has signed it
    expect(server.calls).toEqual([])
    setDefaultCACertificates([...trusted, CERTIFICATE()])
    expect(await check('firestore.test')).toBe('answered')
    expect(server.calls.map((it) => it.method)).toEqual(['listCollectionIds'])
    expect(await check('other.test')).toBe('UPSTREAM_ERROR')
    expect(server.calls).toEqual([])
  })
})

describe('through the dial', () => {
  it('[db.errors-say-no-values] a document that holds the private key, in any form, comes back without it', async () => {
    const server = await startFirestore()
    const file = keyFile('writer')
    const { private_key } = JSON.parse(file) as { private_key: string }
    expect(wirings.firestore.parts({ service_account_json: file })).toEqual({ service_account_json: [private_key] })
    const dial = createDial({
      opened: { read: async () => ({ service_account_json: file }) },
      egress: {
        address: async (_, port) => ({ address: '127.0.0.1', port, family: 4 }),
        fetch: (url, init) => fetch(url, init as RequestInit),
        srv: () => Promise.reject(new Error('nobody asks where it is')),
        connect: () => Promise.reject(new Error('nobody asks for a socket')),
        judge: async () => undefined,
      },
      redactor: createRedactor({ now: Date.now }),
      now: Date.now,
      localRoot: '/nowhere',
    })
    try {
      server.can('leak/one', {
        a: { stringValue: file },
        b: { stringValue: private_key },
        c: { stringValue: Buffer.from(private_key).toString('base64') },
      })
      const ref = { owner: 'con_1', version: 1, workspace: 'ws_1', project: 'prj_1' }
      const session = dial.session(ref as never, 'firestore', {}, { api_base: server.url }, new AbortController().signal, RUNTIME)
      const { documents } = await session.get(['leak/one'])
      expect(documents[0]?.fields).toEqual({ a: '[redacted]', b: '[redacted]', c: expect.stringMatching(/^.{0,4}\[redacted\].{0,4}$/) })
    } finally {
      await dial.close()
      await server.close()
    }
  })
})

/** Made for this test and trusted by nothing else. */
function KEY() {
  return `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZ7eX4VzQ8KGFGy9v
NSv3NqvFDsDFlewkVmuuOx59hc2hRANCAASeGT8lim6C1vm+yOjWwKhyuS2vLBDV
Vh2X50Ee14tiazKfe0ljaLcsWeuRpsPeS6Hc3mUyx9wN6I2KU3R7GphY
-----END PRIVATE KEY-----
`
}
function CERTIFICATE() {
  return `-----BEGIN CERTIFICATE-----
MIIBozCCAUqgAwIBAgIUA/rqoCl/X2ooaAY4rYhhGrM45FQwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOZmlyZXN0b3JlLnRlc3QwIBcNMjYxMTI2MDEyNzEyWhgPMjEy
NjExMDIwMTI3MTJaMBkxFzAVBgNVBAMMDmZpcmVzdG9yZS50ZXN0MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEnhk/JYpugtb5vsjo1sCocrktrywQ1VYdl+dBHteL
Ymsyn3tJY2i3LFnrkabD3kuh3N5lMsfcDeiNilN0exqYWKNuMGwwHQYDVR0OBBYE
FIT3NxTBRkKFK5NjToIFGKB7NDNoMB8GA1UdIwQYMBaAFIT3NxTBRkKFK5NjToIF
GKB7NDNoMBkGA1UdEQQSMBCCDmZpcmVzdG9yZS50ZXN0MA8GA1UdEwEB/wQFMAMB
Af8wCgYIKoZIzj0EAwIDRwAwRAIgCQMxhc0oZnuB3Oq/G+utINrqY/s1UuINreuC
R2cIii8CIB+f0uQkObwEfUUfja+5sI5sW5iIHxCFgJh+5ox/PMY4
-----END CERTIFICATE-----
`
}
