/** The way into a workspace: a link for one e-mail address, which works once. */
import type { Db, Tx } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Caller } from './caller.ts'
import type { Limits } from './limits.ts'
import { mayRule, type ProjectRole } from './members.ts'
import { type InvitationRow, rows } from './members-rows.ts'
import type { Passwords } from './passwords.ts'
import type { People } from './people.ts'
import { rows as people, type WorkspaceRole } from './people-rows.ts'
import { type From, hashOf, newSecret, type Sessions } from './sessions.ts'

/** Over a holiday, and no longer: the link lies in a mailbox. */
const OPEN_MS = 7 * 86_400_000

export interface InvitationFacts {
  id: string
  email: string
  role: WorkspaceRole
  project_id: string | null
  project_role: string | null
  created_at: string
  expires_at: string
}

const facts = (row: InvitationRow): InvitationFacts => ({
  id: row.id,
  email: row.email,
  role: row.role,
  project_id: row.project_id,
  project_role: row.project_role,
  created_at: row.created_at.toISOString(),
  expires_at: row.expires_at.toISOString(),
})

export function createInvitations(deps: {
  db: Db
  now: () => number
  limits: Limits
  passwords: Passwords
  people: People
  sessions: Sessions
}) {
  const { db, now, limits } = deps
  const spent = () => new Fault('NOT_FOUND', 'this invitation was used, has ended, or was never made', { hint: 'Ask for a new one.' })

  const live = async (tx: Tx, token: string) => {
    const row = await rows.invitationByHash(tx, hashOf(token))
    if (!row || row.accepted_at || row.expires_at.getTime() <= now()) throw spent()
    return row
  }

  return {
    async invite(
      tx: Tx,
      caller: Caller,
      input: { email: string; role: WorkspaceRole; project_id?: string | undefined; project_role?: ProjectRole | undefined },
    ): Promise<{ invitation: InvitationFacts; token: string }> {
      mayRule(caller, input.role, 'inviting somebody')
      if (input.project_id !== undefined && !(await rows.project(tx, input.project_id)))
        fail('NOT_FOUND', `there is no project ${input.project_id}`)
      const token = newSecret()
      const row: InvitationRow = {
        id: newId('inv', now()),
        workspace_id: caller.workspace,
        email: input.email,
        role: input.role,
        project_id: input.project_id ?? null,
        project_role: input.project_role ?? null,
        invited_by: caller.userId,
        created_at: new Date(now()),
        expires_at: new Date(now() + OPEN_MS),
        accepted_at: null,
      }
      await rows.insertInvitation(tx, { ...row, token_hash: hashOf(token) })
      return { invitation: facts(row), token }
    },
    list: async (tx: Tx, limit: number, before: string | null) => (await rows.invitations(tx, new Date(now()), limit, before)).map(facts),
    async withdraw(tx: Tx, id: string): Promise<void> {
      if ((await rows.dropInvitation(tx, id)) === 0) fail('NOT_FOUND', `there is no open invitation ${id}`)
    },

    /** What the holder of a link is invited to. */
    look: (token: string, from: From) => {
      limits.take('invitation', null, from.ip)
      return db.everyTenant('whoever has the link may read it', async (tx) => {
        const row = await live(tx, token)
        const known = await people.userByEmail(tx, row.email)
        return { workspace: row.workspace_name, email: row.email, role: row.role, has_account: known !== undefined }
      })
    },

    /**
     * Somebody new becomes a person with a password; who is known already says so by having signed in as the one who was invited.
     * A new say means a new session token.
     */
    async accept(
      input: { token: string; name: string | undefined; password: string | undefined },
      session: string | null,
      from: From,
    ): Promise<string> {
      limits.take('invitation', null, from.ip)
      await db.everyTenant('whether the link is one, before any work', (tx) => live(tx, input.token))
      const hash = input.password === undefined ? null : await deps.passwords.hash(input.password)
      const joined = await db.everyTenant('whoever has the link comes in', async (tx) => {
        const row = await live(tx, input.token)
        const known = await people.userByEmail(tx, row.email)
        let token: string
        let userId: string
        if (known) {
          const it = session === null ? undefined : await deps.sessions.find(tx, session)
          if (it?.user_id !== known.id)
            fail('UNAUTHENTICATED', 'there is a person with this e-mail already', {
              hint: 'Sign in as that person, then open the link again.',
            })
          userId = known.id
          token = await deps.sessions.rotate(tx, it.id)
        } else {
          if (hash === null) fail('INVALID_INPUT', 'a new person needs a password')
          userId = newId('user', now())
          await people.insertUser(tx, { id: userId, email: row.email, name: input.name ?? row.email.split('@')[0] ?? row.email })
          await people.putPassword(tx, userId, hash, new Date(now()))
          token = await deps.sessions.begin(tx, userId, from)
        }
        if ((await rows.spendInvitation(tx, row.id, new Date(now()))) === 0) throw spent()
        await rows.insertMember(tx, { workspace_id: row.workspace_id, user_id: userId, role: row.role })
        if (row.project_id && row.project_role)
          await rows.putProjectRole(tx, {
            workspace_id: row.workspace_id,
            project_id: row.project_id,
            user_id: userId,
            role: row.project_role,
          })
        await deps.people.note(tx, userId, 'invitation.accepted', from, { invitation: row.id, workspace: row.workspace_id })
        return { token, userId }
      })
      limits.succeeded('invitation', null, from.ip)
      deps.sessions.forget(joined.userId)
      return joined.token
    },
  }
}
