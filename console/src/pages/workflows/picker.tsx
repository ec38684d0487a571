import { useQueries, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useEffect, useId, useRef, useState } from 'react'
import { instancesQuery, toolsQuery } from '../../queries.ts'
import { Input } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Tile } from '../../ui/parts.tsx'
import { Empty, Problem, Skeleton } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import type { Tool } from './scope.ts'

export interface Picked {
  instance: { id: string; name: string; server: string }
  tool: Tool
}

/** Type, then instance, then tool, in one list that narrows as one types. */
export function Picker({ onPick, onClose }: { onPick: (picked: Picked) => void; onClose: () => void }) {
  const instances = useQuery(instancesQuery)
  const items = instances.data?.items ?? []
  const tools = useQueries({ queries: items.map((i) => toolsQuery(i.id)) })
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const [hasty, setHasty] = useState(false)
  const list = useRef<HTMLDivElement>(null)
  const id = useId()
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const groups = items.map((instance, i) => ({
    instance,
    tools: (tools[i]?.data?.items ?? []).filter((tool) => {
      const all = `${t('step.type.mcp_call')} ${instance.name} ${instance.server} ${tool.name} ${tool.about}`.toLowerCase()
      return words.every((word) => all.includes(word))
    }),
  }))
  const flat = groups.flatMap(({ instance, tools: own }) => own.map((tool) => ({ instance, tool })))
  const active = Math.min(at, Math.max(0, flat.length - 1))
  const coming = instances.isPending || tools.some((it) => it.isPending)
  const failed = tools.find((it) => it.error)?.error ?? instances.error
  const move = (to: number) => {
    if (flat.length === 0) return
    const next = (to + flat.length) % flat.length
    setAt(next)
    list.current?.querySelector(`#${CSS.escape(`${id}-${next}`)}`)?.scrollIntoView({ block: 'nearest' })
  }
  // Whoever types fast means what the words find once everything is here.
  const meant = hasty && !coming ? flat[active] : undefined
  useEffect(() => {
    if (!meant) return
    setHasty(false)
    onPick(meant)
  })
  let n = -1
  return (
    <Dialog open onClose={onClose} title={t('picker.title')} about={t('picker.about')} wide>
      <div className="flex flex-col gap-3">
        <Input
          type="search"
          role="combobox"
          aria-expanded
          aria-controls={`${id}-list`}
          aria-autocomplete="list"
          aria-activedescendant={flat.length > 0 ? `${id}-${active}` : undefined}
          aria-label={t('picker.search')}
          placeholder={t('picker.search')}
          autoFocus
          value={text}
          onChange={(e) => {
            setText(e.target.value)
            setAt(0)
            setHasty(false)
          }}
          onKeyDown={(e) => {
            const picked = flat[active]
            if (e.key === 'ArrowDown') move(active + 1)
            else if (e.key === 'ArrowUp') move(active - 1)
            else if (e.key === 'Enter' && coming) setHasty(true)
            else if (e.key === 'Enter' && picked) onPick(picked)
            else return
            e.preventDefault()
          }}
        />
        {failed ? <Problem error={failed} retry={() => Promise.all([instances.refetch(), ...tools.map((it) => it.refetch())])} /> : null}
        {coming ? (
          <Skeleton rows={4} />
        ) : items.length === 0 ? (
          <Empty title={t('mcp.empty.title')} text={t('mcp.empty.text')}>
            <Link to="/mcp" search={{ tab: 'catalog', add: undefined }} className="text-accent hover:underline">
              {t('home.noDemo.catalog')}
            </Link>
          </Empty>
        ) : flat.length === 0 ? (
          <p className="p-4 text-center text-ink-2">{t('picker.none', { q: text })}</p>
        ) : null}
        <div
          ref={list}
          id={`${id}-list`}
          role="listbox"
          aria-label={t('picker.title')}
          className="max-h-[46vh] overflow-y-auto"
          tabIndex={-1}
        >
          {groups
            .filter((group) => group.tools.length > 0)
            .map(({ instance, tools: own }) => (
              // biome-ignore lint/a11y/useSemanticElements: a group of options has no element of its own
              <div key={instance.id} role="group" aria-labelledby={`${id}-${instance.id}`}>
                <p id={`${id}-${instance.id}`} className="sticky top-0 flex items-center gap-2 bg-surface py-1.5 text-xs text-ink-3">
                  <Tile name={instance.server} />
                  {t('picker.group', { type: t('step.type.mcp_call'), instance: instance.name })}
                </p>
                {own.map((tool) => {
                  n += 1
                  const index = n
                  return (
                    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard is in the search field, which moves through the options
                    <div
                      key={tool.name}
                      id={`${id}-${index}`}
                      role="option"
                      tabIndex={-1}
                      aria-selected={index === active}
                      onClick={() => onPick({ instance, tool })}
                      onPointerMove={() => setAt(index)}
                      className="cursor-pointer rounded-md px-3 py-1.5 aria-selected:bg-surface-3"
                    >
                      <span className="block font-medium break-words">
                        {tool.name}
                        {tool.effect === 'read' ? null : (
                          <span className="ms-2 text-xs font-normal text-warn">{t(`picker.effect.${tool.effect}`)}</span>
                        )}
                        {tool.available ? null : <span className="ms-2 text-xs font-normal text-warn">{tool.reason}</span>}
                      </span>
                      <span className="line-clamp-2 text-xs text-ink-2">{tool.about}</span>
                    </div>
                  )
                })}
              </div>
            ))}
        </div>
      </div>
    </Dialog>
  )
}
