import { sql } from 'kysely'
import { OWN_WORKSPACE, type Tx, tables } from '../base/db.ts'
import type { WorkspaceRole } from './people-rows.ts'

interface MemberTables {
  users: { id: string; email: string; name: string; disabled_at: Date | null }
  workspaces: { workspace_id: string; slug: string; name: string; created_at: Date }
  projects: { id: string; workspace_id: string; slug: string; name: string; created_at: Date }
  members: { workspace_id: string; user_id: string; role: WorkspaceRole; disabled_at: Date | null; created_at: Date }
  project_members: { workspace_id: string; project_id: string; user_id: string; role: string }
  pats: { user_id: string; workspace_id: string; revoked_at: Date | null }
  invitations: InvitationTable
}
interface InvitationTable {
  id: string
  workspace_id: string
  email: string
  role: WorkspaceRole
  project_id: string | null
  project_role: string | null
  token_hash: Buffer
  invited_by: string
  created_at: Date
  expires_at: Date
  accepted_at: Date | null
}
export type InvitationRow = Omit<InvitationTable, 'token_hash'>
const INVITATION = [
  'id',
  'workspace_id',
  'email',
  'role',
  'project_id',
  'project_role',
  'invited_by',
  'created_at',
  'expires_at',
  'accepted_at',
] as const

export interface MemberRow {
  user_id: string
  email: string
  name: string
  role: WorkspaceRole
  disabled_at: Date | null
  created_at: Date
}

const q = tables<MemberTables>()
const memberQuery = () =>
  q
    .selectFrom('members as m')
    .innerJoin('users as u', 'u.id', 'm.user_id')
    .select(['m.user_id', 'u.email', 'u.name', 'm.role', 'm.disabled_at', 'm.created_at'])
    .where('m.workspace_id', '=', OWN_WORKSPACE)

