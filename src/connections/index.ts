/** What is connected: facts, and a reference into the vault. The secret itself is never here. */
import type { Db, Scope, Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { createLastUse } from '../base/last-use.ts'
import { type Page, pageOf, readCursor } from '../base/page.ts'
import type { Connector } from '../connectors/contract.ts'
import type { FieldFacts, Lending } from '../vault/index.ts'
import { KEEPER } from './announce.ts'
import { createBurn } from './burn.ts'
import { exchangesOf } from './exchanges.ts'
import { grants } from './grant-rows.ts'
import { fits, type LendRequest, type Lent, reach, wayBack } from './lend.ts'
import { createLoans } from './loans.ts'
import { createOAuthConnections, type OAuthDeps } from './oauth.ts'
import { createPace } from './pace.ts'
import { createRevocation } from './revoke.ts'
import { createRotations } from './rotate.ts'
import { createRotationRound } from './rotation-round.ts'
import { rotations as openRotations } from './rotation-rows.ts'
import { type ConnectionRow, type ListFilter, rows, STATUSES, type Status } from './rows.ts'
import { type ConnectionFacts, REASONS, show } from './show.ts'
import { createSignUp, withSignUps } from './sign-up.ts'
import { createStore } from './store.ts'
import { createTryOut } from './tryout.ts'
import { createValidation, type Validation, waitFor } from './validate.ts'
import { type Believed, createInstead } from './versions.ts'

export type { Subscriber } from './announce.ts'
export type { AppFacts, AppInput, ConfiguredApp } from './apps.ts'
export type { AppSettings } from './app-rows.ts'
export { BURNED } from './burn.ts'
export type { Asker, AuthorizeInput, Callback, Invitation } from './connect.ts'
export type { Diagnosis } from './doctor.ts'
export { type Ending, failed } from './ending.ts'
export { createEpoch } from './epoch.ts'
export { LONGEST_OVERLAP_MINUTES, OVERLAP_MINUTES } from './rotate.ts'
export type { RotationResult, RotationRow, RotationTest } from './rotation-rows.ts'
export { type ConnectionFacts, type LendRequest, type Lent, REASONS, reach, STATUSES, type Status, type Validation, waitFor, wayBack }

/** How long a connection's row is believed by the hot path: a change elsewhere is seen within a second. */
const BELIEVE_MS = 1_000
const BELIEVE_MAX = 5_000

export function createConnections(
  deps: { db: Db; vault: Lending; connectors: ReadonlyMap<string, Connector>; now: () => number } & OAuthDeps,
) {
  const { db, vault, now, providers } = deps
  const believed = new Map<string, Believed & { until: number }>()
  const lastUse = createLastUse({
    now,
    write: (batch) => db.everyTenant('last use of connections, coalesced', (tx) => rows.touch(tx, batch)),
  })

  const pace = createPace({ now })

  const must = async (tx: Tx, id: string, lock = false): Promise<ConnectionRow> =>
    (await (lock ? rows.lock(tx, id) : rows.get(tx, id))) ?? fail('NOT_FOUND', `there is no connection ${id}`)

  const forget = (id: string): void => void believed.delete(id)
  async function current(scope: Scope, id: string): Promise<Believed> {
    const known = believed.get(id)
    if (known && known.until > now() && known.row.workspace_id === scope.workspace && known.row.project_id === scope.project) return known
    const found = await db.once(scope, async (tx) => {
      const [row, grant, rotation] = await Promise.all([must(tx, id), grants.get(tx, id), openRotations.open(tx, id)])
      return { row, grant: grant ?? null, rotation: rotation ?? null }
    })
    if (believed.size >= BELIEVE_MAX) believed.delete(believed.keys().next().value as string)
    const fresh = { ...found, until: now() + BELIEVE_MS }
    believed.set(id, fresh)
    return fresh
  }
  const reload = (scope: Scope, id: string): Promise<Believed> => {
    forget(id)
    return current(scope, id)
  }

  const event = (tx: Tx, scope: Scope, connection_id: string, event_type: string, data: Record<string, unknown> = {}) =>
    rows.event(tx, scope, { id: newId('cevt', now()), connection_id, event_type, at: new Date(now()), data })

  const shown = async (tx: Tx, row: ConnectionRow): Promise<ConnectionFacts> => {
    const [keys, grant, rotation] = await Promise.all([
      vault.facts(tx, row.id, row.credential_version),
      grants.get(tx, row.id),
      openRotations.open(tx, row.id),
    ])
    return show(
      row,
      keys.map((f) => f.field),
      grant,
      rotation,
    )
  }

  const exchanges = exchangesOf(deps.connectors)
  const known = withSignUps(providers, deps.connectors)
  const oauth = createOAuthConnections({ ...deps, providers: known, exchanges, must, event, forget, reload })
  const store = createStore({
    db,
    vault,
    connectors: deps.connectors,
    providers,
    exchanges,
    tokenEndpointOf: oauth.tokenEndpointOf,
    must,
    event,
    forget,
    now,
  })

  const rotations = createRotations({ db, vault, must, successor: store.successor, event, forget, now, fault: deps.fault })
  const burn = createBurn({ db, vault, must, event, tell: oauth.tell, forget, now, fault: deps.fault })
  const rotationRound = createRotationRound({
    db,
    rotations,
    lapse: oauth.apps.secrets.lapse,
    sweep: burn.sweep,
    audit: deps.audit,
    trouble: deps.trouble,
    everyMs: deps.lookEveryMs,
  })
  const instead = createInstead({
    reload,
    /** The call has its answer: what cannot be written of it now does not take that away. */
    fellBack: (scope, row, rotation, facts) => alarm(scope, row, rotation.id, facts).catch(deps.trouble),
  })
  async function alarm(scope: Scope, row: ConnectionRow, rotation_id: string, facts: { from: number; to: number }): Promise<void> {
    if (!(await rotations.fellBack(scope, rotation_id))) return
    const said = { rotation_id, refused_version: facts.from, served_by: facts.to }
    await db.tx(scope, async (tx) => {
      await must(tx, row.id, true) // before all else, as every act of a rotation does
      await event(tx, scope, row.id, 'rotation_fallback', said)
      await oauth.tell(tx, row, 'connection.rotation_fallback', said)
      await deps.audit(tx, scope, { actor: KEEPER, action: 'rotation.fallback', target: row.id, outcome: 'done', details: said })
    })
  }
  const lend = createLoans({ vault, providers, oauth, pace, used: lastUse.touch, current, reload, instead })

  const { apps, renewNow, tell } = oauth
  const validation = createValidation({ must, connectors: deps.connectors, providers, lend, renewNow, event, forget, db, now })
  const { validate } = validation
  const signUp = createSignUp({ db, vault, connectors: deps.connectors, apps, must, event, tell, lend, validate, forget, now })

  return {
    connectors: deps.connectors,
    providers,
    lend,
    /** A call was told to wait, in whatever way its vendor says so. */
    slowDown: pace.pause,
    oauth,
    rotations,
    rotationRound,
    burn,
    revocation: createRevocation({ vault, connectors: deps.connectors }),
    row: (tx: Tx, id: string) => must(tx, id),
    signUp,
    mark: rows.mark,
    create: store.create,
    change: store.change,
    tryOut: createTryOut({ vault, connectors: deps.connectors, prepare: store.prepare, now }),
    fits: (connector: Connector, row: Pick<ConnectionRow, 'provider'>) => fits(connector, row, (slug) => providers.has(slug)),

    async get(tx: Tx, id: string): Promise<ConnectionFacts> {
      return shown(tx, await must(tx, id))
    },

    async list(tx: Tx, filter: Omit<ListFilter, 'before'> & { cursor?: string | undefined }): Promise<Page<ConnectionFacts>> {
      const found = await rows.list(tx, { ...filter, limit: filter.limit + 1, before: readCursor(filter.cursor) })
      const of = found.map((r) => ({ owner: r.id, version: r.credential_version }))
      const [keys, behind, under] = await Promise.all([
        vault.fieldNames(tx, of),
        grants.some(
          tx,
          found.map((r) => r.id),
        ),
        openRotations.openOf(
          tx,
          found.map((r) => r.id),
        ),
      ])
      const rotationOf = new Map(under.map((r) => [r.connection_id, r]))
      const grantOf = new Map(behind.map((g) => [g.connection_id, g]))
      return pageOf(
        found,
        filter.limit,
        (r) => r.id,
        (r) => show(r, keys.get(r.id) ?? [], grantOf.get(r.id), rotationOf.get(r.id)),
      )
    },

    /** The caller has made sure that nothing is wired to it; the foreign key makes sure again. */
    async remove(tx: Tx, id: string): Promise<void> {
      await must(tx, id, true)
      await vault.drop(tx, id)
      await rows.remove(tx, id)
    },
    async removed(id: string): Promise<void> {
      forget(id)
      pace.forget(id)
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

    ...validation,
    /** A call came back with the credential refused: said once, and only about the version that was used. */
    async rejected(scope: Scope, id: string, version: number, reason: 'key_rejected' | 'undecryptable'): Promise<void> {
      await db.tx(scope, async (tx) => {
        const before = await rows.get(tx, id)
        if (!before || before.status === 'reconnect' || before.status === 'disabled') return
        // A grant that was renewed a moment ago lives: one API's no is not the end of an account that others use.
        if (reason === 'key_rejected' && (await oauth.tokenRefused(tx, scope, id, version))) return
        const row = await rows.judge(tx, id, version, { status: 'reconnect', status_reason: reason, status_since: new Date(now()) })
        if (!row) return
        await event(tx, scope, id, 'reconnect_required', { reason, credential_version: version })
        await oauth.tell(tx, row, 'connection.reconnect_required')
      })
      forget(id)
    },

    /** The provider says that these scopes are missing, whatever we thought: the facts follow it. */
    async lacking(scope: Scope, id: string, version: number, scopes: readonly string[]): Promise<void> {
      await db.tx(scope, async (tx) => {
        const before = await rows.get(tx, id)
        if (!before?.granted_scopes || (before.status !== 'active' && before.status !== 'needs_scopes')) return
        const granted = before.granted_scopes.filter((s) => !scopes.includes(s))
        if (granted.length === before.granted_scopes.length) return
        const since = before.status === 'needs_scopes' ? {} : { status_since: new Date(now()) }
        const row = await rows.judge(tx, id, version, {
          granted_scopes: granted,
          status: 'needs_scopes',
          status_reason: 'scopes',
          ...since,
        })
        if (!row) return
        await event(tx, scope, id, 'needs_scopes', { missing: scopes.filter((s) => before.granted_scopes?.includes(s)) })
        if (before.status === 'active') await oauth.tell(tx, row, 'connection.needs_scopes')
      })
      forget(id)
    },

    /** Status and grants of several connections, for checks before a run. */
    async some(
      tx: Tx,
      ids: readonly string[],
    ): Promise<
      Map<
        string,
        Pick<
          ConnectionRow,
          'id' | 'name' | 'status' | 'status_reason' | 'status_since' | 'granted_scopes' | 'provider' | 'service' | 'environment'
        >
      >
    > {
      return new Map(ids.length === 0 ? [] : (await rows.some(tx, ids)).map((r) => [r.id, r]))
    },

    async begin(): Promise<void> {
      await oauth.begin()
      rotationRound.begin()
    },
    async close(): Promise<void> {
      await rotationRound.end()
      await oauth.end()
      await lastUse.flush()
    },
  }
}
export type Connections = ReturnType<typeof createConnections>
