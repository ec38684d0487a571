/** Calls to Drive, which the spreadsheet tools make as well: on Google's own host, or all on the one that the config names. */
import { type Answer, type Checked, fail, type ToolContext, z } from '../contract.ts'
import { type GoogleCall, send } from './call.ts'

export const DRIVE = 'https://www.googleapis.com'

export const drive = (ctx: ToolContext, call: GoogleCall): Promise<Answer> => send(ctx, { vendor: 'Google Drive', home: DRIVE, ...call })

const About = z.object({
  user: z.object({ permissionId: z.string(), displayName: z.string().optional(), emailAddress: z.string().optional() }),
})

/** `about` answers only with what `fields` names. Scopes it does not tell: those were told with the token. */
export async function whose(ctx: ToolContext): Promise<Checked> {
  const query = { fields: 'user(permissionId,displayName,emailAddress)' }
  const known = About.safeParse((await drive(ctx, { path: '/drive/v3/about', query })).body)
  if (!known.success) return fail('UPSTREAM_ERROR', 'Google Drive did not say whose account this is.')
  const { permissionId: id, emailAddress, displayName } = known.data.user
  // Drive's id of a person is another one than the account's own, which stays where it is known.
  return { account: ctx.account ?? { id, label: emailAddress ?? displayName ?? id }, granted_scopes: null }
}
