/** Records of calls made outside runs, written in batches. Calls inside runs are recorded in the run's own transaction. */
import type { Db, Tx } from '../base/db.ts'
import { type CallRecord, rows } from './rows.ts'

/** Records that nobody waits for leave together after this long: a crash can lose those of at most that many reading calls. */
const GATHER_MS = 20
/** A batch that is this large leaves at once. */
const LARGE = 200

interface Batch {
  records: CallRecord[]
  leave: () => void
  stored: Promise<void>
}

export function createRecorder(db: Db) {
  let open: Batch | undefined
  let leaving: Promise<void> | undefined

  function begin(): Batch {
    const records: CallRecord[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, GATHER_MS)
    const stored = promise.then(async () => {
      clearTimeout(timer)
      if (open?.records === records) open = undefined
      leaving = db.everyTenant('records of tool calls, batched', async (tx) => void rows.insert(tx, records))
      await leaving
    })
    stored.catch(() => undefined) // whoever waits hears of it
    return { records, leave: resolve, stored }
  }

  return {
    /**
     * Resolves when the record is stored. `awaited`: the caller waits for it, so it leaves at once, or with all that came
     * meanwhile as soon as the batch before it is stored.
     */
    write(record: CallRecord, awaited: boolean): Promise<void> {
      open ??= begin()
      const { records, leave, stored } = open
      records.push(record)
      if (records.length >= LARGE) leave()
      else if (awaited) (leaving ?? Promise.resolve()).then(leave, leave)
      return stored
    },
    inTransaction: (tx: Tx, records: readonly CallRecord[]) => rows.insert(tx, records),
    async flush() {
      open?.leave()
      await open?.stored.catch(() => undefined)
    },
  }
}
