/**
 * Is this the database that the tokens live by, or a copy of it? A restored backup and a clone hold refresh tokens that the original may
 * have spent since, and a strict provider answers a spent one by ending the grant for everybody. So where the database's own identity,
 * its books or the place of the data directory do not fit what was written down beside it, rotating tokens are left alone until an
 * operator says that the original is no more.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Db } from '../base/db.ts'
import { installation } from './installation-rows.ts'

/** Beside the data directory's other files; never part of a dump. */
const FILE = 'epoch.json'
/** Written once: its number on the disk is another one in a copy of the directory. */
const PLACE = 'epoch.place'

interface Noted {
  identity: string
  beat: number
  place: string
}

export function createEpoch(deps: { db: Db; dataDir: string; ownPostgres: boolean; now: () => number }) {
  const { db, dataDir, now } = deps
  let why: string | null = null
  let since: Date | null = null

  const place = (): string => {
    const path = join(dataDir, PLACE)
    mkdirSync(dataDir, { recursive: true })
    if (!existsSync(path)) writeFileSync(path, '', { mode: 0o600 })
    return String(statSync(path, { bigint: true }).ino)
  }
  function noted(): Noted | null {
    try {
      return JSON.parse(readFileSync(join(dataDir, FILE), 'utf8')) as Noted
    } catch {
      return null
    }
  }
  function note(identity: string, beat: number): void {
    const path = join(dataDir, FILE)
    writeFileSync(`${path}.new`, JSON.stringify({ identity, beat, place: place() }), { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }

  function doubt(row: { identity: string; beat: number }, identity: string, file: Noted | null): string | null {
    if (row.identity !== identity) return 'this database is a copy, or was restored from a dump'
    if (file !== null && file.beat > row.beat) return 'this database is older than its data directory: it was restored from a backup'
    if (!deps.ownPostgres) return null
    if (file === null) return 'the data directory has lost its record of this database'
    return file.place === place() ? null : 'this data directory is a copy, or was restored from a backup'
  }

  return {
    /** Why renewals are held, or null. */
    held: () => why,
    heldSince: () => since,

    /** At the start, before anything is renewed. */
    async begin(): Promise<void> {
      const file = noted()
      const { row, identity } = await db.everyTenant('which database this is', async (tx) => {
        const identity = await installation.identity(tx)
        return { identity, row: await installation.found(tx, identity) }
      })
      const fresh = row.beat === 0 && row.identity === identity
      const found = fresh ? null : doubt(row, identity, file)
      if (found !== null && row.held_since === null) {
        await db.everyTenant('a copy is not to spend what the original lives by', (tx) => installation.hold(tx, new Date(now()), found))
      }
      why = row.held_reason ?? found
      since = row.held_since ?? (found === null ? null : new Date(now()))
      if (why === null) await this.beat()
    },

    /** Now and then: the books go on, here and in the file. Hears, too, of a hold that another process has found. */
    async beat(): Promise<void> {
      const row = await db.everyTenant('the books go on', (tx) => installation.beat(tx))
      why = row.held_reason
      since = row.held_since
      if (why === null) note(row.identity, row.beat)
    },

    /** An operator has said that this is the original now. */
    async confirm(): Promise<void> {
      const beat = (noted()?.beat ?? 0) + 1
      const row = await db.everyTenant('an operator says that this is the original', async (tx) =>
        installation.confirm(tx, await installation.identity(tx), beat),
      )
      why = null
      since = null
      note(row.identity, row.beat)
    },
  }
}
export type Epoch = ReturnType<typeof createEpoch>
