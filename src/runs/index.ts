/** Many tool calls, durable: workflows, their versions, and runs that survive a crash. */
import type pg from 'pg'
import type { Db, Scope, Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Logger } from '../base/log.ts'
import { type Page, pageOf, readCursor } from '../base/page.ts'
import type { Tools } from '../tools/index.ts'
import type { Command } from './decide.ts'
import { createEngine } from './engine.ts'
import { type FindStored, refuseSecrets } from './guard.ts'
import { type Graph, parseGraph } from './graph.ts'
import { type LiveRun, live, takeOver } from './journal.ts'
import { type Handle, type LegDeps, runLeg } from './leg.ts'
import { type NewEvent, type RunOptions, type RunRow, type RunStatus, rows } from './rows.ts'
import { type RunFacts, showEvent, showRun, showStep } from './show.ts'
import { createWorkflows } from './workflows.ts'

export type { FindStored, RunFacts, RunStatus }
export type { Issue } from './graph.ts'
export type { VersionFacts, WorkflowFacts } from './workflows.ts'

export type RunCommand = 'pause' | 'resume' | 'stop'
const ENDED: readonly RunStatus[] = ['completed', 'failed', 'stopped']
/** Runs advanced at the same time by one process. Beyond it they wait in line: each holds its journal in memory. */
const MAX_LEGS = 256
/** Published versions are immutable: parsed once, kept by id and number. */
const MAX_GRAPHS = 500
/** How often open runs are compared with what is under way. Only a crash between two commits makes a difference. */
const RECONCILE_EVERY_MS = 15_000
/** A run younger than this is being started right now, by whoever made it. */
const STARTING_MS = 5_000
/** How soon a command given to another process is noticed by the one that advances the run. */
const COMMANDS_EVERY_MS = 1_000
/**
 * A process that has not renewed its lease for this long is taken for dead and its runs are handed over. Database time
 * decides, so a clock that jumps changes nothing. A living one that was only slow is fenced out, and its steps run twice at most.
 */
const LEASE_S = 15
const RENEW_EVERY_MS = 3_000
/** On the way down, legs get this long to write down what is in flight. */
export const DRAIN_MS = 25_000
export { ENGINE_POOL } from './engine.ts'

export interface StartInput {
  workflow_id: string
  input: Record<string, unknown>
  environment: string
  trigger: string
  startedBy: string
  run_id?: string | undefined
  options: RunOptions
}
export interface Started {
  run_id: string
  status: RunStatus
  workflow_id: string
  started_at: string
}

