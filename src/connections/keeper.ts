/** Looks after grants while nobody asks: renews what is due, warns before hard ends, sends what is to be told. */
import type { Db, Scope } from '../base/db.ts'
import { Fault } from '../base/errors.ts'
import { IN_BACKGROUND } from './gate.ts'
import { type GrantRow, grants } from './grant-rows.ts'
import type { Ask } from './renew.ts'
import { WARN_DAYS } from './schedule.ts'

/** How often one looks for what is due. Margins are a minute and more, so a few seconds late is early enough. */
export const LOOK_EVERY_MS = 5_000
/** Read at once; another process that looks meanwhile finds some of the same, and the lease sorts it out. */
const BATCH = 256
/** Renewals take turns with everything else: so many hands, each of which rests after each. A thousand take a quarter of a minute. */
const HANDS = IN_BACKGROUND
const REST_MS = 25
/** A provider that is left alone is not asked for these again before that. */
const POSTPONE_MS = 15_000
/** People are warned of ends days ahead, the books go on by the minute, and old rows leave by the hour. */
const WARN_EVERY_MS = 600_000
const BEAT_EVERY_MS = 60_000
const TIDY_EVERY_MS = 3_600_000
const DAY_MS = 86_400_000

export function createKeeper(deps: {
  db: Db
  owner: string
  join: (scope: Scope, id: string, ask: Ask) => Promise<unknown>
  takeIn: () => Promise<number>
  warn: (grant: GrantRow, days: number) => Promise<void>
  deliver: () => Promise<number>
  beat: () => Promise<void>
  tidy: () => Promise<void>
  /** Told of what went wrong in a round; the next round tries again. */
  trouble: (error: unknown) => void
  now: () => number
  random: () => number
  wait: (ms: number) => Promise<void>
  everyMs?: number | undefined
}) {
  const { db, now } = deps
  const every = deps.everyMs ?? LOOK_EVERY_MS
  let timer: NodeJS.Timeout | undefined
  let working: Promise<void> = Promise.resolve()
  let ended = false
  const last = { warn: 0, beat: now(), tidy: now() }

  async function renewDue(): Promise<void> {
    for (;;) {
      const due = await db.everyTenant('grants that are due', (tx) => grants.due(tx, new Date(now()), BATCH))
      const left = due.values()
      const hand = async () => {
        for (const it of left) {
          if (ended) return
          await renewOne(it)
          await deps.wait(REST_MS)
        }
      }
      await Promise.all(Array.from({ length: HANDS }, hand))
      // Whatever kept one from being renewed, the round must not meet it again at once.
      const later = new Date(now() + POSTPONE_MS * (1 + deps.random()))
      if (due.length > 0) await db.everyTenant('grants that are due still', (tx) => grants.postpone(tx, due, new Date(now()), later))
      if (due.length < BATCH || ended) return
    }
  }
  async function renewOne(it: { connection_id: string; workspace_id: string; project_id: string; credential_version: number }) {
    const scope = { workspace: it.workspace_id, project: it.project_id }
    try {
      await deps.join(scope, it.connection_id, { version: it.credential_version, urgent: false })
    } catch (error) {
      if (!(error instanceof Fault) || error.code === 'VAULT_SEALED') deps.trouble(error)
    }
  }

  /** A warning for each step that has been passed; one that is late is given once, for the nearest step. */
  async function warnOfEnds(): Promise<void> {
    for (const days of WARN_DAYS.toReversed()) {
      const ending = await db.everyTenant('grants that end soon', (tx) => grants.ending(tx, new Date(now()), days, BATCH))
      for (const grant of ending) await deps.warn(grant, days)
    }
  }

  const since = async (what: keyof typeof last, ms: number, work: () => Promise<unknown>) => {
    if (now() - last[what] < ms) return
    last[what] = now()
    await work()
  }

  async function round(): Promise<void> {
    const steps = [
      deps.takeIn,
      renewDue,
      deps.deliver,
      () => since('warn', WARN_EVERY_MS, warnOfEnds),
      () => since('beat', BEAT_EVERY_MS, deps.beat),
      () => since('tidy', TIDY_EVERY_MS, deps.tidy),
    ]
    for (const step of steps) if (!ended) await step().catch(deps.trouble)
  }

  function plan(): void {
    // Half of it is jitter: processes that started together do not look together.
    timer = setTimeout(() => void look(), every * (0.5 + deps.random()))
    timer.unref()
  }
  async function look(): Promise<void> {
    working = round()
    await working
    if (!ended) plan()
  }

  return {
    /** Frees what this process held before it died, takes in what lies in files, and begins to look. */
    async begin(): Promise<void> {
      await db.everyTenant('leases of a process that is no more', (tx) => grants.letGo(tx, deps.owner))
      await deps.takeIn().catch(deps.trouble) // a sealed vault opens later, and the rounds go on trying
      plan()
    },
    /** One round, now. */
    round,
    days: (grant: GrantRow): number => Math.max(0, Math.ceil(((grant.ends_at?.getTime() ?? 0) - now()) / DAY_MS)),
    async end(): Promise<void> {
      ended = true
      clearTimeout(timer)
      await working
    },
  }
}
export type Keeper = ReturnType<typeof createKeeper>
