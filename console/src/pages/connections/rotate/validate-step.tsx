import { useMutation } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { CircleCheck, CircleSlash, CircleX, Minus } from 'lucide-react'
import { type RefObject, useState } from 'react'
import { call } from '../../../api.ts'
import { Button, buttonClass } from '../../../ui/button.tsx'
import { Problem } from '../../../ui/region.tsx'
import { durationText, t } from '../../../words/index.ts'
import { type Connection, type Rotation, tailOf } from './wizard.tsx'

type Result = Rotation['results'][number]
const ICONS = { passed: CircleCheck, failed: CircleX, excluded: CircleSlash, inactive: Minus }
const COLOURS = { passed: 'text-ok', failed: 'text-danger', excluded: 'text-warn', inactive: 'text-ink-3' }

/** One row for each place. A failure is that place's own, and keeps no other. */
export function ValidateStep(props: {
  connection: Connection
  rotation: Rotation
  heading: RefObject<HTMLHeadingElement | null>
  know: (rotation: Rotation) => void
  onNext: (anyway: boolean) => void
}) {
  const { connection, rotation } = props
  const { results } = rotation
  const [anyway, setAnyway] = useState(false)
  const left = results.filter((r) => r.outcome === 'excluded').map((r) => r.instance_id as string)
  const check = useMutation({
    mutationFn: (exclude: string[]) => call('rotations.validate', { id: connection.id, exclude }),
    onSuccess: props.know,
  })
  const failed = results.filter((r) => r.outcome === 'failed').length
  const passed = results.filter((r) => r.outcome === 'passed').length
  const ready = rotation.state !== 'staged'
  return (
    <section className="flex flex-col gap-4">
      <h3 ref={props.heading} tabIndex={-1} className="text-base font-semibold outline-none">
        {t('rotate.check.title', { tail: tailOf(rotation.new) })}
      </h3>
      {check.error ? <Problem error={check.error} /> : null}
      <ul className="flex flex-col divide-y divide-line rounded-md border border-line">
        {results.map((r) => (
          <Row
            key={`${r.instance_id} ${r.profile_id}`}
            result={r}
            busy={check.isPending}
            onAgain={() => check.mutate(left)}
            onExclude={() => check.mutate([...left, r.instance_id as string])}
            onInclude={() => check.mutate(left.filter((it) => it !== r.instance_id))}
          />
        ))}
      </ul>
      <p role="status" className="text-sm text-ink-2">
        {check.isPending ? t('rotate.check.busy') : t('rotate.check.summary', { passed, n: passed + failed })}
      </p>
      {failed > 0 ? (
        <label className="flex items-center gap-2">
          <input type="checkbox" checked={anyway} onChange={(e) => setAnyway(e.target.checked)} />
          {t('rotate.check.anyway', { n: failed })}
        </label>
      ) : null}
      <div className="flex flex-wrap justify-end gap-2">
        <Button busy={check.isPending} onClick={() => check.mutate(left)}>
          {t('rotate.check.again')}
        </Button>
        <Button look="primary" disabled={(!ready && !anyway) || check.isPending} onClick={() => props.onNext(!ready)}>
          {t('rotate.continue')}
        </Button>
      </div>
    </section>
  )
}

function Row({
  result: r,
  busy,
  ...on
}: {
  result: Result
  busy: boolean
  onAgain: () => void
  onExclude: () => void
  onInclude: () => void
}) {
  const Icon = ICONS[r.outcome]
  const name = r.instance_name ?? t('rotate.check.alone')
  return (
    <li className="flex gap-3 p-3">
      <Icon size={16} aria-hidden className={`mt-0.5 shrink-0 ${COLOURS[r.outcome]}`} />
      <div className="min-w-0 grow">
        <p className="break-words">
          <span className="font-medium">{name}</span> <span className="text-xs text-ink-3">{r.environment}</span>
        </p>
        <p className={`break-words ${COLOURS[r.outcome]}`}>
          {r.outcome === 'passed'
            ? t('rotate.check.passed', { ms: durationText(r.latency_ms ?? 0) })
            : r.outcome === 'failed'
              ? (r.problem?.message ?? t('rotate.check.failed'))
              : t(`rotate.check.${r.outcome}`)}
        </p>
        {r.problem?.hint ? <p className="text-xs break-words text-ink-2">{r.problem.hint}</p> : null}
        {r.warnings.map((w) => (
          <p key={w} className="text-xs break-words text-warn">
            {w}
          </p>
        ))}
        {r.outcome === 'failed' && r.instance_id ? (
          <div className="flex flex-wrap gap-2 pt-2">
            <Button size="sm" disabled={busy} onClick={on.onExclude} aria-label={`${t('rotate.check.exclude')}: ${name}`}>
              {t('rotate.check.exclude')}
            </Button>
            <Link
              to="/mcp/instances/$id"
              params={{ id: r.instance_id }}
              search={{ tool: undefined, profile: r.profile_id ?? undefined, tab: undefined }}
              className={buttonClass('plain', 'sm')}
            >
              {t('rotate.check.edit')}
            </Link>
          </div>
        ) : null}
        {r.outcome === 'excluded' ? (
          <div className="pt-2">
            <Button size="sm" disabled={busy} onClick={on.onInclude} aria-label={`${t('rotate.check.include')}: ${name}`}>
              {t('rotate.check.include')}
            </Button>
          </div>
        ) : null}
      </div>
    </li>
  )
}
