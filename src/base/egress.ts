/**
 * The way out of the building. Every name is resolved here, every answer is judged, and a connection goes only to an address that
 * was judged. Nothing else in the runtime opens a connection to somebody else's machine.
 */
import { lookup as systemLookup, resolveSrv, resolveTxt } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { networkInterfaces } from 'node:os'
import { Agent, Pool } from 'undici'
import { canonicalHost, judge, readings } from './addresses.ts'
import { Fault } from './errors.ts'
import { type ExchangeInit, exchange } from './exchange.ts'

export { FIRST_BYTE_MS, MAX_BYTES, TOTAL_MS } from './exchange.ts'
export type EgressInit = ExchangeInit

export interface HostPort {
  readonly host: string
  readonly port: number
}

export interface EgressDeps {
  /** Private targets that an administrator has opened, exactly as written: a name or a literal, and its port. */
  allowPrivate: readonly HostPort[]
  /** Where this runtime itself listens (literals as `server.address()` gives them): never reachable, not even when allow-listed. */
  ownListeners?: () => readonly { address: string; port: number }[]
  /** Every address of a name. Default: the system's resolver. */
  lookup?: (host: string) => Promise<string[]>
  /** The SRV records of a name, and the TXT records of another. Default: the system's name servers. */
  records?: { srv: (name: string) => Promise<{ name: string; port: number }[]>; txt: (name: string) => Promise<string[][]> }
  /** Told of each refusal, for the audit trail and the metrics. */
  onRefusal?: (refusal: { host: string; port: number; rule: string }) => void
}

export interface Egress {
  /**
   * https to any public host on 443 or a port ≥ 1024; http only to an allow-listed host and port. Redirects come back as they are.
   * Faults: EGRESS_BLOCKED, and those of `exchange`.
   */
  fetch(url: string | URL, init?: EgressInit): Promise<Response>
  /** The address to open a database socket to, judged like the rest; any port. Faults: EGRESS_BLOCKED, UPSTREAM_ERROR, INVALID_INPUT. */
  address(host: string, port: number): Promise<Checked>
  /**
   * The hosts that DNS names for a service (`_service._tcp.name`, RFC 2782), and the texts that stand at the name itself. Nothing of it
   * is judged here: whoever connects to such a host asks for its address like for any other. Faults: UPSTREAM_ERROR, INVALID_INPUT.
   */
  srv(service: string, name: string): Promise<{ hosts: HostPort[]; texts: string[] }>
  /** Cuts what is still under way. */
  close(): Promise<void>
}

export interface Checked {
  address: string
  family: 4 | 6
}

/** Resolving, TCP and TLS together. A host that is there needs far less; a blackhole must not eat the step's time. */
export const CONNECT_MS = 5_000
/** Per origin. Enough for a worker's runs; beyond it calls queue rather than drown a self-hosted service. */
const CONNECTIONS = 128
/** Below it ports belong to system services (mail, SSH, SMB) that must not be fed with requests; https there is 443 alone. */
const FIRST_USER_PORT = 1024

