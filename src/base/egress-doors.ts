/**
 * For clients that open their own sockets, where everything has to go through a proxy: a port on this machine for each target that was
 * judged, from which every connection is led there through the proxy. TLS goes through it from end to end, as through the proxy itself.
 * Whoever else is on this machine may knock there too and reaches that one target, with no credential of ours.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** A door that nobody asked for and nobody uses for so long is taken away: longer than any client keeps to an address that it was given. */
const UNUSED_MS = 900_000
const HERE = '127.0.0.1'

interface Door {
  server: Server
  port: number
  sockets: Set<Socket>
  closing?: NodeJS.Timeout
}

export function createDoors(open: (host: string, port: number) => Promise<Socket>) {
  const doors = new Map<string, Promise<Door>>()
  const listeners = new Map<string, { address: string; port: number }>()

  function lead(door: Door, near: Socket, host: string, port: number): void {
    door.sockets.add(near)
    near.on('error', () => undefined).on('close', () => door.sockets.delete(near))
    open(host, port).then(
      (far) => {
        const cut = () => {
          near.destroy()
          far.destroy()
        }
        far.on('error', cut).on('close', cut)
        near.on('error', cut).on('close', cut)
        if (near.destroyed) return cut()
        near.pipe(far)
        far.pipe(near)
      },
      () => near.destroy(),
    )
  }

  async function build(key: string, host: string, port: number): Promise<Door> {
    // What it reads is read only once there is somebody to give it to.
    const server = createServer({ pauseOnConnect: false, noDelay: true }, (near) => lead(door, near, host, port))
    server.unref()
    server.listen(0, HERE)
    await once(server, 'listening')
    const door: Door = { server, port: (server.address() as AddressInfo).port, sockets: new Set() }
    listeners.set(key, { address: HERE, port: door.port })
    return door
  }

  function shut(key: string, door: Door): void {
    doors.delete(key)
    listeners.delete(key)
    clearTimeout(door.closing)
    door.server.close()
    for (const socket of door.sockets) socket.destroy()
  }

  function keep(key: string, door: Door): void {
    clearTimeout(door.closing)
    door.closing = setTimeout(() => (door.sockets.size > 0 ? keep(key, door) : shut(key, door)), UNUSED_MS).unref()
  }

  return {
    /** The port on 127.0.0.1 that leads there. */
    async to(host: string, port: number): Promise<{ address: string; port: number }> {
      const key = `${host} ${port}`
      let building = doors.get(key)
      if (!building) {
        building = build(key, host, port)
        doors.set(key, building)
        building.catch(() => doors.delete(key))
      }
      const door = await building
      keep(key, door)
      return { address: HERE, port: door.port }
    },
    /** No caller may be led to one of these: they are ours. */
    listeners: () => [...listeners.values()],
    async close(): Promise<void> {
      for (const [key, building] of doors) await building.then((door) => shut(key, door)).catch(() => undefined)
    },
  }
}
