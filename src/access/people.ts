/** People: the first owner, signing in and out, passwords. What is told to strangers never depends on whether somebody is known. */
import type { Db, Tx } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import { appendAudit } from './audit.ts'
import type { Caller } from './caller.ts'
import type { Limits } from './limits.ts'
import { mayRule } from './members.ts'
import { NO_PASSWORD, type Passwords } from './passwords.ts'
import { rows, type SessionRow } from './people-rows.ts'
import { rows as accessRows } from './rows.ts'
import { type From, hashOf, membershipsOf, newSecret, type Sessions } from './sessions.ts'

/** How the founding owner is called until somebody has set up. */
export const NOBODY_YET = 'owner@localhost'
/** Long enough to open one's mail, and no more than an hour. */
const RESET_MS = 3_600_000
/** NIST SP 800-63B: length is what counts; no rules about kinds of characters. */
export const MIN_PASSWORD = 12
/** Hashing takes as long for a long one; this bounds the body. */
export const MAX_PASSWORD = 256

export interface SessionFacts {
  id: string
  current: boolean
  created_at: string
  last_used_at: string
  ends_at: string
  user_agent: string | null
  ip: string | null
}

export interface PeopleDeps {
  db: Db
  now: () => number
  passwords: Passwords
  sessions: Sessions
  limits: Limits
  setup: { isRight: (token: string) => boolean; done: () => void }
  /** Sends a link for a new password; without it an admin hands them out. */
  sendReset: ((email: string, token: string) => Promise<void>) | null
  /** Work that nobody waits for, so that an answer takes as long for a stranger as for somebody known. */
  later: (work: () => Promise<unknown>) => void
}

