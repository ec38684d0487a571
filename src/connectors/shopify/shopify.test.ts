import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import type { Reply, Stub } from '../../../test/fakes/stub.ts'
import shopify, { granted } from './index.ts'
import { reasonOf } from './judge.ts'
import { replies, startShopify, tokens } from './vendor.stub.ts'

let stub: Stub
beforeAll(async () => {
  stub = await startShopify()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const shop_domain = 'jsmith.myshopify.com'
const as = (access_token: string, config: object = {}) =>
  toolContext(shopify, { credentials: { shop_domain, access_token }, config: { api_base: stub.url, ...config } })
async function call(name: string, input: object, ctx = as(tokens.all)): Promise<Record<string, unknown>> {
  const tool = shopify.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
/** A run of its own: keys differ between runs. */
const keyed = (key: string, token = tokens.all, config: object = {}) => ({ ...as(token, config), key })
const sent = () => stub.requests.map(({ method, path, query }) => `${method} ${path}${query.size > 0 ? `?${query}` : ''}`)
const body = () => JSON.parse(stub.requests[0]?.body ?? '{}')
const next = (...bodies: unknown[]) =>
  stub.next(...bodies.map((it) => ({ kind: 'reply' as const, reply: { status: 200, body: it } as Reply })))
const stock = { inventory_item_id: 808950810, location_id: '655441491', available_adjustment: -2 }

describe('what is entered', () => {
  const fields = shopify.auth.kind === 'api_key' ? (shopify.auth.services.api_key?.fields ?? []) : []
  const format = (name: string) => fields.find((it) => it.name === name)?.format?.pattern as RegExp

  it.each(['jsmith.myshopify.com', '1-shop.myshopify.com'])('a shop may be %s', (shop) => {
    expect(shop).toMatch(format('shop_domain'))
  })

  it.each([
    'myshopify.com',
    'jsmith.com',
    'https://jsmith.myshopify.com',
    'jsmith.myshopify.com/admin',
    'jsmith.myshopify.com.evil.com',
    'evil.com/.myshopify.com',
    'evil.com#.myshopify.com',
    'user@jsmith.myshopify.com',
    'a.b.myshopify.com',
    'jsmithXmyshopify.com',
    'jsmith.myshopify.com:8443',
    'jsmith.myshopify.com\nevil.com',
  ])('[connectors.no-key-elsewhere] a shop may not be %j', (shop) => {
    expect(shop).not.toMatch(format('shop_domain'))
  })

  it('a client secret is no token', () => {
    expect(tokens.all).toMatch(format('access_token'))
    expect(tokens.all.replace('shpat_', 'shpss_')).not.toMatch(format('access_token'))
  })

  it('a token needs no prefix', () => {
    expect(tokens.expired).toMatch(format('access_token'))
  })

  it('the shop is the host of all calls', () => {
    expect(typeof shopify.base === 'function' && shopify.base({ shop_domain })).toBe('https://jsmith.myshopify.com')
  })

  it.each(['2025-10', '2026-05', 'unstable', '2026-4'])('version %s is refused', (api_version) => {
    expect(shopify.config.safeParse({ api_version }).success).toBe(false)
  })
})

describe('the check', () => {
  it('is one query that reads shop and scopes; who may write may read', async () => {
    const checked = await shopify.auth.check(as(tokens.all))
    expect(checked).toEqual({
      account: { id: '548380009', label: 'jsmith.myshopify.com' },
      granted_scopes: expect.arrayContaining(['write_products', 'read_products', 'write_inventory', 'read_inventory', 'read_orders']),
      warnings: [],
    })
    expect(sent()).toEqual(['POST /admin/api/2026-04/graphql.json'])
  })

  it('a version that has died meanwhile is a warning that names the one that answers', async () => {
    next({
      data: {
        shop: { id: 'gid://shopify/Shop/1', myshopifyDomain: shop_domain },
        currentAppInstallation: { accessScopes: [] },
      },
    })
    expect((await shopify.auth.check(as(tokens.all))).warnings).toEqual([])
    stub.next({
      kind: 'reply',
      reply: {
        status: 200,
        headers: { 'x-shopify-api-version': '2026-07' },
        body: {
          data: {
            shop: { id: 'gid://shopify/Shop/1', myshopifyDomain: shop_domain },
            currentAppInstallation: { accessScopes: [] },
          },
        },
      },
    })
    expect((await shopify.auth.check(as(tokens.all))).warnings).toEqual([expect.stringMatching(/2026-04 and answers with 2026-07/)])
  })

  it.each(['expired', 'revoked'] as const)('an %s token is rejected, in words of Shopify', async (kind) => {
    await expect(shopify.auth.check(as(tokens[kind]))).rejects.toMatchObject({
      code: 'CREDENTIAL_REJECTED',
      message: expect.stringMatching(/Invalid API key or access token/),
      maybeDone: false,
    })
  })

  it('an answer without a shop proves nothing', async () => {
    next({ data: { shop: null } })
    await expect(shopify.auth.check(as(tokens.all))).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: false })
  })

  it.each([
    [['write_products'], ['write_products', 'read_products']],
    [
      ['read_orders', 'read_all_orders'],
      ['read_orders', 'read_all_orders'],
    ],
    [
      ['unauthenticated_write_checkouts', 'write_orders', 'read_orders'],
      ['unauthenticated_write_checkouts', 'write_orders', 'read_orders', 'unauthenticated_read_checkouts'],
    ],
  ])('%j grants %j', (handles, all) => {
    expect(granted(handles)).toEqual(all)
  })
})

describe('the version', () => {
  it('is the default, or what the profile says, in REST and in GraphQL', async () => {
    await call('get_shopify_shop', {})
    await call('get_shopify_shop', {}, as(tokens.all, { api_version: '2026-10' }))
    await call('adjust_shopify_inventory', stock, keyed('version', tokens.all, { api_version: '2026-01' }))
    expect(sent()).toEqual(['GET /admin/api/2026-04/shop.json', 'GET /admin/api/2026-10/shop.json', 'POST /admin/api/2026-01/graphql.json'])
  })
})

describe('what a refusal means', () => {
  it.each([
    ['a string', { errors: 'Not Found' }, 'Not Found'],
    ['a list', { errors: ['One.', 'Two.'] }, 'One.; Two.'],
    ['lists by field', { errors: { title: ["can't be blank"], base: ['Too many.'] } }, "title can't be blank; Too many."],
    ['a text by field', { errors: { order: 'Required parameter missing or invalid' } }, 'order Required parameter missing or invalid'],
    ['OAuth', { error: 'invalid_request', error_description: 'Why.' }, 'Why.'],
    ['nothing', null, ''],
  ])('reads %s', (_, said, reason) => {
    expect(reasonOf(said)).toBe(reason)
  })

  it('[connectors.403-told-apart] a scope that is missing is named', async () => {
    await expect(call('list_shopify_orders', {}, as(tokens.narrow))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      message: expect.stringMatching(/requires merchant approval for read_orders scope/),
      details: { status: 403, reason: 'permission', required_scopes: ['read_orders'] },
    })
  })

  it.each([
    ['an app without approval for the data of people', replies.noData()],
    ['a frozen shop', replies.frozen()],
    ['a locked shop', replies.locked()],
  ])('[connectors.403-told-apart] %s is no missing scope', async (_, reply) => {
    stub.next({ kind: 'reply', reply })
    await expect(call('list_shopify_customers', {})).rejects.toMatchObject({ code: 'SCOPE_MISSING', details: { reason: 'denied' } })
  })

  it('a wait with a decimal point is waited for', async () => {
    stub.next({ kind: 'reply', reply: replies.tooMany('2.0') })
    const ctx = as(tokens.all)
    await call('get_shopify_shop', {}, ctx)
    expect(ctx.waits).toEqual([2000])
  })

  it('a full bucket without a wait is a second', async () => {
    stub.next({ kind: 'reply', reply: { status: 429, body: { errors: 'Exceeded' } } })
    await expect(call('create_shopify_product', { title: 'x' })).rejects.toMatchObject({
      code: 'UPSTREAM_RATE_LIMITED',
      retryAfter: 1,
      maybeDone: false,
    })
  })
})

