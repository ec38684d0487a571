import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { keyFile, PROJECT } from '../../../test/fakes/firestore-google.ts'
import { startFirestore, type TestFirestore } from '../../../test/fakes/firestore-server.ts'
import { Fault } from '../../base/errors.ts'
import type { DriverDeps, Use } from './driver.ts'
import { createFirestore } from './firestore.ts'
import type { FirestoreSession } from './session.ts'

let server: TestFirestore
let now = Date.now()
const asked: string[] = []
const drivers: ReturnType<typeof createFirestore>[] = []
const deps: Pick<DriverDeps, 'address' | 'fetch' | 'now'> = {
  address: async (host, port) => {
    asked.push(`${host}:${port}`)
    return { address: '127.0.0.1', port, family: 4 }
  },
  fetch: (url, init) => fetch(url, init as RequestInit),
  now: () => now,
}
function driverOf(more: Partial<DriverDeps> = {}) {
  const made = createFirestore({ ...deps, ...more })
  drivers.push(made)
  return made
}
let driver: ReturnType<typeof createFirestore>

beforeAll(async () => {
  server = await startFirestore(() => now)
  driver = driverOf()
}, 60_000)
afterEach(() => {
  server.reset()
  asked.length = 0
})
afterAll(async () => {
  for (const it of drivers) await it.close()
  await server.close()
})

interface Options {
  account?: Parameters<typeof keyFile>[0]
  entered?: Record<string, unknown>
  config?: Record<string, unknown>
  signal?: AbortSignal
  owner?: string
  version?: number
  by?: ReturnType<typeof createFirestore>
}
function session(o: Options = {}): FirestoreSession {
  const use: Use = {
    owner: o.owner ?? `con_${o.account ?? 'writer'}`,
    version: o.version ?? 1,
    credential: { secret: { service_account_json: keyFile(o.account ?? 'writer') }, entered: o.entered ?? {} },
    config: { api_base: server.url, request_timeout_sec: 10, ...o.config },
    signal: o.signal ?? new AbortController().signal,
  }
  return (o.by ?? driver).session(use)
}
const fault = (made: Promise<unknown>): Promise<Fault> =>
  made.then(
    (value) => expect.fail(`was answered: ${JSON.stringify(value)}`),
    (error: Fault) => error,
  )
const tokensAsked = () => server.google.calls.filter((it) => it.path === '/token')
const text = (stringValue: string) => ({ stringValue })

