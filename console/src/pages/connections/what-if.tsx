import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { whatIfQuery } from '../../queries.ts'
import { Region } from '../../ui/region.tsx'
import { Segments } from '../../ui/segments.tsx'
import { t } from '../../words/index.ts'

const STATES = ['none', 'revoked', 'deleted'] as const

/** What would become of the steps, before anybody touches it. */
export function WhatIf({ id }: { id: string }) {
  const [suppose, setSuppose] = useState<(typeof STATES)[number]>('none')
  return (
    <section className="flex flex-col items-start gap-2">
      <h3 className="text-xs text-ink-3">{t('detail.if')}</h3>
      <Segments
        label={t('detail.if')}
        options={STATES.map((it) => ({ id: it, label: t(`detail.if.${it}`) }))}
        active={suppose}
        onPick={setSuppose}
      />
      {suppose === 'none' ? null : <Fates id={id} suppose={suppose} />}
    </section>
  )
}

function Fates({ id, suppose }: { id: string; suppose: 'revoked' | 'deleted' }) {
  return (
    <Region query={useQuery(whatIfQuery(id, suppose))} rows={1}>
      {({ workflows, active_runs, webhooks }) => {
        const broken = workflows.map((w) => ({ ...w, fates: w.fates.filter((f) => f.code !== null) })).filter((w) => w.fates.length > 0)
        const runs = active_runs.filter((r) => r.fails).length
        const hooks = webhooks.filter((w) => w.fails).length
        return (
          <div role="status" className="flex w-full flex-col gap-2">
            {broken.length + runs + hooks === 0 ? <p className="text-ink-2">{t('detail.if.fine')}</p> : null}
            <ul className="flex flex-col gap-2">
              {broken.map((w) => (
                <li key={w.workflow_id}>
                  <span className="font-medium break-words">{w.name}</span>
                  {w.fates.map((f) => (
                    <span key={`${f.step_id} ${f.environment}`} className="block text-xs break-words text-danger">
                      {t('detail.if.step', { step: f.step_id, environment: f.environment, message: f.message ?? f.code ?? '' })}
                    </span>
                  ))}
                </li>
              ))}
            </ul>
            {runs > 0 ? <p className="text-danger">{t('detail.if.runs', { n: runs })}</p> : null}
            {hooks > 0 ? <p className="text-danger">{t('detail.if.hooks', { n: hooks })}</p> : null}
          </div>
        )
      }}
    </Region>
  )
}
