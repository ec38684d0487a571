import { tool, fail, z } from '../contract.ts'
import { calendar, calendarId, EVENT, EVENTS, Event, event, eventId, FREE_TIMES, moment, READS, timeZone } from './calendar-shapes.ts'
import { freeTimes } from './calendar-free.ts'

/** Google's maximum for maxResults. */
const MOST_ON_PAGE = 2500
/** Google's maximum of calendars in one question (freebusy.query, calendarExpansionMax). */
const MOST_CALENDARS = 50
const EVENT_TYPES = ['birthday', 'default', 'focusTime', 'fromGmail', 'outOfOffice', 'workingLocation'] as const

const Page = z.looseObject({ items: z.array(Event).default([]), nextPageToken: z.string().optional(), timeZone: z.string().optional() })

const Span = z.object({ start: z.string(), end: z.string() })
const Busy = z.object({
  calendars: z.record(
    z.string(),
    z.object({ busy: z.array(Span).default([]), errors: z.array(z.looseObject({ reason: z.string().default('unknown') })).default([]) }),
  ),
})

export const reads = {
  get_events: tool({
    about:
      'Lists events of one calendar, by time, words or kind; in the order of their start, with series taken apart into their dates. For one event whose id is known use get_event_by_id; only to see when somebody is free use find_busy_free_periods. Answers one page; pass next_page_token as page_token for more, null means there are none.',
    effect: 'read',
    repeatable: true,
    scopes: READS,
    input: z.strictObject({
      calendar_id: calendarId,
      query: z.string().min(1).optional().describe('Words in title, description, place or guests'),
      time_min: moment.optional().describe('Events that end after this; name it, or events of long ago come first'),
      time_max: moment.optional().describe('Events that start before this'),
      event_types: z.array(z.enum(EVENT_TYPES)).min(1).optional(),
      single_events: z.boolean().optional().describe('false: a series is one item, and the order is none; true when left out'),
      max_results: z.int().min(1).max(MOST_ON_PAGE).optional().describe('Events on a page; 250 when left out'),
      page_token: z.string().min(1).optional().describe('next_page_token of the page before, with the same other arguments'),
    }),
    output: z.object({ items: z.array(Event), next_page_token: z.string().nullable(), time_zone: z.string().nullable() }),
    example: { calendar_id: 'primary', time_min: '2026-05-04T00:00:00Z', time_max: '2026-05-11T00:00:00Z' },
    run: async (ctx, { calendar_id, single_events = true, ...how }) => {
      const query = {
        q: how.query,
        timeMin: how.time_min,
        timeMax: how.time_max,
        eventTypes: how.event_types,
        maxResults: how.max_results,
        pageToken: how.page_token,
        singleEvents: single_events,
        // Google orders by start only what is single.
        orderBy: single_events ? 'startTime' : undefined,
      }
      const page = Page.safeParse((await calendar(ctx, { path: EVENTS, at: { calendar: calendar_id }, query })).body)
      if (!page.success) return fail('UPSTREAM_ERROR', 'Google Calendar listed events in a way that cannot be read.')
      const { items, nextPageToken, timeZone: zone } = page.data
      return { items, next_page_token: nextPageToken ?? null, time_zone: zone ?? null }
    },
  }),
  get_event_by_id: tool({
    about: 'Reads one event by its id, with guests, place, description and links. To find the id use get_events.',
    effect: 'read',
    repeatable: true,
    scopes: READS,
    input: z.strictObject({ calendar_id: calendarId, event_id: eventId }),
    output: Event,
    example: { calendar_id: 'primary', event_id: 'q1w2e3' },
    run: (ctx, { calendar_id, event_id }) => event(ctx, { path: EVENT, at: { calendar: calendar_id, event: event_id } }),
  }),
  find_busy_free_periods: tool({
    about:
      'Says when calendars are busy and when all of them are free, within a span of time; nothing of what the events are. For the events themselves use get_events. A calendar that cannot be seen has errors, and then free tells of the others only.',
    effect: 'read',
    repeatable: true,
    scopes: FREE_TIMES,
    input: z.strictObject({
      calendar_ids: z.array(calendarId).min(1).max(MOST_CALENDARS),
      time_min: moment,
      time_max: moment,
      time_zone: timeZone,
    }),
    output: z.object({
      calendars: z.record(z.string(), z.object({ busy: z.array(Span), errors: z.array(z.string()) })),
      free: z.array(Span),
      complete: z.boolean().describe('false: some calendar has errors'),
    }),
    example: { calendar_ids: ['primary'], time_min: '2026-05-04T08:00:00Z', time_max: '2026-05-04T18:00:00Z' },
    run: async (ctx, { calendar_ids, time_min, time_max, time_zone }) => {
      if (Date.parse(time_min) >= Date.parse(time_max)) fail('INVALID_INPUT', '"time_max" must be later than "time_min".')
      const body = { timeMin: time_min, timeMax: time_max, timeZone: time_zone, items: calendar_ids.map((id) => ({ id })) }
      // A question, although it is a POST.
      const answer = await calendar(ctx, { method: 'POST', path: '/calendar/v3/freeBusy', body, idempotent: true })
      const told = Busy.safeParse(answer.body)
      if (!told.success) return fail('UPSTREAM_ERROR', 'Google Calendar told free times in a way that cannot be read.')
      const all = Object.entries(told.data.calendars).map(([id, { busy, errors }]) => ({ id, busy, errors: errors.map((it) => it.reason) }))
      const seen = all.filter((it) => it.errors.length === 0)
      return {
        calendars: Object.fromEntries(all.map(({ id, ...it }) => [id, it])),
        free:
          seen.length === 0
            ? []
            : freeTimes(
                { start: time_min, end: time_max },
                seen.flatMap((it) => it.busy),
              ),
        complete: seen.length === all.length,
      }
    },
  }),
}
