import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { databaseContext } from '../../../test/fakes/context.ts'
import { MONGO_DATABASE, MONGO_PASSWORD, startTestMongo, type TestMongo } from '../../../test/fakes/mongo-server.ts'
import type { Fault } from '../../base/errors.ts'
import type { Driver } from '../../vault/drivers/driver.ts'
import { createMongodb } from '../../vault/drivers/mongodb.ts'
import type { MongoSession } from '../../vault/drivers/mongodb-session.ts'
import type { ToolContext } from '../contract.ts'
import { faultsOf } from '../load.ts'
import mongodb from './index.ts'

let server: TestMongo
let driver: Driver<MongoSession>

beforeAll(async () => {
  server = await startTestMongo()
  const address = async (_: string, port: number) => ({ address: '127.0.0.1', port, family: 4 }) as const
  driver = createMongodb({ address, srv: () => Promise.reject(new Error('no names')), now: Date.now })
})
beforeEach(() => {
  server.reset()
  for (let n = 1; n <= 7; n++) server.documents('orders').push({ _id: `order-${n}`, status: n % 2 ? 'open' : 'paid', n })
})
afterAll(async () => {
  await driver.close()
  await server.stop()
})

function context(config: Record<string, unknown> = {}, uri = server.uri(), database = MONGO_DATABASE): ToolContext {
  const parsed = mongodb.config.parse(config) as Record<string, unknown>
  const credential = { secret: { uri }, entered: { database } }
  const signal = new AbortController().signal
  return databaseContext(driver.session({ owner: uri, version: 1, credential, config: parsed, signal }), parsed)
}
/** As a caller does it: input checked before, output checked after. */
// biome-ignore lint/suspicious/noExplicitAny: answers are JSON, and each test says what it expects of them
async function call(name: string, args: Record<string, unknown> = {}, ctx = context()): Promise<Record<string, any>> {
  const tool = mongodb.tools[name]!
  const answer = await tool.run(ctx, tool.input.parse(args) as never)
  return JSON.parse(JSON.stringify(tool.output.parse(answer)))
}
const fault = (made: Promise<unknown>) =>
  made.then(
    (value) => expect.fail('was answered: ' + JSON.stringify(value)),
    (error: Fault) => error,
  )
const check = (ctx: ToolContext) => mongodb.auth.check(ctx)
const ids = () => server.documents('orders').map((one) => one._id)

describe('the connector', () => {
  it('has every tool of the catalogue, and nothing wrong with it', () => {
    expect(faultsOf('mongodb', mongodb)).toEqual([])
    expect(Object.fromEntries(Object.entries(mongodb.tools).map(([name, tool]) => [name, [tool.effect, tool.scopes]]))).toEqual({
      mongodb_find: ['read', ['find']],
      mongodb_find_one: ['read', ['find']],
      mongodb_count_documents: ['read', ['find']],
      mongodb_aggregate: ['read', ['find']],
      mongodb_insert_one: ['write', ['insert']],
      mongodb_update_one: ['destroy', ['update']],
      mongodb_update_many: ['destroy', ['update']],
      mongodb_delete_one: ['destroy', ['remove']],
      mongodb_delete_many: ['destroy', ['remove']],
    })
  })

  it('every tool answers its example', async () => {
    for (const [name, tool] of Object.entries(mongodb.tools)) {
      if (name === 'mongodb_insert_one') server.documents('orders').length = 0
      await expect(call(name, tool.example as Record<string, unknown>), name).resolves.toBeTruthy()
    }
  })

  it.each([
    ['mongodb://u:p@h.test', true],
    ['mongodb+srv://u:p@h.example.net/x', true],
    ['postgres://u:p@h', false],
    ['mongodb://u:p@h test', false],
  ])('takes %s as a connection string: %s', (uri, taken) => {
    expect(mongodb.auth.kind === 'dsn' && mongodb.auth.fields[0]!.format!.pattern.test(uri)).toBe(taken)
  })

  it.each([
    ['shop', true],
    ['$external', false],
    ['a.b', false],
    ['a b', false],
    ['a/b', false],
    ['', false],
  ])('takes %j as a database: %s', (name, taken) => {
    expect(mongodb.auth.kind === 'dsn' && mongodb.auth.fields[1]!.format!.pattern.test(name)).toBe(taken)
  })
})

