/** argv → which command, which of our own flags, and the input of the operation. */
import { fail } from '../base/errors.ts'
import {
  type Command,
  choicesOf,
  type Field,
  GLOBALS,
  isSecret,
  nearest,
  placeholder,
  quoted,
  type Schema,
  typesOf,
} from './cli-commands.ts'
import type { Terminal } from './cli-terminal.ts'
import { coerce, descend, load, put } from './cli-values.ts'

export interface Globals {
  url?: string
  token?: string
  'token-file'?: string
  json?: boolean
  all?: boolean
  wait?: boolean
  yes?: boolean
  help?: boolean
  'idempotency-key'?: string
}

export interface Split {
  /** Noun, verb and what stands there besides flags, as far as it can be told without knowing the command. */
  words: string[]
  globals: Globals
  /** All else, in order: flags of the command with their values, and positional values. */
  rest: string[]
}

const name = (token: string): string => (token.startsWith('--') ? token.slice(2).split('=')[0]! : '')
const inline = (token: string): string | undefined => (token.includes('=') ? token.slice(token.indexOf('=') + 1) : undefined)

/** Our own flags may stand anywhere. What comes after the first `depth` words is left to the command. */
export function split(argv: readonly string[], depth: number): Split {
  const out: Split = { words: [], globals: {}, rest: [] }
  for (let i = 0; i < argv.length; i++) {
    const token = argv[i] as string
    const flag = token === '-h' ? 'help' : name(token)
    if (token === '--') {
      out.rest.push(...argv.slice(i))
      break
    }
    if (flag && Object.hasOwn(GLOBALS, flag)) {
      const { value } = GLOBALS[flag]!
      const known = out.globals as Record<string, string | boolean>
      if (Object.hasOwn(known, flag) && value !== null) fail('INVALID_INPUT', `--${flag} is given twice`)
      if (value === null) {
        if (inline(token) !== undefined) fail('INVALID_INPUT', `--${flag} takes no value`)
        known[flag] = true
      } else known[flag] = inline(token) ?? argv[++i] ?? fail('INVALID_INPUT', `--${flag} needs a value`)
    } else if (flag) {
      out.rest.push(token)
      // Its value may look like one of ours (`--name=--json` is the way to say that), so only a plain one is taken along.
      const next = argv[i + 1]
      if (inline(token) === undefined && next !== undefined && !next.startsWith('--') && out.words.length >= depth) {
        out.rest.push(next)
        i++
      }
    } else if (out.words.length < depth && out.rest.length === 0) out.words.push(token)
    else out.rest.push(token)
  }
  return out
}

interface Target {
  label: string
  keys: string[]
  schema: Schema
}

/** Flag `config.api_base` of this command, or null. */
function target(command: Command, flag: string): Target | null {
  const [head = '', ...below] = flag.split('.')
  const field = command.fields.find((f) => f.flag === head.replaceAll('_', '-'))
  if (!field) return null
  const label = `--${[field.flag, ...below].join('.')}`
  const { schema, keys } = descend(label, field.schema, below)
  return { label, keys: [field.name, ...keys], schema }
}

function unknown(command: Command, flag: string): never {
  const known = [...command.fields.map((f) => f.flag), ...Object.keys(GLOBALS)]
  const meant = nearest(flag.split('.')[0] as string, known)
  const shown = /^[\w.-]{1,60}$/.test(flag) ? `--${flag}` : 'that flag'
  fail('INVALID_INPUT', `${command.noun} ${command.verb} has no flag ${shown}`, {
    hint: meant ? `Did you mean --${meant}?` : `agentruntime ${command.noun} ${command.verb} --help lists its flags.`,
  })
}

