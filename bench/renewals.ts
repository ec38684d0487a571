/** (g) OAuth: what a renewal adds to the call that waits for it, ten thousand renewals at once, and what lending a living token writes. */
import { readFileSync } from 'node:fs'
import { createDb, openPool } from '../src/base/db.ts'
import type { Egress } from '../src/base/egress.ts'
import { newId } from '../src/base/ids.ts'
import { APP_ROLE } from '../src/base/migrate.ts'
import { RUNTIME } from '../src/base/secret-use.ts'
import { readConfig } from '../src/config.ts'
import { AT_A_TIME, IN_BACKGROUND } from '../src/connections/gate.ts'
import { grants } from '../src/connections/grant-rows.ts'
import { datesOf } from '../src/connections/outcome.ts'
import { rows } from '../src/connections/rows.ts'
import { oauth2 } from '../src/connectors/oauth2/index.ts'
import { conceal, createVault } from '../src/vault/index.ts'
import type { Target } from './load.ts'
import { type Figure, median, quantile } from './report.ts'
import {
  ARGS,
  generator,
  helper,
  inProcess,
  KEY,
  type Options,
  openStage,
  outfit,
  ownProcess,
  pause,
  type Row,
  type Stage,
} from './stage.ts'
import type { Books } from './token-endpoint.ts'

/** A provider of the quick kind. Renewing must not hide behind a slow one. */
const LATENCY_MS = 20
const CLIENT = { id: 'bench-client', secret: 'bench-client-secret' }
const APP = 'bench-app'
/** Rows of connections are believed for a second. */
const BELIEF_MS = 1_100
/** Statistics of an idle database process are written down after ten seconds (PGSTAT_IDLE_INTERVAL). */
const STATISTICS_MS = 11_000
const BATCH = 500

/** An open stage with the token endpoint beside it. */
type Scene = Stage & { tokenUrl: string; newGrants: (count: number) => Promise<string[]>; books: () => Promise<Books> }

export async function renewals(options: Options): Promise<Figure[]> {
  const stage = await openStage(options)
  const provider = await helper('token-endpoint.ts', [KEY, `${CLIENT.id}:${CLIENT.secret}`, String(LATENCY_MS)])
  const scene: Scene = {
    ...stage,
    flags: [...stage.flags, '--allow-private', new URL(provider.url).host],
    tokenUrl: `${provider.url}/token`,
    newGrants: async (count) => (await (await fetch(`${provider.url}/grants`, { method: 'POST', body: String(count) })).json()) as string[],
    books: async () => (await (await fetch(`${provider.url}/books`)).json()) as Books,
  }
  try {
    return [...(await withinProcess(scene)), ...(await storm(scene))]
  } finally {
    if (provider.child.connected) provider.child.disconnect()
    await stage.close()
  }
}

/** The request of a renewal as anybody would send it, without a refresh token that it would use up. */
const tokenRequest = ({ tokenUrl }: Scene): Target => ({
  url: tokenUrl,
  method: 'POST',
  headers: {
    'content-type': 'application/x-www-form-urlencoded',
    authorization: `Basic ${Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64')}`,
  },
  body: 'grant_type=client_credentials',
})

async function withinProcess(scene: Scene): Promise<Figure[]> {
  const { runtime, call } = await inProcess(scene)
  try {
    const { host } = new URL(scene.upstream)
    await call('oauth_apps.put', {
      slug: APP,
      provider: oauth2.slug,
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      authorization_endpoint: scene.tokenUrl,
      token_endpoint: scene.tokenUrl,
      api_hosts: [host],
      rotates: 'always',
    })
    const { owner } = await runtime.rooms.access.founding()
    const ids = await connect(scene, await scene.newGrants(scene.options.quick ? 50 : 200))
    const instances: string[] = []
    for (const connection_id of ids)
      instances.push((await call('instances.create', { slug: 'http', connection_id, config: { base_url: scene.upstream } })).id as string)

    const scope = { workspace: owner.workspace, project: owner.project }
    const { signal } = new AbortController()
    const tool = (instanceId: string) =>
      runtime.rooms.tools.call({
        ...{ scope, actor: 'bench', instanceId, tool: 'http_request', args: ARGS, environment: 'production', key: 'bench', signal },
      })
    const connector = runtime.rooms.connections.connectors.get('http')!
    const lend = async (connectionId: string) => {
      const lent = await runtime.rooms.connections.lend(scope, {
        connectionId,
        connector,
        config: { base_url: scene.upstream },
        signal,
        user: RUNTIME,
      })
      const answer = await lent.fetch(ARGS.path)
      if (answer.status !== 200) throw new Error(`the upstream answered ${answer.status}`)
    }
    return [...(await addedToACall(scene, instances, tool)), ...(await rowsWritten(scene, ids, lend))]
  } finally {
    await runtime.stop()
  }
}

