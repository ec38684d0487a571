/**
 * Google Calendar's contract (v3) as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [client] the scopes of each method, as Google's generated client prints them; parameters and fields
 * - [errors] "Handle API errors": timeRangeEmpty, forbiddenForNonOrganizer, notFound, duplicate, deleted, conditionNotMet
 * - [ids] Events resource: ids of one's own are base32hex, 5 to 1024 characters, unique in their calendar
 * - [list] events.list: orderBy=startTime only with singleEvents, 250 a page, at most 2500; eventTypes is repeated
 * - [patch] "Patch semantics": objects are merged, lists replaced, null takes away
 * - [seen] a deleted event is still read, with status cancelled, and its id stays taken; "Missing time zone definition for start time."
 * Not known, so chosen: what inserting a calendar that is in the list already is answered with (here: the entry), the order of the checks.
 */
import { createHash } from 'node:crypto'
import { error, google } from './google.ts'
import type { Asked, Reply, Route, Stub } from './stub.ts'

const at = (name: string) => `https://www.googleapis.com/auth/calendar${name === '' ? '' : `.${name}`}`
const scopes = (names: string) => ['', ...names.split(' ')].map(at)
/** [client] */
const READ = scopes('app.created events events.freebusy events.owned events.owned.readonly events.public.readonly events.readonly readonly')
const WRITE = scopes('app.created events events.owned')
const FREE = scopes('events.freebusy freebusy readonly')
const LIST_READ = scopes('calendarlist calendarlist.readonly readonly')
const LIST_WRITE = scopes('calendarlist')

type Fields = Record<string, unknown>
interface Kept extends Fields {
  id: string
  status: string
  version: number
}

const PRIMARY = 'ada@example.com'
const OTHERS = 'team@group.calendar.google.com'
const hour = (day: number, from: number) => ({
  start: { dateTime: `2026-05-${String(day).padStart(2, '0')}T${String(from).padStart(2, '0')}:00:00+02:00`, timeZone: 'Europe/Berlin' },
  end: { dateTime: `2026-05-${String(day).padStart(2, '0')}T${String(from + 1).padStart(2, '0')}:00:00+02:00`, timeZone: 'Europe/Berlin' },
})
const kept = (id: string, fields: Fields): Kept => ({ id, status: 'confirmed', version: 1, eventType: 'default', ...fields })
const seed = (): Record<string, Kept[]> => ({
  [PRIMARY]: [
    kept('q1w2e3', {
      summary: 'Review',
      ...hour(4, 9),
      organizer: { email: PRIMARY, self: true },
      attendees: [
        { email: 'bob@example.com', responseStatus: 'accepted', comment: 'With pleasure' },
        { email: 'Carol@example.com', responseStatus: 'needsAction' },
      ],
    }),
    kept('wholeday', { summary: 'Fair', start: { date: '2026-05-06' }, end: { date: '2026-05-07' } }),
    kept('theirs', { summary: 'Theirs', ...hour(5, 9), organizer: { email: 'eve@example.com' } }),
    kept('gone1', { summary: 'Old', ...hour(1, 9), status: 'cancelled' }),
    kept('away', { summary: 'Away', ...hour(8, 9), eventType: 'outOfOffice' }),
    ...Array.from({ length: 7 }, (_, i) => kept(`daily${i}`, { summary: `Standup ${i + 1}`, ...hour(11 + i, 8) })),
  ],
  [OTHERS]: [kept('team1', { summary: 'Team', ...hour(4, 11) })],
})
let calendars = seed()
let list: Fields[] = []

const shown = ({ version, ...it }: Kept) => ({
  kind: 'calendar#event',
  etag: `"${version}"`,
  htmlLink: `https://calendar.google.com/event?eid=${it.id}`,
  ...it,
})
const ok = (body: unknown): Reply => ({ status: 200, body })
const notFound = () => error(404, 'Not Found', { reason: 'notFound' })
const invalid = (message: string, location: string, reason = 'invalid') => error(400, message, { reason, location })

const inCalendar =
  (answer: (events: Kept[], asked: Asked) => Reply) =>
  (asked: Asked): Reply => {
    const events = calendars[asked.at.calendar === 'primary' ? PRIMARY : String(asked.at.calendar)]
    return events === undefined ? notFound() : answer(events, asked)
  }
const onEvent = (answer: (event: Kept, asked: Asked) => Reply) =>
  inCalendar((events, asked) => {
    const found = events.find((it) => it.id === asked.at.event)
    return found === undefined ? notFound() : answer(found, asked)
  })

/** [errors] */
export const deleted = () => error(410, 'Resource has been deleted', { reason: 'deleted' })
export const duplicate = () => error(409, 'The requested identifier already exists.', { reason: 'duplicate' })
export const changed = () => error(412, 'Precondition Failed', { reason: 'conditionNotMet', location: 'If-Match', locationType: 'header' })

const moment = (when: unknown) => Date.parse(String((when as Fields | undefined)?.dateTime ?? (when as Fields | undefined)?.date))
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

