/**
 * Pure: a graph and what is written in the journal in, what to do next out. The caller does the acts, writes each into the journal
 * and decides again, until there is nothing to do but wait, or the run is done.
 *
 * - A step may start when every step that it depends on is completed, or was skipped by its own condition, because it is disabled or
 *   because it was excluded. (A template that needs the result of a skipped step then fails; `exists {{…}}` guards it.)
 * - The first failure ends the run: what is in flight elsewhere is cancelled, what has not started is skipped as blocked.
 * - Pause: nothing starts, what is in flight finishes. Graceful stop: the same, and the rest is blocked. Stop now: in flight is cancelled.
 * - A step that the journal calls started although nobody works on it was lost in a crash. If its call may be repeated it starts again
 *   as the same attempt; if not, its outcome is unknown and a person decides, while other branches go on.
 * - Acts come in the order of the graph, so that two processes with the same journal do the same things in the same order.
 */
import { Fault } from '../base/errors.ts'
import type { Graph, Step } from './graph.ts'

export type SkipReason = 'blocked' | 'condition_false' | 'step_disabled' | 'excluded'
export type WaitKind = 'human_task' | 'reconnect' | 'timer'

/** Where one step stands. No entry: not started. `attempt` counts from 1. */
export type Entry =
  /** Written before the call is made. */
  | { state: 'started'; attempt: number }
  /** A try failed; `attempt` is the one to come, not before `retry_at` (epoch ms). */
  | { state: 'retrying'; attempt: number; retry_at: number }
  /** Parked: nobody works on it until somebody writes `released`, `completed` or `failed`. */
  | { state: 'waiting'; attempt: number; kind: WaitKind }
  /** Whatever it waited for has come, or a person said "try again": may start as `attempt`. */
  | { state: 'released'; attempt: number }
  /** Lost in a crash and not repeatable. A person turns it into `completed`, `failed` or `released`. */
  | { state: 'unknown'; attempt: number }
  | { state: 'completed'; attempt: number }
  | { state: 'failed'; attempt: number }
  | { state: 'cancelled'; attempt: number }
  | { state: 'skipped'; reason: SkipReason }

/** By step id. A Map, so that no id can meet an inherited property. */
export type Journal = ReadonlyMap<string, Entry>

export type Command = 'none' | 'pause' | 'stop_graceful' | 'stop_now'

export interface Circumstances {
  /** Epoch ms, for waits between tries. */
  now: number
  /** Steps that this process is working on at this moment. After a restart: empty. */
  in_flight: ReadonlySet<string>
  /** May this step's call be made twice without harm? Asked only for steps that were lost in a crash. */
  repeatable: (step: Step) => boolean
  command?: Command
  excluded?: ReadonlySet<string>
  max_in_flight?: number
}

export type Act =
  /** Write `started`, then work. The condition comes first: if it is false write `skipped: condition_false` instead. */
  | { act: 'start'; step: Step; attempt: number; recovered: boolean }
  | { act: 'skip'; step: Step; reason: Exclude<SkipReason, 'condition_false'> }
  /** Abort the call if there is one; write `cancelled`. */
  | { act: 'cancel'; step: Step; attempt: number }
  /** Write `unknown`. */
  | { act: 'unknown'; step: Step; attempt: number }

export type WaitingOn = { kind: WaitKind | 'outcome_unknown'; step_id: string; until?: number }

export interface Wait {
  in_flight: string[]
  waiting_on: WaitingOn[]
  /** Decide again at this time (epoch ms) even if nothing happens. Null while paused. */
  wake_at: number | null
  paused: boolean
}

export type Outcome = 'completed' | 'failed' | 'stopped'
/** `do` is never empty. With an empty `in_flight` a wait needs no process: the run can be put away until something is written. */
export type Decision = { do: Act[] } | { wait: Wait } | { done: Outcome }

/** Calls of one run at the same time: one run shall not use up the sockets and the rate limits that all runs share. */
export const MAX_STEPS_IN_FLIGHT = 20

