/** Who a credential is at a Neo4j server, and whether it could do more than work with data. */
import type { Driver as Client } from 'neo4j-driver'
import { plainValue } from './neo4j-values.ts'
import type { GraphStanding } from './session.ts'

/** A user may be granted powers while its sessions live; asked again after this long. */
export const POWERS_TTL_MS = 300_000

/** The role that manages users and databases. Community Edition has no roles: every user may do everything there, and nobody can have less. */
const ADMIN = 'admin'

/** A statement about the server: it is led to the database `system`, whichever is asked, but not within a transaction of ours. */
const WHO = 'SHOW CURRENT USER YIELD user, roles'
const SERVER = 'CALL dbms.components() YIELD versions, edition RETURN versions[0] AS version, edition LIMIT 1'

/** A server that knows no such statement, or a user who may not ask. Not among them: that the credential or the database is not taken at all. */
const UNTOLD =
  /^Neo\.(ClientError|DatabaseError)\.(?!Security\.(Unauthorized|CredentialsExpired|TokenExpired|AuthenticationRateLimit)$)(?!Database\.)/

export async function neo4jStanding(
  client: Client,
  at: { username: string; database: string; timeoutMs: number },
): Promise<Omit<GraphStanding, 'encrypted'>> {
  const ask = async (cypher: string): Promise<Record<string, unknown>> => {
    const session = client.session({ database: at.database, defaultAccessMode: 'READ' })
    try {
      const { records } = await session.run(cypher, {}, { timeout: at.timeoutMs })
      return plainValue(records[0]?.toObject() ?? {}) as Record<string, unknown>
    } catch (error) {
      if (!UNTOLD.test((error as { code?: string }).code ?? '')) throw error
      return {}
    } finally {
      await session.close().catch(() => undefined)
    }
  }
  const text = (value: unknown) => (typeof value === 'string' ? value : null)
  const { user, roles } = await ask(WHO)
  const { version, edition } = await ask(SERVER)
  const names = Array.isArray(roles) ? roles.map(String) : null
  return {
    user: text(user) ?? at.username,
    roles: names,
    version: text(version),
    edition: text(edition),
    powers: names?.includes(ADMIN) ? [ADMIN] : [],
  }
}
