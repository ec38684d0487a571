import { sql } from 'kysely'
import { OWN_WORKSPACE, type Tx, tables } from '../base/db.ts'
import type { Checkpoint } from './checkpoint.ts'

interface AccessTables {
  workspaces: { workspace_id: string; slug: string; name: string; created_at?: Date }
  projects: { id: string; workspace_id: string; slug: string; name: string; created_at?: Date }
  users: { id: string; email: string; name: string; disabled_at?: Date | null; created_at?: Date }
  members: { workspace_id: string; user_id: string; role: 'owner' | 'admin' | 'member'; disabled_at?: Date | null }
  project_members: { workspace_id: string; project_id: string; user_id: string; role: string }
  pats: PatTable
  audit_entries: AuditTable
  audit_heads: { workspace_id: string; seq: number; hash: Buffer }
  audit_floors: { workspace_id: string; seq: number; checkpoint: string }
  secret_uses: { workspace_id: string; seq: number; owner_id: string }
}
interface PatTable {
  id: string
  workspace_id: string
  project_id: string
  user_id: string
  display_name: string
  token_hash: Buffer
  last_four: string | null
  scopes: string[]
  expires_at: Date
  last_used_at: Date | null
  last_used_ip: string | null
  revoked_at: Date | null
  created_at: Date
}
interface AuditTable {
  workspace_id: string
  seq: number
  at: Date
  actor: string
  action: string
  target: string | null
  project_id: string | null
  entry: string
  hash: Buffer
}
export type AuditRow = AuditTable
/** What came before this entry was dropped. */
export interface Floor {
  seq: number
  checkpoint: Checkpoint
}
export type PatRow = Omit<PatTable, 'token_hash'>

const q = tables<AccessTables>()
const PAT_COLUMNS = [
  'id',
  'workspace_id',
  'project_id',
  'user_id',
  'display_name',
  'last_four',
  'scopes',
  'expires_at',
  'last_used_at',
  'last_used_ip',
  'revoked_at',
  'created_at',
] as const

