import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { Answer } from '../../api.ts'
import { catalogQuery, usageQuery } from '../../queries.ts'
import { buttonClass } from '../../ui/button.tsx'
import { Time } from '../../ui/parts.tsx'
import { Region } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { suits } from '../mcp/suits.ts'
import { RunsInFlight, UsingWorkflows } from './dependents.tsx'
import { WhatIf } from './what-if.tsx'

type Connection = Answer<'connections.get'>
type Usage = Answer<'connections.usage'>

/** Instances, and below each the workflows that go through it: whatever breaks when this connection does. */
export function Used({ connection }: { connection: Connection }) {
  return (
    <Region query={useQuery(usageQuery(connection.id))} rows={2}>
      {(usage) => (usage.profiles.length === 0 ? <Unused connection={connection} /> : <Places id={connection.id} usage={usage} />)}
    </Region>
  )
}

function Places({ id, usage }: { id: string; usage: Usage }) {
  const { profiles, workflows, active_runs, last_calls } = usage
  return (
    <div className="flex flex-col gap-5">
      <section>
        <h3 className="text-xs text-ink-3">{t('detail.used.instances')}</h3>
        <ul className="flex flex-col gap-2 pt-1">
          {profiles.map((p) => (
            <li key={`${p.instance_id} ${p.profile_id}`} className="flex flex-wrap items-baseline gap-x-2">
              <Link
                to="/mcp/instances/$id"
                params={{ id: p.instance_id }}
                search={{ tool: undefined, profile: p.profile_id, tab: undefined }}
                className="font-medium text-accent hover:underline"
              >
                {p.instance_name}
              </Link>
              <span className="text-xs text-ink-3">
                {t(p.active ? 'detail.used.active' : 'detail.used.profile', { profile: p.profile_name, environment: p.environment })}
              </span>
            </li>
          ))}
        </ul>
      </section>
      <section>
        <h3 className="text-xs text-ink-3">{t('detail.used.workflows')}</h3>
        {workflows.length === 0 ? <p className="pt-1 text-ink-2">{t('detail.used.noWorkflow')}</p> : null}
        <div className="pt-1">
          <UsingWorkflows workflows={workflows} />
        </div>
      </section>
      <RunsInFlight active_runs={active_runs} />
      <WhatIf id={id} />
      {last_calls.length > 0 ? (
        <section>
          <h3 className="text-xs text-ink-3">{t('detail.used.calls')}</h3>
          <ul className="flex flex-col gap-1 pt-1">
            {last_calls.slice(0, 10).map((c) => (
              <li key={`${c.at} ${c.tool} ${c.step_id}`} className="flex justify-between gap-3">
                <span className="min-w-0 truncate font-mono text-xs">{String(c.tool)}</span>
                <span className={`text-xs ${c.outcome === 'ok' ? 'text-ink-3' : 'text-danger'}`}>
                  {t(c.outcome === 'ok' ? 'detail.call.ok' : c.outcome === 'failed' ? 'detail.call.failed' : 'detail.call.unknown')} ·{' '}
                  <Time at={String(c.at)} />
                </span>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
    </div>
  )
}

function Unused({ connection }: { connection: Connection }) {
  const catalog = useQuery(catalogQuery)
  const fitting = (catalog.data?.items ?? []).filter((s) => suits(s, connection))
  return (
    <div className="flex flex-col items-start gap-2">
      <p className="text-ink-2">{t('detail.used.none')}</p>
      <div className="flex flex-wrap gap-2">
        {fitting.map((s) => (
          <Link
            key={s.slug}
            to="/mcp"
            search={{ tab: undefined, q: undefined, add: s.slug, connection: connection.id }}
            className={buttonClass('plain', 'sm')}
          >
            {t('detail.used.useIn', { server: s.title })}
          </Link>
        ))}
      </div>
    </div>
  )
}
