import { z } from 'zod'
import { grantLinks } from './grant-links.ts'
import { operation } from './operation.ts'
import { cursor, done, environment, id, issue, json, limit, name, page, runStatus, time, version, workflow } from './shapes.ts'

const graph = z.unknown().describe('{ steps: [ { id, type, instance_id, tool_name, tool_args, depends_on?, condition?, … } ] }')
const description = z.string().max(2000)

export const list = operation({
  name: 'workflows.list',
  http: 'GET /v1/workflows',
  about: 'Workflows of this project, newest first.',
  scope: 'workflow:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'graphs hold no secret' },
  input: z.strictObject({
    limit,
    cursor,
    q: z.string().max(200).optional(),
    archived: z.enum(['true', 'false']).default('false').describe('true: the archived ones instead'),
    problems_in: environment.removeDefault().optional().describe('an environment: says of each draft how much is wrong with it there'),
  }),
  output: page(
    workflow.extend({
      last_run: z.object({ run_id: z.string(), status: runStatus, created_at: time }).nullable(),
      problems: z.object({ errors: z.number(), warnings: z.number() }).nullable().describe('null unless problems_in is given'),
    }),
  ),
  run: ({ runs }, { read }, input) => read((tx) => runs.workflows.list(tx, { ...input, archived: input.archived === 'true' })),
})

export const create = operation({
  name: 'workflows.create',
  http: 'POST /v1/workflows',
  about: 'Create a workflow from a graph. It is a draft until it is published.',
  scope: 'workflow:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'workflow.created' },
  status: 201,
  idempotent: true,
  input: z.strictObject({ name, description: description.optional(), graph, run_setup: json.optional() }),
  output: workflow,
  run: async ({ runs }, { scope, act }, input) => act(await runs.workflows.create(scope, input), (w) => ({ target: w.id })),
})

export const get = operation({
  name: 'workflows.get',
  http: 'GET /v1/workflows/{id}',
  about: 'One workflow with its draft graph.',
  scope: 'workflow:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'graphs hold no secret' },
  input: z.strictObject({ id: id('workflow') }),
  output: workflow,
  run: ({ runs }, { read }, input) => read((tx) => runs.workflows.get(tx, input.id)),
})

export const update = operation({
  name: 'workflows.update',
  http: 'PATCH /v1/workflows/{id}',
  about: 'Change the draft, its name or its description.',
  scope: 'workflow:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'workflow.updated' },
  input: z.strictObject({
    id: id('workflow'),
    name: name.optional(),
    description: description.nullable().optional(),
    graph: graph.optional(),
    run_setup: json.optional(),
    if_updated_at: z.iso.datetime().optional().describe('updated_at of what you changed: refused if somebody changed it since'),
  }),
  output: workflow,
  run: async ({ runs }, { scope, act }, { id: workflowId, ...input }) =>
    act(await runs.workflows.change(scope, workflowId, input), (w) => ({
      target: w.id,
      details: { changed: Object.keys(input).filter((field) => field !== 'if_updated_at') },
    })),
})

export const archive = operation({
  name: 'workflows.archive',
  http: 'DELETE /v1/workflows/{id}',
  about: 'Archive a workflow: it starts no more runs, and those that were stay readable.',
  scope: 'workflow:write',
  role: 'project_contributor',
  effect: 'destroy',
  audit: { log: 'workflow.archived' },
  input: z.strictObject({ id: id('workflow') }),
  output: done,
  run: async ({ runs }, { act }, input) => {
    await act(
      (tx) => runs.workflows.archive(tx, input.id),
      () => ({ target: input.id }),
    )
    return { ok: true as const }
  },
})

export const restore = operation({
  name: 'workflows.restore',
  http: 'POST /v1/workflows/{id}/restore',
  about: 'Bring an archived workflow back, with its draft and its versions.',
  scope: 'workflow:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'workflow.restored' },
  input: z.strictObject({ id: id('workflow') }),
  output: workflow,
  run: ({ runs }, { act }, input) =>
    act(
      (tx) => runs.workflows.restore(tx, input.id),
      (w) => ({ target: w.id }),
    ),
})

export const validate = operation({
  name: 'workflows.validate',
  http: 'POST /v1/workflows/{id}/validate',
  about: 'Dry run: everything that can be said about the draft, or about the one that you send, without calling anything.',
  scope: 'workflow:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'changes nothing and calls nothing' },
  input: z.strictObject({ id: id('workflow'), environment, graph: graph.optional() }),
  output: z.object({ valid: z.boolean(), checks_performed: z.array(z.string()), issues: z.array(issue) }),
  run: async (rooms, { read, scope, caller }, input) => {
    const found = await read(await rooms.runs.workflows.validate(scope, input.id, input.environment, input.graph))
    const issues = found.issues.map(async (it) =>
      it.missing_scopes === undefined
        ? it
        : { ...it, grant_url: await grantLinks(rooms, scope, caller, it.connection_id ?? null)(it.missing_scopes) },
    )
    return { ...found, issues: await Promise.all(issues) }
  },
})

export const versions = operation({
  name: 'versions.list',
  http: 'GET /v1/workflows/{id}/versions',
  about: 'Published versions, newest first.',
  scope: 'workflow:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'graphs hold no secret' },
  input: z.strictObject({ id: id('workflow'), limit, cursor }),
  output: page(version),
  run: ({ runs }, { read }, input) => read((tx) => runs.workflows.versions(tx, input.id, input.limit, input.cursor)),
})

export const publish = operation({
  name: 'versions.publish',
  http: 'POST /v1/workflows/{id}/versions',
  about: 'Publish the draft as an immutable version. Runs execute the latest one.',
  scope: 'workflow:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'workflow.published' },
  status: 201,
  idempotent: true,
  input: z.strictObject({ id: id('workflow'), changelog: z.string().max(5000).optional(), environment }),
  output: version,
  run: async ({ runs }, { scope, act, caller, read }, input) =>
    act(
      await runs.workflows.publish(
        scope,
        input.id,
        { changelog: input.changelog, environment: input.environment, publishedBy: caller.actor },
        read,
      ),
      (v) => ({
        target: input.id,
        details: { version: v.version },
      }),
    ),
})
