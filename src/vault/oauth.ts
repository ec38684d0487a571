/**
 * The half that asks: requests to an OAuth provider that carry a client secret, a code or a token. What an answer means is `judge.ts`'s.
 * Tokens leave this room as `Secret`s only.
 */
import * as oauth from 'oauth4webapi'
import type { Egress } from '../base/egress.ts'
import { Fault, fail } from '../base/errors.ts'
import { RUNTIME, type User } from '../base/secret-use.ts'
import { assertion } from './assertion.ts'
import { createCodes } from './codes.ts'
import { type Account, accountOf, type Judgement, judge, type RefusalRow, type TokenAnswer } from './judge.ts'
import { HeldUp, type Link } from './oauth-link.ts'
import { type Opened, type Use, useOf } from './opened.ts'
import type { Owned } from './sealed.ts'
import { conceal, reveal, type Secret } from './secret.ts'

/** RFC 6749 answers are a few KiB; what is larger is a page or an attack. */
export const MAX_ANSWER_BYTES = 65_536
/** Connecting takes 5 s at most (egress); a provider that needs longer than this for a token is down. Leases outlast it. */
export const TOKEN_REQUEST_MS = 20_000
/** Tries of a revocation, and the pauses between them: a person waits for it. */
const REVOKE_PAUSES_MS = [0, 300, 1200]
const REVOKE_MS = 5_000

/**
 * Where a client's secret lies: sealed under an owner, or in the configuration of the deployment, where `workspace` is the one that uses it
 * (null: none does, somebody signs in).
 */
export type SecretAt = { ref: Owned; field: string } | { configured: string; workspace: string | null }
export interface OAuthClient {
  id: string
  auth: 'post' | 'basic' | 'none'
  /** Newest first: while one is being changed, the next is tried when the provider refuses the one before. */
  secrets: readonly SecretAt[]
}
export interface OAuthServer {
  /** null: not known, so ID tokens cannot be checked and are not used. */
  issuer: string | null
  authorization: string
  token: string
  revocation: string | null
  userinfo: string | null
  /** Algorithms of ID tokens; RS256 unless the metadata say otherwise. */
  idTokenAlgs?: readonly string[] | undefined
}

/** What may be known of tokens. */
export interface TokenFacts {
  expiresInS: number | null
  scopes: string[] | null
  refreshExpiresInS: number | null
  /** The answer had a refresh token in it. */
  refreshable: boolean
}
export type Obtained =
  | {
      ok: true
      fields: Record<'access_token' | 'refresh_token', Secret> | Record<'access_token', Secret>
      facts: TokenFacts
      idToken: Secret | null
    }
  | Exclude<Judgement, { ok: true }>

export type Grant = 'refresh_token' | 'client_credentials' | 'jwt_bearer'
export interface Renewal {
  grant: Grant
  server: OAuthServer
  client: OAuthClient
  /** The version whose refresh token (or key file) is spent. */
  from: Owned
  scopes: readonly string[]
  /** Parameters of the provider's own: `audience`, say. */
  params: Readonly<Record<string, string>>
  /** The user that a service account acts for. */
  subject: string | null
  rows: readonly RefusalRow[]
  /** Asked just before each request leaves: whoever has been overtaken by another renewer must not spend the token. */
  mayLeave: () => boolean
}

/** RFC 7523 §2.1: the assertion speaks for itself, and no client is named beside it. */
const NOBODY: oauth.Client = { client_id: 'none' }
const asNobody: oauth.ClientAuth = () => undefined

