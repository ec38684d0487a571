/** What dial.ts asks of each database: where its credential leads, read by light code; and its client, loaded when it is first needed. */
import type { Egress, HostPort } from '../../base/egress.ts'

/** What was entered: the opened secrets, which never leave this room, and the public rest. */
export interface Credential {
  secret: Readonly<Record<string, string>>
  entered: Readonly<Record<string, unknown>>
}

export interface Use {
  /** Whose pool it is: connection and version. A version that is gone is drained. */
  owner: string
  version: number
  credential: Credential
  /** The profile's config, parsed by the connector's schema. */
  config: Readonly<Record<string, unknown>>
  /** Aborts when the caller goes away or the time is up. */
  signal: AbortSignal
}

export interface Driver<S extends object> {
  /** Every method of a session is one call, whose errors are Faults. Nothing is opened before the first. */
  session(use: Use): S
  /** Ends the pools of an owner, except those of one version. */
  drain(owner: string, exceptVersion?: number): Promise<void>
  close(): Promise<void>
}

export interface DriverDeps {
  /** The only way out: the egress guard judges the host, and goes through the proxy. A driver opens no other socket, whatever a server tells it. */
  connect: Egress['connect']
  /** For clients that only open sockets of their own: where a socket may go instead, to the judged address or through the proxy. */
  address: Egress['address']
  /** HTTP through the same guard, for a database that has an API beside its wire. */
  fetch: Egress['fetch']
  /** Where DNS says that a service is. Each of these hosts goes through `address` like any other. */
  srv: Egress['srv']
  now: () => number
}

export interface Wiring<S extends object> {
  /** Public facts of what was entered (no secret among them), and every host that it names. Faults: CREDENTIAL_MALFORMED. */
  read(credential: Credential): { facts: Record<string, unknown>; hosts: readonly HostPort[] }
  /** What is a secret by itself inside a secret field: the password in a connection string. */
  parts(secret: Credential['secret']): Record<string, string[]>
  open(deps: DriverDeps): Promise<Driver<S>>
}
