/** What depends on a connection, an instance or an OAuth app: what there is, and what would become of it. */
import { z } from 'zod'
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { canonicalUrl } from '../bindings/index.ts'
import type { Supposed, Target } from '../runs/index.ts'
import type { Rooms } from './operation.ts'
import { run, time } from './shapes.ts'

export const wiredProfile = z.object({
  connection_id: z.string(),
  instance_id: z.string(),
  instance_name: z.string(),
  server: z.string(),
  profile_id: z.string(),
  profile_name: z.string(),
  environment: z.string(),
  active: z.boolean(),
})
const fate = z.object({
  step_id: z.string(),
  environment: z.string(),
  code: z.string().nullable().describe('what it would fail with; null: it goes on working, or nothing is supposed'),
  message: z.string().nullable(),
})
const workflow = z.object({
  workflow_id: z.string(),
  name: z.string(),
  published_version: z.number().nullable().describe('null: it cannot be started as it is'),
  steps: z.array(z.string()).describe('of the draft or the latest version'),
  fates: z.array(fate).describe('of the latest version, for each environment in which the target serves'),
})
const webhook = z.object({
  webhook_id: z.string(),
  name: z.string(),
  workflow_id: z.string(),
  enabled: z.boolean(),
  fails: z.boolean().describe('its next delivery would start no run, or one that fails'),
  last_delivery_at: time.nullable(),
})
const activeRun = z.object({
  run_id: z.string(),
  workflow_id: z.string(),
  status: run.shape.status,
  environment: z.string(),
  fails: z.boolean(),
  steps: z.array(fate).describe('those that have not ended yet'),
})
const next = z.object({
  kind: z.enum(['run', 'webhook']),
  id: z.string(),
  workflow_id: z.string(),
  when: z.enum(['now', 'next delivery']),
})
export const radius = z.object({
  profiles: z.array(wiredProfile),
  workflows: z.array(workflow),
  webhooks: z.array(webhook),
  active_runs: z.array(activeRun),
  more_runs: z.boolean().describe('there are more runs under way than are listed'),
  if: z.string().nullable().describe('what is supposed'),
  next_failure: next.nullable().describe('the first thing that would fail; null: nothing that is known of'),
})
export type Radius = z.output<typeof radius>

export const IF = 'revoked, deleted, or scopes:-<scope>, with more scopes behind commas'
/** `if` of a request. `granted`: null where the vendor does not tell. */
export function readIf(text: string | undefined, granted: readonly string[] | null): Supposed | null {
  if (text === undefined) return null
  if (text === 'revoked' || text === 'deleted') return text
  const without = /^scopes:(-[^,]+(?:,-[^,]+)*)$/
    .exec(text)?.[1]
    ?.split(',')
    .map((s) => s.slice(1))
  if (!without) return fail('INVALID_INPUT', `if=${text.slice(0, 60)} is nothing that can be supposed`, { hint: `Known: ${IF}.` })
  if (granted === null) return fail('INVALID_INPUT', 'the vendor does not tell which scopes this connection has, so none can be taken away')
  const unknown = without.find((s) => !granted.includes(s))
  if (unknown !== undefined)
    return fail('INVALID_INPUT', `this connection was not granted ${unknown.slice(0, 100)}`, {
      hint: `It has ${granted.join(', ') || 'none'}.`,
    })
  return { without }
}

/** The profiles that bind one of these connections. */
export const wiresOf = async ({ bindings }: Rooms, tx: Tx, connectionIds: readonly string[]): Promise<Radius['profiles']> =>
  (await Promise.all(connectionIds.map(async (id) => (await bindings.usedBy(tx, id)).map((p) => ({ ...p, connection_id: id })))))
    .flat()
    .map((p) => ({
      connection_id: p.connection_id,
      instance_id: p.instance_id,
      instance_name: p.instance_name,
      server: p.server,
      profile_id: p.id,
      profile_name: p.name,
      environment: p.environment,
      active: p.is_active,
    }))

/** Of connections, by the profiles that bind them. */
export async function radiusOf(
  rooms: Rooms,
  tx: Tx,
  connectionIds: readonly string[],
  text: string | undefined,
  supposed: Supposed | null,
): Promise<Radius> {
  const profiles = await wiresOf(rooms, tx, connectionIds)
  const serving = profiles.filter((p) => p.active)
  return composed(rooms, tx, profiles, text, supposed, {
    connectionIds,
    instanceIds: [...new Set(profiles.map((p) => p.instance_id))],
    serverUrls: [...new Set(serving.map((p) => canonicalUrl(p.server)))],
    environments: [...new Set(serving.map((p) => p.environment))],
  })
}

/** Of one instance, whatever it is bound to. */
export async function radiusOfInstance(
  rooms: Rooms,
  tx: Tx,
  id: string,
  text: string | undefined,
  supposed: Supposed | null,
): Promise<Radius> {
  const instance = await rooms.bindings.get(tx, id)
  const profiles = instance.profiles.map((p) => ({
    connection_id: p.connection_id ?? '',
    instance_id: id,
    instance_name: instance.name,
    server: instance.server,
    profile_id: p.id,
    profile_name: p.name,
    environment: p.environment,
    active: p.active,
  }))
  const environments = [...new Set(profiles.filter((p) => p.active).map((p) => p.environment))]
  const target = { connectionIds: [], instanceIds: [id], serverUrls: [canonicalUrl(instance.server)], environments }
  return composed(rooms, tx, profiles, text, supposed, target)
}

async function composed(
  rooms: Rooms,
  tx: Tx,
  profiles: Radius['profiles'],
  text: string | undefined,
  supposed: Supposed | null,
  target: Target,
): Promise<Radius> {
  const { workflows, runs, more_runs } = await rooms.runs.whatIf(tx, target, supposed)
  const webhooks = await rooms.triggers.webhooks.ofWorkflows(
    tx,
    workflows.map((w) => w.workflow_id),
  )
  // A delivery starts its run in production.
  const broken = new Set(
    workflows.filter((w) => w.fates.some((f) => f.code !== null && f.environment === 'production')).map((w) => w.workflow_id),
  )
  const shownRuns = runs.map((r) => ({ ...r, fails: r.steps.some((s) => s.code !== null) }))
  const shownHooks = webhooks.map((w) => ({
    webhook_id: w.id,
    name: w.name,
    workflow_id: w.workflow_id,
    enabled: w.enabled,
    fails: w.enabled && broken.has(w.workflow_id),
    last_delivery_at: w.last_delivery?.at ?? null,
  }))
  const run = shownRuns.find((r) => r.fails)
  const hook = shownHooks.find((w) => w.fails)
  const next_failure = run
    ? { kind: 'run' as const, id: run.run_id, workflow_id: run.workflow_id, when: 'now' as const }
    : hook
      ? { kind: 'webhook' as const, id: hook.webhook_id, workflow_id: hook.workflow_id, when: 'next delivery' as const }
      : null
  return { profiles, workflows, webhooks: shownHooks, active_runs: shownRuns, more_runs, if: text ?? null, next_failure }
}
