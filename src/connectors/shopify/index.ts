import { apiKey, type Checked, connector, fail, header, type ToolContext, z } from '../contract.ts'
import { any } from './any.ts'
import { graphql, read, VERSION, versionOf } from './call.ts'
import { customers } from './customers.ts'
import { inventory } from './inventory.ts'
import { orders } from './orders.ts'
import { products } from './products.ts'

/** The oldest version that Shopify still serves; older ones are answered by the oldest, whatever was asked for. */
const OLDEST = '2026-01'

/** A bucket of 40 calls that leaks two a second, on the smallest plan (REST rate limits). Larger plans leak faster; which one a shop has is not told. */
const RATE = { requests: 40, perS: 20 }

const WHO = '{ shop { id name myshopifyDomain } currentAppInstallation { accessScopes { handle } } }'
const Who = z.looseObject({
  shop: z.looseObject({ id: z.string(), myshopifyDomain: z.string() }),
  currentAppInstallation: z.looseObject({ accessScopes: z.array(z.looseObject({ handle: z.string() })) }),
})

const shop = {
  get_shopify_shop: read('/shop', {
    about: 'Reads the facts about the shop: name, domains, plan, currency, time zone, contact. Takes no arguments and needs no scope.',
    scopes: [],
    input: z.strictObject({}),
    output: z.looseObject({
      shop: z.looseObject({ id: z.number(), name: z.string(), domain: z.string().optional(), myshopify_domain: z.string().optional() }),
    }),
    example: {},
  }),
}

export default connector({
  slug: 'shopify',
  title: 'Shopify',
  about: 'Products, orders, customers, stock and shipments of one shop, with an Admin API access token of an app that is installed there.',
  docs: 'https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens',
  auth: apiKey({
    put: header('X-Shopify-Access-Token', 'access_token'),
    fields: [
      {
        name: 'shop_domain',
        aliases: ['shopify_shop'],
        label: 'Shop domain',
        secret: false,
        required: true,
        hint: "Shopify admin → Settings → Domains: the one that ends in .myshopify.com, not the shop's own.",
        // The token is sent to this host.
        format: {
          pattern: /^[a-z0-9][a-z0-9-]{0,99}\.myshopify\.com$/,
          says: 'is <shop>.myshopify.com, in lower case and without https://',
        },
      },
      {
        name: 'access_token',
        aliases: ['shopify_admin_access_token'],
        label: 'Admin API access token',
        secret: true,
        required: true,
        hint:
          'Shopify admin → Settings → Apps → Develop apps → the app → API credentials (apps made there before 2026). Scopes: read_ and write_ of ' +
          'products, customers and inventory, and read_orders; fewer will do for fewer tools.',
        // Tokens of other origins have other prefixes, or none; a client secret is not a token.
        format: {
          pattern: /^(?!shpss_)[\x21-\x7e]{20,300}$/,
          says: 'has at least 20 characters, no spaces, and is not a client secret (shpss_…)',
        },
      },
    ],
    check,
  }),
  config: z.strictObject({
    api_base: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Instead of https://<shop_domain>; without /admin'),
    api_version: z
      .string()
      .regex(/^20\d{2}-(?:01|04|07|10)$/, "must be a version of Shopify's API such as 2026-04")
      .refine((it) => it >= OLDEST, `Shopify no longer serves versions before ${OLDEST}.`)
      .optional()
      .describe(`Version of the Admin API; ${VERSION} when left out`),
  }),
  base: ({ shop_domain }) => `https://${shop_domain}`,
  baseKey: 'api_base',
  hosts: [],
  rate: RATE,
  tools: { ...shop, ...products, ...orders, ...customers, ...inventory, ...any },
})

/** One query that needs no scope: which shop, what the token may do, and, by a header, which version answers. */
async function check(ctx: ToolContext): Promise<Checked> {
  const { data, headers } = await graphql(ctx, WHO)
  const found = Who.safeParse(data)
  if (!found.success) return fail('UPSTREAM_ERROR', 'Shopify did not say which shop this token is for.')
  const { shop, currentAppInstallation } = found.data
  const served = headers.get('x-shopify-api-version')
  const asked = versionOf(ctx)
  return {
    account: { id: shop.id.replace(/^gid:\/\/shopify\/Shop\//, ''), label: shop.myshopifyDomain },
    granted_scopes: granted(currentAppInstallation.accessScopes.map((it) => it.handle)),
    warnings:
      served === null || served === asked
        ? []
        : [`Shopify no longer serves API version ${asked} and answers with ${served}: set api_version in the profile to one that lives.`],
  }
}

/** Who may write may read, whether or not Shopify lists it (access scopes). */
export function granted(handles: readonly string[]): string[] {
  const implied = handles.flatMap((it) => (/^(?:unauthenticated_)?write_/.test(it) ? [it.replace('write_', 'read_')] : []))
  return [...new Set([...handles, ...implied])]
}
