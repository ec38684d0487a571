/** Which server, and with which token. A saved token goes to the server that it was saved for and to no other. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { askSecret, type Globals } from './cli-arguments.ts'
import { type Client, createClient, isLoopback, serverUrl } from './cli-call.ts'
import type { Commands } from './cli-commands.ts'
import { type CliDeps, printable, type Terminal } from './cli-terminal.ts'
import { load, readTextFile } from './cli-values.ts'

export const DEFAULT_URL = 'http://127.0.0.1:8787'

interface Saved {
  /** The server of the last login: the default from then on. */
  url: string | null
  tokens: Record<string, string>
}

const fileOf = (deps: Pick<CliDeps, 'settings'>): string => join(deps.settings.configDir, 'login.json')

function readSaved(deps: CliDeps): Saved {
  try {
    const found = JSON.parse(readFileSync(fileOf(deps), 'utf8')) as Partial<Saved>
    return { url: found.url ?? null, tokens: { ...found.tokens } }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { url: null, tokens: {} }
    fail('INVALID_INPUT', `the saved login ${fileOf(deps)} cannot be read`, { hint: 'Delete the file and log in again.' })
  }
}

/** Whole or not at all, and never readable by others, not even for a moment. */
function writeSaved(deps: CliDeps, saved: Saved): void {
  const file = fileOf(deps)
  const fresh = `${file}.${randomBytes(6).toString('hex')}`
  try {
    mkdirSync(deps.settings.configDir, { recursive: true, mode: 0o700 })
    writeFileSync(fresh, `${JSON.stringify(saved, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
    renameSync(fresh, file)
  } catch (error) {
    rmSync(fresh, { force: true })
    fail('INVALID_INPUT', `the login cannot be saved to ${file} (${(error as NodeJS.ErrnoException).code})`)
  }
}

const urlOf = (globals: Globals, { settings }: CliDeps, saved: Saved | null): string =>
  serverUrl([globals.url, settings.url, saved?.url].find((u) => typeof u === 'string') ?? DEFAULT_URL)

/** Flags first, then the environment, then what `login` saved. `quiet` leaves the warnings out. */
export function openSession(globals: Globals, deps: CliDeps, terminal: Terminal, quiet = false): Client {
  const saved = readSaved(deps)
  const url = urlOf(globals, deps, saved)
  const token = givenToken(globals, deps, terminal, quiet) ?? (Object.hasOwn(saved.tokens, url) ? saved.tokens[url] : undefined)
  if (token === undefined)
    fail('UNAUTHENTICATED', `there is no token for ${url}`, {
      hint: 'agentruntime login --token-file FILE saves one; agentruntime start --owner-pat-file FILE writes a first one.',
    })
  if (!quiet) warnOfPlainHttp(url, terminal)
  return createClient({ url, token, fetch: deps.fetch, terminal })
}

function givenToken(globals: Globals, { settings }: CliDeps, terminal: Terminal, quiet: boolean): string | undefined {
  if (globals.token !== undefined) {
    terminal.hide(globals.token)
    if (!quiet)
      terminal.note(
        'warning: a token after --token can be seen in the list of processes; --token-file FILE or AGENTRUNTIME_TOKEN keep it out of there',
      )
    return globals.token
  }
  const file = globals['token-file'] ?? (settings.token === null ? settings.tokenFile : null)
  if (file !== null) return readTextFile('--token-file', file).trim()
  return settings.token ?? undefined
}

function warnOfPlainHttp(url: string, terminal: Terminal): void {
  if (url.startsWith('http://') && !isLoopback(url)) terminal.note(`warning: the token travels unencrypted to ${url}`)
}

interface Me {
  user: { name: string }
  workspace: { slug: string }
  projects: { id: string; slug: string }[]
  project_id: string
  role: string
}

/** Tries the token, then keeps it. */
export async function login(
  globals: Globals,
  rest: readonly string[],
  deps: CliDeps,
  terminal: Terminal,
  commands: Commands,
): Promise<number> {
  if (rest.length > 0) fail('INVALID_INPUT', 'login takes only flags', { hint: 'agentruntime login [--url URL] --token-file FILE' })
  const saved = readSaved(deps)
  const url = urlOf(globals, deps, null)
  const file = globals['token-file']
  const token =
    file === '-'
      ? (await load('--token-file', '@-', terminal)).text.trim()
      : (givenToken(globals, deps, terminal, false) ?? (await askSecret('--token-file', `Token for ${url}`, terminal)).trim())
  warnOfPlainHttp(url, terminal)
  const client = createClient({ url, token, fetch: deps.fetch, terminal })
  const who = commands.at('GET', '/v1/me') ?? fail('INTERNAL', 'there is no operation that says who a token is')
  const { value, text } = await client.call(who, {})
  writeSaved(deps, { url, tokens: { ...saved.tokens, [url]: token } })
  if (globals.json) terminal.out(text)
  else {
    const me = value as Me
    const project = me.projects.find((p) => p.id === me.project_id)?.slug ?? me.project_id
    terminal.out(printable(`logged in to ${url} as ${me.user.name} (${me.role}; workspace ${me.workspace.slug}, project ${project})`))
    terminal.out(`the token is in ${fileOf(deps)}, readable by you alone`)
  }
  return 0
}

/** Forgets the token of this server here; the server is not asked. */
export function logout(globals: Globals, deps: CliDeps, terminal: Terminal): number {
  const saved = readSaved(deps)
  const url = urlOf(globals, deps, saved)
  const had = Object.hasOwn(saved.tokens, url)
  if (had) {
    delete saved.tokens[url]
    const others = Object.keys(saved.tokens)
    if (others.length === 0) rmSync(fileOf(deps), { force: true })
    else writeSaved(deps, { url: saved.url === url ? null : saved.url, tokens: saved.tokens })
  }
  terminal.out(
    had ? `the token for ${url} is forgotten here; agentruntime pats revoke ends it everywhere` : `no token was saved for ${url}`,
  )
  return 0
}