const key = (host: string, port: number) => `${host} ${port}`
/** IPv6 literals stand in brackets in messages, as people write them. */
const shown = (host: string) => (host.includes(':') ? `[${host}]` : host)

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
  const lookup = deps.lookup ?? (async (host: string) => (await systemLookup(host, { all: true })).map(({ address }) => address))

  const records = deps.records ?? { srv: resolveSrv, txt: resolveTxt }

  const refuse = (host: string, port: number, rule: string): never => {
    deps.onRefusal?.({ host, port, rule })
    throw new Fault('EGRESS_BLOCKED', `the runtime may not connect to ${shown(host)}`, {
      details: { rule },
      hint:
        rule === 'metadata'
          ? 'Cloud metadata addresses are never opened.'
          : 'An administrator can allow-list a private host with its port.',
    })
  }

  /** Throws unless a connection to this address is fine for this host and port. */
  function check(address: string, host: string, port: number): void {
    const verdict = judge(address)
    if (!verdict.ok && (verdict.forever || !allowed.has(key(host, port)))) refuse(host, port, verdict.rule)
    // Last, so that a stranger who tries ports on loopback is told "loopback" by all of them.
    if (isOwn(address, port, deps.ownListeners?.() ?? [])) refuse(host, port, 'own-listener')
  }

  // Connections that open at once share one question: the system's resolver answers on few threads.
  const asking = new Map<string, Promise<string[]>>()
  function ask(host: string): Promise<string[]> {
    let answer = asking.get(host)
    if (!answer) {
      answer = within(CONNECT_MS, lookup(host)).finally(() => asking.delete(host))
      asking.set(host, answer)
    }
    return answer
  }

  /** One bad answer among good ones refuses them all: which of them a connection takes is not ours to guess. */
  async function resolve(host: string, port: number): Promise<Checked[]> {
    const answers = await ask(host).catch((error: { code?: unknown }) => unresolved(host, error.code))
    if (answers.length === 0) unresolved(host, 'ENODATA')
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

  const pool = new Agent({
    factory: (origin, options) => {
      const { host, port } = target(new URL(origin))
      const connect = { lookup: lookupFor(host, port), timeout: CONNECT_MS, rejectUnauthorized: true }
      return new Pool(origin, { ...options, connections: CONNECTIONS, connect })
    },
  })

  return {
    async fetch(url, init = {}) {
      const parsed = URL.parse(String(url)) // a copy: what was checked cannot change before it is sent
      if (!parsed) throw new Fault('INVALID_INPUT', 'that is not an absolute URL')
      const { host, port } = target(parsed)
      const plain = parsed.protocol === 'http:'
      if (!plain && parsed.protocol !== 'https:') refuse(host, port, 'scheme')
      if (parsed.username !== '' || parsed.password !== '') refuse(host, port, 'userinfo')
      if (!allowed.has(key(host, port))) {
        if (plain) refuse(host, port, 'plain-http')
        if (port !== 443 && port < FIRST_USER_PORT) refuse(host, port, 'port')
      }
      // A literal is never looked up, so it is judged here; a name is judged whenever a connection for it opens.
      if (isIP(host) > 0) check(host, host, port)
      return exchange(pool, parsed, init)
    },
    async address(written, port) {
      const host = canonicalHost(written)
      if (!host || !Number.isInteger(port) || port < 1 || port > 65_535) throw new Fault('INVALID_INPUT', 'that is not a host and a port')
      const family = isIP(host)
      if (family === 0) return (await resolve(host, port))[0]!
      check(host, host, port)
      return { address: host, family: family === 6 ? 6 : 4 }
    },
    async srv(service, written) {
      const name = canonicalHost(written)
      if (!name || isIP(name) > 0 || !/^[a-z0-9-]{1,15}$/i.test(service))
        throw new Fault('INVALID_INPUT', 'that is not a service and a name')
      const none = (error: { code?: unknown }) => (NO_RECORD.has(error.code) ? [] : unresolved(name, error.code))
      const [hosts, texts] = await Promise.all([
        within(CONNECT_MS, records.srv(`_${service}._tcp.${name}`)).catch((error) => unresolved(name, error.code)),
        within(CONNECT_MS, records.txt(name)).catch(none),
      ])
      if (hosts.length === 0) unresolved(name, 'ENODATA')
      return { hosts: hosts.map((one) => ({ host: one.name, port: one.port })), texts: texts.map((parts) => parts.join('')) }
    },
    close: () => pool.destroy(),
  }
}

/** A name without TXT records says nothing, which is no failure. */
const NO_RECORD = new Set<unknown>(['ENODATA', 'ENOTFOUND'])

function target(url: URL): HostPort {
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
  return { host, port: url.port !== '' ? Number(url.port) : url.protocol === 'http:' ? 80 : 443 }
}

function unresolved(host: string, code: unknown): never {
  throw new Fault('UPSTREAM_ERROR', `${shown(host)} cannot be found`, { details: { reason: typeof code === 'string' ? code : 'UNKNOWN' } })
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(Object.assign(new Error('no answer'), { code: 'ETIMEOUT' })), ms)
  return await Promise.race([work, promise]).finally(() => clearTimeout(timer))
}

const UNSPECIFIED = new Set(['0.0.0.0', '::'])

/** Does a connection to this address and port end at one of our own listeners? `0.0.0.0` and `::` stand for every address of the machine. */
function isOwn(address: string, port: number, listeners: readonly { address: string; port: number }[]): boolean {
  const near = listeners.filter((one) => one.port === port).flatMap((one) => readings(one.address))
  if (near.length === 0) return false
  const there = readings(address)
  if (there.some((one) => near.includes(one))) return true
  const local = () => {
    const interfaces = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
    return new Set(interfaces.flatMap((one) => readings(one.address)))
  }
  const onThisMachine = (one: string) => UNSPECIFIED.has(one) || one === '::1' || one.startsWith('127.') || local().has(one)
  return (near.some((one) => UNSPECIFIED.has(one)) || there.some((one) => UNSPECIFIED.has(one))) && there.some(onThisMachine)
}
