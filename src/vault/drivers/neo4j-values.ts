/** Values of Neo4j as plain JSON, and JSON as parameters. */
import neo4j, {
  type Integer,
  isInt,
  isNode,
  isPath,
  isPoint,
  isRelationship,
  isUnboundRelationship,
  isVector,
  type Node,
  type Relationship,
} from 'neo4j-driver'
import { Fault } from '../../base/errors.ts'
import { MAX_CELL_BYTES } from './caps.ts'

/** Deeper than any value that a person writes. */
const MAX_DEPTH = 32
/** Most values in one parameter map, inner ones included. */
const MAX_PARAMETER_VALUES = 100_000

/** A whole number is a number where JSON holds it, else its digits. */
const whole = (value: Integer): number | string => (value.inSafeRange() ? value.toNumber() : value.toString())
const nodeOf = ({ labels, properties, elementId }: Node) => ({ element_id: elementId, labels, properties: mapped(properties) })
const relationshipOf = ({ type, properties, elementId, startNodeElementId, endNodeElementId }: Relationship) => ({
  element_id: elementId,
  type,
  start: startNodeElementId,
  end: endNodeElementId,
  properties: mapped(properties),
})
const mapped = (value: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plainValue(inner)]))

/** Temporal values and durations have their ISO 8601 text. */
export function plainValue(value: unknown): unknown {
  if (value === null || value === undefined) return null
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object') return value
  if (isInt(value)) return whole(value)
  if (Array.isArray(value)) return value.map(plainValue)
  if (isNode(value)) return nodeOf(value as Node)
  if (isRelationship(value)) return relationshipOf(value as Relationship)
  if (isUnboundRelationship(value)) return { element_id: value.elementId, type: value.type, properties: mapped(value.properties) }
  if (isPath(value)) {
    return {
      nodes: [nodeOf(value.start as Node), ...value.segments.map(({ end }) => nodeOf(end as Node))],
      relationships: value.segments.map(({ relationship }) => relationshipOf(relationship as Relationship)),
    }
  }
  if (isPoint(value)) return { srid: plainValue(value.srid), x: value.x, y: value.y, ...(value.z === undefined ? {} : { z: value.z }) }
  if (isVector(value)) return Array.from(value.asTypedArray() as Iterable<number | bigint>, plainValue)
  if (ArrayBuffer.isView(value)) return { base64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') }
  if (isTemporal(value)) return value.toString()
  return mapped(value)
}

const TEMPORAL = [neo4j.isDate, neo4j.isDateTime, neo4j.isLocalDateTime, neo4j.isLocalTime, neo4j.isTime, neo4j.isDuration]
const isTemporal = (value: object): boolean => TEMPORAL.some((is) => is(value))

/** One cell with its size; a text that is too long is cut, and whatever else is too large becomes the beginning of its JSON. */
export function cellOf(value: unknown): { cell: unknown; bytes: number; cut: boolean } {
  const cell = plainValue(value)
  const text = Buffer.from(typeof cell === 'string' ? cell : JSON.stringify(cell))
  if (text.length <= MAX_CELL_BYTES) return { cell, bytes: text.length, cut: false }
  let end = MAX_CELL_BYTES
  // Not inside a character: its later bytes begin with 10.
  while ((text[end]! & 0xc0) === 0x80) end--
  return { cell: text.toString('utf8', 0, end), bytes: end, cut: true }
}

/** JSON has one kind of number: those without a fraction are whole numbers to Neo4j, which LIMIT and list indexes ask for. */
export function parametersOf(parameters: Readonly<Record<string, unknown>>): Record<string, unknown> {
  let count = 0
  const given = (value: unknown, depth: number): unknown => {
    count += 1
    if (depth > MAX_DEPTH || count > MAX_PARAMETER_VALUES)
      throw new Fault('INVALID_INPUT', `parameters are at most ${MAX_DEPTH} deep and ${MAX_PARAMETER_VALUES} values in all`)
    if (typeof value === 'number') return Number.isSafeInteger(value) ? neo4j.int(value) : value
    if (Array.isArray(value)) return value.map((item) => given(item, depth + 1))
    if (typeof value !== 'object' || value === null) return value
    // A map of its own: what looks like one of the client's classes is only a map.
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, given(inner, depth + 1)]))
  }
  return given(parameters, 0) as Record<string, unknown>
}
