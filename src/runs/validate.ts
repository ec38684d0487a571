/** Everything that can be said about a graph before it runs. Reads nothing: the caller brings what the graph's names stand for. */
import type { z } from 'zod'
import { argumentIssues } from './arguments.ts'
import { parseCondition } from './condition.ts'
import { type Draft, type Graph, type Issue, readSteps, type Step } from './graph.ts'
import { missingScopes } from '../tools/index.ts'
import { didYouMean, jsonPath, shown } from './path.ts'
import { structureIssues, upstream } from './structure.ts'
import { findTemplates, type Reference, TemplateSyntax } from './template.ts'

export interface ToolFacts {
  input: z.ZodType
  /** All are needed; of a list among them any one. */
  scopes: readonly (string | readonly string[])[]
}

/** An installed server with the profile that is active in the environment in question. */
export interface InstanceFacts {
  id: string
  connector: { slug: string; tools: Readonly<Record<string, ToolFacts>> }
  hasProfile: boolean
  needsConnection: boolean
  /** `granted_scopes: null`: the vendor does not tell, so nothing can be missing. */
  connection: { id: string; status: string; granted_scopes: readonly string[] | null } | null
}

export interface Lookups {
  instances: ReadonlyMap<string, InstanceFacts>
  byServerUrl: ReadonlyMap<string, InstanceFacts>
}

export interface Validation {
  /** No issue of severity `error`. */
  valid: boolean
  checks_performed: string[]
  issues: Issue[]
}

export const CHECKS = [
  'schema',
  'dependencies',
  'cycles',
  'templates',
  'conditions',
  'instances',
  'connections',
  'tools',
  'arguments',
  'scopes',
] as const

/** One page of an editor; whoever has more fixes these first. */
const MAX_ISSUES = 200

/** What a step talks to. `instance_id` comes first; `server_url` finds the instance of a project that the graph was brought into. */
export const instanceOf = (step: Step, lookups: Lookups): InstanceFacts | null =>
  (step.instance_id === undefined ? undefined : lookups.instances.get(step.instance_id)) ??
  (step.server_url === undefined ? undefined : lookups.byServerUrl.get(step.server_url)) ??
  null

/** The instances that `validate` will look for. */
export function instancesNamed(draft: Draft | Graph): { ids: string[]; server_urls: string[] } {
  const steps = draft.steps as Draft['steps']
  const texts = (field: string) => [...new Set(steps.map((step) => step[field]).filter((value) => typeof value === 'string'))]
  return { ids: texts('instance_id'), server_urls: texts('server_url') }
}

type Report = (code: string, at: readonly PropertyKey[], message: string, severity?: Issue['severity']) => void

/** Takes a draft (what `parseDraft` gives) or a parsed graph. Never throws for what is wrong in them. */
export function validate(draft: Draft | Graph, lookups: Lookups): Validation {
  const { steps, issues } = readSteps(draft as Draft)
  if (steps.length === 0) {
    issues.push({ step_id: null, code: 'empty_graph', path: 'steps', message: 'The graph has no steps.', severity: 'error' })
  }
  const ids = new Set(draft.steps.map((step) => step.id))
  issues.push(...structureIssues(steps, ids))
  const readable = steps.filter((step) => step !== null)
  const names: Names = { ids, byId: new Map(readable.map((step) => [step.id, step])), before: upstream(readable) }
  for (const [i, step] of steps.entries()) {
    if (!step) continue
    const report: Report = (code, at, message, severity = 'error') =>
      issues.push({ step_id: step.id, code, path: jsonPath(['steps', i, ...at]), message, severity })
    templateIssues(step, names, report)
    const instance = instanceIssues(step, lookups, report)
    if (instance) toolIssues(step, instance, report, (found) => issues.push(...found), i)
  }
  const order = (issue: Issue): number => Number(/^steps\[(\d+)\]/.exec(issue.path)?.[1] ?? -1)
  issues.sort((a, b) => order(a) - order(b))
  const valid = !issues.some((issue) => issue.severity === 'error')
  return { valid, checks_performed: [...CHECKS], issues: issues.slice(0, MAX_ISSUES) }
}

interface Names {
  ids: ReadonlySet<string>
  byId: ReadonlyMap<string, Step>
  before: ReadonlyMap<string, ReadonlySet<string>>
}

