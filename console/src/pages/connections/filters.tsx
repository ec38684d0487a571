import { useQuery } from '@tanstack/react-query'
import { type RefObject, useEffect, useState } from 'react'
import { templatesQuery } from '../../queries.ts'
import { Input, Select } from '../../ui/field.tsx'
import { type Key, t } from '../../words/index.ts'

export const STATUSES = ['reconnect', 'degraded', 'needs_scopes', 'misconfigured', 'unverified', 'active', 'disabled'] as const
export interface Filter {
  q: string | undefined
  status: string | undefined
  provider: string | undefined
}
/** The list follows what is typed, and not each letter of it. */
const TYPED_MS = 250

export function Filters(props: {
  filter: Filter
  count: string
  set: (change: Partial<Filter>) => void
  input: RefObject<HTMLInputElement | null>
}) {
  const { filter, set } = props
  const templates = useQuery(templatesQuery)
  const [text, setText] = useState(filter.q ?? '')
  useEffect(() => setText(filter.q ?? ''), [filter.q])
  // biome-ignore lint/correctness/useExhaustiveDependencies: only what is typed begins the wait
  useEffect(() => {
    const wanted = text.trim() || undefined
    if (wanted === filter.q) return
    const timer = setTimeout(() => set({ q: wanted }), TYPED_MS)
    return () => clearTimeout(timer)
  }, [text])
  return (
    <search className="flex flex-wrap items-center gap-2 border-b border-line p-3">
      <Input
        ref={props.input}
        type="search"
        aria-label={t('connections.search')}
        aria-keyshortcuts="/"
        placeholder={t('connections.search')}
        className="max-w-64"
        value={text}
        onChange={(e) => setText(e.target.value)}
      />
      <Select
        aria-label={t('connections.filter.status')}
        className="max-w-40"
        value={filter.status ?? ''}
        onChange={(e) => set({ status: e.target.value || undefined })}
      >
        <option value="">{t('connections.filter.anyStatus')}</option>
        {STATUSES.map((s) => (
          <option key={s} value={s}>
            {t(`status.${s}` as Key)}
          </option>
        ))}
      </Select>
      <Select
        aria-label={t('connections.filter.provider')}
        className="max-w-48"
        value={filter.provider ?? ''}
        onChange={(e) => set({ provider: e.target.value || undefined })}
      >
        <option value="">{t('connections.filter.anyProvider')}</option>
        {(templates.data?.items ?? []).map((it) => (
          <option key={it.provider} value={it.provider}>
            {it.display_name}
          </option>
        ))}
      </Select>
      <p className="ms-auto text-xs text-ink-3" role="status">
        {props.count}
      </p>
    </search>
  )
}
