/** What keeps people from connecting, said with its mend: address, scheme, clock, redirect URI, reachability, refresh tokens. */
import type { Db, Scope } from '../base/db.ts'
import type { Egress } from '../base/egress.ts'
import type { OAuthProvider } from '../connectors/contract.ts'
import type { Lending } from '../vault/index.ts'
import type { App, Apps } from './apps.ts'
import type { Epoch } from './epoch.ts'
import { grants, refusals } from './grant-rows.ts'

/** One look at a provider while a person waits. */
const LOOK_MS = 8_000
/** ID tokens and provider-side checks allow a minute or so; more is a clock that must be set. */
const CLOCK_WARN_S = 30
const CLOCK_FAIL_S = 120

export interface Finding {
  check: string
  level: 'ok' | 'warning' | 'problem'
  message: string
  /** What to do. null: nothing. */
  fix: string | null
}
export interface Diagnosis {
  ok: boolean
  public_url: string
  redirect_uri: string
  findings: Finding[]
  apps: { slug: string; provider: string; ok: boolean; findings: Finding[] }[]
}
/** How the asker's own request reached us. */
export interface Seen {
  host: string | null
  forwardedHost: string | null
  forwardedProto: string | null
}

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/

export function createDoctor(deps: {
  db: Db
  apps: Apps
  providers: ReadonlyMap<string, OAuthProvider>
  vault: Lending
  egress: Pick<Egress, 'fetch'>
  publicUrl: () => string
  redirectUri: () => string
  epoch: Epoch
  now: () => number
}) {
  const finding = (check: string, level: Finding['level'], message: string, fix: string | null = null): Finding => ({
    check,
    level,
    message,
    fix,
  })

  function address(seen: Seen | null): Finding[] {
    const url = new URL(deps.publicUrl())
    const out: Finding[] = []
    if (url.protocol === 'https:') out.push(finding('scheme', 'ok', `${url.origin} is reached over TLS`))
    else if (LOOPBACK.test(url.hostname))
      out.push(
        finding(
          'scheme',
          'warning',
          'plain HTTP on this machine: fine for trying, and browsers elsewhere cannot come back to it',
          'For others: --public-url https://…',
        ),
      )
    else
      out.push(
        finding(
          'scheme',
          'problem',
          `${url.origin} is plain HTTP: providers refuse it as a redirect URI`,
          'Put TLS in front, and set --public-url https://…',
        ),
      )
    if (seen) {
      const host = seen.forwardedHost ?? seen.host
      const proto = seen.forwardedProto ?? (seen.forwardedHost ? null : url.protocol.slice(0, -1))
      if (host !== null && host !== url.host)
        out.push(
          finding(
            'proxy',
            LOOPBACK.test(url.hostname) ? 'problem' : 'warning',
            `you reached this server as ${host}, and providers send people to ${url.host}`,
            `If ${host} is the address that people use: --public-url https://${host}`,
          ),
        )
      else if (proto !== null && proto !== url.protocol.slice(0, -1))
        out.push(
          finding(
            'proxy',
            'warning',
            `the proxy says that it was reached by ${proto}, and the public address is ${url.protocol}//`,
            'Set --public-url to what people type.',
          ),
        )
      else out.push(finding('proxy', 'ok', 'you reach this server under its public address'))
    }
    return out
  }

  async function look(url: string): Promise<{ status: number; skewS: number | null } | string> {
    try {
      const answer = await deps.egress.fetch(url, { method: 'GET', timeoutMs: LOOK_MS, firstByteMs: LOOK_MS, maxBytes: 1_048_576 })
      await answer.body?.cancel()
      const date = Date.parse(answer.headers.get('date') ?? '')
      return { status: answer.status, skewS: Number.isFinite(date) ? Math.round((deps.now() - date) / 1000) : null }
    } catch (error) {
      return (error as Error).message
    }
  }

  function clock(skewS: number | null): Finding {
    if (skewS === null) return finding('clock', 'warning', 'the provider does not say what time it is, so the clock was not compared')
    const off = Math.abs(skewS)
    const says = `the clock here is ${off} s ${skewS > 0 ? 'ahead of' : 'behind'} the provider's`
    if (off >= CLOCK_FAIL_S) return finding('clock', 'problem', says, 'Switch time synchronisation on (timedatectl set-ntp true).')
    return off >= CLOCK_WARN_S ? finding('clock', 'warning', says, 'Switch time synchronisation on.') : finding('clock', 'ok', says)
  }

  async function examine(scope: Scope, app: App): Promise<Finding[]> {
    const out: Finding[] = []
    const { server, client, provider } = app
    const refused = await deps.db.tx(scope, (tx) => refusals.of(tx, app.clientKey))
    if (refused)
      out.push(
        finding(
          'client',
          'problem',
          `${provider.title} refuses this app since ${refused.since.toISOString()} (${refused.reason})`,
          'Compare client_id and client_secret with the provider, and PUT /v1/oauth-apps/{slug} with the right ones.',
        ),
      )
    else if (client.auth === 'none' && provider.clientAuth !== 'none')
      out.push(
        finding(
          'client',
          'warning',
          'no client secret is stored: the app works only if the provider takes it for a public client',
          'PUT /v1/oauth-apps/{slug} with client_secret.',
        ),
      )
    else out.push(finding('client', 'ok', `client ${client.id}${client.secrets.length > 1 ? ', with two live secrets' : ''}`))
    if (!provider.signUp) out.push(finding('redirect_uri', 'ok', `to be registered at the provider, exactly: ${deps.redirectUri()}`))
    const seen = await look(server.token)
    if (typeof seen === 'string')
      out.push(
        finding(
          'token_endpoint',
          'problem',
          seen,
          'Look at the network, the proxy and the endpoint. Private hosts: --allow-private host:port.',
        ),
      )
    // A token endpoint answers GET with an error, which is all that is asked here.
    else {
      out.push(finding('token_endpoint', seen.status >= 500 ? 'warning' : 'ok', `${new URL(server.token).host} answers (${seen.status})`))
      out.push(clock(seen.skewS))
    }
    if (app.test && provider.testGrantLifetimeS !== null)
      out.push(
        finding(
          'test_mode',
          'warning',
          `the app is in test mode: grants end after ${Math.round(provider.testGrantLifetimeS / 86_400)} days`,
          'Publish the app at the provider, then set test_mode to false.',
        ),
      )
    const lived = await deps.db.everyTenant('what an OAuth app has brought', (tx) => grants.evidence(tx, app.clientKey))
    if (!provider.signUp) out.push(refreshable(app, lived))
    if (provider.grantLifetimeS !== null)
      out.push(
        finding(
          'grant_lifetime',
          'warning',
          `whatever is renewed, a consent ends after ${Math.round(provider.grantLifetimeS / 86_400)} days; people are warned 30, 7 and 1 day before`,
        ),
      )
    return out
  }

  function refreshable({ provider, params, scopes }: App, lived: { all: number; renewable: number }): Finding {
    // What it has brought says more than what it asks for.
    if (lived.renewable > 0) return finding('refresh_tokens', 'ok', `${lived.renewable} of ${lived.all} sign-ins brought a refresh token`)
    if (lived.all > 0)
      return finding('refresh_tokens', 'problem', `none of ${lived.all} sign-ins brought a refresh token`, provider.noRefreshToken)
    const asksOffline = scopes.includes('offline_access') || params.access_type === 'offline'
    if (provider.slug === 'oauth2' && !asksOffline)
      return finding(
        'refresh_tokens',
        'warning',
        'nothing in the request asks for a refresh token; many providers give none then',
        'Add "offline_access" to the scopes of the app, or the parameter that the provider names.',
      )
    if (provider.grantLifetimeS !== null)
      return finding(
        'refresh_tokens',
        'warning',
        'this provider gives refresh tokens to some apps only, and nobody has signed in yet',
        provider.noRefreshToken,
      )
    return finding('refresh_tokens', 'ok', 'the request asks for a refresh token; the first sign-in will show whether it comes')
  }

  return async (scope: Scope, slug: string | null, seen: Seen | null): Promise<Diagnosis> => {
    const findings = address(seen)
    const held = deps.epoch.held()
    if (held)
      findings.push(
        finding(
          'original',
          'problem',
          `renewals of rotating tokens are held: ${held}`,
          'If the original is no more: POST /v1/oauth/confirm-original.',
        ),
      )
    const known = await deps.db.tx(scope, (tx) => deps.apps.list(tx))
    const wanted = slug === null ? known : known.filter((a) => a.slug === slug)
    const apps: Diagnosis['apps'] = []
    for (const facts of wanted) {
      const found = await examine(scope, await deps.apps.must(scope.workspace, facts.slug))
      apps.push({ slug: facts.slug, provider: facts.provider, ok: found.every((f) => f.level !== 'problem'), findings: found })
    }
    if (slug !== null && wanted.length === 0)
      findings.push(
        finding(
          'app',
          'problem',
          `no OAuth app ${slug.slice(0, 60)} is set up`,
          `Register an app at the provider with the redirect URI ${deps.redirectUri()}, then PUT /v1/oauth-apps/${slug.slice(0, 60)} with client_id and client_secret.`,
        ),
      )
    else if (known.length === 0)
      findings.push(
        finding(
          'app',
          'warning',
          'no OAuth app is set up, so nobody can sign in to a provider',
          `Register ${deps.redirectUri()} at the provider, then PUT /v1/oauth-apps/{slug}.`,
        ),
      )
    const ok = findings.every((f) => f.level !== 'problem') && apps.every((a) => a.ok)
    return { ok, public_url: deps.publicUrl(), redirect_uri: deps.redirectUri(), findings, apps }
  }
}
