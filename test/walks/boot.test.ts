/** Starting, and what hinders it: each is one sentence and an exit code within seconds, and nothing that was there is harmed. */
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newRootKeyText } from '../../src/vault/index.ts'
import { emptyDatabase } from '../database.ts'
import { key, startAnyApi } from '../fakes/any-api.ts'
import type { Stub } from '../fakes/stub.ts'
import { failedStart, runtime, type TestRuntime, until } from '../harness.ts'
import { behindTheScenes, call, connected, ended, events, published, ran, start, told } from './acts.ts'

/** Generous for two busy cores; a start that cannot succeed needs a fraction of it. */
const SECONDS = 12_000
/** A sealed vault tries its root key again every 5 s. */
const VAULT_OPENS_MS = 12_000

let api: Stub
let home: string
beforeAll(async () => {
  api = await startAnyApi('bearer')
  home = mkdtempSync(join(tmpdir(), 'agentruntime-boot-'))
})
afterAll(async () => {
  await api?.close()
  rmSync(home, { recursive: true, force: true })
})

const place = (name: string) => join(home, name)

/** Fails soon, says one sentence, and gives the same in JSON. */
async function refusal(argv: readonly string[], says: RegExp, code: string, exit: number): Promise<void> {
  const [plain, json] = await Promise.all([failedStart(['start', ...argv]), failedStart(['start', ...argv, '--json'])])
  for (const { code: status, ms } of [plain, json]) {
    expect(status).toBe(exit)
    expect(ms).toBeLessThan(SECONDS)
  }
  const [sentence = '', hint, ...more] = plain.stderr.trimEnd().split('\n')
  expect(sentence).toMatch(says)
  expect(more).toEqual([]) // no stack
  const said = JSON.parse(json.stderr.trim().split('\n').at(-1) as string)
  expect(said).toMatchObject({ event: 'error', code, error: expect.stringMatching(says) })
  expect(said.hint).toEqual(hint)
  expect(json.stdout).toBe('')
}

