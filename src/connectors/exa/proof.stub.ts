import type { Proofs } from '../../../test/proof.ts'
import { errorBody, keys, replies, startExa } from './vendor.stub.ts'

export default {
  exa: {
    against: [{ what: 'API 2.0.0 and the list of error codes', by: 'stub from documentation' }],
    contracts: [
      {
        service: 'api_key',
        start: startExa,
        credentials: { api_key: keys.valid },
        secret: keys.valid,
        dead: { api_key: keys.dead },
        config: (api_base) => ({ api_base }),
        place: (req) => req.headers['x-api-key'] as string | undefined,
        reads: { tool: 'exa_search', input: { query: 'Latest research in LLMs' } },
        // It writes nothing at Exa, but like a write it is sent once: each answer is charged.
        writes: { tool: 'exa_answer', input: { query: 'What is the capital of France?' } },
        errorBody,
        refusals: [
          { name: 'a key that is not valid', reply: replies.badKey(), code: 'CREDENTIAL_REJECTED' },
          { name: 'spent credit', reply: replies.noCredit(), code: 'UPSTREAM_INVALID' },
          { name: 'the budget of the key', reply: replies.keyBudget(), code: 'UPSTREAM_INVALID' },
          { name: 'the budget of the team', reply: replies.teamBudget(), code: 'UPSTREAM_INVALID' },
          { name: 'what the plan does not have', reply: replies.disabled(), code: 'SCOPE_MISSING' },
          { name: 'what the account may not', reply: replies.denied(), code: 'SCOPE_MISSING' },
          { name: 'what the key may not', reply: replies.narrowed(), code: 'SCOPE_MISSING' },
          { name: 'prohibited content', reply: replies.prohibited(), code: 'UPSTREAM_INVALID' },
          { name: 'filtered content', reply: replies.filtered(), code: 'UPSTREAM_INVALID' },
          { name: 'an unknown type', reply: replies.enum(), code: 'UPSTREAM_INVALID' },
          { name: 'more results than the plan has', reply: replies.tooMany(), code: 'UPSTREAM_INVALID' },
          { name: 'a page that cannot be read', reply: replies.document(), code: 'UPSTREAM_INVALID' },
          { name: 'the limit of the key', reply: replies.tooFast({ 'retry-after': '60' }), code: 'UPSTREAM_RATE_LIMITED', retryAfter: 60 },
          { name: 'no answer', reply: replies.noAnswer(), code: 'UPSTREAM_INVALID' },
          { name: 'an error of their own', reply: replies.broken(), code: 'UPSTREAM_ERROR' },
        ],
      },
    ],
  },
} satisfies Proofs
