/** A form for what a schema asks. It edits one value; whoever keeps that value may edit it as JSON too. */
import { Plus, X } from 'lucide-react'
import type { ReactNode } from 'react'
import { t } from '../../words/index.ts'
import { Button, IconButton } from '../button.tsx'
import { Field, Input, Select, TextArea } from '../field.tsx'
import { Switch } from '../switch.tsx'
import { wanted, wrongText } from './said.ts'
import { beginning, fitting, join, nameOf, type Schema, shapeOf, type Wrong } from './schema.ts'
import { JsonPlace, NumberText } from './texts.tsx'

/** Whoever may write so much wants to see it. */
const LONG_TEXT = 4_000

interface Place {
  schema: Schema
  root: Schema
  name: string
  path: string
  value: unknown
  required: boolean
  problems: ReadonlyMap<string, Wrong>
  disabled: boolean
  /** Names of fields that are chosen elsewhere. */
  onChange: (value: unknown) => void
}

export function SchemaForm(
  props: Omit<Place, 'name' | 'path' | 'required' | 'root' | 'value' | 'onChange'> & {
    value: Record<string, unknown>
    onChange: (value: Record<string, unknown>) => void
  },
) {
  const { properties = {}, required = [] } = props.schema
  const names = Object.keys(properties)
  return (
    <div className="flex flex-col gap-4">
      {names.length === 0 ? <p className="text-ink-2">{t('schema.nothing')}</p> : null}
      <Members {...props} root={props.schema} path="" properties={properties} required={required} />
    </div>
  )
}

function Members(
  props: Pick<Place, 'root' | 'path' | 'problems' | 'disabled'> & {
    properties: Record<string, Schema>
    required: readonly string[]
    value: Record<string, unknown>
    onChange: (value: Record<string, unknown>) => void
  },
) {
  const { properties, required, value, path } = props
  // What has to be filled in comes first.
  const names = Object.keys(properties).sort((a, b) => Number(required.includes(b)) - Number(required.includes(a)))
  return names.map((name) => (
    <SchemaField
      key={name}
      schema={properties[name] as Schema}
      root={props.root}
      name={name}
      path={join(path, name)}
      value={value[name]}
      required={required.includes(name)}
      problems={props.problems}
      disabled={props.disabled}
      onChange={(next) => {
        const { [name]: _, ...rest } = value
        props.onChange(next === undefined ? rest : { ...rest, [name]: next })
      }}
    />
  ))
}

function SchemaField(place: Place) {
  const { schema, root, name, path, value, required, disabled, onChange } = place
  const shape = shapeOf(schema, root)
  const at = shape.schema
  const label = at.title ?? name
  const problem = wrongText(place.problems.get(path))
  const hint = (
    <>
      <span className="font-mono">{wanted(at, shape.kind, shape.nullable)}</span>
      {at.description ? <span className="block">{at.description}</span> : null}
    </>
  )
  const field = (control: (ids: object) => ReactNode) => (
    <Field label={label} required={required} hint={hint} problem={problem}>
      {control}
    </Field>
  )
  if (shape.kind === 'const')
    return field((ids) => <Input {...ids} name={path} value={JSON.stringify(at.const)} readOnly disabled={disabled} />)
  if (shape.kind === 'string')
    return field((ids) =>
      (at.maxLength ?? 0) > LONG_TEXT && at.format === undefined ? (
        <TextArea
          {...ids}
          name={path}
          rows={3}
          disabled={disabled}
          value={typeof value === 'string' ? value : ''}
          onChange={(e) => onChange(emptied(e.target.value, required))}
        />
      ) : (
        <Input
          {...ids}
          name={path}
          type={at.format === 'date' ? 'date' : 'text'}
          inputMode={at.format === 'email' ? 'email' : at.format === 'uri' ? 'url' : undefined}
          autoComplete="off"
          disabled={disabled}
          placeholder={typeof at.default === 'string' ? at.default : undefined}
          value={typeof value === 'string' ? value : ''}
          onChange={(e) => onChange(emptied(e.target.value, required))}
        />
      ),
    )
  if (shape.kind === 'number' || shape.kind === 'integer')
    return field((ids) => (
      <NumberText
        {...ids}
        name={path}
        value={value}
        whole={shape.kind === 'integer'}
        fallback={at.default}
        disabled={disabled}
        onChange={onChange}
      />
    ))
  if (shape.kind === 'boolean')
    return (
      <div className="flex items-start justify-between gap-4">
        <span className="min-w-0">
          <span className="block font-medium">{label}</span>
          <span className="block text-xs text-ink-3">{hint}</span>
          {problem ? <span className="block text-xs text-danger">{problem}</span> : null}
        </span>
        <Switch label={label} on={(value ?? at.default) === true} denied={disabled ? t('schema.readOnly') : null} onChange={onChange} />
      </div>
    )
  if (shape.kind === 'choice')
    return field((ids) => (
      <Select
        {...ids}
        name={path}
        disabled={disabled}
        value={value === undefined ? '' : JSON.stringify(value)}
        onChange={(e) => onChange(e.target.value === '' ? undefined : JSON.parse(e.target.value))}
      >
        {required && value !== undefined ? null : (
          <option value="">{at.default === undefined ? t('schema.unset') : t('schema.default', { value: String(at.default) })}</option>
        )}
        {shape.nullable && !at.enum?.includes(null) ? <option value="null">{t('schema.none')}</option> : null}
        {(at.enum ?? []).map((it) => (
          <option key={JSON.stringify(it)} value={JSON.stringify(it)}>
            {typeof it === 'string' ? it : JSON.stringify(it)}
          </option>
        ))}
      </Select>
    ))
  if (shape.kind === 'json') return field((ids) => <JsonPlace {...ids} name={path} value={value} disabled={disabled} onChange={onChange} />)
  return (
    <fieldset className="min-w-0 rounded-md border border-line p-3">
      <legend className="px-1 text-sm font-medium">
        {label}
        {required ? <span className="text-ink-3"> *</span> : null}
      </legend>
      {at.description ? <p className="pb-2 text-xs text-ink-3">{at.description}</p> : null}
      {problem ? <p className="pb-2 text-xs text-danger">{problem}</p> : null}
      <Group {...place} schema={at} options={shape.options} kind={shape.kind} optional={!required || shape.nullable} label={label} />
    </fieldset>
  )
}

