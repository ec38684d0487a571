/** A person who connects an account, without a browser: our page, the provider's, and back. */
import type { Provider } from '../fakes/provider.ts'
import type { TestRuntime } from '../harness.ts'

/** A browser as far as a sign-in needs one: it keeps our cookie. */
export class Visitor {
  cookie: string | null = null
  async get(url: string): Promise<Response> {
    return fetch(url, { redirect: 'manual', headers: this.cookie ? { cookie: this.cookie } : {} })
  }
  /** Presses the button of our page. The answer leads to the provider, or is a page that says why not. */
  async goOn(authorizationUrl: string): Promise<Response> {
    const url = new URL(authorizationUrl)
    const answer = await fetch(`${url.origin}/v1/oauth/start`, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...(this.cookie ? { cookie: this.cookie } : {}) },
      body: new URLSearchParams({ ticket: url.searchParams.get('ticket') ?? '' }),
    })
    const set = answer.headers.get('set-cookie')
    if (set) this.cookie = set.split(';')[0] as string
    return answer
  }
}

/** The fake provider as an OAuth app of the workspace: `acme` unless said. */
export const setUpApp = (rt: TestRuntime, provider: Provider, more: Record<string, unknown> = {}, slug = 'acme') =>
  rt.ok('PUT', `/v1/oauth-apps/${slug}`, {
    provider: 'oauth2',
    client_id: provider.client.id,
    client_secret: provider.client.secret,
    issuer: provider.issuer,
    scopes: ['openid', 'email', 'offline_access'],
    params: { prompt: 'consent' },
    api_hosts: [new URL(provider.url).host],
    rotates: 'always',
    ...more,
  })

export interface Wanted {
  account?: string
  slug?: string
  scopes?: string[]
  services?: string[]
  narrowTo?: string[]
  connection_id?: string
  display_name?: string
}

/** The whole way. Returns the page at the end and what the attempt says of itself. */
export async function signIn(rt: TestRuntime, provider: Provider, wanted: Wanted = {}, visitor = new Visitor()) {
  const { account = 'ada', slug = 'acme', narrowTo, connection_id, ...ask } = wanted
  const link = connection_id
    ? await rt.ok('POST', `/v1/connections/${connection_id}/reconnect`, ask)
    : await rt.ok('POST', `/v1/connections/oauth/${slug}/authorize`, ask)
  const callback = await atProvider(provider, link.authorization_url, account, visitor, narrowTo)
  const page = await visitor.get(callback)
  const attempt = await rt.ok('GET', `/v1/oauth/attempts/${link.attempt_id}`)
  return { page: await page.text(), status: page.status, attempt, connection: attempt.connection_id as string, link, callback, visitor }
}

/** Through our page to the provider, signed in and agreed there: the address that it sends the browser back to. */
export async function atProvider(
  provider: Provider,
  authorizationUrl: string,
  account: string,
  visitor: Visitor,
  narrowTo?: string[],
): Promise<string> {
  const answer = await visitor.goOn(authorizationUrl)
  const location = answer.headers.get('location')
  if (answer.status !== 303 || !location) throw new Error(`our page did not lead on (${answer.status}): ${await answer.text()}`)
  return provider.signIn({ account, authorizationUrl: location, ...(narrowTo ? { narrowTo } : {}) })
}

/** An instance of the generic HTTP server, bound to an account, at the provider's own API. */
export const httpInstance = async (rt: TestRuntime, provider: Provider, connection: string): Promise<string> =>
  (
    await rt.ok('POST', '/v1/mcp/instances', {
      slug: 'http',
      name: `API ${connection}`,
      connection_id: connection,
      config: { base_url: provider.url, check_path: '/api/me' },
    })
  ).id

export const things = (rt: TestRuntime, instance: string) =>
  rt.api('POST', `/v1/mcp/instances/${instance}/tools/http_request/call`, { args: { method: 'GET', path: '/api/things' } })
