/** GitHub's tools as data: a path, what goes in, what comes out. */
import { type Answer, fill, nextPage, type RestCall, rest, type Tool, type ToolContext, z } from '../contract.ts'
import { judge } from './judge.ts'

/** GitHub's maximum for `per_page`. */
const MOST_PER_PAGE = 100

const HEADERS = { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' }

type Args = Readonly<Record<string, unknown>>
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

interface Told {
  about: string
  input: z.ZodRawShape
  example: unknown
}

/** One call: arguments that the path names go there, the rest into the query (GET) or the JSON body. */
export function send(ctx: ToolContext, method: Method, path: string, args: Args = {}, idempotent = false): Promise<Answer> {
  const elsewhere = ([name, value]: [string, unknown]) => value !== undefined && !path.includes(`{${name}}`) && !path.includes(`{+${name}}`)
  const others = Object.fromEntries(Object.entries(args).filter(elsewhere))
  const payload = method === 'GET' ? { query: others as RestCall['query'] } : { body: others }
  return rest(ctx, { method, path: fill(path, args), headers: HEADERS, vendor: 'GitHub', judge, idempotent, ...payload })
}

/** A tool that reads one thing. A public one needs no scope; private ones answer 404 to a token that cannot see them. */
export const read = (path: string, t: Told & { output: z.ZodObject; run?: (ctx: ToolContext, args: Args) => Promise<unknown> }): Tool => ({
  about: t.about,
  effect: 'read',
  repeatable: true,
  scopes: [],
  input: z.strictObject(t.input),
  output: t.output,
  example: t.example,
  run: t.run ?? (async (ctx: ToolContext, args: Args) => (await send(ctx, 'GET', path, args)).body),
})

/** A tool that reads one page of a list: `{ items, next_page }`. `keep` drops items that do not belong. */
export const list = (path: string, t: Told & { item: z.ZodType; keep?: (item: never) => boolean }): Tool =>
  read(path, {
    ...t,
    about: `${t.about} Answers one page; pass next_page as page for more, null means there are none.`,
    input: { ...t.input, ...paged },
    output: z.object({ items: z.array(t.item), next_page: z.number().nullable() }),
    run: async (ctx, args) => {
      const { body, headers } = await send(ctx, 'GET', path, args)
      return {
        items: Array.isArray(body) && t.keep !== undefined ? body.filter(t.keep as () => boolean) : body,
        next_page: nextPage(headers),
      }
    },
  })

/** A tool that changes something. `run` is for those that are more than one call. */
export const write = (
  call: `${Exclude<Method, 'GET'>} ${string}`,
  t: Told & {
    output: z.ZodObject
    /** What is overwritten or removed cannot be had back by another call of ours. */
    destroys?: true
    repeatable?: true
    run?: (ctx: ToolContext, args: never) => Promise<unknown>
  },
): Tool => {
  const [method, path] = call.split(' ') as [Method, string]
  const repeatable = t.repeatable ?? false
  return {
    about: t.about,
    effect: t.destroys ? 'destroy' : 'write',
    repeatable,
    scopes: ['repo'],
    input: z.strictObject(t.input),
    output: t.output,
    example: t.example,
    run: t.run ?? (async (ctx: ToolContext, args: Args) => (await send(ctx, method, path, args, repeatable)).body),
  }
}

export const paged = {
  per_page: z.int().min(1).max(MOST_PER_PAGE).optional().describe('Items on a page; GitHub takes 30 when left out'),
  page: z.int().min(1).optional().describe('Counts from 1'),
}

export const text = z.string().min(1)
export const inRepo = { owner: text.describe('Account or organization, such as "octocat"'), repo: text.describe('Name without the owner') }
export const flag = z.boolean().optional()
export const maybe = z.string().optional()
export const direction = z.enum(['asc', 'desc']).optional()
