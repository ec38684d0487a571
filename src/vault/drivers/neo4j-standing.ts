/** Who a credential is at a Neo4j server, and whether it could do more than work with data. */
import type { Driver as Client } from 'neo4j-driver'
import { transact } from './neo4j-transaction.ts'
import type { GraphStanding } from './session.ts'

/** The role that manages users and databases. Community Edition has no roles: every user may do everything there, and nobody can have less. */
const ADMIN = 'admin'

const WHO = 'SHOW CURRENT USER YIELD user, roles'
const SERVER = 'CALL dbms.components() YIELD versions, edition RETURN versions[0] AS version, edition LIMIT 1'

/** A server that has no such statement, or a user who may not ask. */
const UNTOLD = /^Neo\.ClientError\.(Statement|Procedure)\.|\.Security\.Forbidden$/

export async function neo4jStanding(
  client: Client,
  at: { username: string; database: string; timeoutMs: number },
): Promise<Omit<GraphStanding, 'encrypted'>> {
  const ask = async (cypher: string): Promise<Record<string, unknown>> => {
    try {
      const { records } = await transact(client, { ...at, mode: 'read', judged: false, cypher, parameters: {}, records: 1 })
      return records[0] ?? {}
    } catch (error) {
      if (!UNTOLD.test((error as { code?: string }).code ?? '')) throw error
      return {}
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
