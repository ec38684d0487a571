/**
 * What a server says that is not what it should be, and what MariaDB 10.11 does not say: a server of the test's own, written from the
 * protocol's description. It proves how the driver is used, not how MySQL behaves.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html
 */
import { toLoopback } from '../../../test/fakes/loopback.ts'
import { constants, generateKeyPairSync, privateDecrypt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { Fault } from '../../base/errors.ts'
import { createMysql } from './mysql.ts'

const PASSWORD = 'hunter2-hunter2'
const SCRAMBLE = Buffer.from('01234567890123456789')
const OK = Buffer.from([0, 0, 0, 2, 0, 0, 0])
const CAPABILITIES = { LOCAL_FILES: 0x80, MULTI_STATEMENTS: 0x10000, PLUGIN_AUTH: 0x80000 }

let servers: Server[] = []
let sockets: Socket[] = []
afterEach(() => {
  for (const socket of sockets) socket.destroy()
  for (const server of servers) server.close()
  servers = []
  sockets = []
})

/** Answers the packets of the client one by one; `null` hangs up. Returns all that was heard. */
async function hostile(answers: (heard: Buffer, step: number) => Buffer | null) {
  const heard: Buffer[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    let kept = Buffer.alloc(0)
    let step = 0
    socket.write(packet(0, handshake()))
    socket.on('data', (chunk) => {
      kept = Buffer.concat([kept, chunk])
      while (kept.length >= 4 && kept.length >= 4 + kept.readUIntLE(0, 3)) {
        const payload = kept.subarray(4, 4 + kept.readUIntLE(0, 3))
        const sequence = kept[3]!
        kept = kept.subarray(4 + payload.length)
        heard.push(payload)
        const answer = answers(payload, step++)
        if (answer === null) socket.end()
        else socket.write(packet(sequence + 1, answer))
      }
    })
  }).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return { heard, port: (server.address() as { port: number }).port }
}

function packet(sequence: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUIntLE(payload.length, 0, 3)
  head[3] = sequence
  return Buffer.concat([head, payload])
}

function handshake(): Buffer {
  // Everything is offered except TLS and compression: also what nobody should take.
  const offered = (0xffffffff & ~0x800 & ~0x20 & ~0x4000000 & ~0x10000000) >>> 0
  const caps = Buffer.alloc(4)
  caps.writeUInt32LE(offered)
  return Buffer.concat([
    Buffer.from([10]),
    Buffer.from('8.4.0\0'),
    Buffer.from([1, 0, 0, 0]),
    SCRAMBLE.subarray(0, 8),
    Buffer.from([0]),
    caps.subarray(0, 2),
    Buffer.from([45, 2, 0]),
    caps.subarray(2),
    Buffer.from([21]),
    Buffer.alloc(10),
    SCRAMBLE.subarray(8),
    Buffer.from([0]),
    Buffer.from('mysql_native_password\0'),
  ])
}

const switchTo = (plugin: string) => Buffer.concat([Buffer.from([0xfe]), Buffer.from(`${plugin}\0`), SCRAMBLE, Buffer.from([0])])

async function signIn(port: number, query = ''): Promise<Fault> {
  const driver = createMysql({ connect: toLoopback, now: Date.now })
  const options = { maxConnections: 1, idleConnections: 1, timeoutMs: 3000 }
  const dsn = `mysql://app:${PASSWORD}@127.0.0.1:${port}/shop${query}`
  const error: unknown = await driver
    .session({ owner: 'x', version: 1 }, dsn, options, new AbortController().signal)
    .ask('select 1', [], { rows: 1, timeoutMs: 3000 })
    .catch((e: unknown) => e)
  await driver.close()
  if (!(error instanceof Fault)) throw error
  return error
}

describe('[db.mysql-hostile-server] a server', () => {
  it('is never told that files are sent, or several statements', async () => {
    const { heard, port } = await hostile(() => null)
    await signIn(port)
    const flags = heard[0]!.readUInt32LE(0)
    expect(flags & CAPABILITIES.PLUGIN_AUTH).not.toBe(0)
    expect(flags & CAPABILITIES.LOCAL_FILES).toBe(0)
    expect(flags & CAPABILITIES.MULTI_STATEMENTS).toBe(0)
  })

  it.each(['select version()', 'set names', 'start transaction'])('gets no file when it asks for one in answer to %s', async (question) => {
    let asked = 0
    const { heard, port } = await hostile((said) => {
      if (!said.includes(question)) return OK
      asked++
      return Buffer.concat([Buffer.from([0xfb]), Buffer.from('/etc/hostname')])
    })
    expect((await signIn(port)).code).toBe('UPSTREAM_ERROR')
    expect(asked).toBeGreaterThan(0)
    // Sign-ins and questions of ours (COM_QUERY, 3), and nothing else.
    expect(heard.filter((said) => !said.includes('app\0') && said[0] !== 3)).toEqual([])
  })

  it('gets no password in the clear when it asks for one', async () => {
    const { heard, port } = await hostile(() => switchTo('mysql_clear_password'))
    expect(await signIn(port)).toMatchObject({ code: 'UPSTREAM_INVALID', message: expect.stringContaining('a way to sign in') })
    expect(Buffer.concat(heard).includes(PASSWORD)).toBe(false)
  })

  it.each(['caching_sha2_password', 'sha256_password'])(
    'gets no password under a key of its own (%s), unless that was allowed',
    async (plugin) => {
      const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
      const pem = publicKey.export({ type: 'spki', format: 'pem' })
      const answers = (heard: Buffer, step: number) => {
        if (step === 0) return switchTo(plugin)
        // The client asks for the key by one byte: 2, or 1 in the older way.
        if (heard.length === 1 && (heard[0] === 2 || heard[0] === 1)) return Buffer.concat([Buffer.from([1]), Buffer.from(pem)])
        if (heard.length === 256) return null
        return Buffer.from([1, 4])
      }
      const shut = await hostile(answers)
      expect(await signIn(shut.port)).toMatchObject({ code: 'UPSTREAM_INVALID', hint: expect.stringContaining('get-server-public-key') })
      expect(shut.heard.some((one) => one.length === 256)).toBe(false)

      const open = await hostile(answers)
      await signIn(open.port, '?get-server-public-key=true')
      const sealed = open.heard.find((one) => one.length === 256)
      const mixed = privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, sealed!)
      const plain = mixed.map((byte, i) => byte ^ SCRAMBLE[i % SCRAMBLE.length]!)
      expect(Buffer.from(plain).toString()).toBe(`${PASSWORD}\0`)
      expect(Buffer.concat(open.heard).includes(PASSWORD)).toBe(false)
    },
  )

  it('that does not offer TLS gets nothing where TLS was asked for', async () => {
    const { heard, port } = await hostile(() => null)
    expect(await signIn(port, '?ssl-mode=REQUIRED')).toMatchObject({ message: 'the database server does not offer TLS' })
    expect(heard).toEqual([])
  })

  it.each([
    ['nonsense', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['an error without a number', Buffer.from([0xff])],
    ['an empty packet', Buffer.alloc(0)],
  ])('that answers %s is said to be unreachable, and nothing breaks', async (_what, answer) => {
    const { port } = await hostile(() => answer)
    expect(['UPSTREAM_ERROR', 'UPSTREAM_INVALID', 'STEP_TIMED_OUT']).toContain((await signIn(port)).code)
  })
})
