import { type Tx, tables } from '../base/db.ts'
import type { Ending } from './ending.ts'

/** What an authorization was begun for. Public facts. */
export interface Wish {
  slug: string
  services: string[]
  scopes: string[]
  display_name: string
  environment: string
  /** The connection to renew; null: a new one. */
  connection_id: string | null
  return_to: string | null
  /** What to do when somebody signs in to another account than the connection's. */
  other_account: 'refuse' | 'new_connection'
}
export interface AttemptRow {
  id: string
  workspace_id: string
  project_id: string
  user_id: string
  actor: string
  ask: Wish
  browser_hash: Buffer
  state_hash: Buffer | null
  created_at: Date
  expires_at: Date
  finished_at: Date | null
  outcome: Record<string, unknown> | null
}
const q = tables<{ oauth_attempts: AttemptRow }>()

export const attempts = {
  /** 0: this link has been opened before. */
  insert: (tx: Tx, row: Omit<AttemptRow, 'created_at' | 'finished_at' | 'outcome'>) =>
    tx.run(
      q
        .insertInto('oauth_attempts')
        .values({ ...row, finished_at: null, outcome: null } as AttemptRow)
        .onConflict((c) => c.column('id').doNothing()),
    ),
  get: (tx: Tx, id: string) => tx.first(q.selectFrom('oauth_attempts').selectAll().where('id', '=', id)),
  /** The same browser goes back and tries again: the state before is void. */
  again: (tx: Tx, id: string, browserHash: Buffer, stateHash: Buffer) =>
    tx.run(
      q
        .updateTable('oauth_attempts')
        .set({ state_hash: stateHash })
        .where('id', '=', id)
        .where('browser_hash', '=', browserHash)
        .where('finished_at', 'is', null),
    ),
  /** Spends the state: whoever comes first gets the row, nobody gets it twice. */
  spend: (tx: Tx, stateHash: Buffer, now: Date) =>
    tx.first(
      q.updateTable('oauth_attempts').set({ state_hash: null, finished_at: now }).where('state_hash', '=', stateHash).returningAll(),
    ),
  settle: (tx: Tx, id: string, { kind, ok, connectionId, notes, text }: Ending) =>
    tx.run(
      q
        .updateTable('oauth_attempts')
        .set({ outcome: { kind, ok, connection_id: connectionId, notes, text } })
        .where('id', '=', id),
    ),
  forget: (tx: Tx, before: Date) => tx.run(q.deleteFrom('oauth_attempts').where('created_at', '<', before)),
}
