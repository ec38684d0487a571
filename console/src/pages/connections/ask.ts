/** The two ways of asking for a link: for something new, and for a connection that is there. */
import { type Answer, call, type Input } from '../../api.ts'
import type { Link } from './popup.ts'
import type { Wish } from './use-sign-in.ts'

/** Whether a person's new consent is what brings it back; otherwise a new key is. */
export const bySignIn = (c: Pick<Answer<'connections.get'>, 'oauth'>): boolean => c.oauth?.kind === 'authorization_code'

/** The connection keeps its id: what is bound to it works again by itself. */
export const askAgain =
  (id: string, services?: string[]) =>
  ({ connection_id, ...wish }: Wish): Promise<Link> =>
    call('connections.reconnect', { id: connection_id ?? id, ...(services ? { services } : {}), ...wish })

/** Nothing is stored before the provider has said yes. What has come of a first answer is widened, not made twice. */
export const askFirst =
  (what: Input<'connections.authorize'>) =>
  ({ connection_id, scopes, return_to }: Wish): Promise<Link> => {
    const more = { ...(scopes ? { scopes } : {}), ...(return_to ? { return_to } : {}) }
    return connection_id
      ? call('connections.reconnect', { id: connection_id, ...more })
      : call('connections.authorize', { ...what, ...more })
  }

/** A key or a connection string that is entered has versions; tokens that renew themselves have none to rotate. */
export const rotates = (c: Pick<Answer<'connections.get'>, 'oauth' | 'service' | 'status' | 'status_reason'>): boolean =>
  c.oauth === null && c.service !== 'embedded_signup' && c.status !== 'reconnect'
