/** Commands, read off the operations: `connections.set_active` is `connections set-active`, its input fields are its flags. */
import { z } from 'zod'
import type { AnyOperation } from '../operations/index.ts'

/** As much of JSON Schema as inputs use. */
export interface Schema {
  type?: string | string[]
  description?: string
  default?: unknown
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  required?: string[]
  writeOnly?: boolean
  minimum?: number
}

export interface Field {
  name: string
  /** Without the dashes. */
  flag: string
  schema: Schema
  required: boolean
  inPath: boolean
  /** May stand without its flag. */
  isWord: boolean
  /** The command that lists what may stand there, where there is one. */
  listedBy: string | null
}

export interface Command {
  noun: string
  verb: string
  op: AnyOperation
  method: string
  path: string
  /** Path fields first, in their order, then other words; then the rest as declared. */
  fields: readonly Field[]
  /** Answers in pages. */
  paged: boolean
  /** Answers with a link for a person, and with the id of what becomes of it. */
  offers: boolean
}

export interface GlobalFlag {
  /** What its value is called; null for a switch. */
  value: string | null
  about: string
}
export const GLOBALS: Readonly<Record<string, GlobalFlag>> = {
  url: { value: 'URL', about: 'the server (http://127.0.0.1:8787, or AGENTRUNTIME_URL)' },
  token: { value: 'TOKEN', about: 'a personal access token; better in a file or in AGENTRUNTIME_TOKEN' },
  'token-file': { value: 'FILE', about: 'a file that holds the token (AGENTRUNTIME_TOKEN_FILE)' },
  json: { value: null, about: 'print the answer as the server gave it' },
  all: { value: null, about: 'for lists: follow the pages to the end' },
  wait: { value: null, about: 'for sign-ins: wait until somebody has used the link, and say how it ended' },
  yes: { value: null, about: 'do not ask before something is destroyed' },
  'idempotency-key': { value: 'KEY', about: 'same key and input: same answer, for 24 hours' },
  help: { value: null, about: 'explain this command' },
}

/** Whether one of our own flags means anything with this command. */
export function takes({ op, paged, offers }: Command, flag: string): boolean {
  if (flag === 'all') return paged
  if (flag === 'wait') return offers
  if (flag === 'yes') return op.effect === 'destroy'
  return flag !== 'idempotency-key' || op.idempotent === true
}

export const kebab = (text: string): string => text.replaceAll(/[_.]/g, '-')
/** A field that is called like one of our own flags stays reachable. */
const flagOf = (name: string): string => (Object.hasOwn(GLOBALS, kebab(name)) ? `with-${kebab(name)}` : kebab(name))

function command(op: AnyOperation, all: readonly AnyOperation[]): Command {
  const [method, path] = op.http.split(' ') as [string, string]
  const schema = z.toJSONSchema(op.input, { io: 'input', unrepresentable: 'any' }) as Schema
  const pathNames = [...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1] as string)
  const words = [...pathNames, ...(op.words ?? [])]
  const rest = Object.keys(schema.properties ?? {}).filter((name) => !words.includes(name))
  const listedBy = (name: string): string | null => {
    const [before, after] = path.split(`/{${name}}`)
    const list = after === undefined ? undefined : all.find((it) => it.http === `GET ${before}`)
    return list ? `${nounOf(list)} ${verbOf(list)}` : null
  }
  const field = (name: string): Field => ({
    name,
    flag: flagOf(name),
    schema: schema.properties?.[name] ?? {},
    required: schema.required?.includes(name) ?? false,
    inPath: pathNames.includes(name),
    isWord: words.includes(name),
    listedBy: listedBy(name),
  })
  return {
    noun: nounOf(op),
    verb: verbOf(op),
    op,
    method,
    path,
    fields: [...words, ...rest].map(field),
    paged: rest.includes('cursor'),
    offers: op.output instanceof z.ZodObject && 'authorization_url' in op.output.shape && 'attempt_id' in op.output.shape,
  }
}
const nounOf = (op: AnyOperation): string => kebab(op.name.slice(0, op.name.indexOf('.')))
const verbOf = (op: AnyOperation): string => kebab(op.name.slice(op.name.indexOf('.') + 1))

