/** Values of MySQL, both ways. https://dev.mysql.com/doc/refman/8.4/en/data-types.html */
import mysql, { type FieldPacket } from 'mysql2'
import { cutText, MAX_CELL_BYTES } from './caps.ts'

// Node does not find these by name: mysql2 defines them when they are first asked for.
const { TypedParameter, Types } = mysql

/** What mysql2 knows of a column besides what its types tell. */
export type Field = FieldPacket & { extendedFormat?: string; extendedTypeName?: string; columnLength?: number; characterSet?: number }

/** The character set of bytes that are no text. */
const BINARY = 63
const UNSIGNED = 0x20
const NAMES: Readonly<Record<number, string>> = {
  [Types.DECIMAL]: 'decimal',
  [Types.NEWDECIMAL]: 'decimal',
  [Types.TINY]: 'tinyint',
  [Types.SHORT]: 'smallint',
  [Types.INT24]: 'mediumint',
  [Types.LONG]: 'int',
  [Types.LONGLONG]: 'bigint',
  [Types.FLOAT]: 'float',
  [Types.DOUBLE]: 'double',
  [Types.NULL]: 'null',
  [Types.TIMESTAMP]: 'timestamp',
  [Types.DATE]: 'date',
  [Types.NEWDATE]: 'date',
  [Types.TIME]: 'time',
  [Types.DATETIME]: 'datetime',
  [Types.YEAR]: 'year',
  [Types.BIT]: 'bit',
  [Types.JSON]: 'json',
  [Types.ENUM]: 'enum',
  [Types.SET]: 'set',
  [Types.GEOMETRY]: 'geometry',
  [Types.VECTOR]: 'vector',
}
const TEXTS = new Set<number>([Types.VARCHAR, Types.VAR_STRING, Types.STRING])
const BLOBS = new Set<number>([Types.TINY_BLOB, Types.MEDIUM_BLOB, Types.LONG_BLOB, Types.BLOB])
const WHOLE = new Set<number>([Types.TINY, Types.SHORT, Types.INT24, Types.LONG, Types.LONGLONG])

const typeOf = (field: Field): number => field.columnType ?? field.type ?? 0

/** The server's name of a type, or null for one that is not known here. */
export function typeName(field: Field): string | null {
  const type = typeOf(field)
  if (field.extendedFormat === 'json') return 'json'
  if (field.extendedTypeName) return field.extendedTypeName
  const bytes = field.characterSet === BINARY
  if (TEXTS.has(type)) return bytes ? 'varbinary' : 'varchar'
  if (BLOBS.has(type)) return bytes ? 'blob' : 'text'
  const name = NAMES[type]
  if (name === undefined) return null
  return WHOLE.has(type) && Number(field.flags) & UNSIGNED ? `${name} unsigned` : name
}

/** `zone` is what a TIMESTAMP is said in, where that is a known offset. */
export function toJson(value: unknown, field: Field, zone: string | null): { value: unknown; cut: boolean; size: number } {
  if (value === null || value === undefined) return { value: null, cut: false, size: 4 }
  const type = typeOf(field)
  if (Buffer.isBuffer(value)) {
    if (type === Types.BIT) return { value: bits(value), cut: false, size: 8 }
    const part = value.subarray(0, MAX_CELL_BYTES)
    const text = part.toString('base64')
    return { value: text, cut: part.length < value.length, size: text.length }
  }
  if (typeof value === 'string') return fromText(value, type, field, zone)
  if (typeof value === 'number') return { value: Number.isFinite(value) ? shortest(value, type) : String(value), cut: false, size: 8 }
  const json = JSON.stringify(value)
  return json.length > MAX_CELL_BYTES
    ? { value: cutText(json, MAX_CELL_BYTES), cut: true, size: MAX_CELL_BYTES }
    : { value, cut: false, size: json.length }
}

function fromText(text: string, type: number, field: Field, zone: string | null) {
  if (text.length > MAX_CELL_BYTES) return { value: cutText(text, MAX_CELL_BYTES), cut: true, size: MAX_CELL_BYTES }
  const size = Buffer.byteLength(text)
  if (type === Types.JSON || field.extendedFormat === 'json') return { value: parsed(text), cut: false, size }
  if (type === Types.DATETIME || type === Types.TIMESTAMP) {
    const known = type === Types.TIMESTAMP && zone !== null && /^[+-]\d\d:\d\d$/.test(zone)
    // `0000-00-00 00:00:00` is no time at all.
    const iso = /^0000-00-00/.test(text) ? text : text.replace(' ', 'T') + (known ? (zone === '+00:00' ? 'Z' : zone) : '')
    return { value: iso, cut: false, size }
  }
  return { value: text, cut: false, size }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** BIT(n) as a number, or as a string where a double would lose digits. */
function bits(value: Buffer): number | string {
  const number = BigInt(`0x${value.toString('hex') || '0'}`)
  return number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : String(number)
}

/** A FLOAT has 24 bits: 1.1 must not become 1.100000023841858 by being said in 53. */
function shortest(value: number, type: number): number {
  if (type !== Types.FLOAT) return value
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return value
}

/** A bind parameter: whole numbers as such (LIMIT takes nothing else), objects and lists as JSON text. */
export function toParameter(value: unknown): unknown {
  if (value === null || value === undefined) return null
  if (typeof value === 'number') return Number.isSafeInteger(value) ? TypedParameter.BIGINT(value) : value
  if (typeof value === 'string' || typeof value === 'boolean') return value
  return JSON.stringify(value)
}
