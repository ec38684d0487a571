/**
 * One leg of a run: decide, write down, do, write down, decide again, until the run ends or waits for somebody. Every
 * step's start is in the database before its call is made, and every end before anything that follows from it.
 */
import type { Db, Scope } from '../base/db.ts'
import { Fault } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Outcome, Tools } from '../tools/index.ts'
import { holds } from './condition.ts'
import { type Act, type Command, type Decision, decide, triesAgain, type WaitingOn } from './decide.ts'
import { backoff, callKey, failureOf, passes } from './failure.ts'
import type { Step } from './graph.ts'
import { type LiveRun, nothingPending, type Pending, write } from './journal.ts'
import { patiently } from './patience.ts'
import type { RunStatus } from './rows.ts'
import { resolve } from './template.ts'

export interface LegDeps {
  db: Db
  tools: Tools
  now: () => number
  random: () => number
  /** Takes out whatever secret a value holds. Templates can join what was harmless in parts. */
  clean<T>(scope: Scope, value: T): T
  log: Logger
  fault?: ((point: string, runId: string) => void | Promise<void>) | undefined
  /** True once the process is going down: nothing new starts, and the leg ends when what is in flight has been written. */
  closing: () => boolean
}

/** What other code can do to a leg that is under way. */
export interface Handle {
  command(command: Command): void
  /** Wakes the leg to look at the world again. */
  poke(): void
}

/** The largest result of one step. Larger ones belong into a file or a database, with a reference here. */
const MAX_RESULT_CHARS = 4 * 1024 * 1024
/** Calls that were told to end get this long to do so, so that they are in the books; they do at once. */
const ABORT_GRACE_MS = 2_000

