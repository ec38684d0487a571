/** The burn button: a credential that must not be used one more time. */
import { z } from 'zod'
import { BURNED } from '../connections/index.ts'
import { radiusOf } from './blast.ts'
import { operation } from './operation.ts'
import { id } from './shapes.ts'

export const burn = operation({
  name: 'connections.burn',
  http: 'POST /v1/connections/{id}/burn',
  about:
    'End a credential now, whatever depends on it: nothing sends it any more, runs that need it are stopped, it is revoked at its provider where that can be done from here, and destroyed. The connection stays, and lives again with a new credential.',
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'destroy',
  audit: { log: 'connection.burned' },
  input: z.strictObject({
    id: id('connection'),
    reason: z.string().trim().min(1).max(300).describe('why; it is on record, and in the runs that are stopped'),
  }),
  output: z.object({
    id: z.string(),
    burned: z.literal(true),
    secret_destroyed: z.literal(true),
    revoked_at_provider: z
      .enum(['revoked', 'failed', 'nothing', 'shared'])
      .nullable()
      .describe('null: the provider has no interface for it, revoke there yourself; shared: other connections live by the same consent'),
    runs_stopped: z.array(z.string()),
    workflows: z.array(z.string()).describe('that will not start until the connection has a new credential'),
  }),
  run: async (rooms, { caller, scope, act, read }, input) => {
    const { connections, runs } = rooms
    const row = await read((tx) => connections.row(tx, input.id))
    const stops: (() => Promise<void>)[] = []
    const failure = {
      code: 'RUN_STOPPED',
      message: `the connection ${row.name} was burned by ${caller.actor}: ${input.reason}`,
      step_id: null,
      reason: 'connection_burned',
      details: { connection_id: input.id },
    }
    // From this commit on nothing new goes out with it, in any process that has looked within the last second.
    const { touched, stopped } = await act(
      async (tx) => {
        await connections.burn.begin(tx, scope, input.id, { by: caller.actor, reason: input.reason })
        const it = await radiusOf(rooms, tx, [input.id], 'deleted', 'deleted')
        const needing = it.active_runs.filter((r) => r.steps.length > 0)
        for (const one of needing) {
          const change = await runs.command(one.run_id, one.workflow_id, 'stop', false, failure)
          await change.write(tx)
          stops.push(change.after)
        }
        return { touched: it, stopped: needing.map((r) => r.run_id) }
      },
      (it) => ({
        target: input.id,
        details: { reason: input.reason, runs_stopped: it.stopped.length, workflows: it.touched.workflows.length },
      }),
    )
    await connections.burn.begun(input.id)
    for (const stop of stops) await stop()
    // While we still have what it takes; whatever is answered, the secret is destroyed here.
    const { facts, config } = await read(async (tx) => ({
      facts: await connections.get(tx, input.id),
      config: (await rooms.bindings.usedBy(tx, input.id)).find((p) => p.is_active)?.config ?? {},
    }))
    const revoked = facts.oauth
      ? (await connections.oauth.revoke(scope, input.id, caller.actor, BURNED)).outcome
      : await connections.revocation.revoke(scope, row, row.credential_version, config as Record<string, unknown>, caller.actor)
    await connections.burn.end(scope, input.id)
    return {
      id: input.id,
      burned: true as const,
      secret_destroyed: true as const,
      revoked_at_provider: revoked === 'unsupported' ? null : revoked,
      runs_stopped: stopped,
      workflows: touched.workflows.map((w) => w.workflow_id),
    }
  },
})
