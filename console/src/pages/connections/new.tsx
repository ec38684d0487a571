import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { templatesQuery } from '../../queries.ts'
import { Input } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Tile } from '../../ui/parts.tsx'
import { Region } from '../../ui/region.tsx'
import { type Key, t } from '../../words/index.ts'
import { ByHand } from './by-hand.tsx'
import { BySignIn } from './by-sign-in.tsx'
import type { Template } from './credential-fields.tsx'

/** `step` is `pick`, or the provider that was picked; with `/hand` behind it what is entered instead of signed in to. */
export function NewConnection(props: { step: string; onStep: (step: string | undefined) => void; onMade: (id: string) => void }) {
  const templates = useQuery(templatesQuery)
  const [slug, way] = props.step.split('/')
  const picked = templates.data?.items.find((it) => it.provider === slug)
  const close = () => props.onStep(undefined)
  const back = () => props.onStep('pick')
  if (picked) {
    const byHand = picked.sign_in === null || way === 'hand'
    return (
      <Dialog open onClose={close} title={picked.display_name} about={picked.about}>
        {byHand ? (
          <ByHand template={picked} onMade={props.onMade} onBack={back} />
        ) : (
          <BySignIn template={picked} onMade={props.onMade} onBack={back} onHand={() => props.onStep(`${slug}/hand`)} />
        )}
      </Dialog>
    )
  }
  return (
    <Dialog open onClose={close} title={t('connect.title')} about={t('connect.pick')} wide>
      <Region query={templates}>{({ items }) => <Picker items={items} onPick={props.onStep} />}</Region>
    </Dialog>
  )
}

/** What one needs to have at hand, before a form asks for it. */
const needs = (it: Template): string =>
  it.sign_in
    ? t('connect.needs.account')
    : new Intl.ListFormat('en').format((it.services[0]?.fields ?? []).filter((f) => f.required).map((f) => f.label)) ||
      t('connect.needs.nothing')

function Picker({ items, onPick }: { items: readonly Template[]; onPick: (provider: string) => void }) {
  const [text, setText] = useState('')
  const wanted = text.trim().toLowerCase()
  const found = items
    .filter((it) => `${it.display_name} ${it.provider} ${it.about}`.toLowerCase().includes(wanted))
    .sort((a, b) => Number(a.provider === 'http') - Number(b.provider === 'http'))
  return (
    <div className="flex flex-col gap-3">
      <Input
        type="search"
        // The list comes later than the dialog, which then has its focus elsewhere.
        autoFocus
        aria-label={t('connect.search')}
        placeholder={t('connect.search')}
        value={text}
        onChange={(e) => setText(e.target.value)}
        onKeyDown={(e) => {
          if (e.key !== 'Enter' || !found[0]) return
          e.preventDefault() // the form that comes now must not take it for its own
          onPick(found[0].provider)
        }}
      />
      <p className="sr-only" role="status">
        {t('connect.found', { n: found.length })}
      </p>
      {found.length === 0 ? <p className="p-4 text-center text-ink-2">{t('connect.none')}</p> : null}
      <ul className="grid gap-2 sm:grid-cols-2">
        {found.map((it) => (
          <li key={it.provider}>
            <button
              type="button"
              onClick={() => onPick(it.provider)}
              className="flex h-full w-full items-start gap-3 rounded-md border border-line p-3 text-start hover:border-line-strong hover:bg-surface-2"
            >
              <Tile name={it.display_name} />
              <span className="min-w-0">
                <span className="block font-medium">{it.display_name}</span>
                <span className="block text-xs text-ink-2">{t(`connect.kind.${it.auth_kind}` as Key)}</span>
                <span className="block text-xs text-ink-3">{t('connect.needs', { what: needs(it) })}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
