/**
 * The right to renew one grant: who has it writes the intent with it. It lies in the database, with a number that rises (the fence), so that
 * no connection to it has to be held while the provider works.
 */
import type { Db, Scope, Tx } from '../base/db.ts'
import { type Lending, TOKEN_REQUEST_MS } from '../vault/index.ts'
import { type GrantRow, grants, refusals, type Taken } from './grant-rows.ts'
import { type ConnectionRow, rows } from './rows.ts'
import { nextTry, PROBE_EVERY_MS } from './schedule.ts'

/** A connection and its grant, as they were at one moment. */
export interface Standing {
  row: ConnectionRow
  grant: GrantRow
}
/** A lease, with the moment of its asking on both clocks: the wall's, and one that only goes on. */
export type Held = Taken & { wall: number; steady: number }

/** Outlasts the provider's whole time and the writes after it; a holder that is silent for longer has died. */
export const LEASE_MS = TOKEN_REQUEST_MS + 10_000
/** How often one looks whether another process has finished, and how long at most: its lease may have to run out first. */
const WATCH_EVERY_MS = 100
const WATCH_MS = LEASE_MS + 5_000

export const spends = ({ kind }: GrantRow): boolean => kind !== 'client_credentials' && kind !== 'jwt_bearer'

export const refOf = (row: { workspace_id: string; project_id: string; id: string }, version: number) => ({
  workspace: row.workspace_id,
  project: row.project_id,
  owner: row.id,
  version,
})

export function createLease(deps: {
  db: Db
  vault: Pick<Lending, 'warm'>
  /** This process, by a name that no other has while it lives. */
  owner: string
  now: () => number
  random: () => number
  wait: (ms: number) => Promise<void>
}) {
  const { db, vault, now } = deps

  /** The right to ask for a client that is refused: one asks for all that live by it. */
  async function mayProbe(tx: Tx, { row, grant }: Standing): Promise<boolean> {
    const next = new Date(now() + PROBE_EVERY_MS)
    if (!(await refusals.of(tx, grant.client_key))) return true
    if ((await refusals.probe(tx, grant.client_key, new Date(now()), next)) > 0) return true
    await grants.update(tx, row.id, { due_at: next })
    return false
  }

  return {
    look: (scope: Scope, id: string): Promise<Standing | null> =>
      db.once(scope, async (tx) => {
        const [row, grant] = await Promise.all([rows.get(tx, id), grants.get(tx, id)])
        return row && grant ? { row, grant } : null
      }),

    /** The lease and the intent; or null: somebody else has it, it is not to be asked now, or it does not stand as it was seen any more. */
    async take(scope: Scope, seen: Standing, rotates: boolean): Promise<Held | null> {
      const { row, grant } = seen
      const asked = { wall: now(), steady: performance.now() }
      const take = async (tx: Tx) => {
        const ask = { id: row.id, version: row.credential_version, status: row.status, owner: deps.owner, leaseMs: LEASE_MS }
        const taken = grants.take(tx, { ...ask, now: new Date(now()), spends: spends(grant) })
        void vault.warm(tx, refOf(row, row.credential_version)) // what is spent next, in the same packet
        return taken
      }
      const it =
        row.status === 'misconfigured'
          ? await db.tx(scope, async (tx) => ((await mayProbe(tx, seen)) ? take(tx) : undefined))
          : await db.once(scope, take)
      if (!it) return null
      // A copy of the database must not spend what the original lives by; nobody but an operator knows which of them is alive.
      if (it.held && spends(grant) && rotates) {
        const set = { due_at: new Date(now() + PROBE_EVERY_MS), intent_version: it.stale ? it.intent_version : null }
        await db.tx(scope, (tx) => grants.settle(tx, row.id, it.fence, set))
        return null
      }
      return { ...it, ...asked }
    },

    /** Whether a request that leaves now is over before the lease is. */
    lasts: (held: Held): boolean => Math.max(now() - held.wall, performance.now() - held.steady) < LEASE_MS - TOKEN_REQUEST_MS,

    /** Something of ours broke in the middle: the intent stays, the lease goes, and the next try, at once or after a pause, finds out how things are. */
    async giveBack(scope: Scope, held: Held, atOnce: boolean): Promise<void> {
      const next = new Date(now() + (atOnce ? 0 : nextTry(held.failures, null, deps.random())))
      const again = atOnce ? { due_at: next } : { failures: held.failures + 1, next_try_at: next, due_at: next }
      const set = { intent_version: held.intent_version, ...again }
      await db.tx(scope, (tx) => grants.letGoOf(tx, held.connection_id, held.fence, set)).catch(() => undefined)
    },

    /** Another process is at it: looks until it has finished, has died, or has waited long enough. */
    async watch(scope: Scope, id: string, version: number): Promise<void> {
      for (let waited = 0; waited < WATCH_MS; waited += WATCH_EVERY_MS) {
        const at = await db.once(scope, (tx) => grants.watch(tx, id))
        if (!at || at.credential_version !== version || !at.busy) break
        await deps.wait(WATCH_EVERY_MS)
      }
    },
  }
}
