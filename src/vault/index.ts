/**
 * The strong room's door. Two hatches: *lending* is handed to connections, *keeping* to the operations. What is behind it is
 * the only plaintext in the building.
 */
import type { Db, Tx } from '../base/db.ts'
import type { Egress } from '../base/egress.ts'
import { createDial } from './dial.ts'
import { fingerprint, type Matcher } from './fingerprint.ts'
import { intake } from './intake.ts'
import type { Wire } from './recipe.ts'
import { createRoom } from './room.ts'
import { openRootKey, type RootKeySource } from './root.ts'
import { rewrap } from './rewrap.ts'
import { createSealed, type Owned } from './sealed.ts'
import { conceal, type Secret } from './secret.ts'
import { createSend } from './send.ts'

export type { SqlColumn, SqlLimits, SqlResult, SqlSession } from './drivers/session.ts'
export { basic, bearer, type Field, header, type Put, query, type Wire } from './recipe.ts'
export type { RewrapProgress } from './rewrap.ts'
export { newRootKeyText, type RootKeySource } from './root.ts'
export type { VaultState, VaultStatus } from './room.ts'
export type { FieldFacts, Owned as CredentialRef } from './sealed.ts'
export { conceal, Secret, secretField } from './secret.ts'

/** How long one reading of a workspace's fingerprints serves: a secret stored elsewhere is known here within a second. */
const FINGERPRINTS_MS = 1_000

export function createVault(deps: {
  db: Db
  rootSource: RootKeySource
  egress: Egress
  now: () => number
  /** Below it lie the projects' own database files. */
  localRoot: string
  fault?: ((point: string) => void | Promise<void>) | undefined
}) {
  const { db, now, egress } = deps
  const fault = deps.fault ? { fault: deps.fault } : {}
  const room = createRoom({ db, openRoot: (create) => openRootKey({ source: deps.rootSource, create }), ...fault })
  const sealed = createSealed({ db, room, now })
  const dial = createDial({ sealed, egress, now, localRoot: deps.localRoot })
  const send = createSend({ sealed, egress, ...fault })
  const matchers = new Map<string, { matcher: Promise<Matcher>; until: number }>()

  const lending = {
    intake,
    inspect: dial.inspect,
    /** Seals one version. With `keepFrom`, fields that are not given are carried over from that version. */
    async put(tx: Tx, at: Owned, fields: Readonly<Record<string, Secret>>, options: { wire: Wire | null; keepFrom?: number }) {
      matchers.delete(at.workspace)
      let whole = fields
      if (options.keepFrom !== undefined) {
        const kept = await sealed.readIn(tx, { ...at, version: options.keepFrom }).catch(async (error: { code?: string }) => {
          // A whole new credential takes the place of one that cannot be read any more; half of one would lose the rest.
          const stored = await sealed.facts(tx, at.owner, options.keepFrom as number)
          if (error.code === 'UNDECRYPTABLE' && stored.every((f) => f.field in fields)) return {}
          throw error
        })
        whole = { ...Object.fromEntries(Object.entries(kept).map(([name, value]) => [name, conceal(value)])), ...fields }
      }
      return sealed.put(tx, at, whole, dial.parts(options.wire, whole))
    },
    facts: sealed.facts,
    async fieldNames(tx: Tx, of: readonly { owner: string; version: number }[]): Promise<Map<string, string[]>> {
      const names = new Map<string, string[]>()
      for (const { owner, field } of await sealed.fieldNames(tx, of)) names.set(owner, [...(names.get(owner) ?? []), field])
      return names
    },
    drop: (tx: Tx, owner: string, version?: number) => sealed.drop(tx, owner, version),
    forget: sealed.forget,
    send,
    session: dial.session,
    localSession: dial.localSession,
    drain: dial.drain,
  }

  const keeping = {
    rotate: room.rotate,
    rewrap: (options: Parameters<typeof rewrap>[1]) => rewrap({ db, room, ...fault }, options),
    status: room.status,
    state: room.state,
    unlock: room.unlock,
    /** A keyed hash, to tell later whether two texts were the same without keeping them. Faults: VAULT_SEALED. */
    fingerprint: (workspace: string, text: string): Buffer => fingerprint(room.ring(), workspace, Buffer.from(text)),
  }

  return {
    lending,
    keeping,
    check: room.check,
    /** For the graph guard: whether a text holds a secret stored in the workspace. */
    async findStored(workspace: string): Promise<Matcher> {
      const known = matchers.get(workspace)
      if (known && known.until > now()) return known.matcher
      const matcher = sealed.fingerprints(workspace)
      matchers.set(workspace, { matcher, until: now() + FINGERPRINTS_MS })
      matcher.catch(() => matchers.delete(workspace))
      return matcher
    },
    async close() {
      await dial.close()
      sealed.close()
    },
  }
}
export type Vault = ReturnType<typeof createVault>
export type Lending = Vault['lending']
export type Keeping = Vault['keeping']
