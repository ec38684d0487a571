import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { MONGO_DATABASE, MONGO_PASSWORD, MONGO_USER, startTestMongo, type TestMongo } from '../../../test/fakes/mongo-server.ts'
import { Fault } from '../../base/errors.ts'
import type { Driver, Use } from './driver.ts'
import { createMongodb } from './mongodb.ts'
import type { MongoSession } from './mongodb-session.ts'

let server: TestMongo
let driver: Driver<MongoSession>
let asked: string[] = []

const deps = {
  address: async (host: string, port: number) => {
    asked.push(`${host}:${port}`)
    if (host.startsWith('blocked') || host === '10.0.0.5') throw new Fault('EGRESS_BLOCKED', 'this host may not be reached')
    return { address: '127.0.0.1', family: 4 } as const
  },
  srv: () => Promise.reject(new Fault('UPSTREAM_ERROR', 'no names here')),
  now: Date.now,
}

beforeAll(async () => {
  server = await startTestMongo()
  driver = createMongodb(deps)
})
afterEach(async () => {
  server.reset()
  asked = []
})
afterAll(async () => {
  await driver.close()
  await server.stop()
})

const LIMITS = { rows: 100, timeoutMs: 10_000 }
const session = (owner: string, over: { uri?: string; config?: Use['config']; signal?: AbortSignal; version?: number; database?: string } = {}) =>
  driver.session({
    owner,
    version: over.version ?? 1,
    credential: { secret: { uri: over.uri ?? server.uri() }, entered: { database: over.database ?? MONGO_DATABASE } },
    config: over.config ?? {},
    signal: over.signal ?? new AbortController().signal,
  })
const fault = async (call: Promise<unknown>): Promise<Fault> => {
  const error = await call.then(
    (value) => new Error('was answered: ' + JSON.stringify(value)),
    (e: unknown) => e,
  )
  if (error instanceof Fault) return error
  throw error
}
async function until(what: string, holds: () => boolean, withinMs = 2000) {
  for (const end = Date.now() + withinMs; Date.now() < end; ) {
    if (holds()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error(`not within ${withinMs} ms: ${what}`)
}

describe('documents', () => {
  it('go in and come out as Extended JSON', async () => {
    const db = session('types')
    const { inserted_id } = await db.insertOne(
      'item',
      `{"_id": {"$oid": "650000000000000000000001"}, "n": 1, "big": {"$numberLong": "9007199254740993"}, "price": {"$numberDecimal": "1.10"},
        "at": {"$date": "2024-02-29T10:00:00Z"}, "bytes": {"$binary": {"base64": "aGk=", "subType": "00"}}, "f": 1.5, "none": null,
        "list": [1, {"a": true}], "id": {"$uuid": "c0de0000-0000-4000-8000-000000000001"}}`,
      LIMITS,
    )
    expect(inserted_id).toEqual({ $oid: '650000000000000000000001' })
    const { documents, truncated } = await db.find('item', { filter: '{"_id": {"$oid": "650000000000000000000001"}}' }, LIMITS)
    expect(truncated).toBe(false)
    expect(documents).toEqual([
      {
        _id: { $oid: '650000000000000000000001' },
        n: 1,
        big: { $numberLong: '9007199254740993' },
        price: { $numberDecimal: '1.10' },
        at: { $date: '2024-02-29T10:00:00Z' },
        bytes: { $binary: { base64: 'aGk=', subType: '00' } },
        f: 1.5,
        none: null,
        list: [1, { a: true }],
        id: { $binary: { base64: 'wN4AAAAAQACAAAAAAAAAAQ==', subType: '04' } },
      },
    ])
  })

  it('are found, counted, changed and deleted', async () => {
    const db = session('crud')
    for (const n of [1, 2, 3, 4, 5]) await db.insertOne('item', JSON.stringify({ n, kind: n % 2 ? 'odd' : 'even' }), LIMITS)
    expect(await db.find('item', { filter: '{"kind":"odd"}', sort: '{"n":-1}', skip: 1, projection: '{"_id":0,"n":1}' }, LIMITS)).toEqual({
      documents: [{ n: 3 }, { n: 1 }],
      truncated: false,
    })
    expect((await db.findOne('item', { filter: '{"n":{"$gt":4}}' }, LIMITS)).document).toMatchObject({ n: 5 })
    expect(await db.findOne('item', { filter: '{"n":9}' }, LIMITS)).toEqual({ document: null, truncated: false })
    expect(await db.count('item', '{"kind":"even"}', LIMITS)).toEqual({ count: 2 })
    expect(await db.count('item', undefined, LIMITS)).toEqual({ count: 5 })
    expect(await db.count('nothing', undefined, LIMITS)).toEqual({ count: 0 })
    const pipeline = '[{"$group":{"_id":"$kind","sum":{"$sum":"$n"}}},{"$sort":{"_id":1}}]'
    expect((await db.aggregate('item', pipeline, LIMITS)).documents).toEqual([
      { _id: 'even', sum: 6 },
      { _id: 'odd', sum: 9 },
    ])
    expect(await db.updateOne('item', '{"n":1}', '{"$set":{"kind":"one"}}', false, LIMITS)).toEqual({
      matched_count: 1,
      modified_count: 1,
      upserted_id: null,
    })
    expect(await db.updateMany('item', '{"kind":"even"}', '[{"$set":{"kind":"EVEN"}}]', false, LIMITS)).toMatchObject({ modified_count: 2 })
    expect(await db.updateOne('item', '{"n":7}', '{"$set":{"kind":"new"}}', true, LIMITS)).toMatchObject({
      matched_count: 0,
      upserted_id: { $oid: expect.stringMatching(/^[0-9a-f]{24}$/) },
    })
    expect(await db.deleteOne('item', '{"kind":"EVEN"}', LIMITS)).toEqual({ deleted_count: 1 })
    expect(await db.deleteMany('item', '{"kind":{"$in":["odd","EVEN"]}}', LIMITS)).toEqual({ deleted_count: 3 })
    expect(server.documents('item').map((one) => one.kind)).toEqual(['one', 'new'])
  })
})