describe('reading', () => {
  it('finds by filter, order and page', async () => {
    const ask = {
      collection: 'orders',
      filter_json: '{"status":"open"}',
      sort_json: '{"n":-1}',
      projection_json: '{"n":1,"_id":0}',
      limit: 2,
    }
    expect(await call('mongodb_find', ask)).toEqual({ documents: [{ n: 7 }, { n: 5 }], count: 2, truncated: true })
    expect(await call('mongodb_find', { ...ask, skip: 2 })).toEqual({ documents: [{ n: 3 }, { n: 1 }], count: 2, truncated: false })
    expect(await call('mongodb_find', { collection: 'orders' })).toMatchObject({ count: 7, truncated: false })
    expect(await call('mongodb_find', { collection: 'nothing' })).toEqual({ documents: [], count: 0, truncated: false })
  })

  it('finds one, counts and aggregates', async () => {
    expect(await call('mongodb_find_one', { collection: 'orders', filter_json: '{"n":{"$gt":6}}' })).toEqual({
      document: { _id: 'order-7', status: 'open', n: 7 },
      truncated: false,
    })
    expect(await call('mongodb_find_one', { collection: 'orders', filter_json: '{"n":99}' })).toEqual({ document: null, truncated: false })
    expect(await call('mongodb_count_documents', { collection: 'orders', filter_json: '{"status":"paid"}' })).toEqual({ count: 3 })
    const pipeline_json = '[{"$group":{"_id":"$status","n":{"$sum":1}}},{"$sort":{"n":-1}}]'
    expect(await call('mongodb_aggregate', { collection: 'orders', pipeline_json, limit: 1 })).toEqual({
      documents: [{ _id: 'open', n: 4 }],
      count: 1,
      truncated: true,
    })
  })

  it.each([
    ['mongodb_find', { collection: 'orders', limit: 1001 }],
    ['mongodb_find', { collection: 'orders', limit: 0 }],
    ['mongodb_find', { collection: 'orders', skip: -1 }],
    ['mongodb_find', { collection: 'orders', filter: '{}' }],
    ['mongodb_find', { collection: '' }],
    ['mongodb_aggregate', { collection: 'orders' }],
    ['mongodb_delete_one', { collection: 'orders' }],
    ['mongodb_update_one', { collection: 'orders', filter_json: '{}' }],
  ])('%s does not take %j', (name, args) => {
    expect(mongodb.tools[name]!.input.safeParse(args).success).toBe(false)
  })

  it('[db.mongodb-fence] refuses to write or to run code by a tool that reads', async () => {
    const before = JSON.stringify([...server.data])
    for (const [name, args] of [
      ['mongodb_find', { filter_json: '{"$where":"true"}' }],
      ['mongodb_find_one', { filter_json: '{"$expr":{"$function":{"body":"x","args":[],"lang":"js"}}}' }],
      ['mongodb_count_documents', { filter_json: '{"$or":[{"$where":"true"}]}' }],
      ['mongodb_aggregate', { pipeline_json: '[{"$out":"orders"}]' }],
      ['mongodb_aggregate', { pipeline_json: '[{"$merge":"orders"}]' }],
      ['mongodb_find', { collection: 'system.users' }],
    ] as const) {
      expect((await fault(call(name, { collection: 'orders', ...args }))).code, JSON.stringify(args)).toBe('TOOL_REFUSED')
    }
    expect(JSON.stringify([...server.data])).toBe(before)
  })
})

