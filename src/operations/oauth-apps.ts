/** OAuth apps: a workspace's own clients at providers. Their secrets are written and never read. */
import { z } from 'zod'
import { Fault } from '../base/errors.ts'
import { secretField } from '../vault/index.ts'
import { radiusOf } from './blast.ts'
import { operation } from './operation.ts'
import { json, time } from './shapes.ts'

const slug = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,59}$/, 'lower-case letters, digits and hyphens')
  .describe('google, linkedin, whatsapp, or a name of your own with provider "oauth2"')
/** https everywhere; plain http only where the egress guard has it allow-listed, which is found out when it is used. */
const endpoint = z.url({ protocol: /^https?$/ }).max(2000)
const settings = {
  issuer: endpoint.optional().describe('its metadata are read (RFC 8414)'),
  authorization_endpoint: endpoint.optional(),
  token_endpoint: endpoint.optional(),
  revocation_endpoint: endpoint.optional(),
  userinfo_endpoint: endpoint.optional(),
  client_auth: z.enum(['post', 'basic', 'none']).optional().describe('how the client authenticates at the token endpoint'),
  identity_scopes: z
    .array(z.string().max(200))
    .max(20)
    .optional()
    .describe('instead of those that say whose account it is; [] where the app may not ask for them'),
  scopes: z.array(z.string().max(200)).max(100).optional().describe('asked for in every sign-in'),
  api_hosts: z.array(z.string().max(255)).max(50).optional().describe('hosts that tokens may go to, for the generic http server'),
  params: z.record(z.string().max(100), z.string().max(500)).optional().describe('more parameters of the authorization request'),
  test_mode: z.boolean().optional().describe("the app is in its provider's test mode, where grants end early"),
  rotates: z.enum(['never', 'always']).optional().describe('whether a renewal replaces the refresh token, where you know'),
}
const app = z.object({
  slug: z.string(),
  provider: z.string(),
  source: z.enum(['workspace', 'deployment']),
  client_id: z.string(),
  has_secret: z.boolean(),
  secret_version: z.number(),
  previous_secret_until: time.nullable(),
  settings: json.describe('what was set, and what the metadata of its issuer say'),
  redirect_uri: z.string().describe('to be registered at the provider, exactly'),
  refused: z.object({ reason: z.string(), since: time }).nullable().describe('the provider refuses this client'),
  updated_at: time.nullable(),
})

export const list = operation({
  name: 'oauth_apps.list',
  http: 'GET /v1/oauth-apps',
  about: 'OAuth apps of this workspace, and those of the deployment, with the redirect URI to register.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({}),
  output: z.object({ items: z.array(app) }),
  run: ({ connections }, { read }) => read(async (tx) => ({ items: await connections.oauth.apps.list(tx) })),
})

export const get = operation({
  name: 'oauth_apps.get',
  http: 'GET /v1/oauth-apps/{slug}',
  about: 'One OAuth app: client, settings, redirect URI, and whether its provider refuses it.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ slug }),
  output: app,
  run: ({ connections }, { read }, input) => read((tx) => connections.oauth.apps.get(tx, input.slug)),
})

export const put = operation({
  name: 'oauth_apps.put',
  http: 'PUT /v1/oauth-apps/{slug}',
  about:
    'Set up an OAuth app, or change it. A new client secret leaves the one before it live for a while. Without client_secret the stored one stays.',
  scope: 'connection:write',
  role: 'workspace_admin',
  effect: 'write',
  audit: { log: 'oauth_app.changed' },
  hideFrom: { mcp: 'it takes a credential, which a model must not hold' },
  input: z.strictObject({
    slug,
    provider: z.string().max(60).optional().describe('google, linkedin, whatsapp or oauth2; the slug unless said'),
    client_id: z.string().trim().min(1).max(500),
    client_secret: secretField('the client secret; write-only').optional(),
    overlap_minutes: z.number().int().min(0).max(10_080).optional().describe('how long the secret before is tried too; 60 unless said'),
    ...settings,
  }),
  output: app,
  run: async ({ connections }, { scope, act }, { slug: name, provider, client_id, client_secret, overlap_minutes, ...rest }) => {
    const given = Object.fromEntries(Object.entries(rest).filter(([, v]) => v !== undefined))
    const change = await connections.oauth.apps.put(scope, {
      slug: name,
      provider,
      client_id,
      client_secret,
      overlap_minutes,
      settings: given,
    })
    const out = await act(change.write, (a) => ({
      target: a.slug,
      details: { provider: a.provider, client_id: a.client_id, secret_version: a.secret_version, new_secret: client_secret !== undefined },
    }))
    await change.after()
    return out
  },
})

export const remove = operation({
  name: 'oauth_apps.delete',
  http: 'DELETE /v1/oauth-apps/{slug}',
  about: 'Remove an OAuth app and destroy its secret. Refused while connections live by it.',
  scope: 'connection:write',
  role: 'workspace_admin',
  effect: 'destroy',
  audit: { log: 'oauth_app.deleted' },
  input: z.strictObject({ slug }),
  output: z.object({ slug: z.string(), deleted: z.literal(true) }),
  run: async (rooms, { scope, act }, input) => {
    const { connections } = rooms
    const change = await connections.oauth.apps.remove(scope, input.slug).catch(async (error: unknown) => {
      if (!(error instanceof Fault) || error.code !== 'CONFLICT') throw error
      const { message, hint } = error
      const details = await rooms.db.tx({ workspace: scope.workspace, project: '*' }, async (tx) => {
        const users = await connections.oauth.apps.users(tx, input.slug)
        return radiusOf(
          rooms,
          tx,
          users.map((c) => c.id),
          'deleted',
          'revoked',
        )
      })
      throw new Fault('CONFLICT', message, { hint, details })
    })
    await act(change.write, () => ({ target: input.slug }))
    change.after()
    return { slug: input.slug, deleted: true as const }
  },
})
