import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import type { Fault } from '../base/errors.ts'
import { newKeyring } from './keyring.ts'
import { rewrap } from './rewrap.ts'
import { createRoom } from './room.ts'
import { newRootKeyText, openRootKey } from './root.ts'
import { createSealed } from './sealed.ts'
import { conceal, type Secret } from './secret.ts'

type Database = Awaited<ReturnType<typeof testDatabase>>
let base: Database
let clock = 1_800_000_000_000
const now = () => clock
const root = newRootKeyText()
const openRoot = () => openRootKey({ source: { kind: 'value', name: 'the environment', value: conceal(root) }, create: false })
const A = { workspace: 'ws_a', project: 'prj_a', owner: 'conn_a', version: 1 }

async function open(): Promise<{ room: ReturnType<typeof createRoom>; sealed: ReturnType<typeof createSealed> }> {
  const room = createRoom({ db: base.db, openRoot })
  expect((await room.unlock()).state).toBe('open')
  return { room, sealed: createSealed({ db: base.db, room, now }) }
}
let one: Awaited<ReturnType<typeof open>>
const secrets = (fields: Record<string, string>): Record<string, Secret> =>
  Object.fromEntries(Object.entries(fields).map(([k, v]) => [k, conceal(v)]))
const put = (at: typeof A, fields: Record<string, string>, parts?: Record<string, Secret[]>, sealed = one.sealed) =>
  base.db.tx(at, (tx) => sealed.put(tx, at, secrets(fields), parts))
/** As the database's owner: what an attacker, a disk or a restore might do. */
async function meddle(text: string, values: unknown[] = []): Promise<unknown[]> {
  return base.db.everyTenant('test', (tx) => tx.all({ compile: () => ({ sql: text, parameters: values }) as never }))
}
const fault = async (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable('it should have failed'),
    (e: Fault) => e,
  ) as Promise<Fault>

beforeAll(async () => {
  base = await testDatabase()
  for (const x of ['a', 'b']) {
    await meddle('insert into workspaces (workspace_id, slug, name) values ($1, $1, $1)', [`ws_${x}`])
    await meddle('insert into projects (id, workspace_id, slug, name) values ($1, $2, $1, $1)', [`prj_${x}`, `ws_${x}`])
  }
  one = await open()
})
afterAll(async () => {
  one.sealed.close()
  await base.drop()
})

