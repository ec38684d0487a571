import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { type Behalf, onBehalf } from '../base/behalf.ts'
import { createEgress } from '../base/egress.ts'
import { Fault } from '../base/errors.ts'
import { verifyAudit } from './audit.ts'
import { createRefusals, MAX_KINDS, type Refusals, WINDOW_MS } from './refusals.ts'

let base: TestDatabase
const START = Date.UTC(2026, 0, 1, 12)
let now = START
let away = false
let warned: string[] = []
let refusals: Refusals

beforeAll(async () => {
  base = await testDatabase()
  for (const id of ['a', 'b']) {
    await run(`insert into workspaces (workspace_id, slug, name) values ('ws_${id}', '${id}', '${id}')`)
    await run(`insert into projects (id, workspace_id, slug, name) values ('prj_${id}', 'ws_${id}', '${id}', '${id}')`)
  }
})
beforeEach(async () => {
  now = START
  away = false
  warned = []
  last = await heads()
  const { db } = base
  const tx: typeof db.tx = (scope, work) =>
    away ? Promise.reject(new Fault('DEPENDENCY_UNAVAILABLE', 'the database does not answer')) : db.tx(scope, work)
  refusals = createRefusals({
    db: { ...db, tx },
    now: () => now,
    log: { warn: (_: unknown, text?: string) => warned.push(text ?? '') } as never,
  })
})
afterEach(() => refusals.close())
afterAll(() => base?.drop())

const run = (text: string, values: unknown[] = []) =>
  base.db.everyTenant('test', (tx) => tx.all<Record<string, unknown>>({ compile: () => ({ sql: text, parameters: values }) as never }))
let last: Record<string, number> = {}
const heads = async () =>
  Object.fromEntries(
    (await run('select workspace_id, max(seq)::int as seq from audit_entries group by 1')).map((r) => [r.workspace_id, r.seq]),
  )
/** What this test has written into a workspace's chain, oldest first. */
async function told(workspace = 'ws_a') {
  const rows = await run('select entry from audit_entries where workspace_id = $1 and seq > $2 order by seq', [
    workspace,
    last[workspace] ?? 0,
  ])
  return rows.map(({ entry }) => JSON.parse(entry as string) as Record<string, unknown> & { details: Record<string, unknown> })
}

const ADA: Behalf = { scope: { workspace: 'ws_a', project: 'prj_a' }, actor: 'user:ada', requestId: 'req_1' }
const refused = (host: string, of: Behalf | undefined = ADA, rule = 'private', port = 5432) =>
  onBehalf(of, () => refusals.note({ host, port, rule }))

it('[egress.refusals] the first is told at once, with the rule and on whose behalf', async () => {
  refused('db.internal', { ...ADA, instanceId: 'inst_1', tool: 'query', runId: 'run_1', stepId: 'load' })
  await refusals.look()
  expect(await told()).toEqual([
    {
      at: '2026-01-01T12:00:00.000Z',
      actor: 'user:ada',
      action: 'egress.refused',
      target: 'db.internal:5432',
      project: 'prj_a',
      outcome: 'refused',
      request_id: 'req_1',
      details: {
        host: 'db.internal',
        port: 5432,
        rule: 'private',
        run_id: 'run_1',
        step_id: 'load',
        instance_id: 'inst_1',
        tool: 'query',
        count: 1,
      },
    },
  ])
  expect(warned).toEqual(['egress refused'])
})

it('[egress.refusals] a loop adds one more entry, with their number, when its time is over', async () => {
  for (let n = 0; n < 1_000; n++) {
    now++
    refused('db.internal')
  }
  await refusals.look()
  expect((await told()).map((e) => e.details.count)).toEqual([1])
  now = START + WINDOW_MS
  await refusals.look()
  expect((await told()).map((e) => e.details.count)).toEqual([1])
  now++
  await refusals.look()
  const [, rest] = await told()
  expect(rest).toMatchObject({ target: 'db.internal:5432', details: { count: 999, first_at: '2026-01-01T12:00:00.001Z' } })
  // A new time begins with the next.
  refused('db.internal')
  now += WINDOW_MS
  await refusals.look()
  expect((await told()).map((e) => e.details.count)).toEqual([1, 999, 1])
})

