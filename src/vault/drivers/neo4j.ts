/**
 * The Neo4j driver of the strong room: clients by credential version, one caller at a time on each. Reading is fenced three times: the
 * statement's words (neo4j-fence.ts), the server's own judgement of it (EXPLAIN), and a transaction in read access mode.
 */
import { Fault, fail } from '../../base/errors.ts'
import { MAX_TIMEOUT_MS } from './caps.ts'
import type { Driver, DriverDeps, Use } from './driver.ts'
import { connectNeo4j, type Neo4jBackend } from './neo4j-connect.ts'
import { neo4jFault, timedOut } from './neo4j-errors.ts'
import { judgeCypher, type Mode } from './neo4j-fence.ts'
import { neo4jStanding, POWERS_TTL_MS } from './neo4j-standing.ts'
import { transact } from './neo4j-transaction.ts'
import { isLocal, parseNeo4j } from './neo4j-uri.ts'
import { parametersOf } from './neo4j-values.ts'
import { createPools, type Entry } from './pools.ts'
import type { GraphLimits, GraphSession } from './session.ts'

/** Our own clock strikes this much after the server's, so that the server's own word comes first. */
const GRACE_MS = 1000

interface Options {
  maxConnections: number
  idleConnections: number
  timeoutMs: number
  acceptSuperuser: boolean
  allowPlain: boolean
  procedures: readonly string[]
  ca: string | undefined
}

export type Neo4jDriver = Driver<GraphSession>

export function createNeo4j(deps: Pick<DriverDeps, 'address' | 'now'>): Neo4jDriver {
  const pools = createPools<Neo4jBackend>(deps)

  function session(use: Use): GraphSession {
    const { secret, entered } = use.credential
    const text = (name: string, otherwise: string) =>
      typeof entered[name] === 'string' && entered[name] !== '' ? entered[name] : otherwise
    const password = secret.password ?? fail('CREDENTIAL_MALFORMED', 'the connection has no password')
    const [uri, username, database] = [text('uri', ''), text('username', 'neo4j'), text('database', 'neo4j')]
    const target = parseNeo4j(uri)
    const options = optionsOf(use.config)
    const { ca, allowPlain, maxConnections: max, idleConnections: idle } = options
    const settings = [target, username, password, database, ca, allowPlain]
    const open = () => connectNeo4j(target, deps.address, { username, password, ca, allowPlain })

    /** A client for as long as `work` takes, within the time. */
    async function within<T>(
      timeoutMs: number,
      at: { committing: boolean; parameters: readonly unknown[] },
      work: (backend: Neo4jBackend, entry: Entry<Neo4jBackend>, ms: number) => Promise<T>,
    ): Promise<T> {
      const ms = Math.max(1, Math.min(timeoutMs || options.timeoutMs, MAX_TIMEOUT_MS))
      const stop = AbortSignal.any([use.signal, AbortSignal.timeout(ms + GRACE_MS)])
      const entry = pools.of({ owner: use.owner, version: use.version, settings, max, idle, open })
      let backend: Neo4jBackend | undefined
      let overflow: (() => boolean) | undefined
      let kept = false
      try {
        backend = await entry.pool.take('write', stop)
        stop.addEventListener('abort', backend.destroy, { once: true })
        overflow = backend.meter()
        const answer = await Promise.race([work(backend, entry, ms), abortOf(stop)])
        kept = true
        return answer
      } catch (error) {
        if (stop.aborted) throw stopped(use.signal, at.committing)
        if (overflow?.()) throw tooLarge(at.committing)
        // The client may only say that no server is there. Why it was not connected to is ours to tell.
        const refusal = backend?.refusal()
        const answered = error instanceof Fault || /^Neo\./.test((error as { code?: string }).code ?? '')
        // The server's own refusal, or ours: the connection goes on.
        kept = answered && refusal === undefined
        throw (answered ? undefined : refusal) ?? neo4jFault(error, { ...at, secrets: [password] })
      } finally {
        overflow?.()
        if (backend) {
          stop.removeEventListener('abort', backend.destroy)
          entry.pool.give(backend, kept && !stop.aborted)
        }
      }
    }

    async function run(mode: Mode, judged: boolean, cypher: string, given: Readonly<Record<string, unknown>>, limits: GraphLimits) {
      const parameters = parametersOf(given)
      const at = { committing: false, parameters: Object.values(given) }
      const committing = () => {
        at.committing = true
      }
      return within(limits.timeoutMs, at, async ({ client }, entry, timeoutMs) => {
        if (judged && !options.acceptSuperuser) await refusePowers(entry, client, timeoutMs)
        return transact(client, { mode, judged, database, cypher, parameters, records: limits.records, timeoutMs, committing })
      })
    }

    async function refusePowers(entry: Entry<Neo4jBackend>, client: Neo4jBackend['client'], timeoutMs: number) {
      if (!entry.powers || deps.now() - entry.powers.at > POWERS_TTL_MS)
        entry.powers = { at: deps.now(), list: (await neo4jStanding(client, { username, database, timeoutMs })).powers }
      if (entry.powers.list.length === 0) return
      throw new Fault('TOOL_REFUSED', `this credential can do more than work with data: it has the role ${entry.powers.list.join(', ')}`, {
        hint: 'Connect a user with the role reader or editor, or have an administrator set accept_superuser in the config.',
        details: { powers: entry.powers.list },
      })
    }

    return {
      async read(cypher, parameters, limits) {
        judgeCypher('read', cypher, options.procedures)
        return run('read', true, cypher, parameters, limits)
      },
      ask: (cypher, parameters, limits) => run('read', false, cypher, parameters, limits),
      async write(cypher, parameters, limits) {
        judgeCypher('write', cypher, options.procedures)
        return run('write', true, cypher, parameters, limits)
      },
      standing: ({ timeoutMs }) =>
        within(timeoutMs, { committing: false, parameters: [] }, async ({ client }, _, ms) => ({
          ...(await neo4jStanding(client, { username, database, timeoutMs: ms })),
          encrypted: target.tls || isLocal(target.host),
        })),
    }
  }

  return {
    session,
    drain: pools.drain,
    close: pools.close,
  }
}

