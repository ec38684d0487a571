/** The command line, read off the operations. It is a client of a running server and has no logic of its own. */
import { FAULTS, Fault, fail } from '../base/errors.ts'
import { operations } from '../operations/index.ts'
import { askSecret, checkComplete, type Globals, meantWhat, readInput, split } from './cli-arguments.ts'
import { isOfFile, verifyFile } from './cli-audit.ts'
import type { Answer, Client } from './cli-call.ts'
import { type Command, type Commands, createCommands, isSecret, typesOf } from './cli-commands.ts'
import { candidates, completionScript } from './cli-completion.ts'
import { EXTRAS } from './cli-extras.ts'
import { examined, findingLines } from './cli-findings.ts'
import { follow } from './cli-follow.ts'
import { helpAll, helpCommand, helpExitCodes, helpExtra, helpNoun, helpValues } from './cli-help.ts'
import { block, table } from './cli-render.ts'
import { login, logout, openSession } from './cli-session.ts'
import { offer, offerLines, waitForSignIn } from './cli-sign-in.ts'
import { type CliDeps, exitOf, openTerminal, printable, type Terminal } from './cli-terminal.ts'

export type { CliDeps, CliSettings } from './cli-terminal.ts'

/** Runs one command to its end; answers the exit code of the table of failures. Throws only what nobody foresaw. */
export async function runCli(argv: readonly string[], deps: CliDeps): Promise<number> {
  const terminal = openTerminal(deps)
  const commands = createCommands(operations)
  if (argv[0] === '__complete') return complete(argv.slice(1), commands, deps)
  try {
    return await dispatch(argv, { deps, terminal, commands })
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    const json = argv.includes('--json')
    terminal.complain(error, json)
    if (!json) for (const line of factsOf(error, deps)) terminal.note(line)
    return FAULTS[error.code].exit
  }
}

interface At {
  deps: CliDeps
  terminal: Terminal
  commands: Commands
}

async function dispatch(argv: readonly string[], at: At): Promise<number> {
  const { deps, terminal, commands } = at
  const one = split(argv, 1)
  const [first] = one.words
  if (first === undefined) {
    if (argv.includes('--version') || argv.includes('-v')) return say(terminal, deps.version)
    if (one.rest.length > 0) fail('INVALID_INPUT', 'a command begins with a noun', { hint: 'agentruntime help lists them.' })
    return say(terminal, helpAll(commands, terminal.style))
  }
  if (first === 'help') return help(one.rest, at)
  const extra = EXTRAS.find((e) => e.noun === first && e.verb === '')
  if (extra) {
    if (one.globals.help) return say(terminal, helpExtra(extra))
    if (first === 'version') return say(terminal, one.globals.json ? JSON.stringify({ version: deps.version }) : deps.version)
    if (first === 'completion') return say(terminal, completionScript(one.rest[0], commands))
    if (first === 'login') return login(one.globals, one.rest, deps, terminal, commands)
    if (first === 'logout') return logout(one.globals, deps, terminal)
  }
  const { words, globals, rest } = split(argv, 2)
  const noun = commands.nouns.includes(first)
    ? first
    : meantWhat('there is no command', first, [...commands.nouns, ...EXTRAS.map((e) => e.noun), 'help'], 'agentruntime help lists them.')
  const verbs = commands.verbs(noun)
  // A noun that only shows one thing needs no verb: `agentruntime me`.
  const verb = words[1] ?? (verbs.join() === 'get' ? 'get' : undefined)
  if (verb === undefined) {
    if (rest.length > 0) fail('INVALID_INPUT', `${noun} needs a verb before its flags`, { hint: `One of ${verbs.join(', ')}.` })
    return say(terminal, helpNoun(commands, noun, terminal.style))
  }
  if (isOfFile(noun, verb, rest) && !globals.help) return verifyFile(rest, globals.json === true, terminal)
  const more = EXTRAS.find((e) => e.noun === noun && e.verb === verb)
  if (more && globals.help) return say(terminal, helpExtra(more))
  if (more) return followRun(globals, rest, at)
  const command = commands.find(noun, verb)
  if (!command)
    return meantWhat(
      `${noun} has no command`,
      verb,
      [...verbs, ...EXTRAS.filter((e) => e.noun === noun).map((e) => e.verb)],
      `agentruntime help ${noun} lists them.`,
    )
  if (globals.help) return say(terminal, helpOf(command, terminal))
  return perform(command, globals, rest, at)
}

