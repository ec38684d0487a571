import { useMutation, useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { CircleCheck, CircleDashed, CircleX } from 'lucide-react'
import { call } from '../../api.ts'
import { instanceQuery, toolsQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Card, PageHeader, Problem, Region } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { TryTool } from './try-tool.tsx'

export function Instance() {
  const { id } = useParams({ from: '/shell/mcp/instances/$id' })
  const { tool } = useSearch({ from: '/shell/mcp/instances/$id' })
  const navigate = useNavigate({ from: '/mcp/instances/$id' })
  const instance = useQuery(instanceQuery(id))
  const tools = useQuery(toolsQuery(id))
  return (
    <>
      <PageHeader title={instance.data?.name ?? t('mcp.title')} about={instance.data?.canonical_url ?? ''} />
      <div className="grid gap-4 lg:grid-cols-[1fr_320px]">
        <Card>
          <h2 className="border-b border-line px-4 py-3 text-base font-semibold">{t('mcp.try')}</h2>
          <Region query={tools} rows={3}>
            {({ items }) => (
              <TryTool
                instanceId={id}
                tools={items}
                picked={items.find((it) => it.name === tool) ?? items.find((it) => it.effect === 'read') ?? items[0]}
                onPick={(name) => void navigate({ search: { tool: name }, replace: true })}
              />
            )}
          </Region>
        </Card>
        <Checks id={id} />
      </div>
      {instance.error ? <Problem error={instance.error} retry={instance.refetch} /> : null}
    </>
  )
}

function Checks({ id }: { id: string }) {
  const validate = useMutation({ mutationFn: () => call('instances.validate', { id }) })
  return (
    <Card className="self-start">
      <div className="flex items-center justify-between border-b border-line px-4 py-2.5">
        <h2 className="text-base font-semibold">{t('mcp.checks')}</h2>
        <Button size="sm" onClick={() => validate.mutate()} busy={validate.isPending}>
          {t('mcp.validate')}
        </Button>
      </div>
      <div aria-live="polite" className="p-4">
        {validate.error ? <Problem error={validate.error} /> : null}
        <ul className="flex flex-col gap-3">
          {(validate.data?.checks ?? []).map((c) => {
            const Icon = c.skipped ? CircleDashed : c.ok ? CircleCheck : CircleX
            return (
              <li key={c.check} className="flex gap-2">
                <Icon size={16} aria-hidden className={`mt-0.5 shrink-0 ${c.skipped ? 'text-ink-3' : c.ok ? 'text-ok' : 'text-danger'}`} />
                <span className="min-w-0">
                  <span className="block font-medium">{c.check.replaceAll('_', ' ')}</span>
                  <span className="block break-words text-ink-2">{c.message}</span>
                </span>
              </li>
            )
          })}
        </ul>
      </div>
    </Card>
  )
}
