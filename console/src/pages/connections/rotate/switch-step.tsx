import { useMutation, useQuery } from '@tanstack/react-query'
import { type RefObject, useState } from 'react'
import { call } from '../../../api.ts'
import { rotationQuery } from '../../../queries.ts'
import { Button } from '../../../ui/button.tsx'
import { Field, Select } from '../../../ui/field.tsx'
import { Time } from '../../../ui/parts.tsx'
import { Problem } from '../../../ui/region.tsx'
import { toast } from '../../../ui/toast.tsx'
import { t } from '../../../words/index.ts'
import type { Template } from '../credential-fields.tsx'
import { type Connection, type Rotation, tailOf } from './wizard.tsx'

const OVERLAPS = [60, 1440, 10080, 0] as const
/** The count of calls on the old one is looked at again this often. */
const LOOK_MS = 2_000

interface Props {
  connection: Connection
  template: Template | undefined
  rotation: Rotation
  force: boolean
  heading: RefObject<HTMLHeadingElement | null>
  know: (rotation: Rotation) => void
  onBack: () => void
  onClose: () => void
}

export function SwitchStep(props: Props) {
  const { rotation } = props
  return rotation.state === 'switched' ? (
    <Switched {...props} />
  ) : rotation.state === 'finished' ? (
    <Finished {...props} />
  ) : (
    <Before {...props} />
  )
}

