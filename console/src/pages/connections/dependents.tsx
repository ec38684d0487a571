/** What goes through a connection or an instance: the same lines wherever that is asked. */
import { Link } from '@tanstack/react-router'
import type { Answer } from '../../api.ts'
import { RunStatus } from '../../ui/pill.tsx'
import { t } from '../../words/index.ts'

type Usage = Answer<'connections.usage'>

export const UsingWorkflows = ({ workflows }: Pick<Usage, 'workflows'>) => (
  <ul className="flex flex-col gap-2">
    {workflows.map((w) => (
      <li key={w.workflow_id}>
        <Link
          to="/workflows/$id"
          params={{ id: w.workflow_id }}
          search={{ view: undefined, step: w.steps[0], panel: undefined }}
          className="font-medium break-words text-accent hover:underline"
        >
          {w.name}
        </Link>
        <span className="block text-xs text-ink-3">
          {[
            t('detail.used.steps', { n: w.steps.length, steps: w.steps.join(', ') }),
            w.published_version === null ? t('detail.used.draft') : t('detail.used.version', { n: w.published_version }),
          ].join(' · ')}
        </span>
      </li>
    ))}
  </ul>
)

export const RunsInFlight = ({ active_runs }: Pick<Usage, 'active_runs'>) =>
  active_runs.length === 0 ? null : (
    <section>
      <h3 className="pb-1 text-xs text-ink-3">{t('detail.used.inFlight', { n: active_runs.length })}</h3>
      <ul className="flex flex-col gap-1.5">
        {active_runs.map((r) => (
          <li key={r.run_id} className="flex items-center gap-2">
            <Link
              to="/runs/$workflow/$id"
              params={{ workflow: r.workflow_id, id: r.run_id }}
              search={{ tab: undefined, step: undefined }}
              className="font-mono text-xs text-accent hover:underline"
            >
              {r.run_id.slice(-8)}
            </Link>
            <RunStatus status={r.status} />
          </li>
        ))}
      </ul>
    </section>
  )
