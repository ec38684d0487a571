/** One call to LinkedIn, with the headers that its gateway wants. */
import { type Answer, fail, fill, type RestCall, rest, type ToolContext, z } from '../contract.ts'
import { judgeFor, type Needs } from './judge.ts'

/** Lives until 2027-09-15 (learn.microsoft.com/linkedin, "Migrations"): LinkedIn ends each version after a year. */
export const VERSION = '202609'

export interface Call extends Omit<RestCall, 'judge' | 'vendor'> {
  /** Fills `{name}` in the path. */
  at?: Readonly<Record<string, string>>
  needs: Needs
}

export function send(ctx: ToolContext, { at, needs, headers, ...call }: Call): Promise<Answer> {
  const path = at === undefined ? call.path : fill(call.path, at)
  return rest(ctx, { ...call, path, headers: { ...headersOf(ctx, call), ...headers }, vendor: 'LinkedIn', judge: judgeFor(needs) })
}

/** What LinkedIn answered, where the next step needs a part of it. */
export function read<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const { data, success } = schema.safeParse(body)
  return success ? data : fail('UPSTREAM_ERROR', 'LinkedIn answered in a form that cannot be read.')
}

/** Everything below /rest/ is versioned. Rest.li tells a finder and a removal by a header of its own. */
export function headersOf({ config }: Pick<ToolContext, 'config'>, { method, path, query }: Pick<RestCall, 'method' | 'path' | 'query'>) {
  const version = typeof config.linkedin_version === 'string' ? config.linkedin_version : VERSION
  const kind = method === 'DELETE' ? 'DELETE' : query?.q === undefined ? null : 'FINDER'
  return {
    'x-restli-protocol-version': '2.0.0',
    ...(path.startsWith('/rest/') ? { 'linkedin-version': version } : {}),
    ...(kind === null ? {} : { 'x-restli-method': kind }),
  }
}

export const ownerUrn = z
  .string()
  .regex(
    /^urn:li:(person|organization|organizationBrand):[\w-]+$/,
    'must be urn:li:person:…, urn:li:organization:… or urn:li:organizationBrand:…',
  )
export const postUrn = z
  .string()
  .regex(
    /^urn:li:(share|ugcPost):\d+$/,
    'must be urn:li:share:… or urn:li:ugcPost:…; an urn:li:activity:… of a page address is not the post',
  )
export const imageUrn = z.string().regex(/^urn:li:image:[\w-]+$/, 'must be such as urn:li:image:C4E10AQ, from linkedin_upload_image')
export const organizationId = z
  .string()
  .regex(/^(urn:li:organization:)?\d+$/, 'must be the number of the page, such as 5583111, or its urn:li:organization:…')

/** `5583111` and `urn:li:organization:5583111` are the same page. */
export const organizationUrn = (id: string): string => `urn:li:organization:${id.replace(/^urn:li:organization:/, '')}`
export const isPerson = (urn: string): boolean => urn.startsWith('urn:li:person:')

/** LinkedIn's most for `count`; it takes 10 when left out. */
const MOST_PER_PAGE = 100
export const paged = {
  count: z.int().min(1).max(MOST_PER_PAGE).optional().describe('Items on a page; LinkedIn takes 10 when left out'),
  start: z.int().min(0).optional().describe('Items to skip: next_start of the page before'),
}

const Paging = z.looseObject({
  start: z.number(),
  count: z.number(),
  total: z.number().optional(),
  links: z.array(z.looseObject({ rel: z.string(), href: z.string() })).optional(),
})
/** A Rest.li collection as `{ items, next_start }`. A page may be short although there are more, so the link to the next one decides. */
export function collection(body: unknown): { items: unknown[]; next_start: number | null } {
  const { elements, paging } = read(z.looseObject({ elements: z.array(z.unknown()), paging: z.unknown() }), body)
  const { data: at } = Paging.safeParse(paging)
  const next = at?.links?.find((it) => it.rel === 'next')
  const linked = next === undefined ? null : new URL(next.href, 'https://api.linkedin.com').searchParams.get('start')
  const counted = at?.total !== undefined && at.start + at.count < at.total ? at.start + at.count : null
  return { items: elements, next_start: linked === null ? counted : Number(linked) }
}
