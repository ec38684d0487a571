/** Links that ask for exactly the scopes that are missing. Making one stores nothing, so a reading operation may. */
import { type Caller, atLeast } from '../access/index.ts'
import type { Scope } from '../base/db.ts'
import type { Rooms } from './operation.ts'

/** One link for each set of scopes; null where nothing is missing, the caller may not connect, or signing in is not the way. */
export function grantLinks({ connections }: Rooms, scope: Scope, caller: Caller, connectionId: string | null) {
  const made = new Map<string, Promise<string | null>>()
  const mayConnect = caller.scopes.includes('connection:write') && atLeast(caller.role, 'project_contributor')
  return (missing: readonly string[]): Promise<string | null> => {
    if (missing.length === 0 || connectionId === null || !mayConnect) return Promise.resolve(null)
    const key = missing.toSorted().join(' ')
    let link = made.get(key)
    if (link === undefined) {
      link = connections.oauth.connect.authorize(scope, caller, { connection_id: connectionId, scopes: missing }).then(
        (it) => it.authorization_url,
        () => null, // entered by hand: no link helps
      )
      made.set(key, link)
    }
    return link
  }
}
