/** Who is asking: tokens, callers, roles, and the audit log of what they did. */
import type { Db, Scope, Tx } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { createLastUse } from '../base/last-use.ts'
import { type Caller, type Role, SCOPES, type ScopeName } from './caller.ts'
import { createLimits } from './limits.ts'
import { createPasswords } from './passwords.ts'
import { createPeople, NOBODY_YET, type PeopleDeps } from './people.ts'
import { rows as peopleRows } from './people-rows.ts'
import { rows } from './rows.ts'
import { createSessions, type From, membershipsOf, roleIn } from './sessions.ts'
import { newToken, tokenHash, wellFormed } from './tokens.ts'

export { type Act, type AuditVerdict, appendAudit, verifyAudit } from './audit.ts'
export { allow, ANYONE, atLeast, type By, type Caller, permits, ROLES, type Role, SCOPES, type ScopeName } from './caller.ts'
export { writeOwnerPat } from './owner-pat.ts'
export { MAX_PASSWORD, MIN_PASSWORD } from './people.ts'
export { ABSOLUTE_S, type From } from './sessions.ts'
export { SETUP_MINUTES, removeSetupLink, setupTokenIsRight, writeSetupLink } from './setup-link.ts'
export { newToken, PAT_PATTERN, wellFormed } from './tokens.ts'

/** How long a looked-up token is believed: revoking one works within a second in every process. */
const BELIEVE_MS = 1_000
/** Most tokens remembered at once; the oldest go first. */
const BELIEVE_MAX = 10_000
export const PAT_DEFAULT_DAYS = 90
/** A year: long enough for automation, short enough that a forgotten token dies. */
export const PAT_MAX_DAYS = 366
const DAY_MS = 86_400_000

export interface PatFacts {
  id: string
  display_name: string
  scopes: ScopeName[]
  project_id: string
  created_at: string
  expires_at: string
  last_used_at: string | null
  revoked_at: string | null
}

export interface AccessDeps {
  db: Db
  now: () => number
  /** The one-time link of the first owner. Without it nobody can set up. */
  setup?: PeopleDeps['setup']
  sendReset?: PeopleDeps['sendReset']
  /** Hears of what went wrong where nobody waits for it. */
  trouble?: (error: unknown) => void
  /** Hears of each hash of a password that is computed. */
  onHash?: () => void
}

