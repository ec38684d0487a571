/** A credential is tried before anything is stored: one cheap live call, and what was entered is gone again. */
import type { Scope } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import { parseInput } from '../base/explain.ts'
import { newId } from '../base/ids.ts'
import type { Checked, Connector } from '../connectors/contract.ts'
import type { Lending, Secret } from '../vault/index.ts'
import { lendDatabase, lendHttp } from './lend.ts'
import type { ConnectionRow } from './rows.ts'
import type { Prepared } from './store.ts'
import { type Validation, waitFor } from './validate.ts'

/** There is one version of what nobody keeps. */
const VERSION = 1

export interface Entered {
  provider: string
  service?: string | undefined
  credentials: Readonly<Record<string, Secret>>
  /** Where the service is, say: whoever enters a credential may choose where it is tried. */
  config?: Record<string, unknown> | undefined
}

export function createTryOut(deps: {
  vault: Lending
  connectors: ReadonlyMap<string, Connector>
  prepare: (entered: Entered) => Promise<Prepared>
  now: () => number
}) {
  const { vault, now } = deps

  return async function tryOut(scope: Scope, entered: Entered, signal: AbortSignal, actor: string): Promise<Validation> {
    vault.mustBeOpen()
    const prepared = await deps.prepare(entered)
    const connector = deps.connectors.get(entered.provider)
    if (prepared.manual !== null || !connector)
      return fail('INVALID_INPUT', `a credential of ${entered.provider} cannot be tried before it is saved`, {
        hint: 'It gets its first token when it is saved, and says then whether it works.',
      })
    const { auth } = connector
    if (auth.kind !== 'api_key' && auth.kind !== 'dsn') return fail('INVALID_INPUT', `${connector.title} has no credential to try`)
    const config = parseInput(connector.config, entered.config ?? {}, Object.keys(connector.config.shape))
    const at = new Date(now())
    const row: ConnectionRow = {
      id: newId('conn', now()),
      workspace_id: scope.workspace,
      project_id: scope.project,
      name: connector.title,
      provider: entered.provider,
      service: prepared.service,
      environment: '',
      status: 'unverified',
      status_reason: null,
      status_since: at,
      public: prepared.public,
      credential_version: VERSION,
      last_version: VERSION,
      account: null,
      granted_scopes: null,
      warnings: [],
      expires_at: null,
      last_validated_at: null,
      last_used_at: null,
      created_at: at,
      updated_at: at,
    }
    const began = now()
    const letGo = vault.hold({ workspace: scope.workspace, project: scope.project, owner: row.id, version: VERSION }, prepared.secret)
    let checked: Checked | null = null
    let problem: Fault | null = null
    try {
      const loan = { vault, row, connector, config, signal, user: { actor, check: true }, version: VERSION, latest: async () => row }
      const lent = (auth.kind === 'dsn' ? lendDatabase : lendHttp)(loan)
      checked = await auth.check({ ...lent, key: newId('check', now()), config, signal, wait: waitFor(signal) })
    } catch (error) {
      problem = error instanceof Fault ? error : fail('INTERNAL', 'the check failed in an unexpected way', { cause: error })
    } finally {
      await letGo()
    }
    return {
      ok: problem === null,
      checked_at: new Date(now()).toISOString(),
      latency_ms: now() - began,
      account: checked?.account ?? null,
      granted_scopes: checked?.granted_scopes ?? null,
      warnings: checked?.warnings ?? [],
      problem: problem && { code: problem.code, message: problem.message, hint: problem.hint ?? null },
    }
  }
}
