import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, connect as netConnect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { CERTIFICATE, KEY } from '../../test/fakes/postgres-server.ts'
import { type ProxyOptions, startProxy } from '../../test/fakes/proxy.ts'
import { createEgress, type Egress, type EgressDeps } from './egress.ts'
import { parseProxy } from './egress-proxy.ts'
import { Fault } from './errors.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})
// The certificate is for localhost, db.test and 127.0.0.1.
beforeAll(() => setDefaultCACertificates([...getCACertificates('default'), CERTIFICATE]))

/** A public address that nobody here can reach: who is answered from there went through the proxy. */
const FAR = '93.184.215.14'
const NEVER = new AbortController().signal

async function serve(options: { secure: boolean }, answer?: RequestListener) {
  const seen: IncomingMessage[] = []
  const hear: RequestListener = (request, response) => {
    seen.push(request)
    request.resume()
    if (answer) answer(request, response)
    else response.end('from afar')
  }
  const server = options.secure ? createSecureServer({ key: KEY, cert: CERTIFICATE }, hear) : createServer(hear)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, seen }
}

/** A server that speaks first, and ends when it has heard something. */
async function greeter(): Promise<number> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.write('220 greets first\r\n')
    socket.once('data', (bytes) => socket.end(`heard ${bytes}`))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => server.close())
  return (server.address() as AddressInfo).port
}

type Deps = Partial<EgressDeps> & { credentials?: string | undefined; resolves?: boolean; proxyHost?: string }

async function behind(options: ProxyOptions, deps: Deps = {}) {
  const proxy = await startProxy(options)
  const { resolves = false, proxyHost = '127.0.0.1', ...rest } = deps
  const credentials = 'credentials' in deps ? deps.credentials : options.credentials
  const looked: string[] = []
  const lookup = async (host: string) => {
    looked.push(host)
    return [FAR]
  }
  const refusals: string[] = []
  const egress = createEgress({
    allowPrivate: [],
    lookup,
    proxy: parseProxy(proxy.url.replace('127.0.0.1', proxyHost), credentials, resolves),
    onRefusal: ({ rule }) => refusals.push(rule),
    ...rest,
  })
  cleanups.push(
    () => proxy.close(),
    () => egress.close(),
  )
  return { proxy, egress, looked, refusals }
}

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(Fault)
  return error as Fault
}
const get = async (egress: Egress, url: string) => (await egress.fetch(url)).text()
const KINDS = ['http', 'socks5'] as const

