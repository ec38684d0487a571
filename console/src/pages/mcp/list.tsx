import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Plus } from 'lucide-react'
import { catalogQuery, instancesQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { cellClass, rowClass, Table, Tabs, Tile } from '../../ui/parts.tsx'
import { Card, Empty, PageHeader, Region } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { AddInstance } from './add.tsx'

export function Mcp() {
  const search = useSearch({ from: '/shell/mcp' })
  const navigate = useNavigate({ from: '/mcp' })
  const catalog = useQuery(catalogQuery)
  const tab = search.tab === 'catalog' ? 'catalog' : 'instances'
  const adding = catalog.data?.items.find((s) => s.slug === search.add)
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }) })
  return (
    <>
      <PageHeader title={t('mcp.title')} about={t('mcp.about')} />
      <Card>
        <div className="px-4">
          <Tabs
            label={t('mcp.title')}
            active={tab}
            onPick={(picked) => set({ tab: picked === 'catalog' ? 'catalog' : undefined })}
            tabs={[
              { id: 'instances', label: t('mcp.instances') },
              { id: 'catalog', label: t('mcp.catalog') },
            ]}
          />
        </div>
        {tab === 'instances' ? <Instances browse={() => set({ tab: 'catalog' })} /> : null}
        {tab === 'catalog' ? (
          <Region query={catalog}>
            {({ items }) => (
              <ul className="grid gap-3 p-4 sm:grid-cols-2 lg:grid-cols-3">
                {items.map((s) => (
                  <li key={s.slug} className="flex flex-col gap-2 rounded-md border border-line p-3">
                    <div className="flex items-center gap-2.5">
                      <Tile name={s.title} />
                      <div>
                        <h2 className="font-semibold">{s.title}</h2>
                        <p className="text-xs text-ink-3">{t('mcp.tools', { n: s.tools.length })}</p>
                      </div>
                    </div>
                    <p className="flex-1 text-ink-2">{s.about}</p>
                    <div>
                      <Button size="sm" onClick={() => set({ add: s.slug })}>
                        <Plus size={14} aria-hidden />
                        {t('mcp.add')}
                        <span className="sr-only">{s.title}</span>
                      </Button>
                    </div>
                  </li>
                ))}
              </ul>
            )}
          </Region>
        ) : null}
      </Card>
      {adding ? <AddInstance server={adding} onClose={() => set({ add: undefined })} /> : null}
    </>
  )
}

function Instances({ browse }: { browse: () => void }) {
  const navigate = useNavigate()
  return (
    <Region query={useQuery(instancesQuery)}>
      {({ items }) =>
        items.length === 0 ? (
          <Empty title={t('mcp.empty.title')} text={t('mcp.empty.text')}>
            <Button look="primary" onClick={browse}>
              {t('mcp.catalog')}
            </Button>
          </Empty>
        ) : (
          <Table label={t('mcp.instances')} head={[t('mcp.col.name'), t('mcp.col.server'), t('mcp.col.profile')]}>
            {items.map((i) => (
              <tr
                key={i.id}
                className={rowClass}
                onClick={() => void navigate({ to: '/mcp/instances/$id', params: { id: i.id }, search: { tool: undefined } })}
              >
                <td className={cellClass}>
                  <span className="flex items-center gap-2.5">
                    <Tile name={i.server} />
                    <Link
                      to="/mcp/instances/$id"
                      params={{ id: i.id }}
                      search={{ tool: undefined }}
                      className="font-medium hover:underline"
                      onClick={(e) => e.stopPropagation()}
                    >
                      {i.name}
                    </Link>
                  </span>
                </td>
                <td className={`${cellClass} text-ink-2`}>{i.server}</td>
                <td className={`${cellClass} text-ink-2`}>
                  {i.profiles
                    .filter((p) => p.active)
                    .map((p) => `${p.name} · ${p.environment}`)
                    .join(', ')}
                </td>
              </tr>
            ))}
          </Table>
        )
      }
    </Region>
  )
}
