import '../../words/with-workflows.ts'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useBlocker, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { ChevronLeft, CircleAlert, History, Pencil, Play, Save, Upload } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { call, Refusal } from '../../api.ts'
import { workflowQuery } from '../../queries.ts'
import { Button, IconButton } from '../../ui/button.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Tabs, Time } from '../../ui/parts.tsx'
import { Card, Problem, Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { actsOn } from './acts.ts'
import { Conflict } from './conflict.tsx'
import type { Workflow } from './draft.ts'
import type { Issue } from './issues.ts'
import { brokenText, JsonView } from './json-view.tsx'
import { Outline } from './outline.tsx'
import { Picker } from './picker.tsx'
import { Problems } from './problems.tsx'
import { Publish } from './publish.tsx'
import { Rename } from './rename.tsx'
import { RunDialog } from './run-dialog.tsx'
import { type Aim, StepPanel } from './step-panel.tsx'
import { useStudio } from './studio.ts'
import { useShortcuts } from './shortcuts.ts'
import { Versions } from './versions.tsx'

export function WorkflowEditor() {
  const { id } = useParams({ from: '/shell/workflows/$id' })
  const workflow = useQuery(workflowQuery(id))
  return <Region query={workflow}>{(one) => <Editor key={one.id} workflow={one} />}</Region>
}

function Editor({ workflow }: { workflow: Workflow }) {
  const search = useSearch({ from: '/shell/workflows/$id' })
  const navigate = useNavigate({ from: '/workflows/$id' })
  const queries = useQueryClient()
  const studio = useStudio(workflow)
  const { draft, save, issues, readOnly } = studio
  const [aim, setAim] = useState<Aim | null>(null)
  const view = search.view === 'json' ? 'json' : 'outline'
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true })
  const close = () => set({ panel: undefined })
  const step = draft.graph.steps.find((it) => it.id === search.step) ?? draft.graph.steps[0]
  const acts = actsOn(studio, (id) => set({ step: id }))
  const restore = useMutation({
    mutationFn: () => call('workflows.restore', { id: workflow.id }),
    onSuccess: async () => {
      toast(t('workflows.restored', { name: workflow.name }))
      await queries.invalidateQueries({ queryKey: ['workflows'] })
    },
  })
  const open = (id: string, path: string, where = view) => {
    set({ step: id, view: where === 'json' ? 'json' : undefined, panel: undefined })
    setAim((before) => ({ path, n: (before?.n ?? 0) + 1 }))
  }
  const goTo = (issue: Issue) => {
    if (issue.stepId !== null) open(issue.stepId, issue.path)
  }
  const goToText = () => set({ view: 'json', panel: undefined })
  const tryToSave = () => {
    if (readOnly) return
    if (draft.broken) toast(t('editor.notSaved'), brokenText(draft.broken))
    else if (draft.dirty) save.mutate(undefined)
    else toast(t('editor.nothingToSave'))
  }
  const problems = useRef<HTMLElement>(null)
  const problem = useRef(-1)
  useShortcuts({
    save: tryToSave,
    run: () => (readOnly || search.panel || studio.conflict ? undefined : set({ panel: 'run' })),
    problem: (by) => {
      const found = issues.filter((issue) => issue.stepId !== null)
      if (found.length === 0) return
      problem.current = (problem.current + by + found.length) % found.length
      const next = found[problem.current]
      if (next) goTo(next)
    },
  })
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => draft.dirty && !readOnly && current.pathname !== next.pathname,
    enableBeforeUnload: () => draft.dirty && !readOnly,
    withResolver: true,
  })
  useEffect(() => {
    document.title = `${workflow.name} · ${t('workflows.title')}`
  }, [workflow.name])
  const saveFailed = save.error && !(save.error instanceof Refusal && save.error.code === 'DRAFT_CHANGED') ? save.error : null
  return (
    <>
      <header className="mb-4 flex flex-col gap-3">
        <Link
          to="/workflows"
          search={{ q: undefined, show: undefined, new: undefined }}
          className="inline-flex min-h-6 items-center gap-1 self-start text-ink-2 hover:text-ink"
        >
          <ChevronLeft size={14} aria-hidden />
          {t('workflows.title')}
        </Link>
        <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
          <h1 tabIndex={-1} className="min-w-0 text-xl font-semibold tracking-[-0.01em] break-words outline-none">
            {workflow.name}
          </h1>
          <IconButton label={t('rename.title')} disabled={readOnly} onClick={() => set({ panel: 'rename' })}>
            <Pencil size={14} aria-hidden />
          </IconButton>
          <p role="status" className="text-xs text-ink-3">
            {draft.dirty ? t('editor.unsaved') : t('editor.savedAt')} {draft.dirty ? null : <Time at={draft.base.updatedAt} />}
            {' · '}
            {workflow.latest_version === null ? t('workflows.notLive') : t('editor.live', { n: workflow.latest_version })}
          </p>
          <div className="flex flex-wrap gap-2 lg:ms-auto">
            <Button onClick={() => set({ panel: 'versions' })}>
              <History size={14} aria-hidden />
              {t('versions.title')}
            </Button>
            <Button disabled={readOnly || !draft.dirty} busy={save.isPending} title={t('editor.save.key')} onClick={tryToSave}>
              <Save size={14} aria-hidden />
              {t('editor.save')}
            </Button>
            <Button disabled={readOnly} title={t('editor.run.key')} onClick={() => set({ panel: 'run' })}>
              <Play size={14} aria-hidden />
              {t('editor.run')}
            </Button>
            <Button look="primary" disabled={readOnly} onClick={() => set({ panel: 'publish' })}>
              <Upload size={14} aria-hidden />
              {t('editor.publish')}
            </Button>
          </div>
        </div>
      </header>
      <div className="mb-4 flex flex-col gap-2 empty:hidden">
        {workflow.archived ? (
          <div className="flex flex-wrap items-center justify-between gap-2 rounded-md bg-surface-2 px-3 py-2">
            <p>{t('editor.archived')}</p>
            <Button size="sm" disabled={!studio.may} busy={restore.isPending} onClick={() => restore.mutate()}>
              {t('editor.restore')}
            </Button>
          </div>
        ) : readOnly ? (
          <p className="rounded-md bg-surface-2 px-3 py-2 text-ink-2">{t('workflows.viewer')}</p>
        ) : null}
        {restore.error ? <Problem error={restore.error} /> : null}
        {studio.overtaken ? (
          <div role="status" className="flex flex-wrap items-center justify-between gap-2 rounded-md bg-warn-soft px-3 py-2">
            <p>{t('conflict.banner')}</p>
            <Button size="sm" onClick={() => void studio.compare()}>
              {t('conflict.compare')}
            </Button>
          </div>
        ) : null}
        {saveFailed ? <Problem error={saveFailed} retry={tryToSave} /> : null}
      </div>
      <Card>
        <div className="flex items-end justify-between gap-2 px-4">
          <Tabs
            label={t('editor.views')}
            active={view}
            onPick={(id) => {
              setAim(null)
              set({ view: id === 'json' ? 'json' : undefined })
            }}
            tabs={[
              { id: 'outline', label: t('editor.outline') },
              { id: 'json', label: draft.broken ? t('editor.json.broken') : t('editor.json') },
            ]}
          />
          {issues.length > 0 ? (
            <Button
              size="sm"
              look="quiet"
              className={`mb-1 ${studio.errors > 0 ? '!text-danger' : '!text-warn'}`}
              onClick={() => {
                problems.current?.focus()
                problems.current?.scrollIntoView({ block: 'nearest' })
              }}
            >
              <CircleAlert size={14} aria-hidden />
              {studio.errors > 0 ? t('problems.errors', { n: studio.errors }) : t('problems.warnings', { n: issues.length })}
            </Button>
          ) : null}
        </div>
        {view === 'json' ? (
          <div className="border-t border-line p-3">
            <JsonView studio={studio} aim={aim} stepId={search.step} />
          </div>
        ) : (
          <div className="border-t border-line">
            {draft.broken ? (
              <div role="alert" className="flex flex-wrap items-center justify-between gap-2 border-b border-line bg-warn-soft px-4 py-2">
                <p>{t('editor.broken', { problem: brokenText(draft.broken) })}</p>
                <span className="flex gap-2">
                  <Button size="sm" onClick={goToText}>
                    {t('problems.goTo')}
                  </Button>
                  <Button size="sm" onClick={() => draft.dispatch({ do: 'mendText' })}>
                    {t('editor.discardText')}
                  </Button>
                </span>
              </div>
            ) : null}
            <fieldset disabled={draft.broken !== null} className="grid min-w-0 lg:grid-cols-[minmax(0,360px)_minmax(0,1fr)]">
              <legend className="sr-only">{t('editor.outline')}</legend>
              <Outline
                studio={studio}
                acts={acts}
                picked={step?.id}
                onPick={(id) => set({ step: id })}
                onOpen={() => setAim((before) => ({ path: '', n: (before?.n ?? 0) + 1 }))}
                onAdd={() => set({ panel: 'add' })}
              />
              <div className="min-w-0 border-t border-line lg:border-s lg:border-t-0">
                {step ? (
                  <StepPanel key={step.id} studio={studio} step={step} acts={acts} aim={aim} onPick={(id) => set({ step: id })} />
                ) : null}
              </div>
            </fieldset>
          </div>
        )}
      </Card>
      <Problems at={problems} studio={studio} goTo={goTo} goToText={goToText} />
      {search.panel === 'add' && !readOnly ? (
        <Picker onClose={close} onPick={(picked) => open(acts.add(picked, step?.id), 'tool_args')} />
      ) : null}
      {search.panel === 'publish' && !readOnly ? <Publish studio={studio} onClose={close} onProblems={close} /> : null}
      {search.panel === 'versions' ? <Versions studio={studio} onClose={close} /> : null}
      {search.panel === 'run' && !readOnly ? (
        <RunDialog studio={studio} onClose={close} onPublish={() => set({ panel: 'publish' })} />
      ) : null}
      {search.panel === 'rename' && !readOnly ? <Rename studio={studio} onClose={close} /> : null}
      <Conflict studio={studio} />
      {blocker.status === 'blocked' ? (
        <Dialog open onClose={blocker.reset} title={t('leave.title')} about={t('leave.about')}>
          <div className="flex flex-wrap justify-end gap-2">
            <Button onClick={blocker.reset}>{t('leave.stay')}</Button>
            <Button look="danger" onClick={blocker.proceed}>
              {t('leave.discard')}
            </Button>
            <Button
              look="primary"
              busy={save.isPending}
              disabled={draft.broken !== null}
              onClick={() => save.mutate(undefined, { onSuccess: () => blocker.proceed(), onError: () => blocker.reset() })}
            >
              {t('leave.save')}
            </Button>
          </div>
        </Dialog>
      ) : null}
    </>
  )
}
