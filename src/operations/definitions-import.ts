/** Takes in what another installation has exported: looked at first, every connection named by whoever imports, then all of it or nothing. */
import { z } from 'zod'
import type { Tx } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import { parseInput } from '../base/explain.ts'
import { type Bundle, bundle } from './definitions.ts'
import { checkBinding, mayConfigure } from './instances.ts'
import { type Ctx, operation, type Rooms } from './operation.ts'
import { json } from './shapes.ts'

const found = z.object({
  ref: z.string(),
  name: z.string(),
  provider: z.string(),
  service: z.string(),
  environment: z.string(),
  mapped_to: z.string().nullable(),
  candidates: z
    .array(z.object({ id: z.string(), name: z.string(), status: z.string() }))
    .describe('that would fit; none is taken unless map names it'),
  problem: z.string().nullable(),
})
const answer = z.object({
  applied: z.boolean(),
  ready: z.boolean().describe('it can be applied as it is'),
  connections: z.array(found),
  conflicts: z
    .array(z.object({ kind: z.enum(['instance', 'workflow', 'webhook']), name: z.string() }))
    .describe('names that are taken here'),
  problems: z.array(z.string()),
  makes: z.object({ instances: z.number(), workflows: z.number(), published: z.number(), webhooks: z.number() }),
  ids: z.record(z.string(), z.string()).describe('ref in the file → id here; empty before it is applied'),
})
type Answer = z.output<typeof answer>
type Asked = { bundle: Bundle; map: Record<string, string>; on_conflict: 'refuse' | 'add' }

/** Everything that can be said without writing. */
async function looked(rooms: Rooms, tx: Tx, { bundle: it, map, on_conflict }: Asked): Promise<Answer> {
  const problems: string[] = []
  const refs = new Set([...it.connections, ...it.instances, ...it.workflows].map((x) => x.ref))
  if (refs.size < it.connections.length + it.instances.length + it.workflows.length) problems.push('two things in the file have one ref')
  const known = new Set(it.connections.map((c) => c.ref))
  for (const named of Object.keys(map)) if (!known.has(named)) problems.push(`map names ${named}, which is no connection of the file`)
  for (const i of it.instances)
    if (!rooms.connections.connectors.has(i.server)) problems.push(`there is no server ${i.server} here, which ${i.name} is one of`)
  for (const i of it.instances)
    for (const p of i.profiles)
      if (p.connection !== null && !known.has(p.connection))
        problems.push(`the profile ${p.name} of ${i.name} needs a connection that the file does not name`)
  const flows = new Set(it.workflows.map((w) => w.ref))
  for (const w of it.webhooks) if (!flows.has(w.workflow)) problems.push(`the webhook ${w.name} starts a workflow that is not in the file`)

  const connections: Answer['connections'] = []
  for (const { ref, name, provider, service, environment } of it.connections) {
    const here = (await rooms.connections.list(tx, { limit: 200, provider, environment })).items
    const candidates = here.map(({ id, name: called, status }) => ({ id, name: called, status }))
    const mapped = map[ref] ?? null
    const problem =
      mapped === null
        ? candidates.length === 0
          ? `there is no connection of ${provider} for ${environment} here: connect one first`
          : `map must say which connection takes the place of ${name}`
        : candidates.some((c) => c.id === mapped)
          ? null
          : `${mapped} is no connection of ${provider} for ${environment} here`
    connections.push({ ref, name, provider, service, environment, mapped_to: problem === null ? mapped : null, candidates, problem })
  }

  const taken = async (list: Promise<{ name: string }[]>) => new Set((await list).map((x) => x.name))
  const instances = await taken(rooms.bindings.list(tx, { limit: 200 }).then((p) => p.items))
  const workflows = await taken(rooms.runs.workflows.list(tx, { limit: 200 }).then((p) => p.items))
  const webhooks = await taken(rooms.triggers.webhooks.list(tx, 200, undefined).then((p) => p.items))
  const conflicts = [
    ...it.instances.filter((x) => instances.has(x.name)).map((x) => ({ kind: 'instance' as const, name: x.name })),
    ...it.workflows.filter((x) => workflows.has(x.name)).map((x) => ({ kind: 'workflow' as const, name: x.name })),
    ...it.webhooks.filter((x) => webhooks.has(x.name)).map((x) => ({ kind: 'webhook' as const, name: x.name })),
  ]
  return {
    applied: false,
    ready: problems.length === 0 && connections.every((c) => c.problem === null) && (conflicts.length === 0 || on_conflict === 'add'),
    connections,
    conflicts,
    problems,
    makes: {
      instances: it.instances.length,
      workflows: it.workflows.length,
      published: it.workflows.filter((w) => w.published !== null).length,
      webhooks: it.webhooks.length,
    },
    ids: {},
  }
}

/** Ids of there become ids of here, wherever a graph names one. */
function renamed(value: unknown, ids: ReadonlyMap<string, string>): unknown {
  if (typeof value === 'string') return ids.get(value) ?? value
  if (Array.isArray(value)) return value.map((it) => renamed(it, ids))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, it]) => [key, renamed(it, ids)]))
}

