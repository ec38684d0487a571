/** The strong room, open or sealed: holds the root key and the ring, and is the only one that changes them. */
import type { Db, Tx } from '../base/db.ts'
import { Fault } from '../base/errors.ts'
import { entriesOf, FINGERPRINT_KEY_NO, type Keyring, newKeyring, ringOf, withKey } from './keyring.ts'
import { type OpenedRoot, type RootKey, type SealReason, sealedBecause } from './root.ts'
import * as rows from './rows.ts'

export type VaultState =
  | { state: 'open'; keyId: string; warning: string | null }
  /** `keyId` is the root key that was given, where there was one; the vault opens with one of `expectedKeyIds`. */
  | { state: 'sealed'; keyId: string | null; expectedKeyIds: string[]; reason: SealReason | 'locked'; message: string }

export interface VaultStatus {
  active: number
  /** Rows of older keys, which a re-wrap would move. */
  toRewrap: number
  keys: { no: number; rows: number; wraps: number; createdAt: Date; retiredAt: Date | null }[]
  rotateNow: boolean
}

export interface Room {
  state(): VaultState
  /** Tries to open the room. Never throws for a root key that is missing or wrong: the answer says so, and one may try again. */
  unlock(): Promise<VaultState>
  /** For a timer: seals an open room whose root key has gone, tries a sealed one again, writes the counts down. */
  check(): Promise<VaultState>
  /** Faults: VAULT_SEALED. */
  ring(): Keyring
  /** The ring with every key that the database has. Faults: VAULT_SEALED, and then the ring in use stays. */
  reload(tx: Tx): Promise<Keyring>
  /** The ring to seal with: one that has the newest key, which cannot be retired until `tx` ends. Faults: VAULT_SEALED. */
  toSeal(tx: Tx): Promise<Keyring>
  /** Counts `n` data keys wrapped under a ring key. */
  wrapped(keyNo: number, n: number): void
  /** Makes the next ring key. Rows move with the next re-wrap. */
  rotate(): Promise<{ active: number }>
  status(): Promise<VaultStatus>
}

/** AES-GCM with random 96-bit nonces allows 2^32 uses of one key (SP 800-38D §8.3); we advise another at half of that. */
export const ROTATE_AT_WRAPS = 2 ** 31
/** A process that dies loses at most this many from the count: far inside the margin above. */
const COUNT_EVERY = 1000

const SENTINEL = Buffer.from('agentruntime sentinel v1')
const SENTINEL_CONTEXT = { purpose: 'agentruntime sentinel' }
const keyContext = (no: number) => ({ purpose: 'agentruntime ring key', key_no: String(no) })

