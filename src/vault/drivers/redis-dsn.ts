/**
 * Redis connection strings: `rediss://user:password@host:port/database?option=value`.
 * Syntax: https://www.iana.org/assignments/uri-schemes/prov/redis and …/prov/rediss; options are those of the common clients.
 */
import { Fault } from '../../base/errors.ts'

const MAX_DSN_LENGTH = 8192
const DEFAULT_PORT = 6379
/** More than any server is set up with; keeps the number a number. */
const MAX_DATABASE = 65_535
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/

export interface RedisDsn {
  tls: boolean
  host: string
  port: number
  /** null: the server's user `default`. */
  user: string | null
  /** null: none was given, and the server is expected to let everybody in. */
  password: string | null
  database: number
  clientName: string
  /** Nobody listens between us and ourselves: plain text is fine. */
  local: boolean
}

/** Options that name files of this host. */
const READS_FILES = new Set([
  'ssl_ca_certs',
  'ssl_ca_path',
  'ssl_ca_data',
  'ssl_certfile',
  'ssl_keyfile',
  'ssl_password',
  'sslcert',
  'sslkey',
  'path',
  'unix_socket_path',
])
/** Options that would let anybody answer in the server's place, unless they say what holds anyway. */
const WEAKENS: Record<string, RegExp> = {
  ssl_cert_reqs: /^(required|cert_required|2)$/i,
  ssl_check_hostname: /^(true|1|yes)$/i,
  skip_verify: /^(false|0|no)$/i,
  insecure: /^(false|0|no)$/i,
  verifypeer: /^(full|true)$/i,
  rejectunauthorized: /^(true|1)$/i,
}
/** Options that send commands elsewhere than to the one server that was judged, or in another way. */
const ELSEWHERE = new Set(['sentinel', 'sentinelmasterid', 'master_name', 'mastername', 'addr', 'host', 'port', 'read_from_replicas'])
/** Settings of other clients that people paste along. They change nothing here. */
const IGNORED = new Set([
  'protocol',
  'resp',
  'family',
  'timeout',
  'socket_timeout',
  'socket_connect_timeout',
  'socket_keepalive',
  'dial_timeout',
  'read_timeout',
  'write_timeout',
  'max_retries',
  'retry_on_timeout',
  'min_idle_conns',
  'pool_size',
  'pool_timeout',
  'max_connections',
  'connection_limit',
  'health_check_interval',
  'decode_responses',
  'lib_name',
  'libraryname',
  'libraryversion',
])

const malformed = (what: string, hint = 'It looks like rediss://user:password@host:6379/0.'): Fault =>
  new Fault('CREDENTIAL_MALFORMED', `the connection string ${what}`, { hint })
const ENCODE = 'Percent-encode special characters of the password: @ is %40, : is %3A, / is %2F, # is %23, ? is %3F, % is %25.'

/** Faults: CREDENTIAL_MALFORMED, naming what is wrong and never the value. */
export function parseRedis(text: string): RedisDsn {
  const dsn = text.trim()
  if (dsn === '') throw malformed('is empty')
  if (dsn.length > MAX_DSN_LENGTH) throw malformed(`is longer than ${MAX_DSN_LENGTH} characters`)
  if (/[\0-\x20\x7f]/.test(dsn)) throw malformed('contains a space, a control character or a line break', ENCODE)
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(dsn) ?? []
  if (scheme === undefined || rest === undefined) throw malformed('is not a redis:// or rediss:// URL')
  if (/socket|unix/i.test(scheme)) throw malformed('names a socket file, which is not allowed here')
  if (!/^rediss?$/.test(scheme)) throw malformed('begins with something else than redis:// or rediss://')
  const [, userinfo, place, path, query] = /^(?:([^@/?#]*)@)?([^/?#@]*)(?:\/([^?#@]*))?(?:\?([^#]*))?$/.exec(rest) ?? []
  if (place === undefined) throw malformed('has a stray @, / or # in it', ENCODE)
  const { host, port } = placeOf(place)
  const parsed: RedisDsn = {
    ...who(userinfo),
    tls: scheme === 'rediss',
    host,
    port,
    database: path ? databaseOf(path) : 0,
    clientName: 'agentruntime',
    local: LOOPBACK.test(host),
  }
  const seen = new Set<string>(path ? ['db'] : [])
  for (const pair of (query ?? '').split('&').filter((p) => p !== '')) option(pair, parsed, seen)
  return parsed
}

function who(userinfo: string | undefined): Pick<RedisDsn, 'user' | 'password'> {
  if (userinfo === undefined) return { user: null, password: null }
  const [user = '', ...rest] = userinfo.split(':')
  if (rest.length > 1) throw malformed('has a second : before the @', ENCODE)
  const password = rest.length === 0 ? '' : decoded(rest[0]!, 'password')
  if (password === '' && user !== '') throw malformed('names a user, but no password')
  return { user: user === '' ? null : decoded(user, 'user name'), password: password === '' ? null : password }
}

function placeOf(place: string): { host: string; port: number } {
  if (place.includes(',')) throw malformed('names several hosts', 'Name one server: clusters and sentinels are not followed.')
  const [, v6, name, digits] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*))(?::(\d*))?$/i.exec(place) ?? []
  const host = v6 ?? name
  if (host === undefined) throw malformed('has a host or port that is not well-formed', ENCODE)
  // No default: on this host there might be the runtime's own Redis.
  if (host === '') throw malformed('names no host')
  if (v6 === undefined && !/^[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9.])?$/i.test(host))
    throw malformed('has a host that is not a host name or address')
  const port = digits ? Number(digits) : DEFAULT_PORT
  if (port < 1 || port > 65_535) throw malformed('has a port that is not a number from 1 to 65535')
  return { host: host.toLowerCase(), port }
}

