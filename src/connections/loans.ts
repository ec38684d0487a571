/** What one call borrows: the right connection, the right version of its credential, its turn, and what follows when that is refused. */
import type { Scope } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { waitOf } from '../connectors/contract.ts'
import type { OAuthProvider } from '../connectors/contract.ts'
import type { Lending } from '../vault/index.ts'
import { fits, type LendRequest, type Lent, lendDatabase, lendHttp, lendLocal, mustServe } from './lend.ts'
import type { OAuthConnections } from './oauth.ts'
import type { Pace } from './pace.ts'
import { waitFor } from './validate.ts'
import { type Believed, type createInstead, publicOf, servingVersion } from './versions.ts'

export function createLoans(deps: {
  vault: Lending
  providers: ReadonlyMap<string, OAuthProvider>
  oauth: Pick<OAuthConnections, 'fresh' | 'apiHosts'>
  pace: Pace
  used: (id: string) => void
  current: (scope: Scope, id: string) => Promise<Believed>
  reload: (scope: Scope, id: string) => Promise<Believed>
  instead: ReturnType<typeof createInstead>
}) {
  const { vault, oauth, pace } = deps

  async function lend(scope: Scope, request: LendRequest): Promise<Lent & { grantedScopes: string[] | null }> {
    const { connector, config, signal, user } = request
    if (request.connectionId === null) return Object.assign(lendLocal(vault, scope, connector, config, signal), { grantedScopes: null })
    const at = await deps.current(scope, request.connectionId)
    const { row, grant } = at
    if (!fits(connector, row, (slug) => deps.providers.has(slug)))
      fail('BINDING_MISSING', `the connection ${row.name} is for ${row.provider}, not for ${connector.slug}`, {
        details: { connection_id: row.id },
      })
    // Whatever was bound: what runs in one environment never uses what belongs to another.
    if (request.environment !== undefined && request.environment !== row.environment)
      fail('BINDING_MISSING', `the connection ${row.name} belongs to ${row.environment}, and this call is made in ${request.environment}`, {
        hint: 'Bind a connection of the same environment.',
        details: { connection_id: row.id, environment: request.environment },
      })
    if (request.version === undefined) mustServe(row)
    deps.used(row.id)
    const renews = grant !== null && request.version === undefined
    const version = request.version ?? (renews ? await oauth.fresh.version(scope, { row, grant }) : servingVersion(at, user.instanceId))
    const loan = {
      vault,
      row: { ...row, public: publicOf(at, version) },
      connector,
      config,
      signal,
      user,
      version,
      // A version that was replaced a moment ago, perhaps by another process, is gone: the call goes on with the one that is there.
      latest: async () =>
        request.version === undefined ? (await deps.reload(scope, row.id)).row : { ...row, credential_version: version },
      ...(grant === null ? {} : { apiHosts: await oauth.apiHosts(row, grant) }),
      ...(request.version === undefined ? { instead: insteadOf(scope, at, request) } : {}),
    }
    const lent = connector.auth.kind === 'dsn' ? lendDatabase(loan) : inTurn(lendHttp(loan), row.id, request)
    // Not spread: its credentialVersion tells what was used last.
    return Object.assign(lent, { grantedScopes: row.granted_scopes })
  }

  /** Tokens are renewed, and keys may have another version beside them. */
  function insteadOf(scope: Scope, { row, grant }: Believed, { connector }: LendRequest) {
    if (grant === null) return (used: number) => deps.instead(scope, row.id, connector, used)
    return async (used: number) => {
      const version = await oauth.fresh.afterRefusal(scope, row.id, used)
      return version === null ? null : { version, public: row.public, worked: async () => undefined }
    }
  }

  /** Each of its requests waits its turn, and a pause that is asked for holds for everybody. */
  function inTurn(lent: Lent, id: string, { connector, signal }: LendRequest): Lent {
    const send = lent.fetch
    lent.fetch = async (pathOrUrl, init) => {
      await pace.turn(id, connector.rate, waitFor(signal))
      const answer = await send(pathOrUrl, init)
      if (answer.status === 429) pace.pause(id, waitOf(answer.headers) ?? 0)
      return answer
    }
    return lent
  }
  return lend
}
