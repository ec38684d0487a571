/** What MongoDB answers, as plain JSON within the caps: relaxed Extended JSON that loses no digit. */
import { BSON } from 'mongodb'
import { cutText, MAX_CELL_BYTES, MAX_RESULT_BYTES } from './caps.ts'
import type { MongoDocuments } from './mongodb-session.ts'

/** How the client decodes: integers that JSON can hold as numbers, the rest as what it is. */
export const DECODING = { promoteLongs: true, promoteValues: true, promoteBuffers: false, bsonRegExp: true, enableUtf8Validation: false }

export interface Plain {
  value: unknown
  /** A long text or many bytes were cut. */
  cut: boolean
}

export function toPlain(value: unknown): Plain {
  let cut = false
  const plain = (one: unknown): unknown => {
    if (typeof one === 'string') {
      if (one.length <= MAX_CELL_BYTES) return one
      cut = true
      return cutText(one, MAX_CELL_BYTES)
    }
    if (one === undefined) return null
    if (typeof one !== 'object' || one === null)
      return typeof one === 'number' && !Number.isFinite(one) ? { $numberDouble: String(one) } : one
    if (Array.isArray(one)) return one.map(plain)
    const kind = (one as { _bsontype?: unknown })._bsontype
    // The client takes an int64 for a number where that is exact; relaxed Extended JSON would round the others.
    if (kind === 'Long') return { $numberLong: String(one) }
    if (kind === 'Binary' && (one as BSON.Binary).position > MAX_CELL_BYTES) {
      cut = true
      const { buffer, sub_type } = one as BSON.Binary
      return BSON.EJSON.serialize(new BSON.Binary(buffer.subarray(0, MAX_CELL_BYTES), sub_type), { relaxed: true })
    }
    if (one instanceof Date || typeof kind === 'string') return BSON.EJSON.serialize(one, { relaxed: true })
    // fromEntries defines own properties, so that a field called __proto__ is only a field.
    return Object.fromEntries(Object.entries(one).map(([key, inner]) => [key, plain(inner)]))
  }
  return { value: plain(value), cut }
}

/** Takes documents as long as they fit; the rest is left at the server. */
export async function collect(cursor: AsyncIterable<unknown> & { close(): Promise<void> }, rows: number): Promise<MongoDocuments> {
  const documents: Record<string, unknown>[] = []
  let bytes = 0
  let truncated = false
  try {
    for await (const document of cursor) {
      const { value, cut } = toPlain(document)
      bytes += Buffer.byteLength(JSON.stringify(value))
      if (documents.length >= rows || bytes > MAX_RESULT_BYTES) {
        truncated = true
        break
      }
      truncated ||= cut
      documents.push(value as Record<string, unknown>)
    }
  } finally {
    await cursor.close()
  }
  return { documents, truncated }
}
