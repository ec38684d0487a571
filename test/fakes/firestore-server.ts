/**
 * A Firestore of the test's own: the documents are kept by `@firestore-emulator/server` (somebody else's emulator, not Google's), and a thin
 * layer stands in front of it that adds what it lacks (tokens, roles, ListCollectionIds, order by name, cursors, select, null filters) and
 * says no when told to. It proves the use of the client and the protocol, not Google's servers. One port speaks gRPC and HTTP, as the
 * profile setting `api_base` expects.
 */
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import firestore from '@google-cloud/firestore'
import { FirestoreServer } from '@firestore-emulator/server'
import {
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedHandleCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { type Google, PROJECT, startGoogle } from './firestore-google.ts'
import { answerQuery, type Doc, masked, type Value } from './firestore-answers.ts'

/** The emulator brings a gRPC of its own, whose objects no other one takes. */
const itsGrpc = createRequire(createRequire(import.meta.url).resolve('@firestore-emulator/server'))('@grpc/grpc-js')
const DATABASES = ['(default)', 'second']
const PAGE = 2

export interface GrpcCall {
  method: string
  // biome-ignore lint/suspicious/noExplicitAny: requests of five methods, read by tests
  request: any
  headers: Record<string, unknown>
  /** The client went away. */
  cancelled: boolean
}
export interface Trouble {
  code: number
  details: string
  /** As servers behind a proxy do: headers first, and then the error. */
  headersFirst?: boolean
  /** Carried out all the same. */
  afterwards?: boolean
}
type Slow = { slow: true }

// biome-ignore lint/suspicious/noExplicitAny: generated stubs have no types
type Any = any

export async function startFirestore(now: () => number = Date.now) {
  const calls: GrpcCall[] = []
  const troubles: (Trouble | Slow)[] = []
  const canned: Doc[] = []
  const sockets = new Set<Socket>()
  const arrivals: (() => void)[] = []
  let url = ''
  let audience = ''
  let connections = 0

  const emulator = new FirestoreServer()
  const inner = (emulator as unknown as { server: Any }).server
  const innerPort = await bind(inner, itsGrpc.ServerCredentials.createInsecure())
  const client = new firestore.v1.FirestoreClient({
    servicePath: '127.0.0.1',
    port: innerPort,
    sslCreds: credentials.createInsecure(),
    universeDomain: 'googleapis.com',
    auth: { getUniverseDomain: async () => 'googleapis.com' },
  } as unknown as ConstructorParameters<typeof firestore.v1.FirestoreClient>[0])
  const behind: Any = await client.initialize()
  const google: Google = await startGoogle(() => audience, now)

  const refusal = (code: number, details: string): Trouble => ({ code, details, headersFirst: true })

  /** What Google would say before it looks at the request. */
  function refused(call: Any, write: boolean): Trouble | null {
    const token = /^Bearer (\S+)$/.exec(String(call.metadata.get('authorization')[0] ?? ''))?.[1] ?? ''
    const found = google.issued.get(token)
    if (!found?.live || !found.scopes.some((it) => /\/(datastore|cloud-platform)$/.test(it)))
      return refusal(
        16,
        'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
      )
    const name: string = call.request.database || call.request.parent
    const [, project, database = ''] = /^projects\/([^/]+)\/databases\/([^/]+)(?:\/|$)/.exec(name) ?? []
    if (project !== PROJECT || found.account === 'stranger' || (write && found.account !== 'writer'))
      return refusal(7, 'Missing or insufficient permissions.')
    if (!DATABASES.includes(database)) return refusal(5, `The database ${database} does not exist for project ${PROJECT}.`)
    const routed = decodeURIComponent(String(call.metadata.get('x-goog-request-params')[0]).split('=')[1] ?? '')
    if (routed !== name) return refusal(3, 'Missing routing header.')
    return null
  }

  /** Runs `work`, unless this request is refused or in trouble. What it gives back sends the answer. */
  async function serve(
    method: string,
    call: Any,
    write: boolean,
    fail: (trouble: Trouble) => void,
    work: () => Promise<() => void>,
  ): Promise<void> {
    const seen: GrpcCall = { method, request: call.request, headers: call.metadata.getMap(), cancelled: false }
    calls.push(seen)
    call.on('cancelled', () => {
      seen.cancelled = true
    })
    for (const go of arrivals.splice(0)) go()
    const trouble = troubles.shift()
    if (trouble && 'slow' in trouble) return
    const no = trouble && !trouble.afterwards ? trouble : refused(call, write)
    if (no) return fail(no)
    try {
      const send = await work()
      if (trouble) fail(trouble)
      else send()
    } catch (cause) {
      const { code, details } = cause as { code?: number; details?: string }
      fail({ code: code ?? 2, details: details ?? String(cause) })
    }
  }
  const ask = (method: string, request: object): Promise<Any> =>
    new Promise((resolve, reject) =>
      behind[method](request, new Metadata(), {}, (error: unknown, answer: unknown) => (error ? reject(error) : resolve(answer))),
    )
  const all = async (method: string, request: object): Promise<Any[]> => {
    const found: Any[] = []
    for await (const message of behind[method](request, new Metadata(), {})) found.push(message)
    return found
  }
  const unary = (method: string, write: boolean, work: (request: Any) => Promise<unknown>): UntypedHandleCall =>
    ((call: Any, done: (error: unknown, answer?: unknown) => void) => {
      const fail = ({ code, details, headersFirst }: Trouble) => {
        if (headersFirst) call.sendMetadata(new Metadata())
        done({ code, details })
      }
      void serve(method, call, write, fail, async () => {
        const answer = await work(call.request)
        return () => done(null, answer)
      })
    }) as UntypedHandleCall
  const stream = (method: string, work: (request: Any) => Promise<unknown[]>) => (call: Any) => {
    const fail = ({ code, details, headersFirst }: Trouble) => {
      if (headersFirst) call.sendMetadata(new Metadata())
      call.emit('error', { code, details })
    }
    void serve(method, call, false, fail, async () => {
      const messages = await work(call.request)
      return () => {
        for (const message of messages) call.write(message)
        call.end()
      }
    })
  }

  /** An update as the emulator carries it out rightly: the document is emptied, and written as a whole. */
  async function wholeWrites(database: string, write: Any): Promise<Any[]> {
    if (!write.update || write.currentDocument?.exists === false) return [write]
    const [{ found }] = await all('batchGetDocuments', { database, documents: [write.update.name] })
    if (!found && write.currentDocument?.exists === true) return [write]
    const fields = write.updateMask ? masked(found?.fields ?? {}, write.update.fields, write.updateMask.fieldPaths) : write.update.fields
    return [{ delete: write.update.name, prepares: true }, { update: { name: write.update.name, fields } }]
  }

  /** The ids below a document or the root, from what the emulator keeps. */
  function collectionIds(parent: string): string[] {
    const below = documents()
      .map(({ name }) => name)
      .filter((name) => name.startsWith(`${parent}/`))
      .map((name) => name.slice(parent.length + 1).split('/')[0] as string)
    return [...new Set(below)].sort()
  }
  function documents(): { name: string; fields: unknown }[] {
    const found: { name: string; fields: unknown }[] = []
    const walk = (node: Any) => {
      for (const doc of Object.values<Any>(node.documents ?? {})) {
        if (Object.keys(doc.fields).length > 0) found.push({ name: doc.path, fields: doc.fields })
        for (const collection of Object.values<Any>(doc.collections)) walk(collection)
      }
    }
    const state: Any = emulator.state.toJSON()
    for (const project of Object.values<Any>(state.projects ?? state))
      for (const database of Object.values<Any>(project.databases))
        for (const collection of Object.values<Any>(database.collections)) walk(collection)
    return found.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  const service = behind.constructor.service as ServiceDefinition
  const implementation: UntypedServiceImplementation = {
    commit: unary('commit', true, async (request) => {
      const writes: Any[] = []
      for (const write of request.writes) writes.push(...(await wholeWrites(request.database, write)))
      const answer = await ask('commit', { database: request.database, writes })
      const results = answer.writeResults.filter((_: unknown, i: number) => !writes[i]?.prepares)
      return { ...answer, writeResults: results }
    }),
    listCollectionIds: unary('listCollectionIds', false, async ({ parent, pageSize, pageToken }) => {
      const ids = collectionIds(parent)
      const from = pageToken === '' ? 0 : Number(Buffer.from(pageToken, 'base64').toString())
      const to = from + Math.min(pageSize || PAGE, PAGE)
      return { collectionIds: ids.slice(from, to), nextPageToken: to < ids.length ? Buffer.from(String(to)).toString('base64') : '' }
    }),
    batchGetDocuments: stream('batchGetDocuments', async (request) => {
      const own = canned.filter(({ name }) => request.documents.includes(name))
      const rest = request.documents.filter((name: string) => !own.some((it) => it.name === name))
      const found = rest.length > 0 ? await all('batchGetDocuments', { ...request, documents: rest }) : []
      return [...own.map((it) => ({ found: it, readTime: { seconds: 1, nanos: 0 } })), ...found]
    }),
    runQuery: stream('runQuery', async (request) => {
      const { from, where } = request.structuredQuery
      const prefix = `${request.parent}/${from[0].collectionId}/`
      const found = await all('runQuery', {
        ...request,
        structuredQuery: { from: from.map(({ collectionId }: Any) => ({ collectionId })) },
      })
      const kept = found.map(({ document }) => document as Doc | null).filter((it) => it !== null)
      const own = canned.filter(({ name }) => name.startsWith(prefix) && !name.slice(prefix.length).includes('/'))
      return answerQuery({ ...request.structuredQuery, where }, [...kept, ...own]).map((document) => ({
        document,
        readTime: { seconds: 1, nanos: 0 },
      }))
    }),
  }
  const outer = new Server()
  outer.addService(service, implementation)
  const outerPort = await bind(outer, ServerCredentials.createInsecure())

  const front = createServer((socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    socket.once('data', (first: Buffer) => {
      const to = connect(first.subarray(0, 3).toString() === 'PRI' ? outerPort : google.port, '127.0.0.1')
      to.on('error', () => socket.destroy())
      to.write(first)
      socket.pipe(to).pipe(socket)
    })
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  const port = (front.address() as AddressInfo).port
  url = `http://127.0.0.1:${port}`
  audience = url

  return {
    url,
    port,
    /** Where gRPC alone is spoken. */
    grpcPort: outerPort,
    calls,
    google,
    documents,
    connections: () => connections,
    next: (...more: (Trouble | Slow)[]) => void troubles.push(...more),
    arrived: () => new Promise<void>((go) => arrivals.push(go)),
    /** A document that the emulator cannot keep: with integers beyond 2^53, say. */
    can: (path: string, fields: Record<string, Value>) =>
      void canned.push({ name: `projects/${PROJECT}/databases/(default)/documents/${path}`, fields, createTime: null, updateTime: null }),
    /** As an administrator, past the layer in front. */
    async put(path: string, fields: Record<string, Value>, database = '(default)', project = PROJECT): Promise<void> {
      const whole = `projects/${project}/databases/${database}`
      await ask('commit', { database: whole, writes: [{ update: { name: `${whole}/documents/${path}`, fields } }] })
    },
    /** Where tokens are said to be asked for, instead of `url`. */
    pretend(origin: string) {
      audience = origin
    },
    reset() {
      audience = url
      calls.length = 0
      troubles.length = 0
      google.calls.length = 0
    },
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      front.close()
      outer.forceShutdown()
      await client.close()
      emulator.stop()
      await google.close()
    },
  }
}
export type TestFirestore = Awaited<ReturnType<typeof startFirestore>>

const bind = (server: Any, creds: unknown): Promise<number> =>
  new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', creds, (error: unknown, port: number) => (error ? reject(error) : resolve(port))),
  )
