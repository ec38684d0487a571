import { type Checked, connector, fail, type ToolContext, z } from '../contract.ts'
import { schemas } from './schema.ts'
import { ask, Database } from './shapes.ts'
import { statements } from './statements.ts'

export default connector({
  slug: 'sqlite',
  title: 'SQLite',
  about: "Query SQLite files in the project's own data directory. Read-only unless the profile allows writing. Needs no connection.",
  docs: 'https://www.sqlite.org/lang.html',
  auth: { kind: 'none', wire: 'sqlite', check },
  config: z.strictObject({
    database_path: Database.describe("The database that tools use when a call names no other, relative to the project's data directory."),
    query_timeout_seconds: z.int().min(1).max(600).default(30).describe('Seconds until a statement is ended.'),
    max_rows: z.int().min(1).max(10_000).default(1000).describe('Most rows that any call returns.'),
    allow_write: z.boolean().default(false).describe('Lets sqlite_execute and sqlite_execute_sql change databases and make new ones.'),
  }),
  base: null,
  baseKey: '',
  hosts: [],
  tools: { ...statements, ...schemas },
})

async function check(ctx: ToolContext): Promise<Checked> {
  const granted_scopes = ctx.config.allow_write === true ? ['read', 'write'] : ['read']
  const path = ctx.config.database_path
  if (typeof path !== 'string') {
    return { account: null, granted_scopes, warnings: ['The config names no database_path, so every call has to name one.'] }
  }
  const [row] = await ask(
    ctx,
    undefined,
    'select sqlite_version() as version, (select schema_version from pragma_schema_version) as schema',
  )
  const version = row?.version ?? fail('UPSTREAM_ERROR', 'SQLite did not answer')
  return { account: { id: path, label: `${path} (SQLite ${version})` }, granted_scopes }
}
