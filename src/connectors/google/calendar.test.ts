import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { changed, duplicate, startCalendar } from '../../../test/fakes/calendar.ts'
import { toolContext } from '../../../test/fakes/context.ts'
import { granted, replies, tokens } from '../../../test/fakes/google.ts'
import type { Stub } from '../../../test/fakes/stub.ts'
import { missingScopes } from '../scopes.ts'
import { googleCalendar } from './calendar.ts'
import { freeTimes } from './calendar-free.ts'
import { idOf } from './calendar-write.ts'
import { google } from './provider.ts'

let stub: Stub
beforeAll(async () => {
  stub = await startCalendar()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const as = (access_token: string) => toolContext(googleCalendar, { credentials: { access_token }, config: { api_base: stub.url } })
async function call(name: string, input: object, ctx = as(tokens.valid)): Promise<Record<string, unknown>> {
  const tool = googleCalendar.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const sent = () => stub.requests.map(({ method, path, query }) => `${method} ${path}${query.size > 0 ? `?${query}` : ''}`)
const body = (n = -1) => JSON.parse(stub.requests.at(n)?.body ?? 'null')
const refuses = (name: string, input: object) => JSON.stringify(googleCalendar.tools[name]?.input.safeParse(input).error?.issues ?? '')

const EVENTS = '/calendar/v3/calendars/primary/events'
const nine = '2026-05-20T09:00:00+02:00'
const ten = '2026-05-20T10:00:00+02:00'
const review = { calendar_id: 'primary', event_id: 'q1w2e3' }
const plan = { calendar_id: 'primary', title: 'Plan', start_date_time: nine, end_date_time: ten }

describe('whose calendar it is', () => {
  it('one answered question is enough', async () => {
    expect(await googleCalendar.auth.check(as(tokens.valid))).toEqual({ account: null, granted_scopes: null })
    expect(sent()).toEqual([`GET ${EVENTS}?maxResults=1`])
  })

  it.each([
    ['calendar.events', 1],
    ['calendar.calendarlist', 2],
    ['calendar.freebusy', 3],
  ])('%s alone passes, at question %i', async (scope, questions) => {
    await googleCalendar.auth.check(as(granted(scope)))
    expect(stub.requests).toHaveLength(questions)
  })

  it('a token without any of them does not pass', async () => {
    await expect(googleCalendar.auth.check(as(tokens.narrow))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      details: { reason: 'scope' },
    })
  })

  it('a dead token, or an API that is switched off, ends it at the first question', async () => {
    await expect(googleCalendar.auth.check(as(tokens.revoked))).rejects.toMatchObject({ code: 'CREDENTIAL_REJECTED' })
    stub.next({ kind: 'reply', reply: replies.apiDisabled() })
    await expect(googleCalendar.auth.check(as(tokens.valid))).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      details: { reason: 'api_disabled' },
    })
    expect(stub.requests).toHaveLength(2)
  })
})

describe('scopes', () => {
  it('the service asks for what all its tools need', () => {
    const asked = google.services['google-calendar']?.scopes ?? []
    for (const tool of Object.values(googleCalendar.tools)) expect(missingScopes(tool, asked)).toEqual([])
  })

  const alternatives = Object.entries(googleCalendar.tools).flatMap(([name, tool]) =>
    tool.scopes.flatMap((need) => [need].flat().map((scope): [string, string] => [name, scope])),
  )
  it('has alternatives to try', () => expect(alternatives).toHaveLength(3 * 6 - 2 + 5 * 3 + 2))
  it.each(alternatives)('%s: Google takes %s', async (name, scope) => {
    const tool = googleCalendar.tools[name]
    await call(name, tool?.example as object, as(granted(scope)))
  })
})

