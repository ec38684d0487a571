import { useMutation } from '@tanstack/react-query'
import { Play } from 'lucide-react'
import { useEffect, useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { Field, Select, TextArea } from '../../ui/field.tsx'
import { Empty, Problem } from '../../ui/region.tsx'
import { Result } from '../../ui/result.tsx'
import { durationText, t } from '../../words/index.ts'
import { jsonProblem, skeletonOf } from './json.ts'

type Tool = Answer<'tools.list'>['items'][number]

export function TryTool(props: { instanceId: string; tools: readonly Tool[]; picked: Tool | undefined; onPick: (name: string) => void }) {
  const { picked } = props
  const [text, setText] = useState('{}')
  const run = useMutation({
    mutationFn: async ({ tool, args }: { tool: string; args: Record<string, unknown> }) => {
      const began = performance.now()
      const { result } = await call('tools.call', { id: props.instanceId, tool, args })
      return { result, ms: performance.now() - began }
    },
  })
  const { reset } = run
  useEffect(() => {
    if (picked) setText(skeletonOf(picked.input_schema))
    reset()
  }, [picked, reset])
  if (!picked) return <Empty title={t('mcp.tools', { n: 0 })} />
  const problem = jsonProblem(text)
  return (
    <form
      className="flex flex-col gap-4 p-4"
      onSubmit={(event) => {
        event.preventDefault()
        if (problem === null) run.mutate({ tool: picked.name, args: JSON.parse(text) as Record<string, unknown> })
      }}
    >
      <Field label={t('mcp.tool')} hint={picked.about}>
        {(ids) => (
          <Select {...ids} value={picked.name} onChange={(e) => props.onPick(e.target.value)}>
            {props.tools.map((it) => (
              <option key={it.name} value={it.name}>
                {it.name}
              </option>
            ))}
          </Select>
        )}
      </Field>
      {picked.available ? (
        <>
          <Field label={t('mcp.args')} problem={problem === null ? undefined : t('mcp.args.bad', { problem })}>
            {(ids) => <TextArea {...ids} rows={6} value={text} onChange={(e) => setText(e.target.value)} />}
          </Field>
          <div>
            <Button type="submit" look="primary" busy={run.isPending} disabled={problem !== null}>
              <Play size={14} aria-hidden />
              {t('mcp.run')}
            </Button>
          </div>
        </>
      ) : (
        <div className="flex flex-col items-start gap-2 rounded-md bg-warn-soft p-3">
          <p>{picked.reason ?? t('mcp.missing', { scopes: picked.missing_scopes.join(', ') })}</p>
          {picked.grant_url ? (
            <a className={buttonClass('plain', 'sm')} href={picked.grant_url} target="_blank" rel="noopener opener">
              {t('mcp.grant')}
            </a>
          ) : null}
        </div>
      )}
      <div aria-live="polite" className="flex flex-col gap-2">
        {run.error ? <Problem error={run.error} /> : null}
        {run.data ? (
          <>
            <p className="font-medium text-ok">{t('mcp.result', { ms: durationText(run.data.ms) })}</p>
            <Result value={run.data.result} label={picked.name} />
          </>
        ) : null}
      </div>
    </form>
  )
}
