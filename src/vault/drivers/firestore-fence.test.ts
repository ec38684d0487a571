/** Attempts to make a tool that reads write, or to make any tool reach what is not its own. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { keyFile, PROJECT } from '../../../test/fakes/firestore-google.ts'
import { startFirestore, type TestFirestore } from '../../../test/fakes/firestore-server.ts'
import { createFirestore } from './firestore.ts'
import type { FirestoreQuery, FirestoreSession } from './session.ts'

let server: TestFirestore
let driver: ReturnType<typeof createFirestore>
const ROOT = `projects/${PROJECT}/databases/(default)/documents`
const OTHER = 'projects/other-shop/databases/(default)/documents'
const SECOND = `projects/${PROJECT}/databases/second/documents`
const SECRET = 'what nobody here may see'

beforeAll(async () => {
  server = await startFirestore()
  driver = createFirestore({
    address: async (_, port) => ({ address: '127.0.0.1', port, family: 4 }),
    fetch: (url, init) => fetch(url, init as RequestInit),
    now: Date.now,
  })
  const secret = { secret: { stringValue: SECRET } }
  await server.put('cities/SF', { name: { stringValue: 'San Francisco' }, size: { integerValue: '1' } })
  await server.put('cities/SF', secret, 'second')
  await server.put('cities/SF', secret, '(default)', 'other-shop')
  await server.put('vault/key', secret)
}, 60_000)
afterEach(() => server.reset())
afterAll(async () => {
  await driver.close()
  await server.close()
})
/** The key of an account that may write: it is not the role that stops these. */
const session = (): FirestoreSession =>
  driver.session({
    owner: 'con_1',
    version: 1,
    credential: { secret: { service_account_json: keyFile('writer') }, entered: {} },
    config: { api_base: server.url },
    signal: new AbortController().signal,
  })

/** Every resource name in a request, and every collection that it searches. */
function named(value: unknown): string[] {
  if (typeof value === 'string') return /^projects\//.test(value) ? [value] : []
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return []
  return Object.values(value).flatMap(named)
}
async function nothingHappened(before: unknown) {
  expect(server.documents()).toEqual(before)
  for (const { method, request } of server.calls) {
    expect(['batchGetDocuments', 'runQuery', 'listCollectionIds']).toContain(method)
    for (const name of named(request))
      expect(`${name}/`.startsWith(`${ROOT}/`) || name === `projects/${PROJECT}/databases/(default)`).toBe(true)
    for (const name of named(request)) expect(name).not.toMatch(/\/\/|\/\.{1,2}(\/|$)|\/vault(\/|$)/)
    expect(request.transaction?.length ?? 0).toBe(0)
    expect(request.newTransaction ?? null).toBeNull()
    for (const from of request.structuredQuery?.from ?? []) {
      expect(from.allDescendants).toBe(false)
      expect(from.collectionId).toMatch(/^[^/]+$/)
    }
  }
  // And the next call finds everything as it was.
  expect((await session().get(['cities/SF'])).documents[0]?.fields).toEqual({ name: 'San Francisco', size: 1 })
}

const q = (more: Partial<FirestoreQuery>) => (s: FirestoreSession) =>
  s.query({ collection: 'cities', filters: [], order_by: [], limit: 10, ...more })
const get = (path: string) => (s: FirestoreSession) => s.get([path])
const from = (collection: string) => q({ collection })
const below = (path: string) => (s: FirestoreSession) => s.collections(path, { limit: 10 })
const where = (field: string, op: string, value: unknown) => q({ filters: [{ field, op, value }] })
const forged = (values: unknown) => q({ cursor: Buffer.from(JSON.stringify(values)).toString('base64url') })

