import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createEgress, type Egress, type EgressDeps } from './egress.ts'
import { Fault } from './errors.ts'

const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const SECRET = 'tok-5f3c9e1b7a'
const HEAD = 'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n'

/** A server that speaks raw bytes, so that it can misbehave; `answer` is called when a request's first bytes have come. */
async function open(answer: (socket: Socket) => void, more: Partial<EgressDeps> = {}) {
  const sockets = new Set<Socket>()
  let requests = 0
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', () => {
      requests++
      answer(socket)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const egress = createEgress({ allowPrivate: [{ host: 'app.test', port }], lookup: async () => ['127.0.0.1'], ...more })
  cleanups.push(async () => {
    await egress.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { egress, port, server, sockets, url: `http://app.test:${port}/path-${SECRET}?token=${SECRET}`, requests: () => requests }
}

/** Every fault that these tests meet is checked for what it must not tell. */
async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const fault = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(fault).toBeInstanceOf(Fault)
  const { message, hint, details, cause, stack } = fault as Fault
  expect(JSON.stringify({ message, hint, details, cause: cause ? String(cause) : null, stack })).not.toContain(SECRET)
  return fault as Fault
}

const init = () => ({ method: 'POST', body: SECRET, headers: { authorization: `Bearer ${SECRET}` } })
const silent = () => undefined
const closing = (socket: Socket) => new Promise((done) => socket.once('close', done))

describe('time', () => {
  it('[egress.timed] gives up on a server that takes the request and says nothing', async () => {
    const { egress, url } = await open(silent)
    expect(await faultOf(egress.fetch(url, { ...init(), firstByteMs: 40 }))).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: true })
    expect(await faultOf(egress.fetch(url, { ...init(), timeoutMs: 40 }))).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: true })
  })

  it('[egress.timed] gives up on a body that drips, and closes the connection', async () => {
    const drips: NodeJS.Timeout[] = []
    const { egress, url, sockets } = await open((socket) => {
      socket.write(HEAD)
      drips.push(setInterval(() => socket.write('.'), 5))
    })
    cleanups.push(() => drips.forEach(clearInterval))
    const answer = await egress.fetch(url, { ...init(), timeoutMs: 120 })
    expect(answer.status).toBe(200)
    const [socket] = sockets
    const closed = closing(socket!)
    expect(await faultOf(answer.text())).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: true })
    await closed
  })

  it('[egress.maybe-done] a name that is never resolved was never called', async () => {
    const { egress, url, requests } = await open(silent, { lookup: () => new Promise(() => undefined) })
    expect(await faultOf(egress.fetch(url, { ...init(), timeoutMs: 30 }))).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: false })
    expect(requests()).toBe(0)
  })

  it('[egress.maybe-done] what was given up before its connection opened is not sent when it opens', async () => {
    let resolved: (addresses: string[]) => void = silent
    const first = new Promise<string[]>((done) => {
      resolved = done
    })
    const seen: string[] = []
    const { egress, url, server } = await open(silent, { lookup: () => first })
    const second = new Promise<void>((done) => {
      server.on('connection', (socket: Socket) =>
        socket.on('data', (bytes) => {
          seen.push(String(bytes).split(' ', 2).join(' '))
          if (String(bytes).includes('/second')) done()
        }),
      )
    })
    expect(await faultOf(egress.fetch(url, { ...init(), timeoutMs: 30 }))).toMatchObject({ maybeDone: false })
    const connected = once(server, 'connection')
    resolved(['127.0.0.1'])
    await connected
    // Were the first one sent, its bytes would come before those of a call that starts now.
    void egress.fetch(new URL('/second', url)).catch(silent)
    await second
    expect(seen).toEqual(['GET /second'])
  })
})

describe('a stop', () => {
  it('[egress.maybe-done] before the call, while waiting and while reading', async () => {
    const { egress, url, requests, server } = await open(silent)
    expect(await faultOf(egress.fetch(url, { ...init(), signal: AbortSignal.abort() }))).toMatchObject({
      code: 'RUN_STOPPED',
      maybeDone: false,
    })
    expect(requests()).toBe(0)

    const waiting = new AbortController()
    server.once('connection', (socket: Socket) => socket.once('data', () => waiting.abort()))
    expect(await faultOf(egress.fetch(url, { ...init(), signal: waiting.signal }))).toMatchObject({ code: 'RUN_STOPPED', maybeDone: true })

    const half = await open((socket) => socket.write(`${HEAD}half`))
    const reading = new AbortController()
    const answer = await half.egress.fetch(half.url, { ...init(), signal: reading.signal })
    const text = answer.text()
    reading.abort()
    expect(await faultOf(text)).toMatchObject({ code: 'RUN_STOPPED', maybeDone: true })
  })

  it('lets go of the connection when the reader turns away', async () => {
    const { egress, url, sockets } = await open((socket) => socket.write(`${HEAD}half`))
    const answer = await egress.fetch(url)
    const closed = closing([...sockets][0]!)
    await answer.body!.cancel()
    await closed
  })
})

