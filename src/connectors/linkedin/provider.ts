/**
 * LinkedIn as an OAuth provider. Facts: learn.microsoft.com/linkedin/shared/authentication ("Authorization Code Flow", "Refresh Tokens
 * with OAuth 2.0", "Token Introspection") and www.linkedin.com/oauth/.well-known/openid-configuration.
 */
import { type Field, type OAuthProvider, provider } from '../contract.ts'

const DAY_S = 86_400
const IDENTITY = ['openid', 'profile', 'email']

/** LinkedIn's tokens have about 500 characters now, and it asks to be ready for 1,000 and more. */
const TOKEN = { pattern: /^[\x21-\x7e]{20,8000}$/, says: 'has at least 20 characters and no spaces' }

const clientId: Field = {
  name: 'client_id',
  aliases: ['ClientID'],
  label: 'Client ID',
  secret: false,
  required: true,
  hint: 'LinkedIn Developer Portal → your app → Auth → Application credentials.',
  format: { pattern: /^[\x21-\x7e]{6,100}$/, says: 'has no spaces' },
}
const clientSecret: Field = {
  name: 'client_secret',
  aliases: ['ClientSecret'],
  label: 'Client secret',
  secret: true,
  required: true,
  hint: 'LinkedIn Developer Portal → your app → Auth → Primary Client Secret.',
  format: { pattern: /^[\x21-\x7e]{8,200}$/, says: 'has no spaces' },
}
const refreshToken: Field = {
  name: 'refresh_token',
  aliases: ['RefreshToken'],
  label: 'Refresh token',
  secret: true,
  required: true,
  hint: 'Came with the access token when the member agreed, if LinkedIn has approved the app for refresh tokens.',
  format: TOKEN,
}
const accessToken = (required: boolean): Field => ({
  name: 'access_token',
  aliases: ['AccessToken'],
  label: 'Access token',
  secret: true,
  required,
  hint: 'LinkedIn Developer Portal → Docs and tools → OAuth token tools → Create token. It lives 60 days.',
  format: TOKEN,
})

export const linkedinProvider: OAuthProvider = provider({
  slug: 'linkedin',
  title: 'LinkedIn account',
  about:
    'A LinkedIn member, who posts as themselves and as the pages on which they have a role. The app needs the products "Sign In with LinkedIn using ' +
    'OpenID Connect" and "Share on LinkedIn"; for pages also an approved "Advertising API" or "Community Management API".',
  docs: 'https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow',
  // Since April 2024; before that it was https://www.linkedin.com.
  issuer: 'https://www.linkedin.com/oauth',
  endpoints: {
    authorization: 'https://www.linkedin.com/oauth/v2/authorization',
    token: 'https://www.linkedin.com/oauth/v2/accessToken',
    // Programs call www.linkedin.com/oauth/v2/revoke, but LinkedIn documents no such endpoint, and its metadata name none. A member
    // ends the access in LinkedIn → Settings → Data privacy → Permitted services.
    revocation: null,
    userinfo: 'https://api.linkedin.com/v2/userinfo',
    introspection: 'https://www.linkedin.com/oauth/v2/introspectToken',
  },
  issInAnswers: false,
  // Its ID tokens carry none (authlib #763, social-core #833).
  nonce: false,
  clientAuth: 'post',
  // LinkedIn has PKCE for native apps alone, which must ask for it. With a secret and a code_verifier the token endpoint answers 401
  // invalid_client (github.com/teamhanko/hanko/pull/2405, github.com/UsefulSoftwareCo/executor/issues/2087).
  pkce: 'refused',
  authorizeParams: {},
  identityScopes: IDENTITY,
  services: {
    member: {
      title: 'Post as the member',
      about: "Says who the member is, and creates and deletes posts in the member's own name.",
      scopes: [...IDENTITY, 'w_member_social'],
    },
    organization: {
      title: 'Manage pages',
      about: 'Lists the pages on which the member has a role; reads, creates and deletes their posts. LinkedIn approves each app for this.',
      // Listing pages would need r_organization_admin only, but of LinkedIn's two products one does not have it, and one unknown
      // scope makes LinkedIn refuse the whole sign-in (unauthorized_scope_error).
      scopes: ['rw_organization_admin', 'w_organization_social', 'r_organization_social'],
    },
  },
  scopeAliases: {},
  // The answer repeats the refresh token, whose life goes on counting from the consent.
  rotates: 'never',
  accessLifetimeS: 60 * DAY_S,
  grantLifetimeS: 365 * DAY_S,
  testGrantLifetimeS: null,
  idleLimitS: null,
  revokes: 'token',
  apiHosts: ['api.linkedin.com'],
  noRefreshToken:
    'LinkedIn gives refresh tokens to approved apps only, so this connection ends after 60 days and must then be connected again. ' +
    'To change that, ask LinkedIn to approve the app for programmatic refresh tokens.',
  refusals: [
    // LinkedIn says invalid_request where RFC 6749 has invalid_grant. An end by date is known beforehand, so before it this is a revocation.
    {
      error: 'invalid_request',
      description: /refresh token is invalid, expired or revoked/i,
      means: { class: 'permanent', reason: 'user_revoked' },
    },
    {
      error: 'invalid_request',
      description: /required parameter "?client_(id|secret)"? is missing/i,
      means: { class: 'misconfigured', reason: 'client_refused' },
    },
  ],
  manual: {
    refresh_token: {
      title: 'Refresh token of an app of your own',
      grant: 'refresh_token',
      fields: [clientId, clientSecret, refreshToken, accessToken(false)],
    },
    access_token: { title: 'Access token alone, for 60 days', grant: 'refresh_token', fields: [accessToken(true)] },
  },
})
