/** Links to a provider's page and back: signed tickets, the state, and what follows from it under a key of ours. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Room } from './room.ts'
import { reveal, type Secret } from './secret.ts'

/** Nothing was sent: so much time went by on our side that another renewer may be at it. */
export class HeldUp extends Error {}

/** Of a marked id, in hexadecimal: 64 bits, which nobody guesses by asking. What a right guess would show is that nothing was begun. */
const MARK = 16

export function createLink({ room, now }: { room: Pick<Room, 'ring'>; now: () => number }) {
  const keyed = (what: string, text: string): Buffer =>
    createHmac('sha256', room.ring().fingerprintKey).update(`agentruntime oauth ${what} v1\0${text}`).digest()
  // Both follow from the state, which comes back with the answer: neither is stored anywhere.
  const verifier = (state: string): string => keyed('pkce verifier', state).toString('base64url')
  const nonce = (state: string): string => keyed('nonce', state).toString('base64url')

  const markOf = (id: string, whose: string): string => keyed('attempt id', `${whose}\0${id}`).toString('hex').slice(0, MARK)

  return {
    verifier,
    nonce,

    /** An id that says whose it is: nothing has to be stored for us to know it again, and nobody else's looks like it. */
    mark: (id: string, whose: string): string => `${id}${markOf(id, whose)}`,
    marked: (text: string, whose: string): boolean => text === `${text.slice(0, -MARK)}${markOf(text.slice(0, -MARK), whose)}`,

    /** Signs public facts for a link of ours. `open` gives them back to whoever brings the link in time, and null otherwise. */
    ticket(facts: object, expiresAt: number): string {
      const body = Buffer.from(JSON.stringify({ ...facts, exp: expiresAt })).toString('base64url')
      return `${body}.${keyed('ticket', body).toString('base64url')}`
    },
    open(ticket: string): Record<string, unknown> | null {
      const [body = '', mac = ''] = ticket.split('.')
      const given = Buffer.from(mac, 'base64url')
      const wanted = keyed('ticket', body)
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return null
      const { exp, ...facts } = JSON.parse(Buffer.from(body, 'base64url').toString()) as { exp: number }
      return exp > now() ? facts : null
    },

    /** The provider's page, with a new state in its address (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core §3.1.2.1). */
    redirect(ask: {
      /** The provider's authorization endpoint. */
      at: string
      clientId: string
      redirectUri: string
      scopes: readonly string[]
      params: Readonly<Record<string, string>>
      pkce: boolean
      nonce: boolean
    }): { url: string; stateHash: Buffer } {
      const state = randomBytes(32).toString('base64url')
      const url = new URL(ask.at)
      const add = (name: string, value: string) => url.searchParams.set(name, value)
      for (const [name, value] of Object.entries(ask.params)) add(name, value)
      add('response_type', 'code')
      add('client_id', ask.clientId)
      add('redirect_uri', ask.redirectUri)
      if (ask.scopes.length > 0) add('scope', ask.scopes.join(' '))
      add('state', state)
      if (ask.nonce) add('nonce', nonce(state))
      if (ask.pkce) {
        add('code_challenge', createHash('sha256').update(verifier(state)).digest('base64url'))
        add('code_challenge_method', 'S256')
      }
      return { url: url.href, stateHash: hashOf(state) }
    },
    /** A state is stored and looked up by this alone. */
    stateHash: (state: Secret): Buffer => hashOf(reveal(state)),
  }
}
export type Link = ReturnType<typeof createLink>

const hashOf = (state: string): Buffer => createHash('sha256').update(state).digest()
