/** Programs of the system that some tests need. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'

/**
 * Whether a program is there. Where it is not, this says loudly that something is not tested, and on CI it throws: use it as
 * `describe.skipIf(!there(...))`.
 */
export function there(path: string, debianPackage: string, what: string): boolean {
  if (existsSync(path)) return true
  const why = `there is no ${path} (apt-get install ${debianPackage})`
  if (process.env.CI) throw new Error(`${what} must be tested here, and ${why}.`)
  process.stderr.write(`\n!!! SKIPPED, NOT TESTED: ${what}, because ${why}.\n\n`)
  return false
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

/** Servers that refuse to run as root run as a user of the system's; undefined where we are not root. */
export async function runAs(name: string): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((l) => l.startsWith(`${name}:`))
  if (!line) throw new Error(`as root, these tests need a system user called ${name}`)
  const [, , uid, gid] = line.split(':')
  return { uid: Number(uid), gid: Number(gid) }
}
