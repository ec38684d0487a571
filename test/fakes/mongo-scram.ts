/** The server's half of SCRAM-SHA-256 (RFC 5802, RFC 7677), which really verifies: it stores keys, not passwords. */
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto'

const ITERATIONS = 4096
const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest()

export interface Keys {
  salt: Buffer
  stored: Buffer
  server: Buffer
}

/** ASCII passwords and such as SASLprep leaves alone. */
export function keysOf(password: string): Keys {
  const salt = randomBytes(16)
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256')
  return { salt, stored: createHash('sha256').update(hmac(salted, 'Client Key')).digest(), server: hmac(salted, 'Server Key') }
}

export interface Conversation {
  user: string
  /** What the client must answer to. */
  challenge: Buffer
  /** The server's proof, or null where the client's proof is wrong. */
  finish(payload: Buffer): Buffer | null
}

/** `find` gives the keys of a user; one that is not there gets a challenge all the same. */
export function begin(payload: Buffer, find: (user: string) => Keys | undefined): Conversation {
  const first = payload.toString()
  const bare = first.replace(/^[ny],[^,]*,/, '')
  const part = (text: string, name: string) => new RegExp(`(?:^|,)${name}=([^,]*)`).exec(text)?.[1] ?? ''
  const user = part(bare, 'n').replace(/=2C/g, ',').replace(/=3D/g, '=')
  const nonce = part(bare, 'r') + randomBytes(18).toString('base64')
  const keys = find(user)
  const { salt, stored, server } = keys ?? keysOf(randomBytes(9).toString('hex'))
  const challenge = `r=${nonce},s=${salt.toString('base64')},i=${ITERATIONS}`
  return {
    user,
    challenge: Buffer.from(challenge),
    finish(answer) {
      const final = answer.toString()
      const withoutProof = final.replace(/,p=.*$/, '')
      const proof = Buffer.from(part(final, 'p'), 'base64')
      const message = `${bare},${challenge},${withoutProof}`
      const signature = hmac(stored, message)
      if (keys === undefined || part(final, 'r') !== nonce || proof.length !== signature.length) return null
      const clientKey = Buffer.from(signature.map((byte, i) => byte ^ proof[i]!))
      const right = timingSafeEqual(createHash('sha256').update(clientKey).digest(), stored)
      return right ? Buffer.from(`v=${hmac(server, message).toString('base64')}`) : null
    },
  }
}
