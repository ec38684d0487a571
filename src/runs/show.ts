/** What runs look like from outside. */
import type { Failure, RunRow, RunStatus, rows, StepTable } from './rows.ts'

export interface RunFacts {
  run_id: string
  workflow_id: string
  workflow_name: string | null
  version: number
  environment: string
  trigger: string
  started_by: string
  status: RunStatus
  waiting_on: unknown[]
  failure: Failure | null
  created_at: string
  started_at: string | null
  finished_at: string | null
}
type ListedRun = Awaited<ReturnType<typeof rows.runs>>[number]
type EventRow = Awaited<ReturnType<typeof rows.events>>[number]

const iso = (date: Date | null): string | null => date?.toISOString() ?? null

export const showRun = (r: ListedRun | (RunRow & { workflow_name?: string | null })): RunFacts => ({
  run_id: r.id,
  workflow_id: r.workflow_id,
  workflow_name: r.workflow_name ?? null,
  version: r.version,
  environment: r.environment,
  trigger: r.trigger,
  started_by: r.started_by,
  status: r.status,
  waiting_on: r.waiting_on as unknown[],
  failure: r.failure,
  created_at: r.created_at.toISOString(),
  started_at: iso(r.started_at),
  finished_at: iso(r.finished_at),
})

export const showEvent = (e: EventRow) => ({
  seq: e.seq,
  event_type: e.event_type,
  step_id: e.step_id,
  attempt: e.attempt,
  at: e.at.toISOString(),
  data: e.data,
})

export const showStep = (s: StepTable) => ({
  step_id: s.step_id,
  state: s.state,
  attempt: s.attempt,
  started_at: iso(s.started_at),
  finished_at: iso(s.finished_at),
  input: s.input,
  result: s.result,
  detail: s.detail,
})
