/** All rows of our tables, as JSON, table by table: out of one snapshot, and into one transaction. */
import pg from 'pg'
import { Fault } from '../base/errors.ts'

/** Rows at a time: a result of a step may have megabytes. */
const FETCH = 50
/** What speaks of processes and answers of this moment is no one's to restore; the books of the database itself are made anew. */
const LEFT_OUT = ['schema_migrations', 'executors', 'idempotency', 'installation']

export interface Table {
  name: string
  columns: string[]
}
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

export async function connect(connection: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(connection)
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (cause) {
    throw new Fault('DEPENDENCY_UNAVAILABLE', 'the database cannot be reached', {
      cause,
      hint: 'Check --database-url, or start the server.',
    })
  }
  // The owner of the tables is held by row-level security too.
  await client.query("select set_config('ar.workspace', '*', false), set_config('ar.project', '*', false)")
  return client
}

export const migrationsOf = async (client: pg.Client): Promise<string[]> =>
  (await client.query<{ name: string }>('select name from schema_migrations order by name')).rows.map((r) => r.name)

/** In an order in which each table comes after those that it points at. */
export async function tablesOf(client: pg.Client): Promise<Table[]> {
  const { rows } = await client.query<{ name: string; columns: string[]; needs: string[] }>(
    `select c.relname::text as name,
       (select array_agg(a.attname::text order by a.attnum) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       coalesce((select array_agg(distinct t.relname::text) from pg_constraint k join pg_class t on t.oid = k.confrelid
         where k.conrelid = c.oid and k.contype = 'f' and t.oid <> c.oid), '{}') as needs
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'public' and c.relkind = 'r' and not (c.relname = any($1)) order by c.relname`,
    [LEFT_OUT],
  )
  const out: Table[] = []
  const left = new Map(rows.map((r) => [r.name, r]))
  while (left.size > 0) {
    const next = [...left.values()].filter((r) => r.needs.every((it) => !left.has(it)))
    if (next.length === 0) throw new Error(`tables point at each other: ${[...left.keys()].join(', ')}`)
    for (const { name, columns } of next) {
      out.push({ name, columns })
      left.delete(name)
    }
  }
  return out
}

/** Everything that follows on this client sees one moment. */
export const beginSnapshot = (client: pg.Client) => client.query('begin isolation level repeatable read read only')
export async function* rowsOf(client: pg.Client, table: Table): AsyncGenerator<string> {
  await client.query(`declare backup_rows no scroll cursor for select row_to_json(t)::text as row from ${quoted(table.name)} t`)
  for (;;) {
    const { rows } = await client.query<{ row: string }>(`fetch ${FETCH} from backup_rows`)
    for (const { row } of rows) yield row
    if (rows.length < FETCH) break
  }
  await client.query('close backup_rows')
}

export const isEmpty = async (client: pg.Client): Promise<boolean> => {
  const there = await client.query<{ is: boolean }>("select to_regclass('public.workspaces') is not null as is")
  if (!there.rows[0]?.is) return true
  return (await client.query('select 1 from workspaces limit 1')).rowCount === 0
}
export const restoredAs = async (client: pg.Client): Promise<string | null> => {
  const there = await client.query<{ is: boolean }>("select to_regclass('public.installation') is not null as is")
  if (!there.rows[0]?.is) return null
  return (await client.query<{ restored: string | null }>('select restored from installation')).rows[0]?.restored ?? null
}

export async function insert(client: pg.Client, table: Table, rows: readonly string[]): Promise<void> {
  const columns = table.columns.map(quoted).join(', ')
  await client.query(
    `insert into ${quoted(table.name)} (${columns})
     select ${columns} from jsonb_populate_recordset(null::${quoted(table.name)}, $1::jsonb)`,
    [`[${rows.join(',')}]`],
  )
}

/**
 * Whatever was under way then may be under way at the original: nothing of it goes on before somebody says that the original is no more.
 */
export async function hold(client: pg.Client, id: string, reason: string): Promise<void> {
  await client.query(
    `insert into installation (identity, beat, held_since, held_reason, restored) values (database_identity(), 1, now(), $1, $2)
     on conflict (one) do update set identity = excluded.identity, beat = 1, held_since = excluded.held_since, held_reason = excluded.held_reason,
       restored = excluded.restored`,
    [reason, id],
  )
}
