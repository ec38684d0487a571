import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Hourglass } from 'lucide-react'
import { type Answer, call } from '../../api.ts'
import { atLeast, useMe } from '../../session.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { Time } from '../../ui/parts.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'

interface Wait {
  kind: string
  step_id: string
  until?: number | string
  connection_id?: string
}

/** What a run waits for, and what a person can do about it. */
export function Waiting({ run }: { run: Answer<'runs.summary'> }) {
  const waits = run.waiting_on as Wait[]
  if (waits.length === 0) return null
  return (
    <ul className="mb-4 flex flex-col gap-2">
      {waits.map((wait) => (
        <li key={`${wait.kind}/${wait.step_id}`} className="flex gap-3 rounded-[10px] border border-wait bg-wait-soft p-4">
          <Hourglass size={16} aria-hidden className="mt-0.5 shrink-0 text-wait" />
          <div className="min-w-0 flex-1">
            {wait.kind === 'outcome_unknown' ? (
              <Unknown run={run} step={wait.step_id} />
            ) : wait.kind === 'reconnect' ? (
              <>
                <p className="font-medium">{t('run.waits.reconnect', { step: wait.step_id })}</p>
                <Link
                  to="/connections"
                  search={{
                    q: undefined,
                    status: wait.connection_id ? undefined : 'reconnect',
                    c: wait.connection_id,
                    tab: undefined,
                    new: undefined,
                  }}
                  className={`${buttonClass('plain', 'sm')} mt-2`}
                >
                  {t('run.fix.connection')}
                </Link>
              </>
            ) : (
              <p>
                {t('run.waits.timer', { step: wait.step_id })} {wait.until ? <Time at={new Date(wait.until).toISOString()} /> : null}
              </p>
            )}
          </div>
        </li>
      ))}
    </ul>
  )
}

/** The process died between a call that must not be repeated and its record: only a person can know. */
function Unknown({ run, step }: { run: Answer<'runs.summary'>; step: string }) {
  const queries = useQueryClient()
  const may = atLeast(useMe(), 'project_contributor')
  const resolve = useMutation({
    mutationFn: (outcome: 'done' | 'retry' | 'failed') =>
      call('runs.resolve_step', { id: run.workflow_id, run_id: run.run_id, step_id: step, outcome }),
    onSettled: () => queries.invalidateQueries({ queryKey: ['runs'] }),
  })
  return (
    <>
      <p className="font-medium">{t('run.unknown.title', { step })}</p>
      <p className="text-ink-2">{t('run.unknown.about')}</p>
      {resolve.error ? <Problem error={resolve.error} /> : null}
      <div className="mt-2 flex flex-wrap gap-2">
        {(['done', 'retry', 'failed'] as const).map((outcome) => (
          <Button
            key={outcome}
            size="sm"
            disabled={!may}
            title={may ? undefined : t('may.contributor')}
            busy={resolve.isPending && resolve.variables === outcome}
            onClick={() => resolve.mutate(outcome)}
          >
            {t(`run.unknown.${outcome}`)}
          </Button>
        ))}
      </div>
    </>
  )
}
