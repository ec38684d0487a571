/** One call of one tool, on the same way as a step of a workflow. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Play } from 'lucide-react'
import { type KeyboardEvent, useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { instanceToolsQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Select } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Json } from '../../ui/parts.tsx'
import { Empty, Problem, Region } from '../../ui/region.tsx'
import { Result } from '../../ui/result.tsx'
import { SchemaEditor, useSchemaValue } from '../../ui/schema/editor.tsx'
import { beginning, type Schema } from '../../ui/schema/schema.ts'
import { Segments } from '../../ui/segments.tsx'
import { durationText, t } from '../../words/index.ts'
import { askAgain } from '../connections/ask.ts'
import { SignIn } from '../connections/sign-in.tsx'
import { EffectPill } from './effect.tsx'
import type { Profile } from './instance.tsx'

type Tool = Answer<'tools.list'>['items'][number]
interface Props {
  instanceId: string
  profile: Profile
  picked: string | undefined
  denied: string | null
  onPick: (name: string) => void
}

export function Try(props: Props) {
  const tools = useQuery(instanceToolsQuery(props.instanceId, props.profile.id))
  return (
    <Region query={tools} rows={3}>
      {({ items }) => {
        const tool = items.find((it) => it.name === props.picked) ?? items.find((it) => it.effect === 'read') ?? items[0]
        if (!tool) return <Empty title={t('mcp.tools', { n: 0 })} />
        return (
          <div className="flex flex-col gap-4 p-4">
            <Field label={t('mcp.tool')} hint={tool.about}>
              {(ids) => (
                <Select {...ids} value={tool.name} onChange={(e) => props.onPick(e.target.value)}>
                  {items.map((it) => (
                    <option key={it.name} value={it.name}>
                      {it.available ? it.name : t('mcp.tool.unavailable', { name: it.name })}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
            <p className="-mt-2">
              <EffectPill effect={tool.effect} />
            </p>
            {tool.available ? (
              <Call key={`${props.profile.id} ${tool.name}`} {...props} tool={tool} />
            ) : (
              <Unavailable {...props} tool={tool} />
            )}
          </div>
        )
      }}
    </Region>
  )
}

/** Not gone, but not allowed: with what is missing, and the way to it. */
function Unavailable({ tool, profile, denied }: Props & { tool: Tool }) {
  const queries = useQueryClient()
  const id = profile.connection_id
  return (
    <div className="flex flex-col items-start gap-2 rounded-md bg-warn-soft p-3">
      <p className="font-medium text-warn">{t('mcp.unavailable')}</p>
      {tool.missing_scopes.length > 0 ? (
        <>
          <p className="text-ink-2">{t('mcp.missing')}</p>
          <ul className="font-mono text-xs break-all text-ink-2">
            {tool.missing_scopes.map((s) => (
              <li key={s}>{s}</li>
            ))}
          </ul>
        </>
      ) : (
        <p className="text-ink-2">{tool.reason}</p>
      )}
      {tool.grant_url && id ? (
        <SignIn
          label={t('mcp.grant')}
          provider={profile.connection?.name ?? t('signin.theProvider')}
          size="sm"
          look="plain"
          denied={denied}
          ask={(wish) => askAgain(id)({ scopes: tool.missing_scopes, ...wish })}
          onDone={() => void queries.invalidateQueries({ queryKey: ['instances'] })}
        />
      ) : null}
    </div>
  )
}

const Raw = ({ value }: { value: unknown }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no mouse must be able to scroll it
  <pre tabIndex={0} className="max-h-96 overflow-auto rounded-md bg-surface-2 p-3 font-mono text-xs break-all whitespace-pre-wrap">
    {JSON.stringify(value)}
  </pre>
)

/** Some servers of MCP say by this that a call has failed, although there was an answer. */
const failed = (result: unknown): boolean => (result as { isError?: unknown } | null)?.isError === true

function Call({ tool, instanceId, profile, denied }: Props & { tool: Tool }) {
  const schema = tool.input_schema as Schema
  const args = useSchemaValue(schema, beginning(schema, schema) as Record<string, unknown>)
  const [sent, setSent] = useState(false)
  const [sure, setSure] = useState(false)
  const [view, setView] = useState<'table' | 'json' | 'raw'>('table')
  const run = useMutation({
    mutationFn: async () => {
      const began = performance.now()
      const { result } = await call('tools.call', {
        id: instanceId,
        tool: tool.name,
        args: args.value,
        environment: profile.environment,
        ...(profile.active ? {} : { profile_id: profile.id }),
      })
      return { result, ms: performance.now() - began }
    },
    onSettled: () => setSure(false),
  })
  const submit = () => {
    setSent(true)
    if (denied || !args.ready || run.isPending) return
    if (tool.effect === 'destroy') setSure(true)
    else run.mutate()
  }
  const onKey = (event: KeyboardEvent) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== 'Enter') return
    event.preventDefault()
    submit()
  }
  return (
    <form
      noValidate
      className="flex flex-col gap-4"
      onKeyDown={onKey}
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      <SchemaEditor schema={schema} held={args} label={t('mcp.args')} shown={sent} />
      <div className="flex flex-wrap items-center gap-3">
        <Button
          type="submit"
          look="primary"
          aria-keyshortcuts="Control+Enter"
          denied={denied}
          busy={run.isPending}
          disabled={args.bad !== null}
        >
          <Play size={14} aria-hidden />
          {t('mcp.run')}
        </Button>
        {sent && args.problems.size > 0 ? <p className="text-xs text-danger">{t('error.summary', { n: args.problems.size })}</p> : null}
      </div>
      <div aria-live="polite" className="flex flex-col gap-2 empty:hidden">
        {run.error ? <Problem error={run.error} /> : null}
        {run.data ? (
          <>
            <div className="flex flex-wrap items-center justify-between gap-2">
              <p className={`font-medium ${failed(run.data.result) ? 'text-danger' : 'text-ok'}`}>
                {t(failed(run.data.result) ? 'mcp.result.failed' : 'mcp.result', { ms: durationText(run.data.ms) })}
              </p>
              <Segments
                label={t('mcp.result.view')}
                active={view}
                onPick={setView}
                options={[
                  { id: 'table', label: t('mcp.result.table') },
                  { id: 'json', label: t('schema.asJson') },
                  { id: 'raw', label: t('mcp.result.raw') },
                ]}
              />
            </div>
            {view === 'table' ? (
              <Result value={run.data.result} label={tool.name} />
            ) : view === 'json' ? (
              <Json value={run.data.result} label={tool.name} />
            ) : (
              <Raw value={run.data.result} />
            )}
          </>
        ) : null}
      </div>
      {sure ? (
        <Dialog open onClose={() => setSure(false)} title={t('mcp.sure.title', { tool: tool.name })} about={t('mcp.sure.about')}>
          <div className="flex flex-col gap-4">
            <Json value={args.value} label={t('mcp.args')} />
            <div className="flex justify-end gap-2">
              <Button onClick={() => setSure(false)}>{t('action.cancel')}</Button>
              <Button look="danger" busy={run.isPending} onClick={() => run.mutate()}>
                {t('mcp.run')}
              </Button>
            </div>
          </div>
        </Dialog>
      ) : null}
    </form>
  )
}
