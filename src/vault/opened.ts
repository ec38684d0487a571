/**
 * The only way by which this room's own files get at a stored secret: it is opened, its use is recorded, and only then is it handed out. What
 * cannot be recorded is not used.
 */
import type { Tx } from '../base/db.ts'
import type { Purpose, User, Uses } from '../base/secret-use.ts'
import type { Owned, Sealed } from './sealed.ts'
import { reveal, type Secret } from './secret.ts'

export interface Use {
  purpose: Purpose
  host: string | null
  user: User
}

export function createOpened(deps: { sealed: Pick<Sealed, 'read' | 'readIn'>; uses: Uses }) {
  const noted = (at: Owned, use: Use, values: Record<string, string>): Record<string, string> => {
    deps.uses.note({ ...use, workspace: at.workspace, project: at.project, owner: at.owner, version: at.version })
    return values
  }
  return {
    /** A function where only what is opened says what it is used for: at which hosts, say. */
    async read(at: Owned, use: Use | ((values: Record<string, string>) => Use)): Promise<Record<string, string>> {
      const values = await deps.sealed.read(at)
      return noted(at, typeof use === 'function' ? use(values) : use, values)
    },
    readIn: async (tx: Tx, at: Owned, use: Use): Promise<Record<string, string>> => noted(at, use, await deps.sealed.readIn(tx, at)),
    /** A secret that the configuration brings: it is none of a workspace's, but a workspace uses it. */
    deployments: (name: string, workspace: string, secret: Secret, use: Use): string => {
      deps.uses.note({ ...use, workspace, project: null, owner: `deployment:${name}`, version: 1 })
      return reveal(secret)
    },
    blank: deps.uses.blank,
  }
}
export type Opened = ReturnType<typeof createOpened>

export const useOf = (purpose: Use['purpose'], url: string, user: User): Use => ({ purpose, host: URL.parse(url)?.host ?? null, user })
