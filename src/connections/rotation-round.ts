/** Ends rotations whose time is over: what was staged and forgotten is destroyed, and so is an old version that nobody needs any more. */
import { onBehalf } from '../base/behalf.ts'
import type { Db, Scope, Tx } from '../base/db.ts'
import { Fault } from '../base/errors.ts'
import { KEEPER } from './announce.ts'
import type { Finished, Rotations } from './rotate.ts'

/** Overlaps are counted in minutes. */
const EVERY_MS = 60_000
/** Of one round; the rest comes with the next. */
const AT_A_TIME = 100

export function createRotationRound(deps: {
  db: Db
  rotations: Rotations
  /** Ends secrets of OAuth apps whose overlap is over. */
  lapse: (tx: Tx, limit: number) => Promise<void>
  /** Destroys what was burned and left. */
  sweep: (tx: Tx, limit: number) => Promise<void>
  audit: (
    tx: Tx,
    scope: Scope,
    act: { actor: string; action: string; target: string; outcome: 'done'; details: Record<string, unknown> },
  ) => Promise<void>
  trouble: (error: unknown) => void
  everyMs?: number | undefined
}) {
  const { db, rotations } = deps
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | null = null

  async function end(scope: Scope, id: string, switched: boolean): Promise<void> {
    const act = switched ? 'finish' : 'rollback'
    const done = await db.tx(scope, async (tx): Promise<Finished> => {
      const it = switched
        ? await rotations.finish(tx, scope, id, KEEPER, null)
        : await rotations.rollback(tx, scope, id, KEEPER, 'nobody went on with it')
      const action = switched ? 'rotation.finished' : 'rotation.cancelled'
      await deps.audit(tx, scope, { actor: KEEPER, action, target: id, outcome: 'done', details: { rotation_id: it.rotation.id } })
      return it
    })
    await rotations.settled(act, done)
  }

  async function round(): Promise<void> {
    await db.everyTenant('client secrets whose overlap is over', (tx) => deps.lapse(tx, AT_A_TIME))
    await db.everyTenant('burned credentials that were left', (tx) => deps.sweep(tx, AT_A_TIME))
    for (const it of await rotations.due(AT_A_TIME)) {
      const scope = { workspace: it.workspace_id, project: it.project_id }
      await onBehalf({ scope, actor: KEEPER }, () => end(scope, it.connection_id, it.state === 'switched')).catch((error: unknown) => {
        // A person was faster, or another process.
        if (!(error instanceof Fault) || (error.code !== 'CONFLICT' && error.code !== 'NOT_FOUND')) deps.trouble(error)
      })
    }
  }

  return {
    round,
    begin(): void {
      timer = setInterval(() => {
        running ??= round()
          .catch(deps.trouble)
          .finally(() => {
            running = null
          })
      }, deps.everyMs ?? EVERY_MS).unref()
    },
    async end(): Promise<void> {
      clearInterval(timer)
      await running
    },
  }
}
