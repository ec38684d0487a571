import { apiKey, bearer, type Checked, connector, fail, type ToolContext, z } from '../contract.ts'
import { send } from './call.ts'
import { files } from './files.ts'
import { issues } from './issues.ts'
import { list } from './judge.ts'
import { pulls } from './pulls.ts'
import { repos } from './repos.ts'
import { searches } from './search.ts'
import { User } from './shapes.ts'

export default connector({
  slug: 'github',
  title: 'GitHub',
  about: 'Repositories, files, branches, issues, pull requests and search, with a personal access token (classic or fine-grained).',
  docs: 'https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/managing-your-personal-access-tokens',
  auth: apiKey({
    put: bearer(),
    fields: [
      {
        name: 'api_key',
        label: 'Personal access token',
        secret: true,
        required: true,
        hint: 'GitHub → Settings → Developer settings → Personal access tokens. Classic: scope "repo" to write or to see private repositories.',
        // Prefixes (ghp_, github_pat_) are not checked: older tokens and Enterprise Server have others.
        format: { pattern: /^[\x21-\x7e]{20,300}$/, says: 'has at least 20 characters and no spaces' },
      },
    ],
    check,
    // [rest/credentials/revoke] Classic and fine-grained tokens; a request that carries an authorization is answered with 403.
    revoke: {
      path: '/credentials/revoke',
      put: { in: 'list', name: 'credentials', field: 'api_key' },
      headers: { accept: 'application/vnd.github+json', 'content-type': 'application/json', 'user-agent': 'AgentRuntime' },
      done: [202],
    },
  }),
  config: z.strictObject({
    api_base: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('GitHub Enterprise Server: https://<host>/api/v3'),
  }),
  base: 'https://api.github.com',
  baseKey: 'api_base',
  hosts: [],
  tools: { ...pulls, ...repos, ...issues, ...files, ...searches },
})

/** `GET /user`. Classic tokens list their scopes in X-OAuth-Scopes; fine-grained ones send no such header, which is not "no scopes". */
async function check(ctx: ToolContext): Promise<Checked> {
  const { body, headers } = await send(ctx, 'GET', '/user')
  const user = User.safeParse(body)
  if (!user.success) return fail('UPSTREAM_ERROR', 'GitHub did not say whose token this is.')
  const scopes = headers.get('x-oauth-scopes')
  return {
    account: { id: String(user.data.id), label: user.data.login },
    granted_scopes: scopes === null ? null : list(scopes),
    expires_at: expiry(headers.get('github-authentication-token-expiration')),
  }
}

/** `2027-10-12 09:00:00 UTC`, or with an offset as `+0900` → RFC 3339 in UTC; null when absent or not understood. */
export function expiry(header: string | null): string | null {
  const found = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)\s*(?:UTC|Z|([+-]\d\d):?(\d\d))$/.exec(header?.trim() ?? '')
  if (found === null) return null
  const at = new Date(`${found[1]}T${found[2]}${found[3] === undefined ? 'Z' : `${found[3]}:${found[4]}`}`)
  return Number.isNaN(at.getTime()) ? null : at.toISOString()
}
