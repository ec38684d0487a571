import { tool, z } from '../contract.ts'
import { id, list, read, send, when } from './call.ts'

const Customer = z.looseObject({
  id: z.number(),
  email: z.string().nullable().optional(),
  first_name: z.string().nullable().optional(),
  last_name: z.string().nullable().optional(),
  phone: z.string().nullable().optional(),
  tags: z.string().optional(),
  orders_count: z.number().optional(),
})
const Wrapped = z.looseObject({ customer: Customer })

export const customers = {
  list_shopify_customers: list('/customers', {
    about: 'Lists customers of the shop, all or those since a time.',
    scopes: ['read_customers'],
    name: 'customers',
    item: Customer,
    input: { created_at_min: when },
    example: { limit: 20 },
  }),
  get_shopify_customer: read('/customers/{customer_id}', {
    about: 'Reads one customer by the id that list_shopify_customers or an order shows: name, addresses, tags, how much was ordered.',
    scopes: ['read_customers'],
    input: z.strictObject({ customer_id: id }),
    output: Wrapped,
    example: { customer_id: 207119551 },
  }),
  create_shopify_customer: tool({
    about:
      'Creates a customer. Fails with a conflict when email or phone belong to one already. send_email_invite sends that person an email.',
    effect: 'write',
    repeatable: false,
    scopes: ['write_customers'],
    input: z
      .strictObject({
        email: z.email().optional(),
        first_name: z.string().optional(),
        last_name: z.string().optional(),
        phone: z.string().optional().describe('With the country, such as +15142546011'),
        tags: z.string().optional().describe('With commas between them'),
        send_email_invite: z.boolean().optional(),
      })
      .refine((it) => [it.email, it.phone, it.first_name, it.last_name].some(Boolean), 'Give an email, a phone or a name.'),
    output: Wrapped,
    example: { email: 'steve.lastnameson@example.com', first_name: 'Steve' },
    run: async (ctx, customer) =>
      (await send(ctx, { method: 'POST', path: '/customers', body: { customer } })).body as z.input<typeof Wrapped>,
  }),
}
