import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Play } from 'lucide-react'
import { useState } from 'react'
import { call } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input, Select, TextArea } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Tabs } from '../../ui/parts.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { type Graph, isObject } from './graph.ts'
import { unreadable } from './json-text.ts'
import { scan } from './templates.ts'
import type { Studio } from './studio.ts'

const USUAL = 'production'

/** What the steps ask of the input: the first names behind `input`. */
function askedFor(graph: Graph): string[] {
  const names = new Set<string>()
  const look = (value: unknown): void => {
    if (typeof value === 'string')
      for (const { root, segments } of scan(value)) if (root?.name === 'input' && segments[0]) names.add(segments[0].name)
    if (Array.isArray(value)) value.forEach(look)
    else if (isObject(value)) Object.values(value).forEach(look)
  }
  for (const step of graph.steps) look(step)
  return [...names]
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value))
/** A field of the form holds JSON where it is some, else text. */
const asValue = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

export function RunDialog({ studio, onClose, onPublish }: { studio: Studio; onClose: () => void; onPublish: () => void }) {
  const { workflow, draft, past, instances } = studio
  const queries = useQueryClient()
  const navigate = useNavigate()
  const last = isObject(past?.input) ? past.input : {}
  const names = [...new Set([...askedFor(draft.graph), ...Object.keys(last)])]
  const [view, setView] = useState<'form' | 'json'>(names.length > 0 ? 'form' : 'json')
  const [text, setText] = useState(() => JSON.stringify({ ...Object.fromEntries(names.map((name) => [name, ''])), ...last }, null, 2))
  const [environment, setEnvironment] = useState(USUAL)
  const environments = [...new Set([USUAL, ...(instances.data?.items ?? []).flatMap((i) => i.profiles.map((p) => p.environment))])]
  const broken = unreadable(text)
  const payload: unknown = broken ? null : JSON.parse(text)
  const problem = broken
    ? t('json.unreadable', { line: broken.line, column: broken.column })
    : isObject(payload)
      ? undefined
      : t('run.notObject')
  const start = useMutation({
    mutationFn: () =>
      call('runs.command', {
        id: workflow.id,
        command: 'start',
        params: { trigger_payload: payload as Record<string, unknown>, environment },
      }),
    onSuccess: async (run) => {
      await queries.invalidateQueries({ queryKey: ['runs'] })
      await navigate({
        to: '/runs/$workflow/$id',
        params: { workflow: workflow.id, id: run.run_id },
        search: { tab: undefined, step: undefined },
      })
    },
  })
  if (workflow.latest_version === null)
    return (
      <Dialog open onClose={onClose} title={t('run.title')} about={t('run.unpublished')}>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button look="primary" onClick={onPublish}>
            {t('run.publishFirst')}
          </Button>
        </div>
      </Dialog>
    )
  return (
    <Dialog open onClose={onClose} title={t('run.title')} about={t('run.about.version', { n: workflow.latest_version })} wide>
      <form
        noValidate
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          if (problem === undefined) start.mutate()
        }}
      >
        {start.error ? <Problem error={start.error} /> : null}
        {draft.dirty ? <p className="rounded-md bg-warn-soft p-3">{t('run.draftDiffers')}</p> : null}
        <Tabs
          label={t('run.payload')}
          active={view}
          onPick={setView}
          tabs={[
            { id: 'form', label: t('run.form') },
            { id: 'json', label: t('run.json') },
          ]}
        />
        {view === 'json' ? (
          <Field label={t('run.payload')} hint={t('run.payload.hint')} problem={problem}>
            {(ids) => <TextArea {...ids} autoFocus rows={6} value={text} onChange={(e) => setText(e.target.value)} />}
          </Field>
        ) : problem !== undefined ? (
          <p className="text-danger">{problem}</p>
        ) : names.length === 0 ? (
          <p className="text-ink-2">{t('run.noInput')}</p>
        ) : (
          names.map((name) => (
            <Field key={name} label={name} hint={name === names[0] ? t('run.form.hint') : undefined}>
              {(ids) => (
                <Input
                  {...ids}
                  autoFocus={name === names[0]}
                  autoComplete="off"
                  value={asText((payload as Record<string, unknown>)[name])}
                  onChange={(e) =>
                    setText(JSON.stringify({ ...(payload as Record<string, unknown>), [name]: asValue(e.target.value) }, null, 2))
                  }
                />
              )}
            </Field>
          ))
        )}
        <Field label={t('run.environment')}>
          {(ids) => (
            <Select {...ids} value={environment} onChange={(e) => setEnvironment(e.target.value)}>
              {environments.map((it) => (
                <option key={it} value={it}>
                  {it}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button type="submit" look="primary" busy={start.isPending} disabled={problem !== undefined}>
            <Play size={14} aria-hidden />
            {t('run.do')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
