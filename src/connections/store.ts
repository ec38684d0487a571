/** Credentials that are entered: checked, sealed, replaced, destroyed. */
import type { Db, Scope, Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Connector, Field, WayByHand, OAuthProvider } from '../connectors/contract.ts'
import type { Lending, Secret, Wire } from '../vault/index.ts'
import { grants } from './grant-rows.ts'
import { manualGrant } from './manual.ts'
import { rotations } from './rotation-rows.ts'
import { type ConnectionRow, rows } from './rows.ts'
import { wayBack } from './lend.ts'
import { type ConnectionFacts, show } from './show.ts'

export interface NewConnection {
  display_name: string
  provider: string
  service?: string | undefined
  environment: string
  credentials: Readonly<Record<string, Secret>>
  services?: readonly string[] | undefined
  scopes?: readonly string[] | undefined
}
export interface Change {
  display_name?: string | undefined
  environment?: string | undefined
  disabled?: boolean | undefined
  credentials?: Readonly<Record<string, Secret>> | undefined
}
/** What was entered, told apart and checked. */
export interface Prepared {
  service: string
  manual: WayByHand | null
  fields: readonly Field[]
  secret: Readonly<Record<string, Secret>>
  public: Record<string, unknown>
  wire: Wire | null
}
/** What was entered for the version after the live one. */
export interface Successor {
  secret: Readonly<Record<string, Secret>>
  public: Record<string, unknown>
  wire: Wire | null
}
const isSignedUpFor = (connector: Connector | null, service: string): boolean =>
  connector?.auth.kind === 'api_key' && connector.auth.services[service]?.signUp !== undefined

/** What can be entered for a provider: a connector's key or connection string, or one of an OAuth provider's ways by hand. */
type Kind = { connector: Connector; provider: null } | { connector: null; provider: OAuthProvider }

