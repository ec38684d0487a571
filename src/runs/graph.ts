/** What a workflow graph may look like. Shape and structure only: what its names point to is the business of validate.ts. */
import { z } from 'zod'
import { Fault } from '../base/errors.ts'
import { didYouMean, FORBIDDEN_KEYS, jsonPath, shown } from './path.ts'
import { structureIssues } from './structure.ts'

/** More is a program, not a workflow; the editor and one decision stay fast up to here. */
export const MAX_STEPS = 200
/** The limit of our JSON bodies, so that what can be sent can be stored. */
export const MAX_GRAPH_BYTES = 1024 * 1024
/** Deeper JSON is a mistake or an attack on recursive code. */
export const MAX_DEPTH = 64
/** Object keys in all of the graph. */
export const MAX_KEYS = 10_000
/** A condition is one line that a person reads. */
export const MAX_CONDITION_CHARS = 2000
/** With exponential waits ten tries already span hours; more hides a fault. */
export const MAX_RETRIES = 10
/** Seconds. Work that takes longer than an hour is not one tool call. */
export const MAX_TIMEOUT_S = 3600
/** Seconds. The usual limit of the services that we call. */
export const DEFAULT_TIMEOUT_S = 60

export const STEP_ID = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/

export interface Issue {
  /** null: the graph as a whole. */
  step_id: string | null
  /** Stable, for programs: `unknown_field`, `cycle`, … */
  code: string
  /** `steps[2].tool_args.limit`, or '' for the whole graph. */
  path: string
  message: string
  severity: 'error' | 'warning'
  /** For `scope_missing`: what to ask for, and for which connection. */
  missing_scopes?: string[]
  connection_id?: string
}

interface StepBase {
  id: string
  name?: string
  /** No entry twice. */
  depends_on: string[]
  condition?: string
  enabled: boolean
  /** Tries after the first one. */
  retry_count: number
  timeout_s: number
}

export interface McpCallStep extends StepBase {
  type: 'mcp_call'
  /** At least one of the two is there. */
  instance_id?: string
  server_url?: string
  tool_name: string
  tool_args: Record<string, unknown>
}

export type Step = McpCallStep

/** Parsed: defaults filled in, ids unique, every dependency there, no cycle. */
export interface Graph {
  steps: Step[]
}

/** What may be saved while somebody is still working on it. */
export interface Draft {
  steps: ({ id: string } & Record<string, unknown>)[]
}

/** Words of the API whose steps this build does not run. */
const KNOWN_TYPES = new Set(['lua_script', 'human_task', 'llm_call', 'for_each', 'while'])

const stepId = z
  .string()
  .regex(STEP_ID, 'a step id is a letter, then up to 63 letters, digits, _ or -')
  .refine((id) => !FORBIDDEN_KEYS.has(id), 'this word may not be a step id')

const base = {
  id: stepId,
  name: z.string().max(200).optional(),
  depends_on: z
    .array(stepId)
    .max(MAX_STEPS)
    .default([])
    .transform((ids) => [...new Set(ids)]),
  condition: z
    .string()
    .max(MAX_CONDITION_CHARS)
    .optional()
    .transform((text) => (text?.trim() ? text : undefined)),
  enabled: z.boolean().default(true),
  retry_count: z.int().min(0).max(MAX_RETRIES).default(0),
  timeout_s: z.number().min(1).max(MAX_TIMEOUT_S).default(DEFAULT_TIMEOUT_S),
}

const SCHEMAS = new Map<unknown, z.ZodObject>([
  [
    'mcp_call',
    z.strictObject({
      ...base,
      type: z.literal('mcp_call'),
      instance_id: z.string().min(1).max(200).optional(),
      server_url: z.string().min(1).max(2048).optional(),
      tool_name: z.string().min(1).max(200),
      tool_args: z.record(z.string(), z.unknown()).default({}),
    }),
  ],
])

const error = (step_id: string | null, code: string, path: readonly PropertyKey[], message: string): Issue => ({
  step_id,
  code,
  path: jsonPath(path),
  message,
  severity: 'error',
})

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Size, depth, number of keys, forbidden keys: the first one that is broken. */
function limitIssue(raw: unknown): Issue | null {
  let keys = 0
  const path: PropertyKey[] = []
  const walk = (value: unknown): Issue | null => {
    if (typeof value !== 'object' || value === null) return null
    if (path.length >= MAX_DEPTH) return error(null, 'limit_exceeded', path, `The graph is nested deeper than ${MAX_DEPTH} levels.`)
    const list = Array.isArray(value)
    if (!list) keys += Object.keys(value).length
    if (keys > MAX_KEYS) return error(null, 'limit_exceeded', [], `The graph has more than ${MAX_KEYS} keys.`)
    for (const [key, inner] of list ? value.entries() : Object.entries(value)) {
      path.push(key)
      if (FORBIDDEN_KEYS.has(key as string)) return error(null, 'forbidden_key', path, `The key \`${String(key)}\` may not be used.`)
      const issue = walk(inner)
      if (issue) return issue
      path.pop()
    }
    return null
  }
  const broken = walk(raw)
  if (broken) return broken
  const bytes = Buffer.byteLength(JSON.stringify(raw))
  return bytes > MAX_GRAPH_BYTES ? error(null, 'limit_exceeded', [], `The graph is larger than ${MAX_GRAPH_BYTES} bytes.`) : null
}

