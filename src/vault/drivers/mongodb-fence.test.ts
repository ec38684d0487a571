/** Attempts to write, run code, reach elsewhere or break the next caller, through every tool of the session. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { MONGO_DATABASE, startTestMongo, type TestMongo } from '../../../test/fakes/mongo-server.ts'
import { Fault } from '../../base/errors.ts'
import type { Driver } from './driver.ts'
import { createMongodb } from './mongodb.ts'
import type { MongoSession } from './mongodb-session.ts'

let server: TestMongo
let driver: Driver<MongoSession>
const LIMITS = { rows: 100, timeoutMs: 5_000 }

beforeAll(async () => {
  server = await startTestMongo()
  const address = async (_: string, port: number) => ({ address: '127.0.0.1', port, family: 4 }) as const
  driver = createMongodb({ address, srv: () => Promise.reject(new Error('no names')), now: Date.now })
  // As much as a careless person grants: the fence alone stands between a read tool and the data.
  server.user('app', 'app', [
    { role: 'readWriteAnyDatabase', db: 'admin' },
    { role: 'everything', db: 'shop', actions: ['find', 'insert', 'update', 'remove'] },
  ])
})
beforeEach(() => {
  server.reset()
  server.documents('item').push({ _id: 1, name: 'one', tags: ['a'] }, { _id: 2, name: 'two', tags: [] })
  server.documents('other').push({ _id: 1 })
  server.documents('secret', 'elsewhere').push({ _id: 1, word: 'hidden' })
})
afterAll(async () => {
  await driver.close()
  await server.stop()
})

const session = () =>
  driver.session({
    owner: 'fence',
    version: 1,
    credential: { secret: { uri: server.uri('app', 'app') }, entered: { database: MONGO_DATABASE } },
    config: {},
    signal: new AbortController().signal,
  })
const everything = () =>
  JSON.stringify([...server.data].map(([db, collections]) => [db, [...collections].filter(([, all]) => all.length > 0)]))

/** Tries it; then looks at the server with our own eyes, and at what the next caller gets. */
async function attempt(call: (db: MongoSession) => Promise<unknown>): Promise<string> {
  const before = everything()
  const code = await call(session()).then(
    (value) => `answered: ${JSON.stringify(value)}`,
    (error: unknown) => (error instanceof Fault ? error.code : `threw ${String(error)}`),
  )
  expect(everything()).toBe(before)
  expect(server.commands.filter((one) => !one.connectionStatus)).toEqual([])
  expect((await session().find('item', { filter: '{"_id":1}' }, LIMITS)).documents).toEqual([{ _id: 1, name: 'one', tags: ['a'] }])
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  return code
}

const JS = '"function() { return true }"'
const FUNCTION = `{"$function":{"body":${JS},"args":[],"lang":"js"}}`
const ACCUMULATOR = `{"$accumulator":{"init":${JS},"accumulate":${JS},"accumulateArgs":[],"merge":${JS},"lang":"js"}}`

