import type { Proofs } from '../../../test/proof.ts'
import { ids, replies, startNotion, tokens } from './vendor.stub.ts'

const cursor = ({ next_cursor }: Record<string, unknown>) => (next_cursor === null ? null : { start_cursor: next_cursor })

export default {
  notion: {
    against: [
      { what: 'requests of Notion-Version 2025-09-03', by: "vendor's description" },
      { what: 'Notion-Version 2022-06-28 to 2026-03-11', by: 'stub from documentation' },
    ],
    contracts: [
      {
        service: 'api_key',
        start: startNotion,
        credentials: { api_key: tokens.all },
        secret: tokens.all,
        dead: { api_key: tokens.revoked },
        config: (url) => ({ api_base: `${url}/v1` }),
        place: (req) => req.headers.authorization,
        reads: { tool: 'notion_get_page_comments', input: { page_id: ids.page } },
        writes: { tool: 'notion_add_comment', input: { page_id: ids.page, text: 'Hi' } },
        errorBody: (status) => ({ object: 'error', status, code: 'so_it_is', message: 'So it is.' }),
        refusals: [
          { name: 'a token that is not one', reply: replies.unauthorized(), code: 'CREDENTIAL_REJECTED' },
          { name: 'a capability that is off', reply: replies.restricted(), code: 'SCOPE_MISSING' },
          { name: 'what was not shared', reply: replies.notShared(), code: 'UPSTREAM_NOT_FOUND' },
          { name: 'two who save at once', reply: replies.conflict(), code: 'UPSTREAM_CONFLICT' },
          { name: 'a body of another form', reply: replies.invalid(), code: 'UPSTREAM_INVALID' },
          { name: 'a request without a version', reply: replies.noVersion(), code: 'UPSTREAM_INVALID' },
          { name: 'several data sources in an old version', reply: replies.several(), code: 'UPSTREAM_INVALID' },
          { name: 'too many requests', reply: replies.limited(60), code: 'UPSTREAM_RATE_LIMITED', retryAfter: 60 },
          { name: 'too much for Notion', reply: replies.overloaded(45), code: 'UPSTREAM_RATE_LIMITED', retryAfter: 45 },
        ],
        pages: [
          { tool: 'notion_search', input: { page_size: 30 }, next: cursor },
          { tool: 'notion_find_page', input: { title: 'Offers', page_size: 30 }, next: cursor },
          { tool: 'notion_find_database_item', input: { database_id: ids.database }, next: cursor },
          { tool: 'notion_get_page_or_block_children', input: { block_id: ids.page, page_size: 30 }, next: cursor },
          { tool: 'notion_get_page_comments', input: { page_id: ids.page, page_size: 30 }, next: cursor },
        ],
      },
    ],
  },
} satisfies Proofs
