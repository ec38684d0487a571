/** How Shopify's tools talk to it: the REST paths and the GraphQL endpoint of one API version. */
import { type Answer, exchange, Fault, fill, type RestCall, rest, type Tool, type ToolContext, z } from '../contract.ts'
import { judge, judgeGraphql } from './judge.ts'

/**
 * Versions come every quarter and live for a year (About Shopify API versioning). This one lives until April 2027, is the newest whose REST
 * resources Shopify's own library has, and demands the idempotency key that adjust_shopify_inventory sends.
 */
export const VERSION = '2026-04'
/** "The maximum number of results to show on the page": 250 (REST pagination), and 50 when left out. */
const MOST = 250

export const versionOf = (ctx: ToolContext): string => String(ctx.config.api_version ?? VERSION)

type Args = Readonly<Record<string, unknown>>

/** One REST call. `path` is below the version, without `.json`; names in it are taken from `args`. */
export function send(
  ctx: ToolContext,
  call: { method?: string; path: string; args?: Args } & Pick<RestCall, 'query' | 'body' | 'idempotent'>,
) {
  const { path, args = {}, ...more } = call
  return rest(ctx, { vendor: 'Shopify', judge, ...more, path: `/admin/api/${versionOf(ctx)}${fill(path, args)}.json` })
}

/**
 * One GraphQL call; answers `data` with the headers. It must be one that may be made twice: a query, or a mutation with an idempotency key.
 * In a 200 an error says that nothing was done, unless Shopify itself stumbled.
 */
export async function graphql(ctx: ToolContext, query: string, variables: Args = {}): Promise<Pick<Answer, 'headers'> & { data: unknown }> {
  const path = `/admin/api/${versionOf(ctx)}/graphql.json`
  const call: RestCall = { method: 'POST', path, body: { query, variables }, idempotent: true, vendor: 'Shopify', judge: judgeGraphql }
  const { status, headers, body, verdict } = await exchange(ctx, call)
  if (verdict === null) return { headers, data: (body as { data?: unknown } | null)?.data }
  const { code, message, details: { open, ...details } = {}, ...more } = verdict
  const answered = typeof body === 'object' && body !== null && ('data' in body || 'errors' in body)
  const unsure = open === true || (status < 300 ? !answered : status >= 500 && status !== 501 && status !== 503)
  const maybeDone = unsure && query.trimStart().startsWith('mutation')
  throw new Fault(code, message, { ...more, details: { status, ...details }, maybeDone })
}

interface Told {
  about: string
  scopes: Tool['scopes']
  input: z.ZodObject
  example: Args
}

/** A tool that reads one thing, which Shopify wraps in its name. */
export const read = (path: string, t: Told & { output: z.ZodObject }): Tool => ({
  effect: 'read',
  repeatable: true,
  run: async (ctx: ToolContext, args: Args) => (await send(ctx, { path, args })).body,
  ...t,
})

/** A tool that reads one page of a list: `{ <name>: […], next_page_info }`. Filters belong to the first page only. */
export const list = (
  path: string,
  t: Omit<Told, 'input'> & { name: string; item: z.ZodType; input: z.ZodRawShape; demand?: Demand },
): Tool => {
  const shape = z.strictObject({
    ...t.input,
    limit: z.int().min(1).max(MOST).optional().describe('Entries on a page; Shopify takes 50 when left out'),
    page_info: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe('next_page_info of the page before; only limit and fields may stand beside it'),
  })
  const inPath = (name: string) => path.includes(`{${name}}`)
  const filters = Object.keys(t.input).filter((name) => name !== 'fields' && !inPath(name))
  const alone = shape.refine(
    (it: Args) => it.page_info === undefined || filters.every((name) => it[name] === undefined),
    'page_info knows the filters of the first page: give none beside it.',
  )
  const input = t.demand === undefined ? alone : alone.refine(t.demand.met, t.demand.says)
  return {
    about: `${t.about} Answers one page; pass next_page_info as page_info for more, without the filters. null means there are none.`,
    effect: 'read',
    repeatable: true,
    scopes: t.scopes,
    input,
    output: z.object({ [t.name]: z.array(t.item), next_page_info: z.string().nullable() }),
    example: t.example,
    run: async (ctx: ToolContext, args: Args) => {
      const query = Object.fromEntries(Object.entries(args).filter(([name]) => !inPath(name))) as RestCall['query']
      const { body, headers } = await send(ctx, { path, args, query })
      return { [t.name]: (body as Args | null)?.[t.name], next_page_info: nextPageInfo(headers) }
    },
  }
}
interface Demand {
  met: (input: Args) => boolean
  says: string
}

/** `page_info` of the `rel="next"` link; null on the last page. */
export function nextPageInfo(headers: Headers): string | null {
  for (const link of (headers.get('link') ?? '').matchAll(/<([^>]*)>([^<]*)/g)) {
    if (/;\s*rel="?next"?/i.test(link[2] ?? '') && URL.canParse(link[1] ?? '')) return new URL(link[1] ?? '').searchParams.get('page_info')
  }
  return null
}

export const id = z.union([z.int().min(1), z.string().regex(/^[1-9]\d{0,18}$/, 'must be a number, not a gid://')])
/** Several ids as text with commas, at most 50 (InventoryLevel). */
export const ids = z.string().regex(/^\d+(?:,\d+){0,49}$/, 'must be up to 50 numbers with commas between them')
export const text = z.string().min(1)
export const when = z.iso.datetime({ offset: true }).optional().describe('Such as 2026-11-01T00:00:00Z')
