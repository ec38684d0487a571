/** Old entries go behind a checkpoint, what is left verifies, and a floor that we have not signed shows. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { appendAudit, verifyAudit } from './audit.ts'
import type { Checkpoint } from './checkpoint.ts'
import { checkpoint, type ExportLine, exportPage } from './export.ts'
import { retainAudit } from './retention.ts'
import { createUses } from './uses.ts'
import { verifyExport } from './verify-export.ts'

const DAY = 86_400_000
const BEGIN = Date.UTC(2026, 0, 1)
const NOW = BEGIN + 100 * DAY
const W = 'ws_a'
const scope = { workspace: W, project: '*' }
let base: TestDatabase
let owner: pg.Client

const pair = generateKeyPairSync('ed25519')
const signer = {
  publicKey: () => pair.publicKey.export({ format: 'jwk' }).x as string,
  sign: (what: string, text: string) => sign(null, Buffer.from(`agentruntime ${what} v1\0${text}`), pair.privateKey).toString('base64url'),
}

beforeAll(async () => {
  base = await testDatabase()
  owner = new pg.Client(base.connection)
  await owner.connect()
  await owner.query(
    "set ar.workspace = '*'; set ar.project = '*'; insert into workspaces (workspace_id, slug, name) values ('ws_a', 'a', 'A')",
  )
})
afterAll(async () => {
  await owner?.end()
  await base?.drop()
})
/** One act a day for a hundred days, and on each tenth day two uses. */
beforeEach(async () => {
  await owner.query('alter table audit_entries disable trigger user; alter table secret_uses disable trigger user')
  await owner.query('delete from secret_uses; delete from audit_entries; delete from audit_heads; delete from audit_floors')
  await owner.query('alter table audit_entries enable trigger user; alter table secret_uses enable trigger user')
  const dir = mkdtempSync(join(tmpdir(), 'uses-'))
  let time = BEGIN
  const uses = createUses({ db: base.db, dir, now: () => time })
  for (let day = 0; day < 100; day++) {
    time = BEGIN + day * DAY
    if (day % 10 === 9) {
      for (const host of ['a.example.com', 'b.example.com'])
        uses.note({ workspace: W, project: null, owner: 'conn_1', version: 1, purpose: 'request', host, user: { actor: 'system' } })
      await uses.flush()
    } else
      await base.db.tx(scope, (tx) =>
        appendAudit(tx, scope, new Date(time), { actor: 'user:usr_1', action: 'thing.done', target: String(day), outcome: 'done' }),
      )
  }
  await uses.close()
  rmSync(dir, { recursive: true, force: true })
})

const retain = (days: number) => retainAudit({ db: base.db, signer, days, now: NOW })
const verdict = async (publicKey: string | null = signer.publicKey()) => (await verifyAudit(base.db, () => publicKey, W))[0]!
const count = async (table: string) => Number((await owner.query(`select count(*) from ${table}`)).rows[0].count)
async function exported(after: number | null = null): Promise<string[]> {
  const out: ExportLine[] = []
  let cursor: number | null = null
  do {
    const ask = { workspace: W, after, cursor, now: NOW }
    const page: Awaited<ReturnType<typeof exportPage>> = await base.db.tx(scope, (tx) => exportPage(tx, signer, ask))
    out.push(...page.lines)
    cursor = page.next
  } while (cursor !== null)
  return out.map((line) => JSON.stringify(line))
}
const checked = (lines: string[], other: Checkpoint | null = null) =>
  verifyExport(lines, { publicKey: signer.publicKey(), checkpoint: other })

