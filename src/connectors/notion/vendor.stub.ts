/**
 * Notion's contract as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [description] Notion's OpenAPI description, see description.stub.ts: requests of version 2025-09-03 are held against it
 * - [errors] developers.notion.com "Status codes": statuses, codes, the form of the body, additional_data
 * - [versions] developers.notion.com "Versioning", "Changes by version", "Upgrading to 2025-09-03" and "to 2026-03-11": which there are, that a
 *   request must name one, what moved to data sources, that archived became in_trash
 * - [limits] developers.notion.com "Request limits": 100 blocks and pieces, 2000 characters, Retry-After in seconds, 429 and 529
 * - [paging] developers.notion.com "Pagination": page_size up to 100, start_cursor, has_more, next_cursor
 * - [capabilities] developers.notion.com "Capabilities": read, update, insert content; read, insert comments; 403 on lack
 * - [seen] in answers that client programs quote: "API token is invalid.", "Could not find page with ID: …", "Insufficient permissions for this
 *   endpoint.", "… is not a property that exists.", "Conflict occurred while saving. Please try again.", multiple_data_sources_for_database
 * Not known, so chosen: the order of the checks of version, form and token; the answer to a version that does not exist and to a cursor that is
 * none; whether versions before 2025-09-03 take in_trash; whether a row's old parent (database_id) still passes from 2025-09-03 on (here not).
 */
import {
  type Asked,
  type Credential,
  type Recorded,
  type Reply,
  type Route,
  type Stub,
  startStub,
  type Vendor,
} from '../../../test/fakes/stub.ts'
import { DESCRIBED_VERSION, isDescribed, wrongIn } from './description.stub.ts'

const VERSIONS = ['2021-05-13', '2021-08-16', '2022-02-22', '2022-06-28', '2025-09-03', '2026-03-11']

/** Made up, in the two forms that Notion's tokens have. */
export const tokens = {
  all: `ntn_${'1234567890Made0Up'.repeat(3)}`,
  reader: `secret_${'Reader0Made0Up'.repeat(3)}`,
  revoked: `ntn_${'Revoked0Made0Up0'.repeat(3)}`,
}
const credentials: Record<string, Credential> = {
  [tokens.all]: { state: 'valid', kind: 'internal', scopes: ['read', 'update', 'insert', 'read comments', 'insert comments'] },
  [tokens.reader]: { state: 'valid', kind: 'internal', scopes: ['read'] },
  [tokens.revoked]: { state: 'revoked', kind: 'internal', scopes: ['read'] },
}

const uuid = (kind: number, n: number) => `${String(kind).padStart(8, '0')}-0000-4000-8000-${String(n).padStart(12, '0')}`
export const ids = {
  page: '59833787-2cf9-4fdf-8782-e53db20768a5',
  parent: 'b55c9c91-384d-452b-81db-d1ef79372b75',
  /** 40 toggles, each with a paragraph inside. */
  deep: '0c940186-ab70-4351-bb34-2d16f0635d49',
  database: '842a0286-cef0-46a8-abba-eac4c8ca644e',
  source: 'c174b72c-d782-432f-8dc0-b647e1c96df6',
  /** With two data sources. */
  twofold: '2f26ee68-df30-4251-aad4-8ddc420cba3d',
  first: 'a42a62ed-9b51-4b98-9dea-ea6d091bc508',
  second: 'd9824bdc-8445-4327-be8b-5b47500af6ce',
  hidden: '11111111-2222-4333-8444-555555555555',
}

export const error = (status: number, code: string, message: string, more: object = {}): Reply => ({
  status,
  body: { object: 'error', status, code, message, ...more, request_id: uuid(9, status) },
})
const invalid = (message: string, more: object = {}) => error(400, 'validation_error', message, more)
const missing = (what: string, id: string) =>
  error(
    404,
    'object_not_found',
    `Could not find ${what} with ID: ${id}. Make sure the relevant pages and databases are shared with your integration "Example".`,
  )
