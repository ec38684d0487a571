import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { runContextQuery, runEventsQuery, runQuery } from '../../queries.ts'
import { CopyChip, Json, Tabs, Time } from '../../ui/parts.tsx'
import { RunStatus } from '../../ui/pill.tsx'
import { Card, PageHeader, Region } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { Timeline } from './timeline.tsx'

const TABS = ['timeline', 'events', 'context'] as const

export function Run() {
  const { workflow, id } = useParams({ from: '/shell/runs/$workflow/$id' })
  const search = useSearch({ from: '/shell/runs/$workflow/$id' })
  const navigate = useNavigate({ from: '/runs/$workflow/$id' })
  const run = useQuery(runQuery(workflow, id))
  const events = useQuery({ ...runEventsQuery(workflow, id), enabled: search.tab === 'events' })
  const context = useQuery({ ...runContextQuery(workflow, id), enabled: search.tab !== 'events' })
  const active = TABS.find((tab) => tab === search.tab) ?? 'timeline'
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true })
  return (
    <Region query={run}>
      {(one) => (
        <>
          <PageHeader title={one.workflow_name ?? t('runs.title')} about={t('run.about', { version: one.version, trigger: one.trigger })} />
          <div className="mb-4 flex flex-wrap items-center gap-3">
            <RunStatus status={one.status} />
            <CopyChip text={one.run_id} />
            <span className="text-ink-2">
              <Time at={one.created_at} />
            </span>
          </div>
          {one.failure ? (
            <div role="alert" className="mb-4 rounded-[10px] border border-danger bg-danger-soft p-4">
              <p className="font-mono text-xs">{one.failure.code}</p>
              <p className="font-medium break-words">{one.failure.message}</p>
              {one.failure.step_id ? <p className="text-ink-2">{t('run.failedAt', { step: one.failure.step_id })}</p> : null}
            </div>
          ) : null}
          <Card>
            <div className="px-4">
              <Tabs
                label={t('run.views')}
                active={active}
                onPick={(tab) => set({ tab: tab === 'timeline' ? undefined : tab })}
                tabs={TABS.map((tab) => ({ id: tab, label: t(`run.${tab}`) }))}
              />
            </div>
            {active === 'timeline' ? (
              <Timeline
                run={one}
                context={context.data}
                picked={search.step ?? one.failure?.step_id ?? undefined}
                onPick={(step) => set({ step })}
              />
            ) : active === 'events' ? (
              <Region query={events}>
                {({ items }) => (
                  <ol className="p-4">
                    {items.map((e) => (
                      <li key={e.seq} className="flex gap-4 border-b border-line py-2 last:border-0">
                        <span className="w-8 shrink-0 text-end text-ink-3 tabular-nums">{e.seq}</span>
                        <span className="min-w-0 flex-1">
                          <span className="font-medium">{e.event_type.replaceAll('_', ' ')}</span>
                          {e.step_id ? <span className="text-ink-2"> · {e.step_id}</span> : null}
                        </span>
                        <span className="text-ink-3">
                          <Time at={e.at} />
                        </span>
                      </li>
                    ))}
                  </ol>
                )}
              </Region>
            ) : (
              <div className="p-4">
                <Region query={context}>{(all) => <Json value={all} />}</Region>
              </div>
            )}
          </Card>
        </>
      )}
    </Region>
  )
}
