import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { call } from '../../api.ts'
import { instancesQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input, TextArea } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Tabs } from '../../ui/parts.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { asGraph, type Graph, isObject } from './graph.ts'
import { unreadable } from './json-text.ts'

const KINDS = ['blank', 'demo', 'json'] as const
const DEMO_SERVER = 'sqlite'

/** Two questions to the demo's orders, the second one about the answer to the first. */
const demoGraph = (instance_id: string): Graph => ({
  steps: [
    {
      id: 'best_product',
      type: 'mcp_call',
      name: t('starter.demo.first'),
      instance_id,
      tool_name: 'sqlite_query',
      tool_args: { sql: 'select product, sum(cents) as cents from orders group by product order by cents desc limit 1' },
    },
    {
      id: 'its_days',
      type: 'mcp_call',
      name: t('starter.demo.second'),
      instance_id,
      depends_on: ['best_product'],
      tool_name: 'sqlite_query',
      tool_args: {
        sql: 'select day, sum(quantity) as sold from orders where product = ? group by day order by day',
        args: ['{{steps.best_product.result.rows.0.product}}'],
      },
    },
  ],
})

/** A graph, or what an answer of the server holds one in. */
function imported(text: string): { graph: Graph; name?: string; description?: string } | { problem: string } {
  if (text.trim() === '') return { problem: t('starter.json.missing') }
  const broken = unreadable(text)
  if (broken) return { problem: t('json.unreadable', { line: broken.line, column: broken.column }) }
  const value: unknown = JSON.parse(text)
  const whole = isObject(value) ? (value.graph ?? value.graph_snapshot ?? value) : value
  const read = asGraph(whole)
  if (!('graph' in read)) return { problem: t(`json.${read.wrong}`, { at: read.at.join('.') }) }
  const field = (name: string) => (isObject(value) && typeof value[name] === 'string' ? { [name]: value[name] } : {})
  return { graph: read.graph, ...field('name'), ...field('description') }
}

export function NewWorkflow(props: { kind: string; onKind: (kind: string) => void; onClose: () => void }) {
  const kind = KINDS.find((it) => it === props.kind) ?? 'blank'
  const queries = useQueryClient()
  const navigate = useNavigate()
  const instances = useQuery(instancesQuery)
  const demo = instances.data?.items.find((i) => i.server === DEMO_SERVER)
  const [name, setName] = useState('')
  const [text, setText] = useState('')
  const [asked, setAsked] = useState(false)
  const read = kind === 'json' ? imported(text) : null
  const problem = read && 'problem' in read ? read.problem : undefined
  const wanted = name.trim() || (read && 'name' in read ? (read.name ?? '') : kind === 'demo' ? t('starter.demo.name') : '')
  const graph = read && 'graph' in read ? read.graph : kind === 'demo' && demo ? demoGraph(demo.id) : { steps: [] }
  const make = useMutation({
    mutationFn: () =>
      call('workflows.create', {
        name: wanted,
        graph,
        ...(read && 'description' in read && read.description ? { description: read.description } : {}),
      }),
    onSuccess: async (made) => {
      await queries.invalidateQueries({ queryKey: ['workflows'] })
      await navigate({ to: '/workflows/$id', params: { id: made.id }, search: { view: undefined, step: undefined, panel: undefined } })
    },
  })
  const nameless = asked && wanted === ''
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    setAsked(true)
    if (wanted !== '' && problem === undefined && (kind !== 'demo' || demo)) make.mutate()
  }
  return (
    <Dialog open onClose={props.onClose} title={t('workflows.new')} about={t(`starter.${kind}.about`)} wide={kind === 'json'}>
      <form noValidate onSubmit={submit} className="flex flex-col gap-4">
        <Tabs
          label={t('starter.label')}
          active={kind}
          onPick={props.onKind}
          tabs={KINDS.map((id) => ({ id, label: t(`starter.${id}`) }))}
        />
        {make.error ? <Problem error={make.error} /> : null}
        <Field label={t('workflows.col.name')} required problem={nameless ? t('starter.name.missing') : undefined}>
          {(ids) => (
            <Input
              {...ids}
              autoFocus
              autoComplete="off"
              maxLength={200}
              value={name}
              placeholder={wanted}
              onChange={(e) => setName(e.target.value)}
            />
          )}
        </Field>
        {kind === 'json' ? (
          <Field label={t('starter.json.text')} required problem={asked ? problem : undefined} hint={t('starter.json.hint')}>
            {(ids) => (
              <>
                <TextArea {...ids} rows={8} value={text} onChange={(e) => setText(e.target.value)} />
                <input
                  type="file"
                  accept=".json,application/json"
                  aria-label={t('starter.json.file')}
                  className="text-xs text-ink-2"
                  onChange={(e) => void e.target.files?.[0]?.text().then(setText)}
                />
              </>
            )}
          </Field>
        ) : null}
        {kind === 'demo' && instances.data && !demo ? (
          <p className="rounded-md bg-warn-soft p-3">
            {t('starter.demo.none')}{' '}
            <Link to="/mcp" search={{ tab: 'catalog', add: DEMO_SERVER }} className="text-accent hover:underline">
              {t('home.noDemo.catalog')}
            </Link>
          </p>
        ) : null}
        <div className="flex justify-end gap-2">
          <Button onClick={props.onClose}>{t('action.cancel')}</Button>
          <Button type="submit" look="primary" busy={make.isPending} disabled={kind === 'demo' && !demo}>
            {t('starter.submit')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
