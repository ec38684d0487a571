import type { Proofs } from '../../../test/proof.ts'
import { errorBody, keys, replies, SCHEDULED, startResend } from './vendor.stub.ts'

const mail = { from: 'Acme <hello@mail.example.com>', to: 'ada@example.com', subject: 'Hello', text: 'How are you?' }
const next = ({ next_cursor }: Record<string, unknown>) => (next_cursor === null ? null : { cursor: next_cursor })

export default {
  resend: {
    against: [{ what: "API 1.5.0 and the vendor's list of errors", by: 'stub from documentation' }],
    contracts: [
      {
        service: 'api_key',
        start: startResend,
        credentials: { api_key: keys.full },
        secret: keys.full,
        dead: { api_key: keys.deleted },
        config: (api_base) => ({ api_base }),
        place: (req) => req.headers.authorization,
        reads: { tool: 'list_domains', input: {} },
        // send_email may be sent again, because Resend knows its key.
        writes: { tool: 'cancel_email', input: { email_id: SCHEDULED } },
        errorBody,
        refusals: [
          { name: 'a key that does not exist', reply: replies.badKey(400), code: 'CREDENTIAL_REJECTED' },
          { name: 'a key that does not exist, when sending', reply: replies.badKey(401), code: 'CREDENTIAL_REJECTED' },
          { name: 'a key that does not exist, as it was called before', reply: replies.oldBadKey(), code: 'CREDENTIAL_REJECTED' },
          { name: 'no key', reply: replies.missingKey(), code: 'CREDENTIAL_REJECTED' },
          { name: 'a key that is not active', reply: replies.inactive(), code: 'CREDENTIAL_REJECTED' },
          { name: 'a key that is suspended', reply: replies.suspended(), code: 'CREDENTIAL_REJECTED' },
          { name: 'a key that may only send', reply: replies.restricted(), code: 'SCOPE_MISSING' },
          { name: 'a missing permission', reply: replies.permission(), code: 'SCOPE_MISSING' },
          { name: 'a recipient that is not oneself, without a domain', reply: replies.testing(), code: 'UPSTREAM_INVALID' },
          { name: 'a domain that is not verified', reply: replies.unverified(), code: 'UPSTREAM_INVALID' },
          { name: 'the quota of the day', reply: replies.quota('daily'), code: 'UPSTREAM_INVALID' },
          { name: 'the quota of the month', reply: replies.quota('monthly'), code: 'UPSTREAM_INVALID' },
          { name: 'a mail above the quota', reply: replies.aboveQuota(), code: 'UPSTREAM_INVALID' },
          { name: 'too many requests', reply: replies.tooFast({ 'retry-after': '60' }), code: 'UPSTREAM_RATE_LIMITED', retryAfter: 60 },
          {
            name: 'too many requests, by reset alone',
            reply: replies.tooFast({ 'ratelimit-reset': '30' }),
            code: 'UPSTREAM_RATE_LIMITED',
            retryAfter: 30,
          },
          { name: 'the same key at work', reply: replies.concurrent(), code: 'UPSTREAM_ERROR' },
          { name: 'the same key with another mail', reply: replies.otherBody(), code: 'UPSTREAM_CONFLICT' },
          { name: 'a locked resource', reply: replies.locked(), code: 'UPSTREAM_CONFLICT' },
          { name: 'a security issue', reply: replies.security(), code: 'UPSTREAM_INVALID' },
          { name: 'an endpoint that does not exist', reply: replies.notFound(), code: 'UPSTREAM_NOT_FOUND' },
          { name: 'a request that was stopped on the way', reply: replies.edge(), code: 'UPSTREAM_ERROR' },
          { name: 'an error of their own', reply: replies.broken(), code: 'UPSTREAM_ERROR' },
        ],
        pages: [
          { tool: 'list_domains', input: { limit: 2 }, next },
          { tool: 'list_audiences', input: { limit: 2 }, next },
        ],
        keyed: [{ tool: 'send_email', input: mail, key: (req) => req.headers['idempotency-key'] as string | undefined }],
      },
    ],
  },
} satisfies Proofs
