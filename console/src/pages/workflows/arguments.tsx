/** A form made from a tool's input schema: what it knows of becomes a field, everything else is JSON at its place. */
import { useMemo, useState } from 'react'
import { Button } from '../../ui/button.tsx'
import { t } from '../../words/index.ts'
import { isObject, partsOf, pathText, type Step } from './graph.ts'
import type { Issue } from './issues.ts'
import { Place } from './place.tsx'
import type { Names, Schema, Tool } from './scope.ts'
import { ChoiceValue, JsonValue, NumberValue, TextValue } from './values.tsx'

export interface ArgumentsProps {
  step: Step
  tool: Tool | undefined
  onChange: (args: unknown, tag: string) => void
  names: Names
  require: (before: string) => void
  issuesAt: (path: string) => Issue[]
  onFix: (issue: Issue) => void
  readOnly: boolean
}

export function Arguments(props: ArgumentsProps) {
  const { step, tool, names, readOnly } = props
  const [wish, setWish] = useState<'form' | 'json'>('form')
  const given = step.tool_args
  const schema = tool?.input_schema
  const properties = isObject(schema?.properties) ? (schema.properties as Record<string, Schema>) : null
  const asForm = wish === 'form' && properties !== null && (given === undefined || isObject(given))
  return (
    <section aria-label={t('step.arguments')} className="flex flex-col gap-4">
      <div className="flex items-center justify-between gap-2">
        <h3 className="text-base font-semibold">{t('step.arguments')}</h3>
        {properties ? (
          <Button size="sm" look="quiet" onClick={() => setWish(asForm ? 'json' : 'form')}>
            {t(asForm ? 'step.asJson' : 'step.asForm')}
          </Button>
        ) : null}
      </div>
      {asForm ? (
        <Properties
          {...props}
          key={`${step.id} ${tool?.name}`}
          properties={properties}
          required={Array.isArray(schema?.required) ? (schema.required as string[]) : []}
          value={isObject(given) ? given : {}}
          path="tool_args"
        />
      ) : (
        <Place label={t('step.arguments.json')} path="tool_args" issues={props.issuesAt('tool_args')} onFix={props.onFix}>
          {(ids) => (
            <JsonValue
              tall
              ids={ids}
              value={given}
              onChange={(value) => props.onChange(value, 'tool_args')}
              names={names}
              require={props.require}
              readOnly={readOnly}
              placeholder="{}"
            />
          )}
        </Place>
      )}
    </section>
  )
}

interface PropertiesProps extends Omit<ArgumentsProps, 'onChange'> {
  properties: Record<string, Schema>
  required: readonly string[]
  value: Record<string, unknown>
  path: string
  onChange: (args: unknown, tag: string) => void
}

function Properties(props: PropertiesProps) {
  const { properties, required, value, path } = props
  // Fields stay where they were when the form was opened, whatever is typed into them.
  const [first] = useState(() => new Set([...required, ...Object.keys(value)]))
  const known = Object.keys(properties)
  const others = Object.keys(value).filter((name) => !Object.hasOwn(properties, name))
  const shown = [...known.filter((name) => first.has(name)), ...others]
  const rest = known.filter((name) => !first.has(name))
  const set = (name: string, inner: unknown, tag: string) => {
    const { [name]: _, ...without } = value
    props.onChange(inner === undefined ? without : { ...value, [name]: inner }, tag)
  }
  const field = (name: string) => (
    <Argument
      key={name}
      {...props}
      name={name}
      schema={properties[name] ?? {}}
      required={required.includes(name)}
      value={value[name]}
      path={pathText([...partsOf(path), name])}
      onChange={(inner, tag) => set(name, inner, tag)}
    />
  )
  return (
    <div className="flex flex-col gap-4">
      {shown.length === 0 && rest.length === 0 ? <p className="text-ink-2">{t('step.arguments.none')}</p> : null}
      {shown.map(field)}
      {rest.length > 0 ? (
        <details className="rounded-md border border-line" open={rest.some((name) => value[name] !== undefined) || undefined}>
          <summary className="min-h-8 cursor-pointer px-3 py-1.5 text-ink-2 hover:text-ink">
            {t('step.arguments.optional', { n: rest.length })}
          </summary>
          <div className="flex flex-col gap-4 border-t border-line p-3">{rest.map(field)}</div>
        </details>
      ) : null}
    </div>
  )
}

const typesOf = (schema: Schema): string[] =>
  (schema.type === undefined ? [] : ([schema.type].flat() as string[])).filter((it) => it !== 'null')

/** What may be entered, in a few words: `integer 1–300`. */
function limits(schema: Schema): string {
  const { minimum: low, maximum: high, maxLength } = schema
  const kind = typesOf(schema).join(' or ')
  const safe = (n: unknown) => (typeof n === 'number' && Math.abs(n) < Number.MAX_SAFE_INTEGER ? String(n) : '')
  const range = safe(low) || safe(high) ? `${safe(low)}–${safe(high)}` : ''
  return [kind, range, typeof maxLength === 'number' && maxLength <= 500 ? `≤ ${maxLength}` : ''].filter(Boolean).join(' ')
}

function Argument(
  props: Omit<PropertiesProps, 'properties' | 'required' | 'value'> & { name: string; schema: Schema; required: boolean; value: unknown },
) {
  const { name, schema, value, path, names, readOnly, required } = props
  const [type, more] = typesOf(schema)
  const inner =
    type === 'object' && isObject(schema.properties) && (value === undefined || isObject(value))
      ? (schema.properties as Record<string, Schema>)
      : null
  const hint = typeof schema.description === 'string' ? schema.description : undefined
  const placeholder = schema.default === undefined ? undefined : JSON.stringify(schema.default)
  const issues = useMemo(() => props.issuesAt(path), [props.issuesAt, path])
  if (inner)
    return (
      <fieldset className="flex flex-col gap-3 rounded-md border border-line p-3" data-path={path}>
        <legend className="px-1 text-sm font-medium">{name}</legend>
        {hint ? <p className="text-xs text-ink-3">{hint}</p> : null}
        <Properties
          {...props}
          properties={inner}
          required={Array.isArray(schema.required) ? (schema.required as string[]) : []}
          value={isObject(value) ? value : {}}
          onChange={(next, tag) => props.onChange(isObject(next) && Object.keys(next).length === 0 && !required ? undefined : next, tag)}
        />
      </fieldset>
    )
  return (
    <Place
      label={name}
      path={path}
      required={required}
      hint={hint}
      issues={issues}
      onFix={props.onFix}
      aside={<span className="text-xs whitespace-nowrap text-ink-3">{limits(schema)}</span>}
    >
      {(ids) => {
        const shared = {
          ids,
          label: name,
          value,
          names,
          readOnly,
          require: props.require,
          placeholder,
          onChange: (next: unknown) => props.onChange(next, path),
        }
        if (Array.isArray(schema.enum)) return <ChoiceValue {...shared} choices={schema.enum} />
        if (type === 'boolean' && !more) return <ChoiceValue {...shared} choices={[true, false]} />
        if ((type === 'number' || type === 'integer') && !more) return <NumberValue {...shared} />
        if (type === 'string' && !more && (value === undefined || typeof value === 'string')) return <TextValue {...shared} />
        return <JsonValue {...shared} />
      }}
    </Place>
  )
}
