import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from '@tanstack/react-router'
import { homeQuery, instancesQuery, runsQuery, workflowsQuery } from '../../queries.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { Time } from '../../ui/parts.tsx'
import { RunStatus } from '../../ui/pill.tsx'
import { Card, Empty, PageHeader, Region } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { ReconnectBanners } from '../connections/banner.tsx'
import { Attention } from './attention.tsx'
import { DemoTool } from './demo-tool.tsx'
import { DemoRun } from './demo-run.tsx'
import { FromCode } from './from-code.tsx'
import { Step } from './step.tsx'

const DEMO_SERVER = 'sqlite'
const SHOWN_RUNS = 5
const HIDDEN = 'first-steps-hidden'

export function Home() {
  const instances = useQuery(instancesQuery)
  const workflows = useQuery(workflowsQuery)
  const runs = useInfiniteQuery(runsQuery({}))
  const demo = instances.data?.items.find((i) => i.server === DEMO_SERVER)
  const workflow = workflows.data?.items.at(-1)
  const recent = runs.data?.pages[0]?.items.slice(0, SHOWN_RUNS) ?? []
  const progress = useQuery(homeQuery)
  const { tool_called, workflow_run, token_used, connected } = progress.data ?? {}
  const steps = [tool_called, workflow && workflow_run, workflow && token_used, connected].filter((it) => it !== undefined)
  const done = steps.filter(Boolean).length
  const [hidden, setHidden] = useState(() => localStorage.getItem(HIDDEN) !== null)
  const hide = (is: boolean) => {
    if (is) localStorage.setItem(HIDDEN, '1')
    else localStorage.removeItem(HIDDEN)
    setHidden(is)
  }
  return (
    <>
      <PageHeader title={t('home.title')} about={t('home.about')} />
      <ReconnectBanners />
      <div className="flex flex-col gap-4">
        <Attention />
        {hidden ? null : (
          <Card>
            <div className="flex items-center gap-3 border-b border-line px-4 py-3">
              <h2 className="flex-1 text-base font-semibold">{t('home.steps')}</h2>
              <span className="text-xs text-ink-3 tabular-nums">
                {progress.data ? t('home.progress', { done, all: steps.length }) : ''}
              </span>
              <Button size="sm" look="quiet" onClick={() => hide(true)}>
                {t('home.steps.hide')}
              </Button>
            </div>
            <Region query={instances} rows={3}>
              {() => (
                <ol>
                  <Step number={1} title={t('home.tool.title')} about={demo ? t('home.tool.about') : t('home.noDemo')} done={tool_called}>
                    {demo ? (
                      <DemoTool instanceId={demo.id} />
                    ) : (
                      <Link to="/mcp" search={{ tab: 'catalog', add: undefined }} className={buttonClass()}>
                        {t('home.noDemo.catalog')}
                      </Link>
                    )}
                  </Step>
                  {workflow ? (
                    <>
                      <Step
                        number={2}
                        title={t('home.workflow.title')}
                        about={t('home.workflow.about', { name: workflow.name })}
                        done={workflow_run}
                      >
                        <DemoRun workflowId={workflow.id} />
                      </Step>
                      <Step number={3} title={t('home.code.title')} about={t('home.code.about')} done={token_used}>
                        <FromCode workflowId={workflow.id} />
                      </Step>
                    </>
                  ) : null}
                  <Step number={workflow ? 4 : 2} title={t('home.connect.title')} about={t('home.connect.about')} done={connected}>
                    <Link
                      to="/connections"
                      search={{ new: 'pick', q: undefined, status: undefined, c: undefined, tab: undefined }}
                      className={buttonClass()}
                    >
                      {t('home.connect.new')}
                    </Link>
                  </Step>
                </ol>
              )}
            </Region>
          </Card>
        )}
        <Card>
          <h2 className="border-b border-line px-4 py-3 text-base font-semibold">{t('home.recent')}</h2>
          <Region query={runs} rows={3}>
            {() =>
              recent.length === 0 ? (
                <Empty title={t('home.recent.none')} />
              ) : (
                <ul>
                  {recent.map((run) => (
                    <li key={run.run_id} className="flex min-h-12 items-center gap-4 border-b border-line px-4 py-2 last:border-0">
                      <Link
                        to="/runs/$workflow/$id"
                        params={{ workflow: run.workflow_id, id: run.run_id }}
                        search={{ tab: undefined, step: undefined }}
                        className="min-w-0 flex-1 truncate font-medium hover:underline"
                      >
                        {run.workflow_name ?? run.run_id}
                      </Link>
                      <RunStatus status={run.status} />
                      <span className="text-ink-3 tabular-nums">
                        <Time at={run.created_at} />
                      </span>
                    </li>
                  ))}
                </ul>
              )
            }
          </Region>
          {runs.error && runs.data ? <Button onClick={() => void runs.refetch()}>{t('action.retry')}</Button> : null}
        </Card>
        {hidden ? (
          <div>
            <Button size="sm" look="quiet" onClick={() => hide(false)}>
              {t('home.steps.show')}
            </Button>
          </div>
        ) : null}
      </div>
    </>
  )
}
