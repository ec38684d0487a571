/** What may go wrong while a token is renewed, and what must be true afterwards. "Processes" are parts of this one, on one database. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AT_A_TIME } from '../../src/connections/gate.ts'
import { type Mishap, type Process, type Stage, severed, stage, statement } from '../renewing.ts'

let s: Stage
let one: Process
beforeEach(async () => {
  s = await stage()
  one = await s.process({ owner: 'exec_one' })
})
afterEach(() => s[Symbol.asyncDispose]())

const HOUR = 3_600_000
/** Past any backoff of a first failure. */
const BACKOFF = 60_000
/** As if the lease of whoever held it had run out: it lies in the database's time, which no test moves. */
const leaseRunsOut = () => {
  s.tick(60_000)
  return s.db.everyTenant('time passes', (tx) =>
    tx.run(statement("update grants set lease_until = now() - interval '1 s' where lease_until > now()")),
  )
}
const outcomes = () => s.acme.requests.map((r) => r.outcome)
/** A connection that has worked once, and whose token has ended. */
async function ended(p: Process = one): Promise<string> {
  const id = await s.connect(p)
  expect(await p.call(id)).toBe('200')
  s.tick(2 * HOUR)
  s.acme.requests.length = 0
  return id
}

describe('one request per expiry', () => {
  it('[renew.single-flight] a hundred calls in one process make one request', async () => {
    const id = await ended()
    expect(await Promise.all(Array.from({ length: 100 }, () => one.call(id)))).toEqual(Array(100).fill('200'))
    expect(outcomes()).toEqual(['ok'])
  })

  it('[renew.single-flight] three processes with a hundred calls each, twenty times over, make one request each time', async () => {
    const all = [one, await s.process(), await s.process()]
    const id = await ended()
    for (let round = 1; round <= 20; round++) {
      const said = await Promise.all(all.flatMap((p) => Array.from({ length: 100 }, () => p.call(id))))
      expect(new Set(said)).toEqual(new Set(['200']))
      expect(s.acme.requests).toHaveLength(round)
      s.tick(2 * HOUR)
    }
    expect(outcomes()).toEqual(Array(20).fill('ok'))
  })

  it('[renew.single-flight] held up for so long on our own side that nothing was sent, it is made again at once, and is no failure', async () => {
    let stalls = 0
    const slow = await s.process({ fault: (point) => void (point === 'vault.renew.before_send' && stalls++ === 1 && s.tick(15_000)) })
    const id = await ended(slow)
    expect(await Promise.all(Array.from({ length: 20 }, () => slow.call(id)))).toEqual(Array(20).fill('200'))
    expect([stalls, outcomes()]).toEqual([3, ['ok']])
    expect(await slow.events(id)).toEqual(['created', 'refreshed', 'refreshed'])
  })

  it('[renew.ahead] is made before the end, behind the back of a call that goes out with the old token', async () => {
    const id = await s.connect(one)
    await one.call(id)
    s.tick(HOUR - 300_000)
    const before = s.acme.calls.length
    expect(await one.call(id)).toBe('200')
    expect(s.acme.calls.slice(before)).toHaveLength(1)
    await one.connections.oauth.end()
    expect(outcomes()).toEqual(['ok', 'ok'])
  })

  it('[renew.ahead] is made by a round of the keeper where nobody calls', async () => {
    const id = await s.connect(one)
    await one.connections.oauth.keeper.round()
    expect(outcomes()).toEqual(['ok'])
    await one.connections.oauth.keeper.round()
    expect(outcomes()).toEqual(['ok'])
    s.tick(HOUR - 300_000)
    await one.connections.oauth.keeper.round()
    expect(outcomes()).toEqual(['ok', 'ok'])
    expect(await one.events(id)).toEqual(['created', 'refreshed', 'refreshed'])
    expect(one.troubles).toEqual([])
  })
})

