/**
 * The operator's proxy: the one way out where there is one. It is asked for a connection to the address that was judged here, and
 * what is said through the connection is not its to read: TLS goes through it, end to end.
 * HTTP CONNECT: RFC 9110 §9.3.6. SOCKS 5: RFC 1928, user and password RFC 1929.
 */
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { isIP, connect as netConnect, type Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { bytesOf, canonicalHost } from './addresses.ts'
import { Fault, fail } from './errors.ts'

export interface ProxySettings {
  readonly kind: 'http' | 'https' | 'socks5'
  readonly host: string
  readonly port: number
  readonly user: string | null
  readonly password: string | null
  /** Names are resolved over there: what is judged here is the name alone. */
  readonly resolves: boolean
}

/** Reaching the proxy and its reaching the target. Longer than a direct connection may take: it is two of them. */
export const TUNNEL_MS = 10_000
/** Of the proxy's answer to CONNECT. A page that explains a refusal is not read. */
const MAX_HEAD_BYTES = 16 * 1024
/** RFC 1929: lengths are one byte. */
const MAX_SOCKS_TEXT = 255

const KINDS = { 'http:': ['http', 80], 'https:': ['https', 443], 'socks5:': ['socks5', 1080], 'socks5h:': ['socks5', 1080] } as const

/** Reads the setting. Throws INVALID_INPUT. `credentials`: `user:password`, as a file holds them. */
export function parseProxy(text: string, credentials: string | undefined, resolves: boolean): ProxySettings {
  const url = URL.parse(text)
  const known = url && Object.hasOwn(KINDS, url.protocol) ? KINDS[url.protocol as keyof typeof KINDS] : undefined
  const host = url && canonicalHost(url.hostname)
  if (!url || !known || !host || !/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '')
    return fail('INVALID_INPUT', '--egress-proxy must be like http://proxy.internal:3128, https://… or socks5://…, without a path')
  if (url.username !== '' || url.password !== '')
    return fail('INVALID_INPUT', '--egress-proxy may not hold a user or a password', {
      hint: 'Flags are seen by everybody on the machine: put user:password into a file and name it with --egress-proxy-credentials-file.',
    })
  if (url.protocol === 'socks5h:' && !resolves)
    return fail('INVALID_INPUT', 'socks5h:// means that the proxy resolves names, which must be said on its own', {
      hint: 'Write socks5://, or add --egress-proxy-resolves: then only names are judged here, and not where they lead.',
    })
  const [kind, usual] = known
  const [, user = null, password = null] = /^([^:]*):(.*)$/s.exec(credentials ?? '') ?? []
  const tooLong = (it: string | null) => it !== null && (it === '' || Buffer.byteLength(it) > MAX_SOCKS_TEXT)
  if (credentials !== undefined && (user === null || tooLong(user) || (kind === 'socks5' && tooLong(password))))
    return fail('INVALID_INPUT', '--egress-proxy-credentials-file must hold user:password on one line')
  return Object.freeze({ kind, host, port: Number(url.port || usual), user, password, resolves })
}

/** For people and logs: never with the credentials. */
export const proxyOrigin = ({ kind, host, port }: ProxySettings): string => `${kind}://${bracketed(host)}:${port}`
const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host)

/** What the proxy is asked to connect to: an address, or a name where it resolves names. */
interface Far {
  host: string
  port: number
}

/**
 * A connection through the proxy to the first of these addresses that it reaches. Whatever comes after its answer is left in the
 * socket. Faults: UPSTREAM_ERROR, each before anything was sent to the target; the signal's reason.
 */
export async function openTunnel(proxy: ProxySettings, hosts: readonly string[], port: number, signal: AbortSignal) {
  const limit = AbortSignal.timeout(TUNNEL_MS)
  const either = AbortSignal.any([signal, limit])
  let failure: unknown
  for (const host of hosts) {
    try {
      return { socket: await ask(proxy, { host, port }, either), host }
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (limit.aborted) throw trouble(`the egress proxy did not connect within ${TUNNEL_MS} ms`, 'ETIMEDOUT')
      failure = error
      // It may reach the next one: a proxy without IPv6 says no to half of the addresses.
      if (!(error instanceof Refused)) break
    }
  }
  throw failure
}

/** A connected socket, or none. */
async function ask(proxy: ProxySettings, far: Far, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted()
  const secure = proxy.kind === 'https'
  const socket = secure ? tlsConnect(tlsOf(proxy)) : netConnect({ host: proxy.host, port: proxy.port })
  // An error without a listener would end the process, and whoever gets the socket listens a moment later: it finds it closed.
  socket.on('error', () => undefined)
  const cut = () => socket.destroy(new Error('given up'))
  signal.addEventListener('abort', cut, { once: true })
  try {
    await once(socket, secure ? 'secureConnect' : 'connect').catch(({ code }: { code?: unknown }) => {
      throw trouble('the egress proxy cannot be reached', typeof code === 'string' && /^[A-Z0-9_]+$/.test(code) ? code : 'UNKNOWN')
    })
    socket.setNoDelay(true)
    await (proxy.kind === 'socks5' ? askSocks(socket, proxy, far) : askHttp(socket, proxy, far))
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    signal.removeEventListener('abort', cut)
  }
}

