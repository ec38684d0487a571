/**
 * Templates: `{{input.a.b}}`, `{{steps.ID.result.items.0.x}}`, `{{steps.ID.result["x.y"]}}`, in loops `{{item}}`, `{{index}}`,
 * `{{foreach.item}}`, `{{body.ID.result.x}}`, `{{while.iteration}}`, `{{while.prev.ID.x}}`.
 *
 * - A string that is exactly one template keeps the value's type. In other text a string goes in as it is, numbers, booleans and
 *   null as in JSON, lists and objects as JSON.
 * - One pass: what was put in is never read again. Only own properties are seen. Keys of objects are literal text, never templates.
 * - List items are named by digits; `-1` is the last one.
 * - `\{{` is a literal `{{`. Backslashes directly before `{{` count in pairs (`\\{{input.x}}` is one backslash and a template);
 *   backslashes elsewhere mean nothing special. A `}}` outside of a template is literal.
 * - In brackets a key is in double or single quotes; a backslash takes the next character as it is.
 */
import { Fault } from '../base/errors.ts'
import { didYouMean, FORBIDDEN_KEYS, jsonPath, shown } from './path.ts'

export type Root = 'input' | 'steps' | 'item' | 'index' | 'foreach' | 'body' | 'while'
const ROOTS: readonly string[] = ['input', 'steps', 'item', 'index', 'foreach', 'body', 'while'] satisfies Root[]

/** What templates can see. Plain JSON data; only the steps that `references` names need to be there. */
export interface Scope {
  input: unknown
  steps: Readonly<Record<string, { input?: unknown; result?: unknown }>>
  item?: unknown
  index?: number
  foreach?: { item: unknown; index: number }
  body?: Readonly<Record<string, { input?: unknown; result?: unknown }>>
  while?: { iteration: number; prev: Readonly<Record<string, unknown>> }
}

export interface Reference {
  root: Root
  /** What follows the root, `['a', 'result', 'x.y']`. */
  segments: readonly string[]
  /** In one spelling, however it was written: `steps.a.result["x.y"]`. */
  path: string
  /** The step that is named, for the roots `steps` and `body` and for `while.prev`. */
  stepId?: string
}

export interface Template {
  /** Set when the string is this one template and nothing else. */
  whole: Reference | null
  parts: readonly (string | Reference)[]
}

/** A mistake in a template or a condition. `column` counts from 1. The engine meets it only in graphs that were never validated. */
export class TemplateSyntax extends Fault {
  readonly column: number
  constructor(message: string, offset: number) {
    super('GRAPH_INVALID', `${message} (column ${offset + 1})`, { details: { column: offset + 1 } })
    this.column = offset + 1
  }
}

/** Characters that one `resolve` may write into texts: some hundred short templates over one large result would else fill the memory. */
export const MAX_RESOLVED_CHARS = 8 * 1024 * 1024

const SPACE = /\s*/y
const NAME = /[A-Za-z_]\w*/y
const KEY = /[\p{L}\p{N}_$-]+/uy
const INTEGER = /-?\d{1,9}/y
/** Keys of up to 500 characters: a longer one is no key. */
const QUOTED = /"((?:[^"\\]|\\[\s\S]){0,500})"|'((?:[^'\\]|\\[\s\S]){0,500})'/y
const PLAIN_SEGMENT = /^[\p{L}\p{N}_$-]+$/u

const read = (pattern: RegExp, text: string, at: number): RegExpExecArray | null => {
  pattern.lastIndex = at
  return pattern.exec(text)
}
const skipSpace = (text: string, at: number): number => at + read(SPACE, text, at)![0].length