export function createRuns(deps: {
  db: Db
  enginePool: pg.Pool
  executorId: string
  tools: Tools
  findStored: FindStored
  now: () => number
  random: () => number
  log: Logger
  fault?: LegDeps['fault']
}) {
  const { db, tools, now, log } = deps
  const workflows = createWorkflows({ tools, findStored: deps.findStored, now })
  const engine = createEngine({ pool: deps.enginePool, executorId: deps.executorId, log, work })
  const active = new Map<string, Handle>()
  const fresh = new Map<string, LiveRun>()
  const graphs = new Map<string, Graph>()
  const line: (() => void)[] = []
  let busy = 0
  let closing = false
  const timers: NodeJS.Timeout[] = []

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
  async function work({ runId }: { runId: string }): Promise<void> {
    const release = await slot()
    try {
      if (closing) return
      const begun = fresh.get(runId)
      fresh.delete(runId)
      const scope = begun?.scope ?? (await scopeOf(runId))
      const run = begun ?? (scope ? await takeOver(db, scope, runId) : undefined)
      if (!run) return
      const legDeps: LegDeps = { db, tools, now, random: deps.random, log, fault: deps.fault, closing: () => closing }
      await runLeg(legDeps, run, (handle) => active.set(runId, handle))
    } catch (error) {
      log.warn({ run_id: runId, problem: (error as Error).message }, 'a leg of a run was given up; it is picked up again from the journal')
    } finally {
      active.delete(runId)
      release()
    }
  }
  const scopeOf = async (runId: string): Promise<Scope | undefined> => {
    const row = await db.everyTenant('the engine knows only the id of a run', (tx) => rows.run(tx, runId))
    return row && { workspace: row.workspace_id, project: row.project_id }
  }

  async function graphOf(tx: Tx, workflowId: string, version: number): Promise<Graph> {
    const key = `${workflowId}/${version}`
    const known = graphs.get(key)
    if (known) return known
    const row = (await rows.version(tx, workflowId, version)) ?? fail('NOT_FOUND', `there is no version ${version} of ${workflowId}`)
    const graph = parseGraph(row.graph)
    if (graphs.size >= MAX_GRAPHS) graphs.delete(graphs.keys().next().value as string)
    graphs.set(key, graph)
    return graph
  }

  /** Steps whose connection cannot serve: said before the run starts. */
  async function refuseUnready(tx: Tx, graph: Graph, environment: string, options: RunOptions): Promise<void> {
    const steps = graph.steps.filter((s) => s.enabled && !options.excluded_step_ids?.includes(s.id) && (options.trigger_steps?.includes(s.id) ?? true))
    const ids = [...new Set(steps.map((s) => s.instance_id).filter((id) => id !== undefined))]
    const urls = [...new Set(steps.filter((s) => s.instance_id === undefined).map((s) => s.server_url as string))]
    const known = await tools.lookups(tx, ids, urls, environment)
    for (const step of steps) {
      const at = known.instances.get(step.instance_id ?? '') ?? known.byServerUrl.get(step.server_url ?? '')
      const where = { step_ids: [step.id], environment }
      if (!at) fail('BINDING_MISSING', `step ${step.id} names an instance that is not in this project`, { details: where })
      if (!at.hasProfile) fail('BINDING_MISSING', `the instance ${at.name} has no active profile for ${environment}`, { details: { ...where, instance_id: at.id } })
      if (!at.needsConnection) continue
      if (!at.connection) fail('BINDING_MISSING', `the instance ${at.name} has no connection for ${environment}`, { details: { ...where, instance_id: at.id } })
      const { id, name, status, status_reason } = at.connection
      const stepIds = steps.filter((s) => s.instance_id === at.id || s.server_url === at.serverUrl).map((s) => s.id)
      if (status === 'reconnect')
        fail('CONNECTION_RECONNECT_REQUIRED', `the connection ${name} needs a new credential before this can run`, {
          hint: 'Replace its credential, then start again.',
          details: { connection_id: id, reason: status_reason, step_ids: stepIds },
        })
      if (status === 'disabled') fail('BINDING_MISSING', `the connection ${name} is disabled`, { details: { connection_id: id, step_ids: stepIds } })
    }
  }

  const must = async (tx: Tx, id: string, workflowId?: string, lock = false): Promise<RunRow> => {
    const row = await (lock ? rows.lockRun(tx, id) : rows.run(tx, id))
    return row && (workflowId === undefined || row.workflow_id === workflowId) ? row : fail('NOT_FOUND', `there is no run ${id}`)
  }

  /** A change by somebody outside, to a run that nobody works on: new leg, one event, and the engine takes it from there. */
  async function nextLeg(tx: Tx, row: RunRow, event: Omit<NewEvent, 'at'>, set: { status: RunStatus; command: Command }): Promise<number> {
    await rows.insertEvent(tx, { workspace: row.workspace_id, project: row.project_id }, row.id, row.last_seq + 1, { ...event, at: new Date(now()).toISOString() })
    return rows.nextLeg(tx, row.id, set)
  }

  return {
    workflows,

    /** Everything that can refuse comes first; then the run, its first event, and whatever the caller adds, in one transaction. */
    async start(scope: Scope, input: StartInput): Promise<{ write: (tx: Tx) => Promise<Started>; after: () => Promise<void> }> {
      if (closing) fail('SHUTTING_DOWN', 'the runtime is going down; start the run again in a moment')
      await refuseSecrets(deps.findStored, scope, input.input, 'input')
      let begun: LiveRun | undefined
      return {
        write: async (tx) => {
          const workflow = await workflows.must(tx, input.workflow_id)
          if (workflow.archived_at) fail('CONFLICT', `the workflow ${workflow.name} is archived`)
          if (workflow.latest_version === null) fail('NOT_PUBLISHED', `the workflow ${workflow.name} has no published version`, { hint: 'Publish it first.' })
          const graph = await graphOf(tx, workflow.id, workflow.latest_version)
          for (const id of [...(input.options.trigger_steps ?? []), ...(input.options.excluded_step_ids ?? [])])
            if (!graph.steps.some((s) => s.id === id)) fail('INVALID_INPUT', `the workflow has no step ${id}`)
          await refuseUnready(tx, graph, input.environment, input.options)
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
            input: input.input,
            options: input.options,
            last_seq: 1,
            fence: 1,
            leg: 1,
            created_at: at,
            started_at: at,
          }
          if ((await rows.insertRun(tx, row)) === 0) {
            const there = await rows.run(tx, row.id)
            if (!there || there.workflow_id !== workflow.id) fail('CONFLICT', `the run id ${row.id} is taken`)
            return { run_id: there.id, status: there.status, workflow_id: workflow.id, started_at: there.created_at.toISOString() }
          }
          await rows.insertEvent(tx, scope, row.id, 1, { event_type: 'run_started', at: at.toISOString(), data: { version: row.version, environment: row.environment, trigger: row.trigger } })
          begun = live(row, graph)
          return { run_id: row.id, status: row.status, workflow_id: workflow.id, started_at: at.toISOString() }
        },
        after: async () => {
          if (!begun) return
          await deps.fault?.('runs.start.before_engine')
          fresh.set(begun.id, begun)
          await engine.begin(begun.id, 1)
        },
      }
    },

    /** pause, resume, stop. A run that is being worked on hears of it at once here, and within a second elsewhere. */
    async command(runId: string, workflowId: string | undefined, command: RunCommand, graceful: boolean): Promise<{ write: (tx: Tx) => Promise<Started>; after: () => Promise<void> }> {
      let after: () => Promise<void> = async () => undefined
      return {
        write: async (tx) => {
          const row = await must(tx, runId, workflowId, true)
          if (ENDED.includes(row.status)) fail('CONFLICT', `the run ${runId} has ${row.status === 'failed' ? 'failed' : `been ${row.status}`} already`)
          const idle = row.status === 'paused' || (row.waiting_on as unknown[]).length > 0
          const next: Command = command === 'pause' ? 'pause' : command === 'resume' ? 'none' : graceful ? 'stop_graceful' : 'stop_now'
          if (command === 'resume' && row.status !== 'paused' && row.command !== 'pause') fail('CONFLICT', `the run ${runId} is not paused`)
          let status = row.status
          if (!idle || (command === 'pause' && row.status === 'paused')) {
            if (next === 'stop_graceful') status = 'draining'
            await rows.command(tx, runId, next, null)
            after = async () => active.get(runId)?.command(next)
          } else {
            status = command === 'stop' ? 'draining' : 'running'
            const leg = await nextLeg(tx, row, { event_type: 'state_changed', data: { from: row.status, to: status } }, { status, command: next })
            after = () => engine.begin(runId, leg)
          }
          return { run_id: runId, status, workflow_id: row.workflow_id, started_at: (row.started_at ?? row.created_at).toISOString() }
        },
        after: () => after(),
      }
    },

    /** A person says how a call ended whose outcome the runtime does not know. */
    async resolveUnknown(runId: string, stepId: string, input: { outcome: 'done' | 'retry' | 'failed'; result?: unknown }): Promise<{ write: (tx: Tx) => Promise<RunFacts>; after: () => Promise<void> }> {
      let leg: number | undefined
      return {
        write: async (tx) => {
          const row = await must(tx, runId, undefined, true)
          const step = (await rows.steps(tx, runId)).find((s) => s.step_id === stepId)
          if (!step) fail('NOT_FOUND', `the run has no step ${stepId} that has started`)
          if (step.state !== 'unknown') fail('CONFLICT', `step ${stepId} is ${step.state}, not of unknown outcome`)
          const at = new Date(now())
          const state = input.outcome === 'done' ? 'completed' : input.outcome === 'retry' ? 'released' : 'failed'
          const failure = { code: 'MCP_TOOL_FAILED', message: `a person said that ${stepId} failed`, step_id: stepId }
          await rows.setStep(tx, runId, stepId, {
            state,
            attempt: state === 'released' ? step.attempt + 1 : step.attempt,
            ...(state === 'completed' ? { result: input.result ?? null } : {}),
            ...(state === 'failed' ? { detail: failure } : {}),
            finished_at: state === 'released' ? null : at,
          })
          const event = state === 'completed' ? 'step_completed' : state === 'failed' ? 'step_failed' : 'step_retrying'
          const data = { resolved: input.outcome, ...(state === 'failed' ? failure : {}) }
          if (ENDED.includes(row.status)) fail('CONFLICT', `the run ${runId} has ended already`)
          if (state === 'failed' && !row.failure) await rows.setFailure(tx, runId, failure)
          leg = await nextLeg(tx, row, { event_type: event, step_id: stepId, attempt: step.attempt, data }, { status: 'running', command: row.command })
          return showRun((await rows.run(tx, runId))!)
        },
        after: async () => {
          if (leg !== undefined) await engine.begin(runId, leg)
        },
      }
    },

    /** A failed or stopped run goes on: finished steps are kept, the rest (or all from one step on) is done again. */
    async retry(runId: string, workflowId: string, fromStepId: string | undefined): Promise<{ write: (tx: Tx) => Promise<RunFacts>; after: () => Promise<void> }> {
      let leg: number | undefined
      return {
        write: async (tx) => {
          const row = await must(tx, runId, workflowId, true)
          if (row.status !== 'failed' && row.status !== 'stopped') fail('CONFLICT', `the run ${runId} is ${row.status}: only a failed or stopped one can be tried again`)
          const graph = await graphOf(tx, row.workflow_id, row.version)
          if (fromStepId !== undefined && !graph.steps.some((s) => s.id === fromStepId)) fail('NOT_FOUND', `the workflow has no step ${fromStepId}`)
          const steps = await rows.steps(tx, runId)
          const unknown = steps.find((s) => s.state === 'unknown')
          if (unknown) fail('CONFLICT', `step ${unknown.step_id} has an unknown outcome: say first how it ended`)
          const again = new Set(fromStepId === undefined ? [] : [fromStepId])
          // Steps come in any order in a graph: grow the set until nothing depends on it any more.
          for (let grown = true; grown; ) {
            grown = false
            for (const s of graph.steps)
              if (!again.has(s.id) && s.depends_on.some((d) => again.has(d))) {
                again.add(s.id)
                grown = true
              }
          }
          const drop = steps.filter((s) => again.has(s.step_id) || !['completed', 'skipped'].includes(s.state) || (s.state === 'skipped' && s.detail?.reason === 'blocked'))
          if (drop.length > 0) await rows.dropSteps(tx, runId, drop.map((s) => s.step_id))
          await rows.setFailure(tx, runId, null)
          leg = await nextLeg(tx, row, { event_type: 'state_changed', data: { from: row.status, to: 'running', retried_steps: drop.map((s) => s.step_id) } }, { status: 'running', command: 'none' })
          return showRun((await rows.run(tx, runId))!)
        },
        after: async () => {
          if (leg !== undefined) await engine.begin(runId, leg)
        },
      }
    },

    summary: async (tx: Tx, runId: string, workflowId?: string) => {
      const row = await must(tx, runId, workflowId)
      const steps = await rows.steps(tx, runId)
      return { ...showRun(row), steps: steps.map((s) => ({ step_id: s.step_id, state: s.state, attempt: s.attempt, started_at: s.started_at?.toISOString() ?? null, finished_at: s.finished_at?.toISOString() ?? null })) }
    },
    context: async (tx: Tx, runId: string, workflowId?: string) => {
      const row = await must(tx, runId, workflowId)
      return { run_id: runId, input: row.input, steps: Object.fromEntries((await rows.steps(tx, runId)).map((s) => [s.step_id, showStep(s)])) }
    },
    events: async (tx: Tx, runId: string, workflowId: string | undefined, after: number, limit: number) => {
      await must(tx, runId, workflowId)
      const found = await rows.events(tx, runId, after, limit + 1)
      return { items: found.slice(0, limit).map(showEvent), next_cursor: found.length > limit ? String(found[limit - 1]?.seq) : null }
    },
    list: async (tx: Tx, f: { limit: number; cursor?: string | undefined; workflowId?: string; status?: RunStatus | undefined; trigger?: string | undefined; since?: Date | undefined; until?: Date | undefined }): Promise<Page<RunFacts>> => {
      const { cursor, ...filter } = f
      if (f.workflowId) await workflows.must(tx, f.workflowId)
      const found = await rows.runs(tx, { ...filter, limit: f.limit + 1, before: readCursor(cursor) })
      return pageOf(found, f.limit, (r) => r.id, showRun)
    },
    activeRunsOf: (tx: Tx, workflowIds: readonly string[]) => (workflowIds.length === 0 ? Promise.resolve([]) : rows.activeRunsOf(tx, workflowIds, 100)),

    /** Starts the engine, which takes up what a crash has left, and looks for runs that it does not know of. */
    async launch(): Promise<void> {
      await db.everyTenant('the lease of this process', (tx) => rows.holdLease(tx, deps.executorId, LEASE_S))
      await engine.launch()
      timers.push(setInterval(() => void lease().catch(report), RENEW_EVERY_MS).unref())
      await reconcile(0)
      timers.push(setInterval(() => void reconcile(STARTING_MS).catch(report), RECONCILE_EVERY_MS).unref())
      timers.push(setInterval(() => void hearCommands().catch(report), COMMANDS_EVERY_MS).unref())
    },
    busy: () => busy,

    /** Nothing new starts; what is in flight is written down. What is open then goes on at the next start. */
    async close(): Promise<void> {
      closing = true
      for (const timer of timers) clearInterval(timer)
      for (const handle of active.values()) handle.poke()
      const until = performance.now() + DRAIN_MS
      while (busy > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20))
      await engine.shutdown()
      await db.everyTenant('the lease of this process', (tx) => rows.dropLease(tx, deps.executorId)).catch(report)
    },
  }

  async function lease(): Promise<void> {
    const gone = await db.everyTenant('leases', async (tx) => {
      await rows.holdLease(tx, deps.executorId, LEASE_S)
      return rows.takeLapsed(tx)
    })
    for (const { id } of gone) if (id !== deps.executorId) log.warn({ executor: id, legs: await engine.adopt(id) }, 'a process is gone; its runs go on here')
  }

  function report(error: unknown) {
    log.warn({ problem: (error as Error).message }, 'looking after open runs failed; tried again soon')
  }

  /** Open runs whose leg the engine does not know: the process died between two commits, or left on its way down. */
  async function reconcile(youngerThanMs: number): Promise<void> {
    const open = await db.everyTenant('open runs, whoever owns them', (tx) => rows.open(tx, MAX_LEGS))
    const old = open.filter((r) => !active.has(r.id) && !fresh.has(r.id) && now() - r.touched_at.getTime() >= youngerThanMs)
    const underWay = await engine.underWay(old.map((r) => ({ runId: r.id, leg: r.leg })))
    for (const run of old) {
      if (underWay.has(run.id)) continue
      const leg = await db.tx({ workspace: run.workspace_id, project: run.project_id }, (tx) => rows.nextLeg(tx, run.id, null))
      await engine.begin(run.id, leg)
    }
  }

  async function hearCommands(): Promise<void> {
    const ids = [...active.keys()]
    if (ids.length === 0) return
    for (const row of await db.everyTenant('commands for the runs of this process', (tx) => rows.commands(tx, ids))) active.get(row.id)?.command(row.command)
  }
}
export type Runs = ReturnType<typeof createRuns>
