/** Shell completion: scripts with the commands and flags in them, which ask `__complete` for ids and values only. */
import { fail } from '../base/errors.ts'
import { split } from './cli-arguments.ts'
import type { Client } from './cli-call.ts'
import { type Command, type Commands, choicesOf, type Field, GLOBALS, takes, typesOf } from './cli-commands.ts'
import { EXTRAS } from './cli-extras.ts'
import { printable } from './cli-terminal.ts'

/** A person waits at the prompt: better nothing than late. */
export const COMPLETE_MS = 1_500
/** One request; more candidates than this do not help to choose. */
const CANDIDATES = 100
/** Of what a candidate is: one line beside it. */
const MAX_ABOUT = 60
/** What may reach a shell as a word: nothing in it means anything to one. */
const WORD = /^[\w.:/@+-]+$/

const SHELLS = ['bash', 'zsh', 'fish'] as const

/** The script of a shell. Faults: INVALID_INPUT. */
export function completionScript(shell: string | undefined, commands: Commands): string {
  if (shell === 'bash') return bash(commands)
  if (shell === 'zsh') return zsh(commands)
  if (shell === 'fish') return fish(commands)
  return fail('INVALID_INPUT', 'say for which shell: bash, zsh or fish', { hint: 'source <(agentruntime completion bash)' })
}

const topWords = (commands: Commands): string[] => [...commands.nouns, ...EXTRAS.filter((e) => !e.verb).map((e) => e.noun), 'help']
const verbWords = (commands: Commands, noun: string): string[] => [
  ...commands.verbs(noun),
  ...EXTRAS.filter((e) => e.noun === noun && e.verb && !e.verb.includes(' ')).map((e) => e.verb),
]
/** Also one level into objects whose keys are known. */
const flagWords = (command: Command): string[] => [
  ...command.fields
    .filter((f) => !f.inPath)
    .flatMap((f) => [`--${f.flag}`, ...Object.keys(f.schema.properties ?? {}).map((k) => `--${f.flag}.${k}`)]),
  ...Object.keys(GLOBALS)
    .filter((g) => takes(command, g))
    .map((g) => `--${g}`),
]
const helpWords = (commands: Commands): string[] => [...commands.nouns, 'values', 'exit-codes']
const plainFlags = ['--url', '--token-file', '--help']

/** `case` arms that bash and zsh both read. */
function arms(commands: Commands): { verbs: string[]; flags: string[] } {
  const verbs = commands.nouns.map((noun) => `      ${noun}) found='${verbWords(commands, noun).join(' ')}' ;;`)
  const flags = commands.nouns
    .flatMap((noun) => commands.of(noun))
    .map((c) => `      '${c.noun} ${c.verb}') found='${flagWords(c).join(' ')}' ;;`)
  verbs.push(`      completion) found='${SHELLS.join(' ')}' ;;`, `      help) found='${helpWords(commands).join(' ')}' ;;`)
  flags.push(`      *) found='${plainFlags.join(' ')}' ;;`)
  return { verbs, flags }
}

function bash(commands: Commands): string {
  const { verbs, flags } = arms(commands)
  return `# Completion of agentruntime for bash. Load it with: source <(agentruntime completion bash)
_agentruntime() {
  local cur=\${COMP_WORDS[COMP_CWORD]} noun=\${COMP_WORDS[1]} verb=\${COMP_WORDS[2]} found='' word
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then
    found='${topWords(commands).join(' ')}'
  elif (( COMP_CWORD == 2 )) && [[ $cur != -* ]]; then
    case $noun in
${verbs.join('\n')}
    esac
  elif [[ $cur == -* ]]; then
    case "$noun $verb" in
${flags.join('\n')}
    esac
  else
    # Already narrowed down, and an id may stand for the name that was typed.
    while IFS= read -r word; do COMPREPLY+=("\${word%%$'\\t'*}"); done < <("\${COMP_WORDS[0]}" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    return
  fi
  for word in $found; do [[ $word == "$cur"* ]] && COMPREPLY+=("$word"); done
}
complete -o default -F _agentruntime agentruntime`
}

function zsh(commands: Commands): string {
  const { verbs, flags } = arms(commands)
  return `#compdef agentruntime
# Completion of agentruntime for zsh. Load it with: source <(agentruntime completion zsh)
_agentruntime() {
  local noun=\${words[2]} verb=\${words[3]} cur=\${words[CURRENT]} found='' line
  local -a ids shown typed
  typed=("\${(@)words[1,CURRENT]}")
  if (( $#typed == 2 )); then
    found='${topWords(commands).join(' ')}'
  elif (( $#typed == 3 )) && [[ $cur != -* ]]; then
    case $noun in
${verbs.join('\n')}
    esac
  elif [[ $cur == -* ]]; then
    case "$noun $verb" in
${flags.join('\n')}
    esac
  fi
  if [[ -n $found ]]; then
    compadd -- \${=found}
  elif (( $#typed > 3 )); then
    for line in "\${(@f)$("\${typed[1]}" __complete "\${(@)typed[2,-1]}" 2>/dev/null)}"; do
      [[ -n $line ]] && ids+=("\${line%%$'\\t'*}") && shown+=("\${line/$'\\t'/  }")
    done
    if (( $#ids )); then compadd -U -l -d shown -a ids; else _files; fi
  fi
}
if [[ $funcstack[1] == _agentruntime ]]; then _agentruntime "$@"; else compdef _agentruntime agentruntime; fi`
}

