/** Who the token belongs to, and the pages on which that member has a role. */
import { type Checked, Fault, type Tool, type ToolContext, tool, z } from '../contract.ts'
import { collection, paged, read, send } from './call.ts'

const IDENTITY = { scopes: ['openid', 'profile'], sure: true }
const ADMIN = ['rw_organization_admin', 'r_organization_admin']

const Claims = z.looseObject({ sub: z.string(), name: z.string().optional(), email: z.string().optional(), picture: z.string().optional() })
const Profile = z.looseObject({ id: z.string(), localizedFirstName: z.string().optional(), localizedLastName: z.string().optional() })

const unlessMissing = (error: unknown): null => {
  if (error instanceof Fault && error.code === 'SCOPE_MISSING') return null
  throw error
}

/** null: the token lives, but may not tell. */
async function member(ctx: ToolContext): Promise<{ id: string; label: string } | null> {
  const userinfo = await send(ctx, { path: '/v2/userinfo', needs: IDENTITY }).catch(unlessMissing)
  if (userinfo !== null) {
    const { sub, email, name } = read(Claims, userinfo.body)
    return { id: sub, label: email ?? name ?? sub }
  }
  // An app with the Community Management API cannot have OpenID Connect beside it; its members are told apart by r_basicprofile.
  const me = await send(ctx, { path: '/v2/me', needs: { scopes: ['r_basicprofile'], sure: true } }).catch(unlessMissing)
  if (me === null) return null
  const { id, localizedFirstName, localizedLastName } = read(Profile, me.body)
  return { id, label: [localizedFirstName, localizedLastName].filter((part) => part !== undefined).join(' ') || id }
}

/** The member as an author. What the connection knows spares a call, of which LinkedIn counts few a day. */
export async function self(ctx: ToolContext): Promise<string> {
  const known = ctx.account ?? (await member(ctx))
  if (known !== null) return `urn:li:person:${known.id}`
  throw new Fault('SCOPE_MISSING', 'LinkedIn does not say who the connected member is, so nothing can be done in their name.', {
    hint: 'Connect the account again with openid and profile.',
    details: { reason: 'permission', required_scopes: IDENTITY.scopes },
  })
}

/** LinkedIn tells the scopes of a token to its app only (introspection). */
export async function check(ctx: ToolContext): Promise<Checked> {
  const account = await member(ctx)
  const warnings =
    account === null ? ['LinkedIn does not say whose token this is (it lacks openid and profile), so it can act for pages only.'] : []
  return { account, granted_scopes: null, warnings }
}

const Role = z.looseObject({ organization: z.string().describe('urn:li:organization:…'), role: z.string(), state: z.string() })
const ROLES = [
  'ADMINISTRATOR',
  'CONTENT_ADMINISTRATOR',
  'DIRECT_SPONSORED_CONTENT_POSTER',
  'RECRUITING_POSTER',
  'ANALYST',
  'CURATOR',
  'LEAD_CAPTURE_ADMINISTRATOR',
  'LEAD_GEN_FORMS_MANAGER',
] as const

export const members: Record<string, Tool> = {
  linkedin_get_userinfo: tool({
    about: 'Reads who the connected LinkedIn member is: id (sub), name, picture and mail address. Takes no arguments.',
    effect: 'read',
    repeatable: true,
    scopes: IDENTITY.scopes,
    input: z.strictObject({}),
    output: Claims,
    example: {},
    run: async (ctx) => read(Claims, (await send(ctx, { path: '/v2/userinfo', needs: IDENTITY })).body),
  }),
  linkedin_list_organizations: tool({
    about:
      'Lists the pages (organizations) on which the member has a role, as URNs with the role. Use it to find the organization_id for a post as a page. ' +
      'Answers one page; pass next_start as start for more, null means there are none.',
    effect: 'read',
    repeatable: true,
    scopes: [ADMIN],
    input: z.strictObject({
      role: z.enum(ROLES).optional().describe('Any role when left out'),
      state: z.enum(['APPROVED', 'REQUESTED', 'REJECTED', 'REVOKED']).default('APPROVED'),
      ...paged,
    }),
    output: z.object({ items: z.array(Role), next_start: z.number().nullable() }),
    example: { role: 'ADMINISTRATOR' as const },
    run: async (ctx, { role, state, count, start }) => {
      const query = { q: 'roleAssignee', role, state, count, start }
      const { body } = await send(ctx, { path: '/rest/organizationAcls', query, needs: { scopes: ADMIN, sure: true } })
      const { items, next_start } = collection(body)
      return { items: read(z.array(Acl), items), next_start }
    },
  }),
}

/** Of the page LinkedIn's samples speak by two names. */
const Acl = z
  .looseObject({ role: z.string(), state: z.string(), organization: z.string().optional(), organizationTarget: z.string().optional() })
  .transform(({ organization, organizationTarget, ...more }) => ({ ...more, organization: organization ?? organizationTarget ?? '' }))