describe('a secret', () => {
  it('[vault.sealed-at-rest] lies sealed in the table and comes out for its place alone', async () => {
    const facts = await put(A, { api_key: 're_canary_1234567890', note: 'kurz' })
    expect(facts.map(({ field, version, length, lastFour, state }) => ({ field, version, length, lastFour, state }))).toEqual([
      { field: 'api_key', version: 1, length: 20, lastFour: '7890', state: 'live' },
      { field: 'note', version: 1, length: 4, lastFour: null, state: 'live' },
    ])
    expect(await one.sealed.read(A)).toEqual({ api_key: 're_canary_1234567890', note: 'kurz' })
    for (const wrong of [{ workspace: 'ws_b' }, { project: 'prj_b' }, { owner: 'conn_b' }, { version: 2 }, { project: null }])
      expect((await fault(one.sealed.read({ ...A, ...wrong }))).code).toBe('NOT_FOUND')
    const dump = JSON.stringify(await meddle(`select s::text, encode(bytes, 'escape') from sealed s`))
    expect(dump).toContain('conn_a')
    expect(dump).not.toMatch(/canary|kurz/)
  })

  it('shows four characters only of 20 and more, and only plain ones', async () => {
    const at = { ...A, owner: 'conn_tails' }
    const facts = await put(at, {
      a: 'x'.repeat(15) + 'abcd',
      b: 'x'.repeat(16) + 'abcd',
      c: 'x'.repeat(30) + '\nab',
      d: 'x'.repeat(30) + '😀',
    })
    expect(facts.map((f) => f.lastFour)).toEqual([null, 'abcd', null, null])
    expect((await one.sealed.read(at)).d).toBe('x'.repeat(30) + '😀')
    expect((await fault(put({ ...at, version: 2 }, { a: '\ud800 half a character' }))).code).toBe('CREDENTIAL_MALFORMED')
  })

  it('has a fingerprint that tells "the same again", per workspace', async () => {
    const [a] = await put({ ...A, owner: 'conn_fp' }, { api_key: 'the very same' })
    const [b] = await put({ workspace: 'ws_b', project: 'prj_b', owner: 'conn_fp_b', version: 1 }, { api_key: 'the very same' })
    expect(a?.fingerprint).toBe(one.sealed.fingerprintOf('ws_a', conceal('the very same')))
    expect(a?.fingerprint).toMatch(/^[0-9a-f]{12}$/)
    expect(b?.fingerprint).not.toBe(a?.fingerprint)
  })

  it('is written or not with the transaction around it, and versions stand side by side', async () => {
    const at = { ...A, owner: 'conn_tx' }
    const rolledBack = base.db.tx(at, async (tx) => {
      await one.sealed.put(tx, at, secrets({ k: 'one' }))
      throw new Error('never mind')
    })
    await expect(rolledBack).rejects.toThrow('never mind')
    expect((await fault(one.sealed.read(at))).code).toBe('NOT_FOUND')
    await put(at, { k: 'one' })
    await put({ ...at, version: 2 }, { k: 'two' })
    expect([await one.sealed.read(at), await one.sealed.read({ ...at, version: 2 })]).toEqual([{ k: 'one' }, { k: 'two' }])
    expect(await base.db.tx(at, (tx) => one.sealed.readIn(tx, at))).toEqual({ k: 'one' })
    expect(await base.db.tx(at, (tx) => one.sealed.fieldNames(tx, [{ owner: 'conn_tx', version: 2 }]))).toEqual([
      { owner: 'conn_tx', field: 'k' },
    ])
    await expect(put(at, { k: 'again' })).rejects.toThrow('duplicate key')
    await base.db.tx(at, (tx) => one.sealed.drop(tx, 'conn_tx', 1))
    expect((await fault(one.sealed.read(at))).code).toBe('NOT_FOUND')
    expect(await one.sealed.read({ ...at, version: 2 })).toEqual({ k: 'two' })
    expect(await base.db.tx(at, (tx) => one.sealed.facts(tx, 'conn_tx', 1))).toEqual([])
  })

  it('may belong to the workspace and to no project', async () => {
    const at = { workspace: 'ws_a', project: null, owner: 'app_1', version: 1 }
    await base.db.tx({ workspace: 'ws_a', project: '*' }, (tx) => one.sealed.put(tx, at, secrets({ client_secret: 'for everybody' })))
    expect(await one.sealed.read(at)).toEqual({ client_secret: 'for everybody' })
  })

  it('[vault.tenant-wall] row-level security shows another tenant nothing, even without a where', async () => {
    const count = (scope: { workspace: string; project: string }) =>
      base.db.tx(scope, (tx) =>
        tx.all<{ owner_id: string }>({ compile: () => ({ sql: 'select owner_id from sealed', parameters: [] }) as never }),
      )
    expect((await count({ workspace: 'ws_b', project: 'prj_b' })).map((r) => r.owner_id)).toEqual(['conn_fp_b'])
    await expect(
      base.db.tx({ workspace: 'ws_b', project: 'prj_b' }, (tx) => one.sealed.put(tx, { ...A, owner: 'x' }, secrets({ a: 'b' }))),
    ).rejects.toThrow('row-level security')
  })
})

