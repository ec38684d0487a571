/** A good answer becomes a connection, or renews the one that it was asked for. */
import type { Db, Scope, Tx } from '../base/db.ts'
import { newId } from '../base/ids.ts'
import { type Connector, missingScopes } from '../connectors/contract.ts'
import type { Account, Lending, Obtained } from '../vault/index.ts'
import type { App } from './apps.ts'
import { type AttemptRow, attempts } from './attempt-rows.ts'
import type { Audit } from './audit.ts'
import { type Ending, failed } from './ending.ts'
import { grants, type NewGrant } from './grant-rows.ts'
import { datesOf, withAliases } from './outcome.ts'
import { type ConnectionRow, rows } from './rows.ts'

type Good = Extract<Obtained, { ok: true }>
export type Land = (
  scope: Scope,
  attempt: AttemptRow,
  app: App,
  got: Good,
  account: Account | null,
  requestId: string | undefined,
) => Promise<Ending>

/** What a person is told of tools: names, not all of them. */
const NAMED_TOOLS = 6

export function createLand(deps: {
  db: Db
  vault: Lending
  connectors: ReadonlyMap<string, Connector>
  event: (tx: Tx, scope: Scope, id: string, type: string, data?: Record<string, unknown>) => Promise<unknown>
  tell: (tx: Tx, row: ConnectionRow, type: string, data?: Record<string, unknown>) => Promise<void>
  audit: Audit
  forget: (id: string) => void
  now: () => number
  random: () => number
}): Land {
  const { db, vault, now } = deps

  /** Tools of the services that were asked for, which these grants do not allow. */
  function unusable(app: App, services: readonly string[], granted: readonly string[]): string[] {
    return [...deps.connectors.values()].flatMap((c) => {
      if (c.auth.kind !== 'oauth' || c.auth.provider !== app.provider.slug || !services.includes(c.auth.service)) return []
      const tools = Object.entries(c.tools).filter(([, tool]) => missingScopes(tool, granted).length > 0)
      const names = tools.slice(0, NAMED_TOOLS).map(([name]) => name)
      const more = tools.length > names.length ? ` and ${tools.length - names.length} more` : ''
      return tools.length === 0 ? [] : [`${c.title}: ${names.join(', ')}${more} will not work, because access to it was not given.`]
    })
  }

  return async (scope, attempt, app, got, account, requestId) => {
    const { ask } = attempt
    const granted = withAliases(got.facts.scopes ?? ask.scopes, app.provider.scopeAliases)
    const notes = unusable(app, ask.services, granted)
    // A provider that does not say keeps nothing back as far as we know (RFC 6749 §5.1).
    const lacking = ask.scopes.filter((s) => !granted.includes(s))
    if (notes.length === 0 && lacking.length > 0) notes.push(`Not granted: ${lacking.join(', ')}.`)

    const result = await db.tx(scope, async (tx): Promise<Ending> => {
      const wanted = ask.connection_id ? await rows.lock(tx, ask.connection_id) : null
      if (ask.connection_id && !wanted) return failed('connection_gone', {}, ask.return_to)
      const other = wanted?.account != null && wanted.account.id !== account?.id
      if (other && ask.other_account === 'refuse') {
        const words = { got: account?.label ?? 'an account that the provider does not name', want: wanted.account!.label }
        return failed('other_account', words, ask.return_to)
      }
      const row = wanted && !other ? wanted : null
      const before = row ? await grants.get(tx, row.id) : undefined
      // A second consent may bring no refresh token, and the first one's is still good then: it is never lost for nothing.
      const carries =
        !got.facts.refreshable &&
        row !== null &&
        row.status !== 'reconnect' &&
        before?.renewable === true &&
        before.client_id === app.client.id
      const renewable = got.facts.refreshable || carries
      if (!renewable) notes.unshift(app.provider.noRefreshToken)
      const id = row?.id ?? newId('conn', now())
      const version = (row?.credential_version ?? 0) + 1
      const dates = datesOf(app.provider, got.facts, {
        now: now(),
        consentedAt: now(),
        lastUsedAt: now(),
        test: app.test,
        random: deps.random(),
        renewable,
      })
      const facts = {
        status: 'active' as const,
        status_reason: null,
        status_since: new Date(now()),
        account,
        granted_scopes: granted,
        warnings: notes,
        expires_at: dates.ends_at,
        credential_version: version,
        last_validated_at: new Date(now()),
      }
      const grant: NewGrant = {
        connection_id: id,
        workspace_id: scope.workspace,
        project_id: scope.project,
        kind: 'authorization_code',
        app_slug: app.slug,
        client_key: app.clientKey,
        client_id: app.client.id,
        authorization_server: app.server.issuer ?? app.server.token,
        services: ask.services,
        asked_scopes: ask.scopes,
        consented_at: new Date(now()),
        renewable,
        ...dates,
      }
      const at = { workspace: scope.workspace, project: scope.project, owner: id, version }
      if (row) {
        await vault.answers.drop(tx, at)
        await vault.put(tx, at, got.fields, { wire: null, ...(carries ? { keepFrom: row.credential_version } : {}) })
        await vault.drop(tx, id, row.credential_version)
        await rows.update(tx, id, { ...facts, updated_at: new Date(now()) })
        await (before ? grants.renewed(tx, grant) : grants.insert(tx, grant))
        await deps.event(tx, scope, id, 'reconnected', { credential_version: version, granted_scopes: granted })
        if (row.status !== 'active' && row.status !== 'unverified') await deps.tell(tx, { ...row, ...facts }, 'connection.recovered')
      } else {
        const named = wanted ? `${ask.display_name} (${account?.label ?? 'another account'})` : ask.display_name
        const fresh = {
          workspace_id: scope.workspace,
          project_id: scope.project,
          name: named,
          provider: app.provider.slug,
          service: 'oauth',
        }
        await rows.insert(tx, { id, ...fresh, ...facts, environment: ask.environment, public: {} })
        await grants.insert(tx, grant)
        await vault.put(tx, at, got.fields, { wire: null })
        await deps.event(tx, scope, id, 'created', { provider: app.provider.slug, credential_version: version, granted_scopes: granted })
      }
      const action = row ? 'connection.reconnected' : wanted ? 'connection.connected_as_other' : 'connection.connected'
      const instead = wanted && !row ? { instead_of: wanted.id } : {}
      await deps.audit(tx, scope, {
        actor: attempt.actor,
        action,
        target: id,
        outcome: 'done',
        details: { provider: app.provider.slug, account: account?.id ?? null, granted_scopes: granted, ...instead },
        requestId,
      })
      const ending: Ending = {
        kind: row ? 'reconnected' : 'connected',
        ok: true,
        title: row ? `${row.name} is connected again` : `${app.title} is connected`,
        text: account ? `As ${account.label}.` : 'The provider does not say whose account it is.',
        next: ask.return_to ? 'You can go back now.' : 'You can close this window.',
        connectionId: id,
        notes,
        returnTo: ask.return_to,
      }
      // With the connection itself: whoever sees that it has changed may ask how the sign-in ended.
      await attempts.settle(tx, attempt.id, ending)
      return ending
    })
    if (result.connectionId) deps.forget(result.connectionId)
    return result
  }
}
