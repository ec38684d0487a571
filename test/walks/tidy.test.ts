/** The engine's books do not grow for ever. */
import pg from 'pg'
import { expect, it } from 'vitest'
import { createLog } from '../../src/base/log.ts'
import { createEngine } from '../../src/runs/engine.ts'
import { emptyDatabase } from '../database.ts'

it('legs that have ended are dropped from the books of the engine, and those under way are kept', async () => {
  const { connection, drop } = await emptyDatabase()
  const pool = new pg.Pool({ ...connection, max: 4 })
  // Dropping the database ends whatever connection is still closing; that is no failure of what is tested.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const engine = createEngine({
    pool,
    executorId: 'tidy',
    log: createLog('silent', 2),
    work: ({ runId }) => (runId === 'slow' ? held : Promise.resolve()),
  })
  const legs = async () => (await pool.query('select workflow_uuid as id, status from dbos.workflow_status order by 1')).rows
  await engine.launch()
  try {
    for (const run of ['a', 'b', 'slow']) await engine.begin(run, 1)
    await expect.poll(async () => (await legs()).filter((l) => l.status === 'SUCCESS').length).toBe(2)
    expect(await engine.tidy(new Date(Date.now() - 60_000))).toBe(0)
    expect(await engine.tidy(new Date(Date.now() + 60_000))).toBe(2)
    expect(await legs()).toEqual([{ id: 'slow/1', status: 'PENDING' }])
  } finally {
    release()
    await engine.shutdown()
    await pool.end()
    await drop()
  }
})
