/**
 * ClickUp's contract as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [paths] developer.clickup.com reference (API v2): routes, parameters, required fields, shapes of answers
 * - [auth] developer.clickup.com "Authentication": `Authorization: pk_…` as it is; Bearer belongs to OAuth tokens
 * - [errors] developer.clickup.com "Common errors": which OAUTH_ codes mean a dead token, and which a workspace that is not opened
 * - [limits] developer.clickup.com "Rate limits": X-RateLimit-Limit, -Remaining, -Reset (epoch seconds), 100 a minute
 * - [comments] developer.clickup.com "Task comments pagination": newest first, 25 a page, start and start_id together
 * - [seen] in answers that client programs quote: `{"err", "ECODE"}` with Token invalid OAUTH_025, Team not authorized OAUTH_027,
 *   Task not found ITEM_013, List not found ITEM_015, Status does not exist ITEM_114, Rate limit reached APP_002, and `last_page`
 * Not known, so chosen: the code for a Bearer in front of a personal token, the sentences about missing and unknown fields (ClickUp may well
 * ignore unknown ones), and whether a list that does not exist is a 404 or, as it often is, a workspace that is not authorized.
 */
import { type Asked, type Credential, type Reply, type Route, type Stub, startStub, type Vendor } from '../../../test/fakes/stub.ts'

export const RESET_IN_S = 42
const PREFIX = '/api/v2'

/** Made up, in the form that ClickUp's personal tokens have. */
export const tokens = {
  personal: 'pk_183_MADEUPMADEUPMADEUPMADEUPMADE01',
  outsider: 'pk_184_MADEUPMADEUPMADEUPMADEUPMADE02',
  revoked: 'pk_185_MADEUPMADEUPMADEUPMADEUPMADE03',
}
const credentials: Record<string, Credential> = {
  [tokens.personal]: { state: 'valid', kind: 'member', scopes: null },
  [tokens.outsider]: { state: 'valid', kind: 'outsider', scopes: null },
  [tokens.revoked]: { state: 'revoked', kind: 'member', scopes: null },
}

const error = (status: number, err: string, ECODE: string): Reply => ({ status, body: { err, ECODE } })
const epoch = (inSeconds: number) => String(Math.floor(Date.now() / 1000) + inSeconds)

/** Ready-made refusals, for `stub.next({ kind: 'reply', reply })`. */
export const replies = {
  error,
  /** [limits] No Retry-After is documented. */
  limited: (): Reply => ({
    ...error(429, 'Rate limit reached', 'APP_002'),
    headers: { 'x-ratelimit-limit': '100', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': epoch(RESET_IN_S) },
  }),
}

const ada = { id: 183, username: 'Ada', email: 'ada@example.com', color: '#827718', profilePicture: null }
const STATUSES = ['to do', 'in progress', 'closed'].map((status, i) => ({ status, type: ['open', 'custom', 'closed'][i], orderindex: i }))
const range = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i + 1))

const task = (n: number, more: object = {}) => ({
  id: n === 1 ? '9hx' : `9h${n}`,
  custom_id: null,
  name: `Task ${n}`,
  text_content: 'What is to be done',
  description: 'What is to be done',
  status: n > 250 ? STATUSES[2] : STATUSES[0],
  date_created: '1567780450202',
  creator: ada,
  assignees: [],
  tags: [],
  priority: null,
  due_date: null,
  list: { id: '124', name: 'Offers', access: true },
  space: { id: '790' },
  url: `https://app.clickup.com/t/9h${n}`,
  ...more,
})
/** 250 open ones and five that are closed. */
const TASKS = range(255, (n) => task(n))
const COMMENTS = range(60, (n) => ({
  id: String(461 - n),
  comment: [{ text: `Said ${n}` }],
  comment_text: `Said ${n}`,
  user: ada,
  resolved: false,
  assignee: null,
  date: String(1568036964079 - n * 1000),
}))