describe('get_events', () => {
  it('sends what is asked for as Google wants it', async () => {
    await call('get_events', {
      calendar_id: 'team@group.calendar.google.com',
      query: 'Team',
      time_min: '2026-05-04T00:00:00Z',
      time_max: '2026-05-05T00:00:00+02:00',
      event_types: ['default', 'focusTime'],
      max_results: 10,
    })
    const req = stub.requests[0]
    expect(req?.path).toBe('/calendar/v3/calendars/team%40group.calendar.google.com/events')
    expect(req?.query.getAll('eventTypes')).toEqual(['default', 'focusTime'])
    expect(Object.fromEntries(req?.query ?? [])).toMatchObject({
      q: 'Team',
      timeMin: '2026-05-04T00:00:00Z',
      timeMax: '2026-05-05T00:00:00+02:00',
      maxResults: '10',
      singleEvents: 'true',
      orderBy: 'startTime',
    })
  })

  it('goes through three pages, in order', async () => {
    const found: unknown[] = []
    let page_token: string | null | undefined
    let pages = 0
    do {
      const page = await call('get_events', {
        calendar_id: 'primary',
        query: 'Standup',
        max_results: 3,
        ...(page_token ? { page_token } : {}),
      })
      found.push(...(page.items as { summary: string }[]).map((it) => it.summary))
      page_token = page.next_page_token as string | null
      pages += 1
    } while (page_token !== null)
    expect(pages).toBe(3)
    expect(found).toEqual([1, 2, 3, 4, 5, 6, 7].map((n) => `Standup ${n}`))
  })

  it('filters by kind, and leaves series whole without an order', async () => {
    const away = await call('get_events', { calendar_id: 'primary', event_types: ['outOfOffice'], single_events: false })
    expect(away.items).toMatchObject([{ id: 'away' }])
    expect([stub.requests[0]?.query.get('singleEvents'), stub.requests[0]?.query.has('orderBy')]).toEqual(['false', false])
  })

  it('wants moments with their offset, and passes on what Google does not take', async () => {
    expect(refuses('get_events', { calendar_id: 'primary', time_min: '2026-05-04' })).toContain('offset')
    expect(refuses('get_events', { calendar_id: 'primary', event_types: ['party'] })).toContain('event_types')
    expect(refuses('get_events', { calendar_id: 'primary', order_by: 'x' })).toContain('order_by')
    const empty = { calendar_id: 'primary', time_min: '2026-05-05T00:00:00Z', time_max: '2026-05-04T00:00:00Z' }
    await expect(call('get_events', empty)).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      message: expect.stringContaining('range is empty'),
    })
    await expect(call('get_events', { calendar_id: 'no@where' })).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
  })
})

it('get_event_by_id reads one, its id encoded', async () => {
  expect(await call('get_event_by_id', review)).toMatchObject({ id: 'q1w2e3', summary: 'Review', etag: '"1"' })
  await expect(call('get_event_by_id', { calendar_id: 'primary', event_id: 'a/b' })).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
  expect(stub.requests[1]?.path).toBe(`${EVENTS}/a%2Fb`)
})