const FILTERS: [string, string][] = [
  ['$where', `{"$where":${JS}}`],
  ['$where as code', `{"$where":{"$code":"return true"}}`],
  ['$where written otherwise', `{"\\u0024where":${JS}}`],
  ['$where in $or', `{"$or":[{"_id":1},{"$where":${JS}}]}`],
  ['$where in $and in $nor', `{"$nor":[{"$and":[{"$where":${JS}}]}]}`],
  ['$where in $elemMatch', `{"tags":{"$elemMatch":{"$where":${JS}}}}`],
  ['$where below $not', `{"name":{"$not":{"$where":${JS}}}}`],
  ['$where inside of a reference', `{"a":{"$ref":"item","$id":1,"more":{"$where":${JS}}}}`],
  ['$where as the id of a reference', `{"a":{"$ref":"item","$id":{"x":{"$where":${JS}}}}}`],
  ['$function in $expr', `{"$expr":${FUNCTION}}`],
  ['$function deep in $expr', `{"$expr":{"$and":[true,{"$eq":[1,{"$cond":[true,${FUNCTION},0]}]}]}}`],
  ['$function in a $let', `{"$expr":{"$let":{"vars":{"f":${FUNCTION}},"in":"$$f"}}}`],
  ['an operator of the server', `{"$expr":{"$_internalJsEmit":{"eval":${JS},"this":"$$ROOT"}}}`],
  ['code as a value', '{"name":{"$code":"return 1"}}'],
  ['code with a scope', '{"name":{"$code":"return 1","$scope":{"a":1}}}'],
  ['a type that it is not', '{"name":{"_bsontype":"Code","code":"return 1"}}'],
  ['a prototype', '{"__proto__":{"polluted":true}}'],
  ['a prototype written otherwise', '{"a":{"\\u005f_proto__":{"polluted":true}}}'],
  ['a constructor', '{"constructor":{"prototype":{"polluted":true}}}'],
  ['a key twice', `{"a":1,"a":{"$where":${JS}}}`],
  ['a key with a NUL', '{"a\\u0000b":1}'],
  ['a list', '[{"_id":1}]'],
  ['a text', '"_id"'],
  ['a value instead of an object', '{"$oid":"650000000000000000000001"}'],
  ['no JSON', '{_id: 1}'],
  ['half a character', '{"a":"\ud800"}'],
  ['a date that is none', '{"a":{"$date":"yesterday"}}'],
  ['a depth', `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`],
  ['a length', `{"a":"${'x'.repeat(1_000_001)}"}`],
]

const PIPELINES: [string, string][] = [
  ['$out', '[{"$out":"other"}]'],
  ['$out to another database', '[{"$out":{"db":"elsewhere","coll":"secret"}}]'],
  ['$out written otherwise', '[{"\\u0024out":"other"}]'],
  ['$merge', '[{"$match":{}},{"$merge":{"into":"other"}}]'],
  ['$merge to another database', '[{"$merge":{"into":{"db":"elsewhere","coll":"secret"},"whenMatched":"replace"}}]'],
  ['$merge not at the end', '[{"$merge":"other"},{"$match":{}}]'],
  ['$out in $facet', '[{"$facet":{"a":[{"$out":"other"}]}}]'],
  ['$out in the pipeline of a $lookup', '[{"$lookup":{"from":"other","pipeline":[{"$out":"other"}],"as":"x"}}]'],
  ['$merge in $unionWith', '[{"$unionWith":{"coll":"other","pipeline":[{"$merge":"item"}]}}]'],
  [
    '$merge in $unionWith in $lookup in $facet',
    '[{"$facet":{"a":[{"$lookup":{"from":"other","as":"x","pipeline":[{"$unionWith":{"coll":"other","pipeline":[{"$merge":"item"}]}}]}}]}}]',
  ],
  [
    '$lookup in another database',
    '[{"$lookup":{"from":{"db":"elsewhere","coll":"secret"},"localField":"_id","foreignField":"_id","as":"x"}}]',
  ],
  [
    '$lookup in another database, by a word of its own',
    '[{"$lookup":{"fromDB":"elsewhere","from":"secret","localField":"_id","foreignField":"_id","as":"x"}}]',
  ],
  [
    '$graphLookup in another database',
    '[{"$graphLookup":{"from":{"db":"elsewhere","coll":"secret"},"startWith":"$_id","connectFromField":"_id","connectToField":"_id","as":"x"}}]',
  ],
  ['$unionWith another database', '[{"$unionWith":{"db":"elsewhere","coll":"secret"}}]'],
  ['$lookup in a collection of the system', '[{"$lookup":{"from":"system.users","localField":"_id","foreignField":"_id","as":"x"}}]'],
  ['$unionWith a collection of the system', '[{"$unionWith":"system.js"}]'],
  [
    '$lookup below $facet in another database',
    '[{"$facet":{"a":[{"$lookup":{"from":{"db":"elsewhere","coll":"secret"},"as":"x","pipeline":[]}}]}}]',
  ],
  ['$where in $match', `[{"$match":{"$where":${JS}}}]`],
  ['$where in the $match of a $lookup', `[{"$lookup":{"from":"other","as":"x","pipeline":[{"$match":{"$where":${JS}}}]}}]`],
  ['$function in $project', `[{"$project":{"x":${FUNCTION}}}]`],
  ['$function in $addFields, deep', `[{"$addFields":{"a":{"b":{"c":[${FUNCTION}]}}}}]`],
  ['$function in $redact', `[{"$redact":${FUNCTION}}]`],
  ['$accumulator in $group', `[{"$group":{"_id":null,"x":${ACCUMULATOR}}}]`],
  ['$accumulator in $bucket', `[{"$bucket":{"groupBy":"$_id","boundaries":[0,5],"output":{"x":${ACCUMULATOR}}}}]`],
  ['$accumulator in $setWindowFields', `[{"$setWindowFields":{"sortBy":{"_id":1},"output":{"x":${ACCUMULATOR}}}}]`],
  ['$currentOp', '[{"$currentOp":{"allUsers":true}}]'],
  ['$listSessions', '[{"$listSessions":{"allUsers":true}}]'],
  ['$planCacheStats', '[{"$planCacheStats":{}}]'],
  ['$changeStream', '[{"$changeStream":{}}]'],
  ['a stage of the server', '[{"$_internalInhibitOptimization":{}}]'],
  ['a stage that nobody knows', '[{"$newStage":{}}]'],
  ['mapReduce', `[{"mapReduce":"item","map":${JS},"reduce":${JS},"out":"other"}]`],
  ['two stages in one', '[{"$match":{},"$out":"other"}]'],
  ['no stage', '[{}]'],
  ['a list of lists', '[[{"$out":"other"}]]'],
  ['no list', '{"$out":"other"}'],
  ['$out behind the same key', '[{"$match":{},"$match":{}},{"$out":"other"}]'],
]

