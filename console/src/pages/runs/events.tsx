import { useState } from 'react'
import { Select } from '../../ui/field.tsx'
import { CopyChip, Time } from '../../ui/parts.tsx'
import { t } from '../../words/index.ts'
import type { RunEvent } from './timeline.tsx'

/** Rows that are shown at once; the rest comes by filter. */
const SHOWN = 500
const spoken = (type: string): string => type.replaceAll('_', ' ')

export function Events({ events }: { events: readonly RunEvent[] }) {
  const [type, setType] = useState('')
  const [step, setStep] = useState('')
  const types = [...new Set(events.map((e) => e.event_type))]
  const steps = [...new Set(events.flatMap((e) => (e.step_id === null ? [] : [e.step_id])))]
  const shown = events.filter((e) => (type === '' || e.event_type === type) && (step === '' || e.step_id === step))
  return (
    <>
      <div className="flex flex-wrap items-center gap-2 border-b border-line p-3">
        <Select aria-label={t('run.events.type')} className="max-w-44" value={type} onChange={(e) => setType(e.target.value)}>
          <option value="">{`${t('run.events.type')}: ${t('run.events.all')}`}</option>
          {types.map((it) => (
            <option key={it} value={it}>
              {spoken(it)}
            </option>
          ))}
        </Select>
        <Select aria-label={t('run.events.step')} className="max-w-44" value={step} onChange={(e) => setStep(e.target.value)}>
          <option value="">{`${t('run.events.step')}: ${t('run.events.all')}`}</option>
          {steps.map((it) => (
            <option key={it}>{it}</option>
          ))}
        </Select>
        <span className="ms-auto">
          <CopyChip text={shown.map((e) => JSON.stringify(e)).join('\n')} shown={t('run.events.copy')} />
        </span>
      </div>
      <ol className="px-4 py-1">
        {shown.slice(-SHOWN).map((e) => (
          <li key={e.seq} className="flex flex-wrap gap-x-4 border-b border-line py-2 text-sm last:border-0">
            <span className="w-8 shrink-0 text-end text-ink-3 tabular-nums">{e.seq}</span>
            <span className="min-w-0 flex-1">
              <span className="font-medium">{spoken(e.event_type)}</span>
              {e.step_id ? <span className="text-ink-2"> · {e.step_id}</span> : null}
              {Object.keys(e.data).length > 0 ? (
                <span className="block font-mono text-xs break-all text-ink-3">{JSON.stringify(e.data)}</span>
              ) : null}
            </span>
            <span className="text-xs text-ink-3">
              <Time at={e.at} />
            </span>
          </li>
        ))}
      </ol>
    </>
  )
}
