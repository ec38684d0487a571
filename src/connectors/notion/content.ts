import { type Tool, type ToolContext, tool, z } from '../contract.ts'
import { pageOf, paged, read, send } from './call.ts'
import { blocks, MOST_BLOCKS, notionId, paragraph, paragraphs, plainText } from './input.ts'
import { Block } from './shapes.ts'

/** Calls that one recursive reading may make besides its first: ten seconds at the three a second that Notion grants. */
const MOST_LOOKS = 30
/** Pages and databases inside a page are places of their own, not its content. */
const PLACES = new Set(['child_page', 'child_database'])

const CHILDREN = '/blocks/{block_id}/children'
const PAGE_ID = '59833787-2cf9-4fdf-8782-e53db20768a5'

export const content: Record<string, Tool> = {
  notion_append_to_page: tool({
    about:
      'Adds blocks at the end of a page: plain text as paragraphs (an empty line between them), or blocks in the form of Notion. Give exactly one of text and blocks_json, at most 100 blocks. Changes nothing that is there.',
    effect: 'write',
    repeatable: false,
    input: z
      .strictObject({
        page_id: notionId('the page'),
        blocks_json: blocks.optional().describe('Blocks, such as [{"heading_2":{"rich_text":[{"text":{"content":"News"}}]}}]'),
        text: plainText
          .refine((it) => paragraphs(it).length > 0, 'must not be blank')
          .refine(
            (it) => paragraphs(it).length <= MOST_BLOCKS,
            `must not have more than ${MOST_BLOCKS} paragraphs; add the rest in another call`,
          )
          .optional(),
      })
      .refine((it) => (it.text === undefined) !== (it.blocks_json === undefined), 'Give exactly one of text and blocks_json.'),
    output: z.object({ results: z.array(Block).describe('The new blocks, with their ids') }),
    example: { page_id: PAGE_ID, text: 'The offer is out.\n\nNext: call them.' },
    run: async (ctx, { page_id, blocks_json, text = '' }) => {
      const children = blocks_json ?? paragraphs(text).map(paragraph)
      const call = { method: 'PATCH', path: CHILDREN, at: { block_id: page_id }, body: { children }, needs: 'Insert content' } as const
      return (await send(ctx, call)).body as never
    },
  }),
  notion_get_page_or_block_children: tool({
    about:
      'Reads the content of a page as blocks, or the blocks inside a block. With recursive also what is inside them, in children. Answers one page; pass next_cursor as start_cursor for more.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      block_id: notionId('the page or block', { block: true }),
      ...paged,
      recursive: z.boolean().optional().describe('Not into pages and databases that lie inside; false when left out'),
    }),
    output: pageOf(Block).extend({
      complete: z
        .boolean()
        .describe('false: there was too much for one call. Blocks with has_children and no children are to be read by their own id'),
    }),
    example: { block_id: PAGE_ID, page_size: 50, recursive: true },
    run: async (ctx, { block_id, recursive = false, ...query }) => {
      const page = await childrenOf(ctx, block_id, query)
      const complete = recursive ? await descend(ctx, page.results) : true
      return { ...page, complete }
    },
  }),
}

interface Node {
  [name: string]: unknown
  id: string
  type?: string | undefined
  has_children?: boolean | undefined
  children?: Node[]
}
const Nodes = pageOf(z.looseObject({ id: z.string(), type: z.string().optional(), has_children: z.boolean().optional() }))

const childrenOf = async (
  ctx: ToolContext,
  block_id: string,
  query: { page_size?: number | undefined; start_cursor?: string | undefined },
) => read(Nodes, (await send(ctx, { path: CHILDREN, at: { block_id }, query, needs: 'Read content' })).body)

/** Fills in `children`, the upper levels first; false when it had to stop before the end. A block has all of its children, or none. */
async function descend(ctx: ToolContext, roots: Node[]): Promise<boolean> {
  const open = [...roots]
  let left = MOST_LOOKS
  for (let node = open.shift(); node !== undefined; node = open.shift()) {
    if (node.has_children !== true || PLACES.has(node.type ?? '')) continue
    const inside: Node[] = []
    let start_cursor: string | undefined
    do {
      if (left-- === 0) return false
      const page = await childrenOf(ctx, node.id, start_cursor === undefined ? {} : { start_cursor })
      inside.push(...page.results)
      start_cursor = page.has_more ? (page.next_cursor ?? undefined) : undefined
    } while (start_cursor !== undefined)
    node.children = inside
    open.push(...inside)
  }
  return true
}
