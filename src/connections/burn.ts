/**
 * A credential that must not be used once more. In this order: nothing is lent any more, it is ended at its provider, it is destroyed. A process
 * that dies in between leaves a connection that lends nothing; what is left of its secret goes with a later round.
 */
import type { Db, Scope, Tx } from '../base/db.ts'
import type { Lending } from '../vault/index.ts'
import { grants } from './grant-rows.ts'
import { rotations } from './rotation-rows.ts'
import { type ConnectionRow, rows } from './rows.ts'

/** Longer than whoever burns is at it: a revocation takes three tries of 5 s. */
const LEFT_MS = 300_000
export const BURNED = { status: 'reconnect', status_reason: 'burned' } as const

export function createBurn(deps: {
  db: Db
  vault: Pick<Lending, 'drop' | 'forget' | 'drain'>
  must: (tx: Tx, id: string, lock?: boolean) => Promise<ConnectionRow>
  event: (tx: Tx, scope: Scope, id: string, type: string, data?: Record<string, unknown>) => Promise<unknown>
  tell: (tx: Tx, row: ConnectionRow, type: string, data?: Record<string, unknown>) => Promise<void>
  forget: (id: string) => void
  now: () => number
  fault?: ((point: string) => void | Promise<void>) | undefined
}) {
  const { vault, now } = deps

  async function destroy(tx: Tx, id: string): Promise<void> {
    await deps.must(tx, id, true)
    await vault.drop(tx, id)
    await rows.update(tx, id, { ...BURNED, status_since: new Date(now()), updated_at: new Date(now()) })
  }

  return {
    /** From the commit on nothing is lent. */
    async begin(tx: Tx, scope: Scope, id: string, act: { by: string; reason: string }): Promise<void> {
      const row = await deps.must(tx, id, true)
      const time = new Date(now())
      const under = await rotations.open(tx, id)
      if (under)
        await rotations.update(tx, under.id, {
          state: under.state === 'switched' ? 'finished' : 'cancelled',
          excluded: [],
          ended_at: time,
          ...(under.state === 'switched' ? { old_destroyed_at: under.old_destroyed_at ?? time } : {}),
          acts: [...under.acts, { at: time.toISOString(), by: act.by, act: 'burned', details: { reason: act.reason } }],
        })
      const after = await rows.update(tx, id, { ...BURNED, status_since: time, updated_at: time })
      await grants.update(tx, id, { due_at: null, next_try_at: null })
      await deps.event(tx, scope, id, 'burned', act)
      await deps.tell(tx, after ?? row, 'connection.burned', act)
      await deps.fault?.('burn.begin.before_commit')
    },
    /** After that commit. */
    async begun(id: string): Promise<void> {
      deps.forget(id)
      vault.forget(id)
      await deps.fault?.('burn.begin.after_commit')
    },
    /** Destroys every version, and ends the sessions that were opened with any. */
    async end(scope: Scope, id: string): Promise<void> {
      await deps.db.tx(scope, (tx) => destroy(tx, id))
      deps.forget(id)
      vault.forget(id)
      await vault.drain(id, null)
    },
    /** What somebody has begun and nobody has ended. Over all tenants. */
    async sweep(tx: Tx, limit: number): Promise<void> {
      for (const { id } of await rows.burnedAndLeft(tx, new Date(now() - LEFT_MS), limit)) await destroy(tx, id)
    },
  }
}
