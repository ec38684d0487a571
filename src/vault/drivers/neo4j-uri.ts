/** Addresses of Neo4j: `neo4j+s://host:7687`. Schemes: https://neo4j.com/docs/javascript-manual/current/connect-advanced/ */
import { Fault } from '../../base/errors.ts'

const DEFAULT_PORT = 7687
const MAX_URI_LENGTH = 1024
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/

export interface Neo4jTarget {
  /** `neo4j://`: the server names the members of its cluster. `bolt://`: this one server. */
  routing: boolean
  tls: boolean
  host: string
  port: number
}

/** Nobody listens between us and ourselves: plain text is fine. */
export const isLocal = (host: string): boolean => LOOPBACK.test(host)

const malformed = (what: string, hint = 'It looks like neo4j+s://xxxxxxxx.databases.neo4j.io or bolt://localhost:7687.'): Fault =>
  new Fault('CREDENTIAL_MALFORMED', `the address of the database ${what}`, { hint })

/** Faults: CREDENTIAL_MALFORMED. */
export function parseNeo4j(text: string): Neo4jTarget {
  const uri = text.trim()
  if (uri.length > MAX_URI_LENGTH || /[\0-\x20\x7f]/.test(uri)) throw malformed('is not well-formed')
  const [, scheme, rest] = /^([a-z][a-z0-9+]*):\/\/(.*)$/i.exec(uri) ?? []
  if (scheme === undefined || rest === undefined) throw malformed('has no scheme')
  if (/^https?$/i.test(scheme))
    throw malformed('is one for browsers', 'The Bolt address is meant, which begins with neo4j+s://, bolt+s://, …')
  if (/^(bolt|neo4j)\+ssc$/.test(scheme)) {
    throw malformed(
      'is for certificates that nobody verifies, which is not allowed here',
      'Use +s, and give a private authority as ca_certificate in the config.',
    )
  }
  const [, kind, secure] = /^(bolt|neo4j)(\+s)?$/.exec(scheme) ?? []
  if (kind === undefined) throw malformed('begins with something else than neo4j:// or bolt://, with +s or without')
  if (rest.includes('@')) throw malformed('holds a user or password', 'User name and password have fields of their own.')
  if (/[?#]/.test(rest)) throw malformed('has options, which are not supported here', 'End it after the port.')
  const [, v6, name, digits, path] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/,]*))(?::(\d*))?(\/.*)?$/i.exec(rest) ?? []
  const host = v6 ?? name
  if (host === undefined || (v6 === undefined && !/^[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9.])?$/i.test(host)))
    throw malformed('has a host or port that is not well-formed')
  if (path !== undefined && path !== '/') throw malformed('has a path', 'The database has a field of its own.')
  const port = digits ? Number(digits) : DEFAULT_PORT
  if (port < 1 || port > 65_535) throw malformed('has a port that is not a number from 1 to 65535')
  return { routing: kind === 'neo4j', tls: secure !== undefined, host: host.toLowerCase(), port }
}
