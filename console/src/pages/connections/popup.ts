/** The provider's page in a window of its own. What the window says is a hint; how it ended is asked of the server. */
import type { Answer } from '../../api.ts'

const SIZE = 'popup,width=520,height=720'

/** To be called in the click itself, before anything is awaited: later a browser takes it for an advertisement. null: blocked. */
export const openWindow = (): Window | null => window.open('about:blank', 'connect', SIZE)

export type Link = Answer<'connections.authorize'>
export type Ended = Answer<'oauth.attempt'>

/**
 * Calls back when a sign-in says that it has ended. By both ways: a provider may cut the two windows apart (COOP), and then the opener
 * hears nothing; and a browser may part the channel. Neither says anything that is believed.
 */
export function onHurry(look: () => void): () => void {
  const channel = new BroadcastChannel('connect')
  channel.onmessage = look
  const heard = (event: MessageEvent) => {
    if (event.origin === location.origin && event.data === 'connect.ended') look()
  }
  addEventListener('message', heard)
  return () => {
    channel.close()
    removeEventListener('message', heard)
  }
}

/** A sign-in that goes on in this tab is remembered until the tab is back. An id, no secret. */
const KEY = 'connect.attempt'
export const remember = (attemptId: string): void => sessionStorage.setItem(KEY, attemptId)
export const remembered = (): string | null => sessionStorage.getItem(KEY)
export const forget = (): void => sessionStorage.removeItem(KEY)
