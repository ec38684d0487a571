/** What Calendar's tools have in common: the scopes that do, how times are written, what an event is. */
import { type Answer, fail, type ToolContext, z } from '../contract.ts'
import { anyOf, type GoogleCall, send } from './call.ts'

/**
 * Alternatives, out of those that Google's client names for the methods; the first is the one to ask for. Scopes with `owned` do for
 * calendars of one's own. Left out are those for less than that: public events, free times only, calendars that the app made.
 */
export const READS = [
  anyOf(
    'calendar.events.readonly',
    'calendar.events.owned.readonly',
    'calendar.events.owned',
    'calendar.events',
    'calendar.readonly',
    'calendar',
  ),
]
export const WRITES = [anyOf('calendar.events', 'calendar.events.owned', 'calendar')]
export const FREE_TIMES = [anyOf('calendar.freebusy', 'calendar.events.freebusy', 'calendar.readonly', 'calendar')]
export const LISTS = [anyOf('calendar.calendarlist', 'calendar')]

export const calendar = (ctx: ToolContext, call: GoogleCall): Promise<Answer> => send(ctx, { vendor: 'Google Calendar', ...call })

const When = z.looseObject({ date: z.string().optional(), dateTime: z.string().optional(), timeZone: z.string().optional() })
const Attendee = z.looseObject({ email: z.string().optional(), responseStatus: z.string().optional() })
export type Attendee = z.output<typeof Attendee>

/** An event as Google gives it. Of a deleted one there may be little more than its id. */
export const Event = z.looseObject({
  id: z.string(),
  status: z.string().optional().describe('confirmed, tentative or cancelled'),
  summary: z.string().optional().describe('The title'),
  description: z.string().optional(),
  location: z.string().optional(),
  htmlLink: z.string().optional().describe('Opens it in a browser'),
  hangoutLink: z.string().optional().describe('The Meet link'),
  start: When.optional(),
  end: When.optional(),
  attendees: z.array(Attendee).optional(),
  etag: z.string().optional(),
})
export type Event = z.output<typeof Event>

export const EVENTS = '/calendar/v3/calendars/{calendar}/events'
export const EVENT = `${EVENTS}/{event}`

/** An answer that is one event. */
export async function event(ctx: ToolContext, call: GoogleCall): Promise<Event> {
  const read = Event.safeParse((await calendar(ctx, call)).body)
  const maybeDone = call.method !== undefined
  return read.success ? read.data : fail('UPSTREAM_ERROR', 'Google Calendar answered with no event.', { maybeDone })
}

export const calendarId = z
  .string()
  .min(1)
  .describe('"primary" for the account\'s own calendar, or the id of another, which mostly looks like an address')
export const eventId = z.string().min(1).describe('id from get_events; in a series each date has one of its own')
export const timeZone = z.string().min(1).optional().describe('IANA name, such as Europe/Berlin')
export const people = z.array(z.email())
export const colorId = z
  .string()
  .regex(/^\d{1,2}$/, 'must be the number of a color, such as 5')
  .optional()
export const notify = z
  .enum(['all', 'externalOnly', 'none'])
  .optional()
  .describe('Who gets mail about it: all guests, only those who do not use Google Calendar, or nobody (when left out)')

/** RFC 3339, as Google wants a moment: with its offset. */
export const moment = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/, 'must be a time with its offset, such as 2026-05-04T09:00:00+02:00')

const OFFSET = /T.*(Z|[+-]\d\d:\d\d)$/
/** A date, or a time of which seconds and offset may be left out. */
export const dateOrTime = z
  .string()
  .regex(
    /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/,
    'must be a time such as 2026-05-04T09:00:00+02:00, or a date such as 2026-05-04',
  )

export const isDate = (when: string): boolean => !when.includes('T')
export const hasOffset = (when: string): boolean => OFFSET.test(when)

/** What start and end are in an event. `null` takes away what was there: an event has either a date or a time. */
export function at(when: string, zone?: string) {
  if (isDate(when)) return { date: when, dateTime: null }
  const dateTime = when.replace(/T(\d\d:\d\d)(?=Z|[+-]|$)/, 'T$1:00')
  return { dateTime, date: null, ...(zone === undefined ? {} : { timeZone: zone }) }
}