const ok = (body: unknown): Reply => ({ status: 200, body })
/** [errors] A living token of somebody who is not in the workspace. */
const within =
  (answer: Route['answer']): Route['answer'] =>
  (asked) =>
    asked.credential.kind === 'outsider' ? error(401, 'Team not authorized', 'OAUTH_027') : answer(asked)
const inList = (answer: Route['answer']) =>
  within((asked) => (asked.at.list_id === '124' ? answer(asked) : error(404, 'List not found', 'ITEM_015')))
const onTask = (answer: (asked: Asked, found: ReturnType<typeof task>) => Reply) =>
  within((asked) => {
    const found = TASKS.find((it) => it.id === asked.at.task_id)
    return found === undefined ? error(404, 'Task not found, deleted', 'ITEM_013') : answer(asked, found)
  })

const words = (text: string) => text.split(' ').filter((it) => it !== '')
const read = (path: string, query: string, answer: Route['answer']): Route => ({
  call: `GET ${PREFIX}${path}`,
  scopes: [],
  query: words(query),
  answer,
})
const change = (method: string, path: string, body: string, answer: Route['answer']): Route => ({
  call: `${method} ${PREFIX}${path}`,
  scopes: [],
  body: words(body),
  answer,
})

/** [paths] "Create Task" and "Update Task": what both refuse. null when nothing is wrong. */
function wrongFields({ status, priority, due_date }: Record<string, unknown>): Reply | null {
  if (status !== undefined && !STATUSES.some((it) => it.status === status)) return error(400, 'Status does not exist', 'ITEM_114')
  if (priority !== undefined && ![1, 2, 3, 4, null].includes(priority as number)) return error(400, 'Priority invalid', 'INPUT_006')
  return due_date === undefined || Number.isInteger(due_date) ? null : error(400, 'Due date invalid', 'INPUT_007')
}
const numbers = (it: unknown) => Array.isArray(it) && it.every(Number.isInteger)