/** Everything here runs in a transaction of one workspace. */
export const rows = {
  /** Whoever changes who has a say does it one after the other: the last owner is counted right. */
  lockWorkspace: (tx: Tx) => tx.run(sql`select 1 from workspaces where workspace_id = ${OWN_WORKSPACE} for update`),
  members: (tx: Tx, limit: number, after: string | null) => {
    const query = memberQuery().orderBy('m.user_id').limit(limit)
    return tx.all<MemberRow>(after ? query.where('m.user_id', '>', after) : query)
  },
  member: (tx: Tx, userId: string) => tx.first<MemberRow>(memberQuery().where('m.user_id', '=', userId)),
  projectRoles: (tx: Tx, userIds: readonly string[]) =>
    tx.all(
      q
        .selectFrom('project_members')
        .select(['user_id', 'project_id', 'role'])
        .where('workspace_id', '=', OWN_WORKSPACE)
        .where('user_id', 'in', userIds.length > 0 ? [...userIds] : ['']),
    ),
  otherOwners: async (tx: Tx, but: string): Promise<number> =>
    (
      await tx.all(
        q
          .selectFrom('members as m')
          .innerJoin('users as u', 'u.id', 'm.user_id')
          .select('m.user_id')
          .where('m.workspace_id', '=', OWN_WORKSPACE)
          .where('m.role', '=', 'owner')
          .where('m.disabled_at', 'is', null)
          .where('u.disabled_at', 'is', null)
          .where('m.user_id', '<>', but),
      )
    ).length,
  updateMember: (tx: Tx, userId: string, set: { role?: WorkspaceRole; disabled_at?: Date | null }) =>
    tx.run(q.updateTable('members').set(set).where('workspace_id', '=', OWN_WORKSPACE).where('user_id', '=', userId)),
  putProjectRole: (tx: Tx, row: MemberTables['project_members']) =>
    tx.run(
      q
        .insertInto('project_members')
        .values(row)
        .onConflict((c) => c.columns(['project_id', 'user_id']).doUpdateSet({ role: row.role })),
    ),
  dropProjectRole: (tx: Tx, projectId: string, userId: string) =>
    tx.run(
      q
        .deleteFrom('project_members')
        .where('workspace_id', '=', OWN_WORKSPACE)
        .where('project_id', '=', projectId)
        .where('user_id', '=', userId),
    ),
  removeMember: async (tx: Tx, userId: string, at: Date) => {
    const [, pats] = await Promise.all([
      tx.run(q.deleteFrom('project_members').where('workspace_id', '=', OWN_WORKSPACE).where('user_id', '=', userId)),
      tx.run(
        q
          .updateTable('pats')
          .set({ revoked_at: at })
          .where('workspace_id', '=', OWN_WORKSPACE)
          .where('user_id', '=', userId)
          .where('revoked_at', 'is', null),
      ),
      tx.run(q.deleteFrom('members').where('workspace_id', '=', OWN_WORKSPACE).where('user_id', '=', userId)),
      // Nobody comes in by the word of somebody who is gone.
      tx.run(
        q
          .deleteFrom('invitations')
          .where('workspace_id', '=', OWN_WORKSPACE)
          .where('invited_by', '=', userId)
          .where('accepted_at', 'is', null),
      ),
    ])
    return pats
  },
  insertMember: (tx: Tx, row: { workspace_id: string; user_id: string; role: WorkspaceRole }) =>
    tx.run(
      q
        .insertInto('members')
        .values(row as MemberTables['members'])
        .onConflict((c) => c.doNothing()),
    ),

  projects: (tx: Tx, limit: number, after: string | null) => {
    const query = q.selectFrom('projects').selectAll().where('workspace_id', '=', OWN_WORKSPACE).orderBy('id').limit(limit)
    return tx.all(after ? query.where('id', '>', after) : query)
  },
  project: (tx: Tx, id: string) =>
    tx.first(q.selectFrom('projects').selectAll().where('workspace_id', '=', OWN_WORKSPACE).where('id', '=', id)),
  insertProject: (tx: Tx, row: { id: string; workspace_id: string; slug: string; name: string }) =>
    tx.first(
      q
        .insertInto('projects')
        .values(row as MemberTables['projects'])
        .onConflict((c) => c.columns(['workspace_id', 'slug']).doNothing())
        .returningAll(),
    ),
  renameProject: (tx: Tx, id: string, name: string) =>
    tx.first(q.updateTable('projects').set({ name }).where('workspace_id', '=', OWN_WORKSPACE).where('id', '=', id).returningAll()),
  renameWorkspace: (tx: Tx, name: string) =>
    tx.first(q.updateTable('workspaces').set({ name }).where('workspace_id', '=', OWN_WORKSPACE).returningAll()),
  slugTaken: async (tx: Tx, slug: string): Promise<boolean> =>
    (await tx.first(q.selectFrom('workspaces').select('workspace_id').where('slug', '=', slug))) !== undefined,

  insertInvitation: (tx: Tx, row: InvitationTable) => tx.run(q.insertInto('invitations').values(row)),
  invitations: (tx: Tx, now: Date, limit: number, before: string | null) => {
    const query = q
      .selectFrom('invitations')
      .select(INVITATION)
      .where('workspace_id', '=', OWN_WORKSPACE)
      .where('accepted_at', 'is', null)
      .where('expires_at', '>', now)
      .orderBy('id', 'desc')
      .limit(limit)
    return tx.all(before ? query.where('id', '<', before) : query)
  },
  dropInvitation: (tx: Tx, id: string) =>
    tx.run(q.deleteFrom('invitations').where('workspace_id', '=', OWN_WORKSPACE).where('id', '=', id).where('accepted_at', 'is', null)),
  /** By whoever has the link, in a transaction that sees every tenant. */
  invitationByHash: (tx: Tx, hash: Buffer) =>
    tx.first(
      q
        .selectFrom('invitations as i')
        .innerJoin('workspaces as w', 'w.workspace_id', 'i.workspace_id')
        .select(INVITATION.map((column) => `i.${column}` as const))
        .select('w.name as workspace_name')
        .where('i.token_hash', '=', hash),
    ),
  /** One statement, so of two who bring the same link one gets in. */
  spendInvitation: (tx: Tx, id: string, at: Date) =>
    tx.run(q.updateTable('invitations').set({ accepted_at: at }).where('id', '=', id).where('accepted_at', 'is', null)),
}