describe('the way there', () => {
  it("[db.firestore-own-identity] goes past every proxy, metadata server, emulator and identity that the machine's environment names", async () => {
    let trapped = 0
    const trap = createServer((socket) => {
      trapped++
      socket.destroy()
    })
    trap.listen(0, '127.0.0.1')
    await once(trap, 'listening')
    const at = `127.0.0.1:${(trap.address() as AddressInfo).port}`
    const environment: Record<string, string> = {
      ...Object.fromEntries(
        ['grpc_proxy', 'http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'all_proxy'].map((it) => [it, `http://${at}`]),
      ),
      GCE_METADATA_HOST: at,
      GCE_METADATA_IP: at,
      METADATA_SERVER_DETECTION: 'assume-present',
      FIRESTORE_EMULATOR_HOST: at,
      GOOGLE_APPLICATION_CREDENTIALS: '/nowhere/key.json',
      GOOGLE_CLOUD_PROJECT: 'another-project',
      GOOGLE_CLOUD_UNIVERSE_DOMAIN: 'elsewhere.example',
      GOOGLE_API_USE_CLIENT_CERTIFICATE: 'true',
      GOOGLE_API_USE_MTLS_ENDPOINT: 'always',
    }
    const before = { ...process.env }
    Object.assign(process.env, environment)
    try {
      expect(await session({ by: driverOf() }).check()).toEqual({
        account: `writer@${PROJECT}.iam.gserviceaccount.com`,
        project: PROJECT,
        database: '(default)',
      })
    } finally {
      for (const name of Object.keys(environment)) delete process.env[name]
      Object.assign(process.env, before)
      trap.close()
    }
    expect(trapped).toBe(0)
    expect(server.calls.map((it) => it.method)).toEqual(['listCollectionIds'])
    expect(server.calls[0]?.headers.authorization).toMatch(/^Bearer ya29\.c\.made-up-token-\d+-writer$/)
  })

  it('leads to Google where no test endpoint is named, and the key is signed for Google alone', async () => {
    const fetched: string[] = []
    const by = driverOf({
      fetch: (url, init) => {
        fetched.push(String(url))
        return fetch(`http://127.0.0.1:${server.google.port}${new URL(url).pathname}`, init as RequestInit)
      },
      address: async (host, port) => {
        asked.push(`${host}:${port}`)
        throw new Fault('EGRESS_BLOCKED', 'so far, and no further')
      },
    })
    server.pretend('https://oauth2.googleapis.com')
    const google = session({ by, config: { api_base: undefined } })
    expect((await fault(google.check())).code).toBe('EGRESS_BLOCKED')
    expect(asked).toEqual(['firestore.googleapis.com:443'])
    expect(await google.validateRules("rules_version = '2';")).toEqual({ valid: true, issues: [] })
    expect(fetched).toEqual([
      'https://oauth2.googleapis.com/token',
      'https://oauth2.googleapis.com/token',
      `https://firebaserules.googleapis.com/v1/projects/${PROJECT}:test`,
    ])
  })

  it('[db.firestore-own-identity] opens no socket to an address that is refused, and asks again for each new line', async () => {
    let allowed = true
    const by = driverOf({
      address: async (host, port) => {
        asked.push(`${host}:${port}`)
        if (!allowed) throw new Fault('EGRESS_BLOCKED', 'the runtime may not connect there')
        return { address: '127.0.0.1', port, family: 4 }
      },
    })
    await session({ by }).check()
    await session({ by }).check()
    expect(asked).toEqual([`127.0.0.1:${server.port}`])
    now += 301_000
    allowed = false
    server.calls.length = 0
    const connections = server.connections()
    expect((await fault(session({ by }).check())).code).toBe('EGRESS_BLOCKED')
    expect(asked).toHaveLength(2)
    expect(server.calls).toEqual([])
    expect(server.connections()).toBe(connections)
    allowed = true
    await session({ by }).check()
    expect(asked).toHaveLength(3)
  })

  it('a read survives a line that was cut, on a new one', async () => {
    await session().check()
    server.next({ code: 14, details: 'connection reset' })
    await session().check()
    expect(server.calls.map((it) => it.method)).toEqual(['listCollectionIds', 'listCollectionIds', 'listCollectionIds'])
    expect(asked.length).toBeGreaterThanOrEqual(1)
    server.next({ code: 14, details: 'connection reset' }, { code: 14, details: 'connection reset' })
    expect(await fault(session().check())).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: false })
  })

  it('says that nobody is there', async () => {
    const nobody = session({ config: { api_base: 'http://127.0.0.1:1' }, by: driverOf({ fetch: async () => fetchToken() }) })
    expect(await fault(nobody.check())).toMatchObject({ code: 'UPSTREAM_ERROR', message: 'Firestore cannot be reached', maybeDone: false })
    expect(await fault(nobody.remove(['c/d']))).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: false })
  })
})
const fetchToken = () => Response.json({ access_token: 'a-token-of-nobody', expires_in: 3600, token_type: 'Bearer' })

describe('tokens', () => {
  it('one serves all calls that begin at once, with the least scope; another API has its own', async () => {
    const by = driverOf()
    await Promise.all([1, 2, 3].map(() => session({ by }).check()))
    await session({ by }).rules()
    expect(tokensAsked()).toHaveLength(2)
    expect([...server.google.issued.values()].slice(-2).map((it) => it.scopes)).toEqual([
      ['https://www.googleapis.com/auth/datastore'],
      ['https://www.googleapis.com/auth/firebase.readonly'],
    ])
  })

  it('is minted anew before it ends, and for another version of the credential', async () => {
    const by = driverOf()
    await session({ by }).check()
    now += 54 * 60_000
    await session({ by }).check()
    expect(tokensAsked()).toHaveLength(1)
    now += 60_000
    await session({ by }).check()
    expect(tokensAsked()).toHaveLength(2)
    await session({ by, version: 2 }).check()
    expect(tokensAsked()).toHaveLength(3)
  })

  it('one that is refused before its time is followed by another; if that is refused too, the credential is', async () => {
    const by = driverOf()
    await session({ by }).check()
    for (const it of server.google.issued.values()) it.live = false
    await session({ by }).check()
    expect(tokensAsked()).toHaveLength(2)
    const no = { code: 16, details: 'Request had invalid authentication credentials.', headersFirst: true }
    server.next(no, no)
    expect((await fault(session({ by }).check())).code).toBe('CREDENTIAL_REJECTED')
  })

  it.each([
    ['an account that was deleted', null, 'CREDENTIAL_REJECTED'],
    [
      'a key that was deleted',
      { status: 400, body: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' } },
      'CREDENTIAL_REJECTED',
    ],
    ['a server in trouble', { status: 503, body: '<html>Service Unavailable</html>' }, 'UPSTREAM_ERROR'],
    ['a page of a proxy', { status: 200, body: '<html>Sign in to the guest network</html>' }, 'UPSTREAM_ERROR'],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: '' }, 'UPSTREAM_ERROR'],
    ['too many', { status: 429, headers: { 'retry-after': '7' }, body: { error: 'rate_limit_exceeded' } }, 'UPSTREAM_RATE_LIMITED'],
  ])('%s', async (_, answer, code) => {
    if (answer) server.google.next(answer)
    const found = await fault(session({ by: driverOf(), account: answer ? 'writer' : 'gone' }).check())
    expect(found.code).toBe(code)
    if (code === 'UPSTREAM_RATE_LIMITED') expect(found.retryAfter).toBe(7)
    expect(server.calls).toEqual([])
  })
})

