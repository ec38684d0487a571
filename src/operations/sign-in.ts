/** The pages of a sign-in, for the face that shows them: public, because whoever opens them brings a ticket or a state instead of a token. */
import { type Asker, type Callback, type Ending, failed, type Invitation } from '../connections/index.ts'
import type { Scope } from '../base/db.ts'
import { secretField } from '../vault/index.ts'
import type { Rooms } from './operation.ts'

export type { Ending, Invitation }

const secret = secretField('what the provider has sent back')
/** Values of a callback are not looked at before they are closed. Longer ones are no codes of anybody. */
const MAX_VALUE = 8_192

export function createSignIn({ connections, access, db }: Rooms) {
  const { connect } = connections.oauth
  const one = (query: URLSearchParams, name: string): string | undefined => {
    const values = query.getAll(name)
    // RFC 6749 §3.1: a parameter that comes twice makes the answer invalid.
    return values.length === 1 && (values[0] as string).length <= MAX_VALUE ? values[0] : undefined
  }
  return {
    async look(ticket: string): Promise<Invitation | Ending> {
      const seen = await connect.look(ticket)
      if ('kind' in seen) return seen
      const { workspace, project } = await db.tx(seen.scope, async (tx) => ({
        workspace: (await access.workspace(tx, seen.scope.workspace))?.name ?? '',
        project: (await access.projects(tx)).find((p) => p.id === seen.scope.project)?.name ?? '',
      }))
      return { ...seen.invitation, workspace, project }
    },
    /** For the face that sees how a request came. */
    refuse: failed,
    begin: (ticket: string, browser: string | null) => connect.begin(ticket, browser),
    finish(query: URLSearchParams, browser: string | null, requestId: string): Promise<Ending> {
      const code = one(query, 'code')
      const state = one(query, 'state')
      const callback: Callback = {
        ...(code === undefined ? {} : { code: secret.parse(code) }),
        ...(state === undefined ? {} : { state: secret.parse(state) }),
        iss: one(query, 'iss'),
        error: one(query, 'error'),
      }
      return connect.finish(callback, browser, requestId)
    },
  }
}
export type SignIn = ReturnType<typeof createSignIn>

/** For the wiring: whether whoever asked for a link may still connect accounts. */
export const standsBy =
  (access: Pick<Rooms['access'], 'stands'>) =>
  (scope: Scope, { userId, actor }: Asker): Promise<boolean> =>
    access.stands(scope, userId, actor)
