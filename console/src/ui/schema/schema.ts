/** What a JSON Schema asks for, as far as a form can ask it. Whatever is beyond that is edited as JSON in its place. */

export interface Schema {
  type?: string | string[]
  title?: string
  description?: string
  default?: unknown
  const?: unknown
  enum?: unknown[]
  format?: string
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  minItems?: number
  maxItems?: number
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
  oneOf?: Schema[]
  anyOf?: Schema[]
  allOf?: Schema[]
  $ref?: string
  $defs?: Record<string, Schema>
}
export type Kind = 'string' | 'number' | 'integer' | 'boolean' | 'choice' | 'const' | 'object' | 'array' | 'union' | 'json'

/** One place of a form. */
export interface Shape {
  kind: Kind
  schema: Schema
  nullable: boolean
  /** Of a union. */
  options: readonly Schema[]
}

/** A chain of references longer than this goes round in circles. */
const MAX_REFS = 20

function resolve(schema: Schema, root: Schema): Schema | null {
  let at = schema
  for (let hop = 0; at.$ref !== undefined; hop++) {
    if (hop >= MAX_REFS || !at.$ref.startsWith('#')) return null
    let found: unknown = root
    for (const part of at.$ref.slice(1).split('/').filter(Boolean))
      found = (found as Record<string, unknown> | undefined)?.[decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')]
    if (found === undefined || found === null || typeof found !== 'object') return null
    const { $ref: _, ...own } = at
    at = { ...(found as Schema), ...own }
  }
  return at
}

const isNull = (s: Schema): boolean => s.type === 'null' || s.const === null

export function shapeOf(schema: Schema, root: Schema): Shape {
  const found = resolve(schema, root)
  const json: Shape = { kind: 'json', schema: found ?? schema, nullable: false, options: [] }
  if (found === null || found.allOf !== undefined) return json
  const types = Array.isArray(found.type) ? found.type : found.type === undefined ? [] : [found.type]
  const nullable = types.includes('null')
  const plain = types.filter((it) => it !== 'null')
  const of = (kind: Kind): Shape => ({ kind, schema: found, nullable, options: [] })
  const alternatives = found.oneOf ?? found.anyOf
  if (alternatives) {
    const rest = alternatives.map((s) => resolve(s, root)).filter((s) => s !== null && !isNull(s)) as Schema[]
    const mayBeNull = rest.length < alternatives.length
    if (rest.length === 1) {
      const { oneOf: _, anyOf: __, ...own } = found
      return { ...shapeOf({ ...rest[0], ...own }, root), nullable: mayBeNull }
    }
    // A choice among them must have a name that tells them apart.
    const named = rest.every((s) => nameOf(s) !== null) && new Set(rest.map(nameOf)).size === rest.length
    return named ? { kind: 'union', schema: found, nullable: mayBeNull, options: rest } : json
  }
  if (found.const !== undefined) return of('const')
  if (found.enum !== undefined) return of('choice')
  if (plain.length !== 1) return json
  const [type] = plain
  if (type === 'object') return found.properties ? of('object') : json
  if (type === 'array') return found.items && !Array.isArray(found.items) ? of('array') : json
  return type === 'string' || type === 'number' || type === 'integer' || type === 'boolean' ? of(type) : json
}

/** What one of several is called: its title, or the type where that says enough. */
export function nameOf(schema: Schema): string | null {
  if (schema.title) return schema.title
  if (typeof schema.const === 'string') return schema.const
  return typeof schema.type === 'string' && schema.type !== 'object' && schema.type !== 'array' ? schema.type : null
}

/** What a new place begins with: what is required of it, each with its default or an empty value of its kind. */
export function beginning(schema: Schema, root: Schema): unknown {
  const { kind, schema: at, nullable, options } = shapeOf(schema, root)
  if (at.default !== undefined) return at.default
  if (nullable) return null
  if (kind === 'const') return at.const
  if (kind === 'choice') return at.enum?.[0]
  if (kind === 'union') return beginning(options[0] as Schema, root)
  if (kind === 'array') return Array.from({ length: at.minItems ?? 0 }, () => beginning(at.items as Schema, root))
  if (kind === 'object') return Object.fromEntries((at.required ?? []).map((name) => [name, beginning(at.properties?.[name] ?? {}, root)]))
  return kind === 'string' ? '' : kind === 'boolean' ? false : kind === 'json' ? (at.type === 'array' ? [] : {}) : undefined
}

/** Which of several a value is one of. */
export function fitting(options: readonly Schema[], value: unknown, root: Schema): number {
  const exact = options.findIndex((o) => problemsIn(o, value, root).size === 0)
  if (exact >= 0) return exact
  return Math.max(
    0,
    options.findIndex((o) => kindOfValue(value) === shapeOf(o, root).kind),
  )
}
const kindOfValue = (value: unknown): string => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value)

/** What is wrong, and what the limit is. */
export type Wrong =
  | { is: 'missing' | 'type' | 'pattern' | 'choice' | 'unknown' | 'format' }
  | { is: 'short' | 'long' | 'small' | 'large' | 'few' | 'many'; limit: number }

