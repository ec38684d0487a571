/**
 * Applies migrations/NNNN_*.sql in order, once each, under a lock so that two processes can start together. Afterwards the
 * runtime works as a role that owns nothing and cannot step around row-level security.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import pg from 'pg'
import { Fault } from './errors.ts'

/** The role the runtime works as. Two installations may share one server: the role holds no rights but on our tables. */
export const APP_ROLE = 'agentruntime_app'
/** PostgreSQL 15 is the oldest that has all we use and is still maintained. */
const OLDEST_SERVER = 150_000
/** Any number: it only has to be the same in every process of ours. */
const MIGRATION_LOCK = 4_207_311

/** `only`: as far as those, for a database as it once was. */
export async function migrate(
  connection: pg.ClientConfig,
  directory: URL,
  log: (line: string) => void,
  only?: readonly string[],
): Promise<{ role: string | null }> {
  const client = new pg.Client(connection)
  // A connection that dies tells so in an event besides failing its query; unheard it would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.replace(/postgres(ql)?:\/\/\S+/g, '<url>') : 'no answer'
    throw new Fault('DEPENDENCY_UNAVAILABLE', `the database cannot be reached: ${why}`, {
      cause,
      hint: 'Check --database-url (DATABASE_URL).',
    })
  }
  try {
    const version = Number((await client.query('show server_version_num')).rows[0].server_version_num)
    if (version < OLDEST_SERVER)
      throw new Fault('DEPENDENCY_UNAVAILABLE', `the database is PostgreSQL ${Math.floor(version / 10_000)}, and 15 or newer is needed`)
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK])
    await client.query(
      'create table if not exists schema_migrations (name text primary key, sha256 text not null, applied_at timestamptz not null default now())',
    )
    const done = new Map<string, string>(
      (await client.query('select name, sha256 from schema_migrations')).rows.map((r) => [r.name, r.sha256]),
    )
    const files = (await readdir(directory)).filter((f) => /^\d{4}_.*\.sql$/.test(f)).sort()
    const unknown = only?.find((name) => !files.includes(name))
    if (unknown) throw new Fault('DEPENDENCY_UNAVAILABLE', `this was written by a newer runtime (it has ${unknown})`)
    for (const name of files.filter((it) => only?.includes(it) ?? true)) {
      const text = await readFile(new URL(name, directory), 'utf8')
      const sha256 = createHash('sha256').update(text).digest('hex')
      const known = done.get(name)
      done.delete(name)
      if (known === sha256) continue
      if (known)
        throw new Fault('DEPENDENCY_UNAVAILABLE', `migration ${name} was changed after it was applied`, {
          hint: 'Run the version of the runtime that wrote this database.',
        })
      await client.query('begin')
      await client.query(text)
      await client.query('insert into schema_migrations (name, sha256) values ($1, $2)', [name, sha256])
      await client.query('commit')
      log(`applied migration ${name}`)
    }
    const newer = [...done.keys()]
    if (newer.length > 0) throw new Fault('DEPENDENCY_UNAVAILABLE', `this database was written by a newer runtime (it has ${newer[0]})`)
    return { role: await inTurn(() => appRole(client)) }
  } catch (cause) {
    if (cause instanceof Fault || cause instanceof pg.DatabaseError) throw cause
    throw new Fault('DEPENDENCY_UNAVAILABLE', 'the connection to the database was lost while it was being made ready', {
      cause,
      hint: 'Start again.',
    })
  } finally {
    await client.end()
  }
}

/** Roles belong to the whole server, where no lock of ours reaches: another installation may be making the same one right now. */
const ROLE_TRIES = 10
const ROLE_AGAIN_MS = 50
/** duplicate_object, unique_violation, and the server's own "tuple concurrently updated". */
const COLLISIONS = ['42710', '23505', 'XX000']

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (tries >= ROLE_TRIES || !COLLISIONS.includes(String((error as { code?: unknown }).code))) throw error
      await new Promise((resolve) => setTimeout(resolve, ROLE_AGAIN_MS * tries))
    }
  }
}

/** Makes and equips the working role. Without the right to make roles, the connecting user itself must be an ordinary one. */
async function appRole(client: pg.Client): Promise<string | null> {
  const me = (await client.query('select rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = current_user')).rows[0]
  const there = (await client.query('select 1 from pg_roles where rolname = $1', [APP_ROLE])).rowCount === 1
  if (!there && !me.rolsuper && !me.rolcreaterole) {
    if (me.rolbypassrls)
      throw new Fault('DEPENDENCY_UNAVAILABLE', 'the database user bypasses row-level security', {
        hint: 'Use an ordinary role, or one that may create roles.',
      })
    return null // FORCE ROW LEVEL SECURITY holds for the owner too
  }
  if (!there) await client.query(`create role ${APP_ROLE} nologin nosuperuser nobypassrls`)
  await client.query(`grant ${APP_ROLE} to current_user`)
  await client.query(`grant usage on schema public to ${APP_ROLE}`)
  await client.query(`grant select, insert, update, delete on all tables in schema public to ${APP_ROLE}`)
  await client.query(`revoke update, delete on audit_entries, secret_uses from ${APP_ROLE}`)
  await client.query(`revoke all on schema_migrations from ${APP_ROLE}`)
  await client.query(`grant usage on all sequences in schema public to ${APP_ROLE}`)
  return APP_ROLE
}
