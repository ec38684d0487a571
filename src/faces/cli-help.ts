/** Help, written out of the operations: nothing here has to be kept up to date by hand. */
import { FAULTS } from '../base/errors.ts'
import { scopesOf } from '../operations/index.ts'
import {
  type Command,
  type Commands,
  choicesOf,
  type Field,
  GLOBALS,
  isSecret,
  placeholder,
  type Schema,
  takes,
  typesOf,
} from './cli-commands.ts'
import { type Extra, EXTRAS } from './cli-extras.ts'
import type { Terminal } from './cli-terminal.ts'

type Style = Terminal['style']

const columns = (rows: readonly (readonly [string, string])[]): string[] => {
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)))
  return rows.map(([left, right]) =>
    left.length > width ? `  ${left}\n  ${' '.repeat(width)}  ${right}` : `  ${left.padEnd(width)}  ${right}`.trimEnd(),
  )
}

const globalRows = (names: readonly string[]): [string, string][] =>
  names.map((n) => [`--${n}${GLOBALS[n]?.value ? ` ${GLOBALS[n].value}` : ''}`, GLOBALS[n]?.about ?? ''])

export function helpAll(commands: Commands, style: Style): string {
  const nouns = commands.nouns.map((noun): [string, string] => [
    noun,
    [...commands.verbs(noun), ...extrasOf(noun).map((e) => e.verb)].join(', '),
  ])
  const own = EXTRAS.filter((e) => e.verb === '').map((e): [string, string] => [[e.noun, e.takes].filter(Boolean).join(' '), e.about])
  return [
    'agentruntime <noun> <verb> [id …] [--field value …]',
    '',
    style('bold', 'What can be asked of a server'),
    ...columns(nouns),
    '',
    style('bold', 'And'),
    ...columns([
      ...own,
      ['help <noun> [verb]', 'explain a noun or a command'],
      ['help values', 'how values are written: files, JSON, credentials'],
      ['help exit-codes', 'what a script can tell from the exit code'],
    ]),
    '',
    style('bold', 'Flags of every command'),
    ...columns(globalRows(['url', 'token-file', 'token', 'json', 'help'])),
  ].join('\n')
}

const extrasOf = (noun: string): Extra[] => EXTRAS.filter((e) => e.noun === noun && e.verb !== '')

export function helpNoun(commands: Commands, noun: string, style: Style): string {
  const verbs = commands.of(noun).map((c): [string, string] => [usageOf(c, false), c.op.about])
  const more = extrasOf(noun).map((e): [string, string] => [`${e.verb} ${e.takes}`, e.about])
  return [
    style('bold', `agentruntime ${noun} …`),
    ...columns([...verbs, ...more]),
    '',
    `agentruntime ${noun} <verb> --help explains one of them.`,
  ].join('\n')
}

/** `create --display-name TEXT …` */
function usageOf(command: Command, whole: boolean): string {
  const path = command.fields.filter((f) => f.isWord).map(placeholder)
  const needed = command.fields.filter((f) => !f.isWord && f.required).map((f) => `--${written(f)}`)
  const optional = command.fields.some((f) => !f.isWord && !f.required) ? ['[flags]'] : []
  return [command.verb, ...path, ...(whole ? [...needed, ...optional] : [])].join(' ')
}

/** `--credentials.NAME @FILE`, `--limit N`, `--disabled`. */
function written(field: Field): string {
  const types = typesOf(field.schema)
  if (isSecret(field.schema)) return types.includes('object') ? `${field.flag}.NAME @FILE` : `${field.flag} @FILE`
  if (types.join() === 'boolean') return field.flag
  return `${field.flag} ${kindOf(field.schema)}`
}

function kindOf(schema: Schema): string {
  const types = typesOf(schema).filter((t) => t !== 'null')
  const choices = choicesOf(schema)
  if (types.includes('array')) return `${choices.length > 0 ? 'CHOICE' : kindOf(schema.items ?? {})} …`
  if (choices.length > 0) return choices.length <= 5 ? choices.join('|') : 'CHOICE'
  if (types.includes('object') || types.length === 0) return 'JSON'
  return types.includes('number') || types.includes('integer') ? 'N' : 'TEXT'
}

function notesOf(field: Field): string {
  const { schema } = field
  const types = typesOf(schema)
  const choices = choicesOf(schema)
  const below = Object.keys((schema.anyOf?.find((s) => s.properties) ?? schema).properties ?? {})
  const fallback = schema.default
  const simple = fallback !== undefined && typeof fallback !== 'object'
  return [
    schema.description ?? '',
    choices.length > 5 || (types.includes('array') && choices.length > 0) ? `one of ${choices.join(', ')}` : '',
    types.includes('array') ? 'repeatable' : '',
    below.length > 0 ? `takes --${field.flag}.KEY for ${below.join(', ')}` : '',
    types.includes('object') && below.length === 0 && !isSecret(schema) ? `or --${field.flag}.KEY VALUE` : '',
    isSecret(schema) ? 'a credential: @FILE or @-, never on the command line' : '',
    types.includes('null') ? 'null takes it away' : '',
    simple ? `default ${fallback}` : '',
    field.required ? 'required' : '',
  ]
    .filter(Boolean)
    .join('; ')
}

