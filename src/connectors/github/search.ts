import { nextPage, type Tool, z } from '../contract.ts'
import { direction, maybe, paged, read, send, text } from './call.ts'
import { Issue, Repo, User } from './shapes.ts'

const Hit = z.looseObject({ name: z.string(), path: z.string(), sha: z.string(), html_url: z.string() })

/** Search endpoints share one envelope, which keeps GitHub's counts. */
function search(
  path: string,
  t: { about: string; sort: readonly [string, ...string[]]; item: z.ZodType; q: string; more?: z.ZodRawShape },
): Tool {
  return read(path, {
    about: `${t.about} Takes GitHub's search syntax. Answers one page; pass next_page as page for more. At most 1,000 hits can be reached.`,
    input: { q: text.describe(`Such as: ${t.q}`), sort: z.enum(t.sort).optional(), order: direction, ...paged, ...t.more },
    output: z.object({
      total_count: z.number(),
      incomplete_results: z.boolean(),
      items: z.array(t.item),
      next_page: z.number().nullable(),
    }),
    example: { q: t.q },
    run: async (ctx, args) => {
      const { body, headers } = await send(ctx, 'GET', path, args)
      return { ...(body as object), next_page: nextPage(headers) }
    },
  })
}

const reactions = ['+1', '-1', 'smile', 'thinking_face', 'heart', 'tada'].map((it) => `reactions-${it}`)

export const searches = {
  search_repositories: search('/search/repositories', {
    about: 'Finds repositories by name, topic, language or owner.',
    sort: ['stars', 'forks', 'help-wanted-issues', 'updated'],
    item: Repo,
    q: 'hello language:typescript',
  }),
  search_code: search('/search/code', {
    about: 'Finds files by their content, on default branches only. It has the tightest limit of all searches.',
    sort: ['indexed'],
    item: Hit,
    q: 'addClass repo:octocat/hello-world',
  }),
  search_issues_pull_requests: search('/search/issues', {
    about: 'Finds issues and pull requests across repositories; add is:issue or is:pr to have one kind.',
    sort: ['comments', 'reactions', ...reactions, 'interactions', 'created', 'updated'],
    item: Issue,
    q: 'is:issue repo:octocat/hello-world hello',
    more: { advanced_search: maybe, search_type: z.enum(['semantic', 'hybrid']).optional() },
  }),
  search_users: search('/search/users', {
    about: 'Finds people and organizations by login, name or place.',
    sort: ['followers', 'repositories', 'joined'],
    item: User,
    q: 'octocat in:login',
  }),
  get_user: read('/users/{username}', {
    about: 'Reads the public profile of one account. For the account of the token itself use get_authenticated_user.',
    input: { username: text },
    output: User,
    example: { username: 'octocat' },
  }),
  get_authenticated_user: read('/user', {
    about: 'Reads who the connected token belongs to. Takes no arguments; a cheap way to see that the token lives.',
    input: {},
    output: User,
    example: {},
  }),
}
