import { Link } from '@tanstack/react-router'
import { CircleX } from 'lucide-react'
import type { Answer } from '../../api.ts'
import { buttonClass } from '../../ui/button.tsx'
import { t } from '../../words/index.ts'

type RunFacts = Answer<'runs.summary'>
type Failure = NonNullable<RunFacts['failure']>

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** Where the cause of a failure is mended. */
export function placeOfFix(failure: Failure, workflow: string): { to: string; label: string } {
  const details = (failure.details ?? {}) as Record<string, unknown>
  const connection = textOf(details.connection_id)
  const instance = textOf(details.instance_id)
  if (connection) return { to: `/connections?c=${encodeURIComponent(connection)}`, label: t('run.fix.connection') }
  if (instance) return { to: `/mcp/instances/${encodeURIComponent(instance)}`, label: t('run.fix.instance') }
  return {
    to: `/workflows/${encodeURIComponent(workflow)}${failure.step_id ? `?step=${encodeURIComponent(failure.step_id)}` : ''}`,
    label: t('run.fix.step'),
  }
}

export function FailureCard({ run, failure }: { run: RunFacts; failure: Failure }) {
  const fix = placeOfFix(failure, run.workflow_id)
  const hint = textOf(failure.hint)
  const reason = textOf(failure.reason)
  return (
    <div role="alert" className="mb-4 flex gap-3 rounded-[10px] border border-danger bg-danger-soft p-4">
      <CircleX size={16} aria-hidden className="mt-0.5 shrink-0 text-danger" />
      <div className="min-w-0 flex-1">
        <p className="font-medium break-words">{failure.message}</p>
        {hint ? <p className="break-words text-ink-2">{hint}</p> : null}
        <p className="mt-1 font-mono text-xs text-ink-2">
          {[failure.code, reason].filter(Boolean).join(' · ')}
          {failure.step_id ? ` · ${t('run.failedAt', { step: failure.step_id })}` : ''}
        </p>
        <Link to={fix.to} className={`${buttonClass('primary', 'sm')} mt-3`}>
          {fix.label}
        </Link>
      </div>
    </div>
  )
}
