/** What is wrong with the draft: what can be said while typing, and what the server's dry run says. */
import type { Answer } from '../../api.ts'
import { type Key, t } from '../../words/index.ts'
import { type Graph, isObject, nameOf, partsOf, type Path, pathText, type Step } from './graph.ts'
import { judge, type Names, namesFor, type Past } from './scope.ts'
import { type Found, nearest, ROOTS, scan } from './templates.ts'

export type Severity = 'error' | 'warning'
/** New text for a place, or a step that has to come first. */
export type Fix = { from: number; to: number; insert: string } | { dependsOn: string }
export interface Mark {
  from: number
  to: number
  severity: Severity
  code: string
  message: string
  fix: Fix | null
}
export interface Issue {
  stepId: string | null
  /** In the step: `tool_args.sql`. Of the graph, where there is no step. */
  path: string
  severity: Severity
  code: string
  message: string
  grantUrl: string | null
  fix: Fix | null
}

/** Every mistake in the templates of one text. */
export function marksIn(text: string, names: Names): Mark[] {
  return scan(text).flatMap((found) => {
    const mark = found.mistake ? badlyWritten(found, found.mistake) : badlyMeant(found, names)
    return mark ? [mark] : []
  })
}

function badlyWritten(found: Found, mistake: NonNullable<Found['mistake']>): Mark {
  const near = mistake.what === 'root' && found.root ? nearest(found.root.name, ROOTS) : null
  const fix: Fix | null =
    mistake.what === 'unclosed' && found.root
      ? { from: found.to, to: found.to, insert: '}}' }
      : near && found.root
        ? { from: found.root.from, to: found.root.to, insert: near }
        : null
  const message = t(`template.${mistake.what}` as Key, { name: found.root?.name ?? '' })
  return { from: mistake.from, to: mistake.to, severity: 'error', code: 'template_syntax', message: withNear(message, near), fix }
}

const CODES = {
  unknownStep: 'template_unknown_step',
  unknownField: 'template_unknown_field',
  notSeen: 'template_field_not_seen',
  notUpstream: 'template_not_upstream',
  self: 'template_not_upstream',
  loopOnly: 'template_out_of_scope',
} as const

function badlyMeant(found: Found, names: Names): Mark | null {
  const verdict = judge(found, names)
  if (!verdict) return null
  const at = 'at' in verdict ? verdict.at : (found.root ?? found)
  const near = 'near' in verdict ? verdict.near : null
  const fix: Fix | null =
    verdict.what === 'notUpstream'
      ? { dependsOn: verdict.id }
      : near
        ? // What stands between the brackets or behind the dot is replaced, and the sign stays.
          { from: at.from, to: at.to, insert: `.${near}` }
        : null
  return {
    from: at.from,
    to: at.to,
    severity: verdict.what === 'notSeen' ? 'warning' : 'error',
    code: CODES[verdict.what],
    message: withNear(t(`template.${verdict.what}`, { name: verdict.name, of: verdict.of }), near),
    fix,
  }
}
const withNear = (message: string, near: string | null): string => (near ? `${message} ${t('template.near', { near })}` : message)

/** Every text in a value, with its path. */
function* texts(value: unknown, path: Path): Generator<{ text: string; path: Path }> {
  if (typeof value === 'string') yield { text: value, path }
  else if (Array.isArray(value)) for (const [i, inner] of value.entries()) yield* texts(inner, [...path, i])
  else if (isObject(value)) for (const [key, inner] of Object.entries(value)) yield* texts(inner, [...path, key])
}
/** The fields of a step in which templates are read. */
export const TEMPLATED = ['tool_args', 'condition']

export function issuesWhileTyping(graph: Graph, toolOf: Names['toolOf'], past: Past | undefined): Issue[] {
  return graph.steps.flatMap((step) => {
    const names = namesFor(graph, step, toolOf, past)
    return TEMPLATED.flatMap((field) =>
      [...texts(step[field], [field])].flatMap(({ text, path }) =>
        marksIn(text, names).map(({ severity, code, message, fix }) => ({
          stepId: step.id,
          path: pathText(path),
          severity,
          code,
          message,
          grantUrl: null,
          fix,
        })),
      ),
    )
  })
}

/** Said at once by `issuesWhileTyping`, so that the server's word for it comes too late. */
const SAID = new Set(['template_syntax', 'template_unknown_step', 'template_not_upstream', 'template_out_of_scope'])

const inStep = (path: string): string => pathText(partsOf(path).slice(2))
type Verdict = Answer<'workflows.validate'>
export const issuesOfServer = (verdict: Pick<Verdict, 'issues'> | undefined, graph: Graph): Issue[] =>
  (verdict?.issues ?? [])
    .filter((it) => !SAID.has(it.code) && (it.step_id === null || graph.steps.some((step) => step.id === it.step_id)))
    .map((it) => ({
      stepId: it.step_id,
      path: it.step_id === null ? it.path : inStep(it.path),
      severity: it.severity,
      code: it.code,
      message: it.message,
      grantUrl: it.grant_url ?? null,
      fix: null,
    }))

/** A refusal that names a place in the graph, as `graph.steps[1].tool_args.sql`. */
export function issueOfRefusal(code: string, message: string, path: string, graph: Graph): Issue {
  const parts = partsOf(path.replace(/^graph\.?/, ''))
  const step = parts[0] === 'steps' && typeof parts[1] === 'number' ? graph.steps[parts[1]] : undefined
  return {
    stepId: step?.id ?? null,
    path: step ? pathText(parts.slice(2)) : path,
    severity: 'error',
    code,
    message,
    grantUrl: null,
    fix: null,
  }
}

/** The graph with the text at a path changed. */
export function mended(graph: Graph, stepId: string, path: string, fix: Fix): Graph {
  return {
    ...graph,
    steps: graph.steps.map((step) => {
      if (step.id !== stepId) return step
      if ('dependsOn' in fix)
        return { ...step, depends_on: [...new Set([...((step.depends_on as string[] | undefined) ?? []), fix.dependsOn])] }
      return put(step, partsOf(path), (text) => text.slice(0, fix.from) + fix.insert + text.slice(fix.to)) as Step
    }),
  }
}
function put(value: unknown, [part, ...rest]: Path, edit: (text: string) => string): unknown {
  if (part === undefined) return typeof value === 'string' ? edit(value) : value
  if (Array.isArray(value)) return value.map((inner: unknown, i) => (i === part ? put(inner, rest, edit) : inner))
  return isObject(value) ? { ...value, [part]: put(value[part], rest, edit) } : value
}

export const placeText = (issue: Issue, graph: Graph): string => {
  const step = graph.steps.find((it) => it.id === issue.stepId)
  return [step ? nameOf(step) : null, issue.path].filter(Boolean).join(' › ')
}
