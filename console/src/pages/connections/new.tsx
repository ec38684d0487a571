import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { templatesQuery } from '../../queries.ts'
import { Input } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Tile } from '../../ui/parts.tsx'
import { Region } from '../../ui/region.tsx'
import { type Key, t } from '../../words/index.ts'
import { ByHand, BySignIn } from './new-form.tsx'

/** `step` is `pick`, or the provider that was picked. */
export function NewConnection(props: { step: string; onStep: (step: string | undefined) => void; onMade: (id: string) => void }) {
  const templates = useQuery(templatesQuery)
  const [text, setText] = useState('')
  const picked = templates.data?.items.find((it) => it.provider === props.step)
  const close = () => props.onStep(undefined)
  if (picked)
    return (
      <Dialog open onClose={close} title={picked.display_name} about={picked.about}>
        {picked.sign_in ? (
          <BySignIn template={picked} onMade={props.onMade} onBack={() => props.onStep('pick')} />
        ) : (
          <ByHand template={picked} onMade={props.onMade} onBack={() => props.onStep('pick')} />
        )}
      </Dialog>
    )
  return (
    <Dialog open onClose={close} title={t('connect.title')} about={t('connect.pick')} wide>
      <Region query={templates}>
        {({ items }) => {
          const found = items.filter((it) =>
            `${it.display_name} ${it.provider} ${it.about}`.toLowerCase().includes(text.trim().toLowerCase()),
          )
          return (
            <div className="flex flex-col gap-3">
              <Input
                type="search"
                aria-label={t('connect.search')}
                placeholder={t('connect.search')}
                value={text}
                onChange={(e) => setText(e.target.value)}
              />
              {found.length === 0 ? <p className="p-4 text-center text-ink-2">{t('connect.none')}</p> : null}
              <ul className="grid gap-2 sm:grid-cols-2">
                {found.map((it) => (
                  <li key={it.provider}>
                    <button
                      type="button"
                      onClick={() => props.onStep(it.provider)}
                      className="flex h-full w-full items-start gap-3 rounded-md border border-line p-3 text-start hover:border-line-strong hover:bg-surface-2"
                    >
                      <Tile name={it.display_name} />
                      <span className="min-w-0">
                        <span className="block font-medium">{it.display_name}</span>
                        <span className="block text-xs text-ink-2">{t(`connect.kind.${it.auth_kind}` as Key)}</span>
                      </span>
                    </button>
                  </li>
                ))}
              </ul>
            </div>
          )
        }}
      </Region>
    </Dialog>
  )
}
