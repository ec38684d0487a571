import type { UseMutationResult } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { CircleCheck, CircleDashed, CircleX } from 'lucide-react'
import type { Answer } from '../../api.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { Time } from '../../ui/parts.tsx'
import { Problem } from '../../ui/region.tsx'
import { durationText, type Key, t } from '../../words/index.ts'
import type { InstanceFacts, Profile } from './instance.tsx'

type Report = Answer<'instances.validate'>
type Check = Report['checks'][number]

/** End to end, each step with its time and, where it fails, the way to mend it. */
export function Checks(props: {
  instance: InstanceFacts
  profile: Profile
  check: UseMutationResult<Report, Error, string>
  denied: string | null
  onActivate: () => void
  onTry: () => void
}) {
  const { check, profile } = props
  const report = check.variables === profile.id ? check.data : undefined
  // A check that is older than the profile says nothing of it.
  const stale = report !== undefined && Date.parse(profile.updated_at) > check.submittedAt
  return (
    <div className="flex flex-col gap-4 p-4">
      <div className="flex flex-wrap items-center gap-3">
        <Button look={report ? 'plain' : 'primary'} denied={props.denied} onClick={() => check.mutate(profile.id)} busy={check.isPending}>
          {t('mcp.validate')}
        </Button>
        {report ? (
          <p className={`text-sm font-medium ${stale ? 'text-ink-3' : report.ok ? 'text-ok' : 'text-danger'}`} role="status">
            {t(stale ? 'mcp.checks.stale' : report.ok ? 'mcp.checks.allPassed' : 'mcp.checks.someFailed', {
              n: report.checks.filter((c) => !c.ok).length,
            })}{' '}
            <span className="font-normal text-ink-3">
              <Time at={new Date(check.submittedAt).toISOString()} />
            </span>
          </p>
        ) : (
          <p className="text-ink-2">{t('mcp.checks.about')}</p>
        )}
      </div>
      {check.error ? <Problem error={check.error} /> : null}
      <ul className={`flex flex-col gap-3 ${stale ? 'opacity-70' : ''}`}>
        {(report?.checks ?? []).map((c) => {
          const Icon = c.skipped ? CircleDashed : c.ok ? CircleCheck : CircleX
          return (
            <li key={c.check} className="flex gap-2">
              <Icon
                size={16}
                aria-hidden
                className={`mt-0.5 shrink-0 ${c.skipped || stale ? 'text-ink-3' : c.ok ? 'text-ok' : 'text-danger'}`}
              />
              <div className="min-w-0 flex-1">
                <p className="flex justify-between gap-3">
                  <span className="font-medium">
                    {t(`mcp.check.${c.check}` as Key)}
                    <span className="sr-only">: {t(c.skipped ? 'mcp.check.skipped' : c.ok ? 'mcp.check.passed' : 'mcp.check.failed')}</span>
                  </span>
                  {c.skipped ? null : <span className="text-xs text-ink-3 tabular-nums">{durationText(c.ms)}</span>}
                </p>
                <p className="break-words text-ink-2">{c.message}</p>
                {c.ok ? null : (
                  <Fix failed={c.check} profile={profile} denied={props.denied} onActivate={props.onActivate} onTry={props.onTry} />
                )}
              </div>
            </li>
          )
        })}
      </ul>
    </div>
  )
}

function Fix({
  failed,
  profile,
  denied,
  onActivate,
  onTry,
}: {
  failed: Check['check']
  profile: Profile
  denied: string | null
  onActivate: () => void
  onTry: () => void
}) {
  const id = profile.connection_id
  if (failed === 'profile_active')
    return (
      <Button size="sm" className="mt-1" denied={denied} onClick={onActivate}>
        {t('mcp.profile.activate')}
      </Button>
    )
  if ((failed === 'credential_live' || failed === 'scopes') && id)
    return (
      <Link to="/connections" search={{ c: id, tab: 'credential' }} className={`mt-1 ${buttonClass('plain', 'sm')}`}>
        {t(failed === 'scopes' ? 'mcp.fix.scopes' : 'mcp.fix.credential')}
      </Link>
    )
  if (failed === 'connection_bound') return <p className="text-xs text-ink-3">{t('mcp.fix.bind')}</p>
  if (failed === 'smoke_call')
    return (
      <Button size="sm" className="mt-1" onClick={onTry}>
        {t('mcp.try')}
      </Button>
    )
  return null
}
