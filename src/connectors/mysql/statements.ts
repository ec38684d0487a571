/** Tools that run the caller's SQL. */
import { tool, z } from '../contract.ts'
import { Args, Limit, limits, Result, Sql } from './shapes.ts'

/** Begins like a query. A session that cannot write runs it then, whatever the rest says; the others are judged as writes. */
const reads = ({ sql }: { sql: string }) =>
  /^[\s(]*(select|values|table|show|desc|describe|explain)\b/i.test(sql) ||
  (/^[\s(]*with\b/i.test(sql) && !/\b(update|delete)\b/i.test(sql))

const PLAN_LINES = 10_000

export const statements = {
  mysql_execute_sql: tool({
    about:
      'Runs one SQL statement and returns its rows. What reads (SELECT, WITH, VALUES, SHOW, DESCRIBE, EXPLAIN) runs in a read-only transaction; ' +
      'what changes data or tables (INSERT, UPDATE, DELETE, REPLACE, CREATE, ALTER, DROP, CALL, …) commits by itself and cannot be undone. ' +
      'Put values into args, one ? for each. To find out which tables there are use mysql_list_tables. Refused: several statements, ' +
      'user variables, locks, accounts, routines and triggers, and whatever touches files or other servers.',
    effect: 'destroy',
    repeatable: reads,
    reads,
    input: z.strictObject({ sql: Sql, args: Args, max_rows: Limit }),
    output: Result.extend({ command: z.string().nullable().describe('INSERT, CREATE TABLE, …; null for what only reads.') }),
    example: { sql: 'select id, name from customers where city = ? order by id', args: ['Delft'], max_rows: 10 },
    async run(ctx, { sql, args, max_rows }) {
      if (ctx.config.read_only === true || reads({ sql }))
        return { ...(await ctx.db.read(sql, args, limits(ctx, max_rows))), command: null }
      return ctx.db.write(sql, args, limits(ctx, max_rows))
    },
  }),

  mysql_get_query_plan: tool({
    about:
      'Shows as JSON how the server would run a query: which indexes it uses, how many rows it expects to read. Use it when a query is slow. ' +
      'It does not run the query. MySQL and MariaDB say the plan in different shapes.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ sql: Sql.describe('One SELECT, without EXPLAIN.'), args: Args }),
    output: z.object({ plan: z.unknown() }),
    example: { sql: 'select * from orders where status = ?', args: ['open'] },
    async run(ctx, { sql, args }) {
      const { rows } = await ctx.db.read(`explain format=json ${sql}`, args, limits(ctx, PLAN_LINES))
      const text = Object.values(rows[0] ?? {})[0]
      return { plan: typeof text === 'string' ? parsed(text) : (text ?? null) }
    },
  }),
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
