/**
 * Keeps an eye on runs that nobody seems to work on: those whose process died, and those that were left between two commits;
 * and on commands that another process was given.
 */
import type { Db } from '../base/db.ts'
import type { Logger } from '../base/log.ts'
import type { Engine } from './engine.ts'
import { leaseRows } from './lease-rows.ts'
import type { Handle } from './leg.ts'
import { rows } from './rows.ts'

/** How often open runs are compared with what is under way. Only a crash between two commits makes a difference. */
const RECONCILE_EVERY_MS = 15_000
/** A run younger than this is being started right now, by whoever made it. */
const STARTING_MS = 5_000
/** How soon a command given to another process is noticed by the one that advances the run. */
const COMMANDS_EVERY_MS = 1_000
/**
 * A process that has not renewed its lease for this long is taken for dead and its runs are handed over. Database time
 * decides, so a clock that jumps changes nothing. A living one that was only slow is fenced out, and its steps run twice at most.
 */
const LEASE_S = 15
const RENEW_EVERY_MS = 3_000
/** Open runs looked at in one round. */
const OPEN_AT_ONCE = 2_000

export function createLookout(deps: {
  db: Db
  engine: Engine
  executorId: string
  now: () => number
  log: Logger
  active: ReadonlyMap<string, Handle>
  /** True between a run's commit and its first leg, in this process. */
  starting: (runId: string) => boolean
}) {
  const { db, engine, executorId, now, log, active } = deps
  const timers: NodeJS.Timeout[] = []

  const report = (error: unknown): void =>
    log.warn({ problem: (error as Error).message }, 'looking after open runs failed; tried again soon')
  const every = (ms: number, work: () => Promise<void>) => timers.push(setInterval(() => void work().catch(report), ms).unref())
  const hold = () => db.everyTenant('the lease of this process', (tx) => leaseRows.holdLease(tx, executorId, LEASE_S))

  async function lease(): Promise<void> {
    const gone = await db.everyTenant('leases', async (tx) => {
      await leaseRows.holdLease(tx, executorId, LEASE_S)
      return leaseRows.takeLapsed(tx)
    })
    for (const { id } of gone)
      if (id !== executorId) log.warn({ executor: id, legs: await engine.adopt(id) }, 'a process is gone; its runs go on here')
  }

  /** Open runs whose leg the engine does not know: the process died between two commits, or left on its way down. */
  async function reconcile(youngerThanMs: number): Promise<void> {
    const open = await db.everyTenant('open runs, whoever owns them', (tx) => rows.open(tx, OPEN_AT_ONCE))
    const old = open.filter((r) => !active.has(r.id) && !deps.starting(r.id) && now() - r.touched_at.getTime() >= youngerThanMs)
    const underWay = await engine.underWay(old.map((r) => ({ runId: r.id, leg: r.leg })))
    for (const run of old) {
      if (underWay.has(run.id)) continue
      const leg = await db.tx({ workspace: run.workspace_id, project: run.project_id }, (tx) => rows.nextLeg(tx, run.id, null))
      await engine.begin(run.id, leg)
    }
  }

  async function hearCommands(): Promise<void> {
    const ids = [...active.keys()]
    if (ids.length === 0) return
    for (const row of await db.everyTenant('commands for the runs of this process', (tx) => rows.commands(tx, ids)))
      active.get(row.id)?.command(row.command)
  }

  return {
    hold,
    /** After the engine is up: the first look is now, for what the last process left. */
    async start(): Promise<void> {
      every(RENEW_EVERY_MS, lease)
      await reconcile(0)
      every(RECONCILE_EVERY_MS, () => reconcile(STARTING_MS))
      every(COMMANDS_EVERY_MS, hearCommands)
    },
    stop(): void {
      for (const timer of timers) clearInterval(timer)
    },
    leave: () => db.everyTenant('the lease of this process', (tx) => leaseRows.dropLease(tx, executorId)).catch(report),
  }
}
