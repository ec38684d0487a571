import { useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type FormEvent, type RefObject, useState } from 'react'
import { call } from '../../../api.ts'
import { catalogQuery, rotationQuery, usageQuery } from '../../../queries.ts'
import { Button } from '../../../ui/button.tsx'
import { Field, Input, Select, TextArea } from '../../../ui/field.tsx'
import { Problem } from '../../../ui/region.tsx'
import { durationText, t } from '../../../words/index.ts'
import type { Connection, Rotation } from './wizard.tsx'

type Way = 'tool' | 'run' | 'skip'
/** A run tells by itself how it went. */
const LOOK_MS = 1_000

const argsOf = (text: string): Record<string, unknown> | null => {
  try {
    const it: unknown = JSON.parse(text)
    return typeof it === 'object' && it !== null && !Array.isArray(it) ? (it as Record<string, unknown>) : null
  } catch {
    return null
  }
}

export function TestStep(props: {
  connection: Connection
  rotation: Rotation
  heading: RefObject<HTMLHeadingElement | null>
  know: (rotation: Rotation) => void
  onNext: () => void
  onBack: () => void
}) {
  const { connection, rotation } = props
  const catalog = useQuery(catalogQuery)
  const usage = useQuery(usageQuery(connection.id))
  const places = rotation.results.filter((r) => r.outcome === 'passed' && r.instance_id !== null)
  const serverOf = (instance: string) => usage.data?.profiles.find((p) => p.instance_id === instance)?.server
  const [instance, setInstance] = useState(places[0]?.instance_id ?? '')
  const tools = (catalog.data?.items.find((s) => s.slug === serverOf(instance))?.tools ?? []).filter((it) => it.effect === 'read')
  const needs = (it: (typeof tools)[number]) => (it.input_schema.required as string[] | undefined) ?? []
  const plain = tools.find((it) => needs(it).length === 0) ?? tools[0]
  const workflows = (usage.data?.workflows ?? []).filter((w) => w.published_version !== null)

  const [picked, setPicked] = useState<Way | null>(null)
  const [tool, setTool] = useState<string | null>(null)
  const [typed, setTyped] = useState<string | null>(null)
  const [workflow, setWorkflow] = useState<string | null>(null)
  const [reason, setReason] = useState('')
  const way = picked ?? (tools.length > 0 ? 'tool' : workflows.length > 0 ? 'run' : 'skip')
  const chosen = tools.find((it) => it.name === tool) ?? plain
  const text = typed ?? JSON.stringify(Object.fromEntries((chosen ? needs(chosen) : []).map((name) => [name, ''])))
  const args = argsOf(text)

  const running = rotation.test?.kind === 'run' && rotation.test.ok === null
  useQuery({ ...rotationQuery(connection.id), enabled: running, refetchInterval: running ? LOOK_MS : false })
  const test = useMutation({
    mutationFn: () =>
      call('rotations.test', {
        id: connection.id,
        ...(way === 'tool'
          ? { instance_id: instance, tool: chosen?.name ?? '', args: args ?? {} }
          : way === 'run'
            ? { workflow_id: workflow ?? workflows[0]?.workflow_id ?? '' }
            : { skip: reason.trim() }),
      }),
    onSuccess: (it) => {
      props.know(it)
      if (way === 'skip') props.onNext()
    },
  })
  const ok = rotation.test !== null && (rotation.test.kind === 'skipped' || rotation.test.ok === true)
  const unable = way === 'tool' ? !chosen || args === null : way === 'run' ? workflows.length === 0 : reason.trim().length < 3
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (!unable) test.mutate()
  }
  const radio = (it: Way, label: string, off: boolean) => (
    <label className={`flex items-center gap-2 font-medium ${off ? 'text-ink-3' : ''}`}>
      <input type="radio" name="way" value={it} checked={way === it} disabled={off} onChange={() => setPicked(it)} />
      {label}
    </label>
  )
  return (
    <form noValidate onSubmit={submit} className="flex flex-col gap-4">
      <div>
        <h3 ref={props.heading} tabIndex={-1} className="text-base font-semibold outline-none">
          {t('rotate.test.title')}
        </h3>
        <p className="text-sm text-ink-2">{t('rotate.test.about')}</p>
      </div>
      {test.error ? <Problem error={test.error} /> : null}
      <fieldset className="flex flex-col gap-3">
        <legend className="sr-only">{t('rotate.test.title')}</legend>
        {radio('tool', t('rotate.test.tool'), tools.length === 0 && places.length < 2)}
        {way === 'tool' ? (
          <div className="flex flex-col gap-3 ps-6">
            {places.length > 1 ? (
              <Field label={t('rotate.test.where')}>
                {(ids) => (
                  <Select {...ids} value={instance} onChange={(e) => setInstance(e.target.value)}>
                    {places.map((p) => (
                      <option key={p.profile_id} value={p.instance_id ?? ''}>
                        {p.instance_name}
                      </option>
                    ))}
                  </Select>
                )}
              </Field>
            ) : null}
            <Field label={t('rotate.test.which')}>
              {(ids) => (
                <Select
                  {...ids}
                  value={chosen?.name ?? ''}
                  onChange={(e) => {
                    setTool(e.target.value)
                    setTyped(null)
                  }}
                >
                  {tools.map((it) => (
                    <option key={it.name}>{it.name}</option>
                  ))}
                </Select>
              )}
            </Field>
            <Field label={t('rotate.test.args')} problem={args === null ? t('rotate.test.badArgs') : undefined}>
              {(ids) => <TextArea {...ids} rows={3} value={text} onChange={(e) => setTyped(e.target.value)} />}
            </Field>
          </div>
        ) : null}
        {radio('run', t('rotate.test.run'), workflows.length === 0)}
        {way === 'run' ? (
          <div className="ps-6">
            <Field label={t('rotate.test.workflow')} hint={t('rotate.test.runAbout')}>
              {(ids) => (
                <Select {...ids} value={workflow ?? workflows[0]?.workflow_id ?? ''} onChange={(e) => setWorkflow(e.target.value)}>
                  {workflows.map((w) => (
                    <option key={w.workflow_id} value={w.workflow_id}>
                      {w.name}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
          </div>
        ) : null}
        {radio('skip', t('rotate.test.skip'), false)}
        {way === 'skip' ? (
          <div className="ps-6">
            <Field label={t('rotate.test.reason')} required>
              {(ids) => <Input {...ids} value={reason} maxLength={300} onChange={(e) => setReason(e.target.value)} autoComplete="off" />}
            </Field>
          </div>
        ) : null}
      </fieldset>
      <div role="status">{rotation.test ? <Outcome test={rotation.test} /> : null}</div>
      <div className="flex flex-wrap justify-end gap-2">
        <Button look="quiet" onClick={props.onBack}>
          {t('rotate.back')}
        </Button>
        <Button type="submit" look={ok ? 'plain' : 'primary'} busy={test.isPending || running} disabled={unable}>
          {t(way === 'skip' ? 'rotate.test.doSkip' : 'rotate.test.do')}
        </Button>
        {ok ? (
          <Button look="primary" onClick={props.onNext}>
            {t('rotate.continue')}
          </Button>
        ) : null}
      </div>
    </form>
  )
}

function Outcome({ test }: { test: NonNullable<Rotation['test']> }) {
  if (test.kind === 'skipped') return <p className="break-words text-ink-2">{t('rotate.test.skipped', { reason: test.reason ?? '' })}</p>
  const run =
    test.run_id && test.workflow_id ? (
      <Link
        to="/runs/$workflow/$id"
        params={{ workflow: test.workflow_id, id: test.run_id }}
        search={{ tab: undefined, step: undefined }}
        className="text-accent underline hover:no-underline"
      >
        {t('rotate.test.see')}
      </Link>
    ) : null
  return (
    <p className={`break-words ${test.ok === null ? 'text-ink-2' : test.ok ? 'text-ok' : 'text-danger'}`}>
      {test.ok === null
        ? t('rotate.test.running')
        : !test.ok
          ? t('rotate.test.bad', { problem: test.message ?? test.code ?? '' })
          : test.kind === 'run'
            ? t('rotate.test.ok.run', { n: test.calls ?? 0 })
            : t('rotate.test.ok.tool', { tool: test.tool ?? '', ms: durationText(test.latency_ms ?? 0) })}{' '}
      {run}
    </p>
  )
}