export function createRoom(deps: {
  db: Db
  /** `create` is true for a new installation alone: nothing is sealed yet, and no key was ever made. */
  openRoot: (create: boolean) => Promise<OpenedRoot>
  fault?: (point: string) => void | Promise<void>
}): Room {
  let state: VaultState = {
    state: 'sealed',
    keyId: null,
    expectedKeyIds: [],
    reason: 'locked',
    message: 'the vault has not been unlocked yet',
  }
  let inside: { root: RootKey; ring: Keyring } | null = null
  let unlocking: Promise<VaultState> | null = null
  const uncounted = new Map<number, number>()
  let writing: Promise<void> = Promise.resolve()

  const open = () => inside ?? raise()
  function raise(): never {
    if (state.state === 'open') throw new Error('an open vault has a ring')
    const { message, reason, keyId, expectedKeyIds } = state
    throw new Fault('VAULT_SEALED', `the vault is sealed: ${message}`, {
      hint:
        expectedKeyIds.length > 0 ? `It opens with the root key ${expectedKeyIds.join(' or ')}.` : 'Look at the root key and try again.',
      details: { reason, key_id: keyId, expected_key_ids: expectedKeyIds },
    })
  }

  /** Only a fault that says why seals; a database that does not answer says nothing about the key and is thrown on. */
  function seal(error: unknown, keyId: string | null, expectedKeyIds: string[]): VaultState {
    const reason = error instanceof Fault && error.code === 'VAULT_SEALED' ? error.details?.reason : undefined
    if (!reason) throw error
    inside = null // let go, not zeroed: whatever still seals with the ring would seal under zeros
    state = { state: 'sealed', keyId, expectedKeyIds, reason: reason as SealReason, message: (error as Fault).message }
    return state
  }
  const unusable = (error: unknown): never => {
    throw error instanceof Fault ? error : sealedBecause('unreachable', 'the root key cannot be used')
  }

  /** Behind the lock, because each statement sees the database anew: half of what another process is founding would look damaged. */
  const look = async (tx: Tx) => {
    await rows.lockVault(tx)
    const [keys, sentinels, any] = await Promise.all([rows.keysOf(tx), rows.sentinelsOf(tx), rows.anySealed(tx)])
    return { keys, sentinels, fresh: keys.length === 0 && sentinels.length === 0 && !any }
  }

  /** The first ring, written in one transaction; a process that comes second leaves the first one's alone. */
  async function found(root: RootKey): Promise<void> {
    const keys = await Promise.all(
      entriesOf(newKeyring()).map(async ([no, key]) => ({
        key_no: no,
        root_key_id: root.keyId,
        wrapped: await root.wrap(key, keyContext(no)),
      })),
    )
    const sentinel = await root.wrap(SENTINEL, SENTINEL_CONTEXT)
    await deps.db.everyTenant('found the vault', async (tx) => {
      await rows.lockVault(tx)
      if (!(await look(tx)).fresh) return
      await rows.addKeys(tx, keys)
      await rows.addSentinel(tx, root.keyId, sentinel)
    })
  }

  async function unwrapRing(root: RootKey, keys: readonly rows.WrappedKey[], known?: Keyring): Promise<Keyring> {
    const entries = keys.map(async ({ key_no: no, wrapped }): Promise<[number, Buffer]> => {
      const here = no === FINGERPRINT_KEY_NO ? known?.fingerprintKey : known?.keys.get(no)
      return [no, here ?? (await root.unwrap(wrapped, keyContext(no)).catch((e) => damaged(e, `ring key ${no}`)))]
    })
    const got = await Promise.all(entries)
    try {
      return ringOf(got)
    } catch (e) {
      return damaged(e, 'the ring')
    }
  }

  const damaged = (error: unknown, what: string): never => {
    if (error instanceof Fault) throw error
    throw sealedBecause('damaged', `${what} in the database is damaged or missing`, 'Bring the database back from a backup.')
  }

  async function tryUnlock(): Promise<VaultState> {
    let seen = await deps.db.everyTenant('unlock the vault', look)
    const expected = () => seen.sentinels.map((s) => s.root_key_id)
    let keyId: string | null = null
    try {
      const { root, warning } = await deps.openRoot(seen.fresh).catch(unusable)
      keyId = root.keyId
      if (seen.fresh) {
        await found(root)
        seen = await deps.db.everyTenant('unlock the vault', look)
      }
      const sentinel = seen.sentinels.find((s) => s.root_key_id === root.keyId)
      if (!sentinel && seen.sentinels.length > 0) throw sealedBecause('wrong', `${root.keyId} is not the root key of this vault`)
      if (!sentinel) throw sealedBecause('damaged', 'the vault has lost its keys', 'Bring the database back from a backup.')
      const text = await root.unwrap(sentinel.sealed, SENTINEL_CONTEXT).catch((e) => damaged(e, 'the sentinel'))
      if (!text.equals(SENTINEL)) damaged(null, 'the sentinel')
      inside = { root, ring: await unwrapRing(root, seen.keys) }
      state = { state: 'open', keyId: root.keyId, warning }
      return state
    } catch (error) {
      return seal(error, keyId, expected())
    }
  }

  const room: Room = {
    state: () => state,
    unlock() {
      unlocking ??= tryUnlock().finally(() => {
        unlocking = null
      })
      return unlocking
    },
    async check() {
      if (!inside) return room.unlock()
      const { root } = inside
      try {
        await root.health().catch(unusable)
      } catch (error) {
        return seal(error, root.keyId, [root.keyId])
      }
      await writeCounts()
      return state
    },
    ring: () => open().ring,
    async reload(tx) {
      const { root, ring } = open()
      const next = await unwrapRing(root, await rows.keysOf(tx), ring)
      // Another reload may have been quicker, and a seal meanwhile stays a seal.
      if (inside) inside = { root, ring: next.active >= inside.ring.active ? next : inside.ring }
      return next
    },
    async toSeal(tx) {
      const { ring } = open()
      return (await rows.newestKeyNo(tx)) > ring.active ? room.reload(tx) : ring
    },
    wrapped(keyNo, n) {
      const count = (uncounted.get(keyNo) ?? 0) + n
      uncounted.set(keyNo, count)
      if (count >= COUNT_EVERY) writeCounts().catch(() => undefined) // kept, and tried again with the next
    },
    async rotate() {
      const before = await deps.db.everyTenant('rotate the ring', room.reload)
      const { root } = open()
      const no = before.active + 1
      const key = withKey(before, no).keys.get(no)!
      const wrapped = await root.wrap(key, keyContext(no))
      await deps.db.everyTenant('rotate the ring', async (tx) => {
        await rows.lockVault(tx)
        if ((await rows.newestKeyNo(tx)) !== before.active)
          throw new Fault('CONFLICT', 'the ring was rotated by somebody else at the same moment')
        await rows.addKeys(tx, [{ key_no: no, root_key_id: root.keyId, wrapped }])
      })
      await deps.fault?.('vault.rotate.before_use')
      if (inside) inside = { root, ring: withKey(inside.ring, no, key) }
      return { active: no }
    },
    async status() {
      const { active } = open().ring
      await writeCounts()
      const keys = await deps.db.everyTenant('status of the vault', rows.keyFacts)
      const older = keys.filter((k) => k.key_no < active)
      return {
        active,
        toRewrap: older.reduce((sum, k) => sum + k.rows, 0),
        keys: keys.map((k) => ({ no: k.key_no, rows: k.rows, wraps: k.wraps, createdAt: k.created_at, retiredAt: k.retired_at })),
        rotateNow: keys.some((k) => k.key_no >= active && k.wraps >= ROTATE_AT_WRAPS),
      }
    },
  }

  /** One at a time, so that whoever waits for it knows that all earlier counts are written too. */
  function writeCounts(): Promise<void> {
    writing = writing.catch(() => undefined).then(writeCountsNow)
    return writing
  }
  async function writeCountsNow(): Promise<void> {
    const counts = [...uncounted].filter(([, n]) => n > 0)
    if (counts.length === 0) return
    uncounted.clear()
    try {
      await deps.db.everyTenant('count the wraps', async (tx) => {
        for (const [no, n] of counts.sort(([a], [b]) => a - b)) await rows.countWraps(tx, no, n)
      })
    } catch (error) {
      for (const [no, n] of counts) uncounted.set(no, (uncounted.get(no) ?? 0) + n)
      throw error
    }
  }
  return room
}
