import { useMutation } from '@tanstack/react-query'
import { type FormEvent, type RefObject, useState } from 'react'
import { call, Refusal } from '../../../api.ts'
import { Button } from '../../../ui/button.tsx'
import { Problem } from '../../../ui/region.tsx'
import { t } from '../../../words/index.ts'
import { CredentialFields, problemsOf, type Template, type Typed } from '../credential-fields.tsx'
import type { Connection, Rotation } from './wizard.tsx'

type Why = Rotation['reason']

/** What is typed here goes in once, and is forgotten with this step. */
export function SaveStep(props: {
  connection: Connection
  template: Template | undefined
  heading: RefObject<HTMLHeadingElement | null>
  onTyped: (typed: boolean) => void
  onSaved: (rotation: Rotation) => void
  onLater: () => void
}) {
  const { connection, template, onTyped } = props
  const services = template?.services ?? []
  const fields = (services.find((s) => s.slug === connection.service) ?? services[0])?.fields.filter((f) => f.secret) ?? []
  const [typed, setTyped] = useState<Typed>({})
  const [why, setWhy] = useState<Why>('scheduled')
  const nothing = fields.every((f) => (typed[f.name] ?? '') === '')
  const save = useMutation({
    mutationFn: async () => {
      const credentials = Object.fromEntries(Object.entries(typed).filter(([, value]) => value !== ''))
      await call('rotations.begin', { id: connection.id, credentials, reason: why })
      return call('rotations.validate', { id: connection.id })
    },
    gcTime: 0,
    onSuccess: (rotation) => {
      setTyped({})
      onTyped(false)
      props.onSaved(rotation)
    },
  })
  const { error } = save
  const same = error instanceof Refusal && error.code === 'CONFLICT' && error.message.includes('in use already')
  const said = error instanceof Refusal ? error.fields : new Map<string, string>()
  const field = error instanceof Refusal ? error.details.field : undefined
  const one = fields.length === 1
  const asked = fields.map((f) => ({ ...f, required: one }))
  const wrong = problemsOf(
    asked.filter((f) => (typed[f.name] ?? '') !== ''),
    typed,
  )
  for (const f of fields) {
    const problem =
      said.get(f.name) ??
      said.get(`credentials.${f.name}`) ??
      (field === f.name ? error?.message : undefined) ??
      (same && typed[f.name] ? t('rotate.save.same') : undefined)
    if (problem) wrong.set(f.name, problem)
  }
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (!nothing) save.mutate()
  }
  return (
    <form noValidate onSubmit={submit} className="flex flex-col gap-4">
      <h3 ref={props.heading} tabIndex={-1} className="text-base font-semibold outline-none">
        {t('rotate.save.title')}
      </h3>
      {error && !same ? <Problem error={error} /> : null}
      <CredentialFields
        fields={asked}
        typed={typed}
        problems={wrong}
        dsn={template?.auth_kind === 'dsn'}
        onType={(name, value) => {
          if (save.error) save.reset()
          const now = { ...typed, [name]: value }
          setTyped(now)
          onTyped(Object.values(now).some((it) => it !== ''))
        }}
      />
      {one ? null : <p className="-mt-2 text-xs text-ink-3">{t('rotate.save.empty')}</p>}
      {template ? (
        <p className="-mt-2 text-xs">
          <a href={template.docs} target="_blank" rel="noreferrer" className="text-accent underline hover:no-underline">
            {t('rotate.save.get', { title: template.display_name })}
          </a>
        </p>
      ) : null}
      <fieldset className="flex flex-col gap-1.5">
        <legend className="pb-1 text-sm font-medium">{t('rotate.save.why')}</legend>
        {(['scheduled', 'leaked'] as const).map((it) => (
          <label key={it} className="flex items-center gap-2">
            <input type="radio" name="why" value={it} checked={why === it} onChange={() => setWhy(it)} />
            {t(`rotate.save.${it}`)}
          </label>
        ))}
        {why === 'leaked' ? <p className="text-xs text-ink-2">{t('rotate.save.leakedAbout')}</p> : null}
      </fieldset>
      <div className="flex flex-wrap justify-end gap-2">
        <Button look="quiet" onClick={props.onLater}>
          {t('action.cancel')}
        </Button>
        <Button type="submit" look="primary" busy={save.isPending} disabled={nothing}>
          {t('rotate.save.do')}
        </Button>
      </div>
    </form>
  )
}
