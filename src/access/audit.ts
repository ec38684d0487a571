/**
 * The audit log: one hash chain per workspace. An entry is written in the same transaction as the act it tells of, as its
 * last statement; hash = SHA-256(previous hash ‖ seq as int8 ‖ entry text), the entry being canonical JSON.
 */
import type { Db, Scope, Tx } from '../base/db.ts'
import { canonical, lineOf } from './chain.ts'
import { holds } from './checkpoint.ts'
import { type AuditRow, type Floor, rows } from './rows.ts'
import { rows as useRows } from './uses-rows.ts'
import { promised, walkFrom } from './walk.ts'

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

export interface AuditVerdict {
  workspace: string
  entries: number
  ok: boolean
  problems: { workspace: string; seq: number; problem: string }[]
}

/** Rows read at a time while verifying: bounded memory for a log of any length. */
const VERIFY_BATCH = 1_000
/** The same for the uses that they answer for; one entry has at most a tenth of it. */
const MOST_USES = 5_000

export interface Page {
  rows: AuditRow[]
  usesOf: (seq: number) => string[]
}

/** The next entries with the uses that they answer for: as many as fit. */
export async function chainPage(tx: Tx, workspace: string, after: number, limit: number): Promise<Page> {
  const found = await rows.auditFrom(tx, workspace, after, limit)
  const page: AuditRow[] = []
  let expected = 0
  for (const row of found) {
    const more = promised(row.entry)?.rows ?? 0
    if (page.length > 0 && expected + more > MOST_USES) break
    expected += more
    page.push(row)
  }
  const last = page.at(-1)?.seq
  // One more than fits shows that there are some which nobody has promised; what hangs behind the last entry is found at the end.
  const uses = last === undefined ? [] : await useRows.between(tx, workspace, after + 1, last, Math.min(expected, 2 * MOST_USES) + 1)
  const of = Map.groupBy(uses, (use) => use.seq)
  return { rows: page, usesOf: (seq) => (of.get(seq) ?? []).map(lineOf) }
}

/**
 * Walks each chain from its start, or from the floor that retention has left. Finds edits, deletions, reorders, insertions, and a tail cut
 * short of the head. `publicKey` is null while the vault is sealed: a floor cannot be checked then.
 */
export async function verifyAudit(db: Db, publicKey: () => string | null, onlyWorkspace?: string): Promise<AuditVerdict[]> {
  const all = onlyWorkspace
    ? [{ workspace_id: onlyWorkspace }]
    : await db.everyTenant('the audit verifier reads every chain', (tx) => rows.workspaces(tx))
  const verdicts: AuditVerdict[] = []
  for (const { workspace_id: workspace } of all) {
    const scope = { workspace, project: '*' }
    const floor = await db.tx(scope, (tx) => rows.auditFloor(tx, workspace))
    const walk = walkFrom({ seq: floor?.seq ?? 0, hash: Buffer.from(floor?.checkpoint.hash ?? '', 'hex') })
    if (floor) checkFloor(floor, workspace, publicKey(), walk.say)
    for (;;) {
      const after = walk.at().seq
      const page = await db.tx(scope, (tx) => chainPage(tx, workspace, after, VERIFY_BATCH))
      for (const row of page.rows) {
        walk.step({ ...row, uses: page.usesOf(row.seq) })
        const differing = columnsThatDiffer(row)
        if (differing) walk.say(row.seq, `the column ${differing} does not match the entry`)
      }
      if (page.rows.length === 0) break
    }
    const { seq, hash, entries } = walk.at()
    const [head, stray] = await db.tx(scope, (tx) =>
      Promise.all([rows.auditHead(tx, workspace), useRows.between(tx, workspace, seq + 1, Number.MAX_SAFE_INTEGER, 1)]),
    )
    if ((head?.seq ?? 0) !== seq) walk.say(seq, `the chain ends at ${seq} but its head says ${head?.seq ?? 0}: the tail was cut`)
    else if (head && !head.hash.equals(hash)) walk.say(seq, 'the head does not match the last entry')
    if (stray.length > 0) walk.say(seq, 'there are uses of secrets that no entry answers for')
    const problems = walk.problems.map((it) => ({ workspace, ...it }))
    verdicts.push({ workspace, entries, ok: problems.length === 0, problems })
  }
  return verdicts
}

function checkFloor(floor: Floor, workspace: string, publicKey: string | null, say: (seq: number, problem: string) => void): void {
  const { seq, checkpoint } = floor
  if (publicKey === null) say(seq, 'what came before was dropped, and its checkpoint cannot be checked while the vault is sealed')
  else if (checkpoint.workspace !== workspace || checkpoint.seq !== seq || !holds(checkpoint, publicKey))
    say(seq, 'what came before was dropped without a checkpoint that we have signed')
}

function columnsThatDiffer(row: AuditRow): string | null {
  const said = JSON.parse(row.entry) as { at: string; actor: string; action: string; target: string | null; project: string }
  if (said.at !== row.at.toISOString()) return 'at'
  if (said.actor !== row.actor) return 'actor'
  if (said.action !== row.action) return 'action'
  if (said.target !== row.target) return 'target'
  return (said.project === '*' ? null : said.project) === row.project_id ? null : 'project_id'
}
