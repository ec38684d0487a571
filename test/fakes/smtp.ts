/** A mail server that takes whatever it is given and keeps it (RFC 5321, as far as a letter needs). */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

export interface Received {
  from: string
  to: string
  /** Headers and text as they came, without quoted-printable's soft breaks. */
  text: string
  /** User and password, as AUTH PLAIN sent them. */
  auth: string | null
}

/** With a certificate it speaks TLS from the first byte. */
export async function startSmtp(tls?: {
  key: string
  cert: string
}): Promise<{ port: number; received: Received[]; refuse(on: boolean): void; close(): void }> {
  const received: Received[] = []
  let refusing = false
  const sockets = new Set<Socket>()
  const serve = (socket: Socket) => {
    sockets.add(socket)
    let buffer = ''
    let letter: Received = { from: '', to: '', text: '', auth: null }
    let data = false
    const say = (line: string) => socket.write(`${line}\r\n`)
    const hear = (line: string) => {
      if (data) {
        if (line !== '.') letter.text += `${line.replace(/^\.\./, '.')}\n`
        else {
          data = false
          const text = letter.text.replaceAll('=\n', '').replaceAll('=3D', '=')
          received.push({ ...letter, text })
          say('250 taken')
        }
        return
      }
      const [, word = ''] = /^(\w+)/.exec(line) ?? []
      if (word === 'EHLO') {
        say('250-fake')
        say('250 AUTH PLAIN')
      } else if (word === 'AUTH') {
        letter.auth = Buffer.from(line.split(' ')[2] ?? '', 'base64')
          .toString()
          .split('\0')
          .slice(1)
          .join(':')
        say('235 fine')
      } else if (word === 'MAIL') {
        letter = { ...letter, from: line, text: '' }
        say(refusing ? '550 not today, says the letter to ada@example.com' : '250 fine')
      } else if (word === 'RCPT') {
        letter.to = /<(.*)>/.exec(line)?.[1] ?? ''
        say('250 fine')
      } else if (word === 'DATA') {
        data = true
        say('354 go on')
      } else if (word === 'QUIT') {
        say('221 bye')
        socket.end()
      } else say('250 fine')
    }
    say('220 fake')
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      buffer += chunk
      for (let end = buffer.indexOf('\r\n'); end >= 0; end = buffer.indexOf('\r\n')) {
        const line = buffer.slice(0, end)
        buffer = buffer.slice(end + 2)
        hear(line)
      }
    })
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  }
  const server = tls ? createTlsServer(tls, serve) : createServer(serve)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    received,
    refuse: (on) => {
      refusing = on
    },
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
