/** What the tools have in common. */
import { fail, type ToolContext, z } from '../contract.ts'

const DEFAULT_LIMIT = 200
/** More is a job for an export, not for a tool call. */
const MAX_LIMIT = 1000
const MAX_JSON = 1_000_000
/** Documents behind which a page may begin: a server walks over each of them. */
const MAX_SKIP = 1_000_000

const json = z.string().max(MAX_JSON)

export const Collection = z
  .string()
  .min(1)
  .max(200)
  .describe('Name of a collection of the database. Collections of the system are refused.')
export const Filter = json.describe(
  'Which documents, as Extended JSON: {"status":"open","_id":{"$oid":"650000000000000000000001"},"at":{"$gte":{"$date":"2024-01-31T00:00:00Z"}}}. ' +
    '$where and other JavaScript are refused.',
)
export const Update = json.describe(
  'What changes, as Extended JSON: operators like {"$set":{"status":"paid"},"$inc":{"n":1}}, or a list of the stages $set, $unset, $project, ' +
    '$replaceWith. A whole document is refused, because it would wipe all other fields.',
)
export const Projection = json.optional().describe('Which fields come back: {"name":1,"_id":0}. Ask for no more than you need.')
export const DocumentJson = json.describe('The document as Extended JSON, e.g. {"name":"Ann","at":{"$date":"2024-01-31T00:00:00Z"}}.')
export const Pipeline = json.describe(
  'A list of stages as Extended JSON: [{"$match":{…}},{"$group":{"_id":"$city","n":{"$sum":1}}}]. Stages that write ($out, $merge), run ' +
    'JavaScript ($function, $accumulator) or read another database are refused.',
)
export const Limit = z
  .int()
  .min(1)
  .max(MAX_LIMIT)
  .default(DEFAULT_LIMIT)
  .describe('Most documents that come back; `truncated` tells whether there were more.')
export const Skip = z.int().min(0).max(MAX_SKIP).default(0).describe('Documents to pass over, for the next page of a sorted search.')
export const EveryDocument = z
  .boolean()
  .default(false)
  .describe('Must be true where the filter is empty, that is, where every document of the collection is meant.')

const Doc = z.record(z.string(), z.unknown()).describe('Relaxed Extended JSON; integers that JSON cannot hold are {"$numberLong":"…"}.')
const Truncated = z.boolean().describe('Documents, bytes or a long value were cut off.')
export const Documents = z.object({ documents: z.array(Doc), count: z.int(), truncated: Truncated })
export const OneDocument = z.object({ document: Doc.nullable().describe('null: none matches.'), truncated: Truncated })
export const Updated = z.object({
  matched_count: z.int(),
  modified_count: z.int().describe('Fewer than matched where documents already were as they should be.'),
  upserted_id: z.unknown().describe('The _id of the document that an upsert made, or null.'),
})
export const Deleted = z.object({ deleted_count: z.int() })

/** Milliseconds: the profile's `request_timeout_sec`. */
export const limits = ({ config }: ToolContext, rows = 1) => ({ rows, timeoutMs: Number(config.request_timeout_sec) * 1000 })

/** The top of a JSON object; undefined for what is none, of which the session says what is wrong. */
export function topOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** A filter that was forgotten must not mean everything. */
export function notEverything(filter: string, everyDocument: boolean): void {
  const empty = filter.trim() === '' || Object.keys(topOf(filter) ?? { one: 1 }).length === 0
  if (empty && !everyDocument) {
    fail('INVALID_INPUT', 'the filter is empty, so every document of the collection is meant', {
      hint: 'Say which documents in filter_json, or set every_document to true.',
    })
  }
}
