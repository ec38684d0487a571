import { FIVE_MINUTES_S, type Scheme } from './scheme.ts'

/** docs.stripe.com, "Resolve webhook signature verification errors": time and body are signed; a retry is signed anew and keeps its event's id. */
export const stripe: Scheme = {
  name: 'stripe',
  title: 'Stripe',
  // The whole text is the key, its prefix included.
  secret: { from: 'sender', key: 'text', pattern: /^whsec_[\w+/=-]{16,128}$/, says: 'must begin with whsec_, as Stripe shows it' },
  signature: { header: 'stripe-signature', between: ',', prefix: 'v1=', encoding: 'hex' },
  timestamp: { at: { prefix: 't=' }, optional: false, toleranceS: FIVE_MINUTES_S },
  signed: ['timestamp', 'body'],
  delivery: { field: 'id' },
  context: {},
  handshake: null,
}