export interface Commands {
  nouns: readonly string[]
  verbs(noun: string): readonly string[]
  find(noun: string, verb: string): Command | undefined
  of(noun: string): readonly Command[]
  /** The operation at this route, whatever it is called: lists of what a path names are found so. */
  at(method: string, path: string): Command | undefined
}

/** Schemas are made only for what is asked for: a completion must be quick. */
export function createCommands(operations: readonly AnyOperation[]): Commands {
  const shown = operations.filter((op) => !op.hideFrom?.cli)
  const made = new Map<AnyOperation, Command>()
  const make = (op: AnyOperation): Command => {
    const known = made.get(op) ?? command(op, shown)
    made.set(op, known)
    return known
  }
  const first = <T>(found: T | undefined, then: (it: T) => Command) => (found === undefined ? undefined : then(found))
  return {
    nouns: [...new Set(shown.map(nounOf))].sort(),
    verbs: (noun) => shown.filter((op) => nounOf(op) === noun).map(verbOf),
    find: (noun, verb) =>
      first(
        shown.find((op) => nounOf(op) === kebab(noun) && verbOf(op) === kebab(verb)),
        make,
      ),
    of: (noun) => shown.filter((op) => nounOf(op) === noun).map(make),
    at: (method, path) =>
      first(
        shown.find((op) => op.http === `${method} ${path}`),
        make,
      ),
  }
}

/** `id of the connection` is `<connection>`, `step_id` is `<step>`; what may be left out is `[provider]`. */
export function placeholder(field: Field): string {
  const named = /^id of the (\w+)$/.exec(field.schema.description ?? '')?.[1]
  const word = named ?? kebab(field.name.replace(/_id$/, ''))
  return field.required || field.inPath ? `<${word}>` : `[${word}]`
}

/** Whether a value of this field, or a part of it, is a credential. */
export const isSecret = (schema: Schema): boolean =>
  schema.writeOnly === true ||
  [schema.items, schema.additionalProperties, ...Object.values(schema.properties ?? {}), ...(schema.anyOf ?? [])].some(
    (s) => typeof s === 'object' && isSecret(s),
  )

export function typesOf(schema: Schema): string[] {
  if (schema.anyOf) return schema.anyOf.flatMap(typesOf)
  if (schema.type) return [schema.type].flat()
  return [...new Set([...(schema.enum ?? []), ...('const' in schema ? [schema.const] : [])].map((v) => (v === null ? 'null' : typeof v)))]
}

export const choicesOf = (schema: Schema): string[] => {
  if (schema.anyOf) return schema.anyOf.flatMap(choicesOf)
  if (schema.items) return choicesOf(schema.items)
  return (schema.enum ?? []).map(String)
}

/** What was probably meant: at most two slips, and fewer in short words. */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  const ranked = known.map((word) => ({ word, slips: distance(typed, word) })).sort((a, b) => a.slips - b.slips)
  const best = ranked[0]
  if (best && best.slips <= Math.min(2, Math.ceil(best.word.length / 3))) return best.word
  return typed.length >= 3 ? known.find((word) => word.startsWith(typed) || word.endsWith(`-${typed}`)) : undefined
}

/** Levenshtein, with a swap of neighbours counted once. */
function distance(a: string, b: string): number {
  const d: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? d[i - 2]![j - 2]! + 1 : Number.POSITIVE_INFINITY
      row.push(Math.min(d[i - 1]![j]! + 1, row[j - 1]! + 1, d[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1), swap))
    }
    d.push(row)
  }
  return d[a.length]![b.length]!
}

/** Repeats what was typed only where it looks like a word of ours: anything else may be a key that was pasted by mistake. */
export const quoted = (typed: string): string => (/^[a-z][a-z_.-]{0,30}$/i.test(typed) ? `"${typed}"` : 'of that name')
