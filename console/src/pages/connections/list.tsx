import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Plus } from 'lucide-react'
import { type KeyboardEvent, useCallback, useEffect, useMemo, useRef } from 'react'
import { type Answer, call } from '../../api.ts'
import { useDenied } from '../../may.ts'
import { connectionsQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Tile, Time } from '../../ui/parts.tsx'
import { ConnectionStatus, Rotating } from '../../ui/pill.tsx'
import { Card, Empty, PageHeader, Region } from '../../ui/region.tsx'
import { type Column, Rows, type Stop } from '../../ui/rows.tsx'
import { soon } from '../../ui/soon.tsx'
import { toast } from '../../ui/toast.tsx'
import { durationText, type Key, t } from '../../words/index.ts'
import { bySignIn, rotates } from './ask.ts'
import { ReconnectBanners } from './banner.tsx'
import { Filters, STATUSES } from './filters.tsx'
import { onHurry } from './popup.ts'
import { PageGuard } from './origin.tsx'
import { Returned } from './returned.tsx'

export type Listed = Answer<'connections.list'>['items'][number]

const used = ({ usage }: Listed): string =>
  usage.instances === 0
    ? t('connections.unused')
    : [t('connections.instances', { n: usage.instances }), usage.workflows > 0 ? t('connections.workflows', { n: usage.workflows }) : null]
        .filter(Boolean)
        .join(' · ')
const COLUMNS: readonly Column<Listed>[] = [
  {
    id: 'status',
    head: t('connections.col.status'),
    width: '150px',
    cell: (c) =>
      c.rotation && c.status !== 'reconnect' ? (
        <Rotating why={t(`rotation.${c.rotation.state}` as Key)} />
      ) : (
        <ConnectionStatus status={c.status} why={c.status_text} ends={c.expires_at} />
      ),
  },
  {
    id: 'account',
    head: t('connections.col.account'),
    width: 'minmax(0, 1fr)',
    wideOnly: true,
    cell: (c) => <span className="text-ink-2">{c.account?.label ?? '—'}</span>,
  },
  { id: 'used', head: t('connections.col.whereUsed'), width: 'minmax(0, 1fr)', cell: (c) => <span className="text-ink-2">{used(c)}</span> },
  {
    id: 'last',
    head: t('connections.col.used'),
    width: '140px',
    cell: (c) => <span className="text-ink-2">{c.last_used_at ? <Time at={c.last_used_at} /> : t('connections.never')}</span>,
  },
]
const NAME = {
  head: t('connections.col.name'),
  width: 'minmax(0, 1.4fr)',
  cell: (c: Listed, stop: Stop) => <Name connection={c} stop={stop} />,
}

const Accounts = soon(async () => (await import('./accounts.tsx')).Accounts)
const NewConnection = soon(async () => (await import('./new.tsx')).NewConnection)
const Rotate = soon(async () => (await import('./rotate/wizard.tsx')).Rotate)
const Detail = soon(async () => (await import('./detail.tsx')).Detail)

