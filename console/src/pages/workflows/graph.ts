/** The graph as the editor holds it: what the server stores, in the order of fields in which people read it. */

export type Step = { id: string } & Record<string, unknown>
export interface Graph {
  steps: Step[]
}
export type Path = (string | number)[]

/** Fields of a step, as they are written; others follow as they come. */
export const FIELDS = [
  'id',
  'type',
  'name',
  'instance_id',
  'server_url',
  'tool_name',
  'tool_args',
  'depends_on',
  'condition',
  'enabled',
  'retry_count',
  'timeout_s',
]
const rank = (field: string): number => (FIELDS.includes(field) ? FIELDS.indexOf(field) : FIELDS.length)

/** The database keeps objects without their order. */
export const inOrder = (graph: Graph): Graph => ({
  ...graph,
  steps: graph.steps.map((step) => Object.fromEntries(Object.entries(step).sort(([a], [b]) => rank(a) - rank(b))) as Step),
})
export const textOf = (graph: Graph): string => JSON.stringify(graph, null, 2)

/** Equal for graphs that mean the same, however their fields are ordered. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`)
    .join()}}`
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value)

/** What the server would take as a draft: a list of steps with ids, none twice. Else the path of what is in the way. */
export function asGraph(value: unknown): { graph: Graph } | { at: Path; wrong: 'shape' | 'step' | 'id' | 'twice' } {
  if (!isObject(value) || !Array.isArray(value.steps)) return { at: [], wrong: 'shape' }
  const seen = new Set<string>()
  for (const [i, step] of (value.steps as unknown[]).entries()) {
    if (!isObject(step)) return { at: ['steps', i], wrong: 'step' }
    if (typeof step.id !== 'string' || step.id === '') return { at: ['steps', i], wrong: 'id' }
    if (seen.has(step.id)) return { at: ['steps', i, 'id'], wrong: 'twice' }
    seen.add(step.id)
  }
  return { graph: value as unknown as Graph }
}

export const nameOf = (step: Step): string => (typeof step.name === 'string' && step.name.trim() !== '' ? step.name : step.id)
export const dependsOn = (step: Step): string[] =>
  Array.isArray(step.depends_on) ? step.depends_on.filter((id): id is string => typeof id === 'string') : []
const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
export const instanceIdOf = (step: Step): string | undefined => text(step.instance_id)
export const toolNameOf = (step: Step): string | undefined => text(step.tool_name)

/** All steps that are certain to have ended before this one starts. */
export function upstream(graph: Graph, id: string): Set<string> {
  const byId = new Map(graph.steps.map((step) => [step.id, step]))
  const before = new Set<string>()
  const open = dependsOn(byId.get(id) ?? { id })
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (before.has(next)) continue
    before.add(next)
    open.push(...dependsOn(byId.get(next) ?? { id: next }))
  }
  return before
}

/** How far each step is from a first one: what the outline shows as indentation. */
export function depths(graph: Graph): Map<string, number> {
  const byId = new Map(graph.steps.map((step) => [step.id, step]))
  const known = new Map<string, number>()
  const depth = (id: string, trail: ReadonlySet<string>): number => {
    const step = byId.get(id)
    if (!step || trail.has(id)) return -1
    const found = known.get(id) ?? Math.max(-1, ...dependsOn(step).map((before) => depth(before, new Set([...trail, id])))) + 1
    known.set(id, found)
    return found
  }
  return new Map(graph.steps.map((step) => [step.id, depth(step.id, new Set())]))
}

/** `wish` as an id that no step has yet. */
export function freeId(graph: Graph, wish: string): string {
  const taken = new Set(graph.steps.map((step) => step.id))
  const plain =
    wish
      .normalize('NFKD')
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '_')
      .replaceAll(/^[^a-z]+|_+$/g, '')
      .slice(0, 56) || 'step'
  if (!taken.has(plain)) return plain
  let n = 2
  while (taken.has(`${plain}_${n}`)) n++
  return `${plain}_${n}`
}

const replaced = (graph: Graph, id: string, by: (step: Step) => Step): Graph => ({
  ...graph,
  steps: graph.steps.map((step) => (step.id === id ? by(step) : step)),
})

/** `undefined` takes a field away. */
export const withField = (graph: Graph, id: string, field: string, value: unknown): Graph =>
  inOrder(
    replaced(graph, id, (step) => {
      const { [field]: _, ...rest } = step
      return (value === undefined ? rest : { ...rest, [field]: value }) as Step
    }),
  )

export function withStep(graph: Graph, step: Step, after?: string): Graph {
  const at = after === undefined ? graph.steps.length : graph.steps.findIndex((it) => it.id === after) + 1
  return { ...graph, steps: graph.steps.toSpliced(at, 0, step) }
}

