import type { Proofs } from '../../../test/proof.ts'
import { keys, replies, startActiveCampaign } from './vendor.stub.ts'

export default {
  activecampaign: {
    against: [{ what: 'API v3 reference', by: 'stub from documentation' }],
    contracts: [
      {
        service: 'api_key',
        start: startActiveCampaign,
        credentials: { account_url: 'https://youraccount.api-us1.com', api_key: keys.admin },
        secret: keys.admin,
        dead: { account_url: 'https://youraccount.api-us1.com', api_key: keys.deleted },
        config: (api_base) => ({ api_base }),
        place: (req) => req.headers['api-token'] as string | undefined,
        reads: { tool: 'activecampaign_get_users_me', input: {} },
        writes: { tool: 'activecampaign_create_contact', input: { email: 'jane@example.com' } },
        statuses: { 403: 'CREDENTIAL_REJECTED' },
        refusals: [
          { name: 'a bill that is not paid', reply: replies.payment(), code: 'SCOPE_MISSING' },
          { name: 'an email that is there already', reply: replies.duplicateEmail(), code: 'UPSTREAM_CONFLICT' },
          { name: 'an account name that is there already', reply: replies.duplicateName(), code: 'UPSTREAM_CONFLICT' },
          { name: 'a name that is missing', reply: replies.missingName(), code: 'UPSTREAM_INVALID' },
          { name: 'a contact that has an account', reply: replies.onAnAccount(), code: 'UPSTREAM_INVALID' },
          { name: 'a contact that does not exist', reply: replies.noContact(), code: 'UPSTREAM_NOT_FOUND' },
          { name: 'a sixth request within a second', reply: replies.tooMany(30), code: 'UPSTREAM_RATE_LIMITED', retryAfter: 30 },
        ],
        pages: [
          {
            tool: 'activecampaign_list_contacts',
            input: { limit: 20 },
            next: ({ next_offset }) => (next_offset === null ? null : { offset: next_offset }),
          },
          {
            tool: 'activecampaign_list_contacts',
            input: { id_greater: 0, limit: 20 },
            next: ({ next_id_greater }) => (next_id_greater === null ? null : { id_greater: next_id_greater }),
          },
        ],
      },
    ],
  },
} satisfies Proofs
