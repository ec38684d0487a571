import type { Answer } from '../../api.ts'
import { Json } from '../../ui/parts.tsx'
import { durationText, t } from '../../words/index.ts'

const BARS: Record<string, string> = { completed: 'bg-ok', failed: 'bg-danger', running: 'bg-accent', waiting: 'bg-wait' }
/** Narrower ones could not be seen. */
const NARROWEST_PX = 6

export function Timeline(props: {
  run: Answer<'runs.summary'>
  context: Answer<'runs.context'> | undefined
  picked: string | undefined
  onPick: (step: string) => void
}) {
  const { run, picked } = props
  const begin = Date.parse(run.started_at ?? run.created_at)
  const end = Math.max(begin + 1, run.finished_at ? Date.parse(run.finished_at) : Date.now())
  const share = (at: number) => `${(((at - begin) / (end - begin)) * 100).toFixed(2)}%`
  const steps = (props.context?.steps ?? {}) as Record<string, unknown>
  return (
    <div className="grid lg:grid-cols-[1fr_360px]">
      <ul className="min-w-0 py-2">
        {run.steps.map((s) => {
          const from = s.started_at ? Date.parse(s.started_at) : null
          const to = s.finished_at ? Date.parse(s.finished_at) : from === null ? null : end
          return (
            <li key={s.step_id}>
              <button
                type="button"
                aria-pressed={picked === s.step_id}
                onClick={() => props.onPick(s.step_id)}
                className="grid h-9 w-full grid-cols-[minmax(0,10rem)_1fr_4.5rem] items-center gap-3 px-4 text-start hover:bg-surface-2 aria-pressed:bg-surface-3"
              >
                <span className="truncate font-medium">{s.step_id}</span>
                <span className="relative h-3">
                  {from !== null && to !== null ? (
                    <span
                      className={`absolute inset-y-0 rounded-full ${BARS[s.state] ?? 'bg-line-strong'}`}
                      style={{ insetInlineStart: share(from), width: `max(${NARROWEST_PX}px, ${share(begin + to - from)})` }}
                    />
                  ) : null}
                </span>
                <span className="text-end text-ink-2 tabular-nums">
                  {from !== null && to !== null ? durationText(to - from) : s.state.replaceAll('_', ' ')}
                </span>
              </button>
            </li>
          )
        })}
      </ul>
      <div className="border-t border-line p-4 lg:border-s lg:border-t-0">
        {picked ? (
          <>
            <h2 className="mb-2 text-base font-semibold">{picked}</h2>
            <Json value={steps[picked] ?? null} />
          </>
        ) : (
          <p className="text-ink-2">{t('run.pick')}</p>
        )}
      </div>
    </div>
  )
}
