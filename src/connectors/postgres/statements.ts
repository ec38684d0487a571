/** Tools that run the caller's SQL. */
import { tool, z } from '../contract.ts'
import { Args, catalogue, Limit, limits, Result, Sql } from './shapes.ts'

export const statements = {
  postgres_health: tool({
    about: 'Tells whether the database answers, and as whom it is reached. Use it to check a connection, not before every query.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({}),
    output: z.object({ ok: z.literal(true), user: z.string(), database: z.string(), server_version: z.string() }),
    example: {},
    async run(ctx) {
      const { rows } = await catalogue(
        ctx,
        `select current_user::text as user, current_database()::text as database, current_setting('server_version') as server_version`,
      )
      return { ok: true as const, ...(rows[0] as { user: string; database: string; server_version: string }) }
    },
  }),

  postgres_query: tool({
    about:
      'Runs one read-only statement (SELECT, VALUES, TABLE, SHOW, EXPLAIN) in a read-only transaction and returns its rows. ' +
      'Put values into args as $1, $2, …, and ask for the columns and rows you need. ' +
      'Not for changing data (postgres_exec), and not for finding out which tables there are (postgres_list_tables, postgres_describe_table).',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ sql: Sql, args: Args, limit: Limit }),
    output: Result,
    example: { sql: 'select id, name from customers where city = $1 order by id', args: ['Delft'], limit: 10 },
    run: (ctx, { sql, args, limit }) => ctx.db.read(sql, args, limits(ctx, limit)),
  }),

  postgres_exec: tool({
    about:
      'Runs one statement that changes data or tables (INSERT, UPDATE, DELETE, MERGE, CREATE, ALTER, DROP, …); it commits by itself and cannot be undone. ' +
      'Use RETURNING to see changed rows. Not for reading (postgres_query). ' +
      'Refused: several statements, COPY, DO, SET, transaction commands, and whatever touches files, programs or other servers.',
    effect: 'destroy',
    repeatable: false,
    input: z.strictObject({ sql: Sql, args: Args }),
    output: Result.extend({
      command: z.string().describe('What the server did: INSERT, UPDATE, CREATE TABLE, …'),
      row_count: z.int().describe('Rows that were changed.'),
    }),
    example: { sql: 'update orders set status = $1 where id = $2 returning id', args: ['paid', 7] },
    run: (ctx, { sql, args }) => ctx.db.write(sql, args, limits(ctx, RETURNED_ROWS)),
  }),

  postgres_explain_query: tool({
    about:
      'Shows how the server would run a query: its plan with estimated costs. Use it when a query is slow. ' +
      'With analyze it really runs the query (read-only, within the time limit) and adds measured times.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ sql: Sql, args: Args, analyze: z.boolean().default(false), format: z.enum(['text', 'json']).default('text') }),
    output: z.object({ plan: z.unknown().describe('Text with line breaks, or the JSON plan.') }),
    example: { sql: 'select * from orders where status = $1', args: ['open'], format: 'json' },
    async run(ctx, { sql, args, analyze, format }) {
      // The plan first: that statement is judged like any other read. Only what stood that test is run, with the very same text.
      let plan = await ctx.db.read(`EXPLAIN (FORMAT ${format}) ${sql}`, args, limits(ctx, PLAN_LINES))
      if (analyze) plan = await ctx.db.ask(`EXPLAIN (FORMAT ${format}, ANALYZE) ${sql}`, args, limits(ctx, PLAN_LINES))
      const lines = plan.rows.map((row) => row['QUERY PLAN'])
      return { plan: format === 'json' ? lines[0] : lines.join('\n') }
    },
  }),
}

/** Rows of a RETURNING clause that come back; the rest are changed all the same. */
const RETURNED_ROWS = 100
const PLAN_LINES = 10_000
