/** How the server and its tables are doing. */
import { Fault, type ToolContext, tool, z } from '../contract.ts'
import { Count, catalogue, Limit, NOT_SYSTEM, Schema } from './shapes.ts'

/** Where no schema is named, every one that is not the server's own. */
const inSchema = (column: string, schema: string | undefined) => (schema === undefined ? `${column} ${NOT_SYSTEM}` : `${column} = ?`)
const argsOf = (schema: string | undefined) => (schema === undefined ? [] : [schema])

const SORTS = {
  total_wait: 'sum_timer_wait',
  reads: 'count_read',
  writes: 'count_write',
  read_wait: 'sum_timer_read',
  write_wait: 'sum_timer_write',
} as const

/** Performance schema counts picoseconds. */
const MS = 1_000_000_000

export const health = {
  mysql_list_active_queries: tool({
    about:
      'Lists the statements that the server runs now, longest first. Use it when the database is slow or something hangs. ' +
      'Statements of other users are seen only with the PROCESS privilege.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ min_duration_secs: z.int().min(0).max(1_000_000).default(0), limit: Limit }),
    output: z.object({
      queries: z.array(
        z.object({
          id: Count,
          user: z.string().nullable(),
          host: z.string().nullable(),
          database: z.string().nullable(),
          command: z.string().nullable(),
          duration_secs: Count,
          state: z.string().nullable(),
          sql: z.string().nullable(),
        }),
      ),
      truncated: z.boolean(),
    }),
    example: { min_duration_secs: 5, limit: 20 },
    async run(ctx, { min_duration_secs, limit }) {
      const { rows, truncated } = await processes(ctx, min_duration_secs, limit)
      return { queries: rows as never, truncated }
    },
  }),

  mysql_list_tables_missing_unique_indexes: tool({
    about:
      'Lists tables that have neither a primary key nor a unique index. Such tables replicate slowly and let duplicates in; ' +
      'use it when you review a schema, not to find slow queries (mysql_get_query_plan).',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ schema: Schema.describe('Left out: every database of the users.'), limit: Limit }),
    output: z.object({
      tables: z.array(z.object({ schema: z.string(), table: z.string(), engine: z.string().nullable(), rows_estimate: Count })),
      truncated: z.boolean(),
    }),
    example: { schema: 'shop' },
    async run(ctx, { schema, limit }) {
      // Not from table_constraints, which hides its rows from whoever may only SELECT.
      const { rows, truncated } = await catalogue(
        ctx,
        `select t.table_schema as \`schema\`, t.table_name as \`table\`, t.engine as engine, t.table_rows as rows_estimate
           from information_schema.tables t
          where t.table_type = 'BASE TABLE' and ${inSchema('t.table_schema', schema)}
            and not exists (select 1 from information_schema.statistics s
                             where s.table_schema = t.table_schema and s.table_name = t.table_name and s.non_unique = 0)
          order by t.table_rows desc, t.table_schema, t.table_name`,
        argsOf(schema),
        limit,
      )
      return { tables: rows as never, truncated }
    },
  }),

  mysql_list_table_fragmentation: tool({
    about:
      'Lists tables by the space that is allocated and not used, most first. Use it to find what OPTIMIZE TABLE would shrink; ' +
      'the numbers are estimates of the storage engine.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      schema: Schema.describe('Left out: every database of the users.'),
      min_free_mb: z.number().min(0).max(1e9).default(1).describe('Only tables with at least this much unused space, in MiB.'),
      limit: Limit,
    }),
    output: z.object({
      tables: z.array(
        z.object({
          schema: z.string(),
          table: z.string(),
          engine: z.string().nullable(),
          data_mb: Count,
          index_mb: Count,
          free_mb: Count,
          fragmentation_percent: Count.describe('Unused space in percent of data and indexes.'),
        }),
      ),
      truncated: z.boolean(),
    }),
    example: { min_free_mb: 100, limit: 20 },
    async run(ctx, { schema, min_free_mb, limit }) {
      const { rows, truncated } = await catalogue(
        ctx,
        `select table_schema as \`schema\`, table_name as \`table\`, engine as engine, round(data_length / 1048576, 2) as data_mb,
                round(index_length / 1048576, 2) as index_mb, round(data_free / 1048576, 2) as free_mb,
                round(100 * data_free / nullif(data_length + index_length, 0), 1) as fragmentation_percent
           from information_schema.tables
          where table_type = 'BASE TABLE' and data_free >= ? * 1048576 and ${inSchema('table_schema', schema)}
          order by data_free desc, table_schema, table_name`,
        [min_free_mb, ...argsOf(schema)],
        limit,
      )
      return { tables: rows as never, truncated }
    },
  }),

  mysql_list_table_stats: tool({
    about:
      'Lists how often tables were read and written since the server started, and how long that took, busiest first. ' +
      'Needs SELECT on performance_schema; `enabled` is false where the server does not count (the default of MariaDB).',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      schema: Schema.describe('Left out: every database of the users.'),
      limit: Limit,
      sort_by: z.enum(['total_wait', 'reads', 'writes', 'read_wait', 'write_wait']).default('total_wait'),
    }),
    output: z.object({
      enabled: z.boolean(),
      tables: z.array(
        z.object({
          schema: z.string(),
          table: z.string(),
          reads: Count,
          writes: Count,
          total_wait_ms: Count,
          read_wait_ms: Count,
          write_wait_ms: Count,
        }),
      ),
      truncated: z.boolean(),
    }),
    example: { sort_by: 'reads', limit: 20 },
    async run(ctx, { schema, limit, sort_by }) {
      const asked = await catalogue(ctx, 'select @@performance_schema as enabled')
      const { rows, truncated } = await catalogue(
        ctx,
        `select object_schema as \`schema\`, object_name as \`table\`, count_read as \`reads\`, count_write as \`writes\`,
                round(sum_timer_wait / ${MS}, 3) as total_wait_ms, round(sum_timer_read / ${MS}, 3) as read_wait_ms,
                round(sum_timer_write / ${MS}, 3) as write_wait_ms
           from performance_schema.table_io_waits_summary_by_table
          where object_type = 'TABLE' and ${inSchema('object_schema', schema)}
          order by ${SORTS[sort_by]} desc, object_schema, object_name`,
        argsOf(schema),
        limit,
      )
      return { enabled: Number(asked.rows[0]?.enabled) === 1, tables: rows as never, truncated }
    },
  }),
}

async function processes(ctx: ToolContext, seconds: number, limit: number) {
  const sql = (place: string) =>
    `select id as id, user as user, host as host, db as \`database\`, command as command, time as duration_secs, state as state, info as \`sql\`
       from ${place}.processlist
      where command not in ('Sleep', 'Daemon', 'Binlog Dump') and info is not null and id <> connection_id() and time >= ?
      order by time desc, id`
  try {
    return await catalogue(ctx, sql('information_schema'), [seconds], limit)
  } catch (error) {
    // Deprecated in MySQL, and one day gone from there.
    if (!(error instanceof Fault) || error.code !== 'UPSTREAM_NOT_FOUND') throw error
    return catalogue(ctx, sql('performance_schema'), [seconds], limit)
  }
}