export function createPeople(deps: PeopleDeps) {
  const { db, now, passwords, sessions, limits } = deps
  const wrong = () => fail('UNAUTHENTICATED', 'the e-mail or the password is not right')

  /** In each workspace of the person: who has signed in matters to all of them. */
  async function note(tx: Tx, userId: string, action: string, from: From, details?: Record<string, unknown>): Promise<void> {
    const places = new Set((await rows.memberships(tx, userId)).map((m) => m.workspace_id))
    // Always in the same order: two who write to several logs at once do not wait for each other.
    for (const workspace of [...places].sort())
      await appendAudit(tx, { workspace, project: '*' }, new Date(now()), {
        actor: `user:${userId}`,
        action,
        target: userId,
        outcome: action.endsWith('refused') ? 'refused' : 'done',
        requestId: from.requestId,
        details: { ...details, ip: from.ip },
      })
  }

  async function resetLink(tx: Tx, userId: string): Promise<{ token: string; expiresAt: Date }> {
    const token = newSecret()
    const expiresAt = new Date(now() + RESET_MS)
    await rows.dropResetLinks(tx, userId) // the newest one is the one that works
    await rows.insertResetLink(tx, { token_hash: hashOf(token), user_id: userId, expires_at: expiresAt })
    return { token, expiresAt }
  }

  return {
    note,

    /**
     * For an admin to hand over, where no mail is sent. Only for somebody who belongs to this workspace alone: who else would let the
     * admins of one workspace into all the others of that person?
     */
    resetLinkFor: (caller: Caller, userId: string, from: From): Promise<{ token: string; expiresAt: Date }> =>
      db.everyTenant('an admin hands out a link for a new password', async (tx) => {
        const places = membershipsOf(await rows.memberships(tx, userId))
        const here = places.find((it) => it.id === caller.workspace)
        if (!here) fail('NOT_FOUND', `there is no active member ${userId} in this workspace`)
        mayRule(caller, here.role, 'a link for a new password')
        if (places.length > 1)
          fail('CONFLICT', 'this person belongs to other workspaces too, whose admins have no less say', {
            hint: 'With SMTP set up, the person can ask for a link by mail.',
          })
        const made = await resetLink(tx, userId)
        await appendAudit(tx, { workspace: caller.workspace, project: '*' }, new Date(now()), {
          actor: caller.actor,
          action: 'password.reset_link_made',
          target: userId,
          outcome: 'done',
          requestId: from.requestId,
        })
        return made
      }),

    /** Another say, another session: whoever had this one signs in again. */
    async endAll(userId: string): Promise<void> {
      await db.everyTenant('what somebody may do has changed', (tx) => rows.endSessions(tx, userId, null))
      sessions.forget(userId)
    },

    setupIsOpen: () => db.everyTenant('whether an owner can sign in', async (tx) => !(await rows.ownerCanSignIn(tx))),

    /** The founding owner becomes a person. Of two at once one is served. */
    async setUp(
      input: { token: string; email: string; password: string; name: string; workspaceName: string | undefined },
      from: From,
    ): Promise<string> {
      const closed = 'this runtime has an owner already, so there is nothing to set up'
      const hint = 'Sign in, or ask an admin for an invitation.'
      limits.take('setup', null, from.ip)
      if (!(await this.setupIsOpen())) fail('CONFLICT', closed, { hint })
      if (!deps.setup.isRight(input.token))
        fail('FORBIDDEN', 'this setup link is not right, or is older than 30 minutes', {
          hint: 'agentruntime setup-link prints a new one on the machine that runs it.',
        })
      const password = await passwords.hash(input.password)
      const token = await db.everyTenant('the first owner becomes a person', async (tx) => {
        await rows.lockSetup(tx)
        if (await rows.ownerCanSignIn(tx)) fail('CONFLICT', closed, { hint })
        const owner = (await accessRows.owner(tx)) ?? fail('DEPENDENCY_UNAVAILABLE', 'the runtime is still starting')
        const taken = await rows.userByEmail(tx, input.email)
        if (taken && taken.id !== owner.user_id) fail('CONFLICT', 'somebody with this e-mail is here already')
        await rows.rename(tx, owner.user_id, { email: input.email, name: input.name })
        if (input.workspaceName !== undefined) await rows.renameWorkspace(tx, owner.workspace_id, input.workspaceName)
        await rows.putPassword(tx, owner.user_id, password, new Date(now()))
        const session = await sessions.begin(tx, owner.user_id, from)
        await note(tx, owner.user_id, 'owner.set_up', from)
        return session
      })
      deps.setup.done()
      return token
    },

    /** One hash, known or not; one answer, whatever is wrong. */
    async signIn(input: { email: string; password: string }, from: From): Promise<string> {
      limits.take('sign-in', input.email, from.ip)
      const known = await db.everyTenant('a person who signs in', (tx) => rows.userByEmail(tx, input.email))
      const right = await passwords.verify(input.password, known?.hash ?? NO_PASSWORD)
      const hash = known?.hash
      if (!right || !known || !hash || known.disabled_at) {
        if (known) deps.later(() => db.everyTenant('a sign-in that failed', (tx) => note(tx, known.id, 'session.refused', from)))
        return wrong()
      }
      limits.succeeded('sign-in', input.email, from.ip)
      const stronger = passwords.isWeak(hash) ? await passwords.hash(input.password) : null
      return db.everyTenant('a session begins', async (tx) => {
        // Between the look and now it may have been changed, which has ended all sessions: none begins with the old one.
        if (!(await rows.passwordStill(tx, known.id, hash))) return wrong()
        if (stronger) await rows.putPassword(tx, known.id, stronger, new Date(now()))
        const session = await sessions.begin(tx, known.id, from)
        await note(tx, known.id, 'session.started', from)
        return session
      })
    },

    async signOut(token: string, from: From): Promise<void> {
      const userId = await db.everyTenant('a person signs out', async (tx) => {
        const it = await sessions.find(tx, token)
        if (!it) return null
        await rows.endSession(tx, it.user_id, it.id)
        await note(tx, it.user_id, 'session.ended', from)
        return it.user_id
      })
      if (userId) sessions.forget(userId)
    },

    /** Every other session ends, and this one gets another token. */
    async changePassword(caller: Caller, input: { current: string; next: string }, from: From): Promise<string> {
      limits.take('change-password', caller.userId, from.ip)
      const { hash } = (await db.everyTenant('the password of one person', (tx) => rows.passwordOf(tx, caller.userId))) ?? {}
      const notRight = () => fail('REFUSED', 'the current password is not right')
      if (!(await passwords.verify(input.current, hash ?? NO_PASSWORD)) || !hash) return notRight()
      limits.succeeded('change-password', caller.userId, from.ip)
      const next = await passwords.hash(input.next)
      const token = await db.everyTenant('a person changes the password', async (tx) => {
        if (!(await rows.passwordStill(tx, caller.userId, hash))) return notRight()
        await rows.putPassword(tx, caller.userId, next, new Date(now()))
        await rows.dropResetLinks(tx, caller.userId)
        const ended = await rows.endSessions(tx, caller.userId, caller.sessionId ?? null)
        const session = await sessions.rotate(tx, caller.sessionId ?? '')
        await note(tx, caller.userId, 'password.changed', from, { sessions_ended: ended })
        return session
      })
      sessions.forget(caller.userId)
      return token
    },

    /** The same for a stranger: the link goes out by mail after the answer, or not at all. */
    forgot(email: string, from: From): void {
      limits.take('forgot', email, from.ip)
      const { sendReset } = deps
      if (!sendReset) return
      deps.later(async () => {
        const link = await db.everyTenant('a link for who forgot the password', async (tx) => {
          const known = await rows.userByEmail(tx, email)
          if (!known || known.disabled_at) return null
          await note(tx, known.id, 'password.reset_asked', from)
          return resetLink(tx, known.id)
        })
        if (link) await sendReset(email, link.token)
      })
    },

    /** Works once, and ends every session of the person. A hash is computed for a wrong link too. */
    async reset(input: { token: string; password: string }, from: From): Promise<void> {
      limits.take('reset', null, from.ip)
      const spent = new Fault('FORBIDDEN', 'this link was used, is older than an hour, or was never made', {
        hint: 'Ask for a new one.',
      })
      const password = await passwords.hash(input.password)
      const userId = await db.everyTenant('a new password by a link', async (tx) => {
        const link = await rows.spendResetLink(tx, hashOf(input.token))
        if (!link || link.expires_at.getTime() <= now()) throw spent
        await rows.putPassword(tx, link.user_id, password, new Date(now()))
        await rows.dropResetLinks(tx, link.user_id)
        await rows.endSessions(tx, link.user_id, null)
        await note(tx, link.user_id, 'password.reset', from)
        return link.user_id
      })
      limits.succeeded('reset', null, from.ip)
      sessions.forget(userId)
    },

    async sessionsOf(caller: Caller, limit: number, before: string | null): Promise<SessionFacts[]> {
      const found = await db.everyTenant('the sessions of one person', (tx) => sessions.list(tx, caller.userId, limit, before))
      return found.map((row) => facts(row, caller.sessionId ?? null))
    },
    async endSession(caller: Caller, id: string, from: From): Promise<void> {
      await db.everyTenant('a person ends a session', async (tx) => {
        if ((await rows.endSession(tx, caller.userId, id)) === 0) fail('NOT_FOUND', `there is no session ${id}`)
        await note(tx, caller.userId, 'session.revoked', from, { session: id })
      })
      sessions.forget(caller.userId)
    },
    async endOtherSessions(caller: Caller, from: From): Promise<number> {
      const ended = await db.everyTenant('a person ends all other sessions', async (tx) => {
        const n = await rows.endSessions(tx, caller.userId, caller.sessionId ?? null)
        await note(tx, caller.userId, 'session.others_revoked', from, { ended: n })
        return n
      })
      sessions.forget(caller.userId)
      return ended
    },
    forgetOld: () => sessions.forgetOld(),
  }
}
export type People = ReturnType<typeof createPeople>

const facts = (row: SessionRow, current: string | null): SessionFacts => ({
  id: row.id,
  current: row.id === current,
  created_at: row.created_at.toISOString(),
  last_used_at: row.last_used_at.toISOString(),
  ends_at: row.ends_at.toISOString(),
  user_agent: row.user_agent,
  ip: row.ip,
})