describe.each(KINDS)('through a proxy (%s)', (kind) => {
  it('[egress.proxy] asks it for the judged address, and TLS is still asked for the name', async () => {
    const { port, seen } = await serve({ secure: true })
    const { proxy, egress, looked } = await behind({ kind, credentials: 'out:p@ss:w/rd', leads: { [`${FAR}:8443`]: port } })
    expect(await get(egress, 'https://db.test:8443/path')).toBe('from afar')
    expect(proxy.asked).toEqual([{ target: `${FAR}:8443`, credentials: 'out:p@ss:w/rd' }])
    expect(looked).toEqual(['db.test'])
    expect(seen.map((it) => [it.url, it.headers.host])).toEqual([['/path', 'db.test:8443']])
    expect(JSON.stringify(seen[0]?.rawHeaders)).not.toMatch(/proxy/i)
  })

  it('[egress.proxy] keeps its connections, as without one', async () => {
    const { port } = await serve({ secure: false })
    const allowPrivate = [{ host: 'app.test', port: 8080 }]
    const { proxy, egress } = await behind({ kind, leads: { [`${FAR}:8080`]: port } }, { allowPrivate })
    for (let i = 0; i < 3; i++) {
      expect(await get(egress, 'http://app.test:8080/')).toBe('from afar')
      await setImmediate() // undici frees a connection one turn after the answer
    }
    expect(proxy.connections).toBe(1)
  })

  it('[egress.proxy] reaches an IPv6 address, and the next address where the proxy has no way to the first', async () => {
    const { port } = await serve({ secure: true })
    const lookup = async () => ['2606:4700::1111', FAR]
    const { proxy, egress } = await behind({ kind, leads: { [`${FAR}:443`]: port } }, { lookup })
    proxy.next('refuse')
    expect(await get(egress, 'https://db.test/')).toBe('from afar')
    const asked = proxy.asked.map((it) => it.target)
    expect(asked).toEqual([kind === 'http' ? '[2606:4700::1111]:443' : '2606:4700::1111:443', `${FAR}:443`])
  })

  it('[egress.proxy-after] refuses before the proxy is asked', async () => {
    const lookup = async () => ['10.1.2.3']
    const { proxy, egress, refusals } = await behind({ kind }, { lookup })
    for (const url of ['https://inside.test/', 'https://10.1.2.3/', 'https://169.254.169.254/', 'http://db.test/', 'https://db.test:25/'])
      expect(await faultOf(egress.fetch(url))).toMatchObject({ code: 'EGRESS_BLOCKED', maybeDone: false })
    for (const work of [egress.connect('inside.test', 5432, { signal: NEVER }), egress.judge('inside.test', 5432)])
      expect(await faultOf(work)).toMatchObject({ code: 'EGRESS_BLOCKED', details: { rule: 'private' } })
    expect(refusals).toEqual(['private', 'private', 'metadata', 'plain-http', 'port', 'private', 'private'])
    expect(proxy.connections).toBe(0)
  })

  it('[egress.proxy-doors] a client that opens its own sockets gets a port of this machine that leads through, and nobody is led to it', async () => {
    const leads = { [`${FAR}:5432`]: await greeter() }
    const inside = { lookup: async (host: string) => [host === 'inside.test' ? '10.1.2.3' : FAR] }
    const { proxy, egress } = await behind({ kind, leads }, inside)
    expect(await faultOf(egress.address('inside.test', 5432))).toMatchObject({ details: { rule: 'private' } })
    await egress.judge('db.test', 5432)
    const place = await egress.address('db.test', 5432)
    expect(place).toEqual({ address: '127.0.0.1', port: expect.any(Number), family: 4 })
    expect(await egress.address('db.test', 5432)).toEqual(place)
    expect(proxy.connections).toBe(0) // nobody has come yet
    const hear = async () => {
      const socket = netConnect(place.port, place.address)
      socket.on('error', () => undefined)
      const said: Buffer[] = []
      socket.write('hello')
      for await (const chunk of socket) said.push(chunk as Buffer)
      return Buffer.concat(said).toString()
    }
    expect(await Promise.all([hear(), hear()])).toEqual(Array(2).fill('220 greets first\r\nheard hello'))
    expect(proxy.asked.map((it) => it.target)).toEqual(Array(2).fill(`${FAR}:5432`))
    proxy.next('refuse')
    expect(await hear().catch((error: { code?: string }) => error.code)).toSatisfy((it) => it === '' || it === 'ECONNRESET')
    await egress.close()
    expect(await hear().catch((error: { code?: string }) => error.code)).toBe('ECONNREFUSED')
  })

  it('[egress.proxy-doors] not even where an operator has opened the whole of this machine', async () => {
    const allowPrivate = Array.from({ length: 65_535 }, (_, i) => ({ host: '127.0.0.1', port: i + 1 }))
    const { egress, refusals } = await behind({ kind }, { allowPrivate })
    const { port } = await egress.address('db.test', 5432)
    for (const work of [egress.fetch(`http://127.0.0.1:${port}/`), egress.connect('127.0.0.1', port, { signal: NEVER })])
      expect(await faultOf(work)).toMatchObject({ code: 'EGRESS_BLOCKED', details: { rule: 'own-listener' } })
    expect(refusals).toEqual(['own-listener', 'own-listener'])
  })

  it('[egress.proxy] hands out a socket in which nothing is lost: what the far side says first, and what comes in the same breath', async () => {
    const port = await greeter()
    const { proxy, egress } = await behind({ kind, leads: { [`${FAR}:25`]: port } })
    proxy.greedy = true
    const socket = await egress.connect('mail.test', 25, { signal: NEVER })
    socket.write('hello')
    const said: Buffer[] = []
    for await (const chunk of socket) said.push(chunk as Buffer)
    expect(Buffer.concat(said).toString()).toBe('220 greets first\r\nheard hello')
  })

  it('[egress.proxy] a second connection goes beside the first, to the same address', async () => {
    const { port } = await serve({ secure: false })
    const lookup = async () => answers.shift() ?? ['10.0.0.1']
    const answers = [['203.0.114.1', FAR]]
    const { proxy, egress } = await behind({ kind, leads: { [`${FAR}:5432`]: port } }, { lookup })
    proxy.next('refuse')
    const first = await egress.connect('db.test', 5432, { signal: NEVER })
    const second = await egress.connect('db.test', 5432, { signal: NEVER, beside: first })
    for (const socket of [first, second]) socket.destroy()
    expect(proxy.asked.map((it) => it.target)).toEqual(['203.0.114.1:5432', `${FAR}:5432`, `${FAR}:5432`])
  })

  it('[egress.proxy-secret] wrong or missing credentials are said in one sentence without them', async () => {
    for (const credentials of ['out:wrong-one', undefined]) {
      const { egress } = await behind({ kind, credentials: 'out:right-one' }, { credentials })
      const fault = await faultOf(egress.fetch('https://db.test/', { method: 'POST', body: 'x' }))
      expect(fault).toMatchObject({ code: 'UPSTREAM_ERROR', message: 'the egress proxy does not accept our credentials', maybeDone: false })
      expect(JSON.stringify([fault.message, fault.details, fault.hint, fault.stack])).not.toMatch(/wrong-one|right-one/)
    }
  })

  it('[egress.proxy-trouble] refuses, cuts, talks nonsense, or is not there: nothing was sent', async () => {
    const { proxy, egress } = await behind({ kind })
    const post = () => faultOf(egress.fetch('https://db.test/', { method: 'POST', body: 'x' }))
    const saying = async (trouble: 'refuse' | 'cut' | 'garbage') => {
      proxy.next(trouble)
      return post()
    }
    expect(await saying('refuse')).toMatchObject({ message: `the egress proxy did not connect to ${FAR}`, maybeDone: false })
    expect(await saying('cut')).toMatchObject({ message: 'the egress proxy broke the connection off', maybeDone: false })
    const nonsense = kind === 'http' ? 'the egress proxy broke the connection off' : 'the egress proxy does not speak SOCKS 5'
    expect(await saying('garbage')).toMatchObject({ code: 'UPSTREAM_ERROR', message: nonsense, maybeDone: false })
    await proxy.close()
    expect(await post()).toMatchObject({
      code: 'UPSTREAM_ERROR',
      message: 'the egress proxy cannot be reached',
      details: { reason: 'ECONNREFUSED' },
      maybeDone: false,
    })
  })

  it('[egress.proxy-trouble] stalls: the caller may give up at once, and the runtime may stop', async () => {
    const { proxy, egress } = await behind({ kind })
    proxy.next('stall', 'stall', 'stall')
    const gaveUp = new AbortController()
    const call = faultOf(egress.fetch('https://db.test/', { signal: gaveUp.signal }))
    await proxy.arrived()
    gaveUp.abort()
    expect(await call).toMatchObject({ code: 'RUN_STOPPED', maybeDone: false })
    const reason = new Error('enough')
    const session = egress.connect('db.test', 5432, { signal: gaveUp.signal }).catch((error: unknown) => error)
    expect(await session).toBe(gaveUp.signal.reason)
    const other = new AbortController()
    const waiting = egress.connect('db.test', 5432, { signal: other.signal }).catch((error: unknown) => error)
    await proxy.arrived()
    other.abort(reason)
    expect(await waiting).toBe(reason)
    const last = faultOf(egress.connect('db.test', 5432, { signal: NEVER }))
    await proxy.arrived()
    await egress.close()
    expect(await last).toMatchObject({ code: 'SHUTTING_DOWN' })
  })

  it('[egress.proxy-lies] connects to somebody else than it was asked for: TLS finds out, and nothing was sent', async () => {
    const { port, seen } = await serve({ secure: true })
    const { egress } = await behind({ kind, leads: { [`${FAR}:443`]: port } })
    const fault = await faultOf(egress.fetch('https://bank.test/', { method: 'POST', body: 'secret' }))
    expect(fault).toMatchObject({ code: 'UPSTREAM_ERROR', details: { reason: 'ERR_TLS_CERT_ALTNAME_INVALID' }, maybeDone: false })
    expect(seen).toEqual([])
  })

  it('[egress.proxy-trouble] dies under a call: what was sent may have been done', async () => {
    const { port } = await serve({ secure: true }, () => proxy.cut())
    const { proxy, egress } = await behind({ kind, leads: { [`${FAR}:443`]: port } })
    expect(await faultOf(egress.fetch('https://db.test/', { method: 'POST', body: 'x' }))).toMatchObject({
      code: 'UPSTREAM_ERROR',
      maybeDone: true,
    })
  })

  it('[egress.proxy] resolves names where an operator says so: the name is judged, and nothing is looked up here', async () => {
    const { port } = await serve({ secure: true })
    const { proxy, egress, looked, refusals } = await behind({ kind, leads: { 'db.test:443': port } }, { resolves: true })
    expect(await get(egress, 'https://db.test/')).toBe('from afar')
    expect(proxy.asked.map((it) => it.target)).toEqual(['db.test:443'])
    const forbidden = ['localhost', 'printer.local', 'db.internal', 'intranet', 'metadata.google.internal', '127.0.0.1', '0x7f.1', '[::1]']
    for (const host of forbidden) expect(await faultOf(egress.fetch(`https://${host}/`))).toMatchObject({ code: 'EGRESS_BLOCKED' })
    expect(refusals).toEqual(['local-name', 'local-name', 'local-name', 'local-name', 'metadata', 'loopback', 'loopback', 'loopback'])
    expect(looked).toEqual([])
    expect(proxy.connections).toBe(1)
  })

  it('[egress.metadata-never] no allow-list opens the name of a metadata service to a proxy that resolves', async () => {
    const allowPrivate = [
      { host: 'metadata.google.internal', port: 443 },
      { host: 'db.internal', port: 443 },
    ]
    const { port } = await serve({ secure: true })
    const { egress } = await behind({ kind, leads: { 'db.internal:443': port } }, { resolves: true, allowPrivate })
    expect(await faultOf(egress.fetch('https://metadata.google.internal./'))).toMatchObject({ details: { rule: 'metadata' } })
    expect(await faultOf(egress.fetch('https://db.internal/'))).toMatchObject({ details: { reason: 'ERR_TLS_CERT_ALTNAME_INVALID' } })
  })
})

