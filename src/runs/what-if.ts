/**
 * What depends on connections and instances, and what would become of it. What is foreseen is judged by the very functions that judge a run
 * when it starts and a tool when it is called: only the state that they look at is another one.
 */
import type { Tx } from '../base/db.ts'
import { missingScopes, type Tools } from '../tools/index.ts'
import { type Graph, parseGraph, type Step } from './graph.ts'
import { atOf, type Known, lookUp, unready } from './ready.ts'
import { rows, type RunStatus } from './rows.ts'
import { workflowRows } from './workflow-rows.ts'

/** A state that is not so, or not yet. */
export type Supposed = 'revoked' | 'deleted' | { without: readonly string[] }

export interface Target {
  connectionIds: readonly string[]
  instanceIds: readonly string[]
  /** Portable names of the instances' servers: a graph may name those instead. */
  serverUrls: readonly string[]
  /** In which the target serves. */
  environments: readonly string[]
}
export interface StepFate {
  step_id: string
  environment: string
  /** null: nothing is supposed, or it goes on working. */
  code: string | null
  message: string | null
}
export interface WorkflowFate {
  workflow_id: string
  name: string
  /** null: it cannot be started as it is. */
  published_version: number | null
  steps: string[]
  fates: StepFate[]
}
export interface RunFate {
  run_id: string
  workflow_id: string
  status: RunStatus
  environment: string
  /** Those that have not ended yet. */
  steps: StepFate[]
}

/** Runs that are looked at one by one; of more, only that there are more is said. */
const MOST_RUNS = 100
const OVER = new Set(['completed', 'failed', 'skipped', 'cancelled'])
type At = NonNullable<ReturnType<typeof atOf>>

function suppose(at: At, target: Target, supposed: Supposed): At | undefined {
  if (supposed === 'deleted' && target.instanceIds.includes(at.id) && target.connectionIds.length === 0) return undefined
  const { connection } = at
  if (!connection || !target.connectionIds.includes(connection.id)) return at
  if (supposed === 'deleted') return { ...at, connection: null }
  // What an API refuses tomorrow is known of today only when a call has met it: what is foreseen is every start after that.
  if (supposed === 'revoked') return { ...at, connection: { ...connection, status: 'reconnect', status_reason: 'user_revoked' } }
  const granted = connection.granted_scopes?.filter((s) => !supposed.without.includes(s)) ?? null
  return { ...at, connection: { ...connection, granted_scopes: granted } }
}

const isHit = (at: At | undefined, target: Target): at is At =>
  at !== undefined &&
  (target.connectionIds.length > 0
    ? at.connection !== null && target.connectionIds.includes(at.connection.id)
    : target.instanceIds.includes(at.id))

/** Steps of a graph that depend on the target in one environment, and what would become of each. */
function fatesOf(steps: readonly Step[], known: Known, environment: string, target: Target, supposed: Supposed | null): StepFate[] {
  const hit = steps.filter((s) => s.enabled && isHit(atOf(known, s), target))
  return hit.map((step) => {
    const at = atOf(known, step) as At
    const together = hit.filter((s) => atOf(known, s) === at).map((s) => s.id)
    const then = supposed === null ? at : suppose(at, target, supposed)
    const fault = supposed === null ? null : unready(step, then, environment, together)
    if (fault) return { step_id: step.id, environment, code: fault.code, message: fault.message }
    const tool = supposed === null ? undefined : at.connector.tools[step.tool_name]
    const missing = tool ? missingScopes(tool, then?.connection?.granted_scopes ?? null) : []
    if (missing.length === 0) return { step_id: step.id, environment, code: null, message: null }
    return { step_id: step.id, environment, code: 'SCOPE_MISSING', message: `${step.tool_name} needs ${missing.join(', ')}` }
  })
}

const readable = (graph: unknown): Graph | null => {
  try {
    return parseGraph(graph as never)
  } catch {
    return null
  }
}

export function createWhatIf(deps: { tools: Tools; graphOf: (tx: Tx, workflowId: string, version: number) => Promise<Graph> }) {
  const { tools } = deps

  return async function whatIf(
    tx: Tx,
    target: Target,
    supposed: Supposed | null,
  ): Promise<{ workflows: WorkflowFate[]; runs: RunFate[]; more_runs: boolean }> {
    const names = [...target.instanceIds, ...target.serverUrls]
    const found = names.length === 0 ? [] : await workflowRows.naming(tx, names)
    const workflows: WorkflowFate[] = []
    for (const w of found) {
      const published = readable(w.published)
      const draft = readable(w.graph)
      const fates: StepFate[] = []
      const inDraft: StepFate[] = []
      for (const environment of target.environments) {
        const fate = async (graph: Graph | null) =>
          graph ? fatesOf(graph.steps, await lookUp(tools, tx, graph.steps, environment), environment, target, supposed) : []
        fates.push(...(await fate(published)))
        inDraft.push(...(await fate(draft)))
      }
      const named = [...(published?.steps ?? []), ...(draft?.steps ?? [])].filter((s) => target.instanceIds.includes(s.instance_id ?? ''))
      const steps = [...new Set([...fates, ...inDraft].map((f) => f.step_id).concat(named.map((s) => s.id)))]
      if (steps.length > 0) workflows.push({ workflow_id: w.id, name: w.name, published_version: w.version, steps, fates })
    }
    const ids = workflows.map((w) => w.workflow_id)
    const active = ids.length === 0 ? [] : await rows.activeRunsOf(tx, ids, MOST_RUNS + 1)
    const runs: RunFate[] = []
    for (const run of active.slice(0, MOST_RUNS)) {
      const graph = await deps.graphOf(tx, run.workflow_id, run.version).catch(() => null)
      if (!graph) continue
      const over = new Set((await rows.steps(tx, run.id)).filter((s) => OVER.has(s.state)).map((s) => s.step_id))
      const left = graph.steps.filter((s) => !over.has(s.id))
      const steps = fatesOf(left, await lookUp(tools, tx, left, run.environment), run.environment, target, supposed)
      runs.push({ run_id: run.id, workflow_id: run.workflow_id, status: run.status, environment: run.environment, steps })
    }
    return { workflows, runs, more_runs: active.length > MOST_RUNS }
  }
}
