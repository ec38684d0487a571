import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import type { Recorded, Stub } from '../../../test/fakes/stub.ts'
import type { ToolContext } from '../contract.ts'
import { VERSION } from './call.ts'
import { answerTo, DESCRIBED_VERSION, wrongIn } from './description.stub.ts'
import notion from './index.ts'
import { idIn, paragraphs, richText } from './input.ts'
import { titleOf } from './shapes.ts'
import { ids, replies, startNotion, tokens } from './vendor.stub.ts'

let stub: Stub
beforeAll(async () => {
  stub = await startNotion()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const as = (api_key: string, config: object = {}) =>
  toolContext(notion, { credentials: { api_key }, config: { api_base: `${stub.url}/v1`, ...config } })
const at = (notion_version: string) => as(tokens.all, { notion_version })
async function call(name: string, input: object, ctx: ToolContext = as(tokens.all)): Promise<Record<string, unknown>> {
  const tool = notion.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const refusal = (name: string, input: object) => notion.tools[name]?.input.safeParse(input).error?.issues[0]?.message
const sent = () => stub.requests.map(({ method, path }) => `${method} ${path.replace(/^\/v1/, '')}`)
const body = (n = 0) => JSON.parse(stub.requests[n]?.body ?? '')
const tools = Object.keys(notion.tools)
const example = (name: string) => notion.tools[name]?.example as object

describe('who the token is', () => {
  it('is an integration in a workspace, whose capabilities Notion does not tell', async () => {
    expect(await notion.auth.check(as(tokens.reader))).toEqual({
      account: { id: '16d84278-ab0e-484c-9bdd-b35da3bd8905', label: 'Example (Example Ltd)' },
      granted_scopes: null,
    })
  })

  it.each([
    [tokens.all, true],
    [tokens.reader, true],
    [`Bearer ${tokens.all}`, false],
    ['v02%3Auser_token_or_cookies%3Aabcdefghijkl', false],
  ])('has a form: %s is one: %s', (value, good) => {
    if (notion.auth.kind !== 'api_key') throw new Error('takes no key')
    expect(notion.auth.services.api_key?.fields[0]?.format?.pattern.test(value)).toBe(good)
  })
})

describe("the vendor's description", () => {
  it('[connectors.described] is kept by every request of every tool', async () => {
    expect(VERSION).toBe(DESCRIBED_VERSION)
    for (const name of tools) await call(name, example(name))
    const rows = { database_id: ids.twofold, data_source_id: ids.first }
    await call('notion_search', {})
    await call('notion_search', { filter_type: 'database', start_cursor: 'cursor-1' })
    await call('notion_find_database_item', { ...rows, sorts_json: '[{"timestamp":"created_time","direction":"descending"}]' })
    await call('notion_find_database_item', {
      ...rows,
      sorts_json: [{ property: 'Name', direction: 'ascending' }],
      start_cursor: 'cursor-0',
    })
    await call('notion_create_database_item', { ...rows, properties_json: {}, children_json: [{ divider: {} }] })
    await call('notion_append_to_page', { page_id: ids.page, blocks_json: '[{"heading_2":{"rich_text":[]}}]' })
    const kinds = new Set(stub.requests.map((it) => `${it.method} ${it.path.replace(/[0-9a-f-]{36}/, '…')}`))
    expect(kinds.size).toBe(11)
    expect(stub.requests.flatMap(wrongIn)).toEqual([])
  })

  it('[connectors.described] has answers that are taken', async () => {
    const next = (of: string) => stub.next({ kind: 'reply', reply: { status: 200, body: answerTo(of) } })
    next('GET /v1/users/me')
    expect((await notion.auth.check(as(tokens.all))).account).toMatchObject({ label: 'pied piper' })
    next('GET /v1/comments')
    const read = await call('notion_get_page_comments', { page_id: ids.page })
    expect(read).toMatchObject({ results: [{ rich_text: [{ plain_text: expect.any(String) }] }], next_cursor: null })
    next('POST /v1/comments')
    expect(await call('notion_add_comment', { page_id: ids.page, text: 'Hi' })).toMatchObject({
      rich_text: [{ plain_text: 'Hello world' }],
    })
  })

  const asked = (method: string, path: string, sent?: object): Recorded => {
    const [route = '', query] = path.split('?')
    const body = sent === undefined ? '' : JSON.stringify(sent)
    return { method, path: route, query: new URLSearchParams(query), headers: {}, body, bytes: '' }
  }
  const piece = [{ text: { content: 'x' } }]
  it.each([
    [asked('GET', '/v1/databases'), 'is not described'],
    [asked('DELETE', `/v1/pages/${ids.page}`), 'is not described'],
    [asked('POST', `/v1/databases/${ids.database}/query`, {}), 'is not described'],
    [asked('GET', '/v1/comments'), 'query.block_id should be defined'],
    [asked('GET', `/v1/blocks/${ids.page}/children?limit=3`), 'query.limit should be not present'],
    [asked('POST', '/v1/search', { limit: 3 }), 'body.limit should be not present'],
    [asked('POST', '/v1/search', { filter: { property: 'object', value: 'database' } }), 'body.filter.value'],
    [asked('POST', '/v1/pages', { parent: { page_id: ids.page } }), 'body.properties'],
    [asked('POST', '/v1/pages', { parent: { page_id: 'mine' }, properties: {} }), 'body.parent'],
    [asked('POST', '/v1/pages', { parent: { type: 'database_id', database_id: ids.database }, properties: {} }), 'body.parent'],
    [asked('PATCH', `/v1/blocks/${ids.page}/children`, { children: [{ paragraph: { rich_text: 'x' } }] }), 'body.children'],
    [asked('PATCH', `/v1/blocks/${ids.page}/children`, { children: [{ paragraph: { rich_text: piece, x: 1 } }] }), 'body.children'],
    [asked('POST', '/v1/comments', { parent: { page_id: ids.page }, rich_text: [{ text: {} }] }), 'body.rich_text'],
    [asked('PATCH', `/v1/pages/${ids.page}`, { in_trash: 'yes' }), 'body.in_trash'],
    [asked('GET', '/v1/users/me', {}), 'body should be not present'],
  ])('tells what does not keep it: %j', (req, says) => {
    expect(wrongIn(req).join()).toContain(says)
  })
})

describe('versions', () => {
  it.each(tools)('%s works in the newest one, too', async (name) => {
    await call(name, example(name), at('2026-03-11'))
    expect(new Set(stub.requests.map((it) => it.headers['notion-version']))).toEqual(new Set(['2026-03-11']))
  })

  it.each(tools)('%s works in one without data sources', async (name) => {
    await call(name, example(name), at('2022-06-28'))
    expect(sent().join()).not.toContain('data_sources')
  })

  it('before data sources a database is the table itself', async () => {
    const old = at('2022-02-22')
    expect(await call('notion_retrieve_database', { database_id: ids.database }, old)).toMatchObject({
      id: ids.database,
      data_sources: [],
      properties: { Status: { type: 'select' } },
    })
    await call('notion_find_database_item', { database_id: ids.database }, old)
    await call('notion_create_database_item', { database_id: ids.database, properties_json: '{}' }, old)
    await call('notion_search', { filter_type: 'database' }, old)
    await call('notion_archive_database_item', { page_id: ids.page }, old)
    expect(sent().slice(0, 2)).toEqual([`GET /databases/${ids.database}`, `POST /databases/${ids.database}/query`])
    expect(body(2).parent).toEqual({ type: 'database_id', database_id: ids.database })
    expect(body(3).filter).toEqual({ property: 'object', value: 'database' })
    expect(body(4)).toEqual({ archived: true })
  })

  it('say by themselves that they are too old for several data sources', async () => {
    await expect(call('notion_find_database_item', { database_id: ids.twofold }, at('2022-06-28'))).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      hint: expect.stringContaining('notion_version'),
      details: { reason: 'several_data_sources', data_source_ids: [ids.first, ids.second] },
    })
    const named = { database_id: ids.twofold, data_source_id: ids.first }
    await expect(call('notion_find_database_item', named, at('2022-06-28'))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('that do not exist are refused by Notion, or by their form', async () => {
    await expect(call('notion_search', {}, at('2025-01-01'))).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' })
    expect(notion.config.safeParse({ notion_version: 'latest' }).success).toBe(false)
  })

  it('must be named', async () => {
    const res = await fetch(`${stub.url}/v1/users/me`, { headers: { authorization: `Bearer ${tokens.all}` } })
    expect([res.status, (await res.json()) as object]).toMatchObject([400, { code: 'missing_version' }])
  })
})

describe('databases', () => {
  it('with one data source need not have it named', async () => {
    expect(await call('notion_retrieve_database', { database_id: ids.database })).toMatchObject({
      id: ids.database,
      data_sources: [{ id: ids.source, name: 'Offers', properties: { Name: { type: 'title' } } }],
      properties: { Status: { type: 'select' } },
    })
    await call('notion_create_database_item', { database_id: ids.database, properties_json: '{}' })
    expect(body(3).parent).toEqual({ type: 'data_source_id', data_source_id: ids.source })
  })

  it('with several: nothing is guessed, and all of them are shown', async () => {
    const schema = await call('notion_retrieve_database', { database_id: ids.twofold })
    expect(schema).toMatchObject({ data_sources: [{ name: 'Tasks' }, { name: 'Archive', properties: { Name: {} } }], properties: null })
    stub.reset()
    for (const [name, more] of [
      ['notion_find_database_item', {}],
      ['notion_create_database_item', { properties_json: '{}' }],
    ] as const)
      await expect(call(name, { database_id: ids.twofold, ...more })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: `This database has 2 data sources: "Tasks" (${ids.first}), "Archive" (${ids.second}).`,
        details: { data_sources: [{ id: ids.first }, { id: ids.second }] },
      })
    expect(sent()).toEqual(Array(2).fill(`GET /databases/${ids.twofold}`))
    stub.reset()
    await call('notion_find_database_item', { database_id: ids.twofold, data_source_id: ids.second })
    expect(sent()).toEqual([`POST /data_sources/${ids.second}/query`])
  })

  it('are found by the id of a data source, which is what the search shows', async () => {
    const { results } = await call('notion_search', { filter_type: 'database' })
    const [, found] = results as { id: string; object: string }[]
    expect(found).toMatchObject({ object: 'data_source', id: ids.first })
    expect(await call('notion_retrieve_database', { database_id: found?.id })).toMatchObject({
      id: ids.twofold,
      data_sources: [{ id: ids.first, name: 'Tasks' }],
    })
    stub.reset()
    await call('notion_find_database_item', { database_id: ids.first })
    expect(sent().at(-1)).toBe(`POST /data_sources/${ids.first}/query`)
  })

  it('are looked for as data sources only when they were not found', async () => {
    stub.next({ kind: 'reply', reply: replies.restricted() })
    await expect(call('notion_find_database_item', { database_id: ids.database })).rejects.toMatchObject({ code: 'SCOPE_MISSING' })
    expect(sent()).toEqual([`GET /databases/${ids.database}`])
  })

  it('that were not shared do not exist, by the words of Notion, with a hint', async () => {
    for (const name of ['notion_retrieve_database', 'notion_find_database_item'])
      await expect(call(name, { database_id: ids.hidden })).rejects.toMatchObject({
        code: 'UPSTREAM_NOT_FOUND',
        message: expect.stringContaining(`Could not find database with ID: ${ids.hidden}.`),
        hint: expect.stringContaining('Connections'),
      })
  })

  it('keep rows that were thrown away', async () => {
    expect(await call('notion_archive_database_item', { page_id: ids.page })).toMatchObject({ in_trash: true })
    expect(await call('notion_restore_database_item', { page_id: ids.page })).toMatchObject({ in_trash: false })
  })

  it('refuse what their schema has not, by the words of Notion', async () => {
    await expect(call('notion_update_database_item', { page_id: ids.page, properties_json: '{"Colour":{}}' })).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      message: 'Notion did not accept the request (400): Colour is not a property that exists.',
    })
  })
})

describe('what a refusal means', () => {
  it.each([
    ['notion_create_database_item', 'Insert content'],
    ['notion_update_database_item', 'Update content'],
    ['notion_archive_database_item', 'Update content'],
    ['notion_create_page', 'Insert content'],
    ['notion_append_to_page', 'Insert content'],
    ['notion_add_comment', 'Insert comments'],
    ['notion_get_page_comments', 'Read comments'],
  ])('%s says that it takes the capability %s', async (name, needs) => {
    await expect(call(name, example(name), as(tokens.reader))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      message: expect.stringContaining('Insufficient permissions for this endpoint.'),
      hint: expect.stringContaining(`turn on "${needs}"`),
      details: { status: 403, reason: 'capability', needs },
    })
  })

  it('two who save at once may try again, which is left to the run', async () => {
    stub.next({ kind: 'reply', reply: replies.conflict() })
    await expect(call('notion_update_database_item', { page_id: ids.page, properties_json: '{}' })).rejects.toMatchObject({
      code: 'UPSTREAM_CONFLICT',
      hint: expect.stringContaining('Try again'),
      maybeDone: false,
    })
    expect(stub.requests).toHaveLength(1)
  })

  it.each([
    ['a limit', replies.limited(3)],
    ['an overload', replies.overloaded(3)],
  ])('%s of seconds is waited for, a longer one goes back', async (_, reply) => {
    stub.next({ kind: 'reply', reply })
    const ctx = as(tokens.all)
    await call('notion_search', {}, ctx)
    expect(ctx.waits).toEqual([3000])
    stub.next({ kind: 'reply', reply: replies.limited(600, 'workspace_limit') })
    await expect(call('notion_search', {}, ctx)).rejects.toMatchObject({
      retryAfter: 600,
      message: expect.stringMatching(/\(workspace_limit\)$/),
    })
  })

  it('a search is a POST that may be tried again, a new page is not', async () => {
    const busy = { kind: 'reply', reply: { status: 503, body: { code: 'service_unavailable', message: 'Busy' } } } as const
    stub.next(busy)
    await call('notion_find_page', { title: 'Offers' })
    expect(stub.requests).toHaveLength(2)
    stub.reset()
    stub.next(busy)
    await expect(call('notion_create_page', { parent_page_id: ids.parent, title: 'x' })).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
    expect(stub.requests).toHaveLength(1)
  })
})

