/** A wire that can be cut, and that can go silent: to the tests' PostgreSQL, or to anything that listens. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type pg from 'pg'
import { emptyDatabase } from '../database.ts'

export interface Wire {
  /** Of this end, on 127.0.0.1. */
  port: number
  /** Ends every connection, and each new one at once. */
  cut(): void
  /** Nothing gets through any more, and nobody is told. */
  hush(): void
  mend(): void
  close(): Promise<void>
}
export interface Relay extends Omit<Wire, 'port'> {
  /** A fresh database at the other end. */
  url: string
  /** The same one, past the relay. */
  connection: pg.ClientConfig
}

export async function startWire(target: { path: string } | { host: string; port: number }): Promise<Wire> {
  const pairs = new Set<[Socket, Socket]>()
  let state: 'open' | 'cut' | 'silent' = 'open'
  const server = createServer((near) => {
    near.on('error', () => undefined)
    if (state === 'cut') return void near.destroy()
    const far = connect(target as never)
    const pair: [Socket, Socket] = [near, far]
    pairs.add(pair)
    for (const [from, to] of [pair, pair.toReversed() as [Socket, Socket]]) {
      from.on('data', (bytes) => to.write(bytes))
      from.on('error', () => undefined)
      from.on('close', () => {
        to.destroy()
        pairs.delete(pair)
      })
      if (state === 'silent') from.pause()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      state = 'cut'
      for (const pair of pairs) for (const socket of pair) socket.destroy()
    },
    hush() {
      state = 'silent'
      for (const pair of pairs) for (const socket of pair) socket.pause()
    },
    mend() {
      state = 'open'
      for (const pair of pairs) for (const socket of pair) socket.resume()
    },
    async close() {
      for (const pair of pairs) for (const socket of pair) socket.destroy()
      server.close()
    },
  }
}

export async function startRelay(): Promise<Relay> {
  const { connection, drop } = await emptyDatabase()
  const { host, port, user, password, database } = connection as {
    host: string
    port: number
    user: string
    password: string
    database: string
  }
  const wire = await startWire(host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port })
  return {
    ...wire,
    url: `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${wire.port}/${database}`,
    connection,
    async close() {
      await wire.close()
      await drop()
    },
  }
}
