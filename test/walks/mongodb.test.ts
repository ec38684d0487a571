/** A MongoDB through the whole runtime: entered, tried, saved, called, replaced, and nothing of its password anywhere. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { MONGO_PASSWORD, MONGO_USER, startTestMongo, type TestMongo } from '../fakes/mongo-server.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { call, connected } from './acts.ts'
import { filesBelow, hits } from './canary.ts'

let rt: TestRuntime
let shop: TestMongo
let inside: TestMongo

beforeAll(async () => {
  ;[shop, inside] = await Promise.all([startTestMongo(), startTestMongo()])
  rt = await runtime({ allowPrivate: [`127.0.0.1:${shop.port}`] })
})
beforeEach(() => {
  shop.reset()
  inside.reset()
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await Promise.all([shop?.stop(), inside?.stop()])
})

const credentials = (uri = shop.uri()) => ({ uri, database: 'shop' })
const tryOut = (given: object) => rt.api('POST', '/v1/connections/try', { provider: 'mongodb', credentials: given })

describe('a connection string', () => {
  it('[connections.try] is tried, also under the names of other papers, and leaves no client behind', async () => {
    const well = { ok: true, account: { label: 'app on shop (readWrite@shop)' }, granted_scopes: ['find', 'insert', 'update', 'remove'] }
    expect((await tryOut(credentials())).body).toMatchObject(well)
    expect((await tryOut({ mongodb_uri: shop.uri(), mongodb_database: 'shop' })).body).toMatchObject(well)
    const refused = await tryOut(credentials(shop.uri(MONGO_USER, 'not-the-password-at-all')))
    expect(refused.body).toMatchObject({ ok: false, problem: { code: 'CREDENTIAL_REJECTED' } })
    await expect.poll(() => shop.connections(), { timeout: 10_000 }).toBe(0)
  })

  it.each([
    ['no database', { uri: 'mongodb://a:hush-hush-words@h.example' }, 'CREDENTIAL_MALFORMED', /database/i],
    ['another scheme', { uri: 'postgres://a:hush-hush-words@h.example/d', database: 'shop' }, 'CREDENTIAL_MALFORMED', /mongodb:\/\//],
    [
      'a file',
      { uri: 'mongodb://a:hush-hush-words@h.example/?tlsCAFile=/etc/passwd', database: 'shop' },
      'CREDENTIAL_MALFORMED',
      /tlsCAFile/,
    ],
    [
      'no TLS checks',
      { uri: 'mongodb://a:hush-hush-words@h.example/?tlsInsecure=true', database: 'shop' },
      'CREDENTIAL_MALFORMED',
      /tlsInsecure/,
    ],
    ['metadata', { uri: 'mongodb://a:hush-hush-words@169.254.169.254', database: 'shop' }, 'EGRESS_BLOCKED', /169/],
    [
      'metadata among others',
      { uri: 'mongodb://a:hush-hush-words@8.8.8.8,[::ffff:a9fe:a9fe]', database: 'shop' },
      'EGRESS_BLOCKED',
      /connect to/,
    ],
    ['a port of this machine', { uri: 'mongodb://a:hush-hush-words@127.0.0.1:1', database: 'shop' }, 'EGRESS_BLOCKED', /127/],
    ['a database that is none', { uri: 'mongodb://a:hush-hush-words@8.8.8.8', database: 'a b' }, 'CREDENTIAL_MALFORMED', /database/i],
  ])('with %s is not stored', async (_, given, code, says) => {
    const answer = await rt.api('POST', '/v1/connections', { display_name: 'x', provider: 'mongodb', credentials: given })
    expect(answer).toMatchObject({ status: 422, body: { code } })
    expect(answer.text).toMatch(says)
    expect(answer.text).not.toMatch(/hush-hush|\/etc/)
    expect((await rt.ok('GET', '/v1/connections')).items).toEqual([])
  })
})

describe('tools', () => {
  it('work, in limits, and give the password back to nobody', async () => {
    const { connection, instance } = await connected(rt, { provider: 'mongodb', credentials: credentials() })
    const shown = await rt.api('GET', `/v1/connections/${connection}`)
    expect(shown.text).toContain('127.0.0.1')
    expect(shown.text).not.toContain(encodeURIComponent(MONGO_PASSWORD))
    const document_json = JSON.stringify({ _id: 'leak', word: MONGO_PASSWORD, uri: shop.uri() })
    const leak = await call(rt, instance, 'mongodb_insert_one', { collection: 'notes', document_json })
    expect(leak).toMatchObject({ status: 422, body: { code: 'SECRET_IN_GRAPH', details: { path: 'args.document_json' } } })
    const honest = { collection: 'notes', document_json: '{"_id":"honest"}' }
    expect(await call(rt, instance, 'mongodb_insert_one', honest)).toMatchObject({ status: 200 })
    expect(shop.documents('notes')).toMatchObject([{ _id: 'honest' }])
    shop.documents('notes').push({ _id: 'stored', word: MONGO_PASSWORD })
    const found = await call(rt, instance, 'mongodb_find', { collection: 'notes', sort_json: '{"_id":1}' })
    expect(found.status).toBe(200)
    expect(found.text).toContain('stored')
    expect(found.text).not.toContain(MONGO_PASSWORD)
    const refused = await call(rt, instance, 'mongodb_aggregate', { collection: 'notes', pipeline_json: '[{"$out":"notes"}]' })
    expect(refused.body).toMatchObject({ code: 'TOOL_REFUSED' })
    expect(shop.documents('notes').length).toBe(2)
  })

  it('[db.mongodb-hosts-judged] are not led to a host that nobody opened', async () => {
    const here = `127.0.0.1:${shop.port}`
    shop.hello = { setName: 'rs', setVersion: 1, hosts: [here, `127.0.0.1:${inside.port}`, '169.254.169.254:80'], primary: here, me: here }
    const { instance } = await connected(rt, { provider: 'mongodb', credentials: credentials(`${shop.uri()}?replicaSet=rs`) })
    expect(await call(rt, instance, 'mongodb_count_documents', { collection: 'notes' })).toMatchObject({ status: 200 })
    expect(inside.connections()).toBe(0)
  })

  it('leave no byte of the passwords in logs, files or answers', async () => {
    const canaries = { password: MONGO_PASSWORD, 'wrong password': 'not-the-password-at-all', refused: 'hush-hush-words' }
    const answers = rt.answers.map((a) => [`${a.method} ${a.path}`, Buffer.from(a.text)] as const)
    expect(answers.length).toBeGreaterThan(10)
    expect(hits(canaries, [...filesBelow(rt.home, []), ...answers])).toEqual([])
  })
})
