/**
 * The Redis driver of the strong room: sessions by credential version, one caller at a time on each. A command is judged by
 * redis-commands.ts and by what the server tells of it; none may pass that changes the session, so that nothing is left in it.
 */
import { ErrorReply } from 'redis'
import { Fault, fail } from '../../base/errors.ts'
import { MAX_ARGS, MAX_TIMEOUT_MS } from './caps.ts'
import type { Driver, DriverDeps, Use } from './driver.ts'
import { createPools, type Entry } from './pools.ts'
import { judgeCommand, judgeTold, type Mode, type Told } from './redis-commands.ts'
import { connectRedis, onlyRefusals, type RedisBackend } from './redis-connect.ts'
import { parseRedis, redisSecrets } from './redis-dsn.ts'
import { redisFault, timedOut } from './redis-errors.ts'
import { POWERS_TTL_MS, redisPowers, redisStanding } from './redis-standing.ts'
import { plainReply } from './redis-values.ts'
import type { RedisSession } from './session.ts'

/** Bytes of one command with its arguments. */
const MAX_COMMAND_BYTES = 4 * 1024 * 1024
/** Commands whose flags are remembered; there are some hundreds in all. */
const MAX_TOLD = 1000
/** A session may have died in the pool: another one is taken while nothing has been sent that changes data. */
const TRIES = 3

interface Options {
  maxConnections: number
  idleConnections: number
  timeoutMs: number
  acceptSuperuser: boolean
  allowPlain: boolean
  ca: string | undefined
}

export type RedisDriver = Driver<RedisSession>

