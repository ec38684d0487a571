/** The fields of a credential: what is typed here goes in once and never comes back. */
import { type ChangeEvent, useRef } from 'react'
import type { Answer } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input, SecretInput } from '../../ui/field.tsx'
import { t } from '../../words/index.ts'

export type Template = Answer<'connections.templates'>['items'][number]
export type CredentialField = Template['services'][number]['fields'][number]
export type Typed = Readonly<Record<string, string>>

/** What comes along when a key is copied out of a page, a terminal or a file of settings. */
const WRAPPING = /^["'`]?\s*([\s\S]*?)\s*["'`]?$/
const bare = (text: string): string => WRAPPING.exec(text.trim())?.[1] ?? text

/** Field → what is wrong with it, as far as can be told here. */
export function problemsOf(fields: readonly CredentialField[], typed: Typed): Map<string, string> {
  const out = new Map<string, string>()
  for (const f of fields) {
    const value = typed[f.name] ?? ''
    if (value === '') {
      if (f.required) out.set(f.name, t('connect.missing', { field: f.label }))
    } else if (f.format !== null && !new RegExp(f.format).test(value))
      out.set(f.name, t('connect.format', { field: f.label, says: f.format_says ?? '' }))
  }
  return out
}

/** Where a connection string leads, without what is secret in it. */
function whereTo(text: string): string | null {
  const url = URL.parse(text)
  return url?.host
    ? t('connect.dsn.goes', { host: url.host, database: url.pathname.slice(1) || '—', user: decodeURIComponent(url.username) || '—' })
    : null
}

export function CredentialFields(props: {
  fields: readonly CredentialField[]
  typed: Typed
  problems: ReadonlyMap<string, string>
  dsn: boolean
  onType: (name: string, value: string) => void
  onLeave?: (name: string) => void
}) {
  const { typed, problems } = props
  return props.fields.map((f) => {
    const value = typed[f.name] ?? ''
    const input = {
      name: f.name,
      value,
      onChange: (e: ChangeEvent<HTMLInputElement>) => props.onType(f.name, e.target.value),
      onBlur: () => {
        if (bare(value) !== value) props.onType(f.name, bare(value))
        props.onLeave?.(f.name)
      },
    }
    return (
      <div key={f.name} className="flex flex-col gap-1">
        <Field label={f.label} required={f.required} hint={f.hint} problem={problems.get(f.name)}>
          {(ids) => (f.secret ? <SecretInput {...ids} {...input} /> : <Input {...ids} {...input} autoComplete="off" />)}
        </Field>
        {f.name.endsWith('_json') ? <FromFile label={f.label} onText={(text) => props.onType(f.name, text.trim())} /> : null}
        {props.dsn && f.name === 'dsn' && whereTo(value) ? <p className="text-xs text-ink-2">{whereTo(value)}</p> : null}
      </div>
    )
  })
}

function FromFile({ label, onText }: { label: string; onText: (text: string) => void }) {
  const input = useRef<HTMLInputElement>(null)
  return (
    <div>
      <input
        ref={input}
        type="file"
        accept=".json,application/json"
        className="sr-only"
        tabIndex={-1}
        aria-label={label}
        onChange={(e) => {
          const file = e.target.files?.[0]
          e.target.value = ''
          void file?.text().then(onText)
        }}
      />
      <Button size="sm" onClick={() => input.current?.click()}>
        {t('connect.file')}
      </Button>
    </div>
  )
}
