/**
 * A real OAuth server for tests: `oidc-provider`, on loopback, with pages that a person or a browser can fill in, an API that its tokens
 * open, and endpoints that can be made to misbehave. Each one started is alone: its own keys, accounts, tokens and cookies.
 *
 * It is stricter than most vendors: PKCE is demanded, redirect URIs are compared as strings, and with `rotate: 'strict'` a refresh token
 * that comes a second time ends its grant (RFC 9700 §4.14.2). `rotate: 'never'` has the shape of Google: a refresh token lives on and is not
 * in the answers to renewals; one is issued for `access_type=offline`, after a consent page only; and the ID token says the address.
 */
import { generateKeyPair, hash, randomBytes } from 'node:crypto'
import { type EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { Provider as Server } from 'oidc-provider'
import { Api } from './provider-api.ts'
import { Door, type Seen } from './provider-door.ts'
import { emailOf, errorPage, pages, policy } from './provider-pages.ts'
import { type Jar, type Person, signInOverHttp } from './provider-sign-in.ts'
import { Store } from './provider-store.ts'

export type { Trouble } from './provider-door.ts'
export { Jar, signInWith } from './provider-sign-in.ts'

export interface ClientOptions {
  id: string
  /** Left out: made up. */
  secret?: string
  auth?: 'basic' | 'post' | 'none'
  redirectUris?: readonly string[]
}

export interface ProviderOptions {
  /** Of the first client; more can come later with `allowRedirect`. */
  redirectUris?: readonly string[]
  /** Scopes of the API, beside openid, profile, email and offline_access. */
  scopes?: readonly string[]
  accessTtlS?: number
  refreshTtlS?: number
  rotate?: 'strict' | 'never'
  requirePkce?: boolean
  /** Its pages cut themselves off from the window that opened theirs (COOP), as those of some vendors do. */
  isolated?: boolean
  /** Beside the first client, which takes its secret both in the header and in the form. */
  clients?: readonly ClientOptions[]
}

export interface TokenRequest extends Seen {
  grantType: string | null
  clientId: string | null
  /** How the client authenticated. */
  auth: 'basic' | 'post' | 'none'
  /** As sent. */
  refreshToken: string | null
  form: URLSearchParams
}

export interface Tokens {
  access_token: string
  refresh_token: string
  expires_in: number
  scope: string
}

type TokenDoor = Door<TokenRequest>
/** Its own members are those of the token endpoint's door; the other endpoints have theirs. */
export interface Provider extends AsyncDisposable, Pick<TokenDoor, 'next' | 'arrived' | 'handled' | 'release' | 'reset'> {
  readonly issuer: string
  readonly url: string
  readonly client: { readonly id: string; readonly secret: string }
  /** Every request at the token endpoint, from the moment that it arrives. */
  readonly tokenRequests: readonly TokenRequest[]
  /** The most that were underway there at one time. */
  readonly maxConcurrent: number
  readonly revocation: Door
  readonly userinfo: Door
  /** Both paths of discovery. */
  readonly metadata: Door
  readonly api: Api
  /** PKCE verifier of the requests that `signIn` makes up itself. */
  readonly codeVerifier: string
  /**
   * Runs the authorization code flow over HTTP: signs in and agrees. Returns the address that the browser is sent back to, with code,
   * state and iss, or error. `authorizationUrl` is a request of the product's; without it one is made up from the rest.
   */
  signIn(by: SignIn): Promise<string>
  /** A new grant and its tokens, without the pages. */
  mint(by: { account: string; scopes: readonly string[]; clientId?: string }): Promise<Tokens>
  /** What a person does in the settings of their account: every app is thrown out. */
  revokeAll(account: string): void
  /** Would it be accepted now? For access and refresh tokens. */
  alive(token: string): boolean
  liveRefreshTokens(account: string): number
  /** The token's time is over, as if it had passed. */
  expire(token: string): void
  allowRedirect(uri: string, clientId?: string): void
  /** The old secret is refused from now on. */
  changeSecret(secret: string, clientId?: string): void
  /** Rejects when the provider itself has failed on the way: then the tests before prove nothing. */
  close(): Promise<void>
}
export interface SignIn extends Person {
  authorizationUrl?: string
  scopes?: readonly string[]
  redirectUri?: string
  clientId?: string
  /** More parameters of the request: `login_hint`, `prompt`. */
  params?: Readonly<Record<string, string>>
  jar?: Jar
}

/** Longer than any test: what ends, ends because a test says so. */
const LONG_S = 10 * 365 * 86_400
/** Signatures of 2048 bits are what RS256 needs at least (RFC 7518 §3.3), and the quickest to make. */
const KEY_BITS = 2048
/** Where the first client may always be sent back to. Nobody listens there. */
export const NOWHERE = 'http://127.0.0.1:9/callback'
const ROUTES = { authorization: '/authorize', token: '/token', revocation: '/revoke', userinfo: '/userinfo', jwks: '/jwks' }
const GONE = /ECONNRESET|EPIPE|ECONNABORTED|PREMATURE_CLOSE|aborted|destroyed/i

export async function startProvider(options: ProviderOptions = {}): Promise<Provider> {
  const { accessTtlS = 3600, refreshTtlS = 30 * 86_400, rotate = 'strict', requirePkce = true } = options
  const http = createServer()
  http.listen(0, '127.0.0.1')
  const [{ privateKey }] = await Promise.all([promisify(generateKeyPair)('rsa', { modulusLength: KEY_BITS }), once(http, 'listening')])
  const { port } = http.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const client = { id: 'the-app', secret: randomBytes(24).toString('base64url') }
  const store = new Store()
  const scopes = ['openid', 'profile', 'email', 'offline_access', ...(options.scopes ?? ['things.read', 'things.write'])]
  /** Grants that have just been consented to with access_type=offline. */
  const offline = new Set<string>()

  const server = new Server(url, {
    adapter: store.adapter,
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig' }] },
    // Cookies of one host are shared by all its ports, and tests run several of us.
    cookies: {
      keys: [randomBytes(16).toString('hex')],
      names: { session: `_session_${port}`, interaction: `_interaction_${port}`, resume: `_resume_${port}` },
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true, allowedPolicy: (_ctx, by, token) => token.clientId === by.clientId },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      resourceIndicators: { enabled: false },
    },
    routes: ROUTES,
    scopes,
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: rotate === 'strict',
    extraParams: ['access_type', 'include_granted_scopes'],
    pkce: { required: () => requirePkce },
    clockTolerance: 0,
    ttl: {
      AccessToken: accessTtlS,
      ClientCredentials: accessTtlS,
      RefreshToken: refreshTtlS,
      IdToken: accessTtlS,
      AuthorizationCode: 60,
      Grant: LONG_S,
      Session: LONG_S,
      Interaction: LONG_S,
    },
    rotateRefreshToken: rotate === 'strict',
    issueRefreshToken: (_ctx, of, source) =>
      of.grantTypeAllowed('refresh_token') &&
      (rotate === 'strict' ? source.scopes.has('offline_access') : offline.delete(source.grantId as string)),
    expiresWithSession: () => false,
    interactions: { policy: policy(), url: (_ctx, it) => `/interaction/${it.uid}` },
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub, name: sub, email: emailOf(sub), email_verified: true }) }),
    clientBasedCORS: () => false,
    renderError: (ctx, out) => {
      ctx.type = 'html'
      ctx.body = errorPage(out)
    },
  })
  const failures: Error[] = []
  // Errors that are meant for the client, and connections that a trouble or a test has ended, are nobody's failure.
  const failed = (error: Error & { expose?: boolean; code?: string }) => {
    if (!error.expose && !GONE.test(`${error.code} ${error.message}`)) failures.push(error)
  }
  server.on('server_error', (_ctx, error) => failed(error))
  // Koa prints what nobody listens to; oidc-provider's types leave Koa's event out.
  ;(server as EventEmitter).on('error', failed)

  const tokens: TokenDoor = new Door(tokenRequest)
  const doors = { revocation: new Door((it) => it), userinfo: new Door((it) => it), metadata: new Door((it) => it) }
  const api = new Api(store)
  let turn: Promise<void> = Promise.resolve()
  /** oidc-provider looks at a refresh token and marks it as spent in two steps; of several at once, all would be the first. */
  const inTurn = (next: () => Promise<void>): Promise<void> => {
    const mine = turn.then(next)
    turn = mine.catch(() => undefined)
    return mine
  }
  server.use((ctx, next) => {
    if (ctx.path === ROUTES.token) return tokens.pass(ctx, () => inTurn(next))
    if (ctx.path === ROUTES.revocation) return doors.revocation.pass(ctx, next)
    if (ctx.path === ROUTES.userinfo) return doors.userinfo.pass(ctx, next)
    return ctx.path.startsWith('/.well-known/') ? doors.metadata.pass(ctx, next) : next()
  })
  server.use(api.middleware)
  server.use(
    pages(server, (grantId, params) => {
      if (params.access_type === 'offline') offline.add(grantId)
    }),
  )
  server.use(async (ctx, next) => {
    await next()
    const renewed = ctx.path === ROUTES.token && ctx.oidc?.params?.grant_type === 'refresh_token'
    if (rotate === 'never' && renewed && ctx.status === 200) delete (ctx.body as Partial<Tokens>).refresh_token
  })

  const clients = store.rows('Client')
  const register = ({ id, secret = randomBytes(24).toString('base64url'), auth = 'basic', redirectUris = [] }: ClientOptions) => {
    clients.set(id, {
      client_id: id,
      ...(auth === 'none' ? {} : { client_secret: secret }),
      token_endpoint_auth_method: auth === 'none' ? 'none' : `client_secret_${auth}`,
      grant_types: ['authorization_code', 'refresh_token', ...(auth === 'none' ? [] : ['client_credentials'])],
      redirect_uris: [NOWHERE, ...redirectUris],
    })
  }
  const change = (id: string, by: (row: NonNullable<ReturnType<typeof clients.get>>) => object) => {
    const row = clients.get(id)
    if (!row) throw new Error(`the fake provider has no client ${id}`)
    clients.set(id, { ...row, ...by(row) })
  }
  for (const it of [{ ...client, redirectUris: options.redirectUris ?? [] }, ...(options.clients ?? [])]) register(it)
  http.on('request', (_request, response) => {
    if (options.isolated) response.setHeader('cross-origin-opener-policy', 'same-origin')
  })
  http.on('request', server.callback())

  const codeVerifier = randomBytes(32).toString('base64url')
  const authorizationUrl = ({ clientId = client.id, redirectUri = NOWHERE, scopes: asked = scopes, params }: SignIn) =>
    `${url}${ROUTES.authorization}?${new URLSearchParams({
      client_id: clientId,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: asked.join(' '),
      state: randomBytes(8).toString('base64url'),
      prompt: 'consent',
      ...(rotate === 'never' ? { access_type: 'offline' } : {}),
      code_challenge: hash('sha256', codeVerifier, 'base64url'),
      code_challenge_method: 'S256',
      ...params,
    })}`

  const provider: Provider = {
    issuer: url,
    url,
    client,
    tokenRequests: tokens.requests,
    get maxConcurrent() {
      return tokens.maxConcurrent
    },
    next: tokens.next,
    arrived: tokens.arrived,
    handled: tokens.handled,
    release: tokens.release,
    reset: tokens.reset,
    ...doors,
    api,
    codeVerifier,
    signIn: (by) => signInOverHttp(by.authorizationUrl ?? authorizationUrl(by), by, by.jar),
    mint: async ({ account, scopes: granted, clientId = client.id }) => {
      const of = await server.Client.find(clientId)
      if (!of) throw new Error(`the fake provider has no client ${clientId}`)
      const scope = granted.join(' ')
      const grant = new server.Grant({ accountId: account, clientId })
      grant.addOIDCScope(scope)
      const grantId = await grant.save()
      const facts = { accountId: account, client: of, grantId, gty: 'authorization_code', scope }
      const access_token = await new server.AccessToken(facts).save()
      const refresh_token = await new server.RefreshToken(facts).save()
      return { access_token, refresh_token, expires_in: accessTtlS, scope }
    },
    revokeAll: (account) => store.revokeAll(account),
    alive: (token) => store.live(token) !== null,
    liveRefreshTokens: (account) => store.liveRefreshTokens(account),
    expire: (token) => store.expire(token),
    allowRedirect: (uri, clientId = client.id) => change(clientId, (row) => ({ redirect_uris: [...(row.redirect_uris ?? []), uri] })),
    changeSecret: (secret, clientId = client.id) => change(clientId, () => ({ client_secret: secret })),
    close: async () => {
      for (const door of [tokens, api, ...Object.values(doors)]) door.reset()
      http.closeAllConnections()
      if (http.listening) {
        http.close()
        await once(http, 'close')
      }
      if (failures.length > 0) throw new AggregateError(failures, `the fake provider itself failed: ${failures[0]?.message}`)
    },
    [Symbol.asyncDispose]: () => provider.close(),
  }
  return provider
}

function tokenRequest(seen: Seen): TokenRequest {
  const form = new URLSearchParams(seen.body)
  const basic = /^Basic (.+)$/i.exec(seen.headers.authorization ?? '')?.[1]
  const user = basic === undefined ? undefined : Buffer.from(basic, 'base64').toString().split(':')[0]
  return {
    ...seen,
    grantType: form.get('grant_type'),
    clientId: user === undefined ? form.get('client_id') : decodeURIComponent(user.replace(/\+/g, '%20')),
    auth: user !== undefined ? 'basic' : form.has('client_secret') ? 'post' : 'none',
    refreshToken: form.get('refresh_token'),
    form,
  }
}
