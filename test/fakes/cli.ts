/**
 * The command line against the real HTTP face, without a network: every operation is there, inputs and answers are checked with its
 * schemas, and only what an operation would do is made up.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type Caller, SCOPES } from '../../src/access/index.ts'
import { fail } from '../../src/base/errors.ts'
import { parseInput } from '../../src/base/explain.ts'
import { createLog } from '../../src/base/log.ts'
import { runCli } from '../../src/faces/cli.ts'
import { createHttp } from '../../src/faces/http.ts'
import { type AnyOperation, operations, type SignIn } from '../../src/operations/index.ts'
import { createRedactor } from '../../src/vault/index.ts'

export const URL = 'http://127.0.0.1:8787'
export const TOKEN = 'ar_pat_thisisthetokenoftheowner0123456789'
export const NOW = Date.parse('2026-03-01T12:00:00.000Z')

export interface Call {
  op: string
  /** As it was sent, before the schema. */
  raw: Record<string, unknown>
  idempotencyKey: string | undefined
}
/** What an operation answers; a function may throw a Fault. */
export type Answers = Record<string, unknown>

export interface Ran {
  code: number
  out: string
  err: string
}

export interface RunOptions {
  env?: { url?: string; token?: string | null; tokenFile?: string }
  /** Piped in. */
  stdin?: string
  /** Typed at a terminal, one after the other as questions come. Makes all streams terminals. */
  typed?: readonly string[]
  columns?: number
  fetch?: typeof globalThis.fetch
}

export interface Cli extends Disposable {
  answers: Answers
  calls: Call[]
  requests: Request[]
  /** A folder of its own. */
  dir: string
  /** Waits that were asked for, in ms: nobody waits here. */
  waits: number[]
  run(argv: readonly string[], options?: RunOptions): Promise<Ran>
}

const caller: Caller = {
  kind: 'pat',
  actor: 'pat:pat_1',
  userId: 'user_1',
  userName: 'Ada',
  workspace: 'ws_1',
  workspaceSlug: 'default',
  project: 'proj_1',
  scopes: SCOPES,
  role: 'workspace_owner',
}

export function openCli(): Cli {
  const dir = mkdtempSync(join(tmpdir(), 'agentruntime-cli-'))
  const answers: Answers = {}
  const calls: Call[] = []
  const requests: Request[] = []
  const waits: number[] = []
  const invoke = async (op: AnyOperation, _: Caller, raw: Record<string, unknown>, asked: { idempotencyKey?: string | undefined }) => {
    calls.push({ op: op.name, raw, idempotencyKey: asked.idempotencyKey })
    const input = parseInput(op.input, raw, Object.keys(op.input.shape))
    if (!(op.name in answers)) return fail('NOT_FOUND', `${op.name} has no answer in this test`)
    const answer = answers[op.name]
    return op.output.parse(typeof answer === 'function' ? await (answer as (i: unknown) => unknown)(input) : answer)
  }
  const authenticate = async (token: string) =>
    token === TOKEN ? caller : fail('UNAUTHENTICATED', 'this token is not known, or was revoked')
  const log = createLog('silent', '/dev/null')
  const readiness = async () => ({ ready: true, checks: {} })
  const nobody = () => fail('NOT_FOUND', 'nobody signs in here')
  const signIn: SignIn = { look: nobody, refuse: nobody, begin: nobody, finish: nobody }
  const http = createHttp({
    operations,
    invoke,
    signIn,
    elsewhere: { arrive: nobody },
    redact: createRedactor({ now: () => NOW }),
    ingress: { take: nobody, handshake: nobody },
    secure: false,
    trustedProxies: [],
    publicUrl: () => 'http://127.0.0.1',
    access: { authenticate, authenticateSession: nobody },
    readiness,
    up: () => true,
    log,
    now: () => NOW,
    version: '0',
  })
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init)
    requests.push(request.clone())
    return http.fetch(request)
  }

  async function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const { env = {}, typed } = options
    const written = { out: '', err: '' }
    const isTTY = typed !== undefined
    const pending = [...(typed ?? [])]
    const stdin = Object.assign(new PassThrough(), { isTTY, setRawMode: () => undefined })
    const stdout = Object.assign(new PassThrough(), { isTTY, columns: options.columns ?? 100 })
    const stderr = Object.assign(new PassThrough(), { isTTY })
    stdout.on('data', (d) => (written.out += d))
    stderr.on('data', (d) => {
      written.err += d
      if (/(: |\] )$/.test(String(d)) && pending.length > 0) stdin.write(pending.shift())
    })
    if (!isTTY) stdin.end(options.stdin ?? '')
    const code = await runCli(argv, {
      settings: {
        url: env.url ?? null,
        token: env.token === undefined ? TOKEN : env.token,
        tokenFile: env.tokenFile ?? null,
        color: false,
        configDir: join(dir, 'config'),
      },
      version: '1.2.3',
      fetch: options.fetch ?? fetch,
      now: () => NOW,
      wait: async (ms) => void waits.push(ms),
      stdin,
      stdout,
      stderr,
    })
    return { code, ...written }
  }
  return { answers, calls, requests, dir, waits, run, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) }
}

const at = '2026-03-01T11:57:00.000Z'
export const connection = {
  id: 'conn_1',
  name: 'GitHub CI',
  provider: 'github',
  service: 'api_key',
  environment: 'production',
  status: 'active',
  status_reason: null,
  status_text: null,
  status_since: at,
  credential_keys: ['api_key'],
  credential_version: 3,
  settings: {},
  account: { id: '7', label: 'octo-bot' },
  granted_scopes: ['repo'],
  rotation: null,
  warnings: [],
  expires_at: null,
  last_validated_at: null,
  last_used_at: null,
  oauth: null,
  usage: { instances: 1, workflows: 2 },
  created_at: at,
  updated_at: at,
}
export const me = {
  kind: 'pat',
  user: { id: 'user_1', name: 'Ada', email: 'ada@example.com' },
  workspace: { id: 'ws_1', slug: 'default', name: 'Default workspace' },
  projects: [{ id: 'proj_1', slug: 'shop', name: 'Shop', role: 'workspace_owner' }],
  workspaces: [],
  project_id: 'proj_1',
  role: 'workspace_owner',
  scopes: [],
}
export const run = {
  run_id: 'run_1',
  workflow_id: 'wf_1',
  workflow_name: 'Daily sales',
  version: 1,
  environment: 'production',
  trigger: 'api',
  started_by: 'pat:pat_1',
  status: 'completed',
  waiting_on: [],
  failure: null,
  created_at: at,
  started_at: at,
  finished_at: at,
}
