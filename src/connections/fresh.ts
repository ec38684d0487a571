/** The token that a call goes out with: renewed first where it is over, behind the caller's back where it will be soon. */
import type { Scope } from '../base/db.ts'
import { Fault } from '../base/errors.ts'
import type { Standing } from './lease.ts'
import { mustServe } from './lend.ts'
import type { Ask } from './renew.ts'
import { isOver } from './schedule.ts'

/** Calls of one connection ask for a renewal behind their back this often at most. */
const NUDGE_EVERY_MS = 1_000
/** A 401 on a token that a forced renewal brought this recently is the API's own opinion, not the token's age. */
const FORCED_LATELY_MS = 300_000

export function createFresh(deps: {
  /** The rows as they are now, past every cache. */
  reload: (scope: Scope, id: string) => Promise<Standing>
  /** How it stands when it is this process that renewed, null otherwise. */
  join: (scope: Scope, id: string, ask: Ask) => Promise<Standing | null>
  expired: (standing: Standing) => Promise<void>
  /** Why renewals wait for an operator, or null. */
  held: () => string | null
  now: () => number
}) {
  const { now } = deps
  const nudged = new Map<string, number>()

  const over = ({ grant }: Standing): boolean =>
    grant.access_obtained_at === null ||
    isOver(grant.access_expires_at, (grant.access_expires_at?.getTime() ?? 0) - grant.access_obtained_at.getTime(), now())

  function nudge(scope: Scope, { row, grant }: Standing): void {
    if (!grant.renewable || grant.due_at === null || grant.due_at.getTime() > now()) return
    if ((nudged.get(row.id) ?? 0) > now() - NUDGE_EVERY_MS) return
    nudged.set(row.id, now())
    if (nudged.size > 10_000) nudged.clear()
    // Nobody waits for it, and what it meets is written down: the call goes out with the token that is still good.
    deps.join(scope, row.id, { version: row.credential_version, urgent: false }).catch(() => undefined)
  }

  function unavailable({ row, grant }: Standing): Fault {
    const held = deps.held()
    if (held)
      return new Fault('DEPENDENCY_UNAVAILABLE', `the token of ${row.name} has ended, and renewals are held: ${held}`, {
        hint: 'An owner confirms that this is the original: POST /v1/oauth/confirm-original.',
        details: { connection_id: row.id, reason: 'renewals_held' },
      })
    if (row.status === 'misconfigured')
      return new Fault('OAUTH_APP_REFUSED', `the provider refuses the OAuth app behind ${row.name}, so its token cannot be renewed`, {
        hint: 'The operator looks at it: GET /v1/oauth/doctor.',
        details: { connection_id: row.id, reason: row.status_reason, app: grant.app_slug },
      })
    const wait = grant.next_try_at ? Math.max(1, Math.ceil((grant.next_try_at.getTime() - now()) / 1000)) : 1
    return new Fault('UPSTREAM_ERROR', `the token of ${row.name} has ended, and its provider cannot renew it now`, {
      retryAfter: wait,
      hint: 'It is tried again by itself.',
      details: { connection_id: row.id, reason: row.status_reason ?? 'provider_unavailable', problem: grant.last_problem },
    })
  }

  /** Renews until the version is another one. A second look, because the first may have joined a try that was not ours. */
  async function renewed(scope: Scope, standing: Standing, forced: boolean): Promise<number> {
    const { row } = standing
    let at = standing
    for (let look = 0; look < 2; look++) {
      const ask = { version: row.credential_version, urgent: true, forced, seen: at }
      at = (await deps.join(scope, row.id, ask)) ?? (await deps.reload(scope, row.id))
      mustServe(at.row)
      if (at.row.credential_version !== row.credential_version) return at.row.credential_version
      if (at.grant.next_try_at !== null && at.grant.next_try_at.getTime() > now()) break
    }
    throw unavailable(at)
  }

  return {
    /** The version to send. Faults: CONNECTION_RECONNECT_REQUIRED, UPSTREAM_ERROR (with `retryAfter`), OAUTH_APP_REFUSED. */
    async version(scope: Scope, standing: Standing): Promise<number> {
      if (!over(standing)) {
        nudge(scope, standing)
        return standing.row.credential_version
      }
      if (standing.grant.renewable) return renewed(scope, standing, false)
      await deps.expired(standing)
      mustServe((await deps.reload(scope, standing.row.id)).row)
      throw unavailable(standing)
    },

    /** After a 401: the version to try once more, or null when nothing newer can be had. Faults as of `version`. */
    async afterRefusal(scope: Scope, id: string, used: number): Promise<number | null> {
      const at = await deps.reload(scope, id)
      mustServe(at.row)
      if (at.row.credential_version !== used) return at.row.credential_version
      const { grant } = at
      const lately = grant.access_obtained_at !== null && grant.access_obtained_at.getTime() > now() - FORCED_LATELY_MS
      if (!grant.renewable || (grant.forced_version === used && lately)) return null
      return renewed(scope, at, true)
    },
  }
}
export type Fresh = ReturnType<typeof createFresh>
