/** What uses a connection or an instance, what would become of it, and what therefore stands in the way of deleting it. */
import { z } from 'zod'
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { IF, radius, radiusOf, radiusOfInstance, readIf } from './blast.ts'
import { operation } from './operation.ts'
import { id, json, time } from './shapes.ts'

const supposed = z.string().max(500).optional().describe(`suppose: ${IF}`)

export const remove = operation({
  name: 'connections.delete',
  http: 'DELETE /v1/connections/{id}',
  about: 'Delete a connection and destroy its secret. Refused while a profile is wired to it.',
  scope: 'connection:write',
  role: 'project_contributor',
  effect: 'destroy',
  audit: { log: 'connection.deleted' },
  input: z.strictObject({ id: id('connection') }),
  output: z.object({
    id: z.string(),
    deleted: z.literal(true),
    secret_destroyed: z.literal(true),
    revoked_at_provider: z
      .enum(['revoked', 'failed', 'nothing', 'shared'])
      .nullable()
      .describe('null: the provider has no interface for it, revoke there yourself; shared: other connections live by the same consent'),
    shared_with: z.array(z.string()).optional(),
  }),
  run: async (rooms, { caller, act, read, scope }, input) => {
    const unwired = async (tx: Tx) => {
      const facts = await rooms.connections.get(tx, input.id)
      if ((await rooms.bindings.usedBy(tx, input.id)).length === 0) return facts
      const touched = await radiusOf(rooms, tx, [input.id], 'deleted', 'deleted')
      const n = touched.profiles.length
      return fail('CONNECTION_IN_USE', `this connection is wired to ${n === 1 ? 'a profile' : `${n} profiles`}`, {
        hint: 'Bind another connection there first, or remove the instances.',
        details: touched,
      })
    }
    const facts = await read(unwired)
    // At the provider first, while we still have what it takes; whatever it says, the secret is destroyed here.
    const { outcome, with: others } = facts.oauth
      ? await rooms.connections.oauth.revoke(scope, input.id, caller.actor)
      : { outcome: 'unsupported' as const, with: [] }
    await act(
      async (tx) => {
        await unwired(tx)
        await rooms.connections.remove(tx, input.id)
      },
      () => ({ target: input.id, details: { revoked_at_provider: outcome } }),
    )
    await rooms.connections.removed(input.id)
    return {
      id: input.id,
      deleted: true as const,
      secret_destroyed: true as const,
      revoked_at_provider: outcome === 'unsupported' ? null : outcome,
      ...(outcome === 'shared' ? { shared_with: others } : {}),
    }
  },
})

export const usage = operation({
  name: 'connections.usage',
  http: 'GET /v1/connections/{id}/usage',
  about:
    'What depends on this connection: profiles, workflows and steps, webhooks, runs under way, last calls, last use of each version. With `if` it foresees what would fail, where and with which code.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ id: id('connection'), if: supposed }),
  output: radius.extend({
    blocked: z.boolean().describe('whatever uses it does not work now: it must be connected again'),
    status: z.string(),
    status_text: z.string().nullable(),
    versions: z.array(z.object({ version: z.number(), is: z.enum(['live', 'staged', 'old']), last_used_at: time.nullable() })),
    last_used_at: time.nullable(),
    last_calls: z.array(json),
  }),
  run: async (rooms, { read }, input) => {
    await rooms.uses.flush()
    return read(async (tx) => {
      const facts = await rooms.connections.get(tx, input.id)
      const touched = await radiusOf(rooms, tx, [input.id], input.if, readIf(input.if, facts.granted_scopes))
      const rotation = await rooms.connections.rotations.open(tx, input.id)
      const other = rotation?.state === 'switched' ? rotation.old_version : (rotation?.new_version ?? null)
      const gone = rotation?.state === 'switched' && rotation.old_destroyed_at !== null
      const since = new Date(facts.created_at)
      const known = [facts.credential_version, ...(other === null || gone ? [] : [other])].map((version) => ({ version, since }))
      const seen = await rooms.uses.ofVersions(tx, input.id, known)
      const calls = await rooms.tools.callsOfConnection(tx, input.id, 20)
      return {
        ...touched,
        blocked: facts.status === 'reconnect' || facts.status === 'disabled',
        status: facts.status,
        status_text: facts.status_text,
        versions: known.map(({ version }) => ({
          version,
          is:
            version === facts.credential_version
              ? ('live' as const)
              : rotation?.state === 'switched'
                ? ('old' as const)
                : ('staged' as const),
          last_used_at: seen.find((s) => s.version === version)?.last_used_at?.toISOString() ?? null,
        })),
        last_used_at: facts.last_used_at,
        last_calls: calls.map((c) => ({ ...c, at: c.at.toISOString() })),
      }
    })
  },
})

export const instanceUsage = operation({
  name: 'instances.usage',
  http: 'GET /v1/mcp/instances/{id}/usage',
  about:
    'What depends on this instance: its profiles, workflows and steps that name it, webhooks, and runs under way. With if=deleted what would fail.',
  scope: 'mcp:execute',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'no secret is involved' },
  input: z.strictObject({ id: id('instance'), if: z.enum(['deleted']).optional() }),
  output: radius,
  run: (rooms, { read }, input) => read((tx) => radiusOfInstance(rooms, tx, input.id, input.if, input.if ?? null)),
})

export const appUsage = operation({
  name: 'oauth_apps.usage',
  http: 'GET /v1/oauth-apps/{slug}/usage',
  about: 'What depends on this OAuth app, in all projects: the connections that live by it, and what depends on those.',
  scope: 'connection:read',
  role: 'workspace_admin',
  reach: 'workspace',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ slug: z.string().max(60), if: z.enum(['revoked', 'deleted']).optional() }),
  output: radius.extend({
    connections: z.array(z.object({ id: z.string(), name: z.string(), project_id: z.string(), status: z.string() })),
  }),
  run: (rooms, { caller }, input) =>
    rooms.db.tx({ workspace: caller.workspace, project: '*' }, async (tx: Tx) => {
      const connections = await rooms.connections.oauth.apps.users(tx, input.slug)
      // Without the app no token is renewed: what lives by it is to be connected again, one after the other.
      const supposing = input.if === undefined ? null : 'revoked'
      const touched = await radiusOf(
        rooms,
        tx,
        connections.map((c) => c.id),
        input.if,
        supposing,
      )
      return { ...touched, connections }
    }),
})
