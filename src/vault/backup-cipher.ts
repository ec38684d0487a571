/**
 * The cipher of backups: a fresh key for each, wrapped by the root key, which is never inside. A stream of frames of AES-256-GCM
 * (SP 800-38D): each names its place and whether it is the last, so that nothing can be cut, left out or put elsewhere unnoticed.
 *
 *   frame = length (31 bits) and "last" (1 bit) │ ciphertext │ tag 16
 */
import { createHash, randomBytes } from 'node:crypto'
import { Transform } from 'node:stream'
import { Fault } from '../base/errors.ts'
import { EnvelopeError, gcmOpen, gcmSeal } from './envelope.ts'
import { KEY_BYTES } from './keyring.ts'
import { openRootKey, type RootKeySource } from './root.ts'

const CONTEXT = { purpose: 'backup' }
const FORMAT = 'agentruntime backup v1'
/** Small enough to be held a few times over, large enough that tags weigh nothing. */
const CHUNK_BYTES = 256 * 1024
const TAG_BYTES = 16
const LAST = 0x8000_0000

/** What may be known of a backup without its key. */
export interface SealedHead {
  root_key_id: string
  /** The backup's own key, wrapped: base64url. */
  key: string
}

const damaged = (what: string) => new Fault('REFUSED', `this is no whole backup: ${what}`, { hint: 'Take another copy of it.' })
const nonceOf = (n: number): Buffer => {
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64BE(BigInt(n), 4)
  return nonce
}
/** What is before the frames counts too: another head makes every frame wrong. */
const about = (head: Buffer, n: number, mark: number): Buffer =>
  Buffer.from(`${FORMAT}\0${createHash('sha256').update(head).digest('hex')}\0${n}\0${mark}`)

export async function sealBackup(source: RootKeySource): Promise<{ head: SealedHead; frames: (head: Buffer) => Transform }> {
  const { root } = await openRootKey({ source, create: false })
  const key = randomBytes(KEY_BYTES)
  const wrapped = await root.wrap(key, CONTEXT)
  return {
    head: { root_key_id: root.keyId, key: wrapped.toString('base64url') },
    frames: (head) => sealing(key, head),
  }
}

function sealing(key: Buffer, head: Buffer): Transform {
  let held = Buffer.alloc(0)
  let n = 0
  const frame = (plain: Buffer, last: boolean): Buffer => {
    const mark = ((plain.length + TAG_BYTES) | (last ? LAST : 0)) >>> 0
    const length = Buffer.alloc(4)
    length.writeUInt32BE(mark)
    const sealed = gcmSeal(key, nonceOf(n), about(head, n, mark), plain)
    n++
    return Buffer.concat([length, sealed])
  }
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      held = Buffer.concat([held, chunk])
      for (; held.length > CHUNK_BYTES; held = held.subarray(CHUNK_BYTES)) this.push(frame(held.subarray(0, CHUNK_BYTES), false))
      done()
    },
    flush(done) {
      this.push(frame(held, true))
      key.fill(0)
      done()
    },
  })
}

/** Faults: VAULT_SEALED where the root key is another one, REFUSED for what is cut or changed. */
export async function openBackup(source: RootKeySource, sealed: SealedHead, head: Buffer): Promise<Transform> {
  const { root } = await openRootKey({ source, create: false })
  if (root.keyId !== sealed.root_key_id)
    throw new Fault('VAULT_SEALED', `this backup needs the root key ${sealed.root_key_id}, and this is ${root.keyId}`, {
      hint: 'Give the root key that the installation had: --root-key-file or --root-key-command.',
      details: { reason: 'wrong' },
    })
  const key = await root.unwrap(Buffer.from(sealed.key, 'base64url'), CONTEXT).catch(() => {
    throw damaged('its head was changed')
  })
  return opening(key, head)
}

function opening(key: Buffer, head: Buffer): Transform {
  let held = Buffer.alloc(0)
  let n = 0
  let over = false
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      held = Buffer.concat([held, chunk])
      try {
        while (held.length >= 4) {
          if (over) throw damaged('something follows its end')
          const mark = held.readUInt32BE(0)
          const length = (mark & ~LAST) >>> 0
          if (length > CHUNK_BYTES + TAG_BYTES) throw damaged(`part ${n + 1} was changed`)
          if (held.length < 4 + length) break
          this.push(gcmOpen(key, nonceOf(n), about(head, n, mark), held.subarray(4, 4 + length)))
          held = held.subarray(4 + length)
          over = (mark & LAST) !== 0
          n++
        }
        done()
      } catch (error) {
        done(error instanceof EnvelopeError ? damaged(`part ${n + 1} was changed`) : (error as Error))
      }
    },
    flush(done) {
      key.fill(0)
      done(over && held.length === 0 ? null : damaged('its end is missing'))
    },
  })
}