const UPDATES: [string, string][] = [
  ['a whole document', '{"name":"x"}'],
  ['a whole document behind an operator', '{"$set":{"a":1},"name":"x"}'],
  ['nothing', '{}'],
  ['no stage', '[]'],
  ['$function in a pipeline', `[{"$set":{"x":${FUNCTION}}}]`],
  ['$out in a pipeline', '[{"$out":"other"}]'],
  ['$lookup in a pipeline', '[{"$lookup":{"from":"other","localField":"_id","foreignField":"_id","as":"x"}}]'],
  ['$where in $pull', `{"$pull":{"tags":{"$where":${JS}}}}`],
  ['an operator that nobody knows', '{"$exec":{"a":1}}'],
  ['code', '{"$set":{"a":{"$code":"return 1"}}}'],
  ['a prototype', '{"$set":{"__proto__":{"polluted":true}}}'],
  ['a text', '"$set"'],
]

const COLLECTIONS = ['', 'system.users', 'system.js', 'system.profile', 'a$cmd', '$cmd', 'a\0b', '.a', 'a.', 'x'.repeat(300)]

const REFUSED = /^(TOOL_REFUSED|INVALID_INPUT)$/

describe('[db.mongodb-fence] what a filter may not hold', () => {
  it.each(FILTERS)('%s', async (_, filter) => {
    const tries: ((db: MongoSession) => Promise<unknown>)[] = [
      (db) => db.find('item', { filter }, LIMITS),
      (db) => db.findOne('item', { filter }, LIMITS),
      (db) => db.count('item', filter, LIMITS),
      (db) => db.updateOne('item', filter, '{"$set":{"a":1}}', true, LIMITS),
      (db) => db.updateMany('item', filter, '{"$set":{"a":1}}', true, LIMITS),
      (db) => db.deleteOne('item', filter, LIMITS),
      (db) => db.deleteMany('item', filter, LIMITS),
    ]
    for (const call of tries) {
      expect(await attempt(call)).toMatch(REFUSED)
      server.commands.length = 0
    }
  })
})

describe('[db.mongodb-fence] what a pipeline may not hold', () => {
  it.each(PIPELINES)('%s', async (_, pipeline) => {
    expect(await attempt((db) => db.aggregate('item', pipeline, LIMITS))).toMatch(REFUSED)
  })
})

