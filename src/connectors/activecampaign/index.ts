import { apiKey, type Checked, connector, fail, header, type ToolContext, z } from '../contract.ts'
import { accounts } from './accounts.ts'
import { contacts, Me, me } from './contacts.ts'

/**
 * The key is sent to this address, so only domains that are known to be ActiveCampaign's will do: the one of its reference (Base URL) and the
 * one that its accounts live on. Its reference does not promise that there will be no others; such a one is set by `api_base`.
 */
const ADDRESS = /^https:\/\/[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.(?:api-us1|activehosted)\.com\/?$/

/** "5 requests per second per account" (reference, Rate limits), whichever of its keys they come with. */
const RATE = { requests: 5, perS: 1 }

export default connector({
  slug: 'activecampaign',
  title: 'ActiveCampaign',
  about: 'Contacts, their lists and tags, and the companies they work for, with the API key of an ActiveCampaign user.',
  docs: 'https://developers.activecampaign.com/reference/authentication',
  auth: apiKey({
    put: header('Api-Token'),
    fields: [
      {
        name: 'account_url',
        aliases: ['activecampaign_api_url'],
        label: 'API URL',
        secret: false,
        required: true,
        hint: 'ActiveCampaign → Settings → Developer → API Access → URL, such as https://youraccount.api-us1.com.',
        format: {
          pattern: ADDRESS,
          says: 'is https://<account>.api-us1.com or https://<account>.activehosted.com, without a path: copy it from Settings → Developer',
        },
      },
      {
        name: 'api_key',
        aliases: ['activecampaign_api_token'],
        label: 'API key',
        secret: true,
        required: true,
        hint: 'Below the URL on the same page. It may do what its user may do: Contacts and Lists, and Accounts for the company tools.',
        // 72 hexadecimal digits have been seen; nothing promises that.
        format: { pattern: /^[\x21-\x7e]{20,300}$/, says: 'has at least 20 characters and no spaces' },
      },
    ],
    check,
  }),
  config: z.strictObject({
    api_base: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Only for an account whose API URL has another domain than those that can be entered; without /api/3'),
  }),
  base: ({ account_url }) => new URL(String(account_url)).origin,
  baseKey: 'api_base',
  hosts: [],
  rate: RATE,
  tools: { ...contacts, ...accounts },
})

/** `GET /users/me`. A key has no scopes: it has the permissions of its user's group, which the answer does not tell. */
async function check(ctx: ToolContext): Promise<Checked> {
  const found = Me.safeParse(await me(ctx))
  if (!found.success) return fail('UPSTREAM_ERROR', 'ActiveCampaign did not say whose key this is.')
  const { id, email, username } = found.data.user
  return { account: { id, label: email ?? username ?? id }, granted_scopes: null }
}
