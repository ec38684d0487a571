import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useRef, useState } from 'react'
import { call, Refusal } from '../../api.ts'
import { catalogQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { ErrorSummary } from '../../ui/error-summary.tsx'
import { Field, Input, Select } from '../../ui/field.tsx'
import { Problem } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { CredentialFields, problemsOf, type Template, type Typed } from './credential-fields.tsx'

interface Props {
  template: Template
  onMade: (id: string) => void
  onBack: () => void
}

/** A key or a connection string: tried first, then saved. Nothing is kept of one that does not work, unless that is wanted. */
export function ByHand({ template, onMade, onBack }: Props) {
  const queries = useQueryClient()
  const catalog = useQuery(catalogQuery)
  const [service, setService] = useState(template.services[0]?.slug ?? '')
  const [name, setName] = useState(template.display_name)
  const [environment, setEnvironment] = useState('production')
  const [typed, setTyped] = useState<Typed>({})
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set())
  const [sent, setSent] = useState(false)
  const summary = useRef<HTMLDivElement>(null)
  const chosen = template.services.find((s) => s.slug === service)
  const fields = chosen?.fields ?? []
  const schema = catalog.data?.items.find((it) => it.slug === template.provider)?.config_schema
  // Where the address of the service is a setting of what uses the key, there is nowhere to try it yet.
  const testable = template.auth_kind !== 'oauth' && !(Array.isArray(schema?.required) && schema.required.length > 0)
  const credentials = () => Object.fromEntries(fields.map((f) => [f.name, typed[f.name] ?? '']).filter(([, value]) => value !== ''))
  const what = () => ({ provider: template.provider, ...(service ? { service } : {}), credentials: credentials() })

  const trial = useMutation({ mutationFn: () => call('connections.try', what()), gcTime: 0 })
  const save = useMutation({
    mutationFn: async (tried: boolean) => {
      const made = await call('connections.create', { display_name: name.trim(), environment, ...what() })
      return { made, tested: tried ? await call('connections.validate', { id: made.id }) : null }
    },
    // What was typed lies nowhere any more once the dialog is gone.
    gcTime: 0,
    onSuccess: async ({ made, tested }) => {
      setTyped({})
      await queries.invalidateQueries({ queryKey: ['connections'] })
      toast(t(tested?.ok ? 'connect.saved' : 'connect.savedUntested', { name: made.name }), made.warnings.join(' '))
      onMade(made.id)
    },
  })
  const error = save.error ?? trial.error
  const said = error instanceof Refusal ? error.fields : new Map<string, string>()
  const field = error instanceof Refusal ? error.details.field : undefined
  const own = problemsOf(fields, typed)
  const problems = new Map<string, string>()
  for (const f of fields) {
    const problem =
      (sent || left.has(f.name) ? own.get(f.name) : undefined) ??
      said.get(f.name) ??
      said.get(`credentials.${f.name}`) ??
      (field === f.name ? error?.message : undefined)
    if (problem) problems.set(f.name, problem)
  }
  const nameProblem = name.trim() === '' ? t('connect.missing', { field: t('connect.name') }) : said.get('display_name')
  const environmentProblem = /^[a-z][a-z0-9_-]{0,31}$/.test(environment) ? said.get('environment') : t('connect.environment.bad')

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    setSent(true)
    save.reset()
    trial.reset()
    if (own.size > 0 || nameProblem || environmentProblem) {
      // Whoever cannot see the red is taken to what is wrong.
      requestAnimationFrame(() => summary.current?.focus())
      return
    }
    if (testable && chosen?.can_try) {
      const tested = await trial.mutateAsync().catch(() => null)
      if (!tested?.ok) return
    }
    save.mutate(testable)
  }
  const refused = trial.data?.problem ?? null
  const wrong = [
    ...(sent && nameProblem ? [['display_name', nameProblem] as const] : []),
    ...(sent ? problems : []),
    ...(sent && environmentProblem ? [['environment', environmentProblem] as const] : []),
  ]
  return (
    <form noValidate onSubmit={(e) => void submit(e)} className="flex flex-col gap-4">
      {wrong.length > 0 ? <ErrorSummary ref={summary} problems={wrong} /> : null}
      {error ? <Problem error={error} /> : null}
      <Field label={t('connect.name')} required problem={sent ? nameProblem : undefined}>
        {(ids) => <Input {...ids} name="display_name" value={name} onChange={(e) => setName(e.target.value)} autoComplete="off" />}
      </Field>
      {template.services.length > 1 ? (
        <Field label={t('connect.service')}>
          {(ids) => (
            <Select
              {...ids}
              value={service}
              onChange={(e) => {
                setService(e.target.value)
                setLeft(new Set())
                setSent(false)
              }}
            >
              {template.services.map((s) => (
                <option key={s.slug} value={s.slug}>
                  {s.title}
                </option>
              ))}
            </Select>
          )}
        </Field>
      ) : null}
      <CredentialFields
        key={service}
        fields={fields}
        typed={typed}
        problems={problems}
        dsn={template.auth_kind === 'dsn'}
        onType={(n, value) => setTyped((before) => ({ ...before, [n]: value }))}
        onLeave={(n) => typed[n] && setLeft((before) => new Set([...before, n]))}
      />
      <p className="-mt-2 text-xs">
        <a href={template.docs} target="_blank" rel="noreferrer" className="text-accent underline hover:no-underline">
          {t('connect.docs')}
        </a>
      </p>
      <Field label={t('connect.environment')} required hint={t('connect.environment.hint')} problem={sent ? environmentProblem : undefined}>
        {(ids) => (
          <Input
            {...ids}
            name="environment"
            value={environment}
            onChange={(e) => setEnvironment(e.target.value.trim())}
            autoComplete="off"
          />
        )}
      </Field>
      <div aria-live="polite">
        {refused ? (
          <div className="rounded-md bg-danger-soft p-3">
            <p className="font-medium break-words text-danger">{refused.message}</p>
            {refused.hint ? <p className="break-words text-ink-2">{refused.hint}</p> : null}
            <p className="mt-1 text-ink-2">{t('connect.notSaved')}</p>
            <Button size="sm" className="mt-2" busy={save.isPending} onClick={() => save.mutate(false)}>
              {t('connect.saveAnyway')}
            </Button>
          </div>
        ) : null}
        {testable ? null : <p className="text-xs text-ink-3">{t('connect.testedLater')}</p>}
      </div>
      <div className="flex justify-between gap-2">
        <Button look="quiet" onClick={onBack}>
          {t('connect.back')}
        </Button>
        <Button type="submit" look="primary" busy={trial.isPending || save.isPending}>
          {t(testable ? 'connect.submit' : 'connect.save')}
        </Button>
      </div>
    </form>
  )
}
