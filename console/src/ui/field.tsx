import { Eye, EyeOff } from 'lucide-react'
import { type ComponentProps, type ReactNode, useId, useState } from 'react'
import { t } from '../words/index.ts'

const BOX =
  'w-full rounded-md border bg-surface px-2.5 text-sm text-ink disabled:bg-surface-2 disabled:text-ink-3 aria-invalid:border-danger'

/** Label above, help below, what is wrong in its place. The control gets its ids. */
export function Field(props: {
  label: string
  required?: boolean
  hint?: ReactNode
  problem?: string | undefined
  children: (ids: { id: string; 'aria-describedby'?: string; 'aria-invalid'?: true; 'aria-required'?: true }) => ReactNode
}) {
  const id = useId()
  const told = props.problem || props.hint
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="text-sm font-medium">
        {props.label}
        {props.required ? (
          <span className="text-ink-3" title={t('field.required')}>
            {' *'}
          </span>
        ) : null}
      </label>
      {props.children({
        id,
        ...(told ? { 'aria-describedby': `${id}-told` } : {}),
        ...(props.problem ? { 'aria-invalid': true as const } : {}),
        ...(props.required ? { 'aria-required': true as const } : {}),
      })}
      {told ? (
        <p id={`${id}-told`} className={`text-xs ${props.problem ? 'text-danger' : 'text-ink-3'}`}>
          {told}
        </p>
      ) : null}
    </div>
  )
}

export function Input({ className = '', ...rest }: ComponentProps<'input'>) {
  return <input {...rest} className={`h-8 border-line-strong ${BOX} ${className}`} />
}
export function TextArea({ className = '', ...rest }: ComponentProps<'textarea'>) {
  return <textarea spellCheck={false} {...rest} className={`border-line-strong py-1.5 font-mono ${BOX} ${className}`} />
}
export function Select({ className = '', ...rest }: ComponentProps<'select'>) {
  return <select {...rest} className={`h-8 border-line-strong pe-8 ${BOX} ${className}`} />
}

/** For what is being typed now, and nothing else: no value of the server ever lies in here. */
export function SecretInput({ autoComplete = 'off', ...rest }: ComponentProps<'input'>) {
  const [shown, setShown] = useState(false)
  const Icon = shown ? EyeOff : Eye
  return (
    <div className="relative">
      <input
        {...rest}
        type={shown ? 'text' : 'password'}
        autoComplete={autoComplete}
        autoCapitalize="off"
        spellCheck={false}
        data-1p-ignore={autoComplete === 'off' ? true : undefined}
        className={`h-8 border-line-strong pe-9 font-mono ${BOX}`}
      />
      <button
        type="button"
        aria-label={t(shown ? 'field.hide' : 'field.show')}
        aria-pressed={shown}
        onClick={() => setShown(!shown)}
        className="absolute inset-y-0 end-0 inline-flex w-8 items-center justify-center rounded-md text-ink-3 hover:text-ink"
      >
        <Icon size={14} aria-hidden />
      </button>
    </div>
  )
}
