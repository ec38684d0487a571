// biome-ignore-all lint/a11y/useSemanticElements: a row of a real table cannot be placed by itself, and these roles say the same
// biome-ignore-all lint/a11y/useFocusableInteractive: what the keyboard stops at is the name in the row
/** A table of any length: only the rows in sight are there. The mouse opens a row anywhere, the keyboard by its name. */
import { defaultRangeExtractor, useWindowVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { useWide } from './wide.ts'

export interface Column<T> {
  id: string
  head: string
  /** A track of the grid. */
  width: string
  cell: (item: T) => ReactNode
  /** Left out where a row is a card. */
  wideOnly?: boolean
}
/** For the one thing in a row that the keyboard stops at. */
export interface Stop {
  tabIndex: 0 | -1
  'data-at': number
}

const WIDE_ROW = 48
const CARD_ROW = 76
/** Rows beyond the edge of the window, so that a quick turn of the wheel shows no gap. */
const BEYOND = 8
/** More is asked for when so few rows are left below. */
const NEAR_END = 20

export function Rows<T>(props: {
  label: string
  /** Stable: a new list of columns at each turn would rebuild every row. */
  columns: readonly Column<T>[]
  /** The first column: what the row is called. */
  name: { head: string; width: string; cell: (item: T, stop: Stop) => ReactNode }
  items: readonly T[]
  idOf: (item: T) => string
  onOpen: (item: T) => void
  /** Single letters, while a row has the focus. */
  keys?: Readonly<Record<string, (item: T) => void>>
  more?: { has: boolean; busy: boolean; load: () => unknown }
}) {
  const { items, columns, more } = props
  const wide = useWide()
  const height = wide ? WIDE_ROW : CARD_ROW
  const box = useRef<HTMLDivElement>(null)
  const [margin, setMargin] = useState(0)
  const [at, setAt] = useState(0)
  const [moved, setMoved] = useState(0)
  const here = Math.min(at, items.length - 1)
  const rows = useWindowVirtualizer({
    count: items.length,
    estimateSize: () => height,
    overscan: BEYOND,
    scrollMargin: margin,
    getItemKey: (i) => props.idOf(items[i] as T),
    // The row that has the focus stays, however far away it is: otherwise the focus would be lost.
    rangeExtractor: (range) => [...new Set([...defaultRangeExtractor(range), here])].filter((i) => i >= 0).sort((a, b) => a - b),
  })
  // What lies above may grow and shrink at any time.
  useLayoutEffect(() => {
    const top = box.current ? Math.round(box.current.getBoundingClientRect().top + scrollY) : 0
    if (top !== margin) setMargin(top)
  })
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows are measured anew when they become cards
  useEffect(() => rows.measure(), [height])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the focus follows a key, not a click
  useEffect(() => {
    if (moved > 0) box.current?.querySelector<HTMLElement>(`[data-at="${here}"]`)?.focus({ preventScroll: true })
  }, [moved])

  const shown = rows.getVirtualItems()
  const last = shown.at(-1)?.index ?? 0
  const wants = more?.has === true && !more.busy && last >= items.length - NEAR_END
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is asked for once for each end
  useEffect(() => {
    if (wants) void more?.load()
  }, [wants])

  const go = (to: number) => {
    const next = Math.max(0, Math.min(items.length - 1, to))
    setAt(next)
    setMoved((n) => n + 1)
    rows.scrollToIndex(next)
  }
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || items.length === 0) return
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key]
    const act = props.keys?.[event.key]
    if (step !== undefined) go(here + step)
    else if (event.key === 'Home') go(0)
    else if (event.key === 'End') go(items.length - 1)
    else if (act) act(items[here] as T)
    else return
    event.preventDefault()
  }
  const tracks = { gridTemplateColumns: [props.name.width, ...columns.map((c) => c.width)].join(' ') }
  return (
    <div role="table" aria-label={props.label} aria-rowcount={more?.has ? -1 : items.length + 1} onKeyDown={onKey}>
      <div role="rowgroup" className="max-lg:sr-only lg:sticky lg:top-0 lg:z-10">
        <div role="row" aria-rowindex={1} className="grid border-b border-line bg-surface text-xs text-ink-3" style={tracks}>
          {[props.name, ...columns].map(({ head }) => (
            <div key={head} role="columnheader" className="flex h-9 items-center px-4 font-medium whitespace-nowrap">
              {head}
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup" ref={box} className="relative" style={{ height: rows.getTotalSize() }}>
        {shown.map((row) => {
          const item = items[row.index] as T
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the name in it is what the keyboard uses
            <div
              key={row.key}
              role="row"
              aria-rowindex={row.index + 2}
              tabIndex={-1}
              onClick={(e) => {
                if ((e.target as HTMLElement).closest('a, button') === null) props.onOpen(item)
              }}
              onFocus={() => setAt(row.index)}
              className="absolute inset-x-0 top-0 cursor-pointer border-b border-line outline-none hover:bg-surface-2 max-lg:flex max-lg:flex-wrap max-lg:content-center max-lg:gap-y-1 max-lg:px-3 lg:grid lg:items-center"
              style={{ ...(wide ? tracks : {}), height, transform: `translateY(${row.start - margin}px)` }}
            >
              <div role="cell" className="min-w-0 max-lg:flex-[1_1_60%] lg:px-4">
                {props.name.cell(item, { tabIndex: row.index === here ? 0 : -1, 'data-at': row.index })}
              </div>
              {columns.map((c, i) => (
                <div
                  key={c.id}
                  role="cell"
                  className={`min-w-0 truncate lg:px-4 ${c.wideOnly ? 'max-lg:hidden' : ''} ${i === 0 ? '' : `max-lg:text-xs ${i === props.columns.findIndex((it, n) => n > 0 && !it.wideOnly) ? 'max-lg:ps-[38px]' : 'max-lg:ps-3'}`}`}
                >
                  {c.cell(item)}
                </div>
              ))}
            </div>
          )
        })}
      </div>
    </div>
  )
}
