/**
 * The MongoDB driver of the strong room. What may be said is fenced (mongodb-fence.ts), every socket goes where the egress guard
 * allows (mongodb-sockets.ts), and the user's roles are the wall behind both.
 */
import type { Collection, Db } from 'mongodb'
import { Fault } from '../../base/errors.ts'
import { MAX_ROWS, MAX_TIMEOUT_MS } from './caps.ts'
import type { Driver, Use } from './driver.ts'
import { type ClientDeps, calls, createClients, type Entry, settingsOf } from './mongodb-client.ts'
import { mongoFault, timedOut } from './mongodb-errors.ts'
import { documentOf, filterOf, judgeCollection, aggregationOf, projectionOf, sortOf, updateOf } from './mongodb-fence.ts'
import { type Known, POWERS_TTL_MS, whoIs } from './mongodb-powers.ts'
import type { MongoLimits, MongoSession, MongoUpdated } from './mongodb-session.ts'
import { oneDatabase } from './mongodb-options.ts'
import { parseMongoUri, secretPartsOf } from './mongodb-uri.ts'
import { collect, toPlain } from './mongodb-values.ts'

/** Our own clock strikes this much after the server's, so that the server's own word comes first. */
const GRACE_MS = 1000
/** Documents of one batch: more would come over the wire only to be thrown away at the cap of bytes. */
const BATCH = 100

/** `maxTimeMS`: the server's clock. `signal`: ours; it cuts the connection, and a server stops what nobody waits for. */
interface Timed {
  maxTimeMS: number
  signal: AbortSignal
}
type Work<T> = (at: { db: Db; entry: Entry; timed: Timed }) => Promise<T>

export function createMongodb(deps: ClientDeps): Driver<MongoSession> {
  const clients = createClients(deps)
  return {
    session: (use) => session(use, clients, deps.now),
    drain: clients.drain,
    close: clients.close,
  }
}

