/** Accounts at OpenID providers: known by issuer and subject, which never change there, and never by an e-mail address, which may. */
import type { Db } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import type { Caller } from './caller.ts'
import type { People } from './people.ts'
import { rows } from './people-rows.ts'
import type { From, Sessions } from './sessions.ts'

export interface IdentityFacts {
  issuer: string
  /** For people. */
  email: string | null
  created_at: string
}

export function createIdentities(deps: { db: Db; now: () => number; people: People; sessions: Sessions }) {
  const { db, now, people, sessions } = deps
  return {
    /** Null where nobody here has this account: no e-mail that a provider tells makes anybody somebody. */
    signIn: (issuer: string, subject: string, from: From): Promise<string | null> =>
      db.everyTenant('a person comes by way of a provider', async (tx) => {
        const known = await rows.identity(tx, issuer, subject)
        if (!known || known.disabled_at) return null
        const session = await sessions.begin(tx, known.user_id, from)
        await people.note(tx, known.user_id, 'session.started', from, { by: issuer })
        return session
      }),
    link: (caller: Caller, issuer: string, account: { id: string; label: string }, from: From): Promise<void> =>
      db.everyTenant('a person says which account elsewhere is theirs', async (tx) => {
        const there = await rows.identity(tx, issuer, account.id)
        if (there && there.user_id !== caller.userId) fail('CONFLICT', 'this account belongs to somebody else here')
        if (there) return
        const own = (await rows.identities(tx, caller.userId)).some((it) => it.issuer === issuer)
        if (own) fail('CONFLICT', 'another account of this provider is linked already', { hint: 'Unlink it first.' })
        const row = { issuer, subject: account.id, user_id: caller.userId, email: account.label, created_at: new Date(now()) }
        await rows.insertIdentity(tx, row)
        await people.note(tx, caller.userId, 'identity.linked', from, { issuer })
      }),
    list: (userId: string): Promise<IdentityFacts[]> =>
      db.everyTenant('the accounts of one person', async (tx) =>
        (await rows.identities(tx, userId)).map((it) => ({
          issuer: it.issuer,
          email: it.email,
          created_at: it.created_at.toISOString(),
        })),
      ),
    unlink: (caller: Caller, issuer: string, from: From): Promise<void> =>
      db.everyTenant('a person takes an account back', async (tx) => {
        if (!(await rows.passwordOf(tx, caller.userId)))
          fail('CONFLICT', 'without a password there would be no way in left', { hint: 'Set one first, with a link.' })
        if ((await rows.dropIdentity(tx, caller.userId, issuer)) === 0) fail('NOT_FOUND', 'no account of this provider is linked')
        await people.note(tx, caller.userId, 'identity.unlinked', from, { issuer })
      }),
  }
}
