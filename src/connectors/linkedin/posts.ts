import { type Tool, type ToolContext, tool, z } from '../contract.ts'
import { collection, imageUrn, isPerson, organizationId, organizationUrn, ownerUrn, paged, postUrn, read, send } from './call.ts'
import type { Needs } from './judge.ts'
import { little } from './little.ts'
import { self } from './member.ts'

/** LinkedIn refuses a longer `commentary` with FIELD_LENGTH_TOO_LONG. */
const MOST_CHARACTERS = 3000

const PAGE_READ = 'r_organization_social'
const MEMBER_READ = 'r_member_social'
const PAGE_WRITE = 'w_organization_social'
const MEMBER_WRITE = 'w_member_social'

const written = {
  text: z
    .string()
    .min(1)
    .max(MOST_CHARACTERS)
    .describe('Plain text; #hashtags become links, and so does a mention written as @[Name](urn:li:organization:1)'),
  link: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Shown as a card below the text. LinkedIn does not read the page: give link_title'),
  link_title: z.string().min(1).optional().describe('Of the card; the host of the link when left out'),
  link_description: z.string().min(1).optional(),
  image_asset_id: imageUrn
    .optional()
    .describe('From linkedin_upload_image, uploaded for the same author; with a link it is the picture of the card'),
}
interface Written {
  text: string
  link?: string | undefined
  link_title?: string | undefined
  link_description?: string | undefined
  image_asset_id?: string | undefined
}
const cardNeedsLink = ({ link, link_title, link_description }: Omit<Written, 'text'>) =>
  link !== undefined || (link_title === undefined && link_description === undefined)

const Post = z.looseObject({
  id: z.string(),
  author: z.string(),
  commentary: z.string().optional().describe('Little text: reserved characters are escaped by a backslash'),
  visibility: z.string().optional(),
  lifecycleState: z.string().optional(),
  publishedAt: z.number().optional().describe('Milliseconds since 1970'),
})
const Posted = z.object({
  post_urn: z.string().nullable().describe('null: LinkedIn took the post and did not name it'),
  url: z.string().nullable().describe('Where people see it'),
})

async function publish(ctx: ToolContext, author: string, visibility: string, post: Written, needs: Needs): Promise<z.input<typeof Posted>> {
  const body = {
    author,
    commentary: little(post.text),
    visibility,
    distribution: { feedDistribution: 'MAIN_FEED', targetEntities: [], thirdPartyDistributionChannels: [] },
    ...contentOf(post),
    lifecycleState: 'PUBLISHED',
    isReshareDisabledByAuthor: false,
  }
  const { headers } = await send(ctx, { method: 'POST', path: '/rest/posts', body, needs })
  // 201 without a body: the new URN is in this header alone.
  const urn = headers.get('x-restli-id')
  return { post_urn: urn, url: urn === null ? null : `https://www.linkedin.com/feed/update/${urn}/` }
}

/** A text alone must have no `content` at all: LinkedIn refuses an empty one. */
function contentOf({ link, link_title, link_description, image_asset_id }: Written): { content?: object } {
  if (link === undefined) return image_asset_id === undefined ? {} : { content: { media: { id: image_asset_id } } }
  const title = link_title ?? new URL(link).hostname
  return { content: { article: { source: link, title, description: link_description, thumbnail: image_asset_id } } }
}