export async function runLeg(deps: LegDeps, run: LiveRun, register: (handle: Handle) => void): Promise<'ended' | 'parked' | 'left'> {
  const { tools, now } = deps
  const inFlight = new Map<string, AbortController>()
  const ended: { step: Step; attempt: number; outcome: Outcome }[] = []
  const repeatable = await traitsOfLost(deps, run)
  let pending: Pending = nothingPending()
  /** Something happened since the last decision. */
  let stirred = false
  let broken: unknown
  let abortUntil: number | undefined
  let wake: () => void = () => undefined
  const stir = () => {
    stirred = true
    wake()
  }
  register({
    command(command) {
      run.command = command
      stir()
    },
    poke: stir,
  })

  const at = () => new Date(now()).toISOString()
  const say = (event_type: string, step?: Step, attempt?: number, data?: Record<string, unknown>) =>
    pending.events.push({
      event_type,
      at: at(),
      ...(step ? { step_id: step.id } : {}),
      ...(attempt ? { attempt } : {}),
      ...(data ? { data } : {}),
    })
  const enter = (id: string, entry: Parameters<typeof run.journal.set>[1], more: Partial<Parameters<Pending['steps']['set']>[1]> = {}) => {
    run.journal.set(id, entry)
    const { state, ...rest } = entry
    const attempt = 'attempt' in entry ? entry.attempt : 0
    const { attempt: _, ...detail } = rest as Record<string, unknown>
    pending.steps.set(id, {
      ...pending.steps.get(id),
      step_id: id,
      state,
      attempt,
      detail: Object.keys(detail).length > 0 ? detail : null,
      ...more,
    })
  }

  /** Writes all that is pending; while the database is away, again and again. */
  async function store(status: RunStatus, waiting: WaitingOn[], finished: boolean): Promise<void> {
    const change = {
      status,
      waiting_on: waiting,
      failure: run.failure,
      started_at: new Date(now()),
      finished_at: finished ? new Date(now()) : null,
    }
    await patiently(deps, run.id, async () => {
      await deps.fault?.('runs.journal.before_write', run.id)
      await write(deps.db, run, pending, change)
      await deps.fault?.('runs.journal.after_write', run.id)
    })
    pending = nothingPending()
  }

  /** What a step asks for, with its templates filled in. A fault here fails the step before any call. */
  function prepare(step: Step): { skip: boolean; args: Record<string, unknown> } {
    const scope = { input: run.input, steps: run.steps }
    if (step.condition !== undefined && !holds(step.condition, scope)) return { skip: true, args: {} }
    return { skip: false, args: resolve(step.tool_args, scope) }
  }

  function fail(step: Step, attempt: number, fault: Fault): void {
    const failure = failureOf(fault, step.id)
    run.failure ??= failure
    enter(step.id, { state: 'failed', attempt }, { detail: { ...failure }, finished_at: at() })
    say('step_failed', step, attempt, { ...failure })
  }

  function finish({ step, attempt, outcome }: (typeof ended)[number]) {
    inFlight.delete(step.id)
    pending.calls.push(outcome.record)
    if (run.journal.get(step.id)?.state !== 'started') return // cancelled meanwhile: only its record is kept
    if (outcome.ok) {
      const size = JSON.stringify(outcome.output ?? null).length
      if (size > MAX_RESULT_CHARS)
        return fail(
          step,
          attempt,
          new Fault('MCP_TOOL_FAILED', `the result of ${step.id} is larger than ${MAX_RESULT_CHARS} characters`, {
            hint: 'Ask for fewer rows.',
          }),
        )
      run.steps[step.id] = { ...run.steps[step.id], result: outcome.output }
      enter(step.id, { state: 'completed', attempt }, { result: outcome.output, finished_at: at() })
      say('step_completed', step, attempt, { duration_ms: outcome.record.duration_ms })
      return
    }
    const { fault } = outcome
    // Our own database was away before anything was sent: that is no try of the step's.
    const nothingSent = fault.code === 'DEPENDENCY_UNAVAILABLE' && !fault.maybeDone
    const next = nothingSent ? attempt : attempt + 1
    const tries = { retryable: passes(fault), maybe_done: fault.maybeDone, repeatable: repeatable.get(step.id) ?? false }
    if (!nothingSent && !triesAgain(step, attempt, tries)) return fail(step, attempt, fault)
    const retry_at = now() + backoff(attempt, fault.retryAfter, deps.random())
    enter(step.id, { state: 'retrying', attempt: next, retry_at })
    say('step_retrying', step, attempt, { code: fault.code, message: fault.message, retry_at: new Date(retry_at).toISOString() })
  }

  function launch(step: Step, attempt: number, args: Record<string, unknown>): void {
    const controller = new AbortController()
    inFlight.set(step.id, controller)
    const request = {
      scope: run.scope,
      actor: run.actor,
      instanceId: step.instance_id ?? step.server_url ?? '',
      tool: step.tool_name,
      args,
      environment: run.environment,
      key: callKey(run.id, step.id),
      signal: controller.signal,
      timeoutMs: step.timeout_s * 1000,
      run: { runId: run.id, stepId: step.id, attempt },
      trial: run.trial,
    }
    const traits = () => patiently(deps, run.id, () => tools.traits(request)).then((t) => repeatable.set(step.id, t.repeatable))
    Promise.resolve(deps.fault?.('runs.step.before_call', run.id))
      .then(() => Promise.all([tools.attempt(request), traits()]))
      .then(async ([outcome]) => {
        await deps.fault?.('runs.step.after_call', run.id)
        ended.push({ step, attempt, outcome })
      })
      .catch((error: unknown) => {
        broken = error ?? new Error('a step ended without an outcome')
      })
      .finally(stir)
  }

  /** Carries the acts out as far as the journal goes, and returns the calls to make once it is written. */
  function enact(acts: readonly Act[]): (() => void)[] {
    const calls: (() => void)[] = []
    for (const act of acts) {
      const { step } = act
      if (act.act === 'skip') {
        enter(step.id, { state: 'skipped', reason: act.reason }, { finished_at: at() })
        say('step_completed', step, undefined, { skipped: true, reason: act.reason })
      } else if (act.act === 'cancel') {
        inFlight.get(step.id)?.abort()
        enter(step.id, { state: 'cancelled', attempt: act.attempt }, { finished_at: at() })
        say('step_cancelled', step, act.attempt)
      } else if (act.act === 'unknown') {
        enter(step.id, { state: 'unknown', attempt: act.attempt })
        say('step_waiting', step, act.attempt, { kind: 'outcome_unknown' })
      } else {
        try {
          const { skip, args } = prepare(step)
          if (skip) {
            enter(step.id, { state: 'skipped', reason: 'condition_false' }, { finished_at: at() })
            say('step_completed', step, undefined, { skipped: true, reason: 'condition_false' })
            continue
          }
          const input = deps.clean(run.scope, args)
          run.steps[step.id] = { input }
          enter(step.id, { state: 'started', attempt: act.attempt }, { input, started_at: at() })
          say('step_started', step, act.attempt, act.recovered ? { recovered: true } : undefined)
          calls.push(() => launch(step, act.attempt, args))
        } catch (error) {
          if (!(error instanceof Fault)) throw error
          fail(step, act.attempt, error)
        }
      }
    }
    return calls
  }

  const changeTo = (status: RunStatus): RunStatus => {
    if (status !== run.status) say('state_changed', undefined, undefined, { from: run.status, to: status })
    return status
  }
  const current = (): RunStatus =>
    run.command === 'stop_graceful' && run.status !== 'queued'
      ? changeTo('draining')
      : run.status === 'queued' || run.status === 'paused'
        ? changeTo('running')
        : run.status

  try {
    for (;;) {
      stirred = false
      if (broken) throw broken
      for (const end of ended.splice(0)) finish(end)
      const decision: Decision = decide(run.graph, run.journal, {
        now: now(),
        in_flight: new Set(inFlight.keys()),
        repeatable: (step) => repeatable.get(step.id) ?? false,
        command: deps.closing() && run.command === 'none' ? 'pause' : run.command,
        excluded: run.excluded,
      })
      if ('do' in decision) {
        const calls = enact(decision.do)
        // What cannot start anything is written together with what follows from it.
        if (calls.length > 0) await store(current(), [], false)
        for (const call of calls) call()
        continue
      }
      if ('done' in decision) {
        // Calls that were cut off are in the books too, as far as they say so in time.
        abortUntil ??= now() + ABORT_GRACE_MS
        for (const controller of inFlight.values()) controller.abort()
        if (inFlight.size > 0 && now() < abortUntil) {
          await sleepUntil(abortUntil)
          continue
        }
        await store(changeTo(decision.done), [], true)
        return 'ended'
      }
      const { wait } = decision
      if (inFlight.size > 0 || (wait.wake_at !== null && !deps.closing())) {
        if (pending.events.length > 0) await store(current(), [], false)
        await sleepUntil(wait.wake_at)
        continue
      }
      if (deps.closing() && run.command === 'none') {
        if (pending.events.length > 0) await store(current(), [], false)
        return 'left'
      }
      const before = run.command
      await store(wait.paused ? changeTo('paused') : current(), wait.waiting_on, false)
      if (run.command === before) return 'parked'
    }
  } finally {
    for (const controller of inFlight.values()) controller.abort()
  }

  async function sleepUntil(time: number | null): Promise<void> {
    if (stirred) return
    return new Promise((resolve) => {
      const timer = time === null ? undefined : setTimeout(resolve, Math.max(0, time - now()))
      wake = () => {
        clearTimeout(timer)
        wake = () => undefined
        resolve()
      }
    })
  }
}

/** For steps that a crash cut off: may their call be made again? Asked before the first decision, which is pure. */
async function traitsOfLost(deps: LegDeps, run: LiveRun): Promise<Map<string, boolean>> {
  const known = new Map<string, boolean>()
  for (const step of run.graph.steps) {
    if (run.journal.get(step.id)?.state !== 'started') continue
    const instanceId = step.instance_id ?? step.server_url ?? ''
    const call = { scope: run.scope, instanceId, environment: run.environment, tool: step.tool_name, args: run.steps[step.id]?.input }
    const traits = await patiently(deps, run.id, () => deps.tools.traits(call))
    known.set(step.id, traits.repeatable)
  }
  return known
}