export function createStore(deps: {
  db: Db
  vault: Lending
  connectors: ReadonlyMap<string, Connector>
  providers: ReadonlyMap<string, OAuthProvider>
  /** Connectors with a service that is exchanged for tokens, as providers. */
  exchanges: ReadonlyMap<string, OAuthProvider>
  tokenEndpointOf: (workspace: string, provider: OAuthProvider, entered: Readonly<Record<string, unknown>>) => Promise<string>
  must: (tx: Tx, id: string, lock?: boolean) => Promise<ConnectionRow>
  event: (tx: Tx, scope: Scope, id: string, type: string, data?: Record<string, unknown>) => Promise<unknown>
  forget: (id: string) => void
  now: () => number
}) {
  const { db, vault, now } = deps

  function kindOf(slug: string): Kind {
    const provider = deps.providers.get(slug)
    if (provider) return { connector: null, provider }
    const connector = deps.connectors.get(slug)
    if (connector && connector.auth.kind !== 'oauth') return { connector, provider: null }
    const known = [
      ...new Set([...deps.providers.keys(), ...[...deps.connectors.values()].filter((c) => c.auth.kind !== 'oauth').map((c) => c.slug)]),
    ]
    return fail('INVALID_INPUT', `there is no provider ${slug.slice(0, 60)}`, { hint: `Known: ${known.join(', ')}.`, details: { known } })
  }

  function manualOf(provider: OAuthProvider, service: string | undefined): { name: string; manual: WayByHand } {
    const known = Object.keys(provider.manual)
    const name = service ?? known[0] ?? 'oauth'
    const manual = provider.manual[name]
    if (manual) return { name, manual }
    const signIn = `POST /v1/connections/oauth/${provider.slug}/authorize gives a link.`
    return fail('INVALID_INPUT', `${provider.title} is connected by signing in`, {
      hint: known.length === 0 ? signIn : `${signIn} By hand: ${known.join(', ')}.`,
    })
  }

  function fieldsOf(
    kind: Kind,
    service: string | undefined,
  ): { service: string; title: string; fields: readonly Field[]; manual: WayByHand | null } {
    if (kind.provider) {
      const { name, manual } = manualOf(kind.provider, service)
      return { service: name, title: kind.provider.title, fields: manual.fields, manual }
    }
    const { auth, title, slug } = kind.connector
    if (auth.kind === 'dsn') return { service: service ?? 'dsn', title, fields: auth.fields, manual: null }
    if (auth.kind !== 'api_key') return fail('INVALID_INPUT', `${title} needs no connection: bind an instance without one`)
    const name = service ?? (Object.keys(auth.services)[0] as string)
    const found = auth.services[name]
    if (found) return { service: name, title, fields: found.fields, manual: deps.exchanges.get(slug)?.manual[name] ?? null }
    return fail('INVALID_INPUT', `${title} has no service ${name.slice(0, 60)}`, {
      hint: `Known: ${Object.keys(auth.services).join(', ')}.`,
    })
  }

  /** Checks and seals. Connection strings are also read for their public facts, and their hosts pass the egress guard. */
  async function prepare(
    kind: Kind,
    service: string | undefined,
    given: Readonly<Record<string, Secret>>,
    partial: boolean,
  ): Promise<Prepared> {
    const { service: name, title, fields, manual } = fieldsOf(kind, service)
    const taken = vault.intake(title, fields, given, partial)
    const wire = kind.connector?.auth.kind === 'dsn' ? kind.connector.auth.wire : null
    const facts = wire && Object.keys(taken.secret).length > 0 ? await vault.inspect(wire, taken.secret, taken.public) : {}
    return { service: name, manual, fields, secret: taken.secret, public: { ...taken.public, ...facts }, wire }
  }

  async function grantFor(
    scope: Scope,
    kind: Kind,
    prepared: Prepared,
    id: string,
    entered: { secrets: readonly string[]; public: Record<string, unknown>; services: readonly string[]; scopes: readonly string[] },
  ) {
    const provider = kind.provider ?? deps.exchanges.get(kind.connector.slug)
    if (!provider || !prepared.manual) return null
    const tokenEndpoint = await deps.tokenEndpointOf(scope.workspace, provider, entered.public)
    return manualGrant(provider, prepared.manual, entered, {
      connectionId: id,
      workspace: scope.workspace,
      project: scope.project,
      now: now(),
      tokenEndpoint,
    })
  }

  /** Whoever sends a stored secret elsewhere must know it. */
  function refuseDetour(row: ConnectionRow, prepared: Prepared, stored: readonly string[]): void {
    const { fields } = prepared
    const leads = ['token_endpoint', 'api_hosts', ...fields.filter((f) => f.where).map((f) => f.name)]
    if (!leads.some((name) => prepared.public[name] !== undefined && prepared.public[name] !== row.public[name])) return
    const kept = (f: Field) => f.secret && (f.required || stored.includes(f.name)) && !(f.name in prepared.secret)
    const missing = fields.filter(kept).map((f) => f.name)
    if (missing.length > 0)
      fail('INVALID_INPUT', `when it is to go elsewhere, ${missing.join(', ')} must be entered again`, { details: { fields: missing } })
  }

  /** A connection, and what was entered for it anew, checked. */
  async function look(scope: Scope, id: string, credentials: Readonly<Record<string, Secret>> | undefined) {
    const before = await db.tx(scope, async (tx) => ({ row: await deps.must(tx, id), grant: await grants.get(tx, id) }))
    if (credentials && before.grant?.kind === 'authorization_code')
      fail('INVALID_INPUT', `${before.row.name} was connected by signing in, and is renewed by signing in again`, {
        hint: `POST /v1/connections/${id}/reconnect gives the link.`,
      })
    const kind = kindOf(before.row.provider)
    if (credentials && isSignedUpFor(kind.connector, before.row.service))
      fail('INVALID_INPUT', `${before.row.name} was connected by signing up, and is connected again by signing up again`, {
        hint: wayBack(before.row),
      })
    const version = before.row.credential_version
    const stored = credentials ? (await db.tx(scope, (tx) => vault.facts(tx, id, version))).map((f) => f.field) : []
    // Where nothing is left to keep (it was burned), all of it is entered again.
    const prepared = credentials ? await prepare(kind, before.row.service, credentials, stored.length > 0) : null
    const replaces = prepared !== null && (Object.keys(prepared.secret).length > 0 || Object.keys(prepared.public).length > 0)
    if (prepared) refuseDetour(before.row, prepared, stored)
    return { before, kind, prepared, replaces, stored }
  }

  return {
    /** What is to become the next version, checked as if it replaced the live one. Faults: INVALID_INPUT, CREDENTIAL_MALFORMED, EGRESS_BLOCKED. */
    async successor(scope: Scope, id: string, credentials: Readonly<Record<string, Secret>>): Promise<Successor> {
      const { before, prepared, stored } = await look(scope, id, credentials)
      if (stored.length === 0) fail('CONFLICT', `${before.row.name} has no credential to rotate`, { hint: 'Replace it by PATCH.' })
      if (before.grant)
        fail('INVALID_INPUT', `the tokens of ${before.row.name} are renewed by themselves, so there is no key to rotate`, {
          hint: 'Replace what it gets them with by PATCH: tokens that are out serve until they end.',
        })
      if (!prepared || Object.keys(prepared.secret).length === 0)
        return fail('INVALID_INPUT', 'credentials has no new secret', { hint: 'Enter the new key. What stays the same may be left out.' })
      return prepared
    },

    prepare: ({ provider, service, credentials }: Pick<NewConnection, 'provider' | 'service' | 'credentials'>): Promise<Prepared> =>
      prepare(kindOf(provider), service, credentials, false),

    async create(scope: Scope, input: NewConnection): Promise<(tx: Tx) => Promise<ConnectionFacts>> {
      const kind = kindOf(input.provider)
      const prepared = await prepare(kind, input.service, input.credentials, false)
      if (isSignedUpFor(kind.connector, prepared.service))
        fail('INVALID_INPUT', `${prepared.service} of ${input.provider} is not entered but signed up for`, {
          hint: `GET /v1/connections/${input.provider}/config has what the page needs.`,
        })
      const id = newId('conn', now())
      const secrets = Object.keys(prepared.secret)
      const entered = { secrets, public: prepared.public, services: input.services ?? [], scopes: input.scopes ?? [] }
      const grant = await grantFor(scope, kind, prepared, id, entered)
      return async (tx) => {
        const row = await rows.insert(tx, {
          id,
          workspace_id: scope.workspace,
          project_id: scope.project,
          name: input.display_name,
          provider: input.provider,
          service: prepared.service,
          environment: input.environment,
          status: 'unverified',
          public: prepared.public,
          credential_version: 1,
          expires_at: grant?.ends_at ?? null,
        })
        const made = grant ? await grants.insert(tx, grant) : undefined
        await vault.put(tx, { workspace: scope.workspace, project: scope.project, owner: id, version: 1 }, prepared.secret, {
          wire: prepared.wire,
        })
        await deps.event(tx, scope, id, 'created', { provider: input.provider, credential_version: 1 })
        return show(row!, secrets, made)
      }
    },

    /** Rename, move to another environment, switch off and on, or replace the credential (a new version). */
    async change(
      scope: Scope,
      id: string,
      input: Change,
    ): Promise<{ write: (tx: Tx) => Promise<ConnectionFacts>; after: () => Promise<void> }> {
      const { before, kind, prepared, replaces, stored } = await look(scope, id, input.credentials)
      const secrets = prepared
        ? [...new Set([...stored, ...Object.keys(prepared.secret)])].filter(
            (f) => !before.grant || f !== 'access_token' || f in prepared.secret,
          )
        : []
      const grant =
        replaces && before.grant
          ? await grantFor(scope, kind, prepared as Prepared, id, {
              secrets,
              public: { ...before.row.public, ...prepared?.public },
              services: before.grant.services,
              scopes: before.grant.asked_scopes,
            })
          : null
      let live: number | null = null
      return {
        write: async (tx) => {
          const row = await deps.must(tx, id, true)
          if (replaces && (await rotations.open(tx, id)))
            fail('CONFLICT', `${row.name} is being rotated`, { hint: 'Finish that, or roll it back, before its credential is replaced.' })
          const version = replaces ? Math.max(row.credential_version, row.last_version) + 1 : row.credential_version
          live = version
          const at = new Date(now())
          if (prepared && replaces) {
            const ref = { workspace: scope.workspace, project: scope.project, owner: id, version }
            await vault.answers.drop(tx, ref) // an answer that was kept for the credential before
            await vault.put(tx, ref, prepared.secret, {
              wire: prepared.wire,
              ...(stored.length > 0 ? { keepFrom: row.credential_version } : {}),
            })
          }
          const renewed = grant ? await grants.renewed(tx, grant) : await grants.get(tx, id)
          const next = await rows.update(tx, id, {
            ...(input.display_name === undefined ? {} : { name: input.display_name }),
            ...(input.environment === undefined ? {} : { environment: input.environment }),
            ...(input.disabled === true ? { status: 'disabled', status_reason: 'disabled_by_user', status_since: at } : {}),
            ...(input.disabled === false && row.status === 'disabled'
              ? { status: 'unverified', status_reason: null, status_since: at }
              : {}),
            ...(replaces && prepared
              ? {
                  credential_version: version,
                  last_version: version,
                  public: { ...row.public, ...prepared.public },
                  status: 'unverified',
                  status_reason: null,
                  status_since: at,
                  warnings: [],
                  ...(grant ? { expires_at: grant.ends_at } : {}),
                }
              : {}),
            updated_at: at,
          })
          if (replaces) {
            await vault.drop(tx, id, row.credential_version)
            await deps.event(tx, scope, id, 'credentials_replaced', { credential_version: version })
          }
          const keys = (await vault.facts(tx, id, version)).map((f) => f.field)
          return show(next!, keys, renewed, await rotations.open(tx, id))
        },
        // Only after the commit: the next call takes the new version, statements in flight end on the old pool.
        after: async () => {
          deps.forget(id)
          if (replaces) vault.forget(id)
          if (replaces) await vault.drain(id, live)
        },
      }
    },
  }
}
