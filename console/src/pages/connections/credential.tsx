import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { type Answer, call, Refusal } from '../../api.ts'
import { useDenied } from '../../may.ts'
import { factsQuery, templatesQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Time } from '../../ui/parts.tsx'
import { Problem, Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { durationText, t } from '../../words/index.ts'
import { bySignIn } from './ask.ts'
import { CredentialFields, problemsOf, type Typed } from './credential-fields.tsx'
import { Scopes } from './scopes.tsx'

type Connection = Answer<'connections.get'>

/** Facts about what is stored. The value itself is never here: no route gives it. */
export function Credential({ connection }: { connection: Connection }) {
  const facts = useQuery(factsQuery(connection.id))
  const denied = useDenied('project_contributor')
  const [replacing, setReplacing] = useState(false)
  const { oauth, settings } = connection
  return (
    <div className="flex flex-col gap-5">
      <Region query={facts} rows={2}>
        {({ keys }) => (
          <ul className="flex flex-col gap-3">
            {keys.map((k) => (
              <li key={k.name}>
                <span className="flex justify-between gap-4">
                  <span className="font-medium">{k.name.replaceAll('_', ' ')}</span>
                  <span className="font-mono text-ink-2">{k.last_four ? `••••${k.last_four}` : k.fingerprint.slice(0, 13)}</span>
                </span>
                <span className="block text-xs text-ink-3">
                  {k.state === 'undecryptable' ? <span className="text-danger">{t('detail.unreadable')} · </span> : null}
                  {t('detail.version', { n: k.version })} <Time at={k.created_at} />
                </span>
              </li>
            ))}
          </ul>
        )}
      </Region>
      {Object.keys(settings).length > 0 ? (
        <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
          {Object.entries(settings).map(([name, value]) => (
            <div key={name} className="contents">
              <dt className="text-ink-3">{name.replaceAll('_', ' ')}</dt>
              <dd className="break-all">{typeof value === 'string' || typeof value === 'number' ? value : JSON.stringify(value)}</dd>
            </div>
          ))}
        </dl>
      ) : null}
      {oauth ? <Grant oauth={oauth} /> : null}
      {connection.granted_scopes ? <Scopes connection={connection} denied={denied} /> : null}
      {bySignIn(connection) ? null : replacing ? (
        <Replace connection={connection} onDone={() => setReplacing(false)} />
      ) : (
        <div>
          <Button denied={denied} onClick={() => setReplacing(true)}>
            {t('detail.replace')}
          </Button>
        </div>
      )}
    </div>
  )
}

function Grant({ oauth }: { oauth: NonNullable<Connection['oauth']> }) {
  const dates = [
    ['detail.grant.consented', oauth.consented_at],
    ['detail.grant.access', oauth.access_expires_at],
    ['detail.grant.renews', oauth.renewable ? oauth.renews_at : null],
    ['detail.grant.ends', oauth.ends_at],
    ['detail.grant.nextTry', oauth.failures > 0 ? oauth.next_try_at : null],
  ] as const
  return (
    <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
      {dates.map(([key, at]) =>
        at === null ? null : (
          <div key={key} className="contents">
            <dt className="text-ink-3">{t(key)}</dt>
            <dd>
              <Time at={at} />
            </dd>
          </div>
        ),
      )}
      {oauth.renewable ? null : (
        <div className="contents">
          <dt className="text-ink-3">{t('detail.grant.renews')}</dt>
          <dd className="text-warn">{t('detail.grant.never')}</dd>
        </div>
      )}
      {oauth.last_problem ? (
        <div className="contents">
          <dt className="text-ink-3">{t('detail.grant.problem')}</dt>
          <dd className="font-mono text-xs break-all">{oauth.last_problem}</dd>
        </div>
      ) : null}
    </dl>
  )
}

function Replace({ connection, onDone }: { connection: Connection; onDone: () => void }) {
  const queries = useQueryClient()
  const templates = useQuery(templatesQuery)
  const template = templates.data?.items.find((it) => it.provider === connection.provider)
  const services = template?.services ?? []
  const fields = (services.find((s) => s.slug === connection.service) ?? services[0])?.fields ?? []
  const [typed, setTyped] = useState<Typed>({})
  const replace = useMutation({
    mutationFn: async () => {
      const given = Object.fromEntries(Object.entries(typed).filter(([, value]) => value !== ''))
      await call('connections.update', { id: connection.id, credentials: given })
      return call('connections.validate', { id: connection.id })
    },
    gcTime: 0,
    onSuccess: async (tested) => {
      setTyped({})
      await queries.invalidateQueries({ queryKey: ['connections'] })
      if (tested.ok)
        toast(
          t('detail.replaced'),
          t('detail.test.ok', { account: tested.account?.label ?? connection.name, ms: durationText(tested.latency_ms) }),
        )
      else toast(t('detail.replaced'), t('detail.test.bad', { problem: tested.problem?.message ?? '' }))
      onDone()
    },
  })
  const said = replace.error instanceof Refusal ? replace.error.fields : new Map<string, string>()
  // What is left empty stays as it is.
  const wrong = problemsOf(
    fields.map((f) => ({ ...f, required: false })),
    typed,
  )
  for (const f of fields) {
    const problem = said.get(f.name) ?? said.get(`credentials.${f.name}`)
    if (problem) wrong.set(f.name, problem)
  }
  const nothing = Object.values(typed).every((value) => value === '')
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (wrong.size === 0 || said.size > 0) replace.mutate()
  }
  return (
    <form noValidate onSubmit={submit} className="flex flex-col gap-3 rounded-md border border-line p-3">
      <p className="text-xs text-ink-3">{t('detail.replace.about')}</p>
      {replace.error ? <Problem error={replace.error} /> : null}
      <CredentialFields
        fields={fields.map((f) => ({ ...f, required: false }))}
        typed={typed}
        problems={wrong}
        dsn={template?.auth_kind === 'dsn'}
        onType={(name, value) => setTyped((before) => ({ ...before, [name]: value }))}
      />
      <div className="flex gap-2">
        <Button type="submit" look="primary" busy={replace.isPending} disabled={nothing}>
          {t('detail.replace.do')}
        </Button>
        <Button look="quiet" onClick={onDone}>
          {t('action.cancel')}
        </Button>
      </div>
    </form>
  )
}
