import { z } from 'zod'
import { verifyAudit } from '../access/index.ts'
import { fail } from '../base/errors.ts'
import { pageOf, readNumberCursor } from '../base/page.ts'
import { operation } from './operation.ts'
import { cursor, limit, page, place, time } from './shapes.ts'

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
    connection: z.string().max(80).optional().describe('what is about this connection, and entries that answer for uses of its secret'),
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
        connection: input.connection,
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
  run: async ({ db, vault }, { caller }) =>
    (await verifyAudit(db, () => (vault.state().state === 'open' ? vault.signer.publicKey() : null), caller.workspace))[0] ??
    fail('NOT_FOUND', 'this workspace has no audit log'),
})
