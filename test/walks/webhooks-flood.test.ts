/** Whoever floods a subscription is held back, fills no table, and is in the audit log once a minute. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { SENDERS, type Sender } from '../fakes/senders.ts'
import { runtime, type TestRuntime, until } from '../harness.ts'
import { behindTheScenes, published } from './acts.ts'
import { delivery, type Hook, hooked, knock } from './knocks.ts'

const MAIN = new URL('../faults/runtime-with-faults.ts', import.meta.url).pathname
/** Little, and so slow to come back that no machine is too slow to use it up. */
const RATE = { burst: 20, perSecond: 1 }
let rt: TestRuntime
let hook: Hook

beforeAll(async () => {
  rt = await runtime({ main: MAIN, flags: ['--look=200', `--rate=${JSON.stringify(RATE)}`] })
  const { id } = await rt.ok('POST', '/v1/mcp/instances', { slug: 'sqlite', name: 'Files' })
  const workflow = await published(rt, 'Takes webhooks', [{ id: 'look', instance_id: id, tool_name: 'sqlite_list_tables' }])
  hook = await hooked(rt, workflow, SENDERS.find((s) => s.scheme === 'github') as Sender)
})
afterAll(() => rt?.[Symbol.asyncDispose]())

const counted = async () => {
  await using db = await behindTheScenes(rt)
  return await db.rows(
    "select code, sum(count)::int as count, count(*)::int as rows from webhook_deliveries where webhook_id = $1 and outcome = 'refused' group by 1 order by 1",
    [hook.id],
  )
}

it('[webhooks.limits] [webhooks.bounded] a flood gets 429, and hundreds of refusals are a handful of rows with the right count', async () => {
  const made = delivery(hook, { secret: 'this is not the secret' })
  const answers = await Promise.all(Array.from({ length: 200 }, () => knock(rt, hook.path, made)))
  const limited = answers.filter((a) => a.status === 429)
  expect(limited.length).toBeGreaterThan(100)
  for (const answer of limited) {
    expect(answer.body.code).toBe('RATE_LIMITED')
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  }
  expect(new Set(answers.map((a) => a.status))).toEqual(new Set([401, 429]))
  const rows = await until(async () => {
    const found = await counted()
    return found.reduce((sum, r) => sum + r.count, 0) === 200 ? found : null
  }, 'all refusals to be counted')
  expect(rows.map((r) => [r.code, r.count])).toEqual([
    ['BAD_SIGNATURE', 200 - limited.length],
    ['RATE_LIMITED', limited.length],
  ])
  // By the minute: the flood may have been around its turn.
  for (const { rows: n } of rows) expect(n).toBeLessThanOrEqual(2)

  // Ids that nobody has leave nothing at all.
  for (let n = 0; n < 50; n++) await knock(rt, `/v1/inbound-webhooks/hook_made_up_${n}`, made)
  const good = delivery(hook)
  await until(async () => (await knock(rt, hook.path, good)).status === 202, 'the bucket to fill up')
  await using db = await behindTheScenes(rt)
  expect(await db.rows('select distinct webhook_id from webhook_deliveries')).toEqual([{ webhook_id: hook.id }])
})

it('[webhooks.audited] one entry for each code and minute, once the minute is over', async () => {
  await using db = await behindTheScenes(rt)
  const entries = async () => (await rt.ok('GET', `/v1/audit?target=${hook.id}&action=webhook.refused`)).items
  expect(await entries()).toEqual([])
  await db.rows("update webhook_deliveries set at = at - interval '2 minutes', last_at = last_at - interval '2 minutes'")
  const rows = await db.rows("select code, count from webhook_deliveries where outcome = 'refused' order by code, count")
  const found = await until(async () => {
    const now = await entries()
    return now.length >= rows.length ? now : null
  }, 'the refusals to be audited')
  const told = found.map((e: { entry: { details: { code: string; count: number } } }) => e.entry.details)
  expect(told.map((d: { code: string; count: number }) => `${d.code} ${d.count}`).sort()).toEqual(
    rows.map((r) => `${r.code} ${r.count}`).sort(),
  )
  expect(found[0]).toMatchObject({ actor: `webhook:${hook.id}`, target: hook.id, entry: { outcome: 'refused' } })
  // Looks later it is still one each: when one row asks to be looked at again, its entry is the only new one.
  const [again] = await db.rows(
    "update webhook_deliveries set audited = false where id = (select id from webhook_deliveries where outcome = 'refused' limit 1) returning code",
  )
  const more = await until(async () => {
    const now = await entries()
    return now.length > rows.length ? now : null
  }, 'the look after this one')
  expect(more).toHaveLength(rows.length + 1)
  expect(more[0].entry.details.code).toBe(again?.code)
  expect(await rt.ok('GET', '/v1/audit/verify')).toMatchObject({ ok: true })
})

it('[webhooks.bounded] what is long past is swept away, and a secret whose overlap is over is destroyed', async () => {
  const taken = delivery(hook)
  await until(async () => (await knock(rt, hook.path, taken)).status === 202, 'the bucket to fill up')
  await rt.ok('POST', `${hook.path}/rotate-secret`, { provided_secret: 'another secret of 26 chars', overlap_minutes: 5 })
  await using db = await behindTheScenes(rt)
  // More than one sweep takes at once.
  await db.rows(
    `insert into webhook_deliveries (id, workspace_id, project_id, webhook_id, slot, outcome, code, at, last_at, audited)
     select 'dlv_' || n, workspace_id, project_id, id, 'refused:made:' || n, 'refused', 'MADE', now(), now(), true
     from webhooks, generate_series(1, 1200) as n where id = $1`,
    [hook.id],
  )
  const versions = () => db.rows('select version from sealed where owner_id = $1 order by 1', [hook.id])
  expect(await versions()).toEqual([{ version: 1 }, { version: 2 }])
  await db.rows(
    "update webhook_deliveries set at = now() - case outcome when 'accepted' then interval '29 days' else interval '8 days' end",
  )
  await db.rows("update webhooks set previous_until = now() - interval '1 second'")
  await until(async () => (await versions()).length === 1, 'the old secret to be destroyed')
  expect((await rt.ok('GET', hook.path)).previous_secret_until).toBeNull()
  const left = await until(async () => {
    const found = await db.rows('select outcome from webhook_deliveries')
    return found.every((r) => r.outcome === 'accepted') ? found : null
  }, 'the notes of last week to be gone')
  expect(left.length).toBeGreaterThan(0)
  await db.rows("update webhook_deliveries set at = now() - interval '31 days'")
  await until(async () => (await db.rows('select 1 from webhook_deliveries')).length === 0, 'the ledger of last month to be gone')
})
