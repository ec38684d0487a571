import { apiKey, bearer, type Checked, connector, type ToolContext, z } from '../contract.ts'
import { read, send, VERSION } from './call.ts'
import { comments } from './comments.ts'
import { content } from './content.ts'
import { custom } from './custom.ts'
import { databases } from './databases.ts'
import { pages } from './pages.ts'

/** developers.notion.com, "Request limits": an average of three a second for each integration, and some bursts beyond. */
const RATE = { requests: 3, perS: 1 }

export default connector({
  slug: 'notion',
  title: 'Notion',
  about: 'Pages, databases and their rows, blocks and comments of one workspace, as far as they were shared with an internal integration.',
  docs: 'https://developers.notion.com/docs/authorization',
  auth: apiKey({
    put: bearer(),
    fields: [
      {
        name: 'api_key',
        aliases: ['notion_access_token'],
        label: 'Integration token',
        secret: true,
        required: true,
        hint:
          'notion.so/profile/integrations → an internal integration → Internal Integration Secret. Capabilities: Read content to read, Update and Insert content ' +
          'to write, Read and Insert comments. Then share pages with it: ••• → Connections.',
        format: { pattern: /^(?:secret_|ntn_)[A-Za-z0-9_]{20,200}$/, says: 'starts with ntn_ or, if it is an older one, with secret_' },
      },
    ],
    check,
  }),
  config: z.strictObject({
    api_base: z.url({ protocol: /^https?$/ }).optional(),
    notion_version: z
      .string()
      .regex(/^\d{4}-\d\d-\d\d$/, 'must be a date such as 2025-09-03')
      .optional()
      .describe(`Version of Notion's API; ${VERSION} when left out. Those before 2025-09-03 fail on databases with several data sources`),
  }),
  base: 'https://api.notion.com/v1',
  baseKey: 'api_base',
  hosts: [],
  rate: RATE,
  tools: { ...pages, ...databases, ...content, ...comments, ...custom },
})

const Bot = z.looseObject({
  id: z.string(),
  name: z.string().nullish(),
  bot: z.looseObject({ workspace_name: z.string().nullish() }).optional(),
})

/** `GET /users/me`: every integration may ask it. It tells no capabilities, so these show on use. */
async function check(ctx: ToolContext): Promise<Checked> {
  const bot = read(Bot, (await send(ctx, { path: '/users/me', needs: null })).body)
  const where = bot.bot?.workspace_name
  const name = bot.name ?? 'integration'
  return { account: { id: bot.id, label: where ? `${name} (${where})` : name }, granted_scopes: null }
}
