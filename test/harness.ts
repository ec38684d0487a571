/**
 * The real product for a test: `node src/main.ts start` as a child process, on a data directory and a database of its own.
 * Everything that the child writes and every answer that it gives is kept, so that a test can look through it afterwards.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll } from 'vitest'
import { emptyDatabase } from './database.ts'

/** A start, with migrations, takes about a second here; a machine under load gets more. */
const READY_MS = 30_000
/** The runtime ends itself 29 s after SIGTERM at the latest. */
const STOP_MS = 35_000
const POLL_MS = 15
/** The first owner, once there is one who can sign in. */
export const OWNER = { email: 'owner@example.com', password: 'seventeen green bottles' }
const MAIN = new URL('../src/main.ts', import.meta.url).pathname

export interface RuntimeOptions {
  /** More flags for `start`, after ours: the later of two wins. */
  flags?: readonly string[]
  /** The whole environment of the child besides PATH and HOME: nothing of the test's own environment gets in. */
  env?: Readonly<Record<string, string>>
  /** What connectors may reach on private addresses: `host:port` or the URL of a stub. */
  allowPrivate?: readonly string[]
  /** Another runtime's data directory and database, to start on the same data: `{ on: first }`. `first` removes both in the end. */
  on?: { home: string; databaseUrl: string | null; connection: pg.ClientConfig | null }
  /** `own`: the PostgreSQL that the runtime brings along (slower). Else a fresh database on the test run's server, or the URL given. */
  database?: 'own' | { url: string }
  demo?: boolean
  /** Where the child runs; the test's own folder unless said. */
  cwd?: string
  /** Another program than src/main.ts that takes the same arguments and says when it is ready. */
  main?: string
}

