/** An operation is stated once. HTTP route, OpenAPI, MCP tool, CLI command and Console call are all read off it. */
import type { z } from 'zod'
import {
  type Access,
  type Act,
  allow,
  appendAudit,
  type BookOfUses,
  type By,
  type Caller,
  type From,
  type Role,
  type ScopeName,
} from '../access/index.ts'
import { onBehalf } from '../base/behalf.ts'
import type { Db, Scope, Tx } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import { parseInput } from '../base/explain.ts'
import type { Bindings } from '../bindings/index.ts'
import type { Connections } from '../connections/index.ts'
import type { Runs } from '../runs/index.ts'
import type { Tools } from '../tools/index.ts'
import type { Triggers } from '../triggers/index.ts'
import type { Keeping } from '../vault/index.ts'
import type { WayOut } from './egress.ts'
import type { Elsewhere } from './elsewhere.ts'
import { rows } from './rows.ts'

export interface Rooms {
  access: Access
  connections: Connections
  bindings: Bindings
  tools: Tools
  runs: Runs
  triggers: Triggers
  vault: Keeping
  uses: BookOfUses
  elsewhere: Elsewhere
  egress: WayOut
  db: Db
}

/** What a request says of the way that it took. */
export interface Seen {
  host: string | null
  forwardedHost: string | null
  forwardedProto: string | null
}

/** The browser behind a request: its session's token, and the way to give it another. */
export interface Browser {
  token: string | null
  from: From
  keep(token: string): void
  forget(): void
  /** What it keeps while somebody is at a provider. */
  way: string | null
  keepWay(ticket: string): void
  forgetWay(): void
}

export interface Told {
  target?: string | null
  details?: Record<string, unknown>
}

/** What an operation has at hand besides the rooms. */
export interface Ctx {
  caller: Caller
  scope: Scope
  requestId: string
  signal: AbortSignal
  now(): number
  /** How the request reached us, where it came over HTTP. */
  seen: Seen | null
  /** Fails where a request did not come over HTTP. */
  browser: Browser
  /** For long work: how far it has come. The face decides whether anybody sees it. */
  progress(state: object): void
  /** One transaction on the caller's rows, for reading. */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /**
   * The act itself: one transaction that also writes the audit entry (last) and, for operations that honour
   * Idempotency-Key, the answer. For those the result of `work` is the operation's answer.
   */
  act<T>(work: (tx: Tx) => Promise<T>, tell?: (result: T) => Told): Promise<T>
}

export type Audit = { log: string } | { none: string }
export type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'

export interface Operation<I extends z.ZodObject = z.ZodObject, O extends z.ZodType = z.ZodType> {
  name: `${string}.${string}`
  http: `${Method} /v1/${string}`
  about: string
  /** null: any signed-in caller. */
  scope: ScopeName | null
  /** Scopes that it needs besides: it reads or makes what they guard. */
  also?: readonly ScopeName[]
  role: Role
  /** Who may ask, where that is not everybody who is known: `session` is a person and no token, `anyone` also a stranger. */
  by?: By
  /** What it is about is the whole workspace's, and not one project's. */
  reach?: 'workspace'
  effect: 'read' | 'write' | 'destroy'
  /** No default: leaving it out does not compile. */
  audit: Audit
  /** HTTP status of success, 200 unless said. */
  status?: 200 | 201 | 202
  /** Honours Idempotency-Key: same key and body, same answer for 24 hours. */
  idempotent?: boolean
  /** Over HTTP its items are written one a line, page after page to the end. */
  lines?: true
  hideFrom?: { mcp?: string; cli?: string }
  /** Fields that the command line also takes without their flag, in this order, after those of the path. */
  words?: readonly string[]
  /** For long work: the route that tells how much is left, in which field of its answer, and what the number counts. */
  left?: { at: `/v1/${string}`; field: string; counts: string }
  /** Path, query and body fields together; strict. Path fields are those in braces. */
  input: I
  output: O
  run: (rooms: Rooms, ctx: Ctx, input: z.output<I>) => Promise<z.input<O>>
}

export const operation = <I extends z.ZodObject, O extends z.ZodType, N extends string>(op: Operation<I, O> & { name: N }) => op
/** All scopes that a token needs for it. */
export const scopesOf = (op: Pick<Operation, 'scope' | 'also'>): ScopeName[] => [...(op.scope ? [op.scope] : []), ...(op.also ?? [])]
export type AnyOperation = Operation<z.ZodObject, z.ZodType>

export interface Asked {
  requestId: string
  signal: AbortSignal
  seen?: Seen
  /** The face, where it is another than HTTP: the audit entry says so. */
  via?: string
  browser?: Browser
  idempotencyKey?: string | undefined
  progress?: (state: object) => void
}

