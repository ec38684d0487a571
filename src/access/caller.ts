/** Who is asking, and what that person or token may do. */
import { type FaultCode, fail } from '../base/errors.ts'

export const SCOPES = [
  'workflow:read',
  'workflow:write',
  'workflow:run',
  'mcp:execute',
  'mcp:write',
  'connection:read',
  'connection:write',
  'webhook:write',
  'pat:write',
  'audit:read',
  'vault:admin',
] as const
export type ScopeName = (typeof SCOPES)[number]

/** In a project. A workspace owner or admin is project_admin everywhere. */
export const ROLES = ['project_viewer', 'project_contributor', 'project_admin', 'workspace_admin', 'workspace_owner'] as const
export type Role = (typeof ROLES)[number]

export interface Caller {
  kind: 'pat' | 'system'
  /** `pat:pat_…` or `system:demo`: what the audit log says. */
  actor: string
  userId: string
  userName: string
  workspace: string
  workspaceSlug: string
  project: string
  scopes: readonly ScopeName[]
  role: Role
}

export const atLeast = (role: Role, needed: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(needed)

/** Whether `allow` lets it pass: for lists of what there is to ask. */
export const permits = (caller: Caller, scope: ScopeName | null, role: Role): boolean =>
  (scope === null || caller.scopes.includes(scope)) && atLeast(caller.role, role)

/** Scope first, then role: both are needed. */
export function allow(caller: Caller, operation: string, scope: ScopeName | null, role: Role): void {
  const code: FaultCode = 'FORBIDDEN'
  if (scope && !caller.scopes.includes(scope))
    fail(code, `${operation} needs the scope ${scope}, which this token does not have`, {
      hint: 'Create a token with that scope.',
      details: { missing_scope: scope },
    })
  if (!atLeast(caller.role, role))
    fail(code, `${operation} needs the role ${role}, and you are ${caller.role}`, {
      hint: 'Ask a workspace admin.',
      details: { needed_role: role },
    })
}
