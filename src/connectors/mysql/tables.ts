/** What a database holds, by information_schema. Names travel as bind parameters; nothing of the caller's becomes SQL. */
import { fail, type ToolContext, tool, z } from '../contract.ts'
import { Count, catalogue, Schema } from './shapes.ts'

/** Tables of one answer, with their columns: more than a model can read with profit. */
const MAX_TABLES = 200

const Column = z.object({
  name: z.string(),
  type: z.string(),
  nullable: z.boolean(),
  default: z.string().nullable(),
  key: z.string().nullable().describe('PRI, UNI or MUL'),
  extra: z.string().nullable(),
  comment: z.string().nullable(),
})
const Index = z.object({ name: z.string(), unique: z.boolean(), columns: z.array(z.string()) })

const Listed = z.object({
  name: z.string(),
  type: z.string(),
  engine: z.string().nullable(),
  rows_estimate: Count,
  comment: z.string().nullable(),
  columns: z.array(Column).optional(),
  indexes: z.array(Index).optional(),
})

type Row = Record<string, unknown>

const said = (value: unknown): string | null => (value === null || value === undefined || value === '' ? null : String(value))

export const tables = {
  mysql_list_tables: tool({
    about:
      'Lists the tables and views of a database, with estimated rows; "detailed" adds columns and indexes. ' +
      'Use it before you write a query about tables you do not know, and name the tables then, because a whole schema can be long.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      schema: Schema,
      tables: z.array(z.string().min(1).max(64)).max(MAX_TABLES).optional().describe('Only these, named as stored. Left out: all.'),
      output_format: z.enum(['simple', 'detailed']).default('simple'),
      limit: z.int().min(1).max(MAX_TABLES).default(100).describe('Most tables of one answer.'),
      cursor: z.string().min(1).max(64).optional().describe('`next_cursor` of the answer before.'),
    }),
    output: z.object({
      schema: z.string(),
      tables: z.array(Listed),
      truncated: z.boolean(),
      next_cursor: z.string().nullable().describe('Hand it in as `cursor` for the tables after these; null: there are none.'),
    }),
    example: { tables: ['orders'], output_format: 'detailed' },
    async run(ctx, { schema: asked, tables: wanted, output_format, limit, cursor }) {
      const schema = asked ?? (await currentSchema(ctx))
      const named = wanted !== undefined && wanted.length > 0
      const found = await catalogue(
        ctx,
        `select table_name as name, table_type as type, engine as engine, table_rows as rows_estimate, table_comment as comment
           from information_schema.tables
          where table_schema = ?${named ? ` and table_name in (${marks(wanted)})` : ''}${cursor === undefined ? '' : ' and table_name > ?'}
          order by table_name`,
        [schema, ...(named ? wanted : []), ...(cursor === undefined ? [] : [cursor])],
        named ? MAX_TABLES : limit,
      )
      const missing = wanted?.find((name) => !found.rows.some((row) => same(row.name, name)))
      if (missing !== undefined && cursor === undefined) nothing(schema, missing)
      const listed = found.rows.map((row) => ({
        name: String(row.name),
        type: row.type === 'BASE TABLE' ? 'table' : String(row.type).toLowerCase(),
        engine: said(row.engine),
        rows_estimate: row.rows_estimate === null ? null : Number(row.rows_estimate),
        comment: said(row.comment),
      }))
      const next_cursor = found.truncated ? (listed.at(-1)?.name ?? null) : null
      if (output_format === 'simple' || listed.length === 0) return { schema, tables: listed, truncated: found.truncated, next_cursor }
      const names = listed.map(({ name }) => name)
      const columns = await catalogue(ctx, columnsSql(names), [schema, ...names])
      const indexes = await catalogue(ctx, indexesSql(names), [schema, ...names])
      return {
        schema,
        tables: listed.map((one) => ({
          ...one,
          columns: columns.rows.filter((row) => row.table_of === one.name).map(columnOf),
          indexes: indexesOf(indexes.rows.filter((row) => row.table_of === one.name)),
        })),
        truncated: found.truncated || columns.truncated || indexes.truncated,
        next_cursor,
      }
    },
  }),
}

const marks = (names: readonly string[]) => names.map(() => '?').join(', ')

/** Servers with lower_case_table_names find a table by any case. */
const same = (a: unknown, b: string) => String(a).toLowerCase() === b.toLowerCase()

const columnsSql = (names: readonly string[]) =>
  `select table_name as table_of, column_name as name, column_type as type, is_nullable as nullable, column_default as def,
          column_key as col_key, extra as extra, column_comment as comment
     from information_schema.columns where table_schema = ? and table_name in (${marks(names)}) order by table_name, ordinal_position`

const indexesSql = (names: readonly string[]) =>
  `select table_name as table_of, index_name as name, non_unique as non_unique, coalesce(column_name, '(expression)') as col
     from information_schema.statistics where table_schema = ? and table_name in (${marks(names)}) order by table_name, index_name, seq_in_index`

const columnOf = (row: Row) => ({
  name: String(row.name),
  type: String(row.type),
  nullable: row.nullable === 'YES',
  default: row.def === null || row.def === undefined ? null : String(row.def),
  key: said(row.col_key),
  extra: said(row.extra),
  comment: said(row.comment),
})

function indexesOf(rows: readonly Row[]) {
  const found = new Map<string, z.output<typeof Index>>()
  for (const row of rows) {
    const name = String(row.name)
    const index = found.get(name) ?? { name, unique: Number(row.non_unique) === 0, columns: [] }
    index.columns.push(String(row.col))
    found.set(name, index)
  }
  return [...found.values()]
}

export async function currentSchema(ctx: ToolContext): Promise<string> {
  const { rows } = await catalogue(ctx, 'select database() as name')
  const name = rows[0]?.name
  if (typeof name === 'string') return name
  return fail('INVALID_INPUT', 'the connection string names no database, and the call names no schema', {
    hint: 'Say schema, or add the database to the connection string.',
  })
}

const nothing = (schema: string, table: string): never =>
  fail('UPSTREAM_NOT_FOUND', `there is no table ${table} in ${schema} that this user can see`, {
    hint: 'Call mysql_list_tables without tables to see which there are.',
  })
