/** Personal access tokens: who one belongs to, and their making and ending. */
import type { Db, Tx } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { createLastUse } from '../base/last-use.ts'
import { appendAudit } from './audit.ts'
import { atLeast, type Caller, type Role, SCOPES, type ScopeName } from './caller.ts'
import type { Limits } from './limits.ts'
import { type PatRow, rows } from './rows.ts'
import { type From, roleIn } from './sessions.ts'
import { newToken, tokenHash, wellFormed } from './tokens.ts'

/** How long a looked-up token is believed: revoking one works within a second in every process. */
const BELIEVE_MS = 1_000
/** Most tokens remembered at once; the oldest go first. */
const BELIEVE_MAX = 10_000
export const PAT_DEFAULT_DAYS = 90
/** A year: long enough for automation, short enough that a forgotten token dies. */
export const PAT_MAX_DAYS = 366
const DAY_MS = 86_400_000
const LAST = 4

export interface PatFacts {
  id: string
  display_name: string
  /** What it ends with: people know it by that. Null for those made before this was kept. */
  last_four: string | null
  scopes: ScopeName[]
  project_id: string
  user: { id: string; name: string }
  created_at: string
  expires_at: string
  last_used_at: string | null
  last_used_ip: string | null
  revoked_at: string | null
}

interface Known {
  caller: Caller
  patId: string
  expires: number
  at: number
}

/** Those of everybody are an admin's to see and to end; anybody else sees their own. */
const onlyOf = (caller: Caller): string | null => (atLeast(caller.role, 'project_admin') ? null : caller.userId)

export function createPats(deps: { db: Db; now: () => number; limits: Limits }) {
  const { db, now, limits } = deps
  const believed = new Map<string, Known>()
  const lastUse = createLastUse({
    now,
    write: (batch) => db.everyTenant('last use of tokens, coalesced', (tx) => rows.touchPats(tx, batch)),
  })

  async function lookUp(token: string): Promise<Known> {
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

  return {
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
        last_four: token.slice(-LAST),
        scopes: [...input.scopes],
        expires_at: new Date(now() + input.expires_in_days * DAY_MS),
      })
      return { pat: facts({ ...row!, user_name: caller.userName }), token }
    },

    async pats(tx: Tx, caller: Caller, limit: number, before: string | null): Promise<PatFacts[]> {
      return (await rows.pats(tx, onlyOf(caller), limit, before)).map(facts)
    },

    async revokePat(tx: Tx, caller: Caller, id: string): Promise<void> {
      const row = await rows.revokePat(tx, id, onlyOf(caller), new Date(now()))
      if (!row) fail('NOT_FOUND', `there is no live token ${id}`)
      believed.delete(row.token_hash.toString('base64url'))
    },

    /** All that the caller has in this project, for somebody who does not know which one got out. */
    async revokeOwnPats(tx: Tx, caller: Caller): Promise<number> {
      const gone = await rows.revokePatsOf(tx, caller.userId, new Date(now()))
      for (const { token_hash } of gone) believed.delete(token_hash.toString('base64url'))
      return gone.length
    },

    /** Whoever found one may end it, and learns nothing by that: not even whether it was alive. */
    async reportLeaked(token: string, from: From): Promise<void> {
      limits.take('report-leaked', null, from.ip)
      if (!wellFormed(token)) return
      const hash = tokenHash(token)
      await db.everyTenant('a token that was found where it should not be', async (tx) => {
        const row = await rows.revokePatByHash(tx, hash, new Date(now()))
        if (row)
          await appendAudit(tx, { workspace: row.workspace_id, project: row.project_id }, new Date(now()), {
            actor: 'anyone',
            action: 'pat.reported_leaked',
            target: row.id,
            outcome: 'done',
            requestId: from.requestId,
            details: { ip: from.ip },
          })
      })
      believed.delete(hash.toString('base64url'))
    },

    /** What was believed of somebody's tokens is looked up again: here at once, elsewhere within a second. */
    forgetPats(userId: string): void {
      for (const [key, it] of believed) if (it.caller.userId === userId) believed.delete(key)
    },

    flush: () => lastUse.flush(),
  }
}

const facts = (row: PatRow & { user_name: string }): PatFacts => ({
  id: row.id,
  display_name: row.display_name,
  last_four: row.last_four,
  scopes: row.scopes as ScopeName[],
  project_id: row.project_id,
  user: { id: row.user_id, name: row.user_name },
  created_at: row.created_at.toISOString(),
  expires_at: row.expires_at.toISOString(),
  last_used_at: row.last_used_at?.toISOString() ?? null,
  last_used_ip: row.last_used_ip,
  revoked_at: row.revoked_at?.toISOString() ?? null,
})
