/** Lends what a tool needs: a `fetch` or a database session that already carries the credential, and never the credential. */
import type { Scope } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import type { User } from '../base/secret-use.ts'
import { bearer, type Connector, type ToolContext } from '../connectors/contract.ts'
import { type CredentialRef, eachCall, type Lending, type RemoteWire, type Sessions } from '../vault/index.ts'
import type { ConnectionRow } from './rows.ts'
import { REASONS } from './show.ts'

/** What one call borrows. */
export interface Lent extends Pick<ToolContext, 'fetch' | 'db' | 'session' | 'base' | 'account' | 'entered'> {
  connectionId: string | null
  /** The version that the last request went out with. */
  credentialVersion: number | null
  /** Takes the credential, and all others of the workspace, out of what a tool made of the answers. */
  clean: <T>(output: T) => T
}

export interface LendRequest {
  connectionId: string | null
  connector: Connector
  config: Record<string, unknown>
  signal: AbortSignal
  /** For whom: it is on record with each use. */
  user: User
  /** A version other than the live one (a staged credential under test). */
  version?: number
}

export interface Loan {
  vault: Lending
  row: ConnectionRow
  connector: Connector
  config: Record<string, unknown>
  signal: AbortSignal
  user: User
  version: number
  /** The version to go on with when this one has been replaced and destroyed meanwhile. */
  latest: () => Promise<number>
  /** For tokens that are renewed: after a 401, the version to try once more, or null. */
  renewed?: (used: number) => Promise<number | null>
  /** Hosts that an OAuth account's tokens may go to, for connectors that any account may be used with. */
  apiHosts?: readonly string[]
}

const refOf = (row: ConnectionRow, version: number): CredentialRef => ({
  workspace: row.workspace_id,
  project: row.project_id,
  owner: row.id,
  version,
})

/** Nothing has left the building yet when a version turns out to be gone, so going on with the next one repeats nothing. */
async function withLiving<T>(loan: Loan, version: number, use: (ref: CredentialRef) => Promise<T>): Promise<T> {
  try {
    return await use(refOf(loan.row, version))
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'NOT_FOUND') throw error
    const next = await loan.latest()
    if (next === version) throw error
    return use(refOf(loan.row, next))
  }
}

/** The base that the profile's config names, or the connector's own; and the hosts that a credential may go to with it. */
export function reach(
  connector: Connector,
  config: Record<string, unknown>,
  entered: Readonly<Record<string, unknown>>,
): { base: string; hosts: string[] } {
  const own = config[connector.baseKey]
  const usual = typeof connector.base === 'function' ? connector.base(entered) : connector.base
  const base = typeof own === 'string' ? own : usual
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
    new Fault('CONNECTION_RECONNECT_REQUIRED', `the connection ${row.name} must be connected again before anything can use it`, {
      hint: `${REASONS[row.status_reason ?? ''] ?? ''} ${wayBack(row)}`.trim(),
      details: { connection_id: row.id, reason: row.status_reason, since: row.status_since.toISOString() },
    }),
  disabled: (row) => new Fault('BINDING_MISSING', `the connection ${row.name} is disabled`, { details: { connection_id: row.id } }),
}

/** What a person does about a connection in Reconnect. */
export const wayBack = (row: Pick<ConnectionRow, 'id' | 'service'>): string =>
  row.service === 'embedded_signup'
    ? `Sign up once more, with connection_id ${row.id}.`
    : row.service === 'oauth'
      ? `POST /v1/connections/${row.id}/reconnect gives the link.`
      : 'Replace its credential, then try again.'

/** Throws when this connection cannot serve at all. */
export function mustServe(row: ConnectionRow): void {
  const why = WHY[row.status]
  if (why) throw why(row)
}

/** Whether a connection is one for this connector: of its own kind, of its provider, or of any provider where it takes those. */
export function fits(connector: Connector, row: Pick<ConnectionRow, 'provider'>, isProvider: (slug: string) => boolean): boolean {
  const { auth } = connector
  if (auth.kind === 'oauth') return row.provider === auth.provider
  return row.provider === connector.slug || (auth.kind === 'api_key' && auth.oauth === true && isProvider(row.provider))
}

const noDatabase = (): never => fail('TOOL_REFUSED', 'this connector has no database')
const NO_DB: Pick<ToolContext, 'db' | 'session'> = { db: { read: noDatabase, ask: noDatabase, write: noDatabase }, session: noDatabase }