describe('a change of stock', () => {
  it('hands the key on in the directive, and says that the stock it starts from is not checked', async () => {
    const answer = await call('adjust_shopify_inventory', stock, keyed('first'))
    expect(body().query).toContain('inventoryAdjustQuantities(input: $input) @idempotent(key: $key)')
    expect(body().variables).toEqual({
      key: 'first',
      input: {
        name: 'available',
        reason: 'correction',
        changes: [
          {
            delta: -2,
            inventoryItemId: 'gid://shopify/InventoryItem/808950810',
            locationId: 'gid://shopify/Location/655441491',
            changeFromQuantity: null,
          },
        ],
      },
    })
    expect(answer).toMatchObject({ available_adjustment: -2, adjustment: { id: expect.stringMatching(/InventoryAdjustmentGroup/) } })
  })

  it.each([
    [{ ...stock, inventory_item_id: 1 }, 'UPSTREAM_INVALID', /inventory item could not be found/],
    [{ ...stock, location_id: 1 }, 'UPSTREAM_INVALID', /changes\.0\.locationId: The specified location could not be found/],
  ])('with %j is refused by a userError, which is a failure', async (input, code, message) => {
    await expect(call('adjust_shopify_inventory', input, keyed('refused'))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      maybeDone: false,
    })
  })

  it('with the key of another change is a conflict', async () => {
    await call('adjust_shopify_inventory', stock, keyed('twice'))
    await expect(call('adjust_shopify_inventory', { ...stock, available_adjustment: 9 }, keyed('twice'))).rejects.toMatchObject({
      code: 'UPSTREAM_CONFLICT',
    })
  })

  it('[connectors.403-told-apart] without the scope is told which one, from a 200', async () => {
    await expect(call('adjust_shopify_inventory', stock, keyed('scope', tokens.narrow))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      details: { status: 200, reason: 'permission', required_scopes: ['write_inventory'] },
      maybeDone: false,
    })
    expect(stub.requests).toHaveLength(1)
  })

  it('that is throttled waits until the bucket holds what it costs', async () => {
    stub.next({ kind: 'reply', reply: replies.throttled(102, 0) })
    const ctx = keyed('slow')
    await call('adjust_shopify_inventory', stock, ctx)
    expect(ctx.waits).toEqual([3000])
    expect(stub.requests.map((it) => JSON.parse(it.body).variables.key)).toEqual(['slow', 'slow'])
  })

  it('that stays throttled goes back to the run with the time, and nothing was done', async () => {
    const reply = replies.throttled(2000, 500)
    stub.next({ kind: 'reply', reply })
    await expect(call('adjust_shopify_inventory', stock, keyed('later'))).rejects.toMatchObject({
      code: 'UPSTREAM_RATE_LIMITED',
      retryAfter: 30,
      maybeDone: false,
    })
  })

  it.each([
    [
      'of Shopify itself may have been done',
      { errors: [{ message: 'Internal error.', extensions: { code: 'INTERNAL_SERVER_ERROR' } }] },
      true,
    ],
    ['that is still on its way is tried later', payload('IDEMPOTENCY_CONCURRENT_REQUEST', 'This request is currently in progress.'), false],
    ['that Shopify has no time for is tried later', payload('SERVICE_UNAVAILABLE', 'Try again later.'), false],
    ['without any word of it may have been done', { data: { inventoryAdjustQuantities: null } }, true],
    ['that is answered with nothing may have been done', {}, true],
  ])('trouble %s', async (_, said, maybeDone) => {
    next(said)
    await expect(call('adjust_shopify_inventory', stock, keyed('trouble'))).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone })
    expect(stub.requests).toHaveLength(1)
  })

  it.each([
    [{ errors: [{ message: 'Inactive.', extensions: { code: 'SHOP_INACTIVE' } }] }, 'SCOPE_MISSING'],
    [{ errors: [{ message: 'Denied.', extensions: { code: 'ACCESS_DENIED' } }] }, 'SCOPE_MISSING'],
    [{ errors: [{ message: 'Query cost is 2003', extensions: { code: 'MAX_COST_EXCEEDED' } }] }, 'UPSTREAM_INVALID'],
    [payload('IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED', 'A previous request with this idempotency key failed.'), 'UPSTREAM_INVALID'],
  ])('[connectors.refusals] %j is %s', async (said, code) => {
    next(said)
    await expect(call('adjust_shopify_inventory', stock, keyed('x'))).rejects.toMatchObject({ code, maybeDone: false })
  })

  it('that meets a broken gateway is sent again with the same key', async () => {
    stub.next({ kind: 'html', status: 502 })
    await call('adjust_shopify_inventory', stock, keyed('again'))
    expect(stub.requests.map((it) => JSON.parse(it.body).variables.key)).toEqual(['again', 'again'])
  })

  it('[connectors.no-double-write] answered with half a page may have been done', async () => {
    stub.next({ kind: 'html', status: 200 })
    await expect(call('adjust_shopify_inventory', stock, keyed('page'))).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
  })
})

