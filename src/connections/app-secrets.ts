/** The secret of an OAuth app while it is being changed: two are live, the newer is tried first, and a person ends one of them. */
import type { Scope, Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import type { Lending } from '../vault/index.ts'
import { type AppRow, apps } from './app-rows.ts'

/** Both secrets of a change that is under way. */
export interface AppSecrets {
  owner: string
  since: Date
  until: Date
  old: number
  new: number
}

export function createAppSecrets(deps: {
  vault: Pick<Lending, 'drop'>
  forget: (workspace: string, slug: string) => void
  now: () => number
}) {
  const { vault, now } = deps
  const missing = (slug: string) => fail('NOT_FOUND', `this workspace has no OAuth app ${slug.slice(0, 60)} of its own`)
  const changing = (row: AppRow): AppSecrets | null => {
    const { previous_secret_version: old, previous_until: until, secret_since: since } = row
    return old === null || until === null || since === null || until.getTime() <= now()
      ? null
      : { owner: row.id, since, until, old, new: row.secret_version }
  }
  async function locked(tx: Tx, slug: string): Promise<{ row: AppRow; it: AppSecrets }> {
    const row = (await apps.lock(tx, slug)) ?? missing(slug)
    const it = changing(row)
    if (it === null)
      return fail('CONFLICT', `the app ${slug} has one secret, and no change of it is under way`, {
        hint: 'PUT the app with its new client_secret first.',
      })
    return { row, it }
  }

  return {
    /** null: there is one secret, or none. */
    of: async (tx: Tx, slug: string): Promise<AppSecrets | null> => changing((await apps.bySlug(tx, slug)) ?? missing(slug)),

    /** The secret before is destroyed: whoever is refused with the new one is refused from now on. */
    async finish(tx: Tx, slug: string): Promise<AppSecrets> {
      const { row, it } = await locked(tx, slug)
      await vault.drop(tx, row.id, it.old)
      await apps.update(tx, row.id, { previous_secret_version: null, previous_until: null, updated_at: new Date(now()) })
      return it
    },
    /** The secret before counts again, and the new one is destroyed. */
    async rollBack(tx: Tx, slug: string): Promise<AppSecrets> {
      const { row, it } = await locked(tx, slug)
      await vault.drop(tx, row.id, it.new)
      await apps.update(tx, row.id, {
        secret_version: it.old,
        previous_secret_version: null,
        previous_until: null,
        updated_at: new Date(now()),
      })
      return it
    },
    settled: ({ workspace }: Scope, slug: string): void => deps.forget(workspace, slug),

    /** Secrets of before whose overlap is over are destroyed. Over all tenants. */
    async lapse(tx: Tx, limit: number): Promise<void> {
      for (const { id, previous_secret_version: version } of await apps.lapsed(tx, new Date(now()), limit)) {
        if (version !== null) await vault.drop(tx, id, version)
        await apps.update(tx, id, { previous_secret_version: null, previous_until: null })
      }
    },
  }
}
