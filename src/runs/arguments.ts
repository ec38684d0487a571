/** A step's arguments against the tool's schema, before anything runs. Where a template stands, any value may come. */
import type { z } from 'zod'
import type { Issue, Step } from './graph.ts'
import { didYouMean, jsonPath, shown } from './path.ts'
import { findTemplates } from './template.ts'

type Path = readonly PropertyKey[]
type Place = { at: Path; whole: boolean }

const startsWith = (path: Path, head: Path): boolean => head.length <= path.length && head.every((part, i) => part === path[i])

/** Issues with paths like `steps[2].tool_args.limit`. They name fields and types, never a value. */
export function argumentIssues(step: Step, index: number, schema: z.ZodType): Issue[] {
  const places: Place[] = findTemplates(step.tool_args)
  const issue = (path: Path, message: string): Issue => ({
    step_id: step.id,
    code: 'invalid_arguments',
    path: jsonPath(['steps', index, 'tool_args', ...path]),
    message,
    severity: 'error',
  })
  const unknown = unknownFields(schema, step.tool_args, []).map(({ path, known }) => unknownField(issue, path, known))
  const parsed = tryParse(schema, step.tool_args)
  if (!parsed || parsed.success) return unknown
  const wrong = parsed.error.issues
    .filter((found) => !excused(found, places))
    .flatMap((found) => describe(found, schema, step.tool_args, issue))
  return [...unknown, ...wrong]
}

/** null: the schema has checks that cannot be made now (they wait for something, or trip over a template's text). */
function tryParse(schema: z.ZodType, value: unknown): z.ZodSafeParseResult<unknown> | null {
  try {
    return schema.safeParse(value)
  } catch {
    return null
  }
}

/** Could the values that templates bring make this issue go away? */
function excused(found: z.core.$ZodIssue, places: readonly Place[]): boolean {
  for (const place of places) {
    if (startsWith(found.path, place.at)) {
      // Text with a template in it is a text whatever comes: only its content is open.
      if (place.whole || found.code !== 'invalid_type') return true
    } else if ((found.code === 'invalid_union' || found.code === 'custom') && startsWith(place.at, found.path)) return true
  }
  return false
}

type MakeIssue = (path: Path, message: string) => Issue

const unknownField = (issue: MakeIssue, path: Path, known: readonly string[]): Issue => {
  const name = String(path.at(-1))
  return issue(path, `There is no argument \`${shown(name)}\`.${didYouMean(name, known)}`)
}

function describe(found: z.core.$ZodIssue, schema: z.ZodType, args: unknown, issue: MakeIssue): Issue[] {
  const name = jsonPath(found.path)
  if (found.code === 'unrecognized_keys') {
    const known = Object.keys(fieldsAt(schema, found.path) ?? {})
    return found.keys.map((key) => unknownField(issue, [...found.path, key], known))
  }
  if (valueAt(args, found.path) === undefined) return [issue(found.path, `The argument \`${name}\` is required.`)]
  if (found.code === 'invalid_union') return [issue(found.path, `\`${name}\` fits none of the forms that the tool takes.`)]
  return [issue(found.path, name === '' ? `${found.message}.` : `\`${name}\`: ${found.message}.`)]
}

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? (at as Record<PropertyKey, unknown>)[key] : undefined),
    value,
  )

/** The schema without its wrappers, as it takes input. */
function bare(schema: z.core.$ZodType): z.core.$ZodTypes['_zod']['def'] {
  let def = (schema as z.core.$ZodTypes)._zod.def
  // A bound, because a lazy schema may name itself.
  for (let i = 0; i < 20; i++) {
    if (def.type === 'pipe') def = (def.in as z.core.$ZodTypes)._zod.def
    else if (def.type === 'lazy') def = (def.getter() as z.core.$ZodTypes)._zod.def
    else if ('innerType' in def) def = (def.innerType as z.core.$ZodTypes)._zod.def
    else break
  }
  return def
}

function fieldsAt(schema: z.core.$ZodType, path: Path): Record<string, z.core.$ZodType> | null {
  const def = bare(schema)
  const [key, ...rest] = path
  if (def.type === 'object') {
    const shape = def.shape as Record<string, z.core.$ZodType>
    if (key === undefined) return shape
    return Object.hasOwn(shape, key) ? fieldsAt(shape[key as string]!, rest) : null
  }
  return def.type === 'array' && key !== undefined ? fieldsAt(def.element, rest) : null
}

/** Fields that a schema would drop in silence: a misspelt argument must not pass as an absent one. Strict schemas tell by themselves. */
function unknownFields(schema: z.core.$ZodType, value: unknown, path: Path): { path: Path; known: string[] }[] {
  if (typeof value !== 'object' || value === null) return []
  const def = bare(schema)
  if (def.type === 'array' && Array.isArray(value)) return value.flatMap((item, i) => unknownFields(def.element, item, [...path, i]))
  if (def.type !== 'object' || Array.isArray(value)) return []
  const shape = def.shape as Record<string, z.core.$ZodType>
  return Object.entries(value).flatMap(([key, field]) => {
    if (Object.hasOwn(shape, key)) return unknownFields(shape[key]!, field, [...path, key])
    return def.catchall === undefined ? [{ path: [...path, key], known: Object.keys(shape) }] : []
  })
}
