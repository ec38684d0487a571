/**
 * MongoDB's messages: OP_MSG, and OP_QUERY, which clients use for their very first hello.
 * https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
 */
import { deserialize, serialize, type Document } from 'bson'

const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013
const HEADER = 16
const CHECKSUM = 1
const MORE_TO_COME = 2

export interface Request {
  id: number
  legacy: boolean
  /** The client waits for no answer. */
  silent: boolean
  /** The command with its sections put together, and `$db`. */
  command: Document
}

/** Integers that a number holds are numbers, the rest stays what it is. */
const decode = (bytes: Uint8Array): Document => deserialize(bytes, { promoteBuffers: false, bsonRegExp: false })

/** Takes chunks, gives whole requests. Throws on what is no message. */
export function createReader(): (chunk: Buffer) => Request[] {
  let rest = Buffer.alloc(0)
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    const requests: Request[] = []
    while (rest.length >= HEADER && rest.length >= rest.readInt32LE(0)) {
      const length = rest.readInt32LE(0)
      requests.push(read(rest.subarray(0, length)))
      rest = rest.subarray(length)
    }
    return requests
  }
}

function read(message: Buffer): Request {
  const id = message.readInt32LE(4)
  const op = message.readInt32LE(12)
  if (op === OP_QUERY) {
    const end = message.indexOf(0, HEADER + 4)
    const collection = message.toString('utf8', HEADER + 4, end)
    if (!collection.endsWith('.$cmd')) throw new Error(`OP_QUERY to ${collection}`)
    const command = decode(message.subarray(end + 1 + 8))
    return { id, legacy: true, silent: false, command: { ...command, $db: collection.slice(0, -5) } }
  }
  if (op !== OP_MSG) throw new Error(`no operation ${op}`)
  const flags = message.readUInt32LE(HEADER)
  const end = message.length - (flags & CHECKSUM ? 4 : 0)
  let command: Document = {}
  const sections: Record<string, Document[]> = {}
  for (let at = HEADER + 4; at < end; ) {
    const kind = message[at++]
    const size = message.readInt32LE(at)
    if (kind === 0) command = decode(message.subarray(at, at + size))
    else if (kind === 1) {
      const named = message.indexOf(0, at + 4)
      const documents: Document[] = []
      for (let from = named + 1; from < at + size; from += message.readInt32LE(from)) {
        documents.push(decode(message.subarray(from, from + message.readInt32LE(from))))
      }
      sections[message.toString('utf8', at + 4, named)] = documents
    } else throw new Error(`no section ${kind}`)
    at += size
  }
  return { id, legacy: false, silent: (flags & MORE_TO_COME) !== 0, command: { ...command, ...sections } }
}

let last = 0

export function reply(to: Request, document: Document): Buffer {
  const body = serialize(document, { ignoreUndefined: true })
  const head = Buffer.alloc(to.legacy ? HEADER + 20 : HEADER + 5)
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(++last, 4)
  head.writeInt32LE(to.id, 8)
  head.writeInt32LE(to.legacy ? OP_REPLY : OP_MSG, 12)
  // OP_REPLY: AwaitCapable, no cursor, from the first, one document. OP_MSG: no flags, a section of kind 0.
  if (to.legacy) {
    head.writeInt32LE(8, HEADER)
    head.writeInt32LE(1, HEADER + 16)
  }
  return Buffer.concat([head, body])
}
