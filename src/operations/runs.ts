import { z } from 'zod'
import { fail } from '../base/errors.ts'
import { operation } from './operation.ts'
import { cursor, environment, event, id, json, limit, page, run, runStatus, time } from './shapes.ts'

const stepIds = z.array(z.string().max(64)).max(200)

export const command = operation({
  name: 'runs.command',
  http: 'POST /v1/workflows/{id}/command',
  about: 'start (or execute) a run of the latest published version; pause, resume or stop one that is under way.',
  scope: 'workflow:run',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'run.commanded' },
  status: 202,
  idempotent: true,
  input: z.strictObject({
    id: id('workflow'),
    command: z.enum(['start', 'execute', 'pause', 'resume', 'stop']),
    params: z
      .looseObject({
        trigger_payload: json.optional().describe('becomes {{input.*}}'),
        trigger_steps: stepIds.optional().describe('run only these'),
        excluded_step_ids: stepIds.optional().describe('run all but these'),
        use_run_setup_defaults: z.boolean().optional(),
        environment: environment.removeDefault().optional(),
        run_id: z
          .string()
          .regex(/^[\w-]{1,64}$/, 'letters, digits, _ and -, at most 64')
          .optional()
          .describe('for start: an id of your own; for the rest: which run'),
        mode: z.enum(['immediate', 'graceful']).optional().describe('for stop: cancel what is in flight, or let it finish'),
        on_reconnect: z.literal('fail').optional().describe('steps whose connection dies in the middle fail at once'),
      })
      .default({})
      .describe('keys that are not listed here become part of the input'),
  }),
  output: z.object({ run_id: z.string(), status: runStatus, workflow_id: z.string(), started_at: time }),
  run: async ({ runs }, ctx, input) => {
    const {
      trigger_payload,
      trigger_steps,
      excluded_step_ids,
      use_run_setup_defaults,
      environment: env,
      run_id,
      mode,
      on_reconnect: _,
      ...more
    } = input.params
    if (input.command === 'start' || input.command === 'execute') {
      const defaults = use_run_setup_defaults
        ? (((await ctx.read((tx) => runs.workflows.get(tx, input.id))).run_setup as Record<string, unknown> | null) ?? {})
        : {}
      const started = await runs.start(ctx.scope, {
        workflow_id: input.id,
        input: { ...defaults, ...trigger_payload, ...more },
        environment: env ?? 'production',
        trigger: 'api',
        startedBy: ctx.caller.actor,
        run_id,
        options: { ...(trigger_steps ? { trigger_steps } : {}), ...(excluded_step_ids ? { excluded_step_ids } : {}) },
      })
      const out = await ctx.act(started.write, (r) => ({ target: r.run_id, details: { command: input.command, workflow_id: input.id } }))
      await started.after()
      return out
    }
    if (run_id === undefined) fail('INVALID_INPUT', `${input.command} needs params.run_id`)
    const commanded = await runs.command(run_id, input.id, input.command, mode === 'graceful')
    const out = await ctx.act(commanded.write, (r) => ({ target: r.run_id, details: { command: input.command } }))
    await commanded.after()
    return out
  },
})

const feed = {
  limit,
  cursor,
  status: runStatus.optional(),
  trigger: z.string().max(30).optional(),
  since: z.iso.datetime().optional(),
  until: z.iso.datetime().optional(),
}
const times = (input: { since?: string | undefined; until?: string | undefined }) => ({
  since: input.since ? new Date(input.since) : undefined,
  until: input.until ? new Date(input.until) : undefined,
})

export const list = operation({
  name: 'runs.list',
  http: 'GET /v1/runs',
  about: 'Runs of this project, newest first.',
  scope: 'workflow:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts about runs' },
  input: z.strictObject(feed),
  output: page(run),
  run: ({ runs }, { read }, input) => read((tx) => runs.list(tx, { ...input, ...times(input) })),
})

