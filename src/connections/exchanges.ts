/** Services of connectors whose credential is exchanged for the token that goes out: each is a small OAuth provider of its own. */
import type { Connector, OAuthProvider } from '../connectors/contract.ts'

/** By the connector's slug: what renewal has to know of it, told as of any provider. */
export function exchangesOf(connectors: ReadonlyMap<string, Connector>): Map<string, OAuthProvider> {
  const found = new Map<string, OAuthProvider>()
  for (const { slug, title, about, docs, auth } of connectors.values()) {
    if (auth.kind !== 'api_key') continue
    for (const [name, { title: way, fields, exchange }] of Object.entries(auth.services)) {
      if (!exchange) continue
      found.set(slug, {
        slug,
        title,
        about,
        docs,
        issuer: null,
        endpoints: null,
        tokenEndpointOf: exchange.tokenEndpoint,
        issInAnswers: false,
        nonce: false,
        clientAuth: 'post',
        pkce: 'S256',
        authorizeParams: {},
        identityScopes: [],
        services: {},
        scopeAliases: {},
        rotates: 'never',
        accessLifetimeS: exchange.lifetimeS,
        grantLifetimeS: null,
        testGrantLifetimeS: null,
        idleLimitS: null,
        revokes: 'token',
        apiHosts: [],
        noRefreshToken: '',
        refusals: exchange.refusals,
        manual: { [name]: { title: way, grant: 'client_credentials', fields } },
      })
    }
  }
  return found
}
