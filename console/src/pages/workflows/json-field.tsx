/** A step of a type that has no form: all of it but its id, as JSON. */
import { t } from '../../words/index.ts'
import { isObject, type Step } from './graph.ts'
import { Place } from './place.tsx'
import type { Studio } from './studio.ts'
import { JsonValue } from './values.tsx'

export function JsonField({ studio, step }: { studio: Studio; step: Step }) {
  const { id, ...rest } = step
  const { draft } = studio
  return (
    <Place label={t('step.json')} path="type" hint={t('step.json.hint', { type: String(step.type ?? '') })}>
      {(ids) => (
        <JsonValue
          key={id}
          tall
          ids={ids}
          value={rest}
          names={studio.namesOf(step)}
          require={(before) => studio.require(id, before)}
          readOnly={studio.readOnly}
          onChange={(value) => {
            if (isObject(value))
              draft.edit((now) => ({ ...now, steps: now.steps.map((it) => (it.id === id ? { ...value, id } : it)) }), `${id} json`)
          }}
        />
      )}
    </Place>
  )
}
