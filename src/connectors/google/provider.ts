import { type Field, provider, type RefusalRow } from '../contract.ts'
import { scope } from './call.ts'

const DAY_S = 86_400

/**
 * [errors] "Understand & fix error codes" of Google Account Help and "Errors" of "OAuth 2.0 for Web Server Applications" list the codes
 * of the consent page; [seen] in token endpoint answers that users of Google's own client libraries quote in their reports.
 */
const refusals: readonly RefusalRow[] = [
  // [seen] error_subtype is `invalid_rapt` where the organization's policy wants the person to sign in anew, and
  // `rapt_required` where it never did; the description is "reauth related error (…)".
  { error: 'invalid_grant', subtype: 'invalid_rapt', means: { class: 'permanent', reason: 'admin_policy' } },
  { error: 'invalid_grant', subtype: 'rapt_required', means: { class: 'permanent', reason: 'admin_policy' } },
  { error: 'invalid_grant', description: /reauth related error|_rapt\b/i, means: { class: 'permanent', reason: 'admin_policy' } },
  // [errors] The administrator of the person's organization blocks the app or its scopes.
  { error: 'admin_policy_enforced', means: { class: 'permanent', reason: 'admin_policy' } },
  // [errors] The app is for its own organization only.
  { error: 'org_internal', means: { class: 'misconfigured', reason: 'client_not_allowed' } },
  // [seen] 401 "The OAuth client was disabled." and "The OAuth client was deleted."
  { error: 'disabled_client', means: { class: 'misconfigured', reason: 'client_refused' } },
  { error: 'deleted_client', means: { class: 'misconfigured', reason: 'client_refused' } },
  // [seen] 401 "The OAuth client was not found." or "The provided client secret is invalid."
  { error: 'invalid_client', means: { class: 'misconfigured', reason: 'client_refused' } },
  // [seen] A service account whose key was removed, or that was switched off: "Invalid JWT Signature.", "Robot is disabled."
  { error: 'invalid_grant', description: /JWT|robot/i, means: { class: 'permanent', reason: 'key_rejected' } },
  // [seen] The user that a service account acts for is no user (any more): "Invalid impersonation "sub" field".
  { error: 'invalid_request', description: /impersonation|\bsub\b/i, means: { class: 'permanent', reason: 'key_rejected' } },
]

const keyFile: readonly Field[] = [
  {
    name: 'service_account_json',
    label: 'Key file',
    secret: true,
    required: true,
    hint: 'Google Cloud console → IAM & Admin → Service accounts → Keys → Add key → JSON: the whole content of the file.',
    format: { pattern: /^\s*\{[\s\S]*\}\s*$/, says: 'is JSON: it begins with { and ends with }' },
  },
  {
    name: 'subject',
    label: 'Acts for',
    secret: false,
    required: false,
    hint: 'Address of the user to act for, with domain-wide delegation (Google Admin console → Security → API controls). Empty: for itself.',
  },
]

export const google = provider({
  slug: 'google',
  title: 'Google',
  about: 'A Google account: Gmail, Drive, Sheets and Calendar with one sign-in.',
  docs: 'https://developers.google.com/identity/protocols/oauth2/web-server',
  issuer: 'https://accounts.google.com',
  endpoints: {
    authorization: 'https://accounts.google.com/o/oauth2/v2/auth',
    token: 'https://oauth2.googleapis.com/token',
    revocation: 'https://oauth2.googleapis.com/revoke',
    userinfo: 'https://openidconnect.googleapis.com/v1/userinfo',
    // There is tokeninfo, which is not RFC 7662.
    introspection: null,
  },
  // Google has begun to send iss, but its discovery document promises none (no authorization_response_iss_parameter_supported).
  issInAnswers: false,
  nonce: true,
  clientAuth: 'post',
  pkce: 'S256',
  // offline: with a refresh token. consent: with one again at the second time. include_granted_scopes: keeps what was granted before, so
  // that a service can be switched on later.
  authorizeParams: { access_type: 'offline', prompt: 'consent', include_granted_scopes: 'true' },
  identityScopes: ['openid', 'email', 'profile'],
  services: {
    gmail: {
      title: 'Gmail',
      about: 'Reads, searches and sends mail.',
      scopes: [scope('gmail.send'), scope('gmail.readonly')],
    },
    'google-drive': {
      title: 'Google Drive',
      about: 'Finds, reads, writes, shares and deletes all files.',
      scopes: [scope('drive')],
    },
    'google-sheets': {
      title: 'Google Sheets',
      about: 'Reads and writes spreadsheets, and finds them by name.',
      scopes: [scope('spreadsheets'), scope('drive.metadata.readonly')],
    },
    'google-calendar': {
      title: 'Google Calendar',
      about: 'Reads and changes events, looks for free time, and subscribes to calendars.',
      scopes: [scope('calendar.events'), scope('calendar.freebusy'), scope('calendar.calendarlist')],
    },
  },
  scopeAliases: { email: scope('userinfo.email'), profile: scope('userinfo.profile') },
  // A renewal normally brings no refresh token, and the first one goes on working.
  rotates: 'never',
  accessLifetimeS: 3600,
  grantLifetimeS: null,
  // "Refresh token expiration": an external app whose publishing status is Testing.
  testGrantLifetimeS: 7 * DAY_S,
  // The same section: not used for six months; 182 days are never more than that.
  idleLimitS: 182 * DAY_S,
  revokes: 'grant',
  apiHosts: ['gmail.googleapis.com', 'www.googleapis.com', 'sheets.googleapis.com'],
  noRefreshToken:
    'Google gave no refresh token. Remove the app at https://myaccount.google.com/permissions and connect again; if that does not help, check that the OAuth client is of the kind "Web application" and that prompt=consent and access_type=offline are sent.',
  refusals,
  manual: { service_account: { title: 'Service account', grant: 'jwt_bearer', fields: keyFile } },
})
