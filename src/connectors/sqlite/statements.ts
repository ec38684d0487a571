/** Tools that run SQL on a file. */
import { tool, z } from '../contract.ts'
import { nothing, tableExists } from './schema.ts'
import { Args, Database, limits, Result, Sql, Table } from './shapes.ts'

const execute = (about: string) =>
  tool({
    about,
    effect: 'destroy',
    repeatable: false,
    input: z.strictObject({ sql: Sql, args: Args, database_path: Database }),
    output: Result.extend({ command: z.string(), row_count: z.int().describe('Rows that were changed.') }),
    example: { sql: 'update orders set status = ? where id = ?', args: ['paid', 7] },
    run: (ctx, { sql, args, database_path }) => ctx.db.write(sql, args, limits(ctx, database_path)),
  })

export const statements = {
  sqlite_query: tool({
    about:
      'Runs one read-only statement (SELECT, VALUES, EXPLAIN QUERY PLAN, PRAGMA table_info) on a SQLite database and returns its rows. ' +
      'Put values into args and ? into the SQL. Not for changing data (sqlite_execute), nor for finding tables (sqlite_list_tables).',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      sql: Sql,
      args: Args,
      database_path: Database,
      max_rows: z.int().min(1).max(10_000).optional().describe("Most rows that come back, up to the profile's max_rows."),
    }),
    output: Result,
    example: { sql: 'select id, total from orders where status = ? order by id', args: ['open'], max_rows: 20 },
    run: (ctx, { sql, args, database_path, max_rows }) => ctx.db.read(sql, args, limits(ctx, database_path, max_rows)),
  }),

  sqlite_execute: execute(
    'Runs one SQL statement that may change a SQLite database; it commits by itself. A database file that does not exist yet is made. ' +
      'Works only where the profile has allow_write. Not for reading (sqlite_query).',
  ),
  sqlite_execute_sql: execute(
    'The same as sqlite_execute, under its older name: runs one SQL statement that may change a SQLite database. Prefer sqlite_execute.',
  ),

  sqlite_sample_table_rows: tool({
    about: 'Returns the first rows of a table, to see what its data looks like. For chosen rows or columns use sqlite_query.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ table: Table, limit: z.int().min(1).max(1000).default(10), database_path: Database }),
    output: Result,
    example: { table: 'orders', limit: 5 },
    async run(ctx, { table, limit, database_path }) {
      // The name becomes part of the SQL only as the schema itself spells it.
      const name = (await tableExists(ctx, database_path, table)) ?? nothing(table)
      return ctx.db.ask(`select * from "${name.replaceAll('"', '""')}" limit ?`, [limit], limits(ctx, database_path, limit))
    },
  }),
}
