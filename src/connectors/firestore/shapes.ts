/** What the tools have in common. */
import { z } from '../contract.ts'

/** How plain JSON says what it has no word for. Written for a model, in every tool that shows or takes values. */
export const VALUES =
  'Values are plain JSON; besides: {"$timestamp": "2026-01-31T12:00:00Z"}, {"$geo": {"latitude": 1, "longitude": 2}}, ' +
  '{"$ref": "cities/SF"} (a document), {"$bytes": "base64"}, {"$integer": "9007199254740993"} (beyond 2^53), ' +
  '{"$double": "NaN"} (also "Infinity", "-Infinity", "-0", or a number that must not be stored as an integer), ' +
  '{"$map": {…}} (a map whose only key begins with $).'

/** Paths of as many documents as one call takes; the wire has the same limits. */
export const MOST_READ = 300
export const MOST_WRITTEN = 100

export const DocumentPath = z
  .string()
  .min(1)
  .max(6000)
  .describe('Document path below the database: cities/SF, or cities/SF/districts/mission.')
export const CollectionPath = z.string().min(1).max(6000).describe('Collection path below the database: cities, or cities/SF/districts.')
export const Fields = z.record(z.string(), z.unknown())

export const Document = z.object({
  path: z.string(),
  fields: Fields.describe(VALUES),
  create_time: z.string().nullable(),
  update_time: z.string().nullable(),
})
export const Written = z.object({ path: z.string(), update_time: z.string().nullable() })

export const Cursor = z.string().max(100_000).optional().describe('next_cursor of the answer before; everything else stays as it was.')
export const NextCursor = z.string().nullable().describe('null: that was the last page.')
