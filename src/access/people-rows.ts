import { sql } from 'kysely'
import { type Tx, tables } from '../base/db.ts'

interface PeopleTables {
  users: { id: string; email: string; name: string; disabled_at: Date | null; created_at: Date }
  workspaces: { workspace_id: string; slug: string; name: string; created_at: Date }
  projects: { id: string; workspace_id: string; slug: string; name: string; created_at: Date }
  members: { workspace_id: string; user_id: string; role: WorkspaceRole; disabled_at: Date | null }
  project_members: { workspace_id: string; project_id: string; user_id: string; role: string }
  passwords: { user_id: string; hash: string; changed_at: Date }
  identities: { issuer: string; subject: string; user_id: string; email: string | null; created_at: Date }
  sessions: SessionTable
  reset_links: { token_hash: Buffer; user_id: string; expires_at: Date }
}
interface SessionTable {
  id: string
  user_id: string
  token_hash: Buffer
  created_at: Date
  last_used_at: Date
  ends_at: Date
  ip: string | null
  user_agent: string | null
}
export type WorkspaceRole = 'owner' | 'admin' | 'member'
export type SessionRow = Omit<SessionTable, 'token_hash'>

const q = tables<PeopleTables>()
/** Any number, the same in every process: two who set up at once do it one after the other. */
const SETUP_LOCK = 4_207_312
const SESSION_COLUMNS = ['id', 'user_id', 'created_at', 'last_used_at', 'ends_at', 'ip', 'user_agent'] as const

export interface MembershipRow {
  workspace_id: string
  workspace_slug: string
  workspace_name: string
  workspace_role: WorkspaceRole
  project_id: string | null
  project_slug: string | null
  project_name: string | null
  project_role: string | null
}

