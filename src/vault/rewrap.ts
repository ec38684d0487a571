/**
 * Moves sealed rows under the ring's newest key, while everything goes on. Only the wrapped data keys are replaced. It can
 * be stopped or killed at any moment and started again: a row says by itself under which key it lies.
 */
import type { Db } from '../base/db.ts'
import { EnvelopeError, HEAD_BYTES, rewrapOne } from './envelope.ts'
import type { Room } from './room.ts'
import * as rows from './rows.ts'
import { placeOf } from './sealed.ts'

/** One transaction's worth: some 30 ms, so that nobody waits long for a row or for the event loop. */
const BATCH = 500
/** foreign_key_violation: a row came to use the key at the last moment. */
const STILL_USED = '23503'

export interface RewrapProgress {
  done: number
  /** Rows under older keys when it began. */
  total: number
  undecryptable: number
}

export async function rewrap(
  deps: { db: Db; room: Room; fault?: (point: string) => void | Promise<void> },
  options: { signal?: AbortSignal; progress?: (p: RewrapProgress) => void } = {},
): Promise<RewrapProgress & { finished: boolean; retired: number[] }> {
  const { db, room } = deps
  const ring = await db.everyTenant('rewrap: newest key', room.toSeal)
  const newest = ring.active
  const p: RewrapProgress = { done: 0, total: await db.everyTenant('rewrap: count', (tx) => rows.countOlder(tx, newest)), undecryptable: 0 }
  options.progress?.({ ...p })

  for (let after = ''; ; ) {
    if (options.signal?.aborted) return { ...p, finished: false, retired: [] }
    room.ring() // sealed meanwhile: stop
    const batch = await db.everyTenant('rewrap: one batch', async (tx) => {
      await rows.lockVault(tx) // two re-wraps at once take turns and cannot lock each other out
      await rows.byId(tx)
      const found = await rows.olderHeads(tx, newest, after, BATCH, HEAD_BYTES)
      const moved: { id: string; was: Buffer; bytes: Buffer }[] = []
      const broken: typeof found = []
      for (const row of found) {
        try {
          moved.push({ id: row.id, was: row.bytes, bytes: rewrapOne(ring, placeOf(row), row.bytes) })
        } catch (error) {
          if (!(error instanceof EnvelopeError)) throw error
          broken.push(row)
        }
      }
      room.wrapped(newest, moved.length)
      const done = moved.length > 0 ? await rows.swapHeads(tx, newest, moved, HEAD_BYTES) : 0
      if (broken.length > 0) await rows.flagHeads(tx, broken, HEAD_BYTES)
      return { last: found.at(-1)?.id, done, undecryptable: broken.length }
    })
    if (batch.last === undefined) break
    after = batch.last
    p.done += batch.done
    p.undecryptable += batch.undecryptable
    await deps.fault?.('vault.rewrap.after_batch')
    options.progress?.({ ...p })
  }

  const retired = await db
    .everyTenant('rewrap: retire keys', async (tx) => {
      await rows.lockVault(tx)
      return rows.retireUnused(tx, newest)
    })
    .catch((error: { code?: string }) => {
      if (error.code === STILL_USED) return [] // the next re-wrap retires it
      throw error
    })
  if (retired.length > 0) await db.everyTenant('rewrap: smaller ring', room.reload)
  return { ...p, finished: true, retired }
}
