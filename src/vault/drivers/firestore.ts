/**
 * The Firestore driver of the strong room: one database of one project for each session, through the official client. Where its sockets go
 * is firestore-line.ts's, where its tokens come from firestore-token.ts's, and what a path may be firestore-paths.ts's.
 */
import { createHash } from 'node:crypto'
import { Fault } from '../../base/errors.ts'
import { createScrubber } from '../scrub.ts'
import { MAX_RESULT_BYTES, MAX_TIMEOUT_MS } from './caps.ts'
import type { Driver, DriverDeps, Use } from './driver.ts'
import { cursorFor, placeOf } from './firestore-cursor.ts'
import { firestoreFault, stopped } from './firestore-errors.ts'
import { whereTo, type Target, targetOf } from './firestore-key.ts'
import { type Call, createLines, type Line, UNAVAILABLE } from './firestore-line.ts'
import { collectionName, databaseName, documentName, fieldNames, fieldPath, pathOf, rootName } from './firestore-paths.ts'
import { leavesOf, planQuery } from './firestore-query.ts'
import { createSender, getRules, testRules } from './firestore-rules.ts'
import { createTokens, DATA_SCOPE, RULES_SCOPE } from './firestore-token.ts'
import { decodeFields, encodeFields, type Fields, timeOf } from './firestore-values.ts'
import type { FirestoreDocument, FirestoreSession } from './session.ts'

/** Documents of one read; more is a job for an export. */
export const MAX_DOCUMENTS = 300
/** Documents of one write, which is carried out whole. Firestore takes 10 MiB at once. */
export const MAX_WRITES = 100
/** Bytes of one write's JSON, for the same reason. */
const MAX_WRITE_BYTES = 8 * 1024 * 1024
const DEFAULT_TIMEOUT_MS = 30_000
/** Our own clock strikes this much after the deadline of the call, so that the line's own word comes first. */
const GRACE_MS = 250
/** A read whose line was cut, or whose token was refused, is made once more: with a new line, and a new token. */
const TRIES = 2

interface Stored {
  name: string
  fields: Fields
  createTime?: Time | null
  updateTime?: Time | null
}
type Time = { seconds: string; nanos: number }
interface Written {
  writeResults: { updateTime: Time | null }[]
  commitTime: Time | null
}

