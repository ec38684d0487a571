/** What the fault tests share: a runtime with fault points, an upstream that counts, and a look into the books afterwards. */
import pg from 'pg'
import { expect } from 'vitest'
import type { Times } from '../../src/runs/index.ts'
import { type RuntimeOptions, type TestRuntime, until } from '../harness.ts'
import type { Call, Upstream } from './upstream.ts'

/** At which pass of which named point, for which run alone, what happens. */
export interface Harm {
  point: string
  pass: number | 'every'
  act: 'kill' | 'throw'
  run?: string
}

const MAIN = new URL('runtime-with-faults.ts', import.meta.url).pathname

export const withFaults = (
  upstream: Upstream,
  harms: readonly Harm[],
  times?: Partial<Times>,
  more: RuntimeOptions = {},
): RuntimeOptions => ({
  allowPrivate: [upstream.url],
  main: MAIN,
  ...more,
  flags: [...(more.flags ?? []), `--faults=${JSON.stringify(harms)}`, ...(times ? [`--times=${JSON.stringify(times)}`] : [])],
})

export interface Step {
  id: string
  method: 'GET' | 'POST'
  after?: string[]
  retries?: number
  server?: string
}

/** Each step calls `/<number of the run>/<step>`, so that the upstream can tell calls apart. A POST may not be repeated. */
export async function publish(ar: TestRuntime, upstream: Upstream, steps: readonly Step[]): Promise<string> {
  const connection = await ar.ok('POST', '/v1/connections', {
    display_name: `Counting API ${Math.random()}`,
    provider: 'http',
    service: 'bearer',
    credentials: { api_key: 'key-of-the-counting-api' },
  })
  const instance = await ar.ok('POST', '/v1/mcp/instances', {
    slug: 'http',
    connection_id: connection.id,
    config: { base_url: upstream.url },
  })
  const graph = {
    steps: steps.map((s) => ({
      id: s.id,
      type: 'mcp_call',
      instance_id: instance.id,
      depends_on: s.after ?? [],
      retry_count: s.retries ?? 0,
      tool_name: 'http_request',
      tool_args: { method: s.method, path: `/{{input.n}}/${s.id}` },
    })),
  }
  const workflow = await ar.ok('POST', '/v1/workflows', { name: `Counted ${Math.random()}`, graph })
  await ar.ok('POST', `/v1/workflows/${workflow.id}/versions`, {})
  return workflow.id as string
}

/** Starts a run with an id of its own, so that asking again after a crash makes no second one. */
export const start = (ar: TestRuntime, workflow: string, n: string) =>
  ar.api('POST', `/v1/workflows/${workflow}/command`, { command: 'start', params: { run_id: `run-${n}`, trigger_payload: { n } } })

export interface Summary {
  run_id: string
  status: string
  waiting_on: { kind: string; step_id: string }[]
  failure: { code: string; message: string; reason?: string } | null
  steps: { step_id: string; state: string; attempt: number }[]
}
export const summary = (ar: TestRuntime, workflow: string, n: string): Promise<Summary> =>
  ar.ok('GET', `/v1/workflows/${workflow}/runs/run-${n}/summary`)
export const ended = (s: Summary) => ['completed', 'failed', 'stopped'].includes(s.status)
const unknown = (s: Summary) => s.waiting_on.length > 0 && s.waiting_on.every((w) => w.kind === 'outcome_unknown')

/** Waits until each run has ended or waits for a person only. */
export async function settled(ar: TestRuntime, workflow: string, runs: readonly string[], ms = 30_000): Promise<Summary[]> {
  const found: Summary[] = []
  for (const n of runs)
    found.push(
      await until(
        async () => {
          const s = await summary(ar, workflow, n)
          return ended(s) || unknown(s) ? s : null
        },
        `run ${n} to end`,
        ms,
      ),
    )
  return found
}

export type Answer = 'done' | 'retry' | 'failed'
/** Says how each unknown call ended until no run waits any more. Returns what was asked: `run/step`. */
export async function resolveAll(
  ar: TestRuntime,
  workflow: string,
  runs: readonly string[],
  say: (at: string) => Answer,
  ms?: number,
): Promise<string[]> {
  const asked: string[] = []
  for (;;) {
    const waiting = (await settled(ar, workflow, runs, ms)).filter((s) => !ended(s))
    if (waiting.length === 0) return asked
    for (const run of waiting)
      for (const { step_id } of run.waiting_on) {
        const at = `${run.run_id.slice(4)}/${step_id}`
        asked.push(at)
        const answer = await ar.api('POST', `/v1/workflows/${workflow}/runs/${run.run_id}/steps/${step_id}/resolve`, { outcome: say(at) })
        // After the first answer the run goes on, and takes the next one when it waits again.
        if (answer.status === 409) break
        expect(answer.status, answer.text).toBe(200)
      }
  }
}

