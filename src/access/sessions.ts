/** Who a cookie belongs to, and where that person works. Believed for a second, like a token. */
import { createHash, randomBytes } from 'node:crypto'
import type { Db, Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { createLastUse } from '../base/last-use.ts'
import { type Caller, type Role, SCOPES } from './caller.ts'
import { type MembershipRow, rows, type WorkspaceRole } from './people-rows.ts'

/** A working day with a long lunch: whoever comes back the next morning signs in again. */
const IDLE_MS = 12 * 3_600_000
/** However busy it is, a session ends after a week: a stolen laptop is not a key for ever. */
export const ABSOLUTE_S = 7 * 86_400
/** An admin's or another browser's word counts within a second in every process. */
const BELIEVE_MS = 1_000
const BELIEVE_MAX = 10_000
/** 192 random bits: nobody guesses one, so a plain hash of it cannot be searched. */
const TOKEN_BYTES = 24
const TOKEN = /^[\w-]{32}$/

/** Where a request of a person came from. */
export interface From {
  ip: string | null
  userAgent: string | null
  /** For the audit log. */
  requestId?: string
}

export interface Place {
  id: string
  slug: string
  name: string
}
export interface Membership extends Place {
  role: WorkspaceRole
  /** Those in which the person has a role, which owners and admins have everywhere. */
  projects: (Place & { role: Role })[]
}

/** Owners and admins of a workspace have their role in each of its projects. */
export const roleIn = (workspace: WorkspaceRole, project: string | null): Role | null =>
  workspace === 'owner' ? 'workspace_owner' : workspace === 'admin' ? 'workspace_admin' : (project as Role | null)

export function membershipsOf(found: readonly MembershipRow[]): Membership[] {
  const all = new Map<string, Membership>()
  for (const row of found) {
    const it = all.get(row.workspace_id) ?? {
      id: row.workspace_id,
      slug: row.workspace_slug,
      name: row.workspace_name,
      role: row.workspace_role,
      projects: [],
    }
    all.set(row.workspace_id, it)
    const role = roleIn(row.workspace_role, row.project_role)
    if (row.project_id !== null && role)
      it.projects.push({ id: row.project_id, slug: row.project_slug ?? '', name: row.project_name ?? '', role })
  }
  return [...all.values()]
}

interface Person {
  sessionId: string
  userId: string
  name: string
  memberships: Membership[]
  at: number
}

export const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest()
export const newSecret = (): string => randomBytes(TOKEN_BYTES).toString('base64url')

export function createSessions(deps: { db: Db; now: () => number }) {
  const { db, now } = deps
  const believed = new Map<string, Person>()
  const lastUse = createLastUse({
    now,
    write: (batch) => db.everyTenant('last use of sessions, coalesced', (tx) => rows.touchSessions(tx, batch)),
  })
  const dead = (): never =>
    fail('UNAUTHENTICATED', 'this session has ended', { hint: 'Sign in again.', details: { reason: 'session_ended' } })
  /** The oldest last use of a session that is not over. */
  const usedAfter = () => new Date(now() - IDLE_MS)

  async function lookUp(token: string): Promise<Person> {
    return db.everyTenant('a session says who it is, and where that person works', async (tx) => {
      const it = await rows.sessionByHash(tx, hashOf(token))
      if (!it || it.disabled_at || it.ends_at.getTime() <= now() || it.last_used_at <= usedAfter()) return dead()
      const memberships = membershipsOf(await rows.memberships(tx, it.user_id))
      return { sessionId: it.id, userId: it.user_id, name: it.name, memberships, at: now() }
    })
  }

  async function person(token: string, ip: string | null, believeMs: number): Promise<Person> {
    if (!TOKEN.test(token)) return dead()
    const key = hashOf(token).toString('base64url')
    let known = believed.get(key)
    if (!known || known.at + believeMs <= now()) {
      believed.delete(key)
      known = await lookUp(token)
      if (believed.size >= BELIEVE_MAX) believed.delete(believed.keys().next().value as string)
      believed.set(key, known)
    }
    lastUse.touch(known.sessionId, ip)
    return known
  }

  return {
    /** A new session for somebody whose word was taken. A session from before is never taken over. */
    async begin(tx: Tx, userId: string, from: From): Promise<string> {
      const token = newSecret()
      const at = new Date(now())
      await rows.insertSession(tx, {
        id: newId('sess', now()),
        user_id: userId,
        token_hash: hashOf(token),
        created_at: at,
        last_used_at: at,
        ends_at: new Date(now() + ABSOLUTE_S * 1000),
        ip: from.ip,
        user_agent: from.userAgent,
      })
      return token
    },
    /** The same session under another token; the one before is worth nothing any more. */
    async rotate(tx: Tx, sessionId: string): Promise<string> {
      const token = newSecret()
      if ((await rows.rotateSession(tx, sessionId, hashOf(token))) === 0) return dead()
      return token
    },
    /** Which of a person's workspaces and projects is meant, the request says; the oldest where it says nothing. */
    async caller(
      token: string,
      ip: string | null,
      chosen: { workspaceSlug: string | null; project: string | null },
      believeMs = BELIEVE_MS,
    ): Promise<Caller> {
      const who = await person(token, ip, believeMs)
      const { memberships } = who
      const workspace = chosen.workspaceSlug === null ? memberships[0] : memberships.find((w) => w.slug === chosen.workspaceSlug)
      if (!workspace)
        return chosen.workspaceSlug === null
          ? fail('FORBIDDEN', 'you are a member of no workspace', { hint: 'Ask an admin to invite you again.' })
          : fail('NOT_FOUND', `there is no workspace ${chosen.workspaceSlug}`)
      const project = chosen.project === null ? workspace.projects[0] : workspace.projects.find((p) => p.id === chosen.project)
      if (!project)
        return chosen.project === null
          ? fail('FORBIDDEN', `you have no role in any project of ${workspace.name}`, { hint: 'Ask a workspace admin.' })
          : fail('NOT_FOUND', `there is no project ${chosen.project}`)
      return {
        kind: 'session',
        actor: `user:${who.userId}`,
        userId: who.userId,
        userName: who.name,
        workspace: workspace.id,
        workspaceSlug: workspace.slug,
        project: project.id,
        scopes: SCOPES,
        role: project.role,
        sessionId: who.sessionId,
      }
    },
    /** Whose session this is, where it lives. */
    find: async (tx: Tx, token: string) => (TOKEN.test(token) ? rows.sessionByHash(tx, hashOf(token)) : undefined),
    list: (tx: Tx, userId: string, limit: number, before: string | null) =>
      rows.sessions(tx, userId, { endsAfter: new Date(now()), usedAfter: usedAfter() }, limit, before),
    forgetOld: () => db.everyTenant('sessions and links that have ended', (tx) => rows.forgetOld(tx, new Date(now()), usedAfter())),
    /** What was believed of a person is looked up again: here at once, elsewhere within a second. */
    forget(userId: string): void {
      for (const [key, it] of believed) if (it.userId === userId) believed.delete(key)
    },
    close: () => lastUse.flush(),
  }
}
export type Sessions = ReturnType<typeof createSessions>
