/** Which version of a credential a call goes out with, and which one answers for it where that one is refused. */
import type { Scope } from '../base/db.ts'
import type { Connector } from '../connectors/contract.ts'
import type { GrantRow } from './grant-rows.ts'
import type { RotationRow } from './rotation-rows.ts'
import type { ConnectionRow } from './rows.ts'

/** Another version for a call that was refused. */
export interface Instead {
  version: number
  /** What was entered with it and is no secret. */
  public: Record<string, unknown>
  /** To be told once it has answered where the other one did not. */
  worked: () => Promise<void>
}
type At = { row: ConnectionRow; rotation: RotationRow | null }
/** A connection with all that decides how it is used, as it was at one moment. */
export interface Believed extends At {
  grant: GrantRow | null
}

const nothing = async () => undefined
const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

/** What was entered with this version. */
export function publicOf({ row, rotation }: At, version: number): Record<string, unknown> {
  if (rotation?.new_version === version) return rotation.new_public
  return rotation?.old_version === version ? rotation.old_public : row.public
}

/** An instance that was left out of a switch stays on the version before it. */
export const servingVersion = ({ row, rotation }: At, instanceId: string | undefined): number =>
  rotation?.state === 'switched' && instanceId !== undefined && rotation.excluded.includes(instanceId)
    ? rotation.old_version
    : row.credential_version

/**
 * A version that is under test may step in for a live one that is dead: one that was validated, or a database's whose host, user and
 * database are the same, so that it is the same account with another password. Any other could be somebody else's.
 */
const mayStepIn = (rotation: RotationRow, connector: Connector): boolean =>
  rotation.state === 'validated' ||
  (rotation.state === 'staged' && connector.auth.kind === 'dsn' && same(rotation.old_public, rotation.new_public))

/** A switch without an overlap leaves nothing to fall back on, also while the old version waits for its revocation. */
const overlaps = ({ old_destroyed_at: gone, switched_at: since, overlap_until: until }: RotationRow): boolean =>
  gone === null && since !== null && until !== null && until > since

export function createInstead(deps: {
  /** The rows as they are now, past every cache. */
  reload: (scope: Scope, id: string) => Promise<At>
  fellBack: (scope: Scope, row: ConnectionRow, rotation: RotationRow, facts: { from: number; to: number }) => Promise<void>
}) {
  /** null: there is no other. The provider has said no to `used`, so nothing was done with it. */
  return async function instead(scope: Scope, id: string, connector: Connector, used: number): Promise<Instead | null> {
    const at = await deps.reload(scope, id)
    const { row, rotation } = at
    if (row.status === 'disabled') return null
    if (row.credential_version !== used) return { version: row.credential_version, public: row.public, worked: nothing }
    if (!rotation) return null
    const other =
      rotation.state === 'switched'
        ? overlaps(rotation)
          ? rotation.old_version
          : null
        : mayStepIn(rotation, connector)
          ? rotation.new_version
          : null
    if (other === null) return null
    // A request is addressed before it is sent: a version that leads elsewhere cannot answer for it.
    const facts = publicOf(at, other)
    if (connector.auth.kind !== 'dsn' && !same(facts, publicOf(at, used))) return null
    return { version: other, public: facts, worked: () => deps.fellBack(scope, row, rotation, { from: used, to: other }) }
  }
}
