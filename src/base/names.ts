/** What DNS says of names. Nothing of it is judged here. */
import { lookup as systemLookup, resolveSrv, resolveTxt } from 'node:dns/promises'
import { isIP } from 'node:net'
import { canonicalHost } from './addresses.ts'
import { Fault } from './errors.ts'

export interface NamesDeps {
  /** Every address of a name. Default: the system's resolver. */
  lookup?: (host: string) => Promise<string[]>
  /** The SRV records of a name, and the TXT records of another. Default: the system's name servers. */
  records?: { srv: (name: string) => Promise<{ name: string; port: number }[]>; txt: (name: string) => Promise<string[][]> }
}

/** Resolving, TCP and TLS together. A host that is there needs far less; a blackhole must not eat the step's time. */
export const CONNECT_MS = 5_000
/** A name without TXT records says nothing, which is no failure. */
const NO_RECORD = new Set<unknown>(['ENODATA', 'ENOTFOUND'])

/** IPv6 literals stand in brackets in messages, as people write them. */
export const shown = (host: string) => (host.includes(':') ? `[${host}]` : host)

export function createNames(deps: NamesDeps) {
  const lookup = deps.lookup ?? (async (host: string) => (await systemLookup(host, { all: true })).map(({ address }) => address))
  const records = deps.records ?? { srv: resolveSrv, txt: resolveTxt }
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

  return {
    /** At least one. Faults: UPSTREAM_ERROR. */
    async addresses(host: string): Promise<string[]> {
      const answers = await ask(host).catch((error: { code?: unknown }) => unresolved(host, error.code))
      return answers.length === 0 ? unresolved(host, 'ENODATA') : answers
    },
    /**
     * The hosts that DNS names for a service (`_service._tcp.name`, RFC 2782), and the texts that stand at the name itself.
     * Faults: UPSTREAM_ERROR, INVALID_INPUT.
     */
    async srv(service: string, written: string): Promise<{ hosts: { host: string; port: number }[]; texts: string[] }> {
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
  }
}
export type Names = ReturnType<typeof createNames>

function unresolved(host: string, code: unknown): never {
  throw new Fault('UPSTREAM_ERROR', `${shown(host)} cannot be found`, { details: { reason: typeof code === 'string' ? code : 'UNKNOWN' } })
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(Object.assign(new Error('no answer'), { code: 'ETIMEOUT' })), ms)
  return await Promise.race([work, promise]).finally(() => clearTimeout(timer))
}