const several = () =>
  invalid('Databases with multiple data sources are not supported in this API version.', {
    additional_data: {
      error_type: 'multiple_data_sources_for_database',
      database_id: ids.twofold,
      child_data_source_ids: [ids.first, ids.second],
      minimum_api_version: '2025-09-03',
    },
  })
/** Ready-made refusals, for `stub.next({ kind: 'reply', reply })`. */
export const replies = {
  unauthorized: () => error(401, 'unauthorized', 'API token is invalid.'),
  restricted: () => error(403, 'restricted_resource', 'Insufficient permissions for this endpoint.'),
  notShared: () => missing('page', ids.hidden),
  conflict: () => error(409, 'conflict_error', 'Conflict occurred while saving. Please try again.'),
  invalid: () => invalid('body failed validation: body.properties should be defined, instead was `undefined`.'),
  noVersion: () =>
    error(
      400,
      'missing_version',
      'Notion-Version header failed validation: Notion-Version header should be defined, instead was `undefined`.',
    ),
  several,
  limited: (retryAfter: number, reason?: string): Reply => ({
    ...error(429, 'rate_limited', 'You have been rate limited. Please try again in a few minutes.', {
      additional_data: reason === undefined ? {} : { rate_limit_reason: reason },
    }),
    headers: { 'retry-after': String(retryAfter) },
  }),
  overloaded: (retryAfter: number): Reply => ({
    ...error(529, 'service_overload', 'Notion is temporarily overloaded. Please try again later.'),
    headers: { 'retry-after': String(retryAfter) },
  }),
}

const range = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i + 1))
const rich = (text: string) => [{ type: 'text', text: { content: text, link: null }, plain_text: text, href: null }]
const page = (id: string, title: string, parent: object, more: object = {}) => ({
  object: 'page',
  id,
  created_time: '2026-03-01T19:05:00.000Z',
  in_trash: false,
  url: `https://www.notion.so/${id.replaceAll('-', '')}`,
  parent,
  properties: { Name: { id: 'title', type: 'title', title: rich(title) } },
  ...more,
})
const ROWS = range(250, (n) =>
  page(uuid(1, n), `Row ${n}`, { type: 'data_source_id', data_source_id: ids.source, database_id: ids.database }),
)
/** The one that is called just so is the fortieth. */
const PAGES = range(65, (n) => page(uuid(2, n), n === 40 ? 'Offers' : `Offers ${n}`, { type: 'page_id', page_id: ids.parent }))
const THERE = new Map([...ROWS, ...PAGES].map((it) => [it.id, it]))
for (const id of [ids.page, ids.parent, ids.deep]) THERE.set(id, page(id, 'A page', { type: 'workspace', workspace: true }))

const SCHEMA = {
  Name: { id: 'title', name: 'Name', type: 'title', title: {} },
  Status: { id: 'a%3Bb', name: 'Status', type: 'select', select: { options: [{ name: 'Open' }, { name: 'Done' }] } },
}
const sourceOf = (id: string, name: string, database_id: string) => ({
  object: 'data_source',
  id,
  title: rich(name),
  parent: { type: 'database_id', database_id },
  database_parent: { type: 'page_id', page_id: ids.parent },
  properties: SCHEMA,
})
const SOURCES = [
  sourceOf(ids.source, 'Offers', ids.database),
  sourceOf(ids.first, 'Tasks', ids.twofold),
  sourceOf(ids.second, 'Archive', ids.twofold),
]
const inDatabase = (id: unknown) => SOURCES.filter((it) => it.parent.database_id === id)

