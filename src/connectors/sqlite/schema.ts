/** Tools that tell what a SQLite database holds. Names travel as bind parameters of the pragma functions. */
import { fail, type ToolContext, tool, z } from '../contract.ts'
import { ask, Database, Table } from './shapes.ts'

const OneTable = z.strictObject({ table: Table, database_path: Database })
const OneFile = z.strictObject({ database_path: Database })
const Index = z.object({
  name: z.string(),
  unique: z.boolean(),
  origin: z.string().describe('c: CREATE INDEX, u: UNIQUE, pk: PRIMARY KEY.'),
  columns: z.array(z.string().nullable()),
})

const Column = z.object({
  name: z.string(),
  type: z.string(),
  nullable: z.boolean(),
  default: z.string().nullable(),
  primary_key: z.boolean(),
})

export const nothing = (table: string): never =>
  fail('UPSTREAM_NOT_FOUND', `there is no table or view ${table} in this database`, { hint: 'sqlite_list_tables tells which there are.' })

/** The name as the schema spells it, or null. */
export async function tableExists(ctx: ToolContext, database: string | undefined, table: string): Promise<string | null> {
  const rows = await ask(ctx, database, `select name from sqlite_master where type in ('table', 'view') and name = ? collate nocase`, [
    table,
  ])
  return typeof rows[0]?.name === 'string' ? rows[0].name : null
}

async function columnsOf(ctx: ToolContext, database: string | undefined, table: string): Promise<Record<string, unknown>[]> {
  const rows = await ask(ctx, database, 'select * from pragma_table_xinfo(?)', [table])
  if (rows.length === 0) nothing(table)
  return rows
}

const column = (row: Record<string, unknown>) => ({
  name: String(row.name),
  type: String(row.type),
  nullable: row.notnull === 0 && row.pk === 0,
  default: row.dflt_value === null ? null : String(row.dflt_value),
  primary_key: row.pk !== 0,
})

/** SQLite marks columns that `select *` leaves out (of virtual tables) with hidden = 1. */
const shown = (row: Record<string, unknown>) => row.hidden !== 1

async function indexesOf(ctx: ToolContext, database: string | undefined, table: string): Promise<z.input<typeof Index>[]> {
  const rows = await ask(
    ctx,
    database,
    `select l.name, l."unique", l.origin, i.name as "column" from pragma_index_list(?) l, pragma_index_info(l.name) i order by l.seq, i.seqno`,
    [table],
  )
  const indexes = new Map<string, z.input<typeof Index>>()
  for (const row of rows) {
    const name = String(row.name)
    const index = indexes.get(name) ?? { name, unique: row.unique === 1, origin: String(row.origin), columns: [] }
    index.columns.push(row.column === null ? null : String(row.column))
    indexes.set(name, index)
  }
  return [...indexes.values()]
}

export const schemas = {
  sqlite_get_database_info: tool({
    about: 'Tells the size of a SQLite database and which SQLite reads it. Use it to check that the file is there.',
    effect: 'read',
    repeatable: true,
    input: OneFile,
    output: z.object({
      path: z.string(),
      size_bytes: z.int(),
      page_count: z.int(),
      page_size: z.int(),
      user_version: z.int(),
      sqlite_version: z.string(),
    }),
    example: {},
    async run(ctx, { database_path }) {
      const [row] = await ask(
        ctx,
        database_path,
        `select p.page_count, s.page_size, u.user_version, sqlite_version() as version from pragma_page_count p, pragma_page_size s, pragma_user_version u`,
      )
      const { page_count, page_size, user_version, version } = row ?? fail('UPSTREAM_ERROR', 'SQLite did not answer')
      return {
        path: database_path ?? String(ctx.config.database_path),
        size_bytes: Number(page_count) * Number(page_size),
        page_count: Number(page_count),
        page_size: Number(page_size),
        user_version: Number(user_version),
        sqlite_version: String(version),
      }
    },
  }),

  sqlite_list_tables: tool({
    about: 'Lists the tables of a SQLite database. Use it before you write a query about tables you do not know.',
    effect: 'read',
    repeatable: true,
    input: OneFile,
    output: z.object({ tables: z.array(z.string()) }),
    example: {},
    async run(ctx, { database_path }) {
      const rows = await ask(
        ctx,
        database_path,
        `select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\' order by name`,
      )
      return { tables: rows.map((row) => String(row.name)) }
    },
  }),

  sqlite_list_views: tool({
    about: 'Lists the views of a SQLite database with the queries they stand for. Tables are listed by sqlite_list_tables.',
    effect: 'read',
    repeatable: true,
    input: OneFile,
    output: z.object({ views: z.array(z.object({ name: z.string(), sql: z.string() })) }),
    example: {},
    async run(ctx, { database_path }) {
      const rows = await ask(ctx, database_path, `select name, sql from sqlite_master where type = 'view' order by name`)
      return { views: rows.map((row) => ({ name: String(row.name), sql: String(row.sql) })) }
    },
  }),

  sqlite_describe_table: tool({
    about:
      'Tells the columns of a table or view: type, whether NULL is allowed, default, primary key. For indexes and foreign keys too use sqlite_get_table_schema.',
    effect: 'read',
    repeatable: true,
    input: OneTable,
    output: z.object({ table: z.string(), columns: z.array(Column) }),
    example: { table: 'orders' },
    run: async (ctx, { table, database_path }) => ({
      table,
      columns: (await columnsOf(ctx, database_path, table)).filter(shown).map(column),
    }),
  }),

  sqlite_get_table_schema: tool({
    about:
      'Tells everything about a table: its columns (hidden and generated ones too), indexes and foreign keys. For the columns alone use sqlite_describe_table.',
    effect: 'read',
    repeatable: true,
    input: OneTable,
    output: z.object({
      table: z.string(),
      columns: z.array(Column.extend({ generated: z.boolean() })),
      indexes: z.array(Index),
      foreign_keys: z.array(
        z.object({
          column: z.string(),
          table: z.string(),
          references: z.string().nullable(),
          on_update: z.string(),
          on_delete: z.string(),
        }),
      ),
    }),
    example: { table: 'orders' },
    async run(ctx, { table, database_path }) {
      const columns = await columnsOf(ctx, database_path, table)
      const keys = await ask(ctx, database_path, 'select * from pragma_foreign_key_list(?) order by id, seq', [table])
      return {
        table,
        // hidden: 2 and 3 are generated columns, virtual and stored.
        columns: columns.map((row) => ({ ...column(row), generated: Number(row.hidden) >= 2 })),
        indexes: await indexesOf(ctx, database_path, table),
        foreign_keys: keys.map((key) => ({
          column: String(key.from),
          table: String(key.table),
          references: key.to === null ? null : String(key.to),
          on_update: String(key.on_update),
          on_delete: String(key.on_delete),
        })),
      }
    },
  }),

  sqlite_list_indexes: tool({
    about: 'Lists the indexes of a table and the columns they cover. Use it when a query is slow.',
    effect: 'read',
    repeatable: true,
    input: OneTable,
    output: z.object({ table: z.string(), indexes: z.array(Index) }),
    example: { table: 'orders' },
    async run(ctx, { table, database_path }) {
      await columnsOf(ctx, database_path, table)
      return { table, indexes: await indexesOf(ctx, database_path, table) }
    },
  }),
}