export const posts: Record<string, Tool> = {
  linkedin_create_share_update: tool({
    about:
      "Posts in the connected member's own name, at once and for people to see. Text, and if wanted a link card or an uploaded image. " +
      'Not for a company page: use linkedin_create_company_update.',
    effect: 'write',
    repeatable: false,
    scopes: [MEMBER_WRITE],
    input: z
      .strictObject({
        ...written,
        visibility: z.enum(['PUBLIC', 'CONNECTIONS', 'LOGGED_IN']).default('PUBLIC').describe('Who may see it'),
      })
      .refine(cardNeedsLink, 'link_title and link_description belong to a link.'),
    output: Posted,
    example: { text: 'We are hiring! #jobs', link: 'https://example.com/jobs', link_title: 'Open positions' },
    run: async (ctx, { visibility, ...post }) => publish(ctx, await self(ctx), visibility, post, { scopes: [MEMBER_WRITE], sure: true }),
  }),
  linkedin_create_company_update: tool({
    about:
      'Posts as a company page on which the connected member has a role, at once and for everybody to see. linkedin_list_organizations names the pages. ' +
      "Not for the member's own feed: use linkedin_create_share_update.",
    effect: 'write',
    repeatable: false,
    scopes: [PAGE_WRITE],
    input: z
      .strictObject({ organization_id: organizationId, ...written })
      .refine(cardNeedsLink, 'link_title and link_description belong to a link.'),
    output: Posted,
    example: { organization_id: '5583111', text: 'Version 2 is out (at last).' },
    run: (ctx, { organization_id, ...post }) => publish(ctx, organizationUrn(organization_id), 'PUBLIC', post, { scopes: [PAGE_WRITE] }),
  }),
  linkedin_list_posts: tool({
    about:
      'Lists the posts of one author, the newest first. Works for pages on which the member has a role; posts of people need a permission that ' +
      'LinkedIn gives to few apps. Answers one page; pass next_start as start for more, null means there are none.',
    effect: 'read',
    repeatable: true,
    scopes: [[PAGE_READ, MEMBER_READ]],
    input: z.strictObject({
      author_urn: ownerUrn,
      sort_by: z.enum(['LAST_MODIFIED', 'CREATED']).optional(),
      ...paged,
    }),
    output: z.object({ items: z.array(Post), next_start: z.number().nullable() }),
    example: { author_urn: 'urn:li:organization:5583111', sort_by: 'LAST_MODIFIED' as const },
    run: async (ctx, { author_urn, sort_by, count, start }) => {
      const query = { author: author_urn, q: 'author', count, start, sortBy: sort_by }
      const needs = { scopes: [isPerson(author_urn) ? MEMBER_READ : PAGE_READ] }
      const { items, next_start } = collection((await send(ctx, { path: '/rest/posts', query, needs })).body)
      return { items: read(z.array(Post), items), next_start }
    },
  }),
  linkedin_get_post: tool({
    about:
      'Reads one post by its URN: text, content, author, dates. Works for posts of pages on which the member has a role; those of people need a ' +
      'permission that LinkedIn gives to few apps, also where the member wrote them.',
    effect: 'read',
    repeatable: true,
    scopes: [[PAGE_READ, MEMBER_READ]],
    input: z.strictObject({ post_urn: postUrn }),
    output: Post,
    example: { post_urn: 'urn:li:share:7000000000000000001' },
    run: async (ctx, at) =>
      read(Post, (await send(ctx, { path: '/rest/posts/{post_urn}', at, needs: { scopes: [PAGE_READ, MEMBER_READ] } })).body),
  }),
  linkedin_delete_post: tool({
    about:
      'Deletes one post of the member or of a page on which the member may delete. It cannot be had back, and takes its comments with it.',
    effect: 'destroy',
    // "Post deletions are idempotent": a post that is gone is 204 as well.
    repeatable: true,
    scopes: [[MEMBER_WRITE, PAGE_WRITE]],
    input: z.strictObject({ post_urn: postUrn }),
    output: z.object({ deleted: z.literal(true), post_urn: z.string() }),
    example: { post_urn: 'urn:li:share:7000000000000000001' },
    run: async (ctx, at) => {
      const needs = { scopes: [MEMBER_WRITE, PAGE_WRITE] }
      await send(ctx, { method: 'DELETE', path: '/rest/posts/{post_urn}', at, idempotent: true, needs })
      return { deleted: true as const, post_urn: at.post_urn }
    },
  }),
}
