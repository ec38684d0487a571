import { type Checked, connector, fail, type ToolContext, z } from '../contract.ts'
import { schemas } from './schema.ts'
import { catalogue } from './shapes.ts'
import { statements } from './statements.ts'

export default connector({
  slug: 'postgres',
  title: 'PostgreSQL',
  about: 'Query a PostgreSQL database read-only, look at its tables, and change data where the role may. Needs a connection string.',
  docs: 'https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING',
  auth: {
    kind: 'dsn',
    wire: 'postgres',
    fields: [
      {
        name: 'dsn',
        label: 'Connection string',
        secret: true,
        required: true,
        hint: 'postgres://user:password@host:5432/database?sslmode=verify-full. Percent-encode special characters of the password. Best: a role that may only read.',
        format: {
          pattern: /^\s*(postgres(ql)?:\/\/\S+|[a-z_]+\s*=[^\n\r]*)\s*$/,
          says: 'begins with postgres:// or is a list of key=value pairs',
        },
      },
    ],
    check,
  },
  config: z.strictObject({
    request_timeout_sec: z.int().min(1).max(600).default(30).describe('Seconds until a statement is cancelled at the server.'),
    max_open_conns: z.int().min(1).max(50).default(10).describe('Most connections to the server from this process.'),
    max_idle_conns: z.int().min(0).max(50).default(5).describe('Connections kept open between calls, for up to a minute.'),
    accept_superuser: z
      .boolean()
      .default(false)
      .describe('Let tools run although the role could read files or run programs of the server. An administrator should know why.'),
    ca_certificate: z
      .string()
      .max(64_000)
      .regex(/^\s*-----BEGIN CERTIFICATE-----/)
      .optional()
      .describe("PEM of the authority that signed the server's certificate, where it is a private one."),
  }),
  base: null,
  baseKey: '',
  hosts: [],
  tools: { ...statements, ...schemas },
})

const WHO = `
  select current_user::text as name, current_database()::text as database, current_setting('server_version') as version,
         coalesce(host(inet_server_addr()), 'local') || ':' || coalesce(inet_server_port()::text, '') as server,
         coalesce((select s.ssl from pg_catalog.pg_stat_ssl s where s.pid = pg_backend_pid()), false)
           or coalesce(inet_client_addr() << '127.0.0.0/8' or inet_client_addr() = '::1', true) as private,
         r.rolsuper as superuser, r.rolbypassrls as bypassrls,
         (select coalesce(json_agg(p.rolname order by p.rolname), '[]') from pg_catalog.pg_roles p
           where p.rolname in ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')
             and pg_has_role(r.oid, p.oid, 'MEMBER')) as file_roles,
         has_database_privilege(current_database(), 'CREATE') as create,
         has_database_privilege(current_database(), 'TEMPORARY') as temporary,
         bool_or(has_table_privilege(c.oid, 'SELECT')) as select, bool_or(has_table_privilege(c.oid, 'INSERT')) as insert,
         bool_or(has_table_privilege(c.oid, 'UPDATE')) as update, bool_or(has_table_privilege(c.oid, 'DELETE')) as delete
    from pg_catalog.pg_roles r
    left join pg_catalog.pg_class c on c.relkind in ('r', 'p')
         and c.relnamespace not in (select n.oid from pg_catalog.pg_namespace n where n.nspname ~ '^pg_' or n.nspname = 'information_schema')
   where r.rolname = current_user
   group by r.oid, r.rolsuper, r.rolbypassrls`

const GRANTS = ['create', 'temporary', 'select', 'insert', 'update', 'delete']

/** Who the credential is, what it may do with tables, and what it should not be able to do. */
async function check(ctx: ToolContext): Promise<Checked> {
  const { rows } = await catalogue(ctx, WHO)
  const who = rows[0] ?? fail('UPSTREAM_ERROR', 'the database did not say who is connected')
  const warnings: string[] = []
  if (who.superuser === true) {
    warnings.push(
      'This role is a SUPERUSER: it can read and write every database and file of the server and run programs there. Tools refuse it until accept_superuser is set. Connect an ordinary role instead.',
    )
  } else if (Array.isArray(who.file_roles) && who.file_roles.length > 0) {
    warnings.push(
      `This role is a member of ${who.file_roles.join(' and ')}: it reaches FILES OR PROGRAMS OF THE SERVER. Tools refuse it until accept_superuser is set. Revoke the membership or connect another role.`,
    )
  }
  if (who.bypassrls === true && who.superuser !== true) {
    warnings.push(
      'This role has BYPASSRLS: row-level security does not hold for it, so tools see the rows of every tenant of that database.',
    )
  }
  if (who.private !== true) warnings.push('The connection to this database is NOT ENCRYPTED. Use sslmode=verify-full.')
  const id = `${who.name}@${who.server}/${who.database}`
  return {
    account: { id, label: `${who.name} on ${who.database} (PostgreSQL ${who.version})` },
    granted_scopes: ['connect', ...GRANTS.filter((grant) => who[grant] === true)],
    warnings,
  }
}
