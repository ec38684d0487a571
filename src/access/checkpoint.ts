/** A checkpoint: what an audit chain had come to, signed by the installation. Whoever keeps one elsewhere notices a rewrite and a cut tail. */
import { createHash, createPublicKey, verify } from 'node:crypto'
import { canonical } from './chain.ts'

export interface Checkpoint {
  workspace: string
  /** The last entry that it speaks of, and its hash; 0 and empty: of none. */
  seq: number
  hash: string
  /** How many entries were kept then, up to this one. */
  count: number
  at: string
  key_id: string
  public_key: string
  signature: string
}

/** Whoever signs: the vault. */
export interface Signer {
  publicKey(): string
  sign(what: string, text: string): string
}

const WHAT = 'audit checkpoint'
type Said = Pick<Checkpoint, 'workspace' | 'seq' | 'hash' | 'count' | 'at'>
const statement = ({ workspace, seq, hash, count, at }: Said): string => canonical({ workspace, seq, hash, count, at })

/** Enough to tell keys apart by eye. */
export const keyIdOf = (publicKey: string): string =>
  createHash('sha256').update(Buffer.from(publicKey, 'base64url')).digest('hex').slice(0, 16)

export function signed(signer: Signer, said: Said): Checkpoint {
  const publicKey = signer.publicKey()
  const { workspace, seq, hash, count, at } = said
  return {
    ...{ workspace, seq, hash, count, at },
    key_id: keyIdOf(publicKey),
    public_key: publicKey,
    signature: signer.sign(WHAT, statement(said)),
  }
}

/** A signature on anything that is JSON, with the key to check it by. */
export const signedText = (signer: Signer, what: string, value: unknown) => ({
  key_id: keyIdOf(signer.publicKey()),
  public_key: signer.publicKey(),
  signature: signer.sign(what, canonical(value)),
})

/** Whether this key has signed it. What it says of its key is not asked. */
export function holds(checkpoint: Checkpoint, publicKey: string): boolean {
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' })
    const text = Buffer.from(`agentruntime ${WHAT} v1\0${statement(checkpoint)}`)
    const signature = Buffer.from(checkpoint.signature, 'base64url')
    // The last letter has bits to spare, and would read the same with others in them (RFC 4648 §3.5).
    return signature.toString('base64url') === checkpoint.signature && verify(null, text, key, signature)
  } catch {
    return false
  }
}

/** Reads what claims to be one; null where it is none. */
export function readCheckpoint(value: unknown): Checkpoint | null {
  const it = value as Record<keyof Checkpoint, unknown> | null
  if (it === null || typeof it !== 'object') return null
  const texts = (['workspace', 'hash', 'at', 'key_id', 'public_key', 'signature'] as const).every((name) => typeof it[name] === 'string')
  return texts && Number.isSafeInteger(it.seq) && Number.isSafeInteger(it.count) ? (it as unknown as Checkpoint) : null
}
