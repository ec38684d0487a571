/** One call to Meta's Graph API, at the version that the profile names, and the ids that go into its path. */
import { type Answer, fail, fill, type RestCall, rest, type ToolContext, z } from '../contract.ts'
import { judgeFor, type Needs } from './judge.ts'

/** Lives until 2028-07-29 (developers.facebook.com, Graph API changelog, "Versions"); v20.0 has ended on 2026-09-24. */
export const VERSION = 'v25.0'

export const versionOf = ({ config }: Pick<ToolContext, 'config'>): string =>
  typeof config.graph_version === 'string' ? config.graph_version : VERSION

export interface Call extends Omit<RestCall, 'judge' | 'vendor'> {
  /** Fills `{name}` in the path, which comes after the version. */
  at: Readonly<Record<string, string>>
  needs: Needs | null
}

export function send(ctx: ToolContext, { at, needs, path, ...call }: Call): Promise<Answer> {
  return rest(ctx, { ...call, path: `/${versionOf(ctx)}${fill(path, at)}`, vendor: 'WhatsApp', judge: judgeFor(needs) })
}

/** What Meta answered, where the next step needs a part of it. */
export function read<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const { data, success } = schema.safeParse(body)
  return success ? data : fail('UPSTREAM_ERROR', 'WhatsApp answered in a form that cannot be read.')
}

/** Ids of Meta's are digits. They are paths: anything else would lead elsewhere. */
const id = (what: string) => z.string().regex(/^\d{1,32}$/, `must be the digits of ${what}`)

/** For tools that send: another number of the same business account than the connection's. */
export const sender = id('a phone number id, not the phone number')
  .optional()
  .describe('Phone number id to send from; the one of the connection when left out. list_phone_numbers shows them.')
export const account = id('a WhatsApp business account id')
  .optional()
  .describe('WhatsApp business account id; the one of the connection when left out')

const open = ({ entered }: ToolContext, name: string): string | null =>
  typeof entered[name] === 'string' && entered[name] !== '' ? (entered[name] as string) : null

export const phoneOf = (ctx: ToolContext, given?: string): string =>
  given ??
  open(ctx, 'phone_number_id') ??
  fail('INVALID_INPUT', 'Nothing says which number to send from.', {
    hint: 'Give phone_number_id, or enter it at the connection. list_phone_numbers shows the numbers.',
  })
export const accountOf = (ctx: ToolContext, given?: string): string =>
  given ??
  open(ctx, 'business_account_id') ??
  fail('INVALID_INPUT', 'Nothing says which business account.', { hint: 'Give business_account_id.' })
export const hasPhone = (ctx: ToolContext): boolean => open(ctx, 'phone_number_id') !== null

/** What Meta gives at once without complaint; it takes 25 when left out. */
const MOST_PER_PAGE = 100
export const paged = {
  limit: z.int().min(1).max(MOST_PER_PAGE).optional().describe('Items on a page; Meta takes 25 when left out'),
  after: z.string().min(1).max(2000).optional().describe('Cursor of the next page: next_after of the page before'),
}

const Page = z.looseObject({
  data: z.array(z.unknown()),
  paging: z.looseObject({ cursors: z.looseObject({ after: z.string().optional() }).optional(), next: z.string().optional() }).optional(),
})
/**
 * A page of the Graph API as `{ items, next_after }`. The last page has a cursor too: `next` alone says that there is more. That address
 * itself is not followed, since it may carry the token.
 */
export function page(body: unknown): { items: unknown[]; next_after: string | null } {
  const { data, paging } = read(Page, body)
  return { items: data, next_after: paging?.next === undefined ? null : (paging.cursors?.after ?? null) }
}
