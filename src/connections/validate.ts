/** One cheap live call that tells whether a credential works, and what follows from it for the connection's status. */
import type { Db, Scope, Tx } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Checked, Connector } from '../connectors/contract.ts'
import type { LendRequest, Lent } from './lend.ts'
import { type ConnectionRow, rows, type Status } from './rows.ts'

/** Whoever saves a connection waits for the probe: longer than a handshake across the world, shorter than patience. */
const PROBE_MS = 3_000

export interface Validation {
  ok: boolean
  checked_at: string
  latency_ms: number
  account: { id: string; label: string } | null
  granted_scopes: string[] | null
  warnings: string[]
  problem: { code: string; message: string; hint: string | null } | null
}

export function createValidation(deps: {
  db: Db
  now: () => number
  must: (tx: Tx, id: string) => Promise<ConnectionRow>
  connectorOf: (slug: string) => Connector
  lend: (scope: Scope, request: LendRequest) => Promise<Lent>
  event: (tx: Tx, scope: Scope, id: string, type: string, data: Record<string, unknown>) => Promise<unknown>
  forget: (id: string) => void
}) {
  const { now } = deps

  async function tryIt(
    scope: Scope,
    row: ConnectionRow,
    connector: Connector,
    config: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<Checked> {
    const lent = await deps.lend(scope, { connectionId: row.id, connector, config, signal, version: row.credential_version })
    if (connector.auth.kind === 'none') fail('INVALID_INPUT', `${connector.title} has no credential to validate`)
    return connector.auth.check({ ...lent, key: newId('check', now()), config, signal, wait: waitFor(signal) })
  }

  /**
   * A look at a connection string when it is saved: what should worry its owner (a superuser, say) is known from the start.
   * It proves nothing and changes no status; a server that cannot be reached now is no reason to refuse.
   */
  async function probe(scope: Scope, id: string): Promise<string[]> {
    const row = await deps.db.tx(scope, (tx) => deps.must(tx, id))
    const connector = deps.connectorOf(row.provider)
    if (connector.auth.kind !== 'dsn') return []
    try {
      const { warnings = [] } = await tryIt(scope, row, connector, {}, AbortSignal.timeout(PROBE_MS))
      if (warnings.length > 0) await deps.db.tx(scope, (tx) => rows.judge(tx, id, row.credential_version, { warnings }))
      return warnings
    } catch {
      return []
    }
  }

  /** The row is judged only if the credential is still the one that was tried. */
  async function validate(
    scope: Scope,
    id: string,
    config: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<{ result: Validation; write: (tx: Tx) => Promise<void> }> {
    const row = await deps.db.tx(scope, (tx) => deps.must(tx, id))
    const connector = deps.connectorOf(row.provider)
    const began = now()
    let checked: Checked | null = null
    let problem: Fault | null = null
    try {
      checked = await tryIt(scope, row, connector, config, signal)
    } catch (error) {
      problem = error instanceof Fault ? error : fail('INTERNAL', 'the check failed in an unexpected way', { cause: error })
    }
    const result: Validation = {
      ok: problem === null,
      checked_at: new Date(now()).toISOString(),
      latency_ms: now() - began,
      account: checked?.account ?? null,
      granted_scopes: checked?.granted_scopes ?? null,
      warnings: checked?.warnings ?? [],
      problem: problem && { code: problem.code, message: problem.message, hint: problem.hint ?? null },
    }
    return {
      result,
      write: async (tx) => {
        const verdict = judgement(row, problem)
        await rows.judge(tx, id, row.credential_version, {
          last_validated_at: new Date(now()),
          ...(checked
            ? {
                account: checked.account,
                granted_scopes: checked.granted_scopes,
                warnings: checked.warnings ?? [],
                expires_at: checked.expires_at ? new Date(checked.expires_at) : null,
              }
            : {}),
          ...(verdict && (verdict.status !== row.status || verdict.reason !== row.status_reason)
            ? { status: verdict.status, status_reason: verdict.reason, status_since: new Date(now()) }
            : {}),
        })
        await deps.event(tx, scope, id, 'validated', { ok: result.ok, ...(problem ? { code: problem.code } : {}) })
        deps.forget(id)
      },
    }
  }
  return { validate, probe }
}

/** What a validation says about the status; null leaves it as it is (nobody answered, so nothing was learnt). */
function judgement(row: ConnectionRow, problem: Fault | null): { status: Status; reason: string | null } | null {
  if (row.status === 'disabled') return null
  if (problem === null) return { status: 'active', reason: null }
  if (problem.code === 'CREDENTIAL_REJECTED') return { status: 'reconnect', reason: 'key_rejected' }
  if (problem.code === 'UNDECRYPTABLE') return { status: 'reconnect', reason: 'undecryptable' }
  if (problem.code === 'SCOPE_MISSING') return { status: 'needs_scopes', reason: 'lacks_permission' }
  return null
}

/** Waits, or throws when the caller goes away. */
export function waitFor(signal: AbortSignal): (ms: number) => Promise<void> {
  return (ms) =>
    new Promise((resolve, reject) => {
      const gone = () => {
        clearTimeout(timer)
        reject(new Fault('RUN_STOPPED', 'the call was cancelled while it waited'))
      }
      if (signal.aborted) return gone()
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', gone)
        resolve()
      }, ms)
      signal.addEventListener('abort', gone, { once: true })
    })
}
