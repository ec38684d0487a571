/**
 * A Bolt server of our own reading, which enforces the order of messages, signs people in, keeps reads from writing, and streams answers
 * that a test lays down. It proves how the client is used, and nothing about Neo4j itself.
 * Messages and states: https://neo4j.com/docs/bolt/current/bolt/message/ and …/server-state/ · handshake: …/bolt/handshake/
 * Structures: https://neo4j.com/docs/bolt/current/bolt/structure-semantics/ · errors: https://neo4j.com/docs/status-codes/current/
 * Nobody has compared with a real server: the wording of its errors, when it closes a connection after one, what kind EXPLAIN tells of a
 * procedure, and whether it refuses a statement about users within a transaction (here it does).
 */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { TEST_CERTIFICATE, TEST_KEY } from './certificate.ts'
import { pack, Structure, unpack } from './packstream.ts'

/** What a statement does, by its exact text. */
export interface Canned {
  kind: 'r' | 'w' | 'rw' | 's'
  fields?: string[]
  records?: unknown[][]
  stats?: Record<string, number>
  /** Parameters without which it fails. */
  needs?: string[]
  fails?: { code: string; message: string }
  /** No answer comes, until the client goes away. */
  hangs?: true
}

export interface BoltOptions {
  users?: Record<string, string>
  databases?: string[]
  statements: Record<string, Canned>
  /** Answer to ROUTE, `host:port` each. Default: none, and the message is refused. */
  routes?: () => { routers: string[]; readers: string[]; writers: string[] }
  tls?: boolean
  /** Versions of Bolt that are spoken, as [major, minor]. */
  version?: [number, number]
  /** COMMIT is not answered: the connection is cut. */
  cutsAtCommit?: boolean
}

export interface BoltServer {
  port: number
  /** Names and fields of all messages that came, in order. */
  messages: { name: string; fields: readonly unknown[] }[]
  /** Statements whose changes were committed. */
  committed: string[]
  readonly open: number
  connections: number
  cut(): void
  stop(): Promise<void>
}

const NAMES: Record<number, string> = {
  1: 'HELLO',
  106: 'LOGON',
  107: 'LOGOFF',
  2: 'GOODBYE',
  15: 'RESET',
  16: 'RUN',
  47: 'DISCARD',
  63: 'PULL',
  17: 'BEGIN',
  18: 'COMMIT',
  19: 'ROLLBACK',
  102: 'ROUTE',
  84: 'TELEMETRY',
}
const [SUCCESS, RECORD, IGNORED, FAILURE] = [0x70, 0x71, 0x7e, 0x7f]
const MAGIC = '6060b017'

class Refusal extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}
const protocolError = (what: string) => new Refusal('Neo.ClientError.Request.Invalid', what)

export async function startBolt(options: BoltOptions): Promise<BoltServer> {
  const sockets = new Set<Socket>()
  const onSocket = (socket: Socket) => {
    sockets.add(socket)
    server.connections += 1
    socket.setNoDelay(true).on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    serve(socket, options, server)
  }
  const listener = options.tls ? createTlsServer({ key: TEST_KEY, cert: TEST_CERTIFICATE }, onSocket) : createServer(onSocket)
  listener.on('tlsClientError', () => undefined)
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  const server: BoltServer = {
    port: 0,
    messages: [],
    committed: [],
    connections: 0,
    get open() {
      return sockets.size
    },
    cut,
    async stop() {
      cut()
      listener.close()
      await once(listener, 'close')
    },
  }
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  server.port = (listener.address() as { port: number }).port
  return server
}

