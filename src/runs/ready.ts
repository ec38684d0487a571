/** Whether a run could be carried out at all, as far as bindings and connections say so beforehand. */
import type { Tx } from '../base/db.ts'
import { Fault } from '../base/errors.ts'
import { REASONS, type Tools, wayBack } from '../tools/index.ts'
import type { Graph, Step } from './graph.ts'
import type { RunOptions } from './rows.ts'

export type Known = Awaited<ReturnType<Tools['lookups']>>
type At = Known extends { instances: ReadonlyMap<string, infer T> } ? T : never

export const atOf = (known: Known, step: Step): At | undefined =>
  known.instances.get(step.instance_id ?? '') ?? known.byServerUrl.get(step.server_url ?? '')

export const lookUp = (tools: Tools, tx: Tx, steps: readonly Step[], environment: string): Promise<Known> => {
  const ids = [...new Set(steps.map((s) => s.instance_id).filter((id) => id !== undefined))]
  const urls = [...new Set(steps.filter((s) => s.instance_id === undefined).map((s) => s.server_url as string))]
  return tools.lookups(tx, ids, urls, environment)
}

/** Why a step could not be carried out; null: nothing speaks against it. `stepIds`: all that share its instance. */
export function unready(step: Step, at: At | undefined, environment: string, stepIds: readonly string[]): Fault | null {
  const where = { step_ids: [step.id], environment }
  if (!at) return new Fault('BINDING_MISSING', `step ${step.id} names an instance that is not in this project`, { details: where })
  if (!at.hasProfile)
    return new Fault('BINDING_MISSING', `the instance ${at.name} has no active profile for ${environment}`, {
      details: { ...where, instance_id: at.id },
    })
  if (!at.needsConnection) return null
  if (!at.connection)
    return new Fault('BINDING_MISSING', `the instance ${at.name} has no connection for ${environment}`, {
      details: { ...where, instance_id: at.id },
    })
  const { id, name, status, status_reason } = at.connection
  if (status === 'reconnect')
    return new Fault('CONNECTION_RECONNECT_REQUIRED', `the connection ${name} must be connected again before this can run`, {
      hint: `${REASONS[status_reason ?? ''] ?? ''} ${wayBack(at.connection)}`.trim(),
      details: { connection_id: id, reason: status_reason, since: at.connection.status_since.toISOString(), step_ids: stepIds },
    })
  if (status === 'disabled')
    return new Fault('BINDING_MISSING', `the connection ${name} is disabled`, { details: { connection_id: id, step_ids: stepIds } })
  return null
}

/** Steps whose connection cannot serve: BINDING_MISSING or CONNECTION_RECONNECT_REQUIRED, said before the run starts. */
export async function refuseUnready(tools: Tools, tx: Tx, graph: Graph, environment: string, options: RunOptions): Promise<void> {
  const steps = graph.steps.filter(
    (s) => s.enabled && !options.excluded_step_ids?.includes(s.id) && (options.trigger_steps?.includes(s.id) ?? true),
  )
  const known = await lookUp(tools, tx, steps, environment)
  for (const step of steps) {
    const at = atOf(known, step)
    const together = steps.filter((s) => at && (s.instance_id === at.id || s.server_url === at.serverUrl)).map((s) => s.id)
    const fault = unready(step, at, environment, together)
    if (fault) throw fault
  }
}
