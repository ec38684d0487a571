/** What a connection looks like from outside. Facts only. */
import type { GrantRow } from './grant-rows.ts'
import type { RotationRow } from './rotation-rows.ts'
import type { ConnectionRow, Status } from './rows.ts'

/** What is behind a connection whose token is renewed. */
export interface GrantFacts {
  kind: GrantRow['kind']
  app: string | null
  services: string[]
  renewable: boolean
  consented_at: string
  access_expires_at: string | null
  /** When it is renewed by itself. */
  renews_at: string | null
  /** After this only a person helps. */
  ends_at: string | null
  failures: number
  next_try_at: string | null
  last_problem: string | null
}

export interface ConnectionFacts {
  id: string
  name: string
  provider: string
  service: string
  environment: string
  status: Status
  status_reason: string | null
  status_text: string | null
  status_since: string
  credential_keys: string[]
  credential_version: number
  settings: Record<string, unknown>
  account: { id: string; label: string } | null
  granted_scopes: string[] | null
  warnings: string[]
  expires_at: string | null
  last_validated_at: string | null
  last_used_at: string | null
  oauth: GrantFacts | null
  /** The one that is under way. */
  rotation: RotationFacts | null
  created_at: string
  updated_at: string
}

export interface RotationFacts {
  rotation_id: string
  state: RotationRow['state']
  /** Who began it, by name. */
  by: string
  since: string
  /** When the new one is dropped, or, once it was switched to, the old one. */
  until: string | null
}

/** A sentence for people for each reason. */
export const REASONS: Readonly<Record<string, string>> = {
  key_rejected: 'The provider refused the credential. Enter a new one.',
  undecryptable: 'The stored credential cannot be read any more. Enter it again.',
  provider_unavailable: 'The provider could not be reached.',
  lacks_permission: 'The credential works, but lacks a permission that is needed.',
  user_revoked: 'Access was taken back at the provider. Connect the account again.',
  expired: 'The consent has ended by its date. Connect the account again.',
  rotation_lost: 'A renewal was cut off, and the provider ended the access to be safe. Connect the account again.',
  admin_policy: 'A policy of the account’s organisation ended the access. Ask its administrator, then connect again.',
  consent_required: 'The provider wants a person to agree again. Connect the account again.',
  unknown: 'The provider has refused to renew the access for a day, for a reason that it does not name clearly. Connect the account again.',
  scopes: 'The connection works, but not for everything: access to a part was not given.',
  provider_unclear: 'The provider refuses to renew with an unusual error. It is tried again by itself.',
  client_refused: 'The provider does not accept the OAuth app of this server. That is for its operator to mend.',
  client_not_allowed: 'The provider does not allow the OAuth app of this server to do this. That is for its operator to mend.',
  grant_not_supported: 'The provider does not let the OAuth app of this server renew access. That is for its operator to mend.',
  scope_not_known: 'The provider does not know a scope that the OAuth app asks for. That is for the operator of this server to mend.',
  resource_not_known:
    'The provider does not know the resource that the OAuth app asks for. That is for the operator of this server to mend.',
  redirect_not_registered: 'The redirect address of this server is not registered at the provider. That is for its operator to mend.',
  endpoint_not_allowed: 'This server may not connect to the provider. That is for its operator to mend.',
  app_changed: 'The OAuth app behind this connection was changed or removed. That is for the operator of this server to mend.',
  being_deleted: 'The connection is being deleted.',
  burned: 'Its credential was burned: destroyed here, whatever depended on it. Give it a new one.',
  disabled_by_user: 'Somebody switched this connection off.',
}

const iso = (date: Date | null): string | null => date?.toISOString() ?? null

const showGrant = (g: GrantRow): GrantFacts => ({
  kind: g.kind,
  app: g.app_slug,
  services: g.services,
  renewable: g.renewable,
  consented_at: g.consented_at.toISOString(),
  access_expires_at: iso(g.access_expires_at),
  renews_at: iso(g.due_at),
  ends_at: iso(g.ends_at),
  failures: g.failures,
  next_try_at: iso(g.next_try_at),
  last_problem: g.last_problem,
})

type UnderWay = Pick<RotationRow, 'id' | 'state' | 'acts' | 'created_by' | 'created_at' | 'overlap_until' | 'expires_at'>
const showRotation = (it: UnderWay): RotationFacts => {
  const name = it.acts[0]?.details?.name
  return {
    rotation_id: it.id,
    state: it.state,
    by: typeof name === 'string' && name !== '' ? name : it.created_by,
    since: it.created_at.toISOString(),
    until: iso(it.state === 'switched' ? it.overlap_until : it.expires_at),
  }
}

export function show(row: ConnectionRow, keys: readonly string[], grant?: GrantRow | null, rotation?: UnderWay | null): ConnectionFacts {
  return {
    id: row.id,
    name: row.name,
    provider: row.provider,
    service: row.service,
    environment: row.environment,
    status: row.status,
    status_reason: row.status_reason,
    status_text: row.status_reason ? (REASONS[row.status_reason] ?? null) : null,
    status_since: row.status_since.toISOString(),
    credential_keys: [...keys],
    credential_version: row.credential_version,
    settings: row.public,
    account: row.account,
    granted_scopes: row.granted_scopes,
    warnings: row.warnings,
    expires_at: iso(row.expires_at),
    last_validated_at: iso(row.last_validated_at),
    last_used_at: iso(row.last_used_at),
    oauth: grant ? showGrant(grant) : null,
    rotation: rotation ? showRotation(rotation) : null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  }
}
