import { type ToolContext, z } from '../contract.ts'

/** Rows of an answer when the caller names no limit. */
const DEFAULT_LIMIT = 100
/** The driver's own cap. */
export const MAX_LIMIT = 10_000

export const Sql = z.string().min(1).max(100_000)
export const Args = z
  .array(z.unknown())
  .max(1000)
  .default([])
  .describe('Values for each ? in the statement, in order. Never write values into the SQL text. Lists and objects become JSON.')
export const Limit = z
  .int()
  .min(1)
  .max(MAX_LIMIT)
  .default(DEFAULT_LIMIT)
  .describe('Most rows that come back; `truncated` tells whether there were more.')
export const Schema = z.string().min(1).max(64).optional().describe('A database of the server. Left out: that of the connection.')

export const Result = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string().nullable() })),
  rows: z
    .array(z.record(z.string(), z.unknown()))
    .describe('bigint and decimal are strings, times ISO 8601 (without an offset where the server does not tell it), bytes base64.'),
  row_count: z.int().describe('Rows that came back, or that were changed (matched, for UPDATE).'),
  truncated: z.boolean().describe('Rows, bytes or a long value were cut off.'),
})

/** Milliseconds: the profile's `request_timeout_sec`. */
export const limits = ({ config }: ToolContext, rows: number) => ({ rows, timeoutMs: Number(config.request_timeout_sec) * 1000 })

/** A constant statement about the catalogue. */
export async function catalogue(ctx: ToolContext, sql: string, args: readonly unknown[] = [], rows = MAX_LIMIT) {
  const answer = await ctx.db.ask(sql, args, limits(ctx, rows))
  return { rows: answer.rows, truncated: answer.truncated }
}

/** What the catalogue counts comes as a bigint, which travels as text. */
export const Count = z.coerce.number().nullable()

/** The databases of the server itself, which nobody asks about when none is named. */
export const NOT_SYSTEM = "not in ('mysql', 'sys', 'performance_schema', 'information_schema')"
