import { type Tx, tables } from '../base/db.ts'

export interface AppSettings {
  issuer?: string | undefined
  authorization_endpoint?: string | undefined
  token_endpoint?: string | undefined
  revocation_endpoint?: string | undefined
  userinfo_endpoint?: string | undefined
  id_token_algs?: string[] | undefined
  iss_in_answers?: boolean | undefined
  client_auth?: 'post' | 'basic' | 'none' | undefined
  identity_scopes?: string[] | undefined
  scopes?: string[] | undefined
  api_hosts?: string[] | undefined
  params?: Record<string, string> | undefined
  test_mode?: boolean | undefined
  rotates?: 'never' | 'always' | undefined
}
export interface AppRow {
  id: string
  workspace_id: string
  slug: string
  provider: string
  client_id: string
  settings: AppSettings
  secret_version: number
  previous_secret_version: number | null
  previous_until: Date | null
  /** When the secret that counts came. */
  secret_since: Date | null
  /** The highest number that one ever had. */
  last_secret_version: number
  created_at: Date
  updated_at: Date
}
const q = tables<{ oauth_apps: AppRow }>()

export const apps = {
  list: (tx: Tx) => tx.all(q.selectFrom('oauth_apps').selectAll().orderBy('slug')),
  bySlug: (tx: Tx, slug: string) => tx.first(q.selectFrom('oauth_apps').selectAll().where('slug', '=', slug)),
  lock: (tx: Tx, slug: string) => tx.first(q.selectFrom('oauth_apps').selectAll().where('slug', '=', slug).forUpdate()),
  /** Whose secret of before has served its time, over all tenants. */
  lapsed: (tx: Tx, now: Date, limit: number) =>
    tx.all(
      q
        .selectFrom('oauth_apps')
        .select(['id', 'previous_secret_version'])
        .where('previous_until', '<=', now)
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    ),
  insert: (tx: Tx, row: Omit<AppRow, 'created_at' | 'updated_at'>) =>
    tx.first(
      q
        .insertInto('oauth_apps')
        .values(row as AppRow)
        .returningAll(),
    ),
  update: (tx: Tx, id: string, set: Partial<AppRow>) => tx.first(q.updateTable('oauth_apps').set(set).where('id', '=', id).returningAll()),
  remove: (tx: Tx, id: string) => tx.run(q.deleteFrom('oauth_apps').where('id', '=', id)),
}
