import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { oauthAppsQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input } from '../../ui/field.tsx'
import { CopyChip } from '../../ui/parts.tsx'
import { Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { askFirst } from './ask.ts'
import type { Template } from './credential-fields.tsx'
import { ServiceChoice } from './service-choice.tsx'
import { SetUpApp } from './set-up-app.tsx'
import { SignIn } from './sign-in.tsx'

export function BySignIn(props: {
  template: Template
  /** The service that it is wanted for. */
  only?: string | undefined
  onMade: (id: string) => void
  onBack: () => void
  onHand: () => void
}) {
  const { template } = props
  const apps = useQuery(oauthAppsQuery)
  const services = template.sign_in?.services ?? []
  const wanted = services.find((s) => s.slug === props.only) ?? services[0]
  const [picked, setPicked] = useState<string[]>(wanted ? [wanted.slug] : [])
  const [chosen, setChosen] = useState<string | null>(null)
  const [name, setName] = useState(template.display_name)
  const foot = (
    <div className="flex flex-wrap gap-2">
      <Button look="quiet" onClick={props.onBack}>
        {t('connect.back')}
      </Button>
      {template.services.length > 0 ? (
        <Button look="quiet" onClick={props.onHand}>
          {t('connect.byHand', { what: template.services.map((s) => s.title).join(', ') })}
        </Button>
      ) : null}
    </div>
  )
  return (
    <Region query={apps} rows={2}>
      {({ items }) => {
        const fitting = items.filter((a) => a.provider === template.provider)
        const app = fitting.find((a) => a.slug === chosen) ?? fitting[0]
        if (!app)
          return (
            <div className="flex flex-col items-start gap-3">
              <p className="font-medium">{t('connect.oauth.noApp', { provider: template.display_name })}</p>
              <SetUpApp provider={template.display_name} />
              {foot}
            </div>
          )
        return (
          <div className="flex flex-col gap-4">
            <p className="text-ink-2">{t('connect.oauth.about', { provider: template.display_name })}</p>
            <Field label={t('connect.name')} required>
              {(ids) => <Input {...ids} value={name} onChange={(e) => setName(e.target.value)} autoComplete="off" />}
            </Field>
            {fitting.length > 1 ? (
              <fieldset className="flex flex-col gap-1">
                <legend className="mb-1 text-sm font-medium">{t('connect.oauth.app')}</legend>
                {fitting.map((a) => (
                  <label key={a.slug} className="flex items-center gap-2">
                    <input
                      type="radio"
                      name="app"
                      className="size-4 accent-accent"
                      checked={a === app}
                      onChange={() => setChosen(a.slug)}
                    />
                    {a.slug}
                  </label>
                ))}
              </fieldset>
            ) : null}
            {services.length > 0 ? <ServiceChoice services={services} picked={picked} onPick={setPicked} /> : null}
            <details className="text-xs text-ink-2">
              <summary className="cursor-pointer">{t('connect.oauth.redirect')}</summary>
              <p className="py-1">{t('connect.oauth.redirect.text', { provider: template.display_name })}</p>
              <CopyChip text={app.redirect_uri} shown={app.redirect_uri} />
            </details>
            <SignIn
              label={t('connect.signIn', { provider: template.display_name })}
              provider={template.display_name}
              disabled={name.trim() === '' || (services.length > 0 && picked.length === 0)}
              ask={askFirst({ slug: app.slug, services: picked, display_name: name.trim() })}
              onDone={(at) => {
                toast(t('signin.done', { name }), at.notes.join(' '))
                if (at.connection_id) props.onMade(at.connection_id)
              }}
            />
            {foot}
          </div>
        )
      }}
    </Region>
  )
}
