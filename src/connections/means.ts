/** With which client, and where, a grant is renewed: its app's, or the connection's own. */
import { Fault, fail } from '../base/errors.ts'
import type { OAuthProvider } from '../connectors/contract.ts'
import type { OAuthServer } from '../vault/index.ts'
import type { Apps } from './apps.ts'
import type { GrantRow } from './grant-rows.ts'
import type { Means } from './renew.ts'
import type { ConnectionRow } from './rows.ts'

export function createMeans(deps: {
  apps: Apps
  providers: ReadonlyMap<string, OAuthProvider>
  exchanges: ReadonlyMap<string, OAuthProvider>
}) {
  const providerOf = (slug: string): OAuthProvider =>
    deps.providers.get(slug) ?? deps.exchanges.get(slug) ?? fail('INTERNAL', `no provider ${slug} is on the shelf`)

  /** What is entered says it, or the workspace's app of that name (a sovereign cloud), or the provider's facts. */
  async function serverOf(workspace: string, provider: OAuthProvider, entered: Readonly<Record<string, unknown>>): Promise<OAuthServer> {
    const token = provider.tokenEndpointOf?.(entered) ?? entered.token_endpoint
    if (typeof token === 'string') {
      return { issuer: null, authorization: token, token, revocation: null, userinfo: null }
    }
    const app = await deps.apps.find(workspace, provider.slug)
    if (app) return app.server
    if (provider.endpoints) return { issuer: provider.issuer, ...provider.endpoints }
    return fail('INVALID_INPUT', `${provider.title} needs a token_endpoint`)
  }

  return {
    tokenEndpointOf: async (workspace: string, provider: OAuthProvider, entered: Readonly<Record<string, unknown>>): Promise<string> =>
      (await serverOf(workspace, provider, entered)).token,

    async apiHosts(row: ConnectionRow, grant: GrantRow): Promise<string[]> {
      const app = grant.app_slug ? await deps.apps.find(row.workspace_id, grant.app_slug) : null
      if (app) return app.apiHosts
      // A client of its own was brought by whoever entered it, and so were the hosts (a contributor cannot change them later alone).
      const own = row.public.api_hosts
      return [...providerOf(row.provider).apiHosts, ...(typeof own === 'string' ? own.split(/[\s,]+/).filter(Boolean) : [])]
    },

    async of(row: ConnectionRow, grant: GrantRow): Promise<Means> {
      if (grant.app_slug) {
        const app = await deps.apps.find(row.workspace_id, grant.app_slug)
        const why =
          app === null
            ? 'is not set up any more'
            : app.client.id !== grant.client_id
              ? 'has another client_id now'
              : (app.server.issuer ?? app.server.token) !== grant.authorization_server
                ? 'is at another authorization server now'
                : null
        if (app === null || why !== null)
          throw new Fault('OAUTH_APP_REFUSED', `the OAuth app ${grant.app_slug} ${why}, so the tokens of ${row.name} cannot be renewed`, {
            hint: 'Set the app back, or connect the account again.',
            details: { connection_id: row.id, app: grant.app_slug },
          })
        return { provider: app.provider, server: app.server, client: app.client, test: app.test, params: {}, subject: null }
      }
      const provider = providerOf(row.provider)
      const server = await serverOf(row.workspace_id, provider, row.public)
      if (server.token !== grant.authorization_server)
        throw new Fault('OAUTH_APP_REFUSED', `the token endpoint of ${row.name} is another one now, and its token stays with the old one`, {
          hint: 'Enter the credential again.',
          details: { connection_id: row.id },
        })
      const ref = { workspace: row.workspace_id, project: row.project_id, owner: row.id, version: row.credential_version }
      const text = (name: string) => (typeof row.public[name] === 'string' && row.public[name] !== '' ? (row.public[name] as string) : null)
      const audience = text('audience')
      return {
        provider,
        server,
        client: {
          id: grant.client_id,
          auth: provider.clientAuth,
          secrets: grant.kind === 'jwt_bearer' ? [] : [{ ref, field: 'client_secret' }],
        },
        test: false,
        params: audience ? { audience } : {},
        subject: text('subject'),
      }
    },
  }
}
