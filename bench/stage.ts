/** What a measurement stands on: PostgreSQL as in production, an upstream and a load generator in processes of their own, our runtime. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { startPostgres } from '../src/base/postgres.ts'
import { readConfig } from '../src/config.ts'
import { createInvoke, operations } from '../src/operations/index.ts'
import { type Runtime, startRuntime } from '../src/server.ts'
import type { Job, Outcome, Target } from './load.ts'

const HERE = import.meta.dirname
/** On the disk of the repository: a temporary directory may lie in memory, where syncing costs nothing. */
const PLACE = join(HERE, 'results')
export const KEY = 'bench-key-0123456789abcdef'

export interface Options {
  quick: boolean
  /** What `node` runs as the runtime: the build, or the sources as they lie. */
  main: string
  nodeArgs: string[]
}
/** What we read of an answer is text, or is made a number of. */
export type Row = Record<string, string>
/** Calls an operation by name. */
export type Call = (name: string, input: Record<string, unknown>) => Promise<Row>

export interface Stage {
  options: Options
  upstream: string
  postgres: string
  /** As the owner of the tables, who sees every tenant. */
  sql: (text: string, values?: unknown[]) => Promise<Row[]>
  connection: pg.ClientConfig
  flags: string[]
  close: () => Promise<void>
}

export function newDataDir(): string {
  const dir = mkdtempSync(join(PLACE, 'data-'))
  chmodSync(dir, 0o711) // as root the database runs as another user, who must get through
  return dir
}

/** Starts a file beside this one and waits for its first message. */
export async function helper(file: string, args: string[] = []): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(join(HERE, file), args, { execArgv: [] })
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  return { child, url: `http://127.0.0.1:${port}` }
}

export async function openStage(options: Options): Promise<Stage> {
  const dataDir = newDataDir()
  const server = await startPostgres({ dataDir, log: () => undefined })
  const upstream = await helper('upstream.ts', [KEY])
  const { user, password, host, port, database } = server.connection
  const auth = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`
  const url = host.startsWith('/')
    ? `postgres://${auth}@/${database}?host=${encodeURIComponent(host)}&port=${port}`
    : `postgres://${auth}@${host}:${port}/${database}`
  const everyTenant = { ...server.connection, options: '-c ar.workspace=* -c ar.project=*' }
  const pool = new pg.Pool({ ...everyTenant, max: 2 })
  pool.on('error', () => undefined) // the server goes before its last connection has noticed
  const sql: Stage['sql'] = async (text, values = []) => (await pool.query(text, values)).rows
  const postgres = String((await sql('show server_version'))[0]?.server_version).split(' ')[0] ?? ''
  return {
    options,
    upstream: upstream.url,
    postgres,
    sql,
    connection: everyTenant,
    flags: ['--port', '0', '--data-dir', dataDir, '--database-url', url, '--no-demo', '--allow-private', new URL(upstream.url).host],
    async close() {
      upstream.child.disconnect()
      await pool.end()
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** The runtime in this process, and its operations as its owner. */
export async function inProcess(stage: Stage): Promise<{ runtime: Runtime; call: Call }> {
  const runtime = await startRuntime(readConfig(stage.flags, {}))
  const { owner } = await runtime.rooms.access.founding()
  const invoke = createInvoke(runtime.rooms, { now: Date.now })
  const { signal } = new AbortController()
  const call: Call = async (name, input) => (await invoke(operationOf(name), owner, input, { requestId: 'bench', signal })) as never
  return { runtime, call }
}

function operationOf(name: string) {
  const found = operations.find((op) => op.name === name)
  if (!found) throw new Error(`there is no operation ${name}`)
  return found
}

export interface Process {
  child: ChildProcess
  url: string
  call: Call
  /** The request that an operation's call is. */
  target: (name: string, input: Record<string, unknown>) => Target
  stop: () => Promise<void>
}

/** The runtime as its own process. */
export async function ownProcess({ main, nodeArgs }: Options, flags: readonly string[]): Promise<Process> {
  const dataDir = flags[flags.indexOf('--data-dir') + 1] as string
  const patFile = join(dataDir, 'bench.pat')
  const child = spawn(process.execPath, [...nodeArgs, main, 'start', ...flags, '--owner-pat-file', patFile, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const first = await Promise.race([once(child.stdout!, 'data'), ended.then(() => Promise.reject(new Error('the runtime did not start')))])
  const { url } = JSON.parse(String(first[0])) as { url: string }
  const token = readFileSync(patFile, 'utf8').trim()
  const target: Process['target'] = (name, input) => {
    const [method, path] = operationOf(name).http.split(' ') as ['GET' | 'POST', string]
    const rest = { ...input }
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, field: string) => {
      const value = String(rest[field])
      delete rest[field]
      return value
    })
    const headers = { authorization: `Bearer ${token}` }
    if (method !== 'GET')
      return { method, url: url + filled, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(rest) }
    return { method, url: `${url}${filled}?${new URLSearchParams(rest as Record<string, string>)}`, headers }
  }
  const call: Call = async (name, input) => {
    const { url: to, ...init } = target(name, input)
    const answer = await fetch(to, init)
    const body = (await answer.json()) as Row
    if (!answer.ok) throw new Error(`${name}: ${JSON.stringify(body)}`)
    return body
  }
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  return { child, url, call, target, stop }
}

/** A process that sends what it is told to. */
export function generator(): { run: (job: Job) => Promise<Outcome>; close: () => void } {
  const child = fork(join(HERE, 'load.ts'), [], { execArgv: [] })
  return {
    async run(job) {
      child.send(job)
      const [answer] = (await once(child, 'message')) as [Outcome & { error?: string }]
      if (answer.error) throw new Error(answer.error)
      return answer
    },
    close: () => child.disconnect(),
  }
}

/** A connection, an instance of it, and two published workflows: one step, and three in a row. */
export async function outfit(stage: Stage, call: Call) {
  const connection = await call('connections.create', {
    display_name: 'bench',
    provider: 'http',
    service: 'bearer',
    credentials: { api_key: KEY },
  })
  const instance = await call('instances.create', { slug: 'http', connection_id: connection.id, config: { base_url: stage.upstream } })
  const workflow = async (name: string, steps: number) => {
    const graph = {
      steps: Array.from({ length: steps }, (_, n) => ({
        id: `s${n}`,
        type: 'mcp_call',
        instance_id: instance.id,
        tool_name: 'http_request',
        tool_args: { method: 'GET', path: '/items' },
        ...(n > 0 ? { depends_on: [`s${n - 1}`] } : {}),
      })),
    }
    const made = await call('workflows.create', { name, graph })
    await call('versions.publish', { id: made.id })
    return made.id as string
  }
  return {
    connectionId: connection.id as string,
    instanceId: instance.id as string,
    one: await workflow('one', 1),
    three: await workflow('three', 3),
  }
}
export const ARGS = { method: 'GET', path: '/items' }

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
