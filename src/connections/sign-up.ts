/** A page of the vendor's gives a code to the browser (Meta's embedded signup): exchanged here, it becomes a connection or renews one. */
import type { Db, Scope, Tx } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Connector, OAuthProvider, Service } from '../connectors/contract.ts'
import { conceal, type Inspected, type Lending, type Obtained, type Secret } from '../vault/index.ts'
import type { App, Apps } from './apps.ts'
import { grants, type NewGrant } from './grant-rows.ts'
import type { LendRequest, Lent } from './lend.ts'
import { type ConnectionRow, rows } from './rows.ts'
import { type ConnectionFacts, show } from './show.ts'
import { type Validation, waitFor } from './validate.ts'

export interface SignUpInput {
  provider: string
  code: Secret
  /** What came with the code and is no secret, by the names of the form's fields. */
  entered: Readonly<Record<string, string>>
  display_name?: string | undefined
  environment?: string | undefined
  /** A connection to connect again. */
  connection_id?: string | undefined
}

/** OAuth apps can be set up for these too, although nobody is led to them by a link. */
export const withSignUps = (
  providers: ReadonlyMap<string, OAuthProvider>,
  connectors: ReadonlyMap<string, Connector>,
): ReadonlyMap<string, OAuthProvider> => {
  const by = [...connectors.values()].flatMap((c) => (c.auth.kind === 'api_key' ? Object.values(c.auth.services) : []))
  return new Map([...providers, ...by.flatMap((s) => (s.signUp ? [[s.signUp.slug, s.signUp] as const] : []))])
}

interface Way {
  connector: Connector
  /** Of the service. */
  name: string
  service: Service
  by: OAuthProvider & { signUp: { inspection: string; target: string } }
}

