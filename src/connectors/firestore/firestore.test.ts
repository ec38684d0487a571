import { databaseContext } from '../../../test/fakes/context.ts'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type AccountName, keyFile, PROJECT } from '../../../test/fakes/firestore-google.ts'
import { startFirestore, type TestFirestore } from '../../../test/fakes/firestore-server.ts'
import type { Fault } from '../../base/errors.ts'
import { createFirestore } from '../../vault/drivers/firestore.ts'
import type { ToolContext } from '../contract.ts'
import { faultsOf } from '../load.ts'
import firestore from './index.ts'

let server: TestFirestore
let driver: ReturnType<typeof createFirestore>

beforeAll(async () => {
  server = await startFirestore()
  driver = createFirestore({
    address: async (_, port) => ({ address: '127.0.0.1', port, family: 4 }),
    fetch: (url, init) => fetch(url, init as RequestInit),
    now: Date.now,
  })
  for (const [id, state, population] of [
    ['SF', 'CA', 870_000],
    ['LA', 'CA', 3_900_000],
    ['SJ', 'CA', 1_000_000],
    ['NY', 'NY', 8_300_000],
  ] as const)
    await server.put(`cities/${id}`, {
      state: { stringValue: state },
      population: { integerValue: String(population) },
      old_name: { stringValue: 'x' },
    })
}, 60_000)
afterEach(() => server.reset())
afterAll(async () => {
  await driver.close()
  await server.close()
})

function context(account: AccountName = 'writer', key = 'run_1/step_1'): ToolContext {
  const config = firestore.config.parse({ api_base: server.url }) as Record<string, unknown>
  const signal = new AbortController().signal
  const credential = { secret: { service_account_json: keyFile(account) }, entered: { project_id: PROJECT, database: '(default)' } }
  const session = driver.session({ owner: account, version: 1, credential, config, signal })
  return { ...databaseContext(session, config), key }
}
/** As a caller does it: input checked before, output checked after. */
// biome-ignore lint/suspicious/noExplicitAny: answers are JSON, and each test says what it expects of them
async function call(name: string, args: unknown = firestore.tools[name]?.example, ctx = context()): Promise<any> {
  const tool = firestore.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  const answer = await tool.run(ctx, tool.input.parse(args) as never)
  return JSON.parse(JSON.stringify(tool.output.parse(answer)))
}
const fault = (made: Promise<unknown>) =>
  made.then(
    (value) => expect.fail(`was answered: ${JSON.stringify(value)}`),
    (error: Fault) => error,
  )
const paths = (answer: { documents: { path: string }[] }) => answer.documents.map((it) => it.path)

describe('the connector', () => {
  it('has every tool of the catalogue, and nothing wrong with it', () => {
    expect(faultsOf('firestore', firestore)).toEqual([])
    const effects = Object.fromEntries(
      Object.entries(firestore.tools).map(([name, { effect, repeatable }]) => [name, [effect, repeatable]]),
    )
    expect(effects).toEqual({
      firestore_get_documents: ['read', true],
      firestore_query_collection: ['read', true],
      firestore_list_collections: ['read', true],
      firestore_get_rules: ['read', true],
      firestore_validate_rules: ['read', true],
      firestore_add_documents: ['write', true],
      firestore_update_document: ['destroy', true],
      firestore_delete_documents: ['destroy', true],
    })
  })

  it.each(['http://user:pw@127.0.0.1:1', 'http://127.0.0.1:1/path', 'http://127.0.0.1:1?x=1', 'file:///etc/passwd', 'nonsense'])(
    'a test endpoint is an origin, not %s',
    (api_base) => expect(firestore.config.safeParse({ api_base }).success).toBe(false),
  )

  it('takes the key, and not the path of a file', () => {
    const pattern = firestore.auth.kind === 'dsn' ? firestore.auth.fields[0]?.format?.pattern : undefined
    expect(pattern?.test(`\n${keyFile('writer')}\n`)).toBe(true)
    expect(pattern?.test(JSON.stringify(JSON.parse(keyFile('writer')), null, 2))).toBe(true)
    for (const no of ['/home/me/key.json', '~/key.json', '{}', '{"type": "external_account"}', '']) expect(pattern?.test(no)).toBe(false)
  })
})

describe('the check', () => {
  it('mints a token, asks for one collection, and says who it is', async () => {
    expect(await firestore.auth.check(context())).toEqual({
      account: {
        id: `writer@${PROJECT}.iam.gserviceaccount.com@${PROJECT}/(default)`,
        label: `writer@${PROJECT}.iam.gserviceaccount.com on ${PROJECT}`,
      },
      granted_scopes: null,
      warnings: ['The connection to this endpoint is NOT ENCRYPTED. Use it for tests only.'],
    })
    expect(server.google.calls.map((it) => it.path)).toEqual(['/token'])
    expect(server.calls.map(({ method, request }) => [method, request.pageSize])).toEqual([['listCollectionIds', 1]])
  })

  it('tells a dead key from a missing role', async () => {
    expect((await fault(firestore.auth.check(context('gone')))).code).toBe('CREDENTIAL_REJECTED')
    expect((await fault(firestore.auth.check(context('stranger')))).code).toBe('SCOPE_MISSING')
    expect((await firestore.auth.check(context('reader'))).account?.id).toContain('reader@')
  })
})

