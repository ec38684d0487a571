import { apiKey, bearer, type Checked, connector, Fault, type ToolContext, z } from '../contract.ts'
import { chat } from './chat.ts'
import { listed, models } from './models.ts'

export default connector({
  slug: 'openai',
  title: 'OpenAI and compatible',
  about:
    'Language models of OpenAI, or of any service or server of your own that speaks its API: chat completions, embeddings, the list of models. Chat and embeddings cost money.',
  docs: 'https://platform.openai.com/docs/api-reference/authentication',
  auth: apiKey({
    put: bearer(),
    fields: [
      {
        name: 'api_key',
        aliases: ['APIKey'],
        label: 'API key',
        secret: true,
        required: true,
        hint: 'OpenAI: platform.openai.com → API keys; a restricted key needs "Request" under model capabilities, and reading models. Other services show theirs. A server of your own without keys takes any word.',
        // Only OpenAI's own keys begin with "sk-".
        format: { pattern: /^[\x21-\x7e]{1,500}$/, says: 'has no spaces and only plain ASCII' },
      },
    ],
    check,
  }),
  config: z.strictObject({
    api_base: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Instead of https://api.openai.com/v1: of a compatible service or server, up to what comes before /chat/completions'),
    max_tokens_name: z
      .enum(['max_completion_tokens', 'max_tokens'])
      .optional()
      .describe('How the server calls the limit of an answer: older ones know max_tokens only'),
  }),
  base: 'https://api.openai.com/v1',
  baseKey: 'api_base',
  hosts: [],
  tools: { ...chat, ...models },
})

/** `GET /models`, which is free. OpenAI names the organization in a header. A key that may not list models proves by that refusal that it lives. */
async function check(ctx: ToolContext): Promise<Checked> {
  try {
    const { headers } = await listed(ctx)
    const organization = headers.get('openai-organization')
    return { account: organization ? { id: organization, label: organization } : null, granted_scopes: null }
  } catch (error) {
    if (error instanceof Fault && error.code === 'SCOPE_MISSING' && error.details?.reason === 'permission')
      return {
        account: null,
        granted_scopes: null,
        warnings: ['The key lives, but may not list models: openai_list_models will not work.'],
      }
    throw error
  }
}
