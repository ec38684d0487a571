/** Inbound webhooks: who may start which workflow from outside. What they send arrives in another way: faces/hooks.ts. */
import { z } from 'zod'
import { type Access, permits } from '../access/index.ts'
import { Fault, fail } from '../base/errors.ts'
import { type BearerFacts, OVERLAP_MINUTES, SCHEME_NAMES } from '../triggers/index.ts'
import { secretField } from '../vault/index.ts'
import { type Ctx, operation, type Rooms } from './operation.ts'
import { cursor, id, json, limit, name, page, time } from './shapes.ts'

const subscription = z.object({
  id: z.string(),
  name: z.string(),
  workflow_id: z.string(),
  signature: z.object({
    scheme: z.string(),
    header: z.string().describe('where the signature is'),
    tolerance_seconds: z.number().nullable().describe('how far the signed time may be from ours; null: no time is signed'),
  }),
  enabled: z.boolean(),
  extras: json.describe('lies under each body in {{input.*}}'),
  automation_pat_id: z.string().nullable().describe('each delivery must bring this token too'),
  has_secret: z.boolean().describe('false: the sender’s secret is still to be given, with rotate-secret'),
  secret_version: z.number(),
  previous_secret_until: time.nullable().describe('until then the secret before is taken too'),
  ingress_url: z.string().describe('what the sender calls'),
  ingress_path: z.string(),
  last_delivery: z.object({ at: time, outcome: z.string() }).nullable(),
  created_by: z.string(),
  created_at: time,
  updated_at: time,
})
const extras = json.describe('becomes part of {{input.*}}; where the body has the same key, the body counts')
const provided = secretField(
  'the secret that the sender has made, where it does: Stripe’s whsec_…, Shopify’s client secret, Meta’s app secret',
).optional()
const workflowId = id('workflow')
const SECRET_INSIDE = 'its answer holds a signing secret, which a model must not see'

export const list = operation({
  name: 'webhooks.list',
  http: 'GET /v1/inbound-webhooks',
  about: 'Inbound webhooks of this project, newest first.',
  scope: 'webhook:write',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ limit, cursor, workflow_id: workflowId.optional() }),
  output: page(subscription),
  run: ({ triggers }, { read }, input) => read((tx) => triggers.webhooks.list(tx, input.limit, input.cursor, input.workflow_id)),
})

export const create = operation({
  name: 'webhooks.create',
  http: 'POST /v1/inbound-webhooks',
  about: 'Let a sender start a workflow. The answer holds the URL to call, and the signing secret once.',
  scope: 'webhook:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'webhook.created' },
  status: 201,
  hideFrom: { mcp: SECRET_INSIDE },
  input: z.strictObject({
    workflow_id: workflowId,
    name,
    signature: z
      .strictObject({ scheme: z.enum(SCHEME_NAMES) })
      .default({ scheme: 'agentruntime' })
      .describe(`how the sender signs; scheme is one of ${SCHEME_NAMES.join(', ')}`),
    provided_secret: provided,
    automation_pat_id: id('token').optional().describe('demand this personal access token with each delivery, besides the signature'),
    // A token of our own, which access looks at: it is not a credential of the vault, and is not kept.
    automation_bearer: z.string().max(200).meta({ description: 'that token itself, to prove it; not kept', writeOnly: true }).optional(),
    extras: extras.optional(),
  }),
  output: z.object({
    subscription,
    signing_secret: z.string().nullable().describe('shown once; null where the sender makes it'),
    verify_token: z.string().nullable().describe('what Meta asks for beside the URL'),
    ingress_url: z.string(),
    ingress_path: z.string(),
  }),
  run: async (rooms, ctx, { signature, automation_pat_id = null, automation_bearer, ...input }) => {
    await proveToken(rooms, ctx, automation_pat_id, automation_bearer)
    const { webhooks } = rooms.triggers
    await webhooks.refuseSecrets(ctx.scope, input.extras)
    const made = await ctx.act(
      (tx) =>
        webhooks.create(tx, ctx.scope, {
          workflow_id: input.workflow_id,
          name: input.name,
          scheme: signature.scheme,
          extras: input.extras ?? {},
          automation_pat_id,
          provided_secret: input.provided_secret,
          createdBy: ctx.caller.actor,
        }),
      ({ subscription: s }) => ({ target: s.id, details: { workflow_id: s.workflow_id, scheme: s.signature.scheme, automation_pat_id } }),
    )
    return { ...made, ingress_url: made.subscription.ingress_url, ingress_path: made.subscription.ingress_path }
  },
})

export const get = operation({
  name: 'webhooks.get',
  http: 'GET /v1/inbound-webhooks/{id}',
  about: 'One inbound webhook: workflow, way of signing, and when something came last.',
  scope: 'webhook:write',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ id: id('inbound webhook') }),
  output: subscription,
  run: ({ triggers }, { read }, input) => read((tx) => triggers.webhooks.get(tx, input.id)),
})

