/** The first token, in a file of whoever starts the runtime: every other one is made by a person who has signed in. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Db } from '../base/db.ts'
import { Fault } from '../base/errors.ts'
import type { Caller } from './caller.ts'
import type { Access } from './index.ts'

export async function writeOwnerPat(file: string, deps: { access: Access; db: Db; owner: Caller; now: () => number }): Promise<void> {
  const { access, db, owner, now } = deps
  if (existsSync(file)) {
    const there = readFileSync(file, 'utf8').trim()
    const good = access.authenticate(there, null).then(
      () => true,
      () => false,
    )
    if (await good) return // a restart makes no second one
  }
  const { token } = await db.tx({ workspace: owner.workspace, project: owner.project }, (tx) =>
    access.createPat(tx, owner, {
      display_name: `owner, ${new Date(now()).toISOString().slice(0, 10)}-${randomBytes(2).toString('hex')}`,
      scopes: owner.scopes,
      expires_in_days: 90,
    }),
  )
  try {
    writeFileSync(file, `${token}\n`, { mode: 0o600 })
  } catch (error) {
    throw new Fault('INVALID_INPUT', `the token cannot be written to ${file} (${(error as NodeJS.ErrnoException).code})`)
  }
}
