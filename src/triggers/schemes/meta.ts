import type { Scheme } from './scheme.ts'

/** developers.facebook.com, "Webhooks: Getting started" (WhatsApp too): the body is signed with the app secret, and nothing names a delivery. */
export const meta: Scheme = {
  name: 'meta',
  title: 'Meta',
  secret: { from: 'sender', key: 'text', pattern: /^[0-9a-f]{32}$/, says: 'must be the app secret, 32 hexadecimal digits' },
  signature: { header: 'x-hub-signature-256', between: null, prefix: 'sha256=', encoding: 'hex' },
  timestamp: null,
  signed: ['body'],
  delivery: null,
  context: {},
  handshake: 'hub.challenge',
}
