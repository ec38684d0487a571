/** Which addresses the runtime may speak to. Pure: no name is resolved and nothing is sent here. */
import { isIP } from 'node:net'

/** `forever`: no allow-list opens it (cloud metadata hands out credentials of the machine). */
export type Verdict = { ok: true } | { ok: false; rule: string; forever: boolean }

interface Row {
  readonly net: Uint8Array
  readonly bits: number
  readonly rule: string
  readonly forever: boolean
}

/**
 * Spells a host in the one way in which two spellings of the same host are equal: lower case, punycode, IPv4 in four decimals
 * (from octal, hex and integer forms too), IPv6 compressed, without brackets. undefined when it is no host: paths, ports, zones.
 */
export function canonicalHost(host: string): string | undefined {
  const inner = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  if (inner === '' || /[\s/\\?#@%|<>^[\]\x00-\x1f\x7f]/.test(inner)) return undefined
  const v6 = inner.includes(':')
  if (v6 && isIP(inner) !== 6) return undefined
  const url = URL.parse(v6 ? `http://[${inner}]/` : `http://${inner}/`)
  if (!url) return undefined
  return v6 ? url.hostname.slice(1, -1) : url.hostname
}

/** The 4 or 16 bytes of an address that `canonicalHost` has spelled; undefined for a name. */
export function bytesOf(address: string): Uint8Array | undefined {
  const family = isIP(address)
  if (family === 4) return Uint8Array.from(address.split('.'), Number)
  if (family !== 6) return undefined
  const [head = '', tail] = address.split('::')
  const groups = (text: string | undefined) => (text ? text.split(':').map((group) => Number.parseInt(group, 16)) : [])
  const left = groups(head)
  const right = groups(tail)
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right]
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]))
}

const row = (cidr: string, rule: string, forever = false): Row => {
  const [address = '', bits = ''] = cidr.split('/')
  return { net: bytesOf(address)!, bits: Number(bits), rule, forever }
}

/**
 * IANA "IPv4 Special-Purpose Address Registry" and "IPv4 Multicast Address Space", with the metadata addresses of the clouds before
 * the blocks they lie in. All of 169.254/16 is shut for good: AWS, Azure, GCP, Oracle (169.254.169.254), ECS and EKS (169.254.170.x),
 * Scaleway (169.254.42.42) and Tencent (169.254.0.23) each picked their own, and no service of a person lives there.
 */
const V4: readonly Row[] = [
  row('169.254.169.254/32', 'metadata', true),
  row('169.254.170.0/24', 'metadata', true),
  row('169.254.42.42/32', 'metadata', true),
  row('169.254.0.23/32', 'metadata', true),
  row('169.254.0.0/16', 'link-local', true),
  row('100.100.100.200/32', 'metadata', true), // Alibaba Cloud
  row('168.63.129.16/32', 'metadata', true), // Azure WireServer; a public address on paper
  row('192.0.0.192/32', 'metadata', true), // Oracle Cloud, classic
  row('0.0.0.0/32', 'unspecified'),
  row('0.0.0.0/8', 'this-network'),
  row('10.0.0.0/8', 'private'),
  row('100.64.0.0/10', 'carrier-nat'),
  row('127.0.0.0/8', 'loopback'),
  row('172.16.0.0/12', 'private'),
  row('192.0.0.0/24', 'protocol-assignments'),
  row('192.0.2.0/24', 'documentation'),
  row('192.88.99.0/24', '6to4-relay'),
  row('192.168.0.0/16', 'private'),
  row('198.18.0.0/15', 'benchmarking'),
  row('198.51.100.0/24', 'documentation'),
  row('203.0.113.0/24', 'documentation'),
  row('224.0.0.0/4', 'multicast'),
  row('255.255.255.255/32', 'broadcast'),
  row('240.0.0.0/4', 'reserved'),
]

/** IANA "IPv6 Special-Purpose Address Registry"; whatever lies outside 2000::/3 and has no row is refused as not global. */
const V6: readonly Row[] = [
  row('fd00:ec2::/32', 'metadata', true), // AWS: ::254 instance metadata, ::23 EKS pod identity
  row('fd20:ce::254/128', 'metadata', true), // Google Cloud
  row('fd00:c1::a9fe:a9fe/128', 'metadata', true), // Oracle Cloud
  row('fd00:42::42/128', 'metadata', true), // Scaleway
  row('fe80::a9fe:a9fe/128', 'metadata', true), // OpenStack
  row('::/128', 'unspecified'),
  row('::1/128', 'loopback'),
  row('::/96', 'v4-compatible'),
  row('::ffff:0:0/96', 'v4-mapped'),
  row('::ffff:0:0:0/96', 'v4-translated'),
  row('64:ff9b::/96', 'nat64'),
  row('64:ff9b:1::/48', 'nat64'),
  row('100::/64', 'discard'),
  row('2001::/32', 'teredo'),
  row('2001:2::/48', 'benchmarking'),
  row('2001::/23', 'protocol-assignments'),
  row('2001:db8::/32', 'documentation'),
  row('3fff::/20', 'documentation'),
  row('2002::/16', '6to4'),
  row('fc00::/7', 'unique-local'),
  row('fe80::/10', 'link-local'),
  row('fec0::/10', 'site-local'),
  row('ff00::/8', 'multicast'),
]
const GLOBAL = row('2000::/3', 'global')

