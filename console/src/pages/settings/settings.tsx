import '../../words/with-settings.ts'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { atLeast, useMe } from '../../session.ts'
import { Tabs } from '../../ui/parts.tsx'
import { PageHeader, Skeleton } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { Tokens } from './tokens.tsx'

/** A section each; those that only some roles may see are not shown to others, and answer a direct link with the reason. */
const SECTIONS = [
  { id: 'tokens', role: 'project_contributor', Page: Tokens },
  { id: 'webhooks', role: 'project_viewer', Page: lazy(async () => ({ default: (await import('./webhooks.tsx')).Webhooks })) },
  { id: 'members', role: 'project_admin', Page: lazy(async () => ({ default: (await import('./members.tsx')).Members })) },
  { id: 'account', role: 'project_viewer', Page: lazy(async () => ({ default: (await import('./account.tsx')).Account })) },
  { id: 'oauth', role: 'project_viewer', Page: lazy(async () => ({ default: (await import('./oauth-apps.tsx')).OAuthApps })) },
  { id: 'audit', role: 'workspace_admin', Page: lazy(async () => ({ default: (await import('./audit.tsx')).Audit })) },
  { id: 'about', role: 'project_viewer', Page: lazy(async () => ({ default: (await import('./about.tsx')).About })) },
] as const

export function Settings() {
  const me = useMe()
  const search = useSearch({ from: '/shell/settings' })
  const navigate = useNavigate({ from: '/settings' })
  const allowed = SECTIONS.filter((s) => atLeast(me, s.role))
  const asked = SECTIONS.find((s) => s.id === search.tab)
  const active = asked ?? allowed[0]
  return (
    <>
      <PageHeader title={t('settings.title')} about={t('settings.about')} />
      <Tabs
        label={t('settings.sections')}
        active={active?.id ?? ''}
        onPick={(tab) => void navigate({ search: { tab } })}
        tabs={allowed.map(({ id }) => ({ id, label: t(`settings.tab.${id}`) }))}
      />
      <div className="mt-4">
        {active && atLeast(me, active.role) ? (
          <Suspense fallback={<Skeleton />}>
            <active.Page />
          </Suspense>
        ) : (
          <p className="text-sm text-ink-2">{t('may.admin')}</p>
        )}
      </div>
    </>
  )
}
