import { sql } from 'kysely'
import { OWN_PROJECT, OWN_WORKSPACE, type Scope, type Tx, tables } from '../base/db.ts'
import { rotations } from './rotation-rows.ts'

export const STATUSES = ['unverified', 'active', 'degraded', 'reconnect', 'needs_scopes', 'misconfigured', 'disabled'] as const
export type Status = (typeof STATUSES)[number]

export interface ConnectionRow {
  id: string
  workspace_id: string
  project_id: string
  name: string
  provider: string
  service: string
  environment: string
  status: Status
  status_reason: string | null
  status_since: Date
  /** What was entered and is no secret: a header's name, the host of a connection string. */
  public: Record<string, unknown>
  credential_version: number
  /** The highest number that a version ever had: none is given twice. */
  last_version: number
  account: { id: string; label: string } | null
  granted_scopes: string[] | null
  warnings: string[]
  expires_at: Date | null
  last_validated_at: Date | null
  last_used_at: Date | null
  created_at: Date
  updated_at: Date
}
interface EventRow {
  id: string
  workspace_id: string
  project_id: string
  connection_id: string
  event_type: string
  at: Date
  data: Record<string, unknown>
}
const q = tables<{ connections: ConnectionRow; connection_events: EventRow }>()

export interface ListFilter {
  limit: number
  before: string | null
  provider?: string | undefined
  status?: Status | undefined
  environment?: string | undefined
  q?: string | undefined
  /** Only those with a rotation under way. */
  rotating?: boolean | undefined
}

export const rows = {
  insert: (tx: Tx, row: Partial<ConnectionRow> & Pick<ConnectionRow, 'id'>) =>
    tx.first(
      q
        .insertInto('connections')
        .values(row as ConnectionRow)
        .returningAll(),
    ),
  get: (tx: Tx, id: string) => tx.first(q.selectFrom('connections').selectAll().where('id', '=', id)),
  /** Locks the row, so that two replacements of a credential get two versions. */
  lock: (tx: Tx, id: string) => tx.first(q.selectFrom('connections').selectAll().where('id', '=', id).forUpdate()),
  list: (tx: Tx, f: ListFilter) => {
    let query = q.selectFrom('connections').selectAll().orderBy('id', 'desc').limit(f.limit)
    if (f.before) query = query.where('id', '<', f.before)
    if (f.provider) query = query.where('provider', '=', f.provider)
    if (f.status) query = query.where('status', '=', f.status)
    if (f.environment) query = query.where('environment', '=', f.environment)
    if (f.rotating) query = query.where('id', 'in', rotations.connectionsUnderWay)
    if (f.q) query = query.where('name', 'ilike', `%${f.q.replaceAll(/[\\%_]/g, '\\$&')}%`)
    return tx.all(query)
  },
  /** Differs once a connection is made, goes, or changes; being used is no change. */
  mark: async (tx: Tx) =>
    (
      await tx.first<{ mark: string }>(sql`
      select concat_ws('/', count(*), max(updated_at)) as mark from connections
      where workspace_id = ${OWN_WORKSPACE} and project_id = ${OWN_PROJECT}`)
    )?.mark ?? '',
  some: (tx: Tx, ids: readonly string[]) =>
    tx.all(
      q
        .selectFrom('connections')
        .selectAll()
        .where('id', 'in', [...ids]),
    ),
  update: (tx: Tx, id: string, set: Partial<ConnectionRow>) =>
    tx.first(q.updateTable('connections').set(set).where('id', '=', id).returningAll()),
  /** Only while the credential is still the one that was judged. */
  judge: (tx: Tx, id: string, version: number, set: Partial<ConnectionRow>) =>
    tx.first(q.updateTable('connections').set(set).where('id', '=', id).where('credential_version', '=', version).returningAll()),
  /** Burned before then, and not all destroyed. */
  burnedAndLeft: (tx: Tx, before: Date, limit: number) =>
    tx.all<{ id: string }>(sql`select c.id from connections c where c.status_reason = 'burned' and c.status_since < ${before}
      and exists (select from sealed s where s.owner_id = c.id) order by c.id limit ${limit}`),
  remove: (tx: Tx, id: string) => tx.run(q.deleteFrom('connections').where('id', '=', id)),
  touch: (tx: Tx, used: { id: string; at: Date }[]) =>
    tx.run(sql`update connections set last_used_at = u.at
      from unnest(${used.map((u) => u.id)}::text[], ${used.map((u) => u.at)}::timestamptz[]) as u(id, at)
      where connections.id = u.id`),
  event: (tx: Tx, scope: Scope, row: Pick<EventRow, 'id' | 'connection_id' | 'event_type' | 'at' | 'data'>) =>
    tx.run(q.insertInto('connection_events').values({ ...row, workspace_id: scope.workspace, project_id: scope.project })),
  /** Renewals that went well are of interest for a while only; all else stays. */
  forgetRenewals: (tx: Tx, before: Date) =>
    tx.run(q.deleteFrom('connection_events').where('event_type', '=', 'refreshed').where('at', '<', before)),
  events: (tx: Tx, id: string, limit: number, before: string | null) => {
    let query = q.selectFrom('connection_events').selectAll().where('connection_id', '=', id).orderBy('id', 'desc').limit(limit)
    if (before) query = query.where('id', '<', before)
    return tx.all(query)
  },
}