export function createOAuth(deps: {
  link: Link
  opened: Pick<Opened, 'read' | 'deployments'>
  egress: Pick<Egress, 'fetch'>
  now: () => number
  configured: ReadonlyMap<string, Secret>
  wait: (ms: number) => Promise<void>
  fault?: ((point: string) => void | Promise<void>) | undefined
}) {
  const { link, opened, egress } = deps

  const options = (signal?: AbortSignal, ms = TOKEN_REQUEST_MS) => ({
    // What may be plain HTTP is the egress guard's to say, and it says "only what an administrator has opened".
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: (url: string, init: { method: string; headers: Record<string, string>; body?: unknown }) =>
      egress.fetch(url, {
        method: init.method,
        headers: init.headers,
        ...(init.body === undefined ? {} : { body: init.body as string }),
        redirect: 'manual',
        maxBytes: MAX_ANSWER_BYTES,
        timeoutMs: ms,
        firstByteMs: ms,
        ...(signal ? { signal } : {}),
      }),
  })
  const serverOf = (s: OAuthServer): oauth.AuthorizationServer => ({
    issuer: s.issuer ?? new URL(s.token).origin,
    token_endpoint: s.token,
    ...(s.revocation ? { revocation_endpoint: s.revocation } : {}),
    ...(s.userinfo ? { userinfo_endpoint: s.userinfo } : {}),
    ...(s.idTokenAlgs ? { id_token_signing_alg_values_supported: [...s.idTokenAlgs] } : {}),
  })

  async function secretText(at: SecretAt, use: Use): Promise<string> {
    if ('configured' in at) {
      const found = deps.configured.get(at.configured)
      if (!found) return fail('CREDENTIAL_MALFORMED', `the configuration has no client secret for ${at.configured}`)
      return at.workspace === null ? reveal(found) : opened.deployments(at.configured, at.workspace, found, use)
    }
    return (await opened.read(at.ref, use))[at.field] ?? fail('CREDENTIAL_MALFORMED', `no ${at.field} is stored`)
  }
  /** Ways to authenticate, one for each secret that is live, opened when its turn comes; public clients have one way too. */
  function waysOf(client: OAuthClient, use: Use): (() => Promise<oauth.ClientAuth>)[] {
    if (client.auth === 'none' || client.secrets.length === 0) return [async () => oauth.None()]
    const auth = client.auth === 'basic' ? oauth.ClientSecretBasic : oauth.ClientSecretPost
    return client.secrets.map((at) => async () => auth(await secretText(at, use)))
  }

  async function heard(response: Response): Promise<TokenAnswer> {
    const after = response.headers.get('retry-after')
    const seconds = after === null ? Number.NaN : /^\d+$/.test(after.trim()) ? Number(after) : (Date.parse(after) - deps.now()) / 1000
    return {
      status: response.status,
      type: (response.headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase(),
      body: await response.text(),
      retryAfterS: Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : null,
    }
  }
  /** A secret that is being replaced may be refused while its neighbour is not: nothing was spent then. */
  async function withEach(
    client: OAuthClient,
    use: Use,
    rows: readonly RefusalRow[],
    ask: (auth: oauth.ClientAuth) => Promise<Response>,
  ): Promise<TokenAnswer> {
    let answer: TokenAnswer | undefined
    for (const way of waysOf(client, use)) {
      answer = await heard(await ask(await way()))
      const verdict = judge(answer, rows)
      if (verdict.ok || verdict.why !== 'misconfigured') break
    }
    return answer as TokenAnswer
  }

  function obtained(answer: TokenAnswer, rows: readonly RefusalRow[]): Obtained {
    const verdict = judge(answer, rows)
    if (!verdict.ok) return verdict
    const { access, refresh, idToken, expiresInS, scopes, refreshExpiresInS } = verdict.tokens
    return {
      ok: true,
      fields: { access_token: conceal(access), ...(refresh === null ? {} : { refresh_token: conceal(refresh) }) },
      facts: { expiresInS, scopes, refreshExpiresInS, refreshable: refresh !== null },
      idToken: idToken === null ? null : conceal(idToken),
    }
  }

  return {
    ...createCodes({ serverOf, options, withEach, obtained, secretText, egress }),
    /** Exchanges a code (RFC 6749 §4.1.3) and asks whose account it is. Faults: UPSTREAM_ERROR, STEP_TIMED_OUT, EGRESS_BLOCKED; nothing is stored. */
    async exchange(ask: {
      server: OAuthServer
      client: OAuthClient
      redirectUri: string
      pkce: boolean
      nonce: boolean
      code: Secret
      state: Secret
      rows: readonly RefusalRow[]
      user: User
    }): Promise<{ obtained: Obtained; account: Account | null }> {
      const as = serverOf(ask.server)
      const client = { client_id: ask.client.id }
      const state = reveal(ask.state)
      const params = oauth.validateAuthResponse(as, client, new URLSearchParams({ code: reveal(ask.code), state }), state)
      const verifier = ask.pkce ? link.verifier(state) : oauth.nopkce
      const use = useOf('exchange', ask.server.token, ask.user)
      const answer = await withEach(ask.client, use, ask.rows, (auth) =>
        oauth.authorizationCodeGrantRequest(as, client, auth, params, ask.redirectUri, verifier, options()),
      )
      const got = obtained(answer, ask.rows)
      if (!got.ok) return { obtained: got, account: null }
      let claims: Record<string, unknown> | null = null
      if (got.idToken && ask.server.issuer) {
        const again = new Response(answer.body, { status: answer.status, headers: { 'content-type': 'application/json' } })
        const nonce = ask.nonce ? link.nonce(state) : oauth.expectNoNonce
        const checked = await oauth
          .processAuthorizationCodeResponse(as, client, again, { expectedNonce: nonce })
          .catch((cause: Error) => fail('UPSTREAM_INVALID', 'the ID token of the answer does not fit the request', { cause }))
        claims = { ...oauth.getValidatedIdTokenClaims(checked) }
      }
      if (ask.server.userinfo && (!claims || typeof claims.email !== 'string')) {
        const more = await userinfo(as, client, reveal(got.fields.access_token))
        // OpenID Connect Core §5.3.2: claims of another subject must not be used.
        if (claims === null || more?.sub === claims.sub) claims = { ...claims, ...more }
      }
      return { obtained: got, account: accountOf(claims) }
    },

    /** Asks for new tokens. The answer comes back whole and closed, to be stored before anybody reads it. Faults as of `exchange`. */
    async renew(ask: Renewal): Promise<Secret> {
      const use = useOf('renewal', ask.server.token, RUNTIME)
      const values = await opened.read(ask.from, use)
      const as = serverOf(ask.server)
      const client = { client_id: ask.client.id }
      const scope: Record<string, string> = ask.scopes.length > 0 ? { scope: ask.scopes.join(' ') } : {}
      const need = (field: string) => values[field] ?? fail('CREDENTIAL_MALFORMED', `the connection has no ${field}`)
      await deps.fault?.('vault.renew.before_send')
      const answer = await withEach(ask.client, use, ask.rows, async (auth) => {
        if (!ask.mayLeave()) throw new HeldUp()
        if (ask.grant === 'client_credentials')
          return oauth.clientCredentialsGrantRequest(as, client, auth, { ...scope, ...ask.params }, options())
        if (ask.grant === 'refresh_token')
          return oauth.refreshTokenGrantRequest(as, client, auth, need('refresh_token'), {
            ...options(),
            additionalParameters: { ...ask.params },
          })
        const grant = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
        const signed = assertion(need('service_account_json'), {
          audience: ask.server.token,
          now: deps.now(),
          subject: ask.subject,
          scope: scope.scope,
        })
        return oauth.genericTokenEndpointRequest(as, NOBODY, asNobody, grant, { assertion: signed, ...ask.params }, options())
      })
      await deps.fault?.('vault.renew.after_answer')
      return conceal(JSON.stringify(answer))
    },
    /** What a stored answer means. */
    read: (answer: Secret, rows: readonly RefusalRow[]): Obtained => obtained(JSON.parse(reveal(answer)) as TokenAnswer, rows),

    /** RFC 7009: the refresh token, then the access token. `nothing`: there was no token to revoke. */
    async revoke(ask: {
      server: OAuthServer
      client: OAuthClient
      from: Owned
      user: User
    }): Promise<'revoked' | 'unsupported' | 'nothing' | 'failed'> {
      if (!ask.server.revocation) return 'unsupported'
      const use = useOf('revocation', ask.server.revocation, ask.user)
      const values = await opened.read(ask.from, use).catch(() => ({}) as Record<string, string>)
      const tokens = [values.refresh_token, values.access_token].filter((t) => t !== undefined)
      if (tokens.length === 0) return 'nothing'
      const ways = waysOf(ask.client, use)
      const results: boolean[] = []
      for (const token of tokens) results.push(await revokeOne(ask, ways, token).catch(() => false))
      return results[0] ? 'revoked' : 'failed'
    },
  }

  async function revokeOne(
    ask: { server: OAuthServer; client: OAuthClient },
    ways: (() => Promise<oauth.ClientAuth>)[],
    token: string,
  ): Promise<boolean> {
    for (const pause of REVOKE_PAUSES_MS) {
      if (pause > 0) await deps.wait(pause)
      for (const way of ways) {
        const auth = await way()
        const answer = await oauth
          .revocationRequest(serverOf(ask.server), { client_id: ask.client.id }, auth, token, options(undefined, REVOKE_MS))
          .catch(() => null)
        await answer?.body?.cancel()
        if (answer?.status === 200) return true
        if (answer !== null && answer.status < 500 && answer.status !== 429 && way === ways.at(-1)) return false
      }
    }
    return false
  }

  async function userinfo(as: oauth.AuthorizationServer, client: oauth.Client, token: string): Promise<Record<string, unknown> | null> {
    try {
      const response = await oauth.userInfoRequest(as, client, token, options())
      return { ...(await oauth.processUserInfoResponse(as, client, oauth.skipSubjectCheck, response)) }
    } catch (error) {
      // Not knowing whose account it is loses no grant: the connection says so. But a provider that the guard refuses is a mistake to hear of.
      if (error instanceof Fault && error.code === 'EGRESS_BLOCKED') throw error
      return null
    }
  }
}
export type OAuth = ReturnType<typeof createOAuth>
