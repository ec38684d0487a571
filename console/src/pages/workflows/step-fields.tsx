import { useState } from 'react'
import { Input, Select } from '../../ui/field.tsx'
import { t } from '../../words/index.ts'
import { dependsOn, type Graph, nameOf, type Step, toolNameOf, upstream } from './graph.ts'
import { Place, Told } from './place.tsx'
import type { Studio } from './studio.ts'

const STEP_ID = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/

/** An id is changed as a whole, when one has finished: it changes in every place that names it. */
export function StepId(props: { graph: Graph; step: Step; readOnly: boolean; issues: Studio['issues']; onRename: (to: string) => void }) {
  const { graph, step } = props
  const [text, setText] = useState(step.id)
  const problem =
    text === step.id
      ? undefined
      : !STEP_ID.test(text)
        ? t('step.id.form')
        : graph.steps.some((it) => it.id === text)
          ? t('step.id.taken', { id: text })
          : undefined
  const commit = () => {
    if (text !== step.id && problem === undefined) props.onRename(text)
  }
  return (
    <Place label={t('field.id')} path="id" native hint={t('step.id.hint')} problem={problem} issues={props.issues}>
      {(ids) => (
        <Input
          id={ids.id}
          aria-describedby={ids.describedBy}
          aria-invalid={ids.invalid || undefined}
          disabled={props.readOnly}
          autoComplete="off"
          spellCheck={false}
          className="font-mono"
          value={text}
          onChange={(e) => setText(e.target.value)}
          onBlur={commit}
          onKeyDown={(e) => {
            if (e.key === 'Enter') commit()
            if (e.key === 'Escape') setText(step.id)
          }}
        />
      )}
    </Place>
  )
}

interface FieldProps {
  studio: Studio
  step: Step
  issues: Studio['issues']
  onSet: (field: string, value: unknown) => void
}

export function InstanceField({ studio, step, issues, onSet }: FieldProps) {
  const items = studio.instances.data?.items ?? []
  const id = typeof step.instance_id === 'string' ? step.instance_id : ''
  const url = typeof step.server_url === 'string' ? step.server_url : undefined
  return (
    <Place
      label={t('field.instance_id')}
      path="instance_id"
      native
      required
      hint={url ? t('step.serverUrl', { url }) : undefined}
      issues={issues}
      onFix={studio.fix}
    >
      {(ids) => (
        <Select
          id={ids.id}
          aria-describedby={ids.describedBy}
          aria-invalid={ids.invalid || undefined}
          disabled={studio.readOnly}
          value={id}
          onChange={(e) => onSet('instance_id', e.target.value || undefined)}
        >
          <option value="">{t('step.instance.pick')}</option>
          {items.map((it) => (
            <option key={it.id} value={it.id}>
              {it.name} · {it.server}
            </option>
          ))}
          {id !== '' && studio.instances.data && !items.some((it) => it.id === id) ? (
            <option value={id}>{t('step.instance.gone', { id })}</option>
          ) : null}
        </Select>
      )}
    </Place>
  )
}

export function ToolField({ studio, step, issues, onSet }: FieldProps) {
  const tools = studio.toolsOf(step)
  const name = toolNameOf(step) ?? ''
  return (
    <Place label={t('field.tool_name')} path="tool_name" native required issues={issues} onFix={studio.fix}>
      {(ids) => (
        <Select
          id={ids.id}
          aria-describedby={ids.describedBy}
          aria-invalid={ids.invalid || undefined}
          disabled={studio.readOnly}
          value={name}
          onChange={(e) => onSet('tool_name', e.target.value)}
        >
          {tools.some((it) => it.name === name) ? null : <option value={name}>{name === '' ? t('step.tool.pick') : name}</option>}
          {tools.map((it) => (
            <option key={it.name} value={it.name}>
              {it.name}
            </option>
          ))}
        </Select>
      )}
    </Place>
  )
}

/** Steps that wait for this one cannot be waited for. */
export function Order({ studio, step, onSet }: Omit<FieldProps, 'issues'>) {
  const { graph } = studio.draft
  const own = dependsOn(step)
  const others = graph.steps.filter((it) => it.id !== step.id && (own.includes(it.id) || !upstream(graph, it.id).has(step.id)))
  const issues = studio.issues.filter((issue) => issue.stepId === step.id && issue.path.startsWith('depends_on'))
  const gone = own.filter((id) => !graph.steps.some((it) => it.id === id))
  const toggle = (id: string, on: boolean) => {
    const next = on ? [...own, id] : own.filter((it) => it !== id)
    onSet('depends_on', next.length > 0 ? next : undefined)
  }
  return (
    <fieldset data-path="depends_on" className="flex min-w-0 flex-col gap-1">
      <legend className="mb-1 text-sm font-medium">{t('field.depends_on')}</legend>
      {others.length === 0 && gone.length === 0 ? <p className="text-ink-3">{t('step.depends.none')}</p> : null}
      <div className="grid gap-x-4 sm:grid-cols-2">
        {[...others.map((it) => [it.id, nameOf(it)] as const), ...gone.map((id) => [id, t('step.depends.gone', { id })] as const)].map(
          ([id, name]) => (
            <label key={id} className="flex min-h-7 min-w-0 items-center gap-2">
              <input
                type="checkbox"
                className="size-4 shrink-0 accent-[var(--accent)]"
                disabled={studio.readOnly}
                checked={own.includes(id)}
                onChange={(e) => toggle(id, e.target.checked)}
              />
              <span className="truncate">{name}</span>
            </label>
          ),
        )}
      </div>
      <Told issues={issues} onFix={studio.fix} />
    </fieldset>
  )
}
