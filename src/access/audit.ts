/**
 * The audit log: one hash chain per workspace. An entry is written in the same transaction as the act it tells of, as its
 * last statement; hash = SHA-256(previous hash ‖ seq as int8 ‖ entry text), the entry being canonical JSON.
 */
import type { Db, Scope, Tx } from '../base/db.ts'
import { canonical, chainHash } from './chain.ts'
import { type AuditRow, rows } from './rows.ts'

export interface Act {
  actor: string
  action: string
  target?: string | null | undefined
  outcome: 'done' | 'refused' | 'failed'
  requestId?: string | undefined
  details?: Record<string, unknown> | undefined
}

/** One query: who has nothing to ask after it need not wait for it. */
export function appendAudit(tx: Tx, scope: Scope, at: Date, act: Act): Promise<unknown> {
  const entry = canonical({
    at: at.toISOString(),
    actor: act.actor,
    action: act.action,
    target: act.target ?? null,
    project: scope.project,
    outcome: act.outcome,
    request_id: act.requestId,
    details: act.details,
  })
  return rows.appendAudit(tx, {
    workspace: scope.workspace,
    at,
    actor: act.actor,
    action: act.action,
    target: act.target ?? null,
    project: scope.project === '*' ? null : scope.project,
    entry,
  })
}

export interface AuditProblem {
  workspace: string
  seq: number
  problem: string
}
export interface AuditVerdict {
  workspace: string
  entries: number
  ok: boolean
  problems: AuditProblem[]
}

/** Rows read at a time while verifying: bounded memory for a log of any length. */
const VERIFY_BATCH = 5_000
/** More problems than this say nothing new. */
const MAX_PROBLEMS = 20

/** Walks each chain from its start. Finds edits, deletions, reorders, insertions, and a tail cut short of the head. */
export async function verifyAudit(db: Db, onlyWorkspace?: string): Promise<AuditVerdict[]> {
  const all = onlyWorkspace
    ? [{ workspace_id: onlyWorkspace }]
    : await db.everyTenant('the audit verifier reads every chain', (tx) => rows.workspaces(tx))
  const verdicts: AuditVerdict[] = []
  for (const { workspace_id: workspace } of all) {
    const problems: AuditProblem[] = []
    const say = (seq: number, problem: string) => problems.length < MAX_PROBLEMS && problems.push({ workspace, seq, problem })
    let seq = 0
    let hash: Buffer = Buffer.alloc(0)
    for (;;) {
      const batch = await db.tx({ workspace, project: '*' }, (tx) => rows.auditFrom(tx, workspace, seq, VERIFY_BATCH))
      for (const row of batch) {
        if (row.seq !== seq + 1) say(seq + 1, `entries ${seq + 1} to ${row.seq - 1} are missing`)
        const expected = chainHash(hash, row.seq, row.entry)
        if (!expected.equals(row.hash)) say(row.seq, 'the entry, its place or the one before it was changed')
        const differing = columnsThatDiffer(row)
        if (differing) say(row.seq, `the column ${differing} does not match the entry`)
        seq = row.seq
        hash = row.hash
      }
      if (batch.length < VERIFY_BATCH) break
    }
    const head = await db.tx({ workspace, project: '*' }, (tx) => rows.auditHead(tx, workspace))
    if ((head?.seq ?? 0) !== seq) say(seq, `the chain ends at ${seq} but its head says ${head?.seq ?? 0}: the tail was cut`)
    else if (head && !head.hash.equals(hash)) say(seq, 'the head does not match the last entry')
    verdicts.push({ workspace, entries: seq, ok: problems.length === 0, problems })
  }
  return verdicts
}

function columnsThatDiffer(row: AuditRow): string | null {
  const said = JSON.parse(row.entry) as { at: string; actor: string; action: string; target: string | null; project: string }
  if (said.at !== row.at.toISOString()) return 'at'
  if (said.actor !== row.actor) return 'actor'
  if (said.action !== row.action) return 'action'
  if (said.target !== row.target) return 'target'
  return (said.project === '*' ? null : said.project) === row.project_id ? null : 'project_id'
}