function serve(socket: Socket, options: BoltOptions, server: BoltServer): void {
  const conversation = talk(options, server)
  let waiting = Buffer.alloc(0)
  let parts: Buffer[] = []
  let greeted = false
  const send = (message: Structure) => {
    const body = pack(message)
    for (let at = 0; at < body.length; at += 0xffff) {
      const chunk = body.subarray(at, at + 0xffff)
      socket.write(Buffer.from([chunk.length >> 8, chunk.length & 0xff]))
      socket.write(chunk)
    }
    socket.write(Buffer.alloc(2))
  }
  socket.on('data', (data: Buffer) => {
    waiting = Buffer.concat([waiting, data])
    if (!greeted) {
      if (waiting.length < 20) return
      const version = chosen(waiting.subarray(0, 20), options.version ?? [5, 4])
      socket.write(version)
      if (version.readUInt32BE() === 0) return void socket.end()
      waiting = waiting.subarray(20)
      greeted = true
    }
    while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE()) {
      const size = waiting.readUInt16BE()
      if (size > 0) parts.push(waiting.subarray(2, 2 + size))
      else if (parts.length > 0) {
        const message = unpack(Buffer.concat(parts)) as Structure
        parts = []
        for (const answer of conversation(message)) {
          if (answer === 'close') return void socket.end()
          if (answer === 'cut') return void socket.destroy()
          send(answer)
        }
      }
      waiting = waiting.subarray(2 + size)
    }
  })
}

/** Each of the four proposals: `00 range minor major`, which means minor and `range` before it. */
function chosen(greeting: Buffer, [major, minor]: [number, number]): Buffer {
  const none = Buffer.alloc(4)
  if (greeting.subarray(0, 4).toString('hex') !== MAGIC) return none
  for (let at = 4; at < 20; at += 4) {
    const [, range = 0, upTo = 0, of = 0] = greeting.subarray(at, at + 4)
    if (of === major && minor <= upTo && minor >= upTo - range) return Buffer.from([0, 0, minor, major])
  }
  return none
}

type Answer = Structure | 'close' | 'cut'

