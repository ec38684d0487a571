import { apiKey, type Checked, connector, header, type ToolContext, z } from '../contract.ts'
import { read, send } from './call.ts'
import { comments } from './comments.ts'
import { places } from './places.ts'
import { Person } from './shapes.ts'
import { tasks } from './tasks.ts'

/** developers.clickup.com, "Rate limits": of the plans Free to Business, for each token. Larger plans allow more; nothing tells a token's plan. */
const RATE = { requests: 100, perS: 60 }

export default connector({
  slug: 'clickup',
  title: 'ClickUp',
  about: 'Workspaces, spaces, lists, tasks and their comments, with the personal API token of one person.',
  docs: 'https://developer.clickup.com/docs/authentication',
  auth: apiKey({
    // As it is: "Bearer" is for the tokens of OAuth apps only.
    put: header('authorization'),
    fields: [
      {
        name: 'api_key',
        aliases: ['APIKey'],
        label: 'Personal API token',
        secret: true,
        required: true,
        hint: 'ClickUp → Settings → Apps → API Token → Generate. It may do whatever its owner may, in every workspace of theirs, and never expires.',
        format: { pattern: /^pk_[A-Za-z0-9_]{8,200}$/, says: 'starts with pk_; the tokens of OAuth apps are not taken here' },
      },
    ],
    check,
  }),
  config: z.strictObject({ api_base: z.url({ protocol: /^https?$/ }).optional() }),
  base: 'https://api.clickup.com/api/v2',
  baseKey: 'api_base',
  hosts: [],
  rate: RATE,
  tools: { ...places, ...tasks, ...comments },
})

/** `GET /user`. Personal tokens have no scopes: what the owner may do shows on use. */
async function check(ctx: ToolContext): Promise<Checked> {
  const { user } = read(z.looseObject({ user: Person }), (await send(ctx, { path: '/user' })).body)
  return { account: { id: String(user.id), label: user.email ?? user.username ?? `user ${user.id}` }, granted_scopes: null }
}
