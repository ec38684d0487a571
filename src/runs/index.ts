/** Many tool calls, durable: workflows, their versions, and runs that survive a crash. */
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { Db, Scope, Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Logger } from '../base/log.ts'
import { type Page, pageOf, readCursor } from '../base/page.ts'
import type { Tools } from '../tools/index.ts'
import { createEngine, type LegName } from './engine.ts'
import { type FindStored, lookThrough, refuseSecrets } from './guard.ts'
import { createGraphs } from './graphs.ts'
import { type LiveRun, live, takeOver } from './journal.ts'
import { type Handle, type LegDeps, runLeg } from './leg.ts'
import { type RunOptions, type RunRow, type RunStatus, rows } from './rows.ts'
import { marks, startedByPeople } from './mark-rows.ts'
import { createLookout, TIMES, type Times } from './lookout.ts'
import { patiently, within } from './patience.ts'
import { refuseUnready } from './ready.ts'
import { type RunFacts, showEvent, showRun, showStep } from './show.ts'
import { type Change, createSteering, ENDED, type RunCommand, type Started } from './steer.ts'
import { createWhatIf } from './what-if.ts'
import { createWorkflows } from './workflows.ts'

export type { FindStored, RunCommand, RunFacts, RunStatus, Times }
export type { Issue } from './graph.ts'
export type { RunFate, StepFate, Supposed, Target, WorkflowFate } from './what-if.ts'
export type { VersionFacts, WorkflowFacts } from './workflows.ts'

/** Runs advanced at the same time by one process. Beyond it they wait in line: each holds its journal in memory. */
const MAX_LEGS = 256
/** On the way down, legs get this long to write down what is in flight. */
export const DRAIN_MS = 25_000
/** The engine is told of a leg within this time, or the lookout finds the run later: nobody waits for a database that is away. */
const BEGIN_MS = 5_000
/**
 * A run that was picked up this often in a row without getting any further may be what brings the process down. It and its
 * innocent neighbours wait a while, each for another time, so that the innocent get further before the next crash.
 */
const SUSPECT_AFTER = 3
/** So often the longest wait is doubled: from a second to about a minute. */
const SUSPECT_DOUBLED = 6
export { ENGINE_POOL } from './engine.ts'

