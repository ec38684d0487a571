/** A backup or a restore that is killed in the middle: there is all of it or none, and the same command goes on. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runtime, type TestRuntime } from '../harness.ts'
import { backup, killed, newPlace, restore, start, verify } from '../keeping.ts'
import { auditVerifies, publish, query } from './kit.ts'
import { startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
let rt: TestRuntime
let folder: string
let file: string
let workflow: string
beforeAll(async () => {
  upstream = await startUpstream()
  folder = mkdtempSync(join(tmpdir(), 'agentruntime-backups-'))
  file = join(folder, 'whole')
  rt = await runtime({ allowPrivate: [upstream.url], demo: true })
  workflow = await publish(rt, upstream, [{ id: 'read', method: 'GET' }])
  const said = await backup(rt, file)
  expect(said.code, said.stderr).toBe(0)
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await upstream?.close()
  rmSync(folder, { recursive: true, force: true })
})

it('[backup.killed] a backup that is killed leaves nothing under its name, and the next one takes its place', async () => {
  const path = join(folder, 'killed')
  expect(await killed('backup', rt, path, 'backup.write.before_rename')).toBe('SIGKILL')
  expect(existsSync(path)).toBe(false)
  expect((await backup(rt, path)).code).toBe(0)
  expect((await verify(rt, path)).code).toBe(0)
  expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([])
})

const POINTS = ['restore.begin.after_marker', 'restore.fill.after_schema', 'restore.fill.before_commit', 'restore.fill.after_commit']
it.each(POINTS)('[restore.killed] killed at %s: it does not start, and the same restore makes it whole', async (point) => {
  await using place = await newPlace(rt)
  expect(await killed('restore', place, file, point)).toBe('SIGKILL')
  const refused = await start(place)
  expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining('is not finished')])
  const again = await restore(place, file)
  expect(again.code, again.stderr).toBe(0)
  await using two = await runtime({ on: place, allowPrivate: [upstream.url] })
  expect((await two.ok('GET', '/v1/workflows')).items.map((w: { id: string }) => w.id)).toContain(workflow)
  const rows = async (at: TestRuntime, table: string) =>
    (await query<{ n: number }>(at.connection, `select count(*)::int as n from ${table}`))[0]?.n
  for (const table of [
    'workspaces',
    'users',
    'connections',
    'sealed',
    'workflows',
    'workflow_versions',
    'runs',
    'run_steps',
    'run_events',
    'vault_keys',
  ])
    expect([table, await rows(two, table)]).toEqual([table, await rows(rt, table)])
  await auditVerifies(two)
  // Once it is whole it is not restored over.
  expect((await restore(place, file)).code).toBe(5)
})
