/** Lends what a tool needs: a `fetch` or a database session that already carries the credential, and never the credential. */
import type { Scope } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import type { User } from '../base/secret-use.ts'
import { bearer, type Connector, type ToolContext } from '../connectors/contract.ts'
import { type CredentialRef, eachCall, type Lending, type RemoteWire, type Sessions } from '../vault/index.ts'
import type { ConnectionRow } from './rows.ts'
import { REASONS } from './show.ts'
import type { Instead } from './versions.ts'

/** What one call borrows. */
export interface Lent extends Pick<ToolContext, 'fetch' | 'db' | 'session' | 'base' | 'account' | 'entered'> {
  connectionId: string | null
  /** The version that the last request went out with. */
  credentialVersion: number | null
  /** The credential was refused in a way that no status told: whether the call may be made once more, with another version. */
  again: () => Promise<boolean>
  /** That one was refused too. */
  back: () => void
  /** Takes the credential, and all others of the workspace, out of what a tool made of the answers. */
  clean: <T>(output: T) => T
}

export interface LendRequest {
  connectionId: string | null
  connector: Connector
  config: Record<string, unknown>
  signal: AbortSignal
  /** Of the profile that asks; a connection of another one is refused. */
  environment?: string
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
  /** The row to go on with when this version has been replaced and destroyed meanwhile. */
  latest: () => Promise<ConnectionRow>
  /** Where this version is refused: another one to try once, or null. */
  instead?: (used: number) => Promise<Instead | null>
  /** Hosts that an OAuth account's tokens may go to, for connectors that any account may be used with. */
  apiHosts?: readonly string[]
}

const refOf = (row: ConnectionRow, version: number): CredentialRef => ({
  workspace: row.workspace_id,
  project: row.project_id,
  owner: row.id,
  version,
})

/** Nothing has left the building yet when a version turns out to be gone, so going on with the one that is there repeats nothing. */
async function withLiving<T>(loan: Loan, at: VersionOf, use: (ref: CredentialRef) => Promise<T>): Promise<T> {
  try {
    return await use(refOf(at.row, at.version))
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'NOT_FOUND') throw error
    const next = await loan.latest()
    if (next.credential_version === at.version) throw error
    at.row = next
    at.version = next.credential_version
    return use(refOf(at.row, at.version))
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

/** The version of one loan. It moves once at most, to one that answers where this one is refused, and back where that is refused too. */
function versionOf(loan: Loan) {
  let other: { was: number; it: Instead; told: boolean } | null = null
  let asked = false
  const at = {
    version: loan.version,
    row: loan.row,
    async moveOn(): Promise<boolean> {
      if (asked || !loan.instead) return false
      asked = true
      const it = await loan.instead(at.version)
      if (it === null) return false
      other = { was: at.version, it, told: false }
      at.version = it.version
      at.row = { ...loan.row, public: it.public }
      return true
    },
    async worked(): Promise<void> {
      if (other === null || other.told) return
      other.told = true
      await other.it.worked()
    },
    back(): void {
      if (other === null || other.told) return
      at.version = other.was
      at.row = loan.row
    },
  }
  return at
}
type VersionOf = ReturnType<typeof versionOf>

export function lendHttp(loan: Loan): Lent {
  const { row, signal } = loan
  const { base, recipe } = recipeOf(loan)
  const cleaners = new Map<number, <T>(output: T) => T>()
  const at = versionOf(loan)
  /** One of its requests was carried out, for all we know. */
  let done = false
  const send = (request: { url: string; init: RequestInit }) =>
    withLiving(loan, at, (ref) => loan.vault.send(ref, recipe, request, loan.user, (clean) => cleaners.set(ref.version, clean)))
  return {
    connectionId: row.id,
    get credentialVersion() {
      return at.version
    },
    // A request that was carried out would be made twice.
    again: async () => !done && (await at.moveOn()),
    back: at.back,
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
      let answer = await send(request).catch((error: unknown) => {
        done = true
        throw error
      })
      // RFC 6750 §3.1: whoever answers 401 has done nothing, so the same request may be made once more with another version.
      if (answer.status === 401 && replayable(init?.body) && (await at.moveOn())) answer = await send(request)
      if (answer.status === 401) at.back()
      if (answer.status < 400) await at.worked()
      done ||= answer.status < 400 || answer.status >= 500
      return answer
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
  const at = versionOf(loan)
  const open = (ref: CredentialRef) =>
    loan.vault.session(ref, auth.wire, at.row.public, config, signal, loan.user) as unknown as Record<string, Call>
  const ask = (name: string, args: unknown[]) => withLiving(loan, at, (ref) => open(ref)[name]!(...args))
  const session = eachCall(async (name, args) => {
    try {
      return await ask(name, args)
    } catch (error) {
      // A server that refuses the credential has been asked for nothing yet.
      if (!(error instanceof Fault) || error.code !== 'CREDENTIAL_REJECTED' || !(await at.moveOn())) throw error
      try {
        const out = await ask(name, args)
        await at.worked()
        return out
      } catch (second) {
        if (!(second instanceof Fault) || second.code !== 'CREDENTIAL_REJECTED') throw second
        at.back()
        throw error
      }
    }
  })
  return {
    connectionId: row.id,
    get credentialVersion() {
      return at.version
    },
    again: async () => false, // each of its calls has seen to that
    back: at.back,
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
    again: async () => false,
    back: () => undefined,
    clean: (output) => vault.outgoing(scope.workspace).json(output),
    base: '',
    account: null,
    entered: {},
    fetch: () => fail('TOOL_REFUSED', 'this connector speaks no HTTP'),
    ...NO_DB,
    db: vault.localSession(scope, connector.auth.wire, config, signal),
  }
}
