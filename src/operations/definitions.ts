/** What was built in one project, taken to another installation: workflows, instances, webhooks. Connections go along by name and never with a credential. */
import { z } from 'zod'
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { MAX_LIMIT, type Page } from '../base/page.ts'
import { type Ctx, operation, type Rooms } from './operation.ts'
import { environment, json, name } from './shapes.ts'

const FORMAT = 'agentruntime definitions 1'
/** What one file may hold: an installation of a team, not the whole of a company. */
const MOST = 500

const ref = z.string().min(1).max(80)
export const bundle = z.strictObject({
  format: z.literal(FORMAT),
  exported_at: z.string().max(40),
  connections: z
    .array(
      z.strictObject({
        ref,
        name,
        provider: z.string().max(60),
        service: z.string().max(60),
        environment: environment.removeDefault(),
        granted_scopes: z.array(z.string().max(300)).max(500).nullable(),
      }),
    )
    .max(MOST)
    .describe('what is needed, by name: a credential is never in here'),
  instances: z
    .array(
      z.strictObject({
        ref,
        server: z.string().max(60),
        name,
        profiles: z
          .array(
            z.strictObject({
              name,
              environment: environment.removeDefault(),
              active: z.boolean(),
              connection: ref.nullable(),
              config: json,
              source_spec: json.nullable(),
            }),
          )
          .min(1)
          .max(50),
      }),
    )
    .max(MOST),
  workflows: z
    .array(
      z.strictObject({
        ref,
        name,
        description: z.string().max(5000).nullable(),
        graph: json.describe('the draft'),
        published: json.nullable().describe('the latest version; null: it was never published'),
        run_setup: json.nullable(),
      }),
    )
    .max(MOST),
  webhooks: z.array(z.strictObject({ name, workflow: ref, scheme: z.string().max(40), extras: json, enabled: z.boolean() })).max(MOST),
})
export type Bundle = z.output<typeof bundle>

/** All of a list, page after page. */
async function all<T>(page: (cursor: string | undefined) => Promise<Page<T>>): Promise<T[]> {
  const out: T[] = []
  for (let cursor: string | undefined; ; ) {
    const { items, next_cursor } = await page(cursor)
    out.push(...items)
    if (out.length > MOST) fail('TOO_LARGE', `this project has more than ${MOST} of one kind, which is more than one file takes`)
    if (next_cursor === null) return out
    cursor = next_cursor
  }
}

async function collect(rooms: Rooms, tx: Tx, now: number): Promise<Bundle> {
  const connections = await all((cursor) => rooms.connections.list(tx, { limit: MAX_LIMIT, cursor }))
  const instances = await all((cursor) => rooms.bindings.list(tx, { limit: MAX_LIMIT, cursor }))
  const workflows = await all((cursor) => rooms.runs.workflows.list(tx, { limit: MAX_LIMIT, cursor }))
  const webhooks = await all((cursor) => rooms.triggers.webhooks.list(tx, MAX_LIMIT, cursor))
  const wired = new Set(instances.flatMap((i) => i.profiles.map((p) => p.connection_id)))
  const kept = new Set(workflows.map((w) => w.id))
  return {
    format: FORMAT,
    exported_at: new Date(now).toISOString(),
    connections: connections
      .filter((c) => wired.has(c.id))
      .map(({ id, name: called, provider, service, environment: where, granted_scopes }) => ({
        ref: id,
        name: called,
        provider,
        service,
        environment: where,
        granted_scopes,
      })),
    instances: instances.map((i) => ({
      ref: i.id,
      server: i.server,
      name: i.name,
      profiles: i.profiles.map((p) => ({
        name: p.name,
        environment: p.environment,
        active: p.active,
        connection: p.connection_id,
        config: p.config,
        source_spec: p.source_spec,
      })),
    })),
    workflows: await Promise.all(
      workflows.map(async (w) => {
        const whole = await rooms.runs.workflows.get(tx, w.id)
        const [latest] = (await rooms.runs.workflows.versions(tx, w.id, 1, undefined)).items
        return {
          ref: w.id,
          name: w.name,
          description: whole.description,
          graph: whole.graph as Record<string, unknown>,
          published: (latest?.graph_snapshot as Record<string, unknown> | undefined) ?? null,
          run_setup: (whole.run_setup as Record<string, unknown> | null) ?? null,
        }
      }),
    ),
    webhooks: webhooks
      .filter((w) => kept.has(w.workflow_id))
      .map((w) => ({ name: w.name, workflow: w.workflow_id, scheme: w.signature.scheme, extras: w.extras, enabled: w.enabled })),
  }
}

export const exportAll = operation({
  name: 'definitions.export',
  http: 'GET /v1/export',
  about:
    'Everything that was built in this project, to be imported elsewhere: workflows, instances with their profiles, webhooks without secrets, and which connections they need. No credential and nothing made of one.',
  scope: 'workflow:read',
  also: ['connection:read', 'mcp:execute', 'webhook:write'],
  role: 'project_contributor',
  effect: 'read',
  audit: { log: 'definitions.exported' },
  input: z.strictObject({}),
  output: bundle,
  run: async (rooms: Rooms, { act, now }: Ctx) =>
    act(
      (tx) => collect(rooms, tx, now()),
      (it) => ({ details: { workflows: it.workflows.length, instances: it.instances.length, webhooks: it.webhooks.length } }),
    ),
})