function within(address: Uint8Array, { net, bits }: Row): boolean {
  const whole = bits >> 3
  for (let i = 0; i < whole; i++) if (address[i] !== net[i]) return false
  const rest = bits & 7
  return rest === 0 || (address[whole]! ^ net[whole]!) >> (8 - rest) === 0
}

/** Where each form keeps its IPv4 address: byte offsets. RFC 6052 §2.2 (byte 8 is skipped), RFC 3056 §2, RFC 4380 §4, RFC 5214 §6.1. */
const LAST = [12, 13, 14, 15]
const EMBEDDED: Readonly<Record<string, readonly (readonly number[])[]>> = {
  'v4-compatible': [LAST],
  'v4-mapped': [LAST],
  'v4-translated': [LAST],
  nat64: [LAST, [6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12]],
  '6to4': [[2, 3, 4, 5]],
  teredo: [[4, 5, 6, 7], LAST],
  isatap: [LAST],
}

function v4sWithin(address: Uint8Array, rule: string): Uint8Array[] {
  return (EMBEDDED[rule] ?? []).map((offsets) =>
    Uint8Array.from(offsets, (at) => (rule === 'teredo' && offsets === LAST ? address[at]! ^ 255 : address[at]!)),
  )
}

/** An interface id of ISATAP (0:5efe or 200:5efe) tunnels to the IPv4 address behind it, whatever the prefix. */
const isatap = (a: Uint8Array) => (a[8]! & 0xfd) === 0 && a[9] === 0 && a[10] === 0x5e && a[11] === 0xfe

function judgeBytes(address: Uint8Array): Verdict {
  if (address.length === 4) {
    const hit = V4.find((one) => within(address, one))
    return hit ? { ok: false, rule: hit.rule, forever: hit.forever } : { ok: true }
  }
  const hit = V6.find((one) => within(address, one))
  const rule = hit?.rule ?? (isatap(address) ? 'isatap' : within(address, GLOBAL) ? undefined : 'not-global')
  if (!rule) return { ok: true }
  for (const v4 of v4sWithin(address, rule)) {
    const inner = judgeBytes(v4)
    if (!inner.ok && inner.forever) return inner
  }
  return { ok: false, rule, forever: hit?.forever ?? false }
}

/**
 * May the runtime speak to this IPv4 or IPv6 literal? Any spelling that URLs accept; brackets and a zone may stand.
 * A text that is no address is refused for good. An IPv6 form that carries an IPv4 address is always refused, and for good when the
 * address inside is.
 */
export function judge(address: string): Verdict {
  const zone = address.indexOf('%')
  const canonical = canonicalHost(zone < 0 ? address : address.slice(0, zone).replace('[', ''))
  const bytes = canonical === undefined ? undefined : bytesOf(canonical)
  if (!bytes) return { ok: false, rule: 'not-an-address', forever: true }
  const verdict = judgeBytes(bytes)
  return verdict.ok && zone >= 0 ? { ok: false, rule: 'zone', forever: false } : verdict
}

/** Every way to read the address: itself and the IPv4 addresses inside it, spelled canonically. */
export function readings(address: string): string[] {
  const canonical = canonicalHost(address.replace(/%.*$/, ''))
  const bytes = canonical === undefined ? undefined : bytesOf(canonical)
  if (!canonical || !bytes) return []
  const verdict = bytes.length === 16 ? V6.find((one) => within(bytes, one))?.rule : undefined
  return [canonical, ...(verdict ? v4sWithin(bytes, verdict) : []).map((v4) => v4.join('.'))]
}

/** Names that lead to metadata, and endings that are nobody's on the internet: RFC 6761, 6762, 8375, and `internal`, which ICANN keeps. */
const METADATA_NAMES = new Set(['metadata.google.internal', 'metadata.goog', 'instance-data.ec2.internal'])
const LOCAL_NAME = /(^|\.)(localhost|local|internal|home\.arpa)$/

/** May the runtime speak to this name, where it leads not being known here? Less than `judge`: a public name may lead anywhere. */
export function judgeName(name: string): Verdict {
  const bare = name.replace(/\.$/, '')
  if (METADATA_NAMES.has(bare)) return { ok: false, rule: 'metadata', forever: true }
  return LOCAL_NAME.test(bare) || !bare.includes('.') ? { ok: false, rule: 'local-name', forever: false } : { ok: true }
}