describe('find_busy_free_periods', () => {
  const day = { time_min: '2026-05-04T08:00:00+02:00', time_max: '2026-05-04T13:00:00+02:00' }
  it('tells when each is busy and when all are free', async () => {
    const told = await call('find_busy_free_periods', {
      calendar_ids: ['primary', 'team@group.calendar.google.com'],
      ...day,
      time_zone: 'Europe/Berlin',
    })
    expect(body()).toEqual({
      timeMin: day.time_min,
      timeMax: day.time_max,
      timeZone: 'Europe/Berlin',
      items: [{ id: 'primary' }, { id: 'team@group.calendar.google.com' }],
    })
    expect(told).toMatchObject({
      calendars: { primary: { busy: [{ start: '2026-05-04T09:00:00+02:00', end: '2026-05-04T10:00:00+02:00' }], errors: [] } },
      free: [
        { start: '2026-05-04T08:00:00+02:00', end: '2026-05-04T09:00:00+02:00' },
        { start: '2026-05-04T10:00:00+02:00', end: '2026-05-04T11:00:00+02:00' },
        { start: '2026-05-04T12:00:00+02:00', end: '2026-05-04T13:00:00+02:00' },
      ],
      complete: true,
    })
  })

  it('says when a calendar cannot be seen, and takes nobody for free whom it did not see', async () => {
    const some = await call('find_busy_free_periods', { calendar_ids: ['primary', 'x@y.example'], ...day })
    expect(some).toMatchObject({ complete: false, calendars: { 'x@y.example': { busy: [], errors: ['notFound'] } } })
    expect(some.free).toHaveLength(2)
    expect(await call('find_busy_free_periods', { calendar_ids: ['x@y.example'], ...day })).toMatchObject({ free: [], complete: false })
  })

  it('is a question, so it may be asked again; a span that ends before it begins is not sent', async () => {
    stub.next({ kind: 'reply', reply: { status: 503, body: {} } })
    await call('find_busy_free_periods', { calendar_ids: ['primary'], ...day })
    expect(stub.requests).toHaveLength(2)
    const turned = { calendar_ids: ['primary'], time_min: day.time_max, time_max: day.time_min }
    await expect(call('find_busy_free_periods', turned)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(stub.requests).toHaveLength(2)
  })

  const t = (hour: string) => `2026-05-04T${hour}:00Z`
  it.each([
    ['nothing busy', [], [['08:00', '12:00']]],
    [
      'overlaps',
      [
        ['09:00', '11:00'],
        ['10:00', '10:30'],
        ['10:45', '11:30'],
      ],
      [
        ['08:00', '09:00'],
        ['11:30', '12:00'],
      ],
    ],
    [
      'beyond both ends',
      [
        ['07:00', '08:30'],
        ['11:45', '13:00'],
      ],
      [['08:30', '11:45']],
    ],
    ['all of it', [['07:00', '13:00']], []],
    [
      'out of order',
      [
        ['10:00', '11:00'],
        ['08:00', '09:00'],
      ],
      [
        ['09:00', '10:00'],
        ['11:00', '12:00'],
      ],
    ],
    ['after the end', [['12:00', '13:00']], [['08:00', '12:00']]],
  ])('%s', (_, busy, free) => {
    const spans = (of: string[][]) => of.map(([start, end]) => ({ start: t(start as string), end: t(end as string) }))
    expect(freeTimes({ start: t('08:00'), end: t('12:00') }, spans(busy))).toEqual(spans(free))
  })
})

describe('create_event', () => {
  it('sends an event with an id of its own', async () => {
    const made = await call('create_event', {
      ...plan,
      attendees: ['bob@example.com'],
      create_meet_link: true,
      send_notifications: 'all',
      location: 'Room 5',
      description: 'About May',
      color_id: '5',
      time_zone: 'Europe/Berlin',
    })
    const id = idOf('run_1/step_1')
    expect(sent()).toEqual([`POST ${EVENTS}?sendUpdates=all&conferenceDataVersion=1`])
    expect(body()).toEqual({
      id,
      summary: 'Plan',
      location: 'Room 5',
      description: 'About May',
      colorId: '5',
      start: { dateTime: nine, timeZone: 'Europe/Berlin' },
      end: { dateTime: ten, timeZone: 'Europe/Berlin' },
      attendees: [{ email: 'bob@example.com' }],
      conferenceData: { createRequest: { requestId: id, conferenceSolutionKey: { type: 'hangoutsMeet' } } },
    })
    expect(made).toMatchObject({ id, hangoutLink: 'https://meet.google.com/abc-defg-hij', attendees: [{ responseStatus: 'needsAction' }] })
  })

  it('says no more than was asked', async () => {
    await call('create_event', plan)
    expect(sent()).toEqual([`POST ${EVENTS}`])
    expect(Object.keys(body())).toEqual(['id', 'summary', 'start', 'end'])
  })

  it('makes whole days of dates, and times of minutes', async () => {
    await call('create_event', { ...plan, start_date_time: '2026-05-20', end_date_time: '2026-05-21' })
    expect([body().start, body().end]).toEqual([{ date: '2026-05-20' }, { date: '2026-05-21' }])
    stub.reset()
    await call('create_event', {
      ...plan,
      start_date_time: '2026-05-20T09:00',
      end_date_time: '2026-05-20T10:00',
      time_zone: 'Europe/Berlin',
    })
    expect(body().start).toEqual({ dateTime: '2026-05-20T09:00:00', timeZone: 'Europe/Berlin' })
  })

  it('the same step twice is one event, and the second answer is the first', async () => {
    const first = await call('create_event', plan)
    expect(await call('create_event', plan)).toEqual(first)
    expect(sent()).toEqual([`POST ${EVENTS}`, `POST ${EVENTS}`, `GET ${EVENTS}/${idOf('run_1/step_1')}`])
    const other = await call('create_event', plan, { ...as(tokens.valid), key: 'run_1/step_2' })
    expect(other.id).not.toBe(first.id)
    expect((await call('get_events', { calendar_id: 'primary', query: 'Plan' })).items).toHaveLength(2)
  })

  it('a passing trouble is tried again; a cut connection is left to the next try of the step, and there is one event', async () => {
    stub.next({ kind: 'reply', reply: { status: 503, body: {} } })
    await call('create_event', plan)
    expect(stub.requests).toHaveLength(2)
    stub.next({ kind: 'cut' })
    await expect(call('create_event', plan)).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
    expect(await call('create_event', plan)).toMatchObject({ summary: 'Plan' })
    expect((await call('get_events', { calendar_id: 'primary', query: 'Plan' })).items).toHaveLength(1)
  })

  it('an event that was deleted since is a conflict, not an event', async () => {
    const { id } = await call('create_event', plan)
    await call('delete_event', { calendar_id: 'primary', event_id: id })
    await expect(call('create_event', plan)).rejects.toMatchObject({
      code: 'UPSTREAM_CONFLICT',
      message: expect.stringContaining('deleted it since'),
    })
  })

  it('a conflict over an event that cannot be found is told as it is', async () => {
    stub.next({ kind: 'reply', reply: duplicate() })
    await expect(call('create_event', plan)).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
  })

  it('ids are base32hex, and differ', () => {
    const ids = Array.from({ length: 500 }, (_, i) => idOf(`run_1/${i}`))
    for (const id of ids) expect(id).toMatch(/^[0-9a-v]{32}$/)
    expect(new Set(ids).size).toBe(500)
  })

  it.each([
    ['a time without an offset', { start_date_time: '2026-05-20T09:00:00', end_date_time: '2026-05-20T10:00:00' }, 'time_zone'],
    ['a date and a time', { start_date_time: '2026-05-20' }, 'both'],
  ])('refuses %s before anything is sent', async (_, more, says) => {
    await expect(call('create_event', { ...plan, ...more })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(says),
    })
    expect(stub.requests).toEqual([])
  })

  it('refuses what is no time, no address, no color, no field', () => {
    expect(refuses('create_event', { ...plan, start_date_time: 'tomorrow' })).toContain('must be a time')
    expect(refuses('create_event', { ...plan, attendees: ['Bob'] })).toContain('attendees')
    expect(refuses('create_event', { ...plan, color_id: 'red' })).toContain('color')
    expect(refuses('create_event', { ...plan, send_notifications: 'some' })).toContain('send_notifications')
    expect(refuses('create_event', { ...plan, recurrence: [] })).toContain('recurrence')
  })
})

