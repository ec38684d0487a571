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
/** Small: a leg costs DBOS two short statements, and a pool of 40 was measured slower. */
export const ENGINE_POOL = 6

export interface Engine {
  launch(): Promise<void>
  /** Durable once it resolves: the leg runs here now, or after a crash wherever this executor's work goes on. */
  begin(runId: string, leg: number): Promise<void>
  /** Of which of these runs the leg still has to be finished, in line for anybody or in a process that `lives`. */
  underWay(legs: readonly LegName[], lives: (executorId: string) => boolean): Promise<Set<string>>
  /** Legs of an executor that is gone: they are put in line for the living. */
  adopt(executorId: string): Promise<number>
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
    launch: () => DBOS.launch(),
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
    shutdown: () => DBOS.shutdown(),
  }
}
