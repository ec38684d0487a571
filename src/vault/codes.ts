/**
 * Codes that a vendor's own script gives to a page, instead of a redirect (Meta's embedded signup): there is no address and no state to
 * send along. What the token is may be asked with the app's own token, `id|secret`; neither of the two leaves this room.
 */
import * as oauth from 'oauth4webapi'
import type { Egress } from '../base/egress.ts'
import type { User } from '../base/secret-use.ts'
import type { RefusalRow, TokenAnswer } from './judge.ts'
import type { Obtained, OAuthClient, OAuthServer, SecretAt } from './oauth.ts'
import { type Use, useOf } from './opened.ts'
import { reveal, type Secret } from './secret.ts'

/** A person waits, and not to be told is no loss. */
const LOOK_MS = 8_000
const MAX_LOOK_BYTES = 65_536

/** What a provider says of a token. */
export interface Inspected {
  valid: boolean
  /** The client that it was given to. */
  client: string
  scopes: string[]
  /** Milliseconds; null: it does not end. */
  expiresAt: number | null
  /** What each scope was given for; a scope that is not among them is not narrowed. */
  targets: Readonly<Record<string, readonly string[]>>
}

export interface CodeAsk {
  server: OAuthServer
  client: OAuthClient
  code: Secret
  rows: readonly RefusalRow[]
  /** Where to ask what the token is, relative to the token endpoint. */
  inspection: string
  user: User
}

export function createCodes(deps: {
  serverOf: (server: OAuthServer) => oauth.AuthorizationServer
  options: () => oauth.TokenEndpointRequestOptions
  withEach: (
    client: OAuthClient,
    use: Use,
    rows: readonly RefusalRow[],
    ask: (auth: oauth.ClientAuth) => Promise<Response>,
  ) => Promise<TokenAnswer>
  obtained: (answer: TokenAnswer, rows: readonly RefusalRow[]) => Obtained
  secretText: (at: SecretAt, use: Use) => Promise<string>
  egress: Pick<Egress, 'fetch'>
}) {
  /** null: not told. */
  async function inspect({ server, client, inspection, user }: CodeAsk, token: string): Promise<Inspected | null> {
    const url = new URL(inspection, server.token)
    url.searchParams.set('input_token', token)
    for (const at of client.secrets) {
      const own = `${client.id}|${await deps.secretText(at, useOf('exchange', url.href, user))}`
      const answer = await deps.egress
        .fetch(url.href, {
          headers: { authorization: `Bearer ${own}`, accept: 'application/json' },
          redirect: 'manual',
          maxBytes: MAX_LOOK_BYTES,
          timeoutMs: LOOK_MS,
          firstByteMs: LOOK_MS,
        })
        .catch(() => null)
      if (answer?.status === 200) return readInspection(await answer.text().catch(() => ''))
      await answer?.body?.cancel()
    }
    return null
  }

  return {
    /** Faults: UPSTREAM_ERROR, STEP_TIMED_OUT, EGRESS_BLOCKED; nothing is stored. */
    async exchangeCode(ask: CodeAsk): Promise<{ obtained: Obtained; seen: Inspected | null }> {
      const as = deps.serverOf(ask.server)
      const client = { client_id: ask.client.id }
      const answer = await deps.withEach(ask.client, useOf('exchange', ask.server.token, ask.user), ask.rows, (auth) =>
        oauth.genericTokenEndpointRequest(as, client, auth, 'authorization_code', { code: reveal(ask.code) }, deps.options()),
      )
      const got = deps.obtained(answer, ask.rows)
      return { obtained: got, seen: got.ok ? await inspect(ask, reveal(got.fields.access_token)) : null }
    },
  }
}

/** Graph API, "Debug-Token": `expires_at` is 0 for a token without an end, `granular_scopes` without `target_ids` are not narrowed. */
export function readInspection(text: string): Inspected | null {
  let data: Record<string, unknown> | undefined
  try {
    data = (JSON.parse(text) as { data?: Record<string, unknown> } | null)?.data
  } catch {
    return null
  }
  if (typeof data !== 'object' || data === null || typeof data.is_valid !== 'boolean') return null
  const strings = (value: unknown) => (Array.isArray(value) ? value.map(String) : [])
  const narrowed = (Array.isArray(data.granular_scopes) ? data.granular_scopes : []) as { scope?: unknown; target_ids?: unknown }[]
  return {
    valid: data.is_valid,
    client: String(data.app_id ?? ''),
    scopes: strings(data.scopes),
    expiresAt: typeof data.expires_at === 'number' && data.expires_at > 0 ? data.expires_at * 1000 : null,
    targets: Object.fromEntries(
      narrowed.filter((it) => Array.isArray(it?.target_ids)).map((it) => [String(it.scope), strings(it.target_ids)]),
    ),
  }
}
