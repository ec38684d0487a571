import { sql } from 'kysely'
import { OWN_PROJECT, OWN_WORKSPACE, type Tx, tables } from '../base/db.ts'

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

/** Of one instance. */
const FIRST_CALLS = 100

export const rows = {
  insert: (tx: Tx, records: readonly CallRecord[]) => tx.run(q.insertInto('tool_calls').values([...records])),
  /** Whether somebody called a tool without a run: looked for among the first calls of each instance, where it is found or not at all. */
  calledByHand: async (tx: Tx) =>
    (await tx.first(sql`
      select 1 from instances i cross join lateral (
        select run_id, outcome from tool_calls c where c.instance_id = i.id order by c.id limit ${FIRST_CALLS}) as early
      where i.workspace_id = ${OWN_WORKSPACE} and i.project_id = ${OWN_PROJECT} and early.run_id is null and early.outcome = 'ok' limit 1`)) !==
    undefined,
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
