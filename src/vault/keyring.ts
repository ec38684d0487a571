import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'

/**
 * Numbered 256-bit keys: the highest seals, all of them open. A ring is a value and never changed in place: every change is
 * a new ring, so work under way keeps the one it began with.
 */
export interface Keyring {
  readonly active: number
  readonly keys: ReadonlyMap<number, Buffer>
  /** Makes the fingerprints. It outlives rotation: the same value keeps the same fingerprint. */
  readonly fingerprintKey: Buffer
}

export const KEY_BYTES = 32
/** Under this number the fingerprint key lies beside the ring's keys. */
export const FINGERPRINT_KEY_NO = 0

export const newKeyring = (): Keyring => ({
  active: 1,
  keys: new Map([[1, randomBytes(KEY_BYTES)]]),
  fingerprintKey: randomBytes(KEY_BYTES),
})

export const withKey = (ring: Keyring, no: number, key: Buffer = randomBytes(KEY_BYTES)): Keyring => ({
  ...ring,
  active: Math.max(ring.active, no),
  keys: new Map([...ring.keys, [no, key]]),
})

/** All keys with their numbers, the fingerprint key among them: what has to be kept. */
export const entriesOf = (ring: Keyring): [number, Buffer][] => [[FINGERPRINT_KEY_NO, ring.fingerprintKey], ...ring.keys]

/** The ring that these entries make. Throws when one is missing or has not 256 bits. */
export function ringOf(entries: Iterable<readonly [number, Buffer]>): Keyring {
  const keys = new Map(entries)
  const fingerprintKey = keys.get(FINGERPRINT_KEY_NO)
  keys.delete(FINGERPRINT_KEY_NO)
  if (!fingerprintKey || keys.size === 0) throw new Error('the ring is incomplete')
  for (const key of [fingerprintKey, ...keys.values()]) if (key.length !== KEY_BYTES) throw new Error('a ring key has the wrong length')
  return { active: Math.max(...keys.keys()), keys, fingerprintKey }
}

const derived = new WeakMap<Keyring, Map<string, KeyObject>>()
/** Enough for the workspaces that are busy at the same time. */
const MAX_DERIVED = 1_000

/** A key for one purpose in one workspace, so that equal secrets of two tenants cannot be seen to be equal. */
export function workspaceKey(ring: Keyring, purpose: 'fingerprint' | 'window', workspace: string): KeyObject {
  const keys = derived.get(ring) ?? new Map<string, KeyObject>()
  derived.set(ring, keys)
  const text = `agentruntime ${purpose} v1\0${workspace}`
  const known = keys.get(text)
  if (known) return known
  const key = createSecretKey(createHmac('sha256', ring.fingerprintKey).update(text).digest())
  if (keys.size >= MAX_DERIVED) keys.clear()
  keys.set(text, key)
  return key
}
