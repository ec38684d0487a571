import { type Checked, connector, Fault, fail, type ToolContext, z } from '../contract.ts'
import { health } from './health.ts'
import { catalogue, limits } from './shapes.ts'
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
  select current_user() as name, user() as session_of, coalesce(database(), '') as db, version() as version, @@hostname as server, @@port as port`

/** What privileges on everything mean, in words. Others that the driver refuses are named as they are. */
const MEANING: Readonly<Record<string, string>> = {
  'ALL PRIVILEGES': 'ALL PRIVILEGES, with every database, file and account of the server',
  SUPER: 'SUPER, which changes settings of the server and acts as anybody',
  FILE: 'FILE, which reads and writes FILES OF THE SERVER',
  SHUTDOWN: 'SHUTDOWN, which stops the server',
  'CREATE USER': 'CREATE USER, which makes and changes accounts',
}

/** Who the credential is, what it may do, and what it should not be able to do. */
async function check(ctx: ToolContext): Promise<Checked> {
  const who = (await catalogue(ctx, WHO)).rows[0] ?? fail('UPSTREAM_ERROR', 'the database did not say who is connected')
  // Lines hold the hash of the password: nothing of them goes on but the names of privileges.
  const lines = (await catalogue(ctx, 'show grants')).rows.map((row) => String(Object.values(row)[0]))
  const granted = lines.flatMap((line) => grantsOf(line))
  const warnings: string[] = []
  const everywhere = new Set(granted.filter(({ on }) => on === '*.*').flatMap(({ privileges }) => privileges))
  // The driver knows which privileges are too many, and says so of a read, unless that was accepted.
  const refused = await ctx.db.read('select 1', [], limits(ctx, 1)).then(
    () => [],
    (error: unknown) => powersOf(error),
  )
  const powers = new Set([...refused, ...Object.keys(MEANING).filter((privilege) => everywhere.has(privilege))])
  if (powers.size > 0) {
    warnings.push(
      `This user is POWERFUL. It has ${[...powers].map((power) => MEANING[power] ?? power).join('; ')}. ` +
        'Tools refuse it until accept_superuser is set. Connect an ordinary user instead.',
    )
  }
  if (everywhere.has('PROCESS'))
    warnings.push('This user has PROCESS: it sees the statements of every other user, with the values in them.')
  const cipher = (await catalogue(ctx, "show session status like 'Ssl_cipher'")).rows[0]
  const encrypted = String(cipher?.Value ?? '') !== ''
  if (!encrypted && !/@(localhost|127\.|::1)/.test(String(who.session_of))) {
    warnings.push('The connection to this database is NOT ENCRYPTED. Use ssl-mode=VERIFY_IDENTITY.')
  } else if (
    encrypted && // as MySQL defines it: encryption without a look at the certificate
    ctx.entered.ssl_mode === 'REQUIRED'
  ) {
    warnings.push(
      'The connection is encrypted, but NOBODY CHECKS WHO ANSWERS. Use ssl-mode=VERIFY_IDENTITY, with ca_certificate for a private authority.',
    )
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

function powersOf(error: unknown): string[] {
  const powers = error instanceof Fault && error.code === 'TOOL_REFUSED' ? error.details?.powers : undefined
  if (Array.isArray(powers)) return powers.map(String)
  throw error
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