describe('[egress.quiet] failures tell the host and a code, never the request', () => {
  it('a name that does not exist', async () => {
    const lookup = () => Promise.reject(Object.assign(new Error(`queried ${SECRET}`), { code: 'ENOTFOUND' }))
    const { egress, url } = await open(silent, { lookup })
    const fault = await faultOf(egress.fetch(url, init()))
    expect(fault).toMatchObject({ code: 'UPSTREAM_ERROR', message: 'app.test cannot be found', maybeDone: false })
    expect(fault.details).toEqual({ reason: 'ENOTFOUND' })
  })

  it('a name without an address', async () => {
    const { egress, url } = await open(silent, { lookup: async () => [] })
    expect(await faultOf(egress.fetch(url, init()))).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: false })
  })

  it('[egress.maybe-done] a port where nobody listens', async () => {
    const { egress, url, server } = await open(silent)
    await new Promise((done) => server.close(done))
    const fault = await faultOf(egress.fetch(url, init()))
    expect(fault).toMatchObject({ code: 'UPSTREAM_ERROR', message: 'app.test cannot be reached', maybeDone: false })
    expect(fault.details).toEqual({ reason: 'ECONNREFUSED' })
  })

  it('[egress.maybe-done] a connection cut after the request', async () => {
    const { egress, url } = await open((socket) => socket.resetAndDestroy())
    expect(await faultOf(egress.fetch(url, init()))).toMatchObject({
      code: 'UPSTREAM_ERROR',
      message: 'app.test broke the connection off',
      maybeDone: true,
    })
  })

  it('an answer cut in the middle', async () => {
    const { egress, url } = await open((socket) => socket.end(`${HEAD}half`))
    const answer = await egress.fetch(url, init())
    expect(await faultOf(answer.text())).toMatchObject({
      code: 'UPSTREAM_ERROR',
      message: 'the answer of app.test broke off',
      maybeDone: true,
    })
  })

  it.each([
    ['no HTTP', `${SECRET} ${SECRET}\r\n\r\n`, 'UPSTREAM_ERROR'],
    ['a status outside HTTP', `HTTP/1.1 799 ${SECRET}\r\ncontent-length: 0\r\n\r\n`, 'UPSTREAM_INVALID'],
    ['an endless head', `HTTP/1.1 200 OK\r\nx: ${SECRET.repeat(4_000)}\r\n`, 'UPSTREAM_ERROR'],
  ])('an answer that is %s', async (_, bytes, code) => {
    const { egress, url } = await open((socket) => socket.write(bytes))
    expect(await faultOf(egress.fetch(url, init()))).toMatchObject({ code, maybeDone: true })
  })

  it('an early hint or an odd reason phrase does not disturb an answer', async () => {
    const { egress, url } = await open((socket) => {
      socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 Tr\xe8s bien\r\ncontent-length: 2\r\n\r\nok')
    })
    const answer = await egress.fetch(url)
    expect([answer.status, await answer.text()]).toEqual([200, 'ok'])
  })

  it.each([
    ['a line break in a header', { headers: { 'x-a': `1\r\nx-b: ${SECRET}` } }],
    ['a header name that is none', { headers: { [`x ${SECRET}`]: '1' } }],
    ['a method that is none', { method: `GET ${SECRET}` }],
    ['CONNECT', { method: 'connect' }],
  ])('%s is not sent', async (_, bad) => {
    const { egress, url, requests } = await open(silent)
    expect(await faultOf(egress.fetch(url, bad))).toMatchObject({ code: 'INVALID_INPUT', maybeDone: false })
    expect(requests()).toBe(0)
  })

  it('what the door refuses', async () => {
    const { egress, port } = await open(silent)
    const refused = [
      `https://user:${SECRET}@app.test/`,
      `http://other.test/?${SECRET}`,
      `ftp://app.test/${SECRET}`,
      `https://127.0.0.1/#${SECRET}`,
    ]
    for (const url of refused) expect(await faultOf(egress.fetch(url))).toMatchObject({ code: 'EGRESS_BLOCKED' })
    expect(await faultOf(egress.fetch(`not a url ${SECRET}`))).toMatchObject({ code: 'INVALID_INPUT' })
    expect(await faultOf(egress.address(`${SECRET}/x`, port))).toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('a closed door', async () => {
    const { egress, url } = await open(silent)
    const waiting: Promise<unknown> = egress.fetch(url, init())
    const fault = faultOf(waiting)
    await egress.close()
    expect(await fault).toMatchObject({ code: 'SHUTTING_DOWN' })
    expect(await faultOf((egress as Egress).fetch(url))).toMatchObject({ code: 'SHUTTING_DOWN', maybeDone: false })
  })
})