/** An empty text is no text, unless one is demanded. */
const emptied = (text: string, required: boolean): string | undefined => (text === '' && !required ? undefined : text)

/** Objects, lists and alternatives: there or not, and each part in its place. */
function Group(place: Place & { options: readonly Schema[]; kind: string; optional: boolean; label: string }) {
  const { schema, root, path, value, disabled, onChange, kind, options, label } = place
  if (value === undefined || value === null)
    return (
      <Button
        size="sm"
        disabled={disabled}
        onClick={() =>
          onChange(beginning({ ...schema, type: kind === 'union' ? undefined : kind } as Schema, root) ?? (kind === 'array' ? [] : {}))
        }
      >
        <Plus size={14} aria-hidden />
        {t('schema.add', { what: label })}
      </Button>
    )
  const remove = place.optional ? (
    <Button size="sm" look="quiet" disabled={disabled} onClick={() => onChange(undefined)}>
      {t('schema.remove', { what: label })}
    </Button>
  ) : null
  if (kind === 'union') {
    const index = fitting(options, value, root)
    const option = options[index] as Schema
    return (
      <div className="flex flex-col gap-3">
        <Select
          aria-label={t('schema.kindOf', { what: label })}
          disabled={disabled}
          value={String(index)}
          onChange={(e) => onChange(beginning(options[Number(e.target.value)] as Schema, root))}
        >
          {options.map((o, i) => (
            <option key={nameOf(o)} value={String(i)}>
              {nameOf(o)}
            </option>
          ))}
        </Select>
        <SchemaField {...place} schema={{ ...option, title: nameOf(option) ?? label }} required onChange={onChange} />
        {remove}
      </div>
    )
  }
  if (kind === 'object' && typeof value === 'object' && !Array.isArray(value))
    return (
      <div className="flex flex-col gap-3">
        <Members
          root={root}
          path={path}
          problems={place.problems}
          disabled={disabled}
          properties={schema.properties ?? {}}
          required={schema.required ?? []}
          value={value as Record<string, unknown>}
          onChange={onChange}
        />
        {remove}
      </div>
    )
  if (kind === 'array' && Array.isArray(value))
    return (
      <div className="flex flex-col gap-3">
        {value.map((item, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: items have no other name than their place
          <div key={i} className="flex items-start gap-2">
            <div className="min-w-0 flex-1">
              <SchemaField
                {...place}
                schema={schema.items as Schema}
                name={t('schema.item', { n: i + 1 })}
                path={join(path, String(i))}
                value={item}
                required
                onChange={(next) => onChange(value.map((it, n) => (n === i ? next : it)))}
              />
            </div>
            <IconButton
              label={t('schema.remove', { what: t('schema.item', { n: i + 1 }) })}
              disabled={disabled}
              onClick={() => onChange(value.filter((_, n) => n !== i))}
            >
              <X size={14} aria-hidden />
            </IconButton>
          </div>
        ))}
        <div className="flex gap-2">
          <Button
            size="sm"
            disabled={disabled || value.length >= (schema.maxItems ?? Number.POSITIVE_INFINITY)}
            onClick={() => onChange([...value, beginning(schema.items as Schema, root)])}
          >
            <Plus size={14} aria-hidden />
            {t('schema.addItem')}
          </Button>
          {remove}
        </div>
      </div>
    )
  // Something else stands there than the schema says: as JSON nothing of it is lost.
  return <JsonPlace name={path} value={value} disabled={disabled} onChange={onChange} />
}
