/** Who belongs to a workspace, with which say. Everything runs in a transaction of that workspace. */
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { atLeast, type Caller } from './caller.ts'
import { type MemberRow, rows } from './members-rows.ts'
import type { WorkspaceRole } from './people-rows.ts'

export const WORKSPACE_ROLES = ['owner', 'admin', 'member'] as const
export const PROJECT_ROLES = ['project_admin', 'project_contributor', 'project_viewer'] as const
export type ProjectRole = (typeof PROJECT_ROLES)[number]

export interface MemberFacts {
  id: string
  name: string
  email: string
  role: WorkspaceRole
  project_roles: { project_id: string; role: string }[]
  disabled: boolean
  created_at: string
}
export interface MemberChange {
  role?: WorkspaceRole | undefined
  disabled?: boolean | undefined
  project_roles?: readonly { project_id: string; role: ProjectRole | null }[] | undefined
}

const unknown = (id: string): never => fail('NOT_FOUND', `there is no member ${id} in this workspace`)
const needs = (role: string, what: string): never =>
  fail('FORBIDDEN', `${what} needs the role ${role}`, { hint: 'Ask a workspace owner.', details: { needed_role: role } })

/** An owner's say is given, taken and touched by owners only; anybody else's by admins. */
export function mayRule(caller: Caller, role: WorkspaceRole, what: string): void {
  if (role === 'owner' && !atLeast(caller.role, 'workspace_owner')) needs('workspace_owner', what)
  if (!atLeast(caller.role, 'workspace_admin')) needs('workspace_admin', what)
}

export function createMembers({ now }: { now: () => number }) {
  async function facts(tx: Tx, found: readonly MemberRow[]): Promise<MemberFacts[]> {
    const roles = await rows.projectRoles(
      tx,
      found.map((m) => m.user_id),
    )
    return found.map((m) => ({
      id: m.user_id,
      name: m.name,
      email: m.email,
      role: m.role,
      project_roles: roles.filter((r) => r.user_id === m.user_id).map(({ project_id, role }) => ({ project_id, role })),
      disabled: m.disabled_at !== null,
      created_at: m.created_at.toISOString(),
    }))
  }
  const one = async (tx: Tx, id: string): Promise<MemberFacts> => {
    const row = (await rows.member(tx, id)) ?? unknown(id)
    return (await facts(tx, [row]))[0] as MemberFacts
  }
  async function keepAnOwner(tx: Tx, id: string): Promise<void> {
    if ((await rows.otherOwners(tx, id)) === 0)
      fail('CONFLICT', 'a workspace keeps an owner, and this is the last one', { hint: 'Make somebody else an owner first.' })
  }

  return {
    list: async (tx: Tx, limit: number, after: string | null) => facts(tx, await rows.members(tx, limit, after)),
    one,

    /** What was changed, for the audit log; the same person's sessions end afterwards. */
    async change(tx: Tx, caller: Caller, id: string, input: MemberChange): Promise<MemberFacts> {
      await rows.lockWorkspace(tx)
      const there = (await rows.member(tx, id)) ?? unknown(id)
      if (input.role !== undefined || input.disabled !== undefined) {
        mayRule(caller, there.role, 'changing a workspace role')
        if (input.role !== undefined) mayRule(caller, input.role, 'giving a workspace role')
        const stays = (input.role ?? there.role) === 'owner' && input.disabled !== true
        if (there.role === 'owner' && there.disabled_at === null && !stays) await keepAnOwner(tx, id)
        await rows.updateMember(tx, id, {
          ...(input.role === undefined ? {} : { role: input.role }),
          ...(input.disabled === undefined ? {} : { disabled_at: input.disabled ? new Date(now()) : null }),
        })
      }
      for (const { project_id, role } of input.project_roles ?? []) {
        // Admins of a project rule in it; beyond, a project is as good as unknown to them.
        if (!(await rows.project(tx, project_id)) || (project_id !== caller.project && !atLeast(caller.role, 'workspace_admin')))
          fail('NOT_FOUND', `there is no project ${project_id}`)
        if (role === null) await rows.dropProjectRole(tx, project_id, id)
        else await rows.putProjectRole(tx, { workspace_id: caller.workspace, project_id, user_id: id, role })
      }
      return one(tx, id)
    },

    /** Ends the tokens too. */
    async remove(tx: Tx, caller: Caller, id: string): Promise<{ tokens_revoked: number }> {
      await rows.lockWorkspace(tx)
      const there = (await rows.member(tx, id)) ?? unknown(id)
      if (id !== caller.userId) mayRule(caller, there.role, 'removing a member')
      if (there.role === 'owner') await keepAnOwner(tx, id)
      return { tokens_revoked: await rows.removeMember(tx, id, new Date(now())) }
    },

    projects: (tx: Tx, limit: number, after: string | null) => rows.projects(tx, limit, after),
    async newProject(tx: Tx, caller: Caller, input: { name: string; slug: string }) {
      const row = await rows.insertProject(tx, { id: newId('proj', now()), workspace_id: caller.workspace, ...input })
      return row ?? fail('CONFLICT', `there is a project ${input.slug} already`, { hint: 'Choose another slug.' })
    },
    renameProject: async (tx: Tx, id: string, name: string) =>
      (await rows.renameProject(tx, id, name)) ?? fail('NOT_FOUND', `there is no project ${id}`),
    renameWorkspace: async (tx: Tx, caller: Caller, id: string, name: string) =>
      (id === caller.workspace ? await rows.renameWorkspace(tx, name) : undefined) ?? fail('NOT_FOUND', `there is no workspace ${id}`),
  }
}
export type Members = ReturnType<typeof createMembers>
