import type { Answer } from '../../api.ts'
import { durationText, type Key, t } from '../../words/index.ts'

export type RunEvent = Answer<'runs.events'>['items'][number]
type RunFacts = Answer<'runs.summary'>

const BARS: Record<string, string> = {
  completed: 'bg-ok',
  failed: 'bg-danger',
  started: 'bg-accent',
  waiting: 'bg-wait-soft border border-wait',
  retrying: 'bg-warn-soft border border-warn',
  unknown: 'bg-wait-soft border border-wait',
}
const WORDS: Record<string, Key> = {
  started: 'run.step.state.running',
  completed: 'run.step.state.completed',
  failed: 'run.step.state.failed',
  waiting: 'run.step.state.waiting',
  retrying: 'run.step.state.retrying',
  unknown: 'run.step.state.unknown',
  skipped: 'run.step.state.skipped',
  cancelled: 'run.step.state.cancelled',
  released: 'run.step.state.released',
}
export const stepWord = (state: string): string => (WORDS[state] ? t(WORDS[state]) : state)

interface Attempt {
  from: number
  to: number | null
  state: string
}
/** Each try of each step as a stretch of time, read off the events. */
export function attemptsOf(events: readonly RunEvent[]): Map<string, Attempt[]> {
  const found = new Map<string, Attempt[]>()
  for (const e of events) {
    if (e.step_id === null) continue
    const list = found.get(e.step_id) ?? []
    found.set(e.step_id, list)
    const at = Date.parse(e.at)
    const open = list.at(-1)
    if (open && open.to === null && e.event_type !== 'step_started') {
      open.to = at
      open.state =
        { step_completed: 'completed', step_failed: 'failed', step_retrying: 'failed', step_cancelled: 'cancelled' }[e.event_type] ??
        open.state
    }
    if (e.event_type === 'step_started') list.push({ from: at, to: null, state: 'started' })
    if (e.event_type === 'step_waiting') list.push({ from: at, to: null, state: 'waiting' })
  }
  return found
}

/** Narrower ones could not be seen. */
const NARROWEST_PX = 6
/** Marks along the top. */
const MARKS = [0, 0.25, 0.5, 0.75, 1]

export function Timeline(props: {
  run: RunFacts
  events: readonly RunEvent[]
  now: number
  picked: string | undefined
  onPick: (step: string) => void
}) {
  const { run, picked, now } = props
  const attempts = attemptsOf(props.events)
  const begin = Date.parse(run.started_at ?? run.created_at)
  const end = Math.max(begin + 1, run.finished_at ? Date.parse(run.finished_at) : now)
  const share = (ms: number) => `${((ms / (end - begin)) * 100).toFixed(2)}%`
  if (run.steps.length === 0) return <p className="p-4 text-ink-2">{t('run.steps.none')}</p>
  return (
    <div className="min-w-0">
      <div
        aria-hidden
        className="grid h-8 grid-cols-[minmax(0,10rem)_1fr_5rem] items-center gap-3 border-b border-line px-4 text-2xs text-ink-3"
      >
        <span />
        <span className="flex justify-between tabular-nums">
          {MARKS.map((mark) => (
            <span key={mark} className={mark === 0 || mark === 1 ? 'whitespace-nowrap' : 'hidden whitespace-nowrap sm:inline'}>
              {durationText((end - begin) * mark)}
            </span>
          ))}
        </span>
        <span />
      </div>
      <ul
        className="py-1"
        onKeyDown={(e) => {
          const step = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0
          if (step === 0) return
          const rows = [...e.currentTarget.querySelectorAll('button')]
          rows[rows.indexOf(document.activeElement as HTMLButtonElement) + step]?.focus()
          e.preventDefault()
        }}
      >
        {run.steps.map((s) => {
          const from = s.started_at ? Date.parse(s.started_at) : null
          const to = s.finished_at ? Date.parse(s.finished_at) : from === null ? null : end
          const bars = attempts.get(s.step_id) ?? (from === null ? [] : [{ from, to, state: s.state }])
          return (
            <li key={s.step_id}>
              <button
                type="button"
                aria-pressed={picked === s.step_id}
                onClick={() => props.onPick(s.step_id)}
                className="grid h-9 w-full grid-cols-[minmax(0,10rem)_1fr_5rem] items-center gap-3 px-4 text-start text-sm hover:bg-surface-2 aria-pressed:bg-surface-3"
              >
                <span className="truncate font-medium" title={s.step_id}>
                  {s.name ?? s.step_id}
                </span>
                <span className="relative h-3">
                  {bars.map((bar) => (
                    <span
                      key={bar.from}
                      className={`absolute inset-y-0 rounded-full ${BARS[bar.state] ?? 'bg-line-strong'}`}
                      style={{
                        insetInlineStart: `min(${share(bar.from - begin)}, calc(100% - ${NARROWEST_PX}px))`,
                        width: `max(${NARROWEST_PX}px, ${share((bar.to ?? end) - bar.from)})`,
                      }}
                    />
                  ))}
                </span>
                <span className="truncate text-end text-xs text-ink-2 tabular-nums">
                  <span className="sr-only">{stepWord(s.state)} </span>
                  {s.state === 'completed' && from !== null && to !== null ? (
                    durationText(to - from)
                  ) : (
                    <span aria-hidden className={s.state === 'failed' ? 'text-danger' : ''}>
                      {stepWord(s.state)}
                    </span>
                  )}
                </span>
              </button>
            </li>
          )
        })}
      </ul>
    </div>
  )
}
