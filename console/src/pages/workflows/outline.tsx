import { CircleAlert, Plus, Redo2, TriangleAlert, Undo2 } from 'lucide-react'
import { type KeyboardEvent, useEffect, useRef } from 'react'
import { Button, IconButton } from '../../ui/button.tsx'
import { t } from '../../words/index.ts'
import { depths, nameOf, type Step, toolNameOf } from './graph.ts'
import type { Acts } from './acts.ts'
import type { Studio } from './studio.ts'

/** Deeper steps are not moved any further to the side: there would be no room for their names. */
const MAX_DEPTH = 6
const DEPTH_PX = 16

export function Outline(props: {
  studio: Studio
  acts: Acts
  picked: string | undefined
  onPick: (id: string) => void
  /** Into the fields of the step. */
  onOpen: () => void
  onAdd: () => void
}) {
  const { studio, acts, picked, onPick } = props
  const { graph, past, future, dispatch } = studio.draft
  const list = useRef<HTMLDivElement>(null)
  const deep = depths(graph)
  const current = graph.steps.find((step) => step.id === picked) ?? graph.steps[0]
  // A step that goes away under the cursor leaves it on a neighbour, not nowhere.
  const inside = useRef(false)
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new graph may have lost the step
  useEffect(() => {
    if (inside.current && document.activeElement === document.body) list.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus()
  }, [graph])
  const focus = (id: string) => {
    onPick(id)
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>(`[data-step="${CSS.escape(id)}"]`)?.focus())
  }
  const keys = (event: KeyboardEvent, step: Step) => {
    const at = graph.steps.indexOf(step)
    const control = event.ctrlKey || event.metaKey
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: graph.steps.length - 1 }[event.key]
    const undo = event.key.toLowerCase() === 'z' && control
    if (event.altKey && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      acts.move(step.id, event.key === 'ArrowDown' ? 1 : -1)
      focus(step.id)
    } else if (to !== undefined && !control) {
      const next = graph.steps[to]
      if (next) focus(next.id)
    } else if (event.key === 'Enter') {
      onPick(step.id)
      props.onOpen()
    } else if (event.key === 'Delete' && !studio.readOnly) {
      const next = graph.steps[at + 1] ?? graph.steps[at - 1]
      acts.remove(step.id)
      if (next) focus(next.id)
    } else if (event.key.toLowerCase() === 'd' && control) {
      const copy = acts.duplicate(step.id)
      if (copy) focus(copy)
    } else if (event.key === 'Insert') props.onAdd()
    else if (undo) dispatch({ do: event.shiftKey ? 'redo' : 'undo' })
    else return
    event.preventDefault()
  }
  return (
    <div className="flex flex-col">
      <div className="flex items-center gap-1 border-b border-line p-2">
        <Button size="sm" disabled={studio.readOnly} onClick={props.onAdd}>
          <Plus size={14} aria-hidden />
          {t('outline.add')}
        </Button>
        <span className="ms-auto" />
        <IconButton label={t('outline.undo')} disabled={past.length === 0 || studio.readOnly} onClick={() => dispatch({ do: 'undo' })}>
          <Undo2 size={16} aria-hidden />
        </IconButton>
        <IconButton label={t('outline.redo')} disabled={future.length === 0 || studio.readOnly} onClick={() => dispatch({ do: 'redo' })}>
          <Redo2 size={16} aria-hidden />
        </IconButton>
      </div>
      {graph.steps.length === 0 ? (
        <div className="flex flex-col items-center gap-2 px-4 py-10 text-center">
          <p className="font-semibold">{t('outline.empty')}</p>
          <p className="text-ink-2">{t('outline.empty.text')}</p>
        </div>
      ) : (
        <div
          ref={list}
          role="listbox"
          aria-label={t('outline.label')}
          onFocus={() => {
            inside.current = true
          }}
          onBlur={(event) => {
            // Without a next place the step itself went away.
            if (event.relatedTarget !== null) inside.current = false
          }}
          className="max-h-[70vh] overflow-y-auto p-1"
        >
          {graph.steps.map((step) => (
            <div
              key={step.id}
              role="option"
              aria-selected={step.id === picked}
              tabIndex={step === current ? 0 : -1}
              data-step={step.id}
              onClick={() => onPick(step.id)}
              onKeyDown={(event) => keys(event, step)}
              className="flex min-h-12 cursor-pointer items-center gap-2 rounded-md px-2 py-1.5 hover:bg-surface-2 aria-selected:bg-surface-3"
              style={{ paddingInlineStart: 8 + Math.min(MAX_DEPTH, Math.max(0, deep.get(step.id) ?? 0)) * DEPTH_PX }}
            >
              <Row step={step} studio={studio} />
            </div>
          ))}
        </div>
      )}
      {graph.steps.length > 0 ? (
        <p className="hidden border-t border-line px-3 py-2 text-xs text-ink-3 lg:block">{t('outline.keys')}</p>
      ) : null}
    </div>
  )
}

function Row({ step, studio }: { step: Step; studio: Studio }) {
  const own = studio.issues.filter((issue) => issue.stepId === step.id)
  const errors = own.filter((issue) => issue.severity === 'error').length
  const instance = studio.instances.data?.items.find((it) => it.id === step.instance_id)
  const under = [instance?.name, toolNameOf(step) ?? String(step.type ?? '')].filter(Boolean).join(' · ')
  const off = step.enabled === false
  return (
    <>
      <span className="min-w-0 flex-1">
        <span className={`block truncate font-medium ${off ? 'text-ink-3' : ''}`}>{nameOf(step)}</span>
        <span className="block truncate text-xs text-ink-3">{under}</span>
      </span>
      {off ? (
        <span className="rounded border border-dashed border-line-strong px-1 text-xs text-ink-2">{t('outline.disabled')}</span>
      ) : null}
      {own.length === 0 ? null : (
        <span className={`inline-flex items-center gap-1 text-xs font-medium ${errors > 0 ? 'text-danger' : 'text-warn'}`}>
          {errors > 0 ? <CircleAlert size={14} aria-hidden /> : <TriangleAlert size={14} aria-hidden />}
          {own.length}
          <span className="sr-only">{t('outline.problems')}</span>
        </span>
      )}
    </>
  )
}
