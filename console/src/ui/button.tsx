import type { ComponentProps, ReactNode } from 'react'

const BASE =
  'inline-flex items-center justify-center gap-1.5 rounded-md font-medium whitespace-nowrap select-none disabled:opacity-50 disabled:cursor-not-allowed aria-disabled:opacity-50 aria-disabled:cursor-not-allowed transition-colors duration-100'
const LOOKS = {
  primary: 'bg-primary text-primary-ink hover:opacity-90',
  plain: 'border border-line-strong bg-surface text-ink hover:bg-surface-2',
  quiet: 'text-ink-2 hover:bg-surface-2 hover:text-ink',
  danger: 'border border-danger bg-surface text-danger hover:bg-danger-soft',
}
const SIZES = { md: 'h-8 px-3 text-sm', sm: 'h-7 px-2.5 text-sm' }

export type Look = keyof typeof LOOKS
export const buttonClass = (look: Look = 'plain', size: keyof typeof SIZES = 'md'): string => `${BASE} ${LOOKS[look]} ${SIZES[size]}`

export function Button({
  look = 'plain',
  size = 'md',
  busy = false,
  denied = null,
  className = '',
  children,
  ...rest
}: ComponentProps<'button'> & { look?: Look; size?: 'md' | 'sm'; busy?: boolean; denied?: string | null }) {
  // It can still be reached, so that whoever may not press it can hear why.
  const refused = denied === null ? {} : { type: 'button' as const, 'aria-disabled': true, title: denied, onClick: undefined }
  return (
    <button
      type="button"
      {...rest}
      aria-busy={busy || undefined}
      disabled={rest.disabled === true || busy}
      {...refused}
      className={`${buttonClass(look, size)} ${className}`}
    >
      {children}
    </button>
  )
}

export function IconButton({ label, children, ...rest }: ComponentProps<'button'> & { label: string; children: ReactNode }) {
  return (
    <button
      type="button"
      {...rest}
      aria-label={label}
      title={label}
      className="inline-flex size-8 shrink-0 items-center justify-center rounded-md text-ink-2 hover:bg-surface-2 hover:text-ink disabled:opacity-50"
    >
      {children}
    </button>
  )
}
