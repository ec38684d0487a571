/** The book of uses, on a real database: kept before it is used, written once, and answered for by the chain. */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Db } from '../base/db.ts'
import { Fault } from '../base/errors.ts'
import type { SecretUse } from '../base/secret-use.ts'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { appendAudit, verifyAudit } from './audit.ts'
import { createUses } from './uses.ts'

let base: TestDatabase
let owner: pg.Client
let home: string
let time: number
const now = () => time
const troubles: unknown[] = []
let open: ReturnType<typeof createUses>[] = []

beforeAll(async () => {
  base = await testDatabase()
  owner = new pg.Client(base.connection)
  await owner.connect()
  await owner.query("set ar.workspace = '*'; set ar.project = '*'")
  for (const w of ['ws_a', 'ws_b']) await owner.query('insert into workspaces (workspace_id, slug, name) values ($1, $1, $1)', [w])
})
afterAll(async () => {
  await owner?.end()
  await base?.drop()
})
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'uses-'))
  time = Date.UTC(2026, 0, 2, 3, 4, 5)
  troubles.length = 0
  open = []
  await owner.query('alter table audit_entries disable trigger user; alter table secret_uses disable trigger user')
  await owner.query('delete from secret_uses; delete from audit_entries; delete from audit_heads; delete from audit_floors')
  await owner.query('alter table audit_entries enable trigger user; alter table secret_uses enable trigger user')
})
afterEach(async () => {
  for (const book of open) await book.close()
  rmSync(home, { recursive: true, force: true })
})

const dir = () => join(home, 'uses')
function book(db: Db = base.db) {
  const made = createUses({ db, dir: dir(), now, trouble: (error) => troubles.push(error) })
  open.push(made)
  return made
}
const use = (more: Partial<SecretUse> = {}): SecretUse => ({
  workspace: 'ws_a',
  project: 'prj_a',
  owner: 'conn_1',
  version: 1,
  purpose: 'request',
  host: 'api.example.com',
  user: { actor: 'pat:pat_1', tool: 'http_request', instanceId: 'inst_1' },
  ...more,
})
const stored = async () => (await owner.query('select * from secret_uses order by workspace_id, seq, n')).rows
const entries = async () =>
  (await owner.query('select workspace_id, action, entry from audit_entries order by workspace_id, seq')).rows.map((row) => ({
    workspace: row.workspace_id,
    action: row.action,
    ...JSON.parse(row.entry).details,
  }))
const verdict = async (workspace = 'ws_a') => (await verifyAudit(base.db, () => null, workspace))[0]!

/** A database that is away, or that carries out what it is asked and does not live to say so. */
function shaky(): { db: Db; how: 'well' | 'away' | 'silent' } {
  const gone = () => new Fault('DEPENDENCY_UNAVAILABLE', 'the database does not answer')
  const it: { db: Db; how: 'well' | 'away' | 'silent' } = {
    how: 'well',
    db: {
      ...base.db,
      async everyTenant(reason, work) {
        if (it.how === 'away') throw gone()
        const answer = await base.db.everyTenant(reason, work)
        if (it.how === 'silent') throw gone()
        return answer
      },
    },
  }
  return it
}

