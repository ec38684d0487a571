/**
 * One token request per expiry, whoever asks and in however many processes. The order is the point: the way to the provider is free → the
 * lease is ours and the intent written → the provider is asked → its answer is sealed and durable → it is read → the new version → callers.
 * No database connection is held while the provider works.
 */
import { behalf, onBehalf } from '../base/behalf.ts'
import type { Db, Scope, Tx } from '../base/db.ts'
import { Fault } from '../base/errors.ts'
import type { OAuthProvider } from '../connectors/contract.ts'
import { type CredentialRef, HeldUp, type Lending, type OAuthClient, type OAuthServer, type Secret } from '../vault/index.ts'
import { KEEPER } from './announce.ts'
import type { Gate } from './gate.ts'
import { grants, type GrantRow, isLost, refusals } from './grant-rows.ts'
import { type createLease, type Held, refOf, type Standing } from './lease.ts'
import { type Heard, type Outcome, outcomeOf, unheard } from './outcome.ts'
import { type ConnectionRow, rows } from './rows.ts'
import { PROBE_EVERY_MS } from './schedule.ts'

/** Where a grant is renewed, and as which client. */
export interface Means {
  provider: OAuthProvider
  server: OAuthServer
  client: OAuthClient
  test: boolean
  params: Record<string, string>
  subject: string | null
}
export interface Ask {
  /** The version whose token will not do any more. */
  version: number
  /** Somebody waits for it. */
  urgent: boolean
  /** A 401 asked for it. */
  forced?: boolean
  /** How the asker saw it stand, a second ago at most. */
  seen?: Standing
}

/** The connection was changed by somebody else: what we hold is of no use. */
class Overtaken extends Error {}
const isAway = (error: unknown) => error instanceof Fault && error.code === 'DEPENDENCY_UNAVAILABLE'

