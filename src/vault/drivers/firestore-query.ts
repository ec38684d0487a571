/** A query of one collection, and where its next page begins. */
import { Fault } from '../../base/errors.ts'
import { cursorFor, placeOf } from './firestore-cursor.ts'
import type { Target } from './firestore-key.ts'
import { collectionName, documentName, fieldNames, fieldPath, NAME_FIELD, queryField } from './firestore-paths.ts'
import { decodeValue, encodeValue, type Fields, type Value } from './firestore-values.ts'
import type { FirestoreQuery } from './session.ts'

/** https://firebase.google.com/docs/firestore/query-data/queries#limits_on_or_queries: 30 disjunctions, so 30 values in a list. */
export const MAX_IN = 30
/** https://firebase.google.com/docs/firestore/quotas: filters, sort orders and the document's path, together. */
export const MAX_FILTERS = 100

/** What a filter may say. IS_NULL and its like are what EQUAL and NOT_EQUAL become for null and NaN. */
const OPS = new Set([
  'EQUAL',
  'NOT_EQUAL',
  'LESS_THAN',
  'LESS_THAN_OR_EQUAL',
  'GREATER_THAN',
  'GREATER_THAN_OR_EQUAL',
  'ARRAY_CONTAINS',
  'ARRAY_CONTAINS_ANY',
  'IN',
  'NOT_IN',
])
const LISTS = new Set(['IN', 'NOT_IN', 'ARRAY_CONTAINS_ANY'])
/** They order the answer by their field, whether asked to or not. */
const INEQUALITIES = new Set(['NOT_EQUAL', 'LESS_THAN', 'LESS_THAN_OR_EQUAL', 'GREATER_THAN', 'GREATER_THAN_OR_EQUAL', 'NOT_IN'])

const bad = (message: string, hint?: string): Fault => new Fault('INVALID_INPUT', message, hint ? { hint } : {})

interface Order {
  field: { fieldPath: string }
  direction: 'ASCENDING' | 'DESCENDING'
}

export interface Planned {
  parent: string
  structuredQuery: Record<string, unknown>
  /** Where the page after this document begins. */
  cursorAfter(document: { name: string; fields: Fields }): string
}

export function planQuery(target: Target, query: FirestoreQuery): Planned {
  const { parent, id } = collectionName(target, query.collection)
  const own = { target, collection: query.collection }
  if (query.filters.length > MAX_FILTERS) throw bad(`a query takes at most ${MAX_FILTERS} filters`)
  const filters = query.filters.map((filter) => planFilter(own, filter))
  const orders = planOrder(query)
  const question = [parent, id, filters, orders]
  if (query.cursor !== undefined && query.start_after !== undefined) throw bad('a query takes start_after or cursor, not both')
  if (query.start_after && query.start_after.length > query.order_by.length)
    throw bad('start_after has more values than order_by has fields', 'Name the fields in order_by, and give one value for each.')
  const after = query.cursor === undefined ? query.start_after : (placeOf(target, question, query.cursor) as unknown[])
  const startAt = after && {
    values: after.map((value, i) => planValue(own, (orders[i] as Order).field.fieldPath, value)),
    before: false,
  }
  // A page's last document says where the next begins, so the fields that it is ordered by come along.
  const selected = query.select && [...new Set([...query.select.map(queryField), ...orders.map(({ field }) => field.fieldPath)])]
  return {
    parent,
    structuredQuery: {
      from: [{ collectionId: id, allDescendants: false }],
      ...(filters.length === 0 ? {} : { where: filters.length === 1 ? filters[0] : { compositeFilter: { op: 'AND', filters } } }),
      orderBy: orders,
      ...(selected ? { select: { fields: selected.map((path) => ({ fieldPath: path })) } } : {}),
      ...(startAt ? { startAt } : {}),
      limit: { value: query.limit },
    },
    cursorAfter({ name, fields }) {
      const values = orders.map(({ field: { fieldPath: path } }) =>
        decodeValue(target, path === NAME_FIELD ? { referenceValue: name } : at(fields, fieldNames(path))),
      )
      return cursorFor(target, question, values)
    },
  }
}

interface Own {
  target: Target
  collection: string
}

function planFilter(own: Own, { field, op, value }: FirestoreQuery['filters'][number]): Record<string, unknown> {
  const path = queryField(field)
  if (!OPS.has(op)) throw bad('a filter has an operator that is not known', `Known: ${[...OPS].join(', ')}.`)
  if (LISTS.has(op)) {
    if (!Array.isArray(value) || value.length === 0 || value.length > MAX_IN) throw bad(`${op} takes a list of 1 to ${MAX_IN} values`)
    const values = value.map((it) => planValue(own, path, it))
    return { fieldFilter: { field: { fieldPath: path }, op, value: { arrayValue: { values } } } }
  }
  const planned = planValue(own, path, value)
  const negated = op === 'NOT_EQUAL' ? 'IS_NOT_' : op === 'EQUAL' ? 'IS_' : null
  if (negated && planned.nullValue) return { unaryFilter: { field: { fieldPath: path }, op: `${negated}NULL` } }
  if (negated && Number.isNaN(planned.doubleValue)) return { unaryFilter: { field: { fieldPath: path }, op: `${negated}NAN` } }
  return { fieldFilter: { field: { fieldPath: path }, op, value: planned } }
}

/** A document's name is compared with one of the same collection: an id, or a reference. */
function planValue({ target, collection }: Own, path: string, value: unknown): Value {
  if (path !== NAME_FIELD) return encodeValue(target, value)
  const written = typeof value === 'string' ? `${collection}/${value}` : (value as { $ref?: unknown } | null)?.$ref
  if (typeof written !== 'string' || written.slice(0, written.lastIndexOf('/')) !== collection)
    throw bad(`${NAME_FIELD} is compared with the id of a document of the collection`)
  return { referenceValue: documentName(target, written) }
}

/** The order that Firestore would take anyway, written out, so that it can be continued: fields of inequalities, then the name. */
function planOrder({ order_by, filters }: FirestoreQuery): Order[] {
  const orders = order_by.map(({ field, direction }) => ({ field: { fieldPath: queryField(field) }, direction }))
  if (new Set(orders.map(({ field }) => field.fieldPath)).size < orders.length) throw bad('order_by names a field twice')
  const direction = orders.at(-1)?.direction ?? 'ASCENDING'
  const unequal = filters.filter(({ op, value }) => INEQUALITIES.has(op) && !(op === 'NOT_EQUAL' && value === null))
  const implied = [...new Set(unequal.map(({ field }) => queryField(field)))].sort()
  for (const path of [...implied, NAME_FIELD])
    if (!orders.some(({ field }) => field.fieldPath === path)) orders.push({ field: { fieldPath: path }, direction })
  return orders
}

function at(fields: Fields, names: readonly string[]): Value {
  let value: Value | undefined = { mapValue: { fields } }
  for (const name of names)
    value = value?.mapValue?.fields && Object.hasOwn(value.mapValue.fields, name) ? value.mapValue.fields[name] : undefined
  return value ?? { nullValue: 'NULL_VALUE' }
}

/** The field paths of what is given: of the document itself, or with `deep` of every map in it. An empty map is a value. */
export function leavesOf(fields: Fields, deep: boolean, above: readonly string[] = []): string[] {
  return Object.entries(fields).flatMap(([name, value]) => {
    const inner = value.mapValue?.fields
    return deep && inner && Object.keys(inner).length > 0 ? leavesOf(inner, deep, [...above, name]) : [fieldPath([...above, name])]
  })
}