export interface Answer {
  method: string
  path: string
  status: number
  headers: Headers
  text: string
  /** The parsed JSON, null where there is none. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are asserted on, field by field
  body: any
}

export interface Child {
  process: ChildProcess
  pid: number
  /** All that it has written so far. */
  said: { stdout: string; stderr: string }
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

export interface TestRuntime extends AsyncDisposable {
  url: string
  /** The owner's personal access token. */
  pat: string
  patFile: string
  pid: number
  said: Child['said']
  exited: Child['exited']
  /** Holds the data directory and the token's file. */
  home: string
  dataDir: string
  logFile: string
  databaseUrl: string | null
  /** For looking into the database behind the scenes, as the owner of the tables. */
  connection: pg.ClientConfig
  /** Every answer to `api` and `ok`, in order. */
  answers: Answer[]
  /** With the owner's token unless the headers say otherwise. A string as body goes out as it is. */
  api(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** The body of a 2xx answer; any other answer throws what it said. */
  ok(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer['body']>
  /** Headers of the owner who has signed in with a browser: for what a token may not ask. Sets up first where that is still to be done. */
  session(): Promise<Record<string, string>>
  /** A new token, made by that owner. */
  mint(input: { display_name: string; scopes: readonly string[] }): Promise<Answer['body']>
  /** The one-time link of the first start. */
  setup: string | null
  /** SIGTERM, and waits for the end. */
  stop(): Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Ends the process as a crash would; the data stay. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** A new process on the same data, with the same options unless others are given. This one must have ended. */
  again(options?: RuntimeOptions): Promise<TestRuntime>
}

/** Waits for `look` to give something true, at most `ms`. */
export async function until<T>(
  look: () => T | Promise<T>,
  what: string,
  ms = 15_000,
): Promise<Exclude<T, false | null | undefined | '' | 0>> {
  for (const end = Date.now() + ms; ; ) {
    const found = await look()
    if (found) return found as Exclude<T, false | null | undefined | '' | 0>
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** A test that was given up on leaves no process behind. */
const living = new Set<ChildProcess>()
afterAll(() => {
  for (const child of living) child.kill('SIGKILL')
})

/** Starts the program and waits for nothing. For commands that are to fail. */
export function launch(argv: readonly string[], options: Pick<RuntimeOptions, 'env' | 'cwd' | 'main'> = {}): Child {
  const child = spawn(process.execPath, [options.main ?? MAIN, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: tmpdir(), ...options.env },
    ...(options.cwd ? { cwd: options.cwd } : {}),
  })
  living.add(child)
  child.once('close', () => living.delete(child))
  const said = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text))
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  )
  return { process: child, pid: child.pid as number, said, exited }
}

/** Runs the program to its end. `ms`: how long it took. */
export async function failedStart(argv: readonly string[], options: Pick<RuntimeOptions, 'env' | 'cwd'> = {}) {
  const began = performance.now()
  const child = launch(argv, options)
  const timer = setTimeout(() => child.process.kill('SIGKILL'), READY_MS)
  const { code } = await child.exited
  clearTimeout(timer)
  return { code, ms: performance.now() - began, ...child.said }
}

export async function runtime(options: RuntimeOptions = {}): Promise<TestRuntime> {
  const place: Place = options.on ?? (await newPlace(options.database))
  const dataDir = join(place.home, 'data')
  const patFile = join(place.home, 'owner.pat')
  const argv = ['start', '--port', '0', '--data-dir', dataDir, '--owner-pat-file', patFile, '--json', '--log-level', 'debug']
  if (place.databaseUrl !== null) argv.push('--database-url', place.databaseUrl)
  if (!options.demo) argv.push('--no-demo')
  for (const at of options.allowPrivate ?? []) argv.push('--allow-private', at.includes('://') ? new URL(at).host : at)
  const child = launch([...argv, ...(options.flags ?? [])], options)
  // Until it is ready, whoever waits for that is told why.
  let expected = true
  void child.exited.then(({ code, signal }) => {
    if (!expected)
      process.stderr.write(
        `the runtime ended by itself (code ${code}, signal ${signal}) and had said:\n${child.said.stdout}${child.said.stderr}\n`,
      )
  })
  const end = async (signal: NodeJS.Signals) => {
    expected = true
    child.process.kill(signal)
    const timer = setTimeout(() => child.process.kill('SIGKILL'), STOP_MS)
    const how = await child.exited
    clearTimeout(timer)
    return how
  }
  const removeAll = async () => {
    if (options.on) return
    rmSync(place.home, { recursive: true, force: true })
    await place.drop?.()
  }
  let ready: { url: string; pid: number; setup?: string }
  try {
    ready = await Promise.race([
      until(() => firstEvent(child.said.stdout), 'the ready event', READY_MS),
      child.exited.then(({ code }) => Promise.reject(new Error(`the runtime did not start (code ${code}): ${child.said.stderr}`))),
    ])
  } catch (error) {
    await end('SIGKILL')
    await removeAll()
    throw error
  }

  expected = false
  const pat = readFileSync(patFile, 'utf8').trim()
  const answers: Answer[] = []
  const api: TestRuntime['api'] = async (method, path, body, headers = {}) => {
    const known: Record<string, string> = 'cookie' in headers ? {} : { authorization: `Bearer ${pat}` }
    const sent = { ...known, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }
    const payload = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
    const response = await fetch(ready.url + path, { method, headers: sent, ...payload })
    const text = await response.text()
    const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '') && text !== ''
    const answer = { method, path, status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : null }
    answers.push(answer)
    return answer
  }
  let signedIn: Promise<Record<string, string>> | null = null
  async function signIn(): Promise<Record<string, string>> {
    const path = (await fetch(`${ready.url}/v1/setup`).then((r) => r.json() as Promise<{ open: boolean }>)).open
      ? '/v1/setup'
      : '/v1/auth/sign-in'
    const body = path === '/v1/setup' ? { ...OWNER, token: ready.setup?.split('#t=')[1] } : OWNER
    const headers = { 'content-type': 'application/json', origin: ready.url }
    const response = await fetch(ready.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${await response.text()}`)
    return { cookie: response.headers.getSetCookie()[0]?.split(';')[0] ?? '', origin: ready.url }
  }
  const self: TestRuntime = {
    url: ready.url,
    setup: ready.setup ?? null,
    session: () => (signedIn ??= signIn()),
    mint: async (input) => self.ok('POST', '/v1/pats', input, await self.session()),
    pat,
    patFile,
    pid: child.pid,
    said: child.said,
    exited: child.exited,
    home: place.home,
    dataDir,
    logFile: join(dataDir, 'agentruntime.log'),
    databaseUrl: place.databaseUrl,
    connection: place.connection ?? ownPostgres(dataDir),
    answers,
    api,
    async ok(method, path, body, headers) {
      const answer = await api(method, path, body, headers)
      if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`)
      return answer.body
    },
    stop: () => end('SIGTERM'),
    kill: async (signal = 'SIGKILL') => void (await end(signal)),
    again: (other = options) => runtime({ ...other, on: place }),
    async [Symbol.asyncDispose]() {
      await end('SIGTERM')
      await removeAll()
    },
  }
  return self
}

interface Place {
  home: string
  databaseUrl: string | null
  connection: pg.ClientConfig | null
  drop?: () => Promise<void>
}

async function newPlace(database: RuntimeOptions['database']): Promise<Place> {
  const home = mkdtempSync(join(tmpdir(), 'agentruntime-walk-'))
  chmodSync(home, 0o711) // as root, a PostgreSQL of the runtime's own runs as another user, who must get through
  if (database === 'own') return { home, databaseUrl: null, connection: null }
  if (database) return { home, databaseUrl: database.url, connection: { connectionString: database.url } }
  const { url, connection, drop } = await emptyDatabase()
  return { home, databaseUrl: url, connection, drop }
}

/** The way to the PostgreSQL that the runtime brought along: its socket and its user's password lie in the data directory. */
function ownPostgres(dataDir: string): pg.ClientConfig {
  const dir = join(dataDir, 'postgres')
  const { runtime: password } = JSON.parse(readFileSync(join(dir, 'passwords.json'), 'utf8')) as { runtime: string }
  const [, , , port, socket, address] = readFileSync(join(dir, 'cluster', 'postmaster.pid'), 'utf8').split('\n')
  return { host: socket || address, port: Number(port), user: 'agentruntime', password, database: 'agentruntime' } as pg.ClientConfig
}

function firstEvent(stdout: string): { url: string; pid: number; setup?: string } | null {
  const line = stdout.includes('\n') ? stdout.slice(0, stdout.indexOf('\n')) : ''
  return line.startsWith('{') ? (JSON.parse(line) as { url: string; pid: number; setup?: string }) : null
}
