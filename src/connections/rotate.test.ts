/** Rotations and the clock, and refusals that no status tells: with an API in memory whose keys are taken or refused on command. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Process, type Stage, stage } from '../../test/renewing.ts'
import type { Bindings } from '../bindings/index.ts'
import { apiKey, bearer, connector, tool, z } from '../connectors/contract.ts'
import { Fault } from '../base/errors.ts'
import { type Outcome, createTools } from '../tools/index.ts'
import { conceal, type Searched } from '../vault/index.ts'
import { STAGED_FOR_MS } from './rotate.ts'

const DAY = 86_400_000
const MINUTE = 60_000

/** Says 403 to a key that it does not know, as some vendors do; what else it says is for the connector to know. */
const refused = async (answer: Searched) => {
  if (answer.status === 403) throw new Fault('CREDENTIAL_REJECTED', 'no such key')
  return (await answer.json()) as Record<string, unknown>
}
const picky = connector({
  slug: 'picky',
  title: 'Picky',
  about: 'A connector that is in this test alone.',
  docs: 'https://picky.example',
  auth: apiKey({
    put: bearer(),
    fields: [{ name: 'api_key', label: 'Key', secret: true, required: true, hint: 'It is in this test.' }],
    check: async (ctx) => {
      await refused(await ctx.fetch('/me'))
      return { account: null, granted_scopes: null }
    },
  }),
  config: z.strictObject({ api_base: z.url().optional() }),
  base: 'https://picky.example',
  baseKey: 'api_base',
  hosts: [],
  tools: {
    one: tool({
      about: 'Makes one request, which is all that this tool does.',
      effect: 'write',
      repeatable: false,
      input: z.strictObject({}),
      output: z.object({ ok: z.boolean() }),
      example: {},
      run: async (ctx) => (await refused(await ctx.fetch('/one', { method: 'POST' }))) as { ok: boolean },
    }),
    two: tool({
      about: 'Makes two requests, which is all that this tool does.',
      effect: 'write',
      repeatable: false,
      input: z.strictObject({}),
      output: z.object({ ok: z.boolean() }),
      example: {},
      run: async (ctx) => {
        await refused(await ctx.fetch('/first', { method: 'POST' }))
        return (await refused(await ctx.fetch('/second', { method: 'POST' }))) as { ok: boolean }
      },
    }),
  },
})

let s: Stage
let p: Process
let id: string
const live = new Set<string>()
let asked: string[] = []
/** What happens once this path was asked for. */
let then: Record<string, () => void> = {}
beforeEach(async () => {
  live.clear()
  asked = []
  then = {}
  s = await stage()
  p = await s.process({
    connectors: [picky],
    fetch: async (url, init) => {
      const key = (new Headers(init?.headers as Record<string, string>).get('authorization') ?? '').slice(7)
      const { pathname } = new URL(String(url))
      const ok = live.has(key)
      asked.push(`${pathname} ${key.split('-')[0]} ${ok ? 200 : 403}`)
      then[pathname]?.()
      return new Response(JSON.stringify({ ok }), { status: ok ? 200 : 403, headers: { 'content-type': 'application/json' } })
    },
  })
  live.add('old-key-of-this-test')
  const write = await p.connections.create(s.scope, {
    display_name: 'Picky',
    provider: 'picky',
    environment: 'production',
    credentials: { api_key: conceal('old-key-of-this-test') },
  })
  id = (await s.db.tx(s.scope, write)).id
})
afterEach(() => s[Symbol.asyncDispose]())

const rotations = () => p.connections.rotations
async function staged() {
  live.add('new-key-of-this-test')
  const write = await rotations().stage(s.scope, id, {
    credentials: { api_key: conceal('new-key-of-this-test') },
    reason: 'scheduled',
    by: 'ada',
    name: 'Ada',
  })
  return s.db.tx(s.scope, write)
}
async function switched(overlapMinutes = 60) {
  await staged()
  const done = await s.db.tx(s.scope, (tx) => rotations().switch(tx, s.scope, id, { overlapMinutes, forced: true, by: 'ada' }))
  await rotations().settled('switch', done)
}
const now = () =>
  s.db.tx(s.scope, async (tx) => ({ rotation: await rotations().latest(tx, id), connection: await p.connections.get(tx, id) }))
const versions = () =>
  s.db.tx(s.scope, async (tx) => (await Promise.all([1, 2].map((v) => p.vault.lending.facts(tx, id, v)))).map((f) => f.length))
function call(tool: string): Promise<Outcome> {
  const bindings = {
    resolve: async () => ({ connector: picky, connectionId: id, config: {}, environment: 'production', instanceId: 'inst_1' }),
  } as unknown as Bindings
  const tools = createTools({ db: s.db, bindings, connections: p.connections, now: () => s.now })
  const signal = new AbortController().signal
  return tools.attempt({
    scope: s.scope,
    actor: 'user_1',
    instanceId: 'inst_1',
    tool,
    args: {},
    environment: 'production',
    key: 'k',
    signal,
  })
}

