import { CircleCheck } from 'lucide-react'
import type { ReactNode } from 'react'
import { t } from '../../words/index.ts'

export function Step(props: { number: number; title: string; about: string; done?: boolean | undefined; children: ReactNode }) {
  return (
    <li className="flex gap-3 border-b border-line p-4 last:border-0">
      {props.done ? (
        <span className="mt-0.5 shrink-0 text-ok">
          <CircleCheck size={16} aria-hidden />
          <span className="sr-only">{t('home.done')}</span>
        </span>
      ) : (
        <span
          aria-hidden
          className="mt-0.5 inline-flex size-5 shrink-0 items-center justify-center rounded-full bg-surface-3 text-xs font-medium text-ink-2"
        >
          {props.number}
        </span>
      )}
      <div className="min-w-0 flex-1">
        <h3 className="text-sm font-semibold">{props.title}</h3>
        <p className="mb-3 text-sm text-ink-2">{props.about}</p>
        {props.children}
      </div>
    </li>
  )
}
