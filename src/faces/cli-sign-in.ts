/** A link for the person who signs in, and the wait for what becomes of it. */
import { FAULTS, Fault } from '../base/errors.ts'
import type { Answer, Client } from './cli-call.ts'
import type { Commands } from './cli-commands.ts'
import { block } from './cli-render.ts'
import { printable, type Terminal } from './cli-terminal.ts'

/** One small request a second: it looks live to whoever waits. */
const LOOK_EVERY_MS = 1_000
/** As long as a link can be opened. */
const GIVE_UP_MS = 600_000
/** The other side did not do its part. */
const NOT_CONNECTED = FAULTS.CREDENTIAL_REJECTED.exit
/** Endings that whoever signs in can do nothing about. */
const FOR_THE_OPERATOR = new Set(['app_refused', 'app_missing', 'wrong_issuer'])

interface Offer {
  authorization_url: string
  attempt_id?: string
}
interface Attempt {
  status: 'pending' | 'done' | 'failed'
  kind: string | null
  connection_id: string | null
  notes: string[]
}

/** The answer, where it has a link in it. */
export const offer = (value: unknown): Offer | null =>
  typeof (value as Partial<Offer> | null)?.authorization_url === 'string' ? (value as Offer) : null

/** The link stands first and alone, to be copied or piped; whatever the terminal's width, it is whole. */
export function offerLines({ authorization_url, ...facts }: Offer, view: Parameters<typeof block>[1]): string[] {
  return [printable(authorization_url), '', ...block(facts, view)]
}

/** Asks how the sign-in has ended until it has. A server that restarts in between does not end the wait. */
export async function waitForSignIn(
  commands: Commands,
  client: Client,
  id: string,
  deps: { terminal: Terminal; wait: (ms: number) => Promise<void>; json: ((answer: Answer) => void) | null },
): Promise<number> {
  const { terminal, wait, json } = deps
  const attempt = commands.at('GET', '/v1/oauth/attempts/{id}')
  if (!attempt) throw new Fault('INTERNAL', 'there is no operation that says how a sign-in ended')
  if (!json) terminal.note('waiting until somebody has signed in; Ctrl-C ends the waiting only, the link goes on working')
  let complained = false
  for (let waited = 0; waited < GIVE_UP_MS && !terminal.closed; waited += LOOK_EVERY_MS) {
    await wait(LOOK_EVERY_MS)
    const answer = await client.call(attempt, { id }).catch((error: unknown) => {
      if (!(error instanceof Fault) || !FAULTS[error.code].retry) throw error
      if (!complained) terminal.note(`${printable(error.message)}; trying again`)
      complained = true
      return null
    })
    const ended = answer?.value as Attempt | undefined
    if (!answer || !ended || ended.status === 'pending') continue
    if (json) json(answer)
    else say(ended, terminal)
    return ended.status === 'done' ? 0 : NOT_CONNECTED
  }
  terminal.note('error: nobody has signed in within 10 minutes')
  return NOT_CONNECTED
}

function say({ status, kind, connection_id, notes }: Attempt, terminal: Terminal): void {
  const how = printable(kind ?? status).replaceAll('_', ' ')
  if (status === 'done') {
    terminal.out(`${terminal.style('green', how)} ${printable(connection_id ?? '')}`.trimEnd())
    for (const note of notes) terminal.out(`  ${printable(note)}`)
    return
  }
  terminal.note(`error: nothing was connected (${how})`)
  for (const note of notes) terminal.note(`  ${printable(note)}`)
  terminal.note(`hint: ${FOR_THE_OPERATOR.has(kind ?? '') ? 'agentruntime doctor oauth says what to mend.' : 'Ask for a new link.'}`)
}
