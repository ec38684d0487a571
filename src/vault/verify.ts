/** Signatures on what comes in: made, computed and compared in this room, so that nobody outside ever holds a signing secret. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Tx } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import { RUNTIME } from '../base/secret-use.ts'
import { open, type Place, seal } from './envelope.ts'
import { type Keyring, workspaceKey } from './keyring.ts'
import type { Opened } from './opened.ts'
import type { Room } from './room.ts'
import type { Owned, Sealed } from './sealed.ts'
import { conceal, reveal, type Secret } from './secret.ts'

/** How the key follows from the text of a secret: its bytes, or what `whsec_` and base64 stand for (Standard Webhooks). */
export type SigningKey = 'text' | 'whsec'
export interface ClaimedSignature {
  key: SigningKey
  /** What was signed, part by part. */
  parts: readonly (string | Uint8Array)[]
  /** The signatures that were sent, decoded. One that holds is enough. */
  candidates: readonly Uint8Array[]
}

const FIELD = 'signing_secret'
const USE = { purpose: 'signature', host: null, user: RUNTIME } as const
/** 256 bits, as SHA-256 has. */
const KEY_BYTES = 32
const MAC_BYTES = 32
/** Standard Webhooks asks for 24 to 64 bytes. */
const WHSEC_MIN_BYTES = 24
const WHSEC_MAX_BYTES = 64
/** Two secrets are live at most, during a rotation. Whoever has fewer costs the same time, down to whoever does not exist. */
const LIVE = 2
const NOBODY: Owned = { workspace: 'nobody', project: 'nobody', owner: 'nobody', version: 0 }
const NOWHERE: Place = { ...NOBODY, field: FIELD }
/** Under this key nobody signs. */
const nobodysKey = randomBytes(KEY_BYTES)

export function createVerify({
  room,
  sealed,
  opened,
  put,
}: {
  room: Pick<Room, 'ring'>
  sealed: Pick<Sealed, 'drop'>
  opened: Pick<Opened, 'readIn' | 'blank'>
  put: (tx: Tx, at: Owned, fields: Record<string, Secret>) => Promise<unknown>
}) {
  const handshake = (workspace: string, id: string): Buffer =>
    createHmac('sha256', workspaceKey(room.ring(), 'fingerprint', workspace))
      .update(`agentruntime webhook handshake v1\0${id}`)
      .digest()

  const decoys = new WeakMap<Keyring, Buffer>()
  /** What is not there takes as long to open as what is. */
  function openDecoy(): null {
    const ring = room.ring()
    const bytes = decoys.get(ring) ?? seal(ring, NOWHERE, nobodysKey)
    decoys.set(ring, bytes)
    open(ring, NOWHERE, bytes).fill(0)
    opened.blank()
    return null
  }

  /** Null: there is no such secret. Undefined: it is there and cannot be read. */
  async function keyOf(tx: Tx, at: Owned, form: SigningKey): Promise<Buffer | null | undefined> {
    try {
      const text = (await opened.readIn(tx, at, USE))[FIELD] as string
      return form === 'text' ? Buffer.from(text) : Buffer.from(text.slice('whsec_'.length), 'base64')
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      if (error.code === 'NOT_FOUND') return openDecoy()
      if (error.code === 'UNDECRYPTABLE') return undefined
      throw error
    }
  }

  return {
    /** Makes a secret, seals it, and gives its text, which is to be shown once. */
    async issue(tx: Tx, at: Owned, key: SigningKey): Promise<string> {
      const bytes = randomBytes(KEY_BYTES)
      const text = key === 'whsec' ? `whsec_${bytes.toString('base64')}` : `ar_whsec_${bytes.toString('base64url')}`
      await put(tx, at, { [FIELD]: conceal(text) })
      return text
    },

    /** Seals a secret that the sender has made. Faults: CREDENTIAL_MALFORMED, which says what is wrong and never the value. */
    async adopt(tx: Tx, at: Owned, given: Secret, form: { key: SigningKey; pattern: RegExp; says: string }): Promise<void> {
      const text = reveal(given).trim()
      if (!form.pattern.test(text)) fail('CREDENTIAL_MALFORMED', `provided_secret ${form.says}`, { details: { field: 'provided_secret' } })
      if (form.key === 'whsec') {
        const { length } = Buffer.from(text.slice('whsec_'.length), 'base64')
        if (length < WHSEC_MIN_BYTES || length > WHSEC_MAX_BYTES)
          fail('CREDENTIAL_MALFORMED', `provided_secret must be base64 of ${WHSEC_MIN_BYTES} to ${WHSEC_MAX_BYTES} bytes behind whsec_`, {
            details: { field: 'provided_secret' },
          })
      }
      await put(tx, at, { [FIELD]: conceal(text) })
    },

    /**
     * The version of the secret that has made one of the signatures. `unreadable`: one that might have cannot be opened. Asks the database
     * and computes the same for two secrets, one and none. Faults: VAULT_SEALED.
     */
    async verify(tx: Tx, of: readonly Owned[], claimed: ClaimedSignature): Promise<number | 'no' | 'unreadable'> {
      room.ring()
      const at = [...of, ...Array.from({ length: LIVE }, () => NOBODY)].slice(0, LIVE)
      const keys = await Promise.all(at.map((one) => keyOf(tx, one, claimed.key)))
      let holds = -1
      for (const [i, key] of keys.entries()) {
        const mac = createHmac('sha256', key ?? nobodysKey)
        for (const part of claimed.parts) mac.update(part)
        const wanted = mac.digest()
        key?.fill(0)
        const sent = claimed.candidates.filter((it) => it.length === MAC_BYTES)
        for (const candidate of sent.length > 0 ? sent : [nobodysKey]) {
          const same = timingSafeEqual(wanted, candidate)
          holds = same && key ? i : holds
        }
      }
      const made = at[holds]
      if (made) return made.version
      return keys.includes(undefined) ? 'unreadable' : 'no'
    },

    /** What a vendor repeats when it asks whether a URL is really ours. It follows from the id: nothing is stored. */
    handshakeToken: (workspace: string, id: string): string => handshake(workspace, id).toString('base64url'),
    isHandshake(workspace: string, id: string, sent: string): boolean {
      const given = Buffer.from(sent, 'base64url')
      const wanted = handshake(workspace, id)
      return timingSafeEqual(wanted, given.length === wanted.length ? given : nobodysKey)
    },

    drop: (tx: Tx, owner: string, version?: number) => sealed.drop(tx, owner, version),
  }
}
export type Verifying = ReturnType<typeof createVerify>