function optionsOf(config: Use['config']): Options {
  const number = (key: string, otherwise: number) => (typeof config[key] === 'number' ? config[key] : otherwise)
  return {
    maxConnections: number('max_open_conns', 10),
    idleConnections: number('max_idle_conns', 5),
    timeoutMs: number('request_timeout_sec', 30) * 1000,
    acceptSuperuser: config.accept_superuser === true,
    allowPlain: config.allow_plain === true,
    procedures: Array.isArray(config.allow_procedures) ? config.allow_procedures.filter((name) => typeof name === 'string') : [],
    ca: typeof config.ca_certificate === 'string' ? config.ca_certificate : undefined,
  }
}

/** Rejects when the time is up, whatever the client waits for. */
function abortOf(stop: AbortSignal): Promise<never> {
  const gone = new Promise<never>((_, reject) => {
    if (stop.aborted) reject(stop.reason)
    else stop.addEventListener('abort', () => reject(stop.reason), { once: true })
  })
  gone.catch(() => undefined)
  return gone
}

function stopped(signal: AbortSignal, maybeDone: boolean): Fault {
  const reason: unknown = signal.aborted ? signal.reason : undefined
  if (reason instanceof Fault) return new Fault(reason.code, reason.message, { ...(reason.hint ? { hint: reason.hint } : {}), maybeDone })
  return timedOut(maybeDone)
}

const tooLarge = (maybeDone: boolean) =>
  new Fault('UPSTREAM_INVALID', 'the answer is too large to be taken in', {
    maybeDone,
    hint: 'Return fewer records or single properties instead of whole nodes, or cut long values with left().',
  })
