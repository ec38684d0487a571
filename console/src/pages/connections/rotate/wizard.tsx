/** A new credential in place of the one in use, in four steps. Whatever was done lies at the server: a reload, or somebody else, goes on. */
import '../../../words/with-rotation.ts'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { type Answer, call, Refusal } from '../../../api.ts'
import { connectionQuery, rotationQuery, templatesQuery } from '../../../queries.ts'
import { Button } from '../../../ui/button.tsx'
import { Sheet } from '../../../ui/overlay.tsx'
import { Problem, Region } from '../../../ui/region.tsx'
import { toast } from '../../../ui/toast.tsx'
import { type Key, t } from '../../../words/index.ts'
import { SaveStep } from './save-step.tsx'
import { SwitchStep } from './switch-step.tsx'
import { TestStep } from './test-step.tsx'
import { ValidateStep } from './validate-step.tsx'

export type Connection = Answer<'connections.get'>
export type Rotation = Answer<'rotations.get'>
type StepNo = 1 | 2 | 3 | 4

/** Of a key that is long enough to show its end. */
export const tailOf = (side: Rotation['old'] | undefined): string => {
  const last = side?.keys.find((k) => k.last_four)?.last_four
  return last ? ` ••••${last}` : ''
}
const OVER: readonly Rotation['state'][] = ['cancelled', 'rolled_back', 'finished']

/** Where it stands, as far as the server knows. */
function standsAt(rotation: Rotation | null): StepNo {
  if (rotation === null || OVER.includes(rotation.state)) return 1
  if (rotation.state === 'staged') return 2
  if (rotation.state === 'validated') return rotation.reason === 'leaked' || rotation.test?.kind === 'skipped' ? 4 : 3
  return 4
}

export function Rotate({
  id,
  asked,
  onClose,
  onStaged,
}: {
  id: string
  asked: string
  onClose: () => void
  onStaged: (rotation: string) => void
}) {
  const connection = useQuery(connectionQuery(id))
  const latest = useQuery({ ...rotationQuery(id), retry: false })
  const [typed, setTyped] = useState(false)
  const [asking, setAsking] = useState(false)
  const fresh = asked === 'new'
  const none = latest.error instanceof Refusal && latest.error.status === 404
  // One that is over is shown to whoever comes by its address, and is no hindrance to another.
  const over = latest.data !== undefined && OVER.includes(latest.data.state) && (fresh || latest.data.state !== 'finished')
  const rotation = latest.data && !over ? latest.data : null
  const close = () => (typed ? setAsking(true) : onClose())
  return (
    <Sheet
      open
      wide
      onClose={close}
      title={t('rotate.title', { name: connection.data?.name ?? '' })}
      about={rotation?.state === 'finished' || rotation?.state === 'switched' ? null : t('rotate.about', { tail: tailOf(rotation?.old) })}
    >
      {asking ? (
        <div role="alert" className="mb-4 flex flex-wrap items-center gap-3 rounded-md bg-warn-soft p-3">
          <p className="grow font-medium">{t('rotate.save.typed')}</p>
          <Button size="sm" onClick={() => setAsking(false)}>
            {t('rotate.save.stay')}
          </Button>
          <Button size="sm" look="danger" onClick={onClose}>
            {t('rotate.save.discard')}
          </Button>
        </div>
      ) : null}
      <Region query={connection}>
        {(c) =>
          latest.isPending ? (
            <div data-loading />
          ) : latest.error && !none ? (
            <Problem error={latest.error} retry={latest.refetch} />
          ) : (
            <Steps connection={c} rotation={rotation} onTyped={setTyped} onStaged={onStaged} onClose={onClose} />
          )
        }
      </Region>
    </Sheet>
  )
}

function Steps(props: {
  connection: Connection
  rotation: Rotation | null
  onTyped: (typed: boolean) => void
  onStaged: (rotation: string) => void
  onClose: () => void
}) {
  const { connection, rotation } = props
  const queries = useQueryClient()
  const templates = useQuery(templatesQuery)
  const template = templates.data?.items.find((it) => it.provider === connection.provider)
  const stands = standsAt(rotation)
  const [picked, setPicked] = useState<StepNo | null>(null)
  const [force, setForce] = useState(false)
  // Nobody goes ahead of what has been done; back to look is fine until the switch.
  const step = rotation?.state === 'switched' || rotation === null ? stands : (picked ?? stands)
  const heading = useRef<HTMLHeadingElement>(null)
  const before = useRef(step)
  useEffect(() => {
    if (before.current !== step) heading.current?.focus()
    before.current = step
  }, [step])

  const know = (it: Rotation) => {
    queries.setQueryData(rotationQuery(connection.id).queryKey, it)
    void queries.invalidateQueries({ queryKey: ['connections'], predicate: ({ queryKey }) => queryKey[2] !== 'rotation' })
  }
  const cancel = useMutation({
    mutationFn: () => call('rotations.rollback', { id: connection.id }),
    onSuccess: (it) => {
      know(it)
      toast(t('rotate.cancelled'))
      props.onClose()
    },
  })
  const over = rotation !== null && OVER.includes(rotation.state)
  const shown = { connection, template, heading, know }
  return (
    <div className="flex flex-col gap-5">
      <ol className="flex flex-wrap gap-x-4 gap-y-1 text-xs" aria-label={t('rotate.step', { n: step, name: t(`rotate.step.${step}`) })}>
        {([1, 2, 3, 4] as const).map((n) => (
          <li
            key={n}
            aria-current={n === step && !over ? 'step' : undefined}
            className={`flex items-center gap-1.5 ${n === step && !over ? 'font-semibold text-ink' : 'text-ink-3'}`}
          >
            <span
              className={`inline-flex size-5 items-center justify-center rounded-full border ${n < step || over ? 'border-ok text-ok' : n === step ? 'border-ink' : 'border-line-strong'}`}
            >
              {n}
            </span>
            {t(`rotate.step.${n}` as Key)}
          </li>
        ))}
      </ol>
      {rotation === null ? (
        <SaveStep
          {...shown}
          onTyped={props.onTyped}
          onSaved={(it) => {
            know(it)
            // What was found is looked at once; what has leaked is switched without a stop.
            setPicked(it.reason === 'leaked' && it.state === 'validated' ? null : 2)
            props.onStaged(it.rotation_id)
          }}
          onLater={props.onClose}
        />
      ) : step === 2 ? (
        <ValidateStep
          {...shown}
          know={(it) => {
            setPicked(2)
            know(it)
          }}
          rotation={rotation}
          onNext={(anyway) => {
            setForce(anyway)
            setPicked(rotation.reason === 'leaked' ? 4 : 3)
          }}
        />
      ) : step === 3 ? (
        <TestStep {...shown} rotation={rotation} onNext={() => setPicked(4)} onBack={() => setPicked(2)} />
      ) : (
        <SwitchStep
          {...shown}
          rotation={rotation}
          force={force}
          onBack={() => setPicked(rotation.reason === 'leaked' ? 2 : 3)}
          onClose={props.onClose}
        />
      )}
      {rotation !== null && (step === 2 || step === 3) ? (
        <div className="flex flex-wrap justify-between gap-2 border-t border-line pt-3">
          <Button look="quiet" busy={cancel.isPending} onClick={() => cancel.mutate()}>
            {t('rotate.cancel')}
          </Button>
          <Button look="quiet" onClick={props.onClose}>
            {t('rotate.later')}
          </Button>
          {cancel.error ? <Problem error={cancel.error} /> : null}
        </div>
      ) : null}
    </div>
  )
}
