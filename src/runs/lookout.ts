/**
 * Keeps an eye on runs that nobody seems to work on: those whose process died, and those that were left between two commits;
 * and on commands that another process was given.
 */
import type { Db, Tx } from '../base/db.ts'
import type { Logger } from '../base/log.ts'
import type { Engine } from './engine.ts'
import { leaseRows } from './lease-rows.ts'
import type { Handle } from './leg.ts'
import { rows } from './rows.ts'

export interface Times {
  /** How often open runs are compared with what is under way. Only a crash between two commits makes a difference. */
  reconcileMs: number
  /** A run whose leg is younger than this is being begun right now, by whoever made it. */
  startingMs: number
  /** How soon a command given to another process is noticed by the one that advances the run. */
  commandsMs: number
  /**
   * A process that has not renewed its lease for this long is taken for dead and its runs are handed over. Database time
   * decides, so a clock that jumps changes nothing. A living one that was only slow is fenced out, and its steps run twice at most.
   */
  leaseMs: number
  renewMs: number
  /** A run that was picked up in vain often waits this long before it is taken up once more, doubled with each time, and cut by chance. */
  suspectMs: number
}
export const TIMES: Times = { reconcileMs: 15_000, startingMs: 5_000, commandsMs: 1_000, leaseMs: 15_000, renewMs: 3_000, suspectMs: 1_000 }
/** Open runs looked at in one round. */
const OPEN_AT_ONCE = 2_000

/** A row for each leg is kept for an hour, for whoever has to look into the engine's books, and dropped in rounds. */
const REMEMBER_LEGS_MS = 3_600_000
const TIDY_EVERY_MS = 600_000

export function createLookout(deps: {
  db: Db
  engine: Engine
  executorId: string
  now: () => number
  log: Logger
  active: ReadonlyMap<string, Handle>
  /** True from a leg's begin to its end, in this process. */
  held: (runId: string) => boolean
  begin: (runId: string, leg: number) => Promise<void>
  /** Runs that were begun before are left alone: they may be under way in the original of this database. */
  heldSince: () => Date | null
  times?: Partial<Times> | undefined
}) {
  const { db, engine, executorId, now, log, active } = deps
  const times = { ...TIMES, ...deps.times }
  const timers: NodeJS.Timeout[] = []

  const report = (error: unknown): void =>
    log.warn({ problem: (error as Error).message }, 'looking after open runs failed; tried again soon')
  /** Never two rounds of the same work at once: one may take long while the database is away. */
  const every = (ms: number, work: () => Promise<void>) => {
    let working = false
    const round = async () => {
      if (working) return
      working = true
      await work().catch(report)
      working = false
    }
    timers.push(setInterval(() => void round(), ms).unref())
  }
  const holdLease = (tx: Tx) => leaseRows.holdLease(tx, executorId, times.leaseMs / 1000)
  const hold = () => db.everyTenant('the lease of this process', holdLease)

  async function lease(): Promise<void> {
    const gone = await db.everyTenant('leases', async (tx) => {
      await holdLease(tx)
      return leaseRows.takeLapsed(tx)
    })
    // Should this process end right here, nobody has the lease any more, and `reconcile` finds the runs.
    for (const { id } of gone)
      if (id !== executorId) log.warn({ executor: id, legs: await engine.adopt(id) }, 'a process is gone; its runs go on here')
  }

  /**
   * Open runs whose leg nobody works on: a process died between two commits or left on its way down, or the engine lost a leg.
   * What the engine has as pending counts only where its process lives; here, `held` knows better, but for the first look.
   */
  async function reconcile(idleMs: number, first: boolean): Promise<void> {
    for (let after: string | undefined = ''; after !== undefined; ) {
      const from: string = after
      const [open, living] = await db.everyTenant('open runs, whoever owns them', (tx) =>
        Promise.all([leaseRows.open(tx, from, OPEN_AT_ONCE, idleMs, deps.heldSince()), leaseRows.living(tx)]),
      )
      const strange = open.filter((r) => !deps.held(r.id))
      const underWay = await engine.underWay(
        strange.map((r) => ({ runId: r.id, leg: r.leg })),
        (id) => (id === executorId ? first : living.has(id)),
      )
      for (const run of strange) if (!underWay.has(run.id)) await goOn(run).catch(report)
      after = open.length < OPEN_AT_ONCE ? undefined : open.at(-1)?.id
    }
  }
  async function goOn(run: { id: string; workspace_id: string; project_id: string; fence: number }): Promise<void> {
    const leg = await db.tx({ workspace: run.workspace_id, project: run.project_id }, (tx) => leaseRows.nextLeg(tx, run.id, run.fence))
    if (leg !== undefined) await deps.begin(run.id, leg)
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
      every(times.renewMs, lease)
      await reconcile(0, true)
      every(times.reconcileMs, () => reconcile(times.startingMs, false))
      every(times.commandsMs, hearCommands)
      every(TIDY_EVERY_MS, async () => void (await engine.tidy(new Date(now() - REMEMBER_LEGS_MS))))
    },
    stop(): void {
      for (const timer of timers) clearInterval(timer)
    },
    leave: () => db.everyTenant('the lease of this process', (tx) => leaseRows.dropLease(tx, executorId)).catch(report),
  }
}