describe('tools', () => {
  it.each(Object.keys(firestore.tools).filter((it) => it !== 'firestore_delete_documents'))('%s answers its example', async (name) => {
    const answer = await call(name)
    expect(Object.keys(answer).length).toBeGreaterThan(0)
  })

  it('gets documents and names those that are not there', async () => {
    const answer = await call('firestore_get_documents', { document_paths: ['cities/NY', 'cities/Atlantis'] })
    expect(answer).toMatchObject({
      documents: [{ path: 'cities/NY', fields: { state: 'NY', population: 8_300_000 } }],
      missing: ['cities/Atlantis'],
      truncated: false,
    })
  })

  it('finds documents by the words of the protocol and by signs', async () => {
    const order_by = [{ field: 'population', direction: 'DESCENDING' }]
    const ask = (filters: unknown) => call('firestore_query_collection', { collection_path: 'cities', filters, order_by })
    for (const op of ['EQUAL', '=='])
      expect(paths(await ask([{ field: 'state', op, value: 'CA' }]))).toEqual(['cities/LA', 'cities/SJ', 'cities/SF'])
    for (const op of ['GREATER_THAN', '>'])
      expect(paths(await ask([{ field: 'population', op, value: 1_000_000 }]))).toEqual(['cities/NY', 'cities/LA'])
    for (const op of ['NOT_IN', 'not-in']) expect(paths(await ask([{ field: 'state', op, value: ['CA'] }]))).toEqual(['cities/NY'])
    expect(() =>
      firestore.tools.firestore_query_collection?.input.parse({ collection_path: 'a', filters: [{ field: 'a', op: 'LIKE', value: 1 }] }),
    ).toThrow()
  })

  it('walks through the pages of a query, and through collections', async () => {
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const answer = await call('firestore_query_collection', { collection_path: 'cities', limit: 1, ...(cursor ? { cursor } : {}) })
      seen.push(...paths(answer))
      cursor = answer.next_cursor ?? undefined
    } while (cursor)
    expect(seen).toEqual(['cities/LA', 'cities/NY', 'cities/SF', 'cities/SJ', ...seen.slice(4)])
    expect((await call('firestore_list_collections', {})).collections).toEqual(['cities'])
  })

  it('adds with ids of the call: another try of the step adds nothing, another step does', async () => {
    const input = { collection_path: 'orders', documents: [{ n: 1 }, { n: 2 }] }
    const first = await call('firestore_add_documents', input)
    expect(paths(await call('firestore_add_documents', input))).toEqual(paths(first))
    await call('firestore_add_documents', input, context('writer', 'run_1/step_2'))
    expect(paths(await call('firestore_query_collection', { collection_path: 'orders' }))).toHaveLength(4)
    for (const args of [{ collection_path: 'orders' }, { ...input, document: { n: 3 } }])
      expect((await fault(call('firestore_add_documents', args))).code).toBe('INVALID_INPUT')
  })

  it('updates in three ways, and deletes', async () => {
    const at = { document_path: 'things/one' }
    const fields = async () => (await call('firestore_get_documents', { document_paths: [at.document_path] })).documents[0]?.fields
    expect((await fault(call('firestore_update_document', { ...at, fields: { a: 1 } }))).code).toBe('UPSTREAM_NOT_FOUND')
    await call('firestore_update_document', { ...at, fields: { a: { x: 1, y: 1 } }, merge: true })
    await call('firestore_update_document', { ...at, fields: { a: { x: 2 } }, merge: true })
    expect(await fields()).toEqual({ a: { x: 2, y: 1 } })
    await call('firestore_update_document', { ...at, fields: { a: { x: 3 } } })
    expect(await fields()).toEqual({ a: { x: 3 } })
    await call('firestore_update_document', { ...at, fields: { b: 1 }, merge: false })
    expect(await fields()).toEqual({ b: 1 })
    expect(await call('firestore_delete_documents', { document_paths: [at.document_path] })).toEqual({ deleted: ['things/one'] })
    expect(await fields()).toBeUndefined()
  })

  it('a role that may only read reads, and is told what it lacks', async () => {
    const reader = context('reader')
    expect(paths(await call('firestore_get_documents', { document_paths: ['cities/NY'] }, reader))).toEqual(['cities/NY'])
    for (const name of ['firestore_add_documents', 'firestore_update_document', 'firestore_delete_documents'])
      expect(await fault(call(name, undefined, reader))).toMatchObject({
        code: 'SCOPE_MISSING',
        maybeDone: false,
        hint: expect.stringContaining('Cloud Datastore User'),
      })
  })

  it('shows the rules and finds what is wrong with others', async () => {
    expect((await call('firestore_get_rules')).files[0].content).toContain('service cloud.firestore')
    expect(await call('firestore_validate_rules')).toEqual({ valid: true, issues: [] })
    expect((await call('firestore_validate_rules', { source: "rules_version = '2';\nservice {" })).valid).toBe(false)
  })

  it.each(Object.entries(firestore.tools).flatMap(([name, { example }]) => [[name, { ...(example as object), extra: 1 }] as const]))(
    '%s refuses what it does not know',
    (name, input) => expect(firestore.tools[name]?.input.safeParse(input).success).toBe(false),
  )
})