describe('a proxy over TLS', () => {
  it('[egress.proxy] is asked inside of TLS, for its own name', async () => {
    const { port } = await serve({ secure: true })
    const leads = { [`${FAR}:443`]: port }
    const { proxy, egress } = await behind({ kind: 'https', credentials: 'a:b', leads, tls: { key: KEY, cert: CERTIFICATE } })
    expect(await get(egress, 'https://db.test/')).toBe('from afar')
    expect(proxy.asked).toEqual([{ target: `${FAR}:443`, credentials: 'a:b' }])
  })

  it('[egress.proxy-secret] gets no credentials where its certificate is for somebody else', async () => {
    const { proxy, egress } = await behind(
      { kind: 'https', credentials: 'a:b', tls: { key: KEY, cert: CERTIFICATE }, address: '127.0.0.2' },
      { proxyHost: '127.0.0.2' },
    )
    expect(await faultOf(egress.fetch('https://db.test/'))).toMatchObject({
      message: 'the egress proxy cannot be reached',
      details: { reason: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    })
    expect(proxy.asked).toEqual([])
  })
})

describe('the setting', () => {
  it.each([
    ['http://proxy.internal:3128', { kind: 'http', host: 'proxy.internal', port: 3128 }],
    ['http://proxy.internal', { kind: 'http', port: 80 }],
    ['https://proxy.example', { kind: 'https', port: 443 }],
    ['socks5://[fd12::7]', { kind: 'socks5', host: 'fd12::7', port: 1080 }],
    ['socks5://127.1:9050', { kind: 'socks5', host: '127.0.0.1', port: 9050 }],
  ])('reads %s', (text, expected) => {
    expect(parseProxy(text, undefined, false)).toMatchObject({ ...expected, user: null, password: null, resolves: false })
  })

  it.each([
    ['ftp://proxy.internal', undefined, /must be like/],
    ['proxy.internal:3128', undefined, /must be like/],
    ['http://proxy.internal/path', undefined, /must be like/],
    ['http://proxy.internal?x', undefined, /must be like/],
    ['http://user:secret-one@proxy.internal', undefined, /may not hold a user or a password/],
    ['socks5h://proxy.internal', undefined, /must be said on its own/],
    ['http://proxy.internal', 'secret-one', /must hold user:password/],
    ['http://proxy.internal', ':secret-one', /must hold user:password/],
    ['socks5://proxy.internal', `user:${'secret-one'.repeat(26)}`, /must hold user:password/],
  ])('[egress.proxy-secret] refuses %s, and repeats nothing of it', (text, credentials, sentence) => {
    const error = (() => {
      try {
        return parseProxy(text, credentials, false)
      } catch (thrown) {
        return thrown as Fault
      }
    })()
    expect(error).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringMatching(sentence) })
    expect(JSON.stringify([(error as Fault).message, (error as Fault).hint])).not.toContain('secret-one')
  })

  it('takes socks5h:// where it is said that the proxy resolves', () => {
    expect(parseProxy('socks5h://proxy.internal', 'a:b', true)).toMatchObject({ kind: 'socks5', user: 'a', password: 'b', resolves: true })
  })
})