/** An earlier answer to the same Idempotency-Key, thrown out of the transaction that found it. */
class Replayed extends Error {
  readonly answer: string
  constructor(answer: string) {
    super('replayed')
    this.answer = answer
  }
}

/** A key is long enough for a UUID and a prefix, short enough for an index. */
const MAX_IDEMPOTENCY_KEY = 255

/** Every face ends here: scope and role, input, work and audit in one transaction. */
export function createInvoke(rooms: Rooms, deps: { now: () => number; checkOutputs?: boolean }) {
  return async function invoke(op: AnyOperation, caller: Caller, raw: Record<string, unknown>, asked: Asked): Promise<unknown> {
    const scope: Scope = { workspace: caller.workspace, project: op.reach === 'workspace' ? '*' : caller.project }
    const note = (tx: Tx, act: Omit<Act, 'actor' | 'requestId'>) =>
      appendAudit(tx, scope, new Date(deps.now()), {
        ...act,
        ...(asked.via === undefined ? {} : { details: { ...act.details, via: asked.via } }),
        actor: caller.actor,
        requestId: asked.requestId,
      })
    try {
      for (const needed of [op.scope, ...(op.also ?? [])]) allow(caller, op.name, needed, op.role, op.by)
    } catch (refusal) {
      if (caller.kind === 'anyone') throw refusal // no workspace has a log for it
      await rooms.db.tx(scope, (tx) => note(tx, { action: op.name, outcome: 'refused', details: { code: (refusal as Fault).code } }))
      throw refusal
    }
    for (const [name, value] of Object.entries(raw))
      if (typeof value === 'string' && value.includes('\0')) fail('INVALID_INPUT', `${name} holds a NUL character, which cannot be stored`)
    const input = parseInput(op.input, raw, Object.keys(op.input.shape))
    const key = op.idempotent ? checkKey(asked.idempotencyKey) : undefined
    let acted = false
    const ctx: Ctx = {
      caller,
      scope,
      requestId: asked.requestId,
      signal: asked.signal,
      now: deps.now,
      seen: asked.seen ?? null,
      get browser() {
        return asked.browser ?? fail('BAD_REQUEST', `${op.name} is for browsers`)
      },
      progress: (state) => asked.progress?.(state),
      read: (work) => rooms.db.tx(scope, work),
      act: (work, tell) =>
        rooms.db.tx(scope, async (tx) => {
          if (key) await claim(tx, scope, op.name, key, rooms.vault.fingerprint(scope.workspace, JSON.stringify(raw)))
          const result = await work(tx)
          // Neither is waited for: they leave together with the commit, so the audit log's head is locked for one round trip only.
          if (key) void rows.answer(tx, op.name, key, JSON.stringify(result))
          if ('log' in op.audit) void note(tx, { action: op.audit.log, outcome: 'done', ...tell?.(result) })
          acted = true
          return result
        }),
    }
    try {
      const output = await onBehalf({ scope, actor: caller.actor, requestId: asked.requestId }, () => op.run(rooms, ctx, input))
      if ('log' in op.audit && !acted) throw new Error(`${op.name} promises an audit entry and wrote none`)
      return deps.checkOutputs ? op.output.parse(output) : output
    } catch (error) {
      if (error instanceof Replayed) return JSON.parse(error.answer)
      throw error
    }
  }
}
export type Invoke = ReturnType<typeof createInvoke>

function checkKey(key: string | undefined): string | undefined {
  if (key === undefined) return undefined
  if (key.length === 0 || key.length > MAX_IDEMPOTENCY_KEY || !/^[\x21-\x7e]+$/.test(key))
    fail('BAD_REQUEST', `Idempotency-Key must be 1 to ${MAX_IDEMPOTENCY_KEY} visible ASCII characters`)
  return key
}

/**
 * First of its kind: goes on. Seen before: the stored answer, or a conflict when the body differs. Waits for one in flight.
 * The body's hash is keyed: a body may hold a short password, and nothing that is stored shall serve to try guesses.
 */
async function claim(tx: Tx, scope: Scope, operationName: string, key: string, bodyHash: Buffer): Promise<void> {
  if (await rows.claim(tx, scope, operationName, key, bodyHash)) return
  const earlier = await rows.claimed(tx, operationName, key)
  if (!earlier) throw new Fault('CONFLICT', 'another request with this Idempotency-Key is still being worked on')
  if (!earlier.body_hash.equals(bodyHash))
    throw new Fault('IDEMPOTENCY_CONFLICT', 'this Idempotency-Key was used with another body', { hint: 'Use a new key for a new request.' })
  throw new Replayed(earlier.answer ?? 'null')
}
