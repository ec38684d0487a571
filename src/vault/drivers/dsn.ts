/**
 * PostgreSQL connection strings, both written forms, to one shape. What each option may do here is decided in dsn-options.ts.
 * Syntax: https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING
 */
import { isIP } from 'node:net'
import { judgeOptions, malformed, type SslMode } from './dsn-options.ts'

/** Longer than any real one; keeps the parsers' work small. */
const MAX_DSN_LENGTH = 8192

export interface PostgresDsn {
  /** In the order in which they are tried. */
  hosts: { host: string; port: number }[]
  user: string
  password: string | null
  database: string
  sslmode: SslMode
  /** SCRAM must prove that it talks to the end of this very TLS session. */
  channelBinding: boolean
  /** Only a server that takes writes will do (`target_session_attrs=read-write`). */
  primary: boolean
  connectTimeoutMs: number | null
  /** Session settings that travel in the startup packet. */
  settings: Record<string, string>
}

/** The string as written: `raw` is the password before percent-decoding. */
interface Written {
  params: Map<string, string>
  raw: string | null
}

/** Faults: CREDENTIAL_MALFORMED, naming what is wrong and never the value. */
export function parseDsn(dsn: string): PostgresDsn {
  const { params } = written(dsn)
  const take = (name: string) => {
    const value = params.get(name)
    params.delete(name)
    return value === undefined || value === '' ? null : value
  }
  const hosts = hostList(take('host'), take('port'))
  const user = take('user') ?? missing('user name')
  const password = take('password')
  const database = take('dbname') ?? user
  return { hosts, user, password, database, ...judgeOptions(params, hosts) }
}

/** What may be shown to anybody who may see the connection. Several hosts are joined by commas. */
export function describeDsn(dsn: string): { host: string; port: number; database: string; user: string; sslmode: string } {
  const { hosts, database, user, sslmode } = parseDsn(dsn)
  return { host: hosts.map((h) => h.host).join(','), port: hosts[0]!.port, database, user, sslmode }
}

/** The password as it is written and as it is meant, for fingerprints and scrubbing. A string that cannot be parsed is secret as a whole. */
export function secretPartsOf(dsn: string): string[] {
  let parts: (string | null | undefined)[]
  try {
    const { params, raw } = written(dsn)
    parts = [raw, params.get('password')]
  } catch {
    parts = [dsn.trim()]
  }
  return [...new Set(parts.filter((part): part is string => !!part))]
}

function written(text: string): Written {
  const dsn = text.trim()
  if (dsn === '') throw malformed('is empty')
  if (dsn.length > MAX_DSN_LENGTH) throw malformed(`is longer than ${MAX_DSN_LENGTH} characters`)
  if (/[\0-\x1f\x7f]/.test(dsn)) throw malformed('contains a control character or a line break')
  const url = /^postgres(?:ql)?:\/\/(.*)$/s.exec(dsn)
  if (url) return fromUrl(url[1]!)
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(dsn)) throw malformed('begins with something else than postgres:// or postgresql://')
  if (/^[a-z_]+\s*=/i.test(dsn)) return fromPairs(dsn)
  throw malformed('is neither a postgres:// URL nor a list of key=value pairs')
}

