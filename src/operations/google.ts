/** Routes for Google accounts by name, as other clients of this API know them: thin, over the same operations. */
import { z } from 'zod'
import { fail } from '../base/errors.ts'
import { link, returnTo, services } from './oauth.ts'
import { operation } from './operation.ts'
import { connection, environment, id, json, name } from './shapes.ts'

export const config = operation({
  name: 'google.config',
  http: 'GET /v1/connections/google/config',
  about: 'Whether Google accounts can be connected here, and which services there are.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({}),
  output: z.object({ configured: z.boolean(), client_id: z.string().nullable(), redirect_uri: z.string(), services: z.array(json) }),
  run: async ({ connections }, { scope }) => {
    const app = await connections.oauth.apps.find(scope.workspace, 'google')
    const offered = connections.providers.get('google')?.services ?? {}
    return {
      configured: app !== null,
      client_id: app?.client.id ?? null,
      redirect_uri: connections.oauth.redirectUri(),
      services: Object.entries(offered).map(([slug, s]) => ({ slug, ...s })),
    }
  },
})

export const switchServices = operation({
  name: 'google.services',
  http: 'PATCH /v1/connections/google/accounts/{id}/services',
  about: 'Switch services of a Google account on. Where consent is missing the answer has a link that asks for exactly that.',
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'connection.services_changed' },
  input: z.strictObject({ id: id('connection'), services: z.array(z.string().max(60)).min(1).max(20), return_to: returnTo }),
  output: z.object({ services: z.array(z.string()), authorization_url: z.string().nullable() }),
  run: async ({ connections }, { scope, caller, act }, input) => {
    const made = await connections.oauth.connect.authorize(scope, caller, {
      connection_id: input.id,
      services: input.services,
      return_to: input.return_to,
    })
    return act(
      async (tx) => {
        const facts = await connections.get(tx, input.id)
        const lacking = made.scopes.filter((s) => !(facts.granted_scopes ?? []).includes(s))
        const on = await connections.oauth.switchOn(tx, input.id, lacking.length === 0 ? input.services : [])
        return { services: on, authorization_url: lacking.length === 0 ? null : made.authorization_url }
      },
      (out) => ({ target: input.id, details: { services: input.services, asks: out.authorization_url !== null } }),
    )
  },
})

export const oauthUrl = operation({
  name: 'google.oauth_url',
  http: 'POST /v1/connections/google/oauth-url',
  about: 'A link to connect a Google account: the same as connections.authorize for google.',
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'connection.sign_in_offered' },
  input: z.strictObject({
    services,
    display_name: name.optional(),
    environment: environment.removeDefault().optional(),
    return_to: returnTo,
  }),
  output: link,
  run: async ({ connections }, { scope, caller, act }, input) => {
    const made = await connections.oauth.connect.authorize(scope, caller, { slug: 'google', ...input })
    return act(
      async () => made,
      () => ({ details: { app: 'google', scopes: made.scopes } }),
    )
  },
})

export const complete = operation({
  name: 'google.complete',
  http: 'POST /v1/connections/google/complete',
  about: 'The connection that a sign-in has made, once the person has come back from Google.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'the sign-in itself is audited when the person comes back' },
  input: z.strictObject({ attempt_id: id('attempt') }),
  output: connection,
  run: async ({ connections }, { scope, read }, input) => {
    const ended = (await connections.oauth.connect.attempt(scope, input.attempt_id)) as {
      connection_id: string | null
      kind: string
    } | null
    if (ended === null) fail('CONFLICT', 'the person has not come back from Google yet', { hint: 'Ask again in a moment.' })
    const made =
      ended.connection_id ?? fail('REFUSED', `the sign-in ended without a connection (${ended.kind})`, { details: { kind: ended.kind } })
    return read((tx) => connections.get(tx, made))
  },
})

export const account = operation({
  name: 'google.account',
  http: 'GET /v1/connections/google/accounts/{id}',
  about: 'One Google account: its services, what it may do, and its state.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ id: id('connection') }),
  output: connection,
  run: ({ connections }, { read }, input) =>
    read(async (tx) => {
      const found = await connections.get(tx, input.id)
      return found.provider === 'google' ? found : fail('NOT_FOUND', `there is no Google account ${input.id}`)
    }),
})
