import type { Proofs } from '../../../test/proof.ts'
import { errorBody, keys, replies, startAnthropic } from './vendor.stub.ts'

const messages = [{ role: 'user', content: 'What is the capital of France?' }]

export default {
  anthropic: {
    against: [{ what: 'API reference, version 2023-06-01, and its pages on errors and limits', by: 'stub from documentation' }],
    contracts: [
      {
        service: 'api_key',
        start: startAnthropic,
        credentials: { api_key: keys.valid },
        secret: keys.valid,
        dead: { api_key: keys.revoked },
        config: (api_base) => ({ api_base }),
        place: (req) => req.headers['x-api-key'] as string | undefined,
        reads: { tool: 'anthropic_list_models', input: {} },
        // It writes nothing, but like a write it is sent once: each answer is paid for.
        writes: { tool: 'anthropic_chat', input: { model: 'claude-haiku-4-5', messages } },
        errorBody,
        refusals: [
          { name: 'a wrong key', reply: replies.badKey(), code: 'CREDENTIAL_REJECTED' },
          { name: 'a bill', reply: replies.billing(), code: 'UPSTREAM_INVALID' },
          { name: 'spent credit', reply: replies.noCredit(), code: 'UPSTREAM_INVALID' },
          { name: 'a limit of the organization', reply: replies.ownLimit(), code: 'UPSTREAM_INVALID' },
          { name: 'a limit of the workspace', reply: replies.ownLimit('workspace '), code: 'UPSTREAM_INVALID' },
          { name: 'the cap of a tier', reply: replies.tierCap(), code: 'UPSTREAM_INVALID' },
          { name: 'a missing permission', reply: replies.permission(), code: 'SCOPE_MISSING' },
          { name: 'a place that is not served', reply: replies.place(), code: 'SCOPE_MISSING' },
          { name: 'a model that is not there', reply: replies.noModel('claude-0'), code: 'UPSTREAM_NOT_FOUND' },
          { name: 'a conflict', reply: replies.conflict(), code: 'UPSTREAM_CONFLICT' },
          { name: 'a request that is too large', reply: replies.tooLarge(), code: 'UPSTREAM_INVALID' },
          { name: 'a parameter of older models', reply: replies.deprecated(), code: 'UPSTREAM_INVALID' },
          { name: 'a rate limit', reply: replies.limited({ 'retry-after': '56' }), code: 'UPSTREAM_RATE_LIMITED', retryAfter: 56 },
          {
            name: 'a rate limit that only its reset tells of',
            reply: replies.limited({
              date: 'Thu, 26 Nov 2026 12:00:00 GMT',
              'anthropic-ratelimit-input-tokens-remaining': '0',
              'anthropic-ratelimit-input-tokens-reset': '2026-11-26T12:00:41Z',
            }),
            code: 'UPSTREAM_RATE_LIMITED',
            retryAfter: 41,
          },
          { name: 'an error of their own', reply: replies.broken(), code: 'UPSTREAM_ERROR' },
          { name: 'an overload', reply: replies.overloaded(), code: 'UPSTREAM_ERROR' },
        ],
        pages: [
          {
            tool: 'anthropic_list_models',
            input: { limit: 2 },
            next: ({ next_cursor }) => (next_cursor === null ? null : { cursor: next_cursor }),
          },
        ],
      },
    ],
  },
} satisfies Proofs
