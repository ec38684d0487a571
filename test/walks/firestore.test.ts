/** Firestore in the real product: its key file is tried, stored, used and replaced, through the real way out, and is nowhere to be read. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyFile, PROJECT } from '../fakes/firestore-google.ts'
import { startFirestore, type TestFirestore } from '../fakes/firestore-server.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { filesBelow, hits, type Place } from './canary.ts'

let rt: TestRuntime
let server: TestFirestore
let instance: string
let connection: string
const credentials = { service_account_json: keyFile('writer') }
const call = (tool: string, args: unknown) => rt.api('POST', `/v1/mcp/instances/${instance}/tools/${tool}/call`, { args })

beforeAll(async () => {
  server = await startFirestore()
  rt = await runtime({ allowPrivate: [server.url] })
}, 60_000)
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await server?.close()
})

describe('firestore', () => {
  it('[connectors.walk] a key is tried before it is stored, then stored and used', async () => {
    const config = { api_base: server.url }
    expect(await rt.ok('POST', '/v1/connections/try', { provider: 'firestore', credentials, config })).toMatchObject({
      ok: true,
      problem: null,
      account: { label: `writer@${PROJECT}.iam.gserviceaccount.com on ${PROJECT}` },
    })
    const gone = { service_account_json: keyFile('gone') }
    expect(await rt.ok('POST', '/v1/connections/try', { provider: 'firestore', credentials: gone, config })).toMatchObject({
      ok: false,
      problem: { code: 'CREDENTIAL_REJECTED' },
    })

    const made = await rt.ok('POST', '/v1/connections', { display_name: 'shop', provider: 'firestore', credentials })
    connection = made.id
    instance = (await rt.ok('POST', '/v1/mcp/instances', { slug: 'firestore', name: 'shop', connection_id: connection, config })).id
    const checks = await rt.ok('POST', `/v1/mcp/instances/${instance}/validate`)
    expect(checks.checks.filter((it: { ok: boolean }) => !it.ok)).toEqual([])
    expect((await call('firestore_add_documents', { collection_path: 'cities', document: { name: 'Delft' } })).status).toBe(200)
    expect((await call('firestore_query_collection', { collection_path: 'cities' })).body).toMatchObject({
      result: { documents: [{ fields: { name: 'Delft' } }] },
    })
    expect((await call('firestore_get_rules', {})).status).toBe(200)
  })

  it('[db.firestore-own-identity] a test endpoint that nobody opened is not reached, nor is the metadata server', async () => {
    for (const api_base of ['http://127.0.0.1:9', 'http://169.254.169.254', 'http://firestore.example']) {
      const refused = await rt.ok('POST', '/v1/connections/try', { provider: 'firestore', credentials, config: { api_base } })
      expect(refused).toMatchObject({ ok: false, problem: { code: 'EGRESS_BLOCKED' } })
    }
  })

  it('[connectors.walk] what leaks into a document and into messages gives nothing away', async () => {
    const { private_key } = JSON.parse(credentials.service_account_json) as { private_key: string }
    server.can('leaks/one', { file: { stringValue: credentials.service_account_json }, key: { stringValue: private_key } })
    await call('firestore_get_documents', { document_paths: ['leaks/one'] })
    server.next({ code: 3, details: `what is ${private_key} ${credentials.service_account_json}` })
    await call('firestore_get_documents', { document_paths: ['cities/Delft'] })
    const said: Place[] = rt.answers.map((it) => [`${it.method} ${it.path}`, Buffer.from(it.text)])
    const logs: Place[] = [
      ['stdout', Buffer.from(rt.said.stdout)],
      ['stderr', Buffer.from(rt.said.stderr)],
    ]
    const places = [...said, ...logs, ...filesBelow(rt.home, ['postgres'])]
    // A line in the middle of the key is as good as the whole of it to look for.
    const inside = private_key.split('\n')[5] as string
    const token = [...server.google.issued.keys()][0] as string
    expect(hits({ file: credentials.service_account_json, key: private_key, inside, token }, places)).toEqual([])
  })

  it('[connectors.walk] a key that Google no longer takes asks for a person, and a new one mends it', async () => {
    await rt.ok('PATCH', `/v1/connections/${connection}`, { credentials: { service_account_json: keyFile('gone') } })
    const read = () => call('firestore_list_collections', {})
    expect((await read()).body).toMatchObject({ code: 'CREDENTIAL_REJECTED' })
    expect(await rt.ok('GET', `/v1/connections/${connection}`)).toMatchObject({ status: 'reconnect' })
    await rt.ok('PATCH', `/v1/connections/${connection}`, { credentials })
    expect((await read()).status).toBe(200)
  })

  it('a file that is no key is refused with a sentence', async () => {
    const refuse = (service_account_json: string) =>
      rt.api('POST', '/v1/connections', { display_name: 'x', provider: 'firestore', credentials: { service_account_json } })
    expect(await refuse('/etc/key.json')).toMatchObject({ status: 422, body: { code: 'CREDENTIAL_MALFORMED' } })
    const elsewhere = await refuse(keyFile('writer', { token_uri: 'https://evil.example/token' }))
    expect(elsewhere).toMatchObject({ status: 422, body: { code: 'CREDENTIAL_MALFORMED' } })
    expect(elsewhere.text).not.toMatch(/PRIVATE KEY|evil/)
  })
})
