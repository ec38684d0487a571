/** The new credential, used for once: by a run of a workflow, or by one reading tool. */
import { z } from 'zod'
import { allow } from '../access/index.ts'
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { RotationTest } from '../connections/index.ts'
import { type Ctx, operation, type Rooms } from './operation.ts'
import { placesOf } from './rotation-checks.ts'
import { latest, noted, now, rotation, WRITE } from './rotation-shapes.ts'
import { environment, id, json } from './shapes.ts'

export const test = operation({
  name: 'rotations.test',
  http: 'POST /v1/connections/{id}/rotation/test-run',
  about: 'Use the new credential for once: a run of a workflow, or one reading tool. Nothing else uses it. Or say why there is no test.',
  ...WRITE,
  audit: { log: 'rotation.tested' },
  status: 202,
  input: z.strictObject({
    id: id('connection'),
    workflow_id: z.string().max(80).optional(),
    params: z.strictObject({ trigger_payload: json.optional(), environment: environment.removeDefault().optional() }).optional(),
    instance_id: z.string().max(80).optional(),
    tool: z.string().max(80).optional().describe('one that reads'),
    args: json.optional(),
    skip: z.string().trim().min(3).max(300).optional().describe('no test, and the reason why'),
  }),
  output: rotation,
  run: async (rooms, ctx, input) => {
    const { caller, scope } = ctx
    const kinds = [input.workflow_id, input.tool, input.skip].filter((it) => it !== undefined).length
    if (kinds !== 1)
      fail('INVALID_INPUT', 'name one: workflow_id, or instance_id and tool, or skip', { hint: 'skip says why there is no test.' })
    const row = await ctx.read((tx) => latest(rooms, tx, input.id))
    await ctx.read((tx) => rooms.connections.rotations.mustBeAble(tx, input.id, 'test'))
    const trial = { rotation_id: row.id, connection_id: input.id, version: row.new_version }
    const at = { at: new Date(ctx.now()).toISOString(), by: caller.actor }
    const write = async (it: RotationTest, start?: (tx: Tx) => Promise<unknown>) =>
      ctx.act(
        async (tx) => {
          await start?.(tx)
          return rooms.connections.rotations.tested(tx, scope, input.id, it)
        },
        (after) =>
          noted(after, { kind: it.kind, ...(it.run_id ? { run_id: it.run_id } : {}), ...(it.tool ? { tool: it.tool, ok: it.ok } : {}) }),
      )
    if (input.skip !== undefined) return now(rooms, ctx, await write({ kind: 'skipped', ...at, reason: input.skip }))
    const places = (await placesOf(rooms, ctx, input.id)).filter((p) => p.is_active)
    if (input.tool !== undefined)
      return now(rooms, ctx, await write(await tryTool(rooms, ctx, { ...input, tool: input.tool }, trial, places, at)))

    // The scope of what is done, besides that of the rotation.
    allow(caller, 'rotations.test', 'workflow:run', 'project_contributor')
    const workflowId = input.workflow_id as string
    const live = await ctx.read((tx) => rooms.connections.get(tx, input.id))
    const where = input.params?.environment ?? live.environment
    const named = await ctx.read((tx) =>
      rooms.runs.workflows.naming(
        tx,
        places.filter((p) => p.environment === where).map((p) => p.instance_id),
      ),
    )
    if (!named.some((w) => w.workflow_id === workflowId))
      fail('REFUSED', `no step of that workflow uses ${live.name} in ${where}, so its run would prove nothing`, {
        hint: 'GET /v1/connections/{id}/usage lists the workflows that do.',
      })
    const runId = newId('run', ctx.now())
    const change = await rooms.runs.start(scope, {
      workflow_id: workflowId,
      input: input.params?.trigger_payload ?? {},
      environment: where,
      trigger: 'rotation',
      startedBy: caller.actor,
      run_id: runId,
      options: { trial },
    })
    const after = await write({ kind: 'run', ...at, run_id: runId, workflow_id: workflowId }, change.write)
    await change.after()
    return now(rooms, ctx, after)
  },
})

async function tryTool(
  { tools }: Rooms,
  { caller, scope, signal, now: clock }: Ctx,
  input: { id: string; instance_id?: string | undefined; tool: string; args?: Record<string, unknown> | undefined },
  trial: { rotation_id: string; connection_id: string; version: number },
  places: Awaited<ReturnType<typeof placesOf>>,
  at: { at: string; by: string },
): Promise<RotationTest> {
  allow(caller, 'rotations.test', 'mcp:execute', 'project_contributor')
  const place =
    places.find((p) => p.instance_id === input.instance_id) ??
    fail('INVALID_INPUT', 'instance_id names no instance in which this connection serves', {
      hint: 'GET /v1/connections/{id}/usage lists them.',
    })
  const call = {
    scope,
    instanceId: place.instance_id,
    environment: place.environment,
    profileId: place.id,
    tool: input.tool,
    args: input.args ?? {},
  }
  if ((await tools.traits(call)).changes)
    fail('REFUSED', `${input.tool} changes things: a test reads`, { hint: 'Start a run of a workflow to try more than that.' })
  const began = clock()
  const outcome = await tools.attempt({ ...call, actor: caller.actor, key: newId('check', clock()), signal, trial })
  const facts = {
    kind: 'tool' as const,
    ...at,
    instance_id: place.instance_id,
    tool: input.tool,
    ok: outcome.ok,
    latency_ms: clock() - began,
  }
  return outcome.ok ? facts : { ...facts, code: outcome.fault.code, message: outcome.fault.message }
}
