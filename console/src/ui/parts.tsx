import { Check, Copy } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { t, timeText } from '../words/index.ts'

/** A monogram instead of a brand's mark: nothing is fetched for it. */
export function Tile({ name }: { name: string }) {
  return (
    <span
      aria-hidden
      className="inline-flex size-7 shrink-0 items-center justify-center rounded-md border border-line bg-surface-2 text-xs font-semibold text-ink-2"
    >
      {name.replaceAll(/[^\p{L}\p{N}]/gu, '').slice(0, 2)}
    </span>
  )
}

const MINUTE_MS = 60_000
export function Time({ at }: { at: string }) {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), MINUTE_MS)
    return () => clearInterval(timer)
  }, [])
  return (
    <time
      dateTime={at}
      // Said when asked for: a list has many of them, and each costs as much as its row.
      onPointerEnter={(e) => {
        e.currentTarget.title = `${new Date(at).toLocaleString()} · ${at}`
      }}
    >
      {timeText(at, now)}
    </time>
  )
}

const SHOWN_MS = 1_500
/** Shows the beginning, copies the whole. */
export function CopyChip({ text, shown = text.slice(-8) }: { text: string; shown?: string }) {
  const [done, setDone] = useState(false)
  useEffect(() => {
    if (!done) return
    const timer = setTimeout(() => setDone(false), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [done])
  const Icon = done ? Check : Copy
  return (
    <button
      type="button"
      title={text}
      onClick={() => void navigator.clipboard.writeText(text).then(() => setDone(true))}
      className="inline-flex min-h-6 max-w-full items-center gap-1 rounded bg-surface-2 px-1.5 font-mono text-xs text-ink-2 hover:bg-surface-3 hover:text-ink"
    >
      <span className="truncate">{shown}</span>
      <Icon size={12} aria-hidden className="shrink-0" />
      <span className="sr-only">{t(done ? 'action.copied' : 'action.copy')}</span>
    </button>
  )
}

/** Text as it is. It can be scrolled without a mouse. */
export const Code = ({ text, label }: { text: string; label: string }) => (
  <section
    aria-label={label}
    // biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no mouse must be able to scroll it
    tabIndex={0}
    className="max-h-96 max-w-full overflow-auto rounded-md bg-surface-2 p-3"
  >
    <pre className="font-mono text-xs">{text}</pre>
  </section>
)
export const Json = ({ value, label = 'JSON' }: { value: unknown; label?: string }) => (
  <Code text={JSON.stringify(value, null, 2)} label={label} />
)

export function Tabs<T extends string>(props: {
  tabs: readonly { id: T; label: string }[]
  active: T
  onPick: (id: T) => void
  label: string
}) {
  return (
    <div role="tablist" aria-label={props.label} className="flex gap-4 overflow-x-auto overflow-y-hidden border-b border-line">
      {props.tabs.map(({ id, label }) => (
        <button
          key={id}
          type="button"
          role="tab"
          aria-selected={id === props.active}
          tabIndex={id === props.active ? 0 : -1}
          onClick={() => props.onPick(id)}
          onKeyDown={(e) => {
            const step = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0
            if (step === 0) return
            const at = props.tabs.findIndex((tab) => tab.id === props.active)
            const next = props.tabs[(at + step + props.tabs.length) % props.tabs.length]
            if (!next) return
            props.onPick(next.id)
            const all = e.currentTarget.parentElement?.children
            ;(all?.[props.tabs.indexOf(next)] as HTMLElement | undefined)?.focus()
          }}
          className={`h-9 shrink-0 border-b-2 text-sm ${id === props.active ? 'border-accent font-medium text-ink' : 'border-transparent text-ink-2 hover:text-ink'}`}
        >
          {label}
        </button>
      ))}
    </div>
  )
}

/** A table whose rows open something: the name is the link for the keyboard, the whole row for the mouse. */
export function Table({ head, label, children }: { head: readonly string[]; label: string; children: ReactNode }) {
  return (
    <section
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has no mouse must be able to scroll it
      tabIndex={0}
      className="overflow-x-auto"
    >
      <table className="w-full text-start text-sm" aria-label={label}>
        <thead>
          <tr className="border-b border-line text-xs text-ink-3">
            {head.map((text) => (
              <th key={text} scope="col" className="h-9 px-4 text-start font-medium whitespace-nowrap">
                {text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  )
}
export const rowClass = 'h-12 border-b border-line last:border-0 hover:bg-surface-2 cursor-pointer'
export const cellClass = 'px-4 py-1.5 align-middle'