function say(terminal: Terminal, text: string): number {
  terminal.out(text)
  return 0
}

function help(words: readonly string[], { terminal, commands }: At): number {
  const [noun, verb] = words
  if (noun === undefined) return say(terminal, helpAll(commands, terminal.style))
  if (noun === 'exit-codes') return say(terminal, helpExitCodes())
  if (noun === 'values') return say(terminal, helpValues())
  const extra = EXTRAS.find((e) => e.noun === noun && e.verb === (verb ?? ''))
  if (extra) return say(terminal, helpExtra(extra))
  if (!commands.nouns.includes(noun))
    meantWhat('there is no command', noun, [...commands.nouns, 'exit-codes', 'values'], 'agentruntime help lists them.')
  if (verb === undefined) return say(terminal, helpNoun(commands, noun, terminal.style))
  const command = commands.find(noun, verb)
  if (!command) return meantWhat(`${noun} has no command`, verb, commands.verbs(noun), `agentruntime help ${noun} lists them.`)
  return say(terminal, helpOf(command, terminal))
}

/** With what the same verb does without a server. */
function helpOf(command: Command, terminal: Terminal): string {
  const more = EXTRAS.filter((e) => e.noun === command.noun && e.verb.startsWith(`${command.verb} `))
  return [helpCommand(command, terminal.style), ...more.map(helpExtra)].join('\n\n')
}

async function perform(command: Command, globals: Globals, rest: readonly string[], { deps, terminal, commands }: At): Promise<number> {
  const called = `${command.noun} ${command.verb}`
  if (globals.all && !command.paged) fail('INVALID_INPUT', `${called} has no flag --all`, { hint: 'Only lists have pages.' })
  if (globals.wait && !command.offers) fail('INVALID_INPUT', `${called} has no flag --wait`, { hint: 'Only sign-ins are waited for.' })
  if (globals['idempotency-key'] !== undefined && !command.op.idempotent) fail('INVALID_INPUT', `${called} has no flag --idempotency-key`)
  const input = await readInput(command, rest, terminal)
  const client = openSession(globals, deps, terminal)
  await askCredentials(command, input, client, commands, terminal)
  checkComplete(command, input)
  if (command.op.effect === 'destroy' && terminal.asks && !globals.yes) {
    const [said = ''] = await terminal.ask({ text: `${command.op.about}\n${called}: go on? [y/N] `, echo: true })
    if (!/^y(es)?$/i.test(said.trim())) fail('INVALID_INPUT', 'nothing was done')
  }
  const view = () => ({ now: deps.now(), width: terminal.width, style: terminal.style })
  if (command.op.lines) {
    for await (const text of client.lines(command, input)) terminal.out(text)
    return 0
  }
  if (globals.all) {
    const items = await client.all(command, input)
    terminal.out(globals.json ? JSON.stringify({ items, next_cursor: null }, null, 2) : lines({ items }, command, view()).join('\n'))
    return 0
  }
  const asked = client.call(command, input, { idempotencyKey: globals['idempotency-key'] })
  const answer = await (globals.json ? asked : withProgress(asked, command, client, commands, { deps, terminal }))
  const { value } = answer
  // A terminal gets no control character of others, not even in JSON, where some of them may stand as they are.
  const json = (it: Answer) => terminal.out(terminal.width === null ? it.text : printable(JSON.stringify(it.value, null, 2)))
  if (globals.json) json(answer)
  else {
    terminal.out(lines(value, command, view()).join('\n'))
    const next = (value as { next_cursor?: unknown } | null)?.next_cursor
    if (typeof next === 'string') terminal.note(`there are more: --all, or --cursor ${printable(next)}`)
  }
  const waitsFor = globals.wait ? offer(value)?.attempt_id : undefined
  if (waitsFor !== undefined)
    return waitForSignIn(commands, client, waitsFor, { terminal, wait: deps.wait, json: globals.json ? json : null })
  return verdict(value)
}

/** How often long work is asked how far it has come. */
const PROGRESS_MS = 1_000

/** While long work goes on, says how much is left, where the operation says who knows. */
async function withProgress<T>(
  work: Promise<T>,
  command: Command,
  client: Client,
  commands: Commands,
  { deps, terminal }: Pick<At, 'deps' | 'terminal'>,
): Promise<T> {
  const { left } = command.op
  const asked = left && commands.at('GET', left.at)
  if (!left || !asked) return work
  const ended = work.then(
    () => true,
    () => true,
  )
  while (!(await Promise.race([ended, deps.wait(PROGRESS_MS).then(() => false)]))) {
    const known = (await client.call(asked, {}).catch(() => null))?.value as Record<string, unknown> | undefined
    if (typeof known?.[left.field] === 'number') terminal.note(`${known[left.field]} ${left.counts}`)
  }
  return work
}

