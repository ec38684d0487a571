import type { Scheme } from './scheme.ts'

/** docs.github.com, "Validating webhook deliveries": the body alone is signed. A redelivery keeps its id. */
export const github: Scheme = {
  name: 'github',
  title: 'GitHub',
  secret: { from: 'either', key: 'text', pattern: /^[\x20-\x7e]{16,256}$/, says: 'must be 16 to 256 ASCII characters' },
  signature: { header: 'x-hub-signature-256', between: null, prefix: 'sha256=', encoding: 'hex' },
  timestamp: null,
  signed: ['body'],
  delivery: { header: 'x-github-delivery' },
  context: { event: 'x-github-event' },
  handshake: null,
}
