import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { runsQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Select } from '../../ui/field.tsx'
import { cellClass, rowClass, Table, Time } from '../../ui/parts.tsx'
import { RunStatus } from '../../ui/pill.tsx'
import { Card, Empty, PageHeader, Region } from '../../ui/region.tsx'
import { durationText, type Key, t } from '../../words/index.ts'
import { useFresh } from './fresh.ts'

const STATUSES = ['queued', 'running', 'paused', 'draining', 'completed', 'failed', 'stopped'] as const

export function Runs() {
  const search = useSearch({ from: '/shell/runs' })
  const navigate = useNavigate({ from: '/runs' })
  const status = STATUSES.find((s) => s === search.status)
  const list = useInfiniteQuery(runsQuery(status ? { status } : {}))
  const fresh = useFresh(status ? { status } : {})
  const items = list.data?.pages.flatMap((p) => p.items) ?? []
  return (
    <>
      <PageHeader title={t('runs.title')} about={t('runs.about')} />
      <Card>
        <div className="border-b border-line p-3">
          <Select
            aria-label={t('runs.filter.status')}
            className="max-w-44"
            value={status ?? ''}
            onChange={(e) => void navigate({ search: { status: e.target.value || undefined }, replace: true })}
          >
            <option value="">{t('connections.filter.all')}</option>
            {STATUSES.map((s) => (
              <option key={s} value={s}>
                {t(`run.status.${s}` as Key)}
              </option>
            ))}
          </Select>
        </div>
        <p role="status" className="empty:hidden">
          {fresh.count > 0 ? (
            <button
              type="button"
              onClick={fresh.show}
              className="h-8 w-full border-b border-line bg-accent-soft text-sm font-medium text-accent hover:underline"
            >
              {t('run.new', { n: fresh.count })}
            </button>
          ) : null}
        </p>
        <Region query={list}>
          {() =>
            items.length > 0 ? (
              <Table
                label={t('runs.title')}
                head={[t('runs.col.workflow'), t('runs.col.status'), t('runs.col.trigger'), t('runs.col.started'), t('runs.col.duration')]}
              >
                {items.map((run) => {
                  const to = {
                    to: '/runs/$workflow/$id',
                    params: { workflow: run.workflow_id, id: run.run_id },
                    search: { tab: undefined, step: undefined },
                  } as const
                  return (
                    <tr key={run.run_id} className={rowClass} onClick={() => void navigate(to)}>
                      <td className={cellClass}>
                        <Link {...to} className="font-medium hover:underline" onClick={(e) => e.stopPropagation()}>
                          {run.workflow_name ?? run.run_id}
                        </Link>
                        <span className="block font-mono text-xs text-ink-3">{run.run_id.slice(-8)}</span>
                      </td>
                      <td className={cellClass}>
                        <RunStatus status={run.status} />
                      </td>
                      <td className={`${cellClass} text-ink-2`}>{run.trigger}</td>
                      <td className={`${cellClass} whitespace-nowrap text-ink-2`}>
                        <Time at={run.created_at} />
                      </td>
                      <td className={`${cellClass} whitespace-nowrap text-ink-2 tabular-nums`}>
                        {run.started_at && run.finished_at ? durationText(Date.parse(run.finished_at) - Date.parse(run.started_at)) : '—'}
                      </td>
                    </tr>
                  )
                })}
              </Table>
            ) : status ? (
              <Empty title={t('runs.filtered')}>
                <Button onClick={() => void navigate({ search: { status: undefined }, replace: true })}>{t('action.clearFilters')}</Button>
              </Empty>
            ) : (
              <Empty title={t('runs.empty.title')} text={t('runs.empty.text')} />
            )
          }
        </Region>
        {list.hasNextPage ? (
          <div className="border-t border-line p-3 text-center">
            <Button onClick={() => void list.fetchNextPage()} busy={list.isFetchingNextPage}>
              {t('action.more')}
            </Button>
          </div>
        ) : null}
      </Card>
    </>
  )
}
