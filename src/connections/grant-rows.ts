/** SQL of grants: who renews, what was intended, and what came of it. */
import { type Compilable, type RawBuilder, sql } from 'kysely'
import { type Tx, tables } from '../base/db.ts'
import type { Status } from './rows.ts'

export type GrantKind = 'authorization_code' | 'refresh_token' | 'access_token' | 'client_credentials' | 'jwt_bearer'

export interface GrantRow {
  connection_id: string
  workspace_id: string
  project_id: string
  kind: GrantKind
  app_slug: string | null
  client_key: string
  client_id: string
  authorization_server: string
  services: string[]
  asked_scopes: string[]
  consented_at: Date
  access_obtained_at: Date | null
  access_expires_at: Date | null
  renewable: boolean
  ends_at: Date | null
  warned_days: number | null
  due_at: Date | null
  failures: number
  unknown_failures: number
  unknown_since: Date | null
  next_try_at: Date | null
  last_problem: string | null
  forced_version: number | null
  lease_owner: string | null
  lease_until: Date | null
  fence: number
  intent_version: number | null
  intent_at: Date | null
  maybe_spent: boolean
}
export type NewGrant = Omit<
  GrantRow,
  | 'warned_days'
  | 'failures'
  | 'unknown_failures'
  | 'unknown_since'
  | 'next_try_at'
  | 'last_problem'
  | 'forced_version'
  | 'lease_owner'
  | 'lease_until'
  | 'fence'
  | 'intent_version'
  | 'intent_at'
  | 'maybe_spent'
>
/** Taken for a renewal. `stale`: somebody before us had written the same intent and never said how it ended. */
export type Taken = GrantRow & { stale: boolean; credential_version: number; held: boolean }

const q = tables<{ grants: GrantRow; oauth_refusals: { client_key: string; reason: string; since: Date; probe_at: Date } }>()
const raw = <O>(query: RawBuilder<O>): Compilable<O> => ({ compile: () => query.compile(q) })

/** What a fresh consent or a credential by hand begins with. The rising fence refuses whoever is still renewing the old one. */
const FRESH = {
  warned_days: null,
  failures: 0,
  unknown_failures: 0,
  unknown_since: null,
  next_try_at: null,
  last_problem: null,
  forced_version: null,
  lease_owner: null,
  lease_until: null,
  intent_version: null,
  intent_at: null,
  maybe_spent: false,
} as const

/** What hold_grant raises. */
const LOST = 'ARL01'
export const isLost = (error: unknown): boolean => (error as { code?: unknown }).code === LOST

