/** What the outside is told of a connection's state: one signed event for each change, written with the change and sent afterwards. */
import { onBehalf } from '../base/behalf.ts'
import type { Db, Tx } from '../base/db.ts'
import type { Egress } from '../base/egress.ts'
import { newId } from '../base/ids.ts'
import type { Lending, Secret } from '../vault/index.ts'
import { outgoing, type OutgoingRow } from './event-rows.ts'

/** Where events go. */
export interface Subscriber {
  url: string
  secret: Secret
}
export type Told = { workspace_id: string; project_id: string }

/** Who acts where nobody has asked: it renews, and tells of what it found. */
export const KEEPER = 'system:keeper'
/** A receiver acknowledges at once or is down (Standard Webhooks advises 15 to 30 s). */
const SEND_MS = 15_000
/** Waits between tries, as Standard Webhooks advises; after the last the event is given up, with its row kept to be seen. */
const WAITS_MS = [5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000]
const BATCH = 20
const KEEP_MS = 30 * 86_400_000
/** Past any date that matters: never again by itself. */
const GIVEN_UP_MS = 3650 * 86_400_000

export function createAnnouncements(deps: {
  db: Db
  vault: Lending
  egress: Pick<Egress, 'fetch'>
  to: Subscriber | null
  now: () => number
  random: () => number
}) {
  const { db, to, now } = deps

  async function send(row: OutgoingRow, { url, secret }: Subscriber): Promise<string | null> {
    try {
      const signed = deps.vault.signWebhook(secret, { id: row.id, at: now(), payload: row.payload }, row.workspace_id, url)
      const answer = await deps.egress.fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...signed },
        body: row.payload,
        timeoutMs: SEND_MS,
        firstByteMs: SEND_MS,
      })
      await answer.body?.cancel()
      return answer.status >= 200 && answer.status < 300 ? null : `http_${answer.status}`
    } catch (error) {
      return (error as { code?: string }).code?.toLowerCase() ?? 'failed'
    }
  }

  return {
    /** In the transaction of the change. Nothing is written where nobody listens. */
    async tell(tx: Tx, about: Told, type: string, data: Record<string, unknown>): Promise<void> {
      if (to === null) return
      const at = new Date(now())
      const said = deps.vault.outgoing(about.workspace_id).json(data)
      const payload = JSON.stringify({ type, timestamp: at.toISOString(), data: said })
      await outgoing.insert(tx, {
        id: newId('evt', now()),
        workspace_id: about.workspace_id,
        project_id: about.project_id,
        event_type: type,
        payload,
        created_at: at,
        next_try_at: at,
      })
    },

    /** Sends what is due. How many were taken. */
    async deliver(): Promise<number> {
      if (to === null) return 0
      const due = await db.everyTenant('events to send', (tx) => outgoing.take(tx, new Date(now()), new Date(now() + 2 * SEND_MS), BATCH))
      // In order, so that a receiver hears of a loss before its recovery.
      for (const row of due) {
        const scope = { workspace: row.workspace_id, project: row.project_id }
        const problem = await onBehalf({ scope, actor: KEEPER }, () => send(row, to))
        const attempts = row.attempts + 1
        const wait = WAITS_MS[attempts - 1]
        await db.tx(scope, (tx) =>
          outgoing.settle(tx, row.id, {
            attempts,
            last_problem: problem,
            ...(problem === null
              ? { delivered_at: new Date(now()) }
              : { next_try_at: new Date(now() + (wait === undefined ? GIVEN_UP_MS : wait * (0.8 + deps.random() * 0.4))) }),
          }),
        )
      }
      return due.length
    },
    forgetOld: () => db.everyTenant('old events', (tx) => outgoing.forget(tx, new Date(now() - KEEP_MS))),
  }
}
export type Announcements = ReturnType<typeof createAnnouncements>
