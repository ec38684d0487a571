import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import type { Answer } from '../../api.ts'
import { ENDED, runContextQuery, runEventsQuery, runQuery } from '../../queries.ts'
import { buttonClass } from '../../ui/button.tsx'
import { CopyChip, Json, Tabs, Time } from '../../ui/parts.tsx'
import { RunStatus } from '../../ui/pill.tsx'
import { Card, PageHeader, Region } from '../../ui/region.tsx'
import { durationText, t } from '../../words/index.ts'
import { Controls } from './controls.tsx'
import { Events } from './events.tsx'
import { FailureCard } from './fix.tsx'
import { StepDetail } from './step.tsx'
import { Timeline } from './timeline.tsx'
import { Waiting } from './waiting.tsx'

const TABS = ['timeline', 'events', 'context'] as const
/** Bars of what is under way grow so often: more is not seen, and each is work for the page. */
const GROW_MS = 250

function useNow(moving: boolean): number {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    if (!moving || matchMedia('(prefers-reduced-motion: reduce)').matches) return
    const timer = setInterval(() => setNow(Date.now()), GROW_MS)
    return () => clearInterval(timer)
  }, [moving])
  return now
}

function SecretsCame({ flags }: { flags: Answer<'runs.summary'>['secret_in_input'] }) {
  if (flags.length === 0) return null
  return (
    <section aria-label={t('run.secret.title')} className="mb-4 rounded-md bg-warn-soft p-3 text-sm">
      <h2 className="font-medium">{t('run.secret.title')}</h2>
      {flags.map((f) => (
        <p key={f.path} className="break-words">
          {f.removed ? t('run.secret.removed', { path: f.path }) : t('run.secret.looks', { path: f.path, what: f.looks_like ?? '' })}
        </p>
      ))}
    </section>
  )
}

export function Run() {
  const { workflow, id } = useParams({ from: '/shell/runs/$workflow/$id' })
  const search = useSearch({ from: '/shell/runs/$workflow/$id' })
  const navigate = useNavigate({ from: '/runs/$workflow/$id' })
  const run = useQuery(runQuery(workflow, id))
  const events = useQuery(runEventsQuery(workflow, id))
  const context = useQuery(runContextQuery(workflow, id))
  const now = useNow(run.data !== undefined && !ENDED.has(run.data.status))
  const active = TABS.find((tab) => tab === search.tab) ?? 'timeline'
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true })
  return (
    <Region query={run}>
      {(one) => {
        const begun = Date.parse(one.started_at ?? one.created_at)
        const picked = search.step ?? one.failure?.step_id ?? one.steps[0]?.step_id
        return (
          <>
            <PageHeader
              title={one.workflow_name ?? t('runs.title')}
              about={t('run.about', { version: one.version, environment: one.environment, trigger: one.trigger })}
              action={
                <div className="flex flex-wrap gap-2">
                  <Controls run={one} />
                  <Link to={`/workflows/${one.workflow_id}` as string} className={buttonClass('plain', 'sm')}>
                    {t('run.openWorkflow')}
                  </Link>
                </div>
              }
            />
            <div className="mb-4 flex flex-wrap items-center gap-3 text-sm text-ink-2">
              <RunStatus status={one.status} />
              <CopyChip text={one.run_id} />
              <Time at={one.created_at} />
              <span className="tabular-nums">
                {t('run.took', { time: durationText((one.finished_at ? Date.parse(one.finished_at) : Math.max(now, begun)) - begun) })}
              </span>
            </div>
            {one.failure ? <FailureCard run={one} failure={one.failure} /> : null}
            <SecretsCame flags={one.secret_in_input} />
            <Waiting run={one} />
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
                <div className="grid lg:grid-cols-[minmax(0,1fr)_minmax(0,400px)]">
                  <Timeline run={one} events={events.data ?? []} now={now} picked={picked} onPick={(step) => set({ step })} />
                  <div className="min-w-0 border-t border-line p-4 lg:border-s lg:border-t-0">
                    {picked ? (
                      <Region query={context} rows={3}>
                        {(all) => (
                          <StepDetail
                            step={picked}
                            name={one.steps.find((s) => s.step_id === picked)?.name ?? picked}
                            known={(all.steps as Record<string, unknown>)[picked]}
                          />
                        )}
                      </Region>
                    ) : (
                      <p className="text-sm text-ink-2">{t('run.pick')}</p>
                    )}
                  </div>
                </div>
              ) : active === 'events' ? (
                <Region query={events}>{(all) => <Events events={all} />}</Region>
              ) : (
                <div className="p-4">
                  <Region query={context}>
                    {(all) => <Json value={{ input: all.input, steps: all.steps }} label={t('run.context')} />}
                  </Region>
                </div>
              )}
            </Card>
          </>
        )
      }}
    </Region>
  )
}