describe('many at once', () => {
  it('[renew.provider-cap] two hundred tokens that end together are renewed once each, a few at a time', async () => {
    const ids: string[] = []
    for (let i = 0; i < 200; i++) ids.push(await s.connect(one, `c${i}`))
    await one.connections.oauth.keeper.round()
    expect(outcomes()).toEqual(Array(200).fill('ok'))
    s.tick(2 * HOUR)
    s.acme.requests.length = 0
    s.acme.most = 0
    const two = await s.process()
    await Promise.all([
      one.connections.oauth.keeper.round(),
      two.connections.oauth.keeper.round(),
      ...ids.slice(0, 20).map((id) => one.call(id)),
    ])
    await one.connections.oauth.keeper.round()
    expect(outcomes()).toEqual(Array(200).fill('ok'))
    expect(s.acme.most).toBeLessThanOrEqual(2 * AT_A_TIME)
    for (const id of ids.slice(0, 5)) expect(await one.status(id)).toBe('active')
    expect([...one.troubles, ...two.troubles]).toEqual([])
  })
})

const POINTS = [
  'connections.renew.after_intent',
  'vault.renew.before_send',
  'vault.renew.after_answer',
  'connections.renew.after_keep',
  'connections.renew.before_commit',
  'connections.renew.after_commit',
] as const
/** The only point at which an answer exists that is nowhere durable. */
const LOST_AT = 'vault.renew.after_answer'
const PROVIDERS = {
  // A public client: nothing but the lease keeps a late one from sending.
  strict: { habits: {}, facts: { clientAuth: 'none' as const } },
  'with a grace period': { habits: { grace: true }, facts: { clientAuth: 'none' as const } },
  'that does not rotate': { habits: { rotates: false }, facts: { clientAuth: 'none' as const, rotates: 'never' as const } },
}

describe.each(Object.keys(PROVIDERS) as (keyof typeof PROVIDERS)[])('at a provider %s', (kind) => {
  const { habits, facts } = PROVIDERS[kind]
  const loses = (point: string) => kind === 'strict' && point === LOST_AT
  const survives = async (p: Process, id: string, point: string) => {
    if (loses(point)) {
      expect(await p.call(id)).toBe('CONNECTION_RECONNECT_REQUIRED')
      expect(await p.status(id)).toBe('reconnect rotation_lost')
      const asked = s.acme.requests.length
      expect(asked).toBe(2)
      for (let i = 0; i < 3; i++) {
        s.tick(HOUR)
        await p.connections.oauth.keeper.round()
        expect(await p.call(id)).toBe('CONNECTION_RECONNECT_REQUIRED')
      }
      expect(s.acme.requests).toHaveLength(asked)
    } else {
      expect(await p.call(id)).toBe('200')
      expect(await p.status(id)).toBe('active')
      // Asked again only where nothing was durable.
      expect(outcomes()).toEqual(point === LOST_AT ? ['ok', 'ok'] : ['ok'])
    }
  }

  it.each(POINTS)('[renew.faults] a process that dies at %s: another one goes on', async (point) => {
    Object.assign(s.acme, habits)
    const reached = Promise.withResolvers<void>()
    const dies = await s.process({
      owner: 'exec_dies',
      provider: facts,
      fault: (at) => {
        if (at !== point) return
        if (!armed) return
        reached.resolve()
        return s.over
      },
    })
    let armed = false
    const other = await s.process({ provider: facts })
    const id = await ended(dies)
    armed = true
    dies.call(id).catch(() => undefined)
    await reached.promise
    await leaseRunsOut()
    await survives(other, id, point)
  })

  it.each(POINTS)('[renew.faults] a process that hangs at %s and wakes up later changes nothing any more', async (point) => {
    Object.assign(s.acme, habits)
    const reached = Promise.withResolvers<void>()
    const wakes = Promise.withResolvers<void>()
    let armed = false
    const sleeper = await s.process({
      owner: 'exec_sleeper',
      provider: facts,
      fault: (at) => {
        if (at !== point || !armed) return
        armed = false
        reached.resolve()
        return wakes.promise
      },
    })
    const other = await s.process({ provider: facts })
    const id = await ended(sleeper)
    armed = true
    const late = sleeper.call(id)
    await reached.promise
    await leaseRunsOut()
    await survives(other, id, point)
    const status = await other.status(id)
    const events = await other.events(id)
    wakes.resolve()
    await late
    expect(await other.status(id)).toBe(status)
    // Whoever was overtaken writes nothing: neither a version nor a story.
    expect(await other.events(id)).toEqual(events)
    // Nor does it spend what the other lives by now.
    s.tick(2 * HOUR)
    expect(await other.call(id)).toBe(loses(point) ? 'CONNECTION_RECONNECT_REQUIRED' : '200')
  })

  it.each(POINTS)('[renew.faults] an error of ours at %s: the next try goes on', async (point) => {
    Object.assign(s.acme, habits)
    let armed = false
    const breaks = await s.process({
      owner: 'exec_breaks',
      provider: facts,
      fault: (at) => {
        if (at !== point || !armed) return
        armed = false
        throw new Error(`broken at ${at}`)
      },
    })
    const id = await ended(breaks)
    armed = true
    expect(await breaks.call(id)).toContain(`broken at ${point}`)
    s.tick(BACKOFF)
    await survives(breaks, id, point)
  })
})

