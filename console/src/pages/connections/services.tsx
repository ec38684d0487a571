/** One service of an account: on, off, or waiting for a person's consent. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Ban } from 'lucide-react'
import { useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { usageQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Problem, Region } from '../../ui/region.tsx'
import { Switch } from '../../ui/switch.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { askAgain } from './ask.ts'
import { SignIn } from './sign-in.tsx'

export type Template = Answer<'connections.templates'>['items'][number]
type Service = NonNullable<Template['sign_in']>['services'][number]
type Account = Answer<'connections.list'>['items'][number]

export function ServiceRow({
  service: s,
  account,
  provider,
  denied,
}: {
  service: Service
  account: Account
  provider: Template
  denied: string | null
}) {
  const queries = useQueryClient()
  const [leaving, setLeaving] = useState(false)
  const on = account.oauth?.services.includes(s.slug) === true
  const missing = s.scopes.filter((it) => !(account.granted_scopes ?? s.scopes).includes(it))
  const blocked = account.status_reason === 'admin_policy'
  const state = blocked ? 'blocked' : !on ? 'off' : missing.length > 0 ? 'consent' : 'on'
  const google = provider.provider === 'google'
  const change = useMutation({
    mutationFn: (to: boolean) => call('google.services', { id: account.id, ...(to ? { services: [s.slug] } : { off: [s.slug] }) }),
    onSuccess: async () => {
      setLeaving(false)
      await Promise.all(['connections', 'instances'].map((key) => queries.invalidateQueries({ queryKey: [key] })))
    },
  })
  const grant = !blocked && missing.length > 0 && (on || google || account.granted_scopes !== null)
  return (
    <li className="flex min-h-12 flex-wrap items-center gap-x-3 gap-y-1 border-line py-2 not-last:border-b sm:not-last:border-b-0">
      <div className="min-w-0 flex-1">
        <p className="font-medium">{s.title}</p>
        <p className="text-xs text-ink-3">{s.about}</p>
        <details className="text-xs text-ink-3">
          <summary className="cursor-pointer">{t('accounts.scopes')}</summary>
          <ul className="font-mono break-all">
            {s.scopes.map((it) => (
              <li key={it}>{it}</li>
            ))}
          </ul>
        </details>
        {change.error ? <Problem error={change.error} /> : null}
      </div>
      <span className={`text-xs ${state === 'consent' || blocked ? 'text-warn' : 'text-ink-2'}`}>
        {blocked ? <Ban size={12} aria-hidden className="me-1 inline" /> : null}
        {t(`accounts.${state}`)}
      </span>
      {grant ? (
        <SignIn
          label={t(on ? 'accounts.grant' : 'accounts.turnOn')}
          name={s.title}
          provider={provider.display_name}
          look="plain"
          size="sm"
          denied={denied}
          ask={askAgain(account.id, [s.slug])}
          inline
          quiet
          onDone={(_, whole) => {
            if (whole) toast(t('accounts.granted', { service: s.title }))
          }}
        />
      ) : google && !blocked ? (
        <Switch
          label={t('accounts.switch', { service: s.title })}
          on={on}
          denied={denied}
          busy={change.isPending}
          onChange={(to) => (to ? change.mutate(true) : setLeaving(true))}
        />
      ) : null}
      {leaving ? (
        <SwitchOff
          service={s}
          account={account}
          busy={change.isPending}
          error={change.error}
          onClose={() => setLeaving(false)}
          onSure={() => change.mutate(false)}
        />
      ) : null}
    </li>
  )
}

/** What it touches is said first. */
function SwitchOff(props: { service: Service; account: Account; busy: boolean; error: unknown; onClose: () => void; onSure: () => void }) {
  const { service, account } = props
  const usage = useQuery(usageQuery(account.id))
  return (
    <Dialog
      open
      onClose={props.onClose}
      title={t('accounts.off.title', { service: service.title })}
      about={t('accounts.off.about', { account: account.account?.label ?? account.name })}
    >
      <Region query={usage} rows={1}>
        {({ profiles }) => {
          // A server for a service of an account is called as the service is.
          const hit = profiles.filter((p) => p.server === service.slug)
          return (
            <div className="flex flex-col gap-4">
              {props.error ? <Problem error={props.error} /> : null}
              {hit.length === 0 ? (
                <p className="text-ink-2">{t('accounts.off.none')}</p>
              ) : (
                <div>
                  <p className="font-medium">{t('accounts.off.touches', { n: hit.length })}</p>
                  <ul className="list-disc ps-5 text-ink-2">
                    {hit.map((p) => (
                      <li key={p.profile_id}>
                        {t('detail.used.place', { instance: p.instance_name, profile: p.profile_name, environment: p.environment })}
                      </li>
                    ))}
                  </ul>
                </div>
              )}
              <div className="flex justify-end gap-2">
                <Button onClick={props.onClose}>{t('action.cancel')}</Button>
                <Button look={hit.length > 0 ? 'danger' : 'primary'} busy={props.busy} onClick={props.onSure}>
                  {t('accounts.off.do', { service: service.title })}
                </Button>
              </div>
            </div>
          )
        }}
      </Region>
    </Dialog>
  )
}
