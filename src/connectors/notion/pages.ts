import { type Tool, type ToolContext, tool, z } from '../contract.ts'
import { hasDataSources, pageOf, paged, read, send } from './call.ts'
import { blocks, notionId, plainText, richText } from './input.ts'
import { Found, Page, titleOf } from './shapes.ts'

const PARENT_ID = 'b55c9c91-384d-452b-81db-d1ef79372b75'

export const pages: Record<string, Tool> = {
  notion_search: tool({
    about:
      'Finds pages and databases that were shared with the integration, by words of their titles; all of them without query. Does not look into their text. Answers one page; pass next_cursor as start_cursor for more.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      query: z.string().optional(),
      filter_type: z.enum(['page', 'database']).optional().describe('database shows data sources, whose ids the other tools take as well'),
      ...paged,
    }),
    output: pageOf(Found),
    example: { query: 'Offers', filter_type: 'page' as const, page_size: 20 },
    run: async (ctx, { filter_type, ...asked }) => (await search(ctx, filter_type, asked)) as never,
  }),
  notion_find_page: tool({
    about:
      'Finds pages by title, rows of databases too. With exact_match only those whose whole title it is: then a page of results may be short or empty although there are more; go on while next_cursor is not null.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      title: z.string().min(1),
      exact_match: z.boolean().optional().describe('Upper and lower case count; false when left out'),
      ...paged,
    }),
    output: pageOf(Page.extend({ title: z.string() })),
    example: { title: 'Offers', exact_match: true },
    run: async (ctx, { title, exact_match = false, ...asked }) => {
      const { results, ...more } = read(pageOf(Page), await search(ctx, 'page', { query: title, ...asked }))
      const titled = results.map((it) => ({ ...it, title: titleOf(it) }))
      return { results: titled.filter((it) => !exact_match || it.title === title), ...more }
    },
  }),
  notion_create_page: tool({
    about:
      'Makes a page inside another page, with blocks as its content if wanted. For a row of a database use notion_create_database_item. Notion cannot tell a repeated call from a second page.',
    effect: 'write',
    repeatable: false,
    input: z.strictObject({
      parent_page_id: notionId('the page it is made in'),
      title: plainText,
      children_json: blocks.optional().describe('Blocks, such as [{"paragraph":{"rich_text":[{"text":{"content":"Hello"}}]}}]'),
    }),
    output: Page,
    example: { parent_page_id: PARENT_ID, title: 'Notes', children_json: '[{"paragraph":{"rich_text":[{"text":{"content":"Hello"}}]}}]' },
    run: async (ctx, { parent_page_id, title, children_json: children }) => {
      const body = { parent: { type: 'page_id', page_id: parent_page_id }, properties: { title: { title: richText(title) } }, children }
      return (await send(ctx, { method: 'POST', path: '/pages', body, needs: 'Insert content' })).body as never
    },
  }),
}

/** A POST that only asks: it may be tried again. */
async function search(ctx: ToolContext, kind: 'page' | 'database' | undefined, asked: object): Promise<unknown> {
  const value = kind === 'database' && hasDataSources(ctx) ? 'data_source' : kind
  const body = { ...asked, ...(value === undefined ? {} : { filter: { property: 'object', value } }) }
  return (await send(ctx, { method: 'POST', path: '/search', body, idempotent: true, needs: 'Read content' })).body
}