it('[renew.frozen] bad news of whoever was overtaken is not written either', async () => {
  const wakes = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  let armed = false
  const sleeper = await s.process({
    owner: 'exec_sleeper',
    fault: (at) => {
      if (at !== 'connections.renew.before_commit' || !armed) return
      armed = false
      reached.resolve()
      return wakes.promise
    },
  })
  const id = await ended(sleeper)
  armed = true
  s.acme.mishaps.push({ kind: 'answer', status: 400, body: { error: 'invalid_grant' } }, { kind: 'held' })
  const late = sleeper.call(id)
  await reached.promise
  await leaseRunsOut()
  // The other one is in the middle of a renewal of the very same version.
  await s.db.everyTenant('what was kept is lost', (tx) => tx.run(statement("delete from sealed where field = 'answer'")))
  const arrived = s.acme.arrived()
  const call = one.call(id)
  await arrived
  wakes.resolve()
  await Promise.race([late, new Promise((go) => setImmediate(go))])
  await sleeper.connections.oauth.end()
  expect(await one.status(id)).toBe('active')
  s.acme.release()
  expect(await call).toBe('200')
  expect(await one.events(id)).toEqual(['created', 'refreshed', 'refreshed'])
  await late
})

describe('the provider', () => {
  const busy: [string, Mishap][] = [
    ['500', { kind: 'answer', status: 500, body: { error: 'server_error' } }],
    ['503', { kind: 'answer', status: 503, body: '', headers: { 'retry-after': '20' } }],
    ['429', { kind: 'answer', status: 429, body: {}, headers: { 'retry-after': '20' } }],
    ['a page with 200', { kind: 'answer', status: 200, body: '<html>maintenance</html>', type: 'text/html' }],
    ['cut JSON', { kind: 'answer', status: 200, body: '{"access_token":"x","refre' }],
    ['nothing', { kind: 'answer', status: 200, body: '' }],
    ['no way to reach it', { kind: 'unsent' }],
  ]
  it.each(busy)('[renew.degraded] that answers with %s: the old token serves while it lives, and the next try waits', async (_, mishap) => {
    const id = await s.connect(one)
    await one.call(id)
    s.tick(HOUR - 120_000)
    s.acme.mishaps.push(mishap)
    await one.connections.oauth.keeper.round()
    expect(await one.status(id)).toBe('degraded provider_unavailable')
    const asked = s.acme.requests.length
    s.tick(500)
    expect(await one.call(id)).toBe('200')
    await one.connections.oauth.keeper.round()
    expect(s.acme.requests).toHaveLength(asked)
    s.tick(BACKOFF)
    await one.connections.oauth.keeper.round()
    expect(await one.status(id)).toBe('active')
    expect(await one.events(id)).toEqual(['created', 'refreshed', 'refresh_failed', 'refreshed'])
  })

  it('[renew.degraded] that is away past the end of the token: calls fail with the time of the next try, and nobody hammers it', async () => {
    const id = await ended()
    s.acme.mishaps.push(...Array.from({ length: 50 }, (): Mishap => ({ kind: 'answer', status: 503, body: '' })))
    const first = await Promise.all(Array.from({ length: 50 }, () => one.call(id)))
    expect(new Set(first)).toEqual(new Set(['UPSTREAM_ERROR']))
    expect(s.acme.requests.length).toBeLessThanOrEqual(2)
    const asked = s.acme.requests.length
    for (let i = 0; i < 20; i++) expect(await one.call(id)).toBe('UPSTREAM_ERROR')
    expect(s.acme.requests.length).toBe(asked)
    expect(await one.status(id)).toBe('degraded provider_unavailable')
  })

  it('[renew.rotation-lost] whose answer is lost on the wire: strict ends in reconnect, with its reason, without a loop', async () => {
    const id = await ended()
    s.acme.mishaps.push({ kind: 'lost' })
    expect(await one.call(id)).toBe('UPSTREAM_ERROR')
    s.tick(BACKOFF)
    expect(await one.call(id)).toBe('CONNECTION_RECONNECT_REQUIRED')
    expect(await one.status(id)).toBe('reconnect rotation_lost')
    s.tick(HOUR)
    await one.connections.oauth.keeper.round()
    expect(outcomes()).toEqual(['ok', 'invalid_grant'])
  })

  it('[renew.keeps-refresh-token] that sends no refresh token with a renewal: the old one is kept', async () => {
    s.acme.rotates = false
    const id = await ended()
    await one.call(id)
    s.tick(2 * HOUR)
    expect(await one.call(id)).toBe('200')
    expect(new Set(s.acme.requests.map((r) => r.refresh)).size).toBe(1)
  })

  it('[renew.reasons] where the user takes access back: reconnect, said once, and never asked again', async () => {
    const id = await ended()
    s.acme.revokeAll()
    expect(await one.call(id)).toBe('CONNECTION_RECONNECT_REQUIRED')
    expect(await one.call(id)).toBe('CONNECTION_RECONNECT_REQUIRED')
    expect(await one.status(id)).toBe('reconnect user_revoked')
    expect(await one.events(id)).toEqual(['created', 'refreshed', 'reconnect_required'])
    expect(outcomes()).toEqual(['invalid_grant'])
  })

  it('[renew.forced-once] that ends an access token early: one forced renewal, one retry; a token that stays refused is not renewed again', async () => {
    const id = await s.connect(one)
    await one.call(id)
    s.acme.endAccess()
    s.acme.requests.length = 0
    s.acme.calls.length = 0
    expect(await one.call(id)).toBe('200')
    expect(s.acme.calls.map((c) => c.status)).toEqual([401, 200])
    expect(outcomes()).toEqual(['ok'])
    // Many that come back with a 401 at once are served by the one renewal.
    s.acme.endAccess()
    s.tick(600_000)
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => one.call(id))))).toEqual(new Set(['200']))
    expect(outcomes()).toEqual(['ok', 'ok'])
    s.acme.endAccess()
    s.tick(2_000)
    expect(await one.call(id)).toBe('401')
    expect(outcomes()).toEqual(['ok', 'ok'])
    // As the tool says then: refused. The grant was renewed a moment ago, so it is not given up; that is written down once.
    for (let i = 0; i < 3; i++) await one.connections.rejected(s.scope, id, 4, 'key_rejected')
    expect(await one.status(id)).toBe('active')
    expect(await one.events(id)).toEqual(['created', 'refreshed', 'refreshed', 'refreshed', 'token_refused'])
  })

  it('[renew.forced-once] a 401 on a token that somebody else has renewed meanwhile takes the new one, and asks for none', async () => {
    const two = await s.process()
    const id = await s.connect(one)
    expect([await one.call(id), await two.call(id)]).toEqual(['200', '200'])
    s.acme.endAccess()
    s.acme.requests.length = 0
    expect(await one.call(id)).toBe('200')
    const before = s.acme.calls.length
    expect(await two.call(id)).toBe('200')
    expect(s.acme.calls.slice(before).map((c) => c.status)).toEqual([401, 200])
    expect(outcomes()).toEqual(['ok'])
  })

  it('[renew.client-refused] that refuses our client: the operator is told once, users are not, and one asks for all', async () => {
    const ids = [await s.connect(one, 'a'), await s.connect(one, 'b')]
    for (const id of ids) expect(await one.call(id)).toBe('200')
    s.tick(2 * HOUR)
    s.acme.requests.length = 0
    s.acme.refusesSecret = 'client-secret-canary'
    expect(await one.call(ids[0]!)).toBe('OAUTH_APP_REFUSED')
    expect(await one.status(ids[0]!)).toBe('misconfigured client_refused')
    s.tick(2_000)
    expect(await one.call(ids[0]!)).toBe('OAUTH_APP_REFUSED')
    expect(outcomes()).toEqual(['invalid_client'])
    s.acme.refusesSecret = null
    s.tick(900_000)
    await one.connections.oauth.keeper.round()
    expect(await one.status(ids[0]!)).toBe('active')
    expect(await one.events(ids[0]!)).not.toContain('reconnect_required')
  })
})

