import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { type Answer, call, Refusal } from '../../api.ts'
import { oauthAppsQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input, SecretInput, Select } from '../../ui/field.tsx'
import { Problem, Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { SignIn } from './sign-in.tsx'

export type Template = Answer<'connections.templates'>['items'][number]
interface Props {
  template: Template
  onMade: (id: string) => void
  onBack: () => void
}

export function ByHand({ template, onMade, onBack }: Props) {
  const queries = useQueryClient()
  const [service, setService] = useState(template.services[0]?.slug ?? '')
  const fields = template.services.find((s) => s.slug === service)?.fields ?? []
  const save = useMutation({
    mutationFn: async (form: Record<string, string>) => {
      const { display_name = '', environment = '', ...credentials } = form
      const given = Object.fromEntries(Object.entries(credentials).filter(([, value]) => value !== ''))
      const made = await call('connections.create', {
        display_name,
        environment,
        provider: template.provider,
        ...(service ? { service } : {}),
        credentials: given,
      })
      return { made, tested: await call('connections.validate', { id: made.id }) }
    },
    // What was typed lies nowhere any more once the dialog is gone.
    gcTime: 0,
    onSuccess: async ({ made, tested }) => {
      await queries.invalidateQueries({ queryKey: ['connections'] })
      toast(
        tested.ok
          ? t('connect.saved', { name: made.name })
          : t('connect.savedUntested', { name: made.name, problem: tested.problem?.message ?? '' }),
      )
      onMade(made.id)
    },
  })
  const said = save.error instanceof Refusal ? save.error.fields : new Map<string, string>()
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    save.mutate(Object.fromEntries(new FormData(event.currentTarget)) as Record<string, string>)
  }
  return (
    <form noValidate onSubmit={submit} className="flex flex-col gap-4">
      {save.error ? <Problem error={save.error} /> : null}
      <Field label={t('connect.name')} required problem={said.get('display_name')}>
        {(ids) => <Input {...ids} name="display_name" defaultValue={template.display_name} autoComplete="off" />}
      </Field>
      {template.services.length > 1 ? (
        <Field label={t('connect.service')}>
          {(ids) => (
            <Select {...ids} value={service} onChange={(e) => setService(e.target.value)}>
              {template.services.map((s) => (
                <option key={s.slug} value={s.slug}>
                  {s.title}
                </option>
              ))}
            </Select>
          )}
        </Field>
      ) : null}
      {fields.map((f) => (
        <Field
          key={`${service} ${f.name}`}
          label={f.label}
          required={f.required}
          hint={f.hint}
          problem={said.get(f.name) ?? said.get(`credentials.${f.name}`)}
        >
          {(ids) => (f.secret ? <SecretInput {...ids} name={f.name} /> : <Input {...ids} name={f.name} autoComplete="off" />)}
        </Field>
      ))}
      <Field label={t('connect.environment')} required problem={said.get('environment')}>
        {(ids) => <Input {...ids} name="environment" defaultValue="production" autoComplete="off" />}
      </Field>
      <div className="flex justify-between gap-2">
        <Button look="quiet" onClick={onBack}>
          {t('connect.back')}
        </Button>
        <Button type="submit" look="primary" busy={save.isPending}>
          {t('connect.submit')}
        </Button>
      </div>
    </form>
  )
}

export function BySignIn({ template, onMade, onBack }: Props) {
  const apps = useQuery(oauthAppsQuery)
  const services = template.sign_in?.services ?? []
  const [picked, setPicked] = useState<string[]>(() => services.slice(0, 1).map((s) => s.slug))
  const [name, setName] = useState(template.display_name)
  return (
    <Region query={apps} rows={2}>
      {({ items }) => {
        const app = items.find((a) => a.provider === template.provider)
        if (!app)
          return (
            <div className="flex flex-col items-start gap-3">
              <p className="font-medium">{t('connect.oauth.noApp', { provider: template.display_name })}</p>
              <p className="text-ink-2">{t('connect.oauth.noApp.hint', { slug: template.provider })}</p>
              <Button look="quiet" onClick={onBack}>
                {t('connect.back')}
              </Button>
            </div>
          )
        return (
          <div className="flex flex-col gap-4">
            <p className="text-ink-2">{t('connect.oauth.about', { provider: template.display_name })}</p>
            <Field label={t('connect.name')} required>
              {(ids) => <Input {...ids} value={name} onChange={(e) => setName(e.target.value)} autoComplete="off" />}
            </Field>
            {services.length > 0 ? (
              <fieldset className="flex flex-col gap-2">
                <legend className="mb-1 text-sm font-medium">{t('connect.oauth.services')}</legend>
                {services.map((s) => (
                  <label key={s.slug} className="flex items-start gap-2">
                    <input
                      type="checkbox"
                      className="mt-0.5 size-4 accent-accent"
                      checked={picked.includes(s.slug)}
                      onChange={(e) => setPicked((now) => (e.target.checked ? [...now, s.slug] : now.filter((p) => p !== s.slug)))}
                    />
                    <span>
                      <span className="block font-medium">{s.title}</span>
                      <span className="block text-xs text-ink-2">{s.about}</span>
                    </span>
                  </label>
                ))}
              </fieldset>
            ) : null}
            <div className="flex items-start justify-between gap-2">
              <Button look="quiet" onClick={onBack}>
                {t('connect.back')}
              </Button>
              <SignIn
                label={t('connect.signIn', { provider: template.display_name })}
                ask={() => call('connections.authorize', { slug: app.slug, services: picked, display_name: name })}
                onDone={(at) => {
                  toast(t('connect.popup.done', { name }), at.notes.join(' '))
                  if (at.connection_id) onMade(at.connection_id)
                }}
              />
            </div>
          </div>
        )
      }}
    </Region>
  )
}
