/** A second tenant in a runtime's database, and a look at who has how many rows. */
import { createAccess } from '../../src/access/index.ts'
import { createDb, openPool } from '../../src/base/db.ts'
import { APP_ROLE } from '../../src/base/migrate.ts'
import { type Provider, startProvider } from '../fakes/provider.ts'
import type { TestRuntime } from '../harness.ts'
import { behindTheScenes, published } from './acts.ts'
import { setUpApp, signIn } from './sign-in.ts'

export interface Tenant {
  workspace: string
  project: string
  user: string
  pat: string
  /** The same runtime, asked with this tenant's token. */
  as: TestRuntime
}

/** What the operator of a runtime does for another customer: a workspace with an owner, and a token. */
export async function secondTenant(rt: TestRuntime, slug: string): Promise<Tenant> {
  const pool = openPool(rt.connection, APP_ROLE, 2)
  const db = createDb(pool)
  const access = createAccess({ db, now: Date.now })
  try {
    const owner = await access.newWorkspace({ slug, name: slug, email: `${slug}@example.com` })
    const { token } = await db.tx({ workspace: owner.workspace, project: owner.project }, (tx) =>
      access.createPat(tx, owner, { display_name: slug, scopes: owner.scopes, expires_in_days: 1 }),
    )
    const session = await access.begin(owner.userId, { ip: null, userAgent: null })
    return { workspace: owner.workspace, project: owner.project, user: owner.userId, pat: token, as: asking(rt, token, session) }
  } finally {
    await access.close()
    await pool.end()
  }
}

