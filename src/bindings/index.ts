/** Which instance uses which connection: instances, their config profiles, and the one that is active per environment. */
import type { Db, Scope, Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { parseInput } from '../base/explain.ts'
import { newId } from '../base/ids.ts'
import { type Page, pageOf, readCursor } from '../base/page.ts'
import type { Connector } from '../connectors/contract.ts'
import { type InstanceRow, type ProfileRow, rows } from './rows.ts'
import { canonicalUrl, type InstanceFacts, type ProfileFacts, SERVER_URL, showInstance, showProfile } from './show.ts'

export { missingScopes } from '../connectors/contract.ts'
export { canonicalUrl, type InstanceFacts, type ProfileFacts }

export const DEFAULT_ENVIRONMENT = 'production'
/** A binding changed in another process is seen within a second. */
const BELIEVE_MS = 1_000
const BELIEVE_MAX = 5_000

/** What one call needs to know. */
export interface Binding {
  instanceId: string
  connector: Connector
  profileId: string
  connectionId: string | null
  /** Of the profile: a connection of another one is never used. */
  environment: string
  config: Record<string, unknown>
}

export function createBindings(deps: { db: Db; connectors: ReadonlyMap<string, Connector>; now: () => number }) {
  const { db, now } = deps
  const believed = new Map<string, { binding: Binding; scope: Scope; until: number }>()
  const forget = (instanceId: string) => {
    for (const key of believed.keys()) if (key.startsWith(`${instanceId}/`)) believed.delete(key)
  }

  const connectorOf = (server: string): Connector => {
    const slug = server.startsWith(SERVER_URL) ? server.slice(SERVER_URL.length) : server
    return (
      deps.connectors.get(slug) ??
      fail('INVALID_INPUT', `there is no server ${slug.slice(0, 60)}`, { hint: `Known: ${[...deps.connectors.keys()].join(', ')}.` })
    )
  }
  const mustInstance = async (tx: Tx, id: string): Promise<InstanceRow> =>
    (await rows.instance(tx, id)) ?? fail('NOT_FOUND', `there is no instance ${id}`)
  const mustProfile = async (tx: Tx, instanceId: string, id: string): Promise<ProfileRow> =>
    (await rows.profile(tx, instanceId, id)) ?? fail('NOT_FOUND', `there is no profile ${id} of this instance`)

  /** A graph may name a server instead of an instance: the oldest instance of it that has a profile here. */
  async function portable(tx: Tx, name: string, environment: string): Promise<string> {
    if (!name.startsWith(SERVER_URL)) return name
    const found = await rows.byServer(tx, name.slice(SERVER_URL.length))
    const profiles =
      found.length === 0
        ? []
        : await rows.profiles(
            tx,
            found.map((i) => i.id),
          )
    const ready = found.find((i) => profiles.some((p) => p.instance_id === i.id && p.environment === environment && p.is_active))
    return (ready ?? found[0])?.id ?? fail('BINDING_MISSING', `no instance of ${name} is installed in this project`)
  }

  const checkConfig = (connector: Connector, config: unknown): Record<string, unknown> =>
    parseInput(connector.config, config ?? {}, Object.keys(connector.config.shape)) as Record<string, unknown>

  function bindingOf(
    row: Pick<ProfileRow, 'connection_id'> &
      Pick<InstanceRow, 'server'> & { instance_id: string; instance_name: string; profile_id: string; config: unknown },
    environment: string,
  ): Binding {
    const connector = connectorOf(row.server)
    if (connector.auth.kind !== 'none' && !row.connection_id)
      fail('BINDING_MISSING', `the instance ${row.instance_name} has no connection bound for ${environment}`, {
        details: { instance_id: row.instance_id, environment },
      })
    const config = connector.config.parse(row.config) as Record<string, unknown>
    return { instanceId: row.instance_id, connector, profileId: row.profile_id, connectionId: row.connection_id, environment, config }
  }

  const shown = async (tx: Tx, row: InstanceRow): Promise<InstanceFacts> => showInstance(row, await rows.profiles(tx, [row.id]))

  return {
    connectorOf,
    mark: rows.mark,

    /** Creates the instance with an active profile `default` for production. The connection has been looked up by the caller. */
    async create(
      tx: Tx,
      scope: Scope,
      input: { server: string; name?: string | undefined; connection_id: string | null; config?: unknown; environment: string },
    ): Promise<InstanceFacts> {
      const connector = connectorOf(input.server)
      const config = checkConfig(connector, input.config)
      const row = await rows.insertInstance(tx, {
        id: newId('inst', now()),
        workspace_id: scope.workspace,
        project_id: scope.project,
        server: connector.slug,
        name: input.name ?? connector.title,
      })
      await rows.insertProfile(tx, {
        id: newId('prof', now()),
        workspace_id: scope.workspace,
        project_id: scope.project,
        instance_id: row!.id,
        name: 'default',
        environment: input.environment,
        connection_id: input.connection_id,
        config,
        source_spec: null,
        is_active: true,
      })
      return shown(tx, row!)
    },

    async get(tx: Tx, id: string): Promise<InstanceFacts> {
      return shown(tx, await mustInstance(tx, id))
    },

    async list(tx: Tx, f: { limit: number; cursor?: string | undefined; server?: string | undefined }): Promise<Page<InstanceFacts>> {
      const found = await rows.instances(tx, { limit: f.limit + 1, before: readCursor(f.cursor), server: f.server })
      const profiles =
        found.length === 0
          ? []
          : await rows.profiles(
              tx,
              found.map((i) => i.id),
            )
      return pageOf(
        found,
        f.limit,
        (r) => r.id,
        (r) =>
          showInstance(
            r,
            profiles.filter((p) => p.instance_id === r.id),
          ),
      )
    },

    async rename(tx: Tx, id: string, name: string): Promise<InstanceFacts> {
      await mustInstance(tx, id)
      return shown(tx, (await rows.rename(tx, id, name, new Date(now())))!)
    },

    async remove(tx: Tx, id: string): Promise<void> {
      await mustInstance(tx, id)
      await rows.removeInstance(tx, id)
      forget(id)
    },

    async profiles(tx: Tx, instanceId: string): Promise<ProfileFacts[]> {
      return (await shown(tx, await mustInstance(tx, instanceId))).profiles
    },

    async addProfile(
      tx: Tx,
      scope: Scope,
      instanceId: string,
      input: {
        name: string
        environment: string
        connection_id: string | null
        config?: unknown
        source_spec?: Record<string, unknown> | undefined
      },
    ): Promise<ProfileFacts> {
      const instance = await mustInstance(tx, instanceId)
      const siblings = await rows.profiles(tx, [instanceId])
      if (siblings.some((p) => p.name === input.name)) fail('CONFLICT', `this instance has a profile ${input.name} already`)
      const row = await rows.insertProfile(tx, {
        id: newId('prof', now()),
        workspace_id: scope.workspace,
        project_id: scope.project,
        instance_id: instanceId,
        name: input.name,
        environment: input.environment,
        connection_id: input.connection_id,
        config: checkConfig(connectorOf(instance.server), input.config),
        source_spec: input.source_spec ?? null,
        is_active: false,
      })
      return showProfile(row!)
    },

    async changeProfile(
      tx: Tx,
      instanceId: string,
      id: string,
      input: {
        name?: string | undefined
        connection_id?: string | null | undefined
        config?: unknown
        source_spec?: Record<string, unknown> | undefined
      },
    ): Promise<ProfileFacts> {
      const instance = await mustInstance(tx, instanceId)
      await mustProfile(tx, instanceId, id)
      const row = await rows.updateProfile(tx, id, {
        ...(input.name === undefined ? {} : { name: input.name }),
        ...(input.connection_id === undefined ? {} : { connection_id: input.connection_id }),
        ...(input.config === undefined ? {} : { config: checkConfig(connectorOf(instance.server), input.config) }),
        ...(input.source_spec === undefined ? {} : { source_spec: input.source_spec }),
        updated_at: new Date(now()),
      })
      forget(instanceId)
      return showProfile(row!)
    },

    async activate(tx: Tx, instanceId: string, id: string): Promise<ProfileFacts> {
      await mustInstance(tx, instanceId)
      const profile = await mustProfile(tx, instanceId, id)
      await rows.deactivate(tx, instanceId, profile.environment)
      const row = await rows.updateProfile(tx, id, { is_active: true, updated_at: new Date(now()) })
      forget(instanceId)
      return showProfile(row!)
    },

    forget,

    /** The hot path: what one call of this instance uses in this environment. */
    async resolve(scope: Scope, instanceId: string, environment: string): Promise<Binding> {
      const key = `${instanceId}/${environment}`
      const known = believed.get(key)
      if (known && known.until > now() && known.scope.workspace === scope.workspace && known.scope.project === scope.project)
        return known.binding
      const row = await db.tx(scope, async (tx) => rows.active(tx, await portable(tx, instanceId, environment), environment))
      if (!row) fail('NOT_FOUND', `there is no instance ${instanceId}`)
      if (!row.profile_id)
        fail('BINDING_MISSING', `the instance ${row.instance_name} has no active profile for ${environment}`, {
          hint: 'Set one active.',
          details: { instance_id: instanceId, environment },
        })
      const binding = bindingOf({ ...row, profile_id: row.profile_id }, environment)
      if (believed.size >= BELIEVE_MAX) believed.delete(believed.keys().next().value as string)
      believed.set(key, { binding, scope, until: now() + BELIEVE_MS })
      return binding
    },

    /** The same of a profile that need not be active: it can be tried before it serves. */
    async ofProfile(scope: Scope, instanceId: string, profileId: string): Promise<Binding> {
      const [instance, profile] = await db.tx(scope, (tx) =>
        Promise.all([mustInstance(tx, instanceId), mustProfile(tx, instanceId, profileId)]),
      )
      const row = { ...instance, ...profile, instance_id: instance.id, instance_name: instance.name, profile_id: profile.id }
      return bindingOf(row, profile.environment)
    },

    /** Which instances use which of these connections. */
    wiresOf: (tx: Tx, connectionIds: readonly string[]) =>
      connectionIds.length === 0 ? Promise.resolve([]) : rows.wiresOf(tx, connectionIds),

    /** Which profiles are wired to a connection. */
    usedBy: (tx: Tx, connectionId: string) => rows.profilesOfConnection(tx, connectionId),

    /** Instances by id and by the portable server name, with the profile that is active in an environment. */
    async forGraph(tx: Tx, ids: readonly string[], servers: readonly string[], environment: string) {
      const [found, profiles]: [InstanceRow[], ProfileRow[]] =
        ids.length > 0 ? await Promise.all([rows.someInstances(tx, ids), rows.profiles(tx, ids)]) : [[], []]
      const slugs = servers.filter((url) => url.startsWith(SERVER_URL)).map((url) => url.slice(SERVER_URL.length))
      const portable = (await Promise.all(slugs.map((slug) => rows.byServer(tx, slug)))).flat()
      found.push(...portable)
      if (portable.length > 0)
        profiles.push(
          ...(await rows.profiles(
            tx,
            portable.map((i) => i.id),
          )),
        )
      return found.map((i) => {
        const active = profiles.find((p) => p.instance_id === i.id && p.environment === environment && p.is_active)
        return {
          id: i.id,
          name: i.name,
          serverUrl: canonicalUrl(i.server),
          connector: connectorOf(i.server),
          hasProfile: active !== undefined,
          connectionId: active?.connection_id ?? null,
        }
      })
    },
  }
}
export type Bindings = ReturnType<typeof createBindings>