const quote = (text: string): string => `'${printable(text).replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

function fish(commands: Commands): string {
  const c = 'complete -c agentruntime'
  const all = commands.nouns.flatMap((noun) => commands.of(noun))
  return [
    '# Completion of agentruntime for fish. Load it with: agentruntime completion fish | source',
    'function __agentruntime_at',
    '  set -l words (commandline -opc)',
    '  set -l last (math (count $argv) + 1)',
    '  test (count $words) -ge $last; and test "$words[2..$last]" = "$argv"',
    'end',
    'function __agentruntime_words',
    '  set -l words (commandline -opc)',
    '  test (count $words) -eq $argv[1]',
    'end',
    'function __agentruntime_ask',
    '  set -l words (commandline -opc)',
    '  $words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null',
    'end',
    ...topWords(commands).map((word) => {
      const about = EXTRAS.find((e) => e.noun === word && !e.verb)?.about
      return `${c} -f -n '__agentruntime_words 1' -a ${word}${about ? ` -d ${quote(about)}` : ''}`
    }),
    ...commands.nouns.flatMap((noun) =>
      verbWords(commands, noun).map((verb) => {
        const about = commands.find(noun, verb)?.op.about ?? EXTRAS.find((e) => e.noun === noun && e.verb === verb)?.about ?? ''
        return `${c} -f -n '__agentruntime_words 2; and __agentruntime_at ${noun}' -a ${verb} -d ${quote(about)}`
      }),
    ),
    `${c} -f -n '__agentruntime_words 2; and __agentruntime_at completion' -a '${SHELLS.join(' ')}'`,
    `${c} -f -n '__agentruntime_words 2; and __agentruntime_at help' -a '${helpWords(commands).join(' ')}'`,
    ...all.flatMap((command) => {
      const at = `-n '__agentruntime_at ${command.noun} ${command.verb}'`
      return command.fields
        .filter((f) => !f.inPath)
        .map(
          (f) =>
            `${c} ${at} -l ${f.flag}${typesOf(f.schema).join() === 'boolean' ? '' : ' -r'}${f.schema.description ? ` -d ${quote(f.schema.description)}` : ''}`,
        )
    }),
    `${c} -l json -d ${quote('print the answer as the server gave it')}`,
    `${c} -n 'test (count (commandline -opc)) -ge 3' -a '(__agentruntime_ask)'`,
  ].join('\n')
}

/**
 * Candidates for the last of `words`, each `word` or `word<tab>what it is`. `open` is called only when a server has to be asked.
 * An id is found by its beginning or by the beginning of its name.
 */
export async function candidates(
  words: readonly string[],
  commands: Commands,
  open: (globals: ReturnType<typeof split>['globals']) => Client,
): Promise<string[]> {
  const current = words.at(-1) ?? ''
  const { words: named, globals, rest } = split(words.slice(0, -1), 2)
  const [noun = '', verb = ''] = named
  const command = commands.find(noun, verb) ?? (noun === 'runs' && verb === 'follow' ? commands.find('runs', 'summary') : undefined)
  if (!command) return []
  const before = words.at(-2) ?? ''
  const flag = before.startsWith('--') && !before.includes('=') ? command.fields.find((f) => `--${f.flag}` === before) : undefined
  if (flag && typesOf(flag.schema).join() !== 'boolean') {
    const choices = choicesOf(flag.schema)
    if (choices.length > 0) return choices.filter((c) => c.startsWith(current))
    const list = listOfKind(commands, flag)
    return list ? ask(open(globals), list, {}, 'id', current) : []
  }
  const given = positionals(command, rest)
  const path = command.fields.filter((f) => f.inPath)
  const field = path[given.length]
  if (!field) return []
  const list = commands.at('GET', command.path.slice(0, command.path.indexOf(`{${field.name}}`) - 1))
  if (!list) return []
  return ask(
    open(globals),
    list,
    Object.fromEntries(path.slice(0, given.length).map((f, i) => [f.name, given[i] as string])),
    field.name,
    current,
  )
}

function positionals(command: Command, rest: readonly string[]): string[] {
  const out: string[] = []
  for (let i = 0; i < rest.length; i++) {
    const token = rest[i] as string
    if (!token.startsWith('-')) out.push(token)
    else if (!token.includes('=') && typesOf(command.fields.find((f) => `--${f.flag}` === token)?.schema ?? {}).join() !== 'boolean') i++
  }
  return out
}

/** `connection_id` is chosen from the list whose route ends in `/connections`. */
function listOfKind(commands: Commands, field: Field): Command | undefined {
  const kind = /^(\w+)_id$/.exec(field.name)?.[1]
  if (!kind) return undefined
  return commands.nouns
    .flatMap((noun) => (commands.verbs(noun).includes('list') ? commands.of(noun) : []))
    .find((c) => c.method === 'GET' && c.path.endsWith(`/${kind}s`) && !c.path.includes('{'))
}

async function ask(client: Client, list: Command, input: Record<string, string>, key: string, current: string): Promise<string[]> {
  const { value } = await client.call(
    list,
    { ...input, ...(list.paged ? { limit: CANDIDATES } : {}) },
    { signal: AbortSignal.timeout(COMPLETE_MS) },
  )
  const items = (value as { items: Record<string, unknown>[] }).items
  return items.flatMap((item) => {
    const word = [item[key], item.id, item.name].find((v) => typeof v === 'string')
    if (typeof word !== 'string' || !WORD.test(word)) return []
    const about = [item.name, item.display_name, item.workflow_name, item.about].find((v) => typeof v === 'string' && v !== word) as
      | string
      | undefined
    const state = typeof item.status === 'string' ? ` (${item.status})` : ''
    const fits =
      word.startsWith(current) || (about !== undefined && current !== '' && about.toLowerCase().startsWith(current.toLowerCase()))
    return fits
      ? [about === undefined ? word : `${word}\t${printable(about).replaceAll(/\s+/g, ' ').slice(0, MAX_ABOUT).trim()}${printable(state)}`]
      : []
  })
}
