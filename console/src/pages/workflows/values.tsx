/** Editors of one value each. Every one of them takes a template in place of the value. */
import { Braces } from 'lucide-react'
import type { EditorView } from '@codemirror/view'
import { useRef, useState } from 'react'
import { Input, Select } from '../../ui/field.tsx'
import { t } from '../../words/index.ts'
import { Code } from './code.tsx'
import { canonical } from './graph.ts'
import { valueJson } from './json-code.ts'
import { unreadable } from './json-text.ts'
import type { Ids } from './place.tsx'
import type { Names } from './scope.ts'
import { offer, templateField } from './template-code.ts'

export interface ValueProps {
  ids: Ids
  value: unknown
  /** `undefined` takes it away. */
  onChange: (value: unknown) => void
  names: Names
  require: (before: string) => void
  readOnly: boolean
  placeholder?: string | undefined
}

const hasTemplate = (value: unknown): boolean => typeof value === 'string' && value.includes('{{')

/** The functions that an editor keeps for life, always of the latest names. */
function useLatest(props: Pick<ValueProps, 'names' | 'require'>) {
  const latest = useRef(props)
  latest.current = props
  return { names: () => latest.current.names, require: (before: string) => latest.current.require(before) }
}

/** Text in which templates may stand. The button is for whoever does not know the braces. */
export function TextValue(props: ValueProps & { label: string; asText?: (value: unknown) => string; read?: (text: string) => unknown }) {
  const { ids, value, onChange, names, readOnly, placeholder } = props
  const view = useRef<EditorView | null>(null)
  const latest = useLatest(props)
  const [extensions] = useState(() => templateField(latest.names, latest.require))
  const shown = props.asText ? props.asText(value) : typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value)
  return (
    <div className="relative">
      <Code
        value={shown}
        onChange={(text) => onChange(props.read ? props.read(text) : text === '' ? undefined : text)}
        labelledBy={ids.labelledBy}
        describedBy={ids.describedBy}
        invalid={ids.invalid}
        readOnly={readOnly}
        placeholder={placeholder}
        extensions={extensions}
        known={names}
        onView={(made) => {
          view.current = made
        }}
        className="max-h-64 overflow-y-auto pe-8 [&_.cm-editor]:min-h-[30px]"
      />
      {readOnly ? null : (
        <button
          type="button"
          aria-label={t('template.offer', { label: props.label })}
          title={t('template.offer.title')}
          onClick={() => view.current && offer(view.current)}
          className="absolute end-1 top-1 inline-flex size-6 items-center justify-center rounded text-ink-3 hover:bg-surface-2 hover:text-ink"
        >
          <Braces size={14} aria-hidden />
        </button>
      )}
    </div>
  )
}

/** What cannot be read as a number stays as text, and the server says so. */
export const readNumber = (text: string): unknown => {
  const plain = text.trim()
  if (plain === '') return undefined
  return /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : text
}
const numberText = (value: unknown): string => (value === undefined ? '' : String(value))

export const NumberValue = (props: ValueProps & { label: string }) => <TextValue {...props} read={readNumber} asText={numberText} />

const TEMPLATE = '{{'
/** One of a few, or a template. */
export function ChoiceValue(props: ValueProps & { label: string; choices: readonly unknown[] }) {
  const { ids, value, choices, onChange, readOnly } = props
  const [wish, setWish] = useState(false)
  if (wish || hasTemplate(value))
    return (
      <div className="flex flex-col items-start gap-1">
        <div className="w-full">
          <TextValue {...props} />
        </div>
        {readOnly ? null : (
          <button
            type="button"
            className="min-h-6 text-xs text-accent hover:underline"
            onClick={() => {
              setWish(false)
              onChange(undefined)
            }}
          >
            {t('value.choose')}
          </button>
        )}
      </div>
    )
  const index = choices.findIndex((it) => canonical(it) === canonical(value))
  return (
    <Select
      id={ids.id}
      aria-labelledby={ids.labelledBy}
      aria-describedby={ids.describedBy}
      aria-invalid={ids.invalid || undefined}
      disabled={readOnly}
      value={value === undefined ? '' : String(index)}
      onChange={(e) => {
        if (e.target.value === TEMPLATE) setWish(true)
        else onChange(e.target.value === '' ? undefined : choices[Number(e.target.value)])
      }}
    >
      <option value="">{props.placeholder ? t('value.default', { value: props.placeholder }) : t('value.unset')}</option>
      {choices.map((it, i) => (
        <option key={canonical(it)} value={String(i)}>
          {typeof it === 'string' ? it : JSON.stringify(it)}
        </option>
      ))}
      {value !== undefined && index < 0 ? <option value="-1">{JSON.stringify(value)}</option> : null}
      <option value={TEMPLATE}>{t('value.template')}</option>
    </Select>
  )
}

/** A list or an object, as JSON. What cannot be read is kept in sight and goes nowhere. */
export function JsonValue(props: ValueProps & { tall?: boolean }) {
  const { ids, value, onChange, names, readOnly, placeholder } = props
  const latest = useLatest(props)
  const [extensions] = useState(() => valueJson(latest.names, latest.require))
  const asText = (it: unknown) => (it === undefined ? '' : JSON.stringify(it, null, 2))
  const [text, setText] = useState(() => asText(value))
  const said = useRef(canonical(value))
  if (canonical(value) !== said.current) {
    said.current = canonical(value)
    setText(asText(value))
  }
  const problem = text.trim() === '' ? null : unreadable(text)
  return (
    <>
      <Code
        value={text}
        onChange={(next) => {
          setText(next)
          const empty = next.trim() === ''
          if (!empty && unreadable(next)) return
          const read: unknown = empty ? undefined : JSON.parse(next)
          said.current = canonical(read)
          onChange(read)
        }}
        labelledBy={ids.labelledBy}
        describedBy={ids.describedBy}
        invalid={ids.invalid || problem !== null}
        readOnly={readOnly}
        placeholder={placeholder}
        extensions={extensions}
        known={names}
        className={props.tall ? '[&_.cm-editor]:min-h-40' : ''}
      />
      {problem ? (
        <p role="status" className="text-xs text-danger">
          {t('json.unreadable', { line: problem.line, column: problem.column })} {t('json.kept')}
        </p>
      ) : null}
    </>
  )
}

/** A whole number of its own, never a template: retries, seconds. */
export function PlainNumber(props: {
  ids: Ids
  value: unknown
  onChange: (value: unknown) => void
  readOnly: boolean
  placeholder: string
  min: number
  max: number
}) {
  return (
    <Input
      id={props.ids.id}
      type="number"
      inputMode="numeric"
      min={props.min}
      max={props.max}
      aria-describedby={props.ids.describedBy}
      aria-invalid={props.ids.invalid || undefined}
      disabled={props.readOnly}
      placeholder={props.placeholder}
      value={typeof props.value === 'number' ? props.value : ''}
      onChange={(e) => props.onChange(e.target.value === '' ? undefined : Number(e.target.value))}
    />
  )
}
