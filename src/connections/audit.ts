/** How this room writes into the audit chain: the entry is the last statement of the transaction that it tells of. */
import type { Scope, Tx } from '../base/db.ts'

export interface Act {
  actor: string
  action: string
  target: string | null
  outcome: 'done' | 'refused'
  details: Record<string, unknown>
  /** Of the request that the act came of, where it was one. */
  requestId?: string | undefined
}
export type Audit = (tx: Tx, scope: Scope, act: Act) => Promise<void>
