/** What a value on the command line means: text, a file, standard input, a number, JSON, as the schema of its field says. */
import { readFileSync, statSync } from 'node:fs'
import { fail } from '../base/errors.ts'
import { type Schema, typesOf } from './cli-commands.ts'
import { MAX_INPUT_BYTES, type Terminal } from './cli-terminal.ts'

/** `@file` and `@-` are read, `@@x` is the text `@x`. `label` is what messages call the field; no message repeats a value. */
export async function load(label: string, text: string, terminal: Pick<Terminal, 'readAll'>): Promise<{ text: string; typed: boolean }> {
  if (!text.startsWith('@')) return { text, typed: true }
  if (text.startsWith('@@')) return { text: text.slice(1), typed: true }
  if (text === '@-') return { text: await terminal.readAll(label), typed: false }
  return { text: readTextFile(label, text.slice(1)), typed: false }
}

export function readTextFile(label: string, path: string): string {
  let text: string
  try {
    if (statSync(path).size > MAX_INPUT_BYTES) fail('TOO_LARGE', `${label}: the file holds more than 1 MiB`)
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'TOO_LARGE') throw error
    const why = code === 'ENOENT' ? 'does not exist' : code === 'EACCES' ? 'may not be read' : `cannot be read (${code})`
    // Not the path: what follows an @ may be a password that begins with one.
    fail('INVALID_INPUT', `${label}: the file ${why}`, { hint: 'A text that begins with @ is written with @@.' })
  }
  return text
}

/** The last line break of a file is not part of a value: `echo key > file` writes one. */
const chomp = (text: string): string => text.replace(/\r?\n$/, '')

/** Text to value. Faults: INVALID_INPUT, naming the field. */
export function coerce(label: string, schema: Schema, text: string, typed: boolean): unknown {
  const types = typesOf(schema)
  const trimmed = text.trim()
  if (types.includes('null') && trimmed === 'null') return null
  if (types.includes('array') && trimmed.startsWith('[')) return parse(label, trimmed, 'array')
  if (types.includes('object')) return parse(label, trimmed, 'object')
  if (types.includes('boolean') && !types.includes('string')) {
    if (/^(true|yes|1)$/i.test(trimmed)) return true
    if (/^(false|no|0)$/i.test(trimmed)) return false
    fail('INVALID_INPUT', `${label} must be true or false`)
  }
  if ((types.includes('number') || types.includes('integer')) && !types.includes('string')) {
    const number = Number(trimmed)
    if (trimmed === '' || !Number.isFinite(number)) fail('INVALID_INPUT', `${label} must be a number`)
    return number
  }
  if (types.length === 0) return loose(text, typed)
  return typed ? text : chomp(text)
}

/** A field that takes anything: JSON where it is JSON, except numbers that would change by being read as one. */
function loose(text: string, typed: boolean): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'number' && String(value) !== text.trim() ? text.trim() : value
  } catch {
    return typed ? text : chomp(text)
  }
}

function parse(label: string, text: string, kind: 'array' | 'object'): unknown {
  const says = kind === 'array' ? 'a JSON array' : 'a JSON object'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    fail('INVALID_INPUT', `${label} is not valid JSON`, {
      hint: `${label} takes ${says}, @file, or ${label}.key VALUE for one of its keys.`,
    })
  }
  if (Array.isArray(value) !== (kind === 'array') || value === null || typeof value !== 'object')
    fail('INVALID_INPUT', `${label} must be ${says}`)
  return value
}

const NEVER = new Set(['__proto__', 'constructor', 'prototype'])

/** The schema at `keys` below `schema`, and the keys as the API spells them. */
export function descend(label: string, schema: Schema, keys: readonly string[]): { schema: Schema; keys: string[] } {
  const out: string[] = []
  let at = schema
  for (const key of keys) {
    if (key === '' || NEVER.has(key)) fail('INVALID_INPUT', `${label} is not a path that can be set`)
    const types = typesOf(at)
    if (types.length > 0 && !types.includes('object')) fail('INVALID_INPUT', `${label} has nothing below it to set`)
    const object = at.anyOf?.find((s) => typesOf(s).includes('object')) ?? at
    const known = object.properties ?? {}
    const name = Object.hasOwn(known, key) || !Object.hasOwn(known, key.replaceAll('-', '_')) ? key : key.replaceAll('-', '_')
    out.push(name)
    at = known[name] ?? (typeof object.additionalProperties === 'object' ? object.additionalProperties : {})
  }
  return { schema: at, keys: out }
}

/** Sets `value` at `keys`. Repeating a field that takes a list adds to it; any other field may be given once. */
export function put(label: string, into: Record<string, unknown>, keys: readonly string[], value: unknown, many: boolean): void {
  let at = into
  for (const key of keys.slice(0, -1)) {
    at[key] ??= {}
    if (typeof at[key] !== 'object' || Array.isArray(at[key])) fail('INVALID_INPUT', `${label} is below something that is not an object`)
    at = at[key] as Record<string, unknown>
  }
  const last = keys.at(-1) as string
  if (many && value !== null) at[last] = [...((at[last] as unknown[] | undefined) ?? []), ...[value].flat()]
  else if (Object.hasOwn(at, last)) fail('INVALID_INPUT', `${label} is given twice`)
  else at[last] = value
}
