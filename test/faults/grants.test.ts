/** What is told of a grant, what ends it, and what keeps a copy of the database from spending it. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { conceal } from '../../src/vault/index.ts'
import { type Process, type Stage, stage, statement } from '../renewing.ts'

let s: Stage
beforeEach(async () => {
  s = await stage()
})
afterEach(() => s[Symbol.asyncDispose]())

const HOUR = 3_600_000
const DAY = 24 * HOUR
const SECRET = `whsec_${Buffer.from('thirty-two-bytes-of-a-canary-key').toString('base64')}`
const rounds = async (p: Process, ms: number) => {
  s.tick(ms)
  await p.connections.oauth.keeper.round()
}

describe('events for the outside', () => {
  interface Sent {
    type: string
    data: { connection_id: string; reason: string | null; days?: number; connections?: number }
  }
  async function listening(more: Parameters<Stage['process']>[0] = {}) {
    const sent: Sent[] = []
    const answers: number[] = []
    const p = await s.process({
      ...more,
      eventsTo: { url: 'https://hooks.example/in', secret: conceal(SECRET) },
      fetch: async (url, init = {}) => {
        if (!String(url).startsWith('https://hooks.example')) return s.acme.fetch(url, init)
        const status = answers.shift() ?? 204
        // Verified by the scheme's own library, at the moment of receipt in real time.
        const headers = Object.fromEntries(new Headers(init.headers as Record<string, string>))
        new Webhook(SECRET).verify(String(init.body), headers)
        if (status < 300) sent.push(JSON.parse(String(init.body)) as Sent)
        return new Response(null, { status })
      },
    })
    return { p, sent, answers }
  }

  it('[events.signed] one signed event for each change of state, in order, and none for what stays', async () => {
    const { p, sent } = await listening()
    const id = await s.connect(p)
    await p.call(id)
    s.acme.mishaps.push({ kind: 'answer', status: 503, body: '' }, { kind: 'answer', status: 503, body: '' })
    const calls: string[] = []
    for (const wait of [2 * HOUR, 20_000, 60_000]) {
      s.tick(wait)
      calls.push(await p.call(id))
    }
    s.acme.revokeAll()
    s.tick(2 * HOUR)
    calls.push(await p.call(id))
    expect(calls).toEqual(['UPSTREAM_ERROR', 'UPSTREAM_ERROR', '200', 'CONNECTION_RECONNECT_REQUIRED'])
    s.now = Date.now()
    await s.db.everyTenant('events are due', (tx) =>
      tx.run(statement('update outgoing_events set next_try_at = $1', [new Date(s.now - 1)])),
    )
    await p.connections.oauth.keeper.round()
    expect(sent.map((e) => [e.type, e.data.reason])).toEqual([
      ['connection.degraded', 'provider_unavailable'],
      ['connection.recovered', null],
      ['connection.reconnect_required', 'user_revoked'],
    ])
    expect(sent.every((e) => e.data.connection_id === id)).toBe(true)
    await p.connections.oauth.keeper.round()
    expect(sent).toHaveLength(3)
  })

  it('[events.retried] an event that is not taken is sent again later, and counted once when it is', async () => {
    const { p, sent, answers } = await listening()
    const id = await s.connect(p)
    await p.call(id)
    s.acme.revokeAll()
    s.acme.endAccess()
    expect(await p.call(id)).toBe('CONNECTION_RECONNECT_REQUIRED')
    answers.push(500, 500)
    await p.connections.oauth.keeper.round()
    await p.connections.oauth.keeper.round()
    expect(sent).toEqual([])
    for (let i = 0; i < 3; i++) {
      await s.db.everyTenant('time passes', (tx) =>
        tx.run(statement("update outgoing_events set next_try_at = now() - interval '1 s' where delivered_at is null")),
      )
      await p.connections.oauth.keeper.round()
    }
    expect(sent).toHaveLength(1)
  })

  it('[renew.hard-ends] people are told 30, 7 and 1 day before the end, once each', async () => {
    const { p, sent } = await listening({ provider: { rotates: 'never', grantLifetimeS: 365 * 86_400 } })
    s.acme.rotates = false
    const id = await s.connect(p)
    await p.call(id)
    const ends = async (days: number) => {
      await s.db.everyTenant('the end comes nearer', (tx) =>
        tx.run(statement('update grants set ends_at = $1', [new Date(s.now + days * DAY - 1)])),
      )
      s.tick(600_000)
      await p.connections.oauth.keeper.round()
      s.tick(600_000)
      await p.connections.oauth.keeper.round()
      return (await p.events(id)).filter((e) => e === 'ends_soon').length
    }
    expect([await ends(60), await ends(30), await ends(20), await ends(7), await ends(3), await ends(1)]).toEqual([0, 1, 1, 2, 2, 3])
    expect(sent.map((e) => e.type)).not.toContain('connection.reconnect_required')
  })
})

describe('machines', () => {
  it('[renew.machines] client credentials are minted again by themselves, and a wrong client is told at once', async () => {
    const p = await s.process()
    const create = async () => {
      const credentials = { client_id: conceal('machine'), client_secret: conceal('machine-secret-canary') }
      const write = await p.connections.create(s.scope, {
        display_name: 'M',
        provider: 'acme',
        service: 'client_credentials',
        environment: 'production',
        credentials,
        scopes: ['read'],
      })
      return (await s.db.tx(s.scope, write)).id
    }
    const id = await create()
    expect(await p.connections.probe(s.scope, id, 'test')).toEqual([])
    expect(await p.status(id)).toBe('active')
    expect(await p.call(id)).toBe('200')
    s.tick(2 * HOUR)
    expect(await p.call(id)).toBe('200')
    expect(s.acme.requests.map((r) => r.outcome)).toEqual(['ok', 'ok'])
    s.acme.refusesSecret = 'machine-secret-canary'
    const other = await create()
    expect((await p.connections.probe(s.scope, other, 'test')).join(' ')).toContain('does not accept')
    expect(await p.status(other)).toBe('misconfigured client_refused')
    expect(await p.status(id)).toBe('active')
  })
})

describe('a copy of the database', () => {
  const asRestored = async (p: Process) => {
    const file = join(p.dataDir, 'epoch.json')
    const noted = JSON.parse(readFileSync(file, 'utf8')) as { beat: number }
    writeFileSync(file, JSON.stringify({ ...noted, beat: noted.beat + 5 }))
  }

  it('[renew.epoch] that is older than its data directory does not spend rotating tokens before an operator confirms', async () => {
    const p = await s.process({ owner: 'exec_1' })
    const id = await s.connect(p)
    expect(await p.call(id)).toBe('200')
    await asRestored(p)
    const again = await s.process({ owner: 'exec_1', dataDir: p.dataDir })
    expect(again.connections.oauth.held()).toContain('older than its data directory')
    expect(await again.call(id)).toBe('200')
    s.tick(2 * HOUR)
    s.acme.requests.length = 0
    expect(await again.call(id)).toBe('DEPENDENCY_UNAVAILABLE')
    await rounds(again, HOUR)
    expect(s.acme.requests).toEqual([])
    // Another process, with a data directory of its own, hears of it from the database.
    const other = await s.process()
    expect(await other.call(id)).toBe('DEPENDENCY_UNAVAILABLE')
    await again.connections.oauth.confirmOriginal()
    expect(await again.call(id)).toBe('200')
    expect((await s.process({ owner: 'exec_1', dataDir: p.dataDir })).connections.oauth.held()).toBeNull()
  })

  it('[renew.epoch] goes on with what does not rotate', async () => {
    s.acme.rotates = false
    const p = await s.process({ owner: 'exec_1', provider: { rotates: 'never' } })
    const id = await s.connect(p)
    await p.call(id)
    await asRestored(p)
    const again = await s.process({ owner: 'exec_1', dataDir: p.dataDir, provider: { rotates: 'never' } })
    expect(again.connections.oauth.held()).not.toBeNull()
    s.tick(2 * HOUR)
    expect(await again.call(id)).toBe('200')
  })

  it('[renew.epoch] under another name is no original', async () => {
    const p = await s.process({ owner: 'exec_1' })
    await s.db.everyTenant('a dump restored elsewhere', (tx) => tx.run(statement("update installation set identity = 'another/1'")))
    const copy = join(p.dataDir, '..', 'copied')
    mkdirSync(copy)
    copyFileSync(join(p.dataDir, 'epoch.json'), join(copy, 'epoch.json'))
    const elsewhere = await s.process({ owner: 'exec_2', dataDir: copy })
    expect(elsewhere.connections.oauth.held()).toContain('copy')
  })
})

describe('what a provider says of scopes', () => {
  it('[scopes.learnt] an insufficient-scope answer changes the facts, and only for the version that was used', async () => {
    const p = await s.process()
    const id = await s.connect(p)
    await p.call(id)
    await p.connections.lacking(s.scope, id, 1, ['read'])
    expect(await p.status(id)).toBe('active')
    await p.connections.lacking(s.scope, id, 2, ['read', 'all'])
    expect(await p.status(id)).toBe('needs_scopes scopes')
    const facts = await s.db.tx(s.scope, (tx) => p.connections.get(tx, id))
    expect(facts.granted_scopes).toEqual(['write'])
  })
})
