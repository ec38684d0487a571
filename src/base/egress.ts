/**
 * The way out of the building. Every name is resolved here, every answer is judged, and a connection goes only to an address that
 * was judged. Nothing else in the runtime opens a connection to somebody else's machine.
 */
import { once } from 'node:events'
import { isIP, type LookupFunction, connect as netConnect, type Socket } from 'node:net'
import { Agent, buildConnector, Pool } from 'undici'
import { canonicalHost, judge, judgeName, type Verdict } from './addresses.ts'
import { createDoors } from './egress-doors.ts'
import { openTunnel, type ProxySettings } from './egress-proxy.ts'
import { Fault } from './errors.ts'
import { type ExchangeInit, exchange } from './exchange.ts'
import { CONNECT_MS, createNames, type Names, type NamesDeps, shown } from './names.ts'
import { isOwn } from './own-listener.ts'

export { CONNECT_MS } from './names.ts'
export { FIRST_BYTE_MS, MAX_BYTES, TOTAL_MS } from './exchange.ts'
export type EgressInit = ExchangeInit

export interface HostPort {
  readonly host: string
  readonly port: number
}

export interface EgressDeps extends NamesDeps {
  /** Private targets that an administrator has opened, exactly as written: a name or a literal, and its port. */
  allowPrivate: readonly HostPort[]
  /** Where this runtime itself listens (literals as `server.address()` gives them): never reachable, not even when allow-listed. */
  ownListeners?: () => readonly { address: string; port: number }[]
  /** Told once for each call that was refused, as part of that call: whoever keeps a context finds the caller's. */
  onRefusal?: (refusal: Refusal) => void
  /** Every connection goes through it. */
  proxy?: ProxySettings | null | undefined
}
export interface Refusal {
  host: string
  port: number
  rule: string
}
export interface ConnectOptions {
  signal: AbortSignal
  /** To the very address that this one, of the same host and port, was opened to. */
  beside?: Socket
}

export interface Egress {
  /**
   * https to any public host on 443 or a port ≥ 1024; http only to an allow-listed host and port. Redirects come back as they are.
   * Faults: EGRESS_BLOCKED, and those of `exchange`.
   */
  fetch(url: string | URL, init?: EgressInit): Promise<Response>
  /**
   * A TCP connection to a judged address of the host, through the proxy where there is one; any port, and no TLS yet.
   * Faults: EGRESS_BLOCKED, UPSTREAM_ERROR, INVALID_INPUT; the signal's reason.
   */
  connect(host: string, port: number, options: ConnectOptions): Promise<Socket>
  /**
   * Where to open a database socket to, judged like `connect`: for clients that can only open their own. Where there is a proxy it is
   * a port of this machine that leads through it. Faults: EGRESS_BLOCKED, UPSTREAM_ERROR, INVALID_INPUT.
   */
  address(host: string, port: number): Promise<Place>
  /** Throws what `connect` would throw before it connects. */
  judge(host: string, port: number): Promise<void>
  /** Where DNS says that a service is. Nothing of it is judged here: whoever connects to such a host asks for it like for any other. */
  srv: Names['srv']
  /** Cuts what is still under way. */
  close(): Promise<void>
}

export interface Checked {
  address: string
  family: 4 | 6
}
export interface Place extends Checked {
  port: number
}

/** Per origin. Enough for a worker's runs; beyond it calls queue rather than drown a self-hosted service. */
const CONNECTIONS = 128
/** Below it ports belong to system services (mail, SSH, SMB) that must not be fed with requests; https there is 443 alone. */
const FIRST_USER_PORT = 1024

const OPEN_IT = 'An administrator can allow-list a private host with its port.'
const HINTS: Readonly<Record<string, string>> = {
  metadata: 'Cloud metadata addresses are never opened.',
}

const key = (host: string, port: number) => `${host} ${port}`

