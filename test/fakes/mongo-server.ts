/**
 * A small MongoDB on loopback, for what no real server can be had: sign-in by SCRAM-SHA-256, roles, cursors, retryable writes, time
 * limits, and a `hello` that names other hosts. A hung-up client's command is stopped, as a server from 4.2 on does it.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { Binary, type Document } from 'bson'
import { CERTIFICATE, KEY } from './mongo-certificate.ts'
import { type Data, documentsOf, MongoSays, runCommand } from './mongo-commands.ts'
import { actionsOf, type Role } from './mongo-roles.ts'
import { begin, type Conversation, type Keys, keysOf } from './mongo-scram.ts'
import { createReader, type Request, reply } from './mongo-wire.ts'

export const MONGO_USER = 'app'
export const MONGO_PASSWORD = 'p@ss/w:rd?#%41&=x'
export const MONGO_DATABASE = 'shop'

export interface TestMongo {
  port: number
  uri(user?: string, password?: string, host?: string): string
  /** Documents as they lie there, besides all the code under test. */
  documents(collection: string, db?: string): Document[]
  data: Data
  /** Every command that came, hellos and sign-ins aside. */
  commands: Document[]
  /** Users of `admin`, by name. */
  user(name: string, password: string, roles: Role[]): void
  /** Changes what `hello` says. */
  hello: Document
  /** The next command of that name meets this. `done`: only after it was carried out. */
  next(name: string, trouble: Trouble): void
  /** Resolves when a held command has come. */
  arrived(): Promise<void>
  /** Commands that run now. */
  running(): number
  connections(): number
  openCursors(): number
  certificate: string
  reset(): void
  stop(): Promise<void>
}

export type Trouble =
  | { kind: 'error'; code: number; codeName: string; message: string; labels?: string[] }
  | { kind: 'cut'; done: boolean }
  | { kind: 'hold' }
  | { kind: 'write-concern' }

interface Account {
  keys: Keys
  roles: Role[]
}
interface Signed {
  user: string | null
  talk: Conversation | null
}

