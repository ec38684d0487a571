/** Grants of credentials that are entered by hand: a refresh token, a client of one's own, a service account's key. */
import { fail } from '../base/errors.ts'
import type { WayByHand, OAuthProvider } from '../connectors/contract.ts'
import type { GrantKind, NewGrant } from './grant-rows.ts'

/** The client of a connection that brings its own is refused for this connection alone. */
export const ownClientKey = (connectionId: string): string => `own:${connectionId}`

export interface Entered {
  /** Names of the secret fields that are stored now. */
  secrets: readonly string[]
  public: Readonly<Record<string, unknown>>
  services: readonly string[]
  scopes: readonly string[]
}

function kindOf(manual: WayByHand, secrets: readonly string[]): GrantKind {
  if (manual.grant !== 'refresh_token') return manual.grant
  if (secrets.includes('refresh_token')) return 'refresh_token'
  return secrets.includes('access_token')
    ? 'access_token'
    : fail('CREDENTIAL_MALFORMED', 'either a refresh token with its client, or an access token is needed')
}

export function manualGrant(
  provider: OAuthProvider,
  manual: WayByHand,
  entered: Entered,
  at: { connectionId: string; workspace: string; project: string; now: number; tokenEndpoint: string },
): NewGrant {
  const kind = kindOf(manual, entered.secrets)
  const text = (name: string) => (typeof entered.public[name] === 'string' ? (entered.public[name] as string) : '')
  const clientId = text('client_id')
  if (kind === 'refresh_token' && clientId === '')
    fail('CREDENTIAL_MALFORMED', 'a refresh token needs the client that it was given to (credentials.client_id)', {
      hint: 'Enter client_id and client_secret of the app that the token was made for.',
    })
  const known = provider.services
  for (const s of entered.services)
    if (!Object.hasOwn(known, s))
      fail('INVALID_INPUT', `${provider.title} has no service ${s.slice(0, 60)}`, { hint: `Known: ${Object.keys(known).join(', ')}.` })
  const scopes = [
    ...new Set([...entered.services.flatMap((s) => known[s]!.scopes), ...entered.scopes, ...text('scope').split(/[\s,]+/)]),
  ].filter(Boolean)
  if (kind === 'jwt_bearer' && scopes.length === 0)
    fail('INVALID_INPUT', 'a service account is asked for what it may do: name services or scopes', {
      hint: `Services: ${Object.keys(known).join(', ')}.`,
    })
  const hasToken = kind === 'access_token' || entered.secrets.includes('access_token')
  const lives = provider.accessLifetimeS * 1000
  const ends =
    kind === 'access_token'
      ? at.now + lives
      : kind === 'refresh_token' && provider.grantLifetimeS !== null
        ? at.now + provider.grantLifetimeS * 1000
        : null
  return {
    connection_id: at.connectionId,
    workspace_id: at.workspace,
    project_id: at.project,
    kind,
    app_slug: null,
    client_key: ownClientKey(at.connectionId),
    client_id: clientId,
    authorization_server: at.tokenEndpoint,
    services: [...entered.services],
    asked_scopes: scopes,
    consented_at: new Date(at.now),
    // When a token that was pasted was given, nobody says: one that can be renewed is renewed at its first use.
    access_obtained_at: kind === 'access_token' && hasToken ? new Date(at.now) : null,
    access_expires_at: kind === 'access_token' && hasToken ? new Date(at.now + lives) : null,
    renewable: kind !== 'access_token',
    ends_at: ends === null ? null : new Date(ends),
    due_at: kind === 'access_token' ? null : new Date(at.now),
  }
}