/** Reads `host:port` or `[::1]:5432`. Throws INVALID_INPUT for anything else, also for a metadata address: those cannot be opened. */
export function parseAllow(text: string): HostPort {
  const [, written = '', digits = ''] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+):([1-9]\d{0,4})$/.exec(text) ?? []
  const host = canonicalHost(written)
  const port = Number(digits)
  const literal = host !== undefined && isIP(host) > 0
  if (!host || port > 65_535 || !(literal || /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/.test(host)))
    throw new Fault('INVALID_INPUT', 'an allow-list entry is one host and one port', { hint: 'Write db.internal:5432 or [fd12::7]:5432.' })
  const verdict = literal ? judge(host) : undefined
  if (verdict && !verdict.ok && verdict.forever)
    throw new Fault('INVALID_INPUT', `${shown(host)} cannot be allow-listed`, { hint: 'Cloud metadata addresses are never opened.' })
  return { host, port }
}

export function createEgress(deps: EgressDeps): Egress {
  const allowed = new Set(deps.allowPrivate.map(({ host, port }) => key(canonicalHost(host) ?? '', port)))
  const { proxy } = deps
  const names = createNames(deps)

  const refuse = (host: string, rule: string): never => {
    throw new Fault('EGRESS_BLOCKED', `the runtime may not connect to ${shown(host)}`, { details: { rule }, hint: HINTS[rule] ?? OPEN_IT })
  }

  /** A refusal is told where it surfaces and not where it is found: one that many calls wait for is each one's. */
  const telling = <T>({ host, port }: HostPort, work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      if (error instanceof Fault && error.code === 'EGRESS_BLOCKED') deps.onRefusal?.({ host, port, rule: String(error.details?.rule) })
      throw error
    })

  function pass(verdict: Verdict, host: string, port: number): void {
    if (!verdict.ok && (verdict.forever || !allowed.has(key(host, port)))) refuse(host, verdict.rule)
  }

  /** Throws unless a connection to this address is fine for this host and port. */
  function check(address: string, host: string, port: number): void {
    pass(judge(address), host, port)
    // Last, so that a stranger who tries ports on loopback is told "loopback" by all of them.
    if (isOwn(address, port, [...(deps.ownListeners?.() ?? []), ...doors.listeners()])) refuse(host, 'own-listener')
  }

  /** One bad answer among good ones refuses them all: which of them a connection takes is not ours to guess. */
  async function resolve(host: string, port: number): Promise<Checked[]> {
    const answers = await names.addresses(host)
    for (const address of answers) check(address, host, port)
    return answers.map((address) => ({ address, family: isIP(address) === 6 ? 6 : 4 }))
  }

  const lookupFor = (host: string, port: number): LookupFunction => {
    return (_name, options, done) => {
      resolve(host, port).then(
        (found) => (options.all ? done(null, found) : done(null, found[0]!.address, found[0]!.family)),
        (fault: Fault) => done(fault, ''),
      )
    }
  }

  /** The judged addresses of a host; the name itself where a proxy resolves names. */
  async function judged(host: string, port: number): Promise<string[]> {
    if (isIP(host) > 0) check(host, host, port)
    else if (proxy?.resolves) pass(judgeName(host), host, port)
    else return (await resolve(host, port)).map(({ address }) => address)
    return [host]
  }

  const closing = new AbortController()
  const reached = new WeakMap<Socket, string>()

  async function open(host: string, port: number, signal: AbortSignal, at?: string): Promise<Socket> {
    const stopped = AbortSignal.any([signal, closing.signal])
    if (proxy) {
      const tunnel = await openTunnel(proxy, at === undefined ? await judged(host, port) : [at], port, stopped)
      reached.set(tunnel.socket, tunnel.host)
      return tunnel.socket
    }
    if (isIP(host) > 0) check(host, host, port)
    return direct(at ?? host, port, at === undefined ? { lookup: lookupFor(host, port) } : {}, stopped)
  }

  /** What undici connects with: TLS, where the URL asks for it, goes through the tunnel and is asked for the URL's host. */
  function through({ host, port }: HostPort): buildConnector.connector {
    const secure = buildConnector({ timeout: CONNECT_MS, rejectUnauthorized: true })
    return (options, done) => {
      open(host, port, closing.signal).then(
        (httpSocket) => (options.protocol === 'https:' ? secure({ ...options, httpSocket }, done) : done(null, httpSocket)),
        (fault: Fault) => done(fault, null),
      )
    }
  }

  const pool = new Agent({
    factory: (origin, options) => {
      const to = target(new URL(origin))
      const connect = proxy ? through(to) : { lookup: lookupFor(to.host, to.port), timeout: CONNECT_MS, rejectUnauthorized: true }
      return new Pool(origin, { ...options, connections: CONNECTIONS, connect })
    },
  })

  async function request(parsed: URL, { host, port }: HostPort, init: EgressInit): Promise<Response> {
    const plain = parsed.protocol === 'http:'
    if (!plain && parsed.protocol !== 'https:') refuse(host, 'scheme')
    if (parsed.username !== '' || parsed.password !== '') refuse(host, 'userinfo')
    if (!allowed.has(key(host, port))) {
      if (plain) refuse(host, 'plain-http')
      if (port !== 443 && port < FIRST_USER_PORT) refuse(host, 'port')
    }
    // A literal is never looked up, so it is judged here; a name is judged whenever a connection for it opens.
    if (isIP(host) > 0) check(host, host, port)
    return exchange(pool, parsed, init)
  }

  const doors = createDoors((host, port) => open(host, port, closing.signal))

  async function place({ host, port }: HostPort): Promise<Place> {
    const [address = ''] = await judged(host, port)
    if (proxy) return { ...(await doors.to(host, port)), family: 4 }
    return { address, family: isIP(address) === 6 ? 6 : 4, port }
  }

  return {
    async fetch(url, init = {}) {
      const parsed = URL.parse(String(url)) // a copy: what was checked cannot change before it is sent
      if (!parsed) throw new Fault('INVALID_INPUT', 'that is not an absolute URL')
      const to = target(parsed)
      return telling(to, request(parsed, to, init))
    },
    async connect(written, port, { signal, beside }) {
      const to = hostPort(written, port)
      return telling(to, open(to.host, port, signal, beside && (reached.get(beside) ?? beside.remoteAddress)))
    },
    async address(written, port) {
      const to = hostPort(written, port)
      return telling(to, place(to))
    },
    async judge(written, port) {
      const to = hostPort(written, port)
      await telling(to, judged(to.host, port))
    },
    srv: names.srv,
    async close() {
      closing.abort(new Fault('SHUTTING_DOWN', 'the runtime is shutting down'))
      await doors.close()
      await pool.destroy()
    },
  }
}

function hostPort(written: string, port: number): HostPort {
  const host = canonicalHost(written)
  if (!host || !Number.isInteger(port) || port < 1 || port > 65_535) throw new Fault('INVALID_INPUT', 'that is not a host and a port')
  return { host, port }
}

async function direct(host: string, port: number, how: { lookup?: LookupFunction }, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted()
  const socket = netConnect({ host, port, ...how })
  // Whoever gets it listens a moment later; until then an error just closes it.
  socket.on('error', () => undefined)
  const cut = () => socket.destroy(signal.reason as Error)
  const late = setTimeout(() => socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })), CONNECT_MS)
  signal.addEventListener('abort', cut, { once: true })
  try {
    await once(socket, 'connect')
    return socket
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (error instanceof Fault) throw error
    const { code } = error as { code?: unknown }
    throw new Fault('UPSTREAM_ERROR', `${shown(host)} cannot be reached`, {
      details: { reason: typeof code === 'string' ? code : 'UNKNOWN' },
    })
  } finally {
    clearTimeout(late)
    signal.removeEventListener('abort', cut)
  }
}

function target(url: URL): HostPort {
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
  return { host, port: url.port !== '' ? Number(url.port) : url.protocol === 'http:' ? 80 : 443 }
}
