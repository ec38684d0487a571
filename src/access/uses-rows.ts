import { sql } from 'kysely'
import { OWN_WORKSPACE, type Tx, tables } from '../base/db.ts'
import type { Purpose } from '../base/secret-use.ts'

export interface UseRow {
  project_id: string | null
  first_at: Date
  last_at: Date
  uses: number
  owner_id: string
  version: number
  purpose: Purpose
  host: string | null
  actor: string
  run_id: string | null
  step_id: string | null
  attempt: number | null
  instance_id: string | null
  tool: string | null
}
export interface StoredUse extends UseRow {
  workspace_id: string
  seq: number
  n: number
  batch: string
}
/** Uses in which a secret was sent to somebody, and neither to see whether it works nor to end it. */
const SENT = sql.join(['request', 'session', 'renewal', 'exchange'] satisfies Purpose[])
const q = tables<{ secret_uses: StoredUse }>()

export interface UseFilter {
  limit: number
  /** Older than this one. */
  before: { seq: number; n: number } | null
  owner?: string | undefined
  seq?: number | undefined
  actor?: string | undefined
  tool?: string | undefined
  purpose?: Purpose | undefined
  run?: string | undefined
  since?: Date | undefined
  until?: Date | undefined
}

export const rows = {
  /** Whether a batch was written before: by a try of which nobody heard how it ended. */
  written: async (tx: Tx, batch: string): Promise<boolean> =>
    (await tx.first(q.selectFrom('secret_uses').select('n').where('batch', '=', batch).where('n', '=', 0).limit(1))) !== undefined,
  /** Under the entry that this transaction has just appended: it holds the head. */
  insert: (tx: Tx, workspace: string, batch: string, uses: readonly UseRow[]) =>
    tx.run(sql`
      insert into secret_uses (workspace_id, seq, n, batch, project_id, first_at, last_at, uses, owner_id, version, purpose, host, actor,
        run_id, step_id, attempt, instance_id, tool)
      select h.workspace_id, h.seq, u.n - 1, ${batch}, u.project_id, u.first_at, u.last_at, u.uses, u.owner_id, u.version, u.purpose, u.host,
        u.actor, u.run_id, u.step_id, u.attempt, u.instance_id, u.tool
      from audit_heads h, rows from (jsonb_to_recordset(${JSON.stringify(uses)}::jsonb) as (project_id text, first_at timestamptz,
        last_at timestamptz, uses int, owner_id text, version int, purpose text, host text, actor text, run_id text, step_id text, attempt int,
        instance_id text, tool text)) with ordinality as u(project_id, first_at, last_at, uses, owner_id, version, purpose, host, actor, run_id,
        step_id, attempt, instance_id, tool, n)
      where h.workspace_id = ${workspace}`),
  page: (tx: Tx, f: UseFilter): Promise<StoredUse[]> => {
    let query = q
      .selectFrom('secret_uses')
      .selectAll()
      .where('workspace_id', '=', OWN_WORKSPACE)
      .orderBy('seq', 'desc')
      .orderBy('n', 'desc')
      .limit(f.limit)
    if (f.before) query = query.where(sql<boolean>`(seq, n) < (${f.before.seq}, ${f.before.n})`)
    if (f.owner) query = query.where('owner_id', '=', f.owner)
    if (f.seq) query = query.where('seq', '=', f.seq)
    if (f.actor) query = query.where('actor', '=', f.actor)
    if (f.tool) query = query.where('tool', '=', f.tool)
    if (f.purpose) query = query.where('purpose', '=', f.purpose)
    if (f.run) query = query.where('run_id', '=', f.run)
    if (f.since) query = query.where('last_at', '>=', f.since)
    if (f.until) query = query.where('first_at', '<', f.until)
    return tx.all(query)
  },
  /** Of versions of one secret: when each was sent anywhere last, and how often since the given time. Checks do not count. */
  ofVersions: (tx: Tx, owner: string, of: readonly { version: number; since: Date }[]) =>
    tx.all<{ version: number; calls: number; last_used_at: Date | null }>(sql`
      select v.version, coalesce(s.calls, 0)::int as calls, l.last_at as last_used_at
      from unnest(${of.map((v) => v.version)}::int[], ${of.map((v) => v.since)}::timestamptz[]) as v(version, since)
      left join lateral (select sum(u.uses) as calls from secret_uses u where u.workspace_id = ${OWN_WORKSPACE} and u.owner_id = ${owner}
        and u.version = v.version and u.last_at >= v.since and u.purpose in (${SENT})) s on true
      left join lateral (select u.last_at from secret_uses u where u.workspace_id = ${OWN_WORKSPACE} and u.owner_id = ${owner}
        and u.version = v.version and u.purpose in (${SENT}) order by u.last_at desc limit 1) l on true`),
  callsInRun: async (tx: Tx, run: string, owner: string, version: number): Promise<number> =>
    (
      await tx.first<{ calls: number }>(sql`
        select coalesce(sum(uses), 0)::int as calls from secret_uses where workspace_id = ${OWN_WORKSPACE} and owner_id = ${owner}
          and version = ${version} and run_id = ${run} and purpose in ('request', 'session')`)
    )?.calls ?? 0,
  /** Those of the entries from one to another, in the order in which their digests were made. */
  between: (tx: Tx, workspace: string, from: number, to: number, limit: number): Promise<StoredUse[]> =>
    tx.all(
      q
        .selectFrom('secret_uses')
        .selectAll()
        .where('workspace_id', '=', workspace)
        .where('seq', '>=', from)
        .where('seq', '<=', to)
        .orderBy('seq')
        .orderBy('n')
        .limit(limit),
    ),
}