function payload(code: string, message: string) {
  return { data: { inventoryAdjustQuantities: { inventoryAdjustmentGroup: null, userErrors: [{ code, field: null, message }] } } }
}

describe('lists', () => {
  it('send filters for the first page, and page_info alone for the next', async () => {
    const first = await call('list_shopify_products', { status: 'active', limit: 50 })
    await call('list_shopify_products', { limit: 50, page_info: first.next_page_info, fields: 'id' })
    expect(sent()[0]).toBe('GET /admin/api/2026-04/products.json?status=active&limit=50')
    expect(Object.fromEntries(stub.requests[1]?.query ?? [])).toEqual({ limit: '50', page_info: first.next_page_info, fields: 'id' })
  })

  it.each([
    ['list_shopify_products', { status: 'active', page_info: 'x' }, /page_info knows the filters/],
    ['list_shopify_orders', { created_at_min: '2026-11-01T00:00:00Z', page_info: 'x' }, /page_info knows the filters/],
    ['list_shopify_inventory_levels', {}, /Give location_ids, inventory_item_ids or both/],
    ['list_shopify_inventory_levels', { location_ids: '1;2' }, /numbers with commas/],
    ['list_shopify_customers', { limit: 251 }, /250/],
    ['list_shopify_orders', { created_at_min: 'yesterday' }, /datetime/],
  ])('%s refuses %j before anything is sent', async (name, input, says) => {
    await expect(call(name, input)).rejects.toThrow(says)
    expect(stub.requests).toEqual([])
  })

  it('go forward to the end, although links lead back as well', async () => {
    const { next_page_info: second } = await call('list_shopify_orders', { limit: 30 })
    const { next_page_info: third } = await call('list_shopify_orders', { limit: 30, page_info: second })
    const last = await call('list_shopify_orders', { limit: 30, page_info: third })
    expect((last.orders as unknown[]).length).toBe(5)
    expect(last.next_page_info).toBeNull()
  })

  it('fulfillments are those of the order in the path', async () => {
    await call('list_shopify_fulfillments', { order_id: '450789469', limit: 1 })
    expect(sent()).toEqual(['GET /admin/api/2026-04/orders/450789469/fulfillments.json?limit=1'])
  })
})