type Attempt = [string, (s: FirestoreSession) => Promise<unknown>]
/** These are refused here, and nothing is sent. */
const refused: Attempt[] = [
  ['a document of another project by its full name', get(`${OTHER}/cities/SF`)],
  ['a document of another database by its full name', get(`${SECOND}/cities/SF`)],
  ['its own full name, twice', get(`${ROOT}/${ROOT}/cities/SF`)],
  ['up and over to another database', get('../../second/documents/cities/SF')],
  ['up and over, from inside', get('cities/../../../second/documents/cities/SF')],
  ['dots in the middle', get('cities/../vault/key')],
  ['one dot', get('cities/./SF')],
  ['a slash at the beginning', get('/cities/SF')],
  ['a slash at the end', get('cities/SF/')],
  ['two slashes', get('cities//SF')],
  ['nothing', get('')],
  ['a collection for a document', get('cities')],
  ['a zero byte', get('cities/SF\0/../../vault/key')],
  ['half a character', get('cities/\ud800')],
  ['reserved ids', get('__private__/SF')],
  ['a reserved id of old databases', get('cities/__id7__')],
  ['an id that is too long', get(`cities/${'x'.repeat(1501)}`)],
  ['a path that is too deep', get(Array.from({ length: 202 }, () => 'a').join('/'))],
  ['a collection of another project', from(`${OTHER}/cities`)],
  ['a collection of another database', from(`${SECOND}/cities`)],
  ['a document for a collection', from('cities/SF')],
  ['a parent that leads up', from('cities/../vault')],
  ['the empty collection, which means all of them', from('')],
  ['collections below a document of another project', below(`${OTHER}/cities/SF`)],
  ['collections above', below('..')],
  ['collections below a collection', below('cities')],
  ['a page token from somewhere', (s) => s.collections(null, { limit: 10, cursor: `${OTHER}/cities` })],
  ['a filter by the name of another database', where('__name__', 'EQUAL', { $ref: `${SECOND}/cities/SF` })],
  ['a filter by a name of another collection', where('__name__', 'GREATER_THAN', { $ref: 'vault/key' })],
  ['an id that leads up', where('__name__', 'EQUAL', '../vault/key')],
  ['an id that leads down', where('__name__', 'EQUAL', 'SF/districts/mission')],
  ['a name in a list of names', where('__name__', 'IN', ['SF', { $ref: `${OTHER}/cities/SF` }])],
  ['a reference to another project', where('owner', 'EQUAL', { $ref: `${OTHER}/cities/SF` })],
  [
    'a list of ten thousand',
    where(
      'size',
      'IN',
      Array.from({ length: 10_000 }, (_, i) => i),
    ),
  ],
  ['a list of none', where('size', 'IN', [])],
  ['an operator of another kind', where('size', 'OPERATOR_UNSPECIFIED', 1)],
  ['an operator by its number', where('size', 5 as unknown as string, 1)],
  ['an operator of objects', where('size', 'constructor', 1)],
  ['no value', where('size', 'EQUAL', undefined)],
  ['a reserved field', where('__key__', 'EQUAL', 1)],
  ['a field path with code in it', where('size`); delete(`', 'EQUAL', 1)],
  ['a field path that does not end', where('a.', 'EQUAL', 1)],
  ['an order by something else', q({ order_by: [{ field: 'a b', direction: 'ASCENDING' }] })],
  ['one field ordered twice', q({ order_by: [1, 2].map(() => ({ field: 'size', direction: 'ASCENDING' as const })) })],
  ['a selection of a reserved field', q({ select: ['__secret__'] })],
  [
    'start_after of more values than fields',
    q({ order_by: [{ field: 'size', direction: 'ASCENDING' }], start_after: [1, { $ref: 'vault/key' }] }),
  ],
  [
    'start_after a name of another collection',
    q({ order_by: [{ field: '__name__', direction: 'ASCENDING' }], start_after: [{ $ref: 'vault/key' }] }),
  ],
  ['a cursor that was forged', forged(['xxxxxxxxxxxx', [{ $ref: `${OTHER}/cities/SF` }]])],
  ['a cursor of another shape', forged({ startAt: { values: [] } })],
  ['more filters than there may be', q({ filters: Array.from({ length: 101 }, () => ({ field: 'size', op: 'EQUAL', value: 1 })) })],
  ['a value that is a transform', where('size', 'EQUAL', { $increment: 1 })],
  ['a server timestamp', where('size', 'EQUAL', { $timestamp: 'REQUEST_TIME' })],
]
/** These are plain names to Firestore, and lead to nothing. */
const harmless: Attempt[] = [
  ['a wildcard', get('cities/*')],
  ['percent-encoded slashes', get('cities/..%2f..%2fvault%2fkey')],
  ['a query string', get('cities/SF?database=second')],
  ['every collection at once', from('*')],
  ['rules in which a service is deployed', (s) => s.validateRules('service cloud.firestore { allow write }')],
]

