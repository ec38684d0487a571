/** What templates in a step may name: the input, steps that came before with the fields of their results, the values of the last run. */
import type { Answer } from '../../api.ts'
import { type Graph, isObject, nameOf, type Step, upstream } from './graph.ts'
import { type Found, nearest, type Segment } from './templates.ts'

export type Schema = Record<string, unknown>
export type Tool = Answer<'tools.list'>['items'][number]
/** The last run's input, and input and result of its steps. */
export type Past = Pick<Answer<'runs.context'>, 'input' | 'steps'>

export interface Names {
  step: Step
  graph: Graph
  before: ReadonlySet<string>
  toolOf: (step: Step) => Tool | undefined
  past: Past | undefined
}
export const namesFor = (graph: Graph, step: Step, toolOf: Names['toolOf'], past: Past | undefined): Names => ({
  graph,
  step,
  before: upstream(graph, step.id),
  toolOf,
  past,
})

/** Steps whose results could be used here: not this one, and none that waits for it. */
export const usable = ({ graph, step }: Names): Step[] =>
  graph.steps.filter((it) => it.id !== step.id && !upstream(graph, it.id).has(step.id))

/** One place in the data: what is promised of it, and what was there last time. */
interface Place {
  schemas: Schema[] | null
  value: unknown
}
export interface Field {
  name: string
  type: string
  value: unknown
  about: string | null
}

const variants = (schema: Schema): Schema[] | null => {
  if ('$ref' in schema || 'allOf' in schema) return null
  const among = schema.anyOf ?? schema.oneOf
  if (!Array.isArray(among)) return [schema]
  const all = (among as Schema[]).map(variants)
  return all.some((it) => it === null) ? null : all.flatMap((it) => it ?? [])
}
const isSchema = (value: unknown): value is Schema => isObject(value) && Object.keys(value).length > 0

function child({ schemas, value }: Place, name: string): Place | null {
  const inner = Array.isArray(value) ? value.at(Number(name)) : isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  if (schemas === null) return { schemas: null, value: inner }
  const found = schemas.flatMap((schema): (Schema | null)[] => {
    const properties = isObject(schema.properties) ? schema.properties : {}
    if (Object.hasOwn(properties, name)) return [isSchema(properties[name]) ? properties[name] : null]
    if (/^-?\d+$/.test(name) && (schema.type === 'array' || 'items' in schema)) return [isSchema(schema.items) ? schema.items : null]
    if (schema.type === 'object' || 'properties' in schema)
      return schema.additionalProperties === false ? [] : [isSchema(schema.additionalProperties) ? schema.additionalProperties : null]
    return schema.type === undefined ? [null] : []
  })
  if (found.length === 0) return null
  const known = found.filter((it) => it !== null).map(variants)
  return { schemas: found.includes(null) || known.includes(null) ? null : known.flatMap((it) => it ?? []), value: inner }
}

const typeOf = ({ schemas, value }: Place): string => {
  const types = (schemas ?? []).flatMap((s) => (s.type === undefined ? [] : ([s.type].flat() as string[])))
  if (types.length > 0) return [...new Set(types)].join(' or ')
  return value === undefined ? '' : value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

/** The fields that can follow. */
export function fieldsOf(place: Place): Field[] {
  const promised = (place.schemas ?? []).flatMap((s) => (isObject(s.properties) ? Object.keys(s.properties) : []))
  const seen = Array.isArray(place.value) ? (place.value.length > 0 ? ['0'] : []) : isObject(place.value) ? Object.keys(place.value) : []
  const list = (place.schemas ?? []).some((s) => s.type === 'array') ? ['0'] : []
  return [...new Set([...promised, ...list, ...seen])].flatMap((name) => {
    const at = child(place, name)
    if (!at) return []
    const about = at.schemas?.find((s) => typeof s.description === 'string')?.description
    return [{ name, type: typeOf(at), value: at.value, about: (about as string | undefined) ?? null }]
  })
}

/** Where the data of a root begin, with the names that were used up for it. */
function begin(names: Names, root: string, path: readonly string[]): { place: Place; used: number } | null {
  if (root === 'input') return { place: { schemas: null, value: names.past?.input }, used: 0 }
  const [id, side] = path
  if (root !== 'steps' || id === undefined || (side !== 'result' && side !== 'input')) return null
  const step = names.graph.steps.find((it) => it.id === id)
  if (!step) return null
  const tool = names.toolOf(step)
  const schema = side === 'result' ? tool?.output_schema : tool?.input_schema
  const past = names.past?.steps[id]
  return { place: { schemas: isSchema(schema) ? variants(schema) : null, value: past?.[side] }, used: 2 }
}

export function placeAt(names: Names, root: string, path: readonly string[]): Place | null {
  const start = begin(names, root, path)
  if (!start) return null
  let place: Place | null = start.place
  for (const name of path.slice(start.used)) place = place && child(place, name)
  return place
}

export type Verdict =
  | { what: 'unknownStep' | 'unknownField'; at: Segment; name: string; of: string; near: string | null }
  | { what: 'notSeen'; at: Segment; name: string; of: string; near: string | null }
  | { what: 'notUpstream'; at: Segment; name: string; of: string; id: string }
  | { what: 'self'; at: Segment; name: string; of: string }
  | { what: 'loopOnly'; name: string; of: string }

/** What is wrong with a template that is well written, or null. */
export function judge(found: Found, names: Names): Verdict | null {
  const root = found.root?.name ?? ''
  if (root !== 'input' && root !== 'steps') return { what: 'loopOnly', name: root, of: '' }
  const path = found.segments.map((s) => s.name)
  const [first] = found.segments
  if (root === 'steps' && first) {
    const id = first.name
    const ids = names.graph.steps.map((s) => s.id)
    if (!ids.includes(id)) {
      const others = usable(names).map((s) => s.id)
      return { what: 'unknownStep', at: first, name: id, of: '', near: nearest(id, others) }
    }
    if (id === names.step.id) return { what: 'self', at: first, name: id, of: '' }
    const step = names.graph.steps.find((s) => s.id === id)
    if (!names.before.has(id)) return { what: 'notUpstream', at: first, name: step ? nameOf(step) : id, of: '', id }
  }
  const start = begin(names, root, path)
  if (!start) return null
  let place = start.place
  for (const [i, segment] of found.segments.entries()) {
    if (i < start.used) continue
    const next = child(place, segment.name)
    const of = path.slice(0, i).at(-1) ?? root
    const near = () =>
      nearest(
        segment.name,
        fieldsOf(place).map((f) => f.name),
      )
    if (!next) return { what: 'unknownField', at: segment, name: segment.name, of, near: near() }
    // Nothing promises it, and last time it was not there.
    const looked = isObject(place.value) || Array.isArray(place.value)
    if (next.schemas === null && looked && next.value === undefined) {
      const like = near()
      // An input may bring what no input has brought before; only a slip is worth a word.
      return root === 'input' && like === null ? null : { what: 'notSeen', at: segment, name: segment.name, of, near: like }
    }
    place = next
  }
  return null
}