export const grants = {
  insert: (tx: Tx, row: NewGrant) =>
    tx.first(
      q
        .insertInto('grants')
        .values({ ...row, ...FRESH, fence: 0 })
        .returningAll(),
    ),
  /** A new consent for the same connection. */
  renewed: (tx: Tx, row: Partial<NewGrant> & { connection_id: string }) =>
    tx.first(
      q
        .updateTable('grants')
        .set((e) => ({ ...row, ...FRESH, fence: e('fence', '+', 1) }))
        .where('connection_id', '=', row.connection_id)
        .returningAll(),
    ),
  get: (tx: Tx, id: string) => tx.first(q.selectFrom('grants').selectAll().where('connection_id', '=', id)),
  some: (tx: Tx, ids: readonly string[]) =>
    ids.length === 0
      ? Promise.resolve([])
      : tx.all(
          q
            .selectFrom('grants')
            .selectAll()
            .where('connection_id', 'in', [...ids]),
        ),

  /**
   * Takes the lease and writes the intent, in one statement that looks again: only while version and status are still those that were seen,
   * the connection alive, nobody else at it, and its next try due. undefined: not now. Leases run on the database's clock.
   */
  take: (tx: Tx, ask: { id: string; version: number; status: Status; owner: string; leaseMs: number; now: Date; spends: boolean }) =>
    tx.first<Taken>(
      raw(sql<Taken>`
        with seen as (
          select g.connection_id, g.intent_version as old_intent, c.credential_version, c.status, i.held_since is not null as held
          from grants g join connections c on c.id = g.connection_id left join installation i on true
          where g.connection_id = ${ask.id} for update of g
        )
        update grants g set lease_owner = ${ask.owner}, lease_until = now() + ${ask.leaseMs} * interval '1 millisecond', fence = g.fence + 1,
          intent_version = case when ${ask.spends} then s.credential_version end, intent_at = now(),
          -- Should we die now, it is due: whoever looks next finds out how things are.
          due_at = ${ask.now}
        from seen s
        where g.connection_id = s.connection_id and s.credential_version = ${ask.version} and s.status = ${ask.status} and s.status not in ('reconnect', 'disabled')
          and (g.lease_until is null or g.lease_until < now()) and (g.next_try_at is null or g.next_try_at <= ${ask.now})
        returning g.*, s.old_intent is not distinct from s.credential_version as stale, s.credential_version, s.held`),
    ),
  /** The row stays locked until the transaction ends; which fails (`isLost`) where the lease went to somebody else. */
  hold: (tx: Tx, id: string, fence: number) => tx.run(sql`select hold_grant(${id}, ${fence})`),
  /** The books after a renewal, and the lease given back. 0 rows: somebody else has taken over. */
  settle: (tx: Tx, id: string, fence: number, set: Partial<GrantRow>) =>
    tx.run(
      q
        .updateTable('grants')
        .set({ ...set, lease_owner: null, lease_until: null })
        .where('connection_id', '=', id)
        .where('fence', '=', fence),
    ),
  update: (tx: Tx, id: string, set: Partial<GrantRow>) => tx.run(q.updateTable('grants').set(set).where('connection_id', '=', id)),
  /** After trouble of our own: the lease goes, unless it is gone already. */
  letGoOf: (tx: Tx, id: string, fence: number, set: Partial<GrantRow>) =>
    tx.run(
      q
        .updateTable('grants')
        .set({ ...set, lease_owner: null, lease_until: null })
        .where('connection_id', '=', id)
        .where('fence', '=', fence)
        .where('lease_owner', 'is not', null),
    ),
  /** This process is the only one of its name: what it held before it died is free. */
  letGo: (tx: Tx, owner: string) =>
    tx.run(q.updateTable('grants').set({ lease_owner: null, lease_until: null }).where('lease_owner', '=', owner)),

  /** What is due for a renewal and held by nobody. */
  due: (tx: Tx, now: Date, limit: number) =>
    tx.all<{ connection_id: string; workspace_id: string; project_id: string; credential_version: number }>(
      raw(sql`select g.connection_id, g.workspace_id, g.project_id, c.credential_version
        from grants g join connections c on c.id = g.connection_id
        where g.due_at <= ${now} and (g.lease_until is null or g.lease_until < now()) and c.status not in ('reconnect', 'disabled')
        order by g.due_at limit ${limit}`),
    ),
  /** What is due still, though it was just tried, comes later. */
  postpone: (tx: Tx, tried: readonly { connection_id: string; credential_version: number }[], now: Date, later: Date) =>
    tx.run(sql`update grants g set due_at = ${later}
      from connections c
      join unnest(${tried.map((t) => t.connection_id)}::text[], ${tried.map((t) => t.credential_version)}::int[]) as t (id, version)
        on t.id = c.id and t.version = c.credential_version
      where c.id = g.connection_id and g.due_at <= ${now}`),
  /** How a renewal by somebody else stands. */
  watch: (tx: Tx, id: string) =>
    tx.first<{ credential_version: number; busy: boolean }>(
      raw(sql`select c.credential_version, coalesce(g.lease_until > now(), false) as busy
        from grants g join connections c on c.id = g.connection_id where g.connection_id = ${id}`),
    ),
  /** Connections whose end comes nearer than `before` and of which nobody has been told at this step. */
  ending: (tx: Tx, now: Date, days: number, limit: number) =>
    tx.all<GrantRow>(
      raw(sql<GrantRow>`select g.* from grants g join connections c on c.id = g.connection_id
        where g.ends_at <= ${new Date(now.getTime() + days * 86_400_000)} and (g.warned_days is null or g.warned_days > ${days})
          and c.status not in ('reconnect', 'disabled') order by g.ends_at limit ${limit}`),
    ),
  ofClient: async (tx: Tx, clientKey: string): Promise<number> =>
    (await tx.first<{ n: number }>(raw(sql`select count(*)::int as n from grants where client_key = ${clientKey}`)))!.n,
  /** Connections that live by a client. */
  connectionsOf: (tx: Tx, clientKey: string, limit: number) =>
    tx.all<{ id: string; name: string; project_id: string; status: string }>(
      raw(sql`select c.id, c.name, c.project_id, c.status from connections c join grants g on g.connection_id = c.id
        where g.client_key = ${clientKey} order by c.id limit ${limit}`),
    ),
  evidence: async (tx: Tx, clientKey: string): Promise<{ all: number; renewable: number }> =>
    (await tx.first<{ all: number; renewable: number }>(
      raw(sql`select count(*)::int as all, count(*) filter (where renewable)::int as renewable
        from grants where client_key = ${clientKey} and kind = 'authorization_code'`),
    ))!,
  /** Other connections that live by the same consent: same client, same account. */
  sharing: (tx: Tx, id: string, clientKey: string, accountId: string) =>
    tx.all<{ id: string; name: string; workspace_id: string }>(
      raw(sql`select c.id, c.name, c.workspace_id from connections c join grants g on g.connection_id = c.id
        where g.client_key = ${clientKey} and c.account->>'id' = ${accountId} and c.id <> ${id} and c.status <> 'reconnect' limit 5`),
    ),
}