export const update = operation({
  name: 'webhooks.update',
  http: 'PATCH /v1/inbound-webhooks/{id}',
  about: 'Rename an inbound webhook, switch it on or off, change its extras, or point it at another workflow.',
  scope: 'webhook:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'webhook.updated' },
  input: z.strictObject({
    id: id('inbound webhook'),
    name: name.optional(),
    enabled: z.boolean().optional(),
    extras: extras.optional(),
    workflow_id: workflowId.optional(),
  }),
  output: subscription,
  run: async ({ triggers }, { scope, act, read }, { id: webhookId, ...set }) => {
    await read((tx) => triggers.webhooks.get(tx, webhookId))
    await triggers.webhooks.refuseSecrets(scope, set.extras)
    return act(
      (tx) => triggers.webhooks.update(tx, webhookId, set),
      () => ({ target: webhookId, details: { changed: Object.keys(set) } }),
    )
  },
})

export const remove = operation({
  name: 'webhooks.delete',
  http: 'DELETE /v1/inbound-webhooks/{id}',
  about: 'Delete an inbound webhook with its secrets and its list of deliveries. Runs that it started stay.',
  scope: 'webhook:write',
  role: 'project_contributor',
  effect: 'destroy',
  audit: { log: 'webhook.deleted' },
  input: z.strictObject({ id: id('inbound webhook') }),
  output: z.object({ id: z.string(), deleted: z.literal(true) }),
  run: async ({ triggers }, { act }, input) => {
    await act(
      (tx) => triggers.webhooks.remove(tx, input.id),
      () => ({ target: input.id }),
    )
    return { id: input.id, deleted: true as const }
  },
})

export const rotateSecret = operation({
  name: 'webhooks.rotate_secret',
  http: 'POST /v1/inbound-webhooks/{id}/rotate-secret',
  about: 'Give an inbound webhook a new signing secret, shown once. The one before is taken too until the overlap ends.',
  scope: 'webhook:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'webhook.secret_rotated' },
  hideFrom: { mcp: SECRET_INSIDE },
  input: z.strictObject({
    id: id('inbound webhook'),
    provided_secret: provided,
    overlap_minutes: z.number().int().min(0).max(10_080).default(OVERLAP_MINUTES).describe('0: the old one ends now'),
  }),
  output: z.object({ subscription, signing_secret: z.string().nullable().describe('shown once; null where the sender makes it') }),
  run: ({ triggers }, { act }, input) =>
    act(
      (tx) => triggers.webhooks.rotate(tx, input.id, input.provided_secret, input.overlap_minutes),
      ({ subscription: s }) => ({
        target: s.id,
        details: {
          secret_version: s.secret_version,
          previous_until: s.previous_secret_until,
          provided: input.provided_secret !== undefined,
        },
      }),
    ),
})

export const deliveries = operation({
  name: 'webhooks.deliveries',
  http: 'GET /v1/inbound-webhooks/{id}/deliveries',
  about: 'What came to an inbound webhook, newest first, and what became of it.',
  scope: 'webhook:write',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, no body and no signature' },
  input: z.strictObject({ id: id('inbound webhook'), limit, cursor }),
  output: page(
    z.object({
      id: z.string(),
      at: time,
      last_at: time,
      outcome: z.enum(['accepted', 'duplicate', 'refused']),
      code: z.string().nullable().describe('why it was refused'),
      run_id: z.string().nullable(),
      delivery_id: z.string().nullable().describe('the sender’s own name for it'),
      count: z.number().describe('refusals of one kind, and repetitions of one delivery, are counted by the minute'),
    }),
  ),
  run: ({ triggers }, { read }, input) => read((tx) => triggers.webhooks.deliveries(tx, input.id, input.limit, input.cursor)),
})

/** Whoever binds deliveries to a token has to have it: otherwise a webhook could be made that only somebody else can call. */
async function proveToken({ access }: Rooms, { scope }: Ctx, patId: string | null, bearer: string | undefined): Promise<void> {
  if (patId === null && bearer === undefined) return
  if (patId === null || bearer === undefined)
    fail('INVALID_INPUT', `${patId === null ? 'automation_pat_id' : 'automation_bearer'} is missing: the two go together`)
  const facts = await bearerOf(access)(bearer, null)
  if (facts?.patId !== patId || facts.scope.workspace !== scope.workspace || facts.scope.project !== scope.project)
    fail('REFUSED', 'automation_bearer is not the living token automation_pat_id of this project')
  if (!facts.mayRun) fail('REFUSED', 'the token may not start runs', { hint: 'It needs the scope workflow:run.' })
}

/** For the wiring: what a token that came along says. Null: nothing, because it is dead or none of ours. */
export const bearerOf =
  (access: Pick<Access, 'authenticate'>) =>
  async (token: string, ip: string | null): Promise<BearerFacts | null> => {
    try {
      const caller = await access.authenticate(token, ip)
      if (caller.kind !== 'pat') return null
      return {
        patId: caller.actor.slice('pat:'.length),
        scope: { workspace: caller.workspace, project: caller.project },
        mayRun: permits(caller, ['workflow:run'], 'project_contributor'),
      }
    } catch (error) {
      if (error instanceof Fault && (error.code === 'UNAUTHENTICATED' || error.code === 'TOKEN_EXPIRED')) return null
      throw error
    }
  }