/** The session of a client on one connection. */
export async function startTestMongo(options: { tls?: boolean; auth?: boolean } = {}): Promise<TestMongo> {
  const users = new Map<string, Account>()
  const data: Data = new Map()
  const sockets = new Set<Socket>()
  const troubles: { name: string; trouble: Trouble }[] = []
  const retried = new Map<string, Document>()
  const allCursors = new Map<string, { rest: Document[]; ns: string }>()
  /** Ends a getMore that runs. */
  const killers = new Map<string, () => void>()
  let running = 0
  let tellArrived: () => void = () => undefined
  let arrived = new Promise<void>((resolve) => (tellArrived = resolve))

  const it = {
    hello: {} as Document,
    commands: [] as Document[],
  }

  const connection = (socket: Socket) => {
    sockets.add(socket)
    const signed: Signed = { user: null, talk: null }
    const read = createReader()
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      let requests: Request[]
      try {
        requests = read(chunk)
      } catch {
        socket.destroy()
        return
      }
      for (const request of requests) void answer(socket, signed, request)
    })
  }

  async function answer(socket: Socket, signed: Signed, request: Request): Promise<void> {
    let document: Document | 'cut'
    try {
      document = await handle(socket, signed, request.command)
    } catch (error) {
      if (!(error instanceof MongoSays)) {
        document = { ok: 0, code: 2, codeName: 'BadValue', errmsg: (error as Error).message }
      } else document = { ok: 0, code: error.code, codeName: error.codeName, errmsg: error.message, ...error.more }
    }
    if (document === 'cut') socket.destroy()
    else if (!request.silent && !socket.destroyed) socket.write(reply(request, document))
  }

  async function handle(socket: Socket, signed: Signed, command: Document): Promise<Document | 'cut'> {
    const name = Object.keys(command)[0]!
    if (/^(hello|ismaster|isMaster)$/.test(name)) return hello(signed, command)
    if (name === 'saslStart') return saslStart(signed, command)
    if (name === 'saslContinue') return saslContinue(signed, command)
    if (name === 'ping' || name === 'endSessions') return { ok: 1 }
    it.commands.push(command)
    const at = troubles.findIndex((one) => one.name === name)
    const trouble = at < 0 ? undefined : troubles.splice(at, 1)[0]!.trouble
    if (trouble?.kind === 'error') {
      const { code, codeName, message, labels } = trouble
      throw new MongoSays(code, codeName, message, labels ? { errorLabels: labels } : {})
    }
    if (trouble?.kind === 'hold') await held(socket, command)
    if (name === 'killCursors') for (const id of command.cursors as unknown[]) killers.get(String(id))?.()
    if (trouble?.kind === 'cut' && !trouble.done) return 'cut'
    if (name === 'connectionStatus') return status(signed, command)
    const txn = command.txnNumber === undefined ? undefined : `${JSON.stringify(command.lsid)} ${command.txnNumber}`
    const before = txn === undefined ? undefined : retried.get(txn)
    const done = before ?? runCommand(command, data, { may: (...asked) => may(signed, ...asked), cursors: allCursors })
    if (done === null) throw new MongoSays(59, 'CommandNotFound', `no such command: '${name}'`)
    if (txn !== undefined) retried.set(txn, done)
    if (trouble?.kind === 'cut') return 'cut'
    if (trouble?.kind === 'write-concern')
      return { ...done, writeConcernError: { code: 64, codeName: 'WriteConcernFailed', errmsg: 'waiting for replication timed out' } }
    return done
  }

  /** Runs until its time is up, its client has gone, or its cursor is killed. */
  async function held(socket: Socket, { maxTimeMS = 0, getMore }: Document): Promise<void> {
    running++
    tellArrived()
    const { promise, reject } = Promise.withResolvers<never>()
    const gone = () => reject(new MongoSays(279, 'ClientDisconnect', 'client disconnected'))
    socket.once('close', gone)
    if (getMore !== undefined) killers.set(String(getMore), () => reject(new MongoSays(237, 'CursorKilled', 'the cursor was killed')))
    const timer = setTimeout(() => reject(new MongoSays(50, 'MaxTimeMSExpired', 'operation exceeded time limit')), maxTimeMS || 600_000)
    await promise.finally(() => {
      clearTimeout(timer)
      socket.off('close', gone)
      killers.delete(String(getMore))
      running--
    })
  }

  function hello(signed: Signed, command: Document): Document {
    const said: Document = {
      helloOk: true,
      isWritablePrimary: true,
      ismaster: true,
      maxBsonObjectSize: 16_777_216,
      maxMessageSizeBytes: 48_000_000,
      maxWriteBatchSize: 100_000,
      localTime: new Date(),
      connectionId: sockets.size,
      minWireVersion: 0,
      maxWireVersion: 25,
      logicalSessionTimeoutMinutes: 30,
      readOnly: false,
      ok: 1,
      ...it.hello,
    }
    if (typeof command.saslSupportedMechs === 'string') said.saslSupportedMechs = ['SCRAM-SHA-256']
    if (command.speculativeAuthenticate) said.speculativeAuthenticate = saslStart(signed, command.speculativeAuthenticate as Document)
    return said
  }

  function saslStart(signed: Signed, command: Document): Document {
    if (command.mechanism !== 'SCRAM-SHA-256') throw new MongoSays(334, 'MechanismUnavailable', 'Unsupported mechanism')
    const db = String(command.db ?? command.$db)
    signed.talk = begin(bytes(command.payload), (user) => (db === 'admin' ? users.get(user)?.keys : undefined))
    return { conversationId: 1, done: false, payload: new Binary(signed.talk.challenge), ok: 1 }
  }

  function saslContinue(signed: Signed, command: Document): Document {
    if (signed.talk === null && signed.user !== null) return { conversationId: 1, done: true, payload: new Binary(Buffer.alloc(0)), ok: 1 }
    const proof = signed.talk?.finish(bytes(command.payload)) ?? null
    if (signed.talk === null || proof === null) throw new MongoSays(18, 'AuthenticationFailed', 'Authentication failed.')
    signed.user = signed.talk.user
    signed.talk = null
    return { conversationId: 1, done: true, payload: new Binary(proof), ok: 1 }
  }

  function may(signed: Signed, action: string, db: string, collection: string): boolean {
    if (options.auth === false) return true
    const roles = signed.user === null ? [] : (users.get(signed.user)?.roles ?? [])
    return roles.some((role) => actionsOf(role).some((p) => p.covers(db, collection) && p.actions.includes(action)))
  }

  function status(signed: Signed, command: Document): Document {
    const roles = signed.user === null ? [] : (users.get(signed.user)?.roles ?? [])
    return {
      authInfo: {
        authenticatedUsers: signed.user === null ? [] : [{ user: signed.user, db: 'admin' }],
        authenticatedUserRoles: roles.map(({ role, db }) => ({ role, db })),
        ...(command.showPrivileges
          ? {
              authenticatedUserPrivileges: roles.flatMap((role) => actionsOf(role).map(({ resource, actions }) => ({ resource, actions }))),
            }
          : {}),
      },
      ok: 1,
    }
  }

  const server = options.tls ? createTlsServer({ key: KEY, cert: CERTIFICATE }, connection) : createServer(connection)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  users.set(MONGO_USER, { keys: keysOf(MONGO_PASSWORD), roles: [{ role: 'readWrite', db: MONGO_DATABASE }] })

  return Object.assign(it, {
    port,
    uri: (user = MONGO_USER, password = MONGO_PASSWORD, host = '127.0.0.1') =>
      `mongodb://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${host}:${port}/`,
    documents: (collection: string, db = MONGO_DATABASE) => documentsOf(data, db, collection),
    data,
    user: (name: string, password: string, roles: Role[]) => void users.set(name, { keys: keysOf(password), roles }),
    next: (name: string, trouble: Trouble) => void troubles.push({ name, trouble }),
    arrived: () => arrived,
    running: () => running,
    connections: () => sockets.size,
    openCursors: () => allCursors.size,
    certificate: CERTIFICATE,
    reset() {
      data.clear()
      troubles.length = 0
      it.commands.length = 0
      it.hello = {}
      allCursors.clear()
      arrived = new Promise((resolve) => (tellArrived = resolve))
    },
    async stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  })
}

const bytes = (payload: unknown): Buffer => Buffer.from((payload as Binary).buffer.subarray(0, (payload as Binary).position))