describe('a start that cannot succeed', () => {
  it('[boot.refusals] an unknown flag, and a value that is none', async () => {
    await refusal(['--prot', '80'], /--prot/, 'INVALID_INPUT', 2)
    await refusal(['--port', 'eighty'], /--port must be a number from 0 to 65535/, 'INVALID_INPUT', 2)
    await refusal(['--port', '65536'], /--port/, 'INVALID_INPUT', 2)
  })

  it('[boot.refusals] words that are no flag, and contradictions', async () => {
    await refusal(['somewhere'], /somewhere/, 'INVALID_INPUT', 2)
    await refusal(['--database-url', 'mysql://a:hush-hush@b/c'], /--database-url must begin with postgres/, 'INVALID_INPUT', 2)
    await refusal(['--allow-private', '169.254.169.254:80'], /cannot be allow-listed/, 'INVALID_INPUT', 2)
    await refusal(['--root-key-file', 'a', '--root-key-command', 'b'], /not both/, 'INVALID_INPUT', 2)
  })

  it('[boot.refusals] a port that is in use', async () => {
    const squatter = createServer().listen(0, '127.0.0.1')
    await once(squatter, 'listening')
    const { port } = squatter.address() as AddressInfo
    const one = failedStart(['start', '--port', `${port}`, '--data-dir', place('port-1'), '--json'])
    const { code, stderr, ms } = await one
    squatter.close()
    expect({ code, quick: ms < SECONDS }).toEqual({ code: 5, quick: true })
    expect(JSON.parse(stderr.trim())).toMatchObject({
      code: 'CONFLICT',
      error: `port ${port} on 127.0.0.1 is in use`,
      hint: '--port 0 picks a free one.',
    })
    expect(existsSync(join(place('port-1'), 'postgres'))).toBe(false) // said before anything was made
  })

  it('[boot.refusals] a database that is not there, or does not let us in', async () => {
    const gone = createServer().listen(0, '127.0.0.1')
    await once(gone, 'listening')
    const { port } = gone.address() as AddressInfo
    gone.close()
    await once(gone, 'close')
    const url = (at: string) => `postgres://nobody:hush-hush-7@${at}/nowhere`
    const unreachable = await failedStart(['start', '--port', '0', '--data-dir', place('db-1'), '--database-url', url(`127.0.0.1:${port}`)])
    expect(unreachable.code).toBe(7)
    expect(unreachable.ms).toBeLessThan(SECONDS)
    expect(unreachable.stderr).toMatch(/^the database cannot be reached: .+\nCheck --database-url \(DATABASE_URL\)\.\n$/)
    const { url: real, drop } = await emptyDatabase()
    const stranger = await failedStart([
      'start',
      '--port',
      '0',
      '--data-dir',
      place('db-2'),
      '--database-url',
      real.replace(/:\/\/[^@]*@/, '://nobody:hush-hush-7@'),
    ])
    await drop()
    expect(stranger.code).toBe(7)
    expect(stranger.stderr).toMatch(/^the database cannot be reached: /)
    for (const { stderr, stdout } of [unreachable, stranger]) expect(stderr + stdout).not.toMatch(/hush-hush|postgres:\/\/|\n +at /)
  })

  it('[boot.refusals] a database that is too old', async () => {
    const old = await oldPostgres('140011')
    const { code, stderr, ms } = await failedStart([
      'start',
      '--port',
      '0',
      '--data-dir',
      place('db-3'),
      '--database-url',
      `postgres://a:b@127.0.0.1:${old.port}/c`,
      '--json',
    ])
    await old.close()
    expect({ code, quick: ms < SECONDS }).toEqual({ code: 7, quick: true })
    expect(JSON.parse(stderr.trim())).toMatchObject({
      code: 'DEPENDENCY_UNAVAILABLE',
      error: 'the database is PostgreSQL 14, and 15 or newer is needed',
    })
  })

  it('[boot.refusals] a database that hangs up while it is made ready', async () => {
    const rude = await oldPostgres('180000', true)
    const { code, stderr } = await failedStart([
      'start',
      '--port',
      '0',
      '--data-dir',
      place('db-4'),
      '--database-url',
      `postgres://a:b@127.0.0.1:${rude.port}/c`,
    ])
    await rude.close()
    expect({ code, stderr }).toEqual({
      code: 7,
      stderr: 'the connection to the database was lost while it was being made ready\nStart again.\n',
    })
  })

  it('[boot.refusals] a database of a newer version, or whose migrations were changed', async () => {
    await using rt = await runtime()
    await rt.stop()
    await using db = await behindTheScenes(rt)
    await db.rows("insert into schema_migrations (name, sha256) values ('9999_later.sql', 'x')")
    await expect(rt.again()).rejects.toThrow(/written by a newer runtime \(it has 9999_later\.sql\)/)
    await db.rows("delete from schema_migrations where name = '9999_later.sql'")
    await db.rows("update schema_migrations set sha256 = 'x' || sha256 where name like '0001%'")
    await expect(rt.again()).rejects.toThrow(/migration 0001_\w+\.sql was changed after it was applied/)
  })

  it('[boot.refusals] a data directory that another process uses, which goes on undisturbed', async () => {
    await using rt = await runtime()
    const argv = ['--port', '0', '--data-dir', rt.dataDir, '--database-url', rt.databaseUrl as string]
    await refusal(argv, new RegExp(`data directory ${rt.dataDir} is in use by process ${rt.pid}`), 'CONFLICT', 5)
    expect((await rt.api('GET', '/readyz')).status).toBe(200)
  })
})

