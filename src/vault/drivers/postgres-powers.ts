/** What a role can do besides working with data. Such a role turns a slip of the fence into the server's own account. */
import type pg from 'pg'

/** A role may be granted powers while its sessions live; asked again after this long. */
export const POWERS_TTL_MS = 300_000

/** Roles of PostgreSQL whose members reach the server's files and programs. */
const FILE_ROLES = `'pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'`

/** E.g. `['a superuser', 'a member of pg_read_server_files']`; empty for an ordinary role. */
export async function dangerousPowers(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ superuser: boolean; name: string | null }>(
    `select r.rolsuper as superuser, p.rolname::text as name
       from pg_catalog.pg_roles r
       left join pg_catalog.pg_roles p
         on p.rolname in (${FILE_ROLES}) and not r.rolsuper and pg_catalog.pg_has_role(r.oid, p.oid, 'MEMBER')
      where r.rolname = current_user`,
  )
  if (rows[0]?.superuser) return ['a superuser']
  return rows.flatMap(({ name }) => (name ? [`a member of ${name}`] : []))
}
