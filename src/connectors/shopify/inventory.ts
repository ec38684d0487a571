import { fail, tool, z } from '../contract.ts'
import { graphql, id, ids, list } from './call.ts'

const Level = z.looseObject({
  inventory_item_id: z.number(),
  location_id: z.number(),
  available: z.number().nullable().describe('null where stock is not tracked'),
})

/** `changeFromQuantity` must be there from 2026-04 on; null leaves the stock that it starts from unchecked. */
const ADJUST = `mutation AdjustInventory($input: InventoryAdjustQuantitiesInput!, $key: String!) {
  inventoryAdjustQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id createdAt reason changes { name delta } }
    userErrors { code field message }
  }
}`

const Adjusted = z.looseObject({
  inventoryAdjustQuantities: z.looseObject({
    inventoryAdjustmentGroup: z
      .looseObject({
        id: z.string(),
        createdAt: z.string(),
        reason: z.string(),
        changes: z.array(z.looseObject({ name: z.string(), delta: z.number() })),
      })
      .nullable(),
  }),
})

export const inventory = {
  list_shopify_inventory_levels: list('/inventory_levels', {
    about: 'Lists how much is in stock, by location and inventory item. The inventory_item_id stands in the variants of a product.',
    scopes: ['read_inventory'],
    name: 'inventory_levels',
    item: Level,
    input: { location_ids: ids.optional(), inventory_item_ids: ids.optional() },
    demand: {
      met: (it) => [it.location_ids, it.inventory_item_ids, it.page_info].some((one) => one !== undefined),
      says: 'Give location_ids, inventory_item_ids or both.',
    },
    example: { location_ids: '655441491', limit: 20 },
  }),
  adjust_shopify_inventory: tool({
    about:
      'Adds to the available stock of an inventory item at a location, or takes from it (a negative number). It does not set the stock to a number. ' +
      'Tried again by the same step of the same run, it counts once.',
    effect: 'destroy',
    // Shopify remembers the key for a while, a day as others have seen, and answers a second try with what the first one did (Implementing
    // idempotency). A run tries again within minutes.
    repeatable: true,
    scopes: ['write_inventory'],
    input: z.strictObject({
      inventory_item_id: id,
      location_id: id,
      available_adjustment: z
        .int()
        .min(-2_000_000_000)
        .max(2_000_000_000)
        .refine((it) => it !== 0, 'must not be 0')
        .describe('By how much: 5 adds five, -2 takes two'),
    }),
    output: z.object({
      adjustment: z.looseObject({ id: z.string(), createdAt: z.string(), reason: z.string() }),
      inventory_item_id: z.string(),
      location_id: z.string(),
      available_adjustment: z.number(),
    }),
    example: { inventory_item_id: 808950810, location_id: 655441491, available_adjustment: 5 },
    run: async (ctx, { inventory_item_id, location_id, available_adjustment }) => {
      const change = {
        delta: available_adjustment,
        inventoryItemId: `gid://shopify/InventoryItem/${inventory_item_id}`,
        locationId: `gid://shopify/Location/${location_id}`,
        changeFromQuantity: null,
      }
      const { data } = await graphql(ctx, ADJUST, { input: { name: 'available', reason: 'correction', changes: [change] }, key: ctx.key })
      const adjustment = Adjusted.safeParse(data).data?.inventoryAdjustQuantities.inventoryAdjustmentGroup
      if (!adjustment) return fail('UPSTREAM_ERROR', 'Shopify did not say what it has adjusted.', { maybeDone: true })
      return { adjustment, inventory_item_id: String(inventory_item_id), location_id: String(location_id), available_adjustment }
    },
  }),
}
