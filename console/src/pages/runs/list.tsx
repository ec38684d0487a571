import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import type { Answer } from '../../api.ts'
import { runsQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Select } from '../../ui/field.tsx'
import { Time } from '../../ui/parts.tsx'
import { RunStatus } from '../../ui/pill.tsx'
import { Card, Empty, PageHeader, Region } from '../../ui/region.tsx'
import { type Column, Rows, type Stop } from '../../ui/rows.tsx'
import { durationText, type Key, t } from '../../words/index.ts'
import { useFresh } from './fresh.ts'

type Listed = Answer<'runs.list'>['items'][number]
const STATUSES = ['queued', 'running', 'paused', 'draining', 'completed', 'failed', 'stopped'] as const

const placeOf = (run: Listed) =>
  ({
    to: '/runs/$workflow/$id',
    params: { workflow: run.workflow_id, id: run.run_id },
    search: { tab: undefined, step: undefined },
  }) as const

const NAME = {
  head: t('runs.col.workflow'),
  width: 'minmax(0,2fr)',
  cell: (run: Listed, stop: Stop) => (
    <span className="min-w-0">
      <Link {...stop} {...placeOf(run)} className="block truncate font-medium hover:underline">
        {run.workflow_name ?? run.run_id}
      </Link>
      <span className="block truncate font-mono text-xs text-ink-3">{run.run_id.slice(-8)}</span>
    </span>
  ),
}
const COLUMNS: readonly Column<Listed>[] = [
  { id: 'status', head: t('runs.col.status'), width: '9rem', cell: (run) => <RunStatus status={run.status} /> },
  {
    id: 'trigger',
    head: t('runs.col.trigger'),
    width: '8rem',
    wideOnly: true,
    cell: (run) => <span className="text-ink-2">{run.trigger}</span>,
  },
  {
    id: 'started',
    head: t('runs.col.started'),
    width: '11rem',
    cell: (run) => (
      <span className="text-ink-2">
        <Time at={run.created_at} />
      </span>
    ),
  },
  {
    id: 'duration',
    head: t('runs.col.duration'),
    width: '8rem',
    cell: (run) => (
      <span className="text-ink-2 tabular-nums">
        {run.started_at && run.finished_at ? durationText(Date.parse(run.finished_at) - Date.parse(run.started_at)) : '—'}
      </span>
    ),
  },
]

export function Runs() {
  const search = useSearch({ from: '/shell/runs' })
  const navigate = useNavigate({ from: '/runs' })
  const status = STATUSES.find((s) => s === search.status)
  const list = useInfiniteQuery(runsQuery(status ? { status } : {}))
  const fresh = useFresh(status ? { status } : {})
  const items = useMemo(() => list.data?.pages.flatMap((p) => p.items) ?? [], [list.data])
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
            <option value="">{t('runs.filter.all')}</option>
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
              <Rows
                label={t('runs.title')}
                name={NAME}
                columns={COLUMNS}
                items={items}
                idOf={(run) => run.run_id}
                onOpen={(run) => void navigate(placeOf(run))}
                more={{ has: list.hasNextPage, busy: list.isFetchingNextPage, load: list.fetchNextPage }}
              />
            ) : status ? (
              <Empty title={t('runs.filtered')}>
                <Button onClick={() => void navigate({ search: { status: undefined }, replace: true })}>{t('action.clearFilters')}</Button>
              </Empty>
            ) : (
              <Empty title={t('runs.empty.title')} text={t('runs.empty.text')} />
            )
          }
        </Region>
      </Card>
    </>
  )
}