/** The same runtime, asked with another token, and by another person's session where one is given. */
export const asking = (rt: TestRuntime, pat: string, session?: string): TestRuntime => {
  const api: TestRuntime['api'] = (method, path, body, headers) =>
    rt.api(method, path, body, headers && 'cookie' in headers ? headers : { authorization: `Bearer ${pat}`, ...headers })
  const ok: TestRuntime['ok'] = async (method, path, body, headers) => {
    const answer = await api(method, path, body, headers)
    if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`)
    return answer.body
  }
  const own = async () => ({ cookie: `ar_session=${session}`, origin: rt.url })
  const mint: TestRuntime['mint'] = async (input) => rt.ok('POST', '/v1/pats', input, await own())
  return { ...rt, pat, api, ok, ...(session === undefined ? {} : { session: own, mint }) }
}

/** What a Google account is asked for here. */
const MAIL = ['gmail.send', 'gmail.readonly'].map((name) => `https://www.googleapis.com/auth/${name}`)

/** A provider of the shape of Google's, at which both tenants sign in. The runtime has to be let to reach it. */
export const startGoogle = (): Promise<Provider> => startProvider({ scopes: MAIL, rotate: 'never' })

/** An OAuth app at endpoints that nobody answers at: a link is all that can be had of it. */
const APP = {
  provider: 'oauth2',
  client_secret: 'a-client-secret-of-this-tenant',
  authorization_endpoint: 'http://127.0.0.1:9/authorize',
  token_endpoint: 'http://127.0.0.1:9/token',
}

/** One of everything that has an id, made over HTTP. Its calls end at the egress guard, so only the sign-in needs somebody outside. */
export async function belongings(rt: TestRuntime, google: Provider, person: string, place: Record<string, string> = {}) {
  const connection = await rt.ok('POST', '/v1/connections', {
    display_name: 'Mine',
    provider: 'http',
    credentials: { api_key: 'a-key-of-this-tenant' },
  })
  const rotation = await rt.ok('POST', `/v1/connections/${connection.id}/rotation`, {
    credentials: { api_key: 'another-key-of-this-tenant' },
  })
  const config = { base_url: 'https://127.0.0.1' }
  const instance = await rt.ok('POST', '/v1/mcp/instances', { slug: 'http', name: 'Mine', connection_id: connection.id, config })
  const workflow = await published(rt, 'Mine', [
    { id: 'a', instance_id: instance.id, tool_name: 'http_request', tool_args: { method: 'GET', path: '/x' } },
  ])
  const run = await rt.ok('POST', `/v1/workflows/${workflow}/command`, { command: 'start', params: { note: 'mine' } })
  const pat = await rt.mint({ display_name: 'Mine', scopes: ['connection:read'] })
  const hook = await rt.ok('POST', '/v1/inbound-webhooks', { workflow_id: workflow, name: 'Mine' })
  const app = `app-of-${person}`
  await rt.ok('PUT', `/v1/oauth-apps/${app}`, { ...APP, client_id: `client-of-${person}` })
  const offered = await rt.ok('POST', `/v1/connections/oauth/${app}/authorize`, {})
  google.allowRedirect(`${rt.url}/v1/oauth/callback`)
  await setUpApp(rt, google, { provider: 'google', scopes: [], params: {}, rotates: 'never' }, 'google')
  const signedIn = await signIn(rt, google, { slug: 'google', account: person, services: ['gmail'], display_name: 'An account' })
  if (!signedIn.connection) throw new Error(`${person} could not sign in: ${signedIn.page}`)
  const own = { ...(await rt.session()), 'content-type': 'application/json', ...place }
  const me = await rt.ok('GET', '/v1/me', undefined, own)
  const invitation = await rt.ok('POST', '/v1/invitations', { email: `guest-of-${person}@example.com` }, own)
  const [session] = (await rt.ok('GET', '/v1/auth/sessions', undefined, own)).items
  return {
    workspace: me.workspace.id as string,
    project: me.project_id as string,
    member: me.user.id as string,
    invitation: invitation.id as string,
    session: session.id as string,
    connection: connection.id as string,
    rotation: rotation.rotation_id as string,
    instance: instance.id as string,
    profile: instance.profiles[0].id as string,
    workflow,
    run: run.run_id as string,
    pat: pat.id as string,
    hook: hook.subscription.id as string,
    app,
    /** A connection behind which a person has signed in, and the attempt that made it. */
    account: signedIn.connection,
    attempt: signedIn.link.attempt_id as string,
    /** A link that nobody has opened: there is no row of it anywhere. */
    offered: offered.attempt_id as string,
  }
}
export type Belongings = Awaited<ReturnType<typeof belongings>>

/** Bodies that are right but for the id, so that nothing else can be the reason of a refusal. */
export const BODIES: Record<string, object> = {
  'connections.update': { display_name: 'taken over' },
  'connections.burn': { reason: 'taken over' },
  'rotations.begin': { credentials: { api_key: 'a-third-key-of-this-tenant' } },
  'rotations.test': { skip: 'taken over' },
  'instances.update': { name: 'taken over' },
  'profiles.create': { name: 'taken over' },
  'profiles.update': { name: 'taken over' },
  'workflows.update': { name: 'taken over' },
  'runs.command': { command: 'start' },
  'runs.resolve_step': { outcome: 'done' },
  'webhooks.update': { name: 'taken over' },
  'workspaces.update': { name: 'taken over' },
  'projects.update': { name: 'taken over' },
  'members.update': { disabled: true },
  'google.services': { services: ['gmail', 'google-drive'] },
  'oauth_apps.put': {
    provider: 'oauth2',
    client_id: 'taken-over',
    authorization_endpoint: 'http://127.0.0.1:9/a',
    token_endpoint: 'http://127.0.0.1:9/t',
  },
}

/** Routes for connections that somebody has signed in to. */
const OF_ACCOUNTS = /\/reconnect$|\/accounts\//

/** The path of a route with the ids of `first`; where it takes two ids, the second of `second`. */
export function pathOf(http: string, first: Belongings, second = first): string {
  const kind = /\/v1\/(?:mcp\/|auth\/)?([\w-]+)\//.exec(http)?.[1] as string
  const id = {
    connections: OF_ACCOUNTS.test(http) ? first.account : first.connection,
    instances: first.instance,
    workflows: first.workflow,
    pats: first.pat,
    'inbound-webhooks': first.hook,
    oauth: first.attempt,
    sessions: first.session,
    members: first.member,
    invitations: first.invitation,
    projects: first.project,
    workspaces: first.workspace,
  }[kind]
  return http
    .replace(/^\w+ /, '')
    .replace('{id}', id ?? `no id is known for ${kind}`)
    .replace('{run_id}', second.run)
    .replace('{profile_id}', second.profile)
    .replace('{rotation_id}', second.rotation)
    .replace('{tool}', 'http_request')
    .replace('{step_id}', 'a')
    .replace('{slug}', first.app)
}

/** What the egress guard has refused is told by the runtime itself, a moment after the call that it was. */
const TOLD_LATER = "action = 'egress.refused'"

/** Rows of every table of ours, counted in one statement. */
/** Uses of secrets that were made until now are written, so that none comes along later, while somebody counts. */
const usesWritten = (rt: TestRuntime) => rt.ok('GET', '/v1/audit/uses?limit=1')

export async function rowCounts(rt: TestRuntime): Promise<Record<string, number>> {
  await usesWritten(rt)
  await using db = await behindTheScenes(rt)
  const tables = await db.rows(
    "select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' order by 1",
  )
  const counts = await db.rows(
    tables
      .map(
        ({ name }) =>
          `select '${name}' as name, count(*)::int as n from ${name}${name === 'audit_entries' ? ` where not ${TOLD_LATER}` : ''}`,
      )
      .join(' union all '),
  )
  return Object.fromEntries(counts.map(({ name, n }) => [name, n]))
}

/** Everything of one tenant as text, table by table; `last_used` facts, which change by looking, are left out. */
export async function rowsOf(rt: TestRuntime, workspace: string): Promise<Record<string, string[]>> {
  await usesWritten(rt)
  await using db = await behindTheScenes(rt)
  const tables = await db.rows(
    "select table_name as name from information_schema.columns where table_schema = 'public' and column_name = 'workspace_id' order by 1",
  )
  const out: Record<string, string[]> = {}
  for (const { name } of tables) {
    const found = await db.rows(
      `select (to_jsonb(t) - 'last_used_at' - 'last_used_ip')::text as row from ${name} t where workspace_id = $1 order by 1`,
      [workspace],
    )
    out[name] = found.map((r) => r.row as string)
  }
  return out
}