/** `user:password@host:port,host:port/database?name=value&…`; libpq ends the user part at the first `@` before a `/`. */
function fromUrl(rest: string): Written {
  const params = new Map<string, string>()
  let raw: string | null = null
  let tail = rest
  const at = /^([^@/]*)@/.exec(tail)
  if (at) {
    tail = tail.slice(at[0].length)
    const [user, ...password] = at[1]!.split(':')
    set(params, 'user', decoded(user!, 'user name'))
    if (password.length > 0) {
      raw = password.join(':')
      set(params, 'password', decoded(raw, 'password'))
    }
  }
  const [, place, path, query] = /^([^/?]*)(\/[^?]*)?(?:\?(.*))?$/s.exec(tail) ?? []
  if (place === undefined) throw malformed('is not a well-formed URL')
  if (/[@#]/.test(place + (path ?? '')) || (at === null && (query ?? '').includes('@'))) {
    throw malformed(
      'has a stray @ or # in it: the password holds a character that must be percent-encoded',
      'Encode the password: @ is %40, / is %2F, # is %23, ? is %3F, % is %25.',
    )
  }
  placeOf(place, params)
  if (path && path.length > 1) set(params, 'dbname', decoded(path.slice(1), 'database name'))
  for (const pair of (query ?? '').split('&').filter((p) => p !== '')) {
    const [name, ...value] = pair.split('=')
    if (value.length === 0) throw malformed('has an option without a value')
    if (name === 'password') raw = value.join('=')
    set(params, decoded(name!, 'option name').toLowerCase(), decoded(value.join('='), 'option'))
  }
  return { params, raw }
}

function placeOf(place: string, params: Map<string, string>) {
  if (place === '') return
  const hosts: string[] = []
  const ports: string[] = []
  for (const item of place.split(',')) {
    const [, v6, name, port] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*))(?::(\d*))?$/i.exec(item) ?? []
    if (v6 === undefined && name === undefined) {
      throw malformed('has a host or port that is not well-formed', 'A special character in the password must be percent-encoded.')
    }
    hosts.push(v6 ?? decoded(name!, 'host'))
    ports.push(port ?? '')
  }
  set(params, 'host', hosts.join(','))
  if (ports.some((p) => p !== '')) set(params, 'port', ports.join(','))
}

/** `host=db.example.com port=5432 password='it\'s'`: quotes round values with spaces, backslash before a quote or a backslash. */
function fromPairs(dsn: string): Written {
  const params = new Map<string, string>()
  let raw: string | null = null
  const pair = /\s*([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/iy
  let end = 0
  while (end < dsn.length) {
    pair.lastIndex = end
    const found = pair.exec(dsn)
    if (!found)
      throw malformed('is not a well-formed list of key=value pairs', "Put values with spaces in single quotes, and write \\' for a quote.")
    end = pair.lastIndex
    const name = found[1]!.toLowerCase()
    const value = found[2] ?? found[3] ?? ''
    if (name === 'password') raw = value
    set(params, name, value.replace(/\\(.)/g, '$1'))
  }
  return { params, raw }
}

function set(params: Map<string, string>, name: string, value: string) {
  if (/\0/.test(value)) throw malformed('contains a NUL character')
  if (params.has(name)) throw malformed(`says ${/^[a-z_]{1,40}$/.test(name) ? name : 'an option'} twice`)
  params.set(name, value)
}

function decoded(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw malformed(`has a ${what} with a % that is not percent-encoding`, 'Write %25 for a percent sign.')
  }
}

const missing = (what: string): never => {
  throw malformed(`names no ${what}`)
}

function hostList(host: string | null, port: string | null): PostgresDsn['hosts'] {
  const names = (host ?? missing('host')).split(',')
  const ports = (port ?? '5432').split(',')
  if (ports.length !== 1 && ports.length !== names.length) throw malformed('names more ports than hosts, or fewer')
  if (names.length > 8) throw malformed('names more than eight hosts')
  return names.map((name, i) => {
    if (name.startsWith('/') || name.startsWith('@')) {
      throw malformed('names a socket file as its host, which is not allowed here', 'Give the host name and port of the server.')
    }
    if (isIP(name) === 0 && !/^[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9.])?$/i.test(name))
      throw malformed('has a host that is not a host name or address')
    const text = ports.length === 1 ? ports[0]! : ports[i]!
    const number = text === '' ? 5432 : /^\d{1,5}$/.test(text) ? Number(text) : 0
    if (number < 1 || number > 65535) throw malformed('has a port that is not a number from 1 to 65535')
    return { host: name.toLowerCase(), port: number }
  })
}