export function createSignUp(deps: {
  db: Db
  vault: Lending
  connectors: ReadonlyMap<string, Connector>
  apps: Apps
  must: (tx: Tx, id: string, lock?: boolean) => Promise<ConnectionRow>
  event: (tx: Tx, scope: Scope, id: string, type: string, data?: Record<string, unknown>) => Promise<unknown>
  tell: (tx: Tx, row: ConnectionRow, type: string) => Promise<void>
  lend: (scope: Scope, request: LendRequest) => Promise<Lent>
  validate: (
    scope: Scope,
    id: string,
    config: Record<string, unknown>,
    signal: AbortSignal,
    actor: string,
  ) => Promise<{ result: Validation; write: (tx: Tx) => Promise<void> }>
  forget: (id: string) => void
  now: () => number
}) {
  const { db, vault, now } = deps

  function wayOf(slug: string): Way {
    const connector = deps.connectors.get(slug) ?? fail('NOT_FOUND', `there is no connector ${slug}`)
    const services = connector.auth.kind === 'api_key' ? Object.entries(connector.auth.services) : []
    for (const [name, service] of services) {
      const by = service.signUp
      if (by?.signUp) return { connector, name, service, by: { ...by, signUp: by.signUp } }
    }
    return fail('INVALID_INPUT', `${connector.title} is not signed up for`)
  }

  /** Where an app has its endpoints elsewhere (a stand-in, say), the API is there too. */
  const configOf = ({ connector, by }: Way, app: App): Record<string, unknown> =>
    app.server.token === by.endpoints?.token ? {} : { [connector.baseKey]: new URL(app.server.token).origin }

  async function tokenOf(way: Way, app: App, input: SignUpInput, actor: string): Promise<{ token: Secret; grant: Facts }> {
    const { refusals, signUp } = way.by
    const ask = { server: app.server, client: app.client, code: input.code, rows: refusals, inspection: signUp.inspection, user: { actor } }
    const { obtained, seen } = await vault.oauth.exchangeCode(ask)
    if (!obtained.ok) throw refusal(app, obtained)
    if (seen) mustFit(way, app, seen, input.entered)
    const { expiresInS, scopes } = obtained.facts
    const ends = seen ? seen.expiresAt : expiresInS === null ? null : now() + expiresInS * 1000
    return {
      token: obtained.fields.access_token,
      grant: { ends: ends === null ? null : new Date(ends), scopes: seen?.scopes ?? scopes, proven: seen !== null },
    }
  }

  async function afterwards(
    scope: Scope,
    id: string,
    { connector, service }: Way,
    config: Record<string, unknown>,
    signal: AbortSignal,
    actor: string,
  ) {
    try {
      const lent = await deps.lend(scope, { connectionId: id, connector, config, signal, user: { actor } })
      return (await service.signedUp?.({ ...lent, key: newId('check', now()), config, signal, wait: waitFor(signal) })) ?? []
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return [error.message]
    }
  }

  return {
    wayOf,
    /** A look at what was connected, and what the vendor wants done then. Whatever is wrong is told: the token is not given away for it. */
    async finish(
      scope: Scope,
      provider: string,
      id: string,
      config: Record<string, unknown>,
      signal: AbortSignal,
      actor: string,
    ): Promise<string[]> {
      const { result, write } = await deps.validate(scope, id, config, signal, actor)
      await db.tx(scope, write)
      if (result.problem?.code === 'CREDENTIAL_REJECTED') return [result.problem.message]
      const warnings = await afterwards(scope, id, wayOf(provider), config, signal, actor)
      if (warnings.length > 0) await db.tx(scope, (tx) => rows.update(tx, id, { warnings, updated_at: new Date(now()) }))
      return [...new Set([...(result.problem ? [result.problem.message] : []), ...warnings])]
    },
    /** The code is spent by this, so whatever else could be wrong is looked at before. What comes back writes the connection. */
    async complete(
      scope: Scope,
      input: SignUpInput,
      actor: string,
    ): Promise<{ write: (tx: Tx) => Promise<ConnectionFacts>; after: () => void; config: Record<string, unknown> }> {
      vault.mustBeOpen()
      const way = wayOf(input.provider)
      if (input.connection_id) {
        const id = input.connection_id
        mustRenew(way, await db.tx(scope, (tx) => deps.must(tx, id)), input)
      }
      const { title } = way.connector
      const open = Object.fromEntries(Object.entries(input.entered).map(([name, value]) => [name, conceal(value)]))
      const looked = vault.intake(title, way.service.fields, open, true).public
      for (const name of Object.keys(open)) if (!(name in looked)) fail('CREDENTIAL_MALFORMED', `${name} is missing`)
      const app = await deps.apps.must(scope.workspace, way.by.slug)
      const { token, grant } = await tokenOf(way, app, input, actor)
      const taken = vault.intake(title, way.service.fields, { access_token: token, ...open }, false)
      const at = new Date(now())
      const id = input.connection_id ?? newId('conn', now())
      const facts = {
        // A token that the provider itself has called good is proven; what it is for is tried next.
        status: grant.proven ? ('active' as const) : ('unverified' as const),
        status_reason: null,
        status_since: at,
        public: taken.public,
        granted_scopes: grant.scopes,
        warnings: [],
        expires_at: grant.ends,
      }
      const behind: NewGrant = {
        connection_id: id,
        workspace_id: scope.workspace,
        project_id: scope.project,
        kind: 'access_token',
        app_slug: app.slug,
        client_key: app.clientKey,
        client_id: app.client.id,
        authorization_server: app.server.issuer ?? app.server.token,
        services: [way.name],
        asked_scopes: [...(way.by.services[way.name]?.scopes ?? [])],
        consented_at: at,
        access_obtained_at: at,
        access_expires_at: grant.ends,
        renewable: false,
        ends_at: grant.ends,
        due_at: null,
      }
      const place = { workspace: scope.workspace, project: scope.project, owner: id }

      async function make(tx: Tx): Promise<ConnectionFacts> {
        const row = await rows.insert(tx, {
          id,
          workspace_id: scope.workspace,
          project_id: scope.project,
          name: input.display_name ?? title,
          provider: input.provider,
          service: way.name,
          environment: input.environment ?? 'production',
          credential_version: 1,
          ...facts,
        })
        const made = await grants.insert(tx, behind)
        await vault.put(tx, { ...place, version: 1 }, taken.secret, { wire: null })
        await deps.event(tx, scope, id, 'created', { provider: input.provider, credential_version: 1, granted_scopes: grant.scopes })
        return show(row!, Object.keys(taken.secret), made)
      }
      async function renew(tx: Tx): Promise<ConnectionFacts> {
        const before = await deps.must(tx, id, true)
        mustRenew(way, before, input)
        const version = before.credential_version + 1
        await vault.put(tx, { ...place, version }, taken.secret, { wire: null })
        await vault.drop(tx, id, before.credential_version)
        const named = input.display_name === undefined ? {} : { name: input.display_name }
        const row = await rows.update(tx, id, { ...facts, ...named, credential_version: version, updated_at: at })
        const made = (await grants.renewed(tx, behind)) ?? (await grants.insert(tx, behind))
        await deps.event(tx, scope, id, 'reconnected', { credential_version: version, granted_scopes: grant.scopes })
        if (before.status !== 'active' && before.status !== 'unverified') await deps.tell(tx, row!, 'connection.recovered')
        return show(row!, Object.keys(taken.secret), made)
      }
      return {
        write: input.connection_id ? renew : make,
        after: () => {
          deps.forget(id)
          vault.forget(id)
        },
        config: configOf(way, app),
      }
    },
  }
}
export type SignUp = ReturnType<typeof createSignUp>