const block = (id: string, type: string, text: string, has_children = false) => ({
  object: 'block',
  id,
  type,
  has_children,
  in_trash: false,
  [type]: { rich_text: rich(text) },
})
/** By parent. The first toggle has three levels; the second child is a page of its own. */
const BLOCKS: Record<string, ReturnType<typeof block>[]> = {
  [ids.page]: range(65, (n) => block(uuid(3, n), n === 1 ? 'toggle' : n === 2 ? 'child_page' : 'paragraph', `Line ${n}`, n < 3)),
  [uuid(3, 1)]: range(120, (n) => block(uuid(4, n), 'bulleted_list_item', `Point ${n}`, n === 120)),
  [uuid(4, 120)]: [block(uuid(5, 1), 'paragraph', 'Innermost')],
  [uuid(3, 2)]: [block(uuid(5, 2), 'paragraph', 'Of another page')],
  [ids.deep]: range(40, (n) => block(uuid(6, n), 'toggle', `Toggle ${n}`, true)),
  ...Object.fromEntries(range(40, (n) => [uuid(6, n), [block(uuid(7, n), 'paragraph', `Inside ${n}`)]])),
}
const COMMENTS = range(65, (n) => ({
  object: 'comment',
  id: uuid(8, n),
  parent: { type: 'page_id', page_id: ids.page },
  discussion_id: uuid(9, n),
  created_time: '2026-03-01T19:05:00.000Z',
  rich_text: rich(`Remark ${n}`),
}))

const versionOf = (req: Recorded) => String(req.headers['notion-version'] ?? '')
const isModern = (req: Recorded) => versionOf(req) >= '2025-09-03'

/** [paging] The asked page, from the query or the body. */
function listed(asked: Asked, items: readonly unknown[]): Reply {
  const given = asked.req.method === 'GET' ? Object.fromEntries(asked.req.query) : asked.body
  const where = asked.req.method === 'GET' ? 'query' : 'body'
  const size = Number(given.page_size ?? 100)
  if (!(size >= 1 && size <= 100))
    return invalid(`${where} failed validation: ${where}.page_size should be ≤ \`100\`, instead was \`${size}\`.`)
  const from = given.start_cursor === undefined ? 0 : Number(/^cursor-(\d+)$/.exec(String(given.start_cursor))?.[1] ?? Number.NaN)
  if (Number.isNaN(from)) return invalid(`The start_cursor provided is invalid: ${given.start_cursor}`)
  const has_more = from + size < items.length
  return {
    status: 200,
    body: { object: 'list', results: items.slice(from, from + size), has_more, next_cursor: has_more ? `cursor-${from + size}` : null },
  }
}

/** [limits] What blocks and texts are refused for, anywhere in a body. */
function tooMuch(it: unknown, path = 'body'): string | null {
  if (Array.isArray(it) && it.length > 100) return `${path}.length should be ≤ \`100\`, instead was \`${it.length}\`.`
  const { content } = (it ?? {}) as { content?: unknown }
  if (typeof content === 'string' && content.length > 2000)
    return `${path}.content.length should be ≤ \`2000\`, instead was \`${content.length}\`.`
  if (typeof it !== 'object' || it === null) return null
  for (const [name, value] of Object.entries(it)) {
    const found = tooMuch(value, Array.isArray(it) ? `${path}[${name}]` : `${path}.${name}`)
    if (found !== null) return found
  }
  return null
}

const read = (path: string, scope: string | null, query: readonly string[], answer: Route['answer']): Route => ({
  call: `GET /v1${path}`,
  scopes: scope === null ? [] : [scope],
  query,
  answer: wellFormed(answer),
})
const send = (call: string, scope: string, body: string, answer: Route['answer']): Route => ({
  call: call.replace(' ', ' /v1'),
  scopes: [scope],
  body: body.split(' '),
  answer: wellFormed(answer),
})
function wellFormed(answer: Route['answer']): Route['answer'] {
  return (asked) => {
    for (const [name, id] of Object.entries(asked.at))
      if (!/^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/.test(id))
        return invalid(`path failed validation: path.${name} should be a valid uuid, instead was \`"${id}"\`.`)
    const wrong = tooMuch(asked.body)
    return wrong === null ? answer(asked) : invalid(`body failed validation: ${wrong}`)
  }
}
/** [versions] Before and from 2025-09-03 on. */
const modern =
  (answer: Route['answer']): Route['answer'] =>
  (asked) =>
    isModern(asked.req) ? answer(asked) : error(400, 'invalid_request_url', 'Invalid request URL.')
const old =
  (answer: Route['answer']): Route['answer'] =>
  (asked) =>
    isModern(asked.req) ? error(400, 'invalid_request_url', 'Invalid request URL.') : answer(asked)