export const listOfWorkflow = operation({
  name: 'runs.list_of_workflow',
  http: 'GET /v1/workflows/{id}/runs',
  about: 'Runs of one workflow, newest first.',
  scope: 'workflow:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts about runs' },
  input: z.strictObject({ id: id('workflow'), ...feed }),
  output: page(run),
  run: ({ runs }, { read }, { id: workflowId, ...input }) => read((tx) => runs.list(tx, { ...input, ...times(input), workflowId })),
})

const summaryShape = run.extend({
  secret_in_input: z
    .array(z.object({ path: z.string(), looks_like: z.string().nullable(), removed: z.boolean() }))
    .describe('where its input came with a secret in it; one that is stored here was taken out'),
  steps: z.array(
    z.object({
      step_id: z.string(),
      name: z.string().nullable(),
      state: z.string(),
      attempt: z.number(),
      started_at: time.nullable(),
      finished_at: time.nullable(),
    }),
  ),
})

export const summary = operation({
  name: 'runs.summary',
  http: 'GET /v1/workflows/{id}/runs/{run_id}/summary',
  about: 'Where a run stands, with the state of each step.',
  scope: 'workflow:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts about runs' },
  input: z.strictObject({ id: id('workflow'), run_id: id('run') }),
  output: summaryShape,
  run: ({ runs }, { read }, input) => read((tx) => runs.summary(tx, input.run_id, input.id)),
})

export const events = operation({
  name: 'runs.events',
  http: 'GET /v1/workflows/{id}/runs/{run_id}/events',
  about: 'What happened in a run, in order.',
  scope: 'workflow:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'events hold no secret' },
  input: z.strictObject({
    id: id('workflow'),
    run_id: id('run'),
    limit,
    after: z.coerce.number().int().min(0).default(0).describe('seq of the last event that you have'),
    cursor: z
      .string()
      .regex(/^\d{1,12}$/)
      .optional(),
  }),
  output: page(event),
  run: ({ runs }, { read }, input) =>
    read((tx) => runs.events(tx, input.run_id, input.id, input.cursor ? Number(input.cursor) : input.after, input.limit)),
})

export const context = operation({
  name: 'runs.context',
  http: 'GET /v1/workflows/{id}/runs/{run_id}/context',
  about: 'Input of a run, and input and result of each of its steps.',
  scope: 'workflow:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'results hold no secret' },
  input: z.strictObject({ id: id('workflow'), run_id: id('run') }),
  output: z.object({ run_id: z.string(), input: z.unknown(), steps: z.record(z.string(), json) }),
  run: ({ runs }, { read }, input) => read((tx) => runs.context(tx, input.run_id, input.id)),
})

export const retry = operation({
  name: 'runs.retry',
  http: 'POST /v1/workflows/{id}/runs/{run_id}/retry',
  about: 'Go on with a failed or stopped run: finished steps are kept.',
  scope: 'workflow:run',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'run.retried' },
  status: 202,
  input: z.strictObject({ id: id('workflow'), run_id: id('run'), from_step_id: z.string().max(64).optional() }),
  output: run,
  run: async ({ runs }, { act }, input) => {
    const retried = await runs.retry(input.run_id, input.id, input.from_step_id)
    const out = await act(retried.write, () => ({ target: input.run_id }))
    await retried.after()
    return out
  },
})

export const resolveStep = operation({
  name: 'runs.resolve_step',
  http: 'POST /v1/workflows/{id}/runs/{run_id}/steps/{step_id}/resolve',
  about: 'Say how a call ended whose outcome the runtime does not know: done, retry or failed.',
  scope: 'workflow:run',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'run.step_resolved' },
  input: z.strictObject({
    id: id('workflow'),
    run_id: id('run'),
    step_id: z.string().max(64),
    outcome: z.enum(['done', 'retry', 'failed']),
    result: z.unknown().optional(),
  }),
  output: run,
  run: async ({ runs }, { act, read }, input) => {
    await read((tx) => runs.summary(tx, input.run_id, input.id))
    const resolved = await runs.resolveUnknown(input.run_id, input.step_id, { outcome: input.outcome, result: input.result })
    const out = await act(resolved.write, () => ({ target: input.run_id, details: { step_id: input.step_id, outcome: input.outcome } }))
    await resolved.after()
    return out
  },
})
