import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Pause, Play, RotateCcw, Square } from 'lucide-react'
import { useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { ENDED } from '../../queries.ts'
import { atLeast, useMe } from '../../session.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Problem } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'

type RunFacts = Answer<'runs.summary'>
type Act = 'pause' | 'resume' | 'graceful' | 'immediate' | 'again' | 'retry'

/** What can be done with a run in the state that it is in. */
export function Controls({ run }: { run: RunFacts }) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const me = useMe()
  const [stopping, setStopping] = useState(false)
  const { workflow_id: id, run_id } = run
  const act = useMutation({
    mutationFn: async (which: Act): Promise<string | null> => {
      if (which === 'retry') await call('runs.retry', { id, run_id })
      else if (which === 'again') {
        const { input } = await call('runs.context', { id, run_id })
        const started = await call('runs.command', {
          id,
          command: 'start',
          params: { trigger_payload: (input ?? {}) as Record<string, unknown>, environment: run.environment },
        })
        return started.run_id
      } else if (which === 'pause' || which === 'resume') await call('runs.command', { id, command: which, params: { run_id } })
      else await call('runs.command', { id, command: 'stop', params: { run_id, mode: which } })
      return null
    },
    onSuccess: async (made, which) => {
      setStopping(false)
      await queries.invalidateQueries({ queryKey: ['runs'] })
      if (made) {
        toast(t('run.did.again'))
        await navigate({ to: '/runs/$workflow/$id', params: { workflow: id, id: made }, search: { tab: undefined, step: undefined } })
      } else toast(t(`run.did.${which === 'graceful' || which === 'immediate' ? 'stop' : which}` as 'run.did.pause'))
    },
  })
  const may = atLeast(me, 'project_contributor')
  const over = ENDED.has(run.status)
  const button = (which: Act | 'stop', Icon: typeof Play, look: 'plain' | 'primary' = 'plain') => (
    <Button
      size="sm"
      look={look}
      disabled={!may}
      title={may ? undefined : t('may.contributor')}
      busy={act.isPending && act.variables === which}
      onClick={() => (which === 'stop' ? setStopping(true) : act.mutate(which))}
    >
      <Icon size={14} aria-hidden />
      {t(`run.act.${which}` as 'run.act.pause')}
    </Button>
  )
  return (
    <div className="flex flex-wrap items-center gap-2">
      {run.status === 'running' ? button('pause', Pause) : null}
      {run.status === 'paused' ? button('resume', Play) : null}
      {over ? null : button('stop', Square)}
      {run.status === 'failed' || run.status === 'stopped' ? button('retry', RotateCcw) : null}
      {over ? button('again', Play) : null}
      {act.error && !stopping ? (
        <div className="w-full">
          <Problem error={act.error} />
        </div>
      ) : null}
      <Dialog open={stopping} onClose={() => setStopping(false)} title={t('run.stop.title')} about={t('run.stop.about')}>
        {act.error ? <Problem error={act.error} /> : null}
        <div className="flex flex-col gap-3">
          {(['graceful', 'immediate'] as const).map((mode) => (
            <div key={mode} className="flex items-center justify-between gap-4">
              <p className="text-sm text-ink-2">{t(`run.stop.${mode}.about`)}</p>
              <Button
                look={mode === 'immediate' ? 'danger' : 'primary'}
                busy={act.isPending && act.variables === mode}
                onClick={() => act.mutate(mode)}
              >
                {t(`run.stop.${mode}`)}
              </Button>
            </div>
          ))}
        </div>
      </Dialog>
    </div>
  )
}
