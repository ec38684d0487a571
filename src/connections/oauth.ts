/** The OAuth side of connections, put together: apps, sign-ins, renewals, and what looks after them. */
import type { Db, Scope, Tx } from '../base/db.ts'
import type { Egress } from '../base/egress.ts'
import { fail } from '../base/errors.ts'
import type { Connector, OAuthProvider } from '../connectors/contract.ts'
import type { Lending } from '../vault/index.ts'
import { createAnnouncements, KEEPER, type Subscriber } from './announce.ts'
import { type ConfiguredApp, createApps } from './apps.ts'
import { type Asker, createConnect } from './connect.ts'
import { createDoctor } from './doctor.ts'
import type { Epoch } from './epoch.ts'
import type { Audit } from './audit.ts'
import { createFresh } from './fresh.ts'
import { createGate } from './gate.ts'
import { type GrantRow, grants, refusals } from './grant-rows.ts'
import { createKeeper } from './keeper.ts'
import { createLand } from './land.ts'
import { createLease, type Standing } from './lease.ts'
import { createMeans } from './means.ts'
import { type Ask, createRenewals } from './renew.ts'
import { type ConnectionRow, rows } from './rows.ts'
import { PROBE_EVERY_MS } from './schedule.ts'
import { REASONS } from './show.ts'

export interface OAuthDeps {
  providers: ReadonlyMap<string, OAuthProvider>
  configuredApps: readonly ConfiguredApp[]
  egress: Pick<Egress, 'fetch'>
  epoch: Epoch
  /** As people reach this server, without a slash at the end. Known once it listens. */
  publicUrl: () => string
  owner: string
  eventsTo: Subscriber | null
  stands: (scope: Scope, asker: Asker) => Promise<boolean>
  audit: Audit
  trouble: (error: unknown) => void
  random: () => number
  wait: (ms: number) => Promise<void>
  lookEveryMs?: number | undefined
  fault?: ((point: string) => void | Promise<void>) | undefined
}
/** RFC 6749 §3.1.2: one exact address for every provider, whatever a request says its host is. */
export const CALLBACK_PATH = '/v1/oauth/callback'
/** An hour's token makes 720 events in that time. */
const KEEP_RENEWALS_MS = 30 * 86_400_000

