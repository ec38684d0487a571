/** WhatsApp accounts by name, as other clients of this API know them: Meta's embedded signup, or a token that is entered. */
import { z } from 'zod'
import { secretField } from '../vault/index.ts'
import { operation } from './operation.ts'
import { connection, environment, id, name } from './shapes.ts'

const SLUG = 'whatsapp'
/** Version 2 of the embedded signup ended on 2026-10-15; this is the one that Meta's papers begin with now. */
const SIGN_UP_VERSION = 'v4'

/** What ids look like, the connector's own form knows. */
const metaId = z.string().trim().min(1).max(64)

export const config = operation({
  name: 'whatsapp.config',
  http: 'GET /v1/connections/whatsapp/config',
  about: "Whether WhatsApp can be connected by Meta's embedded signup here, and what the page needs that starts it.",
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({}),
  output: z.object({
    configured: z.boolean().describe('false: an administrator sets up the OAuth app "whatsapp" with its secret and params.config_id first'),
    app_id: z.string().nullable(),
    config_id: z.string().nullable().describe('of Facebook Login for Business; params.config_id of the OAuth app'),
    graph_version: z.string().describe('for the start of the JavaScript SDK'),
    sign_up_version: z.string().describe('extras.version of the call that opens the sign-up'),
    scopes: z.array(z.string()).describe('what the configuration at Meta has to ask for'),
  }),
  run: async ({ connections }, { scope }) => {
    const { by, name: service } = connections.signUp.wayOf(SLUG)
    const app = await connections.oauth.apps.find(scope.workspace, SLUG)
    const config_id = app?.params.config_id ?? null
    return {
      configured: app !== null && app.client.secrets.length > 0 && config_id !== null,
      app_id: app?.client.id ?? null,
      config_id,
      graph_version: /\/(v\d+\.\d+)\//.exec(by.endpoints?.token ?? '')?.[1] ?? '',
      sign_up_version: SIGN_UP_VERSION,
      scopes: [...(by.services[service]?.scopes ?? [])],
    }
  },
})

export const complete = operation({
  name: 'whatsapp.complete',
  http: 'POST /v1/connections/whatsapp/complete',
  about:
    "Finish Meta's embedded signup: the code becomes a token on this server, which is sealed at once, and tried. With connection_id the same account is connected again.",
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'connection.signed_up' },
  status: 201,
  hideFrom: { mcp: 'it takes a code that becomes a credential, which a model must not hold' },
  input: z.strictObject({
    code: secretField('the code that the sign-up gave to the page; it works once and for a short time'),
    waba_id: metaId.describe('id of the WhatsApp business account'),
    phone_number_id: metaId.optional().describe('id of the phone number to send from; none where the sign-up ended without one'),
    connection_id: id('connection').optional().describe('a connection by embedded signup to connect again'),
    display_name: name.optional(),
    environment: environment.removeDefault().optional(),
  }),
  output: connection,
  run: async ({ connections }, { caller, scope, act, read, signal }, { code, waba_id, phone_number_id, ...more }) => {
    const entered = { business_account_id: waba_id, ...(phone_number_id === undefined ? {} : { phone_number_id }) }
    const done = await connections.signUp.complete(scope, { provider: SLUG, code, entered, ...more }, caller.actor)
    const made = await act(done.write, (c) => ({
      target: c.id,
      details: { provider: SLUG, account: waba_id, granted_scopes: c.granted_scopes, again: more.connection_id !== undefined },
    }))
    done.after()
    const warnings = await connections.signUp.finish(scope, SLUG, made.id, done.config, signal, caller.actor)
    return { ...(await read((tx) => connections.get(tx, made.id))), warnings }
  },
})

export const manual = operation({
  name: 'whatsapp.manual',
  http: 'POST /v1/connections/whatsapp/manual',
  about: 'Store a WhatsApp access token that was made by hand, with its account and number: the same as connections.create for whatsapp.',
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'connection.created' },
  status: 201,
  idempotent: true,
  hideFrom: { mcp: 'it takes a credential, which a model must not hold' },
  input: z.strictObject({
    access_token: secretField('the access token; write-only'),
    business_account_id: secretField('id of the WhatsApp business account'),
    phone_number_id: secretField('id of the phone number to send from'),
    display_name: name.optional(),
    environment,
  }),
  output: connection,
  run: async ({ connections }, { scope, act }, { display_name = 'WhatsApp', environment: where, ...credentials }) => {
    const write = await connections.create(scope, { display_name, provider: SLUG, service: 'api_key', environment: where, credentials })
    return act(write, (c) => ({ target: c.id, details: { provider: c.provider, credential_keys: c.credential_keys } }))
  },
})