function session(use: Use, clients: ReturnType<typeof createClients>, now: () => number): MongoSession {
  const { uri = '' } = use.credential.secret
  const parsed = parseMongoUri(uri)
  const database = oneDatabase('database', String(use.credential.entered.database ?? ''))
  const settings = settingsOf(use.config)
  const secrets = [uri, ...secretPartsOf(uri)]

  async function run<T>(limits: MongoLimits, said: readonly unknown[], kind: 'read' | 'write' | 'ask', work: Work<T>): Promise<T> {
    const ms = Math.max(1, Math.min(limits.timeoutMs || settings.timeoutMs, parsed.options.timeoutMS || MAX_TIMEOUT_MS, MAX_TIMEOUT_MS))
    const stop = AbortSignal.any([use.signal, AbortSignal.timeout(ms + GRACE_MS)])
    const at = { write: kind === 'write', sent: false, said, secrets }
    const timed = { maxTimeMS: ms, signal: stop }
    try {
      return await clients.using(use, uri, settings, (entry) =>
        until(stop, async () => {
          const { client } = await entry.ready
          const db = client.db(database)
          if (kind !== 'ask' && !settings.acceptSuperuser) refusePowers(await known(entry, db, timed))
          return await calls.run(at, () => work({ db, entry, timed }))
        }),
      )
    } catch (error) {
      if (stop.aborted) throw stopped(use.signal, at.write && at.sent)
      throw mongoFault(error, at)
    }
  }

  async function known(entry: Entry, db: Db, timed: Timed): Promise<Known> {
    if (!entry.known || now() - entry.known.at > POWERS_TTL_MS) entry.known = { at: now(), who: await whoIs(db, timed) }
    return entry.known.who
  }

  async function update(
    way: 'updateOne' | 'updateMany',
    [collection, filterText, updateText, upsert, limits]: Parameters<MongoSession['updateOne']>,
  ): Promise<MongoUpdated> {
    const name = judgeCollection(collection)
    const filter = filterOf(filterText)
    const change = updateOf(updateText)
    return run(limits, [filter.plain, change.plain], 'write', async ({ db, timed }) => {
      const done = await db.collection(name)[way](filter.value, change.value, { ...timed, upsert })
      return { matched_count: done.matchedCount, modified_count: done.modifiedCount, upserted_id: toPlain(done.upsertedId).value }
    })
  }

  function remove(way: 'deleteOne' | 'deleteMany', [collection, filterText, limits]: Parameters<MongoSession['deleteOne']>) {
    const name = judgeCollection(collection)
    const filter = filterOf(filterText)
    return run(limits, [filter.plain], 'write', async ({ db, timed }) => {
      const done = await db.collection(name)[way](filter.value, timed)
      return { deleted_count: done.deletedCount }
    })
  }

  return {
    async find(collection, ask, limits) {
      const name = judgeCollection(collection)
      const [filter, projection, sort] = [filterOf(ask.filter), projectionOf(ask.projection), sortOf(ask.sort)]
      const rows = Math.max(1, Math.min(limits.rows, MAX_ROWS))
      return run(limits, [filter.plain, projection.plain], 'read', ({ db, timed }) => {
        const options = { ...timed, limit: rows + 1, batchSize: Math.min(rows + 1, BATCH), skip: ask.skip ?? 0 }
        return collect(
          found(db.collection(name), filter.value, { ...options, ...some({ projection: projection.value, sort: sort.value }) }),
          rows,
        )
      })
    },
    async findOne(collection, ask, limits) {
      const name = judgeCollection(collection)
      const [filter, projection] = [filterOf(ask.filter), projectionOf(ask.projection)]
      return run(limits, [filter.plain, projection.plain], 'read', async ({ db, timed }) => {
        const options = { ...timed, limit: 1, batchSize: 1, ...some({ projection: projection.value }) }
        const { documents, truncated } = await collect(found(db.collection(name), filter.value, options), 1)
        // One that is there and did not fit is not the same as none.
        if (documents.length === 0 && truncated) throw tooLarge()
        return { document: documents[0] ?? null, truncated }
      })
    },
    async count(collection, filterText, limits) {
      const name = judgeCollection(collection)
      const filter = filterOf(filterText)
      return run(limits, [filter.plain], 'read', async ({ db, timed }) => ({
        count: await db.collection(name).countDocuments(filter.value, timed),
      }))
    },
    async aggregate(collection, pipelineText, limits) {
      const name = judgeCollection(collection)
      const pipeline = aggregationOf(pipelineText)
      const rows = Math.max(1, Math.min(limits.rows, MAX_ROWS))
      return run(limits, [pipeline.plain], 'read', ({ db, timed }) => {
        const stages = [...pipeline.value, { $limit: rows + 1 }]
        return collect(db.collection(name).aggregate(stages, { ...timed, batchSize: Math.min(rows + 1, BATCH) }), rows)
      })
    },
    async insertOne(collection, documentText, limits) {
      const name = judgeCollection(collection)
      const document = documentOf(documentText)
      return run(limits, [document.plain], 'write', async ({ db, timed }) => {
        const done = await db.collection(name).insertOne(document.value, timed)
        return { inserted_id: toPlain(done.insertedId).value }
      })
    },
    updateOne: async (...asked) => update('updateOne', asked),
    updateMany: async (...asked) => update('updateMany', asked),
    deleteOne: async (...asked) => remove('deleteOne', asked),
    deleteMany: async (...asked) => remove('deleteMany', asked),
    async whoami(limits) {
      return run(limits, [], 'ask', async ({ db, entry, timed }) => {
        entry.known = undefined
        const who = await known(entry, db, timed)
        const loopback = parsed.hosts.every(({ host }) => /^(localhost|127(\.\d+){3}|::1)$/i.test(host))
        return { ...who, database, tls: parsed.options.tls, loopback }
      })
    },
  }
}

const found = (collection: Collection, filter: object, options: object) => collection.find(filter, options)

/** Without what is not said: the client tells undefined from absent. */
const some = (options: Record<string, unknown>) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

/** Ends with the signal, also while the client still looks for a server. */
async function until<T>(stop: AbortSignal, work: () => Promise<T>): Promise<T> {
  stop.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const gone = () => reject(stop.reason)
  stop.addEventListener('abort', gone, { once: true })
  const working = work()
  // What comes of it after the signal is nobody's.
  working.catch(() => undefined)
  return Promise.race([working, promise]).finally(() => stop.removeEventListener('abort', gone))
}

function refusePowers({ powers }: Known): void {
  if (powers.length === 0) return
  throw new Fault('TOOL_REFUSED', `this credential can do more than work with documents: it is ${powers.join(' and ')}`, {
    hint: 'Connect a user with read or readWrite on the one database, or have an administrator set accept_superuser in the config.',
    details: { powers },
  })
}

function stopped(signal: AbortSignal, maybeDone: boolean): Fault {
  const reason: unknown = signal.aborted ? signal.reason : undefined
  if (reason instanceof Fault) return new Fault(reason.code, reason.message, { ...(reason.hint ? { hint: reason.hint } : {}), maybeDone })
  return timedOut(maybeDone)
}

const tooLarge = () =>
  new Fault('UPSTREAM_INVALID', 'the document is too large to be taken in', { hint: 'Name the fields you need in projection_json.' })
