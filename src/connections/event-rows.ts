import { type Tx, tables } from '../base/db.ts'

export interface OutgoingRow {
  id: string
  workspace_id: string
  project_id: string
  event_type: string
  payload: string
  created_at: Date
  attempts: number
  next_try_at: Date
  delivered_at: Date | null
  last_problem: string | null
}
const q = tables<{ outgoing_events: OutgoingRow }>()

export const outgoing = {
  insert: (tx: Tx, row: Omit<OutgoingRow, 'attempts' | 'delivered_at' | 'last_problem'>) =>
    tx.run(q.insertInto('outgoing_events').values({ ...row, attempts: 0, delivered_at: null, last_problem: null })),
  /** Taken for sending until `until`: another process does not send them meanwhile. */
  take: async (tx: Tx, now: Date, until: Date, limit: number) => {
    const open = tx.all(
      q
        .selectFrom('outgoing_events')
        .selectAll()
        .where('delivered_at', 'is', null)
        .where('next_try_at', '<=', now)
        .orderBy('id')
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    const rows = await open
    if (rows.length > 0)
      await tx.run(
        q
          .updateTable('outgoing_events')
          .set({ next_try_at: until })
          .where(
            'id',
            'in',
            rows.map((r) => r.id),
          ),
      )
    return rows
  },
  settle: (tx: Tx, id: string, set: Partial<OutgoingRow>) => tx.run(q.updateTable('outgoing_events').set(set).where('id', '=', id)),
  forget: (tx: Tx, before: Date) => tx.run(q.deleteFrom('outgoing_events').where('created_at', '<', before)),
}
