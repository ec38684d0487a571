import { useMutation, useQuery } from '@tanstack/react-query'
import { CircleCheck, CircleX, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { oauthAppsQuery } from '../../queries.ts'
import { atLeast, useMe } from '../../session.ts'
import { Button } from '../../ui/button.tsx'
import { CopyChip, Tile } from '../../ui/parts.tsx'
import { Card, Problem, Region } from '../../ui/region.tsx'
import { type Key, t } from '../../words/index.ts'
import { AppForm } from './app-form.tsx'

type App = Answer<'oauth_apps.list'>['items'][number]
type Finding = Answer<'doctor.oauth'>['findings'][number]
/** Providers that everybody expects, whether set up or not. */
const KNOWN = ['google', 'linkedin']
const LOOKS = { ok: [CircleCheck, 'text-ok'], warning: [TriangleAlert, 'text-warn'], problem: [CircleX, 'text-danger'] } as const

function Findings({ findings }: { findings: readonly Finding[] }) {
  return (
    <ul className="mt-3 flex flex-col gap-2">
      {findings.map((finding) => {
        const [Icon, color] = LOOKS[finding.level]
        return (
          <li key={finding.check + finding.message} className="flex gap-2 text-sm">
            <Icon size={16} aria-hidden className={`mt-0.5 shrink-0 ${color}`} />
            <div className="min-w-0">
              <p className="break-words">{finding.message}</p>
              {finding.fix ? <p className="break-words text-ink-2">{t('oauth.mend', { text: finding.fix })}</p> : null}
            </div>
          </li>
        )
      })}
    </ul>
  )
}

function AppCard({ slug, app, onEdit, may }: { slug: string; app: App | undefined; onEdit: () => void; may: boolean }) {
  const doctor = useMutation({ mutationFn: () => call('doctor.oauth', { provider: slug }) })
  const name = KNOWN.includes(slug) ? t(`oauth.provider.${slug}` as Key) : slug
  return (
    <Card className="p-4">
      <div className="flex flex-wrap items-center gap-3">
        <Tile name={name} />
        <div className="min-w-0 flex-1">
          <h2 className="text-base font-semibold">{name}</h2>
          <p className="text-xs text-ink-3">
            {app ? (app.source === 'deployment' ? t('oauth.fromDeployment') : t('oauth.isSet')) : t('oauth.none')}
          </p>
        </div>
        {app ? (
          <Button size="sm" busy={doctor.isPending} onClick={() => doctor.mutate()}>
            {t('oauth.doctor')}
          </Button>
        ) : null}
        {app?.source === 'deployment' ? null : (
          <Button size="sm" look={app ? 'plain' : 'primary'} disabled={!may} title={may ? undefined : t('may.admin')} onClick={onEdit}>
            {app ? t('oauth.change') : t('oauth.add')}
          </Button>
        )}
      </div>
      {app ? (
        <dl className="mt-3 grid gap-x-4 gap-y-2 text-sm sm:grid-cols-[8rem_1fr]">
          <dt className="text-ink-2">{t('oauth.client')}</dt>
          <dd className="font-mono text-xs break-all">{app.client_id}</dd>
          <dt className="text-ink-2">{t('oauth.redirect')}</dt>
          <dd className="min-w-0">
            <CopyChip text={app.redirect_uri} shown={app.redirect_uri} />
            <p className="text-xs text-ink-3">{t('oauth.redirect.hint')}</p>
          </dd>
        </dl>
      ) : null}
      {app?.refused ? (
        <p role="alert" className="mt-3 rounded-md bg-danger-soft p-3 text-sm text-danger">
          {t('oauth.refused', { reason: app.refused.reason })}
        </p>
      ) : null}
      <div role="status">
        {doctor.data ? (
          <>
            <Findings
              findings={[...doctor.data.findings, ...doctor.data.apps.flatMap((a) => a.findings)].filter((f) => f.level !== 'ok')}
            />
            {doctor.data.ok ? <p className="mt-3 text-sm text-ok">{t('oauth.doctor.ok')}</p> : null}
          </>
        ) : null}
      </div>
      {doctor.error ? <Problem error={doctor.error} /> : null}
    </Card>
  )
}

export function OAuthApps() {
  const may = atLeast(useMe(), 'workspace_admin')
  const list = useQuery(oauthAppsQuery)
  const [editing, setEditing] = useState<string | null>(null)
  return (
    <Region query={list}>
      {({ items }) => {
        const slugs = [...new Set([...KNOWN, ...items.map((a) => a.slug)])]
        const bySlug = new Map(items.map((a) => [a.slug, a]))
        return (
          <div className="flex flex-col gap-4">
            <p className="text-sm text-ink-2">{t('oauth.about')}</p>
            {slugs.map((slug) => (
              <AppCard key={slug} slug={slug} app={bySlug.get(slug)} may={may} onEdit={() => setEditing(slug)} />
            ))}
            <div>
              <Button disabled={!may} title={may ? undefined : t('may.admin')} onClick={() => setEditing('')}>
                {t('oauth.other')}
              </Button>
            </div>
            {editing === null ? null : <AppForm slug={editing} app={bySlug.get(editing)} onClose={() => setEditing(null)} />}
          </div>
        )
      }}
    </Region>
  )
}