export const rows = {
  patByHash: (tx: Tx, hash: Buffer) =>
    tx.first(
      q
        .selectFrom('pats as p')
        .innerJoin('users as u', 'u.id', 'p.user_id')
        .innerJoin('workspaces as w', 'w.workspace_id', 'p.workspace_id')
        .leftJoin('members as m', (j) =>
          j.onRef('m.workspace_id', '=', 'p.workspace_id').onRef('m.user_id', '=', 'p.user_id').on('m.disabled_at', 'is', null),
        )
        .leftJoin('project_members as pm', (j) => j.onRef('pm.project_id', '=', 'p.project_id').onRef('pm.user_id', '=', 'p.user_id'))
        .select([
          'p.id',
          'p.workspace_id',
          'p.project_id',
          'p.user_id',
          'p.scopes',
          'p.expires_at',
          'p.revoked_at',
          'p.token_hash',
          'u.name as user_name',
          'u.disabled_at',
          'w.slug as workspace_slug',
          'm.role as workspace_role',
          'pm.role as project_role',
        ])
        .where('p.token_hash', '=', hash),
    ),
  touchPats: (tx: Tx, used: { id: string; at: Date; ip: string | null }[]) =>
    tx.run(sql`update pats set last_used_at = u.at, last_used_ip = u.ip
      from unnest(${used.map((u) => u.id)}::text[], ${used.map((u) => u.at)}::timestamptz[], ${used.map((u) => u.ip)}::text[]) as u(id, at, ip)
      where pats.id = u.id`),
  insertPat: (tx: Tx, row: Omit<PatTable, 'last_used_at' | 'last_used_ip' | 'revoked_at' | 'created_at'>) =>
    tx.first(
      q
        .insertInto('pats')
        .values(row as PatTable)
        .returning(PAT_COLUMNS),
    ),
  pats: (tx: Tx, userId: string | null, limit: number, before: string | null) => {
    let query = q
      .selectFrom('pats as p')
      .innerJoin('users as u', 'u.id', 'p.user_id')
      .select(PAT_COLUMNS.map((column) => `p.${column}` as const))
      .select('u.name as user_name')
      .orderBy('p.id', 'desc')
      .limit(limit)
    if (userId) query = query.where('p.user_id', '=', userId)
    if (before) query = query.where('p.id', '<', before)
    return tx.all(query)
  },
  revokePat: (tx: Tx, id: string, userId: string | null, at: Date) => {
    const query = q.updateTable('pats').set({ revoked_at: at }).where('id', '=', id).where('revoked_at', 'is', null)
    return tx.first((userId ? query.where('user_id', '=', userId) : query).returning(['id', 'token_hash']))
  },
  revokePatsOf: (tx: Tx, userId: string, at: Date) =>
    tx.all(
      q
        .updateTable('pats')
        .set({ revoked_at: at })
        .where('user_id', '=', userId)
        .where('revoked_at', 'is', null)
        .returning(['id', 'token_hash']),
    ),
  revokePatByHash: (tx: Tx, hash: Buffer, at: Date) =>
    tx.first(
      q
        .updateTable('pats')
        .set({ revoked_at: at })
        .where('token_hash', '=', hash)
        .where('revoked_at', 'is', null)
        .returning(['id', 'workspace_id', 'project_id']),
    ),

  isMember: async (tx: Tx, userId: string): Promise<boolean> =>
    (await tx.first(
      q
        .selectFrom('members as m')
        .innerJoin('users as u', 'u.id', 'm.user_id')
        .leftJoin('project_members as pm', (j) => j.onRef('pm.user_id', '=', 'm.user_id').on('pm.role', '<>', 'project_viewer'))
        .select('m.user_id')
        .where('m.user_id', '=', userId)
        .where('u.disabled_at', 'is', null)
        .where('m.disabled_at', 'is', null)
        .where((e) => e.or([e('m.role', 'in', ['owner', 'admin']), e('pm.user_id', 'is not', null)])),
    )) !== undefined,
  patLives: async (tx: Tx, id: string, now: Date): Promise<boolean> =>
    (await tx.first(
      q.selectFrom('pats').select('id').where('id', '=', id).where('revoked_at', 'is', null).where('expires_at', '>', now),
    )) !== undefined,

  firstWorkspace: (tx: Tx) => tx.first(q.selectFrom('workspaces').selectAll().orderBy('created_at').limit(1)),
  insertWorkspace: (tx: Tx, row: AccessTables['workspaces']) => tx.run(q.insertInto('workspaces').values(row)),
  insertProject: (tx: Tx, row: AccessTables['projects']) => tx.run(q.insertInto('projects').values(row)),
  insertUser: (tx: Tx, row: AccessTables['users']) => tx.run(q.insertInto('users').values(row)),
  insertMember: (tx: Tx, row: AccessTables['members']) => tx.run(q.insertInto('members').values(row)),
  insertProjectMember: (tx: Tx, row: AccessTables['project_members']) => tx.run(q.insertInto('project_members').values(row)),
  owner: (tx: Tx) =>
    tx.first(
      q
        .selectFrom('members as m')
        .innerJoin('users as u', 'u.id', 'm.user_id')
        .innerJoin('workspaces as w', 'w.workspace_id', 'm.workspace_id')
        .innerJoin('projects as p', 'p.workspace_id', 'm.workspace_id')
        .select(['u.id as user_id', 'u.name as user_name', 'w.workspace_id', 'w.slug as workspace_slug', 'p.id as project_id'])
        .where('m.role', '=', 'owner')
        .orderBy('p.created_at')
        .limit(1),
    ),
  projectsOf: (tx: Tx) => tx.all(q.selectFrom('projects').select(['id', 'slug', 'name']).orderBy('id')),
  workspace: (tx: Tx, id: string) =>
    tx.first(q.selectFrom('workspaces').select(['workspace_id', 'slug', 'name']).where('workspace_id', '=', id)),

  appendAudit: (
    tx: Tx,
    e: { workspace: string; at: Date; actor: string; action: string; target: string | null; project: string | null; entry: string },
  ) =>
    tx.run(
      sql<{
        seq: number
      }>`select audit_append(${e.workspace}, ${e.at}, ${e.actor}, ${e.action}, ${e.target}, ${e.project}, ${e.entry}) as seq`,
    ),
  auditPage: (
    tx: Tx,
    f: {
      limit: number
      before: number | null
      actor?: string | undefined
      action?: string | undefined
      target?: string | undefined
      connection?: string | undefined
      since?: Date | undefined
      until?: Date | undefined
    },
  ) => {
    let query = q.selectFrom('audit_entries').selectAll().where('workspace_id', '=', OWN_WORKSPACE).orderBy('seq', 'desc').limit(f.limit)
    if (f.before !== null) query = query.where('seq', '<', f.before)
    if (f.actor) query = query.where('actor', '=', f.actor)
    if (f.action) query = query.where('action', '=', f.action)
    if (f.target) query = query.where('target', '=', f.target)
    const { connection } = f
    if (connection)
      query = query.where((e) =>
        e.or([
          e('target', '=', connection),
          e.exists(
            e
              .selectFrom('secret_uses as u')
              .select('u.seq')
              .whereRef('u.workspace_id', '=', 'audit_entries.workspace_id')
              .whereRef('u.seq', '=', 'audit_entries.seq')
              .where('u.owner_id', '=', connection),
          ),
        ]),
      )
    if (f.since) query = query.where('at', '>=', f.since)
    if (f.until) query = query.where('at', '<', f.until)
    return tx.all(query)
  },
  auditFrom: (tx: Tx, workspace: string, after: number, limit: number) =>
    tx.all(
      q.selectFrom('audit_entries').selectAll().where('workspace_id', '=', workspace).where('seq', '>', after).orderBy('seq').limit(limit),
    ),
  auditHead: (tx: Tx, workspace: string) => tx.first(q.selectFrom('audit_heads').selectAll().where('workspace_id', '=', workspace)),
  auditFloor: async (tx: Tx, workspace: string): Promise<Floor | null> => {
    const found = await tx.first(q.selectFrom('audit_floors').select(['seq', 'checkpoint']).where('workspace_id', '=', workspace))
    return found ? { seq: found.seq, checkpoint: JSON.parse(found.checkpoint) as Checkpoint } : null
  },
  /** What lies behind the last entry that was made before a time, in an unbroken row from the floor on; null: nothing does. */
  auditOldest: async (tx: Tx, workspace: string, before: Date, limit: number): Promise<AuditRow | null> => {
    const oldest = await tx.all(q.selectFrom('audit_entries').selectAll().where('workspace_id', '=', workspace).orderBy('seq').limit(limit))
    const young = oldest.findIndex((row) => row.at >= before)
    return oldest[(young < 0 ? oldest.length : young) - 1] ?? null
  },
  /** Sets the floor, and drops what is behind it. How many entries. */
  dropAudit: async (tx: Tx, workspace: string, floor: Floor): Promise<number> => {
    const row = { workspace_id: workspace, seq: floor.seq, checkpoint: JSON.stringify(floor.checkpoint) }
    await tx.run(
      q
        .insertInto('audit_floors')
        .values(row)
        .onConflict((c) => c.column('workspace_id').doUpdateSet({ seq: row.seq, checkpoint: row.checkpoint })),
    )
    const found = await tx.first(sql<{ dropped: number }>`select audit_drop(${workspace}, ${floor.seq}) as dropped`)
    return found?.dropped ?? 0
  },
  workspaces: (tx: Tx) => tx.all(q.selectFrom('workspaces').select(['workspace_id', 'slug']).orderBy('workspace_id')),
}
