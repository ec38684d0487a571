/** What came and started nothing: counted in memory, written within a second, and told to the audit log once its minute is over. */
import type { Db, Scope, Tx } from '../base/db.ts'
import { newId } from '../base/ids.ts'
import { type Noted, rows } from './rows.ts'

/** Soon enough for somebody who waits for a first request in front of a screen; a flood is one statement a second. */
const WRITE_EVERY_MS = 1_000
const MINUTE_MS = 60_000
/** Counts of a minute that other processes still hold have arrived by then. */
const AUDIT_AFTER_MS = MINUTE_MS + 15_000
/** Different things noted between two writes. Ids can be made up, so what does not fit is dropped: it is in the log all the same. */
const MAX_NOTED = 10_000

/** How this room writes into the audit chain: the entry is the last statement of the transaction that it tells of. */
export type Audit = (
  tx: Tx,
  scope: Scope,
  act: {
    actor: string
    action: string
    target: string
    outcome: 'done' | 'refused'
    details: Record<string, unknown>
    requestId?: string | undefined
  },
) => Promise<void>

export function createTally(deps: { db: Db; now: () => number; audit: Audit; trouble: (error: unknown) => void }) {
  const { db, now } = deps
  let noted = new Map<string, Noted>()
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  function note(it: Pick<Noted, 'webhook_id' | 'outcome' | 'code' | 'run_id' | 'delivery_id'>, name: string): void {
    const at = new Date(now())
    const slot = `${it.outcome}:${name}:${Math.floor(at.getTime() / MINUTE_MS)}`
    const key = `${it.webhook_id} ${slot}`
    const known = noted.get(key)
    if (known) {
      known.count++
      known.last_at = at
    } else if (noted.size < MAX_NOTED) noted.set(key, { ...it, id: newId('dlv', now()), slot, count: 1, at, last_at: at })
    timer ??= setTimeout(() => void flush(), WRITE_EVERY_MS).unref()
  }

  async function write(): Promise<void> {
    const batch = noted
    noted = new Map()
    if (batch.size === 0) return
    try {
      await db.everyTenant('refused deliveries, coalesced', (tx) => rows.note(tx, [...batch.values()]))
    } catch (error) {
      deps.trouble(error)
      // The next round takes them along.
      for (const [key, it] of batch) {
        const newer = noted.get(key)
        if (newer) it.count += newer.count
        if (newer || noted.size < MAX_NOTED) noted.set(key, { ...it, last_at: newer?.last_at ?? it.last_at })
      }
      timer ??= setTimeout(() => void flush(), WRITE_EVERY_MS).unref()
    }
  }
  /** One write at a time, in order. */
  function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    writing = writing.then(write)
    return writing
  }

  return {
    refused: (webhookId: string, code: string) =>
      note({ webhook_id: webhookId, outcome: 'refused', code, run_id: null, delivery_id: null }, code),
    seenBefore: (webhookId: string, slot: string, runId: string, deliveryId: string | null) =>
      note({ webhook_id: webhookId, outcome: 'duplicate', code: null, run_id: runId, delivery_id: deliveryId }, slot),
    flush,
    /** One entry for each subscription, code and minute, with its count. */
    async auditRefusals(): Promise<void> {
      const before = new Date(now() - AUDIT_AFTER_MS)
      for (let more = true; more; )
        more = await db.everyTenant('refused deliveries go into the audit log of their workspace', async (tx) => {
          const row = await rows.takeUnaudited(tx, before)
          if (!row) return false
          const details = { code: row.code, count: row.count, first_at: row.at.toISOString(), last_at: row.last_at.toISOString() }
          await deps.audit(
            tx,
            { workspace: row.workspace_id, project: row.project_id },
            { actor: `webhook:${row.webhook_id}`, action: 'webhook.refused', target: row.webhook_id, outcome: 'refused', details },
          )
          return true
        })
    },
  }
}
export type Tally = ReturnType<typeof createTally>