describe('what is opened', () => {
  it('[vault.cache-short] is remembered for less than a minute, and not after forget', async () => {
    const at = { ...A, owner: 'conn_cache' }
    await put(at, { k: 'remembered' })
    await one.sealed.read(at)
    await meddle(`delete from sealed where owner_id = 'conn_cache'`)
    expect(await one.sealed.read(at)).toEqual({ k: 'remembered' })
    clock += 59_999
    expect((await fault(one.sealed.read(at))).code).toBe('NOT_FOUND')
    await put(at, { k: 'remembered' })
    await one.sealed.read(at)
    one.sealed.forget(at.owner)
    expect(await one.sealed.read(at)).toEqual({ k: 'remembered' })
    await meddle(`delete from sealed where owner_id = 'conn_cache'`)
    expect((await fault(one.sealed.read(at))).code).toBe('NOT_FOUND')
  })

  it('[vault.cache-short] is at hand of the version that took the place of another, and of no version that is gone', async () => {
    const [v1, v2] = [1, 2].map((version) => ({ ...A, owner: 'conn_next', version })) as [typeof A, typeof A]
    await put(v1, { k: 'first', answer: 'which brought it' })
    await base.db.tx(A, (tx) => one.sealed.warm(tx, v1))
    expect(one.sealed.atHand(v1)).toEqual({ k: 'first', answer: 'which brought it' })
    await base.db.tx(A, async (tx) => {
      await one.sealed.put(tx, v2, secrets({ k: 'second', answer: 'which brought it' }))
      expect(await one.sealed.dropBehind(tx, v1, 'answer')).toBe(3)
      expect(one.sealed.atHand(v2)).toBeNull()
    })
    expect(one.sealed.atHand(v1)).toBeNull()
    one.sealed.remember(v1, secrets({ k: 'first' }))
    one.sealed.remember(v2, secrets({ k: 'second' }))
    expect([one.sealed.atHand(v1), one.sealed.atHand(v2)]).toEqual([null, { k: 'second' }])
    expect(await meddle(`select version, field from sealed where owner_id = 'conn_next'`)).toEqual([{ version: 2, field: 'k' }])
    await base.db.tx(A, (tx) => one.sealed.drop(tx, 'conn_next'))
    await base.db.tx(A, (tx) => one.sealed.warm(tx, v2))
    one.sealed.remember(v2, secrets({ k: 'second' }))
    expect(one.sealed.atHand(v2)).toBeNull()
  })

  it('is remembered of a bounded number of secrets', async () => {
    for (const owner of ['conn_first', 'conn_last']) await put({ ...A, owner }, { k: owner })
    await one.sealed.read({ ...A, owner: 'conn_first' })
    await base.db.tx(A, async (tx) => {
      for (let i = 0; i < 1000; i++) await one.sealed.put(tx, { ...A, owner: `conn_bound_${i}` }, secrets({ k: `${i}` }))
    })
    for (let i = 0; i < 1000; i++) await one.sealed.read({ ...A, owner: `conn_bound_${i}` })
    await one.sealed.read({ ...A, owner: 'conn_last' })
    await meddle(`delete from sealed where owner_id in ('conn_first', 'conn_last')`)
    expect((await fault(one.sealed.read({ ...A, owner: 'conn_first' }))).code).toBe('NOT_FOUND')
    expect(await one.sealed.read({ ...A, owner: 'conn_last' })).toEqual({ k: 'conn_last' })
  })
})

describe('damage', () => {
  const flip = (owner: string, byte: number) =>
    meddle(`update sealed set bytes = set_byte(bytes, ${byte}, get_byte(bytes, ${byte}) # 1) where owner_id = $1`, [owner])

  it('[vault.damage-contained] to one row is that row’s alone: flagged, named, and healed when the row is brought back', async () => {
    const [bad, good] = [
      { ...A, owner: 'conn_bad' },
      { ...A, owner: 'conn_good' },
    ]
    for (const at of [bad, good]) await put(at, { api_key: 'a value that is not shown', other: 'fine' })
    await meddle(`update sealed set bytes = set_byte(bytes, 80, get_byte(bytes, 80) # 1) where owner_id = 'conn_bad' and field = 'api_key'`)
    const error = await fault(one.sealed.read(bad))
    expect(error).toMatchObject({ code: 'UNDECRYPTABLE', details: { owner: 'conn_bad', fields: ['api_key'], version: 1 } })
    expect(error.message).toBe('the stored api_key of conn_bad cannot be decrypted')
    const states = async (at: typeof A) => (await base.db.tx(at, (tx) => one.sealed.facts(tx, at.owner, 1))).map((f) => f.state)
    expect(await states(bad)).toEqual(['undecryptable', 'live'])
    expect(await one.sealed.read(good)).toMatchObject({ other: 'fine' })
    await meddle(`update sealed set bytes = set_byte(bytes, 80, get_byte(bytes, 80) # 1) where owner_id = 'conn_bad' and field = 'api_key'`)
    expect(await one.sealed.read(bad)).toMatchObject({ other: 'fine' })
    expect(await states(bad)).toEqual(['live', 'live'])
  })

  it('[vault.damage-contained] of every kind is refused: any byte, cut short, emptied, moved, swapped', async () => {
    const at = { ...A, owner: 'conn_kinds' }
    await put(at, { a: 'first value', b: 'other value' })
    const [{ bytes }] = (await meddle(`select bytes from sealed where owner_id = 'conn_kinds' and field = 'a'`)) as [{ bytes: Buffer }]
    const kinds = [
      'substring(bytes from 1 for 50)',
      "''::bytea",
      'substring(bytes from 1 for length(bytes) - 4)',
      "bytes || '\\x00'::bytea",
    ]
    kinds.push(...[0, 1, 4, 5, 20, 60, 70, 90].map((n) => `set_byte(bytes, ${n}, get_byte(bytes, ${n}) # 128)`))
    kinds.push(`(select bytes from sealed where owner_id = 'conn_kinds' and field = 'b')`)
    for (const kind of kinds) {
      await meddle(`update sealed set bytes = ${kind} where owner_id = 'conn_kinds' and field = 'a'`)
      expect((await fault(one.sealed.read(at))).code, kind).toBe('UNDECRYPTABLE')
      await meddle(`update sealed set bytes = $1 where owner_id = 'conn_kinds' and field = 'a'`, [bytes])
    }
    await flip('conn_kinds', 12)
    await flip('conn_kinds', 12)
    expect(await one.sealed.read(at)).toEqual({ a: 'first value', b: 'other value' })
    one.sealed.forget(at.owner)
    await meddle(`update sealed set owner_id = 'conn_elsewhere' where owner_id = 'conn_kinds'`)
    expect((await fault(one.sealed.read({ ...at, owner: 'conn_elsewhere' }))).code).toBe('UNDECRYPTABLE')
  })
})

