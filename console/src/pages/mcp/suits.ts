import type { Answer } from '../../api.ts'

export type Server = Answer<'mcp.catalog'>['items'][number]

/** Whether a connection is of the kind that this server takes. */
export const suits = (server: Server, c: Pick<Answer<'connections.get'>, 'provider' | 'oauth'>): boolean =>
  c.provider === server.slug ||
  c.provider === server.provider ||
  (c.oauth !== null && server.auth_kinds.includes('oauth') && server.provider === null)

/** Whose connections to ask for; null where an account of any provider will do. */
export const providerOf = (server: Server): string | null => server.provider ?? (server.auth_kinds.includes('oauth') ? null : server.slug)