const FORMATS: Record<string, RegExp> = {
  email: /^[^\s@]+@[^\s@]+$/,
  uri: /^[a-z][a-z0-9+.-]*:\S+$/i,
  date: /^\d{4}-\d\d-\d\d$/,
  'date-time': /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*$/,
  uuid: /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i,
}
const HAS_TYPE: Record<string, (value: unknown) => boolean> = {
  string: (v) => typeof v === 'string',
  number: (v) => typeof v === 'number',
  integer: (v) => Number.isInteger(v),
  boolean: (v) => typeof v === 'boolean',
  array: Array.isArray,
  object: (v) => typeof v === 'object' && v !== null && !Array.isArray(v),
}
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** Path (`a.0.b`) → what is wrong there. The server says the last word; this is for whoever is still typing. */
export function problemsIn(schema: Schema, value: unknown, root: Schema, path = ''): Map<string, Wrong> {
  const out = new Map<string, Wrong>()
  const { kind, schema: at, nullable, options } = shapeOf(schema, root)
  const wrong = (is: Wrong): Map<string, Wrong> => out.set(path, is)
  if (value === undefined) return wrong({ is: 'missing' })
  if (value === null && nullable) return out
  if (kind === 'union')
    return options.some((o) => problemsIn(o, value, root).size === 0)
      ? out
      : problemsIn(options[fitting(options, value, root)] ?? {}, value, root, path)
  if (kind === 'const') return same(value, at.const) ? out : wrong({ is: 'choice' })
  if (kind === 'choice') return at.enum?.some((it) => same(it, value)) ? out : wrong({ is: 'choice' })
  if (kind === 'json') return out
  if (!HAS_TYPE[kind]?.(value)) return wrong({ is: 'type' })
  if (typeof value === 'string') return textProblem(at, value, wrong, out)
  if (typeof value === 'number') return numberProblem(at, value, wrong, out)
  if (Array.isArray(value)) {
    if (at.minItems !== undefined && value.length < at.minItems) wrong({ is: 'few', limit: at.minItems })
    if (at.maxItems !== undefined && value.length > at.maxItems) wrong({ is: 'many', limit: at.maxItems })
    value.forEach((item, i) => {
      for (const [where, is] of problemsIn(at.items as Schema, item, root, join(path, String(i)))) out.set(where, is)
    })
  } else if (kind === 'object') {
    const given = value as Record<string, unknown>
    for (const [name, child] of Object.entries(at.properties ?? {}))
      if (given[name] !== undefined || at.required?.includes(name))
        for (const [where, is] of problemsIn(child, given[name], root, join(path, name))) out.set(where, is)
    if (at.additionalProperties === false)
      for (const name of Object.keys(given)) if (!Object.hasOwn(at.properties ?? {}, name)) out.set(join(path, name), { is: 'unknown' })
  }
  return out
}
export const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)

type Say = (is: Wrong) => Map<string, Wrong>
function textProblem(at: Schema, value: string, wrong: Say, out: Map<string, Wrong>): Map<string, Wrong> {
  if (at.minLength !== undefined && value.length < at.minLength)
    return wrong(value === '' ? { is: 'missing' } : { is: 'short', limit: at.minLength })
  if (at.maxLength !== undefined && value.length > at.maxLength) return wrong({ is: 'long', limit: at.maxLength })
  const format = at.format === undefined ? undefined : FORMATS[at.format]
  if (format && !format.test(value)) return wrong({ is: 'format' })
  if (at.pattern !== undefined && !matches(at.pattern, value)) return wrong({ is: 'pattern' })
  return out
}
/** A pattern that this browser cannot read is left to the server. */
function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value)
  } catch {
    return true
  }
}
function numberProblem(at: Schema, value: number, wrong: Say, out: Map<string, Wrong>): Map<string, Wrong> {
  const least = at.minimum ?? at.exclusiveMinimum
  const most = at.maximum ?? at.exclusiveMaximum
  if (least !== undefined && (at.minimum === undefined ? value <= least : value < least)) return wrong({ is: 'small', limit: least })
  if (most !== undefined && (at.maximum === undefined ? value >= most : value > most)) return wrong({ is: 'large', limit: most })
  return out
}

/** Why a text is no JSON object, with the place; null where it is one. */
export function jsonProblem(text: string): { what: string; line: number; column: number } | null {
  try {
    const value: unknown = JSON.parse(text)
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? null
      : { what: 'an object in braces is wanted', line: 1, column: 1 }
  } catch (error) {
    const { message } = error as Error
    const found = /position (\d+)/.exec(message)
    const before = text.slice(0, found ? Number(found[1]) : text.length)
    const lines = before.split('\n')
    return {
      what: message.replace(/ in JSON at position.*$/, '').replace(/ \(line.*$/, ''),
      line: lines.length,
      column: (lines.at(-1)?.length ?? 0) + 1,
    }
  }
}