export function createRedis(deps: Pick<DriverDeps, 'address' | 'connect' | 'now'>): RedisDriver {
  const pools = createPools<RedisBackend>(deps)
  /** What each server has told of its commands, for as long as there is a pool. */
  const heard = new WeakMap<Entry<RedisBackend>, Map<string, Told>>()
  function heardOf(entry: Entry<RedisBackend>): Map<string, Told> {
    const known = heard.get(entry) ?? new Map<string, Told>()
    heard.set(entry, known)
    return known
  }

  function session(use: Use): RedisSession {
    const written = use.credential.secret.dsn ?? fail('CREDENTIAL_MALFORMED', 'the connection has no dsn')
    const dsn = parseRedis(written)
    const options = optionsOf(use.config)
    const secrets = [written, ...redisSecrets(written)]
    const { maxConnections: max, idleConnections: idle, allowPlain, ca } = options
    const open = (_: unknown, signal: AbortSignal) => connectRedis(dsn, deps, { ca, allowPlain, signal })

    /** A session for as long as `work` takes, within the time. `at.sent` says whether anything was sent that could change data. */
    async function within<T>(
      timeoutMs: number,
      at: { write: boolean; sent: boolean; args: readonly string[] },
      work: (backend: RedisBackend, entry: Entry<RedisBackend>) => Promise<T>,
    ): Promise<T> {
      const ms = Math.max(1, Math.min(timeoutMs || options.timeoutMs, MAX_TIMEOUT_MS))
      const stop = AbortSignal.any([use.signal, AbortSignal.timeout(ms)])
      const entry = pools.of({ owner: use.owner, version: use.version, settings: [dsn, allowPlain, ca], max, idle, open })
      for (let tries = 1; ; tries++) {
        let backend: RedisBackend | undefined
        let cut: (() => void) | undefined
        let kept = false
        try {
          backend = await entry.pool.take('write', stop)
          cut = backend.destroy
          stop.addEventListener('abort', cut, { once: true })
          const answer = await work(backend, entry)
          kept = true
          return answer
        } catch (error) {
          if (stop.aborted) throw stopped(use.signal, at.write && at.sent)
          // The server's own refusal, or ours: the session is as it was.
          kept = error instanceof ErrorReply || error instanceof Fault
          if (!kept && backend && !(at.write && at.sent) && tries < TRIES) continue
          throw redisFault(error, { ...at, secrets })
        } finally {
          if (cut) stop.removeEventListener('abort', cut)
          if (backend) entry.pool.give(backend, kept && !stop.aborted)
        }
      }
    }

    async function command(mode: Mode, name: string, args: readonly string[], limits: { elements: number; timeoutMs: number }) {
      if (args.length > MAX_ARGS) throw new Fault('INVALID_INPUT', `a command takes at most ${MAX_ARGS} arguments`)
      if (args.reduce((bytes, arg) => bytes + Buffer.byteLength(arg), 0) > MAX_COMMAND_BYTES)
        throw new Fault('INVALID_INPUT', `a command takes at most ${MAX_COMMAND_BYTES} bytes`)
      const judged = judgeCommand(mode, name, args)
      const at = { write: mode === 'write', sent: false, args }
      return within(limits.timeoutMs, at, async (backend, entry) => {
        if (!options.acceptSuperuser) await refusePowers(entry, backend)
        let told = await tell(heardOf(entry), backend, judged.name)
        // A command that holds others is none itself: its parts have the flags.
        if (Array.isArray(told) && !told.includes('readonly') && !told.includes('write') && judged.known && judged.full !== judged.name)
          told = (await tell(heardOf(entry), backend, judged.full)) ?? told
        judgeTold(mode, judged, told)
        // A write that fails on a session that had died in the pool would be one of which nobody knows whether it was done.
        if (at.write) await backend.send(['PING']).catch(onlyRefusals)
        at.sent = true
        return plainReply(await backend.send([judged.name, ...args]), limits.elements)
      })
    }

    async function refusePowers(entry: Entry<RedisBackend>, backend: RedisBackend) {
      if (!entry.powers || deps.now() - entry.powers.at > POWERS_TTL_MS)
        entry.powers = { at: deps.now(), list: await redisPowers(backend, dsn.user ?? 'default') }
      if (entry.powers.list.length === 0) return
      throw new Fault('TOOL_REFUSED', `this credential can do more than work with data: it may run ${entry.powers.list.join(', ')}`, {
        hint: 'Connect an ACL user without @dangerous and @admin, or have an administrator set accept_superuser in the config.',
        details: { powers: entry.powers.list },
      })
    }

    return {
      read: (name, args, limits) => command('read', name, args, limits),
      write: (name, args, limits) => command('write', name, args, limits),
      standing: ({ timeoutMs }) =>
        within(timeoutMs, { write: false, sent: false, args: [] }, (backend) =>
          redisStanding(backend, dsn.user ?? 'default', dsn.tls || dsn.local),
        ),
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
    ca: typeof config.ca_certificate === 'string' ? config.ca_certificate : undefined,
  }
}

/** Flags and categories of a command, from the server: `[name, arity, flags, first, last, step, categories, …]`. */
async function tell(heard: Map<string, Told>, backend: RedisBackend, name: string): Promise<Told> {
  if (heard.has(name)) return heard.get(name)
  let told: Told
  try {
    const [info] = (await backend.send(['COMMAND', 'INFO', name])) as [unknown[] | null]
    const words = (list: unknown) => (Array.isArray(list) ? list.map((word) => String(word).toLowerCase()) : [])
    told = info === null ? null : [...words(info[2]), ...words(info[6])]
  } catch (error) {
    // Not allowed to ask, or a server that does not know the question.
    if (!(error instanceof ErrorReply)) throw error
    told = undefined
  }
  if (heard.size < MAX_TOLD) heard.set(name, told)
  return told
}

function stopped(signal: AbortSignal, maybeDone: boolean): Fault {
  const reason: unknown = signal.aborted ? signal.reason : undefined
  if (reason instanceof Fault) return new Fault(reason.code, reason.message, { ...(reason.hint ? { hint: reason.hint } : {}), maybeDone })
  return timedOut(maybeDone)
}
