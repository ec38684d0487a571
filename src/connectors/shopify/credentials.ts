import { type Field, header, type RefusalRow, type Service } from '../contract.ts'

/** "Always 86399" (shopify.dev, Get API access tokens). */
const TOKEN_S = 86_399

const put = header('X-Shopify-Access-Token', 'access_token')

const shopDomain: Field = {
  name: 'shop_domain',
  aliases: ['shopify_shop'],
  label: 'Shop domain',
  secret: false,
  required: true,
  // The token is sent to this host.
  where: true,
  hint: "Shopify admin → Settings → Domains: the one that ends in .myshopify.com, not the shop's own.",
  format: {
    pattern: /^[a-z0-9][a-z0-9-]{0,99}\.myshopify\.com$/,
    says: 'is <shop>.myshopify.com, in lower case and without https://',
  },
}

/** What the token endpoint says in its page, and none of it is mended by asking again. */
const refusals: readonly RefusalRow[] = [
  { error: 'shop_not_permitted', means: { class: 'misconfigured', reason: 'client_not_allowed' } },
  { error: 'app_not_installed', means: { class: 'misconfigured', reason: 'client_not_allowed' } },
  { error: 'application_cannot_be_found', means: { class: 'misconfigured', reason: 'client_refused' } },
  { error: 'invalid_request', means: { class: 'misconfigured', reason: 'client_refused' } },
]

export const services: Readonly<Record<string, Service>> = {
  api_key: {
    title: 'Access token of an app',
    put,
    fields: [
      shopDomain,
      {
        name: 'access_token',
        aliases: ['shopify_admin_access_token'],
        label: 'Admin API access token',
        secret: true,
        required: true,
        hint:
          'Shopify admin → Settings → Apps → Develop apps → the app → API credentials (apps made there before 2026). Scopes: read_ and write_ of ' +
          'products, customers and inventory, and read_orders; fewer will do for fewer tools.',
        // Tokens of other origins have other prefixes, or none; a client secret is not a token.
        format: {
          pattern: /^(?!shpss_)[\x21-\x7e]{20,300}$/,
          says: 'has at least 20 characters, no spaces, and is not a client secret (shpss_…)',
        },
      },
    ],
  },
  /** Since 2026-01-01 the admin makes no access tokens any more: an app of the Dev Dashboard gets one for a day at a time. */
  client_credentials: {
    title: 'App of the Dev Dashboard',
    put,
    fields: [
      shopDomain,
      {
        name: 'client_id',
        aliases: ['shopify_client_id'],
        label: 'Client ID',
        secret: false,
        required: true,
        hint: 'dev.shopify.com → the app → Settings. The app must be installed in the shop and belong to the same organization.',
        format: { pattern: /^[\x21-\x7e]{8,200}$/, says: 'has at least 8 characters and no spaces' },
      },
      {
        name: 'client_secret',
        aliases: ['shopify_client_secret'],
        label: 'Client secret',
        secret: true,
        required: true,
        hint: 'dev.shopify.com → the app → Settings → Credentials; begins with shpss_.',
        format: { pattern: /^[\x21-\x7e]{20,300}$/, says: 'has at least 20 characters and no spaces' },
      },
    ],
    exchange: {
      // shopify.dev, "Client credentials grant": not versioned, and answered for shops of the app's own organization.
      tokenEndpoint: ({ shop_domain }) => `https://${shop_domain}/admin/oauth/access_token`,
      lifetimeS: TOKEN_S,
      refusals,
    },
  },
}
