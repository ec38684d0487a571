/** What every region of data can be: on its way, empty, failed, or there. */
import type { UseQueryResult } from '@tanstack/react-query'
import { CircleAlert } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { Refusal } from '../api.ts'
import { t, timeText } from '../words/index.ts'
import { Button, buttonClass } from './button.tsx'

export function Card({ children, className = '' }: { children: ReactNode; className?: string }) {
  return <section className={`rounded-[10px] border border-line bg-surface ${className}`}>{children}</section>
}

export function PageHeader({ title, about, action }: { title: string; about: string; action?: ReactNode }) {
  return (
    <header className="mb-4 flex flex-wrap items-start justify-between gap-3">
      <title>{`${title} · ${t('app.name')}`}</title>
      <div>
        <h1 tabIndex={-1} className="text-xl font-semibold tracking-[-0.01em] outline-none">
          {title}
        </h1>
        <p className="text-sm text-ink-2">{about}</p>
      </div>
      {action}
    </header>
  )
}

export function Empty({ title, text, children }: { title: string; text?: string; children?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-2 px-6 py-12 text-center">
      <h2 className="text-base font-semibold">{title}</h2>
      {text ? <p className="max-w-md text-sm text-ink-2">{text}</p> : null}
      {children ? <div className="mt-2 flex flex-wrap justify-center gap-2">{children}</div> : null}
    </div>
  )
}

/** What happened, why, and what can be done. */
export function Problem({ error, retry }: { error: unknown; retry?: (() => unknown) | undefined }) {
  const refusal = error instanceof Refusal ? error : null
  return (
    <div role="alert" className="flex gap-2 rounded-md bg-danger-soft p-3 text-sm">
      <CircleAlert size={16} className="mt-0.5 shrink-0 text-danger" aria-hidden />
      <div className="min-w-0">
        <p className="font-medium break-words text-danger">{refusal ? refusal.message : t('error.unreachable')}</p>
        <p className="break-words text-ink-2">{refusal ? refusal.hint : t('error.unreachable.hint')}</p>
        {refusal?.requestId ? (
          <p className="mt-1 font-mono text-xs break-all text-ink-2">
            {refusal.code} · {t('error.request', { id: refusal.requestId })}
          </p>
        ) : null}
        {refusal?.code === 'SECRET_IN_GRAPH' ? (
          // A page of its own, so that what is being written here stays as it is.
          <a href="/connections?new=pick" target="_blank" rel="noopener" className={`mt-2 ${buttonClass('plain', 'sm')}`}>
            {t('error.secret.connect')}
          </a>
        ) : null}
        {retry ? (
          <Button size="sm" className="mt-2" onClick={() => void retry()}>
            {t('action.retry')}
          </Button>
        ) : null}
      </div>
    </div>
  )
}

/** Nothing for a moment: most answers come before a skeleton would be read. */
const QUIET_MS = 150
export function Skeleton({ rows = 6 }: { rows?: number }) {
  const [shown, setShown] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), QUIET_MS)
    return () => clearTimeout(timer)
  }, [])
  return (
    <div role="status" data-loading className={shown ? '' : 'invisible'}>
      <span className="sr-only">{t('state.loading')}</span>
      {Array.from({ length: rows }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows of a skeleton are all alike
        <div key={i} className="flex h-12 items-center gap-4 border-b border-line px-4 last:border-0">
          <div className="h-3 w-1/3 rounded bg-surface-3" />
          <div className="h-3 w-16 rounded bg-surface-3" />
          <div className="h-3 w-1/5 rounded bg-surface-3" />
        </div>
      ))}
    </div>
  )
}

export function Region<T>({ query, rows, children }: { query: UseQueryResult<T>; rows?: number; children: (data: T) => ReactNode }) {
  if (query.data !== undefined)
    return (
      <div className="relative">
        {query.isFetching ? <div aria-hidden className="later absolute inset-x-0 top-0 z-10 h-0.5 bg-accent" /> : null}
        {query.isRefetchError ? (
          <p role="status" className="border-b border-line bg-warn-soft px-4 py-1.5 text-xs text-warn">
            {t('state.stale', { when: timeText(new Date(query.dataUpdatedAt).toISOString()) })}
          </p>
        ) : null}
        {children(query.data)}
      </div>
    )
  if (query.error) return <div className="p-4">{<Problem error={query.error} retry={query.refetch} />}</div>
  return <Skeleton rows={rows ?? 6} />
}
