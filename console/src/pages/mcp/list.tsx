import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Plus } from 'lucide-react'
import { lazy, Suspense, useMemo } from 'react'
import { type Answer, call } from '../../api.ts'
import { useDenied } from '../../may.ts'
import { catalogQuery, instancesQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Tabs, Tile } from '../../ui/parts.tsx'
import { ConnectionStatus } from '../../ui/pill.tsx'
import { Card, Empty, PageHeader, Region } from '../../ui/region.tsx'
import { type Column, Rows, type Stop } from '../../ui/rows.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { Catalog } from './catalog.tsx'
import type { Server } from './suits.ts'

/** Comes once somebody wants to add one. */
const AddInstance = lazy(async () => ({ default: (await import('./add.tsx')).AddInstance }))

type Instance = Answer<'instances.list'>['items'][number]

export function Mcp() {
  const search = useSearch({ from: '/shell/mcp' })
  const navigate = useNavigate({ from: '/mcp' })
  const denied = useDenied('project_contributor')
  const catalog = useQuery(catalogQuery)
  const instances = useQuery(instancesQuery)
  // Whoever has none yet begins with the catalogue.
  const tab =
    search.tab === 'catalog' || search.tab === 'instances' ? search.tab : instances.data?.items.length === 0 ? 'catalog' : 'instances'
  const adding = catalog.data?.items.find((s) => s.slug === search.add)
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }) })
  const browse = () => set({ tab: 'catalog' })
  return (
    <>
      <PageHeader
        title={t('mcp.title')}
        about={t('mcp.about')}
        action={
          tab === 'instances' ? (
            <Button look="primary" denied={denied} onClick={browse}>
              <Plus size={14} aria-hidden />
              {t('mcp.add')}
            </Button>
          ) : undefined
        }
      />
      <Card>
        <div className="px-4">
          <Tabs
            label={t('mcp.title')}
            active={tab}
            onPick={(picked) => set({ tab: picked, q: undefined })}
            tabs={[
              { id: 'instances', label: t('mcp.instances') },
              { id: 'catalog', label: t('mcp.catalog') },
            ]}
          />
        </div>
        {tab === 'instances' ? <Instances servers={catalog.data?.items ?? []} browse={browse} denied={denied} /> : null}
        {tab === 'catalog' ? (
          <Region query={catalog}>
            {({ items }) => (
              <Catalog
                items={items}
                q={search.q ?? ''}
                onSearch={(q) => void navigate({ search: (before) => ({ ...before, q: q || undefined }), replace: true })}
                denied={denied}
                onAdd={(slug) => set({ add: slug })}
              />
            )}
          </Region>
        ) : null}
      </Card>
      {adding ? (
        <Suspense fallback={null}>
          <AddInstance server={adding} connection={search.connection} onClose={() => set({ add: undefined, connection: undefined })} />
        </Suspense>
      ) : null}
    </>
  )
}

const active = (i: Instance) => i.profiles.filter((p) => p.active)

function Instances({ servers, browse, denied }: { servers: readonly Server[]; browse: () => void; denied: string | null }) {
  const navigate = useNavigate()
  const list = useQuery(instancesQuery)
  const columns = useMemo(() => columnsOf(new Map(servers.map((s) => [s.slug, s]))), [servers])
  const check = useMutation({
    mutationFn: (i: Instance) => call('instances.validate', { id: i.id, environment: active(i)[0]?.environment }),
    onSuccess: ({ ok, checks }, i) =>
      ok
        ? toast(t('mcp.checks.passed', { name: i.name }))
        : toast(
            t('mcp.checks.failed', { name: i.name }),
            checks
              .filter((c) => !c.ok)
              .map((c) => c.message)
              .join(' · '),
          ),
    onError: (error) => toast(error.message),
  })
  const open = (i: Instance) => void navigate({ to: '/mcp/instances/$id', params: { id: i.id }, search: {} })
  const keys: Readonly<Record<string, (i: Instance) => void>> = denied ? {} : { n: browse, v: (i) => check.mutate(i) }
  return (
    <Region query={list}>
      {({ items }) =>
        items.length === 0 ? (
          <Empty title={t('mcp.empty.title')} text={t('mcp.empty.text')}>
            <Button look="primary" onClick={browse}>
              {t('mcp.browse')}
            </Button>
          </Empty>
        ) : (
          <>
            <Rows label={t('mcp.instances')} name={NAME} columns={columns} items={items} idOf={(i) => i.id} onOpen={open} keys={keys} />
            {denied ? null : <p className="hidden border-t border-line px-4 py-2 text-xs text-ink-3 lg:block">{t('mcp.keys')}</p>}
          </>
        )
      }
    </Region>
  )
}

const columnsOf = (servers: ReadonlyMap<string, Server>): readonly Column<Instance>[] => [
  {
    id: 'connection',
    head: t('mcp.col.connection'),
    width: 'minmax(0, 1.3fr)',
    cell: (i) => <Bound instance={i} needs={servers.get(i.server)?.auth_kinds.includes('none') === false} />,
  },
  {
    id: 'profile',
    head: t('mcp.col.profile'),
    width: 'minmax(0, 1fr)',
    cell: (i) => (
      <span className="text-ink-2">
        {active(i)
          .map((p) => `${p.name} · ${p.environment}`)
          .join(', ') || t('mcp.noActive')}
      </span>
    ),
  },
  {
    id: 'tools',
    head: t('mcp.col.tools'),
    width: '100px',
    cell: (i) => <span className="text-ink-2">{t('mcp.tools', { n: servers.get(i.server)?.tools.length ?? 0 })}</span>,
  },
]

function Bound({ instance, needs }: { instance: Instance; needs: boolean }) {
  const bound = active(instance).map((p) => p.connection)
  const first = bound.find((c) => c !== null)
  if (first)
    return (
      <span className="flex min-w-0 items-center gap-2">
        <span className="truncate">{first.name}</span>
        {first.status === 'active' ? null : <ConnectionStatus status={first.status} />}
      </span>
    )
  return <span className={needs ? 'text-warn' : 'text-ink-3'}>{t(needs ? 'mcp.notBound' : 'mcp.noneNeeded')}</span>
}

const NAME = {
  head: t('mcp.col.name'),
  width: 'minmax(0, 1.4fr)',
  cell: (i: Instance, stop: Stop) => (
    <span className="flex items-center gap-2.5">
      <Tile name={i.server} />
      <span className="min-w-0">
        <Link {...stop} to="/mcp/instances/$id" params={{ id: i.id }} search={{}} className="block truncate font-medium hover:underline">
          {i.name}
        </Link>
        <span className="block truncate text-xs text-ink-3">{i.server}</span>
      </span>
    </span>
  ),
}
