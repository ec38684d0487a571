/** Whether requests can be served, and what is in the way. */
import type { Rooms } from '../operations/index.ts'

export interface Readiness {
  ready: boolean
  checks: Record<string, { ok: boolean; problem?: string; [fact: string]: unknown }>
}

export function createReadiness(deps: Pick<Rooms, 'vault' | 'uses' | 'db'> & { engineUp: () => boolean }) {
  return async (): Promise<Readiness> => {
    const state = deps.vault.state()
    const late = deps.uses.problem()
    const checks: Readiness['checks'] = {
      database: await deps.db.ping().then(
        () => ({ ok: true }),
        () => ({ ok: false, problem: 'the database does not answer' }),
      ),
      vault:
        state.state === 'open'
          ? { ok: true, key_id: state.keyId }
          : { ok: false, problem: state.message, key_id: state.keyId, expected_key_ids: state.expectedKeyIds },
      engine: deps.engineUp() ? { ok: true } : { ok: false, problem: 'the engine has not started' },
      audit: late === null ? { ok: true } : { ok: false, problem: late },
    }
    return { ready: Object.values(checks).every((c) => c.ok), checks }
  }
}