export function createFirestore(
  deps: Pick<DriverDeps, 'address' | 'fetch' | 'now'>,
): Driver<FirestoreSession> & { session(use: Use): FirestoreSession } {
  const tokens = createTokens(deps)
  const lines = createLines(deps)

  function session({ owner, version, credential, config, signal: caller }: Use): FirestoreSession {
    const target = targetOf(credential)
    const to = whereTo(config.api_base)
    const seconds = typeof config.request_timeout_sec === 'number' ? config.request_timeout_sec : DEFAULT_TIMEOUT_MS / 1000
    const timeoutMs = Math.max(1, Math.min(seconds * 1000, MAX_TIMEOUT_MS))
    const database = databaseName(target)
    const routed: [string, string] = ['database', database]

    const scrubOf = (token: string) => createScrubber([token, target.keyFile, target.privateKey]).text
    /** One call with a token: its end as a Fault, and another try where nothing can have been done. */
    async function withToken<T>(
      kind: { scope: string; write: boolean; values: readonly unknown[] },
      work: (token: string, signal: AbortSignal, deadline: number) => Promise<T>,
    ): Promise<T> {
      const ask = { owner, version, keyFile: target.keyFile, endpoint: to.token, scope: kind.scope }
      const deadline = Date.now() + timeoutMs
      const signal = AbortSignal.any([caller, AbortSignal.timeout(timeoutMs + GRACE_MS)])
      for (let tries = 1; ; tries++) {
        const token = await tokens.get(ask, signal)
        try {
          return createScrubber([token]).json(await work(token, signal, deadline))
        } catch (error) {
          const fault = firestoreFault(error, { write: kind.write, values: kind.values, scrub: scrubOf(token) })
          const refused = fault.code === 'CREDENTIAL_REJECTED'
          if (refused) tokens.forget(ask, token)
          const cut = !kind.write && (error as { code?: unknown }).code === UNAVAILABLE
          if ((refused || cut) && tries < TRIES && !signal.aborted) continue
          throw signal.aborted ? stopped(signal, kind.write && fault.maybeDone) : fault
        }
      }
    }

    const data = <T>(write: boolean, values: readonly unknown[], routing: [string, string], work: (line: Line, call: Call) => Promise<T>) =>
      withToken({ scope: DATA_SCOPE, write, values }, (token, signal, deadline) =>
        lines.use(owner, version, to.data, signal, (line) => work(line, { token, routing, deadline, signal })),
      )
    const rules = <T>(values: readonly unknown[], work: (send: ReturnType<typeof createSender>) => Promise<T>) =>
      withToken({ scope: RULES_SCOPE, write: false, values }, (token, signal) =>
        work(createSender(deps, { base: to.rules, token, timeoutMs, signal, at: { write: false, values, scrub: scrubOf(token) } })),
      )
    const commit = async (writes: object[], values: readonly unknown[]): Promise<Written> => {
      if (Buffer.byteLength(JSON.stringify(values)) > MAX_WRITE_BYTES)
        throw new Fault('INVALID_INPUT', `one write takes at most ${MAX_WRITE_BYTES} bytes`)
      return (await data(true, values, routed, (line, call) => line.unary('commit', { database, writes }, call))) as Written
    }

    const made: FirestoreSession = {
      async check() {
        await made.collections(null, { limit: 1 })
        return { account: target.account, project: target.project, database: target.database }
      },

      async get(paths) {
        if (paths.length > MAX_DOCUMENTS) throw new Fault('INVALID_INPUT', `one call reads at most ${MAX_DOCUMENTS} documents`)
        const names = [...new Set(paths.map((path) => documentName(target, path)))]
        return data(false, [], routed, async (line, call) => {
          const found = new Map<string, FirestoreDocument | 'missing'>()
          const room = createRoom()
          await line.stream('batchGetDocuments', { database, documents: names }, call, (message) => {
            const { found: stored, missing } = message as { found?: Stored | null; missing?: string }
            if (missing) found.set(missing, 'missing')
            if (!stored) return true
            const document = documentOf(target, stored)
            if (!room.takes(document)) return false
            found.set(stored.name, document)
            return true
          })
          const pathsOf = (state: 'missing' | undefined) =>
            names.filter((name) => found.get(name) === state).map((name) => pathOf(target, name) as string)
          const documents = names.map((name) => found.get(name)).filter((it) => it !== undefined && it !== 'missing')
          const left_out = pathsOf(undefined)
          return { documents, missing: pathsOf('missing'), left_out, truncated: left_out.length > 0 }
        })
      },

      async query(query) {
        const limit = Math.max(1, Math.min(query.limit, MAX_DOCUMENTS))
        // One more than asked for tells whether there is another page.
        const { parent, structuredQuery, cursorAfter } = planQuery(target, { ...query, limit: limit + 1 })
        const values = [...query.filters.map(({ value }) => value), ...(query.start_after ?? [])]
        return data(false, values, ['parent', parent], async (line, call) => {
          const room = createRoom()
          const documents: FirestoreDocument[] = []
          let last: Stored | null = null
          let truncated = false
          let more = false
          await line.stream('runQuery', { parent, structuredQuery }, call, (message) => {
            const { document: stored } = message as { document?: Stored | null }
            if (!stored) return true
            if (documents.length >= limit) {
              more = true
              return false
            }
            const document = documentOf(target, stored)
            if (!room.takes(document)) {
              truncated = true
              return false
            }
            documents.push(document)
            last = stored
            return true
          })
          return { documents, next_cursor: last && (more || truncated) ? cursorAfter(last) : null, truncated }
        })
      },

      async collections(document, { limit, cursor }) {
        const parent = document === null ? rootName(target) : documentName(target, document)
        const pageToken = cursor === undefined ? '' : placeOf(target, parent, cursor)
        const request = { parent, pageSize: limit, pageToken }
        const answer = await data(false, [], ['parent', parent], (line, call) => line.unary('listCollectionIds', request, call))
        const { collectionIds, nextPageToken } = answer as { collectionIds: string[]; nextPageToken: string }
        return { collections: collectionIds, next_cursor: nextPageToken ? cursorFor(target, parent, nextPageToken) : null }
      },

      async add(collection, documents, key) {
        if (documents.length === 0 || documents.length > MAX_WRITES)
          throw new Fault('INVALID_INPUT', `one call adds 1 to ${MAX_WRITES} documents`)
        const { parent, id } = collectionName(target, collection)
        const named = documents.map((fields, i) => `${parent}/${id}/${idFor([key, parent, id, i, fields])}`)
        const writes = documents.map((fields, i) => ({
          update: { name: named[i], fields: encodeFields(target, fields) },
          currentDocument: { exists: false },
        }))
        const paths = named.map((name) => pathOf(target, name) as string)
        try {
          const { writeResults, commitTime } = await commit(writes, documents)
          return { documents: paths.map((path, i) => ({ path, update_time: time(writeResults[i]?.updateTime ?? commitTime) })) }
        } catch (error) {
          if (!(error instanceof Fault) || error.details?.status !== 'ALREADY_EXISTS') throw error
          // These ids are of this very call, so an earlier try of it has been carried out.
          const { documents: there } = await made.get(paths)
          if (there.length !== paths.length) throw error
          return { documents: there.map(({ path, update_time }) => ({ path, update_time })) }
        }
      },

      async update(path, fields, { way, mask }) {
        const encoded = encodeFields(target, fields)
        const fieldPaths = mask ? maskOf(mask, fields) : way === 'replace' ? null : leavesOf(encoded, way === 'merge')
        if (mask && way === 'replace') throw new Fault('INVALID_INPUT', 'a replaced document takes no update_mask')
        if (fieldPaths?.length === 0) throw new Fault('INVALID_INPUT', 'there is no field to write')
        const { writeResults, commitTime } = await commit(
          [
            {
              update: { name: documentName(target, path), fields: encoded },
              ...(fieldPaths ? { updateMask: { fieldPaths } } : {}),
              ...(way === 'update' ? { currentDocument: { exists: true } } : {}),
            },
          ],
          [fields],
        )
        return { path, update_time: time(writeResults[0]?.updateTime ?? commitTime) }
      },

      async remove(paths) {
        if (paths.length === 0 || paths.length > MAX_WRITES)
          throw new Fault('INVALID_INPUT', `one call deletes 1 to ${MAX_WRITES} documents`)
        const names = [...new Set(paths.map((path) => documentName(target, path)))]
        await commit(
          names.map((name) => ({ delete: name })),
          [],
        )
        return { deleted: names.map((name) => pathOf(target, name) as string) }
      },

      rules: () => rules([], (send) => getRules(send, target)),
      validateRules: (source) => rules([source], (send) => testRules(send, target, source)),
    }
    return made
  }

  return {
    session,
    async drain(owner, exceptVersion) {
      const gone = (of: { owner: string; version: number }) => of.owner === owner && of.version !== exceptVersion
      tokens.drop(gone)
      lines.drop(gone)
    },
    async close() {
      tokens.drop(() => true)
      lines.drop(() => true)
    },
  }
}

