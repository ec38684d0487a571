import { apiKey, bearer, type Checked, connector, Fault, type ToolContext, z } from '../contract.ts'
import { lists, page } from './lists.ts'
import { address, mails } from './send.ts'

export default connector({
  slug: 'resend',
  title: 'Resend',
  about:
    'Sends transactional mail from verified domains of a Resend account, and tells what became of it. A key that may only send is enough for sending.',
  docs: 'https://resend.com/docs/dashboard/api-keys/introduction',
  auth: apiKey({
    put: bearer(),
    fields: [
      {
        name: 'api_key',
        aliases: ['APIKey'],
        label: 'API key',
        secret: true,
        required: true,
        hint: 'Resend → API keys → Create. "Sending access" is enough to send; the other tools need "Full access".',
        format: { pattern: /^re_[A-Za-z0-9_]{8,200}$/, says: 'starts with "re_" and has only letters, digits and "_"' },
      },
    ],
    check,
  }),
  config: z.strictObject({
    from_email: address.optional().describe('From of mails that name none: "ada@example.com" or "Ada <ada@example.com>"'),
    api_base: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Instead of https://api.resend.com, for a proxy of your own'),
  }),
  base: 'https://api.resend.com',
  baseKey: 'api_base',
  hosts: [],
  // "5 requests per second per team" (resend.com/docs/api-reference/rate-limit); teams that still have fewer meet a 429, which is waited for.
  rate: { requests: 5, perS: 1 },
  tools: { ...mails, ...lists },
})

/** `GET /domains`. A key that may only send is refused with a name of its own, which proves that it lives. Whose it is Resend does not tell. */
async function check(ctx: ToolContext): Promise<Checked> {
  try {
    const { items, next_cursor } = await page(ctx, '/domains', {})
    const verified = next_cursor !== null || (items as { status?: unknown }[]).some(({ status }) => status === 'verified')
    const warnings = verified ? [] : ['No domain is verified yet: mail goes to the address of the account only. See Resend → Domains.']
    return { account: null, granted_scopes: ['full_access'], warnings }
  } catch (error) {
    const sendsOnly = error instanceof Fault && error.code === 'SCOPE_MISSING' && error.details?.status === 401
    if (!sendsOnly) throw error
    return { account: null, granted_scopes: ['sending_access'] }
  }
}