/** Reads from behind the opening braces to behind the closing ones. Fault: TemplateSyntax. */
export function readReference(text: string, start: number): { reference: Reference; end: number } {
  let at = skipSpace(text, start)
  const root = read(NAME, text, at)?.[0]
  if (root === undefined) throw new TemplateSyntax('A template starts with a name, like {{input.x}}; a literal {{ is written \\{{', at)
  if (!ROOTS.includes(root)) {
    throw new TemplateSyntax(`Templates know nothing called \`${shown(root)}\`, only ${ROOTS.join(', ')}.${didYouMean(root, ROOTS)}`, at)
  }
  const rootAt = at
  at += root.length
  const segments: string[] = []
  while (text[at] === '.' || text[at] === '[') {
    const [segment, next] = text[at] === '.' ? readKey(text, at + 1) : readBracket(text, at + 1)
    if (FORBIDDEN_KEYS.has(segment)) throw new TemplateSyntax(`\`${segment}\` may not be used in a template`, at)
    segments.push(segment)
    at = next
  }
  at = skipSpace(text, at)
  if (!text.startsWith('}}', at)) {
    throw new TemplateSyntax(at >= text.length ? 'A template is not closed with }}' : 'Only a path may stand in a template', at)
  }
  const reference: Reference = { root: root as Root, segments, path: pathText(root, segments) }
  const wrong = rootRule(reference)
  if (wrong) throw new TemplateSyntax(wrong, rootAt)
  if (root === 'steps' || root === 'body') reference.stepId = segments[0]!
  if (root === 'while' && segments[0] === 'prev') reference.stepId = segments[1]!
  return { reference, end: at + 2 }
}

function readKey(text: string, at: number): [string, number] {
  const key = read(KEY, text, at)?.[0]
  if (key === undefined) throw new TemplateSyntax('A name is missing after the dot (odd names go in brackets: ["x.y"])', at)
  return [key, at + key.length]
}

function readBracket(text: string, start: number): [string, number] {
  const at = skipSpace(text, start)
  const quoted = read(QUOTED, text, at)
  const token = quoted ?? read(INTEGER, text, at)
  const end = token ? skipSpace(text, at + token[0].length) : at
  if (!token || text[end] !== ']') throw new TemplateSyntax('In brackets stands a number or a name in quotes: [0] or ["x.y"]', at)
  return [quoted ? (quoted[1] ?? quoted[2]!).replace(/\\([\s\S])/g, '$1') : token[0], end + 1]
}

const pathText = (root: string, segments: readonly string[]): string =>
  root + segments.map((s) => (PLAIN_SEGMENT.test(s) ? '.' + s : `[${JSON.stringify(s)}]`)).join('')

function rootRule({ root, segments: [first, second, ...rest] }: Reference): string | null {
  switch (root) {
    case 'steps':
    case 'body':
      return first !== undefined && (second === 'result' || second === 'input') ? null : `Write ${root}.ID.result or ${root}.ID.input`
    case 'foreach':
      return first === 'item' || (first === 'index' && second === undefined) ? null : 'Write foreach.item or foreach.index'
    case 'while':
      if (first === 'prev' && second !== undefined) return null
      return first === 'iteration' && second === undefined && rest.length === 0 ? null : 'Write while.iteration or while.prev.ID'
    case 'index':
      return first === undefined ? null : 'index is a number and has no fields'
    default:
      return null
  }
}

/** Compiled templates are kept by their text, up to this many characters of text; then the cache starts anew. */
const MAX_CACHED_CHARS = 2 * 1024 * 1024
const cache = new Map<string, Template>()
let cachedChars = 0

/** Fault: TemplateSyntax. */
export function compile(text: string): Template {
  const known = cache.get(text)
  if (known) return known
  const parts: (string | Reference)[] = []
  let literal = ''
  let at = 0
  for (let open = text.indexOf('{{'); open >= 0; open = text.indexOf('{{', at)) {
    let slashes = 0
    while (open - slashes > at && text[open - slashes - 1] === '\\') slashes++
    literal += text.slice(at, open - slashes) + '\\'.repeat(slashes >> 1)
    if (slashes % 2 === 1) {
      literal += '{{'
      at = open + 2
      continue
    }
    const { reference, end } = readReference(text, open + 2)
    if (literal !== '') parts.push(literal)
    literal = ''
    parts.push(reference)
    at = end
  }
  literal += text.slice(at)
  if (literal !== '' || parts.length === 0) parts.push(literal)
  const [only] = parts
  const template: Template = { whole: parts.length === 1 && typeof only === 'object' ? only : null, parts }
  if (cachedChars + text.length > MAX_CACHED_CHARS) {
    cache.clear()
    cachedChars = 0
  }
  if (text.length <= MAX_CACHED_CHARS) {
    cache.set(text, template)
    cachedChars += text.length
  }
  return template
}

/** One level down, own properties only; undefined: nothing there. */
function child(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return /^-?\d{1,9}$/.test(key) ? value.at(Number(key)) : undefined
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined
}

