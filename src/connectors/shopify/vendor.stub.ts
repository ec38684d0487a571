/**
 * Shopify's contract as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [auth] shopify.dev/docs/api/admin-rest "Authentication": X-Shopify-Access-Token on every call
 * - [day] shopify.dev/docs/apps/build/authentication-authorization/client-credentials-grant: tokens of 24 hours, in its example without a prefix
 * - [codes] shopify.dev/docs/api/usage/response-codes: 401, 402 frozen, 403 scope, 404, 406, 422, 423 locked, 429; `errors` as text or by field
 * - [versions] shopify.dev/docs/api/usage/versioning: four quarters live; an older one is served by the oldest, and X-Shopify-API-Version tells
 * - [paging] shopify.dev/docs/api/admin-rest/usage/pagination: Link with page_info, 50 when left out, at most 250, no filter beside page_info
 * - [limits] shopify.dev/docs/api/admin-rest/usage/rate-limits: X-Shopify-Shop-Api-Call-Limit, 429 with `Retry-After: 2.0`
 * - [rest] REST resources in Shopify's own library (@shopify/shopify-api 13.1, rest/admin/2026-04): paths, methods, parameters, names of wraps
 * - [schema] Admin schema 2026-04 with the access that each type asks for (@shopify/dev-mcp 1.16): scopes, the codes of userErrors,
 *   changeFromQuantity "is mandatory: you must explicitly pass in a value, even if that value is null"
 * - [cost] shopify.dev/docs/api/usage/rate-limits: extensions.cost with throttleStatus; THROTTLED in a 200
 * - [idempotent] shopify.dev/docs/api/usage/implementing-idempotency and the changelog of December 2025: @idempotent(key:) on the field
 * - [seen] in issues of client programs, word for word: "[API] Invalid API key or access token …", "[API] This action requires merchant approval
 *   for … scope.", "Exceeded 2 calls per second for api client. …", "The @idempotent directive is required …", "… cannot be passed when
 *   page_info is present."
 * Not known, so chosen: the order of the checks, the sentences of a refused id, whether fulfillments of one order are paged (they are here).
 * Stricter than the vendor, which passes over names that it does not know: they are refused.
 */
import type { Asked, Credential, Reply, Route, Stub, Vendor } from '../../../test/fakes/stub.ts'
import { startStub } from '../../../test/fakes/stub.ts'
import { answerGraphql } from './graphql.stub.ts'

/** Made up, in the form that tokens of apps of a shop have. */
export const tokens = {
  all: `shpat_${'a1b2c3d4'.repeat(4)}`,
  /** May see products and nothing else. */
  narrow: `shpat_${'0a0b0c0d'.repeat(4)}`,
  /** A day old, of the kind that an app gets for its id and secret: it has no prefix, and lives 86399 seconds. */
  expired: 'f8563253'.repeat(4),
  /** Of an app that was uninstalled. */
  revoked: `shpat_${'dead0000'.repeat(4)}`,
}

/** What the app asks for; reading comes with writing. */
const GRANTED = ['write_products', 'write_customers', 'write_inventory', 'read_orders']
const withReads = (scopes: readonly string[]) => [...scopes, ...scopes.map((it) => it.replace(/^write_/, 'read_'))]
const credentials: Record<string, Credential> = {
  [tokens.all]: { state: 'valid', kind: 'custom app', scopes: withReads(GRANTED) },
  [tokens.narrow]: { state: 'valid', kind: 'custom app', scopes: ['read_products'] },
  [tokens.expired]: { state: 'expired', kind: 'client credentials', scopes: withReads(GRANTED) },
  [tokens.revoked]: { state: 'revoked', kind: 'custom app', scopes: withReads(GRANTED) },
}

const LIVING = ['2026-01', '2026-04', '2026-07', '2026-10']
const served = (version = '') => (LIVING.includes(version) ? version : LIVING[0]!)

const error = (status: number, errors: unknown): Reply => ({ status, body: { errors } })
const notFound = () => error(404, 'Not Found')

/** [codes] [limits] [seen] Refusals word for word. */
export const replies = {
  dead: () => error(401, '[API] Invalid API key or access token (unrecognized login or wrong password)'),
  frozen: () => error(402, 'Unavailable Shop'),
  locked: () => error(423, 'Unavailable Shop'),
  noScope: (scope: string) => error(403, `[API] This action requires merchant approval for ${scope} scope.`),
  noData: () =>
    error(
      403,
      '[API] This app is not approved to access REST endpoints with protected customer data. See https://shopify.dev/docs/apps/launch/protected-customer-data for more details.',
    ),
  blankTitle: () => error(422, { title: ["can't be blank"] }),
  takenEmail: () => error(422, { email: ['has already been taken'] }),
  notOpen: () => error(422, ['The fulfillment order is not in an open state.']),
  tooMany: (wait: string): Reply => ({
    ...error(429, 'Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service.'),
    headers: { 'retry-after': wait, 'x-shopify-shop-api-call-limit': '40/40' },
  }),
  throttled: (cost: number, available: number): Reply => ({
    status: 200,
    body: {
      errors: [{ message: 'Throttled', extensions: { code: 'THROTTLED', documentation: 'https://shopify.dev/api/usage/rate-limits' } }],
      extensions: {
        cost: {
          requestedQueryCost: cost,
          actualQueryCost: null,
          throttleStatus: { maximumAvailable: 1000, currentlyAvailable: available, restoreRate: 50 },
        },
      },
    },
  }),
}

