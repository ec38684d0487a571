import { apiKey, type Checked, connector, Fault, header, type ToolContext, z } from '../contract.ts'
import { found, search, tools } from './tools.ts'

export default connector({
  slug: 'exa',
  title: 'Exa',
  about:
    'Searches the web by meaning, finds similar pages, and answers questions with sources. Every call costs credit of the Exa account, its check too.',
  docs: 'https://exa.ai/docs/reference/getting-started',
  auth: apiKey({
    put: header('x-api-key'),
    fields: [
      {
        name: 'api_key',
        aliases: ['APIKey'],
        label: 'API key',
        secret: true,
        required: true,
        hint: 'dashboard.exa.ai → API keys. A budget of its own keeps a key from spending everything.',
        // Keys look like UUIDs, but nothing promises that they always will.
        format: { pattern: /^[\x21-\x7e]{16,200}$/, says: 'has at least 16 characters and no spaces' },
      },
    ],
    check,
  }),
  config: z.strictObject({
    api_base: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Instead of https://api.exa.ai, for a proxy of your own'),
  }),
  base: 'https://api.exa.ai',
  baseKey: 'api_base',
  hosts: [],
  // 10 a second, for /search and for /answer each (exa.ai/docs/reference/rate-limits).
  rate: { requests: 10, perS: 1 },
  tools,
})

/** The cheapest search: Exa has no call that tells whose a key is, and none that is known to be free. A 402 proves that the key lives. */
async function check(ctx: ToolContext): Promise<Checked> {
  const lives = { account: null, granted_scopes: null }
  try {
    found(await search(ctx, '/search', { query: 'ping', numResults: 1, type: 'fast' }))
    return lives
  } catch (error) {
    if (error instanceof Fault && error.details?.status === 402) return { ...lives, warnings: [error.message] }
    throw error
  }
}
