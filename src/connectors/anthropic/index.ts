import { apiKey, type Checked, connector, header, type ToolContext, z } from '../contract.ts'
import { listed, tools } from './tools.ts'

export default connector({
  slug: 'anthropic',
  title: 'Anthropic',
  about: 'Claude models of Anthropic: conversations in text or JSON, and the list of models. Conversations cost money.',
  docs: 'https://platform.claude.com/docs/en/api/overview',
  auth: apiKey({
    put: header('x-api-key'),
    fields: [
      {
        name: 'api_key',
        aliases: ['APIKey'],
        label: 'API key',
        secret: true,
        required: true,
        hint: 'Claude Console (platform.claude.com) → API keys. Each key belongs to one workspace, whose spend limit it keeps to.',
        // Only those of the Console begin with "sk-ant-"; a proxy under api_base has its own.
        format: { pattern: /^[\x21-\x7e]{8,500}$/, says: 'has at least 8 characters, no spaces and only plain ASCII' },
      },
    ],
    check,
  }),
  config: z.strictObject({
    api_base: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Instead of https://api.anthropic.com, for a proxy of your own: up to what comes before /v1'),
  }),
  base: 'https://api.anthropic.com',
  baseKey: 'api_base',
  hosts: [],
  tools,
})

/** `GET /v1/models`, which is free. Whose key it is comes in a header, as an id without a name. */
async function check(ctx: ToolContext): Promise<Checked> {
  const { headers } = await listed(ctx, { limit: 1 })
  const organization = headers.get('anthropic-organization-id')
  return { account: organization ? { id: organization, label: organization } : null, granted_scopes: null }
}
