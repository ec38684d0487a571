/** Workspaces and the projects inside them. */
import { z } from 'zod'
import { pageOf, readCursor } from '../base/page.ts'
import { operation } from './operation.ts'
import { cursor, id, limit, name, page, place, time } from './shapes.ts'

const PEOPLE = { mcp: 'for people who have signed in', cli: 'for people who have signed in' }
const slug = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'lower-case letters, digits and -, up to 40')
  .describe('short name, which stays')
const project = z.object({ id: z.string(), slug: z.string(), name: z.string(), created_at: time })
const shown = (row: { id: string; slug: string; name: string; created_at: Date }) => ({
  id: row.id,
  slug: row.slug,
  name: row.name,
  created_at: row.created_at.toISOString(),
})
/** `Research & more` → `research-more`. */
const slugOf = (text: string): string =>
  text
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '') || 'project'

export const listWorkspaces = operation({
  name: 'workspaces.list',
  http: 'GET /v1/workspaces',
  about: 'Where you are a member; for a token, its own workspace.',
  scope: null,
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'tells the caller about itself' },
  input: z.strictObject({}),
  output: page(place),
  run: async ({ access }, { caller, read }) => {
    const all =
      caller.kind === 'session'
        ? (await access.whereabouts(caller.userId)).workspaces
        : await read((tx) => access.memberships(tx, caller.userId))
    return { items: all.map((it) => ({ id: it.id, slug: it.slug, name: it.name, role: it.role })), next_cursor: null }
  },
})

export const createWorkspace = operation({
  name: 'workspaces.create',
  http: 'POST /v1/workspaces',
  about: 'Make a workspace, with one project in it. You are its owner.',
  scope: null,
  role: 'workspace_owner',
  by: 'session',
  effect: 'write',
  audit: { none: 'it is the first entry of the log of the new workspace' },
  status: 201,
  hideFrom: PEOPLE,
  input: z.strictObject({ name, slug: slug.optional() }),
  output: place.extend({ project_id: z.string() }),
  run: async ({ access }, { caller, requestId }, input) => {
    const it = { name: input.name, slug: input.slug ?? slugOf(input.name) }
    const made = await access.workspaceOf(caller, it, requestId)
    access.forget(caller.userId)
    return { id: made.id, ...it, role: 'owner', project_id: made.project }
  },
})

export const updateWorkspace = operation({
  name: 'workspaces.update',
  http: 'PATCH /v1/workspaces/{id}',
  about: 'Give this workspace another name. Its slug stays.',
  scope: null,
  role: 'workspace_admin',
  by: 'session',
  reach: 'workspace',
  effect: 'write',
  audit: { log: 'workspace.renamed' },
  hideFrom: PEOPLE,
  input: z.strictObject({ id: id('workspace'), name }),
  output: z.object({ id: z.string(), slug: z.string(), name: z.string() }),
  run: async ({ access }, { caller, act }, input) => {
    const row = await act(
      (tx) => access.members.renameWorkspace(tx, caller, input.id, input.name),
      () => ({ target: input.id, details: { name: input.name } }),
    )
    access.forget(caller.userId)
    return { id: row.workspace_id, slug: row.slug, name: row.name }
  },
})

export const listProjects = operation({
  name: 'projects.list',
  http: 'GET /v1/projects',
  about: 'The projects of this workspace in which you have a role.',
  scope: null,
  role: 'project_viewer',
  reach: 'workspace',
  effect: 'read',
  audit: { none: 'tells the caller about itself' },
  input: z.strictObject({ limit, cursor }),
  output: page(place),
  run: async ({ access }, { caller, read }, input) =>
    read(async (tx) => {
      const own = (await access.memberships(tx, caller.userId)).find((it) => it.id === caller.workspace)?.projects ?? []
      const after = readCursor(input.cursor)
      const rest = own.toSorted((a, b) => (a.id < b.id ? -1 : 1)).filter((it) => after === null || it.id > after)
      return pageOf(
        rest.slice(0, input.limit + 1),
        input.limit,
        (p) => p.id,
        (p) => p,
      )
    }),
})

export const createProject = operation({
  name: 'projects.create',
  http: 'POST /v1/projects',
  about: 'Make a project in this workspace. Owners and admins of the workspace work in it at once; others get a role in it.',
  scope: null,
  role: 'workspace_admin',
  by: 'session',
  reach: 'workspace',
  effect: 'write',
  audit: { log: 'project.created' },
  status: 201,
  hideFrom: PEOPLE,
  input: z.strictObject({ name, slug: slug.optional() }),
  output: project,
  run: async ({ access }, { caller, act }, input) => {
    const row = await act(
      (tx) => access.members.newProject(tx, caller, { name: input.name, slug: input.slug ?? slugOf(input.name) }),
      (made) => ({ target: made.id, details: { name: made.name } }),
    )
    access.forget(caller.userId)
    return shown(row)
  },
})

export const updateProject = operation({
  name: 'projects.update',
  http: 'PATCH /v1/projects/{id}',
  about: 'Give a project another name. Its slug stays.',
  scope: null,
  role: 'workspace_admin',
  by: 'session',
  reach: 'workspace',
  effect: 'write',
  audit: { log: 'project.renamed' },
  hideFrom: PEOPLE,
  input: z.strictObject({ id: id('project'), name }),
  output: project,
  run: async ({ access }, { caller, act }, input) => {
    const row = await act(
      (tx) => access.members.renameProject(tx, input.id, input.name),
      () => ({ target: input.id, details: { name: input.name } }),
    )
    access.forget(caller.userId)
    return shown(row)
  },
})
