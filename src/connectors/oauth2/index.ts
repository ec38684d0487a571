/** Any OAuth 2.0 server (RFC 6749): each app names its endpoints, or an issuer whose metadata are read (RFC 8414, OpenID Connect Discovery). */
import { family, type Field, provider } from '../contract.ts'

const open = (field: Omit<Field, 'secret'>): Field => ({ ...field, secret: false })

/** RFC 6749 Appendix A: client identifiers and secrets are visible ASCII and blanks. */
const VISIBLE = { pattern: /^[\x20-\x7e]{1,2000}$/, says: 'has only plain ASCII' }

const fields: Field[] = [
  open({
    name: 'token_endpoint',
    label: 'Token endpoint',
    required: true,
    hint: 'The address that gives tokens, such as https://login.example.com/oauth/token.',
    // Plain http passes here, and the egress guard refuses it wherever an administrator has not opened it.
    format: { pattern: /^https?:\/\/[^\s/?#@]+(\/[^\s#]*)?$/, says: 'is an address that begins with https://' },
  }),
  open({
    name: 'client_id',
    label: 'Client ID',
    required: true,
    hint: 'As the service shows it where the app was registered.',
    format: VISIBLE,
  }),
  {
    name: 'client_secret',
    label: 'Client secret',
    secret: true,
    required: true,
    hint: 'Shown by the service when the app was registered, often only once.',
    format: VISIBLE,
  },
  open({
    name: 'api_hosts',
    label: 'API hosts',
    required: true,
    hint: 'The hosts that the tokens may go to, such as api.example.com; several with blanks between them.',
    format: {
      pattern: /^[a-z0-9.-]+(:\d{1,5})?([\s,]+[a-z0-9.-]+(:\d{1,5})?)*$/,
      says: 'is a list of host names in lower case, without https://',
    },
  }),
  open({
    name: 'scope',
    label: 'Scopes',
    required: false,
    hint: 'What to ask for, with blanks between them; the service decides when left out.',
    format: VISIBLE,
  }),
  open({
    name: 'audience',
    label: 'Audience',
    required: false,
    hint: 'Some services want the name of the API that the token is for.',
    format: VISIBLE,
  }),
]

export const oauth2 = provider({
  slug: 'oauth2',
  title: 'OAuth 2.0 account',
  about:
    'An account at any other service with OAuth 2.0. The OAuth app names the issuer or the endpoints, the scopes, and the hosts that tokens may go to; ' +
    'the connector http calls its API.',
  docs: 'https://www.rfc-editor.org/rfc/rfc6749.html#section-2',
  issuer: null,
  endpoints: null,
  issInAnswers: false,
  nonce: true,
  // RFC 6749 §2.3.1: every server must take it.
  clientAuth: 'basic',
  pkce: 'S256',
  authorizeParams: {},
  identityScopes: [],
  services: {},
  scopeAliases: {},
  rotates: 'unknown',
  // Servers that leave expires_in out (RFC 6749 §5.1 only recommends it) mostly mean an hour; a 401 before that is met by a renewal.
  accessLifetimeS: 3600,
  grantLifetimeS: null,
  testGrantLifetimeS: null,
  idleLimitS: null,
  revokes: 'token',
  apiHosts: [],
  noRefreshToken:
    'The service gave no refresh token, so this connection ends with its access token. Many services give one only for the scope offline_access, ' +
    'or for a parameter such as access_type=offline: add it to the OAuth app and connect again.',
  refusals: [],
  manual: { client_credentials: { title: 'Client credentials', grant: 'client_credentials', fields } },
})

export default family({ provider: oauth2, connectors: [] })