export interface StartInput {
  workflow_id: string
  input: Record<string, unknown>
  environment: string
  trigger: string
  startedBy: string
  run_id?: string | undefined
  options: RunOptions
  /** It came by itself: what it holds of secrets is flagged, and does not refuse it. */
  flags?: true
}
export function createRuns(deps: {
  db: Db
  enginePool: pg.Pool
  executorId: string
  tools: Tools
  findStored: FindStored
  clean: LegDeps['clean']
  heldSince: () => Date | null
  now: () => number
  random: () => number
  log: Logger
  fault?: LegDeps['fault']
  times?: Partial<Times>
}) {
  const { db, tools, now, random, clean, log, fault } = deps
  const workflows = createWorkflows({ tools, findStored: deps.findStored, now })
  const engine = createEngine({ pool: deps.enginePool, executorId: deps.executorId, log, work })
  const active = new Map<string, Handle>()
  const fresh = new Map<string, LiveRun>()
  const graphOf = createGraphs()
  const line: (() => void)[] = []
  let busy = 0
  let closing = false
  const down = new AbortController()
  /** Legs that this process has to do with, from their begin to their end; one run may have an old one and a new one. */
  const legs = new Map<string, number>()
  const held = (runId: string) => (legs.get(runId) ?? 0) > 0
  const count = (runId: string, n: 1 | -1) => {
    const left = (legs.get(runId) ?? 0) + n
    if (left > 0) legs.set(runId, left)
    else legs.delete(runId)
  }
  const lookout = createLookout({
    db,
    engine,
    executorId: deps.executorId,
    now,
    log,
    active,
    held,
    begin,
    heldSince: deps.heldSince,
    times: deps.times,
  })

  /** The leg is in the books already, so the caller has nothing to fear: if the engine cannot be told, the lookout finds the run. */
  async function begin(runId: string, leg: number): Promise<void> {
    count(runId, 1)
    const telling = engine.begin(runId, leg).then(
      () => true,
      (error: Error) => log.warn({ run_id: runId, problem: error.message }, 'the engine could not be told of a leg'),
    )
    if (!(await within(BEGIN_MS, telling))) fresh.delete(runId)
    count(runId, -1)
  }

  async function slot(): Promise<() => void> {
    if (busy >= MAX_LEGS) await new Promise<void>((resolve) => line.push(resolve))
    else busy++
    return () => {
      const next = line.shift()
      if (next) next()
      else busy--
    }
  }

  /** One leg, as the engine asks for it: fresh from a start, or picked up from the journal. */
  async function work({ runId, leg }: LegName): Promise<void> {
    count(runId, 1)
    const begun = leg === 1 ? fresh.get(runId) : undefined
    fresh.delete(runId)
    const release = await slot()
    let mine: Handle | undefined
    try {
      const legDeps: LegDeps = { db, tools, now, random, clean, log, fault, closing: () => closing }
      const run = closing ? undefined : (begun ?? (await patiently(legDeps, runId, () => pickUp(runId, leg))))
      if (!run) return
      await runLeg(legDeps, run, (handle) => {
        mine = handle
        active.set(runId, handle)
      })
    } catch (error) {
      log.warn({ run_id: runId, problem: (error as Error).message }, 'a leg of a run was given up; it is picked up again from the journal')
    } finally {
      if (active.get(runId) === mine) active.delete(runId)
      count(runId, -1)
      release()
    }
  }
  async function pickUp(runId: string, leg: number): Promise<LiveRun | undefined> {
    const row = await db.everyTenant('the engine knows only the id of a run', (tx) => rows.run(tx, runId))
    if (!row || row.leg !== leg || ENDED.includes(row.status)) return undefined
    const doubts = row.pickups - SUSPECT_AFTER
    const most = (deps.times?.suspectMs ?? TIMES.suspectMs) * 2 ** Math.min(doubts, SUSPECT_DOUBLED)
    if (doubts >= 0) await sleep(deps.random() * most, undefined, { ref: false, signal: down.signal }).catch(() => undefined)
    return closing ? undefined : takeOver(db, { workspace: row.workspace_id, project: row.project_id }, runId, leg, now)
  }

  const must = async (tx: Tx, id: string, workflowId?: string, lock = false): Promise<RunRow> => {
    const row = await (lock ? rows.lockRun(tx, id) : rows.run(tx, id))
    return row && (workflowId === undefined || row.workflow_id === workflowId) ? row : fail('NOT_FOUND', `there is no run ${id}`)
  }

  return {
    workflows,
    marks,
    startedByPeople,
    /** For what becomes part of an input later. `where` begins the path. Faults: SECRET_IN_GRAPH. */
    refuseSecrets: (scope: Scope, value: unknown, where: string) => refuseSecrets(deps.findStored, scope, value, where),

    /** Everything that can refuse comes first; then the run, its first event, and whatever the caller adds, in one transaction. */
    async start(scope: Scope, input: StartInput): Promise<Change<Started>> {
      if (closing) fail('SHUTTING_DOWN', 'the runtime is going down; start the run again in a moment')
      const looked = await lookThrough(deps.findStored, scope, input.input, input.flags)
      let begun: LiveRun | undefined
      return {
        write: async (tx) => {
          const workflow = await workflows.head(tx, input.workflow_id)
          if (workflow.archived_at) fail('CONFLICT', `the workflow ${workflow.name} is archived`)
          if (workflow.latest_version === null)
            fail('NOT_PUBLISHED', `the workflow ${workflow.name} has no published version`, { hint: 'Publish it first.' })
          const graph = await graphOf(tx, workflow.id, workflow.latest_version)
          for (const id of [...(input.options.trigger_steps ?? []), ...(input.options.excluded_step_ids ?? [])])
            if (!graph.steps.some((s) => s.id === id)) fail('INVALID_INPUT', `the workflow has no step ${id}`)
          const at = new Date(now())
          const row = {
            id: input.run_id ?? newId('run', at.getTime()),
            workspace_id: scope.workspace,
            project_id: scope.project,
            workflow_id: workflow.id,
            version: workflow.latest_version,
            environment: input.environment,
            trigger: input.trigger,
            started_by: input.startedBy,
            status: 'running' as const,
            input: looked.value,
            options: { ...input.options, ...(looked.flags.length > 0 ? { secret_in_input: looked.flags } : {}) },
            last_seq: 1,
            fence: 1,
            leg: 1,
            created_at: at,
            started_at: at,
          }
          // Sent together: a refusal takes the row back with everything else.
          const [made] = await Promise.all([rows.insertRun(tx, row), refuseUnready(tools, tx, graph, input.environment, input.options)])
          if (made === 0) {
            const there = await rows.run(tx, row.id)
            if (!there || there.workflow_id !== workflow.id) fail('CONFLICT', `the run id ${row.id} is taken`)
            return { run_id: there.id, status: there.status, workflow_id: workflow.id, started_at: there.created_at.toISOString() }
          }
          void rows.insertEvent(tx, scope, row.id, 1, {
            event_type: 'run_started',
            at: at.toISOString(),
            data: { version: row.version, environment: row.environment, trigger: row.trigger },
          })
          begun = live(row, graph)
          return { run_id: row.id, status: row.status, workflow_id: workflow.id, started_at: at.toISOString() }
        },
        after: async () => {
          if (!begun) return
          await deps.fault?.('runs.start.before_engine', begun.id)
          fresh.set(begun.id, begun)
          await begin(begun.id, 1)
        },
      }
    },

    ...createSteering({ must, graphOf, begin, active, now }),
    whatIf: createWhatIf({ tools, graphOf }),

    summary: async (tx: Tx, runId: string, workflowId?: string) => {
      const row = await must(tx, runId, workflowId)
      const steps = await rows.steps(tx, runId)
      const { name } = await workflows.must(tx, row.workflow_id)
      // A run of a graph that cannot be read any more is shown by the ids alone.
      const graph = await graphOf(tx, row.workflow_id, row.version).catch(() => null)
      const named = new Map(graph?.steps.map((s) => [s.id, s.name]))
      return {
        ...showRun({ ...row, workflow_name: name }),
        secret_in_input: row.options.secret_in_input ?? [],
        steps: steps.map((s) => ({
          step_id: s.step_id,
          name: named.get(s.step_id) ?? null,
          state: s.state,
          attempt: s.attempt,
          started_at: s.started_at?.toISOString() ?? null,
          finished_at: s.finished_at?.toISOString() ?? null,
        })),
      }
    },
    context: async (tx: Tx, runId: string, workflowId?: string) => {
      const row = await must(tx, runId, workflowId)
      return {
        run_id: runId,
        input: row.input,
        steps: Object.fromEntries((await rows.steps(tx, runId)).map((s) => [s.step_id, showStep(s)])),
      }
    },
    events: async (tx: Tx, runId: string, workflowId: string | undefined, after: number, limit: number) => {
      await must(tx, runId, workflowId)
      const found = await rows.events(tx, runId, after, limit + 1)
      return { items: found.slice(0, limit).map(showEvent), next_cursor: found.length > limit ? String(found[limit - 1]?.seq) : null }
    },
    list: async (
      tx: Tx,
      f: {
        limit: number
        cursor?: string | undefined
        workflowId?: string
        status?: RunStatus | undefined
        trigger?: string | undefined
        since?: Date | undefined
        until?: Date | undefined
      },
    ): Promise<Page<RunFacts>> => {
      const { cursor, ...filter } = f
      if (f.workflowId) await workflows.must(tx, f.workflowId)
      const found = await rows.runs(tx, { ...filter, limit: f.limit + 1, before: readCursor(cursor) })
      return pageOf(found, f.limit, (r) => r.id, showRun)
    },
    activeRunsOf: (tx: Tx, workflowIds: readonly string[]) =>
      workflowIds.length === 0 ? Promise.resolve([]) : rows.activeRunsOf(tx, workflowIds, 100),

    /** Starts the engine, which takes up what a crash has left, and looks for runs that it does not know of. */
    async launch(): Promise<void> {
      await lookout.hold()
      await engine.launch()
      await lookout.start()
    },
    busy: () => busy,

    /** Nothing new starts; what is in flight is written down. What is open then goes on at the next start. */
    async close(): Promise<void> {
      closing = true
      down.abort()
      lookout.stop()
      for (const handle of active.values()) handle.poke()
      const until = performance.now() + DRAIN_MS
      while (busy > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20))
      await engine.shutdown()
      await lookout.leave()
    },
  }
}
export type Runs = ReturnType<typeof createRuns>
