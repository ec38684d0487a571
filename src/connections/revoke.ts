/** Ends one version of an entered credential where its vendor has an interface for that. */
import type { Scope } from '../base/db.ts'
import type { Connector, Service } from '../connectors/contract.ts'
import type { Lending } from '../vault/index.ts'
import { reach } from './lend.ts'
import type { ConnectionRow } from './rows.ts'

/** A vendor that does not answer by then is told by a person. */
const REVOKE_MS = 15_000
/** The second meets a restarted server; more would keep a person waiting. */
const TRIES = 2

const revocationOf = (connector: Connector | undefined, service: string): Service['revoke'] =>
  connector?.auth.kind === 'api_key' ? connector.auth.services[service]?.revoke : undefined

export function createRevocation(deps: { vault: Pick<Lending, 'send'>; connectors: ReadonlyMap<string, Connector> }) {
  const isPossible = (row: Pick<ConnectionRow, 'provider' | 'service'>): boolean =>
    revocationOf(deps.connectors.get(row.provider), row.service) !== undefined

  return {
    isPossible,
    /** `config`: of a profile that is bound to it, which says where the vendor is. Never throws. */
    async revoke(
      scope: Scope,
      row: ConnectionRow,
      version: number,
      config: Record<string, unknown>,
      actor: string,
    ): Promise<'revoked' | 'failed' | 'unsupported'> {
      const connector = deps.connectors.get(row.provider)
      const how = revocationOf(connector, row.service)
      if (!connector || !how) return 'unsupported'
      const ref = { workspace: scope.workspace, project: scope.project, owner: row.id, version }
      for (let n = 1; n <= TRIES; n++)
        try {
          const { base, hosts } = reach(connector, config, row.public)
          const recipe = { put: how.put, hosts, publicFields: row.public, ends: true as const }
          const init = { method: 'POST', headers: { ...how.headers }, signal: AbortSignal.timeout(REVOKE_MS) }
          const answer = await deps.vault.send(ref, recipe, { url: base + how.path, init }, { actor })
          if (how.done.includes(answer.status)) return 'revoked'
          if (answer.status < 500) return 'failed'
        } catch {
          // Whatever it was, it is not known to be dead: a person is asked to see to it.
        }
      return 'failed'
    },
  }
}
