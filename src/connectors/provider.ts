/** An OAuth provider as data: where to ask, how, and what is known of its tokens. A connector folder states it; the vault and connections carry it out. */
import type { Field, RefusalRow } from '../vault/index.ts'

export type { Refusal, RefusalRow } from '../vault/index.ts'

/** One scope, or several of which any one will do: the first is the least, and the one that is asked for. */
export type ScopeNeed = string | readonly string[]

export interface Endpoints {
  authorization: string
  token: string
  /** RFC 7009. null: the provider has none. */
  revocation: string | null
  /** OpenID Connect Core §5.3; answers whose account it is. null: an ID token or nothing says it. */
  userinfo: string | null
  /** RFC 7662. null: the provider has none that a client may ask. */
  introspection: string | null
}

/** A way to connect without a consent page: what is entered by hand, and how tokens come of it. */
export interface WayByHand {
  title: string
  /**
   * `refresh_token`: client_id, client_secret and refresh_token are entered (or access_token alone). `client_credentials`: RFC 6749 §4.4.
   * `jwt_bearer`: RFC 7523 §2.1 with a service account's key file (service_account_json).
   */
  grant: 'refresh_token' | 'client_credentials' | 'jwt_bearer'
  fields: readonly Field[]
}

export interface OAuthProvider {
  /** Equals the folder's name, and is what `provider` says of a connection. */
  slug: string
  title: string
  about: string
  /** The vendor's page about its OAuth apps. */
  docs: string
  /** The issuer identifier (RFC 8414 §2): compared with `iss` of answers and ID tokens. null: the app names one, or endpoints. */
  issuer: string | null
  /** null: each app names its own, or an issuer whose metadata are read (RFC 8414). */
  endpoints: Endpoints | null
  /** Where what was entered by hand says where its token endpoint is, and no field names it. */
  tokenEndpointOf?: (entered: Readonly<Record<string, unknown>>) => string
  /** Whether authorization answers carry `iss` (RFC 9207). An advertised one that is missing is refused. */
  issInAnswers: boolean
  /** Whether ID tokens repeat the nonce of the request (OpenID Connect Core §3.1.2.1). Where they do not, none is sent. */
  nonce: boolean
  /** How the client authenticates at the token endpoint (RFC 6749 §2.3.1): in the form, in the header, or not at all. */
  clientAuth: 'post' | 'basic' | 'none'
  /** `refused`: the provider's web flow fails when the parameters are sent. */
  pkce: 'S256' | 'refused'
  /** Sent with every authorization request beside the standard ones. */
  authorizeParams: Readonly<Record<string, string>>
  /** Always asked for, so that the answer says whose account it is. */
  identityScopes: readonly string[]
  /** What can be switched on one by one, each with the scopes that it asks for. */
  services: Readonly<Record<string, { title: string; about: string; scopes: readonly string[] }>>
  /** Other names that the provider answers with: `{ email: 'https://…/userinfo.email' }`. Both count as granted. */
  scopeAliases: Readonly<Record<string, string>>
  /** Does a renewal replace the refresh token (RFC 9700 §4.14)? Unknown is treated like always. */
  rotates: 'never' | 'always' | 'unknown'
  /** Seconds of an access token where the answer does not say. */
  accessLifetimeS: number
  /** Seconds from consent after which only a person helps, whatever is renewed. null: no such end is known. */
  grantLifetimeS: number | null
  /** The same for an app that is in the provider's test mode. null: no such mode. */
  testGrantLifetimeS: number | null
  /** Seconds without use after which the provider drops a refresh token. null: not known, so tokens are renewed before they expire. */
  idleLimitS: number | null
  /** What RFC 7009 ends: that token, or everything that this account has given to this client. */
  revokes: 'token' | 'grant'
  /** Hosts of the provider's API that its tokens may go to, for the generic `http` connector. Empty: the app names them. */
  apiHosts: readonly string[]
  /** Said when the answer has no refresh token: what to change. */
  noRefreshToken: string
  refusals: readonly RefusalRow[]
  /**
   * The vendor's own script gives the code to a page (Meta's embedded signup): no link of ours leads there, no address is registered, and
   * nothing is renewed. `inspection`: where the app may ask what a token is, relative to the token endpoint. `target`: the field with the
   * account that the token must have been given for.
   */
  signUp?: { inspection: string; target: string }
  /** Ways to connect by hand, by service name. */
  manual: Readonly<Record<string, WayByHand>>
}

export const provider = (p: OAuthProvider): OAuthProvider => p