const routes: Route[] = [
  read('/user', '', () => ok({ user: ada })),
  read('/team', '', ({ credential }) =>
    ok({
      teams:
        credential.kind === 'outsider'
          ? []
          : [{ id: '9007', name: 'Example Ltd', color: '#000000', avatar: null, members: [{ user: { ...ada, role: 1 } }] }],
    }),
  ),
  read(
    '/team/{team_id}/space',
    'archived',
    within(({ at, req }) =>
      at.team_id === '9007'
        ? ok({ spaces: req.query.get('archived') === 'true' ? [] : [{ id: '790', name: 'Sales', private: false, statuses: STATUSES }] })
        : error(401, 'Team not authorized', 'OAUTH_027'),
    ),
  ),
  read(
    '/list/{list_id}',
    '',
    inList(() =>
      ok({
        id: '124',
        name: 'Offers',
        orderindex: 1,
        content: '',
        due_date: null,
        folder: { id: '456', name: 'Folder', hidden: false, access: true },
        space: { id: '790', name: 'Sales', access: true },
        statuses: STATUSES,
      }),
    ),
  ),
  read(
    '/list/{list_id}/task',
    'archived include_markdown_description page order_by reverse subtasks statuses[] include_closed assignees[] tags[]',
    inList(({ req }) => {
      const wanted = req.query.getAll('statuses[]')
      const people = req.query.getAll('assignees[]')
      const closed = req.query.get('include_closed') === 'true'
      const found = TASKS.filter((it) => closed || it.status?.type !== 'closed')
        .filter((it) => wanted.length === 0 || wanted.includes(String(it.status?.status)))
        .filter((it) => people.length === 0 || it.assignees.some((one: { id: number }) => people.includes(String(one.id))))
      // [paths] "Responses are limited to 100 tasks per page"; pages count from 0.
      const page = Number(req.query.get('page') ?? 0)
      const tasks = found.slice(page * 100, (page + 1) * 100)
      return ok({ tasks, last_page: (page + 1) * 100 >= found.length })
    }),
  ),
  read(
    '/task/{task_id}',
    'custom_task_ids team_id include_subtasks include_markdown_description',
    onTask((_, found) => ok(found)),
  ),
  change(
    'POST',
    '/list/{list_id}/task',
    'name description markdown_content assignees archived group_assignees tags status priority due_date due_date_time start_date start_date_time notify_all parent links_to custom_fields custom_item_id points time_estimate',
    inList(({ body }) => {
      if (typeof body.name !== 'string' || body.name === '') return error(400, 'Task name invalid', 'INPUT_005')
      if (body.assignees !== undefined && !numbers(body.assignees)) return error(400, 'Assignees invalid', 'INPUT_008')
      const { name, priority, due_date } = body
      return (
        wrongFields(body) ??
        ok(task(300, { name, priority: priority ? { id: String(priority) } : null, due_date: due_date ? String(due_date) : null }))
      )
    }),
  ),
  change(
    'PUT',
    '/task/{task_id}',
    'name description markdown_content status priority due_date due_date_time parent time_estimate start_date start_date_time points assignees group_assignees watchers archived custom_item_id',
    onTask(({ body }, found) => {
      // [paths] Here assignees is {add, rem}, unlike in "Create Task".
      const people = body.assignees as { add?: unknown; rem?: unknown } | undefined
      if (people !== undefined && !(numbers(people.add ?? []) && numbers(people.rem ?? []) && !Array.isArray(people)))
        return error(400, 'Assignees invalid', 'INPUT_008')
      // [paths] 'To clear the task description, include Description with " "': "" changes nothing.
      const text = body.description === '' || body.description === undefined ? found.description : String(body.description).trim()
      return wrongFields(body) ?? ok({ ...found, name: body.name ?? found.name, description: text })
    }),
  ),
  change(
    'DELETE',
    '/task/{task_id}',
    '',
    onTask(() => ({ status: 204 })),
  ),
  read(
    '/task/{task_id}/comment',
    'custom_task_ids team_id start start_id',
    onTask(({ req }) => {
      const { start, start_id } = Object.fromEntries(req.query)
      if ((start === undefined) !== (start_id === undefined)) return error(400, 'start and start_id are used together', 'INPUT_009')
      const from = start === undefined ? 0 : COMMENTS.findIndex((it) => it.id === start_id && it.date === start) + 1
      return ok({ comments: COMMENTS.slice(from, from + 25) })
    }),
  ),
  change(
    'POST',
    '/task/{task_id}/comment',
    'comment_text assignee group_assignee notify_all',
    onTask(({ body }) => {
      if (typeof body.comment_text !== 'string' || body.comment_text === '') return error(400, 'Comment text invalid', 'INPUT_010')
      if (typeof body.notify_all !== 'boolean') return error(400, 'notify_all is required', 'INPUT_011')
      return ok({ id: 458, hist_id: '26508', date: 1568036964079 })
    }),
  ),
]

const clickup: Vendor = {
  routes,
  credentials,
  // [auth] The whole header is the token: with "Bearer " in front it is another one.
  credentialOf: (req) => req.headers.authorization ?? null,
  demand: (req) => {
    if (!req.headers.authorization) return error(400, 'Authorization header required', 'OAUTH_017')
    const json = req.headers['content-type'] === 'application/json'
    return req.body === '' || json ? null : error(400, 'Content-Type must be application/json', 'INPUT_001')
  },
  unauthorized: (found) => (found === null ? error(401, 'Token invalid', 'OAUTH_025') : error(401, 'Oauth token not found', 'OAUTH_019')),
  unknownRoute: () => error(404, 'Route not found', 'APP_001'),
  unknownField: (name) => error(400, `${name} is unknown`, 'INPUT_002'),
  scopeMissing: () => error(401, 'Team not authorized', 'OAUTH_027'),
  always: () => ({ 'x-ratelimit-limit': '100', 'x-ratelimit-remaining': '99', 'x-ratelimit-reset': epoch(RESET_IN_S) }),
}

export const startClickup = (): Promise<Stub> => startStub(clickup)
