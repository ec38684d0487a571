/** The two GraphQL operations that the stub of Shopify knows, by its rules. Sources are named in vendor.stub.ts. */

interface Shop {
  version: string
  granted: readonly string[]
  /** What was asked for under each idempotency key. */
  keys: Map<string, string>
}

const COST = {
  cost: {
    requestedQueryCost: 10,
    actualQueryCost: 10,
    throttleStatus: { maximumAvailable: 2000, currentlyAvailable: 1990, restoreRate: 100 },
  },
}
const failed = (code: string, message: string, more: object = {}) => ({
  errors: [{ message, extensions: { code, ...more } }],
  extensions: COST,
})

export function answerGraphql({ query, variables }: Record<string, unknown>, shop: Shop): unknown {
  const text = String(query ?? '')
  if (/^\s*mutation\b[^{]*\{\s*inventoryAdjustQuantities\b/.test(text)) {
    return adjust(text, (variables ?? {}) as Record<string, unknown>, shop)
  }
  if (
    /^\s*(?:query\b[^{]*)?\{\s*shop\s*\{[^}]*\}\s*currentAppInstallation\s*\{\s*accessScopes\s*\{\s*handle\s*\}\s*\}\s*\}\s*$/.test(text)
  ) {
    return {
      data: {
        shop: { id: 'gid://shopify/Shop/548380009', name: 'John Smith Test Store', myshopifyDomain: 'jsmith.myshopify.com' },
        // Reading that comes with writing is not always listed.
        currentAppInstallation: { accessScopes: shop.granted.filter((it) => !implied(it, shop.granted)).map((handle) => ({ handle })) },
      },
      extensions: COST,
    }
  }
  return failed('undefinedField', "Field doesn't exist on type 'QueryRoot'")
}

const implied = (scope: string, all: readonly string[]) => scope.startsWith('read_') && all.includes(scope.replace('read_', 'write_'))

/** [idempotent] [schema] */
function adjust(text: string, variables: Record<string, unknown>, { version, granted, keys }: Shop): unknown {
  if (!granted.includes('write_inventory')) {
    const requiredAccess = '`write_inventory` access scope. Also: The user must have a permission to apply changes to inventory quantities.'
    return failed('ACCESS_DENIED', `Access denied for inventoryAdjustQuantities field. Required access: ${requiredAccess}`, {
      requiredAccess,
    })
  }
  const named = /inventoryAdjustQuantities\(input: \$(\w+)\)\s*@idempotent\(key: \$(\w+)\)/.exec(text)
  const key = named === null ? undefined : variables[String(named[2])]
  if (version >= '2026-04' && (typeof key !== 'string' || key.trim() === '')) {
    return failed('BAD_REQUEST', 'The @idempotent directive is required for this mutation but was not provided.')
  }
  const input = variables[String(named?.[1])] as { name?: string; reason?: string; changes?: Record<string, unknown>[] } | undefined
  const changes = input?.changes ?? []
  if (changes.some((it) => version >= '2026-04' && !('changeFromQuantity' in it))) {
    return failed('INVALID_FIELD_ARGUMENTS', 'InventoryChangeInput must include the following argument: changeFromQuantity')
  }
  const userError = wrongWith(input, changes, typeof key === 'string' ? keys.get(key) : undefined)
  if (userError !== null) return payload({ inventoryAdjustmentGroup: null, userErrors: [userError] })
  if (typeof key === 'string') keys.set(key, JSON.stringify(input))
  const group = {
    id: 'gid://shopify/InventoryAdjustmentGroup/191030',
    createdAt: '2026-11-26T01:00:00Z',
    reason: input?.reason,
    changes: changes.flatMap(({ delta }) => ['available', 'on_hand'].map((name) => ({ name, delta }))),
  }
  return payload({ inventoryAdjustmentGroup: group, userErrors: [] })
}

const payload = (inventoryAdjustQuantities: unknown) => ({ data: { inventoryAdjustQuantities }, extensions: COST })

function wrongWith(
  input: { name?: string; reason?: string } | undefined,
  changes: readonly Record<string, unknown>[],
  before: string | undefined,
): { code: string; field: string[]; message: string } | null {
  const at = (code: string, message: string, ...field: string[]) => ({ code, field: ['input', ...field], message })
  if (before !== undefined && before !== JSON.stringify(input)) {
    return at('IDEMPOTENCY_KEY_PARAMETER_MISMATCH', 'The same idempotency key cannot be used with different operation parameters.')
  }
  if (input?.name !== 'available') return at('INVALID_QUANTITY_NAME', 'The specified quantity name is invalid.', 'name')
  if (!['correction', 'restock', 'damaged', 'other'].includes(input.reason ?? ''))
    return at('INVALID_REASON', 'The specified reason is invalid.', 'reason')
  for (const [i, { inventoryItemId, locationId }] of changes.entries()) {
    if (inventoryItemId !== 'gid://shopify/InventoryItem/808950810') {
      return at('INVALID_INVENTORY_ITEM', 'The specified inventory item could not be found.', 'changes', String(i), 'inventoryItemId')
    }
    if (locationId !== 'gid://shopify/Location/655441491') {
      return at('INVALID_LOCATION', 'The specified location could not be found.', 'changes', String(i), 'locationId')
    }
  }
  return null
}