describe('starting again', () => {
  it('[boot.again] with its own PostgreSQL: one demo, one token, the same key, and quick', async () => {
    await using rt = await runtime({ database: 'own', demo: true })
    const things = async (of: TestRuntime) => ({
      workflows: (await of.ok('GET', '/v1/workflows')).items.length,
      instances: (await of.ok('GET', '/v1/mcp/instances')).items.length,
      pats: (await of.ok('GET', '/v1/pats')).items.map((p: { id: string }) => p.id),
      runs: (await of.ok('GET', '/v1/runs')).items.length,
    })
    await until(async () => (await rt.ok('GET', '/v1/runs')).items[0]?.status === 'completed', 'the demo to have run')
    const first = await things(rt)
    expect(first).toMatchObject({ workflows: 1, instances: 1, runs: 1, pats: [expect.any(String)] })
    const secrets = () => [readFileSync(join(rt.dataDir, 'root.key'), 'utf8'), readFileSync(rt.patFile, 'utf8')]
    const before = secrets()
    for (const file of [join(rt.dataDir, 'root.key'), rt.patFile, join(rt.dataDir, 'postgres', 'passwords.json')])
      expect(statSync(file).mode & 0o777, file).toBe(0o600)
    expect(await rt.stop()).toEqual({ code: 0, signal: null })
    const began = performance.now()
    await using two = await rt.again({ database: 'own', demo: true })
    expect(performance.now() - began).toBeLessThan(SECONDS)
    expect(await things(two)).toEqual(first)
    expect(secrets()).toEqual(before)
  })

  it('[boot.again] a token file whose token was revoked gets a new one', async () => {
    await using rt = await runtime()
    const [{ id }] = (await rt.ok('GET', '/v1/pats')).items
    await rt.ok('DELETE', `/v1/pats/${id}`)
    await rt.stop()
    await using two = await rt.again()
    expect(two.pat).not.toBe(rt.pat)
    expect((await two.api('GET', '/v1/me')).status).toBe(200)
  })

  it('[boot.drain] SIGTERM lets the call in flight end and be written down, and the run goes on after the next start', async () => {
    await using rt = await runtime({ allowPrivate: [api.url] })
    const { instance } = await connected(rt, { provider: 'http', credentials: { api_key: key }, config: { base_url: api.url } })
    const step = (id: string, more = {}) => ({
      id,
      instance_id: instance,
      tool_name: 'http_request',
      tool_args: { method: 'POST', path: '/v1/items', body: { name: id } },
      ...more,
    })
    const workflow = await published(rt, 'Drained', [step('first'), step('second', { depends_on: ['first'] })])
    api.reset()
    api.next({ kind: 'slow' })
    const arrived = api.arrived()
    const { run_id: run } = await start(rt, workflow)
    await arrived
    const stopped = rt.stop()
    // The runtime answers nobody any more, but waits for the call.
    await until(
      () =>
        fetch(`${rt.url}/healthz`).then(
          () => false,
          () => true,
        ),
      'the listener to close',
    )
    api.release()
    expect(await stopped).toEqual({ code: 0, signal: null })
    expect(api.requests.map((r) => JSON.parse(r.body).name)).toEqual(['first'])

    await using two = await rt.again()
    expect((await ended(two, workflow, run)).status).toBe('completed')
    expect(api.requests.map((r) => JSON.parse(r.body).name)).toEqual(['first', 'second']) // a write, once each
    expect(told(await events(two, workflow, run))).toEqual([
      'run_started',
      'step_started first',
      'step_completed first',
      'step_started second',
      'step_completed second',
      'state_changed running → completed',
    ])
  })
})

