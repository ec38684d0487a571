/** One value, edited as a form or as JSON. What is no JSON stays as it was typed, and blocks what would use it. */
import { useEffect, useState } from 'react'
import { t } from '../../words/index.ts'
import { Field, TextArea } from '../field.tsx'
import { Segments } from '../segments.tsx'
import { SchemaForm } from './form.tsx'
import { wrongText } from './said.ts'
import { jsonProblem, problemsIn, type Schema } from './schema.ts'

export type Value = Record<string, unknown>

/** What stands in the way of using the value; null where nothing does. */
export function useSchemaValue(schema: Schema, start: Value) {
  const [value, setValue] = useState<Value>(start)
  const [text, setText] = useState<string | null>(null)
  const bad = text === null ? null : jsonProblem(text)
  const problems = problemsIn(schema, value, schema)
  return {
    value,
    text,
    bad,
    problems,
    ready: bad === null && problems.size === 0,
    set: (next: Value) => {
      setValue(next)
      setText(null)
    },
    type: (typed: string) => {
      setText(typed)
      if (jsonProblem(typed) === null) setValue(JSON.parse(typed) as Value)
    },
  }
}
export type Held = ReturnType<typeof useSchemaValue>

export function SchemaEditor(props: { schema: Schema; held: Held; label: string; disabled?: boolean; shown?: boolean }) {
  const { schema, held, label, disabled = false } = props
  const [as, setAs] = useState<'form' | 'json'>('form')
  const showProblems = props.shown !== false
  // A form cannot show what is no JSON.
  const view = held.bad ? 'json' : as
  useEffect(() => {
    if (held.bad) setAs('json')
  }, [held.bad])
  const told = showProblems ? held.problems : new Map()
  return (
    <div className="flex flex-col gap-3">
      <div className="flex items-center justify-between gap-2">
        <h3 className="text-xs font-medium text-ink-3">{label}</h3>
        <Segments
          label={t('schema.view', { what: label })}
          active={view}
          disabled={held.bad !== null}
          options={[
            { id: 'form', label: t('schema.form') },
            { id: 'json', label: t('schema.asJson') },
          ]}
          onPick={setAs}
        />
      </div>
      {view === 'form' ? (
        <SchemaForm schema={schema} value={held.value} problems={told} disabled={disabled} onChange={held.set} />
      ) : (
        <Field
          label={t('schema.asJson')}
          problem={
            held.bad
              ? t('schema.badJsonAt', { what: held.bad.what, line: held.bad.line, column: held.bad.column })
              : [...told].map(([path, wrong]) => `${path}: ${wrongText(wrong)}`).join(' · ') || undefined
          }
        >
          {(ids) => (
            <TextArea
              {...ids}
              rows={Math.min(20, Math.max(6, (held.text ?? JSON.stringify(held.value, null, 2)).split('\n').length + 1))}
              disabled={disabled}
              value={held.text ?? JSON.stringify(held.value, null, 2)}
              onChange={(e) => held.type(e.target.value)}
            />
          )}
        </Field>
      )}
    </div>
  )
}
