import { type Tool, type ToolContext, tool, z } from '../contract.ts'
import { hasDataSources, pageOf, paged, read, send } from './call.ts'
import { blocks, jsonList, jsonObject, notionId } from './input.ts'
import { Database, Page, titleOf } from './shapes.ts'
import { DATA_SOURCE, lookUp, tableOf } from './sources.ts'

/** Schemas read in one call; a database with more tables shows the others by name. At three calls a second this is three seconds. */
const MOST_SCHEMAS = 10

const table = {
  database_id: notionId('the database'),
  data_source_id: notionId('the data source')
    .optional()
    .describe('Needed only where the database has several: notion_retrieve_database shows them'),
}
const row = { page_id: notionId('the row (a page)') }
const PAGE = '/pages/{page_id}'

const DATABASE_ID = '842a0286-cef0-46a8-abba-eac4c8ca644e'
const PAGE_ID = '59833787-2cf9-4fdf-8782-e53db20768a5'

export const databases: Record<string, Tool> = {
  notion_retrieve_database: tool({
    about:
      'Reads the schema of a database: names and types of its properties, for each of its data sources. Look here before rows are filtered, made or changed.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ database_id: table.database_id }),
    output: Database,
    example: { database_id: `https://www.notion.so/example/${DATABASE_ID.replaceAll('-', '')}?v=0123456789abcdef0123456789abcdef` },
    run: retrieve,
  }),
  notion_find_database_item: tool({
    about:
      'Finds rows of a database by a filter in the form of Notion, and sorts them. Answers one page; pass next_cursor as start_cursor for more. To find pages by title use notion_find_page.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      ...table,
      filter_json: jsonObject.optional().describe('Such as {"property":"Status","select":{"equals":"Done"}}, or {"and":[…]}'),
      sorts_json: jsonList.optional().describe('Such as [{"property":"Name","direction":"ascending"}]'),
      ...paged,
    }),
    output: pageOf(Page),
    example: { database_id: DATABASE_ID, filter_json: '{"property":"Status","select":{"equals":"Done"}}', page_size: 10 },
    run: async (ctx, { filter_json: filter, sorts_json: sorts, page_size, start_cursor, ...which }) => {
      const { kind, id } = await tableOf(ctx, which)
      const body = { filter, sorts, page_size, start_cursor }
      // A POST that only asks: it may be tried again.
      return (await send(ctx, { method: 'POST', path: `/${kind}/{id}/query`, at: { id }, body, idempotent: true, needs: 'Read content' }))
        .body as never
    },
  }),
  notion_create_database_item: tool({
    about:
      'Adds a row to a database, with values in the form of Notion and, if wanted, blocks as its content. Notion cannot tell a repeated call from a second row.',
    effect: 'write',
    repeatable: false,
    input: z.strictObject({
      ...table,
      properties_json: jsonObject.describe('Such as {"Name":{"title":[{"text":{"content":"Ada"}}]},"Status":{"select":{"name":"Open"}}}'),
      children_json: blocks.optional().describe('Blocks, such as [{"paragraph":{"rich_text":[{"text":{"content":"Hello"}}]}}]'),
    }),
    output: Page,
    example: { database_id: DATABASE_ID, properties_json: '{"Name":{"title":[{"text":{"content":"Ada"}}]}}' },
    run: async (ctx, { properties_json: properties, children_json: children, ...which }) => {
      const { kind, id } = await tableOf(ctx, which)
      const parent = kind === 'databases' ? { type: 'database_id', database_id: id } : { type: 'data_source_id', data_source_id: id }
      return (await send(ctx, { method: 'POST', path: '/pages', body: { parent, properties, children }, needs: 'Insert content' }))
        .body as never
    },
  }),
  notion_update_database_item: tool({
    about:
      'Changes values of one row, in the form of Notion. Properties that are left out stay as they are. Its content is changed by other tools.',
    effect: 'write',
    repeatable: true,
    input: z.strictObject({ ...row, properties_json: jsonObject.describe('Such as {"Status":{"select":{"name":"Done"}}}') }),
    output: Page,
    example: { page_id: PAGE_ID, properties_json: '{"Status":{"select":{"name":"Done"}}}' },
    run: (ctx, { page_id, properties_json: properties }) => change(ctx, page_id, { properties }),
  }),
  notion_archive_database_item: tool({
    about: 'Moves a row to the trash, where notion_restore_database_item finds it for 30 days. Works for any page, with all that is in it.',
    effect: 'destroy',
    repeatable: true,
    input: z.strictObject(row),
    output: Page,
    example: { page_id: PAGE_ID },
    run: (ctx, { page_id }) => change(ctx, page_id, trash(ctx, true)),
  }),
  notion_restore_database_item: tool({
    about: 'Takes a row, or any page, back out of the trash. Needs its id: what lies in the trash is not found by the search.',
    effect: 'write',
    repeatable: true,
    input: z.strictObject(row),
    output: Page,
    example: { page_id: PAGE_ID },
    run: (ctx, { page_id }) => change(ctx, page_id, trash(ctx, false)),
  }),
}

const change = async (ctx: ToolContext, page_id: string, body: object) =>
  (await send(ctx, { method: 'PATCH', path: PAGE, at: { page_id }, body, idempotent: true, needs: 'Update content' })).body as never

/** `archived` is the older name, which versions from 2026-03-11 on refuse. */
const trash = (ctx: ToolContext, away: boolean) => (hasDataSources(ctx) ? { in_trash: away } : { archived: away })

async function retrieve(ctx: ToolContext, { database_id }: { database_id: string }): Promise<z.input<typeof Database>> {
  const needs = 'Read content'
  if (!hasDataSources(ctx)) {
    const { body } = await send(ctx, { path: '/databases/{database_id}', at: { database_id }, needs })
    return { ...read(z.looseObject({ id: z.string(), properties: Database.shape.properties }), body), data_sources: [] }
  }
  const { database, sources } = await lookUp(ctx, database_id, needs)
  const data_sources: z.input<typeof Database>['data_sources'] = []
  let shell: Record<string, unknown> | null = database
  for (const [n, { id, name }] of sources.entries()) {
    const one = n < MOST_SCHEMAS ? await schemaOf(ctx, id) : null
    data_sources.push({ id, name: name || titleOf(one?.whole), properties: one?.properties ?? null })
    shell ??= { object: 'database', id: one?.database_id ?? database_id }
  }
  return {
    ...shell,
    id: String(shell?.id ?? database_id),
    data_sources,
    properties: data_sources.length === 1 ? (data_sources[0]?.properties ?? null) : null,
  }
}

async function schemaOf(ctx: ToolContext, data_source_id: string) {
  const { body } = await send(ctx, { path: DATA_SOURCE, at: { data_source_id }, needs: 'Read content' })
  const Schema = z.looseObject({
    properties: Database.shape.properties,
    parent: z.looseObject({ database_id: z.string().optional() }).optional(),
  })
  const whole = read(Schema, body)
  return { whole, properties: whole.properties, database_id: whole.parent?.database_id }
}
