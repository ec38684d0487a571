import '../../words/with-workflows.ts'
import { useInfiniteQuery, useMutation, useQueryClient, useSuspenseQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Archive, ArchiveRestore, Braces, CircleCheck, CircleX, FileInput, Plus, ShoppingBag, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { workflowListQuery } from '../../queries.ts'
import { atLeast, meQuery } from '../../session.ts'
import { Button, IconButton } from '../../ui/button.tsx'
import { Input, Select } from '../../ui/field.tsx'
import { cellClass, rowClass, Table, Time } from '../../ui/parts.tsx'
import { Pill, RunStatus } from '../../ui/pill.tsx'
import { Card, Empty, PageHeader, Problem, Region } from '../../ui/region.tsx'
import { toast, toastWithUndo } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { NewWorkflow } from './new.tsx'

type Row = Answer<'workflows.list'>['items'][number]
const noSearch = { view: undefined, step: undefined, panel: undefined }

export function Workflows() {
  const search = useSearch({ from: '/shell/workflows' })
  const navigate = useNavigate({ from: '/workflows' })
  const { data: me } = useSuspenseQuery(meQuery)
  const [text, setText] = useState(search.q ?? '')
  const archived = search.show === 'archived'
  const list = useInfiniteQuery(workflowListQuery({ q: search.q, archived: archived ? 'true' : 'false' }))
  const items = list.data?.pages.flatMap((p) => p.items) ?? []
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true })
  const may = atLeast(me, 'project_contributor')
  const why = may ? undefined : t('workflows.viewer')
  const start = (kind: string) => set({ new: kind })
  return (
    <>
      <PageHeader
        title={t('workflows.title')}
        about={t('workflows.about')}
        action={
          <Button look="primary" disabled={!may} title={why} onClick={() => start('blank')}>
            <Plus size={14} aria-hidden />
            {t('workflows.new')}
          </Button>
        }
      />
      {may ? null : <p className="mb-4 rounded-md bg-surface-2 px-3 py-2 text-ink-2">{t('workflows.viewer')}</p>}
      <Card>
        <search>
          <form
            className="flex flex-wrap items-center gap-2 border-b border-line p-3"
            onSubmit={(e) => {
              e.preventDefault()
              set({ q: text.trim() || undefined })
            }}
          >
            <Input
              type="search"
              aria-label={t('workflows.search')}
              placeholder={t('workflows.search')}
              className="max-w-64"
              value={text}
              onChange={(e) => {
                setText(e.target.value)
                if (e.target.value === '') set({ q: undefined })
              }}
            />
            <Select
              aria-label={t('workflows.filter')}
              className="max-w-44"
              value={archived ? 'archived' : ''}
              onChange={(e) => set({ show: e.target.value || undefined })}
            >
              <option value="">{t('workflows.filter.current')}</option>
              <option value="archived">{t('workflows.filter.archived')}</option>
            </Select>
            <p className="ms-auto text-xs text-ink-3">
              {list.data ? t(list.hasNextPage ? 'workflows.countMore' : 'workflows.count', { n: items.length }) : ''}
            </p>
          </form>
        </search>
        <Region query={list}>
          {() =>
            items.length > 0 ? (
              <Table
                label={t('workflows.title')}
                head={[
                  t('workflows.col.name'),
                  t('workflows.col.live'),
                  t('workflows.col.lastRun'),
                  t('workflows.col.problems'),
                  t('workflows.col.changed'),
                  t('workflows.col.act'),
                ]}
              >
                {items.map((w) => (
                  <WorkflowRow key={w.id} workflow={w} may={may} />
                ))}
              </Table>
            ) : search.q !== undefined ? (
              <Empty title={t('workflows.filtered', { q: search.q })}>
                <Button
                  onClick={() => {
                    setText('')
                    set({ q: undefined })
                  }}
                >
                  {t('action.clearFilters')}
                </Button>
              </Empty>
            ) : archived ? (
              <Empty title={t('workflows.noneArchived')}>
                <Button onClick={() => set({ show: undefined })}>{t('workflows.filter.current')}</Button>
              </Empty>
            ) : (
              <Empty title={t('workflows.empty.title')} text={t('workflows.empty.text')}>
                <Button look="primary" disabled={!may} title={why} onClick={() => start('blank')}>
                  <Plus size={14} aria-hidden />
                  {t('starter.blank')}
                </Button>
                <Button disabled={!may} title={why} onClick={() => start('demo')}>
                  <ShoppingBag size={14} aria-hidden />
                  {t('starter.demo')}
                </Button>
                <Button disabled={!may} title={why} onClick={() => start('json')}>
                  <Braces size={14} aria-hidden />
                  {t('starter.json')}
                </Button>
              </Empty>
            )
          }
        </Region>
        {list.error && list.data ? (
          <div className="border-t border-line p-3">
            <Problem error={list.error} retry={list.refetch} />
          </div>
        ) : null}
        {list.hasNextPage ? (
          <div className="border-t border-line p-3 text-center">
            <Button onClick={() => void list.fetchNextPage()} busy={list.isFetchingNextPage}>
              {t('action.more')}
            </Button>
          </div>
        ) : null}
      </Card>
      {items.length > 0 && !archived && may ? (
        <p className="mt-3 text-xs text-ink-3">
          <Button size="sm" look="quiet" onClick={() => start('json')}>
            <FileInput size={14} aria-hidden />
            {t('starter.json')}
          </Button>
        </p>
      ) : null}
      {search.new && may ? <NewWorkflow kind={search.new} onKind={start} onClose={() => set({ new: undefined })} /> : null}
    </>
  )
}

