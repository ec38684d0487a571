/** Database sessions that carry a credential: opened late, scrubbed on the way back. */
import { join } from 'node:path'
import type { Egress } from '../base/egress.ts'
import type { Scope } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { describeDsn, parseDsn, secretPartsOf } from './drivers/dsn.ts'
import { createPostgres } from './drivers/postgres.ts'
import type { SqlLimits, SqlSession } from './drivers/session.ts'
import { createSqlite } from './drivers/sqlite.ts'
import type { Wire } from './recipe.ts'
import { createScrubber } from './scrub.ts'
import type { Owned, Sealed } from './sealed.ts'
import { conceal, reveal, type Secret } from './secret.ts'
import { scrubFault } from './send.ts'

type Config = Readonly<Record<string, unknown>>
const number = (config: Config, key: string, otherwise: number): number => (typeof config[key] === 'number' ? config[key] : otherwise)

export function createDial(deps: { sealed: Pick<Sealed, 'read'>; egress: Pick<Egress, 'address'>; now: () => number; localRoot: string }) {
  const postgres = createPostgres({ address: deps.egress.address, now: deps.now })
  const sqlite = createSqlite()

  return {
    /** Public facts of a connection string. Its hosts pass the egress guard now, so that a forbidden one is never stored. */
    async inspect(wire: Wire, fields: Readonly<Record<string, Secret>>): Promise<Record<string, unknown>> {
      if (wire !== 'postgres' || !fields.dsn) return {}
      const dsn = reveal(fields.dsn)
      const facts = describeDsn(dsn)
      for (const { host, port } of parseDsn(dsn).hosts)
        await deps.egress.address(host, port).catch((fault: { code?: string }) => {
          if (fault.code === 'EGRESS_BLOCKED') throw fault // a name that does not resolve today may do so tomorrow
        })
      return facts
    },

    /** What is a secret by itself inside a field: the password in a connection string. */
    parts(wire: Wire | null, fields: Readonly<Record<string, Secret>>): Record<string, Secret[]> {
      return wire === 'postgres' && fields.dsn ? { dsn: secretPartsOf(reveal(fields.dsn)).map(conceal) } : {}
    },

    session(ref: Owned, wire: Wire, config: Config, signal: AbortSignal): SqlSession {
      if (wire !== 'postgres') fail('TOOL_REFUSED', `no connection string leads to ${wire}`)
      const use = async <T>(work: (session: SqlSession) => Promise<T>): Promise<T> => {
        const dsn = (await deps.sealed.read(ref)).dsn ?? fail('CREDENTIAL_MALFORMED', 'the connection has no dsn')
        const scrub = createScrubber([dsn, ...secretPartsOf(dsn)])
        const options = {
          maxConnections: number(config, 'max_open_conns', 10),
          idleConnections: number(config, 'max_idle_conns', 5),
          timeoutMs: number(config, 'request_timeout_sec', 30) * 1000,
          acceptSuperuser: config.accept_superuser === true,
          ...(typeof config.ca_certificate === 'string' ? { caCertificate: config.ca_certificate } : {}),
        }
        try {
          return scrub.json(await work(postgres.session({ owner: ref.owner, version: ref.version }, dsn, options, signal)))
        } catch (error) {
          throw scrubFault(error, scrub)
        }
      }
      return {
        read: (sql: string, args: readonly unknown[], limits: SqlLimits) => use((s) => s.read(sql, args, limits)),
        ask: (sql: string, args: readonly unknown[], limits: SqlLimits) => use((s) => s.ask(sql, args, limits)),
        write: (sql: string, args: readonly unknown[], limits: SqlLimits) => use((s) => s.write(sql, args, limits)),
      }
    },

    /** Files of the project's own directory; no credential. */
    localSession(scope: Scope, wire: Wire, config: Config, signal: AbortSignal): SqlSession {
      if (wire !== 'sqlite') fail('TOOL_REFUSED', `${wire} needs a connection`)
      return sqlite.session({ root: join(deps.localRoot, scope.workspace, scope.project), config }, signal)
    },

    drain: (owner: string, exceptVersion: number | null) => postgres.drain(owner, exceptVersion ?? undefined),
    async close() {
      await Promise.all([postgres.close(), sqlite.close()])
    },
  }
}
