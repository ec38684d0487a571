/** What an OAuth server says of itself: RFC 8414, and OpenID Connect Discovery, which is asked first because more servers have it. */
import * as oauth from 'oauth4webapi'
import type { Egress } from '../base/egress.ts'
import { Fault, fail } from '../base/errors.ts'
import { MAX_ANSWER_BYTES, type OAuthServer } from './oauth.ts'

/** A page of metadata is fetched while a person waits. */
const DISCOVERY_MS = 10_000

export interface Discovered extends OAuthServer {
  /** RFC 9207 §3. */
  issInAnswers: boolean
  /** null: the metadata do not say. */
  authMethods: string[] | null
  pkceMethods: string[] | null
  scopes: string[] | null
}

/** Faults: INVALID_INPUT when there are no metadata or they are of another issuer; those of the egress guard. */
export async function discover(egress: Pick<Egress, 'fetch'>, issuer: string): Promise<Discovered> {
  const url = URL.parse(issuer) ?? fail('INVALID_INPUT', 'issuer is not a URL')
  let last: unknown
  for (const algorithm of ['oidc', 'oauth2'] as const) {
    try {
      const response = await oauth.discoveryRequest(url, {
        algorithm,
        [oauth.allowInsecureRequests]: true, // the egress guard decides
        [oauth.customFetch]: (at, init) =>
          egress.fetch(at, { method: init.method, headers: init.headers, maxBytes: MAX_ANSWER_BYTES, timeoutMs: DISCOVERY_MS }),
      })
      return factsOf(await oauth.processDiscoveryResponse(url, response))
    } catch (error) {
      if (error instanceof Fault && error.code !== 'UPSTREAM_INVALID') throw error
      last = error
    }
  }
  return fail('INVALID_INPUT', `${url.host} publishes no OAuth metadata for this issuer`, {
    hint: 'The issuer must be exactly as the metadata name it. Or give authorization_endpoint and token_endpoint yourself.',
    cause: last,
  })
}

function factsOf(as: oauth.AuthorizationServer): Discovered {
  const need = (name: 'authorization_endpoint' | 'token_endpoint'): string =>
    as[name] ?? fail('INVALID_INPUT', `the metadata of this issuer name no ${name}`)
  return {
    issuer: as.issuer,
    authorization: need('authorization_endpoint'),
    token: need('token_endpoint'),
    revocation: as.revocation_endpoint ?? null,
    userinfo: as.userinfo_endpoint ?? null,
    idTokenAlgs: as.id_token_signing_alg_values_supported?.filter((alg) => alg !== 'none'),
    issInAnswers: as.authorization_response_iss_parameter_supported === true,
    authMethods: as.token_endpoint_auth_methods_supported ?? null,
    pkceMethods: as.code_challenge_methods_supported ?? null,
    scopes: as.scopes_supported ?? null,
  }
}
