/**
 * Firestore's values as plain JSON, both ways. What JSON has no word for is an object with one key: `$timestamp`, `$geo`, `$ref`, `$bytes`,
 * `$integer` (beyond 2^53), `$double` (NaN, Infinity, -0). A map that looks like one of these is wrapped as `$map`.
 */
import { Fault } from '../../base/errors.ts'
import type { Target } from './firestore-key.ts'
import { documentName, fieldName, pathOf } from './firestore-paths.ts'

/** https://firebase.google.com/docs/firestore/quotas: maps and arrays lie at most 20 deep. */
const MAX_DEPTH = 20

/** One value as the protocol has it: exactly one of its keys is set. */
export interface Value {
  nullValue?: 'NULL_VALUE'
  booleanValue?: boolean
  integerValue?: string
  doubleValue?: number
  timestampValue?: { seconds: string; nanos: number }
  stringValue?: string
  bytesValue?: Uint8Array
  referenceValue?: string
  geoPointValue?: { latitude: number; longitude: number }
  arrayValue?: { values: Value[] }
  mapValue?: { fields: Record<string, Value> }
}
export type Fields = Record<string, Value>

const bad = (message: string, hint?: string): Fault => new Fault('INVALID_INPUT', message, hint ? { hint } : {})

export const encodeFields = (target: Target, fields: Readonly<Record<string, unknown>>, depth = 0): Fields =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [fieldName(name), encodeValue(target, value, depth + 1)]))

export function encodeValue(target: Target, value: unknown, depth = 0): Value {
  if (depth > MAX_DEPTH) throw bad(`maps and arrays may lie at most ${MAX_DEPTH} deep`)
  if (value === undefined) throw bad('a value is missing', 'Nothing is written as null.')
  if (value === null) return { nullValue: 'NULL_VALUE' }
  if (typeof value === 'boolean') return { booleanValue: value }
  if (typeof value === 'number') return encodeNumber(value)
  if (typeof value === 'string') return { stringValue: wellFormed(value) }
  if (Array.isArray(value)) {
    if (value.some(Array.isArray)) throw bad('an array may not lie in an array', 'Put a map between them.')
    return { arrayValue: { values: value.map((it) => encodeValue(target, it, depth + 1)) } }
  }
  if (typeof value !== 'object') throw bad('a value is not JSON')
  const [key, ...more] = Object.keys(value)
  if (key?.startsWith('$') && more.length === 0) return encodeTagged(target, key, (value as Record<string, unknown>)[key], depth)
  return { mapValue: { fields: encodeFields(target, value as Record<string, unknown>, depth) } }
}

function encodeNumber(value: number): Value {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return { integerValue: String(value) }
  return { doubleValue: value }
}

function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw bad('a text is not proper Unicode')
  return text
}

const DOUBLES: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity: Infinity, '-Infinity': -Infinity, '-0': -0 }
const MIN_INTEGER = -(2n ** 63n)
const MAX_INTEGER = 2n ** 63n - 1n

function encodeTagged(target: Target, tag: string, inner: unknown, depth: number): Value {
  if (tag === '$timestamp') return { timestampValue: encodeTime(inner) }
  if (tag === '$ref' && typeof inner === 'string') return { referenceValue: documentName(target, inner) }
  if (tag === '$bytes' && typeof inner === 'string') return { bytesValue: encodeBytes(inner) }
  if (tag === '$integer' && typeof inner === 'string' && /^-?\d{1,19}$/.test(inner)) {
    const n = BigInt(inner)
    if (n >= MIN_INTEGER && n <= MAX_INTEGER) return { integerValue: String(n) }
  }
  if (tag === '$double') {
    const n = typeof inner === 'number' ? inner : DOUBLES[String(inner)]
    if (n !== undefined) return { doubleValue: n }
  }
  if (tag === '$geo') return { geoPointValue: encodePoint(inner) }
  if (tag === '$map' && typeof inner === 'object' && inner !== null && !Array.isArray(inner))
    return { mapValue: { fields: encodeFields(target, inner as Record<string, unknown>, depth) } }
  throw bad(
    'an object with one key that begins with $ is none that is known',
    'Known: $timestamp (RFC 3339), $geo {latitude, longitude}, $ref (a document path), $bytes (base64), $integer (digits as text), $double, $map (a map taken as it is).',
  )
}

function encodeTime(inner: unknown): { seconds: string; nanos: number } {
  const [, whole, fraction = '', zone] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(String(inner)) ?? []
  const ms = Date.parse(`${whole}${zone}`)
  if (whole === undefined || Number.isNaN(ms)) throw bad('a $timestamp is not an RFC 3339 time', 'Write 2026-01-31T12:00:00.5Z.')
  return { seconds: String(ms / 1000), nanos: Number(fraction.padEnd(9, '0')) }
}

function encodeBytes(inner: string): Buffer {
  const bytes = Buffer.from(inner, 'base64')
  if (bytes.toString('base64').replace(/=+$/, '') !== inner.replace(/=+$/, '')) throw bad('$bytes is not base64')
  return bytes
}

function encodePoint(inner: unknown): { latitude: number; longitude: number } {
  const { latitude, longitude, ...more } = (inner ?? {}) as Record<string, unknown>
  const within = (n: unknown, most: number): n is number => typeof n === 'number' && Math.abs(n) <= most
  if (!within(latitude, 90) || !within(longitude, 180) || Object.keys(more).length > 0)
    throw bad('a $geo needs a latitude from -90 to 90 and a longitude from -180 to 180, and nothing else')
  return { latitude, longitude }
}

export const decodeFields = (target: Target, fields: Fields): Record<string, unknown> =>
  // fromEntries defines own properties, so that a field called __proto__ is only a field.
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, decodeValue(target, value)]))

export function decodeValue(target: Target, value: Value): unknown {
  if (value.booleanValue !== undefined) return value.booleanValue
  if (value.stringValue !== undefined) return value.stringValue
  if (value.integerValue !== undefined) {
    const n = Number(value.integerValue)
    return Number.isSafeInteger(n) ? n : { $integer: String(value.integerValue) }
  }
  if (value.doubleValue !== undefined) {
    const n = value.doubleValue
    return Number.isFinite(n) && !Object.is(n, -0) ? n : { $double: Object.is(n, -0) ? '-0' : String(n) }
  }
  if (value.timestampValue) return { $timestamp: timeOf(value.timestampValue) }
  if (value.bytesValue !== undefined) return { $bytes: Buffer.from(value.bytesValue).toString('base64') }
  // Of another database the whole name is shown: it says where it leads, and is not taken back.
  if (value.referenceValue !== undefined) return { $ref: pathOf(target, value.referenceValue) ?? value.referenceValue }
  if (value.geoPointValue) return { $geo: { latitude: value.geoPointValue.latitude, longitude: value.geoPointValue.longitude } }
  if (value.arrayValue) return (value.arrayValue.values ?? []).map((it) => decodeValue(target, it))
  if (value.mapValue) {
    const map = decodeFields(target, value.mapValue.fields ?? {})
    const [key, ...more] = Object.keys(map)
    return key?.startsWith('$') && more.length === 0 ? { $map: map } : map
  }
  return null
}

/** RFC 3339, as exact as it is kept. */
export function timeOf({ seconds, nanos }: { seconds: string | number; nanos: number }): string {
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19)
  const fraction = nanos === 0 ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`
  return `${whole}${fraction}Z`
}
