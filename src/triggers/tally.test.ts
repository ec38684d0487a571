import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { Fault } from '../base/errors.ts'
import { type Audit, createTally } from './tally.ts'

let base: TestDatabase
const MINUTE = Date.UTC(2026, 0, 1, 12)
let now = MINUTE
const run = (text: string, values: unknown[] = []) =>
  base.db.everyTenant('test', (tx) => tx.all<Record<string, unknown>>({ compile: () => ({ sql: text, parameters: values }) as never }))
const rows = () => run('select code, outcome, count, run_id from webhook_deliveries order by outcome, code, at')

beforeAll(async () => {
  base = await testDatabase()
  await run("insert into workspaces (workspace_id, slug, name) values ('ws_a', 'a', 'A')")
  await run("insert into projects (id, workspace_id, slug, name) values ('prj_a', 'ws_a', 'a', 'A')")
  await run("insert into workflows (id, workspace_id, project_id, name, graph) values ('wf_a', 'ws_a', 'prj_a', 'A', '{}')")
  for (const id of ['hook_a', 'hook_b'])
    await run(
      `insert into webhooks (id, workspace_id, project_id, workflow_id, name, scheme, secret_version, created_by, created_at, updated_at)
       values ($1, 'ws_a', 'prj_a', 'wf_a', 'A', 'github', 1, 'test', now(), now())`,
      [id],
    )
})
beforeEach(async () => {
  now = MINUTE
  await run('delete from webhook_deliveries')
})
afterAll(() => base?.drop())

function tally(more: { away?: () => boolean; audited?: unknown[]; troubles?: unknown[] } = {}) {
  const { db } = base
  const everyTenant: typeof db.everyTenant = (reason, work) =>
    more.away?.() ? Promise.reject(new Fault('DEPENDENCY_UNAVAILABLE', 'the database does not answer')) : db.everyTenant(reason, work)
  const audit: Audit = async (_tx, scope, act) => void more.audited?.push({ ...scope, ...act })
  return createTally({ db: { ...db, everyTenant }, now: () => now, audit, trouble: (error) => more.troubles?.push(error) })
}

it('[webhooks.bounded] counts by code and minute, and adds up what several processes have seen', async () => {
  const [one, two] = [tally(), tally()]
  for (let n = 0; n < 1_000; n++) one.refused('hook_a', 'BAD_SIGNATURE')
  for (let n = 0; n < 500; n++) two.refused('hook_a', 'BAD_SIGNATURE')
  two.refused('hook_a', 'STALE_SIGNATURE')
  one.refused('hook_b', 'BAD_SIGNATURE')
  one.refused('hook_of_nobody', 'TOO_LARGE')
  await Promise.all([one.flush(), two.flush()])
  now += 59_000
  one.refused('hook_a', 'BAD_SIGNATURE')
  await one.flush()
  now += 2_000
  one.refused('hook_a', 'BAD_SIGNATURE')
  await one.flush()
  expect((await rows()).map((r) => `${r.code} ${r.count}`).sort()).toEqual([
    'BAD_SIGNATURE 1',
    'BAD_SIGNATURE 1',
    'BAD_SIGNATURE 1501',
    'STALE_SIGNATURE 1',
  ])
})

it('[webhooks.bounded] loses no count while the database is away', async () => {
  let away = true
  const troubles: unknown[] = []
  const it = tally({ away: () => away, troubles })
  it.refused('hook_a', 'BAD_SIGNATURE')
  await it.flush()
  expect(troubles).toHaveLength(1)
  it.refused('hook_a', 'BAD_SIGNATURE')
  it.seenBefore('hook_a', 'id:x', 'run_1', 'x')
  await it.flush()
  away = false
  it.refused('hook_a', 'BAD_SIGNATURE')
  await it.flush()
  expect(await rows()).toMatchObject([
    { outcome: 'duplicate', count: 1, run_id: 'run_1' },
    { outcome: 'refused', code: 'BAD_SIGNATURE', count: 3 },
  ])
})

it('[webhooks.audited] audits a minute that is over once, whoever looks, and never one that is still counted', async () => {
  const audited: unknown[] = []
  const [one, two] = [tally({ audited }), tally({ audited })]
  for (let n = 0; n < 7; n++) one.refused('hook_a', 'BAD_SIGNATURE')
  one.seenBefore('hook_a', 'id:x', 'run_1', 'x')
  await one.flush()
  now = MINUTE + 74_000
  one.refused('hook_b', 'DISABLED')
  await one.flush()
  await one.auditRefusals()
  expect(audited).toEqual([])
  now = MINUTE + 76_000
  await Promise.all([one.auditRefusals(), two.auditRefusals(), one.auditRefusals()])
  const details = { code: 'BAD_SIGNATURE', count: 7, first_at: new Date(MINUTE).toISOString(), last_at: new Date(MINUTE).toISOString() }
  const entry = {
    workspace: 'ws_a',
    project: 'prj_a',
    actor: 'webhook:hook_a',
    action: 'webhook.refused',
    target: 'hook_a',
    outcome: 'refused',
  }
  expect(audited).toEqual([{ ...entry, details }])
})
