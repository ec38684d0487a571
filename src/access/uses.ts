/**
 * The book of uses: every opening of a secret, kept in a file at once and written to the audit chain in batches. The chain has one entry for
 * a batch, with the digest of its rows; equal uses within a batch are one row with their number. What cannot be kept is refused, and so is
 * everything once the database has been away for longer than it may.
 */
import type { Db, Tx } from '../base/db.ts'
import { Fault } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { SecretUse, Uses } from '../base/secret-use.ts'
import { appendAudit } from './audit.ts'
import { digestOf, lineOf, USED } from './chain.ts'
import { createUsesJournal } from './uses-journal.ts'
import { rows, type StoredUse, type UseFilter, type UseRow } from './uses-rows.ts'

export type { UseFilter }

/** How long uses are gathered: 12 entries a minute in a busy workspace, and a list that is seconds behind. */
const GATHER_MS = 5_000
/** Rows that make a batch full: one entry's rows can be read at once by whoever checks it. */
const LARGE = 500
/** How long the database may be away while secrets are used: a failover, and no longer. */
const AWAY_MS = 30_000
/** Rows in memory at most, some 400 bytes each. */
const MOST = 20_000
const RETRY_MS = 1_000

interface Batch {
  id: string
  uses: Map<string, UseRow & { workspace: string }>
  /** Somebody has tried to write it, and did not hear how it ended. */
  again: boolean
}

export function createUses(deps: { db: Db; dir: string; now: () => number; trouble?: (error: unknown) => void; gatherMs?: number }) {
  const { db, now } = deps
  const journal = createUsesJournal(deps.dir)
  /** Oldest first; the last one is open while its timer runs. */
  const waiting: Batch[] = []
  let open: Batch | null = null
  let held = 0
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> | null = null
  /** Since when the oldest batch could not be written. */
  let tryingSince: number | null = null

  const refuse = (message: string, cause?: unknown) =>
    new Fault('DEPENDENCY_UNAVAILABLE', `${message}, so no secret is used`, {
      hint: 'Every use of a secret is on record first. Look at /readyz, and at the disk of the data directory.',
      ...(cause === undefined ? {} : { cause }),
    })
  /** The last use could not be kept. */
  let unkept = false
  /** Why nothing may be used now. */
  function late(): string | null {
    if (held >= MOST) return `${MOST} uses of secrets wait for the database`
    if (tryingSince !== null && now() - tryingSince > AWAY_MS)
      return `uses of secrets could not be written for ${Math.round(AWAY_MS / 1000)} s`
    return null
  }
  function append(line: string): Batch {
    open ??= begin()
    try {
      journal.append(open.id, line)
      unkept = false
    } catch (cause) {
      unkept = true
      throw refuse('the use of a secret could not be kept', cause)
    }
    return open
  }
  function begin(): Batch {
    const batch: Batch = { id: newId('uses', now()), uses: new Map(), again: false }
    waiting.push(batch)
    timer = setTimeout(leave, deps.gatherMs ?? GATHER_MS).unref()
    return batch
  }
  function add(batch: Batch, { at, ...what }: Kept): void {
    const key = JSON.stringify(what)
    const time = new Date(at)
    const known = batch.uses.get(key)
    if (known) {
      known.uses++
      if (time > known.last_at) known.last_at = time
    } else {
      batch.uses.set(key, { ...what, first_at: time, last_at: time, uses: 1 })
      held++
    }
  }
  function leave(): void {
    clearTimeout(timer)
    open = null
    void write()
  }

  /** Writes what waits, one batch after the other. Never fails: it is tried again. */
  function write(): Promise<void> {
    writing ??= writeAll()
      .catch((error: unknown) => {
        if (waiting[0]) waiting[0].again = true
        deps.trouble?.(error)
        setTimeout(() => void write(), RETRY_MS).unref()
      })
      .finally(() => {
        writing = null
      })
    return writing
  }
  async function writeAll(): Promise<void> {
    for (let batch = waiting[0]; batch && batch !== open; batch = waiting[0]) {
      tryingSince ??= now()
      await store(batch)
      tryingSince = null
      held -= batch.uses.size
      waiting.shift()
      journal.drop(batch.id)
    }
  }
  async function store(batch: Batch): Promise<void> {
    const of = Map.groupBy(batch.uses.values(), (use) => use.workspace)
    if (of.size === 0) return
    const work = async (tx: Tx) => {
      if (batch.again && (await rows.written(tx, batch.id))) return
      // Always in the same order: each of them locks the head of its chain.
      for (const [workspace, uses] of [...of].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const details = {
          batch: batch.id,
          rows: uses.length,
          uses: uses.reduce((n, use) => n + use.uses, 0),
          sha256: digestOf(uses.map(lineOf)),
        }
        void appendAudit(tx, { workspace, project: '*' }, new Date(now()), { actor: 'system', action: USED, outcome: 'done', details })
        void rows.insert(
          tx,
          workspace,
          batch.id,
          uses.map(({ workspace: _, ...use }) => use),
        )
      }
    }
    await db.everyTenant('uses of secrets, batched', work)
  }

  const uses: Uses = {
    note(use) {
      const why = late()
      if (why !== null) throw refuse(why)
      const kept = keptOf(use, now())
      const batch = append(JSON.stringify(kept))
      add(batch, kept)
      if (batch.uses.size >= LARGE) leave()
    },
    blank() {
      append(BLANK)
    },
  }
  return {
    ...uses,
    /** Why no secret may be used now; null: they may. */
    problem(): string | null {
      // Whoever is not ready is asked for nothing, so it is tried here.
      if (unkept)
        try {
          append(BLANK)
        } catch {
          return 'the use of a secret could not be kept'
        }
      return late()
    },
    /** Takes in what a process that was killed has left. Before anything is used. */
    begin(): void {
      for (const { batch: id, lines } of journal.read()) {
        const batch: Batch = { id, uses: new Map(), again: true }
        for (const line of lines) if (line !== BLANK) add(batch, JSON.parse(line) as Kept)
        waiting.push(batch)
      }
      void write()
    },
    /** One row more than the limit says that there are more. Newest first. */
    page: (tx: Tx, filter: UseFilter): Promise<StoredUse[]> => rows.page(tx, filter),
    ofVersions: rows.ofVersions,
    callsInRun: rows.callsInRun,
    /** Has what was noted until now in the database, if that is there. */
    async flush(): Promise<void> {
      await writing
      leave()
      await writing
    },
    async close(): Promise<void> {
      await this.flush()
      journal.close()
    },
  }
}
export type BookOfUses = ReturnType<typeof createUses>

/** A line of the journal. */
type Kept = Omit<UseRow, 'first_at' | 'last_at' | 'uses'> & { workspace: string; at: number }
/** As long as a usual one. */
const BLANK = JSON.stringify({ blank: 'x'.repeat(240) })

const keptOf = ({ workspace, project, owner, version, purpose, host, user }: SecretUse, at: number): Kept => ({
  at,
  workspace,
  project_id: project,
  owner_id: owner,
  version,
  purpose,
  host,
  actor: user.actor,
  run_id: user.runId ?? null,
  step_id: user.stepId ?? null,
  attempt: user.attempt ?? null,
  instance_id: user.instanceId ?? null,
  tool: user.tool ?? null,
})
