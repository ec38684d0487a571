/** The provider's page in a window of its own. What the window says is a hint; how it ended is asked of the server. */
import { type Answer, call } from '../../api.ts'

const LOOK_MS = 1_000
const SIZE = 'popup,width=520,height=720'

/** To be called in the click itself, before anything is awaited: later a browser takes it for an advertisement. null: blocked. */
export const openWindow = (): Window | null => window.open('about:blank', 'connect', SIZE)

export type Link = Answer<'connections.authorize'>
export type Ended = Answer<'oauth.attempt'>

/** Looks until it has ended. A window that seems closed proves nothing: providers may cut us off from it. */
export async function ended(attemptId: string, signal: AbortSignal): Promise<Ended> {
  for (;;) {
    const at = await call('oauth.attempt', { id: attemptId }, { signal })
    if (at.status !== 'pending') return at
    await new Promise((done) => setTimeout(done, LOOK_MS))
    signal.throwIfAborted()
  }
}