export function createRenewals(deps: {
  db: Db
  vault: Lending
  gate: Gate
  lease: ReturnType<typeof createLease>
  meansOf: (row: ConnectionRow, grant: GrantRow) => Promise<Means>
  /** Writes the connection's story and what the outside is told, in the same transaction. */
  told: (tx: Tx, row: ConnectionRow, outcome: Outcome) => Promise<void>
  clientRefused: (grant: GrantRow, reason: string) => Promise<void>
  forget: (id: string) => void
  now: () => number
  random: () => number
  fault?: ((point: string) => void | Promise<void>) | undefined
}) {
  const { db, vault, lease, now } = deps
  const under = new Map<string, Promise<Standing | null>>()
  /** Joins a renewal that is under way in this process. How it stands when it was this process that ended it, null otherwise. */
  function join(scope: Scope, id: string, ask: Ask): Promise<Standing | null> {
    const known = under.get(id)
    if (known !== undefined) return known
    // Whoever waits for it, or the keeper.
    const asker = behalf()
    const of = asker?.scope.workspace === scope.workspace ? asker : { scope, actor: KEEPER }
    const work = onBehalf(of, () => once(scope, id, ask)).finally(() => {
      under.delete(id)
      deps.forget(id) // what was believed of it is over
    })
    under.set(id, work)
    return work
  }

  async function once(scope: Scope, id: string, ask: Ask): Promise<Standing | null> {
    const before = ask.seen ?? (await lease.look(scope, id))
    if (!before || before.row.credential_version !== ask.version || !before.grant.renewable) return null
    const { next_try_at: next } = before.grant
    if (next !== null && next.getTime() > now()) return null // its pause is not over
    vault.mustBeOpen() // else the intent would be written for nothing
    const means = await deps.meansOf(before.row, before.grant).catch((error) => homeless(scope, before.row, error))
    const key = new URL(means.server.token).origin
    const { taken, after } = await deps.gate.pass(key, ask.urgent, async () => {
      const held = await lease.take(scope, before, means.provider.rotates !== 'never')
      if (held === null) return { result: { taken: false, after: null }, ended: { kind: 'unasked' as const } }
      const done = await renewNow(scope, before.row, held, means, ask).catch(async (error: unknown) => {
        const heldUp = error instanceof HeldUp
        await lease.giveBack(scope, held, heldUp)
        return heldUp ? null : Promise.reject(error)
      })
      // Our own slowness says nothing of the provider: whoever waits asks again at once.
      if (done === null) return { result: { taken: true, after: null }, ended: { kind: 'unasked' as const } }
      const { heard, after } = done
      const passing = !heard.ok && (heard.why === 'unreachable' || heard.why === 'transient')
      const ended = passing ? { kind: 'failed' as const, retryAfterS: heard.retryAfterS } : { kind: 'answered' as const }
      return { result: { taken: true, after }, ended }
    })
    if (!taken && ask.urgent) await lease.watch(scope, id, ask.version)
    return after
  }

  /** The app that it was given to is gone or another one: nobody can renew it until that is mended. */
  async function homeless(scope: Scope, row: ConnectionRow, error: unknown): Promise<never> {
    if (!(error instanceof Fault) || error.code !== 'OAUTH_APP_REFUSED') throw error
    const due = new Date(now() + PROBE_EVERY_MS)
    await db.tx(scope, async (tx) => {
      await grants.update(tx, row.id, { due_at: due })
      if (row.status === 'misconfigured' || row.status === 'reconnect') return
      const connection = { status: 'misconfigured', status_reason: 'app_changed', status_since: new Date(now()) } as const
      const after = await rows.judge(tx, row.id, row.credential_version, connection)
      if (after)
        await deps.told(tx, after, {
          grant: {},
          connection,
          event: { type: 'refresh_failed', data: { code: 'app_changed' } },
          tell: null,
          clientRefused: null,
        })
    })
    throw error
  }

  async function renewNow(
    scope: Scope,
    row: ConnectionRow,
    held: Held,
    means: Means,
    ask: Ask,
  ): Promise<{ heard: Heard; after: Standing | null }> {
    await deps.fault?.('connections.renew.after_intent')
    const next = refOf(row, row.credential_version + 1)
    const kept = held.stale ? await db.tx(scope, (tx) => vault.answers.kept(tx, next)) : null
    // An intent without an answer: the token may be spent. It is tried once more, and what is said then is final.
    const grant: Held = { ...held, maybe_spent: held.maybe_spent || (held.stale && kept === null) }
    let heard: Heard
    try {
      const answer = kept ?? (await askAndKeep(scope, row, grant, means, next))
      heard = vault.oauth.read(answer, means.provider.refusals)
    } catch (error) {
      if (error instanceof Overtaken)
        return { heard: { ok: false, why: 'unreachable', code: 'overtaken', maybeSpent: false, retryAfterS: null }, after: null }
      heard = unheard(error)
    }
    await deps.fault?.('connections.renew.before_commit')
    const after = await commit(scope, row, grant, means, heard, ask)
    await deps.fault?.('connections.renew.after_commit')
    return { heard, after }
  }

  async function askAndKeep(scope: Scope, row: ConnectionRow, grant: Held, means: Means, next: CredentialRef): Promise<Secret> {
    const kind = grant.kind === 'client_credentials' || grant.kind === 'jwt_bearer' ? grant.kind : 'refresh_token'
    const answer = await vault.oauth.renew({
      grant: kind,
      server: means.server,
      client: means.client,
      from: refOf(row, row.credential_version),
      scopes: kind === 'refresh_token' ? [] : grant.asked_scopes,
      params: means.params,
      subject: means.subject,
      rows: means.provider.refusals,
      mayLeave: () => lease.lasts(grant),
    })
    await keep(scope, row.id, grant.fence, next, answer)
    await deps.fault?.('connections.renew.after_keep')
    return answer
  }

  /** Durable before anybody reads it. With the database away it lies in a file, from where it is taken at the next start at the latest. */
  async function keep(scope: Scope, id: string, fence: number, at: CredentialRef, answer: Secret): Promise<void> {
    const work = async (tx: Tx): Promise<void> => {
      void grants.hold(tx, id, fence)
      void vault.answers.drop(tx, at)
      await vault.answers.keep(tx, at, answer)
    }
    try {
      // All in one packet. Where the vault has a newer key, which takes it more than one, nothing was stored, and it is done step by step.
      await db.once(scope, work).catch((error: unknown) => (isLost(error) || isAway(error) ? Promise.reject(error) : db.tx(scope, work)))
    } catch (error) {
      if (isLost(error)) throw new Overtaken('the lease went to somebody else')
      if (!isAway(error)) throw error
      vault.answers.keepInFile(at, answer)
    }
  }

  /** The new version and the books, in two packets: what must be known, and the rest with the commit. null: overtaken. */
  async function commit(scope: Scope, row: ConnectionRow, grant: GrantRow, means: Means, heard: Heard, ask: Ask): Promise<Standing | null> {
    const { id, credential_version: version } = row
    try {
      const { after, outcome, remember } = await db.tx(scope, async (tx) => {
        const locked = rows.lock(tx, id)
        void grants.hold(tx, id, grant.fence)
        // Leaves together with the locks, and is rolled back with them.
        const put = heard.ok ? vault.putNext(tx, refOf(row, version), heard.fields) : vault.answers.drop(tx, refOf(row, version + 1))
        put.catch(() => undefined)
        const connection = await locked
        if (!connection || connection.credential_version !== version) throw new Overtaken('the credential was replaced meanwhile')
        const remember = await put
        const { provider, test } = means
        const outcome = outcomeOf(heard, { grant, connection }, provider, {
          now: now(),
          random: deps.random(),
          forced: ask.forced === true,
          test,
        })
        if (heard.ok && connection.status === 'misconfigured') void refusals.clear(tx, grant.client_key)
        void grants.settle(tx, id, grant.fence, outcome.grant)
        if (Object.keys(outcome.connection).length > 0) void rows.judge(tx, id, version, outcome.connection)
        const after: Standing = {
          row: { ...connection, ...outcome.connection },
          grant: { ...grant, ...outcome.grant, lease_owner: null, lease_until: null },
        }
        await deps.told(tx, after.row, outcome)
        return { after, outcome, remember }
      })
      if (typeof remember === 'function') remember()
      vault.answers.dropFile(id)
      if (outcome.clientRefused !== null) await deps.clientRefused(grant, outcome.clientRefused)
      else if (heard.ok && row.status === 'misconfigured')
        await db.everyTenant('a client is taken again', (tx) => refusals.lift(tx, grant.client_key, new Date(now())))
      return after
    } catch (error) {
      if (!(error instanceof Overtaken) && !isLost(error)) throw error
      vault.answers.dropFile(id)
      return null
    }
  }

  return {
    join,
    /** Renewals that this process is at. */
    busy: () => under.size,
    settled: async () => void (await Promise.allSettled(under.values())),
    /** Takes what lies in files into the database: it came while that was away. */
    async takeIn(): Promise<number> {
      const entries = vault.answers.inFiles()
      for (const { place, answer } of entries) {
        await db.tx({ workspace: place.workspace, project: place.project as string }, async (tx) => {
          const grant = await grants.get(tx, place.owner)
          if (grant?.intent_version !== place.version - 1) return
          await vault.answers.drop(tx, place)
          await vault.answers.keep(tx, place, answer)
          await grants.update(tx, place.owner, { due_at: new Date(now()), lease_owner: null, lease_until: null })
        })
        vault.answers.dropFile(place.owner)
      }
      return entries.length
    },
  }
}
export type Renewals = ReturnType<typeof createRenewals>
