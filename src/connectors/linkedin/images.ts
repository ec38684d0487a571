import { Buffer } from 'node:buffer'
import { fail, type Tool, type ToolContext, tool, z } from '../contract.ts'
import { isPerson, organizationId, organizationUrn, ownerUrn, read, send } from './call.ts'
import { self } from './member.ts'

const SCOPES = ['w_member_social', 'w_organization_social']
/** What the first bytes of the kinds are that LinkedIn takes ("Images API": JPG, PNG and GIF). */
const KINDS = [
  [0xff, 0xd8, 0xff],
  [0x89, 0x50, 0x4e, 0x47],
  [0x47, 0x49, 0x46, 0x38],
] as const

const Begun = z.object({ value: z.object({ uploadUrl: z.url(), image: z.string() }) })

/** Uploads go to another host of LinkedIn's than its API. The token is shown to no other one, whatever the answer says. */
export const UPLOAD_HOST = 'www.linkedin.com'

/** Where the bytes go: LinkedIn's own host for uploads, or that of `api_base` where a profile names one. */
export function uploadTarget(ctx: Pick<ToolContext, 'base' | 'config'>, text: string): string {
  const { host, protocol, href } = new URL(text)
  const base = new URL(ctx.base)
  const ours =
    ctx.config.api_base === undefined ? protocol === 'https:' && (host === UPLOAD_HOST || host === base.host) : host === base.host
  return ours ? href : fail('EGRESS_BLOCKED', `LinkedIn named ${host} for the upload, which is not its own host for that.`)
}

/**
 * One plain PUT, whose answer has no body. A refusal condemns no credential: the API took the same token a moment before, and this is a
 * server of files, which answers with pages.
 */
async function put(ctx: ToolContext, url: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const headers = { 'content-type': 'application/octet-stream', 'user-agent': 'AgentRuntime' }
  const { ok, status } = await ctx.fetch(url, { method: 'PUT', headers, body: bytes, signal: ctx.signal })
  if (ok) return
  const code = status === 429 ? 'UPSTREAM_RATE_LIMITED' : status < 400 || status >= 500 ? 'UPSTREAM_ERROR' : 'UPSTREAM_INVALID'
  fail(code, `LinkedIn did not take the image (${status}).`, { hint: 'Nothing was posted. Upload it again.', details: { status } })
}

export const images: Record<string, Tool> = {
  linkedin_upload_image: tool({
    about:
      'Uploads a JPG, PNG or GIF and answers its URN, to be used as image_asset_id of a post by the same owner: the member, unless owner_urn or ' +
      'organization_id say otherwise. Takes the bytes in base64, not an address. LinkedIn needs some seconds before it shows the image.',
    effect: 'write',
    repeatable: false,
    scopes: [SCOPES],
    input: z
      .strictObject({
        image_base64: z.base64().min(1).describe('The whole file'),
        owner_urn: ownerUrn.optional(),
        organization_id: organizationId.optional(),
      })
      .refine(
        (it) => it.owner_urn === undefined || it.organization_id === undefined,
        'Give one of owner_urn and organization_id, or neither.',
      ),
    output: z.object({ image_urn: z.string(), owner_urn: z.string() }),
    example: { image_base64: 'iVBORw0KGgo=', organization_id: '5583111' },
    run: async (ctx, { image_base64, owner_urn, organization_id }) => {
      const bytes = Buffer.from(image_base64, 'base64')
      if (!KINDS.some((first) => first.every((byte, i) => bytes[i] === byte))) fail('INVALID_INPUT', 'image_base64 is no JPG, PNG or GIF.')
      const owner = owner_urn ?? (organization_id === undefined ? await self(ctx) : organizationUrn(organization_id))
      const { body } = await send(ctx, {
        method: 'POST',
        path: '/rest/images',
        query: { action: 'initializeUpload' },
        body: { initializeUploadRequest: { owner } },
        needs: { scopes: [isPerson(owner) ? 'w_member_social' : 'w_organization_social'] },
      })
      const { uploadUrl, image } = read(Begun, body).value
      await put(ctx, uploadTarget(ctx, uploadUrl), new Uint8Array(bytes))
      return { image_urn: image, owner_urn: owner }
    },
  }),
}
