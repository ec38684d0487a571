import { z } from 'zod'
import { atLeast, type Caller } from '../access/index.ts'
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import type { InstanceFacts } from '../bindings/index.ts'
import type { Connector } from '../connectors/contract.ts'
import { radiusOfInstance } from './blast.ts'
import { operation, type Rooms } from './operation.ts'
import { cursor, done, environment, id, instance, json, limit, name, page, profile, wiredInstance } from './shapes.ts'

const config = json.optional().describe("settings of the connector; see the catalogue's config schema")

/** A connection must be there, be for this server, and live in the environment that it is bound for. */
export async function checkBinding(
  { connections }: Rooms,
  tx: Tx,
  connector: Connector,
  connectionId: string | null,
  environmentName: string,
): Promise<void> {
  if (connectionId === null) return
  const found = await connections.get(tx, connectionId)
  if (!connections.fits(connector, found))
    fail('REFUSED', `the connection ${found.name} is for ${found.provider}, and this server is ${connector.slug}`, {
      details: { connection_id: connectionId },
    })
  if (found.environment !== environmentName)
    fail('REFUSED', `the connection ${found.name} belongs to ${found.environment}, and this profile is for ${environmentName}`, {
      hint: 'Each environment has connections of its own.',
    })
}

async function withConnections({ connections }: Rooms, tx: Tx, items: readonly InstanceFacts[]) {
  const ids = items.flatMap((i) => i.profiles.map((p) => p.connection_id)).filter((it) => it !== null)
  const known = await connections.some(tx, [...new Set(ids)])
  const stateOf = (connectionId: string | null) => {
    const row = connectionId === null ? undefined : known.get(connectionId)
    return row ? { id: row.id, name: row.name, status: row.status } : null
  }
  return items.map((i) => ({ ...i, profiles: i.profiles.map((p) => ({ ...p, connection: stateOf(p.connection_id) })) }))
}

/** Where a credential goes, and whether a powerful one may be used, is for those who run the project to say. */
export function mayConfigure(rooms: Rooms, caller: Caller, server: string, settings: Record<string, unknown> | undefined): void {
  if (atLeast(caller.role, 'project_admin')) return
  const guarded: Record<string, string> = {
    [rooms.bindings.connectorOf(server).baseKey]: 'because the credential is sent there',
    accept_superuser: 'because the credential can do more than work with data',
  }
  for (const [setting, why] of Object.entries(guarded))
    if (settings?.[setting])
      fail('FORBIDDEN', `only a project admin may set config.${setting}, ${why}`, { details: { needed_role: 'project_admin' } })
}

export const list = operation({
  name: 'instances.list',
  http: 'GET /v1/mcp/instances',
  about: 'Installed servers of this project with their profiles.',
  scope: 'mcp:execute',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'no secret is involved' },
  input: z.strictObject({ limit, cursor, server: z.string().max(60).optional() }),
  output: page(wiredInstance),
  run: (rooms, { read }, input) =>
    read(async (tx) => {
      const { items, next_cursor } = await rooms.bindings.list(tx, input)
      return { items: await withConnections(rooms, tx, items), next_cursor }
    }),
})

export const create = operation({
  name: 'instances.create',
  http: 'POST /v1/mcp/instances',
  about: 'Install a server: an instance with an active profile "default" that binds the connection.',
  scope: 'mcp:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'instance.created' },
  status: 201,
  idempotent: true,
  input: z.strictObject({
    slug: z.string().max(60).optional().describe('a built-in server'),
    server_id: z.string().max(120).optional().describe('the same, as its canonical URL'),
    name: name.optional(),
    connection_id: z.string().max(80).nullable().optional(),
    config,
    environment,
  }),
  output: instance,
  run: async (rooms, { scope, act, caller }, input) => {
    const server =
      input.slug ??
      input.server_id ??
      fail('INVALID_INPUT', 'slug is missing: which server is it', { hint: 'GET /v1/mcp/platform-catalog lists them.' })
    const connector = rooms.bindings.connectorOf(server)
    mayConfigure(rooms, caller, server, input.config)
    await rooms.runs.refuseSecrets(scope, input.config, 'config')
    return act(
      async (tx) => {
        await checkBinding(rooms, tx, connector, input.connection_id ?? null, input.environment)
        return rooms.bindings.create(tx, scope, {
          server,
          name: input.name,
          connection_id: input.connection_id ?? null,
          config: input.config,
          environment: input.environment,
        })
      },
      (i) => ({ target: i.id, details: { server: i.server, connection_id: input.connection_id ?? null } }),
    )
  },
})

export const get = operation({
  name: 'instances.get',
  http: 'GET /v1/mcp/instances/{id}',
  about: 'One instance with its profiles.',
  scope: 'mcp:execute',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'no secret is involved' },
  input: z.strictObject({ id: id('instance') }),
  output: wiredInstance,
  run: (rooms, { read }, input) =>
    read(async (tx) => {
      const [shown] = await withConnections(rooms, tx, [await rooms.bindings.get(tx, input.id)])
      return shown as NonNullable<typeof shown>
    }),
})