export const rows = {
  /** Where somebody works: a row for each project of each workspace; oldest first. */
  memberships: (tx: Tx, userId: string) =>
    tx.all<MembershipRow>(
      q
        .selectFrom('members as m')
        .innerJoin('workspaces as w', 'w.workspace_id', 'm.workspace_id')
        .leftJoin('projects as p', 'p.workspace_id', 'm.workspace_id')
        .leftJoin('project_members as pm', (j) => j.onRef('pm.project_id', '=', 'p.id').onRef('pm.user_id', '=', 'm.user_id'))
        .select([
          'w.workspace_id',
          'w.slug as workspace_slug',
          'w.name as workspace_name',
          'm.role as workspace_role',
          'p.id as project_id',
          'p.slug as project_slug',
          'p.name as project_name',
          'pm.role as project_role',
        ])
        .where('m.user_id', '=', userId)
        .where('m.disabled_at', 'is', null)
        .orderBy('w.created_at')
        .orderBy('w.workspace_id')
        .orderBy('p.created_at')
        .orderBy('p.id'),
    ),
  user: (tx: Tx, id: string) => tx.first(q.selectFrom('users').select(['id', 'email', 'name', 'disabled_at']).where('id', '=', id)),
  userByEmail: (tx: Tx, email: string) =>
    tx.first(
      q
        .selectFrom('users as u')
        .leftJoin('passwords as p', 'p.user_id', 'u.id')
        .select(['u.id', 'u.email', 'u.name', 'u.disabled_at', 'p.hash'])
        .where('u.email', '=', email),
    ),
  insertUser: (tx: Tx, row: { id: string; email: string; name: string }) =>
    tx.run(q.insertInto('users').values(row as PeopleTables['users'])),
  rename: (tx: Tx, id: string, set: { email?: string; name?: string }) => tx.run(q.updateTable('users').set(set).where('id', '=', id)),
  renameWorkspace: (tx: Tx, id: string, name: string) => tx.run(q.updateTable('workspaces').set({ name }).where('workspace_id', '=', id)),

  lockSetup: (tx: Tx) => tx.run(sql`select pg_advisory_xact_lock(${SETUP_LOCK})`),
  /** Whether an owner can get in by themselves. */
  ownerCanSignIn: async (tx: Tx): Promise<boolean> =>
    (await tx.first(
      q
        .selectFrom('members as m')
        .select('m.user_id')
        .where('m.role', '=', 'owner')
        .where((e) =>
          e.or([
            e.exists(e.selectFrom('passwords as p').select('p.user_id').whereRef('p.user_id', '=', 'm.user_id')),
            e.exists(e.selectFrom('identities as i').select('i.user_id').whereRef('i.user_id', '=', 'm.user_id')),
          ]),
        )
        .limit(1),
    )) !== undefined,

  passwordOf: (tx: Tx, userId: string) => tx.first(q.selectFrom('passwords').select('hash').where('user_id', '=', userId)),
  /** Whether it is still this one, and stays so until the transaction ends. */
  passwordStill: async (tx: Tx, userId: string, hash: string): Promise<boolean> =>
    (await tx.first(q.selectFrom('passwords').select('user_id').where('user_id', '=', userId).where('hash', '=', hash).forUpdate())) !==
    undefined,
  putPassword: (tx: Tx, userId: string, hash: string, at: Date) =>
    tx.run(
      q
        .insertInto('passwords')
        .values({ user_id: userId, hash, changed_at: at })
        .onConflict((c) => c.column('user_id').doUpdateSet({ hash, changed_at: at })),
    ),

  insertSession: (tx: Tx, row: SessionTable) => tx.run(q.insertInto('sessions').values(row)),
  sessionByHash: (tx: Tx, hash: Buffer) =>
    tx.first(
      q
        .selectFrom('sessions as s')
        .innerJoin('users as u', 'u.id', 's.user_id')
        .select(['s.id', 's.user_id', 's.last_used_at', 's.ends_at', 'u.name', 'u.disabled_at'])
        .where('s.token_hash', '=', hash),
    ),
  sessions: (tx: Tx, userId: string, live: { endsAfter: Date; usedAfter: Date }, limit: number, before: string | null) => {
    let query = q
      .selectFrom('sessions')
      .select(SESSION_COLUMNS)
      .where('user_id', '=', userId)
      .where('ends_at', '>', live.endsAfter)
      .where('last_used_at', '>', live.usedAfter)
    if (before) query = query.where('id', '<', before)
    return tx.all(query.orderBy('id', 'desc').limit(limit))
  },
  rotateSession: (tx: Tx, id: string, hash: Buffer) => tx.run(q.updateTable('sessions').set({ token_hash: hash }).where('id', '=', id)),
  endSession: (tx: Tx, userId: string, id: string) => tx.run(q.deleteFrom('sessions').where('user_id', '=', userId).where('id', '=', id)),
  endSessions: (tx: Tx, userId: string, but: string | null) => {
    const query = q.deleteFrom('sessions').where('user_id', '=', userId)
    return tx.run(but === null ? query : query.where('id', '<>', but))
  },
  touchSessions: (tx: Tx, used: { id: string; at: Date; ip: string | null }[]) =>
    tx.run(sql`update sessions set last_used_at = u.at, ip = u.ip
      from unnest(${used.map((u) => u.id)}::text[], ${used.map((u) => u.at)}::timestamptz[], ${used.map((u) => u.ip)}::text[]) as u(id, at, ip)
      where sessions.id = u.id`),

  insertResetLink: (tx: Tx, row: PeopleTables['reset_links']) => tx.run(q.insertInto('reset_links').values(row)),
  /** One statement, so of two who bring the same link one gets it. */
  spendResetLink: (tx: Tx, hash: Buffer) =>
    tx.first(q.deleteFrom('reset_links').where('token_hash', '=', hash).returning(['user_id', 'expires_at'])),
  dropResetLinks: (tx: Tx, userId: string) => tx.run(q.deleteFrom('reset_links').where('user_id', '=', userId)),

  identity: (tx: Tx, issuer: string, subject: string) =>
    tx.first(
      q
        .selectFrom('identities as i')
        .innerJoin('users as u', 'u.id', 'i.user_id')
        .select(['i.user_id', 'u.disabled_at'])
        .where('i.issuer', '=', issuer)
        .where('i.subject', '=', subject),
    ),
  identities: (tx: Tx, userId: string) =>
    tx.all(q.selectFrom('identities').select(['issuer', 'email', 'created_at']).where('user_id', '=', userId).orderBy('created_at')),
  insertIdentity: (tx: Tx, row: PeopleTables['identities']) => tx.run(q.insertInto('identities').values(row)),
  dropIdentity: (tx: Tx, userId: string, issuer: string) =>
    tx.run(q.deleteFrom('identities').where('user_id', '=', userId).where('issuer', '=', issuer)),

  forgetOld: (tx: Tx, now: Date, usedBefore: Date) =>
    Promise.all([
      tx.run(q.deleteFrom('sessions').where((e) => e.or([e('ends_at', '<=', now), e('last_used_at', '<=', usedBefore)]))),
      tx.run(q.deleteFrom('reset_links').where('expires_at', '<=', now)),
    ]),
}