describe('products and customers', () => {
  it('an update names the product in path and body, and sends what was given', async () => {
    const answer = await call('update_shopify_product', { product_id: '632910392', title: 'New', tags: 'a, b' })
    expect(sent()).toEqual(['PUT /admin/api/2026-04/products/632910392.json'])
    expect(body()).toEqual({ product: { id: 632910392, title: 'New', tags: 'a, b' } })
    expect(answer).toMatchObject({ product: { title: 'New' } })
  })

  it('a deletion is not sent again, as the second would not find the product', async () => {
    expect(await call('delete_shopify_product', { product_id: 632910392 })).toEqual({ deleted: true })
    stub.next({ kind: 'html', status: 502 })
    await expect(call('delete_shopify_product', { product_id: 632910392 })).rejects.toMatchObject({ maybeDone: true })
    expect(stub.requests).toHaveLength(2)
  })

  it.each([
    ['get_shopify_product', { product_id: 5000 }, 'UPSTREAM_NOT_FOUND', /Not Found/],
    ['get_shopify_order', { order_id: 1001 }, 'UPSTREAM_NOT_FOUND', /Not Found/],
    ['create_shopify_customer', { email: 'taken@example.com' }, 'UPSTREAM_CONFLICT', /email has already been taken/],
  ])('%s with %j keeps the reason', async (name, input, code, message) => {
    await expect(call(name, input)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it('a customer without email, phone or name is refused before anything is sent', async () => {
    await expect(call('create_shopify_customer', { tags: 'vip' })).rejects.toThrow(/Give an email, a phone or a name/)
    expect(stub.requests).toEqual([])
  })
})

describe('any REST call', () => {
  it.each([
    [{ method: 'GET', path: 'products.json', query: { limit: 1 } }, 'GET /admin/api/2026-04/products.json?limit=1'],
    [{ method: 'GET', path: '/orders/450789469' }, 'GET /admin/api/2026-04/orders/450789469.json'],
    [{ method: 'DELETE', path: 'products/632910392.json' }, 'DELETE /admin/api/2026-04/products/632910392.json'],
  ])('%j is %s', async (input, request) => {
    expect(await call('shopify_admin_rest', input)).toMatchObject({ status: 200 })
    expect(sent()).toEqual([request])
  })

  it('sends a body, answers status and the next page', async () => {
    const made = await call('shopify_admin_rest', { method: 'POST', path: 'products.json', body: { product: { title: 'x' } } })
    expect(made).toMatchObject({ status: 201, body: { product: { title: 'x' } }, next_page_info: null })
    expect((await call('shopify_admin_rest', { method: 'GET', path: 'orders', query: { limit: 60 } })).next_page_info).toBeTruthy()
  })

  it.each([
    'https://evil.com/products.json',
    '//evil.com/products.json',
    '../../oauth/access_token',
    'products/../../../oauth/access_scopes.json',
    'products/%2e%2e/oauth.json',
    'oauth/access_token.json',
    '/oauth/access_scopes.json',
    'oauth',
    'graphql.json',
    '/graphql',
    'products.json?limit=1',
    'products.json#x',
    'products\\1.json',
    'products/',
    '',
  ])('[connectors.path-stays] refuses the path %j', async (path) => {
    await expect(call('shopify_admin_rest', { method: 'GET', path })).rejects.toThrow()
    expect(stub.requests).toEqual([])
  })

  it('reads with GET only, and may be repeated with GET only', () => {
    const tool = shopify.tools.shopify_admin_rest
    const of = (method: string) => [
      typeof tool?.repeatable === 'function' && tool.repeatable({ method } as never),
      tool?.reads?.({ method } as never),
    ]
    expect(of('GET')).toEqual([true, true])
    for (const method of ['POST', 'PUT', 'DELETE']) expect(of(method)).toEqual([false, false])
  })
})
