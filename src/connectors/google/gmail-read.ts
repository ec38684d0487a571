import { Fault, tool, type ToolContext, z } from '../contract.ts'
import { fetched, mailbox, messageId, READS } from './gmail-call.ts'
import { contentOf, headersOf, summary } from './gmail-parse.ts'

/** Gmail's maximum for maxResults. */
const MOST_ON_PAGE = 500
/** A page that a model can look over; each message on it is a request of its own. */
const USUAL_ON_PAGE = 25
/** Gmail refuses "too many concurrent requests for user"; so few stay below it, and a full page takes a few seconds. */
const AT_ONCE = 5
const SHOWN = ['From', 'To', 'Cc', 'Subject', 'Date']

const Summary = z.object({
  id: z.string(),
  thread_id: z.string(),
  label_ids: z.array(z.string()),
  from: z.string().nullable(),
  to: z.string().nullable(),
  cc: z.string().nullable(),
  subject: z.string().nullable(),
  date: z.string().nullable().describe('As the sender wrote it'),
  received_at: z.string().nullable(),
  snippet: z.string(),
})

const Page = z.object({
  messages: z.array(z.object({ id: z.string() })).default([]),
  nextPageToken: z.string().optional(),
  resultSizeEstimate: z.number().optional(),
})

export const reads = {
  get_email: tool({
    about:
      'Reads one message by its id: sender, recipients, subject, date, text, HTML and the list of attachments. To find the id use search_emails. format "metadata" leaves the content out, "minimal" the headers too.',
    effect: 'read',
    repeatable: true,
    scopes: READS,
    input: z.strictObject({
      message_id: messageId,
      format: z.enum(['full', 'metadata', 'minimal']).optional().describe('full when left out'),
    }),
    output: Summary.extend({
      headers: z.array(z.object({ name: z.string(), value: z.string() })),
      text: z.string().nullable(),
      html: z.string().nullable(),
      attachments: z.array(
        z.object({ filename: z.string(), content_type: z.string(), size: z.number(), attachment_id: z.string().nullable() }),
      ),
    }),
    example: { message_id: '18c9a1b2c3d4e5f6' },
    run: async (ctx, { message_id, format = 'full' }) => {
      const message = await fetched(ctx, message_id, format)
      return { ...summary(message), headers: headersOf(message.payload), ...contentOf(message.payload) }
    },
  }),
  search_emails: tool({
    about:
      "Finds messages with the query of Gmail's search box, such as from:ada@example.com is:unread newer_than:7d has:attachment. Tells who, what about and when; for the content use get_email. Not in spam and bin, unless the query says in:anywhere. Answers one page; pass next_page_token as page_token for more, null means there are none.",
    effect: 'read',
    repeatable: true,
    scopes: READS,
    input: z.strictObject({
      query: z.string().min(1).describe("What Gmail's search box takes"),
      max_results: z.int().min(1).max(MOST_ON_PAGE).optional().describe(`Messages on a page; ${USUAL_ON_PAGE} when left out`),
      page_token: z.string().min(1).optional().describe('next_page_token of the page before, with the same other arguments'),
      label_ids: z.array(z.string().min(1)).optional().describe('Only messages with all of these labels, such as INBOX, UNREAD'),
    }),
    output: z.object({ messages: z.array(Summary), next_page_token: z.string().nullable(), estimated_total: z.number().nullable() }),
    example: { query: 'subject:invoice newer_than:30d', max_results: 10 },
    run: async (ctx, { query, max_results = USUAL_ON_PAGE, page_token, label_ids }) => {
      const page = await mailbox(ctx, Page, {
        path: '/messages',
        query: { q: query, maxResults: max_results, pageToken: page_token, labelIds: label_ids },
      })
      return {
        messages: await summaries(
          ctx,
          page.messages.map((it) => it.id),
        ),
        next_page_token: page.nextPageToken ?? null,
        estimated_total: page.resultSizeEstimate ?? null,
      }
    },
  }),
}

/** In the order of the list. A message that was deleted since it was listed is left out. */
async function summaries(ctx: ToolContext, ids: readonly string[]) {
  const found: ReturnType<typeof summary>[] = []
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const some = await Promise.all(ids.slice(from, from + AT_ONCE).map((id) => fetched(ctx, id, 'metadata', SHOWN).catch(unlessGone)))
    found.push(...some.filter((it) => it !== null).map(summary))
  }
  return found
}

function unlessGone(cause: unknown): null {
  if (cause instanceof Fault && cause.code === 'UPSTREAM_NOT_FOUND') return null
  throw cause
}
