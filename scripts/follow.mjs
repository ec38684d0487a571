/** Loaded into a program that scripts/bootstrap.mjs started: ends it in good order when the starter is gone, even by SIGKILL. */
import { Socket } from 'node:net'

const starter = new Socket({ fd: 3, readable: true, writable: false })
starter.on('error', () => undefined)
starter.once('close', () => process.kill(process.pid, 'SIGTERM'))
starter.resume()
starter.unref()
