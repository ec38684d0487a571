import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Play } from 'lucide-react'
import { useState } from 'react'
import { call } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { Field, TextArea } from '../../ui/field.tsx'
import { Problem } from '../../ui/region.tsx'
import { Result } from '../../ui/result.tsx'
import { durationText, t } from '../../words/index.ts'

const QUESTION = 'select product, sum(quantity) as sold from orders\ngroup by product order by sold desc limit 5'

export function DemoTool({ instanceId }: { instanceId: string }) {
  const [sql, setSql] = useState(QUESTION)
  const queries = useQueryClient()
  const run = useMutation({
    mutationFn: async () => {
      const began = performance.now()
      const { result } = await call('tools.call', { id: instanceId, tool: 'sqlite_query', args: { sql } })
      return { result, ms: performance.now() - began }
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: ['home'] }),
  })
  const rows = (run.data?.result as { row_count?: number } | undefined)?.row_count ?? 0
  return (
    <form
      className="flex flex-col gap-3"
      onSubmit={(event) => {
        event.preventDefault()
        run.mutate()
      }}
    >
      <Field label={t('home.tool.sql')}>
        {(ids) => (
          <TextArea
            {...ids}
            rows={2}
            value={sql}
            onChange={(e) => setSql(e.target.value)}
            onKeyDown={(e) => {
              if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) run.mutate()
            }}
          />
        )}
      </Field>
      <div>
        <Button type="submit" look="primary" busy={run.isPending}>
          <Play size={14} aria-hidden />
          {t('home.tool.run')}
        </Button>
      </div>
      <div aria-live="polite" className="flex flex-col gap-2">
        {run.error ? <Problem error={run.error} /> : null}
        {run.data ? (
          <>
            <p className="text-sm font-medium text-ok">{t('home.tool.worked', { n: rows, ms: durationText(run.data.ms) })}</p>
            <Result value={run.data.result} label={t('home.tool.title')} />
          </>
        ) : null}
      </div>
    </form>
  )
}
