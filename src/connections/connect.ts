/** From a link of ours to the provider's page and back: who asked, in which browser, for what; and what came of it. */
import { createHash, randomBytes } from 'node:crypto'
import { onBehalf } from '../base/behalf.ts'
import type { Db, Scope } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import { newId, timeOf } from '../base/ids.ts'
import type { Lending, Secret } from '../vault/index.ts'
import type { App, Apps } from './apps.ts'
import type { Act } from './audit.ts'
import { type AttemptRow, attempts, type Wish } from './attempt-rows.ts'
import { type Ending, failed } from './ending.ts'
import { grants } from './grant-rows.ts'
import type { Land } from './land.ts'
import { rows } from './rows.ts'

/** RFC 9700 §4.7: short enough that a stolen link is of no use, long enough to find a password. */
export const LINK_MS = 600_000

export interface Asker {
  userId: string
  actor: string
}
export interface AuthorizeInput {
  slug?: string | undefined
  services?: readonly string[] | undefined
  scopes?: readonly string[] | undefined
  display_name?: string | undefined
  environment?: string | undefined
  connection_id?: string | undefined
  return_to?: string | undefined
  other_account?: Wish['other_account'] | undefined
}
interface Ticket extends Wish {
  id: string
  w: string
  p: string
  u: string
  a: string
}
/** What a person sees before the provider's page. */
export interface Invitation {
  provider: string
  workspace: string
  project: string
  reconnects: string | null
  services: string[]
  scopes: string[]
}
export interface Callback {
  code?: Secret | undefined
  state?: Secret | undefined
  iss?: string | undefined
  error?: string | undefined
}

/** RFC 6749 §4.1.2.1, and LinkedIn's two own words. */
const DECLINED = new Set(['access_denied', 'user_cancelled_login', 'user_cancelled_authorize'])

const placeOf = (scope: Scope): string => `${scope.workspace}/${scope.project}`
const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest()

