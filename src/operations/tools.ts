import { z } from 'zod'
import { newId } from '../base/ids.ts'
import { canonicalUrl, missingScopes } from '../bindings/index.ts'
import type { Connector, Tool } from '../connectors/contract.ts'
import { grantLinks } from './grant-links.ts'
import { operation } from './operation.ts'
import { profileId, standingOf } from './standing.ts'
import { environment, id, json, toolFacts } from './shapes.ts'

const schema = (s: z.ZodType, io: 'input' | 'output') => z.toJSONSchema(s, { io, unrepresentable: 'any' }) as Record<string, unknown>

const shown = new WeakMap<Tool, z.output<typeof toolFacts>>()
function showTool(toolName: string, tool: Tool): z.output<typeof toolFacts> {
  let facts = shown.get(tool)
  if (!facts) {
    facts = {
      name: toolName,
      about: tool.about,
      effect: tool.effect,
      repeatable: typeof tool.repeatable === 'boolean' ? tool.repeatable : null,
      scopes: tool.scopes.map((need) => (typeof need === 'string' ? need : [...need])),
      input_schema: schema(tool.input, 'input'),
      output_schema: schema(tool.output, 'output'),
    }
    shown.set(tool, facts)
  }
  return facts
}
const showConnector = (c: Connector) => ({
  slug: c.slug,
  title: c.title,
  about: c.about,
  canonical_url: canonicalUrl(c.slug),
  auth_kinds: c.auth.kind === 'api_key' && c.auth.oauth ? ['api_key', 'oauth'] : [c.auth.kind],
  provider: c.auth.kind === 'oauth' ? c.auth.provider : null,
  docs: c.docs,
  config_schema: schema(c.config, 'input'),
  tools: Object.entries(c.tools).map(([toolName, tool]) => showTool(toolName, tool)),
})

export const catalog = operation({
  name: 'mcp.catalog',
  http: 'GET /v1/mcp/platform-catalog',
  about: 'Built-in servers: their tools with scopes and hints, how they authenticate, and their config.',
  scope: 'mcp:execute',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'the same for everybody' },
  input: z.strictObject({}),
  output: z.object({
    items: z.array(
      z.object({
        slug: z.string(),
        title: z.string(),
        about: z.string(),
        canonical_url: z.string(),
        auth_kinds: z.array(z.string()),
        provider: z.string().nullable().describe('whose accounts it takes'),
        docs: z.string(),
        config_schema: json,
        tools: z.array(toolFacts),
      }),
    ),
  }),
  run: async ({ connections }) => ({ items: [...connections.connectors.values()].map(showConnector) }),
})

export const listTools = operation({
  name: 'tools.list',
  http: 'GET /v1/mcp/instances/{id}/tools',
  about: 'Tools of an instance, and for each whether the bound connection may use it.',
  scope: 'mcp:execute',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'no secret is involved' },
  input: z.strictObject({ id: id('instance'), environment, profile_id: profileId }),
  output: z.object({
    items: z.array(
      toolFacts.extend({
        available: z.boolean(),
        missing_scopes: z.array(z.string()),
        reason: z.string().nullable(),
        grant_url: z
          .string()
          .nullable()
          .describe('asks for exactly the missing scopes; null where nothing is missing or you may not connect'),
      }),
    ),
  }),
  run: async (rooms, { read, scope, caller }, input) => {
    const at = await read((tx) => standingOf(rooms, tx, input))
    const granted = at.connection?.granted_scopes ?? null
    const why = !at.hasProfile
      ? `no active profile for ${at.environment}`
      : at.needsConnection && !at.connection
        ? 'no connection is bound'
        : at.connection?.status === 'reconnect'
          ? 'the connection must be connected again'
          : at.connection?.status === 'disabled'
            ? 'the connection is disabled'
            : null
    const links = grantLinks(rooms, scope, caller, at.connection?.id ?? null)
    const items = Object.entries(at.connector.tools).map(async ([toolName, tool]) => {
      const missing = missingScopes(tool, granted)
      return {
        ...showTool(toolName, tool),
        available: why === null && missing.length === 0,
        missing_scopes: missing,
        reason: why ?? (missing.length > 0 ? `needs ${missing.join(', ')}` : null),
        grant_url: await links(missing),
      }
    })
    return { items: await Promise.all(items) }
  },
})

export const call = operation({
  name: 'tools.call',
  http: 'POST /v1/mcp/instances/{id}/tools/{tool}/call',
  about: 'Call one tool, on the same path as a step of a run.',
  scope: 'mcp:execute',
  role: 'project_contributor',
  effect: 'write',
  audit: { none: 'every call has a record of its own, with more in it than an audit entry' },
  hideFrom: { mcp: 'each instance is an MCP server of its own, where a tool has its own name and hints' },
  input: z.strictObject({
    id: id('instance'),
    tool: z.string().max(100),
    args: json.default({}),
    environment,
    profile_id: profileId,
    timeout_s: z.number().int().min(1).max(600).optional(),
  }),
  output: z.object({ result: z.unknown() }),
  run: async ({ tools, runs }, { scope, caller, signal }, input) => {
    // What is typed here is as good as what is written into a step.
    await runs.refuseSecrets(scope, input.args, 'args')
    const result = await tools.call({
      scope,
      actor: caller.actor,
      instanceId: input.id,
      tool: input.tool,
      args: input.args,
      environment: input.environment,
      profileId: input.profile_id,
      key: newId('call'),
      signal,
      ...(input.timeout_s === undefined ? {} : { timeoutMs: input.timeout_s * 1000 }),
    })
    return { result }
  },
})

