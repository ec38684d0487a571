import { useQuery } from '@tanstack/react-query'
import { instanceUsageQuery } from '../../queries.ts'
import { Region } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { RunsInFlight, UsingWorkflows } from '../connections/dependents.tsx'

export function UsedBy({ id }: { id: string }) {
  return (
    <Region query={useQuery(instanceUsageQuery(id))} rows={2}>
      {({ workflows, active_runs }) => (
        <div className="flex flex-col gap-4 p-4">
          {workflows.length === 0 ? <p className="text-ink-2">{t('mcp.used.none')}</p> : null}
          <UsingWorkflows workflows={workflows} />
          <RunsInFlight active_runs={active_runs} />
        </div>
      )}
    </Region>
  )
}
