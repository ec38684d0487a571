import { createHash } from 'node:crypto'
import { Fault, fail, type ToolContext, tool, z } from '../contract.ts'
import {
  type Attendee,
  at,
  calendar,
  calendarId,
  colorId,
  dateOrTime,
  EVENT,
  EVENTS,
  Event,
  event,
  eventId,
  hasOffset,
  isDate,
  LISTS,
  notify,
  people,
  timeZone,
  WRITES,
} from './calendar-shapes.ts'

/** An event that others change at the same time is read anew; so many changes within a second are a conflict to tell. */
const TRIES = 3

const details = { location: z.string().optional(), description: z.string().optional().describe('May hold HTML'), color_id: colorId }
const named = { calendar_id: calendarId, event_id: eventId }
const example = { calendar_id: 'primary', event_id: 'q1w2e3' }

const ListEntry = z.looseObject({ id: z.string(), summary: z.string().optional(), accessRole: z.string().optional() })

/** Google takes ids in base32hex (RFC 4648 §7, lower case). 160 bits of a digest are 32 characters, and as good as never met twice. */
export function idOf(key: string): string {
  const bits = [...createHash('sha256').update(key).digest().subarray(0, 20)].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{5}/g) ?? []).map((five) => Number.parseInt(five, 2).toString(32)).join('')
}

const says = (cause: unknown, status: number): boolean => cause instanceof Fault && cause.details?.status === status

export const writes = {
  create_event: tool({
    about:
      'Makes an event, with guests and a Meet link if asked; whole days when start and end are dates (the end is the day after the last). Guests get mail only with send_notifications. From a sentence in plain words use create_quick_event.',
    effect: 'write',
    // The id comes from the step's key. Google guarantees that an insert with an id succeeds only if no event has it ("Get specific
    // versions of resources"): a second try meets the event of the first (409) and answers with it.
    repeatable: true,
    scopes: WRITES,
    input: z.strictObject({
      calendar_id: calendarId,
      title: z.string().min(1),
      start_date_time: dateOrTime.describe('A time with its offset or with time_zone; a date for whole days'),
      end_date_time: dateOrTime,
      attendees: people.optional().describe('Addresses of guests'),
      create_meet_link: z.boolean().optional(),
      send_notifications: notify,
      time_zone: timeZone.describe('For times without an offset'),
      ...details,
    }),
    output: Event,
    example: {
      calendar_id: 'primary',
      title: 'Review',
      start_date_time: '2026-05-04T09:00:00+02:00',
      end_date_time: '2026-05-04T10:00:00+02:00',
      attendees: ['ada@example.com'],
    },
    run: async (ctx, { calendar_id, start_date_time: start, end_date_time: end, ...how }) => {
      whole(start, end)
      const bare = [start, end].some((it) => !isDate(it) && !hasOffset(it))
      if (bare && how.time_zone === undefined)
        fail('INVALID_INPUT', 'A time without an offset needs "time_zone".', { hint: 'Write 2026-05-04T09:00:00+02:00, or add time_zone.' })
      const id = idOf(ctx.key)
      const body = {
        id,
        ...written(how),
        start: kept(at(start, how.time_zone)),
        end: kept(at(end, how.time_zone)),
        attendees: how.attendees?.map((email) => ({ email })),
        ...(how.create_meet_link
          ? { conferenceData: { createRequest: { requestId: id, conferenceSolutionKey: { type: 'hangoutsMeet' } } } }
          : {}),
      }
      const query = { sendUpdates: how.send_notifications, conferenceDataVersion: how.create_meet_link ? 1 : undefined }
      try {
        return await event(ctx, { method: 'POST', path: EVENTS, at: { calendar: calendar_id }, query, body, idempotent: true })
      } catch (cause) {
        if (!says(cause, 409)) throw cause
        return made(ctx, calendar_id, id)
      }
    },
  }),
  create_quick_event: tool({
    about:
      'Makes an event from one sentence, such as "Lunch with Ada tomorrow 12:30-13:30", which Google reads by itself; look at the answer, it may have read it otherwise. Where the times are known use create_event.',
    effect: 'write',
    repeatable: false, // quickAdd takes no id: a second call is a second event.
    scopes: WRITES,
    input: z.strictObject({ calendar_id: calendarId, text: z.string().min(1), send_notifications: notify }),
    output: Event,
    example: { calendar_id: 'primary', text: 'Lunch with Ada tomorrow 12:30-13:30' },
    run: (ctx, { calendar_id, text, send_notifications }) =>
      event(ctx, {
        method: 'POST',
        path: `${EVENTS}/quickAdd`,
        at: { calendar: calendar_id },
        query: { text, sendUpdates: send_notifications },
      }),
  }),
  update_event: tool({
    about:
      'Changes what is named of an event and leaves the rest. attendees is the whole new list: who is not in it is taken out, who stays keeps the answer given; only to add guests use add_attendees_to_event. For a series give the id of one of its dates, or of the series for all.',
    effect: 'destroy', // What is overwritten is gone.
    repeatable: true, // The same change again changes nothing.
    scopes: WRITES,
    input: z.strictObject({
      ...named,
      title: z.string().min(1).optional(),
      start_date_time: dateOrTime.optional().describe('With its offset, or it is taken in the time zone that the event has'),
      end_date_time: dateOrTime.optional(),
      attendees: people.optional(),
      ...details,
      send_notifications: notify,
    }),
    output: Event,
    example: {
      ...example,
      title: 'Review, moved',
      start_date_time: '2026-05-05T09:00:00+02:00',
      end_date_time: '2026-05-05T10:00:00+02:00',
    },
    run: (ctx, { calendar_id, event_id, send_notifications, start_date_time: start, end_date_time: end, attendees, ...how }) => {
      if (start !== undefined && end !== undefined) whole(start, end)
      const change = {
        ...written(how),
        ...(start === undefined ? {} : { start: at(start) }),
        ...(end === undefined ? {} : { end: at(end) }),
      }
      if (attendees === undefined && Object.keys(change).length === 0) fail('INVALID_INPUT', 'Name at least one thing to change.')
      const where = { calendar: calendar_id, event: event_id }
      if (attendees === undefined) return patch(ctx, where, send_notifications, change)
      return onGuests(ctx, where, send_notifications, change, (present) => attendees.map((email) => known(present, email) ?? { email }))
    },
  }),
  delete_event: tool({
    about:
      'Deletes an event; with the id of a series, all its dates. Guests learn of it only with send_notifications. To change it instead use update_event. One that is deleted already is no failure.',
    effect: 'destroy',
    repeatable: true, // A second delete meets 410 and harms nothing.
    scopes: WRITES,
    input: z.strictObject({ ...named, send_notifications: notify }),
    output: z.object({ deleted: z.literal(true), already_gone: z.boolean() }),
    example,
    run: async (ctx, { calendar_id, event_id, send_notifications }) => {
      const call = { method: 'DELETE', path: EVENT, at: { calendar: calendar_id, event: event_id }, idempotent: true }
      try {
        await calendar(ctx, { ...call, query: { sendUpdates: send_notifications } })
        return { deleted: true as const, already_gone: false }
      } catch (cause) {
        if (!says(cause, 410)) throw cause
        return { deleted: true as const, already_gone: true }
      }
    },
  }),
  add_attendees_to_event: tool({
    about: 'Adds guests to an event and keeps those whom it has. To take guests out, or to change anything else, use update_event.',
    effect: 'write',
    repeatable: true, // Who is there already is not added again.
    scopes: WRITES,
    input: z.strictObject({ ...named, attendees: people.min(1), send_notifications: notify }),
    output: Event,
    example: { ...example, attendees: ['ada@example.com'] },
    run: (ctx, { calendar_id, event_id, attendees, send_notifications }) =>
      onGuests(ctx, { calendar: calendar_id, event: event_id }, send_notifications, {}, (present) => [
        ...present,
        ...attendees.filter((email) => known(present, email) === undefined).map((email) => ({ email })),
      ]),
  }),
  add_calendar_to_list: tool({
    about:
      "Puts an existing calendar, such as a colleague's or a public one, into the account's list of calendars. It makes no new calendar, and its owner must have shared it.",
    effect: 'write',
    repeatable: true, // A calendar is in the list or it is not.
    scopes: LISTS,
    input: z.strictObject({ calendar_id: calendarId, color_id: colorId, hidden: z.boolean().optional().describe('Not shown in the list') }),
    output: ListEntry,
    example: { calendar_id: 'en.usa#holiday@group.v.calendar.google.com' },
    run: async (ctx, { calendar_id, color_id, hidden }) => {
      const path = '/calendar/v3/users/me/calendarList'
      const add = { method: 'POST', path, body: { id: calendar_id, colorId: color_id, hidden }, idempotent: true }
      const { body } = await calendar(ctx, add).catch((cause: unknown) => {
        if (!says(cause, 409)) throw cause
        return calendar(ctx, { path: `${path}/{calendar}`, at: { calendar: calendar_id } })
      })
      const entry = ListEntry.safeParse(body)
      return entry.success ? entry.data : fail('UPSTREAM_ERROR', 'Google Calendar answered with no calendar.', { maybeDone: true })
    },
  }),
}

