/** What is told of a rotation: its state, what was found out on the way, and how often each version is seen. Never a value. */
import { z } from 'zod'
import type { Tx } from '../base/db.ts'
import type { RotationRow } from '../connections/index.ts'
import { fail } from '../base/errors.ts'
import type { Ctx, Rooms } from './operation.ts'
import { json, run, time } from './shapes.ts'

const problem = z.object({ code: z.string(), message: z.string(), hint: z.string().nullable() })
const result = z.object({
  instance_id: z.string().nullable().describe('null: bound nowhere, and checked by itself'),
  instance_name: z.string().nullable(),
  profile_id: z.string().nullable(),
  environment: z.string().nullable(),
  outcome: z
    .enum(['passed', 'failed', 'excluded', 'inactive'])
    .describe('excluded: it stays on the old version; inactive: not checked, for its profile does not serve'),
  latency_ms: z.number().nullable(),
  account: z.object({ id: z.string(), label: z.string() }).nullable(),
  granted_scopes: z.array(z.string()).nullable(),
  expires_at: time.nullable(),
  warnings: z.array(z.string()),
  problem: problem.nullable(),
})
const test = z.object({
  kind: z.enum(['run', 'tool', 'skipped']),
  at: time,
  by: z.string(),
  run_id: z.string().optional(),
  workflow_id: z.string().optional(),
  run_status: run.shape.status.optional(),
  calls: z.number().optional().describe('of that run, with the new version'),
  instance_id: z.string().optional(),
  tool: z.string().optional(),
  ok: z.boolean().nullable().describe('null: the run is under way, or there was no test'),
  latency_ms: z.number().optional(),
  code: z.string().optional(),
  message: z.string().optional(),
  reason: z.string().optional(),
})
const version = z.object({
  version: z.number(),
  keys: z.array(z.object({ name: z.string(), fingerprint: z.string(), last_four: z.string().nullable() })),
  calls: z.number().describe('since the switch; of the new one since it was staged. Checks do not count'),
  last_used_at: time.nullable(),
  destroyed_at: time.nullable(),
})
export const rotation = z.object({
  rotation_id: z.string(),
  connection_id: z.string(),
  state: z.enum(['staged', 'validated', 'tested', 'switched', 'finished', 'cancelled', 'rolled_back']),
  reason: z.enum(['scheduled', 'leaked']),
  old: version,
  new: version,
  results: z.array(result),
  validated_at: time.nullable(),
  test: test.nullable(),
  forced: z.boolean().describe('it was switched although its validation or test had not passed'),
  switched_at: time.nullable(),
  overlap_until: time.nullable().describe('the old version answers for a refused new one, and the way back is open, until it is destroyed'),
  fallbacks: z.number().describe('calls that the other version had to answer for'),
  last_fallback_at: time.nullable(),
  revoked_at_provider: z
    .enum(['confirmed', 'revoked'])
    .nullable()
    .describe('who says that the old one is dead there too: a person, or the provider itself; null: nobody'),
  can_revoke: z.boolean().describe('finish revokes the old one at the provider by itself'),
  runs_under_way: z.number().describe('of workflows that use the connection; steps in flight end on the version that they began with'),
  next: z.array(z.enum(['validate', 'test', 'promote', 'rollback', 'finish'])).describe('what can be done now'),
  acts: z.array(z.object({ at: time, by: z.string(), act: z.string(), details: json.optional() })),
  created_by: z.string(),
  created_at: time,
  expires_at: time.describe('when it is destroyed, unless it is switched to before'),
  ended_at: time.nullable(),
})
export type Rotation = z.output<typeof rotation>

const iso = (date: Date | null) => date?.toISOString() ?? null

/** With how the test ended: a run tells by itself. */
async function testOf(
  { runs, uses }: Rooms,
  tx: Tx,
  { test: it, connection_id, new_version }: RotationRow,
): Promise<z.input<typeof test> | null> {
  if (it === null) return null
  if (it.kind !== 'run' || !it.run_id) return { ...it, ok: it.ok ?? null }
  const { status, failure } = await runs.summary(tx, it.run_id)
  const calls = await uses.callsInRun(tx, it.run_id, connection_id, new_version)
  const ok = status === 'completed' ? true : status === 'failed' || status === 'stopped' ? false : null
  return { ...it, run_status: status, calls, ok, ...(failure ? { code: failure.code, message: failure.message } : {}) }
}