/** What stands in the path can be given by a flag too, but nobody would; another word may be either. */
const wordNotes = (field: Field): string =>
  [field.schema.description ?? '', field.inPath ? '' : `or --${written(field)}`].filter(Boolean).join('; ')

export function helpCommand(command: Command, style: Style): string {
  const { op, fields } = command
  const path = fields.filter((f) => f.isWord).map((f): [string, string] => [placeholder(f), wordNotes(f)])
  const flags = fields.filter((f) => !f.isWord).map((f): [string, string] => [`--${written(f)}`, notesOf(f)])
  const scopes = scopesOf(op)
  const own = ['json', 'all', 'wait', 'yes', 'idempotency-key'].filter((flag) => takes(command, flag))
  return [
    op.about,
    '',
    `  agentruntime ${command.noun} ${usageOf(command, true)}`,
    '',
    ...(path.length > 0 ? [...columns(path), ''] : []),
    ...(flags.length > 0 ? [...columns(flags), ''] : []),
    ...columns(globalRows(own)),
    '',
    `Needs ${scopes.length > 0 ? `the scope${scopes.length > 1 ? 's' : ''} ${scopes.join(', ')} and ` : ''}the role ${op.role}. ${EFFECTS[op.effect]} ${op.http}`,
    '',
    style('bold', 'Example'),
    `  ${exampleOf(command)}`,
  ].join('\n')
}
const EFFECTS = { read: 'Changes nothing.', write: 'Changes something.', destroy: 'Destroys something.' } as const

/** A call that would be understood: every id and every required field with a value of its kind. */
export function exampleOf(command: Command): string {
  // What is no id is a name.
  const parts = command.fields
    .filter((f) => f.inPath)
    .map((f) => {
      const word = placeholder(f).slice(1, -1)
      return /^id$|_id$/.test(f.name) ? `${word.toUpperCase()}_ID` : `my-${word}`
    })
  for (const field of command.fields.filter((f) => !f.inPath && f.required)) {
    const { schema } = field
    const types = typesOf(schema)
    const choice = choicesOf(schema)[0]
    if (isSecret(schema)) parts.push(types.includes('object') ? `--${field.flag}.api_key @key.txt` : `--${field.flag} @${field.flag}.txt`)
    else if (choice !== undefined) parts.push(`--${field.flag} ${choice}`)
    else if (types.join() === 'boolean') parts.push(`--${field.flag}`)
    else if (types.includes('number') || types.includes('integer')) parts.push(`--${field.flag} ${schema.minimum ?? 1}`)
    else if (types.includes('object') || types.length === 0) parts.push(`--${field.flag} @${field.flag}.json`)
    else parts.push(`--${field.flag} "…"`)
  }
  return ['agentruntime', command.noun, command.verb, ...parts].join(' ')
}

export function helpExtra(extra: Extra): string {
  return [
    extra.about,
    '',
    `  ${['agentruntime', extra.noun, extra.verb, extra.takes].filter(Boolean).join(' ')}`,
    ...(extra.more ? ['', extra.more] : []),
  ].join('\n')
}

const MEANS: Readonly<Record<number, string>> = {
  1: 'something went wrong that should not have',
  2: 'the command or its input is not right',
  3: 'no token, a dead one, or not allowed',
  4: 'not there',
  5: 'refused as things are; also when a check says no (audit verify, validate), and a run that was stopped',
  6: 'the other side: a credential, a permission or a service that is called; also a run or a sign-in that failed there, and a doctor who found a problem',
  7: 'the server cannot be reached or is not ready; trying again helps',
}

export function helpExitCodes(): string {
  const codes = [...new Set(Object.values(FAULTS).map((f) => f.exit))].sort((a, b) => a - b)
  return [
    'Exit codes',
    ...columns([
      ['0', 'done'],
      ...codes.flatMap((code): [string, string][] => [
        [String(code), MEANS[code] ?? ''],
        [
          '',
          Object.entries(FAULTS)
            .filter(([, f]) => f.exit === code)
            .map(([name]) => name)
            .join(' '),
        ],
      ]),
    ]),
  ].join('\n')
}

export const helpValues = (): string =>
  [
    'How values are written',
    ...columns([
      ['--name TEXT, --name=TEXT', 'a flag is a field of the operation, with - for _'],
      ['@FILE', 'what is in the file; @- is standard input, @@x the text @x'],
      ['--config.api_base URL', 'one key of an object; --config JSON or --config @FILE is all of it'],
      ['--scopes a --scopes b', 'a list, one by one; or as JSON'],
      ['--disabled, --no-disabled', 'true, false'],
      ['null', 'nothing, where a field may be empty'],
      ['--', 'what follows is no flag'],
    ]),
    '',
    'Credentials',
    '  --credentials.api_key @FILE or @- keeps a credential out of the list of processes and the history of the shell.',
    '  --credentials.api_key without a value asks for it without showing it; left out altogether, each of them is asked for.',
  ].join('\n')
