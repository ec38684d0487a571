import { z } from 'zod'
import { PAT_DEFAULT_DAYS, PAT_MAX_DAYS, SCOPES, verifyAudit } from '../access/index.ts'
import { fail } from '../base/errors.ts'
import { pageOf, readCursor, readNumberCursor } from '../base/page.ts'
import { operation } from './operation.ts'
import { cursor, done, id, limit, name, page, pat, time } from './shapes.ts'

const place = z.object({ id: z.string(), slug: z.string(), name: z.string(), role: z.string() })

export const me = operation({
  name: 'me.get',
  http: 'GET /v1/me',
  about: 'Who is asking: person, workspaces and projects with the role in each, and the scopes of a token.',
  scope: null,
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'tells the caller about itself' },
  input: z.strictObject({}),
  output: z.object({
    kind: z.enum(['pat', 'session', 'system', 'anyone']),
    user: z.object({ id: z.string(), name: z.string(), email: z.string() }),
    workspace: z.object({ id: z.string(), slug: z.string(), name: z.string() }),
    projects: z.array(place).describe('of this workspace'),
    project_id: z.string(),
    role: z.string().describe('in this project'),
    workspaces: z.array(place.extend({ projects: z.array(place) })).describe('for a token: its own'),
    scopes: z.array(z.string()).describe('for a session: all; the role decides'),
  }),
  run: async ({ access }, { caller, read }) => {
    const { user, workspaces } = await (caller.kind === 'session'
      ? access.whereabouts(caller.userId)
      : read(async (tx) => ({ user: await access.user(tx, caller.userId), workspaces: await access.memberships(tx, caller.userId) })))
    const here = workspaces.find((w) => w.id === caller.workspace) ?? fail('NOT_FOUND', 'you are no longer a member of this workspace')
    return {
      kind: caller.kind,
      user: { id: caller.userId, name: user?.name ?? caller.userName, email: user?.email ?? '' },
      workspace: { id: here.id, slug: here.slug, name: here.name },
      projects: here.projects,
      project_id: caller.project,
      role: caller.role,
      workspaces,
      scopes: [...caller.scopes],
    }
  },
})

export const listPats = operation({
  name: 'pats.list',
  http: 'GET /v1/pats',
  about: 'Personal access tokens of this project. Their values are never shown again.',
  scope: 'pat:write',
  role: 'project_contributor',
  effect: 'read',
  audit: { none: 'shows facts about tokens, never a token' },
  input: z.strictObject({ limit, cursor }),
  output: page(pat),
  run: ({ access }, { read }, input) =>
    read(async (tx) =>
      pageOf(
        await access.pats(tx, input.limit + 1, readCursor(input.cursor)),
        input.limit,
        (p) => p.id,
        (p) => p,
      ),
    ),
})

export const createPat = operation({
  name: 'pats.create',
  http: 'POST /v1/pats',
  about: 'Create a personal access token. The answer holds it once; it cannot be shown again.',
  scope: 'pat:write',
  role: 'project_contributor',
  by: 'session',
  effect: 'write',
  audit: { log: 'pat.created' },
  status: 201,
  hideFrom: { mcp: 'its answer holds a token, which a model must not see', cli: 'a token makes no tokens' },
  input: z.strictObject({
    display_name: name,
    scopes: z.array(z.enum(SCOPES)).min(1),
    expires_in_days: z.number().int().min(1).max(PAT_MAX_DAYS).default(PAT_DEFAULT_DAYS),
    project_id: z.string().optional().describe("the caller's own project"),
  }),
  output: pat.extend({ token: z.string() }),
  run: async ({ access }, { caller, act }, { project_id, ...input }) => {
    if (project_id !== undefined && project_id !== caller.project) fail('NOT_FOUND', `there is no project ${project_id} for this token`)
    const more = input.scopes.filter((s) => !caller.scopes.includes(s))
    if (more.length > 0)
      fail('FORBIDDEN', `this token does not have ${more.join(', ')}, so it cannot give that away`, { details: { missing_scopes: more } })
    const made = await act(
      (tx) => access.createPat(tx, caller, input),
      ({ pat: p }) => ({ target: p.id, details: { scopes: p.scopes, expires_at: p.expires_at } }),
    )
    return { ...made.pat, token: made.token }
  },
})

export const revokePat = operation({
  name: 'pats.revoke',
  http: 'DELETE /v1/pats/{id}',
  about: 'Revoke a token. It stops working within a second.',
  scope: 'pat:write',
  role: 'project_contributor',
  effect: 'destroy',
  audit: { log: 'pat.revoked' },
  input: z.strictObject({ id: id('token') }),
  output: done,
  run: async ({ access }, { act }, input) => {
    await act(
      (tx) => access.revokePat(tx, input.id),
      () => ({ target: input.id }),
    )
    return { ok: true as const }
  },
})

export const listAudit = operation({
  name: 'audit.list',
  http: 'GET /v1/audit',
  about: 'What was done, by whom, newest first.',
  scope: 'audit:read',
  role: 'workspace_admin',
  effect: 'read',
  audit: { none: 'reading the log is not an act on anything' },
  input: z.strictObject({
    limit,
    cursor,
    actor: z.string().max(100).optional(),
    action: z.string().max(100).optional(),
    target: z.string().max(100).optional(),
    since: z.iso.datetime().optional(),
    until: z.iso.datetime().optional(),
  }),
  output: page(
    z.object({
      seq: z.number(),
      at: time,
      actor: z.string(),
      action: z.string(),
      target: z.string().nullable(),
      entry: z.unknown(),
      hash: z.string(),
    }),
  ),
  run: ({ access }, { read }, input) =>
    read(async (tx) => {
      const found = await access.audit.page(tx, {
        limit: input.limit + 1,
        before: readNumberCursor(input.cursor),
        actor: input.actor,
        action: input.action,
        target: input.target,
        since: input.since ? new Date(input.since) : undefined,
        until: input.until ? new Date(input.until) : undefined,
      })
      return pageOf(
        found,
        input.limit,
        (r) => String(r.seq),
        (r) => ({
          seq: r.seq,
          at: r.at.toISOString(),
          actor: r.actor,
          action: r.action,
          target: r.target,
          entry: JSON.parse(r.entry) as unknown,
          hash: r.hash.toString('hex'),
        }),
      )
    }),
})

export const verify = operation({
  name: 'audit.verify',
  http: 'GET /v1/audit/verify',
  about: 'Walk the audit chain of this workspace and say whether it is whole.',
  scope: 'audit:read',
  role: 'workspace_admin',
  effect: 'read',
  audit: { none: 'reading the log is not an act on anything' },
  input: z.strictObject({}),
  output: z.object({
    workspace: z.string(),
    entries: z.number(),
    ok: z.boolean(),
    problems: z.array(z.object({ workspace: z.string(), seq: z.number(), problem: z.string() })),
  }),
  run: async ({ db }, { caller }) => (await verifyAudit(db, caller.workspace))[0] ?? fail('NOT_FOUND', 'this workspace has no audit log'),
})
