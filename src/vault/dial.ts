/** Database sessions that carry a credential: opened late, scrubbed on the way back. */
import { join } from 'node:path'
import type { Scope } from '../base/db.ts'
import type { Egress } from '../base/egress.ts'
import { fail } from '../base/errors.ts'
import type { User } from '../base/secret-use.ts'
import type { Credential, Driver, Wiring } from './drivers/driver.ts'
import type { Sessions, SqlSession } from './drivers/session.ts'
import { createSqlite } from './drivers/sqlite.ts'
import { type RemoteWire, wirings } from './drivers/wires.ts'
import type { Opened } from './opened.ts'
import type { Wire } from './recipe.ts'
import type { Redactor } from './redact.ts'
import type { Owned } from './sealed.ts'
import { conceal, reveal, type Secret } from './secret.ts'
import { scrubFault } from './send.ts'

type Config = Readonly<Record<string, unknown>>
type Entered = Readonly<Record<string, unknown>>
type Call = (...args: unknown[]) => Promise<unknown>

const revealed = (fields: Readonly<Record<string, Secret>>) =>
  Object.fromEntries(Object.entries(fields).map(([name, secret]) => [name, reveal(secret)]))
/** Enough for the connections that are busy at the same time. */
const MAX_HOSTS = 1_000
const isRemote = (wire: Wire): wire is RemoteWire => Object.hasOwn(wirings, wire)

export function createDial(deps: {
  opened: Pick<Opened, 'read'>
  egress: Pick<Egress, 'address' | 'connect' | 'fetch' | 'judge' | 'srv'>
  redactor: Pick<Redactor, 'learn' | 'inUse'>
  now: () => number
  localRoot: string
}) {
  const { connect, address, fetch, judge, srv } = deps.egress
  const opened = new Map<RemoteWire, Promise<Driver<object>>>()
  const sqlite = createSqlite()

  const hosts = new Map<string, string>()
  /** Where a version goes. Read once: a version does not change, and its hosts are no secret. */
  function hostOf({ owner, version }: Owned, wire: RemoteWire, credential: Credential): string {
    const key = `${owner} ${version}`
    const known = hosts.get(key)
    if (known !== undefined) return known
    const read = wirings[wire].read(credential)
    const host = read.hosts.length > 0 ? read.hosts.map((it) => `${it.host}:${it.port}`).join(',') : String(read.facts.host)
    if (hosts.size >= MAX_HOSTS) hosts.clear()
    hosts.set(key, host)
    return host
  }

  /** A client is loaded when it is first needed: most installations use few of them. */
  function driverOf(wire: RemoteWire): Promise<Driver<object>> {
    const known = opened.get(wire)
    if (known !== undefined) return known
    const driver: Promise<Driver<object>> = wirings[wire].open({ connect, address, fetch, srv, now: deps.now })
    opened.set(wire, driver)
    driver.catch(() => opened.delete(wire))
    return driver
  }

  return {
    /** Public facts of what was entered. Its hosts pass the egress guard now, so that a forbidden one is never stored. */
    async inspect(wire: Wire, fields: Readonly<Record<string, Secret>>, entered: Entered): Promise<Record<string, unknown>> {
      if (!isRemote(wire)) return {}
      const { facts, hosts } = wirings[wire].read({ secret: revealed(fields), entered })
      for (const { host, port } of hosts)
        await judge(host, port).catch((fault: { code?: string }) => {
          if (fault.code === 'EGRESS_BLOCKED') throw fault // a name that does not resolve today may do so tomorrow
        })
      return facts
    },

    /** What is a secret by itself inside a field: the password in a connection string. */
    parts(wire: Wire | null, fields: Readonly<Record<string, Secret>>): Record<string, Secret[]> {
      if (wire === null || !isRemote(wire)) return {}
      const parts = Object.entries((wirings[wire] as Wiring<object>).parts(revealed(fields)))
      return Object.fromEntries(parts.map(([field, secrets]) => [field, secrets.map(conceal)]))
    },

    /** A session whose every call opens the credential anew and gives nothing of it back. */
    session<W extends RemoteWire>(ref: Owned, wire: W, entered: Entered, config: Config, signal: AbortSignal, user: User): Sessions[W] {
      const call = async (name: string, args: unknown[]): Promise<unknown> => {
        const secret = await deps.opened.read(ref, (values) => ({
          purpose: user.check ? 'check' : 'session',
          host: hostOf(ref, wire, { secret: values, entered }),
          user,
        }))
        const inside = Object.values((wirings[wire] as Wiring<object>).parts(secret)).flat()
        deps.redactor.learn(ref, [...Object.values(secret), ...inside])
        const scrub = deps.redactor.inUse(ref.workspace, ref)
        try {
          const driver = await driverOf(wire)
          const session = driver.session({ owner: ref.owner, version: ref.version, credential: { secret, entered }, config, signal })
          return scrub.json(await (session as Record<string, Call>)[name]?.(...args))
        } catch (error) {
          throw scrubFault(error, scrub)
        }
      }
      return eachCall(call) as Sessions[W]
    },

    /** Files of the project's own directory; no credential. */
    localSession(scope: Scope, wire: Wire, config: Config, signal: AbortSignal): SqlSession {
      if (wire !== 'sqlite') fail('TOOL_REFUSED', `${wire} needs a connection`)
      return sqlite.session({ root: join(deps.localRoot, scope.workspace, scope.project), config }, signal)
    },

    async drain(owner: string, exceptVersion: number | null): Promise<void> {
      for (const driver of opened.values()) await (await driver).drain(owner, exceptVersion ?? undefined)
    },
    async close(): Promise<void> {
      await Promise.all([sqlite.close(), ...[...opened.values()].map(async (driver) => (await driver).close())])
    },
  }
}

/** An object whose every method is `call` with the method's name. */
export const eachCall = (call: (name: string, args: unknown[]) => Promise<unknown>): object =>
  new Proxy(
    {},
    {
      // A promise is asked for `then`, and an object for symbols, whenever it is awaited or shown.
      get: (_, name) => (typeof name === 'symbol' || name === 'then' ? undefined : (...args: unknown[]) => call(name, args)),
    },
  )
