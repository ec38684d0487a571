/** Signing in by way of an OpenID provider that the operator has named. The way there and back; who somebody is, `access` knows. */
import type { z } from 'zod'
import type { Access, Caller } from '../access/index.ts'
import { Fault, fail } from '../base/errors.ts'
import { RUNTIME, type User } from '../base/secret-use.ts'
import { type OAuthClient, type OAuthServer, secretField } from '../vault/index.ts'
import type { Browser } from './operation.ts'

/** A provider as the operator's file names it. The secret lies in the vault's configuration, under `secretName`. */
export interface SignInProvider {
  slug: string
  title: string
  issuer: string
  clientId: string
  secretName: string | null
}
type Server = OAuthServer & { issInAnswers: boolean }

/** The part of the vault that this needs: to send somebody there, and to hear who came back. */
export interface Asking {
  link: {
    ticket(facts: object, expiresAt: number): string
    open(ticket: string): Record<string, unknown> | null
    redirect(ask: {
      at: string
      clientId: string
      redirectUri: string
      scopes: readonly string[]
      params: Readonly<Record<string, string>>
      pkce: boolean
      nonce: boolean
    }): { url: string; stateHash: Buffer }
    stateHash(state: z.output<typeof secret>): Buffer
  }
  discover(issuer: string): Promise<Server>
  exchange(ask: {
    server: OAuthServer
    client: OAuthClient
    redirectUri: string
    pkce: boolean
    nonce: boolean
    code: z.output<typeof secret>
    state: z.output<typeof secret>
    rows: readonly never[]
    user: User
  }): Promise<{ obtained: { ok: boolean }; account: { id: string; label: string } | null }>
}

const secret = secretField('what the provider has sent back')
/** Long enough to find one's second factor. */
export const WAY_MS = 600_000
/** What a provider says of itself is asked for again after this. */
const METADATA_MS = 3_600_000
const MAX_VALUE = 8_192
/** Only a page of ours: `//elsewhere` is none. */
export const pageOfOurs = (path: string | undefined): string => (path !== undefined && /^\/(?![/\\])[\x21-\x7e]*$/.test(path) ? path : '/')

/** How it ended: a page to go on to, or why not, in one word for the sign-in page. */
export type Arrival = { to: string } | { problem: 'not_ours' | 'declined' | 'not_linked' | 'taken' | 'provider' | 'signed_out' }

export function createElsewhere(deps: {
  oauth: Asking
  access: Access
  providers: readonly SignInProvider[]
  publicUrl: () => string
  now: () => number
}) {
  const { oauth, access, now } = deps
  const known = new Map<string, { server: Server; until: number }>()
  const redirectUri = () => `${deps.publicUrl()}/v1/auth/callback`
  const providerOf = (slug: string): SignInProvider =>
    deps.providers.find((it) => it.slug === slug) ?? fail('NOT_FOUND', `nobody signs in by way of ${slug} here`)

  async function serverOf(provider: SignInProvider): Promise<Server> {
    const there = known.get(provider.slug)
    if (there && there.until > now()) return there.server
    const server = await oauth.discover(provider.issuer)
    known.set(provider.slug, { server, until: now() + METADATA_MS })
    return server
  }

  return {
    providers: () => deps.providers.map(({ slug, title, issuer }) => ({ slug, title, issuer })),
    issuerOf: (slug: string): string => providerOf(slug).issuer,

    /** Where to send the browser, which keeps a ticket meanwhile: whoever comes back without it did not begin here. */
    async begin(slug: string, browser: Browser, ask: { userId: string | null; returnTo: string }): Promise<string> {
      const provider = providerOf(slug)
      const server = await serverOf(provider)
      const { url, stateHash } = oauth.link.redirect({
        at: server.authorization,
        clientId: provider.clientId,
        redirectUri: redirectUri(),
        scopes: ['openid', 'email'],
        params: {},
        pkce: true,
        nonce: true,
      })
      browser.keepWay(oauth.link.ticket({ slug, state: stateHash.toString('base64url'), ...ask }, now() + WAY_MS))
      return url
    },

    async arrive(query: URLSearchParams, browser: Browser): Promise<Arrival> {
      const ticket = browser.way === null ? null : oauth.link.open(browser.way)
      browser.forgetWay()
      // RFC 6749 §3.1: a parameter that comes twice makes the answer invalid.
      const one = (name: string) => {
        const values = query.getAll(name)
        return values.length === 1 && (values[0] as string).length <= MAX_VALUE ? values[0] : undefined
      }
      const state = one('state')
      if (!ticket || state === undefined) return { problem: 'not_ours' }
      const closed = secret.parse(state)
      if (oauth.link.stateHash(closed).toString('base64url') !== ticket.state) return { problem: 'not_ours' }
      const provider = deps.providers.find((it) => it.slug === ticket.slug)
      if (!provider) return { problem: 'not_ours' }
      const server = await serverOf(provider)
      const iss = one('iss')
      // RFC 9207 §2.4: one that was promised and is missing is as wrong as another's.
      if (iss === undefined ? server.issInAnswers : iss !== server.issuer) return { problem: 'not_ours' }
      const code = one('code')
      if (code === undefined) return { problem: 'declined' }
      const account = await accountOf(provider, server, secret.parse(code), closed)
      if (!account) return { problem: 'provider' }
      const to = pageOfOurs(String(ticket.returnTo))
      if (ticket.userId === null) {
        const session = await access.identities.signIn(provider.issuer, account.id, browser.from)
        if (session === null) return { problem: 'not_linked' }
        browser.keep(session)
        return { to }
      }
      const caller = await whoIs(browser)
      if (caller === null || caller.userId !== ticket.userId) return { problem: 'signed_out' }
      const linked = await access.identities.link(caller, provider.issuer, account, browser.from).catch((error: unknown) => {
        if (error instanceof Fault && error.code === 'CONFLICT') return 'taken' as const
        throw error
      })
      return linked === 'taken' ? { problem: 'taken' } : { to }
    },
  }

  /** From an ID token of that issuer for this client, or not at all. */
  async function accountOf(
    provider: SignInProvider,
    server: Server,
    code: z.output<typeof secret>,
    state: z.output<typeof secret>,
  ): Promise<{ id: string; label: string } | null> {
    const client: OAuthClient = {
      id: provider.clientId,
      auth: provider.secretName === null ? 'none' : 'post',
      secrets: provider.secretName === null ? [] : [{ configured: provider.secretName, workspace: null }],
    }
    try {
      const ask = { server, client, redirectUri: redirectUri(), pkce: true, nonce: true, code, state, rows: [], user: RUNTIME }
      const { obtained, account } = await oauth.exchange(ask)
      return obtained.ok ? account : null
    } catch (error) {
      if (error instanceof Fault && ['UPSTREAM_ERROR', 'UPSTREAM_INVALID', 'STEP_TIMED_OUT', 'EGRESS_BLOCKED'].includes(error.code))
        return null
      throw error
    }
  }

  async function whoIs({ token, from }: Browser): Promise<Caller | null> {
    if (token === null) return null
    try {
      return await access.authenticateSession(token, from.ip, { workspaceSlug: null, project: null }, 0)
    } catch (error) {
      if (error instanceof Fault && error.code === 'UNAUTHENTICATED') return null
      throw error
    }
  }
}
export type Elsewhere = ReturnType<typeof createElsewhere>
