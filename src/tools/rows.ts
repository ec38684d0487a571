import { type Tx, tables } from '../base/db.ts'

/** Who, where, with what, how long, how it ended. Never a value. */
export interface CallRecord {
  id: string
  workspace_id: string
  project_id: string
  at: Date
  actor: string
  run_id: string | null
  step_id: string | null
  attempt: number | null
  instance_id: string
  tool: string
  connection_id: string | null
  credential_version: number | null
  duration_ms: number
  outcome: 'ok' | 'failed' | 'unknown'
  code: string | null
  call_key: string
}
const q = tables<{ tool_calls: CallRecord }>()

export const rows = {
  insert: (tx: Tx, records: readonly CallRecord[]) => tx.run(q.insertInto('tool_calls').values([...records])),
  ofConnection: (tx: Tx, connectionId: string, limit: number) =>
    tx.all(
      q
        .selectFrom('tool_calls')
        .select(['run_id', 'step_id', 'instance_id', 'tool', 'at', 'outcome', 'credential_version'])
        .where('connection_id', '=', connectionId)
        .orderBy('id', 'desc')
        .limit(limit),
    ),
}
