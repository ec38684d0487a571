/** One tool call: resolve the binding, check the input, lend the credential, run, check the output, write a record. */
import type { Bindings } from '../bindings/index.ts'
import { missingScopes } from '../bindings/index.ts'
import { behalf, onBehalf } from '../base/behalf.ts'
import type { Db, Scope, Tx } from '../base/db.ts'
import type { Refusal } from '../base/egress.ts'
import { FAULTS, Fault, type FaultCode, fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Connections, Lent } from '../connections/index.ts'
import { REASONS, waitFor, wayBack } from '../connections/index.ts'
import type { Connector, Tool, ToolContext } from '../connectors/contract.ts'
import { checkArguments } from './check.ts'
import { asFault, CALL_TIMEOUT_MS, CREDENTIAL_HOSTS, isRefused, naming, refusalOf, requiredScopes, withoutCredentials } from './faults.ts'
import { createRecorder } from './record.ts'
import { type CallRecord, rows } from './rows.ts'

export { missingScopes, REASONS, wayBack }
export type { CallRecord }
export { CALL_TIMEOUT_MS, checkArguments }

export interface CallRequest {
  scope: Scope
  actor: string
  instanceId: string
  tool: string
  args: unknown
  environment: string
  /** This profile instead of the one that is active. */
  profileId?: string | undefined
  /** The same for every try of the same step of the same run; upstreams that know idempotency keys get it. */
  key: string
  signal: AbortSignal
  timeoutMs?: number
  run?: { runId: string; stepId: string; attempt: number }
  /** A version of one connection that is under test: this call alone goes out with it. */
  trial?: { connection_id: string; version: number } | undefined
}
export type Outcome = { ok: true; output: unknown; record: CallRecord } | { ok: false; fault: Fault; record: CallRecord }

export interface ToolsDeps {
  db: Db
  bindings: Bindings
  connections: Connections
  now: () => number
  /** Told of hosts that a call was refused by others than the egress guard, which tells of its own. */
  onRefusal?: (refusal: Refusal) => void
}

