import { sql } from 'kysely'
import { type Db, type Scope, type Tx, tables } from '../base/db.ts'

interface IdempotencyTable {
  workspace_id: string
  project_id: string
  operation: string
  key: string
  body_hash: Buffer
  answer: string | null
  created_at: Date
}
const q = tables<{ idempotency: IdempotencyTable }>()

/** How long a key is remembered, as the API promises. */
const REMEMBER = sql`interval '24 hours'`

export const rows = {
  /** True when this transaction now owns the key. A key of a transaction in flight is waited for. */
  claim: async (tx: Tx, scope: Scope, operation: string, key: string, bodyHash: Buffer) =>
    (await tx.run(sql`
      insert into idempotency (workspace_id, project_id, operation, key, body_hash)
      values (${scope.workspace}, ${scope.project}, ${operation}, ${key}, ${bodyHash})
      on conflict (workspace_id, project_id, operation, key) do update
        set body_hash = excluded.body_hash, answer = null, created_at = now()
        where idempotency.created_at < now() - ${REMEMBER}`)) === 1,
  claimed: (tx: Tx, operation: string, key: string) =>
    tx.first(q.selectFrom('idempotency').select(['body_hash', 'answer']).where('operation', '=', operation).where('key', '=', key)),
  answer: (tx: Tx, operation: string, key: string, answer: string) =>
    tx.run(q.updateTable('idempotency').set({ answer }).where('operation', '=', operation).where('key', '=', key)),
}

/** Drops answers that are no longer promised. Returns how many. */
export const forgetOldAnswers = (db: Db): Promise<number> =>
  db.everyTenant('answers to Idempotency-Keys of yesterday', (tx) =>
    tx.run(sql`delete from idempotency where created_at < now() - ${REMEMBER}`),
  )
