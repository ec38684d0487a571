import { Fault, type RestCall, rest, type ToolContext, tool, z } from '../contract.ts'
import { judge } from './judge.ts'

/** Exa's public maximum for `numResults`. */
const MOST_RESULTS = 100
/** Exa's maximum for `maxCharacters`, and what its own clients ask for. */
const MOST_CHARACTERS = 10_000
/** `includeDomains` and `excludeDomains` take so many. */
const MOST_DOMAINS = 1200

/** Sent once. */
export const call = async (ctx: ToolContext, path: string, body: object, more: Partial<RestCall> = {}): Promise<unknown> =>
  (await rest(ctx, { method: 'POST', path, body, vendor: 'Exa', judge, ...more })).body

/** A search, also tried again when the connection broke. Should Exa have carried it out all the same, it is charged twice: half a cent. */
export const search = (ctx: ToolContext, path: string, body: object): Promise<unknown> => call(ctx, path, body, { asks: true })

const text = z.string().trim().min(1)
const day = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })])
  .transform((it) => new Date(it).toISOString())
  .describe('Such as "2026-01-31" or "2026-01-31T08:00:00Z"')
const domains = z.array(text).min(1).max(MOST_DOMAINS)
const results = z.int().min(1).max(MOST_RESULTS).optional().describe('10 when left out; more results cost more')
const include = {
  include_text: z.boolean().optional().describe('Also the text of each page'),
  max_characters: z.int().min(1).max(MOST_CHARACTERS).optional().describe(`Of the text of one page; ${MOST_CHARACTERS} when left out`),
}

const Page = z.object({
  title: z.string().nullable(),
  url: z.string(),
  published_date: z.string().nullable().describe('An estimate'),
  author: z.string().nullable(),
  text: z.string().optional().describe('With include_text'),
})
const cost_dollars = z.number().nullable().describe('An estimate, where Exa gives one')
const Found = z.object({ results: z.array(Page), cost_dollars })

/** Exa's words for the same. */
const TheirPage = z.object({
  title: z.string().nullish(),
  url: z.string(),
  publishedDate: z.string().nullish(),
  author: z.string().nullish(),
  text: z.string().nullish(),
})
const TheirCost = z.object({ total: z.number() }).nullish().catch(null)
const TheirFound = z.object({ results: z.array(TheirPage), costDollars: TheirCost })
const TheirAnswer = z.object({
  answer: z.union([z.string(), z.record(z.string(), z.unknown())]),
  citations: z.array(TheirPage).nullish(),
  costDollars: TheirCost,
})

const pageOf = ({ title, url, publishedDate, author, text }: z.output<typeof TheirPage>): z.input<typeof Page> => ({
  title: title ?? null,
  url,
  published_date: publishedDate ?? null,
  author: author ?? null,
  ...(text ? { text } : {}),
})

export function found(body: unknown): z.input<typeof Found> {
  const { results, costDollars } = read(TheirFound, body)
  return { results: results.map(pageOf), cost_dollars: costDollars?.total ?? null }
}

function read<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const parsed = schema.safeParse(body)
  if (!parsed.success) throw new Fault('UPSTREAM_ERROR', 'Exa answered with something that is no result.', { maybeDone: true })
  return parsed.data
}

const contents = (wanted: boolean | undefined, most = MOST_CHARACTERS) =>
  wanted === true ? { contents: { text: { maxCharacters: most } } } : {}

export const tools = {
  exa_search: tool({
    about:
      'Searches the web by meaning and lists pages: title, address, date, and with include_text their text. Each call costs about a cent of the account. For a ready answer with sources use exa_answer.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      query: text.describe('What is sought, as a phrase or a question'),
      num_results: results,
      type: z
        .enum(['auto', 'fast', 'instant', 'deep-lite', 'deep', 'deep-reasoning'])
        .optional()
        .describe('"auto" when left out; the deep ones are slower and cost more'),
      ...include,
      include_domains: domains.optional().describe('Only from these, such as "arxiv.org" or "example.com/docs"'),
      exclude_domains: domains.optional().describe('Not together with category "company" or "people"'),
      start_published_date: day.optional(),
      end_published_date: day.optional(),
      category: text.max(50).optional().describe('company, people, publication, news, personal site or financial report'),
    }),
    output: Found,
    example: { query: 'Latest developments in large language models', num_results: 3, include_text: true },
    run: async (ctx, it) =>
      found(
        await search(ctx, '/search', {
          query: it.query,
          numResults: it.num_results,
          type: it.type,
          includeDomains: it.include_domains,
          excludeDomains: it.exclude_domains,
          startPublishedDate: it.start_published_date,
          endPublishedDate: it.end_published_date,
          category: it.category,
          ...contents(it.include_text, it.max_characters),
        }),
      ),
  }),
  exa_find_similar: tool({
    about:
      'Lists pages that are like the one at an address. Each call costs about a cent of the account. Exa has deprecated it: where it fails, describe the page to exa_search.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      url: z.url({ protocol: /^https?$/ }).describe('The page to start from'),
      num_results: results,
      exclude_source_domain: z.boolean().optional().describe('Leaves out pages of the same domain'),
      ...include,
    }),
    output: Found,
    example: { url: 'https://arxiv.org/abs/2307.06435', num_results: 3, exclude_source_domain: true },
    run: async (ctx, it) =>
      found(
        await search(ctx, '/findSimilar', {
          url: it.url,
          numResults: it.num_results,
          excludeSourceDomain: it.exclude_source_domain,
          ...contents(it.include_text, it.max_characters),
        }),
      ),
  }),
  exa_answer: tool({
    about:
      'Answers a question from the web, with the pages that the answer rests on. Each call costs about a cent of the account. To read or compare the pages yourself use exa_search.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      query: text.describe('A question, in full'),
      include_text: z.boolean().optional().describe('Also the text of the cited pages, which can be long'),
    }),
    output: z.object({ answer: z.unknown().describe('Text'), citations: z.array(Page), cost_dollars }),
    example: { query: 'What is the latest valuation of SpaceX?' },
    run: async (ctx, { query, include_text }) => {
      // Sent once: an answer is written, and charged, anew each time, so that it is for the run to ask again.
      const it = read(TheirAnswer, await call(ctx, '/answer', { query, text: include_text, stream: false }))
      return { answer: it.answer, citations: (it.citations ?? []).map(pageOf), cost_dollars: it.costDollars?.total ?? null }
    },
  }),
}
