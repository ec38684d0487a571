/** Access tokens of a service account: its own signed word, exchanged through the egress guard. No ambient identity is ever asked. */
import { Fault } from '../../base/errors.ts'
import { assertion } from '../assertion.ts'
import { judge } from '../judge.ts'
import type { DriverDeps } from './driver.ts'
import { stopped } from './firestore-errors.ts'

/** Least scopes. Firestore has none for reading alone: the role of the account is what limits it. */
export const DATA_SCOPE = 'https://www.googleapis.com/auth/datastore'
/** Enough for all that is asked of the rules (discovery document of firebaserules v1, `test` among them). */
export const RULES_SCOPE = 'https://www.googleapis.com/auth/firebase.readonly'

/** RFC 6749 answers are a few KiB; what is larger is a page or an attack. */
const MAX_ANSWER_BYTES = 65_536
/** An endpoint that needs longer than this for a token is down. */
const TOKEN_MS = 15_000
/** A token is not used in its last minutes: it must last for the whole call, and clocks differ. */
const SPARE_MS = 300_000
/** Google's tokens live an hour; this is for an answer that does not say. */
const USUAL_S = 3600
/** Tokens of other credentials are forgotten, the oldest first, beyond this many; another is a request away. */
const MAX_TOKENS = 1000

export interface TokenAsk {
  owner: string
  version: number
  keyFile: string
  endpoint: string
  scope: string
}
interface Token {
  owner: string
  version: number
  text: string
  until: number
}

export function createTokens(deps: Pick<DriverDeps, 'fetch' | 'now'>) {
  const held = new Map<string, Token>()
  const asking = new Map<string, Promise<Token>>()
  const keyOf = ({ owner, version, endpoint, scope }: TokenAsk) => JSON.stringify([owner, version, endpoint, scope])

  async function mint(ask: TokenAsk): Promise<Token> {
    const signed = assertion(ask.keyFile, { audience: ask.endpoint, now: deps.now(), subject: null, scope: ask.scope })
    const answer = await deps.fetch(ask.endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: signed }).toString(),
      redirect: 'manual',
      maxBytes: MAX_ANSWER_BYTES,
      timeoutMs: TOKEN_MS,
      firstByteMs: TOKEN_MS,
    })
    const body = await answer.text()
    const type = (answer.headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase()
    const after = answer.headers.get('retry-after')
    const verdict = judge({ status: answer.status, type, body, retryAfterS: after && /^\d+$/.test(after) ? Number(after) : null })
    if (verdict.ok) {
      const until = deps.now() + (verdict.tokens.expiresInS ?? USUAL_S) * 1000 - SPARE_MS
      return { owner: ask.owner, version: ask.version, text: verdict.tokens.access, until }
    }
    const details = { error: verdict.code }
    if (verdict.why === 'permanent' || verdict.why === 'misconfigured' || verdict.why === 'needs_scopes')
      throw new Fault('CREDENTIAL_REJECTED', `Google refuses the service account's key (${verdict.code})`, {
        details,
        hint: "The key was deleted or disabled, or this machine's clock is wrong. Create a new key, and connect again.",
      })
    if (verdict.why === 'unknown') throw new Fault('UPSTREAM_INVALID', `Google gives no token (${verdict.code})`, { details })
    const { retryAfterS } = verdict
    throw new Fault(answer.status === 429 ? 'UPSTREAM_RATE_LIMITED' : 'UPSTREAM_ERROR', `Google gives no token now (${verdict.code})`, {
      details,
      ...(retryAfterS === null ? {} : { retryAfter: retryAfterS }),
    })
  }

  return {
    /** One request serves all who ask at once; whoever goes away does not take it from the others. */
    async get(ask: TokenAsk, signal: AbortSignal): Promise<string> {
      const key = keyOf(ask)
      const known = held.get(key)
      if (known && known.until > deps.now()) return known.text
      let token = asking.get(key)
      if (!token) {
        token = mint(ask).finally(() => asking.delete(key))
        token.then(
          (it) => {
            if (held.size >= MAX_TOKENS) held.delete(held.keys().next().value as string)
            held.set(key, it)
          },
          () => undefined,
        )
        asking.set(key, token)
      }
      return (await unlessAborted(token, signal)).text
    },
    /** This one was refused: the next is a new one. */
    forget(ask: TokenAsk, text: string): void {
      const key = keyOf(ask)
      if (held.get(key)?.text === text) held.delete(key)
    },
    drop(which: (of: { owner: string; version: number }) => boolean): void {
      for (const [key, token] of held) if (which(token)) held.delete(key)
    },
  }
}

export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw stopped(signal, false)
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(stopped(signal, false))
  signal.addEventListener('abort', onAbort, { once: true })
  return await Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', onAbort))
}