it('[renew.client-refused] a call that still believes its connection to be well asks nothing of a client that was refused', async () => {
  const id = await s.connect(one)
  expect(await one.call(id)).toBe('200')
  const meddle = (text: string) => s.db.everyTenant('by another process', (tx) => tx.run(statement(text)))
  await meddle('update grants set due_at = null')
  s.tick(HOUR - 5_500)
  s.acme.requests.length = 0
  expect(await one.call(id)).toBe('200')
  await meddle("update connections set status = 'misconfigured', status_reason = 'client_refused'")
  await meddle(`insert into oauth_refusals (client_key, reason, since, probe_at)
    select client_key, 'client_refused', now(), now() + interval '1 day' from grants`)
  s.tick(900) // too late for the token, and too early to have looked again
  expect(await one.call(id)).toBe('OAUTH_APP_REFUSED')
  expect(s.acme.requests).toEqual([])
})

describe('the clock', () => {
  it('[renew.clock] that jumps makes no storm, and what it has got wrong is mended by the first 401', async () => {
    const ids = [await s.connect(one, 'a'), await s.connect(one, 'b')]
    for (const id of ids) expect(await one.call(id)).toBe('200')
    s.acme.requests.length = 0
    s.tick(-10 * 60_000)
    for (const id of ids) expect(await one.call(id)).toBe('200')
    await one.connections.oauth.keeper.round()
    expect(outcomes()).toEqual([])
    s.tick(90 * 24 * HOUR)
    for (let i = 0; i < 5; i++) expect(await one.call(ids[0]!)).toBe('200')
    await one.connections.oauth.keeper.round()
    expect(outcomes()).toEqual(['ok', 'ok'])
    // Back again, the token seems to live for three months; it does not.
    s.tick(-90 * 24 * HOUR)
    s.acme.endAccess()
    for (const id of ids) expect(await one.call(id)).toBe('200')
    expect(outcomes()).toEqual(Array(4).fill('ok'))
    for (const id of ids) expect(await one.status(id)).toBe('active')
  })
})

