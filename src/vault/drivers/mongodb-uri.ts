/**
 * MongoDB connection strings to one shape. The driver gets that shape, never the string, so that nobody reads it a second time and
 * otherwise. Syntax: https://www.mongodb.com/docs/manual/reference/connection-string/
 */
import type { HostPort } from '../../base/egress.ts'
import { judgeOptions, type MongoOptions, malformed, oneDatabase } from './mongodb-options.ts'

/** Longer than any real one; keeps the parser's work small. */
const MAX_URI_LENGTH = 8192
/** More than any replica set has members. */
const MAX_HOSTS = 50
export const MONGO_PORT = 27017

export interface MongoUri {
  /** mongodb+srv: the one host is a name whose DNS records tell the hosts. */
  srv: boolean
  hosts: HostPort[]
  user: string | null
  password: string | null
  /** Where the user is known: `authSource`, or the database of the path, or `admin`. */
  authSource: string
  options: MongoOptions
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/i

/** Faults: CREDENTIAL_MALFORMED, naming what is wrong and never the value. `texts`: options that DNS gives (mongodb+srv). */
export function parseMongoUri(text: string, texts: readonly (readonly [string, string])[] = []): MongoUri {
  const { srv, userinfo, hosts: listed, database, query } = written(text)
  const hosts = srv ? [seed(listed)] : hostList(listed)
  const given = pairs(query)
  const named = new Set(given.map(([name]) => name.toLowerCase()))
  // What the string says goes before what DNS says.
  const options = judgeOptions([...given, ...texts.filter(([name]) => !named.has(name.toLowerCase()))], {
    tls: srv || !hosts.every(({ host }) => LOOPBACK.test(host)),
  })
  if (!srv && options.srvServiceName !== undefined) throw malformed('has srvServiceName without mongodb+srv')
  if (srv && options.directConnection) throw malformed('has directConnection with mongodb+srv, where DNS names the hosts')
  if (hosts.length > 1 && options.directConnection) throw malformed('has directConnection and several hosts')
  const [user, password] = credentials(userinfo)
  if (user === null && (options.authMechanism ?? options.authSource) !== undefined && texts.length === 0)
    throw malformed('names how to sign in, and no user')
  const path = database === '' ? null : oneDatabase('database', decoded(database))
  return { srv, hosts, user, password, authSource: options.authSource ?? path ?? 'admin', options }
}

/** What may be shown to anybody who may see the connection. */
export function describeMongoUri(text: string): { host: string; port: number | null; user: string | null; tls: boolean; srv: boolean } {
  const { hosts, user, options, srv } = parseMongoUri(text)
  return { host: hosts.map((one) => one.host).join(','), port: srv ? null : hosts[0]!.port, user, tls: options.tls, srv }
}

/** The password as it is written and as it is meant. A string that cannot be parsed is secret as a whole. */
export function secretPartsOf(text: string): string[] {
  try {
    const raw = /^[^:]*:(.*)$/s.exec(written(text).userinfo ?? '')?.[1]
    return raw ? [...new Set([raw, decoded(raw)])] : []
  } catch {
    return text.trim() === '' ? [] : [text.trim()]
  }
}

/** `name=value` pairs of a query, or of a TXT record. */
export function pairs(query: string): [string, string][] {
  if (query === '') return []
  if (query.includes(';')) throw malformed('separates options by a semicolon', 'Write & between them.')
  return query.split('&').map((pair) => {
    const at = pair.indexOf('=')
    if (at < 1) throw malformed('has an option without a value')
    return [decoded(pair.slice(0, at)), decoded(pair.slice(at + 1))]
  })
}

interface Written {
  srv: boolean
  userinfo: string | null
  hosts: string
  database: string
  query: string
}

function written(text: string): Written {
  const uri = text.trim()
  if (uri === '') throw malformed('is empty')
  if (uri.length > MAX_URI_LENGTH) throw malformed(`is longer than ${MAX_URI_LENGTH} characters`)
  if (/[\x00-\x20\x7f]/.test(uri)) throw malformed('holds a space, a line break or a control character', 'Percent-encode it.')
  const [, srv, rest] = /^mongodb(\+srv)?:\/\/(.*)$/.exec(uri) ?? []
  if (rest === undefined) throw malformed('does not begin with mongodb:// or mongodb+srv://')
  // The first slash or question mark ends the hosts: a password with either must be percent-encoded.
  const end = rest.search(/[/?]/)
  const authority = end < 0 ? rest : rest.slice(0, end)
  const tail = end < 0 ? '' : rest.slice(end).replace(/^\//, '')
  const at = authority.lastIndexOf('@')
  if (rest.indexOf('@', Math.max(end, 0)) >= 0 && end >= 0 && at < 0) throw malformed('has a password that must be percent-encoded')
  const userinfo = at < 0 ? null : authority.slice(0, at)
  if (userinfo !== null && (/[@/]/.test(userinfo) || userinfo.split(':').length > 2))
    throw malformed('has a user or password that must be percent-encoded', 'Write @ as %40, : as %3A and / as %2F.')
  if (/#/.test(rest)) throw malformed('holds a #, which must be percent-encoded', 'Write # as %23.')
  const ask = tail.indexOf('?')
  return {
    srv: srv !== undefined,
    userinfo,
    hosts: authority.slice(at + 1),
    database: ask < 0 ? tail : tail.slice(0, ask),
    query: ask < 0 ? '' : tail.slice(ask + 1),
  }
}

function credentials(userinfo: string | null): [string | null, string | null] {
  if (userinfo === null) return [null, null]
  const [user = '', password] = userinfo.split(':')
  if (user === '') throw malformed('has no user name before the @')
  if (!password) throw malformed('has a user without a password')
  return [decoded(user), decoded(password)]
}

function decoded(text: string): string {
  let plain: string
  try {
    plain = decodeURIComponent(text)
  } catch {
    throw malformed('holds a % that is not percent-encoded', 'Write % as %25.')
  }
  if (plain.includes('\0')) throw malformed('holds a NUL character')
  return plain
}

const NAME = /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\.?$/i

function hostList(text: string): HostPort[] {
  const hosts = text.split(',').map(hostOf)
  if (hosts.length > MAX_HOSTS) throw malformed(`names more than ${MAX_HOSTS} hosts`)
  return hosts
}

function hostOf(text: string): HostPort {
  if (text === '') throw malformed('has no host')
  if (/%2f|\.sock(:|$)/i.test(text)) throw malformed('names a socket of this host', 'Only hosts of the network can be reached.')
  const [, v6, name, digits] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::(\d+))?$/i.exec(text) ?? []
  const host = v6 ?? name
  if (host === undefined || (v6 === undefined && !NAME.test(host))) throw malformed('has a host or port that is not well-formed')
  const port = digits === undefined ? MONGO_PORT : Number(digits)
  if (port < 1 || port > 65_535) throw malformed('has a port that is none')
  return { host, port }
}

function seed(text: string): HostPort {
  if (/[,:]/.test(text)) throw malformed('has a port or several hosts with mongodb+srv, where DNS names them')
  const host = hostOf(text)
  if (!host.host.includes('.') || /^[\d.]+$/.test(host.host)) throw malformed('has no full name of a cluster after mongodb+srv://')
  return host
}