export function createOAuthConnections(
  deps: OAuthDeps & {
    db: Db
    vault: Lending
    connectors: ReadonlyMap<string, Connector>
    exchanges: ReadonlyMap<string, OAuthProvider>
    now: () => number
    must: (tx: Tx, id: string) => Promise<ConnectionRow>
    event: (tx: Tx, scope: Scope, id: string, type: string, data?: Record<string, unknown>) => Promise<unknown>
    forget: (id: string) => void
    reload: (scope: Scope, id: string) => Promise<{ row: ConnectionRow; grant: GrantRow | null }>
  },
) {
  const { db, vault, now, event, forget, random } = deps
  const redirectUri = () => deps.publicUrl() + CALLBACK_PATH
  const scopeOf = (row: { workspace_id: string; project_id: string }): Scope => ({ workspace: row.workspace_id, project: row.project_id })

  const announcements = createAnnouncements({ db, vault, egress: deps.egress, to: deps.eventsTo, now, random })
  const tell = (tx: Tx, row: ConnectionRow, type: string, data: Record<string, unknown> = {}) =>
    announcements.tell(tx, row, type, {
      connection_id: row.id,
      name: row.name,
      provider: row.provider,
      environment: row.environment,
      workspace_id: row.workspace_id,
      project_id: row.project_id,
      status: row.status,
      reason: row.status_reason,
      text: row.status_reason ? (REASONS[row.status_reason] ?? null) : null,
      since: row.status_since.toISOString(),
      ...data,
    })

  const apps = createApps({ db, vault, providers: deps.providers, configured: deps.configuredApps, redirectUri, now })
  const means = createMeans({ apps, providers: deps.providers, exchanges: deps.exchanges })
  const gate = createGate({ now, random })

  /** Everybody who lives by this client: one notice to the operator, none to the users. */
  async function clientRefused(grant: GrantRow, reason: string): Promise<void> {
    const at = new Date(now())
    const next = new Date(now() + PROBE_EVERY_MS)
    await db.everyTenant('a provider refuses a client of ours', async (tx) => {
      const fresh = await refusals.note(tx, grant.client_key, reason, at, next)
      const hit = await refusals.spread(tx, grant.client_key, reason, at, next)
      if (fresh)
        await announcements.tell(tx, grant, 'oauth_app.refused', {
          app: grant.app_slug,
          client_id: grant.client_id,
          reason,
          connections: hit + 1,
        })
    })
  }

  const renewals = createRenewals({
    db,
    vault,
    gate,
    lease: createLease({ db, vault, owner: deps.owner, now, random, wait: deps.wait }),
    meansOf: means.of,
    told: async (tx, row, outcome) => {
      const scope = scopeOf(row)
      void event(tx, scope, row.id, outcome.event.type, outcome.event.data)
      if (outcome.tell) await tell(tx, row, outcome.tell)
      if (outcome.tell)
        await deps.audit(tx, scope, {
          actor: KEEPER,
          action: outcome.tell,
          target: row.id,
          outcome: 'done',
          details: { reason: row.status_reason },
        })
    },
    clientRefused,
    forget,
    now,
    random,
    fault: deps.fault,
  })

  const standing = async (scope: Scope, id: string): Promise<Standing> => {
    const { row, grant } = await deps.reload(scope, id)
    return grant ? { row, grant } : fail('NOT_FOUND', `${row.name} is not connected by OAuth any more`)
  }
  /** A token that cannot be renewed has ended: known by its date, without asking anybody. */
  async function expired({ row, grant }: Standing): Promise<void> {
    const scope = scopeOf(row)
    await db.tx(scope, async (tx) => {
      const set = { status: 'reconnect', status_reason: 'expired', status_since: new Date(now()) } as const
      const after = row.status === 'reconnect' ? undefined : await rows.judge(tx, row.id, row.credential_version, set)
      if (!after) return
      await grants.update(tx, grant.connection_id, { due_at: null })
      await event(tx, scope, row.id, 'reconnect_required', { reason: 'expired' })
      await tell(tx, after, 'connection.reconnect_required')
      await deps.audit(tx, scope, {
        actor: KEEPER,
        action: 'connection.reconnect_required',
        target: row.id,
        outcome: 'done',
        details: { reason: 'expired' },
      })
    })
    forget(row.id)
  }
  const fresh = createFresh({ reload: standing, join: renewals.join, expired, held: deps.epoch.held, now })

  const land = createLand({
    db,
    vault,
    connectors: deps.connectors,
    event,
    tell,
    audit: deps.audit,
    forget: (id) => {
      forget(id)
      vault.forget(id)
    },
    now,
    random,
  })
  const connect = createConnect({
    db,
    vault,
    apps,
    land,
    publicUrl: deps.publicUrl,
    redirectUri,
    stands: deps.stands,
    note: (scope, act) => db.tx(scope, (tx) => deps.audit(tx, scope, act)),
    now,
  })

  const keeper = createKeeper({
    db,
    owner: deps.owner,
    join: renewals.join,
    takeIn: renewals.takeIn,
    async warn(grant, days) {
      const scope = scopeOf(grant)
      await db.tx(scope, async (tx) => {
        const row = await rows.get(tx, grant.connection_id)
        if (!row) return
        await grants.update(tx, row.id, { warned_days: days })
        const ends = { ends_at: grant.ends_at?.toISOString() ?? null, days }
        await event(tx, scope, row.id, 'ends_soon', ends)
        await tell(tx, row, 'connection.ends_soon', ends)
      })
      if (grant.ends_at && grant.ends_at.getTime() <= now() && !grant.renewable) await expired(await standing(scope, grant.connection_id))
    },
    deliver: async () => (deps.epoch.held() === null ? announcements.deliver() : 0), // the original may have told it
    beat: deps.epoch.beat,
    async tidy() {
      await announcements.forgetOld()
      await connect.forgetOld()
      await db.everyTenant('old renewals', (tx) => rows.forgetRenewals(tx, new Date(now() - KEEP_RENEWALS_MS)))
    },
    trouble: deps.trouble,
    now,
    random,
    wait: deps.wait,
    everyMs: deps.lookEveryMs,
  })
  const doctor = createDoctor({
    db,
    apps,
    providers: deps.providers,
    vault,
    egress: deps.egress,
    publicUrl: deps.publicUrl,
    redirectUri,
    epoch: deps.epoch,
    now,
  })

  return {
    apps,
    connect,
    doctor,
    fresh,
    keeper,
    tell,
    redirectUri,
    confirmOriginal: deps.epoch.confirm,
    heldSince: deps.epoch.heldSince,
    held: deps.epoch.held,
    tokenEndpointOf: means.tokenEndpointOf,
    apiHosts: means.apiHosts,

    /** On: services that the grants allow already. Returns all that are on now. */
    async switchServices(tx: Tx, id: string, services: readonly string[], off: readonly string[]): Promise<string[]> {
      const grant = (await grants.get(tx, id)) ?? fail('NOT_FOUND', `there is no signed-in account ${id}`)
      const on = [...new Set([...grant.services, ...services])].filter((s) => !off.includes(s))
      if (on.length !== grant.services.length) await grants.update(tx, id, { services: on })
      return on
    },

    /** An API refuses a token that its provider renews: written down once for each version. false: nobody renews this one. */
    async tokenRefused(tx: Tx, scope: Scope, id: string, version: number): Promise<boolean> {
      const grant = await grants.get(tx, id)
      if (!grant?.renewable) return false
      const problem = `token_refused_${version}`
      if (grant.last_problem === problem) return true
      await grants.update(tx, id, { last_problem: problem })
      await event(tx, scope, id, 'token_refused', { credential_version: version })
      return true
    },

    /** A renewal now, whatever the dates say: for a check that somebody asked for. */
    async renewNow(scope: Scope, id: string, ask?: Partial<Ask>): Promise<Standing> {
      const before = await standing(scope, id)
      await renewals.join(scope, id, { version: before.row.credential_version, urgent: true, ...ask })
      return standing(scope, id)
    },

    /** Ends the tokens at the provider. Nothing renews them meanwhile: the connection is marked, and the fence raised. */
    async revoke(
      scope: Scope,
      id: string,
      actor: string,
      as: Pick<ConnectionRow, 'status' | 'status_reason'> = { status: 'disabled', status_reason: 'being_deleted' },
    ): Promise<{ outcome: 'revoked' | 'unsupported' | 'nothing' | 'failed' | 'shared'; with: string[] }> {
      const at = await db.tx(scope, async (tx) => {
        const row = await rows.lock(tx, id)
        const grant = await grants.get(tx, id)
        if (!row || !grant) return null
        await rows.update(tx, id, { ...as, status_since: new Date(now()) })
        await grants.renewed(tx, { connection_id: id, due_at: null })
        return { row, grant }
      })
      if (!at) return { outcome: 'unsupported', with: [] }
      forget(id)
      await renewals.settled()
      const { row, grant } = at
      const it = await means.of(row, grant).catch(() => null)
      if (!it || grant.kind === 'jwt_bearer') return { outcome: 'unsupported', with: [] }
      // Where a provider ends everything that this account gave to this client, others that live by it would die too.
      if (it.provider.revokes === 'grant' && row.account) {
        const others = await db.everyTenant('who else lives by this consent', (tx) =>
          grants.sharing(tx, id, grant.client_key, row.account!.id),
        )
        if (others.length > 0) return { outcome: 'shared', with: others.filter((o) => o.workspace_id === scope.workspace).map((o) => o.id) }
      }
      const from = { workspace: row.workspace_id, project: row.project_id, owner: id, version: row.credential_version }
      return { outcome: await vault.oauth.revoke({ server: it.server, client: it.client, from, user: { actor } }), with: [] }
    },

    begin: keeper.begin,
    async end(): Promise<void> {
      await keeper.end()
      await renewals.settled()
    },
  }
}
export type OAuthConnections = ReturnType<typeof createOAuthConnections>
