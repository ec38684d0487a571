import type { ReactNode } from 'react'
import { Card } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'

export function Frame({ title, about, children }: { title: string; about?: string; children: ReactNode }) {
  return (
    <main className="flex min-h-dvh items-start justify-center px-4 pt-[12vh] pb-8">
      <title>{`${title} · ${t('app.name')}`}</title>
      <div className="w-full max-w-[400px]">
        <p className="mb-4 text-center text-sm font-semibold text-ink-2">{t('app.name')}</p>
        <Card className="p-6">
          <h1 className="text-xl font-semibold tracking-[-0.01em]">{title}</h1>
          {about ? <p className="mt-1 text-sm text-ink-2">{about}</p> : null}
          <div className="mt-4">{children}</div>
        </Card>
      </div>
    </main>
  )
}
