import { queryOptions, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type Answer, call } from '../../api.ts'
import { buttonClass } from '../../ui/button.tsx'
import { Time } from '../../ui/parts.tsx'
import { Card } from '../../ui/region.tsx'
import { rotatingQuery } from '../../queries.ts'
import { type Key, t } from '../../words/index.ts'
import { placeOfFix } from '../runs/fix.tsx'

type RunFacts = Answer<'runs.list'>['items'][number]
type Connection = Answer<'connections.list'>['items'][number]
const DAY_MS = 86_400_000
/** More than this is a page of its own. */
const SHOWN = 3

const failedQuery = queryOptions({
  queryKey: ['runs', 'failed'],
  queryFn: ({ signal }) =>
    call('runs.list', { status: 'failed', since: new Date(Date.now() - DAY_MS).toISOString(), limit: 100 }, { signal }),
})

/** One line for each cause: the same step of the same workflow with the same code. */
function byCause(runs: readonly RunFacts[]): { run: RunFacts; n: number }[] {
  const found = new Map<string, { run: RunFacts; n: number }>()
  for (const run of runs) {
    const key = [run.workflow_id, run.failure?.code, run.failure?.step_id].join('/')
    const known = found.get(key)
    if (known) known.n++
    else found.set(key, { run, n: 1 })
  }
  return [...found.values()]
}

export function Attention() {
  const failed = useQuery(failedQuery)
  const rotating = useQuery(rotatingQuery).data?.items.slice(0, SHOWN) ?? []
  const causes = byCause(failed.data?.items ?? []).slice(0, SHOWN)
  if (causes.length === 0 && rotating.length === 0) return null
  return (
    <Card>
      <h2 className="border-b border-line px-4 py-3 text-base font-semibold">{t('home.attention')}</h2>
      <ul>
        {rotating.map((c) => (c.rotation ? <Waiting key={c.id} connection={c} rotation={c.rotation} /> : null))}
        {causes.map(({ run, n }) => {
          const fix = run.failure ? placeOfFix(run.failure, run.workflow_id) : null
          return (
            <li key={run.run_id} className="flex flex-wrap items-center gap-3 border-b border-line px-4 py-2 last:border-0">
              <Link
                to="/runs/$workflow/$id"
                params={{ workflow: run.workflow_id, id: run.run_id }}
                search={{ tab: undefined, step: undefined }}
                className="min-w-0 flex-1 break-words hover:underline"
              >
                {t('home.attention.failed', { n, name: run.workflow_name ?? run.run_id, message: run.failure?.message ?? '' })}
              </Link>
              <span className="text-sm text-ink-3">
                <Time at={run.created_at} />
              </span>
              {fix ? (
                <Link to={fix.to} className={buttonClass('plain', 'sm')}>
                  {fix.label}
                </Link>
              ) : null}
            </li>
          )
        })}
      </ul>
    </Card>
  )
}

/** A rotation that somebody has begun: it waits for the next step, or for its end. */
function Waiting({ connection: c, rotation }: { connection: Connection; rotation: NonNullable<Connection['rotation']> }) {
  return (
    <li className="flex flex-wrap items-center gap-3 border-b border-line px-4 py-2 last:border-0">
      <p className="min-w-0 flex-1 break-words">
        {t('home.attention.rotation', { name: c.name, by: rotation.by, state: t(`rotation.${rotation.state}` as Key) })}
      </p>
      {rotation.until ? (
        <span className="text-sm text-ink-3">
          {t(rotation.state === 'switched' ? 'home.attention.rotation.overlap' : 'home.attention.rotation.until')}{' '}
          <Time at={rotation.until} />
        </span>
      ) : null}
      <Link
        to="/connections"
        search={{ c: c.id, rotate: rotation.rotation_id, q: undefined, status: undefined, tab: undefined, new: undefined }}
        className={buttonClass('plain', 'sm')}
      >
        {t('detail.rotating.go')}
      </Link>
    </li>
  )
}
