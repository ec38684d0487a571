import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { rewrap } from './rewrap.ts'
import { createRoom, type Room } from './room.ts'
import { newRootKeyText, openRootKey } from './root.ts'
import { createSealed } from './sealed.ts'
import { conceal } from './secret.ts'

let base: Awaited<ReturnType<typeof testDatabase>>
let room: Room
let sealed: ReturnType<typeof createSealed>
const root = newRootKeyText()
const at = (i: number | string) => ({ workspace: 'ws_a', project: null, owner: `conn_${i}`, version: 1 })
const sql = (text: string) =>
  base.db.everyTenant('test', (tx) => tx.all<Record<string, unknown>>({ compile: () => ({ sql: text, parameters: [] }) as never }))
const newRoom = async () => {
  const r = createRoom({
    db: base.db,
    openRoot: () => openRootKey({ source: { kind: 'value', name: 'the environment', value: conceal(root) }, create: false }),
  })
  expect((await r.unlock()).state).toBe('open')
  return r
}
const fill = (n: number, from = 0) =>
  base.db.tx({ workspace: 'ws_a', project: '*' }, async (tx) => {
    for (let i = from; i < from + n; i++) await sealed.put(tx, at(i), { api_key: conceal(`secret number ${i} of many`) })
  })
const byKey = async () =>
  Object.fromEntries((await sql('select key_no, count(*) n from sealed group by 1 order by 1')).map((r) => [r.key_no, r.n]))

beforeAll(async () => {
  base = await testDatabase()
  await sql(`insert into workspaces (workspace_id, slug, name) values ('ws_a', 'a', 'a')`)
})
beforeEach(async () => {
  await sql('delete from sealed')
  sealed?.close()
  room = await newRoom()
  sealed = createSealed({ db: base.db, room, now: Date.now })
})
afterAll(async () => {
  sealed.close()
  await base.drop()
})

