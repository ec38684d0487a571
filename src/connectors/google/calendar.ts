import { type Checked, connector, Fault, type ToolContext, z } from '../contract.ts'
import { apiBase, type GoogleCall } from './call.ts'
import { reads } from './calendar-read.ts'
import { calendar } from './calendar-shapes.ts'
import { writes } from './calendar-write.ts'

const BASE = 'https://www.googleapis.com'

export const googleCalendar = connector({
  slug: 'google-calendar',
  title: 'Google Calendar',
  about: "Events of a Google account's calendars: find, read, make, change and delete them, invite guests, look for free times.",
  docs: 'https://developers.google.com/workspace/calendar/api/auth',
  auth: { kind: 'oauth', provider: 'google', service: 'google-calendar', check },
  config: z.strictObject({ api_base: apiBase(BASE) }),
  base: BASE,
  baseKey: 'api_base',
  hosts: [],
  tools: { ...reads, ...writes },
})

/** The cheapest question for each of the scopes that the service asks for, any of which somebody may have unticked. */
const QUESTIONS: readonly GoogleCall[] = [
  { path: '/calendar/v3/calendars/{calendar}/events', at: { calendar: 'primary' }, query: { maxResults: 1 } },
  { path: '/calendar/v3/users/me/calendarList', query: { maxResults: 1 } },
  {
    method: 'POST',
    path: '/calendar/v3/freeBusy',
    body: { timeMin: '2026-01-01T00:00:00Z', timeMax: '2026-01-01T00:00:01Z', items: [{ id: 'primary' }] },
    idempotent: true,
  },
]

/** One answered question shows that the token lives and that Calendar takes it. None tells scopes; the sign-in has told the account. */
async function check(ctx: ToolContext): Promise<Checked> {
  let lacking: unknown
  for (const question of QUESTIONS) {
    try {
      await calendar(ctx, question)
      return { account: ctx.account, granted_scopes: null }
    } catch (cause) {
      if (!(cause instanceof Fault) || cause.details?.reason !== 'scope') throw cause
      lacking ??= cause
    }
  }
  throw lacking
}
