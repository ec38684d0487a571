import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { createEgress, type Egress, type EgressDeps, type EgressInit, parseAllow } from './egress.ts'
import { Fault } from './errors.ts'

const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

type Answer = (request: IncomingMessage, response: ServerResponse) => void

async function serve(answer: Answer, address = '127.0.0.1'): Promise<{ port: number; server: Server }> {
  const server = createServer((request, response) => {
    request.resume()
    answer(request, response)
  })
  server.listen(0, address)
  await once(server, 'listening')
  cleanups.push(() => {
    server.closeAllConnections()
    return new Promise((done) => server.close(done))
  })
  return { port: (server.address() as AddressInfo).port, server }
}

function door(deps: Partial<EgressDeps> = {}): Egress {
  const noNames = (host: string) => Promise.reject(Object.assign(new Error(`no name ${host}`), { code: 'ENOTFOUND' }))
  const egress = createEgress({ allowPrivate: [], lookup: noNames, ...deps })
  cleanups.push(() => egress.close())
  return egress
}

/** A server on loopback and a door that is open for `app.test` at its port and for 127.0.0.1. */
async function open(answer: Answer, more: Partial<EgressDeps> = {}) {
  const { port, server } = await serve(answer)
  const asked: string[] = []
  const lookup = async (host: string) => {
    asked.push(host)
    return ['127.0.0.1']
  }
  const allowPrivate = [
    { host: 'app.test', port },
    { host: '127.0.0.1', port },
  ]
  return { egress: door({ allowPrivate, lookup, ...more }), url: `http://app.test:${port}`, port, server, asked }
}

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const fault = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(fault).toBeInstanceOf(Fault)
  return fault as Fault
}

const ok: Answer = (_, response) => response.end('ok')

/** Refused whatever the target answers. Names resolve to the address at the right. */
const URLS: readonly (readonly [url: string, rule: string, resolves?: string])[] = [
  ['https://127.0.0.1/', 'loopback'],
  ['https://127.1:8443/', 'loopback'],
  ['https://2130706433/', 'loopback'],
  ['https://0x7f000001/', 'loopback'],
  ['https://0177.0.0.1/', 'loopback'],
  ['https://①②⑦.0.0.1/', 'loopback'],
  ['https://%31%32%37.0.0.1/', 'loopback'],
  ['https://0/', 'unspecified'],
  ['https://10.0.0.1/', 'private'],
  ['https://172.20.1.1/', 'private'],
  ['https://192.168.1.1/', 'private'],
  ['https://100.64.0.1/', 'carrier-nat'],
  ['https://169.254.169.254/latest/meta-data', 'metadata'],
  ['https://100.100.100.200/', 'metadata'],
  ['https://168.63.129.16/', 'metadata'],
  ['https://192.0.0.192/', 'metadata'],
  ['https://[::]/', 'unspecified'],
  ['https://[::1]/', 'loopback'],
  ['https://[::ffff:7f00:1]/', 'v4-mapped'],
  ['https://[::ffff:127.0.0.1]/', 'v4-mapped'],
  ['https://[::7f00:1]/', 'v4-compatible'],
  ['https://[64:ff9b::7f00:1]/', 'nat64'],
  ['https://[2002:7f00:1::]/', '6to4'],
  ['https://[2001::7f00:1]/', 'teredo'],
  ['https://[fec0::1]/', 'site-local'],
  ['https://[fe80::1]/', 'link-local'],
  ['https://[fd00:ec2::254]/', 'metadata'],
  ['https://[ff02::1]/', 'multicast'],
  ['https://localhost/', 'loopback', '127.0.0.1'],
  ['https://localhost./', 'loopback', '::1'],
  ['https://metadata.google.internal/', 'metadata', '169.254.169.254'],
  ['https://wild.example/', 'private', '10.1.2.3'],
  ['https://wild.example/', 'v4-mapped', '::ffff:10.1.2.3'],
  ['https://wild.example/', 'zone', '2606:4700::1%eth0'],
  ['https://wild.example/', 'not-an-address', 'elsewhere.example'],
  ['http://1.1.1.1/', 'plain-http'],
  ['http://example.com/', 'plain-http', '1.1.1.1'],
  ['http://127.0.0.1:9999/', 'plain-http'],
  ['https://1.1.1.1:22/', 'port'],
  ['https://1.1.1.1:80/', 'port'],
  ['https://1.1.1.1:1023/', 'port'],
  ['https://1.1.1.1:0/', 'port'],
  ['https://user@1.1.1.1/', 'userinfo'],
  ['https://:pw@1.1.1.1/', 'userinfo'],
  ['ftp://1.1.1.1/', 'scheme'],
  ['file:///etc/passwd', 'scheme'],
  ['data:text/plain,x', 'scheme'],
  ['ws://1.1.1.1/', 'scheme'],
]

