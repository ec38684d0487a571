/** What a connection looks like from outside. Facts only. */
import type { ConnectionRow, Status } from './rows.ts'

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
  created_at: string
  updated_at: string
}

/** A sentence for people for each reason. */
export const REASONS: Readonly<Record<string, string>> = {
  key_rejected: 'The provider refused the credential. Enter a new one.',
  undecryptable: 'The stored credential cannot be read any more. Enter it again.',
  provider_unavailable: 'The provider could not be reached.',
  lacks_permission: 'The credential works, but lacks a permission that is needed.',
  disabled_by_user: 'Somebody switched this connection off.',
}

const iso = (date: Date | null): string | null => date?.toISOString() ?? null

export function show(row: ConnectionRow, keys: readonly string[]): ConnectionFacts {
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
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  }
}
