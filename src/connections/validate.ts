/** One cheap live call that tells whether a credential works, and what follows from it for the connection's status. */
import type { Db, Scope, Tx } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Checked, Connector, OAuthProvider } from '../connectors/contract.ts'
import { type GrantRow, grants } from './grant-rows.ts'
import { type LendRequest, type Lent, mustServe } from './lend.ts'
import { type ConnectionRow, rows, type Status } from './rows.ts'
import { REASONS } from './show.ts'

interface Looked {
  row: ConnectionRow
  grant: GrantRow | undefined
}

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
  connectors: ReadonlyMap<string, Connector>
  providers: ReadonlyMap<string, OAuthProvider>
  /** Renews whatever the dates say: the proof of an account that no connector has a check for. */
  renewNow: (scope: Scope, id: string) => Promise<{ row: ConnectionRow }>
  lend: (scope: Scope, request: LendRequest) => Promise<Lent>
  event: (tx: Tx, scope: Scope, id: string, type: string, data: Record<string, unknown>) => Promise<unknown>
  forget: (id: string) => void
}) {
  const { now } = deps

  /** The connector whose check speaks for a connection: its own, or for an account that of the first service in use. */
  function checkerOf(row: ConnectionRow, grant: GrantRow | undefined, bound: string | null): Connector | null {
    const named = deps.connectors.get(bound ?? row.provider)
    if (named) return named
    const services = grant?.services ?? []
    const of = [...deps.connectors.values()].filter((c) => c.auth.kind === 'oauth' && c.auth.provider === row.provider)
    return of.find((c) => c.auth.kind === 'oauth' && services.includes(c.auth.service)) ?? null
  }

  async function tryIt(
    scope: Scope,
    { row, grant }: Looked,
    connector: Connector | null,
    config: Record<string, unknown>,
    signal: AbortSignal,
    actor: string,
  ): Promise<Checked> {
    if (connector === null) {
      const after = await deps.renewNow(scope, row.id)
      mustServe(after.row)
      if (after.row.credential_version === row.credential_version && grant?.renewable)
        fail('UPSTREAM_ERROR', 'the provider could not renew the token now', { hint: 'It is tried again by itself.' })
      return { account: after.row.account, granted_scopes: after.row.granted_scopes, warnings: after.row.warnings }
    }
    // An account's token is renewed first where that is due; a key is tried as it is, also one that was refused before.
    const lent = await deps.lend(scope, {
      connectionId: row.id,
      connector,
      config,
      signal,
      user: { actor, check: true },
      ...(grant ? {} : { version: row.credential_version }),
    })
    if (connector.auth.kind === 'none') fail('INVALID_INPUT', `${connector.title} has no credential to validate`)
    return connector.auth.check({ ...lent, key: newId('check', now()), config, signal, wait: waitFor(signal) })
  }

  const look = (scope: Scope, id: string): Promise<Looked> =>
    deps.db.tx(scope, async (tx) => {
      const [row, grant] = await Promise.all([deps.must(tx, id), grants.get(tx, id)])
      return { row, grant }
    })

  /** Never throws: it is either checked, or there is a problem. */
  async function tried(check: () => Promise<Checked>): Promise<{ checked: Checked | null; problem: Fault | null; latency_ms: number }> {
    const began = now()
    try {
      const checked = await check()
      return { checked, problem: null, latency_ms: now() - began }
    } catch (error) {
      const problem = error instanceof Fault ? error : new Fault('INTERNAL', 'the check failed in an unexpected way', { cause: error })
      return { checked: null, problem, latency_ms: now() - began }
    }
  }

  /** The check of one version, as it is at one place where the connection is bound. Changes nothing. */
  async function checkVersion(
    scope: Scope,
    id: string,
    version: number,
    at: { connector: string | null; config: Record<string, unknown>; actor: string; signal: AbortSignal },
  ) {
    return tried(async () => {
      const { row } = await look(scope, id)
      const connector = checkerOf(row, undefined, at.connector) ?? fail('BINDING_MISSING', `nothing can check ${row.name}`)
      const user = { actor: at.actor, check: true }
      const lent = await deps.lend(scope, { connectionId: row.id, connector, config: at.config, signal: at.signal, user, version })
      if (connector.auth.kind === 'none') fail('INVALID_INPUT', `${connector.title} has no credential to validate`)
      return connector.auth.check({ ...lent, key: newId('check', now()), config: at.config, signal: at.signal, wait: waitFor(at.signal) })
    })
  }

  /**
   * A look at a connection string when it is saved: what should worry its owner (a superuser, say) is known from the start.
   * It proves nothing and changes no status; a server that cannot be reached now is no reason to refuse.
   */
  async function probe(scope: Scope, id: string, actor: string): Promise<string[]> {
    const it = await look(scope, id)
    const { row } = it
    const connector = deps.connectors.get(row.provider)
    if (it.grant && it.grant.access_obtained_at === null) {
      // A client or a key that was entered proves itself by its first token, or says at once why it gets none.
      const after = await deps.renewNow(scope, id).catch((error: unknown) => error)
      if (after instanceof Error) return [after instanceof Fault ? after.message : 'It could not be tried now.']
      const reason = (after as { row: ConnectionRow }).row.status_reason
      return reason ? [REASONS[reason] ?? reason] : []
    }
    if (connector?.auth.kind !== 'dsn') return []
    try {
      const { warnings = [] } = await tryIt(scope, it, connector, {}, AbortSignal.timeout(PROBE_MS), actor)
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
    actor: string,
    bound: string | null = null,
  ): Promise<{ result: Validation; write: (tx: Tx) => Promise<void> }> {
    const it = await look(scope, id)
    deps.forget(id) // a check that somebody asks for looks anew
    const connector = checkerOf(it.row, it.grant, bound)
    const { checked, problem, latency_ms } = await tried(() => tryIt(scope, it, connector, config, signal, actor))
    // A renewal on the way has made a new version: what was tried is that one.
    const row = it.grant ? await deps.db.tx(scope, (tx) => deps.must(tx, id)) : it.row
    const account = checked?.account ?? (it.grant ? row.account : null)
    const granted = checked?.granted_scopes ?? (it.grant ? row.granted_scopes : null)
    const result: Validation = {
      ok: problem === null,
      checked_at: new Date(now()).toISOString(),
      latency_ms,
      account,
      granted_scopes: granted,
      warnings: checked?.warnings ?? [],
      problem: problem && { code: problem.code, message: problem.message, hint: problem.hint ?? null },
    }
    return {
      result,
      write: async (tx) => {
        const verdict = judgement(row, problem, it.grant?.renewable === true)
        await rows.judge(tx, id, row.credential_version, {
          last_validated_at: new Date(now()),
          ...(checked
            ? {
                account,
                granted_scopes: granted,
                ...(it.grant
                  ? {}
                  : { warnings: checked.warnings ?? [], expires_at: checked.expires_at ? new Date(checked.expires_at) : null }),
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
  return { validate, probe, checkVersion }
}

/** What a validation says about the status; null leaves it as it is (nobody answered, so nothing was learnt). */
function judgement(row: ConnectionRow, problem: Fault | null, renews: boolean): { status: Status; reason: string | null } | null {
  if (row.status === 'disabled') return null
  // A renewal on the way may have found out more than its fault tells.
  if (problem?.code === 'CONNECTION_RECONNECT_REQUIRED') return null
  if (problem === null) return row.status === 'needs_scopes' ? null : { status: 'active', reason: null }
  // Renewed on the way and refused all the same: the grant lives, and this API has another reason.
  if (problem.code === 'CREDENTIAL_REJECTED' && renews) return null
  if (problem.code === 'CREDENTIAL_REJECTED') return { status: 'reconnect', reason: 'key_rejected' }
  if (problem.code === 'UNDECRYPTABLE') return { status: 'reconnect', reason: 'undecryptable' }
  // A right that the account itself lacks says nothing of the connection.
  if (problem.code === 'SCOPE_MISSING' && problem.details?.reason === 'denied') return null
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