describe('what is refused', () => {
  it.each(URLS.map(([url, rule, resolves]) => ({ url, rule, resolves })))(
    '[egress.private-refused] $url ($rule)',
    async ({ url, rule, resolves }) => {
      const refusals: string[] = []
      const egress = door({
        onRefusal: (refusal) => refusals.push(refusal.rule),
        ...(resolves ? { lookup: async () => [resolves] } : {}),
      })
      const fault = await faultOf(egress.fetch(url))
      expect(fault).toMatchObject({ code: 'EGRESS_BLOCKED', details: { rule }, maybeDone: false })
      expect(refusals).toEqual([rule])
    },
  )

  it('[egress.every-answer] one private answer among public ones refuses the name', async () => {
    const egress = door({ lookup: async () => ['1.1.1.1', '2606:4700::1', '10.0.0.7'] })
    expect(await faultOf(egress.fetch('https://mixed.example/'))).toMatchObject({ code: 'EGRESS_BLOCKED', details: { rule: 'private' } })
    expect(await faultOf(egress.address('mixed.example', 5432))).toMatchObject({ code: 'EGRESS_BLOCKED' })
  })

  it('[egress.no-port-oracle] an open and a closed private port answer alike, and neither is touched', async () => {
    let calls = 0
    const { port } = await serve(() => calls++)
    const egress = door({ lookup: async () => ['127.0.0.1'], ownListeners: () => [{ address: '0.0.0.0', port }] })
    const shape = async (work: Promise<unknown>) => {
      const { code, message, details, hint } = await faultOf(work)
      return { code, message, details, hint }
    }
    const atOpen = await shape(egress.fetch(`https://inside.example:${port}/`))
    expect(await shape(egress.fetch('https://inside.example:65000/'))).toEqual(atOpen)
    expect(await shape(egress.address('inside.example', port))).toEqual(await shape(egress.address('inside.example', 1)))
    expect(atOpen.message).toBe('the runtime may not connect to inside.example')
    expect(calls).toBe(0)
  })

  it('[egress.metadata-never] an allow-list does not open metadata, by name, literal or IPv6 form', async () => {
    const hosts = ['169.254.169.254', '[::ffff:169.254.169.254]', '[fd00:ec2::254]', '168.63.129.16', 'metadata.google.internal']
    const egress = door({ allowPrivate: hosts.map((host) => ({ host, port: 80 })), lookup: async () => ['169.254.169.254'] })
    for (const host of hosts) {
      expect(await faultOf(egress.fetch(`http://${host}/`))).toMatchObject({ code: 'EGRESS_BLOCKED', details: { rule: 'metadata' } })
      expect(await faultOf(egress.address(host, 80))).toMatchObject({ code: 'EGRESS_BLOCKED', details: { rule: 'metadata' } })
      if (host.endsWith('internal')) expect(parseAllow(`${host}:80`)).toEqual({ host, port: 80 })
      else expect(() => parseAllow(`${host}:80`)).toThrow(Fault)
    }
  })

  it('[egress.own-listener] our own listeners are out of reach in every spelling, allow-listed or not', async () => {
    let calls = 0
    const { port } = await serve(() => calls++)
    const hosts = ['127.0.0.1', '0.0.0.0', '[::ffff:127.0.0.1]', '[::]', 'me.test']
    for (const address of ['127.0.0.1', '0.0.0.0', '::', '::ffff:127.0.0.1']) {
      const egress = door({
        allowPrivate: hosts.map((host) => ({ host, port })),
        ownListeners: () => [{ address, port }],
        lookup: async () => ['127.0.0.1'],
      })
      for (const host of hosts) {
        expect(await faultOf(egress.fetch(`http://${host}:${port}/`))).toMatchObject({ details: { rule: 'own-listener' } })
        expect(await faultOf(egress.address(host, port))).toMatchObject({ details: { rule: 'own-listener' } })
      }
    }
    expect(calls).toBe(0)
  })

  it('a neighbour of our listener stays reachable', async () => {
    const { egress, url } = await open(ok, { ownListeners: () => [{ address: '127.0.0.1', port: 1 }] })
    expect((await egress.fetch(url)).status).toBe(200)
  })
})