/** One connection's states: what may come when, and what comes back. */
function talk(options: BoltOptions, server: BoltServer): (message: Structure) => Iterable<Answer> {
  let state: 'connected' | 'authentication' | 'ready' | 'streaming' | 'transaction' | 'failed' | 'hanging' = 'connected'
  let mode = 'w'
  let database = 'neo4j'
  let changed: string[] = []
  let stream: { records: unknown[][]; end: Record<string, unknown> } | null = null

  const success = (metadata: Record<string, unknown> = {}) => new Structure(SUCCESS, [metadata])
  const must = (wanted: typeof state, name: string) => {
    if (state !== wanted) throw protocolError(`${name} cannot be handled in the state ${state}`)
  }

  function logon({ scheme, principal, credentials }: Record<string, unknown>): Answer[] {
    must('authentication', 'LOGON')
    const users = options.users ?? { neo4j: 'secret' }
    if (scheme !== 'basic' || users[String(principal)] !== credentials) {
      throw new Refusal('Neo.ClientError.Security.Unauthorized', 'The client is unauthorized due to authentication failure.')
    }
    state = 'ready'
    return [success()]
  }

  function begin(extra: Record<string, unknown>): void {
    database = String(extra.db ?? 'neo4j')
    if (!(options.databases ?? ['neo4j']).includes(database))
      throw new Refusal(
        'Neo.ClientError.Database.DatabaseNotFound',
        `Unable to get a routing table for database '${database}' because this database does not exist`,
      )
    mode = String(extra.mode ?? 'w')
    changed = []
  }

  function run(text: string, parameters: Record<string, unknown>, extra: Record<string, unknown>): Answer[] {
    if (state === 'ready') {
      // A transaction by itself, which ends with its stream.
      begin(extra)
      state = 'streaming'
    } else must('transaction', 'RUN')
    if (/^SHOW CURRENT USER/.test(text) && state === 'transaction')
      throw new Refusal('Neo.ClientError.Statement.UnsupportedAdministrationCommand', 'Not within a transaction')
    const explained = /^EXPLAIN\s+/i.exec(text)?.[0]
    const canned = options.statements[explained ? text.slice(explained.length) : text]
    if (!canned) throw new Refusal('Neo.ClientError.Statement.SyntaxError', `Invalid input '${text.slice(0, 20)}'`)
    const absent = (canned.needs ?? []).filter((name) => !(name in parameters))
    if (absent.length > 0 && !explained)
      throw new Refusal('Neo.ClientError.Statement.ParameterMissing', `Expected parameter(s): ${absent.join(', ')}`)
    if (explained) {
      stream = {
        records: [],
        end: { type: canned.kind, db: database, plan: { operatorType: 'ProduceResults', args: {}, identifiers: [], children: [] } },
      }
      return [success({ fields: [], t_first: 0, qid: 0 })]
    }
    if (canned.fails) throw new Refusal(canned.fails.code, canned.fails.message)
    if (mode === 'r' && canned.kind !== 'r')
      throw new Refusal('Neo.ClientError.Statement.AccessMode', 'Writing in read access mode not allowed. Attempted write to neo4j')
    if (canned.hangs) {
      state = 'hanging'
      return []
    }
    if (canned.kind !== 'r') changed.push(text)
    stream = {
      records: [...(canned.records ?? [])],
      end: { type: canned.kind, db: database, t_last: 0, ...(canned.stats ? { stats: canned.stats } : {}) },
    }
    return [success({ fields: canned.fields ?? [], t_first: 0, qid: 0 })]
  }

  function pull(n: number, keep: boolean): Answer[] {
    if (!stream) throw protocolError('there is nothing to pull')
    const some = stream.records.splice(0, n < 0 ? stream.records.length : n)
    const records = keep ? some.map((record) => new Structure(RECORD, [record])) : []
    if (stream.records.length > 0) return [...records, success({ has_more: true })]
    const { end } = stream
    stream = null
    if (state === 'streaming') {
      server.committed.push(...changed)
      state = 'ready'
    }
    return [...records, success(end)]
  }

  function answer(name: string, fields: readonly unknown[]): Answer[] {
    const [first, second, third] = fields as Record<string, unknown>[]
    switch (name) {
      case 'HELLO':
        must('connected', name)
        if (typeof first?.user_agent !== 'string') throw protocolError('HELLO has no user_agent')
        state = 'authentication'
        return [success({ server: 'Neo4j/5.26.0', connection_id: `bolt-${server.connections}`, hints: {} })]
      case 'LOGON':
        return logon(first ?? {})
      case 'TELEMETRY':
        must('ready', name)
        return [success()]
      case 'ROUTE': {
        must('ready', name)
        if (!options.routes) throw new Refusal('Neo.ClientError.Procedure.ProcedureNotFound', 'There is no routing here')
        const { routers, readers, writers } = options.routes()
        const servers = [
          { role: 'ROUTE', addresses: routers },
          { role: 'READ', addresses: readers },
          { role: 'WRITE', addresses: writers },
        ]
        return [success({ rt: { ttl: 300, db: String(third?.db ?? 'neo4j'), servers } })]
      }
      case 'BEGIN':
        must('ready', name)
        begin(first ?? {})
        state = 'transaction'
        return [success()]
      case 'RUN':
        return run(String(first), second ?? {}, third ?? {})
      case 'PULL':
      case 'DISCARD':
        if (state !== 'streaming') must('transaction', name)
        return pull(Number(first?.n ?? -1), name === 'PULL')
      case 'COMMIT':
        must('transaction', name)
        if (options.cutsAtCommit) return ['cut']
        server.committed.push(...changed)
        state = 'ready'
        return [success({ bookmark: 'b:1' })]
      case 'ROLLBACK':
        must('transaction', name)
        state = 'ready'
        return [success()]
      default:
        throw protocolError(`no message ${name} is known here`)
    }
  }

  return (message) => {
    const name = NAMES[message.tag] ?? String(message.tag)
    server.messages.push({ name, fields: message.fields })
    if (name === 'GOODBYE') return ['close']
    if (state === 'hanging') return []
    if (name === 'RESET') {
      if (state === 'connected' || state === 'authentication') return ['close']
      state = 'ready'
      stream = null
      return [success()]
    }
    if (state === 'failed') return [new Structure(IGNORED, [])]
    try {
      return answer(name, message.fields)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const failure = new Structure(FAILURE, [{ code: error.code, message: error.message }])
      const over = state === 'connected' || state === 'authentication'
      state = 'failed'
      return over ? [failure, 'close'] : [failure]
    }
  }
}
