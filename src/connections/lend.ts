/** Lends what a tool needs: a `fetch` or a database session that already carries the credential, and never the credential. */
import type { Scope } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import type { Connector, ToolContext } from '../connectors/contract.ts'
import type { CredentialRef, Lending } from '../vault/index.ts'
import type { ConnectionRow } from './rows.ts'

/** What one call borrows. */
export interface Lent extends Pick<ToolContext, 'fetch' | 'db' | 'base'> {
  connectionId: string | null
  credentialVersion: number | null
  /** Takes the credential out of what a tool made of the answers. */
  clean: <T>(output: T) => T
}

export interface LendRequest {
  connectionId: string | null
  connector: Connector
  config: Record<string, unknown>
  signal: AbortSignal
  /** A version other than the live one (a staged credential under test). */
  version?: number
}

export interface Loan {
  vault: Lending
  row: ConnectionRow
  connector: Connector
  config: Record<string, unknown>
  signal: AbortSignal
  version: number
  /** The version to go on with when this one has been replaced and destroyed meanwhile. */
  latest: () => Promise<number>
}

const refOf = (row: ConnectionRow, version: number): CredentialRef => ({
  workspace: row.workspace_id,
  project: row.project_id,
  owner: row.id,
  version,
})

/** Nothing has left the building yet when a version turns out to be gone, so going on with the next one repeats nothing. */
async function withLiving<T>(loan: Loan, use: (ref: CredentialRef) => Promise<T>): Promise<T> {
  try {
    return await use(refOf(loan.row, loan.version))
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'NOT_FOUND') throw error
    const version = await loan.latest()
    if (version === loan.version) throw error
    return use(refOf(loan.row, version))
  }
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

export function lendHttp(loan: Loan): Lent {
  const { row, connector, signal } = loan
  const { base, hosts } = reach(connector, loan.config)
  const { auth } = connector
  const put = auth.kind === 'api_key' ? auth.services[row.service]?.put : undefined
  if (!put) fail('BINDING_MISSING', `the connection ${row.name} is no credential for ${connector.title}`)
  const recipe = { put, hosts, publicFields: row.public }
  const cleaners = new Map<number, <T>(output: T) => T>()
  return {
    connectionId: row.id,
    credentialVersion: loan.version,
    clean: (output) => [...cleaners.values()].reduce((it, clean) => clean(it), output),
    base,
    db: NO_DB,
    fetch: (pathOrUrl, init) => {
      const request = { url: /^https?:/i.test(pathOrUrl) ? pathOrUrl : base + pathOrUrl, init: { ...init, signal: init?.signal ?? signal } }
      return withLiving(loan, (ref) => loan.vault.send(ref, recipe, request, (clean) => cleaners.set(ref.version, clean)))
    },
  }
}

export function lendDatabase(loan: Loan): Lent {
  const { row, connector, config, signal } = loan
  const { auth } = connector
  if (auth.kind !== 'dsn') fail('BINDING_MISSING', `${connector.title} takes no connection string`)
  const use = <T>(work: (session: ToolContext['db']) => Promise<T>) =>
    withLiving(loan, (ref) => work(loan.vault.session(ref, auth.wire, config, signal)))
  return {
    connectionId: row.id,
    credentialVersion: loan.version,
    clean: (output) => output, // what a session gives back has been cleaned
    base: '',
    fetch: () => fail('TOOL_REFUSED', 'this connector speaks no HTTP'),
    db: {
      read: (sql, args, limits) => use((s) => s.read(sql, args, limits)),
      ask: (sql, args, limits) => use((s) => s.ask(sql, args, limits)),
      write: (sql, args, limits) => use((s) => s.write(sql, args, limits)),
    },
  }
}

/** For connectors without a credential: files below the project's own directory. */
export function lendLocal(vault: Lending, scope: Scope, connector: Connector, config: Record<string, unknown>, signal: AbortSignal): Lent {
  if (connector.auth.kind !== 'none') fail('BINDING_MISSING', `${connector.title} needs a connection`)
  return {
    connectionId: null,
    credentialVersion: null,
    clean: (output) => output,
    base: '',
    fetch: () => fail('TOOL_REFUSED', 'this connector speaks no HTTP'),
    db: vault.localSession(scope, connector.auth.wire, config, signal),
  }
}