export function createAccess(deps: AccessDeps) {
  const { db, now } = deps
  const passwords = createPasswords(deps.onHash)
  const limits = createLimits({ now })
  const sessions = createSessions({ db, now })
  const pending = new Set<Promise<unknown>>()
  const later = (work: () => Promise<unknown>) => {
    const it: Promise<unknown> = work()
      .catch((error: unknown) => deps.trouble?.(error))
      .finally(() => pending.delete(it))
    pending.add(it)
  }
  const people = createPeople({
    db,
    now,
    passwords,
    sessions,
    limits,
    setup: deps.setup ?? { isRight: () => false, done: () => undefined },
    sendReset: deps.sendReset ?? null,
    later,
  })
  const believed = new Map<string, { caller: Caller; patId: string; expires: number; at: number }>()
  const lastUse = createLastUse({
    now,
    write: (batch) => db.everyTenant('last use of tokens, coalesced', (tx) => rows.touchPats(tx, batch)),
  })

  async function lookUp(token: string): Promise<{ caller: Caller; patId: string; expires: number; at: number }> {
    const hash = tokenHash(token)
    const row = await db.everyTenant('a token says which tenant it belongs to', (tx) => rows.patByHash(tx, hash))
    const dead = 'this token is not known, or was revoked'
    if (!row || row.revoked_at || row.disabled_at) fail('UNAUTHENTICATED', dead, { hint: 'Create a new token.' })
    const role: Role | null = row.workspace_role && roleIn(row.workspace_role, row.project_role)
    if (!role) fail('UNAUTHENTICATED', dead, { hint: 'Its owner is no longer a member of this project.' })
    return {
      patId: row.id,
      expires: row.expires_at.getTime(),
      at: now(),
      caller: {
        kind: 'pat',
        actor: `pat:${row.id}`,
        userId: row.user_id,
        userName: row.user_name,
        workspace: row.workspace_id,
        workspaceSlug: row.workspace_slug,
        project: row.project_id,
        scopes: row.scopes.filter((s): s is ScopeName => (SCOPES as readonly string[]).includes(s)),
        role,
      },
    }
  }

  function facts(row: {
    id: string
    display_name: string
    scopes: string[]
    project_id: string
    created_at: Date
    expires_at: Date
    last_used_at: Date | null
    revoked_at: Date | null
  }): PatFacts {
    return {
      id: row.id,
      display_name: row.display_name,
      scopes: row.scopes as ScopeName[],
      project_id: row.project_id,
      created_at: row.created_at.toISOString(),
      expires_at: row.expires_at.toISOString(),
      last_used_at: row.last_used_at?.toISOString() ?? null,
      revoked_at: row.revoked_at?.toISOString() ?? null,
    }
  }

  return {
    people,
    /** A cookie to a caller. */
    authenticateSession: sessions.caller,
    /** Where somebody works, with the role in each place. */
    memberships: async (tx: Tx, userId: string) => membershipsOf(await peopleRows.memberships(tx, userId)),
    user: (tx: Tx, id: string) => peopleRows.user(tx, id),
    /** A person, and all of their workspaces. */
    whereabouts: (userId: string) =>
      db.everyTenant('a person may be in several workspaces', async (tx) => ({
        user: await peopleRows.user(tx, userId),
        workspaces: membershipsOf(await peopleRows.memberships(tx, userId)),
      })),

    /**
     * A bearer token to a caller. A wrong checksum is refused without asking the database. `believeMs`: shorter for whoever asks
     * again and again in the middle of a call, and adds the time between two questions.
     */
    async authenticate(token: string, ip: string | null, believeMs = BELIEVE_MS): Promise<Caller> {
      if (!wellFormed(token))
        fail('UNAUTHENTICATED', 'this is not one of our tokens (they look like ar_pat_… and carry a checksum)', {
          hint: 'Was it copied whole?',
        })
      const key = tokenHash(token).toString('base64url')
      let known = believed.get(key)
      if (!known || known.at + believeMs <= now()) {
        believed.delete(key)
        known = await lookUp(token)
        if (believed.size >= BELIEVE_MAX) believed.delete(believed.keys().next().value as string)
        believed.set(key, known)
      }
      if (known.expires <= now())
        throw new Fault('TOKEN_EXPIRED', `this token expired on ${new Date(known.expires).toISOString().slice(0, 10)}`, {
          hint: 'Create a new token.',
        })
      lastUse.touch(known.patId, ip)
      return known.caller
    },

    async createPat(
      tx: Tx,
      caller: Caller,
      input: { display_name: string; scopes: readonly ScopeName[]; expires_in_days: number },
    ): Promise<{ pat: PatFacts; token: string }> {
      const token = newToken()
      const row = await rows.insertPat(tx, {
        id: newId('pat', now()),
        workspace_id: caller.workspace,
        project_id: caller.project,
        user_id: caller.userId,
        display_name: input.display_name,
        token_hash: tokenHash(token),
        scopes: [...input.scopes],
        expires_at: new Date(now() + input.expires_in_days * DAY_MS),
      })
      return { pat: facts(row!), token }
    },

    async pats(tx: Tx, limit: number, before: string | null): Promise<PatFacts[]> {
      return (await rows.pats(tx, limit, before)).map(facts)
    },

    async revokePat(tx: Tx, id: string): Promise<void> {
      const row = await rows.revokePat(tx, id, new Date(now()))
      if (!row) fail('NOT_FOUND', `there is no live token ${id}`)
      believed.delete(row.token_hash.toString('base64url'))
    },

    audit: {
      page: (tx: Tx, filter: Parameters<typeof rows.auditPage>[1]) => rows.auditPage(tx, filter),
    },

    /** Whether somebody who asked for something a while ago could still ask for it: token, person and membership live. */
    async stands(scope: Scope, userId: string, actor: string): Promise<boolean> {
      const pat = actor.startsWith('pat:') ? actor.slice(4) : null
      return db.tx(scope, async (tx) => {
        if (!(await rows.isMember(tx, userId))) return false
        return pat === null || (await rows.patLives(tx, pat, new Date(now())))
      })
    },

    projects: (tx: Tx) => rows.projectsOf(tx),
    workspace: (tx: Tx, id: string) => rows.workspace(tx, id),

    /** The first workspace, project and owner, made when the database has none. */
    async founding(): Promise<{ owner: Caller; fresh: boolean }> {
      return db.everyTenant('the first workspace, project and owner', async (tx) => {
        const there = await rows.owner(tx)
        if (there) return { owner: ownerCaller(there), fresh: false }
        const workspace = newId('ws', now())
        const project = newId('proj', now())
        const user = newId('user', now())
        await rows.insertWorkspace(tx, { workspace_id: workspace, slug: 'default', name: 'Default workspace' })
        await rows.insertProject(tx, { id: project, workspace_id: workspace, slug: 'default', name: 'Default project' })
        await rows.insertUser(tx, { id: user, email: NOBODY_YET, name: 'Owner' })
        await rows.insertMember(tx, { workspace_id: workspace, user_id: user, role: 'owner' })
        return {
          owner: ownerCaller({
            user_id: user,
            user_name: 'Owner',
            workspace_id: workspace,
            workspace_slug: 'default',
            project_id: project,
          }),
          fresh: true,
        }
      })
    },

    /** Makes one more workspace with a project and an owner. */
    async newWorkspace(input: { slug: string; name: string; email: string }): Promise<Caller> {
      return db.everyTenant('a new workspace', async (tx) => {
        const workspace = newId('ws', now())
        const project = newId('proj', now())
        const user = newId('user', now())
        await rows.insertWorkspace(tx, { workspace_id: workspace, slug: input.slug, name: input.name })
        await rows.insertProject(tx, { id: project, workspace_id: workspace, slug: 'default', name: 'Default project' })
        await rows.insertUser(tx, { id: user, email: input.email, name: input.email })
        await rows.insertMember(tx, { workspace_id: workspace, user_id: user, role: 'owner' })
        return ownerCaller({
          user_id: user,
          user_name: input.email,
          workspace_id: workspace,
          workspace_slug: input.slug,
          project_id: project,
        })
      })
    },

    /** A session for somebody, begun by the runtime itself. */
    begin: (userId: string, from: From) => db.everyTenant('a session begins', (tx) => sessions.begin(tx, userId, from)),

    close: () => Promise.all([...pending, lastUse.flush(), sessions.close()]),
  }
}
export type Access = ReturnType<typeof createAccess>

/** The owner, acting through the runtime itself (first start, CLI on the same machine). */
function ownerCaller(row: {
  user_id: string
  user_name: string
  workspace_id: string
  workspace_slug: string
  project_id: string
}): Caller {
  return {
    kind: 'system',
    actor: 'system:runtime',
    userId: row.user_id,
    userName: row.user_name,
    workspace: row.workspace_id,
    workspaceSlug: row.workspace_slug,
    project: row.project_id,
    scopes: SCOPES,
    role: 'workspace_owner',
  }
}

export const scopeOf = (caller: Caller): Scope => ({ workspace: caller.workspace, project: caller.project })
