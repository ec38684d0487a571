import { sql } from 'kysely'
import { OWN_WORKSPACE, OWN_PROJECT, type Scope, type Tx, tables } from '../base/db.ts'
import type { CallRecord } from '../tools/index.ts'
import type { Command } from './decide.ts'
import type { Flag } from './guard.ts'
import { jsonText } from './json-text.ts'

export type RunStatus = 'queued' | 'running' | 'paused' | 'draining' | 'completed' | 'failed' | 'stopped'

export interface RunTable {
  id: string
  workspace_id: string
  project_id: string
  workflow_id: string
  version: number
  environment: string
  trigger: string
  started_by: string
  status: RunStatus
  input: unknown
  options: RunOptions
  waiting_on: unknown
  failure: Failure | null
  command: Command
  last_seq: number
  fence: number
  leg: number
  /** Times in a row that it was taken over after a crash without getting any further. */
  pickups: number
  created_at: Date
  /** When the latest leg was begun. */
  touched_at: Date
  started_at: Date | null
  finished_at: Date | null
}
export interface RunOptions {
  trigger_steps?: string[]
  excluded_step_ids?: string[]
  /** A version of one connection that is under test: this run alone uses it. */
  trial?: { rotation_id: string; connection_id: string; version: number }
  secret_in_input?: Flag[]
}
/** A type and not an interface, so that it counts as plain JSON. */
export type Failure = {
  code: string
  message: string
  step_id: string | null
  reason?: string
  hint?: string
  details?: Record<string, unknown>
}
export interface StepTable {
  workspace_id: string
  project_id: string
  run_id: string
  step_id: string
  state: string
  attempt: number
  input: unknown
  result: unknown
  detail: Record<string, unknown> | null
  started_at: Date | null
  finished_at: Date | null
}
interface EventTable {
  workspace_id: string
  project_id: string
  run_id: string
  seq: number
  event_type: string
  step_id: string | null
  attempt: number | null
  at: Date
  data: Record<string, unknown>
}
export type RunRow = RunTable

export interface NewEvent {
  event_type: string
  step_id?: string
  attempt?: number
  at: string
  data?: Record<string, unknown>
}
/** Fields that are left out keep what is there. */
export interface StepChange {
  step_id: string
  state: string
  attempt: number
  input?: unknown
  result?: unknown
  detail?: Record<string, unknown> | null
  started_at?: string
  finished_at?: string
}
export interface RunChange {
  status: RunStatus
  waiting_on: unknown[]
  failure: Failure | null
  command?: Command
  /** It got further: a step ended or began to wait. */
  progress?: boolean
  started_at?: Date | null
  finished_at?: Date | null
}

const q = tables<{
  workflows: { id: string; name: string }
  runs: RunTable
  run_steps: StepTable
  run_events: EventTable
}>()

