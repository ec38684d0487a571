/** Templates in an editor: what can follow is offered, what is wrong is marked and mended. */
import {
  autocompletion,
  type Completion,
  type CompletionResult,
  type CompletionSource,
  pickedCompletion,
  startCompletion,
} from '@codemirror/autocomplete'
import { type Diagnostic, linter } from '@codemirror/lint'
import { type Extension, Prec } from '@codemirror/state'
import { type EditorView, keymap } from '@codemirror/view'
import { t } from '../../words/index.ts'
import { needsRefresh } from './code.tsx'
import { nameOf } from './graph.ts'
import { type Mark, marksIn } from './issues.ts'
import { type Field, fieldsOf, type Names, placeAt, usable } from './scope.ts'
import { typing, written } from './templates.ts'

/** A pause this long is the end of a word, not of a thought. */
const LINT_MS = 200
const MAX_VALUE_CHARS = 40

export type Require = (stepId: string) => void

const glimpse = (value: unknown): string => {
  if (value === undefined) return ''
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return text.length > MAX_VALUE_CHARS ? `${text.slice(0, MAX_VALUE_CHARS - 1)}…` : text
}
const detail = (field: Pick<Field, 'type' | 'value'>): string => [field.type, glimpse(field.value)].filter(Boolean).join(' · ')

/** Puts the path between the braces, and closes them where they are open. */
const put =
  (path: string, goesOn: boolean, before?: () => void): Completion['apply'] =>
  (view: EditorView, completion: Completion, from: number, to: number) => {
    const rest = view.state.sliceDoc(to, to + 40)
    const closed = /^\s*\}\}/.exec(rest)
    const insert = closed ? path : `${path}}}`
    const end = from + path.length + (closed ? closed[0].length : 2)
    view.dispatch({
      changes: { from, to, insert },
      selection: { anchor: goesOn ? from + path.length : end },
      annotations: pickedCompletion.of(completion),
    })
    before?.()
  }

export function completions(before: string, at: number, names: Names, require: Require): CompletionResult | null {
  const found = typing(before)
  if (!found) return null
  const offset = at - before.length
  if (found.names.length > 0) {
    const [root = '', ...path] = found.names
    return { from: offset + found.partFrom, options: following(names, root, path, found), validFor: /^[\p{L}\p{N}_$-]*$/u }
  }
  return { from: offset + found.partFrom, options: beginnings(names, require), validFor: /^[^.{}]*$/ }
}

function following(names: Names, root: string, path: string[], { partFrom }: { partFrom: number }): Completion[] {
  if (root === 'steps' && path.length === 0)
    return usable(names).map((s) => ({
      label: s.id,
      detail: nameOf(s),
      apply: put(`${s.id}.result`, true),
      section: t('template.section.steps'),
    }))
  if (root === 'steps' && path.length === 1)
    return ['result', 'input'].map((side) => ({ label: side, apply: put(side, true), section: t('template.section.fields') }))
  const place = placeAt(names, root, path)
  if (!place) return []
  return fieldsOf(place).map((field) => {
    const spelled = written(field.name)
    // An odd name goes in brackets, and the dot before it away.
    const plain = spelled.startsWith('.')
    const inner = placeAt(names, root, [...path, field.name])
    const goesOn = inner !== null && fieldsOf(inner).length > 0
    return {
      label: field.name,
      detail: detail(field),
      ...(field.about ? { info: field.about } : {}),
      section: t('template.section.fields'),
      apply: plain
        ? put(field.name, goesOn)
        : (view: EditorView, completion: Completion, _from: number, to: number) => {
            const dot = to - view.state.sliceDoc(0, to).length + partFrom - 1
            const apply = put(spelled, goesOn)
            if (typeof apply === 'function') apply(view, completion, Math.max(0, dot), to)
          },
    }
  })
}

/** Everything from the start: by the name of a step, by a field, or by the path. */
function beginnings(names: Names, require: Require): Completion[] {
  const ofInput = placeAt(names, 'input', [])
  const inputs: Completion[] = [
    { label: 'input', detail: t('template.input'), apply: put('input', true), section: { name: t('template.section.input'), rank: 1 } },
    ...(ofInput ? fieldsOf(ofInput) : []).map((field) => ({
      label: `input${written(field.name)}`,
      detail: detail(field),
      apply: put(`input${written(field.name)}`, false),
      section: { name: t('template.section.input'), rank: 1 },
    })),
  ]
  const steps = usable(names).flatMap((step): Completion[] => {
    const first = names.before.has(step.id) ? undefined : () => require(step.id)
    const path = `steps.${step.id}.result`
    const section = { name: t('template.section.steps'), rank: 0 }
    const place = placeAt(names, 'steps', [step.id, 'result'])
    const note = first ? t('template.willDepend') : ''
    return [
      { label: `${nameOf(step)} ${path}`, displayLabel: `${nameOf(step)} · result`, detail: note, apply: put(path, true, first), section },
      ...(place ? fieldsOf(place) : []).map((field) => ({
        label: `${nameOf(step)} ${path}${written(field.name)}`,
        displayLabel: `${nameOf(step)} · ${field.name}`,
        detail: [detail(field), note].filter(Boolean).join(' · '),
        ...(field.about ? { info: field.about } : {}),
        apply: put(
          path + written(field.name),
          fieldsOf(placeAt(names, 'steps', [step.id, 'result', field.name]) ?? { schemas: null, value: undefined }).length > 0,
          first,
        ),
        section,
      })),
    ]
  })
  return [...steps, ...inputs]
}

export const diagnostic = (mark: Mark, offset: number, map: (at: number) => number, require: Require): Diagnostic => {
  const { fix } = mark
  const at = (n: number) => offset + map(n)
  return {
    from: at(mark.from),
    to: at(mark.to),
    severity: mark.severity,
    message: mark.message,
    ...(fix
      ? {
          actions: [
            {
              name: t('problems.fix'),
              apply: (view: EditorView) => {
                if ('dependsOn' in fix) require(fix.dependsOn)
                else view.dispatch({ changes: { from: at(fix.from), to: at(fix.to), insert: fix.insert } })
              },
            },
          ],
        }
      : {}),
  }
}

/** For a field whose whole text is read for templates. */
export const templateField = (names: () => Names, require: Require): Extension[] => [
  completionsOf((context) => completions(context.state.sliceDoc(0, context.pos), context.pos, names(), require)),
  linter((view) => marksIn(view.state.doc.toString(), names()).map((mark) => diagnostic(mark, 0, (n) => n, require)), {
    delay: LINT_MS,
    needsRefresh: needsRefresh ?? null,
  }),
]

/** Offered as soon as the braces are open, and on Alt+↓, which opens them. */
export const completionsOf = (source: CompletionSource): Extension => [
  autocompletion({ override: [source] }),
  Prec.high(keymap.of([{ key: 'Alt-ArrowDown', run: offer }])),
]
export function offer(view: EditorView): boolean {
  const { from, to } = view.state.selection.main
  if (!view.state.readOnly && typing(view.state.sliceDoc(0, from)) === null)
    view.dispatch({ changes: { from, to, insert: '{{' }, selection: { anchor: from + 2 }, userEvent: 'input.type' })
  view.focus()
  return startCompletion(view)
}
