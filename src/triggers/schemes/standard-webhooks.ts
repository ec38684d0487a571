import { FIVE_MINUTES_S, type Scheme } from './scheme.ts'

/** standardwebhooks.com, specification 1.0: id, time and body are signed; several signatures while a secret is changed. */
export const standardWebhooks: Scheme = {
  name: 'standard-webhooks',
  title: 'Standard Webhooks',
  secret: { from: 'either', key: 'whsec', pattern: /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, says: 'must be whsec_ and base64' },
  signature: { header: 'webhook-signature', between: ' ', prefix: 'v1,', encoding: 'base64' },
  timestamp: { at: { header: 'webhook-timestamp' }, optional: false, toleranceS: FIVE_MINUTES_S },
  signed: ['id', 'timestamp', 'body'],
  delivery: { header: 'webhook-id' },
  context: {},
  handshake: null,
}