interface EventRow {
  run_id: string
  seq: number
  event_type: string
  step_id: string | null
  attempt: number | null
  data: Record<string, unknown>
}
interface CallRow {
  run_id: string
  step_id: string
  attempt: number
  outcome: string
  call_key: string
}
export interface Books {
  events: EventRow[]
  calls: CallRow[]
  runs: { id: string; status: string; last_seq: number; pickups: number; leg: number; fence: number }[]
}

export async function query<R extends pg.QueryResultRow>(connection: pg.ClientConfig, text: string, values: unknown[] = []): Promise<R[]> {
  const client = new pg.Client(connection)
  client.on('error', () => undefined)
  await client.connect()
  try {
    // The owner of the tables is held by row-level security too.
    await client.query("select set_config('ar.workspace', '*', false), set_config('ar.project', '*', false)")
    return (await client.query<R>(text, values)).rows
  } finally {
    await client.end()
  }
}

export async function books(connection: pg.ClientConfig): Promise<Books> {
  return {
    events: await query(connection, 'select run_id, seq, event_type, step_id, attempt, data from run_events order by run_id, seq'),
    calls: await query(connection, 'select run_id, step_id, attempt, outcome, call_key from tool_calls where run_id is not null'),
    runs: await query(connection, 'select id, status, last_seq, pickups, leg, fence from runs order by id'),
  }
}

const FINAL = ['step_completed', 'step_failed', 'step_cancelled']

/** What must be true after every fault. `steps` says which methods the steps have. Fills the gaps of a failure with the run's events. */
export function checkBooks({ events, calls, runs }: Books, upstream: Upstream, steps: readonly Step[]): void {
  const sent = new Map<string, Call[]>()
  for (const call of upstream.calls) sent.set(call.path, [...(sent.get(call.path) ?? []), call])
  const keys = new Map<string, string>()
  for (const run of runs) {
    const mine = events.filter((e) => e.run_id === run.id)
    const story = `${run.id}: ${mine.map((e) => `${e.event_type}${e.step_id ? ` ${e.step_id}#${e.attempt}` : ''}`).join(', ')}`
    expect(
      mine.map((e) => e.seq),
      story,
    ).toEqual(Array.from({ length: run.last_seq }, (_, i) => i + 1))
    if (!['completed', 'failed', 'stopped'].includes(run.status)) expect.fail(`${story} has not ended`)
    expect(
      mine.filter((e) => e.event_type === 'run_started'),
      story,
    ).toHaveLength(1)
    for (const step of steps) {
      const path = `/${run.id.slice(4)}/${step.id}`
      const told = mine.filter((e) => e.step_id === step.id)
      const final = told.findIndex((e) => FINAL.includes(e.event_type))
      expect(
        told.filter((e) => FINAL.includes(e.event_type)),
        `${story}: final events of ${step.id}`,
      ).toHaveLength(1)
      expect(final, `${story}: nothing of ${step.id} after its end`).toBe(told.length - 1)
      const starts = told.filter((e) => e.event_type === 'step_started')
      const unknowns = told.filter((e) => e.event_type === 'step_waiting').length
      const arrived = sent.get(path) ?? []
      const recorded = calls.filter((c) => c.run_id === run.id && c.step_id === step.id)
      // Each start in the journal allows one call, and no call is made without one.
      expect(arrived.length, `${story}: calls of ${step.id}`).toBeLessThanOrEqual(starts.length)
      for (const c of [...arrived, ...recorded]) {
        const key = 'key' in c ? c.key : c.call_key
        if (key === null) continue
        expect(keys.get(path) ?? key, `${story}: one key for ${step.id}`).toBe(key)
        keys.set(path, key)
      }
      if (step.method === 'GET') continue
      expect(
        starts.filter((e) => e.data.recovered),
        `${story}: ${step.id} started again by itself`,
      ).toEqual([])
      expect(arrived.length, `${story}: one call for each attempt of ${step.id}`).toBeLessThanOrEqual(
        new Set(starts.map((e) => e.attempt)).size,
      )
      expect(
        arrived.every((c) => c.key !== null),
        `${story}: ${step.id} has its key`,
      ).toBe(true)
      // What arrived is recorded, or a person was asked about it.
      expect(arrived.length - recorded.length, `${story}: ${step.id} arrived ${arrived.length} times`).toBeLessThanOrEqual(unknowns)
      expect(arrived.length, `${story}: ${step.id} was recorded and never arrived`).toBeGreaterThanOrEqual(
        recorded.filter((c) => c.outcome === 'ok').length,
      )
    }
  }
  expect(new Set(keys.values()).size, 'no two steps share a key').toBe(keys.size)
}

export async function auditVerifies(ar: TestRuntime): Promise<void> {
  const verdict = await ar.ok('GET', '/v1/audit/verify')
  expect(verdict).toMatchObject({ ok: true, problems: [] })
  expect(verdict.entries).toBeGreaterThan(0)
}
