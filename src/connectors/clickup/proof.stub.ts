import type { Proofs } from '../../../test/proof.ts'
import { replies, startClickup, tokens } from './vendor.stub.ts'

export default {
  clickup: {
    against: [{ what: 'API v2', by: 'stub from documentation' }],
    contracts: [
      {
        service: 'api_key',
        start: startClickup,
        credentials: { api_key: tokens.personal },
        secret: tokens.personal,
        dead: { api_key: tokens.revoked },
        config: (url) => ({ api_base: `${url}/api/v2` }),
        place: (req) => (req.headers.authorization === tokens.personal ? tokens.personal : null),
        reads: { tool: 'clickup_get_task', input: { task_id: '9hx' } },
        writes: { tool: 'clickup_create_comment', input: { task_id: '9hx', comment_text: 'Hi' } },
        errorBody: () => ({ err: 'So it is.', ECODE: 'ITEM_015' }),
        refusals: [
          {
            name: 'a token that ClickUp does not know',
            reply: replies.error(401, 'Token invalid', 'OAUTH_025'),
            code: 'CREDENTIAL_REJECTED',
          },
          { name: 'a revoked token', reply: replies.error(401, 'Oauth token not found', 'OAUTH_019'), code: 'CREDENTIAL_REJECTED' },
          { name: 'a workspace that is not opened', reply: replies.error(401, 'Team not authorized', 'OAUTH_027'), code: 'SCOPE_MISSING' },
          { name: 'a task that is out of reach', reply: replies.error(401, 'You do not have access', 'ITEM_015'), code: 'SCOPE_MISSING' },
          { name: 'a task that is gone', reply: replies.error(404, 'Task not found, deleted', 'ITEM_013'), code: 'UPSTREAM_NOT_FOUND' },
          {
            name: 'a status that the list has not',
            reply: replies.error(400, 'Status does not exist', 'ITEM_114'),
            code: 'UPSTREAM_INVALID',
          },
        ],
        pages: [
          {
            tool: 'clickup_get_tasks',
            input: { list_id: '124' },
            next: ({ next_page }) => (next_page === null ? null : { page: next_page }),
          },
          { tool: 'clickup_get_comments', input: { task_id: '9hx' }, next: ({ next }) => next as Record<string, unknown> | null },
        ],
      },
    ],
  },
} satisfies Proofs
