import { sql } from 'kysely'
import { type Tx, tables } from '../base/db.ts'
import type { RunStatus } from './rows.ts'

interface WorkflowTable {
  id: string
  workspace_id: string
  project_id: string
  name: string
  description: string | null
  graph: unknown
  run_setup: unknown
  latest_version: number | null
  archived_at: Date | null
  created_at: Date
  updated_at: Date
}
interface VersionTable {
  workspace_id: string
  project_id: string
  workflow_id: string
  version: number
  graph: unknown
  changelog: string | null
  published_by: string
  published_at: Date
}
export type WorkflowRow = WorkflowTable

/** What the list says of runs; the rest of their row is rows.ts' business. */
interface RunGlance {
  id: string
  workflow_id: string
  status: RunStatus
  created_at: Date
}

const q = tables<{ workflows: WorkflowTable; workflow_versions: VersionTable; runs: RunGlance }>()

export const workflowRows = {
  insertWorkflow: (
    tx: Tx,
    row: Pick<WorkflowTable, 'id' | 'workspace_id' | 'project_id' | 'name' | 'description'> & { graph: string; run_setup: string | null },
  ) =>
    tx.first(
      q
        .insertInto('workflows')
        .values(row as never)
        .returningAll(),
    ),
  workflow: (tx: Tx, id: string) => tx.first(q.selectFrom('workflows').selectAll().where('id', '=', id)),
  /** What a start needs: not the draft, which may be large. */
  head: (tx: Tx, id: string) =>
    tx.first(q.selectFrom('workflows').select(['id', 'name', 'latest_version', 'archived_at']).where('id', '=', id)),
  lockWorkflow: (tx: Tx, id: string) => tx.first(q.selectFrom('workflows').selectAll().where('id', '=', id).forUpdate()),
  /** With the run that each started last. */
  workflows: (tx: Tx, f: { limit: number; before: string | null; archived: boolean; q?: string | undefined }) => {
    let query = q
      .selectFrom('workflows as w')
      .leftJoinLateral(
        (eb) =>
          eb
            .selectFrom('runs as r')
            .select(['r.id as run_id', 'r.status as run_status', 'r.created_at as run_at'])
            .whereRef('r.workflow_id', '=', 'w.id')
            .orderBy('r.id', 'desc')
            .limit(1)
            .as('last'),
        (j) => j.onTrue(),
      )
      .selectAll('w')
      .select(['last.run_id', 'last.run_status', 'last.run_at'])
      .where('w.archived_at', f.archived ? 'is not' : 'is', null)
      .orderBy('w.id', 'desc')
      .limit(f.limit)
    if (f.before) query = query.where('w.id', '<', f.before)
    if (f.q) query = query.where('w.name', 'ilike', `%${f.q.replaceAll(/[\\%_]/g, '\\$&')}%`)
    return tx.all(query)
  },
  updateWorkflow: (tx: Tx, id: string, set: Record<string, unknown>) =>
    tx.first(
      q
        .updateTable('workflows')
        .set(set as never)
        .where('id', '=', id)
        .returningAll(),
    ),
  insertVersion: (tx: Tx, row: Omit<VersionTable, 'published_at' | 'graph'> & { graph: string }) =>
    tx.first(
      q
        .insertInto('workflow_versions')
        .values(row as never)
        .returningAll(),
    ),
  version: (tx: Tx, workflowId: string, version: number) =>
    tx.first(q.selectFrom('workflow_versions').selectAll().where('workflow_id', '=', workflowId).where('version', '=', version)),
  versions: (tx: Tx, workflowId: string, limit: number, before: number | null) => {
    let query = q.selectFrom('workflow_versions').selectAll().where('workflow_id', '=', workflowId).orderBy('version', 'desc').limit(limit)
    if (before !== null) query = query.where('version', '<', before)
    return tx.all(query)
  },
  /** Which workflow names which instance, without the graphs: for counting. */
  namedBy: (tx: Tx, instanceIds: readonly string[]) =>
    tx.all(
      q
        .selectFrom('workflows as w')
        .leftJoin('workflow_versions as v', (j) => j.onRef('v.workflow_id', '=', 'w.id').onRef('v.version', '=', 'w.latest_version'))
        .innerJoin(sql<{ id: string }>`unnest(${[...instanceIds]}::text[])`.as<'i'>(sql`i(id)`), (j) =>
          j.on(sql<boolean>`w.graph::text like '%' || i.id || '%' or v.graph::text like '%' || i.id || '%'`),
        )
        .select(['w.id as workflow_id', 'i.id as instance_id'])
        .where('w.archived_at', 'is', null),
    ),
  /** Latest versions of all workflows whose graph names one of the instances: for usage and delete guards. */
  naming: (tx: Tx, instanceIds: readonly string[]) =>
    tx.all(
      q
        .selectFrom('workflows as w')
        .leftJoin('workflow_versions as v', (j) => j.onRef('v.workflow_id', '=', 'w.id').onRef('v.version', '=', 'w.latest_version'))
        .select(['w.id', 'w.name', 'w.graph', 'v.graph as published', 'v.version'])
        .where('w.archived_at', 'is', null)
        .where(sql<boolean>`exists (select 1 from unnest(${[...instanceIds]}::text[]) as i(id)
          where w.graph::text like '%' || i.id || '%' or v.graph::text like '%' || i.id || '%')`)
        .orderBy('w.id')
        .limit(500),
    ),
}
