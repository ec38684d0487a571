import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import type { Reply, Stub } from '../../../test/fakes/stub.ts'
import { bearer, type Put, type ToolContext } from '../contract.ts'
import clickup from './index.ts'
import { judge } from './judge.ts'
import { RESET_IN_S, replies, startClickup, tokens } from './vendor.stub.ts'

let stub: Stub
beforeAll(async () => {
  stub = await startClickup()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const as = (api_key: string, connector = clickup) =>
  toolContext(connector, { credentials: { api_key }, config: { api_base: `${stub.url}/api/v2` } })
async function call(name: string, input: object, ctx: ToolContext = as(tokens.personal)): Promise<Record<string, unknown>> {
  const tool = clickup.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const refusal = (name: string, input: object) => clickup.tools[name]?.input.safeParse(input).error?.issues[0]?.message
const body = (n = 0) => JSON.parse(stub.requests[n]?.body ?? '')

describe('the token', () => {
  it('goes into the header as it is', async () => {
    expect(await clickup.auth.check(as(tokens.personal))).toEqual({
      account: { id: '183', label: 'ada@example.com' },
      granted_scopes: null,
    })
    expect(stub.requests[0]?.headers.authorization).toBe(tokens.personal)
  })

  it('is refused with "Bearer" in front', async () => {
    const put: Put = bearer()
    const wrong = { ...clickup, auth: { ...clickup.auth, services: { api_key: { title: 'x', fields: [], put } } } } as typeof clickup
    await expect(clickup.auth.check(as(tokens.personal, wrong))).rejects.toMatchObject({ code: 'CREDENTIAL_REJECTED' })
    expect(stub.requests[0]?.headers.authorization).toBe(`Bearer ${tokens.personal}`)
  })

  it.each([
    [tokens.personal, true],
    [`Bearer ${tokens.personal}`, false],
    ['183_ABCDEFGHIJ', false],
    ['pk_183 ABCDEFGHIJ', false],
  ])('of the form %s: %s', (value, good) => {
    if (clickup.auth.kind !== 'api_key') throw new Error('takes no key')
    const format = clickup.auth.services.api_key?.fields[0]?.format
    expect(format?.pattern.test(value)).toBe(good)
  })

  it('lives although it reaches no workspace', async () => {
    expect(await clickup.auth.check(as(tokens.outsider))).toMatchObject({ account: { id: '183' } })
    expect(await call('clickup_get_workspaces', {}, as(tokens.outsider))).toEqual({ teams: [] })
    await expect(call('clickup_get_list', { list_id: '124' }, as(tokens.outsider))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      message: 'ClickUp does not open this workspace to the connected token (401): Team not authorized (OAUTH_027)',
      hint: expect.stringContaining('clickup_get_workspaces'),
      details: { status: 401, reason: 'workspace', ecode: 'OAUTH_027' },
    })
  })
})

describe('what a 401 means', () => {
  const heard = ({ status, headers, body }: Reply) => judge({ status, headers: new Headers(headers), body })
  const of = (numbers: string, code: string) => numbers.split(' ').map((n): [string, string] => [`OAUTH_${n}`, code])
  it.each<[string, string]>([
    ...of('019 021 025 077', 'CREDENTIAL_REJECTED'),
    ...of('023 026 027 029 030 031 032 033 034 035 036 037 038 039 040 041 042 043 044 045', 'SCOPE_MISSING'),
    // Between and around the ranges nothing is known but that it is a 401.
    ...of('022 028 046', 'CREDENTIAL_REJECTED'),
    ...of('017', 'UPSTREAM_ERROR'),
    ['ITEM_015', 'SCOPE_MISSING'],
    ['ACCESS_017', 'SCOPE_MISSING'],
  ])('%s is %s', (ecode, code) => {
    const verdict = heard(replies.error(401, 'So it is', ecode))
    expect(verdict?.code).toBe(code)
    expect(verdict?.message).toContain(`So it is (${ecode})`)
  })

  it.each([[null], [{ err: 'No' }], [{ err: 'No', ECODE: 25 }]])('without a code (%j) it is a refused token', (it) => {
    expect(heard({ status: 401, body: it })?.code).toBe('CREDENTIAL_REJECTED')
  })

  it('a workspace that is not opened is one at 400 and 403, too, and never a failure of ClickUp', () => {
    for (const status of [400, 403, 404]) expect(heard(replies.error(status, 'No', 'OAUTH_027'))?.code).toBe('SCOPE_MISSING')
    expect(heard(replies.error(500, 'No', 'OAUTH_027'))?.code).toBe('UPSTREAM_ERROR')
  })
})

describe('limits', () => {
  it('hand back the time until the minute starts anew', async () => {
    stub.next({ kind: 'reply', reply: replies.limited() })
    const ctx = as(tokens.personal)
    const fault = await call('clickup_get_task', { task_id: '9hx' }, ctx).catch((error: unknown) => error)
    expect(fault).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', message: expect.stringContaining('Rate limit reached (APP_002)') })
    expect(Math.abs((fault as { retryAfter: number }).retryAfter - RESET_IN_S)).toBeLessThanOrEqual(2)
    expect(ctx.waits).toEqual([])
  })

  it('without a time are over in a minute', async () => {
    stub.next({ kind: 'reply', reply: replies.error(429, 'Rate limit reached', 'APP_002') })
    await expect(call('clickup_get_task', { task_id: '9hx' })).rejects.toMatchObject({ retryAfter: 60 })
  })
})

describe('tasks', () => {
  it('come a hundred at a time, open ones only unless asked', async () => {
    const pages = []
    for (const page of [0, 1, 2]) pages.push(await call('clickup_get_tasks', { list_id: '124', page }))
    expect(pages.map((it) => [(it.tasks as []).length, it.next_page])).toEqual([
      [100, 1],
      [100, 2],
      [50, null],
    ])
    expect((await call('clickup_get_tasks', { list_id: '124', page: 2, include_closed: true })).tasks).toHaveLength(55)
  })

  it('of one status are asked for as a list of one', async () => {
    expect(await call('clickup_get_tasks', { list_id: '124', statuses: ['in progress'], assignees: ['183'] })).toEqual({
      tasks: [],
      next_page: null,
    })
    expect([...(stub.requests[0]?.query ?? [])]).toEqual([
      ['page', '0'],
      ['statuses[]', 'in progress'],
      ['assignees[]', '183'],
    ])
  })

  it.each([
    [100, undefined, 8],
    [100, true, null],
    [99, undefined, null],
    [1, false, 8],
    [0, false, null],
  ])('%i tasks with last_page %s: the next page is %s', async (count, last_page, next_page) => {
    const tasks = Array.from({ length: count }, (_, i) => ({ id: `t${i}`, name: 'x' }))
    stub.next({ kind: 'reply', reply: { status: 200, body: { tasks, ...(last_page === undefined ? {} : { last_page }) } } })
    expect((await call('clickup_get_tasks', { list_id: '124', page: 7 })).next_page).toBe(next_page)
  })

  it('are changed by what is given alone', async () => {
    await call('clickup_update_task', { task_id: '9hx', priority: 1 })
    await call('clickup_update_task', { task_id: '9hx', assignees_add: [184] })
    await call('clickup_update_task', { task_id: '9hx', assignees_remove: [183] })
    expect([body(0), body(1), body(2)]).toEqual([
      { priority: 1 },
      { assignees: { add: [184], rem: [] } },
      { assignees: { add: [], rem: [183] } },
    ])
  })

  it('lose their text on ""', async () => {
    expect(await call('clickup_update_task', { task_id: '9hx', description: '' })).toMatchObject({ description: '' })
    expect(await call('clickup_update_task', { task_id: '9hx', name: 'New' })).toMatchObject({
      name: 'New',
      description: 'What is to be done',
    })
  })

  it('are made once, changed as often as need be', async () => {
    const busy = { kind: 'reply', reply: replies.error(503, 'Busy', 'APP_003') } as const
    stub.next(busy)
    await expect(call('clickup_create_task', { list_id: '124', name: 'x' })).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
    expect(stub.requests).toHaveLength(1)
    stub.next(busy)
    await call('clickup_update_task', { task_id: '9hx', name: 'x' })
    expect(stub.requests).toHaveLength(3)
  })

  it('that were deleted are gone, by the answer of ClickUp', async () => {
    expect(await call('clickup_delete_task', { task_id: '9h2' })).toEqual({ deleted: true, task_id: '9h2' })
    await expect(call('clickup_delete_task', { task_id: 'gone' })).rejects.toMatchObject({
      code: 'UPSTREAM_NOT_FOUND',
      message: 'ClickUp has no such thing (404): Task not found, deleted (ITEM_013)',
    })
  })

  it.each([
    ['clickup_update_task', { task_id: '9hx' }, 'Give at least one field to change.'],
    ['clickup_create_task', { list_id: '124', name: 'x', due_date: 1_796_000_000 }, 'must be in milliseconds since 1970, not in seconds'],
    ['clickup_get_list', { list_id: 'https://app.clickup.com/9007/v/li/124' }, 'must be a number as text'],
    ['clickup_get_task', { task_id: '../user' }, 'must be the id of a task'],
    ['clickup_get_comments', { task_id: '9hx', start_id: '4' }, 'Give start and start_id together.'],
  ])('[connectors.path-stays] %s refuses %j before anything is sent', (name, input, says) => {
    expect(refusal(name, input)).toContain(says)
  })
})

describe('comments', () => {
  it('are walked by date and id of the last one, and ids are text', async () => {
    const first = await call('clickup_get_comments', { task_id: '9hx' })
    expect(first.comments).toHaveLength(25)
    expect(first.next).toEqual({ start: 1568036964079 - 25_000, start_id: '436' })
    expect(await call('clickup_create_comment', { task_id: '9hx', comment_text: 'Hi', assignee: 183 })).toMatchObject({ id: '458' })
    expect(body(1)).toEqual({ comment_text: 'Hi', assignee: 183, notify_all: false })
  })
})