/** The input of the operation. Required fields are looked for here; everything else is the server's to judge. */
export async function readInput(command: Command, rest: readonly string[], terminal: Terminal): Promise<Record<string, unknown>> {
  const input: Record<string, unknown> = {}
  const positional: string[] = []
  const set = async (at: Target, text: string) => {
    const loaded = await load(at.label, text, terminal)
    if (isSecret(at.schema)) {
      if (loaded.typed)
        terminal.note(
          `warning: the value of ${at.label} can be seen in the list of processes and in the history of your shell; give it as @file or @-, or leave it out to be asked`,
        )
      hideAll(loaded.text, terminal)
    }
    const many = typesOf(at.schema).includes('array')
    const schema = many && !loaded.text.trim().startsWith('[') && loaded.text.trim() !== 'null' ? (at.schema.items ?? {}) : at.schema
    put(at.label, input, at.keys, coerce(at.label, schema, loaded.text, loaded.typed), many)
  }
  for (let i = 0; i < rest.length; i++) {
    const token = rest[i] as string
    if (token === '--') {
      positional.push(...rest.slice(i + 1))
      break
    }
    if (!token.startsWith('-') || token === '-') {
      positional.push(token)
      continue
    }
    const flag =
      name(token) || fail('INVALID_INPUT', `${command.noun} ${command.verb} has no flag ${/^-[a-z]$/i.test(token) ? token : 'of one dash'}`)
    const given = inline(token)
    const negated = flag.startsWith('no-') ? target(command, flag.slice(3)) : null
    const at = target(command, flag)
    if (!at && negated && given === undefined && typesOf(negated.schema).includes('boolean')) {
      put(negated.label, input, negated.keys, false, false)
      continue
    }
    if (!at) unknown(command, flag)
    const next = rest[i + 1]
    if (given !== undefined) await set(at, given)
    else if (typesOf(at.schema).join() === 'boolean') {
      const said = next === 'true' || next === 'false'
      if (said) i++
      put(at.label, input, at.keys, !said || next === 'true', false)
    } else if (next !== undefined && !next.startsWith('--')) {
      await set(at, next)
      i++
    } else if (isSecret(at.schema) && typesOf(at.schema).includes('string'))
      put(at.label, input, at.keys, await askSecret(at.label, at.label, terminal), false)
    else
      fail(
        'INVALID_INPUT',
        `${at.label} needs a value`,
        next === undefined ? {} : { hint: `One that begins with -- is written ${at.label}=--x.` },
      )
  }
  place(command, input, positional)
  return input
}

/** Positional values fill the fields of the path, and other words, that no flag has filled. */
function place(command: Command, input: Record<string, unknown>, positional: readonly string[]): void {
  const open = command.fields.filter((f) => f.isWord && !Object.hasOwn(input, f.name))
  if (positional.length > open.length) {
    const takes = command.fields.filter((f) => f.isWord).map(placeholder)
    fail(
      'INVALID_INPUT',
      `${command.noun} ${command.verb} takes ${takes.length === 0 ? 'no values but flags' : `only ${takes.join(' ')} without a flag`}`,
      {
        hint: `agentruntime ${command.noun} ${command.verb} --help shows how it is called.`,
      },
    )
  }
  for (const [i, value] of positional.entries()) input[open[i]!.name] = value
}

/** Names what is missing. Run after questions have been asked. */
export function checkComplete(command: Command, input: Record<string, unknown>): void {
  const missing = command.fields.filter((f) => f.required && !Object.hasOwn(input, f.name))
  if (missing.length === 0) return
  const shown = missing.map((f) => (f.inPath ? placeholder(f) : `--${f.flag}`)).join(', ')
  fail('INVALID_INPUT', `${command.noun} ${command.verb} needs ${shown}`, { hint: explain(command, missing[0]!) })
}

function explain(command: Command, field: Field): string {
  const choices = choicesOf(field.schema)
  if (isSecret(field.schema)) return `Give --${field.flag}.NAME @file (or @- for standard input) for each of its values.`
  if (choices.length > 0) return `--${field.flag} is ${choices.length > 1 ? 'one of ' : ''}${choices.join(', ')}.`
  const list = field.listedBy ? `agentruntime ${field.listedBy} shows them. ` : ''
  return `${list}agentruntime ${command.noun} ${command.verb} --help explains it.`
}

/** Asks without echo, or says how to give it where nobody can be asked. */
export async function askSecret(label: string, question: string, terminal: Terminal): Promise<string> {
  if (!terminal.asks) fail('INVALID_INPUT', `${label} needs a value`, { hint: `Give it as ${label} @file, or ${label} @- and pipe it in.` })
  const [value = ''] = await terminal.ask({ text: `${question}: `, echo: false })
  return value
}

/** A credential, or an object or file that holds some: each of its texts. */
export function hideAll(text: string, terminal: Pick<Terminal, 'hide'>): void {
  terminal.hide(text.trim())
  const walk = (value: unknown): void => {
    if (typeof value === 'string') terminal.hide(value)
    else if (value !== null && typeof value === 'object') Object.values(value).forEach(walk)
  }
  try {
    walk(JSON.parse(text))
  } catch {
    // one value, hidden above
  }
}

/** For an unknown noun or verb. `whose`: `connections has no command`, say. */
export function meantWhat(whose: string, typed: string, known: readonly string[], list: string): never {
  const meant = nearest(typed, known)
  fail('INVALID_INPUT', `${whose} ${quoted(typed)}`, { hint: meant ? `Did you mean ${meant}?` : list })
}
