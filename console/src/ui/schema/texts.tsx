/** Values that are typed as text and are none: what cannot be read stays as it was typed. */
import { useState } from 'react'
import { t } from '../../words/index.ts'
import { Input, TextArea } from '../field.tsx'

export function NumberText(props: {
  name: string
  value: unknown
  whole: boolean
  fallback: unknown
  disabled: boolean
  onChange: (value: unknown) => void
}) {
  const { name, value, whole, fallback, disabled, onChange, ...ids } = props
  const [text, setText] = useState(value === undefined || value === null ? '' : String(value))
  const shown = text !== '' && Number(text) === value ? text : value === undefined || value === null ? text : String(value)
  return (
    <Input
      {...ids}
      name={name}
      inputMode={whole ? 'numeric' : 'decimal'}
      autoComplete="off"
      disabled={disabled}
      placeholder={typeof fallback === 'number' ? String(fallback) : undefined}
      value={shown}
      onChange={(e) => {
        const typed = e.target.value.trim()
        setText(typed)
        // What is no number stays as it was typed, so that it can be said to be none.
        onChange(typed === '' ? undefined : Number.isNaN(Number(typed)) ? typed : Number(typed))
      }}
    />
  )
}

export function JsonPlace({
  name,
  value,
  disabled,
  onChange,
  ...ids
}: {
  name: string
  value: unknown
  disabled: boolean
  onChange: (value: unknown) => void
}) {
  const [text, setText] = useState(() => (value === undefined ? '' : JSON.stringify(value, null, 2)))
  const [bad, setBad] = useState(false)
  return (
    <>
      <TextArea
        {...ids}
        name={name}
        rows={3}
        disabled={disabled}
        value={text}
        aria-invalid={bad || undefined}
        placeholder={t('schema.json')}
        onChange={(e) => {
          setText(e.target.value)
          try {
            onChange(e.target.value.trim() === '' ? undefined : JSON.parse(e.target.value))
            setBad(false)
          } catch {
            setBad(true)
          }
        }}
      />
      {bad ? <span className="text-xs text-danger">{t('schema.badJson')}</span> : null}
    </>
  )
}
