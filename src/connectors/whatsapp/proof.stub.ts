import type { Proofs } from '../../../test/proof.ts'
import { errorBody, PHONE, refusals, startMeta, tokens, WABA } from './vendor.stub.ts'

const ids = { business_account_id: WABA, phone_number_id: PHONE }
const list = (tool: string) => ({
  tool,
  input: { limit: 2 },
  next: ({ next_after }: Record<string, unknown>) => (typeof next_after === 'string' ? { after: next_after } : null),
})

export default {
  whatsapp: {
    against: [{ what: "Cloud API, with fields from Meta's OpenAPI v23.0", by: 'stub from documentation' }],
    contracts: ['api_key', 'embedded_signup'].map((service) => ({
      service,
      start: startMeta,
      credentials: { access_token: tokens.both, ...ids },
      secret: tokens.both,
      dead: { access_token: tokens.expired, ...ids },
      config: (api_base) => ({ api_base }),
      place: (req) => req.headers.authorization,
      reads: { tool: 'list_phone_numbers', input: {} },
      writes: { tool: 'send_message', input: { to: '+15550123456', body: 'Hello' } },
      errorBody,
      refusals,
      pages: ['list_phone_numbers', 'list_message_templates'].map(list),
    })),
  },
} satisfies Proofs
