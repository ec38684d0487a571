/**
 * One token request per expiry, whoever asks and in however many processes. The order is the point: the way to the provider is free → the
 * lease is ours and the intent written → the provider is asked → its answer is sealed and durable → it is read → the new version → callers.
 * No database connection is held while the provider works.
 */
import type { Db, Scope, Tx } from '../base/db.ts'
import { Fault } from '../base/errors.ts'
import type { OAuthProvider } from '../connectors/contract.ts'
import type { Lending, OAuthClient, OAuthServer, Secret } from '../vault/index.ts'
import { TOKEN_REQUEST_MS } from '../vault/index.ts'
import type { Gate } from './gate.ts'
import { grants, type GrantRow, refusals, type Taken } from './grant-rows.ts'
import { type Heard, type Outcome, outcomeOf, unheard } from './outcome.ts'
import { type ConnectionRow, rows } from './rows.ts'
import { nextTry, PROBE_EVERY_MS } from './schedule.ts'

/** Outlasts the provider's whole time and the writes after it; a holder that is silent for longer has died. */
export const LEASE_MS = TOKEN_REQUEST_MS + 10_000
/** How often one looks whether another process has finished, and how long at most: its lease may have to run out first. */
const WATCH_EVERY_MS = 100
const WATCH_MS = LEASE_MS + 5_000

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
}

/** A lease, with the moment of its asking on both clocks: the wall's, and one that only goes on. */
type Held = Taken & { wall: number; steady: number }

/** The connection was changed by somebody else: what we hold is of no use. */
class Overtaken extends Error {}

