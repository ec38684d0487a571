/** What goes to Firestore and comes back: values, queries, pages, writes, rules. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { keyFile, PROJECT } from '../../../test/fakes/firestore-google.ts'
import { startFirestore, type TestFirestore } from '../../../test/fakes/firestore-server.ts'
import type { Fault } from '../../base/errors.ts'
import { createFirestore } from './firestore.ts'
import type { Target } from './firestore-key.ts'
import { decodeValue, encodeValue } from './firestore-values.ts'
import type { FirestoreQuery, FirestoreSession } from './session.ts'

let server: TestFirestore
let driver: ReturnType<typeof createFirestore>
let session: FirestoreSession
const ROOT = `projects/${PROJECT}/databases/(default)/documents`

beforeAll(async () => {
  server = await startFirestore()
  driver = createFirestore({
    address: async (_, port) => ({ address: '127.0.0.1', port, family: 4 }),
    fetch: (url, init) => fetch(url, init as RequestInit),
    now: Date.now,
  })
  session = sessionOf()
  for (let i = 1; i <= 7; i++)
    await server.put(`cities/c${i}`, {
      name: { stringValue: `city ${i}` },
      size: { integerValue: String(Math.ceil(i / 2)) },
      tags: { arrayValue: { values: [{ stringValue: i % 2 ? 'odd' : 'even' }] } },
      ...(i === 3 ? { note: { nullValue: 'NULL_VALUE' } } : { note: { stringValue: 'n' } }),
    })
  await server.put('cities/c1/districts/d1', { name: { stringValue: 'inner' } })
}, 60_000)
afterEach(() => server.reset())
afterAll(async () => {
  await driver.close()
  await server.close()
})
const sessionOf = (entered: Record<string, unknown> = {}) =>
  driver.session({
    owner: 'con_1',
    version: 1,
    credential: { secret: { service_account_json: keyFile('writer') }, entered },
    config: { api_base: server.url },
    signal: new AbortController().signal,
  })
const fault = (made: Promise<unknown>): Promise<Fault> =>
  made.then(
    (value) => expect.fail(`was answered: ${JSON.stringify(value)}`),
    (error: Fault) => error,
  )
const query = (more: Partial<FirestoreQuery> = {}) => session.query({ collection: 'cities', filters: [], order_by: [], limit: 50, ...more })
const ids = async (more: Partial<FirestoreQuery> = {}) => (await query(more)).documents.map((it) => it.path.replace('cities/', ''))
const target: Target = { keyFile: '', privateKey: '', account: '', project: PROJECT, database: '(default)' }

describe('values', () => {
  const plain: unknown[] = [
    null,
    true,
    false,
    0,
    -7,
    2 ** 53 - 1,
    1.5,
    '',
    'Ünïcode 🦊',
    [],
    [1, 'a', null, { b: [2] }],
    {},
    { a: { b: { c: 1 } }, 'with space': 2, $two: 1, keys: 2 },
    { $timestamp: '2026-01-31T12:00:00Z' },
    { $timestamp: '1969-12-31T23:59:59.000001Z' },
    { $geo: { latitude: -33.5, longitude: 151.25 } },
    { $ref: 'cities/c1/districts/d1' },
    { $bytes: 'AAEC/w==' },
    { $integer: '9007199254740993' },
    { $integer: '-9223372036854775808' },
    { $double: 'NaN' },
    { $double: '-Infinity' },
    { $double: '-0' },
    { $map: { $ref: 'not a reference' } },
    { $map: { $map: { $map: { $ref: { $ref: 'a/b' } } } } },
  ]
  it.each(plain.map((it) => [JSON.stringify(it), it]))('%s comes back as it went', (_, value) => {
    expect(decodeValue(target, encodeValue(target, value))).toEqual(value)
  })

  it('travel over the wire: those that the emulator keeps, and big integers as Firestore sends them', async () => {
    const fields = {
      a: { $timestamp: '2026-01-31T12:00:00.5Z' },
      b: { $bytes: 'AAEC' },
      c: { $geo: { latitude: 1, longitude: 2 } },
      d: { $ref: 'x/y' },
      e: [{ f: 1.5 }],
    }
    await session.update('values/one', fields, { way: 'replace' })
    expect((await session.get(['values/one'])).documents).toMatchObject([
      { path: 'values/one', fields, update_time: expect.stringMatching(/^2\d{3}-.*Z$/) },
    ])
    server.can('big/one', {
      n: { integerValue: '9007199254740993' },
      foreign: { referenceValue: 'projects/other/databases/(default)/documents/a/b' },
    })
    expect((await session.get(['big/one'])).documents[0]?.fields).toEqual({
      n: { $integer: '9007199254740993' },
      foreign: { $ref: 'projects/other/databases/(default)/documents/a/b' },
    })
  })

  const deep = (n: number): unknown => (n === 0 ? 1 : { a: deep(n - 1) })
  it.each<[string, unknown]>([
    ['a tag that is not known', { $set: 1 }],
    ['a time that is none', { $timestamp: 'yesterday' }],
    ['a date without a time', { $timestamp: '2026-01-31' }],
    ['an impossible time', { $timestamp: '2026-13-31T12:00:00Z' }],
    ['a place off the globe', { $geo: { latitude: 91, longitude: 0 } }],
    ['a place with more', { $geo: { latitude: 1, longitude: 0, altitude: 3 } }],
    ['bytes that are not base64', { $bytes: 'not base64!' }],
    ['an integer beyond 64 bits', { $integer: '9223372036854775808' }],
    ['an integer with a point', { $integer: '1.5' }],
    ['a reference into another project', { $ref: 'projects/other/databases/(default)/documents/a/b' }],
    ['a reference to a collection', { $ref: 'cities' }],
    ['an array in an array', [[1]]],
    ['more than 20 deep', deep(21)],
    ['half a character', '\ud83e'],
    ['a reserved name', { __secret__: 1 }],
    ['an empty name', { '': 1, b: 2 }],
  ])('%s is refused before anything is sent', async (_, value) => {
    expect((await fault(session.update('values/two', { v: value }, { way: 'merge' }))).code).toBe('INVALID_INPUT')
    expect(server.calls).toEqual([])
  })

  it('a field called __proto__ is only a field', () => {
    const read = decodeValue(target, { mapValue: { fields: JSON.parse('{"__proto__":{"stringValue":"x"},"a":{"booleanValue":true}}') } })
    expect(Object.keys(read as object)).toEqual(['__proto__', 'a'])
  })
})

describe('get', () => {
  it('answers in the order of the question, each once', async () => {
    const answer = await session.get(['cities/c2', 'cities/none', 'cities/c1', 'cities/c2'])
    expect(answer.documents.map((it) => it.path)).toEqual(['cities/c2', 'cities/c1'])
    expect(answer).toMatchObject({ missing: ['cities/none'], left_out: [], truncated: false })
    expect(server.calls[0]?.request).toMatchObject({
      database: `projects/${PROJECT}/databases/(default)`,
      documents: [`${ROOT}/cities/c2`, `${ROOT}/cities/none`, `${ROOT}/cities/c1`],
    })
  })

  it('[db.caps] what does not fit is named, and can be asked for', async () => {
    const paths = ['big/a', 'big/b', 'big/c', 'big/d', 'big/e']
    for (const path of paths) server.can(path, { text: { stringValue: path.repeat(200_000) } })
    const answer = await session.get(paths)
    expect(answer).toMatchObject({ missing: [], left_out: ['big/e'], truncated: true })
    expect((await session.get(answer.left_out)).documents).toHaveLength(1)
    const found = await session.query({ collection: 'big', filters: [], order_by: [], limit: 10 })
    expect(found.truncated).toBe(true)
    const rest = await session.query({ collection: 'big', filters: [], order_by: [], limit: 10, cursor: found.next_cursor as string })
    expect([...found.documents, ...rest.documents].map((it) => it.path)).toEqual([...paths, 'big/one'])
    expect(rest).toMatchObject({ truncated: false, next_cursor: null })
  })

  it('[db.caps] three hundred at most', async () => {
    const many = Array.from({ length: 301 }, (_, i) => `a/${i}`)
    expect((await fault(session.get(many))).code).toBe('INVALID_INPUT')
  })
})

describe('query', () => {
  it.each<[string, Partial<FirestoreQuery>, string[]]>([
    ['everything, by id', {}, ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7']],
    ['EQUAL', { filters: [{ field: 'size', op: 'EQUAL', value: 2 }] }, ['c3', 'c4']],
    [
      'two filters',
      {
        filters: [
          { field: 'size', op: 'EQUAL', value: 2 },
          { field: 'tags', op: 'ARRAY_CONTAINS', value: 'odd' },
        ],
      },
      ['c3'],
    ],
    ['IN', { filters: [{ field: 'size', op: 'IN', value: [1, 4] }] }, ['c1', 'c2', 'c7']],
    ['NOT_IN', { filters: [{ field: 'size', op: 'NOT_IN', value: [1, 2, 3] }] }, ['c7']],
    ['ARRAY_CONTAINS_ANY', { filters: [{ field: 'tags', op: 'ARRAY_CONTAINS_ANY', value: ['even', 'x'] }] }, ['c2', 'c4', 'c6']],
    ['an inequality', { filters: [{ field: 'size', op: 'GREATER_THAN', value: 2 }] }, ['c5', 'c6', 'c7']],
    ['null', { filters: [{ field: 'note', op: 'EQUAL', value: null }] }, ['c3']],
    ['not null', { filters: [{ field: 'note', op: 'NOT_EQUAL', value: null }], limit: 2 }, ['c1', 'c2']],
    ['an id', { filters: [{ field: '__name__', op: 'GREATER_THAN_OR_EQUAL', value: 'c6' }] }, ['c6', 'c7']],
    ['ids', { filters: [{ field: '__name__', op: 'IN', value: ['c6', { $ref: 'cities/c1' }] }] }, ['c1', 'c6']],
    [
      'an order',
      {
        order_by: [
          { field: 'size', direction: 'DESCENDING' },
          { field: 'name', direction: 'ASCENDING' },
        ],
        limit: 3,
      },
      ['c7', 'c5', 'c6'],
    ],
    ['start_after', { order_by: [{ field: 'size', direction: 'ASCENDING' }], start_after: [2] }, ['c5', 'c6', 'c7']],
  ])('%s', async (_, more, expected) => expect(await ids(more)).toEqual(expected))

  it.each<[string, Partial<FirestoreQuery>]>([
    ['by id', {}],
    ['by a field that many share', { order_by: [{ field: 'size', direction: 'DESCENDING' }] }],
    ['by the field of an inequality', { filters: [{ field: 'size', op: 'LESS_THAN', value: 9 }] }],
    ['with few fields', { select: ['name'], order_by: [{ field: 'size', direction: 'ASCENDING' }] }],
    ['with no field', { select: [] }],
  ])('pages %s: three, none twice, none left out', async (_, more) => {
    const seen: string[] = []
    let cursor: string | undefined
    for (let pages = 1; ; pages++) {
      const answer = await query({ ...more, limit: 3, cursor })
      seen.push(...answer.documents.map((it) => it.path))
      if (answer.next_cursor === null) {
        expect(pages).toBe(3)
        break
      }
      cursor = answer.next_cursor
    }
    expect(new Set(seen).size).toBe(7)
    expect(seen).toHaveLength(7)
    expect(seen).toEqual((await query(more)).documents.map((it) => it.path))
  })

  it('brings only what is selected, and never the documents of a subcollection', async () => {
    expect((await query({ select: ['name'], limit: 1 })).documents[0]?.fields).toEqual({ name: 'city 1' })
    expect((await session.query({ collection: 'cities/c1/districts', filters: [], order_by: [], limit: 5 })).documents).toMatchObject([
      { path: 'cities/c1/districts/d1' },
    ])
    for (const { request } of server.calls) expect(request.structuredQuery.from).toMatchObject([{ allDescendants: false }])
  })

  it('a cursor is for its own query', async () => {
    const { next_cursor: cursor } = await query({ limit: 2 })
    for (const more of [
      { filters: [{ field: 'size', op: 'EQUAL', value: 1 }] },
      { order_by: [{ field: 'size', direction: 'ASCENDING' as const }] },
      { collection: 'others' },
    ])
      expect((await fault(query({ ...more, cursor: cursor as string }))).message).toContain('cursor')
    expect((await fault(query({ cursor: 'nonsense' }))).code).toBe('INVALID_INPUT')
    expect((await fault(query({ cursor: cursor as string, start_after: [1] }))).code).toBe('INVALID_INPUT')
  })
})

describe('collections', () => {
  it('pages through the root, and looks below a document', async () => {
    await server.put('zebras/z', { a: { booleanValue: true } })
    await server.put('apes/a', { a: { booleanValue: true } })
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const answer: Awaited<ReturnType<FirestoreSession['collections']>> = await session.collections(null, {
        limit: 100,
        cursor: cursor ?? undefined,
      })
      seen.push(...answer.collections)
      cursor = answer.next_cursor
    } while (cursor !== null)
    expect(seen).toEqual(['apes', 'cities', 'values', 'zebras'])
    expect(await session.collections('cities/c1', { limit: 9 })).toEqual({ collections: ['districts'], next_cursor: null })
  })
})

describe('writes', () => {
  it('add makes ids, and another try of the same call adds nothing', async () => {
    const documents = [{ n: 1 }, { n: 2 }, { n: 2 }]
    const first = await session.add('added', documents, 'run_1/step_1')
    server.next({ code: 14, details: 'connection reset', afterwards: true })
    expect((await fault(session.add('added', [{ n: 3 }], 'run_1/step_2'))).maybeDone).toBe(true)
    await session.add('added', [{ n: 3 }], 'run_1/step_2')
    const again = await session.add('added', documents, 'run_1/step_1')
    expect(again.documents.map((it) => it.path)).toEqual(first.documents.map((it) => it.path))
    expect(first.documents[0]?.path).toMatch(/^added\/[A-Za-z0-9]{20}$/)
    expect((await session.query({ collection: 'added', filters: [], order_by: [], limit: 50 })).documents).toHaveLength(4)
    // Nor does it undo what somebody has changed since.
    await session.update(first.documents[0]?.path as string, { n: 99 }, { way: 'update' })
    await session.add('added', documents, 'run_1/step_1')
    expect((await session.get([first.documents[0]?.path as string])).documents[0]?.fields).toEqual({ n: 99 })
    await session.add('added', documents, 'run_2/step_1')
    expect((await session.query({ collection: 'added', filters: [], order_by: [], limit: 50 })).documents).toHaveLength(7)
  })

  const before = { a: 1, m: { x: 1, y: 2 }, 'odd name': 1 }
  it.each<[string, Record<string, unknown>, Parameters<FirestoreSession['update']>[2], Record<string, unknown>]>([
    ['update replaces the fields named', { m: { x: 9 }, b: 2 }, { way: 'update' }, { a: 1, m: { x: 9 }, 'odd name': 1, b: 2 }],
    ['merge goes into maps', { m: { x: 9 } }, { way: 'merge' }, { a: 1, m: { x: 9, y: 2 }, 'odd name': 1 }],
    ['replace leaves nothing else', { b: 2 }, { way: 'replace' }, { b: 2 }],
    ['a mask writes what it names', { m: { x: 9, y: 9 } }, { way: 'update', mask: ['m.x'] }, { a: 1, m: { x: 9, y: 2 }, 'odd name': 1 }],
    ['a mask removes what has no value', {}, { way: 'update', mask: ['a'] }, { m: { x: 1, y: 2 }, 'odd name': 1 }],
  ])('%s', async (_, fields, how, after) => {
    await session.update('updated/one', before, { way: 'replace' })
    expect(await session.update('updated/one', fields, how)).toEqual({ path: 'updated/one', update_time: expect.any(String) })
    expect((await session.get(['updated/one'])).documents[0]?.fields).toEqual(after)
  })

  it('names with other characters are quoted where they become paths', async () => {
    await session.update('updated/two', { 'post code': 1, 'a.b': { '`': 2 } }, { way: 'merge' })
    expect(server.calls[0]?.request.writes[0].updateMask.fieldPaths).toEqual(['`post code`', '`a.b`.`\\``'])
  })

  it('update wants the document to be there; merge and replace make it', async () => {
    expect(await fault(session.update('updated/none', { a: 1 }, { way: 'update' }))).toMatchObject({
      code: 'UPSTREAM_NOT_FOUND',
      maybeDone: false,
    })
    await session.update('updated/new', { a: 1 }, { way: 'merge' })
    expect((await session.get(['updated/none', 'updated/new'])).missing).toEqual(['updated/none'])
  })

  it.each<[string, Record<string, unknown>, Parameters<FirestoreSession['update']>[2]]>([
    ['nothing to write', {}, { way: 'update' }],
    ['a field that no path covers', { a: 1, b: 2 }, { way: 'update', mask: ['a'] }],
    ['a mask for a whole document', { a: 1 }, { way: 'replace', mask: ['a'] }],
    ['a path that is none', { a: 1 }, { way: 'update', mask: ['a', 'b..c'] }],
  ])('refuses %s', async (_, fields, how) => {
    expect((await fault(session.update('updated/one', fields, how))).code).toBe('INVALID_INPUT')
    expect(server.calls).toEqual([])
  })

  it('delete takes documents, leaves what lies below, and does not mind those that are not there', async () => {
    await session.update('gone/one', { a: 1 }, { way: 'merge' })
    await session.update('gone/one/below/two', { a: 1 }, { way: 'merge' })
    expect(await session.remove(['gone/one', 'gone/none', 'gone/one'])).toEqual({ deleted: ['gone/one', 'gone/none'] })
    expect((await session.get(['gone/one', 'gone/one/below/two'])).missing).toEqual(['gone/one'])
  })

  it('[db.caps] a hundred documents and 8 MiB at most', async () => {
    const many = Array.from({ length: 101 }, (_, i) => ({ i }))
    expect((await fault(session.add('a', many, 'k'))).code).toBe('INVALID_INPUT')
    expect((await fault(session.remove(many.map(({ i }) => `a/${i}`)))).code).toBe('INVALID_INPUT')
    expect((await fault(session.update('a/b', { t: 'x'.repeat(9_000_000) }, { way: 'merge' }))).code).toBe('INVALID_INPUT')
    expect(server.calls).toEqual([])
  })
})

describe('another database', () => {
  it('is its own, also for its rules', async () => {
    await server.put('cities/c1', { name: { stringValue: 'of the second' } }, 'second')
    const second = sessionOf({ database: 'second' })
    expect((await second.get(['cities/c1', 'cities/c2'])).documents).toMatchObject([{ fields: { name: 'of the second' } }])
    expect(await second.rules()).toMatchObject({ release: `projects/${PROJECT}/releases/cloud.firestore/second` })
  })
})

describe('rules', () => {
  it('are read as deployed, and tried without deploying', async () => {
    const rules = await session.rules()
    expect(rules).toMatchObject({
      release: `projects/${PROJECT}/releases/cloud.firestore`,
      truncated: false,
      files: [{ name: 'firestore.rules' }],
    })
    expect(await session.validateRules(rules.files[0]?.content as string)).toEqual({ valid: true, issues: [] })
    expect(await session.validateRules('service {')).toMatchObject({
      valid: false,
      issues: [{ severity: 'WARNING', line: 1 }, { severity: 'ERROR' }],
    })
    for (const call of server.google.calls.filter((it) => it.path !== '/token')) expect(call.headers.authorization).toMatch(/^Bearer ya29/)
  })

  const error = (code: number, status: string, message: string) => ({ status: code, body: { error: { code, message, status } } })
  it.each<[string, { status: number; headers?: Record<string, string>; body: unknown }, string]>([
    ['no permission', error(403, 'PERMISSION_DENIED', 'The caller does not have permission'), 'SCOPE_MISSING'],
    ['no release', error(404, 'NOT_FOUND', 'Requested entity was not found.'), 'UPSTREAM_NOT_FOUND'],
    ['too many', { ...error(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded'), headers: { 'retry-after': '9' } }, 'UPSTREAM_RATE_LIMITED'],
    ['bad', error(400, 'INVALID_ARGUMENT', 'Request contains an invalid argument.'), 'UPSTREAM_INVALID'],
    ['broken', error(500, 'INTERNAL', 'Internal error encountered.'), 'UPSTREAM_ERROR'],
    ['a page', { status: 200, body: '<html>hello</html>' }, 'UPSTREAM_ERROR'],
    ['a page that says no', { status: 401, body: '<html>log in</html>' }, 'UPSTREAM_ERROR'],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/stolen' }, body: '' }, 'UPSTREAM_ERROR'],
  ])('%s', async (_, answer, code) => {
    await session.rules() // has a token
    server.google.next(answer)
    const found = await fault(session.rules())
    expect(found.code).toBe(code)
    if (code === 'UPSTREAM_RATE_LIMITED') expect(found.retryAfter).toBe(9)
  })

  it('[db.firestore-stays-inside] a name of another project is not followed', async () => {
    const own = `projects/${PROJECT}/rulesets/11111111-2222-3333-4444-555555555555`
    for (const name of ['projects/other/rulesets/x', `projects/${PROJECT}/rulesets/../../other/rulesets/x`, '../secrets']) {
      server.google.calls.length = 0
      server.google.releaseNames(name)
      expect((await fault(session.rules())).code).toBe('UPSTREAM_ERROR')
      expect(server.google.calls).toHaveLength(1)
    }
    server.google.releaseNames(own)
  })
})