/** Intent, answer and outcome are each durable before the next step. */
const COMMITS = 3

/**
 * For each connection the call that must renew first, and a commit by itself; then the token request as anybody would send it and the call
 * after it, one after the other too: what follows a wait of some milliseconds is slower than what is done in a row.
 */
async function addedToACall(scene: Scene, instances: string[], tool: (instanceId: string) => Promise<unknown>): Promise<Figure[]> {
  const { url, ...init } = tokenRequest(scene)
  const took = { ended: [] as number[], apart: [] as number[], commit: [] as number[] }
  await scene.sql('create table bench_commits as select 0 as n')
  const timed = async (into: number[], work: () => Promise<unknown>) => {
    const began = performance.now()
    await work()
    into.push(performance.now() - began)
  }
  const rounds = scene.options.quick ? 2 : 5
  for (let round = -1; round < rounds; round++) {
    await scene.sql(`update grants set access_obtained_at = now() - interval '1 hour', access_expires_at = now() - interval '1 minute'`)
    await pause(BELIEF_MS)
    for (const instance of instances) {
      await timed(took.ended, () => tool(instance))
      await timed(took.commit, () => scene.sql('update bench_commits set n = n + 1'))
    }
    await pause(BELIEF_MS) // as little is remembered of the connection as before the renewal
    for (const instance of instances) {
      await timed(took.apart, async () => {
        await (await fetch(url, init)).json()
        await tool(instance)
      })
    }
    if (round < 0) for (const way of Object.values(took)) way.length = 0
  }
  const { askedTimes, odd } = await scene.books()
  if (askedTimes[rounds + 1] !== instances.length || odd.length > 0)
    throw new Error(`not one renewal for each call whose token had ended: ${JSON.stringify({ askedTimes, odd })}`)
  const at = (q: number) => ({
    value: quantile(took.ended, q) - quantile(took.apart, q),
    floor: { name: `${COMMITS} commits of a row, one after the other`, value: COMMITS * quantile(took.commit, q) },
  })
  return [
    { part: 'g', name: 'a call that renews first, beside token request and call', unit: 'ms', target: { most: 5 }, ...at(0.5) },
    { part: 'g', name: 'the same, p95 less p95', unit: 'ms', ...at(0.95) },
  ]
}

/** What tables the reading of a credential could write to. */
const TABLES = ['connections', 'grants', 'sealed', 'connection_events']

async function rowsWritten(scene: Scene, ids: string[], lend: (id: string) => Promise<void>): Promise<Figure[]> {
  // The statistics count all rows; a trigger counts those that were written for their last use, which is wanted.
  await scene.sql(`
    create sequence bench_last_uses;
    create function bench_last_use() returns trigger language plpgsql security definer as
      $$ begin perform nextval('bench_last_uses'); return null; end $$;
    create trigger bench_last_use after update of last_used_at on connections for each row execute function bench_last_use()`)
  const counted = async () => {
    await pause(STATISTICS_MS)
    const [all] = await scene.sql(
      'select sum(n_tup_ins + n_tup_upd + n_tup_del)::int as n from pg_stat_user_tables where relname = any($1)',
      [TABLES],
    )
    const [last] = await scene.sql('select case when is_called then last_value else 0 end::int as n from bench_last_uses')
    return { all: Number(all?.n), lastUse: Number(last?.n) }
  }
  const before = await counted()
  const end = performance.now() + (scene.options.quick ? 6_000 : 20_000)
  let calls = 0
  while (performance.now() < end) {
    await Promise.all(ids.slice(0, 50).map(lend))
    calls += Math.min(50, ids.length)
  }
  const after = await counted()
  await scene.sql('drop trigger bench_last_use on connections; drop function bench_last_use; drop sequence bench_last_uses')
  const lastUse = after.lastUse - before.lastUse
  if (lastUse === 0) throw new Error('no last use was written: the count cannot be right')
  const written = after.all - before.all - lastUse
  return [
    {
      part: 'g',
      name: `rows written by ${calls} loans of a living token, for each loan`,
      value: (written / calls) * 100,
      unit: '%',
      target: { most: 0 },
      floor: { name: 'rows for the last use, every 5 s', value: (lastUse / calls) * 100 },
    },
  ]
}

/** Unrelated calls go out this often, whatever becomes of those before. */
const CALLS_PER_SECOND = 100
/** Beside the p99 of all calls: the median of the p99s of so many each. Where the two differ, a few stalls made the first. */
const CALLS_A_WINDOW = 300
/** How long it may take until all are renewed. */
const PATIENCE_MS = 600_000

