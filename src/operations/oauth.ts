/** Signing in to providers: links, what came of them, and the doctor. */
import { z } from 'zod'
import { fail } from '../base/errors.ts'
import { operation } from './operation.ts'
import { environment, id, name, time } from './shapes.ts'

const scopes = z.array(z.string().min(1).max(300)).max(100).optional()
export const services = z.array(z.string().max(60)).max(20).optional()
export const returnTo = z.string().max(2000).optional().describe('a path of this server to go back to')
export const link = z.object({
  authorization_url: z.string().describe('to be opened in the browser of the person who signs in; works once, for 10 minutes'),
  attempt_id: z.string().describe('GET /v1/oauth/attempts/{id} tells how it ended'),
  expires_at: time,
  scopes: z.array(z.string()).describe('what will be asked for'),
})

export const authorize = operation({
  name: 'connections.authorize',
  http: 'POST /v1/connections/oauth/{slug}/authorize',
  about: 'A link to connect an account by signing in. Nothing is stored before the provider has said yes.',
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'connection.sign_in_offered' },
  input: z.strictObject({
    slug: z.string().max(60).describe('the OAuth app: google, linkedin, or a name of your own'),
    services: services.describe('what to switch on, such as gmail'),
    scopes: scopes.describe('more scopes'),
    display_name: name.optional(),
    environment: environment.removeDefault().optional(),
    connection_id: z.string().max(80).optional().describe('a connection to widen or renew; what it has is asked for again'),
    return_to: returnTo,
  }),
  output: link,
  run: async ({ connections }, { scope, caller, act }, input) => {
    const made = await connections.oauth.connect.authorize(scope, caller, input)
    return act(
      async () => made,
      () => ({ target: input.connection_id ?? null, details: { app: input.slug, scopes: made.scopes } }),
    )
  },
})

export const reconnect = operation({
  name: 'connections.reconnect',
  http: 'POST /v1/connections/{id}/reconnect',
  about: 'A link to connect the same account again. The connection keeps its id, so everything that is bound to it works again.',
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'connection.sign_in_offered' },
  input: z.strictObject({
    id: id('connection'),
    services,
    scopes,
    return_to: returnTo,
    other_account: z
      .enum(['refuse', 'new_connection'])
      .optional()
      .describe('when somebody signs in to another account: refuse it (the default), or keep it as a connection of its own'),
  }),
  output: link,
  run: async ({ connections }, { scope, caller, act }, { id: connection_id, ...input }) => {
    const made = await connections.oauth.connect.authorize(scope, caller, { connection_id, ...input })
    return act(
      async () => made,
      () => ({ target: connection_id, details: { scopes: made.scopes } }),
    )
  },
})

export const attempt = operation({
  name: 'oauth.attempt',
  http: 'GET /v1/oauth/attempts/{id}',
  about: 'How a sign-in has ended: pending until the person comes back from the provider.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ id: id('attempt') }),
  output: z.object({
    status: z.enum(['pending', 'done', 'failed']),
    kind: z.string().nullable(),
    connection_id: z.string().nullable(),
    text: z.string().nullable().describe('what the person was told'),
    notes: z.array(z.string()),
  }),
  run: async ({ connections }, { scope }, input) => {
    const ended = (await connections.oauth.connect.attempt(scope, input.id)) as {
      kind: string
      ok: boolean
      connection_id: string | null
      notes: string[]
      text?: string
    } | null
    if (ended === null) return { status: 'pending' as const, kind: null, connection_id: null, text: null, notes: [] }
    return {
      status: ended.ok ? ('done' as const) : ('failed' as const),
      kind: ended.kind,
      connection_id: ended.connection_id,
      text: ended.text ?? null,
      notes: ended.notes,
    }
  },
})

const finding = z.object({
  check: z.string(),
  level: z.enum(['ok', 'warning', 'problem']),
  message: z.string(),
  fix: z.string().nullable(),
})
export const doctor = operation({
  name: 'doctor.oauth',
  http: 'GET /v1/oauth/doctor',
  about:
    'What keeps people from signing in to providers, with the mend: public address, proxy, clock, redirect URI, client, refresh tokens.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'looks at the set-up, with no secret in it' },
  words: ['provider'],
  input: z.strictObject({ provider: z.string().max(60).optional().describe('one app only') }),
  output: z.object({
    ok: z.boolean(),
    public_url: z.string(),
    redirect_uri: z.string(),
    findings: z.array(finding),
    apps: z.array(z.object({ slug: z.string(), provider: z.string(), ok: z.boolean(), findings: z.array(finding) })),
  }),
  run: ({ connections }, { scope, seen }, input) => connections.oauth.doctor(scope, input.provider ?? null, seen),
})

export const confirmOriginal = operation({
  name: 'oauth.confirm_original',
  http: 'POST /v1/oauth/confirm-original',
  about:
    'Say that this database is the original now, after a restore or a move: renewals that were held go on. Only when the other one is no more.',
  scope: 'vault:admin',
  role: 'workspace_owner',
  effect: 'write',
  audit: { log: 'oauth.original_confirmed' },
  hideFrom: { mcp: 'for operators only' },
  input: z.strictObject({ confirm: z.literal(true).describe('the other copy is switched off') }),
  output: z.object({ was_held: z.string().nullable() }),
  run: async ({ connections }, { act }) => {
    const was_held = connections.oauth.held()
    if (was_held === null) fail('CONFLICT', 'no renewals are held: there is nothing to confirm')
    await act(
      async () => connections.oauth.confirmOriginal(),
      () => ({ details: { was_held } }),
    )
    return { was_held }
  },
})
