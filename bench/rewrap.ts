/** (e) How many secrets a second move under a new sealing key. */
import { createDb, openPool } from '../src/base/db.ts'
import { APP_ROLE } from '../src/base/migrate.ts'
import type { Egress } from '../src/base/egress.ts'
import { readConfig } from '../src/config.ts'
import { conceal, createVault } from '../src/vault/index.ts'
import { type Figure, median } from './report.ts'
import { inProcess, type Options, openStage, type Stage } from './stage.ts'

const BATCH = 500

export async function rewrapped(options: Options): Promise<Figure[]> {
  const stage = await openStage(options)
  const { runtime, call } = await inProcess(stage)
  try {
    const count = options.quick ? 4_000 : 20_000
    const { owner } = await runtime.rooms.access.founding()
    await fill(stage, count, { workspace: owner.workspace, project: owner.project })
    const ours: number[] = []
    const floor: number[] = []
    for (let round = 0; round < 3; round++) {
      let began = performance.now()
      for (let n = 0; n < count; n += BATCH)
        await stage.sql(`update sealed set bytes = bytes where id in (select id from sealed order by id offset $1 limit ${BATCH})`, [n])
      floor.push((count / (performance.now() - began)) * 1000)
      await call('vault.rotate', {})
      began = performance.now()
      const out = await call('vault.rewrap', {})
      ours.push((count / (performance.now() - began)) * 1000)
      if (Number(out.done) !== count) throw new Error(`${out.done} of ${count} secrets were moved`)
    }
    return [
      {
        part: 'e',
        name: `rewrap of ${count} secrets`,
        value: median(ours),
        unit: '/s',
        target: { least: 3000 },
        floor: { name: `UPDATE of the same rows, ${BATCH} a transaction`, value: median(floor) },
      },
    ]
  } finally {
    await runtime.stop()
    await stage.close()
  }
}

/** Seals through the strong room's own door, by a second vault on the same database and root key. */
async function fill(stage: Stage, count: number, scope: { workspace: string; project: string }): Promise<void> {
  const pool = openPool(stage.connection, APP_ROLE, 2)
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
    rootSource: readConfig(stage.flags, {}).rootKey,
    egress: nowhere,
    now: Date.now,
    uses: { note: () => undefined, blank: () => undefined },
    localRoot: '',
    journalDir: '',
  })
  try {
    await vault.keeping.unlock()
    for (let n = 0; n < count; n += BATCH)
      await db.tx(scope, async (tx) => {
        for (let i = n; i < n + BATCH; i++)
          await vault.lending.put(
            tx,
            { ...scope, owner: `conn_bench${i}`, version: 1 },
            { api_key: conceal(`sk_live_${i}_0123456789abcdef0123456789abcdef`) },
            { wire: null },
          )
      })
  } finally {
    await vault.close()
    await pool.end()
  }
}