const ok = (asked: Asked, body: unknown, status = 200): Reply => ({
  status,
  body,
  headers: { 'x-shopify-api-version': served(asked.at.version), 'x-shopify-shop-api-call-limit': '1/40' },
})
const range = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i + 1))

const product = (id: number, more: object = {}) => ({
  id,
  title: `Board ${id}`,
  body_html: '<b>Good</b>',
  vendor: 'Burton',
  product_type: 'Snowboard',
  status: id % 2 === 0 ? 'active' : 'draft',
  tags: 'new',
  variants: [{ id: id * 10, title: 'Default Title', price: '10.00', inventory_item_id: 808950810 }],
  admin_graphql_api_id: `gid://shopify/Product/${id}`,
  ...more,
})
const order = (id: number) => ({
  id,
  name: `#${id}`,
  email: 'bob@example.com',
  financial_status: 'paid',
  fulfillment_status: null,
  total_price: '409.94',
  currency: 'USD',
  created_at: '2026-11-01T11:00:00-04:00',
})
const customer = (id: number, more: object = {}) => ({
  id,
  email: `person${id}@example.com`,
  first_name: 'Steve',
  tags: '',
  orders_count: 0,
  ...more,
})
const fulfillment = (id: number) => ({ id, order_id: 450789469, status: 'success', tracking_company: 'UPS', tracking_number: `1Z${id}` })
const level = (n: number) => ({ inventory_item_id: 808950810, location_id: n, available: n, updated_at: '2026-11-01T11:00:00-04:00' })
const PRODUCTS = [...range(130, (n) => product(n)), product(632910392)]

const FILTERS = ['status', 'ids', 'created_at_min', 'created_at_max', 'location_ids', 'inventory_item_ids']

/** [paging] `page_info` is opaque: where to go on, and what was asked for on the first page. */
function paged(asked: Asked, name: string, items: readonly unknown[]): Reply {
  const { query } = asked.req
  const info = query.get('page_info')
  const limit = Number(query.get('limit') ?? 50)
  if (!(limit >= 1 && limit <= 250)) return error(400, { limit: 'must be between 1 and 250' })
  const beside = FILTERS.find((it) => info !== null && query.has(it))
  if (beside !== undefined) return error(400, { [beside]: `${beside} cannot be passed when page_info is present.` })
  const from = info === null ? 0 : Number(Buffer.from(info, 'base64url').toString().split(':')[1])
  if (!Number.isInteger(from)) return error(400, { page_info: 'Invalid value.' })
  const to = (at: number, rel: string) => {
    const token = Buffer.from(`at:${at}`).toString('base64url')
    return `<${asked.url}${asked.req.path}?limit=${limit}&page_info=${token}>; rel="${rel}"`
  }
  const links = [
    ...(from > 0 ? [to(Math.max(0, from - limit), 'previous')] : []),
    ...(from + limit < items.length ? [to(from + limit, 'next')] : []),
  ]
  const reply = ok(asked, { [name]: items.slice(from, from + limit) })
  return links.length === 0 ? reply : { ...reply, headers: { ...reply.headers, link: links.join(', ') } }
}

const V = '/admin/api/{version}'
const get = (path: string, scope: string | readonly string[], query: string, answer: Route['answer']): Route => ({
  call: `GET ${V}/${path}`,
  scopes: [scope].flat().filter((it) => it !== ''),
  query: query.split(' '),
  answer,
})
/** A body is JSON, wrapped in the name of what it is, with no other names than the resource has. */
const change = (
  call: string,
  scope: string,
  wrap: string,
  names: string,
  work: (it: Record<string, unknown>, asked: Asked) => Reply,
): Route => {
  const [method, path] = call.split(' ')
  return {
    call: `${method} ${V}/${path}`,
    scopes: [scope],
    body: [wrap],
    answer: (asked) => {
      if (asked.req.headers['content-type'] !== 'application/json') return error(400, { [wrap]: 'Required parameter missing or invalid' })
      const it = asked.body[wrap]
      if (typeof it !== 'object' || it === null) return error(400, { [wrap]: 'Required parameter missing or invalid' })
      const stranger = Object.keys(it).find((name) => !names.split(' ').includes(name))
      return stranger === undefined ? work(it as Record<string, unknown>, asked) : unknownField(`${wrap}.${stranger}`)
    },
  }
}
const unknownField = (name: string) => error(400, { [name]: 'is not in the description' })

