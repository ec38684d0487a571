import { type Checked, connector, fail, type ToolContext, z } from '../contract.ts'
import { health } from './health.ts'
import { catalogue } from './shapes.ts'
import { statements } from './statements.ts'
import { tables } from './tables.ts'

export default connector({
  slug: 'mysql',
  title: 'MySQL',
  about:
    'Query a MySQL or MariaDB database, look at its tables and how it is doing, and change data where the user may. Needs a connection string.',
  docs: 'https://dev.mysql.com/doc/refman/8.4/en/connecting-using-uri-or-key-value-pairs.html',
  auth: {
    kind: 'dsn',
    wire: 'mysql',
    fields: [
      {
        name: 'dsn',
        label: 'Connection string',
        secret: true,
        required: true,
        hint: 'mysql://user:password@host:3306/database?ssl-mode=VERIFY_IDENTITY (or mariadb://). Percent-encode special characters of the password. Best: a user with SELECT on one database only.',
        format: { pattern: /^\s*(jdbc:)?(mysql|mariadb):\/\/\S+\s*$/i, says: 'begins with mysql:// or mariadb://' },
      },
    ],
    check,
  },
  config: z.strictObject({
    request_timeout_sec: z.int().min(1).max(600).default(30).describe('Seconds until a statement is cancelled at the server.'),
    max_open_conns: z.int().min(1).max(50).default(10).describe('Most connections to the server from this process.'),
    max_idle_conns: z.int().min(0).max(50).default(5).describe('Connections kept open between calls, for up to a minute.'),
    read_only: z.boolean().default(false).describe('mysql_execute_sql runs reading statements only.'),
    accept_superuser: z
      .boolean()
      .default(false)
      .describe('Let tools run although the user could read files or change accounts of the server. An administrator should know why.'),
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
  tools: { ...statements, ...tables, ...health },
})

const WHO = `
  select current_user() as name, user() as session_of, coalesce(database(), '') as db, version() as version, @@hostname as server, @@port as port,
         @@global.local_infile as local_infile`

/** Privileges on everything that reach files, programs, settings or accounts of the server. The driver refuses tools by the same list. */
const LOUD: Readonly<Record<string, string>> = {
  'ALL PRIVILEGES': 'it may do EVERYTHING on this server, with every database, file and account',
  SUPER: 'it may change settings of the server and act as anybody (SUPER)',
  FILE: 'it may read and write FILES OF THE SERVER (FILE)',
  SHUTDOWN: 'it may stop the server (SHUTDOWN)',
  'CREATE USER': 'it may make and change accounts (CREATE USER)',
}

/** Who the credential is, what it may do, and what it should not be able to do. */
async function check(ctx: ToolContext): Promise<Checked> {
  const who = (await catalogue(ctx, WHO)).rows[0] ?? fail('UPSTREAM_ERROR', 'the database did not say who is connected')
  // Lines hold the hash of the password: nothing of them goes on but the names of privileges.
  const lines = (await catalogue(ctx, 'show grants')).rows.map((row) => String(Object.values(row)[0]))
  const granted = lines.flatMap((line) => grantsOf(line))
  const warnings: string[] = []
  const everywhere = new Set(granted.filter(({ on }) => on === '*.*').flatMap(({ privileges }) => privileges))
  const loud = Object.keys(LOUD).filter((privilege) => everywhere.has(privilege))
  if (loud.length > 0) {
    warnings.push(
      `This user is POWERFUL: ${loud.map((privilege) => LOUD[privilege]).join('; ')}. Tools refuse it until accept_superuser is set. Connect an ordinary user instead.`,
    )
  }
  if (everywhere.has('PROCESS'))
    warnings.push('This user has PROCESS: it sees the statements of every other user, with the values in them.')
  const cipher = (await catalogue(ctx, "show session status like 'Ssl_cipher'")).rows[0]
  const encrypted = String(cipher?.Value ?? '') !== ''
  if (!encrypted && !/@(localhost|127\.|::1)/.test(String(who.session_of))) {
    warnings.push('The connection to this database is NOT ENCRYPTED. Use ssl-mode=VERIFY_IDENTITY.')
  }
  const here = granted.filter(({ on }) => on === '*.*' || on.split('.')[0] === unescaped(String(who.db)))
  const scopes = new Set(here.flatMap(({ privileges }) => privileges).map((privilege) => privilege.toLowerCase()))
  scopes.delete('usage')
  return {
    account: {
      id: `${who.name}@${who.server}:${who.port}/${who.db}`,
      label: `${who.name} on ${who.db || 'no database'} (${/mariadb/i.test(String(who.version)) ? 'MariaDB' : 'MySQL'} ${String(who.version).split('-')[0]})`,
    },
    granted_scopes: ['connect', ...[...scopes].sort()],
    warnings,
  }
}

/** ``GRANT SELECT, INSERT (`a`) ON `shop`.* TO …`` */
function grantsOf(line: string): { privileges: string[]; on: string }[] {
  const found = /^GRANT (.+?) ON (?:TABLE )?(\S+) TO /s.exec(line)
  if (!found || found[1] === 'PROXY') return []
  const privileges = found[1]!
    .replace(/\([^)]*\)/g, '')
    .split(',')
    .map((one) => one.trim())
  return [{ privileges, on: unescaped(found[2]!.replaceAll('`', '')) }]
}

/** `_` and `%` in the name of a database are wildcards, unless a backslash stands before them. */
const unescaped = (name: string) => name.replace(/\\([_%])/g, '$1')