describe('[db.mongodb-fence] what else may not be said', () => {
  it.each(UPDATES)('as an update: %s', async (_, update) => {
    expect(await attempt((db) => db.updateMany('item', '{}', update, false, LIMITS))).toMatch(REFUSED)
  })

  it.each([
    ['a projection that runs code', { projection: `{"x":${FUNCTION}}` }],
    ['a sort by code', { sort: `{"x":{"$function":{}}}` }],
    ['a sort by nothing', { sort: '{"x":"up"}' }],
    ['a projection that is a list', { projection: '["name"]' }],
    ['a sort that is a list', { sort: '["name"]' }],
  ])('%s', async (_, ask) => {
    expect(await attempt((db) => db.find('item', ask, LIMITS))).toMatch(REFUSED)
  })

  it.each([
    ['a field that is an operator', '{"$set":{"a":1}}'],
    ['code', '{"a":{"$code":"return 1"}}'],
    ['a type that it is not', '{"a":{"_bsontype":"ObjectId"}}'],
    ['a list', '[{"a":1}]'],
    ['$where inside', `{"a":{"$where":${JS}}}`],
  ])('as a document: %s', async (_, document) => {
    expect(await attempt((db) => db.insertOne('item', document, LIMITS))).toMatch(REFUSED)
  })

  it.each(COLLECTIONS)('as a collection: %j', async (collection) => {
    expect(await attempt((db) => db.find(collection, {}, LIMITS))).toMatch(REFUSED)
    server.commands.length = 0
    expect(await attempt((db) => db.insertOne(collection, '{"a":1}', LIMITS))).toMatch(REFUSED)
  })
})

describe('what may be said', () => {
  it.each([
    '{}',
    '',
    '{"name":{"$regularExpression":{"pattern":"^o","options":"i"}}}',
    '{"$and":[{"_id":{"$in":[1,2]}},{"tags":{"$elemMatch":{"$eq":"a"}}}]}',
    '{"$expr":{"$eq":["$name",{"$toLower":"ONE"}]}}',
    '{"_id":{"$gte":{"$numberLong":"1"}}}',
    '{"mapReduce":{"$exists":false},"name":{"$ne":"$where"}}',
  ])('as a filter: %s', async (filter) => {
    expect((await session().find('item', { filter }, LIMITS)).documents.length).toBeGreaterThan(0)
  })

  it.each([
    '[]',
    '[{"$match":{"name":"one"}},{"$project":{"name":1}}]',
    '[{"$lookup":{"from":"other","localField":"_id","foreignField":"_id","as":"x"}},{"$unwind":"$x"}]',
    '[{"$facet":{"a":[{"$count":"n"}],"b":[{"$sort":{"_id":-1}},{"$limit":1}]}}]',
    '[{"$unionWith":{"coll":"other","pipeline":[{"$match":{"_id":1}}]}}]',
    '[{"$group":{"_id":"$name","n":{"$sum":1},"all":{"$mergeObjects":"$$ROOT"}}}]',
  ])('as a pipeline: %s', async (pipeline) => {
    expect((await session().aggregate('item', pipeline, LIMITS)).documents.length).toBeGreaterThan(0)
  })

  it('a name of a field is only a name', async () => {
    const document = '{"_id":9,"mapReduce":1,"a.b":2,"$price":3}'
    await expect(session().insertOne('item', document, LIMITS)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await session().insertOne('item', document.replace(',"$price":3', ''), LIMITS)
    expect(server.documents('item').at(-1)).toEqual({ _id: 9, mapReduce: 1, 'a.b': 2 })
  })

  it('a stored document with a field like a prototype is only a document', async () => {
    server.documents('odd').push(JSON.parse('{"_id":1,"__proto__":{"polluted":true}}'))
    const { documents } = await session().find('odd', {}, LIMITS)
    expect(Object.getOwnPropertyDescriptor(documents[0], '__proto__')?.value).toEqual({ polluted: true })
    expect((documents[0] as { polluted?: unknown }).polluted).toBeUndefined()
  })
})