function WorkflowRow({ workflow: w, may }: { workflow: Row; may: boolean }) {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const refresh = () => queries.invalidateQueries({ queryKey: ['workflows'] })
  const restore = useMutation({
    mutationFn: () => call('workflows.restore', { id: w.id }),
    onSuccess: async () => {
      toast(t('workflows.restored', { name: w.name }))
      await refresh()
    },
  })
  const archive = useMutation({
    mutationFn: () => call('workflows.archive', { id: w.id }),
    onSuccess: async () => {
      toastWithUndo(t('workflows.archived', { name: w.name }), () => restore.mutate())
      await refresh()
    },
  })
  const act = w.archived ? restore : archive
  const Icon = w.archived ? ArchiveRestore : Archive
  const to = { to: '/workflows/$id', params: { id: w.id }, search: noSearch } as const
  return (
    <tr className={rowClass} onClick={() => void navigate(to)}>
      <td className={`${cellClass} max-w-80`}>
        <Link {...to} className="font-medium break-words hover:underline" onClick={(e) => e.stopPropagation()}>
          {w.name}
        </Link>
        {w.description ? <span className="block truncate text-xs text-ink-3">{w.description}</span> : null}
        {act.error ? (
          <span role="alert" className="block text-xs text-danger">
            {act.error.message}
          </span>
        ) : null}
      </td>
      <td className={`${cellClass} whitespace-nowrap text-ink-2 tabular-nums`}>
        {w.latest_version === null ? t('workflows.notLive') : t('workflows.version', { n: w.latest_version })}
      </td>
      <td className={`${cellClass} whitespace-nowrap`}>
        {w.last_run ? (
          <Link
            to="/runs/$workflow/$id"
            params={{ workflow: w.id, id: w.last_run.run_id }}
            search={{ tab: undefined, step: undefined }}
            className="inline-flex items-center gap-2 hover:underline"
            onClick={(e) => e.stopPropagation()}
          >
            <RunStatus status={w.last_run.status} />
            <span className="text-xs text-ink-3">
              <Time at={w.last_run.created_at} />
            </span>
          </Link>
        ) : (
          <span className="text-ink-3">{t('workflows.neverRan')}</span>
        )}
      </td>
      <td className={cellClass}>
        <Problems of={w.problems} />
      </td>
      <td className={`${cellClass} whitespace-nowrap text-ink-2`}>
        <Time at={w.updated_at} />
      </td>
      <td className={`${cellClass} text-end`}>
        {may ? (
          <IconButton
            label={t(w.archived ? 'workflows.restore' : 'workflows.archive', { name: w.name })}
            disabled={act.isPending}
            onClick={(e) => {
              e.stopPropagation()
              act.mutate()
            }}
          >
            <Icon size={16} aria-hidden />
          </IconButton>
        ) : null}
      </td>
    </tr>
  )
}

function Problems({ of }: { of: Row['problems'] }) {
  if (of === null) return null
  if (of.errors > 0)
    return (
      <Pill tone="danger" icon={CircleX}>
        {t('problems.errors', { n: of.errors })}
      </Pill>
    )
  if (of.warnings > 0)
    return (
      <Pill tone="warn" icon={TriangleAlert}>
        {t('problems.warnings', { n: of.warnings })}
      </Pill>
    )
  return (
    <Pill tone="plain" icon={CircleCheck}>
      {t('problems.none')}
    </Pill>
  )
}