describe('what ends by itself', () => {
  it('[rotation.ends-by-itself] what is staged lives a week, and is destroyed then', async () => {
    await staged()
    s.tick(STAGED_FOR_MS - MINUTE)
    await p.connections.rotationRound.round()
    expect((await now()).rotation?.state).toBe('staged')
    s.tick(2 * MINUTE)
    await p.connections.rotationRound.round()
    const { rotation, connection } = await now()
    expect([rotation?.state, connection.credential_version, await versions()]).toEqual(['cancelled', 1, [1, 0]])
    expect(rotation?.acts.at(-1)).toMatchObject({ by: 'system:keeper', act: 'cancelled' })
    expect(p.troubles).toEqual([])
  })

  it('[rotation.ends-by-itself] an old version goes when its overlap is over', async () => {
    await switched()
    s.tick(59 * MINUTE)
    await p.connections.rotationRound.round()
    expect(await versions()).toEqual([1, 1])
    s.tick(2 * MINUTE)
    await p.connections.rotationRound.round()
    expect([(await now()).rotation, await versions()]).toMatchObject([{ state: 'finished', revoked: null }, [0, 1]])
  })

  it('[rotation.ends-by-itself] an old version that calls fell back on waits for a person, however long', async () => {
    await switched()
    live.delete('new-key-of-this-test')
    expect((await call('one')).ok).toBe(true)
    s.tick(30 * DAY)
    await p.connections.rotationRound.round()
    expect([(await now()).rotation?.state, await versions()]).toEqual(['switched', [1, 1]])
    expect((await call('one')).ok).toBe(true)
  })
})

describe('what was burned and left', () => {
  it('[burn.killed] is destroyed by a later round, and not while somebody may still be at it', async () => {
    await s.db.tx(s.scope, (tx) => p.connections.burn.begin(tx, s.scope, id, { by: 'ada', reason: 'in this test' }))
    await p.connections.rotationRound.round()
    expect(await versions()).toEqual([1, 0])
    s.tick(6 * MINUTE)
    await p.connections.rotationRound.round()
    expect([await versions(), (await now()).connection.status_reason]).toEqual([[0, 0], 'burned'])
  })
})

describe('a refusal that no status tells', () => {
  it('[rotation.other-refusals] of the first request: the call is made again with the other version', async () => {
    await switched()
    live.delete('new-key-of-this-test')
    const outcome = await call('one')
    expect([outcome.ok, outcome.record.credential_version]).toEqual([true, 1])
    expect(asked).toEqual(['/one new 403', '/one old 200'])
    expect((await now()).rotation?.fallbacks).toBe(1)
  })

  it('[rotation.other-refusals] after a request that was carried out: nothing is made twice, and it is said', async () => {
    await switched()
    then['/first'] = () => live.delete('new-key-of-this-test')
    const outcome = await call('two')
    expect(outcome.ok ? null : outcome.fault.code).toBe('CREDENTIAL_REJECTED')
    expect(asked).toEqual(['/first new 200', '/second new 403'])
  })

  it('[rotation.other-refusals] of both versions: each is tried once, and it is the live one that is refused', async () => {
    await switched()
    live.clear()
    const outcome = await call('one')
    expect([outcome.ok, outcome.record.credential_version]).toEqual([false, 2])
    expect(asked).toEqual(['/one new 403', '/one old 403'])
    const { connection, rotation } = await now()
    expect([connection.status, connection.status_reason, rotation?.fallbacks]).toEqual(['reconnect', 'key_rejected', 0])
  })

  it('[rotation.other-refusals] of a key without a rotation: it is asked once', async () => {
    live.clear()
    expect((await call('one')).ok).toBe(false)
    expect(asked).toEqual(['/one old 403'])
  })
})

describe('two processes', () => {
  it('[rotation.happy] another one takes the new version within a second, and what it sent with the old one meanwhile is answered', async () => {
    const other = await s.process({
      connectors: [picky],
      fetch: async (_url, init) => {
        const key = (new Headers(init?.headers as Record<string, string>).get('authorization') ?? '').slice(7)
        asked.push(`${key.split('-')[0]} ${live.has(key) ? 200 : 401}`)
        return new Response('{"ok":true}', { status: live.has(key) ? 200 : 401, headers: { 'content-type': 'application/json' } })
      },
    })
    const signal = new AbortController().signal
    const send = async () => {
      const lent = await other.connections.lend(s.scope, {
        connectionId: id,
        connector: picky,
        config: {},
        signal,
        user: { actor: 'user_1' },
      })
      return (await lent.fetch('/me')).status
    }
    expect(await send()).toBe(200)
    await switched(0)
    live.delete('old-key-of-this-test')
    expect(await send()).toBe(200)
    s.tick(1_001)
    expect(await send()).toBe(200)
    expect(asked).toEqual(['old 200', 'old 401', 'new 200', 'new 200'])
  })
})
