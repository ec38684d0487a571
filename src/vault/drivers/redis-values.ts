/** Answers of Redis as plain JSON, bounded. */
import { isUtf8 } from 'node:buffer'
import { RESP_TYPES } from 'redis'
import { cutText, MAX_CELL_BYTES, MAX_RESULT_BYTES } from './caps.ts'
import type { RedisReply, RedisValue } from './session.ts'

/** Most values of one answer, inner ones included, whatever a tool asks for. */
export const MAX_ELEMENTS = 10_000

/** So that nothing is lost on the way: text as its bytes, whole numbers as their digits (the only strings that are left). */
export const TYPES = { [RESP_TYPES.BLOB_STRING]: Buffer, [RESP_TYPES.SIMPLE_STRING]: Buffer, [RESP_TYPES.NUMBER]: String }

/** `reply` as it comes with TYPES. */
export function plainReply(reply: unknown, elements: number): RedisReply {
  const most = Math.max(1, Math.min(elements, MAX_ELEMENTS))
  let count = 0
  let bytes = 0
  let truncated = false

  function textOf(whole: Buffer): RedisValue {
    const room = Math.max(0, Math.min(MAX_CELL_BYTES, MAX_RESULT_BYTES - bytes))
    const text = isUtf8(whole)
    const size = text ? whole.length : Math.ceil(whole.length / 3) * 4
    bytes += Math.min(size, room)
    if (size <= room) return text ? whole.toString('utf8') : { base64: whole.toString('base64') }
    truncated = true
    if (!text) return { base64: whole.toString('base64', 0, Math.floor(room / 4) * 3) }
    let end = room
    // Not inside a character: its later bytes begin with 10.
    while (end > 0 && (whole[end]! & 0xc0) === 0x80) end--
    return whole.toString('utf8', 0, end)
  }

  function plain(value: unknown): RedisValue {
    if (Buffer.isBuffer(value)) return textOf(value)
    if (typeof value === 'string') return Number.isSafeInteger(Number(value)) ? Number(value) : value
    if (typeof value === 'number' || typeof value === 'boolean') return value
    if (value instanceof Error) return { error: cutText(value.message, 1000) }
    if (!Array.isArray(value)) return null
    const list: RedisValue[] = []
    for (const item of value) {
      if (count >= most || bytes >= MAX_RESULT_BYTES) {
        truncated = true
        break
      }
      count += 1
      bytes += 8
      list.push(plain(item))
    }
    return list
  }

  const value = plain(reply)
  return { value, truncated }
}