async function taken(rooms: Rooms, ctx: Ctx, tx: Tx, { bundle: it, map }: Asked): Promise<Record<string, string>> {
  const { bindings, runs, triggers } = rooms
  const { scope, caller } = ctx
  const ids = new Map<string, string>()
  for (const { ref, server, name, profiles } of it.instances) {
    const connector = bindings.connectorOf(server)
    let instance: string | null = null
    for (const p of profiles) {
      mayConfigure(rooms, caller, server, p.config)
      const connection_id =
        p.connection === null ? null : (map[p.connection] ?? fail('REFUSED', `map does not say what ${p.connection} is here`))
      await checkBinding(rooms, tx, connector, connection_id, p.environment)
      if (instance === null) {
        const made = await bindings.create(tx, scope, { server, name, connection_id, config: p.config, environment: p.environment })
        instance = made.id
        const [first] = made.profiles
        await bindings.changeProfile(tx, instance, first?.id as string, {
          name: p.name,
          ...(p.source_spec ? { source_spec: p.source_spec } : {}),
        })
        continue
      }
      const { config, environment, name: called } = p
      const spec = p.source_spec ? { source_spec: p.source_spec } : {}
      const made = await bindings.addProfile(tx, scope, instance, { name: called, environment, connection_id, config, ...spec })
      if (p.active) await bindings.activate(tx, instance, made.id)
    }
    ids.set(ref, instance as string)
  }
  for (const w of it.workflows) {
    const draft = renamed(w.graph, ids)
    const published = w.published === null ? null : renamed(w.published, ids)
    const setup = w.run_setup === null ? {} : { run_setup: w.run_setup }
    const about = w.description === null ? {} : { description: w.description }
    const made = await (await runs.workflows.create(scope, { name: w.name, ...about, graph: published ?? draft, ...setup }))(tx)
    ids.set(w.ref, made.id)
    if (published === null) continue
    const input = { changelog: 'Imported.', environment: 'production', publishedBy: caller.actor }
    await (await runs.workflows.publish(scope, made.id, input, (work) => work(tx)))(tx).catch((error: unknown) => {
      if (!(error instanceof Fault)) throw error
      throw new Fault(error.code, `${w.name}: ${error.message}`, { ...(error.details ? { details: error.details } : {}) })
    })
    if (JSON.stringify(draft) !== JSON.stringify(published)) await (await runs.workflows.change(scope, made.id, { graph: draft }))(tx)
  }
  for (const w of it.webhooks) {
    const { subscription } = await triggers.webhooks.create(tx, scope, {
      workflow_id: ids.get(w.workflow) as string,
      name: w.name,
      scheme: w.scheme,
      extras: w.extras,
      automation_pat_id: null,
      provided_secret: undefined,
      createdBy: caller.actor,
    })
    if (!w.enabled) await triggers.webhooks.update(tx, subscription.id, { enabled: false })
  }
  return Object.fromEntries(ids)
}

export const importAll = operation({
  name: 'definitions.import',
  http: 'POST /v1/import',
  about:
    'Take in what another installation has exported. A dry run unless apply is true: it lists for each connection what would fit, and takes none that map does not name. Applied, it is all made or nothing. Secrets of imported webhooks are new: webhooks.rotate_secret shows one.',
  scope: 'workflow:write',
  also: ['connection:read', 'mcp:write', 'webhook:write'],
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'definitions.imported' },
  input: z.strictObject({
    bundle: json.describe('what definitions.export has given'),
    map: z.record(z.string().max(80), z.string().max(80)).default({}).describe('ref of a connection in the file → id of one here'),
    on_conflict: z.enum(['refuse', 'add']).default('refuse').describe('where a name is taken here: add makes another one of the same name'),
    apply: z.boolean().default(false),
  }),
  output: answer,
  run: async (rooms, ctx, { bundle: given, ...ask }) => {
    await rooms.runs.refuseSecrets(ctx.scope, given, 'bundle')
    const input = { ...ask, bundle: parseInput(bundle, given, Object.keys(bundle.shape)) }
    if (!input.apply)
      return ctx.act(
        (tx) => looked(rooms, tx, input),
        () => ({ details: { applied: false } }),
      )
    return ctx.act(
      async (tx) => {
        const before = await looked(rooms, tx, input)
        if (!before.ready)
          fail(
            'REFUSED',
            `not imported: ${[...before.problems, ...before.connections.flatMap((c) => c.problem ?? [])][0] ?? 'names are taken here'}`,
            {
              hint: 'Send it without apply for all that is missing; on_conflict: "add" takes names twice.',
              details: { ...before },
            },
          )
        return { ...before, applied: true, ids: await taken(rooms, ctx, tx, input) }
      },
      (it) => ({ details: { applied: true, ...it.makes } }),
    )
  },
})
