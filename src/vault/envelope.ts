/**
 * Envelope v1, how one secret lies in the database (byte by byte in docs/format-v1.md):
 *
 *   version 1 │ key number 4 │ nonce 12 │ wrapped data key 32 │ tag 16 ║ nonce 12 │ ciphertext │ tag 16
 *
 * Every envelope has a data key of its own. The first part wraps it under a ring key and is all that a re-wrap replaces.
 * Both parts authenticate where the secret belongs, so a row that is moved cannot be opened.
 */
import { type CipherGCMTypes, createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { KEY_BYTES, type Keyring } from './keyring.ts'

const VERSION = 1
/** 96 bits, from the system's generator: SP 800-38D §8.2.2. A ring key is rotated long before 2^32 of them (see `status`). */
const NONCE_BYTES = 12
const TAG_BYTES = 16
const FORMAT = 'agentruntime sealed v1'
const WRAP_AT = 5
/** The length of the wrapping part. */
export const HEAD_BYTES = WRAP_AT + NONCE_BYTES + KEY_BYTES + TAG_BYTES
const SHORTEST = HEAD_BYTES + NONCE_BYTES + TAG_BYTES

/** Where a secret belongs. `project` is null for what belongs to the whole workspace. */
export interface Place {
  readonly workspace: string
  readonly project: string | null
  readonly owner: string
  readonly field: string
  readonly version: number
}

/** `format`: not an envelope v1. `unknown_key`: the ring has no key of that number. `refused`: authentication failed. */
export class EnvelopeError extends Error {
  readonly kind: 'format' | 'unknown_key' | 'refused'
  constructor(kind: EnvelopeError['kind'], message: string) {
    super(message)
    this.name = 'EnvelopeError'
    this.kind = kind
  }
}

/**
 * AES-GCM with a 128-bit tag; returns ciphertext ‖ tag. The size is said each time, because without `authTagLength` Node
 * accepts a tag that was cut to 4 bytes (DEP0182). Keys go in as key objects: OpenSSL's copy is zeroed with them, and raw bytes
 * take Node three times as long.
 */
export function gcmSeal(key: Buffer, nonce: Buffer, associated: Buffer, plain: Buffer): Buffer {
  const cipher = createCipheriv(algorithm(key), createSecretKey(key), nonce, { authTagLength: TAG_BYTES }).setAAD(associated)
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** The plaintext, or EnvelopeError. Nothing is handed out before the tag has been checked. */
export function gcmOpen(key: Buffer, nonce: Buffer, associated: Buffer, sealed: Buffer): Buffer {
  if (sealed.length < TAG_BYTES) throw new EnvelopeError('format', 'the sealed value is too short')
  const decipher = createDecipheriv(algorithm(key), createSecretKey(key), nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(associated).setAuthTag(sealed.subarray(-TAG_BYTES))
  const plain = decipher.update(sealed.subarray(0, -TAG_BYTES))
  try {
    decipher.final()
  } catch {
    plain.fill(0)
    throw new EnvelopeError('refused', 'the sealed value was changed, moved, or belongs to another key')
  }
  return plain
}

const algorithm = (key: Buffer) => `aes-${key.length * 8}-gcm` as CipherGCMTypes

/** Associated data: each part with its length in front (4 bytes), so that two lists of parts never give the same bytes. */
export function associate(...parts: readonly (string | number | null)[]): Buffer {
  const out: Buffer[] = []
  for (const part of parts) {
    if (typeof part === 'string' && !part.isWellFormed()) throw new EnvelopeError('format', 'a name is not valid Unicode')
    const bytes = typeof part === 'number' ? uint32(part) : Buffer.from(part ?? '')
    out.push(uint32(part === null ? 0xffffffff : bytes.length), bytes)
  }
  return Buffer.concat(out)
}

function uint32(n: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(n)
  return bytes
}

// The key number is bound in the wrapping alone: the contents need not be touched when the key changes.
const aroundKey = (at: Place, keyNo: number) => associate(FORMAT, 'key', at.workspace, at.project, at.owner, at.field, at.version, keyNo)
const aroundContents = (at: Place) => associate(FORMAT, 'contents', at.workspace, at.project, at.owner, at.field, at.version)

function wrapDataKey(ring: Keyring, at: Place, dataKey: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const wrapped = gcmSeal(ring.keys.get(ring.active)!, nonce, aroundKey(at, ring.active), dataKey)
  return Buffer.concat([Buffer.of(VERSION), uint32(ring.active), nonce, wrapped])
}

/** Leaves a fresh buffer with the data key: the caller zeroes it. */
function unwrapDataKey(ring: Keyring, at: Place, bytes: Buffer): Buffer {
  const keyNo = keyNoOf(bytes)
  const key = ring.keys.get(keyNo)
  if (!key) throw new EnvelopeError('unknown_key', `ring key ${keyNo} is not here`)
  const nonce = bytes.subarray(WRAP_AT, WRAP_AT + NONCE_BYTES)
  return gcmOpen(key, nonce, aroundKey(at, keyNo), bytes.subarray(WRAP_AT + NONCE_BYTES, HEAD_BYTES))
}

/** Seals under the ring's newest key. `plain` stays the caller's, to be zeroed. */
export function seal(ring: Keyring, at: Place, plain: Buffer): Buffer {
  const dataKey = randomBytes(KEY_BYTES)
  try {
    const nonce = randomBytes(NONCE_BYTES)
    return Buffer.concat([wrapDataKey(ring, at, dataKey), nonce, gcmSeal(dataKey, nonce, aroundContents(at), plain)])
  } finally {
    dataKey.fill(0)
  }
}

/** The plaintext in a fresh buffer, or EnvelopeError. */
export function open(ring: Keyring, at: Place, bytes: Buffer): Buffer {
  if (bytes.length < SHORTEST) throw new EnvelopeError('format', 'the sealed value is too short')
  const dataKey = unwrapDataKey(ring, at, bytes)
  try {
    const contents = bytes.subarray(HEAD_BYTES)
    return gcmOpen(dataKey, contents.subarray(0, NONCE_BYTES), aroundContents(at), contents.subarray(NONCE_BYTES))
  } finally {
    dataKey.fill(0)
  }
}

/** The number of the ring key that an envelope asks for. */
export function keyNoOf(bytes: Buffer): number {
  if (bytes.length < HEAD_BYTES) throw new EnvelopeError('format', 'the sealed value is too short')
  if (bytes[0] !== VERSION) throw new EnvelopeError('format', 'the sealed value has an unknown version')
  return bytes.readUInt32BE(1)
}

/**
 * The same envelope under the ring's newest key: only the first HEAD_BYTES differ. A head alone may be given, and a head is
 * returned then; the contents are neither read nor checked.
 */
export function rewrapOne(ring: Keyring, at: Place, bytes: Buffer): Buffer {
  const dataKey = unwrapDataKey(ring, at, bytes)
  try {
    return Buffer.concat([wrapDataKey(ring, at, dataKey), bytes.subarray(HEAD_BYTES)])
  } finally {
    dataKey.fill(0)
  }
}