describe('content', () => {
  it('is read with what is inside, but not into other pages', async () => {
    const answer = await call('notion_get_page_or_block_children', { block_id: ids.page, page_size: 3, recursive: true })
    const [toggle, place, line] = answer.results as { children?: { children?: { id: string }[] }[] }[]
    expect(answer).toMatchObject({ complete: true, has_more: true, next_cursor: 'cursor-3' })
    expect(toggle?.children).toHaveLength(120)
    expect(toggle?.children?.at(-1)?.children).toHaveLength(1)
    expect([place, line].map((it) => it?.children)).toEqual([undefined, undefined])
    // The page, two pages of the toggle, and what its last point holds.
    expect(stub.requests).toHaveLength(4)
    stub.reset()
    const flat = await call('notion_get_page_or_block_children', { block_id: ids.page, page_size: 3 })
    expect(flat).toMatchObject({ complete: true, results: [{ has_children: true }, {}, {}] })
    expect(stub.requests).toHaveLength(1)
  })

  it('that is too much for one call is marked', async () => {
    const answer = await call('notion_get_page_or_block_children', { block_id: ids.deep, recursive: true })
    const results = answer.results as { children?: object[] }[]
    expect(answer.complete).toBe(false)
    expect(results.map((it) => it.children?.length ?? 0)).toEqual([...Array(30).fill(1), ...Array(10).fill(0)])
    expect(stub.requests).toHaveLength(31)
  })

  it('is written as paragraphs', async () => {
    const { results } = await call('notion_append_to_page', { page_id: ids.page, text: ' One\ntwo \r\n \n\n Three' })
    expect(results).toHaveLength(2)
    expect(body().children.map((it: { paragraph: { rich_text: object } }) => it.paragraph.rich_text)).toEqual([
      [{ type: 'text', text: { content: 'One\ntwo' } }],
      [{ type: 'text', text: { content: 'Three' } }],
    ])
  })

  it('that is long goes in pieces which Notion takes', async () => {
    const long = `${'a'.repeat(1999)}😀${'b'.repeat(2500)}`
    await call('notion_add_comment', { page_id: ids.page, text: long })
    const pieces = body().rich_text.map((it: { text: { content: string } }) => it.text.content) as string[]
    expect(pieces.map((it) => it.length)).toEqual([1999, 2000, 502])
    expect(pieces.join('')).toBe(long)
    expect(pieces.every((it) => it.isWellFormed())).toBe(true)
    expect(richText('')).toEqual([])
    expect(paragraphs('\n\n \n')).toEqual([])
  })
})

