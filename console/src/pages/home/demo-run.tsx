import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Play } from 'lucide-react'
import { useEffect } from 'react'
import { call } from '../../api.ts'
import { ENDED, runQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { RunStatus } from '../../ui/pill.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'

export function DemoRun({ workflowId }: { workflowId: string }) {
  const queries = useQueryClient()
  const start = useMutation({ mutationFn: () => call('runs.command', { id: workflowId, command: 'start' }) })
  const runId = start.data?.run_id ?? ''
  const run = useQuery({ ...runQuery(workflowId, runId), enabled: runId !== '' })
  const ended = run.data !== undefined && ENDED.has(run.data.status)
  useEffect(() => {
    if (ended)
      void queries
        .invalidateQueries({ queryKey: ['runs'], predicate: (q) => q.queryKey[1] === 'list' })
        .then(() => queries.invalidateQueries({ queryKey: ['home'] }))
  }, [ended, queries])
  return (
    <div className="flex flex-wrap items-center gap-3">
      <Button onClick={() => start.mutate()} busy={start.isPending || (runId !== '' && !ended)}>
        <Play size={14} aria-hidden />
        {t('home.workflow.run')}
      </Button>
      <div aria-live="polite" className="flex items-center gap-3">
        {run.data ? <RunStatus status={run.data.status} /> : null}
        {runId ? (
          <Link
            to="/runs/$workflow/$id"
            params={{ workflow: workflowId, id: runId }}
            search={{ tab: undefined, step: undefined }}
            className="text-accent hover:underline"
          >
            {t('home.workflow.open')}
          </Link>
        ) : null}
      </div>
      {start.error ? <Problem error={start.error} /> : null}
    </div>
  )
}
