import type { Proofs } from '../../../test/proof.ts'
import { replies, startShopify, tokens } from './vendor.stub.ts'

const shop_domain = 'jsmith.myshopify.com'
const next = ({ next_page_info }: Record<string, unknown>) => (next_page_info === null ? null : { page_info: next_page_info })

export default {
  shopify: {
    against: [
      { what: 'Admin REST 2026-04', by: 'stub from documentation' },
      { what: 'Admin GraphQL 2026-04', by: 'stub from documentation' },
    ],
    contracts: [
      {
        service: 'api_key',
        start: startShopify,
        credentials: { shop_domain, access_token: tokens.all },
        secret: tokens.all,
        dead: { shop_domain, access_token: tokens.revoked },
        config: (api_base) => ({ api_base }),
        place: (req) => req.headers['x-shopify-access-token'] as string | undefined,
        reads: { tool: 'get_shopify_product', input: { product_id: 632910392 } },
        writes: { tool: 'create_shopify_product', input: { title: 'Board' } },
        errorBody: () => ({ errors: 'So it is.' }),
        refusals: [
          { name: 'a token of an app that is gone', reply: replies.dead(), code: 'CREDENTIAL_REJECTED' },
          { name: 'a frozen shop', reply: replies.frozen(), code: 'SCOPE_MISSING' },
          { name: 'a locked shop', reply: replies.locked(), code: 'SCOPE_MISSING' },
          { name: 'a scope that is missing', reply: replies.noScope('read_products'), code: 'SCOPE_MISSING' },
          { name: 'an app without approval for the data of people', reply: replies.noData(), code: 'SCOPE_MISSING' },
          { name: 'a title that is blank', reply: replies.blankTitle(), code: 'UPSTREAM_INVALID' },
          { name: 'a state that does not allow it', reply: replies.notOpen(), code: 'UPSTREAM_INVALID' },
          { name: 'an email that is taken', reply: replies.takenEmail(), code: 'UPSTREAM_CONFLICT' },
          { name: 'a bucket that is full', reply: replies.tooMany('30.0'), code: 'UPSTREAM_RATE_LIMITED', retryAfter: 30 },
        ],
        pages: [
          { tool: 'list_shopify_products', input: { limit: 20, fields: 'id,title' }, next },
          { tool: 'list_shopify_orders', input: { limit: 20 }, next },
          { tool: 'list_shopify_customers', input: { limit: 20 }, next },
          {
            tool: 'list_shopify_inventory_levels',
            input: { location_ids: '655441491', limit: 20 },
            // The ids belong to the first page only.
            next: (answer) => next(answer) && { ...next(answer), location_ids: undefined },
          },
          { tool: 'list_shopify_fulfillments', input: { order_id: 450789469, limit: 20 }, next },
        ],
        keyed: [
          {
            tool: 'adjust_shopify_inventory',
            input: { inventory_item_id: 808950810, location_id: 655441491, available_adjustment: 5 },
            key: (req) => /@idempotent\(key: \$key\)/.exec(req.body) && JSON.parse(req.body).variables.key,
          },
        ],
      },
    ],
  },
} satisfies Proofs
