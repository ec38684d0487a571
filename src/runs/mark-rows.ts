/** What stands for the state of a list: it differs once anything in the list does. */
import { sql } from 'kysely'
import { OWN_PROJECT, OWN_WORKSPACE, type Tx } from '../base/db.ts'

/** Runs that a person may be looking at: the newest of the list, and whatever is not over. */
const NEWEST = 200
const OPEN = 500

const of = async (answer: Promise<{ mark: string } | undefined>): Promise<string> => (await answer)?.mark ?? ''

/** Among the first of a project: whether people have begun to use it. */
const FIRST = 200
export const startedByPeople = async (tx: Tx): Promise<boolean> =>
  (await tx.first(sql`
    select 1 from (select started_by from runs where workspace_id = ${OWN_WORKSPACE} and project_id = ${OWN_PROJECT} order by id limit ${FIRST}) as early
    where started_by not like 'system:%' limit 1`)) !== undefined

export const marks = {
  runs: (tx: Tx) =>
    of(
      tx.first<{ mark: string }>(sql`
        select coalesce(md5(string_agg(id || status || last_seq, ',' order by id)), '') as mark from (
          (select id, status, last_seq from runs where workspace_id = ${OWN_WORKSPACE} and project_id = ${OWN_PROJECT}
            order by id desc limit ${NEWEST})
          union
          (select id, status, last_seq from runs where workspace_id = ${OWN_WORKSPACE} and project_id = ${OWN_PROJECT}
            and status in ('queued', 'running', 'paused', 'draining') order by id desc limit ${OPEN})
        ) as seen`),
    ),
  workflows: (tx: Tx) =>
    of(
      tx.first<{ mark: string }>(sql`
        select concat_ws('/', count(*), max(updated_at), sum(latest_version)) as mark from workflows
        where workspace_id = ${OWN_WORKSPACE} and project_id = ${OWN_PROJECT}`),
    ),
}
