/** `runs follow`: the events of a run as they happen. A server that restarts in between does not end it: runs survive that. */
import { FAULTS, Fault, type FaultCode } from '../base/errors.ts'
import { type Client, PAGE } from './cli-call.ts'
import type { Commands } from './cli-commands.ts'
import { printable, type Terminal } from './cli-terminal.ts'

/** Quick enough to look live, and no load for the server. */
const LOOK_EVERY_MS = 500
/** Long enough for a restart of the server, with the wait above between the tries. */
const TRIES = 120
/** Of an event's data on its line. */
const MAX_DATA = 160

interface Event {
  seq: number
  event_type: string
  step_id: string | null
  attempt: number | null
  at: string
  data: Record<string, unknown>
}
interface Run {
  status: string
  failure: { code: string; message: string; step_id: string | null } | null
}
const ENDED = new Set(['completed', 'failed', 'stopped'])

export async function follow(
  commands: Commands,
  client: Client,
  ids: { id: string; run_id: string },
  deps: { terminal: Terminal; json: boolean; wait: (ms: number) => Promise<void> },
): Promise<number> {
  const { terminal, json, wait } = deps
  const summary = commands.find('runs', 'summary')
  const events = commands.find('runs', 'events')
  if (!summary || !events) throw new Fault('INTERNAL', 'there are no operations to follow a run with')
  let after = 0
  let failures = 0
  let answered = false
  while (!terminal.closed) {
    try {
      // State first, then events: those of a run that has ended are then complete.
      const run = (await client.call(summary, ids)).value as Run
      answered = true
      for (;;) {
        const page = (await client.call(events, { ...ids, after, limit: PAGE })).value as { items: Event[]; next_cursor: string | null }
        for (const event of page.items) terminal.out(json ? JSON.stringify(event) : line(event, terminal))
        after = page.items.at(-1)?.seq ?? after
        if (page.next_cursor === null || page.items.length === 0) break
      }
      failures = 0
      if (ENDED.has(run.status)) return ended(run, terminal, json)
    } catch (error) {
      if (!(error instanceof Fault) || !answered || !FAULTS[error.code].retry || ++failures > TRIES) throw error
      if (failures === 1) terminal.note(`${printable(error.message)}; trying again`)
    }
    await wait(LOOK_EVERY_MS)
  }
  return 0
}

function line(event: Event, terminal: Terminal): string {
  const attempt = (event.attempt ?? 1) > 1 ? `(attempt ${event.attempt})` : ''
  const data = Object.keys(event.data).length > 0 ? JSON.stringify(event.data) : ''
  const short = data.length > MAX_DATA ? `${data.slice(0, MAX_DATA)}…` : data
  const parts = [
    terminal.style('dim', event.at.slice(11, 19)),
    printable(event.event_type).padEnd(15),
    printable(event.step_id ?? ''),
    attempt,
    terminal.style('dim', printable(short)),
  ]
  return parts.filter(Boolean).join('  ').trimEnd()
}

function ended(run: Run, terminal: Terminal, json: boolean): number {
  if (run.status === 'completed') {
    if (!json) terminal.out(terminal.style('green', 'completed'))
    return 0
  }
  const at = run.failure?.step_id ? ` in step ${run.failure.step_id}` : ''
  terminal.note(
    printable(
      `error: the run ${run.status}${run.failure ? `${at}: ${run.failure.message} (${run.failure.code})` : ''}`.replace(
        'run stopped',
        'run was stopped',
      ),
    ),
  )
  const code = run.status === 'stopped' ? 'RUN_STOPPED' : run.failure?.code
  // A script or a graph that fails is refused as things are, like any code that is not in the table.
  return code !== undefined && Object.hasOwn(FAULTS, code) ? FAULTS[code as FaultCode].exit : FAULTS.REFUSED.exit
}
