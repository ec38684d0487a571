/** What uses a connection, and so what stands in the way of deleting it. */
import { z } from 'zod'
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { operation, type Rooms } from './operation.ts'
import { id, json, run, time } from './shapes.ts'

const wiredProfile = z.object({
  instance_id: z.string(),
  instance_name: z.string(),
  server: z.string(),
  profile_id: z.string(),
  profile_name: z.string(),
  environment: z.string(),
  active: z.boolean(),
})
const namingWorkflow = z.object({
  workflow_id: z.string(),
  name: z.string(),
  published_version: z.number().nullable(),
  steps: z.array(z.string()),
})
const activeRun = z.object({ run_id: z.string(), workflow_id: z.string(), status: run.shape.status })

const wired = async ({ bindings }: Rooms, tx: Tx, connectionId: string) =>
  (await bindings.usedBy(tx, connectionId)).map((p) => ({
    instance_id: p.instance_id,
    instance_name: p.instance_name,
    server: p.server,
    profile_id: p.id,
    profile_name: p.name,
    environment: p.environment,
    active: p.is_active,
  }))

export const remove = operation({
  name: 'connections.delete',
  http: 'DELETE /v1/connections/{id}',
  about: 'Delete a connection and destroy its secret. Refused while a profile is wired to it.',
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'destroy',
  audit: { log: 'connection.deleted' },
  input: z.strictObject({ id: id('connection') }),
  output: z.object({
    id: z.string(),
    deleted: z.literal(true),
    secret_destroyed: z.literal(true),
    revoked_at_provider: z
      .enum(['revoked', 'failed', 'nothing', 'shared'])
      .nullable()
      .describe('null: the provider has no interface for it, revoke there yourself; shared: other connections live by the same consent'),
    shared_with: z.array(z.string()).optional(),
  }),
  run: async (rooms, { caller, act, read, scope }, input) => {
    const unwired = async (tx: Tx) => {
      const facts = await rooms.connections.get(tx, input.id)
      const profiles = await wired(rooms, tx, input.id)
      if (profiles.length > 0)
        fail('CONNECTION_IN_USE', `this connection is wired to ${profiles.length === 1 ? 'a profile' : `${profiles.length} profiles`}`, {
          hint: 'Bind another connection there first, or remove the instances.',
          details: { profiles },
        })
      return facts
    }
    const facts = await read(unwired)
    // At the provider first, while we still have what it takes; whatever it says, the secret is destroyed here.
    const { outcome, with: others } = facts.oauth
      ? await rooms.connections.oauth.revoke(scope, input.id, caller.actor)
      : { outcome: 'unsupported' as const, with: [] }
    await act(
      async (tx) => {
        await unwired(tx)
        await rooms.connections.remove(tx, input.id)
      },
      () => ({ target: input.id, details: { revoked_at_provider: outcome } }),
    )
    await rooms.connections.removed(input.id)
    return {
      id: input.id,
      deleted: true as const,
      secret_destroyed: true as const,
      revoked_at_provider: outcome === 'unsupported' ? null : outcome,
      ...(outcome === 'shared' ? { shared_with: others } : {}),
    }
  },
})

export const usage = operation({
  name: 'connections.usage',
  http: 'GET /v1/connections/{id}/usage',
  about: 'What uses this connection: instances, profiles, workflows and steps, active runs, last calls.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ id: id('connection') }),
  output: z.object({
    blocked: z.boolean().describe('whatever uses it does not work now: it must be connected again'),
    status: z.string(),
    status_text: z.string().nullable(),
    profiles: z.array(wiredProfile),
    workflows: z.array(namingWorkflow),
    active_runs: z.array(activeRun),
    last_used_at: time.nullable(),
    last_calls: z.array(json),
  }),
  run: (rooms, { read }, input) =>
    read(async (tx) => {
      const facts = await rooms.connections.get(tx, input.id)
      const profiles = await wired(rooms, tx, input.id)
      const workflows = await rooms.runs.workflows.naming(tx, [...new Set(profiles.map((p) => p.instance_id))])
      const active = await rooms.runs.activeRunsOf(
        tx,
        workflows.map((w) => w.workflow_id),
      )
      const calls = await rooms.tools.callsOfConnection(tx, input.id, 20)
      return {
        blocked: facts.status === 'reconnect' || facts.status === 'disabled',
        status: facts.status,
        status_text: facts.status_text,
        profiles,
        workflows,
        active_runs: active.map((r) => ({ run_id: r.id, workflow_id: r.workflow_id, status: r.status })),
        last_used_at: facts.last_used_at,
        last_calls: calls.map((c) => ({ ...c, at: c.at.toISOString() })),
      }
    }),
})

export const instanceUsage = operation({
  name: 'instances.usage',
  http: 'GET /v1/mcp/instances/{id}/usage',
  about: 'What names this instance: workflows and steps, and the runs of them that are under way.',
  scope: 'mcp:execute',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'no secret is involved' },
  input: z.strictObject({ id: id('instance') }),
  output: z.object({ workflows: z.array(namingWorkflow), active_runs: z.array(activeRun) }),
  run: ({ bindings, runs }, { read }, input) =>
    read(async (tx) => {
      await bindings.get(tx, input.id)
      const workflows = await runs.workflows.naming(tx, [input.id])
      const active = await runs.activeRunsOf(
        tx,
        workflows.map((w) => w.workflow_id),
      )
      return { workflows, active_runs: active.map((r) => ({ run_id: r.id, workflow_id: r.workflow_id, status: r.status })) }
    }),
})