describe('a read', () => {
  it('[db.firestore-stays-inside] is tried in more than fifty ways', () => expect(refused.length + harmless.length).toBeGreaterThan(50))

  it.each(refused)('[db.firestore-stays-inside] %s', async (_, attempt) => {
    const before = server.documents()
    await expect(attempt(session())).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect([server.calls, server.google.calls]).toEqual([[], []])
    await nothingHappened(before)
  })

  it.each(harmless)('[db.firestore-stays-inside] %s', async (_, attempt) => {
    const before = server.documents()
    expect(before).toHaveLength(4)
    const answer = await attempt(session())
    expect(JSON.stringify(answer)).not.toContain(SECRET)
    await nothingHappened(before)
    for (const { method, path } of server.google.calls)
      expect(`${method} ${path}`).toMatch(/^(POST \/token|POST \/v1\/projects\/demo-shop:test)$/)
  })

  it('says that a full name is none of its paths', async () => {
    await expect(get(`${OTHER}/cities/SF`)(session())).rejects.toMatchObject({ message: expect.stringContaining('full resource name') })
  })

  it('[db.firestore-stays-inside] a real cursor cannot be led elsewhere', async () => {
    await server.put('cities/LA', { name: { stringValue: 'Los Angeles' }, size: { integerValue: '2' } })
    const { next_cursor: cursor } = await q({ limit: 1 })(session())
    const [mark] = JSON.parse(Buffer.from(cursor as string, 'base64url').toString()) as [string]
    server.reset()
    for (const value of [{ $ref: `${OTHER}/cities/LA` }, { $ref: 'vault/key' }, { $ref: 'cities/LA/x/y' }, '../vault/key', 7, null])
      await expect(forged([mark, [value]])(session())).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining('cursor'),
      })
    expect(server.calls).toEqual([])
    await session().remove(['cities/LA'])
  })
})

describe('a write', () => {
  it.each<[string, (s: FirestoreSession) => Promise<unknown>]>([
    ['into another project', (s) => s.update(`${OTHER}/cities/SF`, { a: 1 }, { way: 'merge' })],
    ['into another database', (s) => s.update('../../second/documents/cities/SF', { a: 1 }, { way: 'merge' })],
    ['to a collection', (s) => s.update('cities', { a: 1 }, { way: 'merge' })],
    ['below another project', (s) => s.add(`${OTHER}/cities`, [{ a: 1 }], 'k')],
    ['below a document', (s) => s.add('cities/SF', [{ a: 1 }], 'k')],
    ['a removal elsewhere, with one at home', (s) => s.remove(['cities/SF', `${SECOND}/cities/SF`])],
    ['a removal of a collection', (s) => s.remove(['cities/SF', 'cities'])],
    ['a mask that is none', (s) => s.update('cities/SF', { a: 1 }, { way: 'update', mask: ['a', '__name__'] })],
  ])('[db.firestore-stays-inside] %s is refused whole', async (_, attempt) => {
    const before = server.documents()
    await expect(attempt(session())).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(server.calls).toEqual([])
    expect(server.documents()).toEqual(before)
  })
})