async function storm(scene: Scene): Promise<Figure[]> {
  const count = scene.options.quick ? 2_000 : 10_000
  const runtime = await ownProcess(scene.options, scene.flags)
  const load = generator()
  try {
    const { instanceId } = await outfit(scene, runtime.call)
    const floor = await load.run({ kind: 'load', target: tokenRequest(scene), width: IN_BACKGROUND, seconds: scene.options.quick ? 2 : 5 })
    const other = runtime.target('tools.call', { id: instanceId, tool: 'http_request', args: ARGS })
    await steady(other, pause(3_000)) // warms up
    const empty = await cpuAtRest(scene, runtime.child.pid as number)
    await connect(scene, await scene.newGrants(count))
    await scene.sql('analyze')
    const full = await cpuAtRest(scene, runtime.child.pid as number)
    const before = (await steady(other, pause(scene.options.quick ? 10_000 : 30_000))).map((c) => c.ms)

    // In life each is due at a time of its own; here the runtime was away, say, while they all became so.
    const waiting = `provider = '${oauth2.slug}' and credential_version = 1 and status in ('active', 'degraded')`
    const remaining = async () => Number((await scene.sql(`select count(*)::int as n from connections where ${waiting}`))[0]?.n)
    const renewed = Promise.withResolvers<void>()
    const calls = steady(other, renewed.promise)
    await scene.sql(
      `update grants set due_at = now(), access_expires_at = now() + interval '1 minute' from connections c
       where c.id = connection_id and c.credential_version = 1 and c.provider = $1`,
      [oauth2.slug],
    )
    const until = performance.now() + PATIENCE_MS
    // Counted over there as long as it goes on: in the database the calls would feel it.
    for (const left of [async () => (await scene.books()).askedTimes[0] ?? 0, remaining])
      for (let n = await left(); n > 0; n = await left()) {
        if (performance.now() > until) throw new Error(`${n} of ${count} were not renewed`)
        await pause(500)
      }
    const endedAt = Date.now()
    renewed.resolve()
    const books = await scene.books()
    const during = (await calls).filter((c) => c.at >= books.firstAt && c.at < endedAt).map((c) => c.ms)
    await oneEach(scene, books, count)

    const ms = books.lastAt - books.firstAt
    const p99 = { before: quantile(before, 0.99), during: quantile(during, 0.99) }
    const usual = { before: windowedP99(before), during: windowedP99(during) }
    const each = `${IN_BACKGROUND} token requests at a time, without us`
    return [
      {
        part: 'g',
        name: `${count} renewals that are due at once`,
        value: (count / ms) * 1000,
        unit: '/s',
        floor: { name: each, value: floor.perSecond },
      },
      {
        part: 'g',
        name: 'the same, until all are renewed, with one request each',
        value: ms,
        unit: 'ms',
        floor: { name: each, value: (count / floor.perSecond) * 1000 },
      },
      {
        part: 'g',
        name: 'the same, most requests at a time, of those allowed',
        value: (books.mostAtATime / AT_A_TIME) * 100,
        unit: '%',
        target: { most: 100 },
      },
      {
        part: 'g',
        name: 'p99 of other calls meanwhile, of what it was before',
        value: (p99.during / p99.before) * 100,
        unit: '%',
        target: { most: 200 },
        floor: { name: `p99 of ${CALLS_PER_SECOND} calls a second before`, value: p99.before, unit: 'ms' },
      },
      {
        part: 'g',
        name: `the same, as the median over windows of ${CALLS_A_WINDOW} calls`,
        value: (usual.during / usual.before) * 100,
        unit: '%',
        floor: { name: 'the same before', value: usual.before, unit: 'ms' },
      },
      {
        part: 'g',
        name: 'p50 of other calls meanwhile',
        value: median(during),
        unit: 'ms',
        floor: { name: 'p50 before', value: median(before) },
      },
      {
        part: 'g',
        name: `CPU at rest with ${count} connections that are not due`,
        value: full,
        unit: '%',
        floor: { name: 'without them', value: empty },
      },
    ]
  } finally {
    load.close()
    await runtime.stop()
  }
}

function windowedP99(ms: readonly number[]): number {
  const windows = Math.max(1, Math.floor(ms.length / CALLS_A_WINDOW))
  return median(Array.from({ length: windows }, (_, n) => quantile(ms.slice(n * CALLS_A_WINDOW, (n + 1) * CALLS_A_WINDOW), 0.99)))
}

