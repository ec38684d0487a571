import { type Tool, tool, z } from '../contract.ts'
import { pageOf, paged, send } from './call.ts'
import { notionId, plainText, richText } from './input.ts'
import { Comment } from './shapes.ts'

const PAGE_ID = '59833787-2cf9-4fdf-8782-e53db20768a5'

export const comments: Record<string, Tool> = {
  notion_add_comment: tool({
    about:
      'Writes a comment at the top of a page, in the name of the integration. To add to the content of the page use notion_append_to_page.',
    effect: 'write',
    repeatable: false,
    input: z.strictObject({ page_id: notionId('the page'), text: plainText }),
    output: Comment,
    example: { page_id: PAGE_ID, text: 'Looks good.' },
    run: async (ctx, { page_id, text }) => {
      const body = { parent: { page_id }, rich_text: richText(text) }
      return (await send(ctx, { method: 'POST', path: '/comments', body, needs: 'Insert comments' })).body as never
    },
  }),
  notion_get_page_comments: tool({
    about:
      'Reads the open comments of a page, oldest first. Resolved ones are not shown by Notion. Answers one page; pass next_cursor as start_cursor for more.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ page_id: notionId('the page'), ...paged }),
    output: pageOf(Comment),
    example: { page_id: PAGE_ID },
    run: async (ctx, { page_id, ...query }) =>
      (await send(ctx, { path: '/comments', query: { block_id: page_id, ...query }, needs: 'Read comments' })).body as never,
  }),
}
