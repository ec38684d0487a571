/** The graph as text: names and values that can stand there are offered, and everything that is wrong is marked at its place. */
import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete'
import { json } from '@codemirror/lang-json'
import { type Diagnostic, lintGutter, linter } from '@codemirror/lint'
import type { EditorState, Extension } from '@codemirror/state'
import { EditorView, lineNumbers } from '@codemirror/view'
import { type Key, t } from '../../words/index.ts'
import { needsRefresh } from './code.tsx'
import { FIELDS, type Graph, isObject, nameOf, partsOf, type Path, type Step } from './graph.ts'
import { type Issue, marksIn, TEMPLATED } from './issues.ts'
import { pathAt, placeOf, stringsOf } from './json-places.ts'
import { unreadable } from './json-text.ts'
import type { Names, Tool } from './scope.ts'
import { completions, completionsOf, diagnostic, type Require } from './template-code.ts'

const LINT_MS = 250

/** What the text is about, asked for each time: it changes under the editor. */
export interface About {
  graph: () => Graph
  namesOf: (step: Step) => Names
  toolsOf: (step: Step) => readonly Tool[]
  instances: () => readonly { id: string; name: string }[]
  /** What is not said by looking at templates. */
  issues: () => readonly Issue[]
  require: (stepId: string, before: string) => void
}

export const graphJson = (about: About): Extension[] => [
  json(),
  lineNumbers(),
  lintGutter(),
  EditorView.theme({ '&': { height: '100%' }, '.cm-scroller': { overflow: 'auto' } }),
  completionsOf((context) => complete(context, about)),
  linter((view) => lint(view.state, about), { delay: LINT_MS, needsRefresh: needsRefresh ?? null }),
]

/** A value of its own in a form, whose place in the step is `base`. */
export const valueJson = (names: () => Names, require: Require): Extension[] => [
  json(),
  completionsOf((context) => inString(context, names(), require)),
  linter(
    ({ state }) =>
      unreadableMark(state) ??
      [...stringsOf(state)].flatMap(({ text, from, map }) => marksIn(text, names()).map((mark) => diagnostic(mark, from, map, require))),
    { delay: LINT_MS, needsRefresh: needsRefresh ?? null },
  ),
]

function unreadableMark(state: EditorState): Diagnostic[] | null {
  const problem = unreadable(state.doc.toString())
  if (!problem) return null
  const to = Math.min(state.doc.length, problem.at + 1)
  return [
    {
      from: Math.min(problem.at, to),
      to,
      severity: 'error',
      message: t('json.unreadable', { line: problem.line, column: problem.column }),
    },
  ]
}

function lint(state: EditorState, about: About): Diagnostic[] {
  const broken = unreadableMark(state)
  if (broken) return broken
  const { steps } = about.graph()
  const templates = [...stringsOf(state)].flatMap(({ path, text, from, map }) => {
    const step = stepAt(state, path, steps)
    if (!step || !TEMPLATED.includes(String(path[2]))) return []
    return marksIn(text, about.namesOf(step)).map((mark) => diagnostic(mark, from, map, (before) => about.require(step.id, before)))
  })
  const rest = about.issues().flatMap((issue): Diagnostic[] => {
    const index = steps.findIndex((step) => step.id === issue.stepId)
    const at = placeOf(state, issue.stepId === null ? partsOf(issue.path) : ['steps', index, ...partsOf(issue.path)])
    return at ? [{ ...at, severity: issue.severity, message: issue.message }] : []
  })
  return [...templates, ...rest]
}

/** The step that is written at a path, as the graph knows it: the text may be ahead of it. */
function stepAt(state: EditorState, path: Path, steps: readonly Step[]): Step | undefined {
  const [first, index] = path
  if (first !== 'steps' || typeof index !== 'number') return undefined
  const at = placeOf(state, ['steps', index, 'id'])
  const id = at ? state.sliceDoc(at.from, at.to).replaceAll('"', '') : undefined
  return steps.find((step) => step.id === id) ?? steps[index]
}

function inString(context: CompletionContext, names: Names, require: Require): CompletionResult | null {
  const { node } = pathAt(context.state, context.pos)
  if (node.name !== 'String') return null
  const raw = context.state.sliceDoc(node.from + 1, context.pos)
  // Only from the braces on: escapes before them would shift the places.
  const open = raw.lastIndexOf('{{')
  return open < 0 ? null : completions(raw.slice(open), context.pos, names, require)
}

function complete(context: CompletionContext, about: About): CompletionResult | null {
  const { state, pos } = context
  const { path, node, name } = pathAt(state, pos)
  const step = stepAt(state, path, about.graph().steps)
  if (!step) return null
  const inText = node.name === 'String'
  if (inText && TEMPLATED.includes(String(path[2]))) {
    const found = inString(context, about.namesOf(step), (before) => about.require(step.id, before))
    if (found) return found
  }
  const quoted = inText || name
  if (!quoted && !context.explicit) return null
  // The quotes belong to what is replaced, so the list is narrowed here.
  const from = quoted ? node.from : pos
  const wish = state.sliceDoc(from, pos).replaceAll('"', '').toLowerCase()
  const options = (name ? namesAt(path, step, about) : valuesAt(path, step, about))
    .filter((it) => `${it.label} ${it.detail ?? ''}`.toLowerCase().includes(wish))
    .map((it) => ({ ...it, apply: JSON.stringify(it.apply ?? it.label) }))
  return options.length === 0 ? null : { from, to: quoted ? node.to : pos, options, filter: false }
}

interface Option extends Completion {
  apply?: string
}
function namesAt(path: Path, step: Step, about: About): Option[] {
  const inside = path.slice(2)
  if (inside.length === 0)
    return FIELDS.filter((field) => !Object.hasOwn(step, field)).map((label) => ({ label, detail: t(`field.${label}` as Key) }))
  if (inside[0] !== 'tool_args' || inside.length > 1) return []
  const tool = about.toolsOf(step).find((it) => it.name === step.tool_name)
  const given = isObject(step.tool_args) ? step.tool_args : {}
  const properties = isObject(tool?.input_schema.properties) ? tool.input_schema.properties : {}
  return Object.entries(properties)
    .filter(([label]) => !Object.hasOwn(given, label))
    .map(([label, schema]) => ({
      label,
      ...(isObject(schema) && typeof schema.description === 'string' ? { info: schema.description } : {}),
      ...(isObject(schema) && typeof schema.type === 'string' ? { detail: schema.type } : {}),
    }))
}

function valuesAt(path: Path, step: Step, about: About): Option[] {
  const [field, index] = path.slice(2)
  if (field === 'type') return [{ label: 'mcp_call', detail: t('step.type.mcp_call') }]
  if (field === 'instance_id') return about.instances().map((it) => ({ label: it.name, detail: it.id, apply: it.id }))
  if (field === 'tool_name') return about.toolsOf(step).map((it) => ({ label: it.name, info: it.about }))
  if (field === 'depends_on' && typeof index === 'number')
    return about
      .graph()
      .steps.filter((it) => it.id !== step.id)
      .map((it) => ({ label: it.id, detail: nameOf(it) }))
  if (field !== 'tool_args' || typeof index !== 'string') return []
  const tool = about.toolsOf(step).find((it) => it.name === step.tool_name)
  const schema = isObject(tool?.input_schema.properties) ? tool.input_schema.properties[index] : undefined
  return isObject(schema) && Array.isArray(schema.enum)
    ? schema.enum.filter((it) => typeof it === 'string').map((label) => ({ label }))
    : []
}
