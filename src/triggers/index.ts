/** What starts a run from outside: inbound webhooks. */
import type { Db, Tx } from '../base/db.ts'
import type { Runs } from '../runs/index.ts'
import type { Verifying } from '../vault/index.ts'
import { type BearerFacts, createIngress } from './ingress.ts'
import { createLimit, type Limit, RATE } from './limit.ts'
import { rows } from './rows.ts'
import { SCHEMES } from './schemes/read.ts'
import { type Audit, createTally } from './tally.ts'
import { createWebhooks } from './webhooks.ts'

export type { Arrived, BearerFacts, Ingress, Taken } from './ingress.ts'
export type { Limit } from './limit.ts'
export type { DeliveryFacts, SecretRotation, WebhookFacts } from './webhooks.ts'
export { OVERLAP_MINUTES } from './webhooks.ts'

export const SCHEME_NAMES = SCHEMES.map((s) => s.name)

const DAY_MS = 86_400_000
/**
 * How long a delivery is known again. Stripe tries for three days; whoever signs no time could be repeated later by somebody who has
 * listened, and a month makes that a matter of patience.
 */
export const LEDGER_MS = 30 * DAY_MS
/** What was refused or came twice is looked at within days, and a flood of it must not lie there for weeks. */
export const NOTES_MS = 7 * DAY_MS
/** Refusals are audited this long after their minute; nobody waits for it. */
const AUDIT_EVERY_MS = 15_000
const SWEEP_EVERY_MS = 3_600_000
const SWEEP_AT_ONCE = 500

export function createTriggers(deps: {
  db: Db
  vault: Verifying
  runs: Runs
  audit: Audit
  bearer: (token: string, ip: string | null) => Promise<BearerFacts | null>
  publicUrl: () => string
  now: () => number
  trouble: (error: unknown) => void
  lookEveryMs?: number | undefined
  rate?: Limit | undefined
  fault?: (point: string, about?: string) => void | Promise<void>
}) {
  const { db, vault, now } = deps
  const tally = createTally(deps)
  const timers: NodeJS.Timeout[] = []

  /** What has served its time: old deliveries, and secrets whose overlap is over. */
  async function sweep(): Promise<void> {
    const at = now()
    const old = (tx: Tx) => rows.forget(tx, new Date(at - LEDGER_MS), new Date(at - NOTES_MS), SWEEP_AT_ONCE)
    while ((await db.everyTenant('deliveries of long ago', old)) === SWEEP_AT_ONCE);
    await db.everyTenant('signing secrets whose overlap is over', async (tx) => {
      for (const { id, previous_secret_version: version } of await rows.lapsed(tx, new Date(at), SWEEP_AT_ONCE)) {
        if (version !== null) await vault.drop(tx, id, version)
        await rows.update(tx, id, { previous_secret_version: null, previous_until: null })
      }
    })
  }
  const every = (ms: number, work: () => Promise<void>) => timers.push(setInterval(() => void work().catch(deps.trouble), ms).unref())

  return {
    webhooks: createWebhooks(deps),
    ingress: createIngress({ ...deps, tally, limit: createLimit(deps.rate ?? RATE, now) }),
    sweep,
    begin(): void {
      every(deps.lookEveryMs ?? AUDIT_EVERY_MS, tally.auditRefusals)
      every(deps.lookEveryMs ?? SWEEP_EVERY_MS, sweep)
    },
    async close(): Promise<void> {
      for (const timer of timers) clearInterval(timer)
      await tally.flush()
    },
  }
}
export type Triggers = ReturnType<typeof createTriggers>