it('[audit.retention] entries older than that go with their uses, the rest verifies here and in an export, and the act is an entry', async () => {
  const before = await base.db.tx(scope, (tx) => checkpoint(tx, signer, W, NOW))
  expect(await retain(30)).toBe(70)
  expect(await count('audit_entries')).toBe(31)
  expect(await count('secret_uses')).toBe(6)
  expect(await verdict()).toMatchObject({ ok: true, entries: 31, problems: [] })
  expect(await checked(await exported(), before)).toMatchObject({ ok: true, first: 71, last: 101, entries: 31, uses: 6, compared: true })
  expect(await checked(await exported(90))).toMatchObject({ ok: true, first: 91, last: 101 })
  await expect(exported(50)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  const { rows } = await owner.query("select entry::json->'details' as d from audit_entries where action = 'audit.dropped'")
  expect(rows).toMatchObject([{ d: { through: 70, entries: 70, checkpoint: { seq: 70, count: 70, public_key: signer.publicKey() } } }])
  for (const table of ['audit_entries', 'secret_uses'])
    await expect(owner.query(`delete from ${table} where seq = 80`), table).rejects.toThrow(/append-only/)
  expect(await retain(30)).toBe(0)
  expect(await retain(10)).toBe(20)
  expect(await verdict()).toMatchObject({ ok: true, entries: 12 })
  expect(await checked(await exported(), before)).toMatchObject({ ok: true, first: 91, compared: true })
})

it('[audit.retention] what is younger stays, whatever else is old', async () => {
  expect(await retain(1_000)).toBe(0)
  expect(await count('audit_floors')).toBe(0)
  // A clock that was wrong for a while: an old date behind a young one does not take that along.
  await base.db.tx(scope, (tx) => appendAudit(tx, scope, new Date(BEGIN), { actor: 'system', action: 'thing.done', outcome: 'done' }))
  expect(await retain(30)).toBe(70)
  expect(await verdict()).toMatchObject({ ok: true, entries: 32 })
})

it('[audit.retention] a floor that was moved, made up or taken away shows, and so does what was taken behind it', async () => {
  await retain(30)
  const kept = (await owner.query('select * from audit_floors')).rows[0]
  const floor = (seq: number, text: string) => owner.query('update audit_floors set seq = $1, checkpoint = $2', [seq, text])
  const problems = async () => (await verdict()).problems.map((it) => it.problem).join('\n')

  await floor(80, kept.checkpoint)
  await owner.query('delete from secret_uses where seq <= 80; delete from audit_entries where seq <= 80')
  expect(await problems()).toMatch(/without a checkpoint that we have signed/)
  const last = (await owner.query("select encode(hash, 'hex') as hash from audit_entries where seq = 81")).rows[0].hash
  await floor(81, JSON.stringify({ ...JSON.parse(kept.checkpoint), seq: 81, hash: last }))
  await owner.query('delete from secret_uses where seq <= 81; delete from audit_entries where seq <= 81')
  expect(await problems()).toMatch(/without a checkpoint that we have signed/)
  await owner.query('delete from audit_floors')
  expect(await problems()).toMatch(/entries 1 to 81 are missing/)
  expect((await verdict(null)).ok).toBe(false)
})

it('[audit.retention] while the vault is sealed nothing goes', async () => {
  const shut = () => {
    throw new Error('sealed')
  }
  const sealed = { publicKey: shut, sign: shut }
  await expect(retainAudit({ db: base.db, signer: sealed, days: 30, now: NOW })).rejects.toThrow('sealed')
  expect(await count('audit_entries')).toBe(100)
  expect(await count('audit_floors')).toBe(0)
})

it('[audit.export] changes by the owner of the tables are in the export as they are, and found there', async () => {
  const whole = await base.db.tx(scope, (tx) => checkpoint(tx, signer, W, NOW))
  const changed = async (sql: string) => {
    await owner.query('begin; alter table audit_entries disable trigger user; alter table secret_uses disable trigger user')
    await owner.query(sql)
    await owner.query('alter table audit_entries enable trigger user; alter table secret_uses enable trigger user; commit')
    const found = await checked(await exported(), whole)
    expect(found.ok, sql).toBe(false)
    return found.problems.map((it) => it.problem).join('\n')
  }
  expect(await changed("update secret_uses set host = 'evil.example.com' where seq = 10 and n = 0")).toMatch(/uses of secrets/)
  expect(await changed("update audit_entries set entry = replace(entry, 'done', 'gone') where seq = 20")).toMatch(/was changed/)
  expect(await changed('delete from audit_entries where seq = 30')).toMatch(/entry 30 is missing/)
  expect(await changed('delete from audit_entries where seq > 95')).toMatch(/tail was cut/)
  // The head set back as well: what is left is whole by itself, and only the checkpoint from before knows better.
  const back = await changed(
    'update audit_heads h set seq = e.seq, hash = e.hash from audit_entries e where e.seq = 95 and e.workspace_id = h.workspace_id',
  )
  expect(back).toMatch(/it ends at 95 but the checkpoint from another day says 100/)
  expect(await changed('delete from audit_entries')).toMatch(/it ends at 0 but its checkpoint says 95/)
})
