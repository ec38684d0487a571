/** Clients of MongoDB by credential version: made when first needed, closed when long unused, drained when the credential is replaced. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash } from 'node:crypto'
import { MongoClient, type MongoClientOptions } from 'mongodb'
import type { DriverDeps, Use } from './driver.ts'
import type { Known } from './mongodb-powers.ts'
import { guarded } from './mongodb-sockets.ts'
import { resolveMongoUri } from './mongodb-srv.ts'
import type { MongoUri } from './mongodb-uri.ts'
import { DECODING } from './mongodb-values.ts'

/** A client watches its servers as long as it lives, so an unused one is closed. */
const IDLE_MS = 60_000
/** Clients of other credentials are closed, the longest unused first, beyond this many. */
const MAX_CLIENTS = 200
/** A server that has not taken a connection by then is tried no longer. */
const CONNECT_TIMEOUT_MS = 10_000
/** A replica set without a primary mostly has one again within this time (an election takes up to 12 seconds). */
const SELECT_TIMEOUT_MS = 15_000

/**
 * The call that is under way, told when a command of it leaves. The client tries some writes twice, and its last error may be that
 * nobody could be reached although the first try was sent.
 */
export const calls = new AsyncLocalStorage<{ sent: boolean }>()
const WRITES = new Set(['insert', 'update', 'delete'])

export interface Settings {
  maxConnections: number
  timeoutMs: number
  acceptSuperuser: boolean
  caCertificate: string | undefined
}

export function settingsOf(config: Use['config']): Settings {
  const number = (key: string, otherwise: number) => (typeof config[key] === 'number' ? config[key] : otherwise)
  return {
    maxConnections: number('max_open_conns', 10),
    timeoutMs: number('request_timeout_sec', 30) * 1000,
    acceptSuperuser: config.accept_superuser === true,
    caCertificate: typeof config.ca_certificate === 'string' ? config.ca_certificate : undefined,
  }
}

export interface Entry {
  owner: string
  version: number
  /** Rejects with a Fault where DNS or the egress guard refuses. */
  ready: Promise<{ client: MongoClient; uri: MongoUri }>
  known: { at: number; who: Known } | undefined
}
interface Kept extends Entry {
  busy: number
  usedAt: number
  timer: NodeJS.Timeout | undefined
  /** Called when nobody uses it any more. */
  whenFree: (() => void)[]
}

export interface ClientDeps extends Pick<DriverDeps, 'address' | 'srv' | 'now'> {
  /** Milliseconds until an unused client is closed. */
  idleMs?: number
}

export function createClients(deps: ClientDeps) {
  const entries = new Map<string, Kept>()

  function make(owner: string, version: number, uri: string, settings: Settings, key: string): Kept {
    const ready = resolveMongoUri(uri, deps).then((resolved) => {
      const hosts = resolved.hosts.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`))
      const client = new MongoClient(`mongodb://${hosts.join(',')}/`, clientOptions(resolved, settings, deps))
      // Without a listener, trouble while nobody asks would end the process.
      client.on('error', () => undefined)
      client.on('commandStarted', ({ commandName }) => {
        const call = WRITES.has(commandName) ? calls.getStore() : undefined
        if (call) call.sent = true
      })
      return { client, uri: resolved }
    })
    const entry: Kept = { owner, version, ready, known: undefined, busy: 0, usedAt: 0, timer: undefined, whenFree: [] }
    ready.catch(() => entries.get(key) === entry && entries.delete(key))
    entries.set(key, entry)
    return entry
  }

  async function end(entry: Kept) {
    clearTimeout(entry.timer)
    if (entry.busy > 0) await new Promise<void>((resolve) => entry.whenFree.push(resolve))
    const made = await entry.ready.catch(() => undefined)
    await made?.client.close().catch(() => undefined)
  }

  async function drainAll(which: (entry: Kept) => boolean) {
    const leaving = [...entries].filter(([, entry]) => which(entry))
    for (const [key] of leaving) entries.delete(key)
    await Promise.all(leaving.map(([, entry]) => end(entry)))
  }

  function forgetOldest(newest: Kept) {
    const oldest = [...entries].filter(([, entry]) => entry !== newest).sort(([, a], [, b]) => a.usedAt - b.usedAt)[0]
    if (!oldest) return
    entries.delete(oldest[0])
    void end(oldest[1])
  }

  return {
    /** Hands the client of this credential to `work`. */
    async using<T>(use: Use, uri: string, settings: Settings, work: (entry: Entry) => Promise<T>): Promise<T> {
      const key = createHash('sha256')
        .update(JSON.stringify([use.owner, use.version, uri, settings.maxConnections, settings.caCertificate]))
        .digest('base64')
      const entry = entries.get(key) ?? make(use.owner, use.version, uri, settings, key)
      clearTimeout(entry.timer)
      entry.busy += 1
      entry.usedAt = deps.now()
      if (entries.size > MAX_CLIENTS) forgetOldest(entry)
      try {
        return await work(entry)
      } finally {
        entry.busy -= 1
        if (entry.busy === 0) {
          for (const tell of entry.whenFree.splice(0)) tell()
          entry.timer = setTimeout(() => {
            if (entries.get(key) === entry) entries.delete(key)
            void end(entry)
          }, deps.idleMs ?? IDLE_MS)
          entry.timer.unref()
        }
      }
    },
    drain: (owner: string, exceptVersion?: number) => drainAll((entry) => entry.owner === owner && entry.version !== exceptVersion),
    close: () => drainAll(() => true),
  }
}

/** What of the connection string the client is told, and what is ours whatever the string says. */
function clientOptions(
  { user, password, authSource, options }: MongoUri,
  settings: Settings,
  deps: Pick<DriverDeps, 'address'>,
): MongoClientOptions {
  const {
    tls,
    timeoutMS: _ours,
    srvServiceName: _resolved,
    authMechanism,
    maxPoolSize,
    authSource: _own,
    w,
    journal,
    wtimeoutMS,
    ...rest
  } = options
  const concern = {
    ...(w === undefined ? {} : { w }),
    ...(journal === undefined ? {} : { journal }),
    ...(wtimeoutMS === undefined ? {} : { wtimeoutMS }),
  }
  return {
    ...(rest as MongoClientOptions),
    ...(user === null
      ? {}
      : { auth: { username: user, password: password ?? '' }, authSource, ...(authMechanism ? { authMechanism } : {}) }),
    ...(Object.keys(concern).length > 0 ? { writeConcern: concern } : {}),
    tls,
    ...(tls ? { rejectUnauthorized: true, ...(settings.caCertificate ? { ca: settings.caCertificate } : {}) } : {}),
    maxPoolSize: Math.max(1, Math.min(maxPoolSize || settings.maxConnections, settings.maxConnections)),
    minPoolSize: 0,
    monitorCommands: true,
    maxConnecting: 2,
    connectTimeoutMS: Math.min(options.connectTimeoutMS || CONNECT_TIMEOUT_MS, CONNECT_TIMEOUT_MS),
    serverSelectionTimeoutMS: Math.min(options.serverSelectionTimeoutMS || SELECT_TIMEOUT_MS, SELECT_TIMEOUT_MS),
    // A stream of hellos would hold one more connection to each server for little.
    serverMonitoringMode: 'poll',
    // Its log would hold documents, and the environment could switch it on.
    mongodbLogComponentSeverities: {
      default: 'off',
      command: 'off',
      topology: 'off',
      serverSelection: 'off',
      connection: 'off',
      client: 'off',
    },
    ...DECODING,
    ...guarded(deps.address),
  } as MongoClientOptions
}
