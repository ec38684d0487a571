import { type ToolContext, z } from '../contract.ts'

export const Sql = z.string().min(1).max(100_000)
export const Args = z
  .array(z.unknown())
  .max(1000)
  .default([])
  .describe('Values for the ? in the statement. Never write values into the SQL text.')
export const Database = z
  .string()
  .min(1)
  .max(512)
  .optional()
  .describe("Path of the database file, relative to the project's data directory. Leave it out for the profile's own database.")
export const Table = z.string().min(1).max(200)

export const Result = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string().nullable() })),
  rows: z.array(z.record(z.string(), z.unknown())).describe('Blobs are base64; whole numbers beyond 2^53 are strings.'),
  row_count: z.int(),
  truncated: z.boolean().describe('Rows, bytes or a long value were cut off.'),
})

/** `database` reaches the driver with the limits of the call. */
export const limits = ({ config }: ToolContext, database: string | undefined, rows = Number(config.max_rows)) => ({
  rows: Math.min(rows, Number(config.max_rows)),
  timeoutMs: Number(config.query_timeout_seconds) * 1000,
  ...(database === undefined ? {} : { database }),
})

/** Most tables, columns or indexes that are listed. */
const LISTED = 10_000

/** The rows of a constant statement about the schema; the profile's row limit is about data. */
export const ask = async (ctx: ToolContext, database: string | undefined, sql: string, args: readonly unknown[] = []) =>
  (await ctx.db.ask(sql, args, { ...limits(ctx, database), rows: LISTED })).rows