interface Facts {
  ends: Date | null
  scopes: string[] | null
  proven: boolean
}

/** The same account again: everything that is bound to the connection goes on with it. */
function mustRenew({ name, by }: Way, row: ConnectionRow, { provider, entered }: SignUpInput): void {
  if (row.provider !== provider || row.service !== name)
    fail('INVALID_INPUT', `${row.name} was not connected by signing up for ${by.title}`, { hint: 'Leave connection_id out.' })
  const { target } = by.signUp
  if (row.public[target] !== entered[target])
    fail('CONFLICT', `${row.name} is for another account (${String(row.public[target])})`, {
      hint: 'Leave connection_id out to connect this one beside it.',
      details: { [target]: row.public[target] },
    })
}

/** Ids come from the browser, so they are compared with what the provider says that the token is for. */
function mustFit({ name, by }: Way, app: App, seen: Inspected, entered: Readonly<Record<string, string>>): void {
  const refuse = (why: string, reason: string): never =>
    fail('REFUSED', why, { hint: 'Nothing was stored. Go through the sign-up page again.', details: { reason } })
  if (!seen.valid) refuse(`${by.title} gave a token that it calls invalid itself`, 'token_invalid')
  if (seen.client !== app.client.id) refuse('the token was given to another app', 'other_app')
  const { target } = by.signUp
  for (const scope of by.services[name]?.scopes ?? []) {
    const given = seen.targets[scope]
    if (given && !given.includes(entered[target] ?? '')) refuse(`the token was not given for this ${target}`, 'account_mismatch')
  }
}

function refusal(app: App, { why, code, ...more }: Exclude<Obtained, { ok: true }>): Fault {
  const details = { app: app.slug, code }
  const again = 'A code works once and for a short time: go through the sign-up page again.'
  if (why === 'misconfigured')
    return new Fault('OAUTH_APP_REFUSED', `${app.title} does not accept the OAuth app of this server (${code})`, {
      hint: 'Compare client_id and client_secret with the app at the provider: PUT /v1/oauth-apps/{slug}.',
      details,
    })
  if (why === 'transient') {
    const retryAfter = 'retryAfterS' in more && more.retryAfterS !== null ? { retryAfter: more.retryAfterS } : {}
    return new Fault('UPSTREAM_ERROR', `${app.title} could not exchange the code now (${code})`, { hint: again, details, ...retryAfter })
  }
  return new Fault('REFUSED', `${app.title} did not take the code (${code})`, { hint: again, details })
}
