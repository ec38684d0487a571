import { type Compilable, type RawBuilder, sql } from 'kysely'
import { type Tx, tables } from '../base/db.ts'

export interface InstallationRow {
  identity: string
  beat: number
  held_since: Date | null
  held_reason: string | null
}
const q = tables<{ installation: InstallationRow & { one: boolean } }>()
const raw = <O>(query: RawBuilder<O>): Compilable<O> => ({ compile: () => query.compile(q) })
const FACTS = sql.raw('identity, beat, held_since, held_reason')

export const installation = {
  /** Of the server and of the database in it: another one after a dump was restored, the same after a restart. */
  identity: async (tx: Tx): Promise<string> =>
    (await tx.first<{ identity: string }>(raw(sql`select database_identity() as identity`)))!.identity,
  found: async (tx: Tx, identity: string): Promise<InstallationRow> => {
    await tx.run(raw(sql`insert into installation (identity) values (${identity}) on conflict do nothing`))
    return (await tx.first<InstallationRow>(raw(sql`select ${FACTS} from installation`)))!
  },
  beat: async (tx: Tx): Promise<InstallationRow> =>
    (await tx.first<InstallationRow>(raw(sql`update installation set beat = beat + 1 returning ${FACTS}`)))!,
  hold: (tx: Tx, at: Date, reason: string) =>
    tx.run(raw(sql`update installation set held_since = ${at}, held_reason = ${reason} where held_since is null`)),
  confirm: async (tx: Tx, identity: string, beat: number): Promise<InstallationRow> =>
    (await tx.first<InstallationRow>(
      raw(sql`update installation set identity = ${identity}, beat = greatest(beat + 1, ${beat}), held_since = null, held_reason = null
        returning ${FACTS}`),
    ))!,
}
