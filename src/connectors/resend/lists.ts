import { Fault, type ToolContext, tool, z } from '../contract.ts'
import { ALL, call, id } from './send.ts'

/** Resend's maximum for `limit` (API reference, Pagination). Without one it would send everything at once. */
const MOST_ITEMS = 100

export const Domain = z.looseObject({
  id: z.string(),
  name: z.string(),
  status: z.string().describe('Only mail from a "verified" domain reaches others'),
  region: z.string().optional(),
})
const Audience = z.looseObject({ id: z.string(), name: z.string(), created_at: z.string().optional() })

const paged = z.strictObject({
  limit: z.int().min(1).max(MOST_ITEMS).optional().describe(`Items on a page; ${MOST_ITEMS} when left out`),
  cursor: id.optional().describe('next_cursor of the page before'),
})
const PAGES = 'Answers one page; pass next_cursor as cursor for more, null means there are none.'

const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next_cursor: z.string().nullable() })
const Listed = z.object({ data: z.array(z.looseObject({ id: z.string() })), has_more: z.boolean().default(false) })

/** One page of a list. Whether there is more is said by `has_more`; where to go on, by the last id. */
export async function page(ctx: ToolContext, path: string, { limit = MOST_ITEMS, cursor }: z.output<typeof paged>) {
  const found = Listed.safeParse(await call(ctx, { path, query: { limit, after: cursor } }))
  if (!found.success) throw new Fault('UPSTREAM_ERROR', 'Resend answered with something that is not a list.')
  const { data, has_more } = found.data
  return { items: data as never[], next_cursor: has_more ? (data.at(-1)?.id ?? null) : null }
}

export const lists = {
  list_domains: tool({
    about: `Lists the domains of the account and whether they are verified: mail can be sent from verified ones only. ${PAGES}`,
    effect: 'read',
    repeatable: true,
    scopes: ALL,
    input: paged,
    output: pageOf(Domain),
    example: {},
    run: (ctx, at) => page(ctx, '/domains', at),
  }),
  list_audiences: tool({
    about: `Lists the groups of contacts that newsletters go to; Resend calls them segments now, and called them audiences before. ${PAGES}`,
    effect: 'read',
    repeatable: true,
    scopes: ALL,
    input: paged,
    output: pageOf(Audience),
    example: { limit: 2 },
    run: async (ctx, at) => {
      try {
        return await page(ctx, '/segments', at)
      } catch (error) {
        // An older server behind api_base knows the old name only.
        if (error instanceof Fault && error.code === 'UPSTREAM_NOT_FOUND') return page(ctx, '/audiences', at)
        throw error
      }
    },
  }),
}