const tlsOf = ({ host, port }: ProxySettings) => ({
  host,
  port,
  minVersion: 'TLSv1.2' as const,
  ALPNProtocols: ['http/1.1'],
  ...(isIP(host) === 0 ? { servername: host } : {}),
})

const trouble = (sentence: string, reason: string): Fault => new Fault('UPSTREAM_ERROR', sentence, { details: { reason } })
/** The proxy is well, and does not connect to that. */
class Refused extends Fault {
  constructor({ host }: Far, reason: string) {
    super('UPSTREAM_ERROR', `the egress proxy did not connect to ${bracketed(host)}`, { details: { reason } })
  }
}
const badCredentials = (reason: string): Fault =>
  new Fault('UPSTREAM_ERROR', 'the egress proxy does not accept our credentials', {
    details: { reason },
    hint: 'An operator mends this: --egress-proxy-credentials-file.',
  })
const brokenOff = () => trouble('the egress proxy broke the connection off', 'ECONNRESET')

/** Node's own client reads the answer; every status comes as the event `connect`. */
function askHttp(socket: Socket, proxy: ProxySettings, far: Far): Promise<void> {
  return new Promise((resolve, reject) => {
    const target = `${bracketed(far.host)}:${far.port}`
    const basic = Buffer.from(`${proxy.user}:${proxy.password ?? ''}`).toString('base64')
    const asked = httpRequest({
      createConnection: () => socket,
      method: 'CONNECT',
      path: target,
      setHost: false,
      maxHeaderSize: MAX_HEAD_BYTES,
      headers: { host: target, connection: 'keep-alive', ...(proxy.user === null ? {} : { 'proxy-authorization': `Basic ${basic}` }) },
    })
    asked.once('connect', ({ statusCode = 0 }, _, head: Buffer) => {
      if (statusCode === 407) return reject(badCredentials('PROXY_407'))
      if (statusCode < 200 || statusCode > 299) return reject(new Refused(far, `PROXY_${statusCode}`))
      if (head.length > 0) socket.unshift(head)
      resolve()
    })
    asked.once('error', () => reject(brokenOff()))
    asked.end()
  })
}

const NO_SIGN_IN = 0
const PASSWORD_SIGN_IN = 2

async function askSocks(socket: Socket, proxy: ProxySettings, far: Far): Promise<void> {
  const read = reader(socket)
  try {
    socket.write(Buffer.from(proxy.user === null ? [5, 1, NO_SIGN_IN] : [5, 2, NO_SIGN_IN, PASSWORD_SIGN_IN]))
    const [version, method] = await read(2)
    if (version !== 5) throw trouble('the egress proxy does not speak SOCKS 5', 'SOCKS_VERSION')
    if (method === PASSWORD_SIGN_IN && proxy.user !== null) {
      const user = Buffer.from(proxy.user)
      const password = Buffer.from(proxy.password ?? '')
      socket.write(Buffer.concat([Buffer.from([1, user.length]), user, Buffer.from([password.length]), password]))
      if ((await read(2))[1] !== 0) throw badCredentials('SOCKS_AUTH')
    } else if (method !== NO_SIGN_IN) throw badCredentials('SOCKS_METHOD')
    const port = Buffer.alloc(2)
    port.writeUInt16BE(far.port)
    socket.write(Buffer.concat([Buffer.from([5, 1, 0]), socksAddress(far.host), port]))
    const [, reply = 0, , kind = 0] = await read(4)
    if (reply !== 0) throw new Refused(far, `SOCKS_${reply}`)
    // Where the proxy says it went out from: read past, of no use to us.
    const length = kind === 1 ? 4 : kind === 4 ? 16 : kind === 3 ? (await read(1))[0]! : undefined
    if (length === undefined) throw trouble('the egress proxy does not speak SOCKS 5', 'SOCKS_ADDRESS')
    await read(length + 2)
  } finally {
    read.stop()
  }
}

function socksAddress(host: string): Buffer {
  const bytes = bytesOf(host)
  if (bytes) return Buffer.from([bytes.length === 4 ? 1 : 4, ...bytes])
  const name = Buffer.from(host)
  if (name.length > MAX_SOCKS_TEXT) throw new Fault('INVALID_INPUT', 'that name is longer than a name can be')
  return Buffer.concat([Buffer.from([3, name.length]), name])
}

/** Exactly so many bytes, and not one more out of the socket: what follows belongs to whoever uses the tunnel. */
function reader(socket: Socket) {
  let wake: () => void = () => undefined
  let over: Error | undefined
  const look = () => wake()
  const gone = (error?: Error) => {
    over = error instanceof Error ? error : brokenOff()
    wake()
  }
  socket.on('readable', look).on('end', gone).on('error', gone).on('close', gone)
  const read = async (size: number): Promise<Buffer> => {
    for (;;) {
      const bytes = socket.read(size) as Buffer | null
      if (bytes?.length === size) return bytes
      if (over || socket.readableEnded || socket.destroyed) throw over instanceof Fault ? over : brokenOff()
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  read.stop = () => socket.off('readable', look).off('end', gone).off('error', gone).off('close', gone)
  return read
}
