import { type ToolContext, tool, z } from '../contract.ts'
import { id, list, read, send, text } from './call.ts'

const Product = z.looseObject({
  id: z.number().optional(),
  title: z.string().optional(),
  status: z.string().optional(),
  body_html: z.string().nullable().optional(),
  vendor: z.string().optional(),
  product_type: z.string().optional(),
  tags: z.string().optional(),
  variants: z.array(z.looseObject({})).optional(),
})
const Wrapped = z.looseObject({ product: Product })

const status = z.enum(['active', 'archived', 'draft'])
const variants = z.array(z.record(z.string(), z.unknown())).max(100)
const details = {
  body_html: z.string().optional().describe('Description, in HTML'),
  status: status.optional(),
  tags: z.string().optional().describe('With commas between them; all tags, as those that are left out are taken off'),
}

export const products = {
  list_shopify_products: list('/products', {
    about: 'Lists products of the shop, by status or by ids.',
    scopes: ['read_products'],
    name: 'products',
    item: Product,
    input: {
      status: status.optional(),
      ids: z.string().min(1).optional().describe('Ids with commas between them'),
      fields: z.string().min(1).optional().describe('Only these parts of each product, with commas between them'),
    },
    example: { status: 'active', limit: 20 },
  }),
  get_shopify_product: read('/products/{product_id}', {
    about: 'Reads one product with its variants, options and images, by its id. To find a product use list_shopify_products.',
    scopes: ['read_products'],
    input: z.strictObject({ product_id: id }),
    output: Wrapped,
    example: { product_id: 632910392 },
  }),
  create_shopify_product: tool({
    about: 'Creates a product, which customers can see at once unless its status is draft. A second call makes a second product.',
    effect: 'write',
    repeatable: false,
    scopes: ['write_products'],
    input: z.strictObject({
      title: text,
      ...details,
      vendor: z.string().optional(),
      product_type: z.string().optional(),
      variants: variants.optional().describe('Such as [{"option1": "Blue", "price": "10.00", "sku": "B-1"}]'),
    }),
    output: Wrapped,
    example: { title: 'Burton Custom Freestyle 151', status: 'draft' as const, product_type: 'Snowboard' },
    run: async (ctx, product) => send(ctx, { method: 'POST', path: '/products', body: { product } }).then(productOf),
  }),
  update_shopify_product: tool({
    about:
      'Changes title, description, status, tags or variants of a product. What is left out stays, but the tags and the variants given are all there are.',
    // Variants that are left out are deleted, and their ids do not come back.
    effect: 'destroy',
    repeatable: true,
    scopes: ['write_products'],
    input: z.strictObject({
      product_id: id,
      title: text.optional(),
      ...details,
      variants: variants.optional().describe('All variants, each with its id unless it is new: those that are left out are deleted'),
    }),
    output: Wrapped,
    example: { product_id: 632910392, title: 'New product title' },
    run: async (ctx, { product_id, ...changes }) => {
      const product = { id: Number(product_id), ...changes }
      return send(ctx, { method: 'PUT', path: '/products/{product_id}', args: { product_id }, body: { product }, idempotent: true }).then(
        productOf,
      )
    },
  }),
  delete_shopify_product: tool({
    about:
      'Deletes a product with its variants and images for good. To take it out of the shop and keep it, set its status to archived instead.',
    effect: 'destroy',
    repeatable: true,
    scopes: ['write_products'],
    input: z.strictObject({ product_id: id }),
    output: z.object({ deleted: z.literal(true) }),
    example: { product_id: 632910392 },
    // A repeat within the call would meet a 404 where the first try was carried out, so none is made.
    run: async (ctx: ToolContext, args) => {
      await send(ctx, { method: 'DELETE', path: '/products/{product_id}', args })
      return { deleted: true as const }
    },
  }),
}

const productOf = ({ body }: { body: unknown }) => body as z.input<typeof Wrapped>