const settled = (entry: Entry | undefined): entry is Extract<Entry, { state: 'completed' | 'skipped' | 'failed' | 'cancelled' }> =>
  entry?.state === 'completed' || entry?.state === 'skipped' || entry?.state === 'failed' || entry?.state === 'cancelled'

const satisfied = (entry: Entry | undefined): boolean =>
  entry?.state === 'completed' || (entry?.state === 'skipped' && entry.reason !== 'blocked')

/** Fault: GRAPH_INVALID for steps that can never start, which `parseGraph` lets through to nobody. */
export function decide(graph: Graph, journal: Journal, circumstances: Circumstances): Decision {
  const { now, in_flight, repeatable, command = 'none', excluded, max_in_flight = MAX_STEPS_IN_FLIGHT } = circumstances
  let failed = false
  let cut = false
  let room = max_in_flight
  for (const step of graph.steps) {
    const entry = journal.get(step.id)
    if (entry?.state === 'failed') failed = true
    if (entry?.state === 'cancelled' || (entry?.state === 'skipped' && entry.reason === 'blocked')) cut = true
    if (entry?.state === 'started' && in_flight.has(step.id)) room--
  }
  const stopNow = failed || command === 'stop_now'
  const ending = stopNow || cut || command === 'stop_graceful'
  const paused = command === 'pause' && !ending

  const acts: Act[] = []
  const wait: Wait = { in_flight: [], waiting_on: [], wake_at: null, paused }
  const stuck: string[] = []
  let open = false
  const start = (step: Step, attempt: number, recovered = false): void => {
    if (room > 0 && !paused) {
      room--
      acts.push({ act: 'start', step, attempt, recovered })
    }
  }

  for (const step of graph.steps) {
    const entry = journal.get(step.id)
    if (settled(entry)) continue
    if (entry === undefined) {
      open = true
      if (excluded?.has(step.id)) acts.push({ act: 'skip', step, reason: 'excluded' })
      else if (!step.enabled) acts.push({ act: 'skip', step, reason: 'step_disabled' })
      else if (ending) acts.push({ act: 'skip', step, reason: 'blocked' })
      else if (step.depends_on.every((id) => satisfied(journal.get(id)))) start(step, 1)
      else stuck.push(step.id)
      continue
    }
    // Once the run ends, an unknown outcome stays in the books as that and holds nothing up.
    if (entry.state === 'unknown' && ending) continue
    open = true
    const { attempt } = entry
    if (entry.state === 'unknown') wait.waiting_on.push({ kind: 'outcome_unknown', step_id: step.id })
    else if (entry.state === 'started') {
      const lost = !in_flight.has(step.id)
      if (lost && !repeatable(step)) acts.push({ act: 'unknown', step, attempt })
      else if (stopNow) acts.push({ act: 'cancel', step, attempt })
      else if (lost) start(step, attempt, true)
      else wait.in_flight.push(step.id)
    } else if (ending) acts.push({ act: 'cancel', step, attempt })
    else if (entry.state === 'released') start(step, attempt)
    else if (entry.state === 'waiting') wait.waiting_on.push({ kind: entry.kind, step_id: step.id })
    else if (entry.retry_at <= now) start(step, attempt)
    else {
      wait.waiting_on.push({ kind: 'timer', step_id: step.id, until: entry.retry_at })
      if (!paused) wait.wake_at = Math.min(wait.wake_at ?? Number.POSITIVE_INFINITY, entry.retry_at)
    }
  }

  if (acts.length > 0) return { do: acts }
  if (!open) return { done: failed ? 'failed' : ending ? 'stopped' : 'completed' }
  if (!paused && wait.in_flight.length === 0 && wait.waiting_on.length === 0) {
    throw new Fault('GRAPH_INVALID', `The run cannot go on: ${stuck.slice(0, 5).join(', ')} can never start.`)
  }
  return { wait }
}

/** After a failed try: again, or is the step failed? Where the call may have been carried out, only repeatable ones are tried again. */
export const triesAgain = (
  step: Step,
  attempt: number,
  failure: { retryable: boolean; maybe_done: boolean; repeatable: boolean },
): boolean => failure.retryable && attempt <= step.retry_count && (failure.repeatable || !failure.maybe_done)