export const rows = {
  insertRun: (
    tx: Tx,
    row: Omit<RunTable, 'finished_at' | 'failure' | 'waiting_on' | 'command' | 'touched_at' | 'pickups'> & { input: unknown },
  ) =>
    tx.run(
      q
        .insertInto('runs')
        .values({ ...row, input: jsonText(row.input), options: jsonText(row.options) } as never)
        .onConflict((c) => c.column('id').doNothing()),
    ),
  insertEvent: (tx: Tx, scope: Scope, runId: string, seq: number, e: NewEvent) =>
    tx.run(
      q.insertInto('run_events').values({
        workspace_id: scope.workspace,
        project_id: scope.project,
        run_id: runId,
        seq,
        event_type: e.event_type,
        step_id: e.step_id ?? null,
        attempt: e.attempt ?? null,
        at: e.at,
        data: jsonText(e.data ?? {}),
      } as never),
    ),
  run: (tx: Tx, id: string) => tx.first(q.selectFrom('runs').selectAll().where('id', '=', id)),
  lockRun: (tx: Tx, id: string) => tx.first(q.selectFrom('runs').selectAll().where('id', '=', id).forUpdate()),
  command: (tx: Tx, id: string, command: Command, status: RunStatus | null) =>
    tx.first(
      q
        .updateTable('runs')
        .set({ command, ...(status ? { status } : {}) })
        .where('id', '=', id)
        .returningAll(),
    ),
  /** A new stretch of work begins after a change from outside. The fence refuses whoever still works on the one before. */
  nextLeg: async (tx: Tx, id: string, set: { status: RunStatus; command: Command }): Promise<number> => {
    const fresh = { waiting_on: sql`'[]'::jsonb`, last_seq: sql`last_seq + 1`, finished_at: null, pickups: 0 }
    const next = { leg: sql`leg + 1`, fence: sql`fence + 1`, touched_at: sql`now()`, ...fresh, ...set }
    const row = await tx.first(
      q
        .updateTable('runs')
        .set(next as never)
        .where('id', '=', id)
        .returning('leg'),
    )
    return row!.leg
  },
  /** One more event on a run that has ended. */
  countEvent: (tx: Tx, id: string) => tx.run(q.updateTable('runs').set({ last_seq: sql`last_seq + 1` }).where('id', '=', id)),
  setFailure: (tx: Tx, id: string, failure: Failure | null) =>
    tx.run(
      q
        .updateTable('runs')
        .set({ failure: (failure ? jsonText(failure) : null) as never })
        .where('id', '=', id),
    ),
  setStep: (
    tx: Tx,
    runId: string,
    stepId: string,
    set: Partial<Pick<StepTable, 'state' | 'attempt' | 'result' | 'detail' | 'finished_at'>>,
  ) =>
    tx.run(
      q
        .updateTable('run_steps')
        .set({
          ...set,
          ...('result' in set ? { result: jsonText(set.result) } : {}),
          detail: (set.detail ? jsonText(set.detail) : null) as never,
        })
        .where('run_id', '=', runId)
        .where('step_id', '=', stepId),
    ),
  commands: (tx: Tx, ids: readonly string[]) =>
    tx.all(
      q
        .selectFrom('runs')
        .select(['id', 'command', 'fence'])
        .where('id', 'in', [...ids])
        .where('command', '!=', 'none'),
    ),
  steps: (tx: Tx, runId: string) => tx.all(q.selectFrom('run_steps').selectAll().where('run_id', '=', runId)),
  inFlight: (tx: Tx, runId: string) =>
    tx.all(q.selectFrom('run_steps').select(['step_id', 'attempt']).where('run_id', '=', runId).where('state', '=', 'started')),
  dropSteps: (tx: Tx, runId: string, stepIds: readonly string[]) =>
    tx.run(
      q
        .deleteFrom('run_steps')
        .where('run_id', '=', runId)
        .where('step_id', 'in', [...stepIds]),
    ),
  events: (tx: Tx, runId: string, after: number, limit: number) =>
    tx.all(q.selectFrom('run_events').selectAll().where('run_id', '=', runId).where('seq', '>', after).orderBy('seq').limit(limit)),
  runs: (
    tx: Tx,
    f: {
      limit: number
      before: string | null
      workflowId?: string | undefined
      status?: RunStatus | undefined
      trigger?: string | undefined
      since?: Date | undefined
      until?: Date | undefined
    },
  ) => {
    let query = q
      .selectFrom('runs as r')
      .leftJoin('workflows as w', 'w.id', 'r.workflow_id')
      .select([
        'r.id',
        'r.workflow_id',
        'w.name as workflow_name',
        'r.version',
        'r.environment',
        'r.trigger',
        'r.started_by',
        'r.status',
        'r.waiting_on',
        'r.failure',
        'r.created_at',
        'r.started_at',
        'r.finished_at',
      ])
      .where('r.workspace_id', '=', OWN_WORKSPACE)
      .where('r.project_id', '=', OWN_PROJECT)
      .orderBy('r.id', 'desc')
      .limit(f.limit)
    if (f.before) query = query.where('r.id', '<', f.before)
    if (f.workflowId) query = query.where('r.workflow_id', '=', f.workflowId)
    if (f.status) query = query.where('r.status', '=', f.status)
    if (f.trigger) query = query.where('r.trigger', '=', f.trigger)
    if (f.since) query = query.where('r.created_at', '>=', f.since)
    if (f.until) query = query.where('r.created_at', '<', f.until)
    return tx.all(query)
  },
  activeRunsOf: (tx: Tx, workflowIds: readonly string[], limit: number) =>
    tx.all(
      q
        .selectFrom('runs')
        .select(['id', 'workflow_id', 'status', 'version', 'environment'])
        .where('workflow_id', 'in', [...workflowIds])
        .where('status', 'in', ['queued', 'running', 'paused', 'draining'])
        .orderBy('id', 'desc')
        .limit(limit),
    ),

  /**
   * The journal's one way to grow: run row, events, steps and call records in one statement that only the owner of the fence
   * can make, and only on top of what it knows. Undefined: somebody else has taken over, or this very write was made before.
   */
  write: (
    tx: Tx,
    scope: Scope,
    at: { runId: string; fence: number; lastSeq: number },
    change: RunChange,
    events: readonly NewEvent[],
    steps: readonly StepChange[],
    calls: readonly CallRecord[],
  ) =>
    tx.first<{ last_seq: number; command: Command }>(sql<{ last_seq: number; command: Command }>`
      with r as (
        update runs set last_seq = last_seq + ${events.length}::int, status = ${change.status}, waiting_on = ${jsonText(change.waiting_on)}::jsonb,
          failure = coalesce(${change.failure ? jsonText(change.failure) : null}::jsonb, failure), command = coalesce(${change.command ?? null}::text, command),
          pickups = case when ${change.progress ?? false}::boolean then 0 else pickups end,
          started_at = coalesce(started_at, ${change.started_at ?? null}::timestamptz), finished_at = ${change.finished_at ?? null}::timestamptz
        where id = ${at.runId} and fence = ${at.fence}::int and last_seq = ${at.lastSeq}::int
        returning id, last_seq, command
      ), e as (
        insert into run_events (workspace_id, project_id, run_id, seq, event_type, step_id, attempt, at, data)
        select ${scope.workspace}, ${scope.project}, r.id, ${at.lastSeq}::int + x.ord::int, x.e->>'event_type', x.e->>'step_id', (x.e->>'attempt')::int,
          (x.e->>'at')::timestamptz, coalesce(x.e->'data', '{}'::jsonb)
        from r, jsonb_array_elements(${jsonText(events)}::jsonb) with ordinality as x(e, ord)
      ), s as (
        insert into run_steps as t (workspace_id, project_id, run_id, step_id, state, attempt, input, result, detail, started_at, finished_at)
        select ${scope.workspace}, ${scope.project}, r.id, x.s->>'step_id', x.s->>'state', (x.s->>'attempt')::int, x.s->'input', x.s->'result', x.s->'detail',
          (x.s->>'started_at')::timestamptz, (x.s->>'finished_at')::timestamptz
        from r, jsonb_array_elements(${jsonText(steps)}::jsonb) as x(s)
        on conflict (run_id, step_id) do update set state = excluded.state, attempt = excluded.attempt, input = coalesce(excluded.input, t.input),
          result = coalesce(excluded.result, t.result), detail = excluded.detail, started_at = coalesce(excluded.started_at, t.started_at),
          finished_at = excluded.finished_at
      ), c as (
        insert into tool_calls select x.* from r, jsonb_populate_recordset(null::tool_calls, ${jsonText(calls)}::jsonb) as x
      )
      select last_seq, command from r`),
}