describe('writing', () => {
  it('inserts, and with an _id of its own never twice', async () => {
    const made = await call('mongodb_insert_one', { collection: 'orders', document_json: '{"n":8}' })
    expect(made.inserted_id).toEqual({ $oid: expect.stringMatching(/^[0-9a-f]{24}$/) })
    const own = { collection: 'orders', document_json: '{"_id":"order-9","n":9}' }
    expect(await call('mongodb_insert_one', own)).toEqual({ inserted_id: 'order-9' })
    expect((await fault(call('mongodb_insert_one', own))).code).toBe('UPSTREAM_CONFLICT')
    expect(ids().filter((id) => id === 'order-9')).toEqual(['order-9'])
    const { repeatable } = mongodb.tools.mongodb_insert_one!
    const may = (document_json: string) => (repeatable as (input: unknown) => boolean)({ document_json })
    expect([may(own.document_json), may('{"n":8}'), may('{"_id":null}'), may('no json'), may('[]')]).toEqual([
      true,
      false,
      false,
      false,
      false,
    ])
  })

  it('updates and deletes one or many', async () => {
    const one = { collection: 'orders', filter_json: '{"_id":"order-1"}', update_json: '{"$set":{"status":"late"}}' }
    expect(await call('mongodb_update_one', one)).toEqual({ matched_count: 1, modified_count: 1, upserted_id: null })
    expect(await call('mongodb_update_many', { ...one, filter_json: '{"status":"open"}' })).toMatchObject({
      matched_count: 3,
      modified_count: 3,
    })
    expect(await call('mongodb_update_one', { ...one, filter_json: '{"_id":"new"}', upsert: true })).toMatchObject({ upserted_id: 'new' })
    expect(await call('mongodb_delete_one', { collection: 'orders', filter_json: '{"status":"late"}' })).toEqual({ deleted_count: 1 })
    expect(await call('mongodb_delete_many', { collection: 'orders', filter_json: '{"status":"late"}' })).toEqual({ deleted_count: 4 })
    expect(ids()).toEqual(['order-2', 'order-4', 'order-6'])
  })

  it.each(['{}', ' { } ', ''])('means every document only where that is said: %j', async (filter_json) => {
    const before = JSON.stringify(server.documents('orders'))
    for (const [name, more] of [
      ['mongodb_delete_many', {}],
      ['mongodb_update_many', { update_json: '{"$set":{"x":1}}' }],
    ] as const) {
      expect((await fault(call(name, { collection: 'orders', filter_json, ...more }))).code).toBe('INVALID_INPUT')
    }
    expect(JSON.stringify(server.documents('orders'))).toBe(before)
    expect(await call('mongodb_delete_many', { collection: 'orders', filter_json, every_document: true })).toEqual({ deleted_count: 7 })
  })
})

describe('the check', () => {
  it('tells who it is and what it may do', async () => {
    expect(await check(context())).toEqual({
      account: { id: 'app@shop', label: 'app on shop (readWrite@shop)' },
      granted_scopes: ['find', 'insert', 'update', 'remove'],
      warnings: [],
    })
    server.user('reader', 'reader', [{ role: 'read', db: 'shop' }])
    expect(await check(context({}, server.uri('reader', 'reader')))).toMatchObject({ granted_scopes: ['find'], warnings: [] })
    // Of another database it may nothing.
    expect(await check(context({}, server.uri('reader', 'reader'), 'other'))).toMatchObject({ granted_scopes: [] })
  })

  it.each([
    [[{ role: 'root', db: 'admin' }], /root on admin.*GOVERNS/],
    [[{ role: 'dbAdmin', db: 'shop' }], /dbAdmin on shop.*GOVERNS/],
    [[{ role: '__system', db: 'admin' }], /__system on admin.*GOVERNS/],
    [[{ role: 'readWriteAnyDatabase', db: 'admin' }], /every database/],
  ])('[db.superuser-refused] warns of %j', async (roles, says) => {
    const name = `warned-${roles[0]!.role}`
    server.user(name, 'pw', roles)
    const { warnings } = await check(context({}, server.uri(name, 'pw')))
    expect(warnings).toEqual([expect.stringMatching(says)])
  })

  it('warns of plain text and of a server that asks nobody', async () => {
    const plain = server.uri(undefined, undefined, 'db.test')
    expect((await check(context({}, `${plain}?tls=false`))).warnings).toEqual([expect.stringContaining('NOT ENCRYPTED')])
    const open = await startTestMongo({ auth: false })
    try {
      const ctx = context({}, `mongodb://127.0.0.1:${open.port}`)
      const checked = await check(ctx)
      expect(checked).toMatchObject({ account: { id: 'anybody@shop' }, granted_scopes: null })
      expect(checked.warnings).toEqual([expect.stringContaining('NOBODY TO SIGN IN')])
    } finally {
      await driver.drain(`mongodb://127.0.0.1:${open.port}`)
      await open.stop()
    }
  })

  it('tells a refused password from a server that is away, and shows neither password nor address', async () => {
    const refused = await fault(check(context({}, server.uri('app', `${MONGO_PASSWORD}x`))))
    expect(refused.code).toBe('CREDENTIAL_REJECTED')
    expect(refused.message + refused.hint).not.toContain(MONGO_PASSWORD)
    expect((await fault(check(context({}, 'mongodb://app:x@127.0.0.1:1/?serverSelectionTimeoutMS=200')))).code).toBe('UPSTREAM_ERROR')
  })
})