export function Connections() {
  const search = useSearch({ from: '/shell/connections' })
  const navigate = useNavigate({ from: '/connections' })
  const queries = useQueryClient()
  const denied = useDenied('project_contributor')
  const input = useRef<HTMLInputElement>(null)
  const status = STATUSES.find((s) => s === search.status)
  const { q, provider } = search
  const list = useInfiniteQuery(connectionsQuery({ ...(q ? { q } : {}), ...(status ? { status } : {}), ...(provider ? { provider } : {}) }))
  const set = useCallback(
    (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true }),
    [navigate],
  )
  const items = useMemo(() => list.data?.pages.flatMap((p) => p.items) ?? [], [list.data])
  const filters = { status: status && t(`status.${status}` as Key), connector: provider, name: q }
  const filtered = Object.entries(filters).filter(([, value]) => value !== undefined)
  useEffect(() => onHurry(() => void queries.invalidateQueries({ queryKey: ['connections'] })), [queries])

  const test = useMutation({
    mutationFn: (c: Listed) => call('connections.validate', { id: c.id }),
    onSettled: () => queries.invalidateQueries({ queryKey: ['connections'] }),
    onSuccess: (tested, c) =>
      tested.ok
        ? toast(t('detail.test.ok', { account: tested.account?.label ?? c.name, ms: durationText(tested.latency_ms) }))
        : toast(t('detail.test.bad', { problem: tested.problem?.message ?? '' }), tested.problem?.hint ?? undefined),
    onError: (error) => toast(error.message),
  })
  const open = (c: Listed) => set({ c: c.id, tab: undefined })
  const keys: Readonly<Record<string, (c: Listed) => void>> = denied
    ? {}
    : {
        n: () => set({ new: 'pick' }),
        t: (c: Listed) => test.mutate(c),
        r: (c: Listed) =>
          rotates(c) ? set({ c: c.id, tab: undefined, rotate: 'new' }) : set({ c: c.id, tab: bySignIn(c) ? undefined : 'credential' }),
      }
  const add = (
    <Button look="primary" denied={denied} onClick={() => set({ new: 'pick' })}>
      <Plus size={14} aria-hidden />
      {t('connections.new')}
    </Button>
  )
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== '/' || /^(INPUT|TEXTAREA|SELECT)$/.test((event.target as HTMLElement).tagName)) return
    event.preventDefault()
    input.current?.focus()
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: "/" leads to the search from anywhere on the page
    <div onKeyDown={onKey}>
      <PageHeader title={t('connections.title')} about={t('connections.about')} action={add} />
      {denied ? <p className="mb-4 text-sm text-ink-2">{denied}</p> : null}
      <Returned />
      <PageGuard />
      <ReconnectBanners quiet />
      <Accounts denied={denied} />
      <Card>
        <Filters filter={{ q, status, provider }} set={set} input={input} count={countText(items.length, list.hasNextPage)} />
        <Region query={list}>
          {() =>
            items.length > 0 ? (
              <Rows
                label={t('connections.title')}
                name={NAME}
                columns={COLUMNS}
                items={items}
                idOf={(c) => c.id}
                onOpen={open}
                keys={keys}
                more={{ has: list.hasNextPage, busy: list.isFetchingNextPage, load: list.fetchNextPage }}
              />
            ) : filtered.length > 0 ? (
              <Empty title={t('connections.filtered', { filters: filtered.map(([k, v]) => `${k}:${v}`).join(' ') })}>
                <Button onClick={() => set({ q: undefined, status: undefined, provider: undefined })}>{t('action.clearFilters')}</Button>
              </Empty>
            ) : (
              <Empty title={t('connections.empty.title')} text={t('connections.empty.text')}>
                {add}
              </Empty>
            )
          }
        </Region>
      </Card>
      {items.length > 0 && !denied ? <p className="mt-2 hidden text-xs text-ink-3 lg:block">{t('connections.keys')}</p> : null}
      {search.new ? (
        <NewConnection step={search.new} onStep={(step) => set({ new: step })} onMade={(id) => set({ new: undefined, c: id })} />
      ) : null}
      {search.c && search.rotate ? (
        <Rotate id={search.c} asked={search.rotate} onStaged={(rotate) => set({ rotate })} onClose={() => set({ rotate: undefined })} />
      ) : search.c ? (
        <Detail
          id={search.c}
          tab={search.tab}
          onTab={(tab) => set({ tab })}
          onRotate={(rotate) => set({ rotate })}
          onClose={() => set({ c: undefined, tab: undefined })}
        />
      ) : null}
    </div>
  )
}

const countText = (n: number, more: boolean): string => (n === 0 ? '' : t(more ? 'connections.countMore' : 'connections.count', { n }))

function Name({ connection: c, stop }: { connection: Listed; stop: Stop }) {
  return (
    <span className="flex items-center gap-2.5">
      <Tile name={c.provider} />
      <span className="min-w-0">
        <Link
          {...stop}
          to="/connections"
          search={(before) => ({ ...before, new: undefined, c: c.id, tab: undefined })}
          replace
          className="block truncate font-medium hover:underline"
        >
          {c.name}
        </Link>
        <span className="block truncate text-xs text-ink-3">
          {c.environment === 'production' ? c.provider : `${c.provider} · ${c.environment}`}
        </span>
      </span>
    </span>
  )
}