function databaseOf(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(number <= MAX_DATABASE)) throw malformed('has a database that is not a number', 'Databases are numbers: rediss://…:6379/0.')
  return number
}

function option(pair: string, parsed: RedisDsn, seen: Set<string>): void {
  const at = pair.indexOf('=')
  if (at < 0) throw malformed('has an option without a value')
  const name = decoded(pair.slice(0, at), 'option name').toLowerCase()
  const value = decoded(pair.slice(at + 1), 'option')
  if (!/^[a-z][a-z0-9_-]{0,40}$/.test(name)) throw malformed('has an option that is not known here', 'Remove the option.')
  const alias = name === 'database' ? 'db' : name === 'clientname' ? 'client_name' : name
  if (seen.has(alias)) throw malformed(`says ${alias === 'db' ? 'the database' : alias} twice`)
  seen.add(alias)
  if (alias === 'db') parsed.database = databaseOf(value)
  else if (alias === 'client_name') {
    if (!/^[\x21-\x7e]{1,64}$/.test(value)) throw malformed('has a client_name that is not 1 to 64 plain characters without spaces')
    parsed.clientName = value
  } else if (alias === 'encoding') {
    if (!/^utf-?8$/i.test(value)) throw malformed('asks for an encoding other than UTF-8')
  } else if (/^(user(name)?|password|pass|auth)$/.test(alias)) {
    throw malformed(`says ${alias} as an option`, 'User and password stand before the @: rediss://user:password@host:6379/0.')
  } else if (alias === 'ssl' || alias === 'tls') {
    if (/^(true|1|yes)$/i.test(value) !== parsed.tls)
      throw malformed(`says ${alias}=… against its own beginning`, 'rediss:// is with TLS, redis:// without.')
  } else if (READS_FILES.has(alias)) {
    throw malformed(
      `uses the option ${alias}, which is not allowed here`,
      "Files of this host are not a connection's to name. A private authority goes into the config as ca_certificate.",
    )
  } else if (Object.hasOwn(WEAKENS, alias)) {
    if (!WEAKENS[alias]!.test(value))
      throw malformed(
        `turns verification off by ${alias}, which is not allowed here`,
        'A private authority goes into the config as ca_certificate.',
      )
  } else if (ELSEWHERE.has(alias)) {
    throw malformed(`uses the option ${alias}, which is not allowed here`, 'Name one server: clusters and sentinels are not followed.')
  } else if (!IGNORED.has(alias)) throw malformed(`has an option ${name} that is not known here`, 'Remove the option.')
}

function decoded(text: string, what: string): string {
  let plain: string
  try {
    plain = decodeURIComponent(text)
  } catch {
    throw malformed(`has a ${what} with a % that is not percent-encoding`, 'Write %25 for a percent sign.')
  }
  if (plain.includes('\0')) throw malformed('contains a NUL character')
  return plain
}

/** What may be shown to anybody who may see the connection. */
export function describeRedis(dsn: string): { host: string; port: number; database: number; user: string; tls: boolean } {
  const { host, port, database, user, tls } = parseRedis(dsn)
  return { host, port, database, user: user ?? 'default', tls }
}

/** The password as it is written and as it is meant. A string that cannot be parsed is secret as a whole. */
export function redisSecrets(dsn: string): string[] {
  try {
    const raw = /^[a-z]+:\/\/[^@/?#:]*:([^@/?#]*)@/i.exec(dsn.trim())?.[1]
    return [...new Set([raw, parseRedis(dsn).password].filter((part): part is string => !!part))]
  } catch {
    return [dsn.trim()]
  }
}