function lines(value: unknown, command: Command, view: Parameters<typeof table>[1]): string[] {
  const [link, found] = [offer(value), examined(value)]
  if (link) return offerLines(link, view)
  if (found) return findingLines(found, view)
  const items = (value as { items?: unknown } | null)?.items
  if (!Array.isArray(items)) return block(value, view)
  if (items.length === 0) return [`no ${command.verb === 'list' ? command.noun : command.verb}`]
  return table(items as Record<string, unknown>[], view)
}

/** A check that says no is a failure for a script: `audit verify` of a broken chain, `validate` of anything, a doctor who found a problem. */
function verdict(value: unknown): number {
  const { ok, valid, problem } = (value ?? {}) as { ok?: unknown; valid?: unknown; problem?: { code?: unknown } | null }
  if (ok !== false && valid !== false) return 0
  // What a doctor finds lies with a provider, or on the way to it.
  if (examined(value)) return FAULTS.OAUTH_APP_REFUSED.exit
  return exitOf(String(problem?.code)) ?? FAULTS.REFUSED.exit
}

interface Templates {
  items: {
    provider: string
    services: { slug: string; fields: { name: string; label: string; secret: boolean; required: boolean; hint: string }[] }[]
  }[]
}

/** Credentials that were left out are asked for where a person sits: which ones, the server's templates say. */
async function askCredentials(
  command: Command,
  input: Record<string, unknown>,
  client: Client,
  commands: Commands,
  terminal: Terminal,
): Promise<void> {
  for (const field of command.fields.filter((f) => f.required && !Object.hasOwn(input, f.name) && isSecret(f.schema))) {
    if (!terminal.asks) continue
    if (!typesOf(field.schema).includes('object')) {
      input[field.name] = await askSecret(`--${field.flag}`, field.flag, terminal)
      continue
    }
    const templates = commands.at('GET', '/v1/connections/templates')
    if (!templates || typeof input.provider !== 'string') continue
    const { items } = (await client.call(templates, {})).value as Templates
    const services = items.find((t) => t.provider === input.provider)?.services ?? []
    const service = services.find((s) => s.slug === input.service) ?? services[0]
    const wanted = service?.fields ?? []
    const answers = await terminal.ask(
      ...wanted.map((w) => ({
        text: printable(`${w.label}${w.hint ? ` (${w.hint})` : ''}${w.required ? '' : ', or nothing'}: `),
        echo: !w.secret,
      })),
    )
    const values = Object.fromEntries(wanted.map((w, i) => [w.name, answers[i] ?? '']).filter(([, answer]) => answer !== ''))
    if (Object.keys(values).length > 0) input[field.name] = values
  }
}

async function followRun(globals: Globals, rest: readonly string[], { deps, terminal, commands }: At): Promise<number> {
  const summary = commands.find('runs', 'summary') ?? fail('INTERNAL', 'there are no operations to follow a run with')
  const ids = await readInput(summary, rest, terminal)
  checkComplete(summary, ids)
  return follow(commands, openSession(globals, deps, terminal), ids as { id: string; run_id: string }, {
    terminal,
    json: globals.json === true,
    wait: deps.wait,
  })
}

/** What the server says besides the sentence: which profiles, which issues, and the id to look for in its log. */
function factsOf(fault: Fault, deps: CliDeps): string[] {
  const listed = (key: string, v: unknown) => Array.isArray(v) && v.length > (key === 'issues' && fault.code === 'INVALID_INPUT' ? 1 : 0)
  const facts = Object.entries(fault.details ?? {}).filter(([key, v]) => key === 'request_id' || listed(key, v))
  if (facts.length === 0) return []
  return block(Object.fromEntries(facts), { now: deps.now(), width: null, style: (_, text) => text }, '  ')
}

/** For the scripts: quick, and silent whatever happens. */
async function complete(words: readonly string[], commands: Commands, deps: CliDeps): Promise<number> {
  const silent = { ...openTerminal(deps), note: () => undefined }
  try {
    const found = await candidates(words, commands, (globals) => openSession(globals, deps, silent, true))
    if (found.length > 0) silent.out(found.join('\n'))
  } catch {
    // nothing to offer
  }
  return 0
}
