/**
 * The commands of a small MongoDB over mingo, written from https://www.mongodb.com/docs/manual/reference/command/. It is our own
 * reading: it holds a client to the protocol, to roles and to errors, and says nothing about what a real server computes.
 */
import { type Document, Long, ObjectId } from 'bson'
import { aggregate, find, updateMany, updateOne } from 'mingo'

export class MongoSays extends Error {
  readonly code: number
  readonly codeName: string
  readonly more: Document
  constructor(code: number, codeName: string, message: string, more: Document = {}) {
    super(message)
    this.code = code
    this.codeName = codeName
    this.more = more
  }
}

/** Databases, their collections, their documents. */
export type Data = Map<string, Map<string, Document[]>>

export interface Caller {
  /** Whether the user may do this there. */
  may(action: string, db: string, collection: string): boolean
  cursors: Map<string, { rest: Document[]; ns: string }>
}

type Command = (it: { command: Document; db: string; collection: string; documents: Document[]; data: Data; caller: Caller }) => Document

const ACTION: Record<string, string> = {
  find: 'find',
  aggregate: 'find',
  count: 'find',
  insert: 'insert',
  update: 'update',
  delete: 'remove',
}
/** The fields that our client has reason to say; another one is an error, as a misspelt field is to a real server. */
const FIELDS: Record<string, string> = {
  find: 'filter projection sort skip limit batchSize maxTimeMS',
  aggregate: 'pipeline cursor maxTimeMS',
  insert: 'documents ordered maxTimeMS',
  update: 'updates ordered maxTimeMS',
  delete: 'deletes ordered maxTimeMS',
  getMore: 'collection batchSize maxTimeMS',
  killCursors: 'cursors',
}
const COMMON = '$db lsid txnNumber writeConcern readConcern $readPreference $clusterTime'.split(' ')

/** Runs what reads or writes documents; null: there is no such command. Throws MongoSays. */
export function runCommand(command: Document, data: Data, caller: Caller): Document | null {
  const name = Object.keys(command)[0]!
  const run = COMMANDS[name]
  if (run === undefined) return null
  const db = String(command.$db)
  const collection = name === 'getMore' ? String(command.collection) : String(command[name])
  for (const field of Object.keys(command).slice(1)) {
    if (!COMMON.includes(field) && !FIELDS[name]?.split(' ').includes(field))
      throw new MongoSays(40415, 'Location40415', `BSON field '${name}.${field}' is an unknown field.`)
  }
  const action = ACTION[name]
  if (action !== undefined) allow(caller, action, db, collection, command)
  if (name === 'aggregate') for (const stage of command.pipeline as Document[]) allowStage(caller, stage, db, command)
  return run({ command, db, collection, documents: documentsOf(data, db, collection), data, caller })
}

function allow(caller: Caller, action: string, db: string, collection: string, command: Document): void {
  if (caller.may(action, db, collection)) return
  const said = JSON.stringify({ ...command, lsid: undefined })
  throw new MongoSays(13, 'Unauthorized', `not authorized on ${db} to execute command ${said}`)
}

function allowStage(caller: Caller, stage: Document, db: string, command: Document): void {
  const target = stage.$out ?? stage.$merge
  if (target !== undefined) {
    allow(caller, 'insert', db, '', command)
    allow(caller, 'remove', db, '', command)
  }
}

export function documentsOf(data: Data, db: string, collection: string): Document[] {
  const collections = data.get(db) ?? new Map<string, Document[]>()
  data.set(db, collections)
  const documents = collections.get(collection) ?? []
  collections.set(collection, documents)
  return documents
}

/** Unique indexes by collection; `_id` always is. */
export const UNIQUE: Record<string, string[]> = { customer: ['email'] }

const same = (a: unknown, b: unknown) => find([{ v: a }], { v: b }).all().length > 0

function refuseTwice(db: string, collection: string, documents: Document[], made: Document): MongoSays | undefined {
  for (const field of ['_id', ...(UNIQUE[collection] ?? [])]) {
    if (made[field] === undefined || !documents.some((one) => one !== made && same(one[field], made[field]))) continue
    const value = made[field] instanceof ObjectId ? `ObjectId('${made[field].toHexString()}')` : JSON.stringify(made[field])
    return new MongoSays(
      11000,
      'DuplicateKey',
      `E11000 duplicate key error collection: ${db}.${collection} index: ${field}_ dup key: { ${field}: ${value} }`,
      { keyValue: { [field]: made[field] } },
    )
  }
  return undefined
}

let cursorIds = 1000

function firstBatch(found: Document[], size: number, ns: string, { cursors }: Caller): Document {
  const rest = found.slice(size)
  let id = Long.ZERO
  if (rest.length > 0) {
    id = Long.fromNumber(++cursorIds)
    cursors.set(String(id), { rest, ns })
  }
  return { cursor: { firstBatch: found.slice(0, size), id, ns }, ok: 1 }
}

