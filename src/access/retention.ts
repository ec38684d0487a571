/** Old entries go, where that is wished: only behind a checkpoint that we have signed, so that what is left still verifies. */
import type { Db } from '../base/db.ts'
import { appendAudit } from './audit.ts'
import { type Signer, signed } from './checkpoint.ts'
import { rows } from './rows.ts'

/** Entries that go in one transaction: none of them holds the chain for long. */
const AT_A_TIME = 5_000
const DAY_MS = 86_400_000

/** How many entries went. Faults: VAULT_SEALED, before anything goes. */
export async function retainAudit(deps: { db: Db; signer: Signer; days: number; now: number }): Promise<number> {
  const { db, signer, now } = deps
  const before = new Date(now - deps.days * DAY_MS)
  const all = await db.everyTenant('retention looks at every chain', (tx) => rows.workspaces(tx))
  let gone = 0
  for (const { workspace_id: workspace } of all)
    for (;;) {
      const dropped = await db.tx({ workspace, project: '*' }, async (tx) => {
        const last = await rows.auditOldest(tx, workspace, before, AT_A_TIME)
        if (last === null) return 0
        const floor = await rows.auditFloor(tx, workspace)
        const checkpoint = signed(signer, {
          workspace,
          seq: last.seq,
          hash: last.hash.toString('hex'),
          count: last.seq - (floor?.seq ?? 0),
          at: new Date(now).toISOString(),
        })
        const count = await rows.dropAudit(tx, workspace, { seq: last.seq, checkpoint })
        const details = { through: last.seq, entries: count, checkpoint }
        void appendAudit(tx, { workspace, project: '*' }, new Date(now), {
          actor: 'system',
          action: 'audit.dropped',
          outcome: 'done',
          details,
        })
        return count
      })
      gone += dropped
      if (dropped < AT_A_TIME) break
    }
  return gone
}