function listed(events: Kept[], { req: { query } }: Asked): Reply {
  if (query.get('orderBy') === 'startTime' && query.get('singleEvents') !== 'true')
    return invalid('The requested ordering is not available for the particular query.', 'orderBy')
  for (const name of ['timeMin', 'timeMax'])
    if (query.has(name) && !MOMENT.test(String(query.get(name)))) return invalid('Bad Request', name, 'badRequest')
  const [min, max] = [Date.parse(query.get('timeMin') ?? '1970-01-01'), Date.parse(query.get('timeMax') ?? '2999-01-01')]
  if (min >= max)
    return error(400, 'The specified time range is empty.', { domain: 'calendar', reason: 'timeRangeEmpty', location: 'timeMax' })
  const types = query.getAll('eventTypes')
  const found = events
    .filter((it) => it.status !== 'cancelled' && moment(it.end) > min && moment(it.start) < max)
    .filter((it) => types.length === 0 || types.includes(String(it.eventType)))
    .filter((it) =>
      String(it.summary)
        .toLowerCase()
        .includes((query.get('q') ?? '').toLowerCase()),
    )
  if (query.get('orderBy') === 'startTime') found.sort((a, b) => moment(a.start) - moment(b.start))
  const from = Number(/^p(\d+)$/.exec(query.get('pageToken') ?? 'p0')?.[1] ?? Number.NaN)
  if (Number.isNaN(from)) return invalid('Invalid page token value.', 'pageToken')
  const to = from + Math.min(Number(query.get('maxResults') ?? 250), 2500)
  const items = found.slice(from, to).map(shown)
  return ok({ kind: 'calendar#events', timeZone: 'Europe/Berlin', items, ...(to < found.length ? { nextPageToken: `p${to}` } : {}) })
}

/** What is wrong with start and end, or null. */
function times(event: Fields): Reply | null {
  for (const name of ['start', 'end']) {
    const { date, dateTime, timeZone } = (event[name] ?? {}) as Record<string, string | undefined>
    if ((date === undefined) === (dateTime === undefined)) return invalid(`Invalid ${name} time.`, name)
    if (dateTime !== undefined && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$/.test(dateTime))
      return invalid('Bad Request', name)
    if (dateTime !== undefined && !MOMENT.test(dateTime) && timeZone === undefined)
      return invalid(`Missing time zone definition for ${name} time.`, name, 'required')
  }
  if (moment(event.end) <= moment(event.start))
    return error(400, 'The specified time range is empty.', { domain: 'calendar', reason: 'timeRangeEmpty', location: 'timeMax' })
  return null
}
const updates = ({ req: { query } }: Asked): Reply | null =>
  ['all', 'externalOnly', 'none'].includes(query.get('sendUpdates') ?? 'none')
    ? null
    : invalid('Invalid value for sendUpdates', 'sendUpdates')
const guests = (event: Fields): Fields => ({
  ...event,
  ...(Array.isArray(event.attendees)
    ? { attendees: event.attendees.map((it) => ({ responseStatus: 'needsAction', ...(it as Fields) })) }
    : {}),
})

const insert = inCalendar((events, asked) => {
  const { id = `auto${events.length}`, conferenceData, ...event } = asked.body
  const wrong = updates(asked) ?? times(event)
  if (wrong !== null) return wrong
  // [ids]
  if (!/^[a-v0-9]{5,1024}$/.test(String(id))) return invalid('Invalid resource id value.', 'id')
  if (events.some((it) => it.id === id)) return duplicate()
  const request = (conferenceData as { createRequest?: Fields } | undefined)?.createRequest
  const meets = request !== undefined && asked.req.query.get('conferenceDataVersion') === '1' && typeof request.requestId === 'string'
  const meet = {
    hangoutLink: 'https://meet.google.com/abc-defg-hij',
    conferenceData: { createRequest: { ...request, status: { statusCode: 'success' } } },
  }
  const made = kept(String(id), { organizer: { email: PRIMARY, self: true }, ...guests(event), ...(meets ? meet : {}) })
  events.push(made)
  return ok(shown(made))
})

/** [patch] */
const merged = (old: Fields, change: Fields): Fields => {
  const next = { ...old }
  for (const [name, value] of Object.entries(change)) {
    if (value === null) delete next[name]
    else next[name] = typeof value === 'object' && !Array.isArray(value) ? merged((old[name] ?? {}) as Fields, value as Fields) : value
  }
  return next
}
const patch = onEvent((event, asked) => {
  const match = asked.req.headers['if-match']
  if (match !== undefined && match !== `"${event.version}"`) return changed()
  if ((event.organizer as Fields | undefined)?.email === 'eve@example.com')
    return error(403, 'Shared properties can only be changed by the organizer of the event.', {
      domain: 'calendar',
      reason: 'forbiddenForNonOrganizer',
    })
  const next = guests(merged(event, asked.body))
  const wrong = updates(asked) ?? times(next)
  if (wrong !== null) return wrong
  for (const name of Object.keys(event)) delete event[name]
  Object.assign(event, next, { version: Number(next.version) + 1 })
  return ok(shown(event))
})

