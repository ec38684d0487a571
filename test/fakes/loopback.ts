/** For drivers that are tried without the guard: every host is this machine. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export async function toLoopback(_host: string, port: number, { signal }: { signal?: AbortSignal } = {}): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port })
  // As the guard does: what becomes of it is told by whoever speaks through it.
  socket.on('error', () => undefined)
  await once(socket, 'connect', signal ? { signal } : {})
  return socket
}