describe('the database', () => {
  it('[renew.database-away] away before the intent: the refresh token is not spent', async () => {
    const away = severed(s.db)
    const p = await s.process({ db: away.db })
    const id = await ended(p)
    away.away = true
    expect(await p.call(id)).toBe('DEPENDENCY_UNAVAILABLE')
    expect(s.acme.requests).toEqual([])
    away.away = false
    expect(await p.call(id)).toBe('200')
  })

  it('[renew.database-away] away when the answer comes: it lies in a sealed file, and nothing is lost', async () => {
    const away = severed(s.db)
    const p = await s.process({ db: away.db, owner: 'exec_file' })
    const id = await ended(p)
    s.acme.mishaps.push({ kind: 'held' })
    const arrived = s.acme.arrived()
    const call = p.call(id)
    await arrived
    away.away = true
    s.acme.release()
    expect(await call).toBe('DEPENDENCY_UNAVAILABLE')
    const files = readdirSync(join(p.dataDir, 'answers'))
    expect(files).toEqual([`${id}.sealed`])
    expect(readFileSync(join(p.dataDir, 'answers', files[0]!)).includes('canary')).toBe(false)
    // It dies now, and comes again under its name.
    away.away = false
    const again = await s.process({ owner: 'exec_file', dataDir: p.dataDir })
    await again.connections.oauth.begin()
    expect(await again.call(id)).toBe('200')
    expect(outcomes()).toEqual(['ok'])
    expect(existsSync(join(p.dataDir, 'answers', files[0]!))).toBe(false)
  })

  it('[renew.database-away] a file that was torn holds nothing, and the answer counts as lost', async () => {
    const away = severed(s.db)
    const p = await s.process({ db: away.db, owner: 'exec_torn' })
    const id = await ended(p)
    s.acme.mishaps.push({ kind: 'held' })
    const arrived = s.acme.arrived()
    const call = p.call(id)
    await arrived
    away.away = true
    s.acme.release()
    await call
    const file = join(p.dataDir, 'answers', `${id}.sealed`)
    writeFileSync(file, readFileSync(file).subarray(0, -20))
    away.away = false
    const again = await s.process({ owner: 'exec_torn', dataDir: p.dataDir })
    await again.connections.oauth.begin()
    expect(await again.call(id)).toBe('CONNECTION_RECONNECT_REQUIRED')
    expect(await again.status(id)).toBe('reconnect rotation_lost')
    expect(existsSync(file)).toBe(false)
  })

  it('[renew.newer-key] whose ring gets a newer key while the provider answers seals the answer under that', async () => {
    const id = await ended()
    const two = await s.process()
    s.acme.mishaps.push({ kind: 'held' })
    const arrived = s.acme.arrived()
    const call = one.call(id)
    await arrived
    const { active } = await two.vault.keeping.rotate()
    s.acme.release()
    expect(await call).toBe('200')
    const keys = await s.db.everyTenant('what is sealed how', (tx) =>
      tx.all<{ key_no: number }>(statement('select distinct key_no from sealed where owner_id = $1', [id])),
    )
    expect(keys).toEqual([{ key_no: active }])
    s.tick(2 * HOUR)
    expect(await two.call(id)).toBe('200')
    expect(outcomes()).toEqual(['ok', 'ok'])
  })

  it('[renew.no-resurrection] a connection that is deleted while it is renewed stays deleted', async () => {
    const id = await ended()
    s.acme.mishaps.push({ kind: 'held' })
    const arrived = s.acme.arrived()
    const call = one.call(id)
    await arrived
    await s.db.tx(s.scope, (tx) => one.connections.remove(tx, id))
    s.acme.release()
    expect(await call).toBe('NOT_FOUND')
    const left = await s.db.everyTenant('what is left', (tx) =>
      tx.all<{ n: number }>(statement('select count(*)::int as n from sealed where owner_id = $1', [id])),
    )
    expect(left).toEqual([{ n: 0 }])
  })

  it('[renew.reads-write-nothing] calls with a living token write nothing', async () => {
    const id = await s.connect(one)
    await one.call(id)
    await one.connections.close()
    const writes = async () => {
      const [row] = await s.db.everyTenant('counting', (tx) =>
        tx.all<{ n: string }>(
          statement(
            'select pg_stat_force_next_flush()::text, (select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables)::text as n',
          ),
        ),
      )
      return row!.n
    }
    await writes()
    const before = await writes()
    for (let i = 0; i < 50; i++) expect(await one.call(id)).toBe('200')
    expect(await writes()).toBe(before)
  })
})