const PAGING = ['page_size', 'start_cursor']
const QUERY = 'filter sorts page_size start_cursor archived in_trash result_type'
const titleOf = (it: { properties: { Name: { title: { plain_text: string }[] } } }) => it.properties.Name.title[0]?.plain_text ?? ''

function query(asked: Asked, source: string): Reply {
  const { filter, sorts } = asked.body as { filter?: { property?: string; timestamp?: string }; sorts?: { property?: string }[] }
  const unknown = [filter?.property, ...(sorts ?? []).map((it) => it.property)].find((it) => it !== undefined && !(it in SCHEMA))
  if (unknown !== undefined) return invalid(`Could not find property with name or id: ${unknown}`)
  return listed(asked, source === ids.source ? ROWS : [])
}

function createPage({ req, body }: Asked): Reply {
  const parent = body.parent as { page_id?: string; data_source_id?: string; database_id?: string }
  const properties = body.properties as Record<string, unknown> | undefined
  if (properties === undefined) return replies.invalid()
  if (parent.page_id !== undefined) {
    if (!THERE.has(parent.page_id)) return missing('page', parent.page_id)
    const { title, ...others } = properties as { title?: { title?: [{ text: { content: string } }] } }
    if (title === undefined || Object.keys(others).length > 0) return invalid('A page in a page has a title and no other property.')
    return { status: 200, body: page(uuid(2, 999), title.title?.map((it) => it.text.content).join('') ?? '', parent) }
  }
  const source = SOURCES.find((it) => it.id === parent.data_source_id) ?? (isModern(req) ? undefined : inDatabase(parent.database_id)[0])
  if (parent.database_id !== undefined && inDatabase(parent.database_id).length > 1) return several()
  if (source === undefined)
    return missing(parent.database_id ? 'database' : 'data source', String(parent.database_id ?? parent.data_source_id))
  return unknownProperty(properties) ?? { status: 200, body: page(uuid(1, 999), 'New', parent) }
}
function unknownProperty(properties: unknown): Reply | null {
  const unknown = Object.keys((properties as object | undefined) ?? {}).find((it) => !(it in SCHEMA))
  return unknown === undefined ? null : invalid(`${unknown} is not a property that exists.`)
}

function updatePage({ at, body, req }: Asked): Reply {
  const found = THERE.get(String(at.page_id))
  if (found === undefined) return missing('page', String(at.page_id))
  if (versionOf(req) >= '2026-03-11' && 'archived' in body)
    return invalid('body failed validation: body.archived should be not present, instead was `true`.')
  return unknownProperty(body.properties) ?? { status: 200, body: { ...found, in_trash: body.in_trash ?? body.archived ?? false } }
}

