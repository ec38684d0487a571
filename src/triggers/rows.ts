import { type Selectable, sql } from 'kysely'
import { OWN_PROJECT, OWN_WORKSPACE, type Scope, type Tx, tables } from '../base/db.ts'

interface WebhookTable {
  id: string
  workspace_id: string
  project_id: string
  workflow_id: string
  name: string
  scheme: string
  enabled: boolean
  extras: unknown
  automation_pat_id: string | null
  secret_version: number
  previous_secret_version: number | null
  previous_until: Date | null
  /** When the secret that counts was made. */
  secret_since: Date | null
  /** The highest number that one ever had. */
  last_secret_version: number
  created_by: string
  created_at: Date
  updated_at: Date
}
export type WebhookRow = Selectable<WebhookTable>
export type Outcome = 'accepted' | 'duplicate' | 'refused'
interface DeliveryTable {
  id: string
  workspace_id: string
  project_id: string
  webhook_id: string
  slot: string
  outcome: Outcome
  code: string | null
  run_id: string | null
  delivery_id: string | null
  /** Of what was accepted: which secret had signed it. */
  secret_version: number | null
  count: number
  at: Date
  last_at: Date
  audited: boolean
}
export type DeliveryRow = Selectable<DeliveryTable>
/** A row with the latest of what came for it. */
export type ShownRow = WebhookRow & { last_at: Date | null; last_outcome: Outcome | null }

/** Something that came and started nothing, as often as it did. */
export interface Noted {
  id: string
  webhook_id: string
  slot: string
  outcome: 'duplicate' | 'refused'
  code: string | null
  run_id: string | null
  delivery_id: string | null
  count: number
  at: Date
  last_at: Date
}

const q = tables<{ webhooks: WebhookTable; webhook_deliveries: DeliveryTable }>()
/** Subscriptions that a person may be looking at. */
const WATCHED = 200
const json = (value: unknown) => JSON.stringify(value) as never

const shown = () =>
  q
    .selectFrom('webhooks as w')
    .leftJoinLateral(
      (e) =>
        e
          .selectFrom('webhook_deliveries as d')
          .select(['d.last_at', 'd.outcome as last_outcome'])
          .whereRef('d.webhook_id', '=', 'w.id')
          .orderBy('d.id', 'desc')
          .limit(1)
          .as('l'),
      (j) => j.onTrue(),
    )
    .selectAll('w')
    .select(['l.last_at', 'l.last_outcome'])

