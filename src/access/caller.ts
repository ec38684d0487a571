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
  kind: 'pat' | 'session' | 'system' | 'anyone'
  /** `pat:pat_…`, `user:user_…` or `system:demo`: what the audit log says. */
  actor: string
  userId: string
  userName: string
  workspace: string
  workspaceSlug: string
  project: string
  scopes: readonly ScopeName[]
  role: Role
  /** Of a session only. */
  sessionId?: string
}

/** Who asks for something, beyond scope and role. `session`: a person at the Console, or the runtime itself; `anyone`: also without a sign-in. */
export type By = 'session' | 'anyone'

/** Nobody has said who they are. Sees no row of any tenant. */
export const ANYONE: Caller = {
  kind: 'anyone',
  actor: 'anyone',
  userId: '',
  userName: '',
  workspace: '',
  workspaceSlug: '',
  project: '',
  scopes: [],
  role: 'project_viewer',
}

export const atLeast = (role: Role, needed: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(needed)

/** Whether `allow` lets it pass: for lists of what there is to ask. */
export const permits = (caller: Caller, scopes: readonly ScopeName[], role: Role): boolean =>
  scopes.every((it) => caller.scopes.includes(it)) && atLeast(caller.role, role)

/** Who, then scope, then role: all are needed. */
export function allow(caller: Caller, operation: string, scope: ScopeName | null, role: Role, by?: By): void {
  const code: FaultCode = 'FORBIDDEN'
  if (by === 'anyone') return
  if (caller.kind === 'anyone') fail('UNAUTHENTICATED', `${operation} needs a sign-in`)
  if (by === 'session' && caller.kind === 'pat')
    fail(code, `${operation} needs a person who has signed in, and not a token`, {
      hint: 'Do it in the Console.',
      details: { needed: 'session' },
    })
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
