/** Signs for this installation. The key is not stored: it follows from the ring's key that no rotation replaces, and so lies with it. */
import { createHmac, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import type { Keyring } from './keyring.ts'
import type { Room } from './room.ts'

/** An Ed25519 private key in PKCS #8, up to its 32 bytes (RFC 8410 §7). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')

export function createSigner({ room }: { room: Pick<Room, 'ring'> }) {
  const known = new WeakMap<Keyring, KeyObject>()
  function key(): KeyObject {
    const ring = room.ring()
    const made = known.get(ring)
    if (made) return made
    const seed = createHmac('sha256', ring.fingerprintKey).update('agentruntime signing key v1').digest()
    const whole = Buffer.concat([PKCS8_HEAD, seed])
    const fresh = createPrivateKey({ key: whole, format: 'der', type: 'pkcs8' })
    seed.fill(0)
    whole.fill(0)
    known.set(ring, fresh)
    return fresh
  }
  return {
    /** 32 bytes in base64url. Faults: VAULT_SEALED. */
    publicKey: (): string => createPublicKey(key()).export({ format: 'jwk' }).x as string,
    /** Ed25519 (RFC 8032), in base64url. What it is a signature on is part of what is signed. Faults: VAULT_SEALED. */
    sign: (what: string, text: string): string => sign(null, Buffer.from(`agentruntime ${what} v1\0${text}`), key()).toString('base64url'),
  }
}
export type Signer = ReturnType<typeof createSigner>