describe('the root key', () => {
  /** A runtime with a sealed secret in it, stopped. */
  async function stored(limit: number) {
    const rt = await runtime({ allowPrivate: [api.url] })
    const made = await connected(rt, { provider: 'http', credentials: { api_key: key }, config: { base_url: api.url } })
    const get = { method: 'GET', path: '/v1/items', query: { limit } } // tells this test's requests from others'
    expect((await call(rt, made.instance, 'http_request', get)).status).toBe(200)
    const workflow = await published(rt, 'Needs it', [{ id: 'a', instance_id: made.instance, tool_name: 'http_request', tool_args: get }])
    const { checks } = (await rt.api('GET', '/readyz')).body
    await rt.stop()
    return { rt, ...made, get, workflow, keyId: checks.vault.key_id as string, file: join(rt.dataDir, 'root.key') }
  }
  const kept = async (rt: TestRuntime) => {
    await using db = await behindTheScenes(rt)
    return await db.rows(
      "select 'k' || key_no || encode(wrapped, 'hex') as it from vault_keys union all select 's' || root_key_id from vault_sentinel union all select id || encode(bytes, 'hex') || state from sealed order by 1",
    )
  }

  // The other ways in which a key can be wrong are the room's own tests.
  it.concurrent.each([
    ['missing', 1, (file: string) => rmSync(file), /no root key at/, false],
    ['another one', 2, (file: string) => writeFileSync(file, `${newRootKeyText()}\n`), /is not the root key of this vault/, true],
  ])(
    '[vault.sealed-safe] %s: the process is up, says which key it needs, decrypts nothing, makes no key, and opens when it comes back',
    async (_what, limit, spoil, says, there) => {
      const { rt, connection, instance, get, workflow, keyId, file } = await stored(limit)
      await using _ = rt
      const before = await kept(rt)
      const copy = `${file}.copy`
      writeFileSync(copy, readFileSync(file), { mode: 0o600 })
      spoil(file)
      const spoilt = there ? readFileSync(file, 'utf8') : null

      await using two = await rt.again()
      expect((await two.api('GET', '/healthz')).status).toBe(200)
      const ready = await two.api('GET', '/readyz')
      expect(ready.status).toBe(503)
      expect(ready.body).toMatchObject({
        ready: false,
        checks: {
          database: { ok: true },
          engine: { ok: true },
          vault: { ok: false, problem: expect.stringMatching(says), expected_key_ids: [keyId] },
        },
      })
      const asked = () => api.requests.filter((r) => r.query.get('limit') === `${limit}`).length
      const called = asked()
      const sealed = { status: 503, body: { code: 'VAULT_SEALED', hint: expect.stringContaining(keyId) } }
      expect(await call(two, instance, 'http_request', get)).toMatchObject(sealed)
      expect(
        await two.api('POST', '/v1/connections', { display_name: 'x', provider: 'http', credentials: { api_key: 'another-key' } }),
      ).toMatchObject(sealed)
      expect(await two.api('PATCH', `/v1/connections/${connection}`, { credentials: { api_key: 'another-key' } })).toMatchObject(sealed)
      expect(await two.api('POST', '/v1/vault/rotate', {})).toMatchObject(sealed)
      expect(await two.api('POST', '/v1/workflows', { name: 'x', graph: { steps: [] } })).toMatchObject(sealed) // cannot be searched for secrets
      expect((await two.ok('GET', `/v1/connections/${connection}`)).status).toBe('unverified') // facts stay readable
      expect(asked()).toBe(called)
      expect(await kept(rt)).toEqual(before)
      expect(there ? readFileSync(file, 'utf8') : existsSync(file)).toBe(spoilt ?? false)
      expect(
        readdirSync(rt.dataDir)
          .filter((f) => f.startsWith('root.key'))
          .sort(),
      ).toEqual(there ? ['root.key', 'root.key.copy'] : ['root.key.copy'])

      renameSync(copy, file)
      await until(async () => (await two.api('GET', '/readyz')).status === 200, 'the vault to open', VAULT_OPENS_MS)
      expect((await call(two, instance, 'http_request', get)).status).toBe(200)
      expect((await ran(two, workflow)).run.status).toBe('completed')
      expect(await kept(rt)).toEqual(before)
    },
  )
})

/** Says of itself over PostgreSQL's own protocol which version it is, and answers nothing else; a rude one hangs up instead. */
async function oldPostgres(version: string, rude = false): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const message = (type: string, ...parts: Buffer[]) => {
    const body = Buffer.concat(parts)
    const length = Buffer.alloc(4)
    length.writeInt32BE(body.length + 4)
    return Buffer.concat([Buffer.from(type), length, body])
  }
  const int = (value: number, bytes: 2 | 4) => {
    const out = Buffer.alloc(bytes)
    out.writeIntBE(value, 0, bytes)
    return out
  }
  const ready = message('Z', Buffer.from('I'))
  const row = Buffer.concat([
    message('T', int(1, 2), Buffer.from('server_version_num\0'), int(0, 4), int(0, 2), int(25, 4), int(-1, 2), int(-1, 4), int(0, 2)),
    message('D', int(1, 2), int(version.length, 4), Buffer.from(version)),
    message('C', Buffer.from('SHOW\0')),
    ready,
  ])
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    let begun = false
    socket.on('data', (data) => {
      if (!begun) socket.write(Buffer.concat([message('R', int(0, 4)), ready]))
      else if (data[0] === 0x51) socket.write(rude ? '' : row) // Q: a simple query
      if (begun && rude) socket.destroy()
      begun = true
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