/** What an earlier try of this very step has made. */
async function made(ctx: ToolContext, calendarOf: string, id: string): Promise<Event> {
  const found = await event(ctx, { path: EVENT, at: { calendar: calendarOf, event: id } })
  if (found.status !== 'cancelled') return found
  return fail('UPSTREAM_CONFLICT', 'An earlier try of this step made the event, and somebody has deleted it since.', { details: { id } })
}

/** Arguments under the names that an event has for them. */
function written(how: {
  title?: string | undefined
  location?: string | undefined
  description?: string | undefined
  color_id?: string | undefined
}) {
  const fields = { summary: how.title, location: how.location, description: how.description, colorId: how.color_id }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

const kept = (fields: object) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))

function whole(start: string, end: string): void {
  if (isDate(start) !== isDate(end)) fail('INVALID_INPUT', 'Start and end must both be dates or both be times.')
}

type Where = { calendar: string; event: string }

const patch = (ctx: ToolContext, where: Where, sendUpdates: string | undefined, body: object, etag?: string): Promise<Event> =>
  event(ctx, {
    method: 'PATCH',
    path: EVENT,
    at: where,
    query: { sendUpdates },
    body,
    idempotent: true,
    ...(etag === undefined ? {} : { headers: { 'if-match': etag } }),
  })

/** Google takes the list of guests as a whole, so it is read, changed, and written only if nobody wrote in between. */
async function onGuests(
  ctx: ToolContext,
  where: Where,
  sendUpdates: string | undefined,
  change: object,
  guests: (present: Attendee[]) => Attendee[],
): Promise<Event> {
  for (let n = 1; ; n++) {
    const now = await event(ctx, { path: EVENT, at: where })
    const present = now.attendees ?? []
    const next = guests(present)
    if (Object.keys(change).length === 0 && next.length === present.length && next.every((it) => present.includes(it))) return now
    try {
      return await patch(ctx, where, sendUpdates, { ...change, attendees: next }, now.etag)
    } catch (cause) {
      if (n >= TRIES || !says(cause, 412)) throw cause
    }
  }
}

const known = (present: readonly Attendee[], email: string): Attendee | undefined =>
  present.find((it) => it.email?.toLowerCase() === email.toLowerCase())
