/** PostgreSQL's text form of values, both ways. https://www.postgresql.org/docs/18/datatype.html */
import pg from 'pg'
import { cutText, MAX_CELL_BYTES } from './caps.ts'

const OIDS = pg.types.builtins

const NAMES = new Map<number, string>(Object.entries(OIDS).map(([name, oid]) => [Number(oid), name.toLowerCase()]))

/** Array types and what they hold. The ids are fixed in PostgreSQL's catalogue (src/include/catalog/pg_type.dat). */
const ELEMENTS = new Map<number, number>([
  [1000, OIDS.BOOL],
  [1001, OIDS.BYTEA],
  [1005, OIDS.INT2],
  [1007, OIDS.INT4],
  [1016, OIDS.INT8],
  [1009, OIDS.TEXT],
  [1002, OIDS.CHAR],
  [1003, OIDS.TEXT],
  [1014, OIDS.BPCHAR],
  [1015, OIDS.VARCHAR],
  [1021, OIDS.FLOAT4],
  [1022, OIDS.FLOAT8],
  [1028, OIDS.OID],
  [1115, OIDS.TIMESTAMP],
  [1182, OIDS.DATE],
  [1183, OIDS.TIME],
  [1185, OIDS.TIMESTAMPTZ],
  [1231, OIDS.NUMERIC],
  [199, OIDS.JSON],
  [3807, OIDS.JSONB],
  [2951, OIDS.UUID],
])

/** The server's name of a type, or null for one that the database made itself. */
export function typeName(oid: number): string | null {
  const element = ELEMENTS.get(oid)
  return element === undefined ? (NAMES.get(oid) ?? null) : `${NAMES.get(element)}[]`
}

/**
 * One cell as plain JSON: bigint and numeric stay strings (a double would lose digits), times become ISO 8601, bytea base64,
 * json is parsed, arrays are arrays. What is longer than a cell may be comes back cut, as text.
 */
export function toJson(text: string | null, oid: number): { value: unknown; cut: boolean } {
  if (text === null) return { value: null, cut: false }
  if (text.length > MAX_CELL_BYTES) {
    const part = cutText(text, MAX_CELL_BYTES)
    return { value: oid === OIDS.BYTEA ? bytes(part) : part, cut: true }
  }
  return { value: scalar(text, oid), cut: false }
}

function scalar(text: string, oid: number): unknown {
  const element = ELEMENTS.get(oid)
  if (element !== undefined) return arrayOf(text, element)
  switch (oid) {
    case OIDS.BOOL:
      return text === 't'
    case OIDS.INT2:
    case OIDS.INT4:
    case OIDS.OID:
      return Number(text)
    case OIDS.FLOAT4:
    case OIDS.FLOAT8: {
      const number = Number(text)
      return Number.isFinite(number) ? number : text
    }
    case OIDS.JSON:
    case OIDS.JSONB:
      try {
        return JSON.parse(text)
      } catch {
        return text
      }
    case OIDS.BYTEA:
      return bytes(text)
    case OIDS.TIMESTAMP:
    case OIDS.TIMESTAMPTZ:
      return isoTime(text)
    default:
      return text
  }
}

/** `\x6869` → base64. */
const bytes = (text: string) => Buffer.from(text.slice(2, text.length - (text.length % 2)), 'hex').toString('base64')

/** `2024-02-30 10:00:00.123456+05:30` → `2024-02-30T10:00:00.123456+05:30`, with all its digits. `infinity` and years BC stay as they are. */
function isoTime(text: string): string {
  const found = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(?:([+-]\d\d)(:\d\d)?(?::\d\d)?)?$/.exec(text)
  if (!found) return text
  const [, date, time, hours, minutes] = found
  const zone = hours === undefined ? '' : hours === '+00' && (minutes ?? ':00') === ':00' ? 'Z' : hours + (minutes ?? ':00')
  return `${date}T${time}${zone}`
}

/** `{1,NULL,"a \"b\"",{2}}` (with `[0:1]=` in front where the bounds are unusual). Not well-formed: the text itself. */
function arrayOf(text: string, element: number): unknown {
  const item = /"((?:[^"\\]|\\.)*)"|([^{},"\\]+)|[{},]/sy
  const open: unknown[][] = []
  item.lastIndex = text.startsWith('[') ? text.indexOf('=') + 1 : 0
  for (let found = item.exec(text); found; found = item.exec(text)) {
    const [token, quoted, plain] = found
    if (token === '{') open.push([])
    else if (token === '}') {
      const done = open.pop()
      if (!done) return text
      if (open.length === 0) return done
      open.at(-1)!.push(done)
    } else if (quoted !== undefined) open.at(-1)?.push(scalar(quoted.replace(/\\(.)/gs, '$1'), element))
    else if (plain !== undefined) open.at(-1)?.push(plain === 'NULL' ? null : scalar(plain, element))
  }
  return text
}

/** A bind parameter as text, type left to the server. Objects go as JSON, lists as arrays of the database. */
export function toParameter(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return '{' + value.map(arrayItem).join(',') + '}'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function arrayItem(value: unknown): string {
  const text = toParameter(value)
  if (text === null) return 'NULL'
  return Array.isArray(value) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`
}