export function createRenewals(deps: {
  db: Db
  vault: Lending
  gate: Gate
  /** This process, by a name that no other has while it lives. */
  owner: string
  meansOf: (row: ConnectionRow, grant: GrantRow) => Promise<Means>
  /** Writes the connection's story and what the outside is told, in the same transaction. */
  told: (tx: Tx, row: ConnectionRow, outcome: Outcome) => Promise<void>
  clientRefused: (grant: GrantRow, reason: string) => Promise<void>
  forget: (id: string) => void
  now: () => number
  random: () => number
  wait: (ms: number) => Promise<void>
  fault?: ((point: string) => void | Promise<void>) | undefined
}) {
  const { db, vault, now } = deps
  const under = new Map<string, Promise<void>>()
  const refOf = (row: { workspace_id: string; project_id: string; id: string }, version: number) => ({
    workspace: row.workspace_id,
    project: row.project_id,
    owner: row.id,
    version,
  })

  /** Joins a renewal that is under way in this process. */
  function join(scope: Scope, id: string, ask: Ask): Promise<void> {
    const known = under.get(id)
    if (known !== undefined) return known
    const work = once(scope, id, ask).finally(() => under.delete(id))
    under.set(id, work)
    return work
  }

  const look = (scope: Scope, id: string): Promise<{ row: ConnectionRow; grant: GrantRow } | null> =>
    db.once(scope, async (tx) => {
      const [row, grant] = await Promise.all([rows.get(tx, id), grants.get(tx, id)])
      return row && grant ? { row, grant } : null
    })

  async function once(scope: Scope, id: string, ask: Ask): Promise<void> {
    const before = await look(scope, id)
    if (!before || before.row.credential_version !== ask.version || !before.grant.renewable) return
    const { next_try_at: next } = before.grant
    if (next !== null && next.getTime() > now()) return deps.forget(id) // its pause is not over
    vault.mustBeOpen() // else the intent would be written for nothing
    const means = await deps.meansOf(before.row, before.grant).catch((error) => homeless(scope, before.row, error))
    const key = new URL(means.server.token).origin
    const taken = await deps.gate.pass(key, ask.urgent, async () => {
      const it = await take(scope, before.row, before.grant, means)
      if (it === null) return { result: false, ended: { kind: 'unasked' as const } }
      const heard = await renewNow(scope, before.row, it, means, ask).catch((error) => broken(scope, it, error))
      const passing = !heard.ok && (heard.why === 'unreachable' || heard.why === 'transient')
      return { result: true, ended: passing ? { kind: 'failed' as const, retryAfterS: heard.retryAfterS } : { kind: 'answered' as const } }
    })
    deps.forget(id)
    if (!taken && ask.urgent) await watch(scope, id, ask.version)
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
    deps.forget(row.id)
    throw error
  }

  /** The lease and the intent, or null: somebody else has it, or it is not to be asked now. */
  async function take(scope: Scope, row: ConnectionRow, grant: GrantRow, means: Means): Promise<Held | null> {
    const spends = grant.kind !== 'client_credentials' && grant.kind !== 'jwt_bearer'
    const asked = { wall: now(), steady: performance.now() }
    const it = await db.tx(scope, async (tx) => {
      if (row.status === 'misconfigured') {
        const refused = await refusals.of(tx, grant.client_key)
        const next = new Date(now() + PROBE_EVERY_MS)
        if (refused && (await refusals.probe(tx, grant.client_key, new Date(now()), next)) === 0) {
          await grants.update(tx, row.id, { due_at: next })
          return null
        }
      }
      return grants.take(tx, {
        id: row.id,
        version: row.credential_version,
        owner: deps.owner,
        leaseMs: LEASE_MS,
        now: new Date(now()),
        spends,
      })
    })
    if (!it) return null
    // A copy of the database must not spend what the original lives by; nobody but an operator knows which of them is alive.
    if (it.held && spends && means.provider.rotates !== 'never') {
      await db.tx(scope, (tx) =>
        grants.settle(tx, row.id, it.fence, { due_at: new Date(now() + PROBE_EVERY_MS), intent_version: grant.intent_version }),
      )
      return null
    }
    return { ...it, ...asked }
  }

  /** Something of ours broke in the middle: the intent stays, the lease goes, and the next try finds out how things are. */
  async function broken(scope: Scope, taken: Taken, error: unknown): Promise<never> {
    const next = new Date(now() + nextTry(taken.failures, null, deps.random()))
    const set = { intent_version: taken.intent_version, failures: taken.failures + 1, next_try_at: next, due_at: next }
    await db.tx(scope, (tx) => grants.letGoOf(tx, taken.connection_id, taken.fence, set)).catch(() => undefined)
    throw error
  }

  async function renewNow(scope: Scope, row: ConnectionRow, taken: Held, means: Means, ask: Ask): Promise<Heard> {
    await deps.fault?.('connections.renew.after_intent')
    const next = refOf(row, row.credential_version + 1)
    const kept = taken.stale ? await db.tx(scope, (tx) => vault.answers.kept(tx, next)) : null
    // An intent without an answer: the token may be spent. It is tried once more, and what is said then is final.
    const grant: Held = { ...taken, maybe_spent: taken.maybe_spent || (taken.stale && kept === null) }
    let heard: Heard
    try {
      const answer = kept ?? (await askAndKeep(scope, row, grant, means, next))
      heard = vault.oauth.read(answer, means.provider.refusals)
    } catch (error) {
      if (error instanceof Overtaken) return { ok: false, why: 'unreachable', code: 'overtaken', maybeSpent: false, retryAfterS: null }
      heard = unheard(error)
    }
    await deps.fault?.('connections.renew.before_commit')
    await commit(scope, row, grant, means, heard, ask)
    await deps.fault?.('connections.renew.after_commit')
    return heard
  }

  async function askAndKeep(scope: Scope, row: ConnectionRow, grant: Held, means: Means, next: ReturnType<typeof refOf>): Promise<Secret> {
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
      mayLeave: () => Math.max(now() - grant.wall, performance.now() - grant.steady) < LEASE_MS - TOKEN_REQUEST_MS,
    })
    await keep(scope, row.id, grant.fence, next, answer)
    await deps.fault?.('connections.renew.after_keep')
    return answer
  }

  /** Durable before anybody reads it. With the database away it lies in a file, from where it is taken at the next start at the latest. */
  async function keep(scope: Scope, id: string, fence: number, at: ReturnType<typeof refOf>, answer: Secret): Promise<void> {
    try {
      await db.tx(scope, async (tx) => {
        // All in one packet; whether it was ours to write is known before the commit.
        const ours = grants.stillOurs(tx, id, fence)
        void vault.answers.drop(tx, at)
        await vault.answers.keep(tx, at, answer)
        if (!(await ours)) throw new Overtaken('the lease went to somebody else')
      })
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'DEPENDENCY_UNAVAILABLE') throw error
      vault.answers.keepInFile(at, answer)
    }
  }

  async function commit(scope: Scope, row: ConnectionRow, grant: GrantRow, means: Means, heard: Heard, ask: Ask): Promise<void> {
    const { id, credential_version: version } = row
    let refused: string | null = null
    try {
      await db.tx(scope, async (tx) => {
        const locked = rows.lock(tx, id)
        // Leaves together with the lock, and is rolled back with it.
        const stored = heard.ok && vault.put(tx, refOf(row, version + 1), heard.fields, { wire: null, keepFrom: version })
        if (stored) stored.catch(() => undefined)
        const connection = await locked
        if (!connection || connection.credential_version !== version) throw new Overtaken('the credential was replaced meanwhile')
        const random = deps.random()
        const outcome = outcomeOf(heard, { grant, connection }, means.provider, {
          now: now(),
          random,
          forced: ask.forced === true,
          test: means.test,
        })
        const settled = grants.settle(tx, id, grant.fence, outcome.grant)
        void vault.answers.drop(tx, { owner: id, version: version + 1 })
        if (heard.ok) {
          await stored
          void vault.drop(tx, id, version)
          if (connection.status === 'misconfigured') await refusals.clear(tx, grant.client_key)
        }
        const changes = Object.keys(outcome.connection).length > 0
        const after = (changes ? await rows.judge(tx, id, version, outcome.connection) : undefined) ?? connection
        await deps.told(tx, after, outcome)
        if ((await settled) === 0) throw new Overtaken('the lease went to somebody else')
        refused = outcome.clientRefused
      })
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error
      return vault.answers.dropFile(id)
    }
    vault.answers.dropFile(id)
    if (refused !== null) await deps.clientRefused(grant, refused)
    else if (heard.ok && row.status === 'misconfigured')
      await db.everyTenant('a client is taken again', (tx) => refusals.lift(tx, grant.client_key, new Date(now())))
  }

  /** Another process is at it: looks until it has finished, has died, or has waited long enough. */
  async function watch(scope: Scope, id: string, version: number): Promise<void> {
    for (let waited = 0; waited < WATCH_MS; waited += WATCH_EVERY_MS) {
      const at = await db.once(scope, (tx) => grants.watch(tx, id))
      if (!at || at.credential_version !== version || !at.busy) break
      await deps.wait(WATCH_EVERY_MS)
    }
    deps.forget(id)
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
