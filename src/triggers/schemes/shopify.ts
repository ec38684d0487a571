import type { Scheme } from './scheme.ts'

/** shopify.dev, "Verify webhook deliveries": the body is signed with the app's client secret. Each try of a delivery has the same id. */
export const shopify: Scheme = {
  name: 'shopify',
  title: 'Shopify',
  secret: { from: 'sender', key: 'text', pattern: /^[\w-]{32,128}$/, says: "must be the app's client secret, 32 characters or more" },
  signature: { header: 'x-shopify-hmac-sha256', between: null, prefix: '', encoding: 'base64' },
  timestamp: null,
  signed: ['body'],
  delivery: { header: 'x-shopify-webhook-id' },
  context: { event: 'x-shopify-topic', shop: 'x-shopify-shop-domain' },
  handshake: null,
}
