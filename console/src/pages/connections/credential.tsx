import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { type Answer, call, Refusal } from '../../api.ts'
import { factsQuery, templatesQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input, SecretInput } from '../../ui/field.tsx'
import { Time } from '../../ui/parts.tsx'
import { Problem, Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'

/** Facts about what is stored. The value itself is never here: no route gives it. */
export function Credential({ connection }: { connection: Answer<'connections.get'> }) {
  const { id } = connection
  const facts = useQuery(factsQuery(id))
  const [replacing, setReplacing] = useState(false)
  return (
    <Region query={facts} rows={2}>
      {({ keys }) => (
        <div className="flex flex-col gap-4">
          <ul className="flex flex-col gap-3">
            {keys.map((k) => (
              <li key={k.name}>
                <span className="flex justify-between gap-4">
                  <span className="font-medium">{k.name}</span>
                  <span className="font-mono text-ink-2">{k.last_four ? `••••${k.last_four}` : k.fingerprint.slice(0, 6)}</span>
                </span>
                <span className="block text-xs text-ink-3">
                  {t('detail.version', { n: k.version, when: '' })}
                  <Time at={k.created_at} />
                </span>
              </li>
            ))}
          </ul>
          {connection.granted_scopes ? (
            <div>
              <p className="text-xs text-ink-3">{t('detail.scopes')}</p>
              <ul className="font-mono text-xs break-all">
                {connection.granted_scopes.map((s) => (
                  <li key={s}>{s}</li>
                ))}
              </ul>
            </div>
          ) : null}
          {connection.oauth?.kind === 'authorization_code' ? null : replacing ? (
            <Replace connection={connection} onDone={() => setReplacing(false)} />
          ) : (
            <div>
              <Button onClick={() => setReplacing(true)}>{t('detail.replace')}</Button>
            </div>
          )}
        </div>
      )}
    </Region>
  )
}

function Replace({ connection, onDone }: { connection: Answer<'connections.get'>; onDone: () => void }) {
  const queries = useQueryClient()
  const templates = useQuery(templatesQuery)
  const services = templates.data?.items.find((it) => it.provider === connection.provider)?.services ?? []
  const fields = (services.find((s) => s.slug === connection.service) ?? services[0])?.fields ?? []
  const replace = useMutation({
    mutationFn: (form: Record<string, string>) =>
      call('connections.update', {
        id: connection.id,
        credentials: Object.fromEntries(Object.entries(form).filter(([, value]) => value !== '')),
      }),
    gcTime: 0,
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['connections'] })
      toast(t('detail.replaced'))
      onDone()
    },
  })
  const said = replace.error instanceof Refusal ? replace.error.fields : new Map<string, string>()
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    replace.mutate(Object.fromEntries(new FormData(event.currentTarget)) as Record<string, string>)
  }
  return (
    <form noValidate onSubmit={submit} className="flex flex-col gap-3">
      {replace.error ? <Problem error={replace.error} /> : null}
      {fields.map((f) => (
        <Field
          key={f.name}
          label={f.label}
          required={f.required}
          hint={f.hint}
          problem={said.get(f.name) ?? said.get(`credentials.${f.name}`)}
        >
          {(ids) => (f.secret ? <SecretInput {...ids} name={f.name} /> : <Input {...ids} name={f.name} autoComplete="off" />)}
        </Field>
      ))}
      <div className="flex gap-2">
        <Button type="submit" look="primary" busy={replace.isPending}>
          {t('detail.replace')}
        </Button>
        <Button look="quiet" onClick={onDone}>
          {t('action.cancel')}
        </Button>
      </div>
    </form>
  )
}