describe('batches', () => {
  it('[audit.uses-batched] ten thousand uses of one connection by one caller are one row and one entry', async () => {
    const uses = book()
    for (let i = 0; i < 10_000; i++) {
      time += 1
      uses.note(use())
    }
    await uses.flush()
    expect(await stored()).toMatchObject([
      {
        uses: 10_000,
        owner_id: 'conn_1',
        host: 'api.example.com',
        actor: 'pat:pat_1',
        first_at: new Date(time - 9_999),
        last_at: new Date(time),
      },
    ])
    expect(await entries()).toMatchObject([{ action: 'secrets.used', rows: 1, uses: 10_000 }])
    expect(await verdict()).toMatchObject({ ok: true, entries: 1 })
  })

  it('[audit.uses] whatever differs is a row of its own: run, step, attempt, tool, actor, host, version, purpose, project, workspace', async () => {
    const uses = book()
    const user = use().user
    const different: Partial<SecretUse>[] = [
      {},
      { user: { ...user, runId: 'run_1', stepId: 'a', attempt: 1 } },
      { user: { ...user, runId: 'run_1', stepId: 'b', attempt: 1 } },
      { user: { ...user, runId: 'run_1', stepId: 'b', attempt: 2 } },
      { user: { ...user, tool: 'another' } },
      { user: { ...user, actor: 'user:usr_1' } },
      { host: 'other.example.com' },
      { version: 2 },
      { purpose: 'check' },
      { project: 'prj_b' },
      { owner: 'conn_2' },
      { workspace: 'ws_b' },
    ]
    for (const more of different) for (let i = 0; i < 2; i++) uses.note(use(more))
    await uses.flush()
    const rows = await stored()
    expect(rows.map((r) => r.uses)).toEqual(different.map(() => 2))
    expect(new Set(rows.map((r) => r.batch)).size).toBe(1)
    expect(await entries()).toMatchObject([
      { workspace: 'ws_a', rows: 11, uses: 22 },
      { workspace: 'ws_b', rows: 1, uses: 2 },
    ])
    for (const workspace of ['ws_a', 'ws_b']) expect(await verdict(workspace)).toMatchObject({ ok: true, entries: 1 })
  })

  it('[audit.uses-batched] a batch that is full leaves at once', async () => {
    const uses = book()
    for (let i = 0; i < 1_001; i++) uses.note(use({ owner: `conn_${i}` }))
    await uses.flush()
    expect((await entries()).map((e) => e.rows)).toEqual([500, 500, 1])
    expect(await verdict()).toMatchObject({ ok: true, entries: 3 })
    expect(readdirSync(dir())).toEqual([])
  })
})

describe('no audit, no use', () => {
  const refused = (work: () => void): Fault => {
    try {
      work()
    } catch (error) {
      return error as Fault
    }
    throw new Error('it was allowed')
  }

  it('[audit.before-use] a database that is away for half a minute refuses every use, until it has taken what waits', async () => {
    const there = shaky()
    const uses = book(there.db)
    there.how = 'away'
    uses.note(use())
    await uses.flush()
    time += 29_000
    uses.note(use()) // a failover is survived
    time += 2_000
    expect(uses.problem()).toMatch(/could not be written for 30 s/)
    expect(refused(() => uses.note(use()))).toMatchObject({
      code: 'DEPENDENCY_UNAVAILABLE',
      message: expect.stringContaining('no secret is used'),
    })
    there.how = 'well'
    await uses.flush()
    uses.note(use())
    await uses.flush()
    expect((await stored()).map((r) => r.uses)).toEqual([1, 1, 1])
    expect(await verdict()).toMatchObject({ ok: true })
    expect(troubles).toHaveLength(1)
  })

  it('[audit.before-use] so does one that has left too many waiting', async () => {
    const there = shaky()
    const uses = book(there.db)
    there.how = 'away'
    for (let i = 0; i < 20_000; i++) uses.note(use({ owner: `conn_${i}` }))
    expect(refused(() => uses.note(use({ owner: 'conn_x' })))).toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' })
    there.how = 'well'
    await uses.flush()
    expect(await stored()).toHaveLength(20_000)
    expect(await verdict()).toMatchObject({ ok: true, entries: 40 })
  })

  it('[audit.before-use] so does a disk that takes nothing', async () => {
    writeFileSync(dir(), 'not a folder')
    const uses = book()
    expect(refused(() => uses.note(use()))).toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' })
    expect(() => uses.blank()).toThrow(Fault)
    rmSync(dir())
    uses.note(use()) // and it is not needed to start again
    await uses.flush()
    expect(await stored()).toHaveLength(1)
  })
})