const NEXT: Record<Rotation['state'], Rotation['next']> = {
  staged: ['validate', 'test', 'rollback'],
  validated: ['validate', 'test', 'promote', 'rollback'],
  tested: ['validate', 'test', 'promote', 'rollback'],
  switched: ['finish', 'rollback'],
  finished: [],
  cancelled: [],
  rolled_back: [],
}

export async function shown(rooms: Rooms, tx: Tx, row: RotationRow): Promise<z.input<typeof rotation>> {
  const since = [row.switched_at ?? row.created_at, row.created_at]
  const [seen, tested, wires, connection] = await Promise.all([
    rooms.uses.ofVersions(
      tx,
      row.connection_id,
      [row.old_version, row.new_version].map((v, i) => ({ version: v, since: since[i] as Date })),
    ),
    testOf(rooms, tx, row),
    rooms.bindings.usedBy(tx, row.connection_id),
    rooms.connections.row(tx, row.connection_id),
  ])
  const naming = await rooms.runs.workflows.naming(tx, [...new Set(wires.map((w) => w.instance_id))])
  const active = await rooms.runs.activeRunsOf(
    tx,
    naming.map((w) => w.workflow_id),
  )
  const side = (v: number, fields: RotationRow['fields']['old'], destroyed: Date | null) => {
    const uses = seen.find((s) => s.version === v)
    const keys = fields.map((f) => ({ name: f.field, fingerprint: f.fingerprint, last_four: f.last_four }))
    return { version: v, keys, calls: uses?.calls ?? 0, last_used_at: iso(uses?.last_used_at ?? null), destroyed_at: iso(destroyed) }
  }
  const state = row.state === 'validated' && tested !== null && tested.kind !== 'skipped' && tested.ok === true ? 'tested' : row.state
  const dropped = row.state === 'cancelled' || row.state === 'rolled_back' ? row.ended_at : null
  return {
    rotation_id: row.id,
    connection_id: row.connection_id,
    state,
    reason: row.reason,
    old: side(row.old_version, row.fields.old, row.old_destroyed_at),
    new: side(row.new_version, row.fields.new, dropped),
    results: row.results,
    validated_at: iso(row.validated_at),
    test: tested,
    forced: row.forced,
    switched_at: iso(row.switched_at),
    overlap_until: iso(row.overlap_until),
    fallbacks: row.fallbacks,
    last_fallback_at: iso(row.last_fallback_at),
    revoked_at_provider: row.revoked,
    can_revoke: rooms.connections.revocation.isPossible(connection),
    runs_under_way: active.length,
    next: NEXT[state].filter((act) => act !== 'rollback' || row.old_destroyed_at === null),
    acts: row.acts,
    created_by: row.created_by,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
    ended_at: iso(row.ended_at),
  }
}

export const WRITE = { scope: 'connection:write', role: 'project_contributor', effect: 'write' } as const
export const READ = {
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
} as const
export const noted = (row: RotationRow, details: Record<string, unknown> = {}) => ({
  target: row.connection_id,
  details: { rotation_id: row.id, state: row.state, old_version: row.old_version, new_version: row.new_version, ...details },
})
export const latest = async ({ connections }: Rooms, tx: Tx, connectionId: string): Promise<RotationRow> => {
  await connections.get(tx, connectionId)
  return (await connections.rotations.latest(tx, connectionId)) ?? fail('NOT_FOUND', 'this connection was never rotated')
}
/** As it is now, with what was used a moment ago. */
export async function now(rooms: Rooms, { read }: Pick<Ctx, 'read'>, row: RotationRow): Promise<z.input<typeof rotation>> {
  await rooms.uses.flush()
  return read((tx) => shown(rooms, tx, row))
}
