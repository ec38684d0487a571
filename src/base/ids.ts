import { randomFillSync } from 'node:crypto'

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'

/** Digits of 5 bits: ten for the time, sixteen for what is random. */
const TIME = 10
const TAIL = 16

/** Bytes by chance are asked for by the page: one request each would cost more than all else about an id. */
const chance = Buffer.alloc(4096)
let used = chance.length
function take(n: number): Buffer {
  if (used + n > chance.length) {
    randomFillSync(chance)
    used = 0
  }
  used += n
  return chance.subarray(used - n, used)
}

let lastMs = 0
let time = ''
const tail = new Uint8Array(TAIL)

/**
 * `conn_01j…`: a prefix that says the kind, 48 bits of time and 80 random bits (the ULID layout, lower case).
 * Ids of one process sort in the order in which they were made, so lists page by id and indexes stay dense.
 */
export function newId(prefix: string, nowMs: number = Date.now()): string {
  if (nowMs > lastMs) {
    lastMs = nowMs
    time = digitsOf(nowMs)
    for (const [i, byte] of take(TAIL).entries()) tail[i] = byte & 31
    // Room for what is added within the millisecond.
    tail[0]! &= 15
  } else addToTail(take(4).readUInt32LE() + 1)
  let text = time
  for (const digit of tail) text += CROCKFORD[digit]
  return `${prefix}_${text}`
}

function digitsOf(ms: number): string {
  let text = ''
  for (let left = ms, i = 0; i < TIME; i++, left = Math.floor(left / 32)) text = CROCKFORD[left % 32] + text
  return text
}
function addToTail(more: number): void {
  for (let i = TAIL - 1, carry = more; carry > 0 && i >= 0; i--) {
    const sum = tail[i]! + carry
    tail[i] = sum % 32
    carry = Math.floor(sum / 32)
  }
}

/** The millisecond in which an id was made; NaN for what is none. */
export function timeOf(id: string): number {
  const text = id.slice(id.indexOf('_') + 1, id.indexOf('_') + 11)
  if (!/^[0-9a-hjkmnp-tv-z]{10}$/.test(text)) return Number.NaN
  return [...text].reduce((ms, char) => ms * 32 + CROCKFORD.indexOf(char), 0)
}
