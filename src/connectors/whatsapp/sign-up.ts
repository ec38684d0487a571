/** Meta's embedded signup: the app that a code is exchanged with, and what its refusals mean. */
import { Fault, provider, type RefusalRow, type ToolContext } from '../contract.ts'
import { accountOf, send, VERSION } from './call.ts'

/**
 * [errors] Graph API, "Handle errors"; [seen] in answers of /oauth/access_token that users quote. The code of Meta's error object is the
 * error here, its subcode the subtype.
 */
const refusals: readonly RefusalRow[] = [
  // [seen] "Error validating client secret." with code 1 as well as 100.
  { description: /client secret/i, means: { class: 'misconfigured', reason: 'client_refused' } },
  // [seen] "Error validating application. Cannot get application info due to a system error." and "Invalid application ID."
  { error: '101', means: { class: 'misconfigured', reason: 'client_refused' } },
  // [seen] "This authorization code has been used." and "This authorization code has expired."
  { error: '100', subtype: '36009', means: { class: 'permanent', reason: 'consent_required' } },
  { error: '100', subtype: '36007', means: { class: 'permanent', reason: 'consent_required' } },
  // [seen] "Invalid verification code format."
  { error: '100', means: { class: 'permanent', reason: 'consent_required' } },
  // [errors] "API Service" and "API Too Many Calls"
  { error: '2', means: { class: 'transient' } },
  { error: '4', means: { class: 'transient' } },
]

export const meta = provider({
  slug: 'whatsapp',
  title: 'WhatsApp',
  about: "A WhatsApp business account, by Meta's embedded signup.",
  docs: 'https://developers.facebook.com/documentation/business-messaging/whatsapp/embedded-signup/overview',
  issuer: null,
  endpoints: {
    authorization: `https://www.facebook.com/${VERSION}/dialog/oauth`,
    token: `https://graph.facebook.com/${VERSION}/oauth/access_token`,
    revocation: null,
    userinfo: null,
    introspection: null,
  },
  issInAnswers: false,
  nonce: false,
  clientAuth: 'post',
  pkce: 'refused',
  authorizeParams: {},
  identityScopes: [],
  services: {
    embedded_signup: {
      title: 'WhatsApp Business',
      about: 'Sends messages, and reads numbers and templates.',
      scopes: ['whatsapp_business_management', 'whatsapp_business_messaging'],
    },
  },
  scopeAliases: {},
  rotates: 'never',
  // Business tokens do not end; a token of a person lives for 60 days, which its answer or /debug_token says.
  accessLifetimeS: 60 * 86_400,
  grantLifetimeS: null,
  testGrantLifetimeS: null,
  idleLimitS: null,
  revokes: 'token',
  apiHosts: ['graph.facebook.com'],
  noRefreshToken: 'Meta gives no refresh tokens.',
  refusals,
  signUp: { inspection: '../debug_token', target: 'business_account_id' },
  manual: {},
})

/** "Onboarding business customers", step 2: without it, messages to the customer's numbers are told to nobody. Doing it twice is harmless. */
export async function subscribe(ctx: ToolContext): Promise<string[]> {
  try {
    await send(ctx, {
      method: 'POST',
      path: '/{business_account_id}/subscribed_apps',
      at: { business_account_id: accountOf(ctx) },
      idempotent: true,
      needs: 'whatsapp_business_management',
    })
    return []
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return [`Messages that come in will not be told to the webhook of the app: ${error.message}`]
  }
}