export function moved(graph: Graph, id: string, by: -1 | 1): Graph {
  const from = graph.steps.findIndex((step) => step.id === id)
  const to = from + by
  const step = graph.steps[from]
  return step && to >= 0 && to < graph.steps.length ? { ...graph, steps: graph.steps.toSpliced(from, 1).toSpliced(to, 0, step) } : graph
}

export function duplicated(graph: Graph, id: string): { graph: Graph; id: string } | null {
  const step = graph.steps.find((it) => it.id === id)
  if (!step) return null
  const copy = freeId(graph, step.id.replace(/_\d+$/, ''))
  return { graph: withStep(graph, { ...structuredClone(step), id: copy }, id), id: copy }
}

/** Whoever waited for it waits for what it had waited for. */
export function without(graph: Graph, id: string): Graph {
  const gone = graph.steps.find((step) => step.id === id)
  if (!gone) return graph
  return {
    ...graph,
    steps: graph.steps
      .filter((step) => step.id !== id)
      .map((step) =>
        dependsOn(step).includes(id)
          ? { ...step, depends_on: [...new Set(dependsOn(step).flatMap((it) => (it === id ? dependsOn(gone) : [it])))] }
          : step,
      ),
  }
}

/** A step that was deleted, at its place and with what had waited for it. What was done since stays. */
export function broughtBack(graph: Graph, before: Graph, id: string): Graph {
  const at = before.steps.findIndex((step) => step.id === id)
  const step = before.steps[at]
  if (!step || graph.steps.some((it) => it.id === id)) return graph
  const waited = new Map(before.steps.filter((it) => dependsOn(it).includes(id)).map((it) => [it.id, it.depends_on]))
  const steps = graph.steps.map((it) => (waited.has(it.id) ? { ...it, depends_on: waited.get(it.id) } : it))
  return { ...graph, steps: steps.toSpliced(Math.min(at, steps.length), 0, step) }
}

/** The id in every place that names it: dependencies and templates. */
export function renamed(graph: Graph, from: string, to: string): Graph {
  const named = new RegExp(`(\\{\\{\\s*(?:steps|body)\\.)${from.replaceAll(/[^\w-]/g, '\\$&')}(?![\\p{L}\\p{N}_$-])`, 'gu')
  const inTexts = (value: unknown): unknown =>
    typeof value === 'string'
      ? value.replaceAll(named, (_, before: string) => before + to)
      : Array.isArray(value)
        ? value.map(inTexts)
        : isObject(value)
          ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, inTexts(inner)]))
          : value
  return {
    ...graph,
    steps: graph.steps.map((step) => ({
      ...(inTexts(step) as Step),
      id: step.id === from ? to : step.id,
      ...(Array.isArray(step.depends_on) ? { depends_on: step.depends_on.map((it: unknown) => (it === from ? to : it)) } : {}),
    })),
  }
}

export interface Change {
  id: string
  name: string
  how: 'added' | 'changed' | 'removed'
  /** Of a changed step: which fields. */
  fields: string[]
}
/** What publishing would change, step by step. */
export function changes(before: Graph | null, after: Graph): Change[] {
  const old = new Map((before?.steps ?? []).map((step) => [step.id, withDefaults(step)]))
  const list = after.steps.flatMap((step): Change[] => {
    const was = old.get(step.id)
    const is = withDefaults(step)
    old.delete(step.id)
    if (!was) return [{ id: step.id, name: nameOf(step), how: 'added', fields: [] }]
    const fields = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((f) => canonical(was[f]) !== canonical(is[f]))
    return fields.length > 0 ? [{ id: step.id, name: nameOf(step), how: 'changed', fields }] : []
  })
  return [...list, ...[...old.values()].map((step) => ({ id: step.id, name: nameOf(step), how: 'removed' as const, fields: [] }))]
}
/** A published step has its defaults written out; a draft need not. */
const DEFAULTS: Record<string, unknown> = { depends_on: [], enabled: true, retry_count: 0, timeout_s: 60, tool_args: {} }
const withDefaults = (step: Step): Step => ({
  ...DEFAULTS,
  ...(Object.fromEntries(Object.entries(step).filter(([, value]) => value !== null && value !== undefined)) as Step),
})

/** `steps[1].tool_args["x.y"]` → its parts. */
export function partsOf(path: string): Path {
  return [...path.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.[\]]+)/g)].map(([, index, quoted, name]) =>
    index !== undefined ? Number(index) : quoted !== undefined ? (JSON.parse(quoted) as string) : (name as string),
  )
}
export const pathText = (path: Path): string =>
  path
    .map((part) =>
      typeof part === 'number' ? `[${part}]` : /^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`,
    )
    .join('')
    .replace(/^\./, '')
