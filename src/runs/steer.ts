/** What people do to a run from outside: pause, resume, stop, try again, say how a lost call ended. */
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import type { Command } from './decide.ts'
import type { Graph } from './graph.ts'
import type { Handle } from './leg.ts'
import { type Failure, type NewEvent, type RunRow, type RunStatus, rows } from './rows.ts'
import { type RunFacts, showRun } from './show.ts'

export type RunCommand = 'pause' | 'resume' | 'stop'
export const ENDED: readonly RunStatus[] = ['completed', 'failed', 'stopped']

/** The two halves of a change: what is written in the caller's transaction, and what follows once it is committed. */
export interface Change<T> {
  write: (tx: Tx) => Promise<T>
  after: () => Promise<void>
}
export interface Started {
  run_id: string
  status: RunStatus
  workflow_id: string
  started_at: string
}

export function createSteering(deps: {
  must: (tx: Tx, id: string, workflowId?: string, lock?: boolean) => Promise<RunRow>
  graphOf: (tx: Tx, workflowId: string, version: number) => Promise<Graph>
  begin: (runId: string, leg: number) => Promise<void>
  active: ReadonlyMap<string, Handle>
  now: () => number
}) {
  const { must, graphOf, active, now } = deps

  const insertEvent = (tx: Tx, row: RunRow, event: Omit<NewEvent, 'at'>) =>
    rows.insertEvent(tx, { workspace: row.workspace_id, project: row.project_id }, row.id, row.last_seq + 1, {
      ...event,
      at: new Date(now()).toISOString(),
    })
  /** A change by somebody outside, to a run that nobody works on: new leg, one event, and the engine takes it from there. */
  async function nextLeg(tx: Tx, row: RunRow, event: Omit<NewEvent, 'at'>, set: { status: RunStatus; command: Command }): Promise<number> {
    await insertEvent(tx, row, event)
    return rows.nextLeg(tx, row.id, set)
  }

  return {
    /** pause, resume, stop. A run that is being worked on hears of it at once here, and within a second elsewhere. */
    async command(
      runId: string,
      workflowId: string | undefined,
      command: RunCommand,
      graceful: boolean,
      why?: Failure,
    ): Promise<Change<Started>> {
      let after: () => Promise<void> = async () => undefined
      return {
        write: async (tx) => {
          const row = await must(tx, runId, workflowId, true)
          if (ENDED.includes(row.status))
            fail('CONFLICT', `the run ${runId} has ${row.status === 'failed' ? 'failed' : `been ${row.status}`} already`)
          const idle = row.status === 'paused' || (row.waiting_on as unknown[]).length > 0
          const next: Command = command === 'pause' ? 'pause' : command === 'resume' ? 'none' : graceful ? 'stop_graceful' : 'stop_now'
          if (command === 'resume' && row.status !== 'paused' && row.command !== 'pause') fail('CONFLICT', `the run ${runId} is not paused`)
          let status = row.status
          // Whoever looks at the run later finds the act that ended it.
          if (why) await rows.setFailure(tx, runId, why)
          if (!idle || (command === 'pause' && row.status === 'paused')) {
            if (next === 'stop_graceful') status = 'draining'
            await rows.command(tx, runId, next, null)
            after = async () => active.get(runId)?.command(next)
          } else {
            status = command === 'stop' ? 'draining' : 'running'
            const leg = await nextLeg(
              tx,
              row,
              { event_type: 'state_changed', data: { from: row.status, to: status } },
              { status, command: next },
            )
            after = () => deps.begin(runId, leg)
          }
          return { run_id: runId, status, workflow_id: row.workflow_id, started_at: (row.started_at ?? row.created_at).toISOString() }
        },
        after: () => after(),
      }
    },

    /** A person says how a call ended whose outcome the runtime does not know. */
    async resolveUnknown(
      runId: string,
      stepId: string,
      input: { outcome: 'done' | 'retry' | 'failed'; result?: unknown },
    ): Promise<Change<RunFacts>> {
      let leg: number | undefined
      return {
        write: async (tx) => {
          const row = await must(tx, runId, undefined, true)
          const step = (await rows.steps(tx, runId)).find((s) => s.step_id === stepId)
          if (!step) fail('NOT_FOUND', `the run has no step ${stepId} that has started`)
          if (step.state !== 'unknown') fail('CONFLICT', `step ${stepId} is ${step.state}, not of unknown outcome`)
          const over = ENDED.includes(row.status)
          // A new leg would cut off the other branches' calls, and their outcome would be unknown too.
          if (!over && row.status !== 'paused' && (row.waiting_on as unknown[]).length === 0)
            fail('CONFLICT', `other steps of the run ${runId} are still being worked on`, {
              hint: 'Say it once the run waits for nothing else: its waiting_on names the step then.',
            })
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
          if (over) {
            // For the record, and for a later retry of the run.
            await insertEvent(tx, row, { event_type: event, step_id: stepId, attempt: step.attempt, data })
            await rows.countEvent(tx, runId)
            return showRun(row)
          }
          if (state === 'failed' && !row.failure) await rows.setFailure(tx, runId, failure)
          leg = await nextLeg(
            tx,
            row,
            { event_type: event, step_id: stepId, attempt: step.attempt, data },
            { status: 'running', command: row.command },
          )
          return showRun((await rows.run(tx, runId))!)
        },
        after: async () => {
          if (leg !== undefined) await deps.begin(runId, leg)
        },
      }
    },

    /** A failed or stopped run goes on: finished steps are kept, the rest (or all from one step on) is done again. */
    async retry(runId: string, workflowId: string, fromStepId: string | undefined): Promise<Change<RunFacts>> {
      let leg: number | undefined
      return {
        write: async (tx) => {
          const row = await must(tx, runId, workflowId, true)
          if (row.status !== 'failed' && row.status !== 'stopped')
            fail('CONFLICT', `the run ${runId} is ${row.status}: only a failed or stopped one can be tried again`)
          const graph = await graphOf(tx, row.workflow_id, row.version)
          if (fromStepId !== undefined && !graph.steps.some((s) => s.id === fromStepId))
            fail('NOT_FOUND', `the workflow has no step ${fromStepId}`)
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
          const drop = steps.filter(
            (s) =>
              again.has(s.step_id) ||
              !['completed', 'skipped'].includes(s.state) ||
              (s.state === 'skipped' && s.detail?.reason === 'blocked'),
          )
          if (drop.length > 0)
            await rows.dropSteps(
              tx,
              runId,
              drop.map((s) => s.step_id),
            )
          await rows.setFailure(tx, runId, null)
          leg = await nextLeg(
            tx,
            row,
            { event_type: 'state_changed', data: { from: row.status, to: 'running', retried_steps: drop.map((s) => s.step_id) } },
            { status: 'running', command: 'none' },
          )
          return showRun((await rows.run(tx, runId))!)
        },
        after: async () => {
          if (leg !== undefined) await deps.begin(runId, leg)
        },
      }
    },
  }
}