describe('a re-wrap', () => {
  it('[vault.rewrap] moves every row, destroys the old keys, and has nothing to do the second time', async () => {
    await fill(1200)
    const old = room.ring().active
    const contents = `select md5(string_agg(encode(substring(bytes from 66), 'hex'), '' order by id)) m from sealed`
    const before = await sql(contents)
    const { active } = await room.rotate()
    const seen: number[] = []
    const result = await rewrap({ db: base.db, room }, { progress: (p) => seen.push(p.done) })
    expect(result).toMatchObject({ done: 1200, total: 1200, undecryptable: 0, finished: true })
    expect(result.retired).toContain(old)
    expect(seen).toEqual([0, 500, 1000, 1200])
    expect(await byKey()).toEqual({ [active]: 1200 })
    expect(await sql(contents)).toEqual(before)
    expect(await sql(`select wrapped, usable_no, retired_at is not null r from vault_keys where key_no = ${old}`)).toEqual([
      { wrapped: null, usable_no: null, r: true },
    ])
    expect([...room.ring().keys.keys()]).toEqual([active])
    expect(await rewrap({ db: base.db, room })).toEqual({ done: 0, total: 0, undecryptable: 0, finished: true, retired: [] })
    expect((await room.status()).keys.at(-1)).toMatchObject({ no: active, rows: 1200, wraps: 1200 })
    for (const i of [0, 599, 1199]) expect(await sealed.read(at(i))).toEqual({ api_key: `secret number ${i} of many` })
  })

  it('[vault.rewrap-resumes] killed after a batch, it leaves every row readable and is finished by the next', async () => {
    await fill(1100)
    await room.rotate()
    const points: string[] = []
    const fault = (point: string) => {
      points.push(point)
      throw new Error('killed')
    }
    await expect(rewrap({ db: base.db, room, fault })).rejects.toThrow('killed')
    expect(points).toEqual(['vault.rewrap.after_batch'])
    expect(Object.values(await byKey())).toEqual([600, 500])
    const after = await newRoom()
    const reader = createSealed({ db: base.db, room: after, now: Date.now })
    for (const i of [0, 499, 500, 1099]) expect(await reader.read(at(i))).toEqual({ api_key: `secret number ${i} of many` })
    expect(await rewrap({ db: base.db, room: after })).toMatchObject({ done: 600, total: 600, finished: true })
    expect(await byKey()).toEqual({ [after.ring().active]: 1100 })
    reader.close()
  })

  it('can be stopped between batches', async () => {
    await fill(1100)
    await room.rotate()
    const stop = new AbortController()
    const result = await rewrap({ db: base.db, room }, { signal: stop.signal, progress: (p) => p.done >= 500 && stop.abort() })
    expect(result).toMatchObject({ done: 500, total: 1100, finished: false, retired: [] })
    expect(await rewrap({ db: base.db, room })).toMatchObject({ done: 600, finished: true })
  })

  it('[vault.rewrap] passes over a row that cannot be unwrapped, flags it, and keeps the key that it names', async () => {
    await fill(20)
    const old = room.ring().active
    await sql(`update sealed set bytes = set_byte(bytes, 20, get_byte(bytes, 20) # 1) where owner_id = 'conn_7'`)
    await room.rotate()
    const result = await rewrap({ db: base.db, room })
    expect(result).toMatchObject({ done: 19, undecryptable: 1, finished: true })
    expect(result.retired).not.toContain(old)
    expect(await sql(`select owner_id, key_no from sealed where state = 'undecryptable'`)).toEqual([{ owner_id: 'conn_7', key_no: old }])
    await sql(`update sealed set bytes = set_byte(bytes, 20, get_byte(bytes, 20) # 1) where owner_id = 'conn_7'`)
    expect((await rewrap({ db: base.db, room })).retired).toContain(old)
    expect(await sealed.read(at(7))).toEqual({ api_key: 'secret number 7 of many' })
  })

  it('[vault.rewrap-online] runs twice at once, under reads, writes and deletions by others, and no read fails', async () => {
    await fill(3000)
    const other = await newRoom()
    const theirs = createSealed({ db: base.db, room: other, now: Date.now })
    await room.rotate()
    const done = new AbortController()
    let reads = 0
    const load = async (lane: number) => {
      for (let i = lane; !done.signal.aborted || i < 40; i += 2) {
        const n = (i * 7919) % 2900
        theirs.forget(`conn_${n}`)
        expect(await theirs.read(at(n))).toEqual({ api_key: `secret number ${n} of many` })
        const owner = `new_${i}`
        await base.db.tx({ workspace: 'ws_a', project: '*' }, (tx) => theirs.put(tx, at(owner), { api_key: conceal(owner) }))
        expect(await theirs.read(at(owner))).toEqual({ api_key: owner })
        if (i < 100) await base.db.tx({ workspace: 'ws_a', project: '*' }, (tx) => theirs.drop(tx, `conn_${2900 + i}`))
        reads += 2
      }
    }
    const lanes = Promise.all([load(0), load(1)])
    const both = await Promise.all([rewrap({ db: base.db, room }), rewrap({ db: base.db, room: other })])
    done.abort()
    await lanes
    await rewrap({ db: base.db, room })
    expect(reads).toBeGreaterThan(50)
    expect(both.every((r) => r.finished && r.undecryptable === 0)).toBe(true)
    expect(Object.keys(await byKey())).toEqual([String(room.ring().active)])
    theirs.close()
  })

  it('stops when the vault is sealed', async () => {
    await fill(1100)
    await room.rotate()
    const ring = room.ring
    let batches = 0
    const sealing: Room = {
      ...room,
      ring: () => (batches > 0 ? createRoom({ db: base.db, openRoot: () => Promise.reject(new Error('no')) }).ring() : ring()),
    }
    await expect(rewrap({ db: base.db, room: sealing }, { progress: (p) => (batches = p.done) })).rejects.toMatchObject({
      code: 'VAULT_SEALED',
    })
    expect(Object.values(await byKey())).toEqual([600, 500])
  })

  it('moves ten thousand secrets in one go', async () => {
    await fill(10_000)
    await room.rotate()
    expect(await rewrap({ db: base.db, room })).toMatchObject({ done: 10_000, finished: true })
  }, 300_000) // how fast is a figure of the bench
})