export function createTools(deps: ToolsDeps) {
  const { bindings, connections, now } = deps
  const recorder = createRecorder(deps.db)

  const toolOf = (connector: Connector, name: string): Tool =>
    (Object.hasOwn(connector.tools, name) ? connector.tools[name] : undefined) ??
    fail('TOOL_REFUSED', `${connector.title} has no tool ${name.slice(0, 80)}`, {
      hint: `Its tools: ${Object.keys(connector.tools).join(', ')}.`,
    })

  const bindingFor = ({
    scope,
    instanceId,
    environment,
    profileId,
  }: Pick<CallRequest, 'scope' | 'instanceId' | 'environment' | 'profileId'>) =>
    profileId === undefined ? bindings.resolve(scope, instanceId, environment) : bindings.ofProfile(scope, instanceId, profileId)

  /** Never throws: the outcome carries the fault, and the record of the call either way. */
  function attempt(request: CallRequest): Promise<Outcome> {
    const { scope, actor, instanceId, tool, run } = request
    // A run outlives the request that began it.
    const requestId = run ? undefined : behalf()?.requestId
    return onBehalf({ scope, actor, requestId, instanceId, tool, runId: run?.runId, stepId: run?.stepId }, () => attemptNow(request))
  }

  async function attemptNow(request: CallRequest): Promise<Outcome> {
    const { scope, trial } = request
    const began = performance.now()
    const at = new Date(now())
    let lent: Lent | null = null
    let tool: Tool | null = null
    const record = (outcome: CallRecord['outcome'], code: FaultCode | null): CallRecord => ({
      id: newId('call', at.getTime()),
      workspace_id: scope.workspace,
      project_id: scope.project,
      at,
      actor: request.actor,
      run_id: request.run?.runId ?? null,
      step_id: request.run?.stepId ?? null,
      attempt: request.run?.attempt ?? null,
      instance_id: request.instanceId,
      tool: request.tool,
      connection_id: lent?.connectionId ?? null,
      // The one that the last request went out with: a renewal on the way makes a new one.
      credential_version: lent?.credentialVersion ?? null,
      duration_ms: Math.round(performance.now() - began),
      outcome,
      code,
      call_key: request.key,
    })
    const timeout = AbortSignal.timeout(request.timeoutMs ?? CALL_TIMEOUT_MS)
    const signal = AbortSignal.any([request.signal, timeout])
    try {
      const binding = await bindingFor(request)
      tool = toolOf(binding.connector, request.tool)
      const input = checkArguments(tool.input, request.args ?? {}, argumentNames(tool))
      const borrowed = await connections.lend(scope, {
        connectionId: binding.connectionId,
        connector: binding.connector,
        config: binding.config,
        signal,
        environment: binding.environment,
        user: { actor: request.actor, ...request.run, instanceId: binding.instanceId, tool: request.tool },
        ...(trial && trial.connection_id === binding.connectionId ? { version: trial.version } : {}),
      })
      lent = borrowed
      const missing = missingScopes(tool, borrowed.grantedScopes)
      if (missing.length > 0)
        fail('SCOPE_MISSING', `${request.tool} needs ${missing.join(', ')}, which this connection was not granted`, {
          hint: 'GET …/instances/{id}/tools has a link that asks for it.',
          details: { missing_scopes: missing, connection_id: lent.connectionId },
        })
      const context: ToolContext = {
        fetch: lent.fetch,
        db: lent.db,
        session: lent.session,
        base: lent.base,
        account: lent.account,
        entered: lent.entered,
        key: request.key,
        config: binding.config,
        signal,
        wait: waitFor(signal),
      }
      const { run } = tool
      const once = () => ended(run(context, input as never), signal)
      const output = await once().catch(async (error: unknown) => {
        if (!isRefused(error) || !(await borrowed.again())) throw error
        return once().catch((second: unknown) => {
          if (isRefused(second)) borrowed.back()
          throw second
        })
      })
      const checked = tool.output.safeParse(output)
      if (!checked.success)
        fail('MCP_TOOL_FAILED', `${request.tool} answered in a shape that it does not promise`, {
          details: { connector: binding.connector.slug },
          maybeDone: true,
        })
      return { ok: true, output: lent.clean(checked.data), record: record('ok', null) }
    } catch (error) {
      const fault = naming(withoutCredentials(asFault(error, timeout.aborted, request), lent), lent?.connectionId)
      if (fault.code === 'EGRESS_BLOCKED' && fault.details?.rule === CREDENTIAL_HOSTS) deps.onRefusal?.(refusalOf(fault))
      await learn(scope, lent, tool, fault).catch(() => undefined)
      return { ok: false, fault, record: record(fault.maybeDone ? 'unknown' : 'failed', fault.code) }
    }
  }

  /** What a failed call says of its connection: that the credential is refused, or that it may do less than we thought. */
  async function learn(scope: Scope, lent: Lent | null, tool: Tool | null, fault: Fault): Promise<void> {
    const { connectionId: id, credentialVersion: version } = lent ?? {}
    if (!id || !version) return
    // A limit on what one recipient gets is none of the connection's.
    if (fault.code === 'UPSTREAM_RATE_LIMITED' && fault.retryAfter && fault.details?.reason !== 'recipient')
      connections.slowDown(id, fault.retryAfter)
    if (fault.code === 'CREDENTIAL_REJECTED') await connections.rejected(scope, id, version, 'key_rejected')
    if (fault.code === 'UNDECRYPTABLE') await connections.rejected(scope, id, version, 'undecryptable')
    // A right that the account itself lacks is no scope: asking for consent again would not help.
    if (fault.code === 'SCOPE_MISSING' && tool && fault.details?.reason !== 'denied' && fault.details?.missing_scopes === undefined)
      await connections.lacking(scope, id, version, requiredScopes(fault) ?? tool.scopes.flat())
  }

  /**
   * What a retry loop must know about one call. A tool that cannot be found is taken for one that must not be repeated.
   * A passing trouble (the database is away) says nothing about the tool, and is thrown.
   */
  async function traits(
    call: Pick<CallRequest, 'scope' | 'instanceId' | 'environment' | 'profileId' | 'tool' | 'args'>,
  ): Promise<{ changes: boolean; repeatable: boolean }> {
    try {
      const { connector } = await bindingFor(call)
      const tool = toolOf(connector, call.tool)
      const { repeatable, reads = tool.effect === 'read' } = tool
      if (typeof repeatable === 'boolean' && typeof reads === 'boolean') return { changes: !reads, repeatable }
      const input = checkArguments(tool.input, call.args ?? {}, argumentNames(tool)) as never
      return {
        changes: !(typeof reads === 'boolean' ? reads : reads(input)),
        repeatable: typeof repeatable === 'boolean' ? repeatable : repeatable(input),
      }
    } catch (error) {
      if (error instanceof Fault && FAULTS[error.code].retry) throw error
      return { changes: true, repeatable: false }
    }
  }

  return {
    attempt,
    toolOf,
    traits,

    /** What a graph's names stand for in an environment, with the state of the connections behind them. */
    async lookups(tx: Tx, ids: readonly string[], serverUrls: readonly string[], environment: string) {
      const found = await bindings.forGraph(tx, ids, serverUrls, environment)
      const known = await connections.some(tx, [...new Set(found.map((i) => i.connectionId).filter((id) => id !== null))])
      const facts = found.map((i) => ({
        id: i.id,
        name: i.name,
        serverUrl: i.serverUrl,
        connector: i.connector,
        hasProfile: i.hasProfile,
        needsConnection: i.connector.auth.kind !== 'none',
        connection: i.connectionId === null ? null : (known.get(i.connectionId) ?? null),
      }))
      return {
        instances: new Map(facts.map((f) => [f.id, f])),
        byServerUrl: new Map(
          facts
            .filter((f) => f.hasProfile)
            .toReversed()
            .map((f) => [f.serverUrl, f]),
        ),
      }
    },

    /** A call outside a run. Throws its fault. */
    async call(request: CallRequest): Promise<unknown> {
      const outcome = await attempt(request)
      const changes = (await traits(request).catch(() => null))?.changes ?? true
      const stored = recorder.write(outcome.record, changes)
      if (changes) await stored
      if (!outcome.ok) throw outcome.fault
      return outcome.output
    },

    recordInTransaction: (tx: Tx, records: readonly CallRecord[]) => recorder.inTransaction(tx, records),
    calledByHand: rows.calledByHand,
    callsOfConnection: (tx: Tx, connectionId: string, limit: number) => rows.ofConnection(tx, connectionId, limit),
    close: () => recorder.flush(),
  }
}
export type Tools = ReturnType<typeof createTools>

export const argumentNames = (tool: Tool): string[] => Object.keys((tool.input as { shape?: Record<string, unknown> }).shape ?? {})

/** Ends when the work ends or the signal fires, whichever is first: a tool that ignores its signal cannot hold the caller. */
function ended<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => undefined)
    return Promise.reject(signal.reason)
  }
  return new Promise((resolve, reject) => {
    const gone = () => reject(signal.reason)
    signal.addEventListener('abort', gone, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', gone))
  })
}
