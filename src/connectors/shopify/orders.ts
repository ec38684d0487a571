import { z } from '../contract.ts'
import { id, list, read, when } from './call.ts'

const Order = z.looseObject({
  id: z.number(),
  name: z.string().optional().describe('What people call it, such as #1001'),
  email: z.string().nullable().optional(),
  financial_status: z.string().nullable().optional(),
  fulfillment_status: z.string().nullable().optional(),
  total_price: z.string().optional(),
  currency: z.string().optional(),
  created_at: z.string().optional(),
})
const Fulfillment = z.looseObject({
  id: z.number(),
  order_id: z.number(),
  status: z.string(),
  tracking_company: z.string().nullable().optional(),
  tracking_number: z.string().nullable().optional(),
})

export const orders = {
  list_shopify_orders: list('/orders', {
    about: 'Lists orders, open ones unless status says otherwise. Orders of more than 60 days ago need the scope read_all_orders as well.',
    scopes: ['read_orders'],
    name: 'orders',
    item: Order,
    input: { status: z.enum(['open', 'closed', 'cancelled', 'any']).optional(), created_at_min: when, created_at_max: when },
    example: { status: 'any', limit: 20 },
  }),
  get_shopify_order: read('/orders/{order_id}', {
    about: 'Reads one order by its id, which is not the number that customers see: customer, items, prices, and what was paid and shipped.',
    scopes: ['read_orders'],
    input: z.strictObject({ order_id: id }),
    output: z.looseObject({ order: Order }),
    example: { order_id: 450789469 },
  }),
  list_shopify_fulfillments: list('/orders/{order_id}/fulfillments', {
    about: 'Lists what was shipped of one order: status, carrier and tracking numbers.',
    // Any one of these lets a Fulfillment be seen (Fulfillment in the Admin schema).
    scopes: [
      [
        'read_orders',
        'read_assigned_fulfillment_orders',
        'read_merchant_managed_fulfillment_orders',
        'read_third_party_fulfillment_orders',
        'read_marketplace_orders',
        'read_marketplace_fulfillment_orders',
      ],
    ],
    name: 'fulfillments',
    item: Fulfillment,
    input: { order_id: id },
    example: { order_id: 450789469 },
  }),
}
