/** A backup is made of a living installation, and restored beside it: whole, only with its root key, and without a hand on what is under way. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newRootKeyText } from '../../src/vault/index.ts'
import { type Provider, startProvider } from '../fakes/provider.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { backup, newPlace, restore, verify } from '../keeping.ts'
import { behindTheScenes } from './acts.ts'
import { hits } from './canary.ts'
import { httpInstance, setUpApp, signIn, things } from './sign-in.ts'
import { type KeyedApi, startKeyedApi } from '../fakes/keyed-api.ts'

const SCOPES = ['things.read']
const KEY = 'a-key-of-the-installation-that-is-kept'
let provider: Provider
let api: KeyedApi
let rt: TestRuntime
let folder: string
let file: string
let instance: string
let account: { connection: string; instance: string }
const runs: string[] = []
let workflow: string

beforeAll(async () => {
  provider = await startProvider({ scopes: SCOPES })
  api = await startKeyedApi()
  folder = mkdtempSync(join(tmpdir(), 'agentruntime-backups-'))
  file = join(folder, 'installation.backup')
  rt = await runtime({ allowPrivate: [provider.url, api.url], demo: true })
  provider.allowRedirect(`${rt.url}/v1/oauth/callback`)
  await setUpApp(rt, provider, { rotates: 'always' })
  const { connection } = await signIn(rt, provider, { scopes: SCOPES })
  account = { connection, instance: await httpInstance(rt, provider, connection) }
  expect((await things(rt, account.instance)).body.result.status).toBe(200)
  api.accepts.set(KEY, 'acme')
  const { id } = await rt.ok('POST', '/v1/connections', {
    display_name: 'Keyed',
    provider: 'http',
    service: 'bearer',
    credentials: { api_key: KEY },
  })
  instance = (await rt.ok('POST', '/v1/mcp/instances', { slug: 'http', connection_id: id, config: { base_url: api.url } })).id
  const step = (name: string, after: string[], path: string) => ({
    id: name,
    type: 'mcp_call',
    instance_id: instance,
    depends_on: after,
    timeout_s: 300,
    tool_name: 'http_request',
    tool_args: { method: 'GET', path },
  })
  const graph = { steps: [step('held', [], '/held'), step('then', ['held'], '/then')] }
  workflow = (await rt.ok('POST', '/v1/workflows', { name: 'Under way in both', graph })).id
  await rt.ok('POST', `/v1/workflows/${workflow}/versions`, {})
  api.holds = '/held'
  for (let i = 0; i < 3; i++) {
    const arrived = api.arrived()
    runs.push((await rt.ok('POST', `/v1/workflows/${workflow}/command`, { command: 'start', params: {} })).run_id)
    await arrived
  }
  const said = await backup(rt, file)
  expect(said.code, said.stderr).toBe(0)
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await api?.[Symbol.asyncDispose]()
  await provider?.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('the file', () => {
  it('[backup.whole] is verified, tells what it holds, is readable by its owner alone, and takes no place of another', async () => {
    const told = await verify(rt, file)
    expect(told.code, told.stderr).toBe(0)
    const held = JSON.parse(told.stdout)
    expect(held.tables).toMatchObject({ runs: 4, connections: 2, workflows: 2 })
    expect(held.files).toBeGreaterThan(0) // the demo's own database
    expect((await backup(rt, file)).code).toBe(2)
    expect(readFileSync(file).length).toBeGreaterThan(1_000)
  })

  it('[backup.sealed] says what it is and nothing else: no secret, no name of a row, no root key', () => {
    const bytes = readFileSync(file)
    const head = bytes.subarray(0, bytes.indexOf('\n', 30)).toString()
    expect(Object.keys(JSON.parse(head.slice(head.indexOf('{'))))).toEqual([
      'format',
      'version',
      'created_at',
      'migrations',
      'root_key_id',
      'key',
    ])
    const root = readFileSync(join(rt.dataDir, 'root.key'), 'utf8').trim()
    const secrets = {
      'root key': root.split(':')[1] as string,
      'API key': KEY,
      'client secret': provider.client.secret,
      'owner token': rt.pat,
      'name of a workflow': 'Under way in both',
      'id of a connection': account.connection,
    }
    expect(hits(secrets, [['the backup', bytes]])).toEqual([])
    expect(() => gunzipSync(bytes.subarray(head.length + 5))).toThrow()
  })

  it('[backup.tampered] cut, changed, lengthened or put together anew anywhere, it is refused, and nothing is restored of it', async () => {
    const whole = readFileSync(file)
    const first = whole.indexOf('\n', 30) + 1
    const changes: Record<string, Buffer> = {
      'cut by a byte': whole.subarray(0, -1),
      'cut in the middle': whole.subarray(0, Math.floor(whole.length / 2)),
      'without its frames': whole.subarray(0, first),
      'with something behind its end': Buffer.concat([whole, Buffer.from('more')]),
      'with another time in its head': Buffer.from(whole.toString('latin1').replace('"created_at":"2', '"created_at":"1'), 'latin1'),
      'no backup at all': Buffer.from('something else entirely'),
    }
    for (const at of [first + 2, first + 40, Math.floor(whole.length / 2), whole.length - 3]) {
      const copy = Buffer.from(whole)
      copy[at] = (copy[at] as number) ^ 1
      changes[`with byte ${at} changed`] = copy
    }
    await using place = await newPlace(rt)
    for (const [what, bytes] of Object.entries(changes)) {
      const path = join(folder, 'changed')
      writeFileSync(path, bytes)
      const said = await restore(place, path)
      expect([what, said.code], said.stderr).toEqual([what, 5])
      expect(readdirSync(place.dataDir), what).toEqual(['root.key'])
    }
  })

  it('[backup.root-key] opens with the root key that the installation had, and with no other', async () => {
    await using place = await newPlace()
    const said = await restore(place, file)
    expect([said.code, said.stderr]).toEqual([7, expect.stringContaining('no root key')])
    writeFileSync(join(place.dataDir, 'root.key'), `${newRootKeyText()}\n`)
    chmodSync(join(place.dataDir, 'root.key'), 0o600)
    const other = await restore(place, file)
    expect([other.code, other.stderr]).toEqual([7, expect.stringContaining('needs the root key')])
    expect(readdirSync(place.dataDir)).toEqual(['root.key'])
  })

  it('[restore.empty] is restored into what is empty, and over nothing', async () => {
    const said = await restore(rt, file)
    expect([said.code, said.stderr]).toEqual([5, expect.stringContaining('is not empty')])
    await using place = await newPlace(rt)
    const elsewhere = await restore({ dataDir: place.dataDir, databaseUrl: rt.databaseUrl }, file)
    expect([elsewhere.code, elsewhere.stderr]).toEqual([5, expect.stringContaining('the database is not empty')])
  })
})

describe('a restored copy beside the living original', () => {
  it('[restore.copy] serves whoever asks it, and spends no refresh token and starts nothing by itself, until an owner says so', async () => {
    await using place = await newPlace(rt)
    const said = await restore(place, file)
    expect(said.code, said.stderr).toBe(0)
    expect(existsSync(join(place.dataDir, 'files'))).toBe(true)
    const asked = { provider: provider.tokenRequests.length, api: api.requests.length }
    await using copy = await runtime({ on: place, allowPrivate: [provider.url, api.url], flags: ['--log-level', 'trace'] })
    expect(copy.said.stderr).toContain('was restored from the backup')

    // What a person asks of it works, with the credentials that it holds.
    const call = await copy.api('POST', `/v1/mcp/instances/${instance}/tools/http_request/call`, {
      args: { method: 'GET', path: '/asked' },
    })
    expect(call.status, call.text).toBe(200)
    const fresh = await copy.ok('GET', `/v1/workflows/${workflow}/runs/${runs[0]}/summary`)
    expect(fresh.status).toBe('running')

    // Its tokens have ended: a call that needs a new one is told why there is none.
    await using db = await behindTheScenes(copy)
    await db.rows(
      "update grants set access_obtained_at = now() - interval '2 h', access_expires_at = now() - interval '1 h', due_at = now()",
    )
    expect(await things(copy, account.instance)).toMatchObject({ status: 503, body: { details: { reason: 'renewals_held' } } })
    expect(provider.tokenRequests).toHaveLength(asked.provider)
    // Longer than the look at the start: nobody has taken up what was under way.
    expect(api.requests.slice(asked.api).map((r) => r.path)).toEqual(['/asked'])
    expect(await db.rows('select 1 from tool_calls where run_id is not null and at > (select held_since from installation)')).toEqual([])

    // The original is not disturbed: its runs go on, and its account is renewed.
    api.holds = null
    api.release()
    for (const run of runs)
      await until(
        async () => (await rt.ok('GET', `/v1/workflows/${workflow}/runs/${run}/summary`)).status === 'completed',
        'the original to go on',
      )
    await using original = await behindTheScenes(rt)
    await original.rows(
      "update grants set access_obtained_at = now() - interval '2 h', access_expires_at = now() - interval '1 h', due_at = now()",
    )
    await until(async () => (await things(rt, account.instance)).body.result?.status === 200, 'the original to renew')

    // The original is no more: what was under way goes on in the copy.
    await rt.stop()
    await copy.ok('POST', '/v1/oauth/confirm-original', { confirm: true })
    for (const run of runs)
      await until(
        async () => (await copy.ok('GET', `/v1/workflows/${workflow}/runs/${run}/summary`)).status === 'completed',
        'the copy to go on',
        40_000,
      )
  }, 120_000)
})
