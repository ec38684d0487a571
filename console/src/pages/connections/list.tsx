import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { connectionsQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Input, Select } from '../../ui/field.tsx'
import { cellClass, rowClass, Table, Tile, Time } from '../../ui/parts.tsx'
import { ConnectionStatus } from '../../ui/pill.tsx'
import { Card, Empty, PageHeader, Region } from '../../ui/region.tsx'
import { type Key, t } from '../../words/index.ts'
import { ReconnectBanners } from './banner.tsx'
import { Detail } from './detail.tsx'
import { NewConnection } from './new.tsx'

type Connection = Answer<'connections.get'>
const STATUSES = ['reconnect', 'degraded', 'needs_scopes', 'misconfigured', 'unverified', 'active', 'disabled'] as const

export function Connections() {
  const search = useSearch({ from: '/shell/connections' })
  const navigate = useNavigate({ from: '/connections' })
  const status = STATUSES.find((s) => s === search.status)
  const list = useInfiniteQuery(connectionsQuery({ ...(search.q ? { q: search.q } : {}), ...(status ? { status } : {}) }))
  const [text, setText] = useState(search.q ?? '')
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true })
  const items = list.data?.pages.flatMap((p) => p.items) ?? []
  const filtered = search.q !== undefined || status !== undefined
  const add = (
    <Button look="primary" onClick={() => set({ new: 'pick' })}>
      <Plus size={14} aria-hidden />
      {t('connections.new')}
    </Button>
  )
  return (
    <>
      <PageHeader title={t('connections.title')} about={t('connections.about')} action={add} />
      <ReconnectBanners connections={items} />
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
              aria-label={t('connections.search')}
              placeholder={t('connections.search')}
              className="max-w-64"
              value={text}
              onChange={(e) => {
                setText(e.target.value)
                if (e.target.value === '') set({ q: undefined })
              }}
            />
            <Select
              aria-label={t('connections.filter.status')}
              className="max-w-44"
              value={status ?? ''}
              onChange={(e) => set({ status: e.target.value || undefined })}
            >
              <option value="">{t('connections.filter.all')}</option>
              {STATUSES.map((s) => (
                <option key={s} value={s}>
                  {t(`status.${s}` as Key)}
                </option>
              ))}
            </Select>
            <p className="ms-auto text-xs text-ink-3">{list.data ? t('connections.count', { n: items.length }) : ''}</p>
          </form>
        </search>
        <Region query={list}>
          {() =>
            items.length > 0 ? (
              <Table
                label={t('connections.title')}
                head={[
                  t('connections.col.name'),
                  t('connections.col.status'),
                  t('connections.col.environment'),
                  t('connections.col.account'),
                  t('connections.col.used'),
                ]}
              >
                {items.map((c) => (
                  <Row key={c.id} connection={c} open={() => set({ c: c.id, tab: undefined })} />
                ))}
              </Table>
            ) : filtered ? (
              <Empty title={t('connections.filtered')}>
                <Button
                  onClick={() => {
                    setText('')
                    set({ q: undefined, status: undefined })
                  }}
                >
                  {t('action.clearFilters')}
                </Button>
              </Empty>
            ) : (
              <Empty title={t('connections.empty.title')} text={t('connections.empty.text')}>
                {add}
              </Empty>
            )
          }
        </Region>
        {list.hasNextPage ? (
          <div className="border-t border-line p-3 text-center">
            <Button onClick={() => void list.fetchNextPage()} busy={list.isFetchingNextPage}>
              {t('action.more')}
            </Button>
          </div>
        ) : null}
      </Card>
      {search.new ? (
        <NewConnection step={search.new} onStep={(step) => set({ new: step })} onMade={(id) => set({ new: undefined, c: id })} />
      ) : null}
      {search.c ? (
        <Detail id={search.c} tab={search.tab} onTab={(tab) => set({ tab })} onClose={() => set({ c: undefined, tab: undefined })} />
      ) : null}
    </>
  )
}

function Row({ connection: c, open }: { connection: Connection; open: () => void }) {
  return (
    <tr className={rowClass} onClick={open}>
      <td className={cellClass}>
        <span className="flex items-center gap-2.5">
          <Tile name={c.provider} />
          <span className="min-w-0">
            <Link
              to="/connections"
              search={(before) => ({ ...before, q: before.q, status: before.status, new: undefined, c: c.id, tab: undefined })}
              className="font-medium hover:underline"
              onClick={(e) => e.stopPropagation()}
            >
              {c.name}
            </Link>
            <span className="block text-xs text-ink-3">{c.provider}</span>
          </span>
        </span>
      </td>
      <td className={cellClass}>
        <ConnectionStatus status={c.status} />
      </td>
      <td className={`${cellClass} text-ink-2`}>{c.environment}</td>
      <td className={`${cellClass} max-w-56 truncate text-ink-2`}>{c.account?.label ?? ''}</td>
      <td className={`${cellClass} whitespace-nowrap text-ink-2`}>
        {c.last_used_at ? <Time at={c.last_used_at} /> : t('connections.never')}
      </td>
    </tr>
  )
}
