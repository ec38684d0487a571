import { ArrowDown, ArrowUp, CopyPlus, Trash2 } from 'lucide-react'
import { useCallback, useEffect, useRef } from 'react'
import { IconButton } from '../../ui/button.tsx'
import { Input } from '../../ui/field.tsx'
import { t } from '../../words/index.ts'
import type { Acts } from './acts.ts'
import { Arguments } from './arguments.tsx'
import { nameOf, renamed, type Step, withField } from './graph.ts'
import { JsonField } from './json-field.tsx'
import { Place, Told } from './place.tsx'
import type { Studio } from './studio.ts'
import { InstanceField, Order, StepId, ToolField } from './step-fields.tsx'
import { PlainNumber, TextValue } from './values.tsx'

/** The server's limits, said where one types. */
const MAX_RETRIES = 10
const MAX_TIMEOUT_S = 3600
const USUAL_TIMEOUT_S = 60

/** Where the cursor is wanted: the field at a path, or the title. `n` tells one wish from the next. */
export interface Aim {
  path: string
  n: number
}

export function StepPanel(props: { studio: Studio; step: Step; acts: Acts; aim: Aim | null; onPick: (id: string) => void }) {
  const { studio, step, acts, aim } = props
  const { draft, readOnly } = studio
  const panel = useRef<HTMLElement>(null)
  const names = studio.namesOf(step)
  const issuesAt = useCallback(
    (path: string) =>
      studio.issues.filter(
        (issue) =>
          issue.stepId === step.id && (issue.path === path || issue.path.startsWith(`${path}.`) || issue.path.startsWith(`${path}[`)),
      ),
    [studio.issues, step.id],
  )
  const set = (field: string, value: unknown) => draft.edit((now) => withField(now, step.id, field, value), `${step.id} ${field}`)
  const require = (before: string) => studio.require(step.id, before)
  useEffect(() => {
    if (aim && panel.current) aimAt(panel.current, aim.path)
  }, [aim])

  const tool = studio.toolOf(step)
  const index = draft.graph.steps.indexOf(step)
  const shared = { onFix: studio.fix }
  const rest = studio.issues.filter((issue) => issue.stepId === step.id && !SHOWN.test(issue.path))
  return (
    <section ref={panel} aria-label={t('step.panel', { name: nameOf(step) })} className="flex min-w-0 flex-col">
      <header className="flex items-center gap-1 border-b border-line px-4 py-2">
        <h2 tabIndex={-1} className="min-w-0 flex-1 truncate text-lg font-semibold outline-none">
          {nameOf(step)}
        </h2>
        <IconButton label={t('step.up')} disabled={readOnly || index === 0} onClick={() => acts.move(step.id, -1)}>
          <ArrowUp size={16} aria-hidden />
        </IconButton>
        <IconButton
          label={t('step.down')}
          disabled={readOnly || index === draft.graph.steps.length - 1}
          onClick={() => acts.move(step.id, 1)}
        >
          <ArrowDown size={16} aria-hidden />
        </IconButton>
        <IconButton label={t('step.duplicate')} disabled={readOnly} onClick={() => acts.duplicate(step.id)}>
          <CopyPlus size={16} aria-hidden />
        </IconButton>
        <IconButton label={t('step.delete')} disabled={readOnly} onClick={() => acts.remove(step.id)}>
          <Trash2 size={16} aria-hidden />
        </IconButton>
      </header>
      <div className="flex flex-col gap-6 p-4">
        {rest.length > 0 ? (
          <div className="rounded-md bg-danger-soft p-3">
            <Told issues={rest} onFix={studio.fix} />
          </div>
        ) : null}
        <div className="grid gap-4 sm:grid-cols-2">
          <Place label={t('field.name')} path="name" native issues={issuesAt('name')} {...shared}>
            {(ids) => (
              <Input
                id={ids.id}
                disabled={readOnly}
                autoComplete="off"
                placeholder={step.id}
                maxLength={200}
                value={typeof step.name === 'string' ? step.name : ''}
                onChange={(e) => set('name', e.target.value === '' ? undefined : e.target.value)}
              />
            )}
          </Place>
          <StepId
            key={step.id}
            graph={draft.graph}
            step={step}
            readOnly={readOnly}
            onRename={(to) => {
              draft.edit((now) => renamed(now, step.id, to))
              props.onPick(to)
            }}
            issues={issuesAt('id')}
          />
        </div>
        {step.type === 'mcp_call' ? (
          <>
            <div className="grid gap-4 sm:grid-cols-2">
              <InstanceField studio={studio} step={step} issues={[...issuesAt('instance_id'), ...issuesAt('server_url')]} onSet={set} />
              <ToolField studio={studio} step={step} issues={issuesAt('tool_name')} onSet={set} />
            </div>
            {tool ? <p className="-mt-4 text-xs break-words text-ink-3">{tool.about}</p> : null}
            <Arguments
              key={step.id}
              step={step}
              tool={tool}
              names={names}
              require={require}
              issuesAt={issuesAt}
              onFix={studio.fix}
              readOnly={readOnly}
              onChange={(args, tag) => draft.edit((now) => withField(now, step.id, 'tool_args', args), `${step.id} ${tag}`)}
            />
          </>
        ) : (
          <JsonField studio={studio} step={step} />
        )}
        <Order studio={studio} step={step} onSet={set} />
        <div className="grid gap-4 sm:grid-cols-2">
          <div className="sm:col-span-2">
            <Place label={t('field.condition')} path="condition" hint={t('step.condition.hint')} issues={issuesAt('condition')} {...shared}>
              {(ids) => (
                <TextValue
                  key={step.id}
                  ids={ids}
                  label={t('field.condition')}
                  value={step.condition}
                  names={names}
                  require={require}
                  readOnly={readOnly}
                  placeholder={t('step.condition.example')}
                  onChange={(value) => set('condition', value)}
                />
              )}
            </Place>
          </div>
          <Place
            label={t('field.retry_count')}
            path="retry_count"
            native
            hint={t('step.retry.hint', { max: MAX_RETRIES })}
            issues={issuesAt('retry_count')}
            {...shared}
          >
            {(ids) => (
              <PlainNumber
                ids={ids}
                value={step.retry_count}
                readOnly={readOnly}
                placeholder="0"
                min={0}
                max={MAX_RETRIES}
                onChange={(v) => set('retry_count', v)}
              />
            )}
          </Place>
          <Place
            label={t('field.timeout_s')}
            path="timeout_s"
            native
            hint={t('step.timeout.hint', { max: MAX_TIMEOUT_S })}
            issues={issuesAt('timeout_s')}
            {...shared}
          >
            {(ids) => (
              <PlainNumber
                ids={ids}
                value={step.timeout_s}
                readOnly={readOnly}
                placeholder={String(USUAL_TIMEOUT_S)}
                min={1}
                max={MAX_TIMEOUT_S}
                onChange={(v) => set('timeout_s', v)}
              />
            )}
          </Place>
        </div>
        <label className="flex min-h-6 items-center gap-2" data-path="enabled">
          <input
            type="checkbox"
            className="size-4 accent-[var(--accent)]"
            disabled={readOnly}
            checked={step.enabled !== false}
            onChange={(e) => set('enabled', e.target.checked ? undefined : false)}
          />
          <span className="font-medium">{t('field.enabled')}</span>
          <span className="text-xs text-ink-3">{t('step.enabled.hint')}</span>
        </label>
      </div>
    </section>
  )
}
/** Places of problems that have a field to be told at. */
const SHOWN = /^(id|name|instance_id|server_url|tool_name|tool_args|depends_on|condition|retry_count|timeout_s)(?![\w-])/

/** The field at a path, the nearest one around it, or the first one below it. */
function aimAt(panel: HTMLElement, path: string): void {
  const fields = [...panel.querySelectorAll<HTMLElement>('[data-path]')].map((field) => ({ field, at: field.dataset.path ?? '' }))
  const below = (inner: string, outer: string) => inner === outer || inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`)
  const around = fields.filter(({ at }) => below(path, at)).sort((a, b) => b.at.length - a.at.length)
  const best = (around[0] ?? fields.find(({ at }) => path !== '' && below(at, path)))?.field
  const folded = best?.closest('details')
  if (folded) folded.open = true
  const control = best?.querySelector<HTMLElement>('.cm-content, input, select, textarea, button') ?? panel.querySelector<HTMLElement>('h2')
  control?.focus()
  control?.scrollIntoView({ block: 'center' })
}
