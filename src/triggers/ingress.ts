/** What comes from outside: admitted, read, verified, and only then parsed and started. One answer for all who may not know more. */
import { createHash } from 'node:crypto'
import type { Db, Scope } from '../base/db.ts'
import { Fault, type FaultCode, FAULTS, fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { parseJson } from '../base/json.ts'
import type { Runs } from '../runs/index.ts'
import type { Verifying } from '../vault/index.ts'
import type { createLimit } from './limit.ts'
import { rows, type WebhookRow } from './rows.ts'
import { contextOf, deliveryId, type HeaderOf, readClaim, schemeOf } from './schemes/read.ts'
import type { Scheme } from './schemes/scheme.ts'
import type { Audit, Tally } from './tally.ts'
import { liveSecrets } from './webhooks.ts'

/** A person has to do something first: asked again in a minute there is a chance that it was done. */
const AGAIN_S = 60
/** The database, the vault or this very process is about to be back. */
const SOON_S = 5
/** An order of hundreds of lines has more than our own bodies may have, and the size of a body bounds it anyway. */
const MAX_KEYS = 50_000
/** Longer names of deliveries are hashed like all others, and not shown. */
const SHOWN_ID = /^[\x21-\x7e]{1,200}$/
/** What is wrong with the delivery itself. Anything else that keeps a run from starting may pass, so the sender is to try again. */
const THE_DELIVERY_S: readonly FaultCode[] = ['INVALID_INPUT', 'BAD_REQUEST']

/** A personal access token that came along, as far as it matters here. */
export interface BearerFacts {
  patId: string
  scope: Scope
  mayRun: boolean
}
export interface Arrived {
  header: HeaderOf
  ip: string | null
  requestId: string
  /** Refuses by what the headers say of the body. */
  mayRead(): void
  read(): Promise<Uint8Array>
}
export interface Taken {
  run_id: string
  /** False: it had been delivered before, and started that run then. */
  first: boolean
}

/** The one refusal of whoever has not proved anything: of a bad signature as of a subscription that nobody has. */
const unproved = () =>
  new Fault('BAD_SIGNATURE', 'there is no such subscription, or the signature is not one of its own', {
    hint: 'The signature is over the raw bytes of the body. docs/webhooks.md says how.',
  })

export function createIngress(deps: {
  db: Db
  vault: Verifying
  runs: Pick<Runs, 'start'>
  limit: ReturnType<typeof createLimit>
  tally: Tally
  audit: Audit
  /** Null: it is not a living token of ours. */
  bearer: (token: string, ip: string | null) => Promise<BearerFacts | null>
  now: () => number
  trouble: (error: unknown) => void
  fault?: ((point: string, about?: string) => void | Promise<void>) | undefined
}) {
  const { db, vault, runs, tally, now } = deps

  /** The same look-up and the same work whoever asks for whatever. Throws `unproved`, having noted for the owner what it was. */
  async function prove(
    id: string,
    it: Arrived,
    raw: Uint8Array,
  ): Promise<{ hook: WebhookRow; scheme: Scheme; signedHash: string; secret: number }> {
    const found = await db.everyTenant('a subscription says whose it is', async (tx) => {
      const hook = await rows.byId(tx, id)
      const scheme = schemeOf(hook?.scheme)
      const claim = readClaim(scheme, it.header, raw)
      return { hook, scheme, claim, verdict: await vault.verify(tx, hook ? liveSecrets(hook, now()) : [], claim) }
    })
    const { hook, scheme, claim } = found
    if (hook && found.verdict === 'unreadable')
      throw new Noted(
        'UNDECRYPTABLE',
        new Fault('DEPENDENCY_UNAVAILABLE', 'the signing secret cannot be read here', { retryAfter: AGAIN_S }),
      )
    if (!hook) throw new Noted(null, unproved())
    if (typeof found.verdict !== 'number') throw new Noted(claim.signed ? 'BAD_SIGNATURE' : 'SIGNATURE_MISSING', unproved())
    if (!hook.enabled) throw new Noted('DISABLED', unproved())
    if (claim.at !== null && Math.abs(now() / 1000 - claim.at) > (scheme.timestamp?.toleranceS ?? 0))
      fail('STALE_SIGNATURE', 'the signature is right, and its time too far from ours', {
        hint: 'Sign each try anew, with the time of that try.',
        details: { tolerance_seconds: scheme.timestamp?.toleranceS, server_time: Math.floor(now() / 1000) },
      })
    const hash = createHash('sha256')
    for (const part of claim.parts) hash.update(part)
    return { hook, scheme, signedHash: hash.digest('hex'), secret: found.verdict }
  }

  /** Who the run is started by. */
  async function starter(hook: WebhookRow, it: Arrived): Promise<string> {
    if (hook.automation_pat_id === null) return `webhook:${hook.id}`
    const token = /^Bearer ([^\s,]+)$/i.exec(it.header('authorization') ?? '')?.[1]
    const facts = token === undefined ? null : await deps.bearer(token, it.ip)
    if (facts?.patId !== hook.automation_pat_id)
      fail('UNAUTHENTICATED', 'the signature is right; this subscription also demands its personal access token', {
        hint: 'Authorization: Bearer ar_pat_…, the token that the subscription was made with.',
      })
    if (!facts.mayRun || facts.scope.workspace !== hook.workspace_id || facts.scope.project !== hook.project_id)
      fail('FORBIDDEN', 'the token may not start runs here', { details: { missing_scope: 'workflow:run' } })
    return `pat:${facts.patId}`
  }

  async function start(id: string, it: Arrived, raw: Uint8Array): Promise<Taken> {
    const { hook, scheme, signedHash, secret } = await prove(id, it, raw)
    const startedBy = await starter(hook, it)
    const body = objectIn(raw)
    const scope: Scope = { workspace: hook.workspace_id, project: hook.project_id }
    const name = deliveryId(scheme, it.header, body)
    // By its hash either way: names come in any length. What was signed stands for itself, whichever secret signed it.
    const slot = name === null ? `signed:${signedHash}` : `id:${createHash('sha256').update(name).digest('hex')}`
    const delivery_id = name !== null && SHOWN_ID.test(name) ? name : null
    const again = (run_id: string): Taken => {
      tally.seenBefore(hook.id, slot, run_id, delivery_id)
      return { run_id, first: false }
    }
    const before = await db.tx(scope, (tx) => rows.claimed(tx, hook.id, slot))
    if (before?.run_id) return again(before.run_id)

    const context = contextOf(scheme, it.header)
    const run_id = newId('run', now())
    const started = await runs.start(scope, {
      workflow_id: hook.workflow_id,
      input: { ...(context ? { webhook: context } : {}), ...(hook.extras as Record<string, unknown>), ...body },
      environment: 'production',
      trigger: 'webhook',
      startedBy,
      run_id,
      options: {},
      flags: true,
    })
    const taken = await db.tx(scope, async (tx): Promise<Taken> => {
      if (!(await rows.hold(tx, hook.id))) throw new Noted('DISABLED', unproved())
      const row = { id: newId('dlv', now()), webhook_id: hook.id, slot, run_id, delivery_id, secret_version: secret, at: new Date(now()) }
      if (!(await rows.claim(tx, scope, row))) return { run_id: (await rows.claimed(tx, hook.id, slot))?.run_id as string, first: false }
      await started.write(tx)
      const details = { webhook_id: hook.id, workflow_id: hook.workflow_id, delivery: row.id }
      void deps.audit(tx, scope, {
        actor: startedBy,
        action: 'run.started',
        target: run_id,
        outcome: 'done',
        details,
        requestId: it.requestId,
      })
      await deps.fault?.('triggers.delivery.before_commit', hook.id)
      return { run_id, first: true }
    })
    if (!taken.first) return again(taken.run_id)
    await deps.fault?.('triggers.delivery.after_commit', hook.id)
    // The run is in the books: the sender waits for nothing more. An engine that could not be told is told by the lookout.
    started.after().catch(deps.trouble)
    return taken
  }

  return {
    /** Faults tell the sender whether to try again: 5xx and 429 may pass, the rest will not. */
    async take(id: string, it: Arrived): Promise<Taken> {
      try {
        it.mayRead()
        const wait = deps.limit.take(id)
        if (wait !== null) fail('RATE_LIMITED', 'too many requests for this subscription', { retryAfter: wait })
        return await start(id, it, await it.read())
      } catch (error) {
        const fault = error instanceof Noted ? error.fault : error
        if (!(fault instanceof Fault)) throw error
        const code = error instanceof Noted ? error.code : fault.code
        if (code !== null) tally.refused(id, code)
        if (FAULTS[fault.code].http === 503 && fault.retryAfter === undefined) throw asking(fault, SOON_S)
        if (FAULTS[fault.code].http >= 500 || !mayPass(fault)) throw fault
        throw new Fault('DEPENDENCY_UNAVAILABLE', `this cannot start a run now: ${fault.message}`, {
          cause: fault,
          retryAfter: AGAIN_S,
          hint: 'Send it again later: it is not lost, and nothing was started.',
          details: { reason: fault.code },
        })
      }
    },

    /** A vendor asks whether the URL is ours: what it wants repeated, where it knows the subscription's own word. */
    async handshake(id: string, asked: { mode: string | null; token: string | null; challenge: string | null }): Promise<string> {
      const wait = deps.limit.take(id)
      if (wait !== null) fail('RATE_LIMITED', 'too many requests for this subscription', { retryAfter: wait })
      const hook = await db.everyTenant('a subscription says whose it is', (tx) => rows.byId(tx, id))
      const knows = vault.isHandshake(hook?.workspace_id ?? 'nobody', id, asked.token ?? '')
      const offers = hook?.enabled === true && schemeOf(hook.scheme).handshake === 'hub.challenge'
      if (knows && offers && asked.mode === 'subscribe' && asked.challenge !== null) return asked.challenge
      if (hook) tally.refused(id, 'HANDSHAKE_REFUSED')
      throw unproved()
    },
  }
}
export type Ingress = ReturnType<typeof createIngress>

/** A refusal of which the owner is told more than the sender. Null: there is no owner. */
class Noted extends Error {
  readonly code: string | null
  readonly fault: Fault
  constructor(code: string | null, fault: Fault) {
    super(fault.message)
    this.code = code
    this.fault = fault
  }
}

/** The same, with how long to wait. */
const asking = (fault: Fault, retryAfter: number): Fault =>
  new Fault(fault.code, fault.message, {
    cause: fault,
    retryAfter,
    ...(fault.hint === undefined ? {} : { hint: fault.hint }),
    ...(fault.details === undefined ? {} : { details: fault.details }),
  })

const mayPass = ({ code }: Fault): boolean =>
  FAULTS[code].http === 409 || FAULTS[code].http === 404 || (FAULTS[code].http === 422 && !THE_DELIVERY_S.includes(code))

function objectIn(raw: Uint8Array): Record<string, unknown> {
  const hint = 'Send application/json. At GitHub the content type is chosen with the webhook.'
  let body: unknown
  try {
    body = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(raw), MAX_KEYS)
  } catch (error) {
    throw new Fault('BAD_REQUEST', error instanceof Fault ? error.message : 'the body is not UTF-8', { hint })
  }
  if (body === null || typeof body !== 'object' || Array.isArray(body)) fail('BAD_REQUEST', 'the body must be a JSON object', { hint })
  return body as Record<string, unknown>
}
