/** Senders of webhooks, as their vendors' documentation has them sign. Written without a look at how we verify. */
import { createHmac } from 'node:crypto'
import { Webhook } from 'standardwebhooks'

export interface Sending {
  secret: string
  body: string
  /** Seconds. */
  at: number
  /** What the sender calls this delivery. */
  id: string
}
export interface Sender {
  scheme: string
  /** Whether its signature is over a time. */
  timed: boolean
  /** A secret that it might have made; null: it takes ours. */
  secret: string | null
  /** The name of the header with the signature. */
  signature: string
  headers(it: Sending): Record<string, string>
  body(it: { id: string; n: unknown }): Record<string, unknown>
}

const mac = (secret: string, text: string) => createHmac('sha256', secret).update(text)
const plain = ({ id, n }: { id: string; n: unknown }) => ({ n, of: id })

export const SENDERS: readonly Sender[] = [
  {
    scheme: 'agentruntime',
    timed: false,
    secret: null,
    signature: 'x-agentruntime-signature',
    headers: ({ secret, body, id }) => ({
      'x-agentruntime-signature': `sha256=${mac(secret, body).digest('hex')}`,
      'idempotency-key': id,
    }),
    body: plain,
  },
  {
    scheme: 'agentruntime',
    timed: true,
    secret: null,
    signature: 'x-agentruntime-signature',
    headers: ({ secret, body, at, id }) => ({
      'x-agentruntime-timestamp': String(at),
      'x-agentruntime-signature': `sha256=${mac(secret, `${at}.${body}`).digest('hex')}`,
      'idempotency-key': id,
    }),
    body: plain,
  },
  {
    scheme: 'standard-webhooks',
    timed: true,
    secret: null,
    signature: 'webhook-signature',
    headers: ({ secret, body, at, id }) => ({
      'webhook-id': id,
      'webhook-timestamp': String(at),
      'webhook-signature': new Webhook(secret).sign(id, new Date(at * 1000), body),
    }),
    body: plain,
  },
  {
    scheme: 'github',
    timed: false,
    secret: "It's a Secret to Everybody",
    signature: 'x-hub-signature-256',
    headers: ({ secret, body, id }) => ({
      'x-github-event': 'push',
      'x-github-delivery': id,
      'x-hub-signature': `sha1=${createHmac('sha1', secret).update(body).digest('hex')}`,
      'x-hub-signature-256': `sha256=${mac(secret, body).digest('hex')}`,
    }),
    body: plain,
  },
  {
    scheme: 'shopify',
    timed: false,
    secret: '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',
    signature: 'x-shopify-hmac-sha256',
    headers: ({ secret, body, id }) => ({
      'x-shopify-topic': 'orders/create',
      'x-shopify-shop-domain': 'a-shop.myshopify.com',
      'x-shopify-webhook-id': id,
      'x-shopify-hmac-sha256': mac(secret, body).digest('base64'),
    }),
    body: plain,
  },
  {
    scheme: 'meta',
    timed: false,
    secret: '00112233445566778899aabbccddeeff',
    signature: 'x-hub-signature-256',
    headers: ({ secret, body }) => ({ 'x-hub-signature-256': `sha256=${mac(secret, body).digest('hex')}` }),
    body: plain,
  },
  {
    scheme: 'stripe',
    timed: true,
    secret: 'whsec_0011223344556677889900aabbccddee',
    signature: 'stripe-signature',
    // A v0 is sent in test mode, and is to be ignored.
    headers: ({ secret, body, at }) => ({
      'stripe-signature': `t=${at},v1=${mac(secret, `${at}.${body}`).digest('hex')},v0=${mac('test', body).digest('hex')}`,
    }),
    body: ({ id, n }) => ({ id, object: 'event', n, of: id }),
  },
]
