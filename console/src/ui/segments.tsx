/** One of a few, all in sight: a set of radio buttons that looks like one control. */
import { useId } from 'react'

export function Segments<T extends string>(props: {
  label: string
  options: readonly { id: T; label: string }[]
  active: T
  disabled?: boolean
  onPick: (id: T) => void
}) {
  const name = useId()
  return (
    <div
      role="radiogroup"
      aria-label={props.label}
      className="inline-flex h-7 overflow-hidden rounded-md border border-line-strong bg-surface"
    >
      {props.options.map(({ id, label }) => (
        <label
          key={id}
          className="inline-flex cursor-pointer items-center border-e border-line px-2.5 text-xs text-ink-2 last:border-e-0 hover:bg-surface-2 has-checked:bg-surface-3 has-checked:font-medium has-checked:text-ink has-disabled:cursor-not-allowed has-disabled:opacity-60 has-focus-visible:outline-2 has-focus-visible:-outline-offset-2 has-focus-visible:outline-accent"
        >
          <input
            type="radio"
            name={name}
            value={id}
            checked={id === props.active}
            disabled={props.disabled === true && id !== props.active}
            onChange={() => props.onPick(id)}
            className="sr-only"
          />
          {label}
        </label>
      ))}
    </div>
  )
}
