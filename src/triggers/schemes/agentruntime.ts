import { FIVE_MINUTES_S, type Scheme } from './scheme.ts'

/** Our own: a signature over the body, or over time and body. */
export const agentruntime: Scheme = {
  name: 'agentruntime',
  title: 'AgentRuntime',
  secret: { from: 'us', key: 'text', pattern: /^ar_whsec_[\w-]{43}$/, says: 'must be one that we made' },
  signature: { header: 'x-agentruntime-signature', between: null, prefix: 'sha256=', encoding: 'hex' },
  timestamp: { at: { header: 'x-agentruntime-timestamp' }, optional: true, toleranceS: FIVE_MINUTES_S },
  // Neither reads as the other: what is accepted is a JSON object, and no object begins with digits and a dot.
  signed: ['timestamp', 'body'],
  delivery: { header: 'idempotency-key' },
  context: {},
  handshake: null,
}
