/**
 * What the emulator leaves out. Of a query, after Google's description of StructuredQuery
 * (https://firebase.google.com/docs/firestore/reference/rest/v1/StructuredQuery): filters, order, startAt, limit, select. Of a write, after
 * https://firebase.google.com/docs/firestore/reference/rest/v1/Write: without a mask the whole document is replaced, and a path of the mask
 * without a value is removed. Values of types that no test compares are not compared.
 */
// biome-ignore lint/suspicious/noExplicitAny: values of the protocol, of which each has one key
export type Value = any
export interface Doc {
  name: string
  fields: Record<string, Value>
  createTime: unknown
  updateTime: unknown
}

/** https://firebase.google.com/docs/firestore/manage-data/data-types: values of different types are ordered by type. */
const TYPES = [
  'nullValue',
  'booleanValue',
  'number',
  'timestampValue',
  'stringValue',
  'bytesValue',
  'referenceValue',
  'geoPointValue',
  'arrayValue',
  'mapValue',
]
const keyOf = (value: Value): string =>
  Object.keys(value).find((it) => it.endsWith('Value') && value[it] !== undefined && value[it] !== null) ?? 'nullValue'
const typeOf = (value: Value): string => keyOf(value).replace(/^(integer|double)Value$/, 'number')
const plain = (value: Value): unknown => {
  const key = keyOf(value)
  if (key === 'integerValue' || key === 'doubleValue') return Number(value[key])
  if (key === 'timestampValue') return Number(value[key].seconds) + value[key].nanos / 1e9
  return key === 'arrayValue' || key === 'mapValue' || key === 'geoPointValue' ? JSON.stringify(value[key]) : value[key]
}
function compare(a: Value, b: Value): number {
  const [left, right] = [TYPES.indexOf(typeOf(a)), TYPES.indexOf(typeOf(b))]
  if (left !== right) return left - right
  const [x, y] = [plain(a) as string, plain(b) as string]
  return x < y ? -1 : x > y ? 1 : 0
}

const namesOf = (path: string): string[] =>
  [...path.matchAll(/`((?:[^`\\]|\\.)+)`|([^.`]+)/g)].map(([, quoted, bare]) =>
    quoted === undefined ? (bare as string) : quoted.replace(/\\(.)/g, '$1'),
  )

function at(doc: Pick<Doc, 'name' | 'fields'>, path: string): Value | undefined {
  if (path === '__name__') return { referenceValue: doc.name }
  let value: Value | undefined = { mapValue: { fields: doc.fields } }
  for (const name of namesOf(path)) value = value?.mapValue?.fields?.[name]
  return value
}

function holds(doc: Doc, where: Value): boolean {
  if (!where) return true
  if (where.compositeFilter) return where.compositeFilter.filters.every((it: Value) => holds(doc, it))
  const { field, op, value } = where.fieldFilter ?? where.unaryFilter
  const found = at(doc, field.fieldPath)
  if (found === undefined) return false
  const isNull = typeOf(found) === 'nullValue'
  if (where.unaryFilter)
    return op === 'IS_NULL' ? isNull : op === 'IS_NOT_NULL' ? !isNull : Number.isNaN(found.doubleValue) === (op === 'IS_NAN')
  const list = (it: Value): Value[] => it.arrayValue?.values ?? []
  const same = (a: Value, b: Value) => typeOf(a) === typeOf(b) && compare(a, b) === 0
  const ordered = typeOf(found) === typeOf(value) ? compare(found, value) : Number.NaN
  const ops: Record<string, () => boolean> = {
    EQUAL: () => same(found, value),
    NOT_EQUAL: () => !isNull && !same(found, value),
    LESS_THAN: () => ordered < 0,
    LESS_THAN_OR_EQUAL: () => ordered <= 0,
    GREATER_THAN: () => ordered > 0,
    GREATER_THAN_OR_EQUAL: () => ordered >= 0,
    IN: () => list(value).some((it) => same(found, it)),
    NOT_IN: () => !isNull && !list(value).some((it) => same(found, it)),
    ARRAY_CONTAINS: () => list(found).some((it) => same(value, it)),
    ARRAY_CONTAINS_ANY: () => list(found).some((a) => list(value).some((b) => same(a, b))),
  }
  return (ops[op] as () => boolean)()
}

export function answerQuery(query: Value, docs: readonly Doc[]): Doc[] {
  const orders: { field: { fieldPath: string }; direction: string }[] = query.orderBy ?? []
  const along = (a: Value[], b: Value[]): number => {
    for (const [i, { direction }] of orders.entries()) {
      if (i >= b.length) return 0
      const way = compare(a[i], b[i]) * (direction === 'DESCENDING' ? -1 : 1)
      if (way !== 0) return way
    }
    return 0
  }
  const keys = (doc: Doc) => orders.map(({ field }) => at(doc, field.fieldPath))
  let found = docs
    .filter((doc) => holds(doc, query.where) && keys(doc).every((it) => it !== undefined))
    .sort((a, b) => along(keys(a), keys(b)))
  if (query.startAt) found = found.filter((doc) => along(keys(doc), query.startAt.values) > (query.startAt.before ? -1 : 0))
  if (query.limit) found = found.slice(0, query.limit.value)
  const selected: string[] | undefined = query.select?.fields?.map((it: { fieldPath: string }) => it.fieldPath)
  if (!selected) return found
  // Top-level names are all that the tests select.
  return found.map((doc) => ({
    ...doc,
    fields: Object.fromEntries(Object.entries(doc.fields).filter(([name]) => selected.includes(name))),
  }))
}

/** The fields that a document has after an update. */
export function masked(before: Record<string, Value>, fields: Record<string, Value>, paths: readonly string[]): Record<string, Value> {
  const after = structuredClone(before)
  for (const path of paths) {
    const names = namesOf(path)
    const last = names.pop() as string
    let map = after
    for (const name of names) {
      map[name] = map[name]?.mapValue ? map[name] : { mapValue: { fields: {} } }
      map = map[name].mapValue.fields
    }
    const value = at({ name: '', fields }, path)
    if (value === undefined) delete map[last]
    else map[last] = value
  }
  return after
}
