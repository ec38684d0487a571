import { sql } from 'kysely'
import { type Tx, tables } from '../base/db.ts'
import type { RunTable } from './rows.ts'

const q = tables<{ executors: { id: string; lease_until: Date; started_at?: Date }; runs: RunTable }>()
const ENDED = ['completed', 'failed', 'stopped'] as const
const OPEN = ['queued', 'running', 'draining'] as const

export const leaseRows = {
  holdLease: (tx: Tx, id: string, seconds: number) =>
    tx.run(sql`insert into executors (id, lease_until) values (${id}, now() + make_interval(secs => ${seconds}::float8))
      on conflict (id) do update set lease_until = excluded.lease_until`),
  /** Takes the leases that ran out off the books and says whose they were. Two processes never get the same one. */
  takeLapsed: (tx: Tx) =>
    tx.all<{ id: string }>(
      sql<{
        id: string
      }>`delete from executors where id in (select id from executors where lease_until < now() for update skip locked) returning id`,
    ),
  dropLease: (tx: Tx, id: string) => tx.run(q.deleteFrom('executors').where('id', '=', id)),
  /** Processes whose lease runs. */
  living: async (tx: Tx): Promise<Set<string>> =>
    new Set((await tx.all(q.selectFrom('executors').select('id').where('lease_until', '>=', sql<Date>`now()`))).map((r) => r.id)),

  /**
   * Runs that some process should be working on, by id; `idleMs`: since when their latest leg was begun, by the database's clock. `since`: none
   * that was begun before.
   */
  open: (tx: Tx, after: string, limit: number, idleMs: number, since: Date | null) =>
    tx.all(
      q
        .selectFrom('runs')
        .select(['id', 'workspace_id', 'project_id', 'leg', 'fence'])
        .where('status', 'in', OPEN)
        .where(sql<boolean>`waiting_on = '[]'::jsonb`)
        .where('touched_at', '<=', sql<Date>`now() - make_interval(secs => ${idleMs / 1000}::float8)`)
        .$if(since !== null, (it) => it.where('touched_at', '>', since as Date))
        .where('id', '>', after)
        .orderBy('id')
        .limit(limit),
    ),
  /** A new leg for a run that nobody works on. Undefined: somebody does by now. */
  nextLeg: async (tx: Tx, id: string, fence: number): Promise<number | undefined> =>
    (
      await tx.first(
        q
          .updateTable('runs')
          .set({ leg: sql`leg + 1`, fence: sql`fence + 1`, touched_at: sql`now()` })
          .where('id', '=', id)
          .where('fence', '=', fence)
          .where('status', 'in', OPEN)
          .where(sql<boolean>`waiting_on = '[]'::jsonb`)
          .returning('leg'),
      )
    )?.leg,
  /** Takes the run over for this leg: every writer with an older fence is refused from now on. Undefined: ended, or a later leg has begun. */
  takeOver: (tx: Tx, id: string, leg: number) =>
    tx.first(
      q
        .updateTable('runs')
        .set({ fence: sql`fence + 1`, pickups: sql`pickups + 1` })
        .where('id', '=', id)
        .where('leg', '=', leg)
        .where('status', 'not in', ENDED)
        .returningAll(),
    ),
}