const time = (at: Time | null | undefined): string | null => (at ? timeOf(at) : null)

const documentOf = (target: Target, { name, fields, createTime, updateTime }: Stored): FirestoreDocument => ({
  path: pathOf(target, name) ?? name,
  fields: decodeFields(target, fields ?? {}),
  create_time: time(createTime),
  update_time: time(updateTime),
})

/** How much of an answer is taken in. The first document always fits: Firestore keeps none above 1 MiB. */
function createRoom() {
  let bytes = 0
  return {
    takes(document: FirestoreDocument): boolean {
      bytes += Buffer.byteLength(JSON.stringify(document))
      return bytes <= MAX_RESULT_BYTES
    },
  }
}

/** As long as Firestore's own, and of the same letters. */
const idFor = (of: unknown): string => createHash('sha256').update(JSON.stringify(of)).digest('base64').replace(/[+/=]/g, '').slice(0, 20)

/** Field paths as given; a field that none of them covers would be left unwritten without a word. */
function maskOf(mask: readonly string[], fields: Record<string, unknown>): string[] {
  const paths = mask.map(fieldNames)
  for (const name of Object.keys(fields))
    if (!paths.some(([first]) => first === name))
      throw new Fault('INVALID_INPUT', 'a field is in no path of update_mask', { hint: 'Name it there, or leave it out of fields.' })
  return [...new Set(paths.map(fieldPath))]
}