export const update = operation({
  name: 'instances.update',
  http: 'PATCH /v1/mcp/instances/{id}',
  about: 'Rename an instance.',
  scope: 'mcp:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'instance.updated' },
  input: z.strictObject({ id: id('instance'), name }),
  output: instance,
  run: ({ bindings }, { act }, input) =>
    act(
      (tx) => bindings.rename(tx, input.id, input.name),
      () => ({ target: input.id }),
    ),
})

export const remove = operation({
  name: 'instances.delete',
  http: 'DELETE /v1/mcp/instances/{id}',
  about: 'Remove an instance and its profiles. Refused while a workflow names it.',
  scope: 'mcp:write',
  role: 'project_contributor',
  effect: 'destroy',
  audit: { log: 'instance.deleted' },
  input: z.strictObject({ id: id('instance') }),
  output: done,
  run: async (rooms, { act }, input) => {
    await act(
      async (tx) => {
        await rooms.bindings.get(tx, input.id)
        const { length } = await rooms.runs.workflows.naming(tx, [input.id])
        if (length > 0)
          fail('INSTANCE_IN_USE', `${length === 1 ? 'a workflow names' : `${length} workflows name`} this instance`, {
            hint: 'Change or archive them first.',
            details: await radiusOfInstance(rooms, tx, input.id, 'deleted', 'deleted'),
          })
        await rooms.bindings.remove(tx, input.id)
      },
      () => ({ target: input.id }),
    )
    return { ok: true as const }
  },
})

export const listProfiles = operation({
  name: 'profiles.list',
  http: 'GET /v1/mcp/instances/{id}/config-profiles',
  about: 'Config profiles of an instance; one is active in each environment.',
  scope: 'mcp:execute',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'no secret is involved' },
  input: z.strictObject({ id: id('instance') }),
  output: page(profile),
  run: ({ bindings }, { read }, input) => read(async (tx) => ({ items: await bindings.profiles(tx, input.id), next_cursor: null })),
})

export const createProfile = operation({
  name: 'profiles.create',
  http: 'POST /v1/mcp/instances/{id}/config-profiles',
  about: 'Add a profile: a named configuration with a connection. It serves once it is set active.',
  scope: 'mcp:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'profile.created' },
  status: 201,
  idempotent: true,
  input: z.strictObject({
    id: id('instance'),
    name,
    environment,
    connection_id: z.string().max(80).nullable().optional(),
    config,
    source_spec: json.optional(),
  }),
  output: profile,
  run: async (rooms, { scope, act, caller }, { id: instanceId, ...input }) => {
    await rooms.runs.refuseSecrets(scope, { config: input.config, source_spec: input.source_spec }, '')
    return act(
      async (tx) => {
        const { server } = await rooms.bindings.get(tx, instanceId)
        mayConfigure(rooms, caller, server, input.config)
        await checkBinding(rooms, tx, rooms.bindings.connectorOf(server), input.connection_id ?? null, input.environment)
        return rooms.bindings.addProfile(tx, scope, instanceId, { ...input, connection_id: input.connection_id ?? null })
      },
      (p) => ({ target: instanceId, details: { profile_id: p.id, connection_id: p.connection_id } }),
    )
  },
})

export const updateProfile = operation({
  name: 'profiles.update',
  http: 'PATCH /v1/mcp/instances/{id}/config-profiles/{profile_id}',
  about: 'Change a profile: its name, connection or config.',
  scope: 'mcp:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'profile.updated' },
  input: z.strictObject({
    id: id('instance'),
    profile_id: id('profile'),
    name: name.optional(),
    connection_id: z.string().max(80).nullable().optional(),
    config,
    source_spec: json.optional(),
  }),
  output: profile,
  run: async (rooms, { scope, act, caller }, { id: instanceId, profile_id, ...input }) => {
    await rooms.runs.refuseSecrets(scope, { config: input.config, source_spec: input.source_spec }, '')
    const out = await act(
      async (tx) => {
        const found = await rooms.bindings.get(tx, instanceId)
        mayConfigure(rooms, caller, found.server, input.config)
        const before = found.profiles.find((p) => p.id === profile_id)
        if (input.connection_id)
          await checkBinding(rooms, tx, rooms.bindings.connectorOf(found.server), input.connection_id, before?.environment ?? 'production')
        return rooms.bindings.changeProfile(tx, instanceId, profile_id, input)
      },
      (p) => ({ target: instanceId, details: { profile_id: p.id, connection_id: p.connection_id } }),
    )
    rooms.bindings.forget(instanceId)
    return out
  },
})

export const activateProfile = operation({
  name: 'profiles.set_active',
  http: 'POST /v1/mcp/instances/{id}/config-profiles/{profile_id}/set-active',
  about: 'Make this profile the one that serves in its environment.',
  scope: 'mcp:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'profile.activated' },
  input: z.strictObject({ id: id('instance'), profile_id: id('profile') }),
  output: profile,
  run: async ({ bindings }, { act }, input) => {
    const out = await act(
      (tx) => bindings.activate(tx, input.id, input.profile_id),
      (p) => ({ target: input.id, details: { profile_id: p.id, environment: p.environment } }),
    )
    bindings.forget(input.id)
    return out
  },
})
