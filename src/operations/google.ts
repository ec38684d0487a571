/** Routes for Google accounts by name, as other clients of this API know them: thin, over the same operations. */
import { z } from 'zod'
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { link, returnTo, services } from './oauth.ts'
import { operation, type Rooms } from './operation.ts'
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

/** Takes an account out of the profiles whose server is for one of these services. */
async function unbind({ bindings }: Rooms, tx: Tx, connectionId: string, off: readonly string[]) {
  const unbound: { instance_id: string; profile_id: string }[] = []
  if (off.length === 0) return unbound
  for (const profile of await bindings.usedBy(tx, connectionId)) {
    const { auth } = bindings.connectorOf(profile.server)
    if (auth.kind !== 'oauth' || !off.includes(auth.service)) continue
    await bindings.changeProfile(tx, profile.instance_id, profile.id, { connection_id: null })
    unbound.push({ instance_id: profile.instance_id, profile_id: profile.id })
  }
  return unbound
}

export const switchServices = operation({
  name: 'google.services',
  http: 'PATCH /v1/connections/google/accounts/{id}/services',
  about:
    'Switch services of a Google account on or off. Where consent is missing the answer has a link that asks for exactly that. Switching off takes the account out of the profiles of that service.',
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'connection.services_changed' },
  input: z.strictObject({ id: id('connection'), services: services.default([]), off: services.default([]), return_to: returnTo }),
  output: z.object({
    services: z.array(z.string()),
    authorization_url: z.string().nullable(),
    unbound: z
      .array(z.object({ instance_id: z.string(), profile_id: z.string() }))
      .optional()
      .describe('profiles that have no connection now, where something was switched off'),
  }),
  run: async (rooms, { scope, caller, act }, input) => {
    const { connections } = rooms
    if (input.services.length + input.off.length === 0) fail('INVALID_INPUT', 'name a service to switch on or off')
    const both = input.services.find((s) => input.off.includes(s))
    if (both !== undefined) fail('INVALID_INPUT', `${both} cannot be switched on and off at once`)
    const made = await connections.oauth.connect.authorize(scope, caller, {
      connection_id: input.id,
      services: input.services,
      return_to: input.return_to,
    })
    const out = await act(
      async (tx) => {
        const facts = await connections.get(tx, input.id)
        const offered = connections.providers.get('google')?.services ?? {}
        const needed = input.services.flatMap((s) => offered[s]?.scopes ?? [])
        const lacking = needed.filter((s) => !(facts.granted_scopes ?? []).includes(s))
        const on = await connections.oauth.switchServices(tx, input.id, lacking.length === 0 ? input.services : [], input.off)
        const unbound = await unbind(rooms, tx, input.id, input.off)
        return {
          services: on,
          authorization_url: lacking.length > 0 ? made.authorization_url : null,
          ...(input.off.length > 0 ? { unbound } : {}),
        }
      },
      (told) => ({
        target: input.id,
        details: { services: input.services, off: input.off, asks: told.authorization_url !== null, unbound: told.unbound?.length ?? 0 },
      }),
    )
    for (const { instance_id } of out.unbound ?? []) rooms.bindings.forget(instance_id)
    return out
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