describe('an end that nobody expected', () => {
  it('[audit.uses-kept] what was noted and not written is written by the next process, and only what was noted', async () => {
    const there = shaky()
    const dead = book(there.db)
    there.how = 'away'
    for (let i = 0; i < 700; i++) dead.note(use({ owner: `conn_${i % 600}` }))
    dead.blank()
    const [first] = readdirSync(dir()).sort()
    appendFileSync(join(dir(), first!), '{"at":1,"workspace":"ws_a","ow') // the power of the disk ended here
    book().begin()
    await open.at(-1)!.flush()
    const rows = await stored()
    expect(rows.reduce((n, r) => n + r.uses, 0)).toBe(700)
    expect(new Set(rows.map((r) => r.owner_id)).size).toBe(600)
    expect(await verdict()).toMatchObject({ ok: true })
    expect(readdirSync(dir())).toEqual([])
  })

  it('[audit.uses-kept] what was written and not told so is not written twice: by the same process, or by the next', async () => {
    const there = shaky()
    const uses = book(there.db)
    uses.note(use())
    there.how = 'silent'
    await uses.flush()
    const files = readdirSync(dir()).map((name) => [name, readFileSync(join(dir(), name))] as const)
    expect(files).toHaveLength(1)
    there.how = 'well'
    await uses.flush()
    expect((await stored()).map((r) => r.uses)).toEqual([1])
    for (const [name, bytes] of files) writeFileSync(join(dir(), name), bytes)
    book().begin()
    await open.at(-1)!.flush()
    expect((await stored()).map((r) => r.uses)).toEqual([1])
    expect(await entries()).toHaveLength(1)
    expect(readdirSync(dir())).toEqual([]) // and nobody tries for ever
  })
})

describe('changes by the owner of the tables', () => {
  it('[audit.append-only] uses cannot be changed or removed in passing', async () => {
    const uses = book()
    uses.note(use())
    await uses.flush()
    for (const statement of ['delete from secret_uses', "update secret_uses set actor = 'x'", 'truncate secret_uses'])
      await expect(owner.query(statement), statement).rejects.toThrow(/append-only/)
    await expect(
      base.db.everyTenant('a test of rights', (tx) =>
        tx.run({ compile: () => ({ sql: 'delete from secret_uses', parameters: [] }) } as never),
      ),
    ).rejects.toThrow(/permission denied/)
  })

  it.each([
    ['an edited host', "update secret_uses set host = 'evil.example.com' where n = 1"],
    ['an edited number', 'update secret_uses set uses = uses + 1 where n = 0'],
    ['an edited time', "update secret_uses set last_at = last_at + interval '1 second' where n = 0"],
    ['another actor', "update secret_uses set actor = 'user:usr_2' where n = 2"],
    ['another run', "update secret_uses set run_id = 'run_9' where n = 2"],
    ['a use that was taken out', 'delete from secret_uses where n = 2'],
    ['all of them', 'delete from secret_uses'],
    [
      'a use that was put in',
      "insert into secret_uses select workspace_id, seq, 3, batch, project_id, first_at, last_at, uses, 'conn_x', version, purpose, host, actor from secret_uses where n = 0",
    ],
    ['a use of an entry that answers for none', 'update secret_uses set seq = 2 where n = 2'],
    [
      'a use that was put in behind the end',
      "insert into secret_uses select workspace_id, 9, 0, 'uses_x', project_id, first_at, last_at, uses, owner_id, version, purpose, host, actor from secret_uses where n = 0",
    ],
    ['a use behind the end', 'update secret_uses set seq = 9 where n = 2'],
    [
      'uses in each other’s place',
      'update secret_uses set n = 5 where n = 0; update secret_uses set n = 0 where n = 1; update secret_uses set n = 1 where n = 5',
    ],
    ['a use of another workspace', "update secret_uses set workspace_id = 'ws_b' where n = 2"],
  ])('[audit.uses-tamper] finds %s', async (_what, change) => {
    const uses = book()
    for (const host of ['a.example.com', 'b.example.com', 'c.example.com']) uses.note(use({ host }))
    await uses.flush()
    await base.db.tx({ workspace: 'ws_a', project: '*' }, (tx) =>
      appendAudit(tx, { workspace: 'ws_a', project: '*' }, new Date(time), { actor: 'system', action: 'something.done', outcome: 'done' }),
    )
    expect(await verdict()).toMatchObject({ ok: true, entries: 2 })
    await owner.query('alter table secret_uses disable trigger user')
    await owner.query(change)
    await owner.query('alter table secret_uses enable trigger user')
    const found = await verdict()
    expect(found.ok).toBe(false)
    expect(found.problems[0]?.problem).toMatch(/uses of secrets/)
  })
})
