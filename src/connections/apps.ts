/** OAuth apps: our clients at providers. A workspace brings its own, or the deployment has one for all. */
import type { Db, Scope, Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { OAuthProvider } from '../connectors/contract.ts'
import type { Lending, OAuthClient, OAuthServer, Secret } from '../vault/index.ts'
import { type AppRow, type AppSettings, apps } from './app-rows.ts'
import { createAppSecrets } from './app-secrets.ts'
import { grants, refusals } from './grant-rows.ts'

/** How long the old client secret is tried too, unless said: providers take a new one at once, people need longer. */
export const SECRET_OVERLAP_MINUTES = 60
/** An app is believed by the renewals of this process for so long. */
const BELIEVE_MS = 1_000

/** An app with everything that is needed to talk to its provider. */
export interface App {
  slug: string
  /** For people: the provider's, or for an app of one's own its name. */
  title: string
  source: 'workspace' | 'deployment'
  provider: OAuthProvider
  /** The same for every connection of this client, whatever workspace it is in. */
  clientKey: string
  client: OAuthClient
  server: OAuthServer
  issInAnswers: boolean
  /** Identity scopes and those that the app always asks for. */
  scopes: string[]
  apiHosts: string[]
  params: Record<string, string>
  test: boolean
}
/** A deployment-wide app, from the configuration. Its secret is handed to the vault under the same slug. */
export interface ConfiguredApp {
  slug: string
  provider: string
  clientId: string
  hasSecret: boolean
  settings: AppSettings
}
export interface AppFacts {
  slug: string
  provider: string
  source: 'workspace' | 'deployment'
  client_id: string
  has_secret: boolean
  secret_version: number
  previous_secret_until: string | null
  settings: Record<string, unknown>
  redirect_uri: string
  refused: { reason: string; since: string } | null
  updated_at: string | null
}
export interface AppInput {
  slug: string
  provider?: string | undefined
  client_id: string
  client_secret?: Secret | undefined
  overlap_minutes?: number | undefined
  settings: AppSettings
}

/** Connections of one app that are looked at one by one. */
const MOST_USERS = 500

export function createApps(deps: {
  db: Db
  vault: Lending
  providers: ReadonlyMap<string, OAuthProvider>
  configured: readonly ConfiguredApp[]
  redirectUri: () => string
  now: () => number
}) {
  const { db, vault, now } = deps
  const believed = new Map<string, { app: App | null; until: number }>()
  const configuredKey = (slug: string) => `deployment:${slug}`
  const refOf = (row: AppRow, version: number) => ({ workspace: row.workspace_id, project: null, owner: row.id, version })

  const providerOf = (slug: string): OAuthProvider =>
    deps.providers.get(slug) ??
    fail('INVALID_INPUT', `there is no OAuth provider ${slug.slice(0, 60)}`, {
      hint: `Known: ${[...deps.providers.keys()].join(', ')}. For any other service: provider "oauth2" with its issuer or endpoints.`,
    })

  function build(slug: string, source: App['source'], provider: OAuthProvider, clientKey: string, clientId: string, s: AppSettings) {
    const own = provider.endpoints
    const need = (name: string, text: string | undefined): string =>
      text ??
      fail('INVALID_INPUT', `the app ${slug} names no ${name}`, { hint: 'Give an issuer whose metadata can be read, or both endpoints.' })
    const moved = s.token_endpoint !== undefined
    const server: OAuthServer = {
      // With endpoints of its own an app has left the provider's issuer, unless it says so.
      issuer: s.issuer ?? (moved ? null : provider.issuer),
      authorization: need('authorization_endpoint', s.authorization_endpoint ?? own?.authorization),
      token: need('token_endpoint', s.token_endpoint ?? own?.token),
      revocation: s.revocation_endpoint ?? (moved ? null : (own?.revocation ?? null)),
      userinfo: s.userinfo_endpoint ?? (moved ? null : (own?.userinfo ?? null)),
      ...(s.id_token_algs ? { idTokenAlgs: s.id_token_algs } : {}),
    }
    const app: Omit<App, 'client'> = {
      slug,
      title: own ? provider.title : slug,
      source,
      provider: s.rotates ? { ...provider, rotates: s.rotates } : provider,
      clientKey,
      server,
      issInAnswers: s.iss_in_answers ?? (moved ? false : provider.issInAnswers),
      scopes: [...new Set([...(s.identity_scopes ?? provider.identityScopes), ...(s.scopes ?? [])])],
      apiHosts: [...new Set([...(moved ? [] : provider.apiHosts), ...(s.api_hosts ?? [])])],
      params: { ...provider.authorizeParams, ...s.params },
      test: s.test_mode ?? false,
    }
    return { app, auth: s.client_auth ?? provider.clientAuth, clientId }
  }

  function fromRow(row: AppRow): App {
    const { app, auth } = build(row.slug, 'workspace', providerOf(row.provider), row.id, row.client_id, row.settings)
    const live = [
      ...(row.secret_version > 0 ? [row.secret_version] : []),
      ...(row.previous_secret_version !== null && row.previous_until !== null && row.previous_until.getTime() > now()
        ? [row.previous_secret_version]
        : []),
    ]
    const secrets = live.map((version) => ({ ref: refOf(row, version), field: 'client_secret' }))
    return { ...app, client: { id: row.client_id, auth: secrets.length === 0 ? 'none' : auth, secrets } }
  }
  function fromConfig(c: ConfiguredApp, workspace: string): App {
    const { app, auth } = build(c.slug, 'deployment', providerOf(c.provider), configuredKey(c.slug), c.clientId, c.settings)
    return {
      ...app,
      client: { id: c.clientId, auth: c.hasSecret ? auth : 'none', secrets: c.hasSecret ? [{ configured: c.slug, workspace }] : [] },
    }
  }

  async function find(workspace: string, slug: string): Promise<App | null> {
    const key = `${workspace}/${slug}`
    const known = believed.get(key)
    if (known && known.until > now()) return known.app
    const row = await db.tx({ workspace, project: '*' }, (tx) => apps.bySlug(tx, slug))
    const configured = deps.configured.find((c) => c.slug === slug)
    const app = row ? fromRow(row) : configured ? fromConfig(configured, workspace) : null
    believed.set(key, { app, until: now() + BELIEVE_MS })
    return app
  }

  async function facts(tx: Tx, at: AppRow | ConfiguredApp): Promise<AppFacts> {
    const own = 'id' in at
    const refused = await refusals.of(tx, own ? at.id : configuredKey(at.slug))
    return {
      slug: at.slug,
      provider: at.provider,
      source: own ? 'workspace' : 'deployment',
      client_id: own ? at.client_id : at.clientId,
      has_secret: own ? at.secret_version > 0 : at.hasSecret,
      secret_version: own ? at.secret_version : 1,
      previous_secret_until: own && at.previous_until && at.previous_until.getTime() > now() ? at.previous_until.toISOString() : null,
      settings: { ...at.settings },
      redirect_uri: deps.redirectUri(),
      refused: refused ? { reason: refused.reason, since: refused.since.toISOString() } : null,
      updated_at: own ? at.updated_at.toISOString() : null,
    }
  }

  const forget = (workspace: string, slug: string): void => void believed.delete(`${workspace}/${slug}`)

  return {
    find,
    /** Connections that live by it, as far as the transaction sees them. */
    async users(tx: Tx, slug: string) {
      const at = (await apps.bySlug(tx, slug)) ?? deps.configured.find((c) => c.slug === slug)
      if (!at) return fail('NOT_FOUND', `there is no OAuth app ${slug.slice(0, 60)}`)
      return grants.connectionsOf(tx, 'id' in at ? at.id : configuredKey(slug), MOST_USERS)
    },
    secrets: createAppSecrets({ vault, forget, now }),
    async must(workspace: string, slug: string): Promise<App> {
      const app = await find(workspace, slug)
      if (app) return app
      const known = deps.providers.has(slug)
      return fail('NOT_FOUND', `no OAuth app ${slug.slice(0, 60)} is set up in this workspace`, {
        hint: `PUT /v1/oauth-apps/${known ? slug : '{slug}'} with client_id and client_secret. Register ${deps.redirectUri()} as redirect URI at the provider.`,
      })
    },

    async list(tx: Tx): Promise<AppFacts[]> {
      const rows = await apps.list(tx)
      const others = deps.configured.filter((c) => !rows.some((r) => r.slug === c.slug))
      return Promise.all([...rows, ...others].map((at) => facts(tx, at)))
    },
    async get(tx: Tx, slug: string): Promise<AppFacts> {
      const at = (await apps.bySlug(tx, slug)) ?? deps.configured.find((c) => c.slug === slug)
      return at ? facts(tx, at) : fail('NOT_FOUND', `there is no OAuth app ${slug}`)
    },

    /** Reads an issuer's metadata where one is named, and tries that the app makes sense. What comes back writes it. */
    async put(scope: Scope, input: AppInput): Promise<{ write: (tx: Tx) => Promise<AppFacts>; after: () => Promise<void> }> {
      const provider = providerOf(input.provider ?? input.slug)
      let settings = input.settings
      if (settings.issuer && !(settings.authorization_endpoint && settings.token_endpoint)) {
        const found = await vault.oauth.discover(settings.issuer)
        const method = found.authMethods === null || found.authMethods.includes('client_secret_basic') ? 'basic' : 'post'
        settings = {
          authorization_endpoint: found.authorization,
          token_endpoint: found.token,
          ...(found.revocation ? { revocation_endpoint: found.revocation } : {}),
          ...(found.userinfo ? { userinfo_endpoint: found.userinfo } : {}),
          ...(found.idTokenAlgs ? { id_token_algs: [...found.idTokenAlgs] } : {}),
          iss_in_answers: found.issInAnswers,
          client_auth: method,
          ...settings,
          issuer: found.issuer as string,
        }
      }
      build(input.slug, 'workspace', provider, '', input.client_id, settings)
      let clientKey = ''
      const write = async (tx: Tx): Promise<AppFacts> => {
        const before = await apps.lock(tx, input.slug)
        if (before && before.provider !== provider.slug)
          fail('CONFLICT', `the app ${input.slug} is for ${before.provider}; delete it first`, { details: { provider: before.provider } })
        const last = Math.max(before?.secret_version ?? 0, before?.last_secret_version ?? 0)
        const version = input.client_secret ? last + 1 : (before?.secret_version ?? 0)
        const id = before?.id ?? newId('oapp', now())
        const changed = {
          provider: provider.slug,
          client_id: input.client_id,
          settings,
          secret_version: version,
          last_secret_version: Math.max(last, version),
          ...(input.client_secret ? { secret_since: new Date(now()) } : {}),
        }
        // A secret of another client says nothing about this one.
        const keeps = before !== undefined && before.client_id === input.client_id && before.secret_version > 0
        const overlap = (input.overlap_minutes ?? SECRET_OVERLAP_MINUTES) * 60_000
        const row = before
          ? await apps.update(tx, id, {
              ...changed,
              updated_at: new Date(now()),
              ...(input.client_secret
                ? {
                    previous_secret_version: keeps ? before.secret_version : null,
                    previous_until: keeps ? new Date(now() + overlap) : null,
                  }
                : {}),
            })
          : await apps.insert(tx, {
              secret_since: null,
              ...changed,
              id,
              workspace_id: scope.workspace,
              slug: input.slug,
              previous_secret_version: null,
              previous_until: null,
            })
        if (input.client_secret) {
          const secret = { client_secret: input.client_secret }
          await vault.put(tx, refOf(row!, version), secret, { wire: null })
          // Two are live at most: the new one and the one before.
          for (let old = 1; old < version; old++) if (old !== row!.previous_secret_version) await vault.drop(tx, id, old)
        }
        clientKey = id
        await refusals.clear(tx, id)
        return facts(tx, row!)
      }
      // What was refused may be mended: every connection of this client, in whichever project, asks again.
      const after = async () => {
        forget(scope.workspace, input.slug)
        await db.everyTenant('an OAuth app was set anew', (tx) => refusals.lift(tx, clientKey, new Date(now())))
      }
      return { write, after }
    },

    async remove(scope: Scope, slug: string): Promise<{ write: (tx: Tx) => Promise<void>; after: () => void }> {
      const row = await db.tx(scope, (tx) => apps.bySlug(tx, slug))
      if (!row) fail('NOT_FOUND', `this workspace has no OAuth app ${slug.slice(0, 60)} of its own`)
      const users = await db.everyTenant('who lives by an OAuth app', (tx) => grants.ofClient(tx, row.id))
      if (users > 0)
        fail(
          'CONFLICT',
          `${users === 1 ? 'a connection lives' : `${users} connections live`} by this app and could not be renewed without it`,
          {
            hint: 'Delete or reconnect them first: GET /v1/connections lists them.',
          },
        )
      return {
        write: async (tx) => {
          await vault.drop(tx, row.id)
          await apps.remove(tx, row.id)
        },
        after: () => forget(scope.workspace, slug),
      }
    },
  }
}
export type Apps = ReturnType<typeof createApps>
