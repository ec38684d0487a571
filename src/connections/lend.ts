/** Lends what a tool needs: a `fetch` or a database session that already carries the credential, and never the credential. */
import type { Db, Scope } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import type { Connector, ToolContext } from '../connectors/contract.ts'
import type { CredentialRef, Lending } from '../vault/index.ts'
import type { ConnectionRow } from './rows.ts'

/** What one call borrows. */
export interface Lent extends Pick<ToolContext, 'fetch' | 'db' | 'base'> {
  connectionId: string | null
  credentialVersion: number | null
}

export interface LendDeps {
  db: Db
  vault: Lending
  now: () => number
}

/** The base that the profile's config names, or the connector's own; and the hosts that a credential may go to with it. */
export function reach(connector: Connector, config: Record<string, unknown>): { base: string; hosts: string[] } {
  const own = config[connector.baseKey]
  const base = typeof own === 'string' ? own : connector.base
  if (base === null) return { base: '', hosts: [] }
  let host: string
  try {
    host = new URL(base).host
  } catch {
    return fail('INVALID_INPUT', `config.${connector.baseKey} is not a URL`)
  }
  // With an overridden base the vendor's other hosts are not this installation's: only the named host may see the key.
  return { base: base.replace(/\/+$/, ''), hosts: own === undefined ? [host, ...connector.hosts] : [host] }
}

const WHY: Partial<Record<ConnectionRow['status'], (row: ConnectionRow) => Fault>> = {
  reconnect: (row) =>
    new Fault('CONNECTION_RECONNECT_REQUIRED', `the connection ${row.name} needs a new credential before anything can use it`, {
      hint: 'Replace its credential, then try again.',
      details: { connection_id: row.id, reason: row.status_reason },
    }),
  disabled: (row) => new Fault('BINDING_MISSING', `the connection ${row.name} is disabled`, { details: { connection_id: row.id } }),
}

/** Throws when this connection cannot serve at all. */
export function mustServe(row: ConnectionRow): void {
  const why = WHY[row.status]
  if (why) throw why(row)
}

const noDatabase = (): never => fail('TOOL_REFUSED', 'this connector has no database')
const NO_DB: ToolContext['db'] = { read: noDatabase, ask: noDatabase, write: noDatabase }

export function lendHttp(deps: LendDeps, row: ConnectionRow, connector: Connector, config: Record<string, unknown>, signal: AbortSignal, version: number): Lent {
  const { base, hosts } = reach(connector, config)
  const auth = connector.auth
  const put = auth.kind === 'api_key' ? auth.services[row.service]?.put : undefined
  if (!put) fail('BINDING_MISSING', `the connection ${row.name} is no credential for ${connector.title}`)
  const ref: CredentialRef = { workspace: row.workspace_id, project: row.project_id, owner: row.id, version }
  return {
    connectionId: row.id,
    credentialVersion: version,
    base,
    db: NO_DB,
    fetch: (pathOrUrl, init) =>
      deps.vault.send(ref, { put, hosts, publicFields: row.public }, { url: /^https?:/i.test(pathOrUrl) ? pathOrUrl : base + pathOrUrl, init: { ...init, signal: init?.signal ?? signal } }),
  }
}

export function lendDatabase(deps: LendDeps, row: ConnectionRow, connector: Connector, config: Record<string, unknown>, signal: AbortSignal, version: number): Lent {
  const auth = connector.auth
  if (auth.kind !== 'dsn') fail('BINDING_MISSING', `${connector.title} takes no connection string`)
  const ref: CredentialRef = { workspace: row.workspace_id, project: row.project_id, owner: row.id, version }
  return {
    connectionId: row.id,
    credentialVersion: version,
    base: '',
    fetch: () => fail('TOOL_REFUSED', 'this connector speaks no HTTP'),
    db: deps.vault.session(ref, auth.wire, config, signal),
  }
}

/** For connectors without a credential: files below the project's own directory. */
export function lendLocal(deps: LendDeps, scope: Scope, connector: Connector, config: Record<string, unknown>, signal: AbortSignal): Lent {
  if (connector.auth.kind !== 'none') fail('BINDING_MISSING', `${connector.title} needs a connection`)
  return {
    connectionId: null,
    credentialVersion: null,
    base: '',
    fetch: () => fail('TOOL_REFUSED', 'this connector speaks no HTTP'),
    db: deps.vault.localSession(scope, connector.auth.wire, config, signal),
  }
}
