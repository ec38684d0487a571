import type { EditorView } from '@codemirror/view'
import { useEffect, useRef, useState } from 'react'
import { t } from '../../words/index.ts'
import { Code } from './code.tsx'
import type { Broken } from './draft.ts'
import { partsOf } from './graph.ts'
import { type About, graphJson } from './json-code.ts'
import { placeOf } from './json-places.ts'
import type { Aim } from './step-panel.tsx'
import type { Studio } from './studio.ts'

export const brokenText = (broken: Broken): string =>
  broken.kind === 'json' ? t('json.unreadable', { line: broken.line, column: broken.column }) : t(`json.${broken.kind}`, { at: broken.at })

export function JsonView({ studio, aim, stepId }: { studio: Studio; aim: Aim | null; stepId: string | undefined }) {
  const { draft } = studio
  const view = useRef<EditorView | null>(null)
  const latest = useRef(studio)
  latest.current = studio
  const [extensions] = useState(() => graphJson(about(() => latest.current)))
  // Where one came from: the step that was open, or the problem that was picked.
  useEffect(() => {
    const at = view.current
    if (!at || (aim === null && stepId === undefined)) return
    const index = latest.current.draft.graph.steps.findIndex((step) => step.id === stepId)
    const place = index < 0 ? null : placeOf(at.state, ['steps', index, ...partsOf(aim?.path ?? '')])
    if (place) at.dispatch({ selection: { anchor: place.from }, scrollIntoView: true })
    if (aim) at.focus()
  }, [aim, stepId])
  return (
    <div className="flex flex-col gap-2">
      <Code
        value={draft.text}
        onChange={(text) => draft.dispatch({ do: 'text', text })}
        label={t('json.label')}
        describedBy="json-state"
        invalid={draft.broken !== null}
        readOnly={studio.readOnly}
        extensions={extensions}
        known={studio.issues}
        onView={(made) => {
          view.current = made
          // What scrolls can be scrolled by keyboard, and says what it is.
          made?.scrollDOM.setAttribute('tabindex', '0')
          made?.scrollDOM.setAttribute('role', 'group')
          made?.scrollDOM.setAttribute('aria-label', t('json.scroll'))
        }}
        className="h-[calc(100dvh-300px)] min-h-80 [&_.cm-editor]:h-full"
      />
      <p id="json-state" role="status" className={`min-h-5 text-xs ${draft.broken ? 'text-danger' : 'text-ink-3'}`}>
        {draft.broken ? `${brokenText(draft.broken)} ${t('json.kept')}` : studio.readOnly ? '' : t('json.live')}
      </p>
    </div>
  )
}

const about = (studio: () => Studio): About => ({
  graph: () => studio().draft.graph,
  namesOf: (step) => studio().namesOf(step),
  toolsOf: (step) => studio().toolsOf(step),
  instances: () => studio().instances.data?.items ?? [],
  // Templates are looked at in the text itself, which is ahead of the graph.
  issues: () => studio().issues.filter((issue) => !issue.code.startsWith('template_')),
  require: (stepId, before) => studio().require(stepId, before),
})