async function oneEach(scene: Scene, { askedTimes, odd }: Books, count: number): Promise<void> {
  if (askedTimes[1] !== count || odd.length > 0) throw new Error(`not one request each: ${JSON.stringify({ askedTimes, odd })}`)
  const [bad] = await scene.sql(
    `select count(*)::int as n from connections c join grants g on g.connection_id = c.id
     where c.status <> 'active' or g.failures > 0 or g.intent_version is not null or g.lease_owner is not null`,
  )
  if (Number(bad?.n) > 0) throw new Error(`${bad?.n} connections were left in another state than active and renewed`)
}

/** Sends a request so many times a second until `over`. An answer that is late keeps no other from being asked for. */
async function steady({ url, ...init }: Target, over: Promise<void>): Promise<{ at: number; ms: number }[]> {
  const calls: Promise<{ at: number; ms: number }>[] = []
  const one = async () => {
    const [at, began] = [Date.now(), performance.now()]
    const answer = await fetch(url, init)
    await answer.arrayBuffer()
    if (!answer.ok) throw new Error(`a call was answered with ${answer.status}`)
    return { at, ms: performance.now() - began }
  }
  const timer = setInterval(() => {
    const call = one()
    call.catch(() => undefined) // heard below
    calls.push(call)
  }, 1000 / CALLS_PER_SECOND)
  await over
  clearInterval(timer)
  return Promise.all(calls)
}

/** Of one core, in percent. Linux counts a process's time in hundredths of a second. */
async function cpuAtRest({ options }: Scene, pid: number): Promise<number> {
  const used = () => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  }
  await pause(2_000)
  const ms = options.quick ? 8_000 : 20_000
  const before = used()
  await pause(ms)
  return ((used() - before) / ms) * 100
}

/** Connections as a sign-in leaves them, sealed by a second vault on the same database and root key. Returns their ids. */
async function connect(scene: Scene, refreshTokens: string[]): Promise<string[]> {
  const [app] = await scene.sql('select a.id, a.workspace_id, p.id as project_id from oauth_apps a join projects p using (workspace_id)')
  const pool = openPool(scene.connection, APP_ROLE, 2)
  const db = createDb(pool)
  const nowhere: Egress = {
    fetch: () => Promise.reject(new Error('nowhere')),
    address: () => Promise.reject(new Error('nowhere')),
    connect: () => Promise.reject(new Error('nowhere')),
    judge: () => Promise.reject(new Error('nowhere')),
    srv: () => Promise.reject(new Error('nowhere')),
    close: async () => undefined,
  }
  const vault = createVault({
    db,
    rootSource: readConfig(scene.flags, {}).rootKey,
    egress: nowhere,
    now: Date.now,
    uses: { note: () => undefined, blank: () => undefined },
    localRoot: '',
    journalDir: '',
  })
  const { workspace_id, project_id, id: appId } = app as Row & { workspace_id: string; project_id: string; id: string }
  const tenant = { workspace_id, project_id }
  const scope = { workspace: workspace_id, project: project_id }
  try {
    await vault.keeping.unlock()
    const made: string[] = []
    for (let n = 0; n < refreshTokens.length; n += BATCH)
      await db.tx(scope, async (tx) => {
        const one = async (refresh: string, i: number): Promise<void> => {
          const now = Date.now()
          const id = newId('conn', now)
          made.push(id)
          const facts = { now, consentedAt: now, lastUsedAt: now, test: false, random: Math.random(), renewable: true }
          const dates = datesOf(oauth2, { expiresInS: 3600, refreshExpiresInS: null }, facts)
          void rows.insert(tx, {
            ...tenant,
            id,
            name: `account ${n + i}`,
            provider: oauth2.slug,
            service: 'oauth',
            environment: 'production',
            status: 'active',
            account: { id: `account-${n + i}`, label: `person${n + i}@example.com` },
            granted_scopes: ['read', 'write'],
            credential_version: 1,
            expires_at: dates.ends_at,
            last_validated_at: new Date(now),
          })
          void grants.insert(tx, {
            ...tenant,
            ...dates,
            connection_id: id,
            kind: 'authorization_code',
            app_slug: APP,
            client_key: appId,
            client_id: CLIENT.id,
            authorization_server: scene.tokenUrl,
            services: [],
            asked_scopes: ['read', 'write'],
            consented_at: new Date(now),
            renewable: true,
          })
          const tokens = { access_token: conceal(KEY), refresh_token: conceal(refresh) }
          await vault.lending.put(tx, { ...scope, owner: id, version: 1 }, tokens, { wire: null })
          void rows.event(tx, scope, { id: newId('cevt', now), connection_id: id, event_type: 'created', at: new Date(now), data: {} })
        }
        await Promise.all(refreshTokens.slice(n, n + BATCH).map(one))
      })
    return made
  } finally {
    await vault.close()
    await pool.end()
  }
}