function Before({ connection, rotation, heading, know, onBack, force }: Props) {
  const [overlap, setOverlap] = useState(rotation.reason === 'leaked' ? 0 : 60)
  const doubtful = force || rotation.state === 'staged' || rotation.test?.ok === false
  const go = useMutation({
    mutationFn: () => call('rotations.promote', { id: connection.id, overlap_minutes: overlap, force: doubtful }),
    onSuccess: know,
  })
  return (
    <section className="flex flex-col gap-4">
      <h3 ref={heading} tabIndex={-1} className="text-base font-semibold outline-none">
        {t('rotate.switch.title', { tail: tailOf(rotation.new) })}
      </h3>
      {go.error ? <Problem error={go.error} /> : null}
      <p>{rotation.runs_under_way > 0 ? t('rotate.switch.runs', { n: rotation.runs_under_way }) : t('rotate.switch.noRuns')}</p>
      <Field label={t('rotate.switch.overlap')}>
        {(ids) => (
          <Select {...ids} value={overlap} onChange={(e) => setOverlap(Number(e.target.value))}>
            {OVERLAPS.map((it) => (
              <option key={it} value={it}>
                {t(`rotate.switch.overlap.${it}`)}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <div className="flex flex-wrap justify-end gap-2">
        <Button look="quiet" onClick={onBack}>
          {t('rotate.back')}
        </Button>
        <Button look={doubtful ? 'danger' : 'primary'} busy={go.isPending} onClick={() => go.mutate()}>
          {t(doubtful ? 'rotate.switch.doForce' : 'rotate.switch.do')}
        </Button>
      </div>
    </section>
  )
}

function Switched({ connection, template, rotation, heading, know, onClose }: Props) {
  const [confirmed, setConfirmed] = useState(false)
  useQuery({ ...rotationQuery(connection.id), refetchInterval: LOOK_MS })
  const finish = useMutation({
    mutationFn: () => call('rotations.finish', { id: connection.id, confirm: confirmed }),
    onSuccess: know,
  })
  const back = useMutation({
    mutationFn: () => call('rotations.rollback', { id: connection.id }),
    onSuccess: (it) => {
      know(it)
      toast(t('rotate.rolledBack'))
      onClose()
    },
  })
  const { old } = rotation
  const stay = rotation.results.filter((r) => r.outcome === 'excluded').map((r) => r.instance_name ?? '')
  const tail = tailOf(old)
  const title = template?.display_name ?? connection.provider
  return (
    <section className="flex flex-col gap-4">
      <h3 ref={heading} tabIndex={-1} className="text-base font-semibold outline-none">
        {t('rotate.switched')} {rotation.switched_at ? <Time at={rotation.switched_at} /> : null}
      </h3>
      {finish.error || back.error ? <Problem error={finish.error ?? back.error} /> : null}
      {rotation.fallbacks > 0 ? (
        <p role="alert" className="rounded-md bg-warn-soft p-3 font-medium">
          {t('rotate.switched.fallbacks', { n: rotation.fallbacks })}
        </p>
      ) : null}
      <p className="flex flex-wrap items-center gap-x-2 gap-y-2">
        {old.destroyed_at ? (
          t('rotate.switched.gone', { tail })
        ) : (
          <>
            <span>
              {t('rotate.switched.until', { tail })} {rotation.overlap_until ? <Time at={rotation.overlap_until} /> : null}.
            </span>
            <Button size="sm" busy={back.isPending} onClick={() => back.mutate()}>
              {t('rotate.switch.back')}
            </Button>
          </>
        )}
      </p>
      <p role="status">
        {old.calls > 0 ? t('rotate.switched.calls', { n: old.calls }) : t('rotate.switched.none')}
        {old.last_used_at ? (
          <span className="text-ink-3">
            {' '}
            {t('rotate.switched.last')} <Time at={old.last_used_at} />.
          </span>
        ) : null}
      </p>
      {stay.length > 0 ? <p className="break-words text-warn">{t('rotate.switched.stay', { names: stay.join(', ') })}</p> : null}
      {rotation.can_revoke && !old.destroyed_at ? (
        <p>{t('rotate.revoke.here', { title, tail })}</p>
      ) : template ? (
        <p>
          <a href={template.docs} target="_blank" rel="noreferrer" className="text-accent underline hover:no-underline">
            {t('rotate.revoke.there', { title, tail })}
          </a>
        </p>
      ) : null}
      <label className="flex items-center gap-2">
        <input type="checkbox" checked={confirmed} onChange={(e) => setConfirmed(e.target.checked)} />
        {t('rotate.revoke.confirm')}
      </label>
      <div className="flex flex-wrap justify-end gap-2">
        <Button look="quiet" onClick={onClose}>
          {t('rotate.later')}
        </Button>
        <Button
          look="primary"
          busy={finish.isPending}
          disabled={!confirmed && (!rotation.can_revoke || old.destroyed_at !== null)}
          onClick={() => finish.mutate()}
        >
          {t(old.destroyed_at ? 'rotate.finish.gone' : 'rotate.finish')}
        </Button>
      </div>
    </section>
  )
}

function Finished({ connection, rotation, heading, onClose }: Props) {
  const save = useMutation({
    mutationFn: () => call('rotations.evidence', { id: connection.id, rotation_id: rotation.rotation_id }),
    onSuccess: (record) => {
      const url = URL.createObjectURL(new Blob([JSON.stringify(record, null, 2)], { type: 'application/json' }))
      const link = Object.assign(document.createElement('a'), { href: url, download: `${rotation.rotation_id}.json` })
      link.click()
      URL.revokeObjectURL(url)
    },
  })
  return (
    <section className="flex flex-col gap-4">
      <h3 ref={heading} tabIndex={-1} className="text-base font-semibold outline-none">
        {t('rotate.done')}
      </h3>
      {save.error ? <Problem error={save.error} /> : null}
      <p>{t('rotate.finished', { tail: tailOf(rotation.new) })}</p>
      <p className="text-ink-2">{t(`rotate.finished.${rotation.revoked_at_provider ?? 'unconfirmed'}`)}</p>
      <div className="flex flex-wrap justify-end gap-2">
        <Button busy={save.isPending} onClick={() => save.mutate()}>
          {t('rotate.evidence')}
        </Button>
        <Button look="primary" onClick={onClose}>
          {t('action.close')}
        </Button>
      </div>
    </section>
  )
}
