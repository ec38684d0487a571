import { queryOptions, useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { call, readiness } from '../../api.ts'
import { useMe } from '../../session.ts'
import { CopyChip } from '../../ui/parts.tsx'
import { Card, Region } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'

const readyQuery = queryOptions({ queryKey: ['ready'], queryFn: () => readiness() })
const doctorQuery = queryOptions({ queryKey: ['doctor'], queryFn: ({ signal }) => call('doctor.oauth', {}, { signal }) })

const Row = ({ name, children }: { name: string; children: ReactNode }) => (
  <div className="grid gap-1 border-b border-line px-4 py-3 last:border-0 sm:grid-cols-[12rem_1fr]">
    <dt className="text-sm text-ink-2">{name}</dt>
    <dd className="min-w-0 text-sm break-words">{children}</dd>
  </div>
)

export function About() {
  const me = useMe()
  const ready = useQuery(readyQuery)
  const doctor = useQuery(doctorQuery)
  const publicUrl = doctor.data?.public_url
  return (
    <Card>
      <Region query={ready}>
        {({ version, checks }) => (
          <dl>
            <Row name={t('about.version')}>{version}</Row>
            <Row name={t('about.url')}>
              {publicUrl ? <CopyChip text={publicUrl} shown={publicUrl} /> : null}
              {publicUrl && publicUrl !== location.origin ? (
                <p className="mt-1 text-warn">{t('about.url.differs', { origin: location.origin })}</p>
              ) : null}
            </Row>
            <Row name={t('about.workspace')}>
              {me.workspace.name} <CopyChip text={me.workspace.slug} shown={me.workspace.slug} />
            </Row>
            <Row name={t('about.project')}>
              {me.projects.find((p) => p.id === me.project_id)?.name} <CopyChip text={me.project_id} />
            </Row>
            <Row name={t('about.vault')}>
              {checks.vault?.ok
                ? t('about.vault.open', { key: String(checks.vault.key_id ?? '') })
                : t('about.vault.sealed', { problem: checks.vault?.problem ?? '' })}
              <p className="text-xs text-ink-3">{t('about.backup')}</p>
            </Row>
            <Row name={t('about.database')}>{checks.database?.ok ? t('about.ok') : checks.database?.problem}</Row>
            <Row name={t('about.engine')}>{checks.engine?.ok ? t('about.ok') : checks.engine?.problem}</Row>
            <Row name={t('about.api')}>
              <a href="/docs" className="text-accent underline">
                /docs
              </a>
            </Row>
            <Row name={t('about.licence')}>Apache-2.0</Row>
          </dl>
        )}
      </Region>
    </Card>
  )
}