const check = z.object({
  check: z.enum(['profile_active', 'connection_bound', 'credential_live', 'scopes', 'smoke_call']),
  ok: z.boolean(),
  skipped: z.boolean(),
  message: z.string(),
  ms: z.number().describe('how long it took'),
})

export const validateInstance = operation({
  name: 'instances.validate',
  http: 'POST /v1/mcp/instances/{id}/validate',
  about: 'Check an instance end to end: profile, binding, live credential, scopes, one smoke call.',
  scope: 'mcp:write',
  role: 'project_contributor',
  effect: 'write',
  audit: { log: 'instance.validated' },
  input: z.strictObject({ id: id('instance'), environment, profile_id: profileId }),
  output: z.object({ ok: z.boolean(), environment: z.string(), checks: z.array(check) }),
  run: async (rooms, { caller, scope, act, read, signal }, input) => {
    const { bindings, connections, tools } = rooms
    const checks: z.output<typeof check>[] = []
    let since = performance.now()
    const say = (name: z.output<typeof check>['check'], ok: boolean, message: string, skipped = false) => {
      checks.push({ check: name, ok, skipped, message, ms: Math.round(performance.now() - since) })
      since = performance.now()
    }
    const at = await read((tx) => standingOf(rooms, tx, input))
    const { environment: where, tried } = at
    if (tried && !tried.active) say('profile_active', true, `${tried.name} is not active, and is tried all the same`, true)
    else say('profile_active', at.hasProfile, at.hasProfile ? `a profile is active for ${where}` : `no profile is active for ${where}`)
    const bound = !at.needsConnection || at.connection !== null
    say(
      'connection_bound',
      bound,
      !at.needsConnection ? 'this server needs no connection' : bound ? `bound to ${at.connection?.name}` : 'no connection is bound',
    )
    let live = at.hasProfile && bound
    let write: ((tx: Parameters<Parameters<typeof act>[0]>[0]) => Promise<void>) | null = null
    let granted = at.connection?.granted_scopes ?? null
    if (live && at.connection) {
      const { config } = tried ? await bindings.ofProfile(scope, input.id, tried.id) : await bindings.resolve(scope, input.id, where)
      const validated = await connections.validate(scope, at.connection.id, config, signal, caller.actor, at.connector.slug)
      write = validated.write
      live = validated.result.ok
      granted = validated.result.granted_scopes
      say('credential_live', live, validated.result.problem?.message ?? `answered in ${validated.result.latency_ms} ms`)
    } else say('credential_live', live, at.needsConnection ? 'nothing to try' : 'this server needs no credential', true)
    const lacking = Object.entries(at.connector.tools).filter(([, t]) => missingScopes(t, granted).length > 0)
    say(
      'scopes',
      lacking.length === 0,
      granted === null
        ? 'the provider does not tell'
        : lacking.length === 0
          ? 'every tool may be used'
          : `not usable: ${lacking.map(([n]) => n).join(', ')}`,
      granted === null,
    )
    const smoke = Object.entries(at.connector.tools).find(
      ([, t]) => t.effect === 'read' && t.input.safeParse({}).success && missingScopes(t, granted).length === 0,
    )
    if (live && smoke) {
      const outcome = await tools.attempt({
        scope,
        actor: 'system:validate',
        instanceId: input.id,
        tool: smoke[0],
        args: {},
        environment: where,
        profileId: tried?.id,
        key: newId('check'),
        signal,
      })
      say('smoke_call', outcome.ok, outcome.ok ? `${smoke[0]} answered in ${outcome.record.duration_ms} ms` : outcome.fault.message)
    } else say('smoke_call', live, live ? 'no tool can be called without arguments' : 'nothing to try', true)
    const ok = checks.every((c) => c.ok)
    await act(
      async (tx) => {
        await write?.(tx)
      },
      () => ({ target: input.id, details: { ok, failed: checks.filter((c) => !c.ok).map((c) => c.check) } }),
    )
    return { ok, environment: where, checks }
  },
})

export const resolve = operation({
  name: 'instances.resolve',
  http: 'POST /v1/mcp/instances/resolve',
  about: 'The instances of this project for portable server URLs, or what is missing.',
  scope: 'mcp:execute',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'no secret is involved' },
  input: z.strictObject({ server_urls: z.array(z.string().max(200)).min(1).max(100), environment }),
  output: z.object({
    items: z.array(z.object({ server_url: z.string(), instance_id: z.string().nullable(), missing: z.string().nullable() })),
  }),
  run: ({ tools }, { read }, input) =>
    read(async (tx) => {
      const known = await tools.lookups(tx, [], input.server_urls, input.environment)
      const installed = new Set([...known.instances.values()].map((i) => i.serverUrl))
      return {
        items: input.server_urls.map((url) => {
          const at = known.byServerUrl.get(url)
          const missing = at
            ? at.needsConnection && !at.connection
              ? 'connection'
              : null
            : installed.has(url)
              ? 'active profile'
              : 'instance'
          return { server_url: url, instance_id: at?.id ?? null, missing }
        }),
      }
    }),
})