const freeBusy = ({ body }: Asked): Reply => {
  const { timeMin, timeMax, items } = body as { timeMin: string; timeMax: string; items: { id: string }[] }
  if (!MOMENT.test(timeMin) || !MOMENT.test(timeMax)) return invalid('Bad Request', 'timeMin', 'badRequest')
  const found = items.map(({ id }): [string, Fields] => {
    const events = calendars[id === 'primary' ? PRIMARY : id]
    if (events === undefined) return [id, { errors: [{ domain: 'global', reason: 'notFound' }], busy: [] }]
    const within = events.filter(
      (it) => it.status !== 'cancelled' && moment(it.end) > Date.parse(timeMin) && moment(it.start) < Date.parse(timeMax),
    )
    return [id, { busy: within.map((it) => ({ start: (it.start as Fields).dateTime, end: (it.end as Fields).dateTime })) }]
  })
  return ok({ kind: 'calendar#freeBusy', timeMin, timeMax, calendars: Object.fromEntries(found) })
}

const words = (text: string) => text.split(' ').filter((it) => it !== '')
const route = (call: string, allowed: readonly string[], query: string, body: string, answer: Route['answer']): Route => ({
  call,
  scopes: allowed,
  query: words(query),
  body: words(body),
  answer,
})
const EVENTS = '/calendar/v3/calendars/{calendar}/events'
const EVENT_BODY =
  'attendees colorId conferenceData description end extendedProperties id location recurrence reminders start status summary transparency visibility'
const SENDING = 'sendNotifications sendUpdates'
const LIST = '/calendar/v3/users/me/calendarList'
const entryOf = (id: unknown) => ({ kind: 'calendar#calendarListEntry', id, summary: `Calendar ${id}`, accessRole: 'reader' })

const routes: Route[] = [
  route(
    `GET ${EVENTS}`,
    READ,
    'alwaysIncludeEmail eventTypes iCalUID maxAttendees maxResults orderBy pageToken q showDeleted showHiddenInvitations singleEvents syncToken timeMax timeMin timeZone updatedMin',
    '',
    inCalendar(listed),
  ),
  route(`POST ${EVENTS}/quickAdd`, WRITE, `text ${SENDING}`, '', (asked) =>
    inCalendar((events) => {
      const text = asked.req.query.get('text')
      if (!text) return invalid('Required parameter: text', 'text', 'required')
      const made = kept(`quick${createHash('sha256').update(text).digest('hex').slice(0, 8)}${events.length}`, {
        summary: text,
        ...hour(20, 12),
      })
      events.push(made)
      return updates(asked) ?? ok(shown(made))
    })(asked),
  ),
  route(`POST ${EVENTS}`, WRITE, `conferenceDataVersion maxAttendees supportsAttachments ${SENDING}`, EVENT_BODY, insert),
  route(
    `GET ${EVENTS}/{event}`,
    READ,
    'alwaysIncludeEmail maxAttendees timeZone',
    '',
    onEvent((event) => ok(shown(event))),
  ),
  route(
    `PATCH ${EVENTS}/{event}`,
    WRITE,
    `alwaysIncludeEmail conferenceDataVersion maxAttendees supportsAttachments ${SENDING}`,
    EVENT_BODY,
    patch,
  ),
  route(
    `DELETE ${EVENTS}/{event}`,
    WRITE,
    SENDING,
    '',
    onEvent((event, asked) => {
      if (event.status === 'cancelled') return deleted()
      event.status = 'cancelled'
      return updates(asked) ?? { status: 204 }
    }),
  ),
  route('POST /calendar/v3/freeBusy', FREE, '', 'calendarExpansionMax groupExpansionMax items timeMax timeMin timeZone', freeBusy),
  route(`GET ${LIST}`, LIST_READ, 'maxResults minAccessRole pageToken showDeleted showHidden syncToken', '', () =>
    ok({ kind: 'calendar#calendarList', items: list }),
  ),
  route(`GET ${LIST}/{calendar}`, LIST_READ, '', '', ({ at: { calendar } }) => {
    const found = list.find((it) => it.id === calendar)
    return found === undefined ? notFound() : ok(found)
  }),
  route(
    `POST ${LIST}`,
    LIST_WRITE,
    'colorRgbFormat',
    'backgroundColor colorId defaultReminders foregroundColor hidden id notificationSettings selected summaryOverride',
    ({ body }) => {
      if (body.id === undefined) return invalid('Missing resource ID', 'id', 'required')
      if (!String(body.id).includes('@')) return notFound()
      const entry = { ...entryOf(body.id), ...body }
      list = [...list.filter((it) => it.id !== body.id), entry]
      return ok(entry)
    },
  ),
]

export async function startCalendar(): Promise<Stub> {
  const stub = await google(routes)
  const forget = () => {
    calendars = seed()
    list = [entryOf(PRIMARY)]
  }
  forget()
  return {
    ...stub,
    reset: () => {
      stub.reset()
      forget()
    },
  }
}