describe('what is allowed', () => {
  it('[egress.allow-exact] opens one host at one port, and what it resolves to', async () => {
    const { egress, url, port } = await open(ok)
    expect(await (await egress.fetch(url)).text()).toBe('ok')
    expect(await (await egress.fetch(`http://0x7f.1:${port}/`)).text()).toBe('ok')
    expect(await egress.address('app.test', port)).toEqual({ address: '127.0.0.1', port, family: 4 })
    expect(await egress.address('127.0.0.1', port)).toEqual({ address: '127.0.0.1', port, family: 4 })
    for (const other of [
      `http://other.test:${port}`,
      `http://app.test:${port + 1}`,
      `http://127.0.0.2:${port}`,
      `http://localhost:${port}`,
    ])
      expect(await faultOf(egress.fetch(other))).toMatchObject({ code: 'EGRESS_BLOCKED' })
    expect(await faultOf(egress.address('app.test', port + 1))).toMatchObject({ code: 'EGRESS_BLOCKED' })
  })

  it('gives a database the address to connect to', async () => {
    const egress = door({ lookup: async () => ['2606:4700::1', '1.1.1.1'] })
    expect(await egress.address('db.example', 5432)).toEqual({ address: '2606:4700::1', port: 5432, family: 6 })
    expect(await egress.address('[2606:4700::2]', 6379)).toEqual({ address: '2606:4700::2', port: 6379, family: 6 })
    for (const [host, port] of [
      ['/var/run/socket', 5432],
      ['a b', 1],
      ['db.example', 0],
      ['db.example', 70_000],
    ] as const)
      expect(await faultOf(egress.address(host, port))).toMatchObject({ code: 'INVALID_INPUT' })
  })

  it.each([
    ['db.internal:5432', { host: 'db.internal', port: 5432 }],
    ['DB.Internal:1', { host: 'db.internal', port: 1 }],
    ['[::1]:5432', { host: '::1', port: 5432 }],
    ['10.0.0.1:65535', { host: '10.0.0.1', port: 65_535 }],
    ['0x7f.1:80', { host: '127.0.0.1', port: 80 }],
  ])('parseAllow reads %s', (text, expected) => {
    expect(parseAllow(text)).toEqual(expected)
  })

  it.each([
    '',
    'host',
    ':1',
    'host:',
    'host:0',
    'host:65536',
    'host:080',
    '*:443',
    '*.a.b:443',
    '::1:5432',
    '[::1]',
    'http://a:1',
    'a b:1',
  ])('parseAllow refuses %j', (text) => {
    expect(() => parseAllow(text)).toThrowError(expect.objectContaining({ code: 'INVALID_INPUT' }))
  })
  it.each(['10.0.0.0/8:1', 'a,b:1', 'u@h:1', 'fe80::1%eth0:1', 'a:1\n', '-a:1', 'a%2eb:1', '169.254.169.254:80'])(
    'parseAllow refuses %j as well',
    (text) => {
      expect(() => parseAllow(text)).toThrowError(expect.objectContaining({ code: 'INVALID_INPUT' }))
    },
  )
})