describe('titles', () => {
  it('are matched whole where that is asked for, across pages that may be empty', async () => {
    const exact = { title: 'Offers', exact_match: true, page_size: 30 }
    expect(await call('notion_find_page', exact)).toMatchObject({ results: [], next_cursor: 'cursor-30', has_more: true })
    expect(await call('notion_find_page', { ...exact, start_cursor: 'cursor-30' })).toMatchObject({ results: [{ title: 'Offers' }] })
    expect((await call('notion_find_page', { title: 'Offers', page_size: 30 })).results).toHaveLength(30)
  })

  it.each([
    [
      {
        properties: {
          Ort: { type: 'rich_text', rich_text: [] },
          Wer: { type: 'title', title: [{ plain_text: 'A' }, { plain_text: 'da' }] },
        },
      },
      'Ada',
    ],
    [{ title: [{ plain_text: 'Offers' }], properties: { Name: { type: 'title', title: {} } } }, 'Offers'],
    [{ properties: {} }, ''],
    [null, ''],
  ])('of %j', (it, title) => {
    expect(titleOf(it)).toBe(title)
  })
})

describe('what people paste', () => {
  const hex = ids.page.replaceAll('-', '')
  it.each([
    [ids.page, ids.page],
    [hex, ids.page],
    [` ${hex.toUpperCase()} `, ids.page],
    [`https://www.notion.so/${hex}`, ids.page],
    [`https://www.notion.so/example/Our-offers-2026-${hex}?pvs=4`, ids.page],
    [`https://www.notion.so/example/${hex}?v=${ids.parent.replaceAll('-', '')}`, ids.page],
    [`https://example.notion.site/Cafe-deadbeef-${hex}/`, ids.page],
    [`https://www.notion.so/${ids.page}#${ids.parent.replaceAll('-', '')}`, ids.page],
    ['https://www.notion.so/example/Our-offers', null],
    [`https://www.notion.so/a${hex}`, null],
    [`javascript:${hex}`, null],
    ['../users', null],
    [hex.slice(1), null],
    ['', null],
  ])('%s is %s', (given, id) => {
    expect(idIn(given)).toBe(id)
  })

  it('the address of a block is the block where blocks are asked for', async () => {
    const address = `https://www.notion.so/Our-offers-${ids.parent.replaceAll('-', '')}#${hex}`
    await call('notion_get_page_or_block_children', { block_id: address })
    await call('notion_add_comment', { page_id: address, text: 'Hi' })
    expect(stub.requests[0]?.path).toBe(`/v1/blocks/${ids.page}/children`)
    expect(body(1).parent).toEqual({ page_id: ids.parent })
  })

  const many = JSON.stringify(Array(101).fill({ divider: {} }))
  it.each([
    ['notion_add_comment', { page_id: '../users', text: 'x' }, 'must be the id of the page'],
    ['notion_update_database_item', { page_id: ids.page, properties_json: '{Status:' }, 'must be an object in JSON'],
    ['notion_update_database_item', { page_id: ids.page, properties_json: '[]' }, 'must be an object in JSON'],
    ['notion_append_to_page', { page_id: ids.page, blocks_json: many }, 'must be a list of 1 to 100 blocks'],
    ['notion_append_to_page', { page_id: ids.page, blocks_json: '[]' }, 'must be a list of 1 to 100 blocks'],
    ['notion_append_to_page', { page_id: ids.page, text: 'x\n\n'.repeat(101) }, 'must not have more than 100 paragraphs'],
    ['notion_append_to_page', { page_id: ids.page, text: ' \n' }, 'must not be blank'],
    ['notion_append_to_page', { page_id: ids.page }, 'Give exactly one of text and blocks_json.'],
    [
      'notion_append_to_page',
      { page_id: ids.page, text: 'x', blocks_json: '[{"divider":{}}]' },
      'Give exactly one of text and blocks_json.',
    ],
    ['notion_search', { page_size: 101 }, '100'],
  ])('[connectors.path-stays] %s refuses %j before anything is sent', (name, input, says) => {
    expect(refusal(name, input)).toContain(says)
  })
})