function recipeOf({ row, connector, config, apiHosts }: Loan) {
  const { base, hosts } = reach(connector, config, row.public)
  const { auth } = connector
  const own = auth.kind === 'api_key' && row.provider === connector.slug ? auth.services[row.service]?.put : undefined
  if (own) return { base, recipe: { put: own, hosts, publicFields: row.public } }
  const token = bearer('access_token') // RFC 6750 §2.1
  if (auth.kind === 'oauth' && config[connector.baseKey] === undefined) return { base, recipe: { put: token, hosts, publicFields: {} } }
  if (!apiHosts || (auth.kind === 'api_key' && !auth.oauth))
    return fail('BINDING_MISSING', `the connection ${row.name} is no credential for ${connector.title}`)
  // Whoever writes the config must not choose where somebody's account goes: only hosts of the provider or of its app.
  const allowed = hosts.filter((host) => apiHosts.includes(host))
  if (allowed.length === 0)
    fail('EGRESS_BLOCKED', `the tokens of ${row.name} may not go to ${hosts[0] ?? 'no host'}`, {
      hint: `They may go to ${apiHosts.join(', ') || 'no host yet: an administrator names api_hosts in the OAuth app'}.`,
      details: { host: hosts[0] ?? null, rule: 'credential-hosts' },
    })
  return { base, recipe: { put: token, hosts: allowed, publicFields: {} } }
}

export function lendHttp(loan: Loan): Lent {
  const { row, signal } = loan
  const { base, recipe } = recipeOf(loan)
  const cleaners = new Map<number, <T>(output: T) => T>()
  let version = loan.version
  const send = (request: { url: string; init: RequestInit }) =>
    withLiving(loan, version, (ref) => {
      version = ref.version
      return loan.vault.send(ref, recipe, request, loan.user, (clean) => cleaners.set(ref.version, clean))
    })
  return {
    connectionId: row.id,
    get credentialVersion() {
      return version
    },
    clean: (output) =>
      cleaners.size === 0
        ? loan.vault.outgoing(row.workspace_id).json(output)
        : [...cleaners.values()].reduce((it, clean) => clean(it), output),
    base,
    account: row.account,
    entered: row.public,
    ...NO_DB,
    fetch: async (pathOrUrl, init) => {
      const request = { url: /^https?:/i.test(pathOrUrl) ? pathOrUrl : base + pathOrUrl, init: { ...init, signal: init?.signal ?? signal } }
      const answer = await send(request)
      // RFC 6750 §3.1: whoever answers 401 has done nothing, so the same request may be made once more with a newer token.
      if (answer.status !== 401 || !loan.renewed || !replayable(init?.body)) return answer
      const next = await loan.renewed(version)
      if (next === null) return answer
      version = next
      await answer.body?.cancel()
      return send(request)
    },
  }
}

/** A stream is gone once it was sent. */
const replayable = (body: RequestInit['body']): boolean => !(body instanceof ReadableStream)

export function lendDatabase(loan: Loan): Lent {
  const { row, connector, config, signal } = loan
  const { auth } = connector
  if (auth.kind !== 'dsn') fail('BINDING_MISSING', `${connector.title} takes no connection string`)
  type Call = (...args: unknown[]) => Promise<unknown>
  const open = (ref: CredentialRef) =>
    loan.vault.session(ref, auth.wire, row.public, config, signal, loan.user) as unknown as Record<string, Call>
  const session = eachCall((name, args) => withLiving(loan, loan.version, (ref) => open(ref)[name]!(...args)))
  return {
    connectionId: row.id,
    credentialVersion: loan.version,
    clean: (output) => loan.vault.outgoing(row.workspace_id).json(output), // what a session gives back has been cleaned of its own
    base: '',
    account: row.account,
    entered: row.public,
    fetch: () => fail('TOOL_REFUSED', 'this connector speaks no HTTP'),
    db: session as ToolContext['db'],
    session: <W extends RemoteWire>(wire: W) =>
      wire === auth.wire ? (session as Sessions[W]) : fail('TOOL_REFUSED', `this connection is no ${wire}`),
  }
}

/** For connectors without a credential: files below the project's own directory. */
export function lendLocal(vault: Lending, scope: Scope, connector: Connector, config: Record<string, unknown>, signal: AbortSignal): Lent {
  if (connector.auth.kind !== 'none') fail('BINDING_MISSING', `${connector.title} needs a connection`)
  return {
    connectionId: null,
    credentialVersion: null,
    clean: (output) => vault.outgoing(scope.workspace).json(output),
    base: '',
    account: null,
    entered: {},
    fetch: () => fail('TOOL_REFUSED', 'this connector speaks no HTTP'),
    ...NO_DB,
    db: vault.localSession(scope, connector.auth.wire, config, signal),
  }
}