const BATCH = 101

const COMMANDS: Record<string, Command> = {
  find({ command, db, collection, documents, data, caller }) {
    let cursor = find(documents, command.filter ?? {}, command.projection ?? {}, {
      collectionResolver: resolver(data, db),
      scriptEnabled: true,
    })
    if (command.sort) cursor = cursor.sort(command.sort)
    if (command.skip) cursor = cursor.skip(command.skip)
    if (command.limit) cursor = cursor.limit(Math.abs(command.limit))
    return firstBatch(cursor.all() as Document[], command.batchSize ?? BATCH, `${db}.${collection}`, caller)
  },

  aggregate({ command, db, collection, documents, data, caller }) {
    const pipeline = command.pipeline as Document[]
    const end = pipeline.at(-1) ?? {}
    const writes = end.$out ?? end.$merge?.into
    const found = aggregate(structuredCopy(documents), writes === undefined ? pipeline : pipeline.slice(0, -1), {
      collectionResolver: resolver(data, db),
      scriptEnabled: true,
    }) as Document[]
    if (writes !== undefined) {
      const target = documentsOf(data, String(writes.db ?? db), String(writes.coll ?? writes))
      if (end.$out !== undefined) target.length = 0
      target.push(...found)
    }
    return firstBatch(writes === undefined ? found : [], command.cursor?.batchSize ?? BATCH, `${db}.${collection}`, caller)
  },

  getMore({ command, caller }) {
    const id = String(command.getMore)
    const open = caller.cursors.get(id)
    if (!open) throw new MongoSays(43, 'CursorNotFound', `cursor id ${id} not found`)
    const nextBatch = open.rest.splice(0, command.batchSize ?? BATCH)
    if (open.rest.length === 0) caller.cursors.delete(id)
    return { cursor: { nextBatch, id: open.rest.length === 0 ? Long.ZERO : Long.fromString(id), ns: open.ns }, ok: 1 }
  },

  killCursors({ command, caller }) {
    const ids = (command.cursors as unknown[]).map(String)
    return { cursorsKilled: ids.filter((id) => caller.cursors.delete(id)).map((id) => Long.fromString(id)), ok: 1 }
  },

  insert({ command, db, collection, documents }) {
    const writeErrors: Document[] = []
    let n = 0
    for (const [index, document] of (command.documents as Document[]).entries()) {
      const made = { _id: document._id ?? new ObjectId(), ...document }
      const twice = refuseTwice(db, collection, documents, made)
      if (twice) {
        writeErrors.push({ index, code: twice.code, errmsg: twice.message, ...twice.more })
        break
      }
      documents.push(made)
      n++
    }
    return { n, ...(writeErrors.length > 0 ? { writeErrors } : {}), ok: 1 }
  },

  update({ command, db, collection, documents }) {
    let n = 0
    let nModified = 0
    const upserted: Document[] = []
    for (const [index, { q, u, multi, upsert }] of (command.updates as Document[]).entries()) {
      const before = structuredCopy(documents)
      const { matchedCount, modifiedCount } = multi ? updateMany(documents, q, u) : updateOne(documents, q, u)
      n += matchedCount
      nModified += modifiedCount
      if (matchedCount === 0 && upsert) {
        const made: Document = { _id: new ObjectId(), ...plainFields(q) }
        updateOne([made], {}, u)
        documents.push(made)
        upserted.push({ index, _id: made._id })
        n++
      }
      const twice = documents.map((one) => refuseTwice(db, collection, documents, one)).find(Boolean)
      if (twice) {
        documents.splice(0, documents.length, ...before)
        return { n: 0, nModified: 0, writeErrors: [{ index, code: twice.code, errmsg: twice.message }], ok: 1 }
      }
    }
    return { n, nModified, ...(upserted.length > 0 ? { upserted } : {}), ok: 1 }
  },

  delete({ command, documents }) {
    let n = 0
    for (const { q, limit } of command.deletes as Document[]) {
      const found = find(documents, q).all() as Document[]
      for (const one of limit === 1 ? found.slice(0, 1) : found) {
        documents.splice(
          documents.findIndex((it) => same(it._id, one._id)),
          1,
        )
        n++
      }
    }
    return { n, ok: 1 }
  },
}

const resolver = (data: Data, db: string) => (name: string) => structuredCopy(documentsOf(data, db, name))
const structuredCopy = (documents: Document[]): Document[] => documents.map((one) => ({ ...one }))
const plainFields = (q: Document) =>
  Object.fromEntries(
    Object.entries(q).filter(([key, value]) => !key.startsWith('$') && (typeof value !== 'object' || value instanceof ObjectId)),
  )
