import { Minus, Pencil, Plus } from 'lucide-react'
import { type Key, t } from '../../words/index.ts'
import { type Change, FIELDS } from './graph.ts'

const LOOKS = {
  added: { icon: Plus, tone: 'text-ok' },
  changed: { icon: Pencil, tone: 'text-accent' },
  removed: { icon: Minus, tone: 'text-danger' },
}

/** Step by step, what differs between two graphs. */
export function Changes({ list, none }: { list: readonly Change[]; none: string }) {
  if (list.length === 0) return <p className="text-ink-2">{none}</p>
  return (
    <ul aria-label={t('changes.label')} className="max-h-64 overflow-y-auto rounded-md border border-line">
      {list.map(({ id, name, how, fields }) => {
        const { icon: Icon, tone } = LOOKS[how]
        return (
          <li key={`${how} ${id}`} className="flex items-start gap-2 border-b border-line px-3 py-2 last:border-0">
            <Icon size={14} aria-hidden className={`mt-1 shrink-0 ${tone}`} />
            <span className="min-w-0">
              <span className="font-medium break-words">{name}</span>
              <span className="block text-xs text-ink-3">
                {how === 'changed'
                  ? t('changes.changed', { fields: fields.map((f) => (FIELDS.includes(f) ? t(`field.${f}` as Key) : f)).join(', ') })
                  : t(`changes.${how}`)}
              </span>
            </span>
          </li>
        )
      })}
    </ul>
  )
}
