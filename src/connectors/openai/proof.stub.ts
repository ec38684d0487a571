import type { Proofs } from '../../../test/proof.ts'
import { errorBody, keys, replies, startOpenai } from './vendor.stub.ts'

const messages = [{ role: 'user', content: 'What is the capital of France?' }]

export default {
  openai: {
    against: [{ what: 'API reference and guide to error codes', by: 'stub from documentation' }],
    contracts: [
      {
        service: 'api_key',
        start: startOpenai,
        credentials: { api_key: keys.full },
        secret: keys.full,
        dead: { api_key: keys.deleted },
        config: (api_base) => ({ api_base }),
        place: (req) => req.headers.authorization,
        reads: { tool: 'openai_list_models', input: {} },
        // It writes nothing, but like a write it is sent once: each completion is paid for.
        writes: { tool: 'openai_chat', input: { model: 'gpt-4.1-mini', messages } },
        errorBody,
        refusals: [
          { name: 'a wrong key', reply: replies.badKey(), code: 'CREDENTIAL_REJECTED' },
          { name: 'an account without an organization', reply: replies.noOrganization(), code: 'CREDENTIAL_REJECTED' },
          { name: 'an address that is not on the allowlist', reply: replies.address(), code: 'SCOPE_MISSING' },
          { name: 'a missing scope', reply: replies.scope('api.model.read'), code: 'SCOPE_MISSING' },
          { name: 'a missing scope, as a 401', reply: replies.scope('api.model.read', 401), code: 'SCOPE_MISSING' },
          { name: 'a country', reply: replies.country(), code: 'SCOPE_MISSING' },
          { name: 'a model of other projects', reply: replies.project(), code: 'SCOPE_MISSING' },
          { name: 'a model that is not there', reply: replies.noModel('gpt-0'), code: 'UPSTREAM_NOT_FOUND' },
          { name: 'a model that does not chat', reply: replies.notChat(), code: 'UPSTREAM_NOT_FOUND' },
          { name: 'a parameter of other models', reply: replies.oldName(), code: 'UPSTREAM_INVALID' },
          { name: 'a conversation that is too long', reply: replies.context(), code: 'UPSTREAM_INVALID' },
          ...[
            'insufficient_quota',
            'credit_balance_exhausted',
            'organization_spend_limit_exceeded',
            'project_spend_limit_exceeded',
            'organization_usage_limit_exceeded',
          ].map((code) => ({ name: code, reply: replies.quota(code), code: 'UPSTREAM_INVALID' })),
          { name: 'an empty account at a reseller', reply: replies.payment(), code: 'UPSTREAM_INVALID' },
          { name: 'a request above the limit of a minute', reply: replies.tooLarge(), code: 'UPSTREAM_INVALID' },
          { name: 'a rate limit', reply: replies.limited({ 'retry-after': '56' }), code: 'UPSTREAM_RATE_LIMITED', retryAfter: 56 },
          {
            name: 'a rate limit that only its reset tells of',
            reply: replies.limited({ 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '6m0s' }),
            code: 'UPSTREAM_RATE_LIMITED',
            retryAfter: 360,
          },
          {
            name: 'a rise that is too steep',
            reply: replies.slowDown({ 'retry-after': '30' }),
            code: 'UPSTREAM_RATE_LIMITED',
            retryAfter: 30,
          },
          { name: 'an error of their own', reply: replies.broken(), code: 'UPSTREAM_ERROR' },
        ],
        pages: [
          {
            tool: 'openai_list_models',
            input: { limit: 2 },
            next: ({ next_cursor }) => (next_cursor === null ? null : { cursor: next_cursor }),
          },
        ],
      },
    ],
  },
} satisfies Proofs