describe('several processes', () => {
  it('a secret sealed under a key that this process has not yet is opened all the same, and sealing uses the newest', async () => {
    const two = await open()
    const { active } = await two.room.rotate()
    await put({ ...A, owner: 'conn_two' }, { k: 'from the second' }, {}, two.sealed)
    expect(one.room.ring().active).toBe(active - 1)
    expect(await one.sealed.read({ ...A, owner: 'conn_two' })).toEqual({ k: 'from the second' })
    expect(one.room.ring().active).toBe(active)
    await two.room.rotate()
    await put({ ...A, owner: 'conn_three' }, { k: 'from the first' })
    expect(one.room.ring().active).toBe(active + 1)
    expect(await two.sealed.read({ ...A, owner: 'conn_three' })).toEqual({ k: 'from the first' })
    two.sealed.close()
  })

  it('[vault.key-in-use] a key that a row has just come to use is not retired, and no row can be written under a retired one', async () => {
    const before = one.room.ring().active
    const slow = Promise.withResolvers<void>()
    const sealing = Promise.withResolvers<void>()
    const writing = base.db.tx(A, async (tx) => {
      await one.sealed.put(tx, { ...A, owner: 'conn_slow' }, secrets({ k: 'slow' }))
      sealing.resolve()
      await slow.promise
    })
    await sealing.promise
    const two = await open()
    await two.room.rotate()
    const moving = rewrap({ db: base.db, room: two.room })
    await expect.poll(() => meddle(`select 1 from pg_locks where not granted and locktype in ('transactionid', 'tuple')`)).toHaveLength(1)
    slow.resolve()
    await writing
    expect((await moving).retired).not.toContain(before)
    expect((await rewrap({ db: base.db, room: two.room })).retired).toContain(before)
    expect(await two.sealed.read({ ...A, owner: 'conn_slow' })).toEqual({ k: 'slow' })
    await expect(meddle(`update sealed set key_no = ${before} where owner_id = 'conn_slow'`)).rejects.toThrow('foreign key')
    two.sealed.close()
  })
})

describe('the graph scanner', () => {
  it('[graph.no-secret] finds what the workspace has stored, the password in a DSN too, and nothing of another workspace', async () => {
    const dsn = 'postgresql://app:p%40ssw0rd-long@db/x'
    await put({ ...A, owner: 'conn_dsn' }, { dsn }, { dsn: [conceal('p%40ssw0rd-long'), conceal('p@ssw0rd-long')] })
    const ours = await one.sealed.fingerprints('ws_a')
    for (const text of [`x ${dsn} y`, 'password=p%40ssw0rd-long', 'password=p@ssw0rd-long'])
      expect(ours.contains(text)).toEqual({ owner: 'conn_dsn', field: 'dsn' })
    expect(ours.contains('an honest step with postgresql in it')).toBeNull()
    expect((await one.sealed.fingerprints('ws_b')).contains(dsn)).toBeNull()
  })
})

describe('another ring', () => {
  it('opens nothing', async () => {
    const at = { ...A, owner: 'conn_other' }
    await put(at, { k: 'ours' })
    const stranger = createSealed({ db: base.db, room: { ...one.room, ring: newKeyring, reload: async () => newKeyring() }, now })
    expect((await fault(stranger.read(at))).code).toBe('UNDECRYPTABLE')
    stranger.close()
    expect(await one.sealed.read(at)).toEqual({ k: 'ours' })
  })
})
