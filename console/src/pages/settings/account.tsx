import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { call, Refusal } from '../../api.ts'
import { useMe } from '../../session.ts'
import { Button } from '../../ui/button.tsx'
import { Field, SecretInput } from '../../ui/field.tsx'
import { Time } from '../../ui/parts.tsx'
import { Card, Problem, Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { type Key, t } from '../../words/index.ts'

const sessionsQuery = queryOptions({ queryKey: ['sessions'], queryFn: ({ signal }) => call('auth.sessions', { limit: 200 }, { signal }) })

export function Account() {
  const me = useMe()
  return (
    <div className="flex flex-col gap-4">
      <p className="text-sm text-ink-2">
        {t('account.about')} {t('account.role', { role: t(`role.${me.role}` as Key), name: me.user.name })}
      </p>
      <Password />
      <Identities />
      <Sessions />
    </div>
  )
}

function Password() {
  const queries = useQueryClient()
  // A new key empties the form: what was typed is not kept.
  const [round, setRound] = useState(0)
  const change = useMutation({
    mutationFn: (input: { current_password: string; new_password: string }) => call('auth.change_password', input),
    onSuccess: () => {
      // What was typed is not kept for as long as the page is open, nor until anything else has come.
      setRound((n) => n + 1)
      change.reset()
      toast(t('account.password.saved'))
      void queries.invalidateQueries({ queryKey: ['sessions'] })
    },
    gcTime: 0,
  })
  const fields = change.error instanceof Refusal ? change.error.fields : new Map<string, string>()
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    change.mutate({ current_password: String(form.get('current') ?? ''), new_password: String(form.get('new') ?? '') })
  }
  return (
    <Card>
      <h2 className="border-b border-line px-4 py-3 text-base font-semibold">{t('account.password')}</h2>
      <form key={round} noValidate onSubmit={submit} className="flex max-w-md flex-col gap-4 p-4">
        {change.error ? <Problem error={change.error} /> : null}
        <Field label={t('account.password.current')} required problem={fields.get('current_password')}>
          {(ids) => <SecretInput {...ids} name="current" autoComplete="current-password" />}
        </Field>
        <Field label={t('account.password.new')} required hint={t('account.password.hint')} problem={fields.get('new_password')}>
          {(ids) => <SecretInput {...ids} name="new" autoComplete="new-password" />}
        </Field>
        <div>
          <Button type="submit" look="primary" busy={change.isPending}>
            {t('account.password.save')}
          </Button>
        </div>
      </form>
    </Card>
  )
}

/** Nothing where the operator has named no provider. */
function Identities() {
  const queries = useQueryClient()
  const providers = useQuery({ queryKey: ['sign-in-providers'], queryFn: ({ signal }) => call('auth.providers', {}, { signal }) })
  const mine = useQuery({ queryKey: ['identities'], queryFn: ({ signal }) => call('auth.identities', {}, { signal }) })
  const link = useMutation({
    mutationFn: (slug: string) => call('auth.link_with', { slug, return_to: `${location.pathname}${location.search}` }),
    onSuccess: ({ url }) => location.assign(url),
  })
  const unlink = useMutation({
    mutationFn: (slug: string) => call('auth.unlink', { slug }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['identities'] }),
  })
  if ((providers.data?.items.length ?? 0) === 0) return null
  return (
    <Card>
      <h2 className="border-b border-line px-4 py-3 text-base font-semibold">{t('account.identities')}</h2>
      {link.error || unlink.error ? <Problem error={link.error ?? unlink.error} /> : null}
      <Region query={mine} rows={1}>
        {({ items }) => (
          <ul>
            {(providers.data?.items ?? []).map((it) => {
              const linked = items.find((own) => own.issuer === it.issuer)
              return (
                <li key={it.slug} className="flex flex-wrap items-center gap-3 border-b border-line px-4 py-2 text-sm last:border-0">
                  <p className="min-w-0 flex-1 truncate">
                    {it.title}
                    {linked ? <span className="ms-2 text-ink-2">{linked.email}</span> : null}
                  </p>
                  {linked ? (
                    <Button size="sm" busy={unlink.isPending} onClick={() => unlink.mutate(it.slug)}>
                      {t('account.identity.unlink', { provider: it.title })}
                    </Button>
                  ) : (
                    <Button size="sm" busy={link.isPending} onClick={() => link.mutate(it.slug)}>
                      {t('account.identity.link', { provider: it.title })}
                    </Button>
                  )}
                </li>
              )
            })}
          </ul>
        )}
      </Region>
    </Card>
  )
}

function Sessions() {
  const queries = useQueryClient()
  const list = useQuery(sessionsQuery)
  const again = () => queries.invalidateQueries({ queryKey: ['sessions'] })
  const end = useMutation({
    mutationFn: (id: string) => call('auth.end_session', { id }),
    onSuccess: async () => {
      toast(t('account.session.ended'))
      await again()
    },
  })
  const endOthers = useMutation({
    mutationFn: () => call('auth.end_other_sessions', {}),
    onSuccess: async ({ ended }) => {
      toast(t('account.session.endedOthers', { n: ended }))
      await again()
    },
  })
  return (
    <Card>
      <div className="flex flex-wrap items-center gap-3 border-b border-line px-4 py-3">
        <h2 className="flex-1 text-base font-semibold">{t('account.sessions')}</h2>
        <Button size="sm" busy={endOthers.isPending} disabled={(list.data?.items.length ?? 0) < 2} onClick={() => endOthers.mutate()}>
          {t('account.session.endOthers')}
        </Button>
      </div>
      {end.error || endOthers.error ? <Problem error={end.error ?? endOthers.error} /> : null}
      <Region query={list} rows={2}>
        {({ items }) => (
          <ul>
            {items.map((s) => (
              <li key={s.id} className="flex flex-wrap items-center gap-3 border-b border-line px-4 py-2 text-sm last:border-0">
                <div className="min-w-0 flex-1">
                  <p className="truncate" title={s.user_agent ?? undefined}>
                    {browserOf(s.user_agent)}
                    {s.current ? <span className="ms-2 text-xs text-ok">{t('account.session.this')}</span> : null}
                  </p>
                  <p className="text-xs text-ink-3">
                    {s.ip ? `${s.ip} · ` : ''}
                    {t('account.session.used')} <Time at={s.last_used_at} />
                  </p>
                </div>
                {s.current ? null : (
                  <Button size="sm" busy={end.isPending && end.variables === s.id} onClick={() => end.mutate(s.id)}>
                    {t('account.session.end')}
                  </Button>
                )}
              </li>
            ))}
          </ul>
        )}
      </Region>
    </Card>
  )
}

/** Enough to tell one's own browsers apart. */
function browserOf(agent: string | null): string {
  const name = /(Edg|OPR|Firefox|Chrome|Safari)\/(\d+)/.exec(agent ?? '')
  const system = /\((?:[^;)]*; )?([^;)]+)/.exec(agent ?? '')
  if (!name) return t('account.session.unknown')
  return [`${{ Edg: 'Edge', OPR: 'Opera' }[name[1] as string] ?? name[1]} ${name[2]}`, system?.[1]].filter(Boolean).join(' · ')
}
