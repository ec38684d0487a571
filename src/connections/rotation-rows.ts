import { sql } from 'kysely'
import { type Tx, tables } from '../base/db.ts'

export const OPEN = ['staged', 'validated', 'switched'] as const
export type RotationState = (typeof OPEN)[number] | 'finished' | 'cancelled' | 'rolled_back'
export const REASONS_TO_ROTATE = ['scheduled', 'leaked'] as const
export type WhyRotate = (typeof REASONS_TO_ROTATE)[number]

/** How the check of one place where the connection is bound went with the new version. */
export interface RotationResult {
  /** null: the connection is bound nowhere, and was checked by itself. */
  instance_id: string | null
  instance_name: string | null
  profile_id: string | null
  environment: string | null
  /** `inactive`: checked once it is made active. `excluded`: it stays on the old version. */
  outcome: 'passed' | 'failed' | 'excluded' | 'inactive'
  latency_ms: number | null
  account: { id: string; label: string } | null
  granted_scopes: string[] | null
  expires_at: string | null
  warnings: string[]
  problem: { code: string; message: string; hint: string | null } | null
}
export interface RotationTest {
  kind: 'run' | 'tool' | 'skipped'
  at: string
  by: string
  run_id?: string
  workflow_id?: string
  instance_id?: string
  tool?: string
  /** Of a tool. A run tells by itself. */
  ok?: boolean
  latency_ms?: number
  code?: string
  message?: string
  /** Why there was none. */
  reason?: string
}
export interface RotationAct {
  at: string
  by: string
  act: string
  details?: Record<string, unknown>
}
export interface FieldPrint {
  field: string
  fingerprint: string
  last_four: string | null
}

export interface RotationRow {
  id: string
  workspace_id: string
  project_id: string
  connection_id: string
  state: RotationState
  reason: WhyRotate
  old_version: number
  new_version: number
  old_public: Record<string, unknown>
  new_public: Record<string, unknown>
  fields: { old: FieldPrint[]; new: FieldPrint[] }
  excluded: string[]
  results: RotationResult[]
  validated_at: Date | null
  test: RotationTest | null
  forced: boolean
  switched_at: Date | null
  overlap_until: Date | null
  old_destroyed_at: Date | null
  fallbacks: number
  last_fallback_at: Date | null
  revoked: 'confirmed' | 'revoked' | null
  acts: RotationAct[]
  created_by: string
  created_at: Date
  expires_at: Date
  ended_at: Date | null
}
const q = tables<{ rotations: RotationRow }>()
/** As JSON: the client would take a list for one of PostgreSQL's own. */
const json = <T>(value: T) => sql<T>`${JSON.stringify(value)}::jsonb`
const asStored = ({ results, test, acts, fields, ...plain }: Partial<RotationRow>) => ({
  ...plain,
  ...(results ? { results: json(results) } : {}),
  ...(test ? { test: json(test) } : {}),
  ...(fields ? { fields: json(fields) } : {}),
  ...(acts ? { acts: json(acts) } : {}),
})

export const rotations = {
  insert: (tx: Tx, row: Partial<RotationRow>) =>
    tx.first(
      q
        .insertInto('rotations')
        .values(asStored(row) as never)
        .returningAll(),
    ),
  /** The one that is under way: a connection has one at most. */
  open: (tx: Tx, connectionId: string) =>
    tx.first(
      q
        .selectFrom('rotations')
        .selectAll()
        .where('connection_id', '=', connectionId)
        .where('state', 'in', [...OPEN]),
    ),
  openOf: (tx: Tx, connectionIds: readonly string[]) =>
    connectionIds.length === 0
      ? Promise.resolve([])
      : tx.all(
          q
            .selectFrom('rotations')
            .select(['id', 'state', 'connection_id', 'acts', 'created_by', 'created_at', 'overlap_until', 'expires_at'])
            .where('connection_id', 'in', [...connectionIds])
            .where('state', 'in', [...OPEN]),
        ),
  connectionsUnderWay: q
    .selectFrom('rotations')
    .select('connection_id')
    .where('state', 'in', [...OPEN]),
  latest: (tx: Tx, connectionId: string) =>
    tx.first(q.selectFrom('rotations').selectAll().where('connection_id', '=', connectionId).orderBy('id', 'desc').limit(1)),
  /** After the connection's own row, always: so two acts on one rotation wait for each other. */
  lock: (tx: Tx, connectionId: string) =>
    tx.first(q.selectFrom('rotations').selectAll().where('connection_id', '=', connectionId).orderBy('id', 'desc').limit(1).forUpdate()),
  get: (tx: Tx, connectionId: string, id: string) =>
    tx.first(q.selectFrom('rotations').selectAll().where('connection_id', '=', connectionId).where('id', '=', id)),
  list: (tx: Tx, connectionId: string, limit: number, before: string | null) =>
    tx.all(
      q
        .selectFrom('rotations')
        .selectAll()
        .where('connection_id', '=', connectionId)
        .$if(before !== null, (it) => it.where('id', '<', before as string))
        .orderBy('id', 'desc')
        .limit(limit),
    ),
  update: (tx: Tx, id: string, set: Partial<RotationRow>) =>
    tx.first(
      q
        .updateTable('rotations')
        .set(asStored(set) as never)
        .where('id', '=', id)
        .returningAll(),
    ),
  /** Counts a call that the other version answered for. Returns when the one before was; undefined where it is gone. */
  fellBack: async (tx: Tx, id: string, at: Date): Promise<Date | null | undefined> =>
    (
      await tx.first<{ before: Date | null }>(sql`
        with was as (select id, last_fallback_at from rotations where id = ${id} for update)
        update rotations r set fallbacks = r.fallbacks + 1, last_fallback_at = ${at} from was where r.id = was.id
        returning was.last_fallback_at as before`)
    )?.before,
  /** Whose time is over, over all tenants. */
  due: (tx: Tx, now: Date, limit: number) =>
    tx.all(
      q
        .selectFrom('rotations')
        .select(['connection_id', 'workspace_id', 'project_id', 'state'])
        .where('state', 'in', [...OPEN])
        .where((e) =>
          e.or([
            e.and([e('state', '!=', 'switched'), e('expires_at', '<=', now)]),
            // Whoever waits for a person is looked at once more when that person has acted, and not before.
            e.and([
              e('state', '=', 'switched'),
              e('overlap_until', '<=', now),
              e('fallbacks', '=', 0),
              e('excluded', '=', sql<string[]>`'{}'::text[]`),
              e('old_destroyed_at', 'is', null),
            ]),
          ]),
        )
        .orderBy('id')
        .limit(limit),
    ),
}
