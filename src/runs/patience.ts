/** While the database is away, runs wait for it instead of failing. */
import { Fault } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'

/** How long one piece of work waits for the database. A leg that gives up is begun again once the database is back. */
const PATIENCE_MS = 120_000
const AGAIN_MS = 500

/** Does the work again and again while the database is away; any other failure, and one after two minutes, is thrown. */
export async function patiently<T>(deps: { now: () => number; log: Logger }, runId: string, work: () => Promise<T>): Promise<T> {
  const giveUp = deps.now() + PATIENCE_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'DEPENDENCY_UNAVAILABLE' || deps.now() > giveUp) throw error
      deps.log.warn({ run_id: runId, problem: error.message }, 'a run waits for the database')
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    }
  }
}

/** What `work` gives if it is there in time, else undefined; the work itself goes on. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => late.resolve(undefined), ms)
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer))
}
