/** How often somebody may try. In memory: a restart forgives, and so does time; nobody is ever locked out for good. */
import { fail } from '../base/errors.ts'

/** Tries are counted in windows of this length. */
const WINDOW_MS = 15 * 60_000
/** For one account from one network: enough for a forgotten password, few enough that guessing takes years. */
const ACCOUNT_FROM_NETWORK = 10
/** From one network for all accounts: an office behind one address signs in on Monday morning. */
const NETWORK = 60
/** For one account from everywhere. Networks that have signed in to it before are let past, so that a crowd elsewhere locks nobody out. */
const ACCOUNT = 100
/** Most counters kept; the oldest go first. Each is some 100 bytes. */
const MOST = 50_000

/** The network of an address: who has one address of it has the others too (a home's IPv6 is a /56). */
export function networkOf(ip: string | null): string {
  if (ip === null) return 'unknown'
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+)\.\d+$/i.exec(ip)
  if (v4) return `${v4[1]}.0/24`
  if (!/^[0-9a-f:]+(%\w+)?$/i.test(ip)) return 'unknown'
  const [head = '', tail] = ip.split('%')[0]!.split('::') as [string, string | undefined]
  const first = head === '' ? [] : head.split(':')
  const last = tail ? tail.split(':') : []
  const groups = tail === undefined ? first : [...first, ...Array(8 - first.length - last.length).fill('0'), ...last]
  const bits = groups.slice(0, 4).map((g) => Number.parseInt(g, 16).toString(16).padStart(4, '0'))
  return `${bits.join('').slice(0, 14)}/56`
}

export function createLimits(deps: { now: () => number }) {
  const counters = new Map<string, { count: number; since: number }>()
  /** Networks from which somebody has got in to an account. */
  const known = new Set<string>()

  const cap = (it: { size: number; delete(key: string): unknown; keys(): Iterator<string> }) => {
    if (it.size > MOST) it.delete(it.keys().next().value as string)
  }
  function over(key: string | null, most: number): number | null {
    const it = key === null ? undefined : counters.get(key)
    if (!it || deps.now() - it.since >= WINDOW_MS || it.count < most) return null
    return Math.ceil((it.since + WINDOW_MS - deps.now()) / 1000)
  }
  function count(key: string): void {
    const it = counters.get(key)
    if (it && deps.now() - it.since < WINDOW_MS) it.count++
    else {
      counters.delete(key)
      counters.set(key, { count: 1, since: deps.now() })
      cap(counters)
    }
  }
  return {
    /**
     * Counts a try before anything is looked up, so that known and unknown names count alike. Where nobody says a name, the network
     * alone counts: a crowd elsewhere keeps nobody from using a link.
     */
    take(kind: string, account: string | null, ip: string | null): void {
      const network = networkOf(ip)
      const net = `${kind} from ${network}`
      const near = account === null ? null : `${kind} ${account} ${network}`
      const all = account === null || known.has(`${account} ${network}`) ? null : `${kind} ${account}`
      const wait = over(near, ACCOUNT_FROM_NETWORK) ?? over(net, NETWORK) ?? over(all, ACCOUNT)
      if (wait !== null)
        fail('RATE_LIMITED', 'that was tried too often', { hint: `Try again in ${Math.ceil(wait / 60)} minutes.`, retryAfter: wait })
      for (const key of [near, all, net]) if (key !== null) count(key)
    },
    /** It was right: tries until now are forgiven where they came from. */
    succeeded(kind: string, account: string | null, ip: string | null): void {
      const network = networkOf(ip)
      const net = counters.get(`${kind} from ${network}`)
      if (net) net.count--
      if (account === null) return
      counters.delete(`${kind} ${account} ${network}`)
      const all = counters.get(`${kind} ${account}`)
      if (all) all.count--
      known.add(`${account} ${network}`)
      cap(known as never)
    },
  }
}
export type Limits = ReturnType<typeof createLimits>