describe('what goes wrong', () => {
  const cases: [number, string, string][] = [
    [3, 'Invalid query.', 'UPSTREAM_INVALID'],
    [4, 'Deadline exceeded.', 'STEP_TIMED_OUT'],
    [5, 'The database nope does not exist for project demo-shop.', 'UPSTREAM_NOT_FOUND'],
    [6, 'Document already exists.', 'UPSTREAM_CONFLICT'],
    [7, 'Missing or insufficient permissions.', 'SCOPE_MISSING'],
    [8, 'Quota exceeded.', 'UPSTREAM_RATE_LIMITED'],
    [9, 'The query requires an index.', 'UPSTREAM_CONFLICT'],
    [10, 'Too much contention on these documents.', 'UPSTREAM_CONFLICT'],
    [13, 'Internal error.', 'UPSTREAM_ERROR'],
    [14, 'The service is currently unavailable.', 'UPSTREAM_ERROR'],
    [16, 'Request had invalid authentication credentials.', 'CREDENTIAL_REJECTED'],
  ]
  const both = cases.flatMap((it) => [true, false].map((headersFirst) => [...it, headersFirst] as const))
  it.each(both)('status %i "%s" is %s (headers first: %s), and keeps the sentence', async (code, details, becomes, headersFirst) => {
    const trouble = { code, details, headersFirst }
    for (const work of [() => session().get(['c/d']), () => session().collections(null, { limit: 1 })]) {
      server.reset()
      server.next(trouble, trouble)
      const found = await fault(work())
      expect(found.code).toBe(becomes)
      expect(found.message).toContain(details)
    }
  })

  it('a role that may not, and a database that is not there', async () => {
    expect(await fault(session({ account: 'stranger' }).check())).toMatchObject({ code: 'SCOPE_MISSING' })
    expect(await fault(session({ account: 'reader' }).remove(['c/d']))).toMatchObject({ code: 'SCOPE_MISSING', maybeDone: false })
    expect(await fault(session({ entered: { database: 'nope' } }).check())).toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
    expect(await fault(session({ entered: { project_id: 'somebody-elses' } }).check())).toMatchObject({ code: 'SCOPE_MISSING' })
  })

  it('the link that makes a missing index is kept', async () => {
    const link = `https://console.firebase.google.com/v1/r/project/${PROJECT}/firestore/indexes?create_composite=Ck5wcm9qZWN0cw`
    server.next({ code: 9, details: `The query requires an index. You can create it here: ${link}` })
    const found = await fault(session().query({ collection: 'c', filters: [], order_by: [], limit: 1 }))
    expect(found).toMatchObject({ code: 'UPSTREAM_CONFLICT', details: { index_url: link } })
    expect(found.hint).toContain(link)
  })

  it('[db.errors-say-no-values] what was sent stands in no message, nor does the token', async () => {
    const token = () => [...server.google.issued.keys()].at(-1) as string
    await session().check()
    server.next({ code: 3, details: `Property salary-of-anna has ${token()} and "Annas geheimes Gehalt" in it` })
    const found = await fault(session().update('c/d', { pay: 'Annas geheimes Gehalt' }, { way: 'update' }))
    expect(found.message).toContain('Property salary-of-anna')
    expect(JSON.stringify([found.message, found.hint, found.details])).not.toMatch(/Gehalt|made-up-token/)
    server.can('echo/token', { said: text(`you sent ${token()}`) })
    expect(JSON.stringify(await session().get(['echo/token']))).not.toContain(token())
  })

  it('a write that was cut may have been done, and is not repeated', async () => {
    server.next({ code: 14, details: 'connection reset', afterwards: true })
    expect(await fault(session().update('cut/one', { a: 1 }, { way: 'merge' }))).toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
    expect(server.calls).toHaveLength(1)
    expect(server.documents().map((it) => it.name)).toContain(`projects/${PROJECT}/databases/(default)/documents/cut/one`)
  })
})

