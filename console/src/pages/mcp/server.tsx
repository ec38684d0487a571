/** One server of the catalogue: what an agent sees of it, before it is installed. */
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { useDenied } from '../../may.ts'
import { catalogQuery, instancesQuery } from '../../queries.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { CopyChip, Json } from '../../ui/parts.tsx'
import { Card, Empty, PageHeader, Region } from '../../ui/region.tsx'
import { Segments } from '../../ui/segments.tsx'
import { t } from '../../words/index.ts'
import { AddInstance } from './add.tsx'
import { needsOf } from './catalog.tsx'
import { EffectPill } from './effect.tsx'
import type { Server as ServerFacts } from './suits.ts'

type Tool = ServerFacts['tools'][number]

export function Server() {
  const { server: slug } = useParams({ from: '/shell/mcp/$server' })
  const catalog = useQuery(catalogQuery)
  const instances = useQuery(instancesQuery)
  const denied = useDenied('project_contributor')
  const [adding, setAdding] = useState(false)
  const found = catalog.data?.items.find((s) => s.slug === slug)
  const mine = instances.data?.items.filter((i) => i.server === slug) ?? []
  return (
    <>
      <PageHeader
        title={found?.title ?? t('mcp.title')}
        about={found?.about ?? ''}
        action={
          found ? (
            <Button look="primary" denied={denied} onClick={() => setAdding(true)}>
              {t('mcp.add')}
            </Button>
          ) : undefined
        }
      />
      <Region query={catalog}>
        {() =>
          found ? (
            <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 lg:grid-cols-[minmax(0,1fr)_300px]">
              <Card>
                <h2 className="border-b border-line px-4 py-3 text-base font-semibold">{t('mcp.tools', { n: found.tools.length })}</h2>
                <ul>
                  {found.tools.map((tool) => (
                    <ToolRow key={tool.name} tool={tool} />
                  ))}
                </ul>
              </Card>
              <div className="flex flex-col gap-4">
                <Card className="flex flex-col gap-2 p-4">
                  <p>{needsOf(found)}</p>
                  <p className="text-xs text-ink-3">{t('mcp.address')}</p>
                  <CopyChip text={found.canonical_url} shown={found.canonical_url} />
                  <a href={found.docs} target="_blank" rel="noreferrer" className="text-accent underline hover:no-underline">
                    {t('mcp.docs')}
                  </a>
                </Card>
                <Card className="p-4">
                  <h2 className="pb-2 text-base font-semibold">{t('mcp.installed')}</h2>
                  {mine.length === 0 ? <p className="text-ink-2">{t('mcp.installed.none')}</p> : null}
                  <ul className="flex flex-col gap-1.5">
                    {mine.map((i) => (
                      <li key={i.id}>
                        <Link to="/mcp/instances/$id" params={{ id: i.id }} search={{}} className="text-accent hover:underline">
                          {i.name}
                        </Link>
                      </li>
                    ))}
                  </ul>
                </Card>
                <Card className="p-4">
                  <h2 className="pb-2 text-base font-semibold">{t('mcp.settings')}</h2>
                  <Json value={found.config_schema} label={t('mcp.settings')} />
                </Card>
              </div>
            </div>
          ) : (
            <Empty title={t('mcp.noServer', { q: slug })}>
              <Link to="/mcp" search={{ tab: 'catalog' }} className={buttonClass('primary')}>
                {t('mcp.browse')}
              </Link>
            </Empty>
          )
        }
      </Region>
      {adding && found ? <AddInstance server={found} onClose={() => setAdding(false)} /> : null}
    </>
  )
}

function ToolRow({ tool }: { tool: Tool }) {
  const [open, setOpen] = useState(false)
  const [side, setSide] = useState<'input' | 'output' | 'all'>('input')
  const { input_schema, output_schema, name, about } = tool
  const shown = {
    input: input_schema,
    output: output_schema,
    all: { name, description: about, inputSchema: input_schema, outputSchema: output_schema },
  }
  return (
    <li className="border-b border-line px-4 py-3 last:border-0">
      <div className="flex flex-wrap items-center gap-2">
        <h3 className="font-mono text-sm font-medium break-all">{name}</h3>
        <EffectPill effect={tool.effect} />
        <Button size="sm" look="quiet" className="ms-auto" aria-expanded={open} onClick={() => setOpen(!open)}>
          {t('mcp.schemas')}
          <span className="sr-only">{name}</span>
        </Button>
      </div>
      <p className="text-ink-2">{about}</p>
      {tool.scopes.length > 0 ? (
        <p className="text-xs break-all text-ink-3">
          {t('mcp.scopes', { scopes: tool.scopes.map((s) => (typeof s === 'string' ? s : s.join(t('mcp.or')))).join(', ') })}
        </p>
      ) : null}
      {open ? (
        <div className="flex flex-col items-start gap-2 pt-2">
          <Segments
            label={t('mcp.schemas')}
            active={side}
            onPick={setSide}
            options={[
              { id: 'input', label: t('mcp.input') },
              { id: 'output', label: t('mcp.output') },
              { id: 'all', label: t('mcp.asSeen') },
            ]}
          />
          <div className="w-full min-w-0">
            <Json value={shown[side]} label={`${name}: ${t('mcp.schemas')}`} />
          </div>
        </div>
      ) : null}
    </li>
  )
}