it('create_quick_event sends the sentence, once', async () => {
  expect(
    await call('create_quick_event', { calendar_id: 'primary', text: 'Lunch & talk 12:30', send_notifications: 'none' }),
  ).toMatchObject({
    summary: 'Lunch & talk 12:30',
  })
  expect(sent()).toEqual([`POST ${EVENTS}/quickAdd?text=Lunch+%26+talk+12%3A30&sendUpdates=none`])
  expect(stub.requests[0]?.body).toBe('')
})

describe('update_event', () => {
  it('changes what is named', async () => {
    const now = await call('update_event', {
      ...review,
      title: 'Review 2',
      start_date_time: nine,
      end_date_time: ten,
      location: '',
      send_notifications: 'all',
    })
    expect(sent()).toEqual([`PATCH ${EVENTS}/q1w2e3?sendUpdates=all`])
    expect(body()).toEqual({ summary: 'Review 2', location: '', start: { dateTime: nine, date: null }, end: { dateTime: ten, date: null } })
    expect(now).toMatchObject({
      summary: 'Review 2',
      start: { dateTime: nine, timeZone: 'Europe/Berlin' },
      attendees: [{ email: 'bob@example.com' }, {}],
    })
  })

  it('makes a time of a whole day', async () => {
    const now = await call('update_event', { calendar_id: 'primary', event_id: 'wholeday', start_date_time: nine, end_date_time: ten })
    expect(now.start).toEqual({ dateTime: nine })
  })

  it('takes the new list of guests, and keeps the answers of those who stay', async () => {
    const now = await call('update_event', { ...review, attendees: ['BOB@example.com', 'dan@example.com'], title: 'R' })
    expect(now.attendees).toEqual([
      { email: 'bob@example.com', responseStatus: 'accepted', comment: 'With pleasure' },
      { email: 'dan@example.com', responseStatus: 'needsAction' },
    ])
    expect(stub.requests[1]?.headers['if-match']).toBe('"1"')
    expect((await call('update_event', { ...review, attendees: [] })).attendees).toEqual([])
  })

  it('nothing to change is not sent, and an event of somebody else is told as such', async () => {
    await expect(call('update_event', { ...review, send_notifications: 'all' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(stub.requests).toEqual([])
    await expect(call('update_event', { calendar_id: 'primary', event_id: 'theirs', title: 'Mine' })).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      hint: expect.stringContaining('organizer'),
      details: { status: 403, reason: 'forbiddenForNonOrganizer' },
    })
  })
})

describe('add_attendees_to_event', () => {
  it('adds to those who are there', async () => {
    const now = await call('add_attendees_to_event', {
      ...review,
      attendees: ['dan@example.com', 'carol@example.com'],
      send_notifications: 'externalOnly',
    })
    expect((now.attendees as { email: string }[]).map((it) => it.email)).toEqual([
      'bob@example.com',
      'Carol@example.com',
      'dan@example.com',
    ])
    expect(sent()).toEqual([`GET ${EVENTS}/q1w2e3`, `PATCH ${EVENTS}/q1w2e3?sendUpdates=externalOnly`])
    expect(body()).toEqual({
      attendees: [expect.objectContaining({ comment: 'With pleasure' }), expect.anything(), { email: 'dan@example.com' }],
    })
    expect(stub.requests[1]?.headers['if-match']).toBe('"1"')
  })

  it('writes nothing when all are there', async () => {
    await call('add_attendees_to_event', { ...review, attendees: ['bob@example.com'] })
    expect(stub.requests).toHaveLength(1)
  })

  it('an event that changed in between is read anew, a few times', async () => {
    const event = { id: 'q1w2e3', etag: '"0"', attendees: [] }
    const stale = { kind: 'reply', reply: { status: 200, body: event } } as const
    stub.next(stale)
    const now = await call('add_attendees_to_event', { ...review, attendees: ['dan@example.com'] })
    expect(now.attendees).toHaveLength(3)
    expect(stub.requests).toHaveLength(4)
    const lost = { kind: 'reply', reply: changed() } as const
    stub.next(stale, lost, stale, lost, stale, lost)
    await expect(call('add_attendees_to_event', { ...review, attendees: ['eve@example.com'] })).rejects.toMatchObject({
      code: 'UPSTREAM_CONFLICT',
    })
  })
})

describe('delete_event', () => {
  it('deletes once, and a second time harms nothing', async () => {
    expect(await call('delete_event', { ...review, send_notifications: 'all' })).toEqual({ deleted: true, already_gone: false })
    expect(await call('delete_event', review)).toEqual({ deleted: true, already_gone: true })
    expect(sent()).toEqual([`DELETE ${EVENTS}/q1w2e3?sendUpdates=all`, `DELETE ${EVENTS}/q1w2e3`])
  })

  it('what never was is not found', async () => {
    await expect(call('delete_event', { calendar_id: 'primary', event_id: 'never' })).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
  })
})

describe('add_calendar_to_list', () => {
  it('puts a calendar into the list, and once more does no harm', async () => {
    const team = { calendar_id: 'team@group.calendar.google.com', color_id: '7', hidden: false }
    expect(await call('add_calendar_to_list', team)).toMatchObject({ id: team.calendar_id, accessRole: 'reader' })
    expect(body()).toEqual({ id: team.calendar_id, colorId: '7', hidden: false })
    stub.next({ kind: 'reply', reply: duplicate() })
    expect(await call('add_calendar_to_list', team)).toMatchObject({ id: team.calendar_id })
    expect(sent().at(-1)).toBe('GET /calendar/v3/users/me/calendarList/team%40group.calendar.google.com')
  })

  it('calendar.events does not do here', async () => {
    const ctx = as(granted('calendar.events'))
    await expect(call('add_calendar_to_list', { calendar_id: 'x@y.example' }, ctx)).rejects.toMatchObject({ code: 'SCOPE_MISSING' })
    await expect(call('add_calendar_to_list', { calendar_id: 'nowhere' })).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
  })
})
