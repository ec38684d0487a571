/** Shapes that several operations share. */
import { z } from 'zod'
import { DEFAULT_LIMIT, MAX_LIMIT } from '../base/page.ts'

export const limit = z.coerce.number().int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT).describe(`how many at most, up to ${MAX_LIMIT}`)
export const cursor = z.string().max(200).optional().describe('next_cursor of the page before')
export const id = (kind: string) => z.string().max(80).describe(`id of the ${kind}`)
export const name = z.string().trim().min(1).max(200)
export const environment = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,31}$/, 'lower-case letters, digits, _ and -')
  .default('production')
  .describe('production, sandbox or a name of your own')
export const time = z.string().describe('RFC 3339, UTC')
export const json = z.record(z.string(), z.unknown())
export const page = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next_cursor: z.string().nullable() })
export const done = z.object({ ok: z.literal(true) })

export const place = z.object({ id: z.string(), slug: z.string(), name: z.string(), role: z.string() })

const nullable = <T extends z.ZodType>(s: T) => s.nullable()

export const connection = z.object({
  id: z.string(),
  name: z.string(),
  provider: z.string(),
  service: z.string(),
  environment: z.string(),
  status: z.enum(['unverified', 'active', 'degraded', 'reconnect', 'needs_scopes', 'misconfigured', 'disabled']),
  status_reason: nullable(z.string()),
  status_text: nullable(z.string()),
  status_since: time,
  credential_keys: z.array(z.string()),
  credential_version: z.number(),
  settings: json,
  account: nullable(z.object({ id: z.string(), label: z.string() })),
  granted_scopes: nullable(z.array(z.string())),
  warnings: z.array(z.string()),
  expires_at: nullable(time),
  oauth: nullable(
    z.object({
      kind: z.enum(['authorization_code', 'refresh_token', 'access_token', 'client_credentials', 'jwt_bearer']),
      app: nullable(z.string()),
      services: z.array(z.string()),
      renewable: z.boolean().describe('false: it ends with its access token'),
      consented_at: time,
      access_expires_at: nullable(time),
      renews_at: nullable(time).describe('when it is renewed by itself'),
      ends_at: nullable(time).describe('after this only a person helps'),
      failures: z.number(),
      next_try_at: nullable(time),
      last_problem: nullable(z.string()),
    }),
  ),
  rotation: nullable(
    z.object({
      rotation_id: z.string(),
      state: z.enum(['staged', 'validated', 'switched', 'finished', 'cancelled', 'rolled_back']),
      by: z.string().describe('who began it'),
      since: time,
      until: nullable(time).describe('when the new one is dropped, or, once it was switched to, the old one'),
    }),
  ).describe('the one that is under way'),
  last_validated_at: nullable(time),
  last_used_at: nullable(time),
  created_at: time,
  updated_at: time,
})

export const profile = z.object({
  id: z.string(),
  name: z.string(),
  environment: z.string(),
  connection_id: nullable(z.string()),
  config: json,
  source_spec: nullable(json),
  active: z.boolean(),
  created_at: time,
  updated_at: time,
})
export const instance = z.object({
  id: z.string(),
  name: z.string(),
  server: z.string(),
  canonical_url: z.string(),
  profiles: z.array(profile),
  created_at: time,
  updated_at: time,
})
/** With the state of what is bound, so that whoever looks needs no second question. */
export const wiredInstance = instance.extend({
  profiles: z.array(
    profile.extend({ connection: nullable(z.object({ id: z.string(), name: z.string(), status: connection.shape.status })) }),
  ),
})
export const toolFacts = z.object({
  name: z.string(),
  about: z.string(),
  effect: z.enum(['read', 'write', 'destroy']),
  repeatable: z.boolean().nullable().describe('null: depends on the arguments'),
  scopes: z.array(z.union([z.string(), z.array(z.string())])).describe('all are needed; of a list among them any one'),
  input_schema: json,
  output_schema: json,
})
export const issue = z.object({
  step_id: nullable(z.string()),
  code: z.string(),
  path: z.string(),
  message: z.string(),
  severity: z.enum(['error', 'warning']),
  missing_scopes: z.array(z.string()).optional(),
  connection_id: z.string().optional(),
  grant_url: z.string().nullable().optional().describe('for scope_missing: a link that asks for exactly these'),
})
export const workflow = z.object({
  id: z.string(),
  name: z.string(),
  description: nullable(z.string()),
  graph: z.unknown(),
  run_setup: z.unknown(),
  latest_version: nullable(z.number()),
  archived: z.boolean(),
  created_at: time,
  updated_at: time,
})
export const version = z.object({
  version: z.number(),
  workflow_id: z.string(),
  changelog: nullable(z.string()),
  published_by: z.string(),
  published_at: time,
  graph_snapshot: z.unknown(),
})
export const runStatus = z.enum(['queued', 'running', 'paused', 'draining', 'completed', 'failed', 'stopped'])
export const failure = z.looseObject({ code: z.string(), message: z.string(), step_id: nullable(z.string()) })
export const run = z.object({
  run_id: z.string(),
  workflow_id: z.string(),
  workflow_name: nullable(z.string()),
  version: z.number(),
  environment: z.string(),
  trigger: z.string(),
  started_by: z.string(),
  status: runStatus,
  waiting_on: z.array(z.unknown()),
  failure: nullable(failure),
  created_at: time,
  started_at: nullable(time),
  finished_at: nullable(time),
})
export const event = z.object({
  seq: z.number(),
  event_type: z.string(),
  step_id: nullable(z.string()),
  attempt: nullable(z.number()),
  at: time,
  data: json,
})
export const pat = z.object({
  id: z.string(),
  display_name: z.string(),
  last_four: nullable(z.string()).describe('what it ends with'),
  scopes: z.array(z.string()),
  project_id: z.string(),
  user: z.object({ id: z.string(), name: z.string() }),
  created_at: time,
  expires_at: time,
  last_used_at: nullable(time),
  last_used_ip: nullable(z.string()),
  revoked_at: nullable(time),
})
