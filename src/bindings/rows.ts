import { sql } from 'kysely'
import { OWN_PROJECT, OWN_WORKSPACE, type Tx, tables } from '../base/db.ts'

export interface InstanceRow {
  id: string
  workspace_id: string
  project_id: string
  server: string
  name: string
  created_at: Date
  updated_at: Date
}
export interface ProfileRow {
  id: string
  workspace_id: string
  project_id: string
  instance_id: string
  name: string
  environment: string
  connection_id: string | null
  config: Record<string, unknown>
  source_spec: Record<string, unknown> | null
  is_active: boolean
  created_at: Date
  updated_at: Date
}
const q = tables<{ instances: InstanceRow; profiles: ProfileRow }>()

export const rows = {
  insertInstance: (tx: Tx, row: Omit<InstanceRow, 'created_at' | 'updated_at'>) =>
    tx.first(
      q
        .insertInto('instances')
        .values(row as InstanceRow)
        .returningAll(),
    ),
  instance: (tx: Tx, id: string) => tx.first(q.selectFrom('instances').selectAll().where('id', '=', id)),
  instances: (tx: Tx, f: { limit: number; before: string | null; server?: string | undefined }) => {
    let query = q.selectFrom('instances').selectAll().orderBy('id', 'desc').limit(f.limit)
    if (f.before) query = query.where('id', '<', f.before)
    if (f.server) query = query.where('server', '=', f.server)
    return tx.all(query)
  },
  someInstances: (tx: Tx, ids: readonly string[]) =>
    tx.all(
      q
        .selectFrom('instances')
        .selectAll()
        .where('id', 'in', [...ids]),
    ),
  byServer: (tx: Tx, server: string) => tx.all(q.selectFrom('instances').selectAll().where('server', '=', server).orderBy('id')),
  rename: (tx: Tx, id: string, name: string, at: Date) =>
    tx.first(q.updateTable('instances').set({ name, updated_at: at }).where('id', '=', id).returningAll()),
  removeInstance: (tx: Tx, id: string) => tx.run(q.deleteFrom('instances').where('id', '=', id)),

  insertProfile: (tx: Tx, row: Omit<ProfileRow, 'created_at' | 'updated_at'>) =>
    tx.first(
      q
        .insertInto('profiles')
        .values(row as ProfileRow)
        .returningAll(),
    ),
  profile: (tx: Tx, instanceId: string, id: string) =>
    tx.first(q.selectFrom('profiles').selectAll().where('id', '=', id).where('instance_id', '=', instanceId)),
  profiles: (tx: Tx, instanceIds: readonly string[]) =>
    tx.all(
      q
        .selectFrom('profiles')
        .selectAll()
        .where('instance_id', 'in', [...instanceIds])
        .orderBy('id'),
    ),
  profilesOfConnection: (tx: Tx, connectionId: string) =>
    tx.all(
      q
        .selectFrom('profiles as p')
        .innerJoin('instances as i', 'i.id', 'p.instance_id')
        .select(['p.id', 'p.name', 'p.environment', 'p.is_active', 'p.instance_id', 'p.config', 'i.name as instance_name', 'i.server'])
        .where('p.connection_id', '=', connectionId)
        .orderBy('p.id'),
    ),
  wiresOf: (tx: Tx, connectionIds: readonly string[]) =>
    tx.all(
      q
        .selectFrom('profiles')
        .select(['connection_id', 'instance_id'])
        .distinct()
        .where('connection_id', 'in', [...connectionIds]),
    ),
  updateProfile: (tx: Tx, id: string, set: Partial<ProfileRow>) =>
    tx.first(q.updateTable('profiles').set(set).where('id', '=', id).returningAll()),
  deactivate: (tx: Tx, instanceId: string, environment: string) =>
    tx.run(
      q
        .updateTable('profiles')
        .set({ is_active: false })
        .where('instance_id', '=', instanceId)
        .where('environment', '=', environment)
        .where('is_active', '=', true),
    ),
  /** Differs once an instance or one of its profiles does. */
  mark: async (tx: Tx) =>
    (
      await tx.first<{ mark: string }>(sql`
      select concat_ws('/', count(distinct i.id), max(i.updated_at), md5(string_agg(p.id || p.is_active || p.updated_at, ',' order by p.id))) as mark
      from instances i left join profiles p on p.instance_id = i.id
      where i.workspace_id = ${OWN_WORKSPACE} and i.project_id = ${OWN_PROJECT}`)
    )?.mark ?? '',
  active: (tx: Tx, instanceId: string, environment: string) =>
    tx.first(
      q
        .selectFrom('instances as i')
        .leftJoin('profiles as p', (j) =>
          j.onRef('p.instance_id', '=', 'i.id').on('p.environment', '=', environment).on('p.is_active', '=', true),
        )
        .select(['i.id as instance_id', 'i.server', 'i.name as instance_name', 'p.id as profile_id', 'p.connection_id', 'p.config'])
        .where('i.id', '=', instanceId),
    ),
}
