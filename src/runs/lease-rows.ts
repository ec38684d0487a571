import { sql } from 'kysely'
import { type Tx, tables } from '../base/db.ts'

const q = tables<{ executors: { id: string; lease_until: Date; started_at?: Date } }>()

export const leaseRows = {
  holdLease: (tx: Tx, id: string, seconds: number) =>
    tx.run(sql`insert into executors (id, lease_until) values (${id}, now() + make_interval(secs => ${seconds}::int))
      on conflict (id) do update set lease_until = excluded.lease_until`),
  /** Takes the leases that ran out off the books and says whose they were. Two processes never get the same one. */
  takeLapsed: (tx: Tx) =>
    tx.all<{ id: string }>(
      sql<{
        id: string
      }>`delete from executors where id in (select id from executors where lease_until < now() for update skip locked) returning id`,
    ),
  dropLease: (tx: Tx, id: string) => tx.run(q.deleteFrom('executors').where('id', '=', id)),
}
