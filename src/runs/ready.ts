/** Whether a run could be carried out at all, as far as bindings and connections say so beforehand. */
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { REASONS, type Tools, wayBack } from '../tools/index.ts'
import type { Graph } from './graph.ts'
import type { RunOptions } from './rows.ts'

/** Steps whose connection cannot serve: BINDING_MISSING or CONNECTION_RECONNECT_REQUIRED, said before the run starts. */
export async function refuseUnready(tools: Tools, tx: Tx, graph: Graph, environment: string, options: RunOptions): Promise<void> {
  const steps = graph.steps.filter(
    (s) => s.enabled && !options.excluded_step_ids?.includes(s.id) && (options.trigger_steps?.includes(s.id) ?? true),
  )
  const ids = [...new Set(steps.map((s) => s.instance_id).filter((id) => id !== undefined))]
  const urls = [...new Set(steps.filter((s) => s.instance_id === undefined).map((s) => s.server_url as string))]
  const known = await tools.lookups(tx, ids, urls, environment)
  for (const step of steps) {
    const at = known.instances.get(step.instance_id ?? '') ?? known.byServerUrl.get(step.server_url ?? '')
    const where = { step_ids: [step.id], environment }
    if (!at) fail('BINDING_MISSING', `step ${step.id} names an instance that is not in this project`, { details: where })
    if (!at.hasProfile)
      fail('BINDING_MISSING', `the instance ${at.name} has no active profile for ${environment}`, {
        details: { ...where, instance_id: at.id },
      })
    if (!at.needsConnection) continue
    if (!at.connection)
      fail('BINDING_MISSING', `the instance ${at.name} has no connection for ${environment}`, {
        details: { ...where, instance_id: at.id },
      })
    const { id, name, status, status_reason } = at.connection
    const stepIds = steps.filter((s) => s.instance_id === at.id || s.server_url === at.serverUrl).map((s) => s.id)
    if (status === 'reconnect')
      fail('CONNECTION_RECONNECT_REQUIRED', `the connection ${name} must be connected again before this can run`, {
        hint: `${REASONS[status_reason ?? ''] ?? ''} ${wayBack(at.connection)}`.trim(),
        details: { connection_id: id, reason: status_reason, since: at.connection.status_since.toISOString(), step_ids: stepIds },
      })
    if (status === 'disabled')
      fail('BINDING_MISSING', `the connection ${name} is disabled`, { details: { connection_id: id, step_ids: stepIds } })
  }
}
