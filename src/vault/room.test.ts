import { chmodSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { createRoom, ROTATE_AT_WRAPS, type Room } from './room.ts'
import { newRootKeyText, openRootKey, type RootKeySource, sealedBecause } from './root.ts'
import { createSealed } from './sealed.ts'
import { conceal } from './secret.ts'

type Database = Awaited<ReturnType<typeof testDatabase>>
const databases: Database[] = []
const dir = mkdtempSync(join(tmpdir(), 'room-'))
let base: Database
let source: { kind: 'file'; path: string }
const A = { workspace: 'ws_a', project: null, owner: 'conn_a', version: 1 }

beforeEach(async () => {
  base = await testDatabase()
  databases.push(base)
  source = { kind: 'file', path: join(dir, `root-${databases.length}.key`) }
  await sql(`insert into workspaces (workspace_id, slug, name) values ('ws_a', 'a', 'a')`)
})
afterAll(async () => {
  for (const d of databases) await d.drop()
  rmSync(dir, { recursive: true })
})

const sql = (text: string) =>
  base.db.everyTenant('test', (tx) => tx.all<Record<string, unknown>>({ compile: () => ({ sql: text, parameters: [] }) as never }))
const room = (from: RootKeySource = source, fault?: (point: string) => void) =>
  createRoom({ db: base.db, openRoot: (create) => openRootKey({ source: from, create }), ...(fault ? { fault } : {}) })
async function unlocked(from?: RootKeySource): Promise<Room> {
  const r = room(from)
  expect(await r.unlock()).toMatchObject({ state: 'open' })
  return r
}
const everything = async () =>
  JSON.stringify([
    await sql(`select key_no, encode(wrapped, 'hex') w from vault_keys order by 1`),
    await sql(`select root_key_id, encode(sealed, 'hex') s from vault_sentinel order by 1`),
    await sql(`select id, encode(bytes, 'hex') b, state from sealed order by 1`),
  ])
async function store(r: Room, owner = 'conn_a'): Promise<void> {
  const sealed = createSealed({ db: base.db, room: r, now: Date.now })
  await base.db.tx({ workspace: 'ws_a', project: '*' }, (tx) => sealed.put(tx, { ...A, owner }, { k: conceal('kept') }))
  sealed.close()
}

describe('a new installation', () => {
  it('gets its root key, its first ring key, its fingerprint key and its sentinel', async () => {
    const r = room()
    expect(r.state()).toMatchObject({ state: 'sealed', reason: 'locked' })
    expect(() => r.ring()).toThrow('has not been unlocked')
    const state = await r.unlock()
    expect(state).toMatchObject({ state: 'open', warning: null })
    expect(r.ring().active).toBe(1)
    expect(await sql('select key_no, purpose, usable_no from vault_keys order by 1')).toEqual([
      { key_no: 0, purpose: 'fingerprint', usable_no: null },
      { key_no: 1, purpose: 'data', usable_no: 1 },
    ])
    expect(await sql('select root_key_id from vault_sentinel')).toEqual([{ root_key_id: state.keyId }])
    expect((await unlocked()).ring()).toEqual(r.ring())
  })

  it('is founded once by processes that start together', async () => {
    const rooms = await Promise.all(Array.from({ length: 5 }, () => unlocked()))
    for (const r of rooms) expect(r.ring()).toEqual(rooms[0]!.ring())
    expect(await sql('select count(*) n from vault_keys')).toEqual([{ n: 2 }])
  })

  it('[vault.no-new-key] with another root key on the second machine: one founds it, the other stays sealed', async () => {
    const other = { kind: 'file' as const, path: join(dir, `elsewhere-${databases.length}.key`) }
    const both = [room(), room(other)]
    const states = await Promise.all(both.map((r) => r.unlock()))
    expect(states.map((s) => s.state).sort()).toEqual(['open', 'sealed'])
    expect(states.find((s) => s.state === 'sealed')).toMatchObject({
      // Whoever looks after the other has founded it finds that it may make no key at all.
      reason: expect.stringMatching(/^(wrong|missing)$/),
      expectedKeyIds: [states.find((s) => s.state === 'open')!.keyId],
    })
  })
})

describe('the vault stays sealed, writes nothing and invents no key', () => {
  const away = () => source.path + '.away'
  const cases: [string, string, () => void, () => void][] = [
    ['missing', 'is gone', () => renameSync(source.path, away()), () => renameSync(away(), source.path)],
    ['exposed', 'may be read by others', () => chmodSync(source.path, 0o644), () => chmodSync(source.path, 0o600)],
    [
      'wrong',
      'is another one',
      () => {
        renameSync(source.path, away())
        writeFileSync(source.path, newRootKeyText(), { mode: 0o600 })
      },
      () => renameSync(away(), source.path),
    ],
    [
      'damaged',
      'is damaged',
      () => {
        renameSync(source.path, away())
        writeFileSync(source.path, newRootKeyText().slice(0, -3), { mode: 0o600 })
      },
      () => renameSync(away(), source.path),
    ],
  ]
  it.each(cases)(
    '[vault.sealed-safe] %s: when its root key %s; and opens without a restart when it is back',
    async (reason, _, hurt, heal) => {
      const running = await unlocked()
      await store(running)
      const keyId = running.state().keyId
      const before = await everything()
      hurt()
      const starting = room()
      expect(await starting.unlock()).toMatchObject({ state: 'sealed', reason, expectedKeyIds: [keyId] })
      expect(await starting.check()).toMatchObject({ state: 'sealed', reason })
      expect(await running.check()).toMatchObject({ state: 'sealed', reason, expectedKeyIds: [keyId] })
      for (const r of [starting, running]) {
        expect(() => r.ring()).toThrow(expect.objectContaining({ code: 'VAULT_SEALED' }))
        await expect(r.rotate()).rejects.toMatchObject({ code: 'VAULT_SEALED' })
        await expect(r.status()).rejects.toMatchObject({ code: 'VAULT_SEALED' })
        await expect(store(r, 'conn_b')).rejects.toMatchObject({ code: 'VAULT_SEALED', details: { expected_key_ids: [keyId] } })
      }
      expect(existsSync(source.path)).toBe(reason !== 'missing')
      expect(await everything()).toBe(before)
      heal()
      for (const r of [starting, running]) {
        expect(await r.check()).toMatchObject({ state: 'open', keyId })
        const sealed = createSealed({ db: base.db, room: r, now: Date.now })
        expect(await sealed.read(A)).toEqual({ k: 'kept' })
        sealed.close()
      }
    },
  )

  it.each([
    ['a ring key', 'update vault_keys set wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1) where key_no = 1'],
    ['the fingerprint key', 'update vault_keys set wrapped = substring(wrapped from 1 for 30) where key_no = 0'],
    ['the fingerprint key’s row', 'delete from vault_keys where key_no = 0'],
    ['the sentinel', 'update vault_sentinel set sealed = set_byte(sealed, 15, get_byte(sealed, 15) # 1)'],
    ['the sentinel’s row', 'delete from vault_sentinel'],
    ['the order of two keys', 'update vault_keys k set wrapped = o.wrapped from vault_keys o where k.key_no + o.key_no = 1'],
  ])('[vault.sealed-safe] damaged: when the database has lost %s', async (_, damage) => {
    await store(await unlocked())
    await sql(damage)
    const before = await everything()
    expect(await room().unlock()).toMatchObject({ state: 'sealed', reason: 'damaged' })
    expect(await everything()).toBe(before)
  })

  it('[vault.no-new-key] missing, then damaged: while rows are sealed it is no new installation, whatever else is lost', async () => {
    await store(await unlocked())
    await expect(sql('delete from vault_keys')).rejects.toThrow('foreign key')
    await sql('delete from vault_keys where key_no = 0')
    await sql('delete from vault_sentinel')
    renameSync(source.path, away())
    expect(await room().unlock()).toMatchObject({ state: 'sealed', reason: 'missing' })
    expect(existsSync(source.path)).toBe(false)
    renameSync(away(), source.path)
    expect(await room().unlock()).toMatchObject({ state: 'sealed', reason: 'damaged' })
    expect(await sql('select key_no from vault_keys')).toEqual([{ key_no: 1 }])
  })

  it('unreachable: when the source fails in a way of its own, and its words are not repeated', async () => {
    const service = { broken: true as boolean }
    const r = createRoom({
      db: base.db,
      openRoot: async (create) => {
        if (service.broken) throw new Error('canary from a key service')
        return openRootKey({ source, create })
      },
    })
    const state = await r.unlock()
    expect(state).toMatchObject({ state: 'sealed', reason: 'unreachable' })
    expect(JSON.stringify(state)).not.toContain('canary')
    service.broken = false
    expect(await r.unlock()).toMatchObject({ state: 'open' })
  })

  it('a reload that the root key service does not survive flags nothing and keeps the ring', async () => {
    const two = await unlocked()
    const service = { down: false as boolean }
    const r = createRoom({
      db: base.db,
      openRoot: async (create) => {
        const { root } = await openRootKey({ source, create })
        const unwrap: typeof root.unwrap = async (...a) =>
          service.down ? Promise.reject(sealedBecause('unreachable', 'no answer')) : root.unwrap(...a)
        return { root: { ...root, unwrap }, warning: null }
      },
    })
    await r.unlock()
    await two.rotate()
    await store(two)
    service.down = true
    const sealed = createSealed({ db: base.db, room: r, now: Date.now })
    await expect(sealed.read(A)).rejects.toMatchObject({ code: 'VAULT_SEALED', details: { reason: 'unreachable' } })
    expect(await sql('select state from sealed')).toEqual([{ state: 'live' }])
    expect(r.ring().active).toBe(1)
    service.down = false
    expect(await sealed.read(A)).toEqual({ k: 'kept' })
    sealed.close()
  })
})

describe('a rotation', () => {
  it('[vault.rotate-safe] saves the new key before anything is sealed with it', async () => {
    const points: string[] = []
    const dying = room(source, (point) => {
      points.push(point)
      throw new Error('killed')
    })
    await dying.unlock()
    await expect(dying.rotate()).rejects.toThrow('killed')
    expect(points).toEqual(['vault.rotate.before_use'])
    expect(await sql('select key_no from vault_keys where usable_no is not null order by 1')).toEqual([{ key_no: 1 }, { key_no: 2 }])
    expect((await unlocked()).ring().active).toBe(2)
    await store(dying) // and one that lived on seals with the saved key
    expect(await sql('select key_no from sealed')).toEqual([{ key_no: 2 }])
  })

  it('[vault.rotate-safe] by two at the same moment makes whole keys with numbers of their own', async () => {
    const rooms = await Promise.all([unlocked(), unlocked(), unlocked()])
    const done = await Promise.allSettled(rooms.map((r) => r.rotate()))
    const made = done.flatMap((d) => (d.status === 'fulfilled' ? [d.value.active] : []))
    for (const d of done) if (d.status === 'rejected') expect(d.reason).toMatchObject({ code: 'CONFLICT' })
    expect(new Set(made).size).toBe(made.length)
    expect((await unlocked()).ring().active).toBe(1 + made.length)
  })

  it('is advised long before a key wears out', async () => {
    const r = await unlocked()
    await store(r)
    expect(await r.status()).toMatchObject({
      active: 1,
      toRewrap: 0,
      rotateNow: false,
      keys: [{ no: 1, rows: 1, wraps: 1, retiredAt: null }],
    })
    await sql(`update vault_keys set wraps = ${ROTATE_AT_WRAPS} where key_no = 1`)
    expect((await r.status()).rotateNow).toBe(true)
    await r.rotate()
    expect(await r.status()).toMatchObject({ active: 2, toRewrap: 1, rotateNow: false })
  })
})
