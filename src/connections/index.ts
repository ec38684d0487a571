/** What is connected: facts, and a reference into the vault. The secret itself is never here. */
import type { Db, Scope, Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { createLastUse } from '../base/last-use.ts'
import { type Page, pageOf, readCursor } from '../base/page.ts'
import type { Connector, Field } from '../connectors/contract.ts'
import type { FieldFacts, Lending, Secret } from '../vault/index.ts'
import { type LendRequest, type Lent, lendDatabase, lendHttp, lendLocal, mustServe, reach } from './lend.ts'
import { type ConnectionRow, type ListFilter, rows, STATUSES, type Status } from './rows.ts'
import { type ConnectionFacts, REASONS, show } from './show.ts'
import { createValidation, type Validation, waitFor } from './validate.ts'

export { type ConnectionFacts, type LendRequest, type Lent, REASONS, reach, STATUSES, type Status, type Validation, waitFor }

/** How long a connection's row is believed by the hot path: a change elsewhere is seen within a second. */
const BELIEVE_MS = 1_000
const BELIEVE_MAX = 5_000

export function createConnections(deps: { db: Db; vault: Lending; connectors: ReadonlyMap<string, Connector>; now: () => number }) {
  const { db, vault, now } = deps
  const believed = new Map<string, { row: ConnectionRow; until: number }>()
  const lastUse = createLastUse({
    now,
    write: (batch) => db.everyTenant('last use of connections, coalesced', (tx) => rows.touch(tx, batch)),
  })

  const connectorOf = (slug: string): Connector =>
    deps.connectors.get(slug) ??
    fail('INVALID_INPUT', `there is no provider ${slug.slice(0, 60)}`, {
      hint: `Known: ${[...deps.connectors.keys()].join(', ')}.`,
      details: { known: [...deps.connectors.keys()] },
    })

  const must = async (tx: Tx, id: string, lock = false): Promise<ConnectionRow> =>
    (await (lock ? rows.lock(tx, id) : rows.get(tx, id))) ?? fail('NOT_FOUND', `there is no connection ${id}`)

  function forget(id: string) {
    believed.delete(id)
  }
  async function current(scope: Scope, id: string): Promise<ConnectionRow> {
    const known = believed.get(id)
    if (known && known.until > now() && known.row.workspace_id === scope.workspace && known.row.project_id === scope.project)
      return known.row
    const row = await db.tx(scope, (tx) => must(tx, id))
    if (believed.size >= BELIEVE_MAX) believed.delete(believed.keys().next().value as string)
    believed.set(id, { row, until: now() + BELIEVE_MS })
    return row
  }

  function fieldsOf(connector: Connector, service: string): readonly Field[] {
    const { auth } = connector
    if (auth.kind === 'none') fail('INVALID_INPUT', `${connector.title} needs no connection: bind an instance without one`)
    if (auth.kind === 'dsn') return auth.fields
    return (
      auth.services[service]?.fields ??
      fail('INVALID_INPUT', `${connector.title} has no service ${service.slice(0, 60)}`, {
        hint: `Known: ${Object.keys(auth.services).join(', ')}.`,
      })
    )
  }
  const defaultService = (connector: Connector): string =>
    connector.auth.kind === 'api_key' ? (Object.keys(connector.auth.services)[0] as string) : connector.auth.kind

  const event = (tx: Tx, scope: Scope, connection_id: string, event_type: string, data: Record<string, unknown> = {}) =>
    rows.event(tx, scope, { id: newId('cevt', now()), connection_id, event_type, at: new Date(now()), data })

  const shown = async (tx: Tx, row: ConnectionRow): Promise<ConnectionFacts> =>
    show(
      row,
      (await vault.facts(tx, row.id, row.credential_version)).map((f) => f.field),
    )

  /** Checks and seals. Connection strings are also read for their public facts, and their hosts pass the egress guard. */
  async function prepare(connector: Connector, service: string, given: Readonly<Record<string, Secret>>, partial: boolean) {
    const taken = vault.intake(connector.title, fieldsOf(connector, service), given, partial)
    const wire = connector.auth.kind === 'dsn' ? connector.auth.wire : null
    const facts = wire && Object.keys(taken.secret).length > 0 ? await vault.inspect(wire, taken.secret) : {}
    return { secret: taken.secret, public: { ...taken.public, ...facts }, wire }
  }

  async function lend(scope: Scope, request: LendRequest): Promise<Lent & { grantedScopes: string[] | null }> {
    const { connector, config, signal } = request
    if (request.connectionId === null) return { ...lendLocal(vault, scope, connector, config, signal), grantedScopes: null }
    const row = await current(scope, request.connectionId)
    if (row.provider !== connector.slug)
      fail('BINDING_MISSING', `the connection ${row.name} is for ${row.provider}, not for ${connector.slug}`, {
        details: { connection_id: row.id },
      })
    const version = request.version ?? row.credential_version
    if (request.version === undefined) mustServe(row)
    lastUse.touch(row.id)
    // A version that was replaced a moment ago, perhaps by another process, is gone: the call goes on with the one that is there.
    const latest = async () => {
      forget(row.id)
      return request.version ?? (await current(scope, row.id)).credential_version
    }
    const lent = (connector.auth.kind === 'dsn' ? lendDatabase : lendHttp)({ vault, row, connector, config, signal, version, latest })
    return { ...lent, grantedScopes: row.granted_scopes }
  }

  return {
    connectors: deps.connectors,
    lend,

    async create(
      scope: Scope,
      input: {
        display_name: string
        provider: string
        service?: string | undefined
        environment: string
        credentials: Readonly<Record<string, Secret>>
      },
    ): Promise<(tx: Tx) => Promise<ConnectionFacts>> {
      const connector = connectorOf(input.provider)
      const service = input.service ?? defaultService(connector)
      const prepared = await prepare(connector, service, input.credentials, false)
      return async (tx) => {
        const id = newId('conn', now())
        const row = await rows.insert(tx, {
          id,
          workspace_id: scope.workspace,
          project_id: scope.project,
          name: input.display_name,
          provider: connector.slug,
          service,
          environment: input.environment,
          status: 'unverified',
          public: prepared.public,
          credential_version: 1,
        })
        await vault.put(tx, { workspace: scope.workspace, project: scope.project, owner: id, version: 1 }, prepared.secret, {
          wire: prepared.wire,
        })
        await event(tx, scope, id, 'created', { provider: connector.slug, credential_version: 1 })
        return show(row!, Object.keys(prepared.secret))
      }
    },

    async get(tx: Tx, id: string): Promise<ConnectionFacts> {
      return shown(tx, await must(tx, id))
    },

    async list(tx: Tx, filter: Omit<ListFilter, 'before'> & { cursor?: string | undefined }): Promise<Page<ConnectionFacts>> {
      const found = await rows.list(tx, { ...filter, limit: filter.limit + 1, before: readCursor(filter.cursor) })
      const keys = await vault.fieldNames(
        tx,
        found.map((r) => ({ owner: r.id, version: r.credential_version })),
      )
      return pageOf(
        found,
        filter.limit,
        (r) => r.id,
        (r) => show(r, keys.get(r.id) ?? []),
      )
    },

    /** Rename, move to another environment, switch off and on, or replace the credential (a new version). */
    async change(
      scope: Scope,
      id: string,
      input: {
        display_name?: string | undefined
        environment?: string | undefined
        disabled?: boolean | undefined
        credentials?: Readonly<Record<string, Secret>> | undefined
      },
    ): Promise<{ write: (tx: Tx) => Promise<ConnectionFacts>; after: () => Promise<void> }> {
      const before = await db.tx(scope, (tx) => must(tx, id))
      const prepared = input.credentials ? await prepare(connectorOf(before.provider), before.service, input.credentials, true) : null
      const replaces = prepared !== null && (Object.keys(prepared.secret).length > 0 || Object.keys(prepared.public).length > 0)
      return {
        write: async (tx) => {
          const row = await must(tx, id, true)
          const version = replaces ? row.credential_version + 1 : row.credential_version
          const ref = { workspace: scope.workspace, project: scope.project, owner: id, version }
          if (prepared && replaces) await vault.put(tx, ref, prepared.secret, { wire: prepared.wire, keepFrom: row.credential_version })
          const next = await rows.update(tx, id, {
            ...(input.display_name === undefined ? {} : { name: input.display_name }),
            ...(input.environment === undefined ? {} : { environment: input.environment }),
            ...(input.disabled === true ? { status: 'disabled', status_reason: 'disabled_by_user', status_since: new Date(now()) } : {}),
            ...(input.disabled === false && row.status === 'disabled'
              ? { status: 'unverified', status_reason: null, status_since: new Date(now()) }
              : {}),
            ...(replaces && prepared
              ? {
                  credential_version: version,
                  public: { ...row.public, ...prepared.public },
                  status: 'unverified',
                  status_reason: null,
                  status_since: new Date(now()),
                  warnings: [],
                }
              : {}),
            updated_at: new Date(now()),
          })
          if (replaces) {
            await vault.drop(tx, id, row.credential_version)
            await event(tx, scope, id, 'credentials_replaced', { credential_version: version })
          }
          return shown(tx, next!)
        },
        // Only after the commit: the next call takes the new version, statements in flight end on the old pool.
        after: async () => {
          forget(id)
          if (replaces) vault.forget(id)
          if (replaces) await vault.drain(id, before.credential_version + 1)
        },
      }
    },

    /** The caller has made sure that nothing is wired to it; the foreign key makes sure again. */
    async remove(tx: Tx, id: string): Promise<void> {
      await must(tx, id, true)
      await vault.drop(tx, id)
      await rows.remove(tx, id)
    },
    async removed(id: string): Promise<void> {
      forget(id)
      vault.forget(id)
      await vault.drain(id, null)
    },

    async credentials(tx: Tx, id: string): Promise<{ version: number; keys: FieldFacts[] }> {
      const row = await must(tx, id)
      return { version: row.credential_version, keys: await vault.facts(tx, id, row.credential_version) }
    },

    async events(tx: Tx, id: string, limit: number, cursor: string | undefined) {
      await must(tx, id)
      const found = await rows.events(tx, id, limit + 1, readCursor(cursor))
      return pageOf(
        found,
        limit,
        (r) => r.id,
        (r) => ({ id: r.id, event_type: r.event_type, at: r.at.toISOString(), data: r.data }),
      )
    },

    ...createValidation({ must, connectorOf, lend, event, forget, db, now }),

    /** A call came back with the credential refused: said once, and only about the version that was used. */
    async rejected(scope: Scope, id: string, version: number, reason: 'key_rejected' | 'undecryptable'): Promise<void> {
      await db.tx(scope, async (tx) => {
        const before = await rows.get(tx, id)
        if (!before || before.status === 'reconnect' || before.status === 'disabled') return
        const row = await rows.judge(tx, id, version, { status: 'reconnect', status_reason: reason, status_since: new Date(now()) })
        if (row) await event(tx, scope, id, 'reconnect_required', { reason, credential_version: version })
      })
      forget(id)
    },

    /** Status and grants of several connections, for checks before a run. */
    async some(
      tx: Tx,
      ids: readonly string[],
    ): Promise<
      Map<string, Pick<ConnectionRow, 'id' | 'name' | 'status' | 'status_reason' | 'granted_scopes' | 'provider' | 'environment'>>
    > {
      return new Map(ids.length === 0 ? [] : (await rows.some(tx, ids)).map((r) => [r.id, r]))
    },

    close: () => lastUse.flush(),
  }
}
export type Connections = ReturnType<typeof createConnections>
