import { Link } from '@tanstack/react-router'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { Button } from '../../ui/button.tsx'
import { Input } from '../../ui/field.tsx'
import { Tile } from '../../ui/parts.tsx'
import { Empty } from '../../ui/region.tsx'
import { isKey, type Key, t } from '../../words/index.ts'
import type { Server } from './suits.ts'

/** What one has to have before the server is of use. */
export const needsOf = (server: Server): string =>
  t('mcp.needs', {
    what: server.auth_kinds.map((kind) => (isKey(`mcp.auth.${kind}`) ? t(`mcp.auth.${kind}` as Key) : kind)).join(t('mcp.or')),
  })

const words = (s: Server): string => [s.title, s.slug, s.about, ...s.tools.map((tool) => tool.name)].join(' ').toLowerCase()

export function Catalog(props: {
  items: readonly Server[]
  q: string
  denied: string | null
  onSearch: (q: string) => void
  onAdd: (slug: string) => void
}) {
  const [text, setText] = useState(props.q)
  const wanted = text.trim().toLowerCase().split(/\s+/)
  const found = props.items.filter((s) => wanted.every((word) => words(s).includes(word)))
  return (
    <>
      <search className="flex items-center gap-3 border-b border-line p-3">
        <Input
          type="search"
          aria-label={t('mcp.search')}
          placeholder={t('mcp.search')}
          className="max-w-72"
          value={text}
          onChange={(e) => {
            setText(e.target.value)
            props.onSearch(e.target.value.trim())
          }}
        />
        <p role="status" className="ms-auto text-xs text-ink-3">
          {t('mcp.servers', { n: found.length })}
        </p>
      </search>
      {found.length === 0 ? (
        <Empty title={t('mcp.noServer', { q: text.trim() })}>
          <Button
            onClick={() => {
              setText('')
              props.onSearch('')
            }}
          >
            {t('action.clearFilters')}
          </Button>
        </Empty>
      ) : null}
      <ul className="grid gap-3 p-4 sm:grid-cols-2 lg:grid-cols-3">
        {found.map((s) => (
          <li key={s.slug} className="flex flex-col gap-2 rounded-md border border-line p-3">
            <div className="flex items-center gap-2.5">
              <Tile name={s.title} />
              <div className="min-w-0">
                <h2 className="font-semibold">
                  <Link to="/mcp/$server" params={{ server: s.slug }} className="hover:underline">
                    {s.title}
                  </Link>
                </h2>
                <p className="text-xs text-ink-3">{t('mcp.tools', { n: s.tools.length })}</p>
              </div>
            </div>
            <p className="flex-1 text-ink-2">{s.about}</p>
            <p className="text-xs text-ink-3">{needsOf(s)}</p>
            <div className="flex gap-2">
              <Button size="sm" denied={props.denied} onClick={() => props.onAdd(s.slug)}>
                <Plus size={14} aria-hidden />
                {t('mcp.add')}
                <span className="sr-only">{s.title}</span>
              </Button>
            </div>
          </li>
        ))}
      </ul>
    </>
  )
}
