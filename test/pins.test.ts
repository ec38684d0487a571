/** The visible surface, as literals: whoever changes it changes this file too, on purpose. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { SCOPES } from '../src/access/index.ts'
import { FAULTS } from '../src/base/errors.ts'
import { isSecret, type Schema } from '../src/faces/cli-commands.ts'
import { toolName, toolOf } from '../src/faces/platform-mcp.ts'
import { type AnyOperation, operations } from '../src/operations/index.ts'

it('[pins.surface] error codes and their HTTP statuses and exit codes', () => {
  expect(Object.entries(FAULTS).map(([code, f]) => `${code} ${f.http} ${f.exit}${f.retry ? ' retry' : ''}`)).toMatchInlineSnapshot(`
    [
      "BAD_REQUEST 400 2",
      "INVALID_INPUT 400 2",
      "UNAUTHENTICATED 401 3",
      "TOKEN_EXPIRED 401 3",
      "BAD_SIGNATURE 401 3",
      "STALE_SIGNATURE 401 3",
      "FORBIDDEN 403 3",
      "NOT_FOUND 404 4",
      "METHOD_NOT_ALLOWED 405 2",
      "CONFLICT 409 5",
      "CONNECTION_IN_USE 409 5",
      "INSTANCE_IN_USE 409 5",
      "DRAFT_CHANGED 409 5",
      "IDEMPOTENCY_CONFLICT 409 5",
      "TOO_LARGE 413 2",
      "UNSUPPORTED_MEDIA_TYPE 415 2",
      "REFUSED 422 5",
      "GRAPH_INVALID 422 5",
      "NOT_PUBLISHED 422 5",
      "SECRET_IN_GRAPH 422 5",
      "CREDENTIAL_MALFORMED 422 5",
      "CREDENTIAL_REJECTED 422 6",
      "CONNECTION_RECONNECT_REQUIRED 422 6",
      "BINDING_MISSING 422 5",
      "OAUTH_APP_REFUSED 422 6",
      "SCOPE_MISSING 422 6",
      "EGRESS_BLOCKED 422 5",
      "TEMPLATE_UNRESOLVED 422 5",
      "UNDECRYPTABLE 422 6",
      "TOOL_REFUSED 422 5",
      "UPSTREAM_INVALID 422 6",
      "UPSTREAM_NOT_FOUND 422 6",
      "UPSTREAM_CONFLICT 422 6",
      "RATE_LIMITED 429 6 retry",
      "RUN_STOPPED 409 5",
      "INTERNAL 500 1",
      "MCP_TOOL_FAILED 502 6",
      "UPSTREAM_RATE_LIMITED 502 6 retry",
      "UPSTREAM_ERROR 502 6 retry",
      "DEPENDENCY_UNAVAILABLE 503 7 retry",
      "VAULT_SEALED 503 7 retry",
      "SHUTTING_DOWN 503 7 retry",
      "STEP_TIMED_OUT 504 6 retry",
    ]
  `)
})

it('[pins.surface] scopes', () => {
  expect(SCOPES).toMatchInlineSnapshot(`
    [
      "workflow:read",
      "workflow:write",
      "workflow:run",
      "mcp:execute",
      "mcp:write",
      "connection:read",
      "connection:write",
      "webhook:write",
      "pat:write",
      "audit:read",
      "vault:admin",
    ]
  `)
})

it('[pins.surface] operations: name, route, scope, role, who, effect, audit', () => {
  expect(
    operations.map(
      (op) =>
        `${op.name} | ${op.http} | ${op.scope} | ${op.role}${op.by ? `, ${op.by}` : ''} | ${op.effect} | ${'log' in op.audit ? op.audit.log : 'not audited'}`,
    ),
  ).toMatchInlineSnapshot(`
    [
      "me.get | GET /v1/me | null | project_viewer | read | not audited",
      "pats.list | GET /v1/pats | pat:write | project_contributor | read | not audited",
      "pats.create | POST /v1/pats | pat:write | project_contributor, session | write | pat.created",
      "pats.revoke | DELETE /v1/pats/{id} | pat:write | project_contributor | destroy | pat.revoked",
      "pats.revoke_all | DELETE /v1/pats | null | project_viewer, session | destroy | pat.all_revoked",
      "pats.pattern | GET /v1/pats/pattern | null | project_viewer, anyone | read | not audited",
      "pats.report_leaked | POST /v1/pats/report-leaked | null | project_viewer, anyone | destroy | not audited",
      "audit.list | GET /v1/audit | audit:read | workspace_admin | read | not audited",
      "audit.verify | GET /v1/audit/verify | audit:read | workspace_admin | read | not audited",
      "setup.get | GET /v1/setup | null | project_viewer, anyone | read | not audited",
      "setup.finish | POST /v1/setup | null | project_viewer, anyone | write | not audited",
      "auth.sign_in | POST /v1/auth/sign-in | null | project_viewer, anyone | write | not audited",
      "auth.sign_out | POST /v1/auth/sign-out | null | project_viewer, anyone | write | not audited",
      "auth.forgot_password | POST /v1/auth/forgot-password | null | project_viewer, anyone | write | not audited",
      "auth.reset_password | POST /v1/auth/reset-password | null | project_viewer, anyone | write | not audited",
      "auth.change_password | POST /v1/auth/change-password | null | project_viewer, session | write | not audited",
      "auth.sessions | GET /v1/auth/sessions | null | project_viewer, session | read | not audited",
      "auth.end_session | DELETE /v1/auth/sessions/{id} | null | project_viewer, session | destroy | not audited",
      "auth.end_other_sessions | DELETE /v1/auth/sessions | null | project_viewer, session | destroy | not audited",
      "auth.providers | GET /v1/auth/providers | null | project_viewer, anyone | read | not audited",
      "auth.start_with | POST /v1/auth/providers/{slug}/start | null | project_viewer, anyone | write | not audited",
      "auth.link_with | POST /v1/auth/providers/{slug}/link | null | project_viewer, session | write | not audited",
      "auth.identities | GET /v1/auth/identities | null | project_viewer, session | read | not audited",
      "auth.unlink | DELETE /v1/auth/identities/{slug} | null | project_viewer, session | destroy | not audited",
      "changes.get | GET /v1/changes | null | project_viewer | read | not audited",
      "egress.get | GET /v1/egress | null | project_viewer | read | not audited",
      "home.get | GET /v1/home | workflow:read | project_viewer | read | not audited",
      "workspaces.list | GET /v1/workspaces | null | project_viewer | read | not audited",
      "workspaces.create | POST /v1/workspaces | null | workspace_owner, session | write | not audited",
      "workspaces.update | PATCH /v1/workspaces/{id} | null | workspace_admin, session | write | workspace.renamed",
      "projects.list | GET /v1/projects | null | project_viewer | read | not audited",
      "projects.create | POST /v1/projects | null | workspace_admin, session | write | project.created",
      "projects.update | PATCH /v1/projects/{id} | null | workspace_admin, session | write | project.renamed",
      "members.list | GET /v1/members | null | project_admin, session | read | not audited",
      "members.add | POST /v1/members | null | workspace_admin, session | write | invitation.created",
      "members.update | PATCH /v1/members/{id} | null | project_admin, session | write | member.changed",
      "members.remove | DELETE /v1/members/{id} | null | workspace_admin, session | destroy | member.removed",
      "members.leave | POST /v1/members/leave | null | project_viewer, session | destroy | member.left",
      "members.reset_link | POST /v1/members/{id}/reset-link | null | workspace_admin, session | write | not audited",
      "invitations.list | GET /v1/invitations | null | workspace_admin, session | read | not audited",
      "invitations.create | POST /v1/invitations | null | workspace_admin, session | write | invitation.created",
      "invitations.withdraw | DELETE /v1/invitations/{id} | null | workspace_admin, session | destroy | invitation.withdrawn",
      "invitations.look | POST /v1/invitations/look | null | project_viewer, anyone | read | not audited",
      "invitations.accept | POST /v1/invitations/accept | null | project_viewer, anyone | write | not audited",
      "connections.templates | GET /v1/connections/templates | connection:read | project_viewer | read | not audited",
      "connections.list | GET /v1/connections | connection:read | project_viewer | read | not audited",
      "connections.create | POST /v1/connections | connection:write | project_contributor | write | connection.created",
      "connections.get | GET /v1/connections/{id} | connection:read | project_viewer | read | not audited",
      "connections.update | PATCH /v1/connections/{id} | connection:write | project_contributor | write | connection.updated",
      "connections.delete | DELETE /v1/connections/{id} | connection:write | project_contributor | destroy | connection.deleted",
      "connections.credentials | GET /v1/connections/{id}/credentials | connection:read | project_viewer | read | not audited",
      "connections.usage | GET /v1/connections/{id}/usage | connection:read | project_viewer | read | not audited",
      "connections.try | POST /v1/connections/try | connection:write | project_contributor | write | connection.tried",
      "connections.validate | POST /v1/connections/{id}/validate | connection:write | project_contributor | write | connection.validated",
      "connections.events | GET /v1/connections/{id}/events | connection:read | project_viewer | read | not audited",
      "connections.authorize | POST /v1/connections/oauth/{slug}/authorize | connection:write | project_contributor | write | connection.sign_in_offered",
      "connections.reconnect | POST /v1/connections/{id}/reconnect | connection:write | project_contributor | write | connection.sign_in_offered",
      "oauth.attempt | GET /v1/oauth/attempts/{id} | connection:read | project_viewer | read | not audited",
      "doctor.oauth | GET /v1/oauth/doctor | connection:read | project_viewer | read | not audited",
      "oauth.confirm_original | POST /v1/oauth/confirm-original | vault:admin | workspace_owner | write | oauth.original_confirmed",
      "google.config | GET /v1/connections/google/config | connection:read | project_viewer | read | not audited",
      "google.oauth_url | POST /v1/connections/google/oauth-url | connection:write | project_contributor | write | connection.sign_in_offered",
      "google.complete | POST /v1/connections/google/complete | connection:read | project_viewer | read | not audited",
      "google.account | GET /v1/connections/google/accounts/{id} | connection:read | project_viewer | read | not audited",
      "google.services | PATCH /v1/connections/google/accounts/{id}/services | connection:write | project_contributor | write | connection.services_changed",
      "whatsapp.config | GET /v1/connections/whatsapp/config | connection:read | project_viewer | read | not audited",
      "whatsapp.complete | POST /v1/connections/whatsapp/complete | connection:write | project_contributor | write | connection.signed_up",
      "whatsapp.manual | POST /v1/connections/whatsapp/manual | connection:write | project_contributor | write | connection.created",
      "oauth_apps.list | GET /v1/oauth-apps | connection:read | project_viewer | read | not audited",
      "oauth_apps.get | GET /v1/oauth-apps/{slug} | connection:read | project_viewer | read | not audited",
      "oauth_apps.put | PUT /v1/oauth-apps/{slug} | connection:write | workspace_admin | write | oauth_app.changed",
      "oauth_apps.delete | DELETE /v1/oauth-apps/{slug} | connection:write | workspace_admin | destroy | oauth_app.deleted",
      "mcp.catalog | GET /v1/mcp/platform-catalog | mcp:execute | project_viewer | read | not audited",
      "instances.resolve | POST /v1/mcp/instances/resolve | mcp:execute | project_viewer | read | not audited",
      "instances.list | GET /v1/mcp/instances | mcp:execute | project_viewer | read | not audited",
      "instances.create | POST /v1/mcp/instances | mcp:write | project_contributor | write | instance.created",
      "instances.get | GET /v1/mcp/instances/{id} | mcp:execute | project_viewer | read | not audited",
      "instances.usage | GET /v1/mcp/instances/{id}/usage | mcp:execute | project_viewer | read | not audited",
      "instances.update | PATCH /v1/mcp/instances/{id} | mcp:write | project_contributor | write | instance.updated",
      "instances.delete | DELETE /v1/mcp/instances/{id} | mcp:write | project_contributor | destroy | instance.deleted",
      "instances.validate | POST /v1/mcp/instances/{id}/validate | mcp:write | project_contributor | write | instance.validated",
      "tools.list | GET /v1/mcp/instances/{id}/tools | mcp:execute | project_viewer | read | not audited",
      "tools.call | POST /v1/mcp/instances/{id}/tools/{tool}/call | mcp:execute | project_contributor | write | not audited",
      "profiles.list | GET /v1/mcp/instances/{id}/config-profiles | mcp:execute | project_viewer | read | not audited",
      "profiles.create | POST /v1/mcp/instances/{id}/config-profiles | mcp:write | project_contributor | write | profile.created",
      "profiles.update | PATCH /v1/mcp/instances/{id}/config-profiles/{profile_id} | mcp:write | project_contributor | write | profile.updated",
      "profiles.set_active | POST /v1/mcp/instances/{id}/config-profiles/{profile_id}/set-active | mcp:write | project_contributor | write | profile.activated",
      "workflows.list | GET /v1/workflows | workflow:read | project_viewer | read | not audited",
      "workflows.create | POST /v1/workflows | workflow:write | project_contributor | write | workflow.created",
      "workflows.get | GET /v1/workflows/{id} | workflow:read | project_viewer | read | not audited",
      "workflows.update | PATCH /v1/workflows/{id} | workflow:write | project_contributor | write | workflow.updated",
      "workflows.archive | DELETE /v1/workflows/{id} | workflow:write | project_contributor | destroy | workflow.archived",
      "workflows.restore | POST /v1/workflows/{id}/restore | workflow:write | project_contributor | write | workflow.restored",
      "workflows.validate | POST /v1/workflows/{id}/validate | workflow:read | project_viewer | read | not audited",
      "versions.list | GET /v1/workflows/{id}/versions | workflow:read | project_viewer | read | not audited",
      "versions.publish | POST /v1/workflows/{id}/versions | workflow:write | project_contributor | write | workflow.published",
      "runs.command | POST /v1/workflows/{id}/command | workflow:run | project_contributor | write | run.commanded",
      "runs.list | GET /v1/runs | workflow:read | project_viewer | read | not audited",
      "runs.list_of_workflow | GET /v1/workflows/{id}/runs | workflow:read | project_viewer | read | not audited",
      "runs.summary | GET /v1/workflows/{id}/runs/{run_id}/summary | workflow:read | project_viewer | read | not audited",
      "runs.events | GET /v1/workflows/{id}/runs/{run_id}/events | workflow:read | project_viewer | read | not audited",
      "runs.context | GET /v1/workflows/{id}/runs/{run_id}/context | workflow:read | project_viewer | read | not audited",
      "runs.retry | POST /v1/workflows/{id}/runs/{run_id}/retry | workflow:run | project_contributor | write | run.retried",
      "runs.resolve_step | POST /v1/workflows/{id}/runs/{run_id}/steps/{step_id}/resolve | workflow:run | project_contributor | write | run.step_resolved",
      "webhooks.list | GET /v1/inbound-webhooks | webhook:write | project_viewer | read | not audited",
      "webhooks.create | POST /v1/inbound-webhooks | webhook:write | project_contributor | write | webhook.created",
      "webhooks.get | GET /v1/inbound-webhooks/{id} | webhook:write | project_viewer | read | not audited",
      "webhooks.update | PATCH /v1/inbound-webhooks/{id} | webhook:write | project_contributor | write | webhook.updated",
      "webhooks.delete | DELETE /v1/inbound-webhooks/{id} | webhook:write | project_contributor | destroy | webhook.deleted",
      "webhooks.rotate_secret | POST /v1/inbound-webhooks/{id}/rotate-secret | webhook:write | project_contributor | write | webhook.secret_rotated",
      "webhooks.deliveries | GET /v1/inbound-webhooks/{id}/deliveries | webhook:write | project_viewer | read | not audited",
      "vault.status | GET /v1/vault | vault:admin | workspace_owner | read | not audited",
      "vault.rotate | POST /v1/vault/rotate | vault:admin | workspace_owner | write | vault.rotated",
      "vault.rewrap | POST /v1/vault/rewrap | vault:admin | workspace_owner | write | vault.rewrapped",
    ]
  `)
})

it('[pins.surface] MCP tools and their hints, and what is kept from models for which reason', () => {
  const hints = (op: AnyOperation) =>
    Object.entries(toolOf(op).annotations ?? {})
      .filter(([, on]) => on)
      .map(([hint]) => hint.replace('Hint', ''))
  expect(
    operations.map((op) => (op.hideFrom?.mcp ? `(${op.name}: ${op.hideFrom.mcp})` : [toolName(op), ...hints(op)].join(' '))),
  ).toMatchInlineSnapshot(`
    [
      "me_get readOnly idempotent",
      "pats_list readOnly idempotent",
      "(pats.create: its answer holds a token, which a model must not see)",
      "pats_revoke destructive idempotent",
      "(pats.revoke_all: for people who have signed in)",
      "(pats.pattern: for scanners)",
      "(pats.report_leaked: it takes a token, which a model must not hold)",
      "audit_list readOnly idempotent",
      "audit_verify readOnly idempotent",
      "(setup.get: for people in a browser)",
      "(setup.finish: for people in a browser)",
      "(auth.sign_in: for people in a browser)",
      "(auth.sign_out: for people in a browser)",
      "(auth.forgot_password: for people in a browser)",
      "(auth.reset_password: for people in a browser)",
      "(auth.change_password: for people in a browser)",
      "(auth.sessions: for people in a browser)",
      "(auth.end_session: for people in a browser)",
      "(auth.end_other_sessions: for people in a browser)",
      "(auth.providers: for people in a browser)",
      "(auth.start_with: for people in a browser)",
      "(auth.link_with: for people in a browser)",
      "(auth.identities: for people in a browser)",
      "(auth.unlink: for people in a browser)",
      "(changes.get: a model reads what it wants to know)",
      "egress_get readOnly idempotent",
      "(home.get: for people who begin)",
      "workspaces_list readOnly idempotent",
      "(workspaces.create: for people who have signed in)",
      "(workspaces.update: for people who have signed in)",
      "projects_list readOnly idempotent",
      "(projects.create: for people who have signed in)",
      "(projects.update: for people who have signed in)",
      "(members.list: for people who have signed in)",
      "(members.add: its answer holds a link that lets somebody in)",
      "(members.update: for people who have signed in)",
      "(members.remove: for people who have signed in)",
      "(members.leave: for people who have signed in)",
      "(members.reset_link: its answer holds a link that lets somebody in)",
      "(invitations.list: for people who have signed in)",
      "(invitations.create: its answer holds a link that lets somebody in)",
      "(invitations.withdraw: for people who have signed in)",
      "(invitations.look: for people who have signed in)",
      "(invitations.accept: for people who have signed in)",
      "connections_templates readOnly idempotent",
      "connections_list readOnly idempotent",
      "(connections.create: it takes a credential, which a model must not hold)",
      "connections_get readOnly idempotent",
      "(connections.update: it takes a credential, which a model must not hold)",
      "connections_delete destructive idempotent",
      "connections_credentials readOnly idempotent",
      "connections_usage readOnly idempotent",
      "(connections.try: it takes a credential, which a model must not hold)",
      "connections_validate",
      "connections_events readOnly idempotent",
      "connections_authorize",
      "connections_reconnect",
      "oauth_attempt readOnly idempotent",
      "doctor_oauth readOnly idempotent",
      "(oauth.confirm_original: for operators only)",
      "google_config readOnly idempotent",
      "google_oauth_url",
      "google_complete readOnly idempotent",
      "google_account readOnly idempotent",
      "google_services",
      "whatsapp_config readOnly idempotent",
      "(whatsapp.complete: it takes a code that becomes a credential, which a model must not hold)",
      "(whatsapp.manual: it takes a credential, which a model must not hold)",
      "oauth_apps_list readOnly idempotent",
      "oauth_apps_get readOnly idempotent",
      "(oauth_apps.put: it takes a credential, which a model must not hold)",
      "oauth_apps_delete destructive idempotent",
      "mcp_catalog readOnly idempotent",
      "instances_resolve readOnly idempotent",
      "instances_list readOnly idempotent",
      "instances_create",
      "instances_get readOnly idempotent",
      "instances_usage readOnly idempotent",
      "instances_update",
      "instances_delete destructive idempotent",
      "instances_validate",
      "tools_list readOnly idempotent",
      "(tools.call: each instance is an MCP server of its own, where a tool has its own name and hints)",
      "profiles_list readOnly idempotent",
      "profiles_create",
      "profiles_update",
      "profiles_set_active",
      "workflows_list readOnly idempotent",
      "workflows_create",
      "workflows_get readOnly idempotent",
      "workflows_update",
      "workflows_archive destructive idempotent",
      "workflows_restore",
      "workflows_validate readOnly idempotent",
      "versions_list readOnly idempotent",
      "versions_publish",
      "runs_command",
      "runs_list readOnly idempotent",
      "runs_list_of_workflow readOnly idempotent",
      "runs_summary readOnly idempotent",
      "runs_events readOnly idempotent",
      "runs_context readOnly idempotent",
      "runs_retry",
      "runs_resolve_step",
      "webhooks_list readOnly idempotent",
      "(webhooks.create: its answer holds a signing secret, which a model must not see)",
      "webhooks_get readOnly idempotent",
      "webhooks_update",
      "webhooks_delete destructive idempotent",
      "(webhooks.rotate_secret: its answer holds a signing secret, which a model must not see)",
      "webhooks_deliveries readOnly idempotent",
      "vault_status readOnly idempotent",
      "(vault.rotate: for operators only)",
      "(vault.rewrap: for operators only)",
    ]
  `)
  const names = operations.map(toolName)
  expect(new Set(names).size).toBe(names.length)
  expect(names.filter((name) => !/^[a-z_]{1,64}$/.test(name))).toEqual([])
})

it('[mcp.no-credential] what takes a credential or answers with a token is kept from models', () => {
  const schema = (of: z.ZodType, io: 'input' | 'output') => z.toJSONSchema(of, { io, unrepresentable: 'any' }) as Schema
  const telling = /^(token|secret|client_secret|signing_secret|password|api_key|code|credentials?)$/
  /** Texts with a telling name, at any depth. */
  const texts = (it: Schema): string[] => [
    ...Object.entries(it.properties ?? {}).flatMap(([name, of]) => (of.type === 'string' && telling.test(name) ? [name] : [])),
    ...[...Object.values(it.properties ?? {}), ...(it.anyOf ?? []), ...(it.items ? [it.items] : [])].flatMap(texts),
  ]
  const taking = operations.filter((op) => isSecret(schema(op.input, 'input')) || texts(schema(op.input, 'input')).length > 0)
  expect(taking.map((op) => op.name)).toEqual(expect.arrayContaining(['connections.create', 'connections.update', 'oauth_apps.put']))
  // Of an answer `code` is what a failure is called.
  const giving = operations.filter((op) => texts(schema(op.output, 'output')).some((name) => name !== 'code'))
  expect(giving.map((op) => op.name)).toContain('pats.create')
  for (const op of [...taking, ...giving]) expect(op.hideFrom?.mcp, op.name).toBeTruthy()
})

it('every operation says what it is, has strict input, and names its path fields', () => {
  for (const op of operations) {
    expect(op.about.length, op.name).toBeGreaterThan(10)
    expect(op.about, op.name).toMatch(/\.$/)
    expect(op.input.safeParse({ surely_not_a_field: 1 }).success, op.name).toBe(false)
    for (const [, field = ''] of op.http.matchAll(/\{(\w+)\}/g)) expect(Object.keys(op.input.shape), op.name).toContain(field)
    if (op.effect !== 'read' && 'none' in op.audit) expect(op.audit.none.length, op.name).toBeGreaterThan(20)
  }
})
