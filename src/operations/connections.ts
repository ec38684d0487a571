import { z } from 'zod'
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { secretField } from '../vault/index.ts'
import { operation } from './operation.ts'
import { connection, cursor, environment, id, json, limit, name, page, time } from './shapes.ts'

const credentials = z
  .record(z.string().max(100), secretField('a credential field; write-only'))
  .describe('see GET /v1/connections/templates for the fields of each provider')

export const list = operation({
  name: 'connections.list',
  http: 'GET /v1/connections',
  about: 'Connections of this project, newest first.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({
    limit,
    cursor,
    provider: z.string().max(60).optional(),
    status: connection.shape.status.optional(),
    environment: z.string().max(32).optional(),
    q: z.string().max(200).optional().describe('part of the name'),
    rotating: z.enum(['true', 'false']).default('false').describe('true: only those with a rotation under way'),
  }),
  output: page(connection.extend({ usage: z.object({ instances: z.number(), workflows: z.number() }) })),
  run: (rooms, { read }, input) =>
    read(async (tx) => {
      const { items, next_cursor } = await rooms.connections.list(tx, { ...input, rotating: input.rotating === 'true' })
      const wires = await rooms.bindings.wiresOf(
        tx,
        items.map((c) => c.id),
      )
      const named = await rooms.runs.workflows.namedBy(tx, [...new Set(wires.map((w) => w.instance_id))])
      const usage = (id: string) => {
        const instances = new Set(wires.filter((w) => w.connection_id === id).map((w) => w.instance_id))
        const workflows = new Set(named.filter((n) => instances.has(n.instance_id)).map((n) => n.workflow_id))
        return { instances: instances.size, workflows: workflows.size }
      }
      return { items: items.map((c) => ({ ...c, usage: usage(c.id) })), next_cursor }
    }),
})

export const create = operation({
  name: 'connections.create',
  http: 'POST /v1/connections',
  about: 'Store a credential. It is sealed before it is written and never comes back.',
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'connection.created' },
  status: 201,
  idempotent: true,
  hideFrom: { mcp: 'it takes a credential, which a model must not hold' },
  input: z.strictObject({
    display_name: name,
    provider: z.string().max(60),
    service: z.string().max(60).optional(),
    environment,
    credentials,
    services: z.array(z.string().max(60)).max(20).optional().describe('for service accounts: what they are for'),
    scopes: z.array(z.string().max(300)).max(100).optional().describe('for service accounts and clients: what to ask for'),
  }),
  output: connection,
  run: async ({ connections }, { caller, scope, act, read }, input) => {
    const write = await connections.create(scope, input)
    const made = await act(write, (c) => ({ target: c.id, details: { provider: c.provider, credential_keys: c.credential_keys } }))
    const warnings = await connections.probe(scope, made.id, caller.actor)
    // A grant has been tried by now: its facts are others than when it was written.
    return made.oauth ? { ...(await read((tx) => connections.get(tx, made.id))), warnings } : { ...made, warnings }
  },
})

export const get = operation({
  name: 'connections.get',
  http: 'GET /v1/connections/{id}',
  about: 'One connection: status, account, granted scopes.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ id: id('connection') }),
  output: connection,
  run: ({ connections }, { read }, input) => read((tx) => connections.get(tx, input.id)),
})

export const update = operation({
  name: 'connections.update',
  http: 'PATCH /v1/connections/{id}',
  about: 'Rename, move to another environment, switch off or on, or replace the credential (a new version).',
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'connection.updated' },
  hideFrom: { mcp: 'it takes a credential, which a model must not hold' },
  input: z.strictObject({
    id: id('connection'),
    display_name: name.optional(),
    environment: environment.removeDefault().optional(),
    disabled: z.boolean().optional(),
    credentials: credentials.optional().describe('blank and masked values leave the stored ones as they are'),
  }),
  output: connection,
  run: async ({ connections, bindings }, { caller, scope, act }, { id: connectionId, ...input }) => {
    const change = await connections.change(scope, connectionId, input)
    const write = async (tx: Tx) => {
      const elsewhere = (await bindings.usedBy(tx, connectionId)).filter((p) => p.environment !== input.environment)
      if (input.environment !== undefined && elsewhere.length > 0)
        fail('CONNECTION_IN_USE', `this connection is bound for ${elsewhere[0]?.environment}, and stays there as long as it is`, {
          hint: 'Bind another connection there first.',
          details: { profiles: elsewhere.map((p) => ({ instance_id: p.instance_id, profile_id: p.id, environment: p.environment })) },
        })
      return change.write(tx)
    }
    const out = await act(write, (c) => ({
      target: c.id,
      details: {
        changed: Object.keys(input).filter((k) => input[k as keyof typeof input] !== undefined),
        credential_version: c.credential_version,
      },
    }))
    await change.after()
    return out.status === 'unverified' && input.credentials
      ? { ...out, warnings: await connections.probe(scope, connectionId, caller.actor) }
      : out
  },
})

