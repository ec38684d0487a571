/** Accounts that serve several things at once: what each is switched on for, and what a person still has to allow. */
import { useQuery } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { oauthAppsQuery, templatesQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Select } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Tile } from '../../ui/parts.tsx'
import { ConnectionStatus } from '../../ui/pill.tsx'
import { Card, Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { askFirst } from './ask.ts'
import { ServiceChoice } from './service-choice.tsx'
import { SignIn } from './sign-in.tsx'
import { ServiceRow, type Template } from './services.tsx'
import { SetUpApp } from './set-up-app.tsx'

type App = Answer<'oauth_apps.list'>['items'][number]

/** One card for each provider whose accounts have services to switch. */
export function Accounts({ denied }: { denied: string | null }) {
  const templates = useQuery(templatesQuery)
  const apps = useQuery(oauthAppsQuery)
  if (!templates.data || !apps.data) return null
  const many = templates.data.items.filter((it) => (it.sign_in?.services.length ?? 0) > 0)
  const ready = many.flatMap((template) => {
    const app = apps.data.items.find((a) => a.provider === template.provider)
    return app ? [{ template, app }] : []
  })
  const missing = many.filter((it) => !ready.some((r) => r.template === it))
  return (
    <>
      {ready.map(({ template, app }) => (
        <AccountCard key={template.provider} template={template} app={app} denied={denied} />
      ))}
      {missing.length > 0 ? (
        <div className="mb-4 flex flex-wrap items-center gap-x-4 gap-y-1 text-sm">
          {missing.map((it) => (
            <SetUpApp key={it.provider} provider={it.display_name} />
          ))}
        </div>
      ) : null}
    </>
  )
}

function AccountCard({ template, app, denied }: { template: Template; app: App; denied: string | null }) {
  const { provider, display_name } = template
  const [picked, setPicked] = useState<string | null>(null)
  const [adding, setAdding] = useState(false)
  const list = useQuery({
    queryKey: ['connections', 'accounts', provider],
    queryFn: ({ signal }) => call('connections.list', { provider, limit: 200 }, { signal }),
    select: ({ items }) => items.filter((c) => c.oauth?.kind === 'authorization_code'),
  })
  const accounts = list.data ?? []
  const account = accounts.find((a) => a.id === picked) ?? accounts[0]
  const title = /account$/i.test(display_name) ? display_name : t('accounts.title', { provider: display_name })
  return (
    <Card className="mb-4">
      <div className="flex flex-wrap items-center gap-3 border-b border-line px-4 py-2.5">
        <Tile name={display_name} />
        <h2 className="text-base font-semibold">{title}</h2>
        {accounts.length > 1 ? (
          <Select
            aria-label={t('accounts.which', { provider: display_name })}
            className="max-w-56"
            value={account?.id}
            onChange={(e) => setPicked(e.target.value)}
          >
            {accounts.map((a) => (
              <option key={a.id} value={a.id}>
                {a.account?.label ?? a.name}
              </option>
            ))}
          </Select>
        ) : (
          <span className="min-w-0 truncate text-ink-2">{account?.account?.label ?? account?.name}</span>
        )}
        {account ? <ConnectionStatus status={account.status} why={account.status_text} /> : null}
        {account ? (
          <Button size="sm" className="ms-auto" denied={denied} onClick={() => setAdding(true)}>
            <Plus size={14} aria-hidden />
            {t('accounts.add')}
            <span className="sr-only">{display_name}</span>
          </Button>
        ) : null}
      </div>
      <Region query={list} rows={1}>
        {() =>
          account ? (
            <ul className="grid items-start gap-x-6 px-4 py-1 sm:grid-cols-2">
              {(template.sign_in?.services ?? []).map((s) => (
                <ServiceRow key={s.slug} service={s} account={account} provider={template} denied={denied} />
              ))}
            </ul>
          ) : (
            <div className="flex flex-wrap items-center gap-3 p-4">
              <p className="flex-[1_1_16rem] text-ink-2">{template.about}</p>
              <Button look="primary" denied={denied} onClick={() => setAdding(true)}>
                {t('accounts.connect', { provider: display_name })}
              </Button>
            </div>
          )
        }
      </Region>
      {adding ? <AddAccount template={template} app={app} onClose={() => setAdding(false)} onMade={setPicked} /> : null}
    </Card>
  )
}

function AddAccount({
  template,
  app,
  onClose,
  onMade,
}: {
  template: Template
  app: App
  onClose: () => void
  onMade: (id: string) => void
}) {
  const services = template.sign_in?.services ?? []
  const [picked, setPicked] = useState(() => services.slice(0, 1).map((s) => s.slug))
  return (
    <Dialog
      open
      onClose={onClose}
      title={t('accounts.connect', { provider: template.display_name })}
      about={t('connect.oauth.about', { provider: template.display_name })}
    >
      <div className="flex flex-col gap-4">
        <ServiceChoice services={services} picked={picked} onPick={setPicked} />
        <SignIn
          label={t('connect.signIn', { provider: template.display_name })}
          provider={template.display_name}
          disabled={picked.length === 0}
          ask={askFirst({ slug: app.slug, services: picked })}
          onDone={(at) => {
            if (at.connection_id) onMade(at.connection_id)
            onClose()
            toast(t('signin.done', { name: template.display_name }))
          }}
        />
      </div>
    </Dialog>
  )
}