const PRODUCT = 'id title body_html vendor product_type status variants tags'
const SHIPMENTS = [
  'read_orders',
  'read_marketplace_orders',
  'read_assigned_fulfillment_orders',
  'read_merchant_managed_fulfillment_orders',
  'read_third_party_fulfillment_orders',
  'read_marketplace_fulfillment_orders',
]
const one = (asked: Asked, name: string, found: unknown): Reply => (found === undefined ? notFound() : ok(asked, { [name]: found }))
const findProduct = ({ at }: Asked) => PRODUCTS.find((it) => it.id === Number(at.id))

const routes = (keys: Map<string, string>): Route[] => [
  {
    call: `POST ${V}/graphql.json`,
    scopes: [],
    body: ['query', 'variables'],
    answer: (asked) =>
      ok(asked, answerGraphql(asked.body, { version: served(asked.at.version), granted: asked.credential.scopes ?? [], keys })),
  },
  get('shop.json', '', 'fields', (asked) =>
    ok(asked, {
      shop: { id: 548380009, name: 'John Smith Test Store', domain: 'shop.apple.com', myshopify_domain: 'jsmith.myshopify.com' },
    }),
  ),
  get('products.json', 'read_products', 'limit page_info status ids fields', (asked) => {
    const { query } = asked.req
    const wanted = query.get('ids')?.split(',').map(Number)
    const found = PRODUCTS.filter((it) => (wanted?.includes(it.id) ?? true) && (query.get('status') ?? it.status) === it.status)
    const fields = query.get('fields')?.split(',')
    return paged(
      asked,
      'products',
      fields ? found.map((it) => Object.fromEntries(Object.entries(it).filter(([name]) => fields.includes(name)))) : found,
    )
  }),
  get('products/{id}.json', 'read_products', 'fields', (asked) => one(asked, 'product', findProduct(asked))),
  change('POST products.json', 'write_products', 'product', PRODUCT, (it, asked) =>
    it.title ? ok(asked, { product: product(1072481042, it) }, 201) : replies.blankTitle(),
  ),
  change('PUT products/{id}.json', 'write_products', 'product', PRODUCT, (it, asked) => {
    if (it.id !== undefined && it.id !== Number(asked.at.id)) return error(400, { id: 'does not match the path' })
    return one(asked, 'product', findProduct(asked) && product(Number(asked.at.id), it))
  }),
  {
    call: `DELETE ${V}/products/{id}.json`,
    scopes: ['write_products'],
    answer: (asked) => (findProduct(asked) ? ok(asked, {}) : notFound()),
  },
  get('orders.json', 'read_orders', 'status limit page_info created_at_min created_at_max fields', (asked) =>
    paged(
      asked,
      'orders',
      range(65, (n) => order(1000 + n)),
    ),
  ),
  get('orders/{id}.json', 'read_orders', 'fields', (asked) =>
    one(asked, 'order', asked.at.id === '450789469' ? order(450789469) : undefined),
  ),
  get('orders/{id}/fulfillments.json', SHIPMENTS, 'limit page_info created_at_min created_at_max fields since_id', (asked) =>
    asked.at.id === '450789469' ? paged(asked, 'fulfillments', range(65, fulfillment)) : notFound(),
  ),
  get('customers.json', 'read_customers', 'limit page_info created_at_min created_at_max fields ids', (asked) =>
    paged(
      asked,
      'customers',
      range(65, (n) => customer(n)),
    ),
  ),
  get('customers/{id}.json', 'read_customers', 'fields', (asked) =>
    one(asked, 'customer', asked.at.id === '207119551' ? customer(207119551) : undefined),
  ),
  change('POST customers.json', 'write_customers', 'customer', 'email first_name last_name phone tags send_email_invite', (it, asked) => {
    if (!it.email && !it.phone && !it.first_name && !it.last_name) {
      return error(422, { base: ['Customer must have a name, phone number or email address'] })
    }
    return it.email === 'taken@example.com' ? replies.takenEmail() : ok(asked, { customer: customer(1073339489, it) }, 201)
  }),
  get('inventory_levels.json', 'read_inventory', 'location_ids inventory_item_ids limit page_info', (asked) => {
    const { query } = asked.req
    const some = ['location_ids', 'inventory_item_ids', 'page_info'].some((name) => query.has(name))
    return some
      ? paged(asked, 'inventory_levels', range(65, level))
      : error(422, 'must specify at least one of: inventory_item_ids, location_ids')
  }),
]

const vendor = (): Vendor => ({
  routes: routes(new Map()),
  credentials,
  credentialOf: (req) => (req.headers['x-shopify-access-token'] as string | undefined) ?? null,
  demand: () => null,
  unauthorized: replies.dead,
  unknownRoute: notFound,
  unknownField,
  scopeMissing: (_, scopes) => replies.noScope(String(scopes[0])),
  always: () => ({}),
})

export const startShopify = (): Promise<Stub> => startStub(vendor())