describe('cancelling', () => {
  const until = async (is: () => boolean | undefined) => {
    for (let i = 0; i < 200 && !is(); i++) await new Promise((go) => setTimeout(go, 10))
    expect(is()).toBe(true)
  }
  it.each([
    ['a get', (s: FirestoreSession) => s.get(['c/d'])],
    ['a query', (s: FirestoreSession) => s.query({ collection: 'c', filters: [], order_by: [], limit: 1 })],
    ['a list', (s: FirestoreSession) => s.collections(null, { limit: 1 })],
    ['a write', (s: FirestoreSession) => s.remove(['c/d'])],
  ])('[db.cancel-reaches-server] %s that nobody waits for any more ends at the server', async (_, work) => {
    const stop = new AbortController()
    await session().check()
    server.next({ slow: true })
    const arrived = server.arrived()
    const made = fault(work(session({ signal: stop.signal })))
    await arrived
    stop.abort(new Fault('STEP_TIMED_OUT', 'the run was stopped'))
    expect(await made).toMatchObject({ code: 'STEP_TIMED_OUT', message: 'the run was stopped' })
    await until(() => server.calls.at(-1)?.cancelled)
    await session().check()
  })

  it('[db.cancel-reaches-server] so does one whose time is up, and the line is not used again: it may be dead', async () => {
    const by = driverOf()
    await session({ by }).check()
    expect(asked).toHaveLength(1)
    server.next({ slow: true })
    const found = await fault(session({ by, config: { request_timeout_sec: 0.3 } }).remove(['c/d']))
    expect(found).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: true })
    await until(() => server.calls.at(-1)?.cancelled)
    await session({ by }).check()
    expect(asked).toHaveLength(2)
  })

  it('before anything was sent, nothing was done', async () => {
    const stop = new AbortController()
    stop.abort()
    expect(await fault(session({ signal: stop.signal }).remove(['c/d']))).toMatchObject({ code: 'STEP_TIMED_OUT', maybeDone: false })
    expect(server.calls).toEqual([])
  })

  it('[db.caps] twenty calls of a connection are under way; the next waits for its turn', async () => {
    const stop = new AbortController()
    const by = driverOf()
    await session({ by }).check()
    server.reset()
    server.next(...Array.from({ length: 20 }, () => ({ slow: true as const })))
    const slow = Array.from({ length: 20 }, () => fault(session({ by, signal: stop.signal }).check()))
    await until(() => server.calls.length === 20)
    const gone = new AbortController()
    const tired = fault(session({ by, signal: gone.signal }).check())
    const waiting = session({ by }).check()
    gone.abort()
    expect((await tired).code).toBe('STEP_TIMED_OUT')
    // Another connection's way there and back is time enough for a call that does not wait.
    await session({ by, owner: 'con_other' }).check()
    expect(server.calls).toHaveLength(21)
    stop.abort()
    await Promise.all(slow)
    await waiting
    expect(server.calls).toHaveLength(22)
  })
})

describe('lines', () => {
  it('[db.drain] a version that is gone closes its line once its calls have ended; the other stays', async () => {
    const by = driverOf()
    await session({ by, owner: 'con_a' }).check()
    await session({ by, owner: 'con_b' }).check()
    const stop = new AbortController()
    server.next({ slow: true })
    const arrived = server.arrived()
    const slow = fault(session({ by, owner: 'con_a', signal: stop.signal }).check())
    await arrived
    await by.drain('con_a', 2)
    const call = server.calls.at(-1)
    expect(call?.cancelled).toBe(false)
    stop.abort()
    await slow
    server.reset()
    asked.length = 0
    await session({ by, owner: 'con_b' }).check()
    expect([asked.length, tokensAsked().length]).toEqual([0, 0])
    await session({ by, owner: 'con_a' }).check()
    expect([asked.length, tokensAsked().length]).toEqual([1, 1])
  })

  it('are not shared by connections', async () => {
    const by = driverOf()
    const before = server.connections()
    await session({ by, owner: 'con_a' }).check()
    await session({ by, owner: 'con_b' }).check()
    // Two for gRPC, and those of the tokens.
    expect(asked).toHaveLength(2)
    expect(server.connections() - before).toBeGreaterThanOrEqual(2)
  })
})
