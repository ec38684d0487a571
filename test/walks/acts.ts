/** What a person would do over HTTP, in one call each. */
import pg from 'pg'
import { type Answer, type TestRuntime, until } from '../harness.ts'

export type Step = { id: string; instance_id: string; tool_name: string; tool_args?: Record<string, unknown> } & Record<string, unknown>
type Body = Answer['body']

export const graphOf = (steps: readonly Step[]) => ({ steps: steps.map((step) => ({ type: 'mcp_call', ...step })) })

/** A workflow with its first version published. Returns its id. */
export async function published(
  rt: TestRuntime,
  name: string,
  steps: readonly Step[],
  more: Record<string, unknown> = {},
): Promise<string> {
  const { id } = await rt.ok('POST', '/v1/workflows', { name, graph: graphOf(steps), ...more })
  await rt.ok('POST', `/v1/workflows/${id}/versions`, {})
  return id as string
}

export const start = (rt: TestRuntime, workflow: string, params: Record<string, unknown> = {}): Promise<Body> =>
  rt.ok('POST', `/v1/workflows/${workflow}/command`, { command: 'start', params })

export const command = (rt: TestRuntime, workflow: string, run: string, word: string, mode?: string): Promise<Answer> =>
  rt.api('POST', `/v1/workflows/${workflow}/command`, { command: word, params: { run_id: run, ...(mode ? { mode } : {}) } })

export const summary = (rt: TestRuntime, workflow: string, run: string): Promise<Body> =>
  rt.ok('GET', `/v1/workflows/${workflow}/runs/${run}/summary`)

/** Waits until the run has that status. */
export const reached = (rt: TestRuntime, workflow: string, run: string, ...status: string[]): Promise<Body> =>
  until(
    async () => {
      const now = await summary(rt, workflow, run)
      return status.includes(now.status) ? now : null
    },
    `the run ${run} to be ${status.join(' or ')}`,
  )

export const ended = (rt: TestRuntime, workflow: string, run: string): Promise<Body> =>
  reached(rt, workflow, run, 'completed', 'failed', 'stopped')

export const context = (rt: TestRuntime, workflow: string, run: string): Promise<Body> =>
  rt.ok('GET', `/v1/workflows/${workflow}/runs/${run}/context`)

export interface Event {
  seq: number
  event_type: string
  step_id: string | null
  attempt: number | null
  data: Record<string, unknown>
}
export const events = async (rt: TestRuntime, workflow: string, run: string): Promise<Event[]> =>
  (await rt.ok('GET', `/v1/workflows/${workflow}/runs/${run}/events?limit=200`)).items

/** `step_completed a`, `step_completed c skipped: blocked`, `state_changed running → completed`. */
export const told = (list: readonly Event[]): string[] =>
  list.map(({ event_type, step_id, data }) =>
    [
      event_type,
      step_id,
      data.reason && data.skipped ? `skipped: ${data.reason}` : null,
      event_type === 'state_changed' ? `${data.from} → ${data.to}` : null,
    ]
      .filter(Boolean)
      .join(' '),
  )

/** Starts, waits for the end, and tells all about it. */
export async function ran(rt: TestRuntime, workflow: string, params: Record<string, unknown> = {}) {
  const { run_id: id } = await start(rt, workflow, params)
  const run = await ended(rt, workflow, id)
  const found = await events(rt, workflow, id)
  return { id: id as string, run, events: found, told: told(found), steps: (await context(rt, workflow, id)).steps as Body }
}

export const call = (
  rt: TestRuntime,
  instance: string,
  tool: string,
  args: Record<string, unknown> = {},
  more: Record<string, unknown> = {},
) => rt.api('POST', `/v1/mcp/instances/${instance}/tools/${tool}/call`, { args, ...more })

/** A connection and an instance that is bound to it. */
export async function connected(
  rt: TestRuntime,
  given: { name?: string; provider: string; service?: string; credentials: Record<string, string>; config?: Record<string, unknown> },
): Promise<{ connection: string; instance: string }> {
  const { id } = await rt.ok('POST', '/v1/connections', {
    display_name: given.name ?? given.provider,
    provider: given.provider,
    ...(given.service ? { service: given.service } : {}),
    credentials: given.credentials,
  })
  const instance = await rt.ok('POST', '/v1/mcp/instances', {
    slug: given.provider,
    name: given.name ?? given.provider,
    connection_id: id,
    ...(given.config ? { config: given.config } : {}),
  })
  return { connection: id, instance: instance.id }
}

/** SQL on a runtime's own database, as the owner of the tables. */
export async function behindTheScenes(rt: Pick<TestRuntime, 'connection'>) {
  const client = new pg.Client(rt.connection)
  await client.connect()
  // The owner is held by row-level security too, as long as it does not say that it acts for every tenant.
  await client.query("select set_config('ar.workspace', '*', false), set_config('ar.project', '*', false)")
  return {
    // biome-ignore lint/suspicious/noExplicitAny: what comes depends on the statement
    rows: async (text: string, values: unknown[] = []): Promise<Record<string, any>[]> => (await client.query(text, values)).rows,
    client,
    [Symbol.asyncDispose]: () => client.end(),
  }
}
