/**
 * A proxy of one's own, as operators run them: HTTP CONNECT or SOCKS 5, on node:net alone. It writes down what it was asked for,
 * may want credentials, and may refuse, cut, stall, or connect to somewhere else than it says.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

export interface AskedOfProxy {
  /** As it was asked: an address or a name, and a port. */
  target: string
  /** `user:password`; null where none came. */
  credentials: string | null
}
/** What the next one meets. */
export type ProxyTrouble = 'refuse' | 'cut' | 'stall' | 'garbage'

export interface TestProxy {
  port: number
  /** As the setting names it. */
  url: string
  asked: AskedOfProxy[]
  /** Every connection that came, with or without a question. */
  connections: number
  /** Resolves when the next one has come. */
  arrived(): Promise<void>
  /** Waits for the target's first bytes, and sends them along with its own answer. */
  greedy: boolean
  next(...troubles: ProxyTrouble[]): void
  /** Cuts what runs through it. */
  cut(): void
  close(): Promise<void>
}

export interface ProxyOptions {
  kind: 'http' | 'https' | 'socks5'
  /** `user:password`. Without them everybody may. */
  credentials?: string
  /** `host:port` as asked → where it really goes, as a network of its own would do, or a liar. Everything else goes where it was asked. */
  leads?: Readonly<Record<string, number>>
  tls?: { key: string; cert: string }
  /** Where it listens: 127.0.0.1 unless said. */
  address?: string
}

type Trouble = ProxyTrouble | undefined

export async function startProxy(options: ProxyOptions): Promise<TestProxy> {
  const sockets = new Set<Socket>()
  const troubles: ProxyTrouble[] = []
  let waiting: (() => void)[] = []
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  }
  const onSocket = (socket: Socket) => {
    self.connections++
    keep(socket)
    for (const go of waiting.splice(0)) go()
    const trouble = troubles.shift()
    if (trouble === 'cut') return void socket.destroy()
    if (trouble === 'stall') return void socket.resume()
    if (trouble === 'garbage') return void socket.end('SSH-2.0-OpenSSH_9.7\r\n')
    void (options.kind === 'socks5' ? socks(socket, trouble) : http(socket, trouble)).catch(() => socket.destroy())
  }
  const server = options.kind === 'https' ? createTlsServer(options.tls ?? {}, onSocket) : createServer(onSocket)
  server.on('tlsClientError', () => undefined)
  server.listen(0, options.address ?? '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  /** Null: nobody answers there. */
  async function lead(host: string, to: number): Promise<Socket | null> {
    const far = connect({
      host: options.leads?.[`${host}:${to}`] === undefined ? host : '127.0.0.1',
      port: options.leads?.[`${host}:${to}`] ?? to,
    })
    keep(far)
    return Promise.race([once(far, 'connect').then(() => far), once(far, 'close').then(() => null)]).catch(() => null)
  }
  const firstOf = async (far: Socket): Promise<Buffer> => (self.greedy ? ((await once(far, 'data')) as [Buffer])[0] : Buffer.alloc(0))
  function join(near: Socket, far: Socket, already: Buffer): void {
    if (already.length > 0) far.write(already)
    near.pipe(far).pipe(near)
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  }

  async function http(socket: Socket, trouble: Trouble): Promise<void> {
    const take = taker(socket)
    let head = ''
    while (!head.endsWith('\r\n\r\n')) head += (await take(1)).toString('latin1')
    const [, target = ''] = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(head) ?? []
    const basic = /^proxy-authorization: Basic (\S+)\r$/im.exec(head)?.[1]
    const credentials = basic === undefined ? null : Buffer.from(basic, 'base64').toString()
    self.asked.push({ target, credentials })
    const say = (status: string) => socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 4\r\n\r\nsays`)
    if (options.credentials !== undefined && credentials !== options.credentials) return void say('407 Who are you')
    if (trouble === 'refuse') return void say('403 Not there')
    const [, host = '', to = ''] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(target) ?? []
    const far = await lead(host, Number(to))
    if (!far) return void say('502 Nobody there')
    socket.write(Buffer.concat([Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n'), await firstOf(far)]))
    join(socket, far, take.rest())
  }

  async function socks(socket: Socket, trouble: Trouble): Promise<void> {
    const take = taker(socket)
    const [, count = 0] = await take(2)
    const methods = await take(count)
    let credentials: string | null = null
    if (options.credentials === undefined) socket.write(Buffer.from([5, 0]))
    else if (!methods.includes(2)) return void socket.end(Buffer.from([5, 0xff]))
    else {
      socket.write(Buffer.from([5, 2]))
      const user = await take((await take(2))[1]!)
      const password = await take((await take(1))[0]!)
      credentials = `${user}:${password}`
      socket.write(Buffer.from([1, credentials === options.credentials ? 0 : 1]))
      if (credentials !== options.credentials) return void socket.end()
    }
    const kind = (await take(4))[3]
    const host =
      kind === 1
        ? [...(await take(4))].join('.')
        : kind === 3
          ? (await take((await take(1))[0]!)).toString()
          : new URL(`http://[${(await take(16)).toString('hex').match(/.{4}/g)?.join(':')}]`).hostname.slice(1, -1)
    const to = (await take(2)).readUInt16BE()
    self.asked.push({ target: `${host}:${to}`, credentials })
    const far = trouble === 'refuse' ? null : await lead(host, to)
    // Where it went out from is said as a name, which few expect and the protocol allows.
    const from = Buffer.from('out.proxy.test')
    const reply = far ? 0 : trouble === 'refuse' ? 2 : 4
    const first = far ? await firstOf(far) : Buffer.alloc(0)
    socket.write(Buffer.concat([Buffer.from([5, reply, 0, 3, from.length]), from, Buffer.from([0, 80]), first]))
    if (far) join(socket, far, take.rest())
    else socket.end()
  }

  const self: TestProxy = {
    port,
    url: `${options.kind}://127.0.0.1:${port}`,
    asked: [],
    connections: 0,
    greedy: false,
    arrived: () => new Promise((go) => waiting.push(go)),
    next: (...more) => void troubles.push(...more),
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      self.cut()
      waiting = []
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
  return self
}

/** Takes so many bytes off a socket, and leaves the rest in hand. */
function taker(socket: Socket) {
  let held = Buffer.alloc(0)
  let wake: () => void = () => undefined
  const hear = (chunk: Buffer) => {
    held = Buffer.concat([held, chunk])
    wake()
  }
  const gone = () => wake()
  socket.on('data', hear).on('close', gone)
  const take = async (size: number): Promise<Buffer> => {
    while (held.length < size) {
      if (socket.destroyed) throw new Error('gone')
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    const taken = held.subarray(0, size)
    held = held.subarray(size)
    return taken
  }
  take.rest = () => {
    socket.off('data', hear).off('close', gone)
    return held
  }
  return take
}