function templateIssues(step: Step, names: Names, report: Report): void {
  const syntax = (code: string, at: readonly PropertyKey[], problem: TemplateSyntax): void => report(code, at, problem.message)
  for (const found of findTemplates(step.tool_args, ['tool_args'])) {
    if ('problem' in found) syntax('template_syntax', found.at, found.problem)
    else referenceIssue(step, found.reference, false, names, found.at, report)
  }
  if (step.condition === undefined) return
  try {
    for (const reference of parseCondition(step.condition).references) {
      referenceIssue(step, reference, reference.guarded, names, ['condition'], report)
    }
  } catch (problem) {
    if (!(problem instanceof TemplateSyntax)) throw problem
    syntax('condition_syntax', ['condition'], problem)
  }
}

function referenceIssue(
  step: Step,
  { root, stepId, path }: Reference,
  guarded: boolean,
  names: Names,
  at: readonly PropertyKey[],
  report: Report,
): void {
  const template = `{{${shown(path)}}}`
  const known = shown(stepId ?? '')
  if (root === 'input') return
  if (stepId === undefined || root !== 'steps') report('template_out_of_scope', at, `${template} has a value only inside of a loop.`)
  else if (!names.ids.has(stepId)) {
    report('template_unknown_step', at, `${template}: there is no step \`${known}\`.${didYouMean(stepId, names.ids)}`)
  } else if (stepId === step.id) report('template_not_upstream', at, `${template}: a step cannot use its own result.`)
  else if (!names.before.get(step.id)?.has(stepId)) {
    report('template_not_upstream', at, `${template}: add \`${known}\` to depends_on, so that it comes before \`${step.id}\`.`)
  } else if (names.byId.get(stepId)?.enabled === false && !guarded) {
    report('disabled_step_referenced', at, `${template}: the step \`${known}\` is disabled and has no result.`, 'warning')
  }
}

const CONNECTION_PROBLEMS = new Map([
  ['reconnect', ['connection_reconnect', 'must be connected again before the run starts']],
  ['disabled', ['connection_disabled', 'is disabled']],
  ['misconfigured', ['connection_misconfigured', 'is refused because of how this server is set up: ask its operator']],
] as const)

function instanceIssues(step: Step, lookups: Lookups, report: Report): InstanceFacts | null {
  const instance = instanceOf(step, lookups)
  if (!instance) {
    const given = step.instance_id !== undefined ? 'instance_id' : 'server_url'
    const name = shown(step.instance_id ?? step.server_url ?? '')
    report('missing_instance', [given], `This project has no instance \`${name}\`.`)
    return null
  }
  const at = [lookups.instances.get(step.instance_id ?? '') === instance ? 'instance_id' : 'server_url']
  const { connection } = instance
  if (!instance.hasProfile) report('no_active_profile', at, `The instance \`${instance.id}\` has no active config profile.`)
  else if (instance.needsConnection && !connection) {
    report('connection_missing', at, `The active profile of \`${instance.id}\` is bound to no connection.`)
  } else if (connection) {
    const [code, why] = CONNECTION_PROBLEMS.get(connection.status as 'reconnect') ?? []
    if (code) report(code, at, `The connection \`${connection.id}\` ${why}.`)
  }
  return instance
}

function toolIssues(step: Step, instance: InstanceFacts, report: Report, add: (issues: Issue[]) => void, index: number): void {
  const { slug, tools } = instance.connector
  if (!Object.hasOwn(tools, step.tool_name)) {
    const near = didYouMean(step.tool_name, Object.keys(tools))
    report('unknown_tool', ['tool_name'], `\`${slug}\` has no tool \`${shown(step.tool_name)}\`.${near}`)
    return
  }
  const tool = tools[step.tool_name]!
  add(argumentIssues(step, index, tool.input))
  const granted = instance.connection?.granted_scopes
  if (!granted) return
  const missing = missingScopes(tool, granted)
  if (missing.length === 0) return
  const connection_id = instance.connection!.id
  const message = `\`${step.tool_name}\` needs ${missing.join(', ')}, not granted to \`${connection_id}\`.`
  const path = jsonPath(['steps', index, 'tool_name'])
  add([{ step_id: step.id, code: 'scope_missing', path, message, severity: 'error', missing_scopes: missing, connection_id }])
}
