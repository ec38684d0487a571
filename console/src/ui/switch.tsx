/** On or off, at once. The state is a word for those who hear it, a place and a colour for those who see it. */
export function Switch(props: { label: string; on: boolean; denied?: string | null; busy?: boolean; onChange: (on: boolean) => void }) {
  const { on, denied = null } = props
  return (
    <button
      type="button"
      role="switch"
      aria-checked={on}
      aria-label={props.label}
      aria-disabled={denied !== null || undefined}
      aria-busy={props.busy || undefined}
      title={denied ?? undefined}
      onClick={denied === null && !props.busy ? () => props.onChange(!on) : undefined}
      className="inline-flex h-6 w-10 shrink-0 items-center rounded-full border border-line-strong bg-surface-3 px-0.5 aria-checked:border-primary aria-checked:bg-primary aria-disabled:cursor-not-allowed aria-disabled:opacity-50"
    >
      <span
        aria-hidden
        className={`size-4 rounded-full transition-transform duration-100 ${on ? 'translate-x-4 bg-primary-ink rtl:-translate-x-4' : 'bg-ink-2'}`}
      />
    </button>
  )
}
