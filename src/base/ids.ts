import { randomBytes } from 'node:crypto'

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'

let lastMs = 0
let lastTail = 0n

/**
 * `conn_01j…`: a prefix that says the kind, 48 bits of time and 80 random bits (the ULID layout, lower case).
 * Ids of one process sort in the order in which they were made, so lists page by id and indexes stay dense.
 */
export function newId(prefix: string, nowMs: number = Date.now()): string {
  const tail = BigInt('0x' + randomBytes(10).toString('hex'))
  const sameMs = nowMs <= lastMs
  lastTail = sameMs ? (lastTail + (tail & 0xffffffffn) + 1n) & ((1n << 80n) - 1n) : tail >> 1n
  lastMs = sameMs ? lastMs : nowMs
  let bits = (BigInt(lastMs) << 80n) | lastTail
  let text = ''
  for (let i = 0; i < 26; i++) {
    text = CROCKFORD[Number(bits & 31n)] + text
    bits >>= 5n
  }
  return `${prefix}_${text}`
}

/** The millisecond in which an id was made; NaN for what is none. */
export function timeOf(id: string): number {
  const text = id.slice(id.indexOf('_') + 1, id.indexOf('_') + 11)
  if (!/^[0-9a-hjkmnp-tv-z]{10}$/.test(text)) return Number.NaN
  return [...text].reduce((ms, char) => ms * 32 + CROCKFORD.indexOf(char), 0)
}
