/** A run as this process knows it, and how it is read from and written to the database. */
import type { Db, Scope, Tx } from '../base/db.ts'
import { Fault } from '../base/errors.ts'
import type { CallRecord } from '../tools/index.ts'
import type { Command, Entry } from './decide.ts'
import { type Graph, parseGraph } from './graph.ts'
import { leaseRows } from './lease-rows.ts'
import {
  type Failure,
  type NewEvent,
  type RunChange,
  type RunStatus,
  type RunTable,
  rows,
  type StepChange,
  type StepTable,
} from './rows.ts'
import { workflowRows } from './workflow-rows.ts'

export interface LiveRun {
  id: string
  scope: Scope
  actor: string
  environment: string
  trial: RunTable['options']['trial']
  graph: Graph
  input: unknown
  excluded: ReadonlySet<string>
  fence: number
  lastSeq: number
  status: RunStatus
  command: Command
  failure: Failure | null
  journal: Map<string, Entry>
  /** What templates see of the steps. */
  steps: Record<string, { input?: unknown; result?: unknown }>
}

/** Somebody else works on the run now. Whoever meets this stops, and writes nothing more. */
export class Superseded extends Error {}

/** What one write carries. */
export interface Pending {
  events: NewEvent[]
  steps: Map<string, StepChange>
  calls: CallRecord[]
}
export const nothingPending = (): Pending => ({ events: [], steps: new Map(), calls: [] })

export function live(
  row: Omit<RunTable, 'finished_at' | 'waiting_on' | 'failure' | 'command' | 'touched_at' | 'pickups'> & Partial<RunTable>,
  graph: Graph,
): LiveRun {
  return {
    id: row.id,
    scope: { workspace: row.workspace_id, project: row.project_id },
    actor: row.started_by,
    environment: row.environment,
    graph,
    input: row.input,
    excluded: excludedSteps(graph, row.options),
    trial: row.options.trial,
    fence: row.fence,
    lastSeq: row.last_seq,
    status: row.status,
    command: row.command ?? 'none',
    failure: row.failure ?? null,
    journal: new Map(),
    steps: Object.create(null) as LiveRun['steps'],
  }
}

/** With `trigger_steps` only those run; `excluded_step_ids` never do. */
function excludedSteps(graph: Graph, options: RunTable['options']): ReadonlySet<string> {
  const only = options.trigger_steps
  const excluded = new Set(options.excluded_step_ids ?? [])
  if (only) for (const step of graph.steps) if (!only.includes(step.id)) excluded.add(step.id)
  return excluded
}

/**
 * Picked up more often than this in a row without getting any further, a run is failed: whatever it does brings the process down,
 * and all others with it. Innocent runs that were in flight beside it are told apart by waiting (see index.ts).
 */
export const MAX_PICKUPS = 10

/** Takes the run over for this leg and reads all that is known. Undefined: it has ended, is gone, or a later leg has begun. */
export async function takeOver(db: Db, scope: Scope, runId: string, leg: number, now: () => number): Promise<LiveRun | undefined> {
  // Counted in a transaction of its own, before anything is read that may be what brings the process down.
  const row = await db.tx(scope, (tx) => leaseRows.takeOver(tx, runId, leg))
  if (!row) return undefined
  return db.tx(scope, async (tx) => {
    if (row.pickups > MAX_PICKUPS) return giveUp(tx, row, new Date(now()))
    const version = await workflowRows.version(tx, row.workflow_id, row.version)
    if (!version) throw new Fault('INTERNAL', `run ${runId} has no version ${row.version} to go on with`)
    const run = live(row, parseGraph(version.graph))
    for (const step of await rows.steps(tx, runId)) remember(run, step)
    return run
  })
}

/** Without looking at the graph or at any result. What was in flight stays in the books as unknown. */
async function giveUp(tx: Tx, row: RunTable, at: Date): Promise<undefined> {
  const failure: Failure = {
    code: 'INTERNAL',
    reason: 'PICKED_UP_IN_VAIN',
    message: `the run was taken up ${MAX_PICKUPS} times in a row and never got any further, because the runtime ended or gave it up each time`,
    step_id: null,
    hint: 'Look into the log for what happened then. It can be tried again.',
  }
  const said = { at: at.toISOString() }
  const lost = (await rows.inFlight(tx, row.id)).map((s) => ({ step_id: s.step_id, state: 'unknown', attempt: s.attempt }))
  const events: NewEvent[] = lost.map((s) => ({
    ...said,
    event_type: 'step_waiting',
    step_id: s.step_id,
    attempt: s.attempt,
    data: { kind: 'outcome_unknown' },
  }))
  events.push({ ...said, event_type: 'state_changed', data: { from: row.status, to: 'failed' } })
  const change = { status: 'failed' as const, waiting_on: [], failure, finished_at: at }
  const where = { runId: row.id, fence: row.fence, lastSeq: row.last_seq }
  await rows.write(tx, { workspace: row.workspace_id, project: row.project_id }, where, change, events, lost, [])
  return undefined
}

function remember(run: LiveRun, step: StepTable): void {
  const detail = step.detail ?? {}
  const { attempt } = step
  run.journal.set(
    step.step_id,
    step.state === 'retrying'
      ? { state: 'retrying', attempt, retry_at: Number(detail.retry_at ?? 0) }
      : step.state === 'waiting'
        ? { state: 'waiting', attempt, kind: detail.kind as never }
        : step.state === 'skipped'
          ? { state: 'skipped', reason: detail.reason as never }
          : ({ state: step.state, attempt } as Entry),
  )
  if (step.state === 'completed' || step.input !== null)
    run.steps[step.step_id] = { input: step.input, ...(step.state === 'completed' ? { result: step.result } : {}) }
}

/** Events that are no step forward: a run that only ever writes these gets nowhere. */
const NO_PROGRESS: ReadonlySet<string> = new Set(['step_started', 'state_changed'])

/**
 * Writes what is pending, in one transaction. Throws Superseded when the run is somebody else's by now. What this process knows of
 * the run changes once the commit is certain: a write that was lost on the way is made again on top of the same state.
 */
export async function write(db: Db, run: LiveRun, pending: Pending, change: Omit<RunChange, 'command' | 'progress'>): Promise<void> {
  const expected = run.lastSeq + pending.events.length
  const done = await db.once(run.scope, (tx) =>
    rows.write(
      tx,
      run.scope,
      { runId: run.id, fence: run.fence, lastSeq: run.lastSeq },
      { ...change, progress: pending.events.some((e) => !NO_PROGRESS.has(e.event_type)) },
      pending.events,
      [...pending.steps.values()],
      pending.calls,
    ),
  )
  if (done) run.command = done.command
  else {
    // The very same write may have been committed before the answer was lost (the connection was cut after COMMIT).
    const row = await db.tx(run.scope, (tx) => rows.run(tx, run.id))
    if (row?.fence !== run.fence || row.last_seq !== expected) throw new Superseded(`run ${run.id} is worked on by somebody else`)
    run.command = row.command
  }
  run.lastSeq = expected
  run.status = change.status
}