it('[egress.refusals] a loop over made-up hosts is told of together, and takes nothing from another workspace', async () => {
  for (let n = 0; n < 5 * MAX_KINDS; n++) refused(`host-${n}.internal`)
  refused('one.internal', { ...ADA, scope: { workspace: 'ws_b', project: 'prj_b' } })
  now += WINDOW_MS
  await refusals.look()
  const entries = await told()
  expect(entries).toHaveLength(MAX_KINDS + 2)
  expect(entries.slice(-2)).toMatchObject([
    { target: null, details: { rule: 'private', count: 1 } },
    { target: null, details: { rule: 'private', count: 4 * MAX_KINDS - 1 } },
  ])
  expect(await told('ws_b')).toMatchObject([{ target: 'one.internal:5432', project: 'prj_b' }])
})

it('[egress.refusals] different callers, runs, hosts and rules are told apart', async () => {
  refused('db.internal')
  refused('db.internal', { ...ADA, actor: 'user:bo' })
  refused('db.internal', { ...ADA, runId: 'run_1' })
  refused('db.internal', { ...ADA, runId: 'run_2' })
  refused('::1', ADA, 'loopback')
  refused('db.internal', ADA, 'private', 5433)
  refused('db.internal', { ...ADA, requestId: 'req_2' }) // the same again
  await refusals.look()
  expect((await told()).map((e) => `${e.actor} ${e.target} ${e.details.rule} ${e.details.run_id ?? ''}`.trim())).toEqual([
    'user:ada db.internal:5432 private',
    'user:bo db.internal:5432 private',
    'user:ada db.internal:5432 private run_1',
    'user:ada db.internal:5432 private run_2',
    'user:ada [::1]:5432 loopback',
    'user:ada db.internal:5433 private',
  ])
})

it('[egress.refusals] is told later, in order, where the database is away; and the end of the process tells what was counted', async () => {
  away = true
  refused('one.internal')
  refused('two.internal')
  refused('two.internal')
  await refusals.look()
  expect(await told()).toEqual([])
  expect(warned).toContain('a refusal of the egress guard was not audited yet')
  away = false
  await refusals.close()
  expect((await told()).map((e) => `${e.target} ${e.details.count}`)).toEqual([
    'one.internal:5432 1',
    'two.internal:5432 1',
    'two.internal:5432 1',
  ])
  expect((await verifyAudit(base.db, () => null, 'ws_a')).map((v) => v.ok)).toEqual([true])
})

it('[egress.refusals] a host of any length and what is nobody’s are counted, and the counts of a workspace are its own', async () => {
  refused('x'.repeat(10_000))
  onBehalf(undefined, () => refusals.note({ host: 'events.internal', port: 443, rule: 'private' }))
  refused('sign-in.internal', { scope: { workspace: '', project: '' }, actor: 'anyone' })
  refused('db.internal', ADA, 'loopback')
  refused('db.internal', ADA, 'loopback')
  await refusals.look()
  expect((await told()).map((e) => String(e.target).length)).toEqual([261, 16])
  expect(refusals.counts('ws_a')).toEqual([
    { rule: 'loopback', count: 2 },
    { rule: 'private', count: 1 },
  ])
  expect(refusals.counts('ws_b')).toEqual([])
})

it('[egress.refusals] each of two callers that wait for the same connection is told of as itself', async () => {
  const gate = Promise.withResolvers<string[]>()
  const egress = createEgress({ allowPrivate: [], lookup: () => gate.promise, onRefusal: refusals.note })
  const call = (actor: string) =>
    onBehalf({ ...ADA, actor }, () => egress.fetch('https://wild.example/').catch((fault: Fault) => fault.code))
  const calls = [call('user:ada'), call('user:bo')]
  gate.resolve(['10.0.0.1'])
  expect(await Promise.all(calls)).toEqual(['EGRESS_BLOCKED', 'EGRESS_BLOCKED'])
  await egress.close()
  await refusals.look()
  expect((await told()).map((e) => `${e.actor} ${e.target}`).sort()).toEqual(['user:ada wild.example:443', 'user:bo wild.example:443'])
})
