/** What instances and profiles look like from outside. */
import type { InstanceRow, ProfileRow } from './rows.ts'

export interface ProfileFacts {
  id: string
  name: string
  environment: string
  connection_id: string | null
  config: Record<string, unknown>
  source_spec: Record<string, unknown> | null
  active: boolean
  created_at: string
  updated_at: string
}
export interface InstanceFacts {
  id: string
  name: string
  server: string
  canonical_url: string
  profiles: ProfileFacts[]
  created_at: string
  updated_at: string
}
export const SERVER_URL = 'agentruntime://connectors/'
/** Built-in servers have one name each that travels with graphs. */
export const canonicalUrl = (slug: string): string => SERVER_URL + slug

export const showProfile = (p: ProfileRow): ProfileFacts => ({
  id: p.id,
  name: p.name,
  environment: p.environment,
  connection_id: p.connection_id,
  config: p.config,
  source_spec: p.source_spec,
  active: p.is_active,
  created_at: p.created_at.toISOString(),
  updated_at: p.updated_at.toISOString(),
})
export const showInstance = (i: InstanceRow, profiles: readonly ProfileRow[]): InstanceFacts => ({
  id: i.id,
  name: i.name,
  server: i.server,
  canonical_url: canonicalUrl(i.server),
  profiles: profiles.map(showProfile),
  created_at: i.created_at.toISOString(),
  updated_at: i.updated_at.toISOString(),
})