export function createConnect(deps: {
  db: Db
  vault: Lending
  apps: Apps
  land: Land
  publicUrl: () => string
  redirectUri: () => string
  /** Whether whoever asked for the link may still do so. */
  stands: (scope: Scope, asker: Asker) => Promise<boolean>
  /** Writes an audit entry of a refused or finished sign-in. */
  note: (scope: Scope, act: Act) => Promise<void>
  now: () => number
}) {
  const { db, vault, now } = deps

  /** Identity, the services' scopes and others that are asked for, and everything that was granted before: consent never narrows. */
  function scopesOf(app: App, services: readonly string[], more: readonly string[], granted: readonly string[]): string[] {
    const known = app.provider.services
    for (const s of services)
      if (!Object.hasOwn(known, s))
        fail('INVALID_INPUT', `${app.provider.title} has no service ${s.slice(0, 60)}`, {
          hint: `Known: ${Object.keys(known).join(', ')}.`,
        })
    const aliases = Object.values(app.provider.scopeAliases)
    const wanted = [...app.scopes, ...services.flatMap((s) => known[s]!.scopes), ...more, ...granted.filter((s) => !aliases.includes(s))]
    for (const s of wanted) if (!/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(s)) fail('INVALID_INPUT', `a scope has characters that no scope has`)
    return [...new Set(wanted)]
  }

  /** Only back to ourselves: an open redirect would lend our name to anybody. */
  function returnOf(text: string | undefined): string | null {
    if (text === undefined) return null
    const base = new URL(deps.publicUrl())
    const url = URL.parse(text, base.href)
    if (!url || url.origin !== base.origin) fail('INVALID_INPUT', 'return_to must be a path of this server')
    return url.href
  }

  function readTicket(text: string): Ticket | null {
    return vault.oauth.link.open(text) as Ticket | null
  }

  /** A link that asks for these scopes. Nothing is stored before a browser opens it. */
  async function authorize(
    scope: Scope,
    asker: Asker,
    input: AuthorizeInput,
  ): Promise<{ authorization_url: string; attempt_id: string; expires_at: string; scopes: string[] }> {
    const before = input.connection_id
      ? await db.tx(scope, async (tx) => {
          const [row, grant] = await Promise.all([rows.get(tx, input.connection_id!), grants.get(tx, input.connection_id!)])
          return row ? { row, grant } : fail('NOT_FOUND', `there is no connection ${input.connection_id}`)
        })
      : null
    const named = input.slug ?? before?.grant?.app_slug
    const page = named ? await deps.apps.find(scope.workspace, named) : null
    if (page?.provider.signUp)
      fail('INVALID_INPUT', `${page.title} is connected, and connected again, on a page of its own`, {
        hint: `GET /v1/connections/${page.provider.slug}/config has what the page needs.`,
      })
    if (before && before.grant?.kind !== 'authorization_code')
      fail('INVALID_INPUT', `${before.row.name} was not connected by signing in: give it a new credential`, {
        hint: 'PATCH /v1/connections/{id} with credentials.',
      })
    const slug = input.slug ?? before?.grant?.app_slug ?? fail('INVALID_INPUT', 'which provider?')
    const app = await deps.apps.must(scope.workspace, slug)
    if (before && before.row.provider !== app.provider.slug)
      fail('INVALID_INPUT', `${before.row.name} is a connection of ${before.row.provider}, not of ${app.provider.slug}`)
    const services = [...new Set([...(before?.grant?.services ?? []), ...(input.services ?? [])])]
    const scopes = scopesOf(app, services, input.scopes ?? [], [
      ...(before?.row.granted_scopes ?? []),
      ...(before?.grant?.asked_scopes ?? []),
    ])
    const id = vault.oauth.link.mark(newId('oatt', now()), placeOf(scope))
    const ticket: Ticket = {
      id,
      w: scope.workspace,
      p: scope.project,
      u: asker.userId,
      a: asker.actor,
      slug,
      services,
      scopes,
      display_name: input.display_name ?? before?.row.name ?? app.title,
      environment: input.environment ?? before?.row.environment ?? 'production',
      connection_id: input.connection_id ?? null,
      return_to: returnOf(input.return_to),
      other_account: input.other_account ?? 'refuse',
    }
    const expires = now() + LINK_MS
    const url = new URL('/v1/oauth/start', deps.publicUrl())
    url.searchParams.set('ticket', vault.oauth.link.ticket(ticket, expires))
    return { authorization_url: url.href, attempt_id: id, expires_at: new Date(expires).toISOString(), scopes }
  }

  /** What the link asks for, to be shown before anything happens. */
  async function look(text: string): Promise<{ scope: Scope; invitation: Omit<Invitation, 'workspace' | 'project'>; wish: Wish } | Ending> {
    const ticket = readTicket(text)
    if (!ticket) return failed('link_expired')
    const app = await deps.apps.find(ticket.w, ticket.slug)
    if (!app) return failed('app_missing')
    const scope = { workspace: ticket.w, project: ticket.p }
    const services = ticket.services.map((s) => app.provider.services[s]?.title ?? s)
    const reconnects = ticket.connection_id ? ticket.display_name : null
    return { scope, wish: ticket, invitation: { provider: app.title, reconnects, services, scopes: ticket.scopes } }
  }

  /** Binds the browser and names the provider's page. `browser` is the mark that the browser carries, or null for a first visit. */
  async function begin(text: string, browser: string | null): Promise<{ url: string; browser: string } | Ending> {
    const ticket = readTicket(text)
    if (!ticket) return failed('link_expired')
    const app = await deps.apps.find(ticket.w, ticket.slug)
    if (!app) return failed('app_missing')
    const scope = { workspace: ticket.w, project: ticket.p }
    if (!(await deps.stands(scope, { userId: ticket.u, actor: ticket.a }))) return failed('not_allowed')
    const mark = browser ?? randomBytes(32).toString('base64url')
    const { url, stateHash } = vault.oauth.link.redirect({
      at: app.server.authorization,
      clientId: app.client.id,
      redirectUri: deps.redirectUri(),
      scopes: ticket.scopes,
      params: app.params,
      pkce: app.provider.pkce === 'S256',
      nonce: app.provider.nonce && ticket.scopes.includes('openid'),
    })
    const { id, w, p, u, a, slug, services, scopes, display_name, environment, connection_id, return_to, other_account } = ticket
    const ask: Wish = { slug, services, scopes, display_name, environment, connection_id, return_to, other_account }
    const fresh = await db.tx(scope, async (tx) => {
      const row = {
        id,
        workspace_id: w,
        project_id: p,
        user_id: u,
        actor: a,
        ask,
        browser_hash: hashOf(mark),
        state_hash: stateHash,
        expires_at: new Date(now() + LINK_MS),
      }
      return (await attempts.insert(tx, row)) === 1 || (await attempts.again(tx, id, hashOf(mark), stateHash)) === 1
    })
    return fresh ? { url, browser: mark } : failed('link_used')
  }

  /** The provider has sent the browser back. */
  async function finish(callback: Callback, browser: string | null, requestId?: string): Promise<Ending> {
    if (!callback.state || !(callback.code || callback.error)) return failed('malformed')
    const stateHash = vault.oauth.link.stateHash(callback.state)
    // Spent before anything else, so that it can be tried once only, by whoever it is (the tenant is not known before).
    const attempt = await db.everyTenant('a state says which tenant it belongs to', (tx) => attempts.spend(tx, stateHash, new Date(now())))
    if (!attempt) return failed('link_unknown')
    const scope = { workspace: attempt.workspace_id, project: attempt.project_id }
    const settled = onBehalf({ scope, actor: attempt.actor, requestId }, () => settle(scope, attempt, callback, browser, requestId))
    const ending = await settled.catch((error: unknown) => troubled(error, attempt))
    if (ending.ok) return ending
    await db.tx(scope, (tx) => attempts.settle(tx, attempt.id, ending))
    await deps.note(scope, {
      actor: attempt.actor,
      action: 'connection.sign_in_refused',
      target: attempt.ask.connection_id,
      outcome: 'refused',
      details: { kind: ending.kind, app: attempt.ask.slug },
      requestId,
    })
    return ending
  }

  async function settle(
    scope: Scope,
    attempt: AttemptRow,
    callback: Callback,
    browser: string | null,
    requestId?: string,
  ): Promise<Ending> {
    const { ask } = attempt
    if (browser === null || !hashOf(browser).equals(attempt.browser_hash)) return failed('other_browser')
    if (attempt.expires_at.getTime() <= now()) return failed('link_expired')
    const app = await deps.apps.find(scope.workspace, ask.slug)
    if (!app) return failed('app_missing')
    const provider = app.title
    const { issuer } = app.server
    // RFC 9207 §2.4: compared as it is; one that was promised and is missing is as wrong as another's.
    if (callback.iss === undefined ? app.issInAnswers : issuer !== null && callback.iss !== issuer)
      return failed('wrong_issuer', { provider })
    if (callback.error !== undefined) {
      const code = /^[a-z_]{1,60}$/.test(callback.error) ? callback.error : 'unreadable'
      return DECLINED.has(code)
        ? failed('declined', { provider }, ask.return_to)
        : failed('provider_error', { provider, code }, ask.return_to)
    }
    if (!(await deps.stands(scope, { userId: attempt.user_id, actor: attempt.actor }))) return failed('not_allowed')
    const { obtained, account } = await vault.oauth.exchange({
      server: app.server,
      client: app.client,
      redirectUri: deps.redirectUri(),
      pkce: app.provider.pkce === 'S256',
      nonce: app.provider.nonce && ask.scopes.includes('openid'),
      code: callback.code as Secret,
      state: callback.state as Secret,
      rows: app.provider.refusals,
      user: { actor: attempt.actor },
    })
    if (!obtained.ok) {
      const words = { provider, code: obtained.code }
      if (obtained.why === 'transient') return failed('provider_unavailable', words, ask.return_to)
      return failed(obtained.why === 'misconfigured' ? 'app_refused' : 'exchange_failed', words, ask.return_to)
    }
    return deps.land(scope, attempt, app, obtained, account, requestId)
  }

  function troubled(error: unknown, attempt: AttemptRow): Ending {
    if (!(error instanceof Fault)) throw error
    if (error.code === 'UPSTREAM_INVALID') return failed('exchange_failed', { code: 'id_token' }, attempt.ask.return_to)
    if (error.code === 'EGRESS_BLOCKED') return failed('app_refused', { code: 'egress_blocked' }, attempt.ask.return_to)
    if (error.code === 'UPSTREAM_ERROR' || error.code === 'STEP_TIMED_OUT') return failed('provider_unavailable', {}, attempt.ask.return_to)
    throw error
  }

  return {
    authorize,
    look,
    begin,
    finish,
    /** How a link that was asked for has ended. Before a browser opens it there is no row, and its id alone says that it is ours. */
    async attempt(scope: Scope, id: string) {
      const row = await db.tx(scope, (tx) => attempts.get(tx, id))
      if (!row && !vault.oauth.link.marked(id, placeOf(scope))) fail('NOT_FOUND', `there is no sign-in ${id}`)
      if (row?.outcome) return row.outcome
      // The time that it had is over, whether it was opened or not.
      const ends = row?.expires_at.getTime() ?? timeOf(id) + LINK_MS
      return ends <= now() ? { kind: 'link_expired', ok: false, connection_id: null, notes: [] } : null
    },
    forgetOld: () => db.everyTenant('old sign-ins', (tx) => attempts.forget(tx, new Date(now() - 24 * 3_600_000))),
  }
}
export type Connect = ReturnType<typeof createConnect>