/** The value that a path names, or undefined when it names nothing. */
export function lookUp(reference: Reference, scope: Scope): unknown {
  let value: unknown = Object.hasOwn(scope, reference.root) ? scope[reference.root] : undefined
  for (const segment of reference.segments) {
    if (value === undefined) return undefined
    value = child(value, segment)
  }
  return value
}

const kind = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'a list' : `a value of type ${typeof value}`)

/** Fault: TEMPLATE_UNRESOLVED, with `details.path`. Says what is missing, never what is there. */
export function readValue(reference: Reference, scope: Scope): unknown {
  const value = lookUp(reference, scope)
  if (value !== undefined) return value
  let good = 0
  const upTo = (n: number): Reference => ({ ...reference, segments: reference.segments.slice(0, n) })
  while (good <= reference.segments.length && lookUp(upTo(good), scope) !== undefined) good++
  const missing = pathText(reference.root, reference.segments.slice(0, good))
  const parent =
    good === 0 ? '' : `: ${pathText(reference.root, reference.segments.slice(0, good - 1))} is ${kind(lookUp(upTo(good - 1), scope))}`
  throw new Fault(
    'TEMPLATE_UNRESOLVED',
    `{{${shown(reference.path)}}} resolves to nothing, there is no ${shown(missing)}${shown(parent)}.`,
    {
      hint: 'Check the path against the result of the last run, or guard the step with a condition: exists {{…}}.',
      details: { path: reference.path, missing },
    },
  )
}

const asText = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value)

/**
 * The value with its templates filled in. Shares untouched parts with `value` and whole values with `scope`: read-only for the
 * caller. Faults: TEMPLATE_UNRESOLVED, TOO_LARGE, GRAPH_INVALID (syntax).
 */
export function resolve<T>(value: T, scope: Scope): T
export function resolve(value: unknown, scope: Scope): unknown {
  let written = 0
  const fill = (inner: unknown): unknown => {
    if (typeof inner === 'string') {
      if (!inner.includes('{{')) return inner
      const { whole, parts } = compile(inner)
      if (whole) return readValue(whole, scope)
      let text = ''
      for (const part of parts) {
        text += typeof part === 'string' ? part : asText(readValue(part, scope))
        if (written + text.length > MAX_RESOLVED_CHARS) {
          throw new Fault('TOO_LARGE', `The templates of one step write more than ${MAX_RESOLVED_CHARS} characters.`)
        }
      }
      written += text.length
      return text
    }
    if (typeof inner !== 'object' || inner === null) return inner
    if (Array.isArray(inner)) {
      const list = inner.map(fill)
      return list.some((item, i) => item !== inner[i]) ? list : inner
    }
    const entries = Object.entries(inner).map(([key, field]): [string, unknown] => [key, fill(field)])
    // fromEntries defines own properties, so that no key can reach a prototype.
    return entries.some(([key, field]) => field !== (inner as Record<string, unknown>)[key]) ? Object.fromEntries(entries) : inner
  }
  return fill(value)
}

export type Found = { at: readonly PropertyKey[]; whole: boolean } & ({ reference: Reference } | { problem: TemplateSyntax })

/** Every template in a JSON value, in order, and every string that cannot be read. */
export function findTemplates(value: unknown, at: readonly PropertyKey[] = []): Found[] {
  if (typeof value === 'string') {
    if (!value.includes('{{')) return []
    try {
      const { whole, parts } = compile(value)
      return parts.flatMap((part) => (typeof part === 'string' ? [] : [{ at, whole: whole !== null, reference: part }]))
    } catch (problem) {
      if (problem instanceof TemplateSyntax) return [{ at, whole: false, problem }]
      throw problem
    }
  }
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return value.flatMap((item, i) => findTemplates(item, [...at, i]))
  return Object.entries(value).flatMap(([key, field]) => findTemplates(field, [...at, key]))
}

/** Every reference in a JSON value, with the JSON path of the string that holds it. Fault: GRAPH_INVALID (syntax). */
export function references(value: unknown): (Reference & { at: string })[] {
  return findTemplates(value).map((found) => {
    if ('problem' in found) throw found.problem
    return { ...found.reference, at: jsonPath(found.at) }
  })
}