export const credentialFacts = operation({
  name: 'connections.credentials',
  http: 'GET /v1/connections/{id}/credentials',
  about: 'Facts about the stored credential: key names, version, fingerprint, last four where the value is long enough.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ id: id('connection') }),
  output: z.object({
    version: z.number(),
    keys: z.array(
      z.object({
        name: z.string(),
        version: z.number(),
        fingerprint: z.string(),
        last_four: z.string().nullable(),
        state: z.enum(['live', 'undecryptable']),
        created_at: time,
      }),
    ),
  }),
  run: ({ connections }, { read }, input) =>
    read(async (tx) => {
      const { version, keys } = await connections.credentials(tx, input.id)
      return {
        version,
        keys: keys.map((k) => ({
          name: k.field,
          version: k.version,
          fingerprint: k.fingerprint,
          last_four: k.lastFour,
          state: k.state,
          created_at: k.createdAt.toISOString(),
        })),
      }
    }),
})

export const validation = z.object({
  ok: z.boolean(),
  checked_at: time,
  latency_ms: z.number(),
  account: z.object({ id: z.string(), label: z.string() }).nullable(),
  granted_scopes: z.array(z.string()).nullable(),
  warnings: z.array(z.string()),
  problem: z.object({ code: z.string(), message: z.string(), hint: z.string().nullable() }).nullable(),
})

export const tryOut = operation({
  name: 'connections.try',
  http: 'POST /v1/connections/try',
  about: 'Try a credential before it is saved: one cheap live call. Nothing of it is kept.',
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'connection.tried' },
  hideFrom: { mcp: 'it takes a credential, which a model must not hold' },
  input: z.strictObject({
    provider: z.string().max(60),
    service: z.string().max(60).optional(),
    credentials,
    config: json.optional().describe('settings of the connector, where they say where the service is'),
  }),
  output: validation,
  run: async ({ connections }, { caller, scope, act, signal }, input) => {
    const result = await connections.tryOut(scope, input, signal, caller.actor)
    return act(
      async () => result,
      () => ({ details: { provider: input.provider, ok: result.ok, ...(result.problem ? { code: result.problem.code } : {}) } }),
    )
  },
})

export const validate = operation({
  name: 'connections.validate',
  http: 'POST /v1/connections/{id}/validate',
  about: 'One cheap live call with the credential. Says whether it is refused, cannot be reached, or lacks a permission.',
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'connection.validated' },
  input: z.strictObject({ id: id('connection') }),
  output: validation,
  run: async (rooms, { caller, scope, act, read, signal }, input) => {
    // Where the connection is bound, the profile's config says where the service is (a self-hosted edition, say).
    const [profile] = (await read((tx) => rooms.bindings.usedBy(tx, input.id))).toSorted(
      (a, b) => Number(b.is_active) - Number(a.is_active),
    )
    const { result, write } = await rooms.connections.validate(
      scope,
      input.id,
      profile?.config ?? {},
      signal,
      caller.actor,
      profile?.server ?? null,
    )
    await act(write, () => ({ target: input.id, details: { ok: result.ok, ...(result.problem ? { code: result.problem.code } : {}) } }))
    return result
  },
})

export const events = operation({
  name: 'connections.events',
  http: 'GET /v1/connections/{id}/events',
  about: 'What happened to this connection, newest first.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ id: id('connection'), limit, cursor }),
  output: page(z.object({ id: z.string(), event_type: z.string(), at: time, data: json })),
  run: ({ connections }, { read }, input) => read((tx) => connections.events(tx, input.id, input.limit, input.cursor)),
})
