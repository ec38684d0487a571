/** Passwords at rest: argon2id in its usual notation, a few at a time, so that a crowd at the door does not stop the house. */
import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { fail } from '../base/errors.ts'

/** Above the floor of OWASP's cheat sheet (19456 KiB, 2 passes): about 30 ms and 32 MiB on a small server of 2025. */
const MEMORY_KIB = 32_768
const PASSES = 2
const LANES = 1
const SALT_BYTES = 16
const HASH_BYTES = 32
/** Node has four threads for this, files and names; two stay free for the others. It also bounds the memory: 64 MiB. */
const AT_ONCE = 2
/** Whoever comes when so many wait is sent away: at 2 × 30 ms the last of them waits for about a second. */
const MOST_WAITING = 64

/** Nobody's: compared with what a stranger types, so that it takes as long as for somebody known. No password gives it. */
export const NO_PASSWORD = `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${'A'.repeat(22)}$${'A'.repeat(43)}`

const compute = promisify<string, Argon2Parameters, Buffer>(argon2 as never)

export interface Passwords {
  hash(password: string): Promise<string>
  verify(password: string, stored: string): Promise<boolean>
  /** Made with less than we ask for today. */
  isWeak(stored: string): boolean
}

export function createPasswords(onHash: () => void = () => undefined): Passwords {
  let busy = 0
  const waiting: (() => void)[] = []

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (busy >= AT_ONCE) {
      if (waiting.length >= MOST_WAITING)
        fail('RATE_LIMITED', 'too many people are signing in at this moment', { hint: 'Try again in a few seconds.', retryAfter: 2 })
      await new Promise<void>((resolve) => waiting.push(resolve)) // whoever ends hands its place over
    } else busy++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else busy--
    }
  }
  const derive = (password: string, nonce: Buffer, memory: number, passes: number, parallelism: number, tagLength: number) =>
    inTurn(() => {
      onHash()
      // The same characters typed on two keyboards may be different code points (RFC 8265).
      return compute('argon2id', { message: Buffer.from(password.normalize('NFKC')), nonce, memory, passes, parallelism, tagLength })
    })

  return {
    async hash(password) {
      const salt = randomBytes(SALT_BYTES)
      const hash = await derive(password, salt, MEMORY_KIB, PASSES, LANES, HASH_BYTES)
      return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${text(salt)}$${text(hash)}`
    },
    async verify(password, stored) {
      const it = read(stored)
      if (!it) throw new Error('a stored password is not in the notation of argon2id')
      return timingSafeEqual(await derive(password, it.salt, it.memory, it.passes, it.lanes, it.hash.length), it.hash)
    },
    isWeak(stored) {
      const it = read(stored)
      return !it || it.memory < MEMORY_KIB || it.passes < PASSES
    },
  }
}

const text = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '')

function read(stored: string) {
  const found = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([\w+/]+)\$([\w+/]+)$/.exec(stored)
  if (!found) return null
  const [, memory, passes, lanes, salt = '', hash = ''] = found
  return {
    memory: Number(memory),
    passes: Number(passes),
    lanes: Number(lanes),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  }
}