export const rows = {
  insert: (tx: Tx, row: WebhookRow) => tx.run(q.insertInto('webhooks').values({ ...row, extras: json(row.extras) })),
  byId: (tx: Tx, id: string) => tx.first(q.selectFrom('webhooks').selectAll().where('id', '=', id)),
  shown: (tx: Tx, id: string): Promise<ShownRow | undefined> => tx.first(shown().where('w.id', '=', id)),
  ofWorkflows: (tx: Tx, ids: readonly string[]): Promise<ShownRow[]> =>
    tx.all(
      shown()
        .where('w.workflow_id', 'in', [...ids])
        .orderBy('w.id'),
    ),
  lock: (tx: Tx, id: string) => tx.first(q.selectFrom('webhooks').selectAll().where('id', '=', id).forUpdate()),
  /** It cannot be deleted or switched off until this transaction ends. */
  hold: (tx: Tx, id: string) => tx.first(q.selectFrom('webhooks').select('id').where('id', '=', id).where('enabled', '=', true).forShare()),
  page: (tx: Tx, limit: number, before: string | null, workflowId: string | undefined): Promise<ShownRow[]> => {
    let query = shown()
      .where('w.workspace_id', '=', OWN_WORKSPACE)
      .where('w.project_id', '=', OWN_PROJECT)
      .orderBy('w.id', 'desc')
      .limit(limit)
    if (before) query = query.where('w.id', '<', before)
    if (workflowId) query = query.where('w.workflow_id', '=', workflowId)
    return tx.all(query)
  },
  /** What stands for the state of the list: it differs once a subscription has changed, or something new has come. */
  mark: async (tx: Tx): Promise<string> =>
    (
      await tx.first<{ mark: string }>(sql`
        select coalesce(md5(string_agg(concat_ws('/', w.id, w.updated_at, l.id, l.count), ',' order by w.id)), '') as mark
        from (select id, updated_at from webhooks where workspace_id = ${OWN_WORKSPACE} and project_id = ${OWN_PROJECT}
          order by id desc limit ${WATCHED}) as w
        left join lateral (select id, count from webhook_deliveries where webhook_id = w.id order by id desc limit 1) as l on true`)
    )?.mark ?? '',
  update: (tx: Tx, id: string, set: Partial<Omit<WebhookRow, 'id' | 'workspace_id' | 'project_id'>>) =>
    tx.run(
      q
        .updateTable('webhooks')
        .set({ ...set, ...('extras' in set ? { extras: json(set.extras) } : {}) })
        .where('id', '=', id),
    ),
  /** What was accepted since, by the secret that had signed it. */
  signedSince: (tx: Tx, id: string, since: Date) =>
    tx.all<{ secret_version: number | null; deliveries: number; last_at: Date }>(
      q
        .selectFrom('webhook_deliveries')
        .select((e) => ['secret_version', e.fn.countAll<number>().as('deliveries'), e.fn.max('at').as('last_at')])
        .where('webhook_id', '=', id)
        .where('outcome', '=', 'accepted')
        .where('at', '>=', since)
        .groupBy('secret_version'),
    ),
  remove: (tx: Tx, id: string) => tx.run(q.deleteFrom('webhooks').where('id', '=', id)),
  /** Subscriptions whose secret of before has served its time. */
  lapsed: (tx: Tx, now: Date, limit: number) =>
    tx.all(
      q
        .selectFrom('webhooks')
        .select(['id', 'previous_secret_version'])
        .where('previous_until', '<=', now)
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    ),

  /** True when this transaction now owns the slot. A delivery of the same name in flight is waited for. */
  claim: async (
    tx: Tx,
    scope: Scope,
    row: Pick<DeliveryRow, 'id' | 'webhook_id' | 'slot' | 'run_id' | 'delivery_id' | 'secret_version' | 'at'>,
  ): Promise<boolean> =>
    (await tx.run(
      q
        .insertInto('webhook_deliveries')
        .values({
          ...row,
          workspace_id: scope.workspace,
          project_id: scope.project,
          outcome: 'accepted',
          code: null,
          count: 1,
          last_at: row.at,
          audited: false,
        })
        .onConflict((c) => c.columns(['webhook_id', 'slot']).doNothing()),
    )) === 1,
  claimed: (tx: Tx, webhookId: string, slot: string) =>
    tx.first(q.selectFrom('webhook_deliveries').select(['run_id']).where('webhook_id', '=', webhookId).where('slot', '=', slot)),
  deliveries: (tx: Tx, webhookId: string, limit: number, before: string | null) => {
    let query = q.selectFrom('webhook_deliveries').selectAll().where('webhook_id', '=', webhookId).orderBy('id', 'desc').limit(limit)
    if (before) query = query.where('id', '<', before)
    return tx.all(query)
  },
  /** Adds counts to the rows of their slots. What was sent to nobody's subscription goes nowhere. */
  note: (tx: Tx, noted: readonly Noted[]) => {
    const column = <K extends keyof Noted>(name: K, type: string) => sql`${noted.map((n) => n[name])}::${sql.raw(type)}[]`
    return tx.run(sql`
      insert into webhook_deliveries (id, workspace_id, project_id, webhook_id, slot, outcome, code, run_id, delivery_id, count, at, last_at)
      select v.id, w.workspace_id, w.project_id, w.id, v.slot, v.outcome, v.code, v.run_id, v.delivery_id, v.count, v.at, v.last_at
      from unnest(${column('id', 'text')}, ${column('webhook_id', 'text')}, ${column('slot', 'text')}, ${column('outcome', 'text')},
        ${column('code', 'text')}, ${column('run_id', 'text')}, ${column('delivery_id', 'text')}, ${column('count', 'int')},
        ${column('at', 'timestamptz')}, ${column('last_at', 'timestamptz')})
        as v (id, webhook_id, slot, outcome, code, run_id, delivery_id, count, at, last_at)
      join webhooks w on w.id = v.webhook_id
      order by w.id, v.slot
      on conflict (webhook_id, slot) do update set count = webhook_deliveries.count + excluded.count,
        last_at = greatest(webhook_deliveries.last_at, excluded.last_at)`)
  },
  /** One row of refusals that is counted to its end and that nobody has audited yet: now it is the caller's. */
  takeUnaudited: (tx: Tx, before: Date) =>
    tx.first(
      q
        .updateTable('webhook_deliveries')
        .set({ audited: true })
        .where('id', '=', (e) =>
          e
            .selectFrom('webhook_deliveries')
            .select('id')
            .where('outcome', '=', 'refused')
            .where('audited', '=', false)
            .where('at', '<', before)
            .limit(1)
            .forUpdate()
            .skipLocked(),
        )
        .returningAll(),
    ),
  /** So many at most, so that no transaction is long. How many there were. */
  forget: (tx: Tx, accepted: Date, others: Date, limit: number) =>
    tx.run(
      q.deleteFrom('webhook_deliveries').where('id', 'in', (e) =>
        e
          .selectFrom('webhook_deliveries')
          .select('id')
          .where((o) => o.or([o('at', '<', accepted), o.and([o('at', '<', others), o('outcome', '<>', 'accepted')])]))
          .limit(limit),
      ),
    ),
}
