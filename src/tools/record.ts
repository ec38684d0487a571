/** Records of calls made outside runs, written in batches. Calls inside runs are recorded in the run's own transaction. */
import type { Db, Tx } from '../base/db.ts'
import { type CallRecord, rows } from './rows.ts'

/** A batch leaves after this long, or when it is this large: a crash can lose the records of at most that many reading calls. */
const FLUSH_AFTER_MS = 20
const FLUSH_AT = 200

export function createRecorder(db: Db) {
  let open: { records: CallRecord[]; leave: () => void; stored: Promise<void> } | undefined

  function begin() {
    const records: CallRecord[] = []
    const { promise, resolve: leave } = Promise.withResolvers<void>()
    const timer = setTimeout(leave, FLUSH_AFTER_MS)
    const stored = promise.then(async () => {
      clearTimeout(timer)
      if (open?.records === records) open = undefined
      await db.everyTenant('records of tool calls, batched', (tx) => rows.insert(tx, records))
    })
    stored.catch(() => undefined) // whoever waits hears of it
    return { records, leave, stored }
  }

  return {
    /** Resolves when the record is stored. Calls that change something wait for it; calls that read need not. */
    write(record: CallRecord): Promise<void> {
      open ??= begin()
      const { records, leave, stored } = open
      records.push(record)
      if (records.length >= FLUSH_AT) leave()
      return stored
    },
    inTransaction: (tx: Tx, records: readonly CallRecord[]) => rows.insert(tx, records),
    async flush() {
      open?.leave()
      await open?.stored.catch(() => undefined)
    },
  }
}