describe('any other call', () => {
  it('goes below the base, with the version, and a /v1 in front does no harm', async () => {
    expect(await call('notion_custom_api_call', { method: 'GET', path: '/v1/users/me' })).toMatchObject({
      status: 200,
      body: { type: 'bot' },
    })
    await call('notion_custom_api_call', { method: 'GET', path: '/comments', query: { block_id: ids.page, page_size: 1 } })
    await call('notion_custom_api_call', { method: 'PATCH', path: `/pages/${ids.page}`, body: { in_trash: true } })
    expect(sent()).toEqual(['GET /users/me', 'GET /comments', `PATCH /pages/${ids.page}`])
    expect(body(2)).toEqual({ in_trash: true })
  })

  it('fails as Notion says', async () => {
    await expect(call('notion_custom_api_call', { method: 'DELETE', path: '/v1x' })).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      message: expect.stringContaining('Invalid request URL.'),
    })
    await expect(
      call('notion_custom_api_call', { method: 'PATCH', path: `/pages/${ids.page}`, body: {} }, as(tokens.reader)),
    ).rejects.toMatchObject({ code: 'SCOPE_MISSING', details: { needs: null } })
  })

  it.each([
    'users',
    '//evil.example/x',
    '/../oauth',
    '/%2e%2e/oauth',
    '/a?b=c',
    '/a#b',
    '/a b',
    '/a\\..\\b',
    '/{id}',
    'https://evil.example',
  ])('[connectors.path-stays] does not go to %s', (path) => {
    expect(notion.tools.notion_custom_api_call?.input.safeParse({ method: 'GET', path }).success).toBe(false)
  })

  it.each(['GET', 'POST'] as const)('by %s: only a GET is repeatable, a reading, and without a body', (method) => {
    const tool = notion.tools.notion_custom_api_call
    const input = { method, path: '/search' } as never
    const { repeatable, reads } = tool as { repeatable: (it: never) => boolean; reads: (it: never) => boolean }
    expect([repeatable(input), reads(input), refusal('notion_custom_api_call', { method, path: '/search', body: {} })]).toEqual(
      method === 'GET' ? [true, true, 'GET has no body.'] : [false, false, undefined],
    )
  })
})