function draftIssues(raw: unknown): Issue[] {
  if (!isObject(raw) || !Array.isArray(raw.steps)) return [error(null, 'invalid_field', [], 'A graph is an object with a list `steps`.')]
  const limit = limitIssue(raw)
  if (limit) return [limit]
  const steps: unknown[] = raw.steps
  if (steps.length > MAX_STEPS) return [error(null, 'limit_exceeded', ['steps'], `A graph has at most ${MAX_STEPS} steps.`)]
  const issues: Issue[] = []
  const seen = new Set<string>()
  for (const [i, step] of steps.entries()) {
    if (!isObject(step)) issues.push(error(null, 'invalid_field', ['steps', i], 'A step is an object.'))
    else if (typeof step.id !== 'string' || step.id === '') {
      issues.push(error(null, 'missing_field', ['steps', i, 'id'], 'A step needs an `id`.'))
    } else if (seen.has(step.id)) {
      const id = shown(step.id)
      issues.push(error(id, 'duplicate_step_id', ['steps', i, 'id'], `Two steps have the id \`${id}\`.`))
    } else seen.add(step.id)
  }
  return issues
}

function refuse(issues: Issue[]): never {
  const [first] = issues
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : ''
  throw new Fault('GRAPH_INVALID', `The graph is not valid: ${first?.path ? first.path + ': ' : ''}${first?.message}${more}`, {
    hint: 'The list `issues` names each place.',
    details: { issues },
  })
}

/**
 * For saving: an object with a list of steps, within the limits, whose ids are there and unique. Everything else may still be
 * missing or wrong, and `validate` tells. Fault: GRAPH_INVALID with `details.issues`.
 */
export function parseDraft(raw: unknown): Draft {
  const issues = draftIssues(raw)
  if (issues.length > 0) refuse(issues)
  return raw as Draft
}

/** Each step that can be read (null for the others, in the same places), and what is wrong with the rest. */
export function readSteps(draft: Draft): { steps: (Step | null)[]; issues: Issue[] } {
  const issues: Issue[] = []
  for (const key of Object.keys(draft)) {
    if (key !== 'steps') issues.push(error(null, 'unknown_field', [key], `A graph has no field \`${shown(key)}\`.`))
  }
  const steps = draft.steps.map((raw, i) => {
    const found = stepIssues(raw, i)
    if (Array.isArray(found)) issues.push(...found)
    return Array.isArray(found) ? null : found
  })
  return { steps, issues }
}

function stepIssues(raw: Draft['steps'][number], i: number): Step | Issue[] {
  const id = shown(raw.id)
  const type = raw.type
  const schema = SCHEMAS.get(type)
  if (!schema) {
    const at = ['steps', i, 'type']
    if (type === undefined) return [error(id, 'missing_field', at, 'A step needs a `type`.')]
    if (typeof type !== 'string') return [error(id, 'invalid_field', at, 'The `type` of a step is a word.')]
    if (KNOWN_TYPES.has(type)) return [error(id, 'unsupported_step_type', at, `Steps of type \`${type}\` are not supported yet.`)]
    const near = didYouMean(type, [...SCHEMAS.keys(), ...KNOWN_TYPES] as string[])
    return [error(id, 'unknown_step_type', at, `There is no step type \`${shown(type)}\`.${near}`)]
  }
  // Editors write null for a field that was emptied.
  const given = Object.fromEntries(Object.entries(raw).filter(([, value]) => value !== null))
  const parsed = schema.safeParse(given)
  const issues = parsed.success ? [] : parsed.error.issues.flatMap((issue) => fieldIssues(issue, given, id, i, Object.keys(schema.shape)))
  if (given.instance_id === undefined && given.server_url === undefined) {
    issues.push(error(id, 'missing_instance', ['steps', i], 'The step needs an `instance_id` or a `server_url`.'))
  }
  return parsed.success && issues.length === 0 ? (parsed.data as unknown as Step) : issues
}

function fieldIssues(issue: z.core.$ZodIssue, given: Record<string, unknown>, id: string, i: number, fields: string[]): Issue[] {
  const at = ['steps', i, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) =>
      error(id, 'unknown_field', [...at, key], `A step of this type has no field \`${shown(key)}\`.${didYouMean(key, fields)}`),
    )
  }
  const [field] = issue.path
  const missing = issue.path.length === 1 && given[field as string] === undefined
  if (missing) return [error(id, 'missing_field', at, `A step of this type needs \`${String(field)}\`.`)]
  return [error(id, 'invalid_field', at, `\`${jsonPath(issue.path)}\`: ${issue.message}.`)]
}

/** A graph that `decide` can run. Fault: GRAPH_INVALID with `details.issues`. */
export function parseGraph(raw: unknown): Graph {
  const { steps, issues } = readSteps(parseDraft(raw))
  const all = [...issues, ...structureIssues(steps)]
  if (all.length > 0) refuse(all)
  return { steps: steps.filter((step) => step !== null) }
}
