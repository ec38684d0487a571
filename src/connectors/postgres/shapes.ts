import { type ToolContext, z } from '../contract.ts'

/** Rows of an answer when the caller names no limit. */
const DEFAULT_LIMIT = 100
/** The driver's own cap. */
const MAX_LIMIT = 10_000

export const Sql = z.string().min(1).max(100_000)
export const Args = z
  .array(z.unknown())
  .max(1000)
  .default([])
  .describe(
    'Values for $1, $2, … in the statement. Never write values into the SQL text. A list becomes an array of the database, an object JSON.',
  )
export const Limit = z
  .int()
  .min(1)
  .max(MAX_LIMIT)
  .default(DEFAULT_LIMIT)
  .describe('Most rows that come back; `truncated` tells whether there were more.')
export const Schema = z.string().min(1).max(63).default('public')
export const Table = z.string().min(1).max(63).describe('Name as stored, without quotes or schema.')

export const Result = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string().nullable() })),
  rows: z.array(z.record(z.string(), z.unknown())).describe('bigint and numeric are strings, times ISO 8601, bytea base64.'),
  row_count: z.int(),
  truncated: z.boolean().describe('Rows, bytes or a long value were cut off.'),
})

/** Milliseconds: the profile's `request_timeout_sec`. */
export const limits = ({ config }: ToolContext, rows: number) => ({ rows, timeoutMs: Number(config.request_timeout_sec) * 1000 })

/** A constant statement about the catalogue. */
export async function catalogue(ctx: ToolContext, sql: string, args: readonly unknown[] = []) {
  const { rows, truncated } = await ctx.db.ask(sql, args, limits(ctx, MAX_LIMIT))
  return { rows, truncated }
}
