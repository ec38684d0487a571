/**
 * Durable execution. The only file that knows DBOS: it remembers which legs of which runs are under way, and starts them
 * again after a crash. A leg is one stretch of work on a run, from a start or an answer to its end or its next wait. What
 * happened inside is in the run's own journal (rows.ts), so a leg that is started again simply decides again.
 */
import { DBOS, type DLogger } from '@dbos-inc/dbos-sdk'
import type pg from 'pg'
import type { Logger } from '../base/log.ts'

/**
 * DBOS recovers only what the same application version left behind. Ours never changes: what a leg does depends on the
 * journal alone, so a newer build may go on with the legs of an older one.
 */
const APPLICATION_VERSION = '1'

/**
 * Processes launch their engine one after the other: two that make its tables at the same time end in a deadlock, or drop each
 * other's half-made indexes. Any number that no other lock of ours has. Who has waited this long goes on all the same.
 */
const LAUNCH_LOCK = 4_207_313
const LAUNCH_TURN_MS = 60_000
const LAUNCH_AGAIN_MS = 100

/** Small: a leg costs DBOS two short transactions, and a pool of 40 was measured slower. */
export const ENGINE_POOL = 6

/** Few enough for one short transaction. */
const TIDY_AT_ONCE = 500

export interface Engine {
  launch(): Promise<void>
  /** Durable once it resolves: the leg runs here now, or after a crash wherever this executor's work goes on. */
  begin(runId: string, leg: number): Promise<void>
  /** Of which of these runs the leg still has to be finished, in line for anybody or in a process that `lives`. */
  underWay(legs: readonly LegName[], lives: (executorId: string) => boolean): Promise<Set<string>>
  /** Legs of an executor that is gone: they are put in line for the living. */
  adopt(executorId: string): Promise<number>
  /** Drops what the engine remembers of legs that ended before: the runs' own journals tell what happened. Returns how many. */
  tidy(before: Date): Promise<number>
  shutdown(): Promise<void>
}

export interface LegName {
  runId: string
  leg: number
}

export function createEngine(deps: { pool: pg.Pool; executorId: string; log: Logger; work: (name: LegName) => Promise<void> }): Engine {
  const logger: DLogger = {
    info: () => undefined,
    debug: () => undefined,
    warn: (message: unknown) => deps.log.warn({ engine: String(message) }, 'engine'),
    error: (message: unknown) => deps.log.error({ engine: message instanceof Error ? message.message : String(message) }, 'engine'),
  } as DLogger
  DBOS.setConfig({
    name: 'agentruntime',
    systemDatabasePool: deps.pool,
    executorID: deps.executorId,
    applicationVersion: APPLICATION_VERSION,
    logger,
    logLevel: 'warn',
    enableOTLP: false,
  })
  const leg = DBOS.registerWorkflow(async (runId: string, number: number): Promise<void> => deps.work({ runId, leg: number }), {
    name: 'leg',
  })

  return {
    async launch() {
      const client = await deps.pool.connect()
      const died = () => undefined // then the lock is gone too
      client.on('error', died)
      try {
        // Asked for again and again: a session that waits for a lock has a snapshot, for which `create index concurrently` waits.
        for (const until = performance.now() + LAUNCH_TURN_MS; performance.now() < until; ) {
          if ((await client.query('select pg_try_advisory_lock($1) as mine', [LAUNCH_LOCK])).rows[0].mine) break
          await new Promise((resolve) => setTimeout(resolve, LAUNCH_AGAIN_MS))
        }
        await DBOS.launch()
      } finally {
        await client.query('select pg_advisory_unlock($1)', [LAUNCH_LOCK]).catch(died)
        client.removeListener('error', died)
        client.release()
      }
    },
    async begin(runId, number) {
      await DBOS.startWorkflow(leg, { workflowID: `${runId}/${number}` })(runId, number)
    },
    async underWay(legs, lives) {
      if (legs.length === 0) return new Set()
      const open = await DBOS.listWorkflows({
        workflowIDs: legs.map(({ runId, leg: number }) => `${runId}/${number}`),
        status: ['PENDING', 'ENQUEUED'] as never,
        loadInput: false,
        loadOutput: false,
      })
      const counting = open.filter((w) => w.status !== 'PENDING' || lives(w.executorId ?? ''))
      return new Set(counting.map((w) => w.workflowID.split('/')[0] as string))
    },
    async adopt(executorId) {
      const left = await DBOS.listWorkflows({ status: 'PENDING', executorId, loadInput: false } as never)
      if (left.length > 0) await DBOS.resumeWorkflows(left.map((w) => w.workflowID))
      return left.length
    },
    async tidy(before) {
      let dropped = 0
      for (;;) {
        const ended = await DBOS.listWorkflows({
          status: ['SUCCESS', 'ERROR'],
          completedBefore: before.toISOString(),
          limit: TIDY_AT_ONCE,
          loadInput: false,
          loadOutput: false,
        })
        if (ended.length > 0) await DBOS.deleteWorkflows(ended.map((w) => w.workflowID))
        dropped += ended.length
        if (ended.length < TIDY_AT_ONCE) return dropped
      }
    },
    shutdown: () => DBOS.shutdown(),
  }
}