const routes: Route[] = [
  read('/users/me', null, [], () => ({
    status: 200,
    body: {
      object: 'user',
      id: '16d84278-ab0e-484c-9bdd-b35da3bd8905',
      name: 'Example',
      avatar_url: null,
      type: 'bot',
      bot: { owner: { type: 'workspace', workspace: true }, workspace_name: 'Example Ltd' },
    },
  })),
  send('POST /search', 'read', 'query sort filter start_cursor page_size', (asked) => {
    const { query = '', filter } = asked.body as { query?: string; filter?: { property?: string; value?: string } }
    // [versions] "filter by page or data_source": the older word ended with the older version.
    const table = isModern(asked.req) ? 'data_source' : 'database'
    if (filter !== undefined && (filter.property !== 'object' || !['page', table].includes(String(filter.value))))
      return invalid(`body failed validation: body.filter.value should be \`"page"\` or \`"${table}"\`, instead was \`"${filter.value}"\`.`)
    const pages = PAGES.filter((it) => titleOf(it).includes(query))
    const tables = SOURCES.map((it) => ({ ...it, object: table, ...(table === 'database' ? { id: it.parent.database_id } : {}) }))
    return listed(asked, filter === undefined ? [...pages, ...tables] : filter.value === 'page' ? pages : tables)
  }),
  read('/databases/{database_id}', 'read', [], ({ at, req }) => {
    const sources = inDatabase(at.database_id)
    if (sources.length === 0) return missing('database', String(at.database_id))
    if (!isModern(req) && sources.length > 1) return several()
    const shell = {
      object: 'database',
      id: at.database_id,
      title: rich('Offers'),
      url: `https://www.notion.so/${at.database_id}`,
      in_trash: false,
    }
    const inner = isModern(req)
      ? { data_sources: sources.map(({ id, title }) => ({ id, name: title[0]?.plain_text })) }
      : { properties: SCHEMA }
    return { status: 200, body: { ...shell, ...inner } }
  }),
  read(
    '/data_sources/{data_source_id}',
    'read',
    [],
    modern(({ at }) => {
      const found = SOURCES.find((it) => it.id === at.data_source_id)
      return found === undefined ? missing('data source', String(at.data_source_id)) : { status: 200, body: found }
    }),
  ),
  send(
    'POST /data_sources/{data_source_id}/query',
    'read',
    QUERY,
    modern((asked) => {
      const found = SOURCES.find((it) => it.id === asked.at.data_source_id)
      return found === undefined ? missing('data source', String(asked.at.data_source_id)) : query(asked, found.id)
    }),
  ),
  send(
    'POST /databases/{database_id}/query',
    'read',
    QUERY,
    old((asked) => {
      const [found, ...others] = inDatabase(asked.at.database_id)
      if (found === undefined) return missing('database', String(asked.at.database_id))
      return others.length > 0 ? several() : query(asked, found.id)
    }),
  ),
  send('POST /pages', 'insert', 'parent properties children icon cover template', createPage),
  send('PATCH /pages/{page_id}', 'update', 'properties in_trash archived icon cover', updatePage),
  read('/blocks/{block_id}/children', 'read', PAGING, (asked) => {
    const found = BLOCKS[String(asked.at.block_id)]
    return found === undefined ? missing('block', String(asked.at.block_id)) : listed(asked, found)
  }),
  send('PATCH /blocks/{block_id}/children', 'insert', 'children after position', ({ at, body }) => {
    if (!THERE.has(String(at.block_id))) return missing('block', String(at.block_id))
    const results = (body.children as Record<string, unknown>[]).map((it, n) => ({ object: 'block', id: uuid(3, 900 + n), ...it }))
    return { status: 200, body: { object: 'list', results, has_more: false, next_cursor: null } }
  }),
  read('/comments', 'read comments', ['block_id', ...PAGING], (asked) => {
    const id = String(asked.req.query.get('block_id'))
    return THERE.has(id) ? listed(asked, id === ids.page ? COMMENTS : []) : missing('block', id)
  }),
  send('POST /comments', 'insert comments', 'parent discussion_id rich_text', ({ body }) => {
    const { page_id } = body.parent as { page_id: string }
    if (!THERE.has(page_id)) return missing('page', page_id)
    return { status: 200, body: { ...COMMENTS[0], id: uuid(8, 999), rich_text: body.rich_text } }
  }),
]

const notion: Vendor = {
  routes,
  credentials,
  credentialOf: (req) => /^Bearer (\S+)$/.exec(req.headers.authorization ?? '')?.[1] ?? null,
  demand: (req) => {
    const version = versionOf(req)
    if (version === '') return replies.noVersion()
    if (!VERSIONS.includes(version)) return invalid(`Notion-Version header failed validation: "${version}" is not a version.`)
    if (req.body !== '' && req.headers['content-type'] !== 'application/json') return error(400, 'invalid_json', 'Error parsing JSON body.')
    if (version !== DESCRIBED_VERSION || !isDescribed(req)) return null
    const wrong = wrongIn(req)
    return wrong.length === 0 ? null : invalid(`body failed validation: ${wrong.join('; ')}`)
  },
  unauthorized: replies.unauthorized,
  unknownRoute: () => error(400, 'invalid_request_url', 'Invalid request URL.'),
  unknownField: (name) => invalid(`body failed validation: body.${name} should be not present.`),
  scopeMissing: replies.restricted,
  always: () => ({}),
}

export const startNotion = (): Promise<Stub> => startStub(notion)
