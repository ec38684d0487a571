import { CopyChip, Json } from '../../ui/parts.tsx'
import { t } from '../../words/index.ts'
import { stepWord } from './timeline.tsx'

interface Known {
  state?: string
  attempt?: number
  input?: unknown
  result?: unknown
  detail?: { code?: unknown; message?: unknown; hint?: unknown; reason?: unknown } | null
}

/** What went into one step and what came out. */
export function StepDetail({ step, name, known }: { step: string; name: string; known: unknown }) {
  const { state, attempt, input, result, detail } = (known ?? {}) as Known
  const message = typeof detail?.message === 'string' ? detail.message : null
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center gap-2">
        <h2 className="text-base font-semibold break-words">{name}</h2>
        {name === step ? null : <span className="font-mono text-xs break-all text-ink-3">{step}</span>}
        {state ? (
          <span className="text-xs text-ink-2">
            {stepWord(state)}
            {attempt && attempt > 1 ? ` · ${t('run.step.attempt', { n: attempt })}` : ''}
          </span>
        ) : null}
      </div>
      {message ? (
        <div className="mb-3 rounded-md bg-danger-soft p-3 text-sm">
          <p className="font-medium break-words text-danger">{message}</p>
          {typeof detail?.hint === 'string' ? <p className="break-words text-ink-2">{detail.hint}</p> : null}
          {typeof detail?.code === 'string' ? <p className="mt-1 font-mono text-xs text-ink-2">{detail.code}</p> : null}
        </div>
      ) : null}
      <Part title={t('run.step.input')} value={input} />
      <Part title={t('run.step.result')} value={result} />
    </>
  )
}

function Part({ title, value }: { title: string; value: unknown }) {
  return (
    <section className="mb-3">
      <div className="mb-1 flex items-center justify-between gap-2">
        <h3 className="text-xs font-medium text-ink-3">{title}</h3>
        {value === null || value === undefined ? null : <CopyChip text={JSON.stringify(value, null, 2)} shown={t('action.copy')} />}
      </div>
      {value === null || value === undefined ? (
        <p className="text-sm text-ink-3">{t('run.step.nothing')}</p>
      ) : (
        <Json value={value} label={title} />
      )}
    </section>
  )
}
