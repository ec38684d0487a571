import { type Checked, connector, Fault, type ToolContext, z } from '../contract.ts'
import { apiBase } from './call.ts'
import { profile } from './gmail-call.ts'
import { reads } from './gmail-read.ts'
import { sends } from './gmail-send.ts'

const BASE = 'https://gmail.googleapis.com'

export const gmail = connector({
  slug: 'gmail',
  title: 'Gmail',
  about: 'Sends mail from a Gmail mailbox, finds and reads messages in it, and answers them in their thread.',
  docs: 'https://developers.google.com/workspace/gmail/api/auth/scopes',
  auth: { kind: 'oauth', provider: 'google', service: 'gmail', check },
  config: z.strictObject({
    user_id: z
      .union([z.literal('me'), z.email()])
      .optional()
      .describe('The mailbox: its address, or "me" for that of the connected account'),
    sender_email: z.email().optional().describe('From of messages that name none: the account or one of its verified aliases'),
    api_base: apiBase(BASE),
  }),
  base: BASE,
  baseKey: 'api_base',
  hosts: [],
  tools: { ...sends, ...reads },
})

/**
 * The profile is the cheapest call that shows a mailbox, and each Gmail scope but gmail.send may read it. Google refuses a dead token (401)
 * before it looks at scopes, so "insufficient scopes" comes from a living one: that it may send is told by the granted scopes and not here.
 */
async function check(ctx: ToolContext): Promise<Checked> {
  try {
    const label = await profile(ctx)
    return { account: ctx.account ?? { id: label, label }, granted_scopes: null }
  } catch (cause) {
    if (!(cause instanceof Fault) || cause.details?.reason !== 'scope') throw cause
    return { account: ctx.account, granted_scopes: null, warnings: ['Reading mail was not granted: this connection can send at most.'] }
  }
}