describe('where a connection goes', () => {
  it('[egress.rebinding] connects to the answer that was checked, and asks once', async () => {
    const first = await serve((_, response) => response.end('first'))
    let asked = 0
    const egress = door({
      allowPrivate: [{ host: 'app.test', port: first.port }],
      lookup: async () => [++asked === 1 ? '127.0.0.1' : '169.254.169.254'],
    })
    const url = `http://app.test:${first.port}/`
    for (let i = 0; i < 3; i++) {
      expect(await (await egress.fetch(url)).text()).toBe('first')
      await setImmediate() // undici frees a connection one turn after the answer
    }
    expect(asked).toBe(1)
    first.server.closeAllConnections()
    // The next connection asks again; the request may first meet the socket that is going away.
    const faults: Fault[] = []
    while (faults.at(-1)?.code !== 'EGRESS_BLOCKED') faults.push(await faultOf(egress.fetch(url)))
    expect(faults.at(-1)).toMatchObject({ details: { rule: 'metadata' }, maybeDone: false })
  })

  it('tries the next checked address when one does not answer', async () => {
    const { port } = await serve(ok)
    const egress = door({ allowPrivate: [{ host: 'two.test', port }], lookup: async () => ['127.0.0.9', '::1', '127.0.0.1'] })
    expect(await (await egress.fetch(`http://two.test:${port}`)).text()).toBe('ok')
  })

  it('[egress.rebinding] public at first, loopback later: the later answer is refused', async () => {
    const answers = [['1.1.1.1'], ['127.0.0.1']]
    const egress = door({ lookup: async () => answers.shift() ?? [] })
    expect(await egress.address('rebind.example', 443)).toEqual({ address: '1.1.1.1', port: 443, family: 4 })
    expect(await faultOf(egress.fetch('https://rebind.example/'))).toMatchObject({ code: 'EGRESS_BLOCKED' })
  })

  it('[egress.tls-name] asks TLS for the host name, and a failed handshake was not sent', async () => {
    const hello: Buffer[] = []
    const server = createTcpServer((socket: Socket) => {
      socket.on('error', () => undefined)
      socket.once('data', (bytes) => {
        hello.push(bytes)
        socket.end('HTTP/1.1 400 this is no TLS\r\n\r\n')
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    cleanups.push(() => server.close())
    const { port } = server.address() as AddressInfo
    const egress = door({ allowPrivate: [{ host: 'secure.test', port }], lookup: async () => ['127.0.0.1'] })
    const fault = await faultOf(egress.fetch(`https://secure.test:${port}/`, { method: 'POST', body: 'x', headers: { host: 'evil.test' } }))
    expect(fault).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: false })
    const bytes = Buffer.concat(hello).toString('latin1')
    expect(bytes).toContain('secure.test')
    expect(bytes).not.toContain('evil.test')
  })

  it('[egress.no-redirect] hands redirects back and drops headers that are the connection’s', async () => {
    const seen: string[] = []
    const { egress, url, port } = await open((request, response) => {
      seen.push(`${request.headers.host} ${request.headers['user-agent']} ${request.headers.connection}`)
      response.writeHead(302, { location: 'http://169.254.169.254/' }).end()
    })
    const headers = new Headers({ authorization: 'Bearer x', Host: 'evil.test', connection: 'close', 'user-agent': 'me' })
    const answer = await egress.fetch(url, { headers, redirect: 'follow' })
    expect([answer.status, answer.headers.get('location')]).toEqual([302, 'http://169.254.169.254/'])
    expect(seen).toEqual([`app.test:${port} me keep-alive`])
  })

  it('keeps connections, and a URL object changed after the call changes nothing', async () => {
    const sockets = new Set<Socket>()
    const { egress, url, asked } = await open((request, response) => {
      sockets.add(request.socket)
      response.end(request.url)
    })
    const target = new URL(`${url}/a?b=1`)
    for (let i = 0; i < 5; i++) {
      target.pathname = '/a'
      const body = new FormData()
      body.set('x', '1')
      const pending = egress.fetch(target, { method: 'POST', body })
      target.pathname = '/changed'
      expect(await (await pending).text()).toBe('/a?b=1')
      await setImmediate()
    }
    expect(sockets.size).toBe(1)
    expect(asked).toEqual(['app.test'])
  })
})

describe('bodies', () => {
  it('sends strings, bytes, forms and streams as fetch would', async () => {
    const { egress, url } = await open((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => response.end(`${request.headers['content-type']?.split(';')[0]} ${Buffer.concat(chunks)}`))
    })
    const send = async (body: EgressInit['body'], headers: Record<string, string> = {}) =>
      (await egress.fetch(url, { method: 'post', body, headers })).text()
    expect(await send('{}', { 'Content-Type': 'application/json' })).toBe('application/json {}')
    expect(await send('text')).toBe('text/plain text')
    expect(await send(new TextEncoder().encode('bytes'))).toBe('undefined bytes')
    expect(await send(new URLSearchParams({ a: '1 2' }))).toBe('application/x-www-form-urlencoded a=1+2')
    expect(await send(new Blob(['blob'], { type: 'text/css' }))).toBe('text/css blob')
    expect(await send(new Blob(['stream']).stream(), { 'content-type': 'a/b' })).toBe('a/b stream')
    expect(await send(new FormData())).toMatch(/^multipart\/form-data --/)
  })

  it('decompresses, streams large answers whole and knows those without a body', async () => {
    const large = Buffer.alloc(5_000_000, 'abcdefghij')
    const { egress, url } = await open((request, response) => {
      if (request.url === '/gzip') return response.setHeader('content-encoding', 'gzip').end(gzipSync(large))
      if (request.url === '/br') return response.setHeader('content-encoding', 'br').end(brotliCompressSync('brotli'))
      if (request.url === '/none') return response.writeHead(204).end()
      return response.setHeader('set-cookie', ['a=1', 'b=2']).setHeader('x-word', 'caf\xe9').end(large)
    })
    const gzip = await egress.fetch(`${url}/gzip`)
    expect(gzip.headers.get('content-encoding')).toBeNull()
    expect(large.equals(await gzip.bytes())).toBe(true)
    expect(await (await egress.fetch(`${url}/br`)).text()).toBe('brotli')
    const plain = await egress.fetch(url)
    expect([plain.headers.getSetCookie(), plain.headers.get('x-word')]).toEqual([['a=1', 'b=2'], 'caf\xe9'])
    expect(large.equals(await plain.bytes())).toBe(true)
    expect(await (await egress.fetch(`${url}/none`)).text()).toBe('')
    expect(await (await egress.fetch(`${url}/gzip`, { method: 'HEAD' })).text()).toBe('')
  })

  it.each([
    ['a gzip bomb', 'gzip', gzipSync(Buffer.alloc(64 * 1024 * 1024))],
    ['a brotli bomb', 'br', brotliCompressSync(Buffer.alloc(64 * 1024 * 1024))],
    ['a long plain answer', '', Buffer.alloc(4 * 1024 * 1024)],
  ])('[egress.capped] stops at %s', async (_, coding, bytes) => {
    const { egress, url } = await open((_request, response) => {
      if (coding) response.setHeader('content-encoding', coding)
      response.end(bytes)
    })
    const answer = await egress.fetch(url, { maxBytes: 1024 * 1024 })
    const fault = await faultOf(answer.arrayBuffer())
    expect(fault).toMatchObject({ code: 'UPSTREAM_INVALID', maybeDone: true, details: { limit: 1024 * 1024 } })
    expect((await (await egress.fetch(url, { maxBytes: 65 * 1024 * 1024 })).arrayBuffer()).byteLength).toBeGreaterThan(1024 * 1024)
  })

  it.each(['deflate', 'zstd', 'gzip, gzip'])('refuses the coding %s, which it did not ask for', async (coding) => {
    const { egress, url } = await open((_, response) => response.setHeader('content-encoding', coding).end('x'))
    expect(await faultOf(egress.fetch(url))).toMatchObject({ code: 'UPSTREAM_INVALID', maybeDone: true })
  })

  it('says when compressed bytes are broken', async () => {
    const { egress, url } = await open((_, response) => response.setHeader('content-encoding', 'gzip').end('not gzip at all'))
    expect(await faultOf((await egress.fetch(url)).text())).toMatchObject({ code: 'UPSTREAM_INVALID', maybeDone: true })
  })
})

describe('records of a service', () => {
  const missing = (code: string) => Promise.reject(Object.assign(new Error(code), { code }))

  it('are the hosts of its SRV records and the texts at its name, put together', async () => {
    const asked: string[] = []
    const egress = door({
      records: {
        srv: async (name) => {
          asked.push(name)
          return [{ name: 'a.example.net', port: 27_017, priority: 0, weight: 0 }]
        },
        txt: async (name) => {
          asked.push(name)
          return [['one ', 'text'], ['another']]
        },
      },
    })
    expect(await egress.srv('mongodb', 'DB.Example.net')).toEqual({
      hosts: [{ host: 'a.example.net', port: 27_017 }],
      texts: ['one text', 'another'],
    })
    expect(asked.sort()).toEqual(['_mongodb._tcp.db.example.net', 'db.example.net'])
  })

  it('without a text are enough, without a host are none', async () => {
    const hosts = [{ name: 'a.example.net', port: 1 }]
    const silent = door({ records: { srv: async () => hosts, txt: () => missing('ENODATA') } })
    expect((await silent.srv('mongodb', 'db.example.net')).texts).toEqual([])
    for (const [records, reason] of [
      [{ srv: () => missing('ENOTFOUND'), txt: async () => [] }, 'ENOTFOUND'],
      [{ srv: async () => [], txt: async () => [] }, 'ENODATA'],
      [{ srv: async () => hosts, txt: () => missing('ESERVFAIL') }, 'ESERVFAIL'],
    ] as const) {
      const fault = await faultOf(door({ records }).srv('mongodb', 'db.example.net'))
      expect(fault).toMatchObject({ code: 'UPSTREAM_ERROR', details: { reason } })
    }
  })

  it.each([
    ['mongodb', '10.0.0.1'],
    ['mongodb', 'a b'],
    ['mongodb', ''],
    ['a.b', 'db.example.net'],
  ])('are not asked for as %j of %j', async (service, name) => {
    const records = { srv: () => Promise.reject(new Error('asked')), txt: () => Promise.reject(new Error('asked')) }
    expect((await faultOf(door({ records }).srv(service, name))).code).toBe('INVALID_INPUT')
  })
})