export const refusals = {
  of: (tx: Tx, clientKey: string) => tx.first(q.selectFrom('oauth_refusals').selectAll().where('client_key', '=', clientKey)),
  /** true: it was not known before. */
  note: async (tx: Tx, clientKey: string, reason: string, at: Date, probeAt: Date): Promise<boolean> =>
    (await tx.first<{ fresh: boolean }>(
      raw(sql`insert into oauth_refusals (client_key, reason, since, probe_at) values (${clientKey}, ${reason}, ${at}, ${probeAt})
        on conflict (client_key) do update set reason = excluded.reason, probe_at = excluded.probe_at returning (xmax = 0) as fresh`),
    ))!.fresh,
  /** The right to ask once more; whoever gets it asks for all. */
  probe: (tx: Tx, clientKey: string, now: Date, next: Date) =>
    tx.run(q.updateTable('oauth_refusals').set({ probe_at: next }).where('client_key', '=', clientKey).where('probe_at', '<=', now)),
  clear: (tx: Tx, clientKey: string) => tx.run(q.deleteFrom('oauth_refusals').where('client_key', '=', clientKey)),
  /** All connections of a client, whoever's, to and from `misconfigured`. How many. */
  spread: (tx: Tx, clientKey: string, reason: string, at: Date, due: Date) =>
    tx.run(sql`with hit as (
        update connections c set status = 'misconfigured', status_reason = ${reason}, status_since = ${at}
        from grants g where g.connection_id = c.id and g.client_key = ${clientKey} and c.status not in ('reconnect', 'disabled', 'misconfigured')
        returning c.id)
      update grants set due_at = ${due} where connection_id in (select id from hit)`),
  lift: (tx: Tx, clientKey: string, at: Date) =>
    tx.run(sql`with hit as (
        update connections c set status = 'active', status_reason = null, status_since = ${at}
        from grants g where g.connection_id = c.id and g.client_key = ${clientKey} and c.status = 'misconfigured' returning c.id)
      update grants set due_at = ${at}, next_try_at = null where connection_id in (select id from hit) and renewable`),
}
