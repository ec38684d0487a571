/** Who is asking: people, sessions, tokens, roles, and the audit log of what they did. */
import type { Db, Scope, Tx } from '../base/db.ts'
import type { Letter } from '../base/mail.ts'
import type { Caller } from './caller.ts'
import { createFounding } from './founding.ts'
import { createIdentities } from './identities.ts'
import { createInvitations } from './invitations.ts'
import { invitationLetter, resetLetter, tokenLetter } from './letters.ts'
import { createLimits } from './limits.ts'
import { createMembers } from './members.ts'
import { createPasswords } from './passwords.ts'
import { createPats } from './pats.ts'
import { createPeople, type PeopleDeps } from './people.ts'
import { rows as peopleRows } from './people-rows.ts'
import { rows } from './rows.ts'
import { createSessions, type From, membershipsOf } from './sessions.ts'

export { type Act, type AuditVerdict, appendAudit, verifyAudit } from './audit.ts'
export { type Checkpoint, readCheckpoint, type Signer, signedText } from './checkpoint.ts'
export { checkpoint, exportPage } from './export.ts'
export { retainAudit } from './retention.ts'
export { type ExportVerdict, verifyExport } from './verify-export.ts'
export { allow, ANYONE, atLeast, type By, type Caller, permits, ROLES, type Role, SCOPES, type ScopeName } from './caller.ts'
export { type MemberFacts, PROJECT_ROLES, WORKSPACE_ROLES } from './members.ts'
export { writeOwnerPat } from './owner-pat.ts'
export { PAT_DEFAULT_DAYS, PAT_MAX_DAYS, type PatFacts } from './pats.ts'
export { MAX_PASSWORD, MIN_PASSWORD } from './people.ts'
export { ABSOLUTE_S, type From } from './sessions.ts'
export { createRefusals, type Refusals } from './refusals.ts'
export { SETUP_MINUTES, removeSetupLink, setupTokenIsRight, writeSetupLink } from './setup-link.ts'
export { type BookOfUses, createUses, type UseFilter } from './uses.ts'
export { newToken, PAT_PATTERN, wellFormed } from './tokens.ts'

export interface AccessDeps {
  db: Db
  now: () => number
  /** The one-time link of the first owner. Without it nobody can set up. */
  setup?: PeopleDeps['setup']
  /** Sends a letter; without it admins hand links over. */
  send?: ((letter: Letter) => Promise<void>) | undefined
  publicUrl?: () => string
  /** Hears of what went wrong where nobody waits for it. */
  trouble?: (error: unknown) => void
  /** Hears of each hash of a password that is computed. */
  onHash?: () => void
}

export function createAccess(deps: AccessDeps) {
  const { db, now } = deps
  const { send, publicUrl = () => '' } = deps
  // In the fragment: browsers keep that to themselves.
  const linkTo = (path: string, token: string) => `${publicUrl()}${path}#t=${token}`
  const limits = createLimits({ now })
  const sessions = createSessions({ db, now })
  const { flush, ...pats } = createPats({ db, now, limits })
  const pending = new Set<Promise<unknown>>()
  const later = (work: () => Promise<unknown>) => {
    const it: Promise<unknown> = work()
      .catch((error: unknown) => deps.trouble?.(error))
      .finally(() => pending.delete(it))
    pending.add(it)
  }
  const passwords = createPasswords(deps.onHash)
  const people = createPeople({
    db,
    now,
    passwords,
    sessions,
    limits,
    setup: deps.setup ?? { isRight: () => false, done: () => undefined },
    sendReset: send ? (email, token) => send(resetLetter(email, linkTo('/reset', token))) : null,
    later,
  })

  return {
    people,
    ...pats,
    ...createFounding({ db, now }),
    members: createMembers({ now }),
    identities: createIdentities({ db, now, people, sessions }),
    invitations: createInvitations({ db, now, limits, passwords, people, sessions }),
    /** What was believed of a person is asked again: memberships have changed. */
    forget: (userId: string) => sessions.forget(userId),
    /** Somebody may do something else than before: sessions end, and tokens are looked up again. */
    async endAll(userId: string): Promise<void> {
      await people.endAll(userId)
      pats.forgetPats(userId)
    },
    /** As people reach us, for links. */
    linkTo,
    /** True when the letter is on its way; nobody waits for it. */
    async mailInvitation(tx: Tx, caller: Caller, email: string, link: string): Promise<boolean> {
      if (!send) return false
      const workspace = (await rows.workspace(tx, caller.workspace))?.name ?? caller.workspaceSlug
      later(() => send(invitationLetter(email, { workspace, by: caller.userName, link })))
      return true
    },
    /** To its owner: a token that somebody else has made does not stay unnoticed. */
    async tellOfToken(tx: Tx, caller: Caller, pat: { display_name: string; expires_at: string }): Promise<void> {
      const user = send && (await peopleRows.user(tx, caller.userId))
      const revoke = `${publicUrl()}/settings`
      if (send && user) later(() => send(tokenLetter(user.email, { name: pat.display_name, expires: pat.expires_at, revoke })))
    },

    /** A cookie to a caller. */
    authenticateSession: sessions.caller,
    /** A session for somebody, begun by the runtime itself. */
    begin: (userId: string, from: From) => db.everyTenant('a session begins', (tx) => sessions.begin(tx, userId, from)),

    /** Where somebody works, with the role in each place. */
    memberships: async (tx: Tx, userId: string) => membershipsOf(await peopleRows.memberships(tx, userId)),
    user: (tx: Tx, id: string) => peopleRows.user(tx, id),
    /** A person, and all of their workspaces. */
    whereabouts: (userId: string) =>
      db.everyTenant('a person may be in several workspaces', async (tx) => ({
        user: await peopleRows.user(tx, userId),
        workspaces: membershipsOf(await peopleRows.memberships(tx, userId)),
      })),

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

    close: () => Promise.all([...pending, flush(), sessions.close()]),
  }
}
export type Access = ReturnType<typeof createAccess>
